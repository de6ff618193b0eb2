"""
How a user agent stops: unregister, finish what is open, close; each bounded in time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from sipws.errors import NotConnected
from sipws.ua.events import loggerFor
from sipws.ua.requests import servedTransport
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from sipws.interfaces import ITransport
    from sipws.ua.dispatch import Dispatcher
    from sipws.ua.flow import Flows

__all__ = ["Stopping"]

_log = loggerFor("sip.ua")

#: The part of C{stopTimeout} that closing the WebSocket may take, at most.
CLOSING_SHARE = 0.5


class Stopping:
    """
    One stop of a user agent.

    @ivar done: Those who wait for its end.
    @ivar startAgain: Whether the user agent is to start again then.
    """

    def __init__(
        self,
        flows: Flows,
        dispatcher: Dispatcher,
        clock: IReactorTime,
        finished: Callable[[bool], None],
    ) -> None:
        """
        @param finished: Called at the end, with C{startAgain}.
        """
        options = flows.ua.configuration
        self._flows = flows
        self._ua = flows.ua
        self._dispatcher = dispatcher
        self._clock = clock
        self._finished = finished
        self._closeTimeout = min(options.closeTimeout, options.stopTimeout * CLOSING_SHARE)
        self._begun = False
        self._closing: IDelayedCall | None = None
        # The connections whose end is waited for.
        self._open: list[ITransport] = []
        self.startAgain = False
        self.done = Waiters()

    def begin(self) -> None:
        """Stop, unless that is under way."""
        if self._begun:
            return
        self._begun = True
        patience = self._ua.configuration.stopTimeout - self._closeTimeout
        finished = Deferred.fromCoroutine(self._finish())
        finished.addTimeout(patience, self._clock)
        finished.addErrback(self._unfinished)
        finished.addCallback(self._close)

    def connectionClosed(self, transport: ITransport) -> None:
        """A WebSocket is closed."""
        if transport in self._open:
            self._open.remove(transport)
            if not self._open:
                self._closed()

    def _closed(self) -> None:
        timer, self._closing = self._closing, None
        if timer is not None:
            timer.cancel()
        self._end()

    async def _finish(self) -> None:
        """Unregister, and let what is open come to its end."""
        if self._ua.way() is not None:
            self._dispatcher.refuseCalls()
            if self._dispatcher.usages is not None:
                await self._dispatcher.usages.stop()
            await self._flows.withdraw()
            await self._dispatcher.whenAnswered()
            await self._ua.transactions.whenIdle()

    def _unfinished(self, failure: Failure) -> None:
        if failure.check(DeferredTimeout) is None:
            _log.failure("stopping went wrong: what is open is given up", failure)
        else:
            _log.warn("stopping takes too long: what is open is given up")

    def _close(self, _: None) -> None:
        ua = self._ua
        self._flows.end()
        self._dispatcher.stop()
        if self._dispatcher.usages is not None:
            self._dispatcher.usages.close()
        ua.transactions.close(NotConnected("the user agent has been stopped"))
        self._open, closed = self._flows.transports()
        for transport in closed:
            servedTransport(transport).disconnect()
        if not self._open:
            self._end()
            return
        # onTransportClosed tells of the end of each.
        self._closing = self._clock.callLater(self._closeTimeout, self._closeTimedOut)
        for transport in list(self._open):
            servedTransport(transport).disconnect()

    def _closeTimedOut(self) -> None:
        self._closing = None
        late, self._open = self._open, []
        for transport in late:
            servedTransport(transport).abort()
        self._end()

    def _end(self) -> None:
        self._finished(self.startAgain)
        self.done.fire()
