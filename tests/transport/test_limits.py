"""What a server, good or bad, cannot make a transport do, keep or say."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import HandshakeRefused
from sipws.transport import TransportOptions
from tests.transport.foreign import Scene, request

# A server that does not read.


def test_whatWaitsForAServerThatDoesNotReadIsBounded() -> None:
    scene = Scene(options=TransportOptions(maxPendingOctets=10_000))
    transport = scene.connected()
    scene.connection.stall()
    message = request() + b"x" * 1_000
    sent = 0
    while transport.send(message):
        sent += 1
    # What Twisted's buffer holds, and what is allowed beyond it.
    assert 65_536 + 8_000 < sent * len(message) < 65_536 + 12_000
    assert transport.connected
    assert "does not read" in scene.warnings()[-1]
    assert transport.send(message) is False

    scene.connection.resume()

    assert len(scene.connection.octets) == sent
    assert transport.send(message) is True


def test_pongsForAServerThatDoesNotReadAreBounded() -> None:
    scene = Scene(options=TransportOptions(maxPendingOctets=1_000))
    transport: Any = scene.connected()
    scene.connection.stall()
    ping = bytes((0x89, 125)) + b"p" * 125
    for _ in range(10_000):
        transport.ws.dataReceived(ping)
    scene.connection.resume()
    assert 65_536 < sum(map(len, scene.connection.pongs)) + 6 * len(scene.connection.pongs) < 70_000
    assert transport.connected


def test_aBurstThatTheServerReadsIsNotBounded() -> None:
    scene = Scene(options=TransportOptions(maxPendingOctets=1_000_000))
    transport = scene.connected()
    assert all(transport.send(request()) for _ in range(1_000))
    scene.network.pump()
    assert len(scene.connection.octets) == 1_000


def test_disconnectFromAServerThatDoesNotReadIsBoundedInTime() -> None:
    scene = Scene()
    transport = scene.connected()
    scene.connection.stall()
    while transport.send(request()):
        pass
    transport.disconnect()
    scene.network.advance(TransportOptions().closeTimeout)
    assert scene.told("onTransportClosed", "emit") == [
        ("onTransportClosed",),
        ("emit", "disconnected", transport),
    ]
    assert scene.atRest()


# Masking.


class Keys:
    """Entropy that can be told apart: the octets of the keys 1, 2, 3 ..., however many are asked for."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, octets: int) -> bytes:
        assert octets % 4 == 0
        first, self.count = self.count + 1, self.count + octets // 4
        return b"".join(bytes((key >> 8, key & 255, 0, 7)) for key in range(first, self.count + 1))


def test_everyFrameHasAKeyOfItsOwnFromTheEntropy() -> None:
    """RFC 6455 section 10.3: control frames too; a key must not be predictable."""
    scene = Scene(options=TransportOptions(entropy=Keys()))
    transport: Any = scene.connected()
    written: list[bytes] = []
    write = transport.ws.transport.write

    def record(data: bytes) -> None:
        written.append(data)
        write(data)

    transport.ws.transport.write = record
    transport.send("1234")
    scene.connection.ping(b"5678")
    transport.disconnect()
    scene.network.pump()
    assert written == [
        b"\x81\x84\x00\x01\x00\x07" + bytes(b"1234"[i] ^ b"\x00\x01\x00\x07"[i] for i in range(4)),
        b"\x8a\x84\x00\x02\x00\x07" + bytes(b"5678"[i] ^ b"\x00\x02\x00\x07"[i] for i in range(4)),
        b"\x88\x82\x00\x03\x00\x07" + bytes((0x03, 0xE8 ^ 3)),
    ]
    assert scene.connection.pongs == [b"5678"]


def test_noKeyIsUsedTwice() -> None:
    scene = Scene(options=TransportOptions(entropy=Keys()))
    transport: Any = scene.connected()
    written: list[bytes] = []
    transport.ws.transport.write = written.append
    for _ in range(100):
        transport.send("1234")
    assert [int.from_bytes(frame[2:4], "big") for frame in written] == [*range(1, 101)]


def test_aMessageInEndlessEmptyFragmentsIsBounded() -> None:
    scene = Scene(options=TransportOptions(maxMessageSize=1_000))
    transport: Any = scene.connected()
    scene.connection.write(bytes((0x02, 0)) + bytes((0x00, 0)) * 990 + bytes((0x80, 2)) + b"OK")
    assert transport.connected
    scene.connection.write(bytes((0x02, 0)) + bytes((0x00, 0)) * 1_000)
    assert not transport.connected
    scene.network.advance(0)
    assert transport.lastTransportError.code == 1009
    transport.disconnect()


# What ended a connection.


