"""Names, TCP and the HTTP upgrade: what may come of an attempt to connect."""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver
from zope.interface import implementer

from sipws.errors import ConnectionFailed, HandshakeRefused
from sipws.transport import Transport, TransportOptions
from sipws.transport.protocol import MAX_HANDSHAKE
from tests.transport.foreign import Scene, request

# Names.


@implementer(IHostnameResolver)
class Resolver:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.receivers: list[Any] = []

    def resolveHostName(
        self, resolutionReceiver: Any, hostName: str, portNumber: int = 0, *args: Any, **named: Any
    ) -> Any:
        self.asked.append((hostName, portNumber))
        self.receivers.append(resolutionReceiver)
        resolutionReceiver.resolutionBegan(self)
        return self

    def answer(self, *addresses: str) -> None:
        receiver = self.receivers.pop(0)
        for host in addresses:
            kind = IPv6Address if ":" in host else IPv4Address
            receiver.addressResolved(kind("TCP", host, self.asked[-1][1]))
        receiver.resolutionComplete()


def resolving() -> tuple[Scene, Resolver, Transport]:
    resolver = Resolver()
    scene = Scene(options=TransportOptions(resolver=resolver))
    transport = scene.construct()
    assert resolver.asked == [("sip.example.com", 80)]
    return scene, resolver, transport


@pytest.mark.parametrize("addresses", [["192.0.2.1"], ["2001:db8::1"], ["2001:db8::1", "192.0.2.1"]])
def test_aNameIsResolvedAndConnectedTo(addresses: Sequence[str]) -> None:
    scene, resolver, transport = resolving()
    scene.network.advance(2)
    resolver.answer(*addresses)
    scene.network.advance(0)
    assert transport.connected
    assert transport.timings.resolve == 2
    assert transport.timings.tcp is not None
    assert transport.timings.tls is None
    assert transport.timings.upgrade is not None
    assert scene.connection.headers["host"] == "sip.example.com:80"


def test_theNextAddressIsTriedWhereTheFirstDoesNotAnswer() -> None:
    scene, resolver, transport = resolving()
    scene.network.stall()
    resolver.answer("2001:db8::1", "192.0.2.1")
    scene.network.advance(0)
    scene.network.accept()
    scene.network.advance(1)
    assert transport.connected
    assert scene.network.attempts == 2
    assert scene.network.openSockets == 1
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_aNameWithoutAddressFailsTheAttempt() -> None:
    _, resolver, transport = resolving()
    resolver.answer()
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    assert "sip.example.com:80: the name cannot be resolved" in str(transport.lastTransportError)
    assert transport.reconnectTimer is not None


def test_disconnectWhileTheNameIsResolvedStopsForGood() -> None:
    scene, resolver, transport = resolving()
    transport.disconnect()
    assert scene.atRest()
    assert scene.told("emit") == [("emit", "disconnected", transport)]
    resolver.answer("192.0.2.1")
    scene.network.advance(100)
    assert scene.network.attempts == 0
    assert scene.atRest()


def test_anOldAnswerIsNotANewOne() -> None:
    """A name that is resolved after its attempt was given up connects nobody, and disturbs nobody."""
    scene, resolver, transport = resolving()
    transport.disconnect()
    assert transport.connect()
    resolver.answer("192.0.2.1")
    scene.network.advance(0)
    assert scene.network.attempts == 0
    resolver.answer("192.0.2.2")
    scene.network.advance(0)
    assert transport.connected
    assert scene.network.attempts == 1


def test_aResolverThatDoesNotAnswerEndsTheAttemptInTime() -> None:
    scene, resolver, transport = resolving()
    scene.network.advance(4.9)
    assert transport.lastTransportError is None
    scene.network.advance(0.1)
    assert "within 5 seconds" in str(transport.lastTransportError)
    assert transport.timings.resolve is None
    assert transport.reconnectTimer is not None
    scene.network.advance(4)
    resolver.answer()
    resolver.answer("192.0.2.1")
    scene.network.advance(0)
    assert transport.connected


