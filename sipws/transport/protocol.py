"""
L{SIPWebSocketClientProtocol}: one WebSocket, as Autobahn has it, made fit for SIP.

What is added to Autobahn: the subprotocol is insisted on; every wait has its
own timer on the transport's clock; what the peer may make us keep is bounded;
and whole frames, which nearly all are, take a short way in and out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from autobahn.twisted.websocket import WebSocketClientProtocol
from autobahn.websocket.types import ConnectingRequest, ConnectionResponse
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from sipws._version import __version__
from sipws.errors import ConnectionFailed, HandshakeRefused, SIPError, TransportError
from sipws.framing import BINARY, TEXT, applyMask, frameHeader, opcodeFor

if TYPE_CHECKING:
    from autobahn.wamp.types import TransportDetails
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from sipws.transport.connector import Attempt
    from sipws.transport.factory import SIPWebSocketClientFactory

__all__ = ["SUBPROTOCOL", "SIPWebSocketClientProtocol"]

#: The WebSocket subprotocol (RFC 7118 section 4.1).
SUBPROTOCOL = "sip"

#: RFC 6455 section 7.4.1.
NORMAL_CLOSURE = 1000
ABNORMAL_CLOSURE = 1006

#: The longest answer to the HTTP upgrade that is taken, in octets; HTTP servers take a request as long.
MAX_HANDSHAKE = 16_384

_END_OF_HEADERS = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?")


class _Silence:
    """Autobahn's log: none.  What it would say of a connection, its transport says once, in SIP's terms."""

    def _nothing(self, *args: object, **named: object) -> None:
        pass

    trace = debug = info = warn = error = critical = failure = _nothing


@implementer(IHandshakeListener)
class SIPWebSocketClientProtocol(WebSocketClientProtocol):
    """
    One WebSocket to a SIP server (RFC 7118).

    @ivar factory: What made it, and what it tells of its life.
    @ivar attempt: The connector's side of it; C{None} when it is gone.
    """

    log = _Silence()

    # Autobahn's options, here so that no connection has copies of its own.  Its timers
    # count in whole seconds and on a clock of their own: all are off.
    version = 18
    logOctets = logFrames = trackTimings = False
    utf8validateIncoming = True
    applyMask = maskClientFrames = True
    acceptMaskedServerFrames = False
    autoFragmentSize = 0
    # RFC 6455 section 7.1.7: a connection that fails SHOULD be told why, by a Close frame.
    failByDrop = False
    echoCloseCodeReason = False
    openHandshakeTimeout = closeHandshakeTimeout = serverConnectionDropTimeout = 0
    tcpNoDelay = True
    autoPingInterval = autoPingTimeout = 0
    autoPingSize = 12
    autoPingRestartOnAnyTraffic = True
    perMessageCompressionOffers: tuple[object, ...] = ()

    factory: SIPWebSocketClientFactory
    transport: Any
    data: bytes
    attempt: Attempt | None = None
    inside_message = False
    current_frame: Any = None
    maxFramePayloadSize: int
    maxMessagePayloadSize: int

    _closeTimer: IDelayedCall | None = None
    _opened = False
    _refusal: TransportError | None = None
    _closing: tuple[bool, int | None, str | None] | None = None

    @staticmethod
    def perMessageCompressionAccept(_: object) -> None:
        """Take no compression: none was offered."""

    # The life of a connection.

    def connectionMade(self) -> None:
        """TCP is up: begin the HTTP upgrade."""
        self.maxFramePayloadSize = self.maxMessagePayloadSize = self.factory.options.maxMessageSize
        self.factory.timings.connected()
        super().connectionMade()

    def handshakeCompleted(self) -> None:
        """TLS is up (C{IHandshakeListener})."""
        if not self._opened:
            self.factory.timings.secured()

    def onConnecting(self, transport_details: TransportDetails) -> ConnectingRequest:
        """Say what the HTTP request asks for."""
        location = self.factory.location
        return ConnectingRequest(
            host=location.hostHeader,
            port=location.port,
            resource=location.resource,
            useragent=f"sipws/{__version__}",
            protocols=[SUBPROTOCOL],
        )

    def onConnect(self, response: ConnectionResponse) -> None:
        """
        Insist on the subprotocol.

        RFC 7118 section 4.1: "The WebSocket client and server need to agree on
        the WebSocket SIP subprotocol".  RFC 6455 section 4.1 lets a server leave it out.
        """
        if response.protocol != SUBPROTOCOL:
            self._refusal = HandshakeRefused(
                "the server does not speak SIP: it has not agreed on the subprotocol sip"
            )
            self.abort()

    def onOpen(self) -> None:
        """The WebSocket is open."""
        if self._refusal is not None:
            return
        self._opened = True
        self._forgetHandshake()
        self.factory.timings.upgraded()
        self.factory.socketOpened(self)

    def _forgetHandshake(self) -> None:
        # An idle connection is kept for days, in thousands: not with what it was made from.
        self.http_request_data = self.http_response_data = self.websocket_key = b""
        self.http_status_line = ""
        self.http_headers = {}

    def failHandshake(self, reason: str) -> None:
        """
        Give the upgrade up.

        @param reason: What is wrong with the server's answer.
        """
        match = _STATUS_LINE.match(self.data)
        status = None if match is None else int(match[1])
        if match is not None and status != 101:
            phrase = (match[2] or b"").decode("utf-8", "replace").strip()
            reason = f"the server answered the upgrade with {status} {phrase}".rstrip()
        self._refusal = HandshakeRefused(reason, status=status if status != 101 else None)
        self.abort()

    def abort(self) -> None:
        """Cut the connection, whatever state it is in."""
        self.dropConnection(abort=True)
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        timer, self._closeTimer = self._closeTimer, None
        if timer is not None:
            timer.cancel()
        if self._closing is None:
            super().connectionLost(reason)
        attempt = self.attempt
        if attempt is not None:
            attempt.lost(self, reason)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        """Note how the WebSocket was closed; the transport hears of it when the connection is gone."""
        self._closing = (wasClean, code, reason)

    def closeError(self, reason: Failure) -> TransportError:
        """
        Say what ended the connection.

        @param reason: What C{connectionLost} was given.
        """
        if self._refusal is not None:
            return self._refusal
        if isinstance(reason.value, TransportError):
            # What the verifying of the certificate failed with.
            return reason.value
        if not self._opened:
            return ConnectionFailed(f"the connection was lost before the WebSocket was open: {_text(reason)}")
        wasClean, code, text = self._closing or (False, ABNORMAL_CLOSURE, None)
        if wasClean:
            said = f": {text!r}" if text else ""
            return TransportError(f"the server closed the WebSocket{said}", code=code)
        return TransportError(f"the connection was lost: {_text(reason)}", code=ABNORMAL_CLOSURE)

    # Closing.

    def close(self) -> None:
        """Close the WebSocket: with a handshake where it is open, and in C{closeTimeout} in any case."""
        if self.state == self.STATE_OPEN:
            self.sendClose(NORMAL_CLOSURE)
        else:
            self.abort()

    def sendCloseFrame(
        self, code: int | None = None, reasonUtf8: bytes | None = None, isReply: bool = False
    ) -> None:
        """
        Send a Close, and see to it that the connection ends.

        RFC 6455 section 7.1.1: the server closes TCP; "a client MAY close the
        connection" itself where it does not in a reasonable time.
        """
        super().sendCloseFrame(code, reasonUtf8, isReply)
        self._limitClosing()

    def dropConnection(self, abort: bool = False) -> None:
        """Drop TCP; one that does not go by itself, as with a peer that reads nothing, is cut."""
        super().dropConnection(abort)
        self._limitClosing()

    def _limitClosing(self) -> None:
        if self._closeTimer is None and self._closing is None:
            clock = self.factory.clock
            self._closeTimer = clock.callLater(self.factory.options.closeTimeout, self._closeTimedOut)

    def _closeTimedOut(self) -> None:
        self._closeTimer = None
        self.wasClean = False
        self.transport.abortConnection()

    # Octets in.

    def dataReceived(self, data: bytes) -> None:
        """
        Take octets.

        Frames that are whole and hold a whole message are delivered here; the
        first that does not goes to Autobahn, with all that follows it.
        """
        if self.state != self.STATE_OPEN or self.current_frame is not None or self.inside_message:
            self._autobahn(data)
            return
        if self.data:
            data = self.data + data
        self.data = rest = self._deliverWhole(data)
        if rest and not _isBeginOfWhole(rest, self.maxFramePayloadSize):
            self._autobahn(b"")

    def _deliverWhole(self, data: bytes) -> bytes:
        """Deliver the messages in the whole frames that data begins with, and give what follows them."""
        at, end, limit = 0, len(data), self.maxFramePayloadSize
        while end - at >= 2:
            first, length, start = data[at], data[at + 1], at + 2
            if (first != TEXT and first != BINARY) or length > 126:
                break
            if length == 126:
                start += 2
                length = int.from_bytes(data[at + 2 : start], "big")
                # RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode
                # the length".
                if start > end or length < 126:
                    break
            stop = start + length
            if stop > end or length > limit:
                break
            payload = data[start:stop]
            if first == TEXT and not payload.isascii() and not _isUTF8(payload):
                # Autobahn closes the connection as RFC 6455 section 8.1 wants it.
                break
            at = stop
            self.factory.messageReceived(self, payload)
            # Whoever took it may have closed the connection.
            if self.state != self.STATE_OPEN:
                break
        return data[at:]

    def _autobahn(self, data: bytes) -> None:
        if self.state == self.STATE_CONNECTING:
            self._shakeHands(data)
        else:
            self._dataReceived(data)

    def _shakeHands(self, data: bytes) -> None:
        """Take octets of the answer to the upgrade: not too many, and of any kind."""
        if _END_OF_HEADERS not in self.data + data and len(self.data) + len(data) > MAX_HANDSHAKE:
            self.data += data
            self.failHandshake("the answer to the upgrade is too long")
            return
        try:
            self._dataReceived(data)
        except SIPError:
            raise
        except Exception as error:  # noqa: BLE001 - Autobahn raises all kinds of them for what is no HTTP
            self.failHandshake(f"the answer to the upgrade is no HTTP: {error!r}")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Take a message that came by Autobahn's way: in fragments, or in a large frame."""
        self.factory.messageReceived(self, payload)

    # Octets out.

    def sendOctets(self, message: bytes) -> None:
        """
        Send a message, on a WebSocket that is open.

        @param message: Its octets.
        """
        factory = self.factory
        key = factory.options.entropy(4)
        header = frameHeader(opcodeFor(message), len(message), masked=True)
        self.transport.write(header + key + applyMask(message, key))


def _isBeginOfWhole(data: bytes, limit: int) -> bool:
    """
    Say whether data may be the begin of a frame that will be delivered once it is whole.

    @param data: What is left when all whole frames are delivered.
    @param limit: The largest payload, in octets.
    """
    if data[0] != TEXT and data[0] != BINARY:
        return False
    if len(data) < 2:
        return True
    if data[1] < 126:
        return data[1] <= limit and len(data) < 2 + data[1]
    if data[1] != 126 or len(data) < 4:
        return data[1] == 126
    length = int.from_bytes(data[2:4], "big")
    return 126 <= length <= limit and len(data) < 4 + length


def _isUTF8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(reason: Failure) -> str:
    return reason.getErrorMessage() or type(reason.value).__name__
