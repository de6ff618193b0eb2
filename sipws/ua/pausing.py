"""
L{Pausing}: no more requests are read than the application keeps up with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.ua.events import loggerFor
from sipws.ua.requests import servedTransport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.interfaces import ITransport

__all__ = ["Pausing"]

_log = loggerFor("sip.ua.dispatch")


class Pausing:
    """
    Has transports read nothing while too many requests are unanswered.

    While a connection is not read, nothing else is read from it either: no
    response to a request of ours, no CANCEL, no sign of life.  A handler may
    well wait for such a response before it answers.  So two things keep this
    from being a deadlock.  A pause lasts C{patience} at most; then as many
    requests more are read before the next.  And INVITEs, which may ring for
    as long as they like, do not count.

    @ivar limit: How many unanswered requests are too many; C{pauseReadingAt} of the configuration.
    @ivar patience: How long a pause lasts at most, in seconds.
    @ivar count: How many there are.
    """

    __slots__ = ("_clock", "_paused", "_threshold", "_timer", "_unanswered", "count", "limit", "patience")

    def __init__(self, clock: IReactorTime, limit: int, patience: float) -> None:
        self._clock = clock
        self._threshold = limit
        self._timer: IDelayedCall | None = None
        self._unanswered: dict[ITransport, int] = {}
        self._paused: list[ITransport] = []
        self.limit = limit
        self.patience = patience
        self.count = 0

    def began(self, transport: ITransport) -> None:
        """
        Count a request, and pause if it is one too many.

        @param transport: What it came on.
        """
        self._unanswered[transport] = self._unanswered.get(transport, 0) + 1
        self.count += 1
        if self.count >= self._threshold:
            self._pause()

    def ended(self, transport: ITransport) -> None:
        """
        Count one no more.  L{settle} has to follow, when its response is out.

        @param transport: What it came on.
        """
        left = self._unanswered.pop(transport) - 1
        if left:
            self._unanswered[transport] = left
        self.count -= 1

    def settle(self) -> None:
        """Read again, if half of them are answered."""
        if self.count <= self.limit // 2:
            self._threshold = self.limit
            self.resume()

    def resume(self) -> None:
        """Read again."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        paused, self._paused = self._paused, []
        for transport in paused:
            # What one reads at once may be too much again, for all of them.
            if transport not in self._paused:
                servedTransport(transport).resumeReading()

    def _pause(self) -> None:
        if self._timer is None:
            self._timer = self._clock.callLater(self.patience, self._overdue)
        for transport in self._unanswered:
            # Also one that is paused already: it reads where it has connected anew meanwhile.
            servedTransport(transport).pauseReading()
            if transport not in self._paused:
                self._paused.append(transport)

    def _overdue(self) -> None:
        self._timer = None
        if self._threshold == self.limit:
            _log.warn("{count} requests are not answered; reading on all the same", count=self.count)
        self._threshold = self.count + self.limit
        self.resume()
