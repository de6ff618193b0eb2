"""
The protocol against servers of every kind: the upgrade, octets out and in, and how long it may take.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from sipws.errors import ConnectionFailed, HandshakeRefused
from sipws.transport import Transport, TransportOptions
from sipws.transport.protocol import MAX_HANDSHAKE
from tests.transport.foreign import Scene, request

FINAL = 0x80


def frame(first: int, payload: bytes) -> bytes:
    """Make a frame of at most 65,535 octets as a server sends it."""
    length = len(payload)
    size = bytes((length,)) if length < 126 else b"\x7e" + length.to_bytes(2, "big")
    return bytes((first,)) + size + payload


class RawProtocol(Protocol):
    """A server's end in the hands of the test, octet by octet."""

    received = b""
    ended = False

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = True


class RawScene(Scene):
    """A transport, and a server that says what the test wants it to say."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.network.server = Factory.forProtocol(RawProtocol)
        self.made: list[RawProtocol] = []
        build = self.network.server.buildProtocol

        def buildProtocol(addr: Any) -> Any:
            protocol = build(addr)
            self.made.append(protocol)  # type: ignore[arg-type]
            return protocol

        self.network.server.buildProtocol = buildProtocol  # type: ignore[method-assign]

    @property
    def raw(self) -> Any:
        """The newest TCP connection."""
        return self.made[-1]

    def knocked(self) -> Transport:
        """Make the transport, and let it ask for the upgrade."""
        transport = self.construct()
        self.network.advance(0)
        assert self.raw.received.endswith(b"\r\n\r\n")
        self.calls.clear()
        return transport

    def write(self, *segments: bytes) -> None:
        """Write octets, each segment arriving by itself."""
        for segment in segments:
            self.raw.transport.write(segment)
            self.network.pump()

    def answer(
        self, without: str = "", more: bytes = b"", status: str = "101 Go on", **changes: str
    ) -> bytes:
        """Make the answer that accepts the upgrade, or nearly does."""
        [key] = [
            line.partition(b": ")[2]
            for line in self.raw.received.split(b"\r\n")
            if line.startswith(b"Sec-WebSocket-Key")
        ]
        digest = sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": b64encode(digest).decode(),
            "Sec-WebSocket-Protocol": "sip",
        }
        headers.update({name.replace("_", "-"): value for name, value in changes.items()})
        headers.pop(without, None)
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
        return "".join(f"{line}\r\n" for line in lines).encode() + more + b"\r\n"


def refused(scene: RawScene, transport: Transport) -> HandshakeRefused:
    """See that the upgrade was refused, that the server was hung up on, and that it is tried again."""
    scene.network.pump()
    error = transport.lastTransportError
    assert isinstance(error, HandshakeRefused)
    assert str(error).isprintable()
    assert not transport.connected
    assert transport.ws is None
    assert scene.told("onTransportConnected", "onTransportClosed", "receiveRequest") == []
    assert scene.raw.ended
    assert transport.reconnectTimer is not None
    assert scene.errors() == []
    transport.disconnect()
    scene.network.advance(10)
    assert scene.atRest()
    return error


# The upgrade: what is asked for.


@pytest.mark.parametrize(
    ("uri", "host", "target"),
    [
        ("ws://sip.example.com:8080/a?b=c", "sip.example.com:8080", "/a?b=c"),
        ("ws://[2001:db8::1]:8080", "[2001:db8::1]:8080", "/"),
        ("ws://192.0.2.1/sip", "192.0.2.1:80", "/sip"),
        ("wss://sip.example.com", "sip.example.com:443", "/"),
        ("unix:/run/sip.socket", "localhost:80", "/"),
    ],
)
def test_theRequestIsOneForSIPOverWebSocket(uri: str, host: str, target: str) -> None:
    """RFC 7118 section 4.1 has it as an example."""
    scene = RawScene(uri)
    scene.knocked()
    first, *lines = scene.raw.received.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    assert first == f"GET {target} HTTP/1.1"
    assert headers["host"] == host
    assert headers["upgrade"] == "websocket"
    assert headers["connection"] == "upgrade"
    assert headers["sec-websocket-protocol"] == "sip"
    assert headers["sec-websocket-version"] == "13"
    assert "sec-websocket-extensions" not in headers


# The upgrade: what is answered.


def test_anAnswerAsItShouldBe() -> None:
    scene = RawScene()
    transport = scene.knocked()
    scene.write(scene.answer())
    assert transport.connected
    assert scene.told("onTransportConnected") == [("onTransportConnected",)]


def test_withoutTheSubprotocolNothingIsTakenThatComesWithTheAnswer() -> None:
    scene = RawScene()
    transport = scene.knocked()
    scene.write(scene.answer(without="Sec-WebSocket-Protocol") + frame(FINAL | 1, request()))
    error = refused(scene, transport)
    assert error.status is None
    assert "subprotocol" in str(error)


@pytest.mark.parametrize(
    "status",
    [
        "200 OK",
        "301 Moved Permanently",
        "302 Found",
        "400 Bad Request",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
        "426 Upgrade Required",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ],
)
def test_anyOtherStatusRefuses(status: str) -> None:
    """RFC 6455 section 4.1 item 1, RFC 7118 section 7 (401)."""
    scene = RawScene()
    transport = scene.knocked()
    more = b"Location: wss://elsewhere.example.com/\r\nContent-Length: 5\r\n"
    scene.write(scene.answer(status=status, more=more) + b"sorry")
    error = refused(scene, transport)
    assert error.status == int(status[:3])
    assert status in str(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"without": "Upgrade"},
        {"without": "Connection"},
        {"Connection": "keep-alive"},
        {"without": "Sec-WebSocket-Accept"},
        {"Sec_WebSocket_Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
    ],
)
def test_anAnswerThatRFC6455ForbidsRefuses(changes: dict[str, Any]) -> None:
    """Section 4.1, the items of what the client must verify."""
    scene = RawScene()
    transport = scene.knocked()
    scene.write(scene.answer(**changes))
    assert refused(scene, transport).status is None


@pytest.mark.parametrize(
    "octets",
    [
        b"SIP/2.0 400 Bad Request\r\n\r\n",
        b"HTTP/2 101 \r\n\r\n",
        b"HTTP/1.1 101 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 101 \xff\xfe\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 OK\r\nUpgrade: \xe4\r\n\r\n",
        b"HTTP/1.1 503 \xe4\xf6\xfc\r\n\r\n",
        b"HTTP/1.1 503 OK\r\nServer: \xe4\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
    ],
)
def test_whatIsNoHTTPRefuses(octets: bytes) -> None:
    scene = RawScene()
    transport = scene.knocked()
    scene.write(octets)
    error = refused(scene, transport)
    assert error.status == (503 if b" 503 " in octets else None)


def test_aLongAnswerThatEndsInTimeIsTaken() -> None:
    """Cookies and security policies make some answers long."""
    scene = RawScene()
    transport = scene.knocked()
    answer = scene.answer(more=b"Set-Cookie: " + b"c" * (MAX_HANDSHAKE - 400) + b"\r\n")
    scene.write(answer[:8_000], answer[8_000:])
    assert transport.connected


# How long it may take.


@implementer(IHostResolution)
class SlowResolution:
    """A resolution in progress."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """Twisted's endpoints do not cancel: what comes too late has to do no harm."""


