"""
A transport without a network, and a scene with a user agent on it.

The transport does what L{sipws.transport.Transport} promises to its user
agent, when the test says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from sipws.config import Configuration, WsServer
from sipws.errors import NotConnected, TransportError
from sipws.interfaces import ITransport
from sipws.message import (
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    parseMessage,
)
from sipws.ua import UserAgent

ALICE = "sip:alice@example.com"
BOB = "sip:bob@example.com"


@implementer(ITransport)
class FakeTransport:
    """
    A transport that the test opens, loses and gives up.

    @ivar sent: Each message that went out, as it was when it did.
    @ivar congested: Whether it takes nothing, though it is connected.
    @ivar writers: Those who wait for room; set to C{[]}, there is none.
    @ivar readingPaused: Whether it was told to read nothing.
    """

    def __init__(self, ua: UserAgent, server: WsServer, reactor: Any, *, options: Any) -> None:
        self.ua = ua
        self.server = server
        self.options = options
        self.connected = False
        self.isClosing = False
        self.closed = False
        self.lastTransportError: TransportError | None = None
        self.sent: list[IncomingRequest | IncomingResponse] = []
        self.viaTransport = server.scheme
        self.congested = False
        self.writers: list[Deferred[None]] | None = None
        self.readingPaused = False
        # As with Transport: the user agent has it before anything can happen to it.
        ua.transport = self
        ua.onTransportConnecting(self, 1)

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        taken = self.connected and not self.congested
        if taken:
            self.sent.append(parseMessage(msg if isinstance(msg, (bytes, str)) else bytes(msg)))
        return taken

    def whenWritable(self) -> Deferred[None]:
        if self.writers is None:
            return succeed(None)
        waiter: Deferred[None] = Deferred()
        self.writers.append(waiter)
        return waiter

    def pauseReading(self) -> None:
        self.readingPaused = self.connected

    def resumeReading(self) -> None:
        self.readingPaused = False

    def disconnect(self) -> None:
        wasClosed, self.closed = self.closed, True
        if self.connected:
            self.lose()
        if not wasClosed:
            self.ua.emit("disconnected", self)

    def abort(self) -> None:
        self.disconnect()

    # What the test does.

    def isClosed(self) -> bool:
        return self.closed

    def open(self) -> None:
        self.connected = True
        self.ua.onTransportConnected(self)

    def lose(self) -> None:
        self.connected = self.readingPaused = False
        writers, self.writers = self.writers, None
        for waiter in writers or ():
            waiter.errback(NotConnected("the connection has ended"))
        self.ua.onTransportClosed(self)

    def drain(self) -> None:
        """Have room again."""
        writers, self.writers = self.writers, None
        for waiter in writers or ():
            waiter.callback(None)

    def giveUp(self) -> None:
        self.ua.onTransportError(self)

    def take(self) -> Any:
        """Take the oldest message that went out and was not looked at."""
        return self.sent.pop(0)

    def takeAll(self) -> list[Any]:
        sent, self.sent = self.sent, []
        return sent

    def receive(self, data: bytes | str) -> IncomingRequest | IncomingResponse:
        """Have a message come in."""
        message = parseMessage(data)
        message.transport = self
        if isinstance(message, IncomingRequest):
            self.ua.receiveRequest(message)
        else:
            tables = self.ua.transactions
            table = tables.ict if message.method == "INVITE" else tables.nict
            transaction = table.get(message.viaBranch or "")
            if transaction is not None:
                transaction.receiveResponse(message)
        return message

    def answer(
        self,
        request: IncomingRequest,
        statusCode: int,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
    ) -> None:
        """Have the response to a request that went out come in."""
        self.receive(bytes(OutgoingResponse(request, statusCode, None, headers, body, toTag="server")))


class Scene:
    """
    A user agent, its clock, and its transports.

    @ivar events: The events that it has emitted: their names with what came with them.
    """

    EVENTS = (
        "connecting",
        "connected",
        "disconnected",
        "registered",
        "unregistered",
        "registrationFailed",
        "message",
    )

    def __init__(self, *, seed: int = 1, random: Any = None, **options: Any) -> None:
        self.clock = Clock()
        self.transports: list[FakeTransport] = []
        self.events: list[tuple[Any, ...]] = []
        self.makeTransport: Any = self._makeTransport
        given = {"uri": ALICE, "wsServers": "ws://sip.example.com", "register": False, **options}
        self.ua = UserAgent(
            Configuration(**given),
            self.clock,
            random=random or Random(seed),
            transportFactory=self._connect,
        )
        for event in self.EVENTS:
            self.ua.on(event, lambda *arguments, event=event: self.events.append((event, *arguments)))

    def _connect(self, *args: Any, **kwargs: Any) -> Any:
        return self.makeTransport(*args, **kwargs)

    def _makeTransport(self, *args: Any, **kwargs: Any) -> FakeTransport:
        transport = FakeTransport(*args, **kwargs)
        self.transports.append(transport)
        return transport

    @property
    def transport(self) -> FakeTransport:
        return self.transports[-1]

    def connect(self) -> FakeTransport:
        self.ua.start()
        self.transport.open()
        return self.transport

    def status(self) -> int:
        return self.ua.status

    def current(self) -> Any:
        """Give the transport that the user agent uses."""
        return self.ua.transport

    def error(self) -> int | None:
        return self.ua.error

    def names(self) -> list[str]:
        """Take the names of the events since the last time."""
        events, self.events = self.events, []
        return [event[0] for event in events]

    def restless(self) -> list[Any]:
        """List the timers that are left."""
        return list(self.clock.getDelayedCalls())


def outcome(deferred: Deferred[Any]) -> list[Any]:
    """Collect what a Deferred comes to: nothing while it waits, then its result or its error."""
    got: list[Any] = []

    def failed(failure: Failure) -> None:
        got.append(failure.value)

    deferred.addCallbacks(got.append, failed)
    return got


def incoming(
    method: str = "MESSAGE",
    uri: str = ALICE,
    *headers: str,
    branch: str = "z9hG4bKin",
    callID: str = "in",
    cseq: int = 1,
    fromTag: str = "bob",
    toTag: str | None = None,
    body: str = "",
) -> str:
    """Write a request that comes in."""
    to = f"To: <{uri}>" + (f";tag={toTag}" if toTag else "")
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/WS bob.invalid;branch={branch}",
        "Max-Forwards: 70",
        f"From: <{BOB}>;tag={fromTag}",
        to,
        f"Call-ID: {callID}",
        f"CSeq: {cseq} {method}",
        *headers,
        f"Content-Length: {len(body.encode())}",
        "",
        body,
    ]
    return "\r\n".join(lines)
