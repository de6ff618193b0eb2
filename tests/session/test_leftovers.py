"""
What is left of a call when it is over: what a late 2xx needs, and nothing that
waits for the garbage collector.  Who makes a thousand calls a second would wait
for that, too.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import pytest

from sipws.testing.descriptions import CannedDescriptions
from tests.session.pair import ANSWER, OFFER, Pair


@pytest.fixture
def withoutCollector() -> Iterator[None]:
    """Have garbage that is a circle stay."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def hungUp(pair: Pair) -> None:
    caller, _ = pair.establish()
    caller.bye()


def hungUpByTheCallee(pair: Pair) -> None:
    _, callee = pair.establish()
    callee.bye()


def refused(pair: Pair) -> None:
    pair.alice.call()
    pair.pump()
    pair.bob.session.reject(486)


def givenUp(pair: Pair) -> None:
    caller = pair.alice.call()
    pair.pump()
    pair.bob.session.progress()
    pair.pump()
    caller.cancel()


def acknowledgedProvisionally(pair: Pair) -> None:
    caller = pair.alice.call()
    pair.pump()
    pair.bob.session.progress(183, body=ANSWER, reliable=True)
    pair.pump()
    pair.bob.session.accept()
    pair.pump()
    caller.bye()


def changed(pair: Pair) -> None:
    caller, callee = pair.establish()
    callee.on("offer", lambda offer: offer.accept(ANSWER))
    caller.reinvite(OFFER)
    pair.pump()
    callee.update()
    pair.pump()
    caller.dtmf("1")
    pair.pump()
    caller.bye()
    # The transaction of the re-INVITE would have its 2xx acknowledged again.
    pair.wait(33)


def timed(pair: Pair) -> None:
    caller, _ = pair.establish(headers=[("Session-Expires", "90;refresher=uac")])
    pair.wait(50)
    caller.bye()


def described(pair: Pair) -> None:
    caller = pair.alice.call(body="", handler=CannedDescriptions())
    pair.pump()
    pair.bob.session.accept(ANSWER)
    pair.pump()
    caller.bye()


@pytest.mark.parametrize(
    "happens",
    [
        hungUp,
        hungUpByTheCallee,
        refused,
        givenUp,
        acknowledgedProvisionally,
        changed,
        timed,
        described,
    ],
)
@pytest.mark.usefixtures("withoutCollector")
def test_aCallThatIsOverDoesNotWaitForTheGarbageCollector(happens: Callable[[Pair], None]) -> None:
    pair = Pair()
    happens(pair)
    pair.pump()
    parties: tuple[Any, ...] = (pair.alice, pair.bob)
    calls = [ref(session) for party in parties for session in party.sessions]
    assert [party.take()[-1] for party in parties] == ["terminated", "terminated"]
    for party in parties:
        party.sessions.clear()
    assert len(calls) == 2
    assert [call() for call in calls] == [None, None]


def test_ofAnAcceptedInviteTheTransactionStaysAlone() -> None:
    """RFC 6026 has the transaction stay for 64*T1, and it never sends the INVITE again."""
    pair = Pair()
    caller, _ = pair.establish()
    (transaction,) = pair.alice.ua.transactions.ict.values()
    assert transaction.request is None
    assert transaction.branch == caller.request.viaBranch
    # It is the user's to look at as long as there is a session.
    assert caller.request.body == OFFER.encode()
    pair.finish()
    assert caller.request.body == OFFER.encode()
