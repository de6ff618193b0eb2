"""WebSockets that carry SIP: RFC 7118 sections 4 to 6, RFC 6455."""

from __future__ import annotations

import pytest

from sipws.server import ServerLimits
from tests.server.harness import DOMAIN, Client, World, frame


@pytest.fixture
def world() -> World:
    return World()


def closeCode(client: Client) -> int | None:
    """The code of the Close frame that the server has sent, if it has."""
    client._read()
    for first, payload in client.frames:
        if first == 0x88:
            return int.from_bytes(payload[:2], "big")
    return None


class TestHandshake:
    """RFC 7118 section 4.1."""

    def test_theSubprotocolIsSip(self, world: World) -> None:
        client = world.client()

        assert b"\r\nSec-WebSocket-Protocol: sip" in client.head
        assert len(world.server.connections) == 1

    def test_sipIsFoundAmongOthers(self, world: World) -> None:
        client = world.client(upgrade=False)

        client.upgrade(subprotocol="xmpp, sip")

        assert b"\r\nSec-WebSocket-Protocol: sip" in client.head

    @pytest.mark.parametrize("subprotocol", [None, "xmpp", "sips"])
    def test_withoutSipItIsRefused(self, world: World, subprotocol: str | None) -> None:
        client = world.client(upgrade=False)

        client.upgrade(subprotocol=subprotocol)

        assert client.head.startswith(b"HTTP/1.1 400 ")
        assert client.isGone()
        world.assertIdle()

    @pytest.mark.parametrize("origin", ["null", "https://www.example.com", "file://"])
    def test_anyOriginMayConnect(self, world: World, origin: str) -> None:
        client = world.client(upgrade=False)

        client.upgrade(more=f"Origin: {origin}\r\n")

        assert client.head.startswith(b"HTTP/1.1 101 ")

    def test_itMustNotTakeLong(self, world: World) -> None:
        client = world.client(upgrade=False)
        client.deliver(b"GET / HTTP/1.1\r\n")

        world.clock.advance(4.9)
        assert not client.isGone()
        world.clock.advance(0.2)

        assert client.isGone()
        world.assertIdle()

    def test_itMustNotBeLong(self, world: World) -> None:
        client = world.client(upgrade=False)
        client.deliver(b"GET / HTTP/1.1\r\n")

        for _ in range(17):
            client.deliver(b"X-Long: " + b"x" * 1_000 + b"\r\n")

        assert client.head.startswith(b"HTTP/1.1 431 ")
        world.assertIdle()

    @pytest.mark.parametrize(
        "octets",
        [
            b"\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"REGISTER sip:example.test SIP/2.0\r\nVia: SIP/2.0/TCP x\r\n\r\n",
        ],
    )
    def test_whatIsNoUpgradeIsRefused(self, world: World, octets: bytes) -> None:
        client = world.client(upgrade=False)

        client.deliver(octets)

        assert client.head.startswith(b"HTTP/1.1 4") or client.head.startswith(b"HTTP/1.1 5")
        world.assertIdle()

    def test_thereAreNotTooMany(self) -> None:
        world = World(limits=ServerLimits(maxConnections=2))
        clients = [world.client(), world.client()]
        third = world.client(upgrade=False)

        third.upgrade()
        assert third.head.startswith(b"HTTP/1.1 503 ")
        clients[0].drop()
        fourth = world.client(upgrade=False)
        fourth.upgrade()

        assert fourth.head.startswith(b"HTTP/1.1 101 ")


