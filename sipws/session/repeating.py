"""
L{Repeating}: a response that is sent again until it is acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import IUsages
    from sipws.message import OutgoingResponse

__all__ = ["Repeating"]


class Repeating:
    """
    Sends a response to an INVITE again until it is acknowledged: a 2xx until
    its ACK comes, a reliable provisional one until its PRACK does.

    That the hop to the server is reliable changes nothing: others may not be
    (RFC 3261 section 13.3.1.4, RFC 3262 section 3).
    """

    __slots__ = ("_cap", "_interval", "_left", "_onTimeout", "_response", "_timer", "_usages")

    def __init__(
        self,
        usages: IUsages,
        response: OutgoingResponse,
        onTimeout: Callable[[], object],
        cap: float | None = None,
    ) -> None:
        """
        @param response: The response; it has been sent once.
        @param onTimeout: Called when it was not acknowledged in 64*T1.
        @param cap: The longest time between two of them, in seconds; C{None}: any.
        """
        self._usages = usages
        self._response = response
        self._onTimeout = onTimeout
        self._cap = cap
        self._interval: float = usages.timers.T1
        self._left: float = 64 * usages.timers.T1
        self._timer: IDelayedCall | None = usages.clock.callLater(self._interval, self._again)

    @property
    def isRunning(self) -> bool:
        """Whether it is still being sent."""
        return self._timer is not None

    def stop(self) -> bool:
        """
        It is acknowledged, or of no use any more.

        @return: Whether it was still being sent.
        """
        timer, self._timer = self._timer, None
        if timer is None:
            return False
        if timer.active():
            timer.cancel()
        return True

    def _again(self) -> None:
        self._left -= self._interval
        if self._left <= 0:
            self._timer = None
            self._onTimeout()
            return
        self._usages.resend(self._response)
        # "an interval that starts at T1 seconds and doubles for each retransmission until it reaches T2".
        doubled = 2 * self._interval if self._cap is None else min(2 * self._interval, self._cap)
        self._interval = min(doubled, self._left)
        self._timer = self._usages.clock.callLater(self._interval, self._again)