# The whole attempt has but so much time.


def test_allPhasesTogetherHaveTheSameTime() -> None:
    scene, resolver, transport = resolving()
    scene.network.advance(3)
    scene.network.stallUpgrade()
    resolver.answer("192.0.2.1")
    scene.network.advance(1.9)
    assert transport.timings.tcp is not None
    assert transport.lastTransportError is None
    scene.network.advance(0.1)
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    assert scene.network.openSockets == 0


# The upgrade.


def test_itAsksForWhatTheURINames() -> None:
    scene = Scene("ws://[2001:db8::1]:8080/a/b?c=d")
    transport = scene.connected()
    assert scene.connection.path == "/a/b"
    headers = scene.connection.headers
    # RFC 3986 section 3.2.2 has an IPv6 address in brackets; Autobahn has not.
    assert headers["host"] == "[2001:db8::1]:8080"
    assert headers["user-agent"].startswith("sipws/")
    assert headers["sec-websocket-version"] == "13"
    assert "sec-websocket-extensions" not in headers
    assert transport.connected


@pytest.mark.parametrize("status", [200, 301, 401, 403, 404, 426, 503])
def test_anotherAnswerThan101IsRefusedAndRetried(status: int) -> None:
    scene = Scene()
    scene.network.reject(status, "Not this")
    transport = scene.construct()
    scene.network.advance(0)
    error = transport.lastTransportError
    assert isinstance(error, HandshakeRefused)
    assert error.status == status
    assert f"{status} Not this" in str(error)
    scene.network.accept()
    scene.network.advance(4)
    assert transport.connected


def test_aServerThatDoesNotAgreeOnTheSubprotocolIsRefused() -> None:
    """RFC 7118 section 4.1; Autobahn would take it."""
    scene = Scene()
    scene.network.subprotocol = None
    transport = scene.construct()
    scene.network.advance(0)
    error = transport.lastTransportError
    assert isinstance(error, HandshakeRefused)
    assert error.status is None
    assert "subprotocol sip" in str(error)
    assert not scene.told("onTransportConnected")
    transport.disconnect()
    assert scene.atRest()


