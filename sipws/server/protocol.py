"""
The embedded server's WebSockets, from Autobahn's side: SIP over WebSocket (RFC 7118).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.util import encode_truncate
from autobahn.websocket.types import ConnectionDeny
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from sipws._version import __version__
from sipws.server.connection import GOING_AWAY, Connection
from sipws.server.frames import takeMessage

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from sipws.server.limits import ServerLimits

__all__ = ["IConnectionOwner", "SIPWebSocketServerFactory", "SIPWebSocketServerProtocol"]

#: The WebSocket subprotocol (RFC 7118 section 4.1).
SUBPROTOCOL = "sip"


class IConnectionOwner(Protocol):
    """
    What the connections belong to: the server.

    @ivar clock: What their timers run on.
    @ivar limits: What they must not pass.
    """

    clock: IReactorTime
    limits: ServerLimits

    def connectionMade(self, protocol: SIPWebSocketServerProtocol, host: str) -> Connection:
        """
        A WebSocket has opened.

        @param host: By what name the client knows the server: the host of its HTTP request.
        """

    def connectionLost(self, connection: Connection) -> None:
        """A WebSocket can carry no more messages, or is about to close."""

    def receive(self, connection: Connection, octets: bytes) -> None:
        """A message has come.  Never raises."""


@implementer(IPushProducer)
class Backlog:
    """
    Counts what waits for a client that does not read.

    The transport pauses it when its own buffer is full; what is written from
    then on is counted.
    """

    __slots__ = ("_octets", "_paused")

    def __init__(self) -> None:
        self._paused = False
        self._octets = 0

    def add(self, octets: int) -> int:
        """
        Count what is about to be written.

        @return: How many octets wait, as far as they are counted.
        """
        if self._paused:
            self._octets += octets
        return self._octets

    def pauseProducing(self) -> None:
        """The client does not read."""
        self._paused = True

    def resumeProducing(self) -> None:
        """The client has read."""
        self._paused = False
        self._octets = 0

    def stopProducing(self) -> None:
        """The connection is lost."""


class SIPWebSocketServerProtocol(WebSocketServerProtocol):
    """
    A WebSocket with the subprotocol C{sip}, from the server's side.

    Autobahn's own timers are off: they are coarse, and on a clock of their own.
    """

    # Autobahn's, and Twisted's, which say less of them.
    transport: Any
    current_frame: Any

    def __init__(self, owner: IConnectionOwner) -> None:
        super().__init__()
        self._owner = owner
        self._backlog = Backlog()
        self._timer: IDelayedCall | None = None
        self._lost = False
        self._isWatched = False
        self.connection: Connection | None = None

    # The way up.

    def connectionMade(self) -> None:
        """A TCP connection has come; its client has some time for the HTTP upgrade."""
        super().connectionMade()
        self.factory.protocolMade(self)
        self._await(self._owner.limits.openTimeout)

    def onConnect(self, request: ConnectionRequest) -> str:
        """
        Answer the HTTP upgrade.

        @raise ConnectionDeny: It is not meant for SIP.  RFC 7118 section 4.1:
            "The client MUST include the value "sip" in the
            Sec-WebSocket-Protocol header in its handshake request."
        """
        if SUBPROTOCOL not in request.protocols:
            raise ConnectionDeny(ConnectionDeny.BAD_REQUEST, "the subprotocol sip is required (RFC 7118)")
        return SUBPROTOCOL

    def onOpen(self) -> None:
        """The handshake is done."""
        self._stopTimer()
        self._isWatched = True
        self.registerProducer(self._backlog, True)  # noqa: FBT003 -- as Twisted defines it
        self.connection = self._owner.connectionMade(self, self.http_request_host)

    # Messages.

    def dataReceived(self, data: bytes) -> None:
        """
        Take octets: whole messages here, everything else in Autobahn.

        @param data: The octets.
        """
        if self.state == self.STATE_OPEN:
            if not self.data and self.current_frame is None and not self.inside_message:
                data = self._takeMessages(data)
                if not data:
                    return
        elif self.state == self.STATE_CONNECTING and self._isTooMuch(data):
            self.failHandshake("the request's header is too long", 431)
        if self.state != self.STATE_CLOSED:
            self._dataReceived(data)

    def _takeMessages(self, data: bytes) -> bytes:
        limit = self._owner.limits.maxMessageSize
        at = 0
        while self.state == self.STATE_OPEN:
            taken = takeMessage(data, at, limit)
            if taken is None:
                break
            message, at = taken
            self.onMessage(message, False)  # noqa: FBT003 -- as Autobahn defines it
        return data[at:]

    def _isTooMuch(self, data: bytes) -> bool:
        # Autobahn would buffer the head of an HTTP request without bound.
        return b"\r\n\r\n" not in data and len(self.data) + len(data) > self._owner.limits.maxHandshakeSize

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """
        Take a message; a text and a binary one are the same (RFC 7118 section 4.2).

        @param payload: Its octets.
        @param isBinary: Of no importance.
        """
        if self.connection is not None:
            self._owner.receive(self.connection, payload)

    def sendFramed(self, frame: bytes) -> None:
        """
        Send a message, unless too much of what was sent has not been read.

        @param frame: The message in its frame.
        """
        if self._isReading(len(frame)):
            self.transport.write(frame)

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """Autobahn's, for all but whole messages; with the same bound."""
        if self._isReading(len(data)):
            super().sendData(data, sync, chopsize)

    def _isReading(self, octets: int) -> bool:
        """Whether the client reads what it is sent; it is given up if it does not."""
        if self._backlog.add(octets) <= self._owner.limits.maxPendingOctets:
            return True
        self.wasNotCleanReason = "the client does not read"
        self.dropConnection(abort=True)
        return False

    # The way down.

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """Autobahn's; with our timer, and with our owner told."""
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self._closing()

    def dropConnection(self, abort: bool = False) -> None:
        """Autobahn's; with our timer, and with our owner told."""
        super().dropConnection(abort)
        self._closing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The TCP connection is gone."""
        self._lost = True
        super().connectionLost(reason)
        self._stopTimer()
        self._ended()
        self.factory.protocolLost(self)

    def shutDown(self, code: int, reason: str) -> None:
        """
        Begin the closing handshake, or give the opening one up.

        @param code: The WebSocket close code.  Autobahn's C{sendClose} refuses 1001.
        @param reason: Why, for people.
        """
        if self.state == self.STATE_OPEN:
            self.closedByMe = True
            self.sendCloseFrame(code, encode_truncate(reason, 123))
        elif self.state == self.STATE_CONNECTING:
            self.dropConnection(abort=True)

    def unregisterProducer(self) -> None:
        """Autobahn's, which would unregister what it has not registered."""
        if self._isWatched:
            self._isWatched = False
            super().unregisterProducer()

    def _fail_connection(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """
        Say why, and be done.

        RFC 6455 section 7.1.7: "An endpoint MUST NOT continue to attempt to
        process data (including a responding Close frame) from the remote
        endpoint after being instructed to _Fail the WebSocket Connection_."
        Autobahn would either say nothing or go on.
        """
        self.failedByMe = True
        self.wasNotCleanReason = reason
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code, encode_truncate(reason, 123))
        self.dropConnection()

    def _closing(self) -> None:
        self._ended()
        if not self._lost:
            self._await(self._owner.limits.closeTimeout)

    def _ended(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.ended()
            self._owner.connectionLost(connection)

    # The timer: of the opening handshake first, then of the closing one.

    def _await(self, seconds: float) -> None:
        self._stopTimer()
        self._timer = self._owner.clock.callLater(seconds, self._timedOut)

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _timedOut(self) -> None:
        self._timer = None
        self.wasNotCleanReason = "a handshake took too long"
        # Autobahn would do nothing where it has closed already and the client does not read.
        self.state = self.STATE_CLOSED
        self.transport.abortConnection()


class SIPWebSocketServerFactory(WebSocketServerFactory):
    """Makes the protocols of the embedded server."""

    noisy = False

    def __init__(self, owner: IConnectionOwner) -> None:
        super().__init__(protocols=[SUBPROTOCOL], server=f"sipws/{__version__}", reactor=owner.clock)
        self._owner = owner
        self._protocols: set[SIPWebSocketServerProtocol] = set()
        self._closing: Deferred[None] | None = None
        self.setProtocolOptions(
            webStatus=False,
            # Bad UTF-8 is a matter for the parser: a connection is not lost for one bad message.
            utf8validateIncoming=False,
            maxFramePayloadSize=owner.limits.maxMessageSize,
            maxMessagePayloadSize=owner.limits.maxMessageSize,
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            maxConnections=owner.limits.maxConnections,
            allowNullOrigin=True,
        )

    def buildProtocol(self, addr: Any) -> SIPWebSocketServerProtocol:
        """Make the protocol of a connection."""
        protocol = SIPWebSocketServerProtocol(self._owner)
        protocol.factory = self
        return protocol

    def protocolMade(self, protocol: SIPWebSocketServerProtocol) -> None:
        """A protocol has its TCP connection."""
        self._protocols.add(protocol)

    def protocolLost(self, protocol: SIPWebSocketServerProtocol) -> None:
        """A protocol has lost it."""
        self._protocols.discard(protocol)
        closing = self._closing
        if closing is not None and not self._protocols:
            self._closing = None
            closing.callback(None)

    def closeAll(self) -> Deferred[None]:
        """
        Close all connections.

        @return: A Deferred that fires when they are gone; it must not be cancelled.
        """
        for protocol in list(self._protocols):
            protocol.shutDown(GOING_AWAY, "the server is stopping")
        if not self._protocols:
            return succeed(None)
        if self._closing is None:
            self._closing = Deferred()
        waiter: Deferred[None] = Deferred()
        self._closing.addBoth(_passOn, waiter)
        return waiter


def _passOn(result: None, waiter: Deferred[None]) -> None:
    waiter.callback(None)