class TestMessages:
    """RFC 7118 sections 4.2 and 5, and RFC 6455."""

    @pytest.mark.parametrize("opcode", [1, 2])
    def test_textAndBinaryAreTheSame(self, world: World, opcode: int) -> None:
        client = world.client()

        client.send(OPTIONS, opcode=opcode)

        assert client.one().statusCode == 200

    def test_aMessageMayComeInFragments(self, world: World) -> None:
        client = world.client()
        message = OPTIONS.encode()

        client.deliver(frame(1, message[:10], fin=False))
        client.deliver(frame(9, b"in between"))
        client.deliver(frame(0, message[10:20], fin=False))
        client.deliver(frame(0, message[20:]))

        assert client.one().statusCode == 200

    def test_fragmentsOfTextNeedNotBeUTF8(self, world: World) -> None:
        """The body of a SIP message is octets, whatever frame it comes in."""
        client = world.client()
        message = OPTIONS.replace("Content-Length: 0", "Content-Length: 2").encode() + b"\xff\xfe"

        client.deliver(frame(1, message[:-1], fin=False) + frame(0, message[-1:]))

        assert client.one().statusCode == 200

    def test_severalMayComeAtOnce(self, world: World) -> None:
        client = world.client()
        framed = [frame(1, OPTIONS.replace("branch=", f"branch=z9hG4bK{n}").encode()) for n in range(3)]

        client.deliver(b"".join(framed))

        assert [message.statusCode for message in client.responses()] == [200, 200, 200]

    def test_octetsMayComeOneByOne(self, world: World) -> None:
        client = world.client()

        for octet in frame(1, OPTIONS.encode()):
            client.deliver(bytes((octet,)))

        assert client.one().statusCode == 200

    def test_aPingIsAnswered(self, world: World) -> None:
        client = world.client()

        client.deliver(frame(9, b"are you there"))
        client._read()

        assert client.frames == [(0x8A, b"are you there")]

    def test_aDoubleCRLFIsAnsweredWithOne(self, world: World) -> None:
        """RFC 5626 section 3.5.1, as RFC 7118 section 6 allows."""
        client = world.client()

        client.deliver(frame(1, b"\r\n\r\n"))
        client._read()

        assert client.frames == [(0x81, b"\r\n")]

    @pytest.mark.parametrize("pong", [b"\r\n", b"", b"\r\n\r\n\r\n"])
    def test_otherCRLFsAreDropped(self, world: World, pong: bytes) -> None:
        client = world.client()

        client.deliver(frame(1, pong))
        client._read()

        assert client.frames == []
        assert not client.isGone()

    @pytest.mark.parametrize("opcode", [1, 2])
    @pytest.mark.parametrize("octets", [b"\xff\xfe", b"\0", b"nonsense", b"SIP/2.0 200 OK\r\n\r\n"])
    def test_nonsenseIsDroppedAndTheConnectionStays(self, world: World, opcode: int, octets: bytes) -> None:
        client = world.client()

        client.deliver(frame(opcode, octets))
        client.send(OPTIONS)

        assert client.one().statusCode == 200

    def test_aMessageThatIsTooLargeClosesWith1009(self) -> None:
        world = World(limits=ServerLimits(maxMessageSize=1_000))
        client = world.client()

        client.deliver(frame(1, b"x" * 1_001))

        assert closeCode(client) == 1009
        world.assertIdle()

    def test_fragmentsThatAreTooLargeTogetherCloseWith1009(self) -> None:
        world = World(limits=ServerLimits(maxMessageSize=1_000))
        client = world.client()

        client.deliver(frame(1, b"x" * 600, fin=False))
        client.deliver(frame(0, b"x" * 600, fin=False))

        assert closeCode(client) == 1009
        world.assertIdle()

    @pytest.mark.parametrize(
        "octets",
        [
            frame(1, b"not masked", mask=None),
            frame(3, b"an opcode that is not"),
            frame(0, b"the continuation of nothing"),
            b"\xc1" + frame(1, b"an extension that was not negotiated")[1:],
            frame(9, b"x" * 126),
            frame(9, b"a fragment of a ping", fin=False),
            frame(8, b"\x00"),
            frame(8, b"\x03\xed"),
            frame(1, b"half", fin=False) + frame(1, b"another"),
        ],
    )
    def test_whatIsNoWebSocketClosesWith1002(self, world: World, octets: bytes) -> None:
        client = world.client()

        client.deliver(octets + b"\x81")

        assert closeCode(client) == 1002
        world.assertIdle()


