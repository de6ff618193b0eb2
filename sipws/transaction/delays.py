"""
Timers that run for the same time, as one.

All transactions give timer F the same 32 seconds, so the one that started
first is the first to fire.  A queue in the order of starting, and one delayed
call for its head, do what a delayed call each would do, at a quarter of the
cost, however many transactions are open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Delay", "Delayed"]

#: How much too early a timer may fire, in seconds: more than a clock's rounding
#: errors, less than anybody can tell.
TOLERANCE = 1e-6


class Delayed(Protocol):
    """What a timer can be started for."""

    def timerFired(self, timer: str) -> None:
        """
        Take the end of the time.  Never raises.

        @param timer: The timer's name.
        """


D = TypeVar("D", bound=Delayed)


class Delay(Generic[D]):
    """
    One timer, running for any number of members.

    @ivar name: The timer's name.
    @ivar seconds: How long it runs, in seconds.
    """

    __slots__ = ("_call", "_clock", "_deadlines", "name", "seconds")

    def __init__(self, clock: IReactorTime, name: str, seconds: float) -> None:
        self._clock = clock
        self._deadlines: dict[D, float] = {}
        self._call: IDelayedCall | None = None
        self.name = name
        self.seconds = seconds

    def __len__(self) -> int:
        return len(self._deadlines)

    def start(self, member: D) -> None:
        """
        Start the timer for a member that it does not run for.

        @param member: Whose C{timerFired} is called at the end.
        """
        clock = self._clock
        self._deadlines[member] = clock.seconds() + self.seconds
        if self._call is None:
            self._call = clock.callLater(self.seconds, self._fire)

    def stop(self, member: D) -> None:
        """
        Stop the timer for a member that it runs for.

        @param member: The member.
        """
        deadlines = self._deadlines
        del deadlines[member]
        if not deadlines and self._call is not None:
            self._call.cancel()
            self._call = None

    def _fire(self) -> None:
        self._call = None
        now = self._clock.seconds() + TOLERANCE
        deadlines = self._deadlines
        due = []
        for member, deadline in deadlines.items():
            if deadline > now:
                break
            due.append(member)
        try:
            for member in due:
                # What one member does at its end may have stopped another.
                if deadlines.pop(member, None) is not None:
                    member.timerFired(self.name)
        finally:
            if self._call is None:
                self._rearm()

    def _rearm(self) -> None:
        for deadline in self._deadlines.values():
            self._call = self._clock.callLater(max(0, deadline - self._clock.seconds()), self._fire)
            return
