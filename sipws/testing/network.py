"""
L{MemoryNetwork}: a network, a clock and a SIP WebSocket server, all in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import isIPAddress
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionRefusedError as TCPRefused
from twisted.internet.error import NotConnectingError
from twisted.internet.interfaces import IConnector, IReactorTCP, IReactorUNIX, IResolutionReceiver
from twisted.internet.testing import MemoryReactorClock, SynchronousResolver
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from sipws.testing.connection import MemoryConnection
from sipws.testing.host import Answer, MemoryHost, Reception
from sipws.testing.wire import Wire
from sipws.transport.location import IInnerReactor

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IHostResolution, IProtocolFactory

    from sipws.message import IncomingRequest

__all__ = ["Answer", "MemoryNetwork", "acceptRegister"]

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


class MemoryNetwork(Reception):
    """
    A network in memory.  Whatever URI a user agent connects to, it leads here,
    whether C{ws:} or C{wss:}: TLS is not modelled, and no certificate asked for.

    C{host} takes one host out of it, for tests that tell servers apart.

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
        super().__init__()
        self.reactor: Any = _Reactor(self)
        alsoProvides(self.reactor, IInnerReactor)
        self.server = server
        self._hosts: dict[str, MemoryHost] = {}
        self._knocking: list[_Connector] = []
        self._wires: list[Wire] = []
        self._serial = 0
        self._pumping = False

    def host(self, name: str) -> MemoryHost:
        """
        Give a host of the network, with an address of its own: what becomes of
        those who connect to it is from now on for it to say.

        @param name: Its name, or its IP address, as the URIs have it.
        """
        if name not in self._hosts:
            address = name if isIPAddress(name) else f"10.0.0.{len(self._hosts) + 1}"
            self._hosts[name] = MemoryHost(self, name, address)
        return self._hosts[name]

    # What there is.

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
            (self.hostAt(connector.host) or self).receive(connector)
        moved = [wire.pump() for wire in list(self._wires)]
        self._wires = [wire for wire in self._wires if not self._isDone(wire)]
        return bool(knocking) or any(moved)

    def _isDone(self, wire: Wire) -> bool:
        # The test has no way to end a stall of what did not become a WebSocket.
        return wire.over or (wire.mute and wire.client.disconnected and self.server is None)

    # What the reactor, the connectors and the connections tell, and ask.

    def hostCalled(self, name: str) -> MemoryHost | None:
        """Find a host by its name."""
        return self._hosts.get(name)

    def hostAt(self, address: str) -> MemoryHost | None:
        """Find a host by its address."""
        return next((host for host in self._hosts.values() if host.address == address), None)

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

    def join(self, connector: _Connector, *, silent: bool = False) -> None:
        """Make the TCP connection that a connector asks for."""
        wire = Wire(connector.host, connector.port, self._serial)
        wire.stalled = wire.mute = silent
        host = self.hostAt(connector.host)
        server = (host and host.server) or self.server
        if server is None:
            served: Any = MemoryConnection(host or self, wire).protocol()
        else:
            served = server.buildProtocol(wire.server.getPeer())
        if served is None or not connector.connected(wire):
            connector.failed(TCPRefused())
            return
        self._wires.append(wire)
        wire.server.protocol = served
        served.makeConnection(wire.server)


@implementer(IConnector)
class _Connector:
    """One who asks for a TCP connection, or has it."""

    def __init__(self, network: MemoryNetwork, host: str, port: int, factory: Any) -> None:
        self.host = host
        self.port = port
        self.waiting = False
        self.counted = False
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

    def join(self, *, silent: bool = False) -> None:
        """Have the connection."""
        self._network.join(self, silent=silent)

    def keepWaiting(self) -> None:
        """Get no answer."""
        self.waiting = True
        self._network.keepWaiting(self)

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
        host = self._network.hostCalled(hostName)
        resolves = self._network.resolves() and (host is None or host.resolves())
        receiver: IResolutionReceiver = resolutionReceiver
        if not resolves or host is not None:
            receiver = _Addressed(resolutionReceiver, host.address if resolves and host else None)
        return super().resolveHostName(receiver, hostName, portNumber, addressTypes, transportSemantics)


@implementer(IResolutionReceiver)
class _Addressed:
    """Passes on another address, or none."""

    def __init__(self, receiver: IResolutionReceiver, address: str | None) -> None:
        self.resolutionBegan = receiver.resolutionBegan
        self.resolutionComplete = receiver.resolutionComplete
        self._receiver = receiver
        self._address = address

    def addressResolved(self, address: IAddress) -> None:
        if self._address is not None and isinstance(address, IPv4Address):
            self._receiver.addressResolved(IPv4Address("TCP", self._address, address.port))


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
