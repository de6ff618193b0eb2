"""
Clients of the embedded server made by hand: octets in, octets out, so that a
test can send and see anything.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from sipws.message import IncomingRequest, IncomingResponse, parseMessage
from sipws.server import EmbeddedServer

__all__ = ["DOMAIN", "Client", "World", "frame"]

DOMAIN = "example.test"

UPGRADE = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
)


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, mask: bytes | None = b"\x01\x02\x03\x04"
) -> bytes:
    """Make a frame as a client sends it (RFC 6455 section 5.2)."""
    flag = 0 if mask is None else 0x80
    length = len(payload)
    if length < 126:
        head = bytes((flag | length,))
    elif length < 65_536:
        head = bytes((flag | 126,)) + length.to_bytes(2, "big")
    else:
        head = bytes((flag | 127,)) + length.to_bytes(8, "big")
    first = bytes(((0x80 if fin else 0) | opcode,))
    if mask is None:
        return first + head + payload
    return first + head + mask + bytes(octet ^ mask[index % 4] for index, octet in enumerate(payload))


class Wire(StringTransport):
    """A TCP connection's server end, which the server's own end of it can close."""

    def __init__(self, lost: Callable[[Exception], None]) -> None:
        super().__init__(peerAddress=IPv4Address("TCP", "192.0.2.1", 54321))
        self._lost = lost
        #: A client that does not read: nothing that is written gets out.
        self.stalled = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As TCP connections have it."""

    def loseConnection(self) -> None:
        if not self.disconnecting:
            super().loseConnection()
            if not self.stalled:
                self._lost(ConnectionDone())

    def abortConnection(self) -> None:
        self.disconnecting = True
        self._lost(ConnectionAborted())