@implementer(IHostnameResolver)
class SlowResolver:
    """Resolves when the test says so, one name after the other."""

    def __init__(self) -> None:
        self.waiting: list[IResolutionReceiver] = []

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: Any = "TCP",
    ) -> Any:
        resolution = SlowResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        self.waiting.append(resolutionReceiver)
        self.port = portNumber
        return resolution

    def resolve(self, *addresses: str) -> None:
        receiver = self.waiting.pop(0)
        for address in addresses:
            receiver.addressResolved(IPv4Address("TCP", address, self.port))
        receiver.resolutionComplete()


def _inResolving(scene: Scene) -> None:
    scene.construct()


def _inConnecting(scene: Scene) -> None:
    scene.network.stall()
    scene.construct()
    resolver: Any = scene.options.resolver
    resolver.resolve("192.0.2.1")


def _inUpgrading(scene: Scene) -> None:
    scene.network.stallUpgrade()
    scene.construct()
    resolver: Any = scene.options.resolver
    resolver.resolve("192.0.2.1")


@pytest.mark.parametrize("phase", [_inResolving, _inConnecting, _inUpgrading])
def test_anAttemptThatStallsEndsInTime(phase: Callable[[Scene], None]) -> None:
    """C{openTimeout} is for the whole attempt; C{timings} says which phase did not end."""
    resolver = SlowResolver()
    scene = Scene(options=TransportOptions(openTimeout=3, resolver=resolver))
    phase(scene)
    transport = scene.ua.transport
    scene.network.advance(2.9)
    assert transport.lastTransportError is None
    timings = transport.timings
    scene.network.advance(0.1)
    error = transport.lastTransportError
    assert isinstance(error, ConnectionFailed)
    assert "within 3 seconds (openTimeout)" in str(error)
    assert not scene.network.openSockets
    assert (timings.resolve is None, timings.tcp is None) == {
        _inResolving: (True, True),
        _inConnecting: (False, True),
        _inUpgrading: (False, False),
    }[phase]
    assert timings.upgrade is None
    # And what was too late for it is of no use to it, nor in the way of the next attempt.
    late = len(resolver.waiting)
    scene.network.accept()
    for _ in range(late):
        resolver.resolve("192.0.2.1")
    scene.network.advance(1)
    assert not transport.connected
    scene.network.advance(3)
    resolver.resolve("192.0.2.1")
    scene.network.advance(0)
    assert transport.connected
    assert len(scene.told("onTransportConnected")) == 1
    transport.disconnect()
    scene.network.advance(10)
    assert scene.atRest()


