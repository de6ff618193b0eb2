"""
L{Returning}: the way back to a heavier server, while a lighter one is in use.

The new connection is opened, and registered over, before the old one is left:
there is no moment without a connection, nor one without a binding.  Which
means that the binding is not removed over the old connection, either: it is
the same binding, or replaced by the new one (RFC 3261 section 10.3, by its
Contact; RFC 5626 section 6, by instance and reg-id), and removing the old one
would remove the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from sipws.errors import ConfigurationError, TransportError
from sipws.interfaces import C, ITransport, IUserAgent
from sipws.ua.events import loggerFor
from sipws.ua.face import Face
from sipws.ua.registration import State
from sipws.ua.requests import servedTransport
from sipws.ua.servers import chooseHeavier, returnDelay

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.config import WsServer
    from sipws.ua.agent import UserAgent
    from sipws.ua.directory import Directory
    from sipws.ua.flow import Flow
    from sipws.ua.tokens import Randomness

__all__ = ["CHECK_INTERVAL", "LEAVE_WITHIN", "PATIENCE", "Returning"]

_log = loggerFor("sip.ua")

#: How often is looked whether the moment is quiet, in seconds.
CHECK_INTERVAL = 1.0

#: How long a new connection waits for a quiet moment before it is closed again, in seconds.
PATIENCE = 60.0

#: How long an old connection is kept for what is open on it, in seconds: as long as a transaction lasts.
LEAVE_WITHIN = 32.0

#: Where a registration stands while nothing is under way.  One that was refused waits for as long as the
#: registrar asks, or as its failures make it: a REGISTER over a new connection would be one before that.
_AT_REST = frozenset({State.REGISTERED, State.IDLE})


class Returning:
    """
    Leads one flow back.

    @ivar candidate: The connection that is tried; C{None} where none is.
    @ivar leaving: The connection that was left, while it is still open; C{None} where none is.
    @ivar parting: The connections that were tried and are being closed.
    @ivar server: The server of the first.
    """

    __slots__ = (
        "_clock",
        "_deadline",
        "_finding",
        "_flow",
        "_isTold",
        "_moving",
        "_random",
        "_timer",
        "candidate",
        "leaving",
        "parting",
        "server",
    )

    def __init__(self, flow: Flow, clock: IReactorTime, random: Randomness) -> None:
        self._flow = flow
        self._clock = clock
        self._random = random
        self._timer: IDelayedCall | None = None
        self._finding: Deferred[None] | None = None
        self._deadline = 0.0
        self._moving = False
        # Whether it is in the log that somebody who is asked cannot say.
        self._isTold = False
        self.candidate: ITransport | None = None
        self.leaving: ITransport | None = None
        self.parting: list[ITransport] = []
        self.server: WsServer | None = None

    def transports(self) -> list[ITransport]:
        """List the connections that are there, and not, or no more, in use."""
        found = [self.candidate, self.leaving, *self.parting]
        return [transport for transport in found if transport is not None]

    # What the flow tells.

    def begin(self) -> None:
        """There is a connection: from now on, look for a better one every so often."""
        if not (self._timer or self._finding or self.candidate or self.leaving):
            self._schedule()

    def lost(self) -> None:
        """The connection in use is gone: one that was tried, and is there, comes in handy."""
        if self.candidate is not None and self.candidate.connected:
            self._take()

    def stop(self) -> None:
        """Look no more, and give up what is being tried.  What was left is left to its end."""
        self._giveUp()
        if self.leaving is None:
            self._cancel()

    def end(self) -> None:
        """Leave no timer."""
        self._giveUp()
        self._cancel()

    # What the registration tells.

    def registered(self) -> None:
        """The binding is the new connection's: take it."""
        if self.candidate is not None:
            self._take()

    def refused(self) -> None:
        """It could not be made the new connection's, or is not to be: stay where we are."""
        self._moving = False
        if self.candidate is None or not self._flow.connected:
            return
        if self._flow.registration.wanted:
            self._failed("does not take our registration")
        else:
            self._giveUp()
            self._schedule()

    # What the connections tell.

    def opened(self, transport: ITransport) -> None:
        """A connection is open."""
        if transport is not self.candidate:
            return
        if self._flow.connected:
            self._deadline = self._clock.seconds() + PATIENCE
            self._move()
        else:
            self._take()

    def closed(self, transport: ITransport) -> None:
        """A connection is gone, or has not come about."""
        if transport is self.leaving:
            self.leaving = None
            # It would try to come back.
            servedTransport(transport).disconnect()
            self._schedule()
            self._flow.transportClosed(transport)
        elif transport is self.candidate:
            self._failed("cannot be reached")
        elif transport in self.parting:
            self.parting.remove(transport)
            self._flow.transportClosed(transport)

    # What it does.

    def _schedule(self) -> None:
        self._cancel()
        if self._flow.ua.status == C.STATUS_USER_CLOSED:
            return
        interval = self._flow.configuration.wsServerReturnInterval
        self._call(returnDelay(interval, self._random), self._due)

    def _due(self) -> None:
        """Try a heavier server, if there is one and the moment is quiet."""
        flow = self._flow
        server = self._heavier() if flow.connected else None
        if server is None:
            self._schedule()
        elif flow.directory is not None and not flow.directory.isCurrent:
            self._find(flow.directory)
        elif not self._isQuiet():
            interval = flow.configuration.wsServerReturnInterval
            self._call(min(CHECK_INTERVAL, interval), self._due)
        else:
            self._open(server)

    def _find(self, directory: Directory) -> None:
        """Ask which servers the domain has now: the way back is to none that it has no more."""
        if directory.isFresh:
            # It has been asked a moment ago, in vain.
            self._schedule()
            return
        self._finding = directory.find()
        self._finding.addBoth(self._found, directory)

    def _found(self, result: object, directory: Directory) -> None:
        if self._finding is None:
            # It was given up.
            return
        self._finding = None
        if directory.isCurrent:
            self._due()
        else:
            self._schedule()

    def _heavier(self) -> WsServer | None:
        flow = self._flow
        if flow.server is None:
            return None
        free = [server for server in flow.failover.servers() if not flow.isTaken(server)]
        return chooseHeavier(free, flow.server, self._clock.seconds(), self._random)

    def _isQuiet(self) -> bool:
        """Say whether nothing would notice: no open transaction, and whoever is asked says no."""
        flow = self._flow
        if any(transaction.transport is flow.transport for transaction in flow.transactions):
            return False
        return flow.registration.state in _AT_REST and not self._isBusy()

    def _isBusy(self) -> bool:
        """Say whether anybody who is asked says yes, or cannot say."""
        try:
            isBusy = any(busy() for busy in self._flow.ua.busy)
        except Exception:  # noqa: BLE001 -- the way back is not theirs to end
            if not self._isTold:
                self._isTold = True
                _log.failure("whether the moment is a quiet one cannot be told: it is not taken for one")
            return True
        self._isTold = False
        return isBusy

    def _open(self, server: WsServer) -> None:
        _log.info("trying the way back to {uri}", uri=server.ws_uri.partition("?")[0])
        self.server = server
        face = _Aside(self._flow.ua, self)
        try:
            self._flow.makeTransport(face, server)
        except ConfigurationError as error:
            _log.error("cannot connect: {error}", error=error)
            self._failed("cannot be connected to")

    def _move(self) -> None:
        """Have the binding made the new connection's, as soon as the moment is quiet."""
        if not self._isQuiet():
            if self._clock.seconds() >= self._deadline:
                self._giveUp()
                self._schedule()
            else:
                self._call(CHECK_INTERVAL, self._move)
            return
        assert self.candidate is not None
        self._moving = True
        self._flow.registration.move(self.candidate, self)

    def _take(self) -> None:
        """Have the new connection in place of the old one, which is closed when nothing needs it any more."""
        flow, old, new = self._flow, self._flow.transport, self.candidate
        assert new is not None
        moving, self._moving = self._moving, False
        self._cancel()
        self.candidate = self.server = None
        _log.info("back at {uri}", uri=servedTransport(new).server.ws_uri.partition("?")[0])
        flow.ua.counters.returns += 1
        wasConnected = flow.connected
        if old is not None:
            served = servedTransport(old)
            served.ua = _Aside(flow.ua, self)
            if wasConnected:
                self.leaving = old
                self._deadline = self._clock.seconds() + LEAVE_WITHIN
                self._call(CHECK_INTERVAL, self._leave)
            else:
                served.disconnect()
                self._schedule()
        flow.switch(new)
        # Whoever was told of it may have stopped the user agent.
        if not moving and flow.ua.status != C.STATUS_USER_CLOSED:
            flow.registration.connectionMade()

    def _leave(self) -> None:
        """Close the old connection, if nothing is open on it."""
        old = self.leaving
        if old is None:
            return
        inUse = any(transaction.transport is old for transaction in self._flow.transactions)
        if inUse and self._clock.seconds() < self._deadline:
            self._call(CHECK_INTERVAL, self._leave)
        else:
            # Its end is told of by closed.
            servedTransport(old).disconnect()

    def _failed(self, problem: str) -> None:
        """Stay where we are, and let the heavier server rest."""
        server, candidate = self.server, self.candidate
        if server is None:
            return
        uri = server.ws_uri.partition("?")[0]
        _log.info("{uri} {problem}: staying where we are", uri=uri, problem=problem)
        error = None if candidate is None else servedTransport(candidate).lastTransportError
        self._flow.failover.rest(server, error)
        self._giveUp()
        self._schedule()

    def _giveUp(self) -> None:
        """Close what is being tried."""
        candidate, self.candidate, self.server = self.candidate, None, None
        self._moving = False
        if candidate is not None:
            self._cancel()
            if candidate.connected:
                self.parting.append(candidate)
            servedTransport(candidate).disconnect()

    def _call(self, delay: float, function: Callable[[], None]) -> None:
        self._cancel()
        self._timer = self._clock.callLater(delay, self._fire, function)

    def _fire(self, function: Callable[[], None]) -> None:
        self._timer = None
        function()

    def _cancel(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        finding, self._finding = self._finding, None
        if finding is not None:
            finding.cancel()


@implementer(IUserAgent)
class _Aside(Face):
    """
    The user agent of a transport that is not its flow's yet, or no more.

    What comes on it is taken as from any other.  Of its state nobody hears but L{Returning}.
    """

    __slots__ = ("_returning",)

    def __init__(self, ua: UserAgent, returning: Returning) -> None:
        super().__init__(ua)
        self._returning = returning

    @property
    def transport(self) -> ITransport | None:
        """The one that is being tried."""
        return self._returning.candidate

    @transport.setter
    def transport(self, transport: ITransport) -> None:
        # A new one assigns itself, before anything can happen to it.
        self._returning.candidate = transport

    def emit(self, event: str, *args: Any) -> Any:
        """Tell nobody."""
        return False

    def onTransportConnecting(self, transport: ITransport, attempts: int) -> None:
        """Its only attempt begins."""

    def onTransportConnected(self, transport: ITransport) -> None:
        """It is open."""
        self._returning.opened(transport)

    def onTransportClosed(self, transport: ITransport) -> None:
        """It is gone, and what was under way on it with it."""
        error = servedTransport(transport).lastTransportError or TransportError("the connection was closed")
        self.ua.transactions.transportLost(transport, error)
        self._returning.closed(transport)

    def onTransportError(self, transport: ITransport) -> None:
        """It has not come about."""
        self._returning.closed(transport)
