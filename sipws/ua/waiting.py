"""
Requests that cannot leave at once wait here for the connection, in their
order, bounded in number and in time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail

from sipws.errors import LimitExceeded, NotConnected, SIPError, TransactionCancelled, TransportError
from sipws.message.given import checkNumber
from sipws.ua.requests import servedTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.interfaces import ITransport
    from sipws.message import OutgoingRequest

__all__ = ["WaitingRequests", "checkDeadline"]


class WaitingRequests:
    """
    The requests that wait for a connection, in the order in which they were made.

    They leave in this order, and no request that is made meanwhile leaves
    before them.  They leave as fast as the server reads, lest those that have
    waited be too much at once for a connection that is all right.

    @ivar clock: What time is measured by.
    @ivar limit: How many may wait; C{maxWaitingRequests} of the configuration.
    @ivar timeout: How long each may wait that does not say for itself, in seconds.
    @ivar ways: Gives the transports that a request can leave on now, the best first.
    @ivar entries: Those that wait; C{None} where none does.
    """

    __slots__ = ("_full", "_releasing", "clock", "entries", "limit", "timeout", "ways")

    def __init__(self, clock: IReactorTime, limit: int, timeout: float) -> None:
        self.clock = clock
        self.limit = limit
        self.timeout = timeout
        self.ways: Callable[[], list[ITransport]] = list
        # The transports whose server does not read, and which are watched until it has.
        self._full: set[ITransport] | None = None
        # In the order of insertion: each Deferred that waits, with what ends its wait.
        self.entries: dict[Deferred[ITransport], _Entry] | None = None
        self._releasing = False

    def __len__(self) -> int:
        return len(self.entries or ())

    def wait(self, request: OutgoingRequest, timeout: float | None = None) -> Deferred[ITransport]:
        """
        Wait for a connection.

        @param request: What is to be sent; an error carries it.
        @param timeout: How long, in seconds; C{None}: as long as any; infinity: for ever.
        @return: A Deferred of it.  It fails with L{TransportError} when the
            time is over, with L{LimitExceeded} at once when too many wait, and
            with L{TransactionCancelled} when it is cancelled.
        """
        timeout = self.timeout if timeout is None else timeout
        if timeout <= 0:
            return fail(_tooLate(request, timeout, isConnected=bool(self.ways())))
        if len(self) >= self.limit:
            error = LimitExceeded(
                "too many requests wait for a connection", option="maxWaitingRequests", limit=self.limit
            )
            return fail(error)
        waiter: Deferred[ITransport] = Deferred(self._cancelled)
        if self.entries is None:
            self.entries = {}
        isBounded = timeout < math.inf
        timer = self.clock.callLater(timeout, self._timedOut, waiter, timeout) if isBounded else None
        self.entries[waiter] = _Entry(request, timer)
        return waiter

    def release(self) -> None:
        """Let those that wait leave, the first first, as long as there is a connection that has room."""
        if self._releasing:
            return
        self._releasing = True
        try:
            while self.entries:
                way = next(filter(self._hasRoom, self.ways()), None)
                if way is None:
                    return
                # One at a time: what it leads to may change everything.
                waiter = next(iter(self.entries))
                self._take(waiter)
                waiter.callback(way)
        finally:
            self._releasing = False

    def fail(self, reason: str) -> None:
        """Fail those that wait now with L{NotConnected}."""
        for waiter, entry in list((self.entries or {}).items()):
            self._fail(waiter, NotConnected(reason, request=entry.request, sent=False))

    def _hasRoom(self, way: ITransport) -> bool:
        """Say whether nothing waits for the server to read; where something does, go on when it has."""
        if self._full is not None and way in self._full:
            return False
        room = servedTransport(way).whenWritable()
        if room.called:
            room.addErrback(lambda _: None)
            return True
        if self._full is None:
            self._full = set()
        self._full.add(way)
        # Where the connection ends first, there may be another.
        room.addBoth(self._roomAgain, way)
        return False

    def _roomAgain(self, _: object, way: ITransport) -> None:
        if self._full is not None:
            self._full.discard(way)
        self.release()

    def _timedOut(self, waiter: Deferred[ITransport], timeout: float) -> None:
        entry = self._take(waiter)
        if entry is not None:
            waiter.errback(_tooLate(entry.request, timeout, isConnected=bool(self.ways())))

    def _cancelled(self, waiter: Deferred[ITransport]) -> None:
        entry = (self.entries or {}).get(waiter)
        if entry is not None:
            error = TransactionCancelled("cancelled before it was sent", request=entry.request, sent=False)
            self._fail(waiter, error)

    def _fail(self, waiter: Deferred[ITransport], error: SIPError) -> None:
        if self._take(waiter) is not None:
            waiter.errback(error)

    def _take(self, waiter: Deferred[ITransport]) -> _Entry | None:
        """Take one off the list, if it still waits."""
        entry = None if self.entries is None else self.entries.pop(waiter, None)
        if entry is None:
            return None
        entry.end()
        if not self.entries:
            self.entries = None
        return entry


class _Entry:
    """A request that waits."""

    __slots__ = ("_timer", "request")

    def __init__(self, request: OutgoingRequest, timer: IDelayedCall | None) -> None:
        self.request = request
        self._timer = timer

    def end(self) -> None:
        """Let its time run no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


def checkDeadline(deadline: float | None) -> float | None:
    """
    Take a deadline as a caller gives it.

    @param deadline: Seconds from now; C{None}: as long as it is usual;
        infinity: none; 0: it leaves at once or not at all.
    @raise ValueError: It is negative, or no number.
    """
    # Not a number compares as false with everything.
    if deadline is None:
        return None
    checkNumber("deadline", deadline, "a number of seconds")
    if not deadline >= 0:
        raise ValueError(f"a deadline is a number of seconds from now, 0 or more, not {deadline!r}")
    return deadline


def _tooLate(request: OutgoingRequest, timeout: float, *, isConnected: bool) -> TransportError:
    missing = "room for it" if isConnected else "connection"
    return TransportError(f"no {missing} within {timeout:g} seconds", request=request, sent=False)
