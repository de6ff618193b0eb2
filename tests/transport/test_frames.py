"""
Frames: the short way past Autobahn gives what Autobahn gives, however the octets are cut.
"""

from __future__ import annotations

from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketClientProtocol
from hypothesis import given, settings
from hypothesis import strategies as st

from sipws.transport import SIPWebSocketClientProtocol, TransportOptions
from sipws.transport.factory import SIPWebSocketClientFactory
from tests.transport.foreign import Scene, request

LIMIT = 70_000

FINAL = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(first: int, payload: bytes) -> bytes:
    """Make a frame as a server sends it (RFC 6455 section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload


class StockProtocol(SIPWebSocketClientProtocol):
    """The same, with all octets going Autobahn's way."""

    def dataReceived(self, data: bytes) -> None:
        WebSocketClientProtocol.dataReceived(self, data)


class Receiver:
    """
    An open WebSocket.

    @ivar happened: Each message that was delivered and all octets that were written, in order.
    """

    def __init__(self, protocol: type[SIPWebSocketClientProtocol] = SIPWebSocketClientProtocol) -> None:
        self.happened: list[Any] = []
        keys = iter(range(1, 2**32))
        options = TransportOptions(maxMessageSize=LIMIT, entropy=lambda n: next(keys).to_bytes(n, "big"))
        self.scene = Scene(options=options)
        before = SIPWebSocketClientFactory.protocol
        SIPWebSocketClientFactory.protocol = protocol
        try:
            self.transport: Any = self.scene.connected()
        finally:
            SIPWebSocketClientFactory.protocol = before
        self.socket = self.openSocket()
        assert [type(self.socket)] == [protocol]
        self.socket.factory = self._FactorySpy(self.socket.factory, self.happened)
        self.socket.transport.write = lambda octets: self.happened.append(("wrote", octets))

    def openSocket(self) -> Any:
        return self.transport.ws

    class _FactorySpy:
        """Takes down what the protocol delivers."""

        def __init__(self, factory: Any, happened: list[Any]) -> None:
            self._factory = factory
            self._happened = happened
            self.onMessage: Any = None

        def __getattr__(self, name: str) -> Any:
            return getattr(self._factory, name)

        def messageReceived(self, socket: Any, payload: bytes) -> None:
            self._happened.append(("message", bytes(payload)))
            if self.onMessage is not None:
                self.onMessage(payload)

    def receive(self, *segments: bytes) -> None:
        for segment in segments:
            self.socket.dataReceived(segment)

    @property
    def messages(self) -> list[bytes]:
        return [octets for kind, octets in self.happened if kind == "message"]

    def outcome(self) -> Any:
        """All that can be told from outside."""
        socket = self.socket
        return self.happened, socket.state, socket.remoteCloseCode, socket.remoteCloseReason, socket.wasClean


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut octets into segments."""
    ends = sorted({place % (len(octets) + 1) for place in places} | {len(octets)})
    return [octets[a:b] for a, b in zip([0, *ends], ends, strict=False) if a != b]


# What a server may send.

payloads = st.one_of(
    st.binary(max_size=8),
    st.text(max_size=40).map(str.encode),
    st.sampled_from([0, 1, 124, 125, 126, 127, 128, 600, 65_535, 65_536, LIMIT]).map(lambda n: b"x" * n),
    st.sampled_from(["ä", "☎", "𝄞"]).map(lambda each: each.encode() * 50),
    st.just(b"\r\n\r\n"),
)
controls = st.one_of(
    st.binary(max_size=125).map(lambda payload: frame(FINAL | PING, payload)),
    st.binary(max_size=125).map(lambda payload: frame(FINAL | PONG, payload)),
)
texts = payloads.map(lambda payload: frame(FINAL | TEXT, payload.decode("utf-8", "replace").encode()[:LIMIT]))
binaries = payloads.map(lambda payload: frame(FINAL | BINARY, payload))


@st.composite
def fragmented(draw: st.DrawFn) -> bytes:
    """A message in fragments, with control frames between them."""
    payload = draw(payloads)
    parts = cut(payload, draw(st.lists(st.integers(0, 100_000), max_size=4))) or [b""]
    opcode = draw(st.sampled_from([BINARY, TEXT]))
    octets = b""
    for index, part in enumerate(parts):
        first = (opcode if index == 0 else CONTINUATION) | (FINAL if index == len(parts) - 1 else 0)
        octets += frame(first, part) + draw(st.one_of(st.just(b""), controls))
    return octets


VIOLATIONS = [
    frame(FINAL | TEXT, b"\xff"),
    frame(FINAL | TEXT, "ä".encode()[:1]),
    frame(FINAL | BINARY, b"x" * (LIMIT + 1)),
    bytes((FINAL | TEXT, 127)) + (2**62).to_bytes(8, "big"),
    bytes((FINAL | TEXT, 126, 0, 5)) + b"short",
    bytes((FINAL | BINARY, 127)) + (5).to_bytes(8, "big") + b"short",
    bytes((FINAL | TEXT, 0x85)) + b"mask" + b"short",
    frame(0xC0 | TEXT, b"reserved bit"),
    frame(FINAL | 3, b"reserved opcode"),
    frame(FINAL | CONTINUATION, b"of nothing"),
    frame(PING, b"a ping in fragments"),
    frame(TEXT, b"begun") + frame(FINAL | TEXT, b"and begun again"),
    frame(FINAL | CLOSE, b"\x03"),
    frame(FINAL | CLOSE, b"\x03\xe8ended"),
    frame(FINAL | CLOSE, b""),
]

good = st.lists(st.one_of(texts, binaries, texts, binaries, controls, fragmented()), max_size=6).map(b"".join)
streams = st.tuples(good, st.sampled_from([b"", b"", *VIOLATIONS]), good).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(stream=streams, tail=st.integers(0, 20), places=st.lists(st.integers(0, 2**20), max_size=30))
def test_theShortWayGivesWhatAutobahnGives(stream: bytes, tail: int, places: list[int]) -> None:
    octets = stream[: len(stream) - tail] if tail < len(stream) else stream
    stock, short = Receiver(StockProtocol), Receiver()
    stock.receive(octets)
    short.receive(*cut(octets, places))
    assert short.outcome() == stock.outcome()
    # And nothing is kept back: what follows arrives, too.
    stock.receive(stream[len(octets) :], frame(FINAL | BINARY, b"the last"))
    short.receive(stream[len(octets) :] + frame(FINAL | BINARY, b"the last"))
    assert short.outcome() == stock.outcome()


@pytest.mark.parametrize("violation", VIOLATIONS)
@pytest.mark.parametrize("before", [b"", frame(FINAL | TEXT, b"before"), frame(TEXT, b"begun, ")])
def test_whatBreaksTheProtocolEndsItInTheSameWayWhereverItIsCut(before: bytes, violation: bytes) -> None:
    octets = before + violation + frame(FINAL | TEXT, b"after")
    stock = Receiver(StockProtocol)
    stock.receive(octets)
    ends = range(len(octets)) if len(octets) < 100 else [0, 1, 5, len(octets) - 1]
    for end in ends:
        short = Receiver()
        short.receive(*cut(octets, [end]))
        assert short.outcome() == stock.outcome(), end
    if len(octets) < 100:
        short = Receiver()
        short.receive(*cut(octets, list(range(len(octets)))))
        assert short.outcome() == stock.outcome()


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, LIMIT])
@pytest.mark.parametrize("first", [FINAL | TEXT, FINAL | BINARY])
def test_anyLengthGetsThroughWholeAndOctetByOctet(first: int, length: int) -> None:
    receiver = Receiver()
    octets = frame(first, b"y" * length)
    receiver.receive(octets * 3)
    head, rest = octets[:20], octets[20:]
    receiver.receive(*(head[index : index + 1] for index in range(len(head))), rest)
    assert receiver.messages == [b"y" * length] * 4


def test_wholeFramesDoNotGoAutobahnsWay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the comparison would be one of Autobahn with itself."""
    receiver = Receiver()

    def fail(*args: object) -> None:
        raise AssertionError("Autobahn was asked")

    monkeypatch.setattr(receiver.socket, "_dataReceived", fail)
    large = frame(FINAL | BINARY, b"b" * 60_000)
    receiver.receive(frame(FINAL | TEXT, b"a" * 600) * 2 + large[:100], large[100:40_000], large[40_000:])
    assert receiver.messages == [b"a" * 600, b"a" * 600, b"b" * 60_000]
    with pytest.raises(AssertionError):
        receiver.receive(frame(FINAL | PING, b""))


def test_textAndBinaryCarryTheSame() -> None:
    scene = Scene()
    scene.connected()
    for isBinary in (False, True):
        scene.connection.send(request(), isBinary=isBinary)
    first, second = (received for _, received in scene.told("receiveRequest"))
    assert bytes(first) == bytes(second) == request()


@pytest.mark.parametrize("separately", [True, False])
def test_aCloseInTheMiddleOfASegmentEndsIt(separately: bool) -> None:
    """Whoever takes a message may close; what comes after it in the same segment is not SIP's any more."""
    receiver = Receiver()
    spy = receiver.socket.factory
    spy.onMessage = lambda payload: receiver.transport.disconnect()
    segments = [frame(FINAL | TEXT, b"one"), frame(FINAL | PING, b""), frame(FINAL | CLOSE, b"\x03\xe8")]
    receiver.receive(*(segments if separately else [b"".join(segments)]))
    assert receiver.messages == [b"one"]
    assert receiver.socket.remoteCloseCode == 1000
    assert receiver.socket.wasClean
