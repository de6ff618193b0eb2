"""
L{Flow}: one connection to the servers, with the registration that stands for
it, kept up; and L{Flows}: all those of a user agent, as one.

Most user agents have one.  With C{flows=2} there are two, to two servers at
once (RFC 5626): requests come in on either, and leave on the better one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, FailureGroup, FirstError, gatherResults, race, succeed
from zope.interface import implementer

from sipws.errors import NotConnected, TransportError
from sipws.interfaces import C, ITransport, IUserAgent
from sipws.ua.connection import Failover
from sipws.ua.events import loggerFor
from sipws.ua.face import Face
from sipws.ua.health import Standing, standingOf
from sipws.ua.registration import Registration
from sipws.ua.requests import servedTransport
from sipws.ua.returning import Returning
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from sipws.config import WsServer
    from sipws.message import IncomingResponse
    from sipws.ua.agent import UserAgent
    from sipws.ua.client import Requester
    from sipws.ua.directory import Directory

__all__ = ["Flow", "Flows", "MakeTransport"]

_log = loggerFor("sip.ua")

#: Makes a transport for what is to be its user agent, to a server; it assigns itself to that.
#: The last argument is C{TransportOptions.leave}.
MakeTransport = Callable[[Any, "WsServer", Callable[[ITransport], bool]], ITransport]


@implementer(IUserAgent)
class Flow(Face):
    """
    One connection to the servers, and the registration over it.

    It is the user agent of its own transport, but for the first flow, whose
    transport has the user agent itself.

    @ivar transport: The transport in use; C{None} before the first start.
    @ivar registration: What keeps it registered.
    @ivar regID: What tells it from other flows of the same instance (RFC 5626 section 4.1), from 1.
    @ivar failover: What chooses its server.
    @ivar returning: What leads it back to a heavier server; C{None} where nothing does.
    @ivar server: The server that it has, or tries to get to; C{None} where it
        has given that up, and waits.
    @ivar standing: How it stands, as far as L{note} was told.
    @ivar since: Since when it stands so, in seconds by the clock.
    @ivar lastError: What ended a connection, or kept it from coming about, last; C{None}: nothing did.
    """

    __slots__ = (
        "_flows",
        "failover",
        "lastError",
        "regID",
        "registration",
        "returning",
        "server",
        "since",
        "standing",
        "transport",
    )

    def __init__(self, flows: Flows, regID: int) -> None:
        super().__init__(flows.ua)
        self._flows = flows
        self.regID = regID
        self.transport: ITransport | None = None
        self.server: WsServer | None = None
        self.standing = Standing.STOPPED
        self.since: float = flows.clock.seconds()
        self.lastError: str | None = None
        self.registration = Registration(flows.requester, flows.clock, self)
        self.failover = Failover(self, flows.clock, flows.random)
        returns = self.ua.configuration.wsServerReturnInterval > 0
        self.returning = Returning(self, flows.clock, flows.random) if returns else None

    def __repr__(self) -> str:
        return f"<Flow {self.regID} {self.transport!r}>"

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self.transport is not None and self.transport.connected

    @property
    def face(self) -> Any:
        """What its transport has as its user agent."""
        return self.ua if self.regID == 1 else self

    def rank(self) -> int:
        """Say how good a way it is for a request, compared with others that are connected too."""
        registration = self.registration
        registered = registration.registered or not registration.wanted
        # A server that does not read holds up whatever is sent to it.
        return 2 * (not _isCongested(self.transport)) + registered

    # What its parts ask for.

    def isTaken(self, server: WsServer) -> bool:
        """Say whether another flow has a server: two flows to one are lost together."""
        others = [flow for flow in self._flows.all if flow is not self]
        return any(server.location == other.location for flow in others for other in flow.servers())

    def servers(self) -> Iterator[WsServer]:
        """List the servers that it has, or tries to get to."""
        if self.server is not None:
            yield self.server
        if self.returning is not None and self.returning.server is not None:
            yield self.returning.server

    def connect(self, server: WsServer) -> None:
        """
        Make a transport to a server: it is the one from now on.

        @raise ConfigurationError: A file with certificates or keys cannot be used.
        """
        self.server = server
        try:
            self.makeTransport(self.face, server)
        except Exception:
            self.server = None
            raise

    def makeTransport(self, face: Any, server: WsServer) -> ITransport:
        """
        Make a transport.

        @param face: What it takes for its user agent.
        @param server: The server.
        """
        return self._flows.makeTransport(face, server, self._leaves)

    def switch(self, transport: ITransport) -> None:
        """Have another transport, in one step: one that is connected."""
        old, self.transport = self.transport, transport
        self.note()
        served = servedTransport(transport)
        served.ua = self.face
        self.server = served.server
        self.failover.connected(served.server)
        if old is not None and old.connected:
            self.emit("disconnected", old)
        self._ready(transport)

    @property
    def directory(self) -> Directory | None:
        """What knows the servers of a domain; C{None} where they are configured by their URIs."""
        return self._flows.directory

    def serversNotFound(self, reason: Failure) -> None:
        """Note that there are no servers, as far as anybody knows: all of none are given up."""
        error: Any = reason.value
        self._flows.connectedWaiters.failLimited(error)

    def unreachable(self) -> None:
        """Note that no server can be reached."""
        self.server = None
        if not any(flow.connected or flow.server is not None for flow in self._flows.all):
            self.ua.status = C.STATUS_NOT_READY
            self.ua.error = C.NETWORK_ERROR

    def note(self) -> None:
        """Note since when it stands as it does."""
        standing = standingOf(self)
        if standing is not self.standing:
            self.standing = standing
            self.since = self._flows.clock.seconds()

    def accepted(self, response: IncomingResponse) -> None:
        """Note whether the registrar tells its binding from that of another flow."""
        self._flows.accepted(response)

    def unregistered(self, response: IncomingResponse | None, cause: str | None) -> None:
        """Tell that nobody finds us any more, unless there is another binding."""
        self.note()
        if not any(flow.registration.registered for flow in self._flows.all):
            self.emit("unregistered", response, cause)

    def transportClosed(self, transport: ITransport) -> None:
        """Note that a connection is gone."""
        self._flows.onClosed(transport)

    def _leaves(self, transport: ITransport) -> bool:
        # One that is not in use, or not yet, is never tried again.
        return transport is not self.transport or self.failover.leaves(transport)

    def _failed(self, error: TransportError | None) -> None:
        if error is not None:
            self.lastError = str(error)
        self.note()

    def _ready(self, transport: ITransport) -> None:
        self.emit("connected", transport)
        self._flows.connectedWaiters.fire()
        self._flows.requester.waiting.release()

    # IUserAgent.  What comes from another transport than the one in use is stale.

    def onTransportConnecting(self, transport: ITransport, attempts: int) -> None:
        """Tell of an attempt to connect."""
        if transport is self.transport:
            self.emit("connecting", transport, attempts)

    def onTransportConnected(self, transport: ITransport) -> None:
        """Register, and send what has waited."""
        ua = self.ua
        if transport is not self.transport or ua.status == C.STATUS_USER_CLOSED:
            return
        ua.status = C.STATUS_READY
        ua.error = None
        self.failover.connected(servedTransport(transport).server)
        self.note()
        self.registration.connectionMade()
        if self.returning is not None:
            self.returning.begin()
        self._ready(transport)

    def onTransportClosed(self, transport: ITransport) -> None:
        """Fail what was under way on a connection that is gone."""
        if transport is not self.transport:
            return
        served = servedTransport(transport)
        self.failover.lost(served.server)
        self.registration.connectionLost()
        error = served.lastTransportError or TransportError("the connection was closed")
        self._failed(served.lastTransportError)
        self.ua.transactions.transportLost(transport, error)
        if not served.closed:
            # Where its user closed it, the transport tells of that by itself.
            self.emit("disconnected", transport)
        self.transportClosed(transport)
        if self.returning is not None:
            self.returning.lost()

    def onTransportError(self, transport: ITransport) -> None:
        """Take the next server."""
        if transport is not self.transport:
            return
        served = servedTransport(transport)
        self.server = None
        if self.returning is not None:
            self.returning.stop()
        self.emit("disconnected", transport)
        error = served.lastTransportError or TransportError(f"no connection to {served.server.place}")
        self._failed(error)
        self._flows.connectedWaiters.failOnce(error)
        if self.ua.status != C.STATUS_USER_CLOSED:
            self.failover.failed(transport)


class Flows:
    """
    The flows of one user agent.

    @ivar ua: The user agent.
    @ivar requester: What sends its requests.
    @ivar clock: What timers run on.
    @ivar random: Where delays come from.
    @ivar makeTransport: Makes a transport.
    @ivar onClosed: Called when a connection is gone, with its transport.
    @ivar connectedWaiters: Those who wait for a connection.
    @ivar busy: What is asked, beside the open transactions, whether a moment
        is not a quiet one: any that says yes keeps a flow where it is.
    @ivar directory: What knows the servers of a domain; C{None} where they
        are configured by their URIs.
    @ivar warned: Whether it is in the log that the registrar knows of one flow alone.
    @ivar all: The flows.
    """

    __slots__ = (
        "all",
        "busy",
        "clock",
        "connectedWaiters",
        "directory",
        "makeTransport",
        "onClosed",
        "random",
        "requester",
        "ua",
        "warned",
    )

    def __init__(
        self,
        ua: UserAgent,
        requester: Requester,
        clock: IReactorTime,
        makeTransport: MakeTransport,
        onClosed: Callable[[ITransport], None],
        directory: Directory | None = None,
    ) -> None:
        self.ua = ua
        self.requester = requester
        self.clock = clock
        self.random = requester.builder.tokens.random
        self.makeTransport = makeTransport
        self.onClosed = onClosed
        self.connectedWaiters = Waiters()
        self.busy: list[Callable[[], bool]] = []
        self.directory = directory
        self.warned = False
        self.all = tuple(Flow(self, regID) for regID in range(1, ua.configuration.flows + 1))

    def open(self) -> None:
        """
        Connect each flow to a server of its own.

        @raise ConfigurationError: A file with certificates or keys cannot be used.
        """
        first, *others = self.all
        first.failover.open()
        for flow in others:
            flow.failover.join()

    def accepted(self, response: IncomingResponse) -> None:
        """Warn, once, where the registrar keeps one binding in place of one for each flow."""
        if len(self.all) == 1 or self.warned:
            return
        # RFC 5626 section 6: "the registrar MUST include the outbound option-tag in a Require header".
        tags = ",".join(response.getHeaders("Require")).lower().split(",")
        if "outbound" not in map(str.strip, tags):
            self.warned = True
            _log.warn("the registrar does not know of outbound (RFC 5626): it may find us by one flow alone")

    def gruu(self, temporary: bool) -> str | None:
        """Give a GRUU of a binding that is good: any flow's leads to all of them (RFC 5627 section 4.2)."""
        bindings = [flow.registration.binding for flow in self.all]
        found = [binding.gruu(temporary=temporary) for binding in bindings if binding is not None]
        return next((gruu for gruu in found if gruu is not None), None)

    def note(self) -> None:
        """Note since when each of them stands as it does."""
        for flow in self.all:
            flow.note()

    def stop(self) -> None:
        """Look for servers no more; connections that are there stay."""
        for flow in self.all:
            flow.failover.stop()
            if flow.returning is not None:
                flow.returning.stop()
        if self.directory is not None:
            self.directory.stop()
        self.connectedWaiters.fail(NotConnected("the user agent has been stopped"))

    def end(self) -> None:
        """End everything at once: no timer is left, and nobody waits."""
        for flow in self.all:
            flow.server = None
            flow.registration.stop()
            if flow.returning is not None:
                flow.returning.end()

    def transports(self) -> tuple[list[ITransport], list[ITransport]]:
        """List the transports: those whose end will be told of, and those that have none any more."""
        transports = [flow.transport for flow in self.all if flow.transport is not None]
        aside = [
            each for flow in self.all if flow.returning is not None for each in flow.returning.transports()
        ]
        found = [*transports, *aside]
        isOpen = [each.connected or servedTransport(each).isClosing for each in found]
        return [*compress(found, isOpen)], [*compress(found, map(not_, isOpen))]

    def ways(self) -> list[ITransport]:
        """List the transports that a request can leave on: those that are connected, the best first."""
        ranked = sorted(self.all, key=Flow.rank, reverse=True)
        found = [flow.transport for flow in ranked if flow.connected]
        return [transport for transport in found if transport is not None]

    def way(self) -> ITransport | None:
        """Give the transport that a request leaves on: the best that is connected."""
        best: Flow | None = None
        for flow in self.all:
            transport = flow.transport
            if transport is not None and transport.connected and (best is None or flow.rank() > best.rank()):
                best = flow
        return None if best is None else best.transport

    def whenConnected(self, failAfterFailures: int | None) -> Deferred[None]:
        """Wait until one of them is connected."""
        if self.way() is not None:
            return succeed(None)
        return self.connectedWaiters.add(failAfterFailures)

    def whenRegistered(self, failAfterFailures: int | None) -> Deferred[None]:
        """Wait until one of them is registered."""
        return _first([flow.registration.whenRegistered(failAfterFailures) for flow in self.all])

    def register(self) -> None:
        """Register all of them."""
        for flow in self.all:
            flow.registration.register()

    def unregister(self) -> Deferred[None]:
        """Remove the bindings of all of them, and register no more."""
        return _last([flow.registration.unregister() for flow in self.all])

    def withdraw(self) -> Deferred[None]:
        """Remove the bindings of all of them, until the next connection."""
        return _last([flow.registration.withdraw() for flow in self.all])


def _isCongested(transport: Any) -> bool:
    """Say whether something waits for a server that does not read."""
    socket = getattr(transport, "ws", None)
    return socket is not None and socket.backlog is not None


def _first(waiters: list[Deferred[None]]) -> Deferred[None]:
    """Wait for the first of some to succeed, or for all to fail."""
    if len(waiters) == 1:
        return waiters[0]

    def failed(failure: Failure) -> Failure:
        failure.trap(FailureGroup)
        assert isinstance(failure.value, FailureGroup)
        first: Failure = failure.value.failures[0]
        return first

    return race(waiters).addCallbacks(lambda _: None, failed)


def _last(waiters: list[Deferred[None]]) -> Deferred[None]:
    """Wait for all of some, none of which fails."""
    if len(waiters) == 1:
        return waiters[0]

    def failed(failure: Failure) -> Failure:
        # They are cancelled together, and none fails otherwise.
        failure.trap(FirstError)
        assert isinstance(failure.value, FirstError)
        return failure.value.subFailure

    return gatherResults(waiters, consumeErrors=True).addCallbacks(lambda _: None, failed)
