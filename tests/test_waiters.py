"""Deferreds that wait for one thing."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from sipws.waiters import Waiters


def outcome(deferred: Deferred[None]) -> list[object]:
    """Collect what a Deferred comes to: nothing while it waits."""
    got: list[object] = []

    def failed(failure: Failure) -> None:
        got.append(failure.value)

    deferred.addCallbacks(got.append, failed)
    return got


def test_allFireTogether() -> None:
    waiters = Waiters()
    first, second = outcome(waiters.add()), outcome(waiters.add())
    assert (first, second, len(waiters)) == ([], [], 2)
    waiters.fire()
    assert (first, second, len(waiters)) == ([None], [None], 0)


def test_oneThatComesLaterWaitsForTheNextTime() -> None:
    waiters = Waiters()
    later: list[list[object]] = []
    waiters.add().addCallback(lambda _: later.append(outcome(waiters.add())))
    waiters.fire()
    assert later == [[]]
    waiters.fire()
    assert later == [[None]]


def test_allFailTogether() -> None:
    waiters = Waiters()
    error = ValueError("no")
    got = outcome(waiters.add())
    waiters.fail(error)
    assert got == [error]
    assert len(waiters) == 0


def test_eachFailsAfterTheFailuresThatItBears() -> None:
    waiters = Waiters()
    once, twice, ever = outcome(waiters.add(1)), outcome(waiters.add(2)), outcome(waiters.add())
    first, second = ValueError("first"), ValueError("second")
    waiters.failOnce(first)
    assert (once, twice, ever) == ([first], [], [])
    waiters.failOnce(second)
    assert (once, twice, ever) == ([first], [second], [])
    assert len(waiters) == 1


def test_oneThatIsCancelledIsForgotten() -> None:
    waiters = Waiters()
    waiter = waiters.add()
    got = outcome(waiter)
    waiter.cancel()
    assert isinstance(got[0], CancelledError)
    assert len(waiters) == 0
    waiters.fire()


def test_nobodyWaitingIsFine() -> None:
    waiters = Waiters()
    waiters.fire()
    waiters.fail(ValueError("no"))
    waiters.failOnce(ValueError("no"))
    assert len(waiters) == 0


@pytest.mark.parametrize("how", ["fire", "fail"])
def test_aCallbackMayCancelAnother(how: str) -> None:
    waiters = Waiters()
    first, second = waiters.add(), waiters.add()
    got = outcome(second)
    first.addBoth(lambda _: second.cancel())
    waiters.fire() if how == "fire" else waiters.fail(ValueError("no"))
    assert len(got) == 1
