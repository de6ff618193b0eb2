"""
L{Timing}: the timers of one subscription, by the events that they bring about.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Timing"]


class Timing:
    """Timers that run for one subscription."""

    __slots__ = ("_clock", "_fire", "_running")

    def __init__(self, clock: IReactorTime, fire: Callable[[str], None]) -> None:
        """
        @param clock: The clock.
        @param fire: Called with the event of the timer that has run out.
        """
        self._clock = clock
        self._fire = fire
        self._running: dict[str, IDelayedCall] = {}

    def start(self, event: str, seconds: float) -> None:
        """Have an event in some seconds, in place of when it was to be."""
        self.stop(event)
        self._running[event] = self._clock.callLater(seconds, self._fired, event)

    def stop(self, *events: str) -> None:
        """Have events not."""
        for event in events:
            timer = self._running.pop(event, None)
            if timer is not None:
                timer.cancel()

    def stopAll(self) -> None:
        """Have none of them."""
        self.stop(*self._running)

    def left(self, event: str) -> float | None:
        """Say in how many seconds an event is to be; C{None}: it is not."""
        timer = self._running.get(event)
        return None if timer is None else timer.getTime() - self._clock.seconds()

    def _fired(self, event: str) -> None:
        del self._running[event]
        self._fire(event)