class TestClosing:
    """RFC 6455 section 7."""

    def test_aCloseIsAnswered(self, world: World) -> None:
        client = world.user("alice")

        client.deliver(frame(8, b"\x03\xe8"))

        assert closeCode(client) == 1000
        world.assertIdle()

    def test_aClientThatIsGoneLeavesNothing(self, world: World) -> None:
        client = world.user("alice")

        client.drop()

        world.assertIdle()

    def test_aClientThatDoesNotReadIsGivenUp(self) -> None:
        world = World(limits=ServerLimits(maxPendingOctets=10_000))
        client = world.client()
        client.wire.stalled = True
        assert client.wire.producer is not None
        client.wire.producer.pauseProducing()

        for number in range(100):
            client.send(OPTIONS.replace("branch=", f"branch=z9hG4bK{number}"))

        assert client.isGone()
        world.assertIdle()

    def test_aClientThatPingsAndDoesNotReadIsGivenUp(self) -> None:
        world = World(limits=ServerLimits(maxPendingOctets=10_000))
        client = world.client()
        assert client.wire.producer is not None
        client.wire.producer.pauseProducing()

        for _ in range(100):
            client.deliver(frame(9, b"x" * 125))

        assert client.isGone()
        world.assertIdle()

    def test_aClientThatReadsAgainIsKept(self) -> None:
        world = World(limits=ServerLimits(maxPendingOctets=10_000))
        client = world.client()
        assert client.wire.producer is not None

        for number in range(100):
            client.wire.producer.pauseProducing()
            client.send(OPTIONS.replace("branch=", f"branch=z9hG4bK{number}"))
            client.wire.producer.resumeProducing()

        assert len(client.take()) == 100
        assert not client.isGone()

    def test_aClientThatDoesNotLetGoIsDropped(self, world: World) -> None:
        client = world.user("alice")
        client.wire.stalled = True

        client.deliver(frame(8, b"\x03\xe8"))
        assert not client.isGone()
        assert not world.server.locations
        world.clock.advance(1)

        assert client.isGone()
        world.assertIdle()

    def test_stopClosesAll(self, world: World) -> None:
        alice, hesitant = world.user("alice"), world.client(upgrade=False)
        stopped: list[object] = []

        world.server.stop().addCallback(stopped.append)

        assert closeCode(alice) == 1001
        assert hesitant.isGone()
        assert stopped == []
        alice.deliver(frame(8, b"\x03\xe9"))
        assert stopped == [None]
        world.assertIdle()

    def test_stopTakesNoLongerThanCloseTimeout(self, world: World) -> None:
        clients = [world.user("alice"), world.user("bob")]
        for client in clients:
            client.wire.stalled = True
        stopped: list[object] = []

        world.server.stop().addCallback(stopped.append)
        world.server.stop().addCallback(stopped.append)
        world.clock.advance(1)

        assert stopped == [None, None]
        world.assertIdle()

    def test_stopWithoutConnectionsIsDoneAtOnce(self, world: World) -> None:
        stopped: list[object] = []

        world.server.stop().addCallback(stopped.append)

        assert stopped == [None]

    def test_whatIsSentOnAClosedConnectionIsNotSent(self, world: World) -> None:
        client = world.client()
        (connection,) = world.server.connections.values()
        assert connection.send(b"\r\n")
        client.drop()

        assert not connection.connected
        assert not connection.send(b"\r\n")
        connection.close()

    def test_aConnectionCanBeClosedByTheServersUser(self, world: World) -> None:
        client = world.user("alice")
        (connection,) = world.server.connections.values()

        connection.close(4000, "as the test likes it")

        assert closeCode(client) == 4000
        assert not world.server.locations


OPTIONS = (
    f"OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n"
    f"From: <sip:alice@{DOMAIN}>;tag=a\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
)
