"""RFC 3261 table 4, RFC 6026 section 8.11 and RFC 4320 section 4.1."""

from __future__ import annotations

import pytest

from sipws.transaction import Timers
from sipws.transaction.machines import MACHINES


def test_thoseThatFollowFromT1AreSixtyFourTimesIt() -> None:
    timers = Timers()
    assert [timers.B, timers.F, timers.H, timers.L, timers.M] == [32.0] * 5
    assert Timers(T1=0.25).F == 16.0


def test_thoseForUnreliableTransportsAreZero() -> None:
    timers = Timers()
    assert [timers.D, timers.I, timers.J, timers.K] == [0.0] * 4


def test_anInviteIsTriedAfter200Milliseconds() -> None:
    assert Timers().trying == 0.2


@pytest.mark.parametrize(
    ("T1", "T2", "seconds"), [(0.5, 4.0, 3.5), (1.0, 4.0, 3.0), (0.5, 8.0, 7.5), (4.0, 4.0, 0.0)]
)
def test_otherRequestsAreTriedWhenTimerEWouldReachT2(T1: float, T2: float, seconds: float) -> None:
    assert Timers(T1=T1, T2=T2).nonInviteTrying == seconds


def test_everyTimerOfTheTablesHasALength() -> None:
    timers = Timers()
    names = {arrow.timer for machine in MACHINES for arrow in machine.arrows if arrow.timer}
    assert len(names) == 13
    assert all(timers.seconds(name) >= 0 for name in names)


@pytest.mark.parametrize("name", ["T1", "T2", "T4", "trying"])
@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_noneIsZeroOrLessThatMustRun(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Timers(**{name: value})


@pytest.mark.parametrize("name", ["D", "I", "J", "K"])
def test_theOthersAreNotNegative(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Timers(**{name: -1})


def test_theyCannotBeChanged() -> None:
    with pytest.raises(AttributeError):
        Timers().T1 = 1.0  # type: ignore[misc]