def test_aServerThatTricklesGetsNoMoreTime() -> None:
    scene = RawScene(options=TransportOptions(openTimeout=3))
    transport = scene.knocked()
    answer = scene.answer()
    for at in range(12):
        scene.write(answer[at : at + 1])
        scene.network.advance(0.25)
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    assert scene.raw.ended
    transport.disconnect()
    assert scene.atRest()


# What comes in.


@pytest.mark.parametrize(
    "payload", [b"x" * 66_000, b"", "ä".encode() * 40_000], ids=["large", "empty", "not ASCII"]
)
@pytest.mark.parametrize("isBinary", [False, True])
def test_messagesOfAnySizeAndKindCome(
    payload: bytes, isBinary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    scene.connected()
    came: list[bytes] = []
    monkeypatch.setattr(Transport, "onMessage", lambda transport, octets: came.append(bytes(octets)))
    scene.connection.send(payload, isBinary)
    scene.connection.protocol().sendMessage(payload, isBinary, fragmentSize=1_000)
    scene.network.pump()
    assert came == [payload] * 2


@pytest.mark.parametrize("size", [1, 100, 999])
def test_fragmentsAreCountedTogether(size: int) -> None:
    """C{maxMessageSize} is for the message: fragments that are small do not get round it."""
    scene = Scene(options=TransportOptions(maxMessageSize=1_000))
    transport = scene.connected()
    scene.connection.protocol().sendMessage(b"x" * 1_001, fragmentSize=size)
    scene.network.pump()
    error = transport.lastTransportError
    assert error is not None
    assert error.code == 1009
    assert not scene.connection.connected
    assert scene.told("receiveRequest") == []


@pytest.mark.parametrize("fragmentSize", [None, 300])
def test_theLargestMessageIsTaken(fragmentSize: int | None) -> None:
    text = request()
    scene = Scene(options=TransportOptions(maxMessageSize=len(text)))
    transport = scene.connected()
    scene.connection.protocol().sendMessage(text, fragmentSize=fragmentSize)
    scene.network.pump()
    assert len(scene.told("receiveRequest")) == 1
    assert transport.connected


# What goes out.

LENGTHS = [
    0,
    1,
    2,
    3,
    4,
    5,
    124,
    125,
    126,
    127,
    128,
    1_499,
    1_500,
    1_501,
    65_534,
    65_535,
    65_536,
    65_537,
    200_001,
]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("octet", "isBinary"), [(b"a", False), (b"\xff", True)])
def test_autobahnsServerReadsWhatWasSent(length: int, octet: bytes, isBinary: bool) -> None:
    """RFC 7118 section 4.2: text where it is UTF-8, binary where it is not."""
    scene = Scene()
    transport = scene.connected()
    came: list[tuple[bytes, bool]] = []
    scene.connection.protocol().onMessage = lambda payload, binary: came.append((payload, binary))
    payload = (bytes(at & 0x7F for at in range(length)) + octet)[-length:] if length else b""
    for _ in range(2):
        assert transport.send(payload) is True
    scene.network.pump()
    assert came == [(payload, isBinary and length > 0)] * 2
    assert transport.connected


def test_textOutsideOfASCIIGoesInATextFrame() -> None:
    scene = Scene()
    transport = scene.connected()
    came: list[tuple[bytes, bool]] = []
    scene.connection.protocol().onMessage = lambda payload, binary: came.append((payload, binary))
    transport.send("grüße ☎ 𝄞")
    scene.network.pump()
    assert came == [("grüße ☎ 𝄞".encode(), False)]
