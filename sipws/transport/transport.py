"""
L{Transport}: C{SIP.Transport}, on Autobahn.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from sipws.counters import Counters
from sipws.errors import NotConnected, ParseError, TransportError
from sipws.interfaces import C, ITransport, IUserAgent, IWsServer
from sipws.message import (
    IncomingRequest,
    IncomingResponse,
    parseMessage,
    redact,
    rejectMalformed,
    sanityCheck,
)
from sipws.transport.backlog import Writers, isOwed
from sipws.transport.factory import SIPWebSocketClientFactory
from sipws.transport.keepalive import CRLF_PONG, boundedFlowTimer, takeCRLF
from sipws.transport.options import DEFAULT_OPTIONS, TransportOptions

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.logger import Logger

    from sipws.message import OutgoingRequest, OutgoingResponse
    from sipws.transport.protocol import SIPWebSocketClientProtocol
    from sipws.transport.timings import Timings

__all__ = ["Transport"]


@implementer(ITransport)
class Transport:
    """
    Keeps a WebSocket to one SIP server up, and carries requests and responses
    over it (RFC 7118).

    User agents make transports for themselves.  A new one assigns itself to
    C{ua.transport} and starts to connect.

    When a connection fails or is lost, it is tried again, as often and after
    such gaps as its L{RetryPolicy} says; then C{ua.onTransportError} is told.

    @ivar logger: The outlet for log messages.
    @ivar ua: The user agent that uses it.
    @ivar ws: The WebSocket; C{None} where there is none.
    @ivar server: The server that it connects to.
    @ivar closed: Whether the user agent has asked for its end.
    @ivar connected: Whether the WebSocket is open: not any more once its closing has begun.
    @ivar lastTransportError: What went wrong last; C{None} where nothing did
        since the last L{connect}.
    @ivar counters: What has happened, counted.
    """

    __slots__ = (
        "__weakref__",
        "_clock",
        "_factory",
        "_writers",
        "closed",
        "connected",
        "counters",
        "lastTransportError",
        "logger",
        "server",
        "ua",
        "ws",
    )

    def __init__(
        self,
        ua: IUserAgent,
        server: IWsServer,
        reactor: Any,
        *,
        options: TransportOptions = DEFAULT_OPTIONS,
    ) -> None:
        """
        @param ua: The user agent.
        @param server: The server.
        @param reactor: The reactor to connect with, which is the clock too.
        @param options: How to connect.
        @raise ConfigurationError: The server's C{ws_uri} leads nowhere, or a file
            of the options cannot be used.
        """
        self.logger: Logger = ua.getLogger("sip.transport")
        self.ua = ua
        self.ws: SIPWebSocketClientProtocol | None = None
        self.server = server
        self.closed = False
        self.connected = False
        self.lastTransportError: TransportError | None = None
        self.counters = options.counters or Counters()
        self._clock = reactor
        self._writers: Writers | None = None
        self._factory = SIPWebSocketClientFactory(self, server.ws_uri, reactor, options)
        ua.transport = self
        self.connect()

    def __repr__(self) -> str:
        state = "connected" if self.connected else "closed" if self.closed else "not connected"
        return f"<Transport {self.peer} {state}>"

    @property
    def reconnection_attempts(self) -> int:
        """How often in a row it has been tried again."""
        return self._factory.retries

    @property
    def reconnectTimer(self) -> IDelayedCall | None:
        """The wait for the next attempt; C{None} where none is waited for."""
        return self._factory.retryTimer

    @property
    def peer(self) -> str:
        """Whom it is connected to, for logs: the server's URI without its query, which may hold a secret."""
        return self.server.ws_uri.partition("?")[0]

    @property
    def viaTransport(self) -> str:
        """What a Via says of it: C{WS} or C{WSS} (RFC 7118 section 5.2)."""
        return "WSS" if self._factory.location.secure else "WS"

    @property
    def timings(self) -> Timings:
        """How long each phase of the last attempt to connect took."""
        return self._factory.timings

    @property
    def roundTrip(self) -> float | None:
        """How long the server took to answer the last keep-alive of this connection, in seconds."""
        keepAlive = None if self.ws is None else self.ws.keepAlive
        return None if keepAlive is None else keepAlive.roundTrip

    @property
    def isClosing(self) -> bool:
        """Whether the WebSocket is being closed, by whomever: C{onTransportClosed} will tell of its end."""
        return self.ws is not None and not self.connected

    @property
    def pendingOctets(self) -> int:
        """How many octets wait behind Twisted's own buffer, which is full."""
        return 0 if self.ws is None or self.ws.backlog is None else self.ws.backlog.octets

    @property
    def readingPaused(self) -> bool:
        """Whether L{pauseReading} keeps it from reading."""
        return self.ws is not None and self.ws.readingPaused

    # What its user asks for.

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        """
        Send a message.  Never raises.

        @param msg: The message, or its text or octets.
        @return: Whether the WebSocket was open for sending: it is not where
            more than C{maxPendingOctets} wait for a server that does not read; as much
            again, and 64 KiB at least, may wait of what L{isOwed}.
        """
        ws = self.ws
        if ws is None or ws.state != ws.STATE_OPEN:
            self.logger.warn("unable to send a message: the WebSocket is not open")
            return False
        try:
            octets = msg.encode() if isinstance(msg, str) else bytes(msg)
            if self.ua.configuration.traceSip:
                self._trace("sent to", octets)
            sent = ws.sendOctets(octets, owed=ws.backlog is not None and isOwed(msg))
        except Exception:  # noqa: BLE001 - "never raises": whatever the message is
            self.logger.failure("unable to send a message")
            return False
        if sent:
            self.counters.messagesSent += 1
        else:
            self._congested(ws)
        return sent

    def whenWritable(self) -> Deferred[None]:
        """
        Wait until nothing waits any more for a server that did not read.

        @return: A Deferred that fires then, at once where nothing waits.  It
            fails with L{NotConnected} where there is no connection, and when it ends.
        """
        ws = self.ws
        if ws is None or not self.connected:
            return fail(NotConnected("there is no connection"))
        if ws.backlog is None:
            return succeed(None)
        if self._writers is None:
            self._writers = Writers()
        return self._writers.add()

    def pauseReading(self) -> None:
        """
        Read nothing more, until L{resumeReading} or the end of the connection.

        TCP then holds up the server.  What has been read already, be it a
        message, a Ping or the end of the WebSocket, is kept, and taken after
        L{resumeReading}.  Meanwhile nobody finds out whether the server is silent.
        """
        ws = self.ws
        if ws is not None and self.connected and not ws.readingPaused:
            self.counters.pauses += 1
            ws.pauseReading()

    def resumeReading(self) -> None:
        """Read again."""
        if self.ws is not None:
            self.ws.resumeReading()

    def flowTimer(self, seconds: float | None) -> None:
        """
        Take the Flow-Timer of the response to a REGISTER (RFC 5626 section
        4.4): on this connection, the server is asked for a sign of life that
        often, and as often as C{keepAliveInterval} says.

        @param seconds: Its value, which is bounded: it counts for 5 at least; C{None}: there is none.
        """
        ws = self.ws
        if ws is None or not self.connected:
            return
        bounded = boundedFlowTimer(seconds)
        before = None if ws.keepAlive is None else ws.keepAlive.flowTimer
        if bounded != seconds and bounded != before:
            self.logger.warn("{uri}: a Flow-Timer of {seconds:g} seconds", uri=self.peer, seconds=seconds)
        ws.setFlowTimer(bounded)

    def connect(self) -> bool:
        """
        Open a WebSocket to the server, at once.

        After L{disconnect}, and where it was given up, the attempts are
        counted anew.

        @return: Whether that was begun: not where there is one, or one is being opened.
        """
        factory = self._factory
        if factory.connecting and not self.closed:
            state = "is open" if self.connected else "is being opened"
            self.logger.info("the WebSocket to {uri} {state} already", uri=self.peer, state=state)
            return False
        self.closed = False
        if factory.connecting:
            # One that its user has closed, but whose closing is not over.
            factory.stop()
            self._ended(None)
            if self.closed or factory.connecting:
                # Who was told of the end has closed it, or opens one.
                return False
        self.lastTransportError = None
        factory.connectNow()
        return True

    def disconnect(self) -> None:
        """
        Close the WebSocket, or give up opening it, and do not reconnect.

        The user agent's event C{disconnected} tells of the end: at once, but
        where a WebSocket is open, whose closing takes C{closeTimeout} at most.
        """
        factory = self._factory
        if self.closed:
            return
        self.closed = True
        active = factory.connecting or factory.waiting
        if self.ws is not None:
            factory.stopRetrying()
            self.logger.info("closing the WebSocket to {uri}", uri=self.peer)
            self.ws.close()
            return
        factory.stop()
        if active:
            self._tell(self.ua.emit, "disconnected", self)

    def abort(self) -> None:
        """Cut the connection, or give up opening it, here and now, and do not reconnect."""
        factory, socket = self._factory, self.ws
        active = factory.connecting or factory.waiting
        self.closed = True
        if socket is not None:
            socket.watchNoMore()
        factory.stop()
        self._ended(None)
        if active:
            self._tell(self.ua.emit, "disconnected", self)

    def reConnect(self) -> None:
        """
        Reconnect after the gap, or tell the user agent that there were enough attempts.

        Internal.  It does nothing where there is a connection, or one is
        already on its way, or the user agent wants none.
        """
        factory = self._factory
        if self.closed or factory.connecting or factory.waiting:
            return
        factory.retry()
        if self.reconnectTimer is not None:
            self.logger.info(
                "trying {uri} again in {gap:g} seconds (attempt {attempt})",
                uri=self.peer,
                gap=self._factory.delay,
                attempt=self.reconnection_attempts,
            )

    # What its WebSocket tells.

    def onOpen(self) -> None:
        """
        The WebSocket is open: count the attempts anew, and tell the user agent.

        Internal.
        """
        self.connected = True
        self.closed = False
        self.lastTransportError = None
        self._factory.opened()
        self.logger.info("connected to {uri}", uri=self.peer)
        self._tell(self.ua.onTransportConnected, self)

    def onClose(self, error: TransportError | None = None) -> None:
        """
        The WebSocket is closed, or has not come about: tell the user agent, and reconnect if need be.

        Internal.

        @param error: Why; C{None} where its user wanted it.
        """
        self._ended(error)
        if self.closed:
            self._tell(self.ua.emit, "disconnected", self)
        else:
            self.reConnect()

    def onMessage(self, payload: bytes) -> None:
        """
        A message has come: parse it, check it, and pass it to the user agent
        (a request) or to its transaction (a response).  Never raises.

        Internal.

        @param payload: Its octets.
        """
        try:
            if self.ua.configuration.traceSip:
                self._trace("received from", payload)
            if payload[:2] == CRLF_PONG and takeCRLF(payload, self.ws):
                return
            self.counters.messagesReceived += 1
            self._receive(payload)
        except Exception:  # noqa: BLE001 - one bad message must not cost the connection
            self.logger.failure("a message was not processed")

    def onError(self, error: TransportError) -> None:
        """
        Log an error.  What it leads to, L{onClose} sees to.

        Internal.

        @param error: What is wrong.
        """
        self.logger.warn("{uri}: {error}", uri=self.peer, error=error)

    # What its factory tells.

    def connecting(self, attempts: int) -> None:
        """An attempt to connect begins."""
        self.logger.info("connecting to {uri}", uri=self.peer)
        self._tell(self.ua.onTransportConnecting, self, attempts)

    def socketOpened(self, ws: SIPWebSocketClientProtocol) -> None:
        """A WebSocket is open: it is the one from now on."""
        self.counters.connections += 1
        self.ws = ws
        self.onOpen()

    def socketClosing(self) -> None:
        """The WebSocket is being closed: nothing can be sent any more."""
        self.connected = False
        self._failWriters()

    def socketWritable(self) -> None:
        """Nothing waits any more for a server that did not read."""
        writers, self._writers = self._writers, None
        if writers is not None:
            writers.fire()

    def socketFailed(self, error: TransportError) -> None:
        """The WebSocket is gone, or has not come about."""
        if self.closed:
            self.onClose(None)
            return
        if self.ws is None:
            self.counters.refusals += 1
        else:
            self.counters.losses += 1
        self.onError(error)
        self.onClose(error)

    def exhausted(self) -> None:
        """There were enough attempts."""
        self.counters.exhaustions += 1
        self.logger.warn(
            "giving {uri} up after {attempts} attempts to reconnect",
            uri=self.peer,
            attempts=self.reconnection_attempts,
        )
        self._tell(self.ua.onTransportError, self)

    # How it does all that.

    def _ended(self, error: TransportError | None) -> None:
        """Be without a WebSocket, and tell the user agent where there was one."""
        socket, self.ws, self.connected = self.ws, None, False
        self.lastTransportError = error
        self._failWriters()
        if socket is not None:
            self.logger.info("disconnected from {uri}", uri=self.peer)
            self._tell(self.ua.onTransportClosed, self)

    def _failWriters(self) -> None:
        """Fail those who wait for the server to read: it will not."""
        writers, self._writers = self._writers, None
        if writers is not None:
            writers.fail(NotConnected("the connection has ended"))

    def _congested(self, ws: SIPWebSocketClientProtocol) -> None:
        """Count a message that cannot be sent as too much waits already, and say so once."""
        self.counters.congestions += 1
        if ws.backlog is not None and ws.backlog.refused == 1:
            self.logger.warn("unable to send a message: {uri} does not read", uri=self.peer)

    def _receive(self, payload: bytes) -> None:
        ua = self.ua
        try:
            message = parseMessage(payload)
        except ParseError as error:
            self.counters.messagesDropped += 1
            error.value = error.value and redact(error.value)
            self.logger.warn("dropping a message that is not SIP: {error}", error=error)
            if not self._refusesRequests():
                rejectMalformed(error, ua, self)
            return
        message.transport = self
        if isinstance(message, IncomingRequest):
            if self._refusesRequests():
                self.logger.info("dropping a {method}: the user agent is stopped", method=message.method)
            elif sanityCheck(message, ua, self):
                ua.receiveRequest(message)
                return
        elif sanityCheck(message, ua, self) and self._receiveResponse(message):
            return
        self.counters.messagesDropped += 1

    def _refusesRequests(self) -> bool:
        return self.closed or self.ua.status == C.STATUS_USER_CLOSED

    def _receiveResponse(self, response: IncomingResponse) -> bool:
        """
        Pass a response to the transaction that it is for (RFC 3261 section 17.1.3).

        One that matches none is dropped, as is one to an ACK, which nobody waits for.

        @return: Whether there was one.
        """
        method = response.method
        if method == "ACK" or response.viaBranch is None:
            return False
        tables = self.ua.transactions
        transaction = (tables.ict if method == "INVITE" else tables.nict).get(response.viaBranch)
        if transaction is not None:
            transaction.receiveResponse(response)
        return transaction is not None

    def _tell(self, callback: Callable[..., object], *arguments: object) -> None:
        """Call the user agent.  What is wrong with it must not cost the connection."""
        try:
            callback(*arguments)
        except Exception:  # noqa: BLE001 - whatever the user agent does
            self.logger.failure("the user agent failed")

    def _trace(self, direction: str, octets: bytes) -> None:
        self.logger.info(
            "{direction} {peer} at {time}:\n{message}",
            direction=direction,
            peer=self.peer,
            time=datetime.fromtimestamp(self._clock.seconds(), UTC).isoformat(timespec="milliseconds"),
            message=redact(octets),
        )
