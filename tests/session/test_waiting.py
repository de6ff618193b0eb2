"""What is waited for with a session's Deferreds, by several at a time."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from sipws.session import Cause
from tests.session.pair import Lone
from tests.ua.fakes import outcome


def test_whoHasWhatItWaitedForMayGiveAnotherUp() -> None:
    lone = Lone()
    session = lone.party.call()
    first, second = session.whenTerminated(), session.whenTerminated()
    first.addCallback(lambda _: second.cancel())
    given, third = outcome(second), outcome(session.whenTerminated())
    lone.answer(lone.take(), 603)
    assert isinstance(given[0], CancelledError)
    assert third[0].cause == Cause.REFUSED
    lone.finish()
