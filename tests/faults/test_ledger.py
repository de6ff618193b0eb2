"""The ledger notices what does not add up, and a schedule is the same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.defer import Deferred

from sipws.errors import (
    Congested,
    LimitExceeded,
    NotConnected,
    TransactionCancelled,
    TransactionTimeout,
    TransportError,
)
from sipws.message import IncomingRequest, IncomingResponse, parseMessage
from tests.faults.faults import Cut, Door, Present, Shape
from tests.faults.ledger import HEADER, Ledger, Tally
from tests.faults.schedule import schedule
from tests.transport.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_HEAD = """\
Via: SIP/2.0/WS a.invalid;branch=z9hG4bK1
From: <sip:alice@example.test>;tag=1
To: <sip:bob@example.test>;tag=2
Call-ID: 1
CSeq: 1 MESSAGE
""".replace("\n", "\r\n")


def _response(status: int) -> IncomingResponse:
    response = parseMessage(f"SIP/2.0 {status} So\r\n{_HEAD}\r\n")
    assert isinstance(response, IncomingResponse)
    return response


def _request(number: object) -> IncomingRequest:
    request = parseMessage(f"MESSAGE sip:bob@example.test SIP/2.0\r\n{_HEAD}{HEADER}: {number}\r\n\r\n")
    assert isinstance(request, IncomingRequest)
    return request


class Books:
    """A ledger, and the requests that alice has sent to bob."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.results: list[Deferred[IncomingResponse]] = []

    def send(self) -> int:
        """Send a request; give its number."""
        self.ledger.send("alice", "bob", self._sent)
        return len(self.results) - 1

    def _sent(self, headers: Sequence[tuple[str, str]]) -> Deferred[IncomingResponse]:
        assert headers == [(HEADER, str(len(self.results)))]
        result: Deferred[IncomingResponse] = Deferred()
        self.results.append(result)
        return result

    def arrive(self, number: object, receiver: str = "bob") -> None:
        """Have it arrive."""
        self.ledger.arrived(receiver, _request(number))

    def answer(self, number: int, status: int) -> None:
        """Have it be answered."""
        self.results[number].callback(_response(status))

    def fail(self, number: int, error: BaseException) -> None:
        """Have it fail."""
        self.results[number].errback(error)


@pytest.fixture
def books() -> Books:
    return Books()


def test_whatArrivesAndIsAnsweredAddsUp(books: Books) -> None:
    number = books.send()
    assert books.ledger.open == 1
    books.arrive(number)
    books.answer(number, 200)
    assert books.ledger.open == 0
    assert books.ledger.discrepancies() == []
    assert books.ledger.outcomes() == {"200": 1}


@pytest.mark.parametrize("arrivals", [0, 1])
@pytest.mark.parametrize("error", [TransportError("lost", sent=True), TransactionTimeout("late", sent=True)])
def test_whatHasLeftMayHaveArrived(books: Books, error: Exception, arrivals: int) -> None:
    number = books.send()
    for _ in range(arrivals):
        books.arrive(number)
    books.fail(number, error)
    assert books.ledger.discrepancies() == []


@pytest.mark.parametrize("arrivals", [0, 1])
def test_whatWasRefusedMayHaveArrived(books: Books, arrivals: int) -> None:
    number = books.send()
    for _ in range(arrivals):
        books.arrive(number)
    books.answer(number, 408)
    assert books.ledger.discrepancies() == []


def _never(books: Books) -> None:
    books.send()


def _twice(books: Books) -> None:
    number = books.send()
    books.arrive(number)
    books.arrive(number)
    books.answer(number, 200)


def _accepted(books: Books) -> None:
    books.answer(books.send(), 200)


def _unsent(books: Books) -> None:
    number = books.send()
    books.arrive(number)
    books.fail(number, NotConnected("there is no connection", sent=False))


def _silent(books: Books) -> None:
    books.fail(books.send(), TransportError("lost"))


def _untyped(books: Books) -> None:
    books.fail(books.send(), RuntimeError("oops"))


@pytest.mark.parametrize(
    ("happening", "ended", "wrong"),
    [
        (_never, "nothing and arrived 0", "it must end once"),
        (_twice, "200 and arrived 2", "it must arrive once at most"),
        (_accepted, "200 and arrived 0", "it was accepted, but has not arrived"),
        (_unsent, "NotConnected, not sent and arrived 1", "it had not left, but has arrived"),
        (
            _silent,
            "TransportError and arrived 0",
            "its failure does not say whether it had left: lost",
        ),
        (_untyped, "RuntimeError and arrived 0", "its failure is none of ours: oops"),
    ],
)
def test_whatDoesNotAddUpIsSaid(
    books: Books, happening: Callable[[Books], None], ended: str, wrong: str
) -> None:
    happening(books)
    assert books.ledger.discrepancies() == [f"0 from alice ended as {ended} times: {wrong}"]


@pytest.mark.parametrize("number", ["0", "7", "-1", "x", ""])
def test_strangersAreNoticed(books: Books, number: str) -> None:
    books.arrive(number)
    assert books.ledger.discrepancies() == [f"MESSAGE {number} came to bob"]


def test_whatComesToAnotherIsNoticed(books: Books) -> None:
    number = books.send()
    books.arrive(number, "carol")
    books.answer(number, 404)
    assert books.ledger.discrepancies() == ["MESSAGE 0 came to carol"]


def test_whatCannotBeSentHasFailed(books: Books) -> None:
    def send(headers: object) -> Deferred[IncomingResponse]:
        raise LimitExceeded("too many", option="maxTransactions", limit=1)

    books.ledger.send("alice", "bob", send)
    assert books.ledger.open == 0
    assert books.ledger.outcomes() == {"LimitExceeded": 1}


def test_aTallyCountsAsCountersDo(books: Books) -> None:
    outcomes = [
        TransportError("lost", sent=True),
        NotConnected("no connection", sent=False),
        Congested("it does not read", sent=False),
        TransactionTimeout("late"),
        TransactionCancelled("given up"),
        LimitExceeded("too many", option="maxTransactions", limit=1),
    ]
    for outcome in outcomes:
        books.fail(books.send(), outcome)
    for status in (200, 404):
        number = books.send()
        books.arrive(number)
        books.answer(number, status)
    assert books.ledger.tally("alice") == Tally(
        requests=8,
        responses=2,
        timeouts=1,
        cancellations=1,
        unsentFailures=2,
        sentFailures=1,
        otherFailures=1,
        requestsReceived=0,
    )
    assert books.ledger.tally("bob").requestsReceived == 2


def test_aScheduleIsTheSameForTheSameSeed() -> None:
    assert schedule(1, 200) == schedule(1, 200)
    assert schedule(1, 200) != schedule(2, 200)


def test_aScheduleHasFaultsOfAllFamilies() -> None:
    faults = [step.fault for step in schedule(1, 500)]
    kinds = {type(fault) for fault in faults}
    for family, some in ((Door, 4), (Shape, 6), (Cut, 2)):
        assert len([kind for kind in kinds if issubclass(kind, family)]) >= some
    # Not every one has a certificate to show.
    assert Present not in kinds
    impostor = Authority().issue(["elsewhere.example"])
    assert Present(impostor) in [step.fault for step in schedule(1, 500, [impostor])]