class Answering(Scene):
    """A server whose answers to the upgrade are made by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.network.stallUpgrade()
        self.transport: Any = self.construct()
        self.network.advance(0)
        self.socket: Any = self.transport._factory._socket
        [asked] = self.network._wires[0].client._outgoing
        self.key = re.search(rb"Sec-WebSocket-Key: (\S+)", asked)[1]  # type: ignore[index]

    def good(self, *more: bytes, subprotocol: bytes = b"sip") -> bytes:
        """Make the answer of a good server."""
        digest = hashlib.sha1(self.key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        lines = [
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Protocol: " + subprotocol,
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest),
            *more,
        ]
        return b"\r\n".join([*lines, b"", b""])

    def answer(self, octets: bytes) -> None:
        self.socket.dataReceived(octets)

    def refused(self) -> str:
        """See that the attempt has failed, and that the next is waited for; say why."""
        self.network.advance(0)
        assert not self.transport.connected
        assert self.transport.reconnectTimer is not None
        assert self.network.openSockets == 0
        assert self.errors() == []
        assert not self.told("onTransportConnected", "receiveRequest")
        assert isinstance(self.transport.lastTransportError, HandshakeRefused)
        return str(self.transport.lastTransportError)


UPGRADED = b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"


def test_aGoodAnswerIsTakenHoweverItIsCut() -> None:
    scene = Answering()
    answer = scene.good(b"Server: any")
    for index in range(len(answer)):
        assert not scene.transport.connected
        scene.answer(answer[index : index + 1])
    assert scene.transport.connected
    scene.transport.disconnect()
    scene.network.advance(1)


def test_messagesThatComeWithTheAnswerAreNotLost() -> None:
    scene = Answering()
    message = request()
    frame = bytes((0x81, 126)) + len(message).to_bytes(2, "big") + message
    scene.answer(scene.good() + frame + frame[:50])
    scene.answer(frame[50:])
    assert [name for name, *_ in scene.calls if name.startswith("on")][-1] == "onTransportConnected"
    assert [bytes(received) for _, received in scene.told("receiveRequest")] == [message, message]
    scene.transport.disconnect()
    scene.network.advance(1)


@pytest.mark.parametrize(
    "answer",
    [
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 \r\n\r\n",
        b"HTTP/1.1 abc def\r\n\r\n",
        b"HTTP/1.0 101 Switching\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 101 \xff\xfe\r\n\xff: \xff\r\n\r\n",
        b"\x00\x01\x02\xff\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
        UPGRADED + b"\r\n",
        UPGRADED + b"Sec-WebSocket-Accept: bm90aGluZw==\r\n\r\n",
    ],
)
def test_anAnswerThatIsNoneIsRefused(answer: bytes) -> None:
    scene = Answering()
    scene.answer(answer)
    scene.refused()
    scene.transport.disconnect()
    assert scene.atRest()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (b"X-Name: \xfc", "no HTTP"),
        (b"Sec-WebSocket-Extensions: permessage-deflate", "permessage-compress"),
        (b"Sec-WebSocket-Extensions: of-its-own", "of-its-own"),
        (b"Sec-WebSocket-Protocol: sip", "more than once"),
        (b"Sec-WebSocket-Accept: bm90aGluZw==", "more than once"),
    ],
)
def test_aGoodAnswerWithSomethingWrongIsRefused(more: bytes, said: str) -> None:
    scene = Answering()
    scene.answer(scene.good(more))
    assert said in scene.refused()
    scene.transport.disconnect()


@pytest.mark.parametrize("subprotocol", [b"", b"SIP", b"msrp", b"sip, msrp"])
def test_anotherSubprotocolIsRefused(subprotocol: bytes) -> None:
    scene = Answering()
    scene.answer(scene.good(subprotocol=subprotocol))
    assert "subprotocol" in scene.refused()
    scene.transport.disconnect()


@pytest.mark.parametrize("size", [1, 1_000, 65_536])
def test_anAnswerWithoutEndIsRefusedBeforeItIsMuch(size: int) -> None:
    scene = Answering()
    scene.answer(b"HTTP/1.1 101 Switching\r\nX: ")
    given_ = 0
    while scene.socket.state != scene.socket.STATE_CLOSED:
        scene.answer(b"x" * size)
        given_ += size
        assert given_ <= MAX_HANDSHAKE + size
    assert "too long" in scene.refused()
    scene.answer(b"x" * 100_000)
    assert len(scene.socket.data) <= MAX_HANDSHAKE + size
    scene.transport.disconnect()


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([b"HTTP/1.1 ", b"101 ", b"\r\n", b"\r\n\r\n"]))
    )
)
def test_anyOctetsInAnswerToTheUpgradeRaiseNothing(segments: list[bytes]) -> None:
    scene = Answering()
    for segment in segments:
        scene.answer(segment)
    scene.network.advance(5)
    assert not scene.transport.connected
    assert scene.transport.lastTransportError is not None
    assert scene.errors() == []
    scene.transport.disconnect()
    scene.network.pump()
    assert scene.network.openSockets == 0
    assert scene.network.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("answered", [b"", b"HTTP/1.1 101 Switching\r\n"])
def test_aServerThatHangsUpDuringTheUpgradeFailsTheAttempt(answered: bytes) -> None:
    scene = Answering()
    scene.answer(answered)
    scene.network._wires[0].drop()
    error = scene.transport.lastTransportError
    assert isinstance(error, ConnectionFailed)
    assert "before the WebSocket was open" in str(error)
    assert scene.transport.reconnectTimer is not None
    scene.transport.disconnect()
    assert scene.atRest()


def test_pythonsRandomNumbersAreLeftAlone() -> None:
    """Autobahn seeds the process's generator anew for each of its factories."""
    random.seed(1)
    expected = random.random()
    random.seed(1)
    scene = Scene()
    scene.connected()
    assert random.random() == expected