@pytest.mark.parametrize(
    ("octets", "code", "said"),
    [
        (bytes((0x81, 127)) + (2**40).to_bytes(8, "big"), 1009, "exceeds payload limit"),
        (bytes((0x82, 126)) + (1_001).to_bytes(2, "big") + bytes(1_001), 1009, "exceeds payload limit"),
        (bytes((0x81, 0x84)) + b"mask" + b"text", 1002, "masked server-to-client frame"),
        (bytes((0xC1, 4)) + b"text", 1002, "RSV = 4"),
        (bytes((0x83, 4)) + b"text", 1002, "reserved opcode 3"),
        (bytes((0x80, 4)) + b"text", 1002, "outside fragmented message"),
        (bytes((0x81, 4)) + b"te\xffx", 1007, "invalid UTF-8"),
        (bytes((0x88, 2, 0, 1)), 1002, "invalid close code 1"),
    ],
)
def test_aViolationOfTheProtocolIsAnsweredWithItsCodeAndReconnected(
    octets: bytes, code: int, said: str
) -> None:
    scene = Scene(options=TransportOptions(maxMessageSize=1_000))
    transport = scene.connected()
    codes: list[Any] = []
    protocol = scene.connection.protocol()
    onCloseFrame = protocol.onCloseFrame

    def record(code: int | None, reason: bytes | None) -> Any:
        codes.append(code)
        return onCloseFrame(code, reason)

    protocol.onCloseFrame = record
    scene.connection.write(octets)
    scene.network.advance(1)
    assert codes == [code]
    error = transport.lastTransportError
    assert error is not None
    assert error.code == code
    assert said in str(error)
    assert scene.told("onTransportClosed") == [("onTransportClosed",)]
    assert transport.reconnectTimer is not None
    scene.network.advance(4)
    assert transport.connected
    assert transport.lastTransportError is None


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013, 3000, 4999])
def test_theServersCloseCodeAndReasonAreKept(code: int) -> None:
    scene = Scene()
    transport = scene.connected()
    scene.connection.close(code, "for reasons of its own")
    error = transport.lastTransportError
    assert error is not None
    assert error.code == code
    assert "for reasons of its own" in str(error)


def test_itIsNotConnectedFromTheBeginOfTheServersClosingOn() -> None:
    """What comes to be sent meanwhile can wait for the next connection instead of failing."""
    scene = Scene()
    transport = scene.connected()
    scene.connection.close(1001, hangUp=False)
    assert not transport.connected
    assert transport.send(request()) is False
    assert not scene.told("onTransportClosed")
    scene.network.advance(TransportOptions().closeTimeout)
    assert scene.told("onTransportClosed") == [("onTransportClosed",)]
    scene.network.advance(4)
    assert transport.connected


def test_itIsNotConnectedFromDisconnectOn() -> None:
    scene = Scene()
    transport = scene.connected()
    transport.disconnect()
    assert not transport.connected
    assert transport.send(request()) is False
    scene.network.pump()
    assert scene.told("onTransportClosed", "emit") == [
        ("onTransportClosed",),
        ("emit", "disconnected", transport),
    ]


# What is said of it.

SECRET = "geheim"


@pytest.mark.parametrize(
    "octets",
    [
        f'Authorization: Digest username="a", response="{SECRET}"\r\n\r\n'.encode(),
        request().replace(b"<sip:bob@example.com>", f"<sip:bob:{SECRET}@exam ple>".encode()),
        request().replace(b"Max-Forwards", f"Authorization: Digest response={SECRET}\x00\r\nX".encode()),
        request().replace(b"Max-Forwards", f"Cookie: {SECRET}\x00\r\nX".encode()),
    ],
)
def test_aMalformedMessageIsLoggedOnceWithoutItsSecrets(octets: bytes) -> None:
    scene = Scene()
    scene.connected()
    scene.connection.send(octets)
    [warning] = scene.warnings()
    assert warning.startswith("dropping a message that is not SIP: ")
    assert SECRET not in warning


def test_theQueryOfAURIIsInNoLogNoTraceAndNoRepr() -> None:
    scene = Scene(f"ws://sip.example.com/path?token={SECRET}", traceSip=True)
    transport = scene.construct()
    scene.network.advance(0)
    assert scene.connection.path == "/path"
    transport.send(request())
    scene.connection.send(request())
    scene.connection.close(1011)
    scene.network.refuse()
    scene.network.advance(100)
    transport.disconnect()
    assert transport.connect()
    transport.disconnect()
    texts = [event["log_format"].format(**event) for event in scene.logged]
    assert len(texts) > 10
    assert not [text for text in [*texts, repr(transport)] if SECRET in text]


def test_whatAServerAnswersTheUpgradeWithIsShownOnOneLine() -> None:
    scene = Scene()
    scene.network.stallUpgrade()
    transport: Any = scene.construct()
    scene.network.advance(0)
    answer = b"HTTP/1.1 503 \x1b[2Jgone\x85away " + b"x" * 1_000 + b"\r\n\r\n"
    transport._factory._socket.dataReceived(answer)
    scene.network.advance(0)
    error = transport.lastTransportError
    assert isinstance(error, HandshakeRefused)
    assert error.status == 503
    assert str(error).isprintable()
    assert len(str(error)) < 300
    transport.disconnect()
