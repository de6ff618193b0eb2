"""
Requests that were made before there was a connection wait here for it,
bounded in number and in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail

from sipws.errors import LimitExceeded, NotConnected, SIPError, TransactionCancelled, TransportError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.message import OutgoingRequest

__all__ = ["WaitingRequests"]


class WaitingRequests:
    """
    The requests that wait for a connection, in the order in which they were made.

    @ivar limit: How many may wait; C{maxWaitingRequests} of the configuration.
    @ivar timeout: How long each may wait, in seconds.
    """

    __slots__ = ("_clock", "_waiting", "limit", "timeout")

    def __init__(self, clock: IReactorTime, limit: int, timeout: float) -> None:
        self._clock = clock
        self.limit = limit
        self.timeout = timeout
        # In the order of insertion: each Deferred that waits, with the timer that ends its wait.
        self._waiting: dict[Deferred[None], IDelayedCall] | None = None

    def __len__(self) -> int:
        return len(self._waiting or ())

    def wait(self, request: OutgoingRequest) -> Deferred[None]:
        """
        Wait for a connection.

        @param request: What is to be sent; an error carries it.
        @return: A Deferred that fires when there is one.  It fails with
            L{TransportError} when the time is over, with L{LimitExceeded} at
            once when too many wait, and with L{TransactionCancelled} when it is cancelled.
        """
        if len(self) >= self.limit:
            error = LimitExceeded(
                "too many requests wait for a connection", option="maxWaitingRequests", limit=self.limit
            )
            return fail(error)
        waiter: Deferred[None] = Deferred(
            lambda _: self._fail(
                waiter, TransactionCancelled("cancelled before it was sent", request=request)
            )
        )
        if self._waiting is None:
            self._waiting = {}
        self._waiting[waiter] = self._clock.callLater(self.timeout, self._timedOut, waiter, request)
        return waiter

    def release(self) -> None:
        """Let those that wait now have the connection, the first first."""
        for waiter in list(self._waiting or ()):
            if self._take(waiter):
                waiter.callback(None)

    def fail(self, reason: str) -> None:
        """Fail those that wait now with L{NotConnected}."""
        for waiter in list(self._waiting or ()):
            self._fail(waiter, NotConnected(reason))

    def _timedOut(self, waiter: Deferred[None], request: OutgoingRequest) -> None:
        # Its timer has fired: there is none to cancel any more.
        if self._waiting is not None and self._waiting.pop(waiter, None) is not None:
            waiter.errback(TransportError(f"no connection within {self.timeout:g} seconds", request=request))

    def _fail(self, waiter: Deferred[None], error: SIPError) -> None:
        if self._take(waiter):
            waiter.errback(error)

    def _take(self, waiter: Deferred[None]) -> bool:
        """Take one off the list, if it still waits."""
        timer = None if self._waiting is None else self._waiting.pop(waiter, None)
        if timer is None:
            return False
        timer.cancel()
        if not self._waiting:
            self._waiting = None
        return True
