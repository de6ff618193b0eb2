"""
L{WebSocketPort}: a WebSocket to a server in the place of a UDP port.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipws.config import WsServer
from sipws.emitter import loggerFor
from sipws.errors import NotConnected, ParseError
from sipws.interfaces import C, IClientTransaction, ITransport, ITransportConfiguration, IUserAgent
from sipws.transport import Transport, TransportOptions
from sipws.twistedsip.datagrams import Address, fromDatagram
from sipws.twistedsip.port import DatagramPort

if TYPE_CHECKING:
    from twisted.logger import Logger
    from twisted.protocols.sip import Base

    from sipws.message import IncomingMessage, IncomingRequest, IncomingResponse

__all__ = ["WebSocketPort"]

_log = loggerFor("sip.twistedsip")

_DEFAULT_PORTS = {"ws": 80, "wss": 443}


@implementer(ITransportConfiguration)
@attrs.frozen(kw_only=True)
class _Configuration:
    """What the transport reads of it."""

    traceSip: bool
    wsServerMaxReconnection: float
    wsServerReconnectionTimeout: float
    #: The C{sip.Base} may be one.
    isProxy: bool = True


@implementer(IClientTransaction)
class _Responses:
    """The transactions of one that knows none by itself: every response is for it."""

    def __init__(self, port: WebSocketPort) -> None:
        self._port = port

    @property
    def ict(self) -> _Responses:
        """Those of INVITEs."""
        return self

    @property
    def nict(self) -> _Responses:
        """All others."""
        return self

    def get(self, branch: str) -> _Responses:
        """Give the transaction of a branch."""
        return self

    def receiveResponse(self, response: IncomingResponse) -> None:
        """Take a response."""
        self._port.received(response)


@implementer(IUserAgent)
class WebSocketPort(DatagramPort):
    """
    A WebSocket to a SIP server, in the place of the UDP port of a C{sip.Base}::

        port = WebSocketPort(MyPhone(), "wss://sip.example.com", reactor)
        port.start()

    Whatever the C{sip.Base} writes goes to the server, wherever it writes it
    to; whatever the server sends comes as from C{port.address}.  It connects
    again where the connection is lost.

    @ivar address: Where datagrams come from: host and port of the server, or a name
        under C{.invalid} that stands for what is neither a host's name nor an IPv4 address.
    @ivar transport: The transport; C{None} before C{start}.
    @ivar status: One of the C{STATUS_*} of L{C}.
    @ivar lost: How many datagrams could not be sent.
    """

    status: int
    transport: ITransport | None

    def __init__(
        self,
        base: Base,
        server: WsServer | str,
        reactor: Any,
        *,
        options: TransportOptions | None = None,
        maxReconnection: float = math.inf,
        reconnectionTimeout: float = 4.0,
        traceSip: bool = False,
    ) -> None:
        """
        @param base: What reads and writes the datagrams.
        @param server: The server, or its C{ws:} or C{wss:} URI.
        @param reactor: What connects, and is the clock.
        @param options: How the transport connects.
        @param maxReconnection: How often a lost connection is tried again.
        @param reconnectionTimeout: The gap between two attempts, in seconds.
        @param traceSip: Whether every message is logged, without its secrets.
        @raise ConfigurationError: The server is none.
        """
        super().__init__(base)
        self._server = server if isinstance(server, WsServer) else WsServer(server)
        self._reactor = reactor
        self._options = options or TransportOptions()
        self.address = _addressOf(self._server.ws_uri)
        self.lost = 0
        self.status = C.STATUS_INIT
        self.transport = None
        self.transactions = _Responses(self)
        self.configuration = _Configuration(
            traceSip=traceSip,
            wsServerMaxReconnection=maxReconnection,
            wsServerReconnectionTimeout=reconnectionTimeout,
        )
        self._connected: list[Deferred[None]] = []
        self._closed: list[Deferred[None]] = []

    # What its user calls.

    def start(self) -> None:
        """Connect, and let the C{sip.Base} begin.  Does nothing where that has been done."""
        if self.transport is None:
            self.status = C.STATUS_STARTING
            Transport(self, self._server, self._reactor, options=self._options)
            # It needs no more of an IUDPTransport than this has.
            self.base.makeConnection(self)  # type: ignore[arg-type]

    def whenConnected(self) -> Deferred[None]:
        """
        Wait for the connection.

        @return: A Deferred that fires at once where there is one.  It fails
            with L{NotConnected} where there will be none.
        """
        if self.status in (C.STATUS_USER_CLOSED, C.STATUS_NOT_READY):
            return fail(NotConnected("the port was closed, or has given up"))
        if self.transport is not None and self.transport.connected:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self._connected.append(waiter)
        return waiter

    # What a UDP port has.

    def write(self, packet: bytes, addr: tuple[str, int] | None = None) -> None:
        """Send a datagram to the server.  Never raises."""
        self._hasWritten = True
        transport: Any = self.transport
        try:
            message, octets = fromDatagram(packet, "WS" if transport is None else transport.viaTransport)
        except ParseError as error:
            self.lost += 1
            _log.warn("what was written is no SIP message: {error}", error=error)
            return
        if transport is None or not transport.send(octets):
            self.lost += 1
            _log.info("a {method} was not sent: there is no connection", method=message.method)

    def getHost(self) -> Any:
        """Give the address of our end of the connection; C{None} where there is none."""
        socket = getattr(self.transport, "ws", None)
        return None if socket is None else socket.transport.getHost()

    def stopListening(self) -> Deferred[None]:
        """
        Close the connection, and let the C{sip.Base} come to its end.

        @return: A Deferred that fires when the connection is closed.
        """
        self.status = C.STATUS_USER_CLOSED
        self._settle(NotConnected("the port was closed"))
        self.stop()
        transport: Any = self.transport
        if transport is None:
            return succeed(None)
        closed: Deferred[None] = Deferred()
        self._closed.append(closed)
        isOpen = transport.connected or transport.isClosing
        transport.disconnect()
        if not isOpen:
            self._tellClosed()
        return closed

    def loseConnection(self) -> None:
        """As L{stopListening}."""
        self.stopListening()

    # IUserAgent.

    def received(self, message: IncomingMessage) -> None:
        """Hand over what the server sent."""
        assert self.transport is not None
        self.deliver(message, self.address, self.transport)

    def receiveRequest(self, request: IncomingRequest) -> None:
        """Take a request that passed the sanity check."""
        self.received(request)

    def getLogger(self, category: str) -> Logger:
        """Give the outlet for a part's log messages."""
        return loggerFor(category)

    def emit(self, event: str, *args: Any) -> None:
        """Tell of an event: there is nobody to tell."""

    def onTransportConnecting(self, transport: ITransport, attempts: int) -> None:
        """A connection is being attempted."""

    def onTransportConnected(self, transport: ITransport) -> None:
        """There is a connection."""
        self.status = C.STATUS_READY
        self._settle(None)

    def onTransportClosed(self, transport: ITransport) -> None:
        """The connection is gone; the transport connects again."""
        if self.status == C.STATUS_READY:
            self.status = C.STATUS_STARTING
        self._tellClosed()

    def onTransportError(self, transport: ITransport) -> None:
        """The transport has given up."""
        self.status = C.STATUS_NOT_READY
        self._settle(NotConnected("the server cannot be reached"))

    def _tellClosed(self) -> None:
        if self.status == C.STATUS_USER_CLOSED:
            waiting, self._closed = self._closed, []
            for waiter in waiting:
                waiter.callback(None)

    def _settle(self, error: Exception | None) -> None:
        waiting, self._connected = self._connected, []
        for waiter in waiting:
            if error is None:
                waiter.callback(None)
            else:
                waiter.errback(error)


def _addressOf(uri: str) -> Address:
    parts = urlsplit(uri)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 5060)
    # twisted.protocols.sip reads no IPv6 addresses, and the path of a UNIX socket is no host.  Whatever
    # it writes goes to the server all the same.
    return Address(
        host if host and ":" not in host else f"{host.replace(':', '-') or 'server'}.invalid", port
    )
