"""One delayed call for all that run for the same time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from sipws.transaction.delays import Delay


class Member:
    """Notes when it fires."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.fired: list[float] = []
        self.then: Callable[[], object] = lambda: None

    def timerFired(self, timer: str) -> None:
        assert timer == "Timer F"
        self.fired.append(self.clock.seconds())
        self.then()


def make() -> tuple[Clock, Delay[Member]]:
    clock = Clock()
    return clock, Delay(clock, "Timer F", 32.0)


def test_eachFiresAtItsOwnTime() -> None:
    clock, delay = make()
    members = []
    for _ in range(5):
        members.append(Member(clock))
        delay.start(members[-1])
        clock.advance(0.3)
    clock.pump([0.1] * 400)
    for number, member in enumerate(members):
        (at,) = member.fired
        # The clock moves by tenths of a second.
        assert 32 + number * 0.3 - 1e-6 <= at < 32 + number * 0.3 + 0.11
    assert len(delay) == 0
    assert clock.getDelayedCalls() == []


def test_aThousandNeedOneDelayedCall() -> None:
    clock, delay = make()
    for _ in range(1000):
        delay.start(Member(clock))
        clock.advance(0.001)
    assert len(delay) == 1000
    assert len(clock.getDelayedCalls()) == 1


def test_theLastThatStopsLeavesNoDelayedCall() -> None:
    clock, delay = make()
    first, second = Member(clock), Member(clock)
    delay.start(first)
    delay.start(second)
    delay.stop(first)
    assert len(clock.getDelayedCalls()) == 1
    delay.stop(second)
    assert clock.getDelayedCalls() == []
    clock.advance(100)
    assert first.fired == second.fired == []


def test_oneThatStopsDoesNotDelayTheOthers() -> None:
    clock, delay = make()
    first, second = Member(clock), Member(clock)
    delay.start(first)
    clock.advance(1)
    delay.start(second)
    delay.stop(first)
    clock.advance(31)
    assert second.fired == []
    clock.advance(1)
    assert second.fired == [33]


def test_oneThatFiresMayStopAnotherThatIsDue() -> None:
    clock, delay = make()
    first, second = Member(clock), Member(clock)
    first.then = lambda: delay.stop(second)
    delay.start(first)
    delay.start(second)
    clock.advance(32)
    assert first.fired == [32]
    assert second.fired == []
    assert clock.getDelayedCalls() == []


def test_oneThatFiresMayStartAgain() -> None:
    clock, delay = make()
    member = Member(clock)
    member.then = lambda: delay.start(member) if len(member.fired) < 3 else None
    delay.start(member)
    clock.pump([32, 32, 32, 32])
    assert member.fired == [32, 64, 96]
    assert clock.getDelayedCalls() == []


def test_roundingErrorsDoNotKeepTheClockBusy() -> None:
    clock, delay = make()
    members = []
    for _ in range(100):
        clock.advance(0.1 + 1e-15)
        members.append(Member(clock))
        delay.start(members[-1])
    clock.advance(32)
    assert all(len(member.fired) == 1 for member in members[:1])
    clock.advance(10)
    assert all(len(member.fired) == 1 for member in members)
    assert clock.getDelayedCalls() == []


def test_oneThatRaisesDoesNotStopTheOthers() -> None:
    clock, delay = make()
    first, second = Member(clock), Member(clock)

    def broken() -> None:
        raise ZeroDivisionError

    first.then = broken
    delay.start(first)
    delay.start(second)
    with pytest.raises(ZeroDivisionError):
        clock.advance(32)
    clock.advance(0)
    assert second.fired == [32]
    assert clock.getDelayedCalls() == []
