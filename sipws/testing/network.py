"""
L{MemoryNetwork}: a network, a clock and a SIP WebSocket server, all in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionRefusedError as TCPRefused
from twisted.internet.error import NotConnectingError
from twisted.internet.interfaces import IConnector, IReactorTCP, IReactorUNIX, IResolutionReceiver
from twisted.internet.testing import MemoryReactorClock, SynchronousResolver
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from sipws.message import IncomingRequest, IncomingResponse, OutgoingResponse
from sipws.testing.connection import MemoryConnection
from sipws.testing.wire import Wire
from sipws.transport.location import IInnerReactor

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IHostResolution, IProtocolFactory

__all__ = ["Answer", "MemoryNetwork", "acceptRegister"]

#: What answers the requests of a method by itself: a status code, or what is
#: called with the connection and the request.
Answer = int | Callable[[MemoryConnection, IncomingRequest], object]

#: More turns than any exchange that comes to an end takes.
_TOO_MANY_TURNS = 10_000


def acceptRegister(connection: MemoryConnection, request: IncomingRequest) -> None:
    """
    Answer a REGISTER as a registrar does that takes everybody: with its
    contacts, for as long as they ask for.  For L{MemoryNetwork.answer}.
    """
    expires = request.getHeader("Expires") or "600"
    contacts = [("Contact", value) for value in request.getHeaders("Contact") if "expires=0" not in value]
    if expires == "0":
        contacts = []
    connection.respond(request, 200, headers=[*contacts, ("Expires", expires)])


class MemoryNetwork:
    """
    A network in memory.  Whatever URI a user agent connects to, it leads here,
    whether C{ws:} or C{wss:}: TLS is not modelled, and no certificate asked for.

    Nothing happens by itself: C{advance} lets time pass, and octets move
    then, in C{pump}, and whenever a L{MemoryConnection} sends.

    @ivar reactor: The reactor, and the clock, for the user agent.
    @ivar connections: The WebSockets that were opened, oldest first.
    @ivar rejection: The HTTP status and reason that upgrades are refused with;
        C{None}: they are accepted.
    @ivar subprotocol: What the server selects at the upgrade; C{None}: nothing.
    """

    def __init__(self, server: IProtocolFactory | None = None) -> None:
        """
        @param server: What serves the connections, such as the C{factory} of an
            L{EmbeddedServer} that runs on C{reactor}; C{None}: the test, by
            C{connections}.
        """
        self.reactor: Any = _Reactor(self)
        alsoProvides(self.reactor, IInnerReactor)
        self.connections: list[MemoryConnection] = []
        self.rejection: tuple[int, str] | None = None
        self.subprotocol: str | None = "sip"
        self.server = server
        self._resolvable = True
        self._answers: dict[str, Answer] = {}
        self._policy = _accepted
        self._knocking: list[_Connector] = []
        self._wires: list[Wire] = []
        self._serial = 0
        self._pumping = False

    # What becomes of those who connect.

    def accept(self) -> None:
        """Accept connections from now on, as in the beginning."""
        self._resolvable = True
        self._policy = _accepted
        self.rejection = None
        self.subprotocol = "sip"

    def unresolvable(self) -> None:
        """Resolve no names from now on."""
        self._resolvable = False

    def refuse(self) -> None:
        """Refuse TCP connections from now on."""
        self._policy = _refused

    def stall(self) -> None:
        """Leave TCP connections without an answer from now on."""
        self._policy = _ignored

    def stallUpgrade(self) -> None:
        """Accept TCP connections from now on, and leave the HTTP upgrade without an answer."""
        self._policy = _silent

    def reject(self, status: int, reason: str = "Rejected") -> None:
        """Refuse the HTTP upgrade from now on."""
        self._policy = _accepted
        self.rejection = (status, reason)

    def answer(self, method: str, answer: Answer | None) -> None:
        """
        Have requests of a method answered by themselves: they do not appear in C{received}.

        @param method: The method.
        @param answer: A status code, a function such as L{acceptRegister}, or C{None}: no more.
        """
        if answer is None:
            self._answers.pop(method, None)
        else:
            self._answers[method] = answer

    # What there is.

    @property
    def connection(self) -> MemoryConnection:
        """
        The newest WebSocket.

        @raise AssertionError: None was opened yet.
        """
        assert self.connections, "no WebSocket was opened"
        return self.connections[-1]

    @property
    def attempts(self) -> int:
        """How often TCP connections were asked for."""
        return self._serial

    @property
    def openSockets(self) -> int:
        """How many TCP connections the clients have, those included that are being made."""
        return len(self._knocking) + sum(not wire.client.disconnected for wire in self._wires)

    # Time.

    def advance(self, seconds: float) -> None:
        """
        Let time pass.  Each timer fires at its time, and all octets have moved before the next does.

        @param seconds: How long.
        """
        self.pump()
        end = self.reactor.seconds() + seconds
        while True:
            due = [call.getTime() for call in self.reactor.getDelayedCalls()]
            upcoming = min(due, default=end)
            if upcoming > end:
                break
            self.reactor.advance(max(0.0, upcoming - self.reactor.seconds()))
            self.pump()
            if not due:
                return
        self.reactor.advance(max(0.0, end - self.reactor.seconds()))
        self.pump()

    def pump(self) -> None:
        """Move octets until all have arrived."""
        if self._pumping:
            return
        self._pumping = True
        try:
            for _ in range(_TOO_MANY_TURNS):
                if not self._turn():
                    return
            raise AssertionError("the network does not come to rest")
        finally:
            self._pumping = False

    def _turn(self) -> bool:
        knocking = [connector for connector in self._knocking if not connector.waiting]
        for connector in knocking:
            self._knocking.remove(connector)
            self._policy(self, connector)
        moved = [wire.pump() for wire in list(self._wires)]
        self._wires = [wire for wire in self._wires if not self._isDone(wire)]
        return bool(knocking) or any(moved)

    def _isDone(self, wire: Wire) -> bool:
        # The test has no way to end a stall of what did not become a WebSocket.
        return wire.over or (wire.mute and wire.client.disconnected and self.server is None)

    # What the reactor, the connectors and the connections tell, and ask.

    def resolves(self) -> bool:
        """Say whether names can be resolved."""
        return self._resolvable

    def knock(self, connector: _Connector) -> None:
        """A TCP connection is asked for."""
        self._serial += 1
        self._knocking.append(connector)

    def keepWaiting(self, connector: _Connector) -> None:
        """It gets no answer."""
        self._knocking.append(connector)

    def forget(self, connector: _Connector) -> None:
        """It is asked for no more."""
        if connector in self._knocking:
            self._knocking.remove(connector)

    def connectionOpened(self, connection: MemoryConnection) -> None:
        """A WebSocket is open."""
        self.connections.append(connection)

    def answers(self, connection: MemoryConnection, message: IncomingRequest | IncomingResponse) -> bool:
        """Answer a request whose method has an answer, and say whether it has."""
        answer = self._answers.get(message.method) if isinstance(message, IncomingRequest) else None
        if answer is None or not isinstance(message, IncomingRequest):
            return False
        if isinstance(answer, int):
            connection.respond(message, answer)
            return True
        response = answer(connection, message)
        if isinstance(response, OutgoingResponse):
            connection.send(response)
        return True

    def join(self, connector: _Connector, *, silent: bool = False) -> None:
        """Make the TCP connection that a connector asks for."""
        wire = Wire(connector.host, connector.port, self._serial)
        wire.stalled = wire.mute = silent
        if self.server is None:
            served: Any = MemoryConnection(self, wire).protocol()
        else:
            served = self.server.buildProtocol(wire.server.getPeer())
        if served is None or not connector.connected(wire):
            connector.failed(TCPRefused())
            return
        self._wires.append(wire)
        wire.server.protocol = served
        served.makeConnection(wire.server)


def _accepted(network: MemoryNetwork, connector: _Connector) -> None:
    network.join(connector)


def _silent(network: MemoryNetwork, connector: _Connector) -> None:
    network.join(connector, silent=True)


def _refused(network: MemoryNetwork, connector: _Connector) -> None:
    connector.failed(TCPRefused())


def _ignored(network: MemoryNetwork, connector: _Connector) -> None:
    connector.waiting = True
    network.keepWaiting(connector)


@implementer(IConnector)
class _Connector:
    """One who asks for a TCP connection, or has it."""

    def __init__(self, network: MemoryNetwork, host: str, port: int, factory: Any) -> None:
        self.host = host
        self.port = port
        self.waiting = False
        self._network = network
        self._factory = factory
        self._wire: Wire | None = None
        self.connect()

    def connect(self) -> None:
        """Ask for a connection."""
        self._factory.doStart()
        self._factory.startedConnecting(self)
        self._network.knock(self)

    def stopConnecting(self) -> None:
        """Ask no more."""
        if self._wire is not None:
            raise NotConnectingError
        self._network.forget(self)
        self.failed(NotConnectingError())

    def disconnect(self) -> None:
        """Close the connection, or ask no more."""
        if self._wire is None:
            self.stopConnecting()
        else:
            self._wire.client.loseConnection()

    def getDestination(self) -> Any:
        """Say where to."""
        return self.host, self.port

    def failed(self, error: Exception) -> None:
        """There will be no connection."""
        self._factory.clientConnectionFailed(self, Failure(error))
        self._factory.doStop()

    def connected(self, wire: Wire) -> bool:
        """There is a connection."""
        protocol = self._factory.buildProtocol(wire.client.getPeer())
        if protocol is None:
            return False
        self._wire = wire
        wire.client.protocol = _Client(protocol, self)
        protocol.makeConnection(wire.client)
        return True

    def lost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._factory.clientConnectionLost(self, reason)
        self._factory.doStop()


class _Client:
    """The client's protocol, and its connector, which are both told of the end."""

    def __init__(self, protocol: Any, connector: _Connector) -> None:
        self._protocol = protocol
        self._connector = connector

    def dataReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        self._protocol.connectionLost(reason)
        self._connector.lost(reason)


class _Resolver(SynchronousResolver):
    """Resolves all names, or none."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        receiver = resolutionReceiver if self._network.resolves() else _Addressless(resolutionReceiver)
        return super().resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IResolutionReceiver)
class _Addressless:
    """Passes on no addresses."""

    def __init__(self, receiver: IResolutionReceiver) -> None:
        self.resolutionBegan = receiver.resolutionBegan
        self.resolutionComplete = receiver.resolutionComplete

    def addressResolved(self, address: IAddress) -> None:
        pass


@implementer(IReactorTCP, IReactorUNIX)
class _Reactor(MemoryReactorClock):
    """Twisted's fake reactor, on a network."""

    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__()
        self.nameResolver = _Resolver(network)
        self._network = network

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30.0,
        bindAddress: Any = None,
    ) -> Any:
        return _Connector(self._network, host, port, factory)

    def connectUNIX(self, address: str, factory: Any, timeout: float = 30, checkPID: int = 0) -> Any:
        return _Connector(self._network, address, 0, factory)
