"""
L{MemoryConnection}: the server's end of a WebSocket, in the hands of a test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionDeny
from zope.interface import implementer

from sipws.errors import ParseError
from sipws.interfaces import ITransport
from sipws.message import IncomingRequest, IncomingResponse, OutgoingRequest, OutgoingResponse, parseMessage

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest

    from sipws.testing.host import MemoryHost
    from sipws.testing.network import MemoryNetwork
    from sipws.testing.wire import Wire

__all__ = ["MemoryConnection"]


@implementer(ITransport)
class MemoryConnection:
    """
    The server's end of one WebSocket.

    @ivar received: The messages that the client has sent and that nobody took,
        in their order.
    @ivar octets: All that the client has sent, message by message, as it came.
    @ivar connected: Whether the WebSocket is open.
    @ivar path: What the client's HTTP request asked for.
    @ivar headers: The headers of that request, their names in lower case.
    """

    def __init__(self, network: MemoryNetwork | MemoryHost, wire: Wire) -> None:
        self.received: list[IncomingRequest | IncomingResponse] = []
        self.octets: list[bytes] = []
        self.connected = False
        self.path = ""
        self.headers: dict[str, str] = {}
        self._network = network
        self._wire = wire
        self._protocol = _Protocol(self)
        self._tags = 0

    def __repr__(self) -> str:
        return f"<MemoryConnection {'open' if self.connected else 'closed'} {len(self.received)} received>"

    @property
    def requests(self) -> list[IncomingRequest]:
        """The requests among C{received}."""
        return [message for message in self.received if isinstance(message, IncomingRequest)]

    @property
    def responses(self) -> list[IncomingResponse]:
        """The responses among C{received}."""
        return [message for message in self.received if isinstance(message, IncomingResponse)]

    def takeRequest(self, method: str | None = None) -> IncomingRequest:
        """
        Take the oldest request out of C{received}.

        @param method: Its method; C{None}: any.
        @raise AssertionError: There is none.
        """
        for request in self.requests:
            if method is None or request.method == method:
                self.received.remove(request)
                return request
        raise AssertionError(f"no {method or 'request'} among {self.received}")

    def takeResponse(self) -> IncomingResponse:
        """
        Take the oldest response out of C{received}.

        @raise AssertionError: There is none.
        """
        for response in self.responses:
            self.received.remove(response)
            return response
        raise AssertionError(f"no response among {self.received}")

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str, isBinary: bool = False) -> bool:
        """
        Send a message, or any octets.

        @param msg: The message.
        @param isBinary: Whether it goes in a binary frame.
        @return: Whether the WebSocket was open.
        """
        if not self.connected or self._protocol.state != WebSocketServerProtocol.STATE_OPEN:
            return False
        octets = msg.encode() if isinstance(msg, str) else bytes(msg)
        self._protocol.sendMessage(octets, isBinary)
        self._network.pump()
        return True

    def respond(
        self,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
    ) -> bool:
        """
        Answer a request.

        @param request: One that the client sent.
        @param statusCode: 100 to 699.
        @param reasonPhrase: What the code says, unless it is to say something else.
        @param headers: Further headers.
        @param body: Its body.
        @return: Whether the WebSocket was open.
        """
        self._tags += 1
        return self.send(
            OutgoingResponse(request, statusCode, reasonPhrase, headers, body, toTag=f"memory{self._tags}")
        )

    def ping(self, payload: bytes = b"") -> None:
        """Send a WebSocket Ping; C{pongs} holds what is answered."""
        self._protocol.sendPing(payload)
        self._network.pump()

    @property
    def pongs(self) -> list[bytes]:
        """The payloads of the Pongs that have come."""
        return self._protocol.pongs

    def close(self, code: int = 1000, reason: str = "", hangUp: bool = True) -> None:
        """
        Close the WebSocket.

        @param code: The close code (RFC 6455 section 7.4).
        @param reason: What goes with it.
        @param hangUp: Whether TCP is closed when the client has answered, as
            RFC 6455 section 7.1.1 wants.
        """
        self._protocol.hangsUp = hangUp
        self._protocol.sendCloseFrame(code, reason.encode() if reason else None)
        self._network.pump()

    def drop(self) -> None:
        """Break the TCP connection; both sides are told."""
        self._wire.drop()
        self._network.pump()

    def stall(self) -> None:
        """From now on, nothing gets through, and nobody is told."""
        self._wire.stalled = True

    def resume(self) -> None:
        """End a stall: what has been sent meanwhile gets through."""
        self._wire.stalled = False
        self._network.pump()

    def pauseReading(self) -> None:
        """From now on, read nothing that the client sends; what is sent to it gets through."""
        self._wire.server.pauseProducing()

    def resumeReading(self) -> None:
        """Read again: what has been sent meanwhile comes in."""
        self._wire.server.resumeProducing()
        self._network.pump()

    def vanish(self) -> None:
        """Be gone, as a host that has lost its power: the client is not told, and what it sends is lost."""
        self._wire.sever()
        self._network.pump()

    def write(self, octets: bytes) -> None:
        """Send octets outside of any frame, or a frame made by hand."""
        self._wire.server.write(octets)
        self._network.pump()

    # What its protocol tells.

    def opened(self) -> None:
        """The WebSocket is open."""
        self.connected = True
        self._network.connectionOpened(self)

    def messageReceived(self, octets: bytes) -> None:
        """A message has come."""
        self.octets.append(octets)
        try:
            message = parseMessage(octets)
        except ParseError:
            # A keep-alive, or what a test sends on purpose: it is among the octets.
            return
        message.transport = self
        if not self._network.answers(self, message):
            self.received.append(message)

    def lost(self) -> None:
        """The WebSocket is closed."""
        self.connected = False

    def protocol(self) -> Any:
        """Give the protocol at the server's end."""
        return self._protocol

    def upgradeAnswer(self) -> tuple[int, str] | None:
        """Give the HTTP status that the upgrade is refused with; C{None} where it is not."""
        return self._network.rejection

    def subprotocol(self) -> str | None:
        """Give the subprotocol that is selected."""
        return self._network.subprotocol


class _Factory(WebSocketServerFactory):
    """What Autobahn's protocol wants to have, and nothing that has a clock."""

    def __init__(self) -> None:
        # Autobahn's constructor makes timers on a clock that is not the test's.
        self.setSessionParameters()
        self.resetProtocolOptions()
        self.setProtocolOptions(
            openHandshakeTimeout=0,
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            failByDrop=False,
        )
        self.logOctets = self.logFrames = self.trackTimings = False
        self.countConnections = 0


class _Protocol(WebSocketServerProtocol):
    """Autobahn's server, for one connection."""

    def __init__(self, connection: MemoryConnection) -> None:
        super().__init__()
        self.factory = _Factory()
        self.pongs: list[bytes] = []
        self.hangsUp = True
        self._connection = connection

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """Take the HTTP request, or refuse it."""
        connection = self._connection
        connection.path = request.path
        connection.headers = dict(request.headers)
        answer = connection.upgradeAnswer()
        if answer is not None:
            raise ConnectionDeny(*answer)
        return connection.subprotocol()

    def onOpen(self) -> None:
        """The WebSocket is open."""
        self._connection.opened()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """A message has come."""
        self._connection.messageReceived(payload)

    def onPong(self, payload: bytes) -> None:
        """A Pong has come."""
        self.pongs.append(payload)

    def dropConnection(self, abort: bool = False) -> None:
        """Hang up, if the test wants that."""
        if self.hangsUp:
            # As a server that closes properly does, when all has gone out.
            super().dropConnection(abort=False)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """The connection is gone."""
        self._connection.lost()
