"""
L{Ledger}: what became of each request.

Each gets a number of its own, which goes with it in a header.  Its sender
enters how it ended, its receiver that it came.  In the end the two must agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred, maybeDeferred

from sipws.errors import LimitExceeded, SIPError, TransactionCancelled, TransactionTimeout

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipws.message import IncomingRequest, IncomingResponse

__all__ = ["HEADER", "Answered", "Entry", "Failed", "Ledger", "Tally"]

#: The header that holds a request's number.
HEADER = "X-Ledger-Entry"


@attrs.frozen
class Answered:
    """
    It got a final response.

    @ivar status: Its status code.
    """

    status: int

    def __str__(self) -> str:
        return str(self.status)


@attrs.frozen
class Failed:
    """
    It failed.  The error itself would keep the request.

    @ivar kind: With what kind of error.
    @ivar text: What that says.
    @ivar sent: Whether the request had left, as far as the error says.
    """

    kind: type[BaseException]
    text: str
    sent: bool | None

    @classmethod
    def by(cls, error: BaseException) -> Failed:
        """Take from an error what is of interest."""
        return cls(type(error), str(error), getattr(error, "sent", None))

    def __str__(self) -> str:
        return self.kind.__name__ + {True: ", sent", False: ", not sent", None: ""}[self.sent]


@attrs.define
class Entry:
    """
    One request.

    @ivar number: Its number.
    @ivar sender: Who sent it.
    @ivar receiver: Whom it is for.
    @ivar outcomes: How it ended: once, if all is well.
    @ivar arrivals: How often it came: once at most.
    """

    number: int
    sender: str
    receiver: str
    outcomes: list[Answered | Failed] = attrs.field(factory=list)
    arrivals: int = 0


@attrs.frozen
class Tally:
    """
    What one user agent must have counted, by the names of L{sipws.counters.Counters}.
    """

    requests: int
    responses: int
    timeouts: int
    cancellations: int
    unsentFailures: int
    sentFailures: int
    otherFailures: int
    requestsReceived: int


class Ledger:
    """
    Accounts for requests.

    @ivar entries: All of them; the number of each is its index.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        # Requests that nobody has entered.
        self._strangers: list[str] = []
        self._open = 0

    # What is entered.

    def send(
        self,
        sender: str,
        receiver: str,
        request: Callable[[list[tuple[str, str]]], Deferred[IncomingResponse]],
    ) -> Deferred[IncomingResponse]:
        """
        Enter a request, and how it ends.

        @param request: Sends it, with these headers.
        @return: What that gave: to be cancelled, if need be, and for nothing else.
        """
        entry = Entry(len(self.entries), sender, receiver)
        self.entries.append(entry)
        self._open += 1
        sending = maybeDeferred(request, [(HEADER, str(entry.number))])
        sending.addCallbacks(self._answered, self._failed, callbackArgs=(entry,), errbackArgs=(entry,))
        return sending

    def arrived(self, receiver: str, request: IncomingRequest) -> None:
        """Enter that a request has come."""
        text = request.getHeader(HEADER)
        entry = self._find(text)
        if entry is None or entry.receiver != receiver:
            self._strangers.append(f"{request.method} {text} came to {receiver}")
        else:
            entry.arrivals += 1

    # What it comes to.

    @property
    def open(self) -> int:
        """How many requests have not ended."""
        return self._open

    def discrepancies(self) -> list[str]:
        """Say what does not add up: nothing, if all is well."""
        found = list(self._strangers)
        for entry in self.entries:
            ended = ", ".join(str(outcome) for outcome in entry.outcomes) or "nothing"
            what = f"{entry.number} from {entry.sender} ended as {ended} and arrived {entry.arrivals} times"
            found += [f"{what}: {wrong}" for wrong in _wrongs(entry)]
        return found

    def outcomes(self) -> Counter[str]:
        """Count how requests ended."""
        return Counter(str(outcome) for entry in self.entries for outcome in entry.outcomes)

    def tally(self, party: str) -> Tally:
        """Give what a user agent must have counted."""
        outcomes = [outcome for entry in self.entries if entry.sender == party for outcome in entry.outcomes]
        kinds = Counter(_kind(outcome) for outcome in outcomes)
        received = sum(entry.arrivals for entry in self.entries if entry.receiver == party)
        return Tally(
            requests=len(outcomes), requestsReceived=received, **{kind: kinds[kind] for kind in _KINDS}
        )

    # How it does that.

    def _find(self, text: str | None) -> Entry | None:
        number = int(text) if text is not None and text.isdecimal() else len(self.entries)
        return self.entries[number] if number < len(self.entries) else None

    def _answered(self, response: IncomingResponse, entry: Entry) -> None:
        self._end(entry, Answered(response.statusCode))

    def _failed(self, failure: Failure, entry: Entry) -> None:
        assert failure.value is not None
        self._end(entry, Failed.by(failure.value))

    def _end(self, entry: Entry, outcome: Answered | Failed) -> None:
        if not entry.outcomes:
            self._open -= 1
        entry.outcomes.append(outcome)


def _wrongs(entry: Entry) -> list[str]:
    """Say what is wrong with one request."""
    wrongs = []
    if len(entry.outcomes) != 1:
        wrongs.append("it must end once")
    if entry.arrivals > 1:
        wrongs.append("it must arrive once at most")
    for outcome in entry.outcomes:
        if isinstance(outcome, Answered):
            if outcome.status == 200 and not entry.arrivals:
                wrongs.append("it was accepted, but has not arrived")
        elif not issubclass(outcome.kind, SIPError):
            wrongs.append(f"its failure is none of ours: {outcome.text}")
        elif outcome.sent is None and not issubclass(outcome.kind, LimitExceeded):
            wrongs.append(f"its failure does not say whether it had left: {outcome.text}")
        elif outcome.sent is False and entry.arrivals:
            wrongs.append("it had not left, but has arrived")
    return wrongs


_KINDS = ("responses", "timeouts", "cancellations", "unsentFailures", "sentFailures", "otherFailures")


def _kind(outcome: Answered | Failed) -> str:
    """Say which counter counts an outcome."""
    if isinstance(outcome, Answered):
        return "responses"
    if issubclass(outcome.kind, TransactionTimeout):
        return "timeouts"
    if issubclass(outcome.kind, TransactionCancelled):
        return "cancellations"
    if outcome.sent is None:
        return "otherFailures"
    return "sentFailures" if outcome.sent else "unsentFailures"
