"""
L{SIPWebSocketClientProtocol}: one WebSocket, as Autobahn has it, made fit for SIP.

What is added to Autobahn: the subprotocol is insisted on; every wait has its
own timer on the transport's clock; what the peer may make us keep is bounded,
in and out; and whole frames, which nearly all are, take a short way in and out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from autobahn.util import encode_truncate
from autobahn.websocket.types import ConnectingRequest, ConnectionResponse
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from sipws._version import __version__
from sipws.errors import ConnectionFailed, HandshakeRefused, SIPError, TransportError
from sipws.framing import BINARY, TEXT, MaskedFrames, isBeginOfWhole, isUTF8, opcodeFor
from sipws.transport.backlog import Backlog
from sipws.transport.http import END_OF_HEAD, MAX_HEAD, printable
from sipws.transport.keepalive import KeepAlive
from sipws.transport.lean import LeanWebSocketClientProtocol
from sipws.transport.retryafter import retryAfter

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
NORMAL_CLOSURE, GOING_AWAY, ABNORMAL_CLOSURE = 1000, 1001, 1006

#: What a control frame holds beside the code, in octets (RFC 6455 section 5.5).
MAX_CLOSE_REASON = 123

#: RFC 6455 section 5.2.
_FINAL, _CLOSE = 0x80, 0x08

#: The longest answer to the HTTP upgrade that is taken, in octets; HTTP servers take a request as long.
MAX_HANDSHAKE = MAX_HEAD

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: ([^\r\n]*))?")


@implementer(IHandshakeListener, IPushProducer)
class SIPWebSocketClientProtocol(LeanWebSocketClientProtocol):
    """
    One WebSocket to a SIP server (RFC 7118).

    @ivar factory: What made it, and what it tells of its life.
    @ivar attempt: The connector's side of it; C{None} when it is gone.
    @ivar keepAlive: What finds out when the server is silent; C{None} where nothing does.
    @ivar backlog: What waits for a server that does not read; C{None} while it reads.
    @ivar readingPaused: Whether nothing is read, nor taken out of what has been read.
    """

    factory: SIPWebSocketClientFactory
    transport: Any
    data: bytes
    attempt: Attempt | None = None
    maxFramePayloadSize: int
    maxMessagePayloadSize: int

    _closeTimer: IDelayedCall | None = None
    _opened = False
    _isWatched = False
    # Why it was we who ended the connection.
    _refusal: TransportError | None = None
    _closing: tuple[bool, int | None, str | None] | None = None
    keepAlive: KeepAlive | None = None
    backlog: Backlog | None = None
    readingPaused = False
    _isConsuming = False
    # How long the interim answers to the upgrade were, in octets.
    _interim = 0

    # The life of a connection.

    def connectionMade(self) -> None:
        """TCP is up: begin the HTTP upgrade."""
        self.maxFramePayloadSize = self.maxMessagePayloadSize = self.factory.options.maxMessageSize
        self._frame = MaskedFrames(self.factory.options.entropy).make
        self.factory.timings.connected()
        super().connectionMade()

    def handshakeCompleted(self) -> None:
        """TLS is up (C{IHandshakeListener})."""
        if not self._opened:
            self.factory.timings.secured()

    def onConnecting(self, transport_details: TransportDetails) -> ConnectingRequest:
        """Say what the HTTP request asks for."""
        location, upgrading = self.factory.location, self.factory.upgrading
        headers = {} if upgrading is None else upgrading.headers()
        isNamed = any(name.lower() == "user-agent" for name in headers)
        return ConnectingRequest(
            host=location.hostHeader,
            port=location.port,
            resource=location.resource,
            headers=headers,
            useragent=None if isNamed else f"sipws/{__version__}",
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
        self.forgetHandshake()
        self._isWatched = True
        self.registerProducer(self, True)  # noqa: FBT003 -- as Twisted defines it
        self.factory.timings.upgraded()
        self.factory.socketOpened(self)

    def failHandshake(self, reason: str) -> None:
        """
        Give the upgrade up.

        @param reason: What is wrong with the server's answer.
        """
        match = _STATUS_LINE.match(self.data)
        status = None if match is None else int(match[1])
        if match is not None and status != 101:
            phrase = (match[2] or b"").decode("utf-8", "replace")
            reason = f"the server answered the upgrade with {status} {phrase}"
        error = HandshakeRefused(
            printable(reason),
            status=status if status != 101 else None,
            retryAfter=retryAfter(status, self.data, self.factory.clock.seconds()),
        )
        self._refusal = self.factory.upgradeRefused(error, self.data)
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
        self.watchNoMore()
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
        self.factory.socketClosing(self)
        self._limitClosing()
        # The server's own Close would not be seen.
        self.resumeReading()

    def _fail_connection(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """
        Say why, and be done.

        RFC 6455 section 7.1.7: the endpoint "SHOULD send a Close frame with an
        appropriate status code before proceeding to _Close the WebSocket
        Connection_", and "MUST NOT continue to attempt to process data".
        Autobahn would do the one or the other.
        """
        self.failedByMe = True
        if self.state == self.STATE_OPEN:
            self._refusal = TransportError(f"the WebSocket was failed: {printable(reason)}", code=code)
            self.sendCloseFrame(code, encode_truncate(reason, MAX_CLOSE_REASON))
        self.dropConnection()

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
        # RFC 6455 section 7.1.5: "_The WebSocket Connection Close Code_ is defined as the status code
        # contained in the first Close control frame received", however long TCP takes to end after it.
        self.wasClean = self.remoteCloseCode is not None
        self.transport.abortConnection()

    # Octets in.

    def dataReceived(self, data: bytes) -> None:
        """
        Take octets.

        Frames that are whole and hold a whole message are delivered here; the
        first that does not goes to Autobahn, with all that follows it.
        """
        if self.keepAlive is not None:
            self.keepAlive.heard()
        if (
            self.state != self.STATE_OPEN
            or self.current_frame is not None
            or self.inside_message
            or self.readingPaused
        ):
            self._autobahn(data)
            return
        if self.data:
            # Whoever takes a message may resume reading, and so come back here.
            data, self.data = self.data + data, b""
        self.data = rest = self._deliverWhole(data)
        if rest and not isBeginOfWhole(rest, self.maxFramePayloadSize):
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
            if first == TEXT and not payload.isascii() and not isUTF8(payload):
                # Autobahn closes the connection as RFC 6455 section 8.1 wants it.
                break
            at = stop
            self.factory.messageReceived(self, payload)
            # Whoever took it may have closed the connection, or want no more for now.
            if self.state != self.STATE_OPEN or self.readingPaused:
                break
        return data[at:]

    def _autobahn(self, data: bytes) -> None:
        if self.state == self.STATE_CONNECTING:
            self._shakeHands(data)
        # Autobahn would keep what comes after the end.
        elif self.state != self.STATE_CLOSED:
            self._dataReceived(data)

    def _shakeHands(self, data: bytes) -> None:
        """Take octets of the answer to the upgrade: not too many, and of any kind."""
        self.data, data = b"", self._withoutInterim(self.data + data)
        if END_OF_HEAD not in data and len(data) + self._interim > MAX_HANDSHAKE:
            self.data = data
            self.failHandshake("the answer to the upgrade is too long")
            return
        try:
            self._dataReceived(data)
        except SIPError:
            raise
        except Exception as error:  # noqa: BLE001 - Autobahn raises all kinds of them for what is no HTTP
            self.failHandshake(f"the answer to the upgrade is no HTTP: {error!r}")

    def _withoutInterim(self, data: bytes) -> bytes:
        """
        Leave interim answers out.

        RFC 9110 section 15.2: "A client MUST be able to parse one or more 1xx
        responses received prior to a final response, even if the client does
        not expect one."
        """
        while END_OF_HEAD in data and self._interim <= MAX_HANDSHAKE:
            match = _STATUS_LINE.match(data)
            if match is None or not match[1].startswith(b"1") or match[1] == b"101":
                break
            head, _, rest = data.partition(END_OF_HEAD)
            self._interim += len(head)
            data = rest
        return data

    def consumeData(self) -> None:
        """Take as much as there is; not within itself, when who takes a message resumes reading."""
        if self.state == self.STATE_CONNECTING:
            # Autobahn takes what has come with the answer to the upgrade from in here.
            super().consumeData()
        elif not self._isConsuming:
            self._isConsuming = True
            try:
                super().consumeData()
            finally:
                del self._isConsuming

    def processData(self) -> bool:
        """Take a frame, or a part of one; none while reading is paused."""
        return not self.readingPaused and super().processData()

    def onMessageFrameBegin(self, length: int) -> None:
        """Count a frame, one that is empty too: or a message could have any number of them."""
        if length == 0:
            self.message_data_total_length += 1
        super().onMessageFrameBegin(length)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        """Take a message that came by Autobahn's way: in fragments, or in a large frame."""
        self.factory.messageReceived(self, payload)

    def onPong(self, payload: bytes) -> None:
        """Take a Pong: the answer to a Ping, a late one, or one that nobody asked for."""
        if self.keepAlive is not None:
            self.keepAlive.answered(payload)

    def setFlowTimer(self, seconds: float | None) -> None:
        """Ask for signs of life as often as a server wants it; C{None}: it does not."""
        if self.keepAlive is None:
            if seconds is not None and self.state == self.STATE_OPEN:
                self.keepAlive = KeepAlive(self, self.factory.owner.counters, seconds)
                if self.readingPaused:
                    self.keepAlive.stop()
        elif seconds is None and self.factory.options.keepAliveInterval <= 0:
            self.watchNoMore()
        else:
            self.keepAlive.flowTimer = seconds

    def watchNoMore(self) -> None:
        """Find out no more whether the server is silent."""
        keepAlive, self.keepAlive = self.keepAlive, None
        if keepAlive is not None:
            keepAlive.stop()

    def pauseReading(self) -> None:
        """
        Read nothing, and take nothing out of what has been read, be it a
        message, a Ping or a Close, until L{resumeReading}.
        """
        if self.state == self.STATE_OPEN and not self.readingPaused:
            self.readingPaused = True
            if self.keepAlive is not None:
                self.keepAlive.stop()
            self.transport.pauseProducing()

    def resumeReading(self) -> None:
        """Read again, beginning with what has been read and not taken."""
        if self.readingPaused:
            self.readingPaused = False
            if self.keepAlive is not None:
                self.keepAlive.start()
            self.transport.resumeProducing()
            self.dataReceived(b"")

    # Octets out.

    def sendOctets(self, message: bytes, *, owed: bool = False) -> bool:
        """
        Send a message, on a WebSocket that is open.

        @param message: Its octets.
        @param owed: Whether it acknowledges or ends something, and so finds room where others do not.
        @return: Whether it was sent; not where too much waits already for a
            server that does not read.
        """
        backlog = self.backlog
        if backlog is None:
            self.transport.write(self._frame(opcodeFor(message), message))
        elif backlog.hasRoomFor(len(message), owed=owed):
            backlog.add(self._frame(opcodeFor(message), message))
        else:
            return False
        return True

    def sendUrgent(self, first: int, payload: bytes) -> None:
        """
        Send a frame that may overtake messages, and takes the place of one of its kind that has not left.

        @param first: The first octet of the frame.
        @param payload: What it holds.
        """
        frame = self._frame(first, payload)
        if self.backlog is None:
            self.transport.write(frame)
        else:
            # A CRLF that asks and one that answers are both texts: neither stands for the other.
            self.backlog.addUrgent((first, payload) if first == TEXT else first, frame)

    def sendFrame(
        self, opcode: int, payload: bytes = b"", fin: bool = True, *args: Any, **named: Any
    ) -> None:
        """
        Send a control frame, for Autobahn, which would mask it predictably.

        @param opcode: That of Close, Ping or Pong.
        @param payload: What goes with it.
        @param fin: Always true for these (RFC 6455 section 5.5).
        """
        if opcode == _CLOSE and self.backlog is not None:
            self.backlog.add(self._frame(_FINAL | opcode, payload))
        else:
            self.sendUrgent(_FINAL | opcode, payload)

    def pauseProducing(self) -> None:
        """The server does not read, and the transport's own buffer is full (C{IPushProducer})."""
        if self.backlog is None:
            factory = self.factory
            self.backlog = Backlog(factory.options.maxPendingOctets, factory.clock.seconds())
        else:
            self.backlog.block()

    def resumeProducing(self) -> None:
        """The server has read all that was in the transport's own buffer (C{IPushProducer})."""
        backlog = self.backlog
        if backlog is not None and backlog.release(self.transport.write, self.factory.clock.seconds()):
            self.backlog = None
            self.factory.socketWritable(self)

    def stopProducing(self) -> None:
        """The connection is gone (C{IPushProducer})."""

    def unregisterProducer(self) -> None:
        """Autobahn's, which would unregister what it has not registered."""
        if self._isWatched:
            self._isWatched = False
            super().unregisterProducer()
            backlog, self.backlog = self.backlog, None
            if backlog is not None:
                # It is to go out before the connection is closed, and nobody asks for it any more.
                backlog.drain(self.transport.write)


def _text(reason: Failure) -> str:
    return reason.getErrorMessage() or type(reason.value).__name__
