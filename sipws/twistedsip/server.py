"""
L{WebSocketServerPort}: WebSockets of clients in the place of a UDP port.
"""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred

from sipws.emitter import loggerFor
from sipws.errors import ParseError
from sipws.message import IncomingRequest, NameAddr, OutgoingResponse, parseMessage, sanity
from sipws.message.sanity import rejectMalformed, statelessTag
from sipws.server.connection import Connection
from sipws.server.limits import ServerLimits
from sipws.server.ports import Ports
from sipws.server.protocol import SIPWebSocketServerFactory
from sipws.twistedsip.datagrams import Address, fromDatagram
from sipws.twistedsip.port import DatagramPort

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
    from twisted.protocols.sip import Base

    from sipws.message import URI
    from sipws.server.protocol import SIPWebSocketServerProtocol

__all__ = ["WebSocketServerPort"]

_log = loggerFor("sip.twistedsip")

_RANDOM = SystemRandom()

#: The rules that need no user agent.
_REQUEST_RULES = (sanity.checkVersion, sanity.checkMandatory, sanity.checkMethod, sanity.checkLength)
_RESPONSE_RULES = (
    sanity.checkResponseVersion,
    sanity.checkResponseMandatory,
    sanity.checkResponseLength,
)

#: CRLF keep-alive (RFC 5626 section 3.5.1, RFC 7118 section 6).
_PING, _PONG = b"\r\n\r\n", b"\r\n"

#: How many places of one connection's users are remembered.
_MAX_PLACES = 100


class WebSocketServerPort(DatagramPort):
    """
    WebSockets of clients, in the place of the UDP port of a C{sip.Base}::

        proxy = sip.RegisterProxy(host="example.com")
        proxy.registry = proxy.locator = sip.InMemoryRegistry("example.com")
        port = WebSocketServerPort(proxy, reactor)
        port.listen(endpoints.serverFromString(reactor, "tcp:8088"))

    Each connection has an address: the host and port of the client, or, where
    it has no IPv4 address, or another has the same, a name under C{.invalid} that
    stands for it.

    @ivar factory: Makes the protocols of the connections.
    @ivar clock: What their timers run on.
    @ivar limits: What they must not pass.
    @ivar connections: The open connections, by their addresses.
    @ivar lost: How many datagrams could not be sent.
    """

    def __init__(self, base: Base, reactor: Any, *, limits: ServerLimits | None = None) -> None:
        """
        @param base: What reads and writes the datagrams.
        @param reactor: What timers run on.
        @param limits: What its connections must not pass.
        """
        super().__init__(base)
        self.clock = reactor
        self.limits = limits or ServerLimits()
        self.lost = 0
        self.connections: dict[Address, Connection] = {}
        self._addresses: dict[Connection, Address] = {}
        # Where users of a connection have said that they are, by user.
        self._places: dict[Connection, dict[str | None, URI]] = {}
        self.factory = SIPWebSocketServerFactory(self)
        self._ports = Ports(self.factory)
        # It needs no more of an IUDPTransport than this has.
        base.makeConnection(self)  # type: ignore[arg-type]

    def listen(self, endpoint: IStreamServerEndpoint) -> Deferred[IListeningPort]:
        """
        Take connections.

        @param endpoint: Where; it may be called for several.
        @return: A Deferred of the port.
        """
        return self._ports.listen(endpoint)

    # What a UDP port has.

    def write(self, packet: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send a datagram to the client with an address.  Never raises."""
        self._hasWritten = True
        connection = None if addr is None else self.connections.get(Address(*addr))
        if connection is None:
            self.lost += 1
            _log.info("nobody is at {addr}", addr=addr)
            return
        try:
            _, octets = fromDatagram(packet, connection.viaTransport, self._restorer(connection))
        except ParseError as error:
            self.lost += 1
            _log.warn("what was written is no SIP message: {error}", error=error)
            return
        connection.send(octets)

    def getHost(self) -> Any:
        """Give the address that is listened on first; C{None} where there is none."""
        return self._ports.open[0].getHost() if self._ports.open else None

    def stopListening(self) -> Deferred[None]:
        """
        Take no more connections, close those that are open, and let the C{sip.Base} come to its end.

        @return: A Deferred that fires when all are gone.
        """
        return self._ports.stop().addCallback(lambda _: self.stop())

    def loseConnection(self) -> None:
        """As L{stopListening}."""
        self.stopListening()

    # What its connections call.

    def connectionMade(self, protocol: SIPWebSocketServerProtocol, host: str) -> Connection:
        """A WebSocket has opened."""
        connection = Connection(protocol, f"{_RANDOM.getrandbits(64):016x}", host.lower())
        address = _addressOf(protocol.transport.getPeer(), connection.token)
        if address in self.connections:
            # It listens in several places, and a client may use one port to connect to two of them.
            address = _nameOf(connection.token, address.port)
        self.connections[address] = connection
        self._addresses[connection] = address
        return connection

    def connectionLost(self, connection: Connection) -> None:
        """A WebSocket is closing."""
        del self.connections[self._addresses.pop(connection)]
        self._places.pop(connection, None)

    def receive(self, connection: Connection, octets: bytes) -> None:
        """A message has come."""
        if not octets.strip(_PONG):
            if octets == _PING:
                connection.send(_PONG)
            return
        try:
            message = parseMessage(octets)
        except ParseError as error:
            _log.info("dropping what is no SIP message: {error}", error=error)
            rejectMalformed(error, None, connection)  # type: ignore[arg-type]
            return
        message.transport = connection
        if isinstance(message, IncomingRequest):
            if not self._isSound(message, connection):
                return
            self._notePlaces(connection, message)
        elif any(rule(message, None) is not None for rule in _RESPONSE_RULES):
            return
        self.deliver(message, self._addresses[connection], connection)

    def _isSound(self, request: IncomingRequest, connection: Connection) -> bool:
        """Answer a request that C{twisted.protocols.sip} would stumble over."""
        for rule in _REQUEST_RULES:
            refusal = rule(request, None)
            if refusal is not None:
                if request.method != "ACK":
                    connection.send(OutgoingResponse(request, *refusal, toTag=statelessTag(request)))
                return False
        return True

    # A registrar of Twisted's has a contact's host and port replaced by those that the REGISTER came from.

    def _notePlaces(self, connection: Connection, message: IncomingRequest) -> None:
        if message.method != "REGISTER":
            return
        places = self._places.setdefault(connection, {})
        for index in range(len(message.getHeaders("Contact"))):
            try:
                uri = message.parseHeader("Contact", index).uri
            except ParseError:
                continue
            if len(places) < _MAX_PLACES:
                places[uri.user] = uri

    def _restorer(self, connection: Connection) -> Any:
        address = self._addresses[connection]
        places = self._places.get(connection, {})

        def restore(contact: NameAddr) -> NameAddr:
            uri = contact.uri
            isOurs = (uri.host, uri.port) == (address.host, address.port)
            return attrs.evolve(contact, uri=places[uri.user]) if isOurs and uri.user in places else contact

        return restore


def _addressOf(peer: Any, token: str) -> Address:
    if isinstance(peer, IPv4Address):
        return Address(peer.host, peer.port)
    # twisted.protocols.sip reads no IPv6 addresses, and a path has no port.
    return _nameOf(token, getattr(peer, "port", None) or 5060)


def _nameOf(token: str, port: int) -> Address:
    return Address(f"{token}.invalid", port)