class Client:
    """A client with a WebSocket to the server, or one that tries to have one."""

    def __init__(
        self,
        world: World,
        *,
        host: str = DOMAIN,
        upgrade: bool = True,
        tls: bool = False,
        via: str = "client",
    ) -> None:
        self.world = world
        self.via = f"{via}.invalid"
        protocol: Any = world.server.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 54321))
        self.protocol = protocol
        self.lostFor: type[Exception] | None = None
        self.wire = Wire(self._lose)
        #: What the server's frames have brought: opcode and payload.
        self.frames: list[tuple[int, bytes]] = []
        self._octets = b""
        self._head = b""
        self.protocol.makeConnection(self.wire)
        if upgrade:
            self.upgrade(host=host)
            assert self.head.startswith(b"HTTP/1.1 101 ")
            # As it is where the transport is TLS's.
            self.protocol.connection.secure = tls

    # The wire.

    def isGone(self) -> bool:
        """Whether the TCP connection is gone."""
        return self.lostFor is not None

    def deliver(self, octets: bytes) -> None:
        """Have octets come to the server."""
        if self.lostFor is None:
            self.protocol.dataReceived(octets)

    def upgrade(self, *, host: str = DOMAIN, subprotocol: str | None = "sip", more: str = "") -> None:
        if subprotocol is not None:
            more += f"Sec-WebSocket-Protocol: {subprotocol}\r\n"
        self.deliver(UPGRADE.format(host=host, more=more).encode())

    def drop(self) -> None:
        """Have the TCP connection break."""
        self._lose(ConnectionLost())

    def _lose(self, error: Exception) -> None:
        if self.lostFor is None:
            self.lostFor = type(error)
            self.protocol.connectionLost(Failure(error))

    @property
    def head(self) -> bytes:
        """The head of the HTTP response."""
        self._read()
        return self._head

    def _read(self) -> None:
        self._octets += self.wire.value()
        self.wire.clear()
        if not self._head:
            self._head, end, rest = self._octets.partition(b"\r\n\r\n")
            self._octets = rest if end else self._octets
        while len(self._octets) >= 2:
            length = self._octets[1]
            start = 2
            if length >= 126:
                start = 4 if length == 126 else 10
                length = int.from_bytes(self._octets[2:start], "big")
            self.frames.append((self._octets[0], self._octets[start : start + length]))
            self._octets = self._octets[start + length :]

    # SIP.

    def send(self, message: str | bytes, *, opcode: int = 1) -> None:
        """Send a message in one frame; lines may end in LF alone."""
        if isinstance(message, str):
            message = message.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        self.deliver(frame(opcode, message))

    def takeOctets(self) -> list[bytes]:
        """Take the messages that have come, as they are."""
        self._read()
        frames, self.frames = self.frames, []
        return [payload for first, payload in frames if first & 0x0F in (1, 2) and payload.strip()]

    def take(self) -> list[IncomingRequest | IncomingResponse]:
        """Take the messages that have come."""
        return [parseMessage(octets) for octets in self.takeOctets()]

    def requests(self) -> list[IncomingRequest]:
        """Take the messages that have come, which are requests."""
        messages = self.take()
        assert all(isinstance(message, IncomingRequest) for message in messages), messages
        return [message for message in messages if isinstance(message, IncomingRequest)]

    def responses(self) -> list[IncomingResponse]:
        """Take the messages that have come, which are responses."""
        messages = self.take()
        assert all(isinstance(message, IncomingResponse) for message in messages), messages
        return [message for message in messages if isinstance(message, IncomingResponse)]

    def one(self) -> Any:
        """Take the one message that has come."""
        messages = self.take()
        assert len(messages) == 1, [repr(message) for message in messages]
        return messages[0]

    def request(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, object] | None = None,
        body: str = "",
        *,
        user: str = "alice",
        to: str | None = None,
    ) -> str:
        """Send a request; None as a header's value leaves it out.  Gives its branch."""
        number = self.world.next()
        branch = f"z9hG4bK{number}"
        every: dict[str, object] = {
            "Via": f"SIP/2.0/WS {self.via};branch={branch}",
            "Max-Forwards": 70,
            "From": f"<sip:{user}@{DOMAIN}>;tag=from{number}",
            "To": to or f"<{uri}>",
            "Call-ID": f"call{number}@{self.via}",
            "CSeq": f"{number} {method}",
            **(headers or {}),
            "Content-Length": len(body.encode()),
        }
        lines = [f"{method} {uri} SIP/2.0"]
        for name, value in every.items():
            values = value if isinstance(value, list) else [value]
            lines += [f"{name}: {each}" for each in values if each is not None]
        self.send("\r\n".join([*lines, "", ""]).encode() + body.encode())
        return branch

    def respond(
        self, request: IncomingRequest, statusCode: int, *headers: str, tag: str = "to", body: str = ""
    ) -> None:
        """Answer a request as a user agent server does."""
        to = request.getHeader("To") or ""
        lines = [
            f"SIP/2.0 {statusCode} Because",
            *(f"Via: {via}" for via in request.getHeaders("Via")),
            *(f"Record-Route: {route}" for route in request.getHeaders("Record-Route")),
            f"From: {request.getHeader('From')}",
            f"To: {to if request.toTag or statusCode == 100 else f'{to};tag={tag}'}",
            f"Call-ID: {request.callID}",
            f"CSeq: {request.getHeader('CSeq')}",
            *headers,
            f"Content-Length: {len(body.encode())}",
        ]
        self.send("\r\n".join([*lines, "", ""]).encode() + body.encode())

    def register(self, user: str, *, contact: str | None = None, expires: int = 600, **more: object) -> Any:
        """Register, and take the response."""
        self.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            {"Contact": contact or f"<sip:{user}@{self.via};transport=ws>", "Expires": expires, **more},
            user=user,
            to=f"<sip:{user}@{DOMAIN}>",
        )
        return self.one()


class World:
    """A server on a clock of its own."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.server = EmbeddedServer(self.clock, random=random.Random(0), **{"domain": DOMAIN, **options})
        self._number = 0

    def next(self) -> int:
        """Give a number that has not been given before."""
        self._number += 1
        return self._number

    def client(self, name: str = "", **options: Any) -> Client:
        """Have a client connect."""
        return Client(self, via=name or f"client{self.next()}", **options)

    def user(self, name: str, **options: Any) -> Client:
        """Have a client connect and register."""
        client = self.client(name, **options)
        assert client.register(name).statusCode == 200
        return client

    def assertIdle(self) -> None:
        """See that nothing is left of what was."""
        assert not self.server.connections
        assert not self.server.locations
        assert not self.server.transactions
        assert self.server.locations.count == 0
        assert len(self.server._proxy) == 0
        assert self.clock.getDelayedCalls() == []
