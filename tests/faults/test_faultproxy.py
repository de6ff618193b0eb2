"""The proxy itself, over real sockets: each fault is what it says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.error import ConnectionRefusedError as TCPRefused
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sipws.errors import CertificateRefused
from sipws.transport.options import TransportOptions
from sipws.transport.tls import ClientTLS
from tests.faults.faults import (
    Answer,
    BlackHole,
    Delay,
    Forward,
    HalfClose,
    Join,
    Mute,
    Plain,
    Present,
    Refuse,
    Reset,
    Slam,
    Split,
    Stall,
    Throttle,
    Way,
    httpAnswer,
)
from tests.faults.proxy import FaultProxy
from tests.kamailio.agents import pause, until, within
from tests.transport.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

#: Long enough for octets on loopback to arrive, where they must not.
A_WHILE = 0.1


@implementer(IHalfCloseableProtocol)
class Peer(Protocol):
    """Either of those who talk through the proxy."""

    transport: Any

    def __init__(self, made: Callable[[Peer], object] = lambda peer: None) -> None:
        self.made = made
        self.segments: list[bytes] = []
        self.readEnded = False
        self.end: Failure | None = None

    @property
    def received(self) -> bytes:
        return b"".join(self.segments)

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)
        self.made(self)

    def dataReceived(self, data: bytes) -> None:
        self.segments.append(data)

    def readConnectionLost(self) -> None:
        self.readEnded = True

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = reason

    async def got(self, octets: bytes) -> None:
        await until(lambda: self.received == octets, f"{octets!r} have come")


class World:
    """A server, a proxy before it, and clients."""

    def __init__(self) -> None:
        self.accepted: DeferredQueue[Peer] = DeferredQueue()
        self.peers: list[Peer] = []
        self.proxy: FaultProxy
        self._listening: Any = None

    async def begin(self, identity: Any = None) -> None:
        self._listening = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(
            Factory.forProtocol(self._accept)
        )
        server = TCP4ClientEndpoint(reactor, "127.0.0.1", self._listening.getHost().port)
        self.proxy = FaultProxy(reactor, server, identity, server)
        self.proxy.start()

    async def stopServer(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            await listening.stopListening()

    async def end(self) -> None:
        await within(Deferred.fromCoroutine(self.proxy.stop()))
        await self.stopServer()
        for peer in self.peers:
            if peer.end is None:
                peer.transport.abortConnection()
        await until(lambda: all(peer.end for peer in self.peers), "all connections are gone")

    def _accept(self) -> Peer:
        peer = Peer(self.accepted.put)
        self.peers.append(peer)
        return peer

    def _way(self) -> Any:
        return TCP4ClientEndpoint(reactor, "127.0.0.1", self.proxy.port)

    async def connect(self, tls: Any = None) -> Peer:
        client = Peer()
        endpoint = self._way() if tls is None else wrapClientTLS(tls, self._way(), clock=reactor)
        await within(endpoint.connect(Factory.forProtocol(lambda: client)))
        self.peers.append(client)
        return client

    async def both(self) -> tuple[Peer, Peer]:
        """Connect, and give the client and the server."""
        client = await self.connect()
        server = await within(self.accepted.get())
        await until(lambda: self.proxy.links[-1].server, "the proxy knows of the connection too")
        return client, server


@pytest_twisted.async_yield_fixture
async def world() -> AsyncIterator[World]:
    world = World()
    await world.begin()
    yield world
    await world.end()


@pytest_twisted.ensureDeferred
async def test_octetsGoThroughAsTheyAre(world: World) -> None:
    client, server = await world.both()
    octets = bytes(range(256)) * 4000
    client.transport.write(octets)
    server.transport.write(octets[::-1])
    await server.got(octets)
    await client.got(octets[::-1])
    assert world.proxy.accepted == len(world.proxy.links) == 1


@pytest_twisted.ensureDeferred
async def test_aFINGoesThroughAndTheOtherWayStaysOpen(world: World) -> None:
    client, server = await world.both()
    client.transport.loseWriteConnection()
    await until(lambda: server.readEnded, "the FIN has come")
    server.transport.write(b"later")
    await client.got(b"later")
    server.transport.loseConnection()
    await until(lambda: client.readEnded, "the other FIN has come")
    client.transport.loseConnection()
    await until(lambda: not world.proxy.links, "the link is gone")
    assert client.end is not None
    assert client.end.check(ConnectionDone)


@pytest_twisted.ensureDeferred
async def test_aResetGoesThrough(world: World) -> None:
    client, server = await world.both()
    client.transport.abortConnection()
    await until(lambda: server.end, "the server has heard of it")
    assert server.end is not None
    assert server.end.check(ConnectionLost)
    await until(lambda: not world.proxy.links, "the link is gone")


@pytest_twisted.ensureDeferred
async def test_withoutAServerClientsAreReset(world: World) -> None:
    await world.stopServer()
    client = await world.connect()
    await until(lambda: client.end, "the client was cut")
    assert world.proxy.links == []


@pytest_twisted.ensureDeferred
async def test_aClientThatLeavesBeforeThereIsAServerLeavesNothing(world: World) -> None:
    client = await world.connect()
    client.transport.abortConnection()
    await until(lambda: client.end and not world.proxy.links, "the link is gone")


@pytest_twisted.ensureDeferred
async def test_refuse(world: World) -> None:
    client, server = await world.both()
    for _ in range(3):
        world.proxy.inflict(Refuse())
        await pause(0.01)
        with pytest.raises(TCPRefused):
            await world.connect()
        # Those that there are go on,
        client.transport.write(b"a")
        # and the port is the same afterwards.
        world.proxy.heal()
        await pause(0.01)
        await world.both()
    await server.got(b"aaa")


@pytest_twisted.ensureDeferred
async def test_refuseAndForwardAtOnce(world: World) -> None:
    world.proxy.inflict(Refuse())
    world.proxy.inflict(Forward())
    await pause(0.01)
    await world.both()


@pytest_twisted.ensureDeferred
async def test_slam(world: World) -> None:
    world.proxy.inflict(Slam())
    client = await world.connect()
    await until(lambda: client.end, "the client was cut")
    assert client.end is not None
    assert client.end.check(ConnectionLost)


@pytest_twisted.ensureDeferred
async def test_mute(world: World) -> None:
    world.proxy.inflict(Mute())
    client = await world.connect()
    client.transport.write(b"anybody there?")
    await pause(A_WHILE)
    assert (client.segments, client.readEnded, client.end) == ([], False, None)
    assert world.accepted.pending == []
    client.transport.loseConnection()
    await until(lambda: not world.proxy.links, "the link is gone")


@pytest_twisted.ensureDeferred
async def test_answerWithAStatus(world: World) -> None:
    world.proxy.inflict(httpAnswer(503, ("Retry-After", "0"), reason="Busy"))
    client = await world.connect()
    client.transport.write(b"GET / HTTP/1.1\r\n")
    await pause(A_WHILE)
    assert client.segments == []
    client.transport.write(b"\r\n")
    await client.got(b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")
    await until(lambda: client.readEnded, "it was closed")
    client.transport.loseConnection()
    await until(lambda: not world.proxy.links, "the link is gone")


@pytest_twisted.ensureDeferred
async def test_answerWithAnyOctetsAndStay(world: World) -> None:
    world.proxy.inflict(Answer(b"\xff\x00", closes=False))
    client = await world.connect()
    client.transport.write(b"GET / HTTP/1.1\r\n\r\n")
    await client.got(b"\xff\x00")
    client.transport.write(b"\r\n\r\n")
    await pause(A_WHILE)
    assert (client.received, client.readEnded, client.end) == (b"\xff\x00", False, None)
    client.transport.loseConnection()
    await until(lambda: not world.proxy.links, "the link is gone")


@pytest_twisted.ensureDeferred
async def test_reset(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(Reset())
    await until(lambda: client.end and server.end, "both have heard of it")
    for peer in (client, server):
        assert peer.end is not None
        assert peer.end.check(ConnectionLost)
    await world.both()


@pytest.mark.parametrize("way", [Way.UP, Way.DOWN])
@pytest_twisted.ensureDeferred
async def test_halfClose(world: World, way: Way) -> None:
    client, server = await world.both()
    told, other = (server, client) if way is Way.UP else (client, server)
    world.proxy.inflict(HalfClose(way))
    await until(lambda: told.readEnded, "one has heard of it")
    told.transport.write(b"still here")
    await other.got(b"still here")
    assert not other.readEnded


@pytest.mark.parametrize("ways", [Way.UP, Way.DOWN, Way.BOTH])
@pytest_twisted.ensureDeferred
async def test_blackHole(world: World, ways: Way) -> None:
    client, server = await world.both()
    world.proxy.inflict(BlackHole(ways=ways))
    client.transport.write(b"up")
    server.transport.write(b"down")
    await pause(A_WHILE)
    assert server.received == (b"" if Way.UP in ways else b"up")
    assert client.received == (b"" if Way.DOWN in ways else b"down")
    world.proxy.heal()
    client.transport.write(b"!")
    server.transport.write(b"!")
    await pause(A_WHILE)
    # What was lost stays lost, and with it what follows.
    assert server.received == (b"" if Way.UP in ways else b"up!")
    assert client.received == (b"" if Way.DOWN in ways else b"down!")


@pytest.mark.parametrize("leave", ["loseConnection", "abortConnection"])
@pytest_twisted.ensureDeferred
async def test_nobodyHearsOfAnEndInABlackHole(world: World, leave: str) -> None:
    client, server = await world.both()
    world.proxy.inflict(BlackHole())
    client.transport.write(b"up")
    getattr(client.transport, leave)()
    await pause(A_WHILE)
    assert (server.readEnded, server.end) == (False, None)
    world.proxy.heal()
    await until(lambda: server.end, "the server was cut")
    await until(lambda: not world.proxy.links, "the link is gone")


@pytest_twisted.ensureDeferred
async def test_newConnectionsMeetTheBlackHoleToo(world: World) -> None:
    world.proxy.inflict(BlackHole())
    client = await world.connect()
    client.transport.write(b"up")
    await pause(A_WHILE)
    assert (client.segments, client.end) == ([], None)


@pytest_twisted.ensureDeferred
async def test_stallMakesTheSenderWait(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(Stall(ways=Way.UP))
    octets = bytes(20_000_000)
    client.transport.write(octets)
    await pause(A_WHILE)
    # The proxy reads no more, and so the client's system takes no more.
    [link] = world.proxy.links
    assert 65_536 < link.up.held < 1_000_000
    assert server.segments == []
    world.proxy.heal()
    await until(lambda: len(server.received) == len(octets), "all has come")


@pytest_twisted.ensureDeferred
async def test_throttle(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(Throttle(10_000, ways=Way.UP))
    began = time.monotonic()
    client.transport.write(bytes(3_000))
    await until(lambda: len(server.received) == 3_000, "all has come")
    assert time.monotonic() - began >= 0.29
    assert len(server.segments) >= 5


@pytest_twisted.ensureDeferred
async def test_split(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(Split(2, gap=0.05))
    client.transport.write(b"abcde")
    await server.got(b"abcde")
    assert server.segments == [b"ab", b"cd", b"e"]


@pytest_twisted.ensureDeferred
async def test_join(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(Join(0.5))
    for octet in b"abcde":
        client.transport.write(bytes([octet]))
        await pause(0.01)
    await server.got(b"abcde")
    assert server.segments == [b"abcde"]


@pytest_twisted.ensureDeferred
async def test_delay(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(Delay(0.2))
    began = time.monotonic()
    client.transport.write(b"a")
    await server.got(b"a")
    assert time.monotonic() - began >= 0.2
    # Another shape takes over what waits.
    world.proxy.inflict(Delay(3600))
    server.transport.write(b"b")
    await pause(0.05)
    assert client.segments == []
    world.proxy.inflict(Plain())
    await client.got(b"b")


@pytest_twisted.ensureDeferred
async def test_stopCutsWhatThereIs(world: World) -> None:
    client, server = await world.both()
    world.proxy.inflict(BlackHole())
    client.transport.write(b"up")
    await within(Deferred.fromCoroutine(world.proxy.stop()))
    assert world.proxy.links == []
    await until(lambda: client.end and server.end, "both have heard of it")
    with pytest.raises(TCPRefused):
        await world.connect()


class TestTLS:
    """Where it ends at the proxy."""

    @pytest.fixture
    def authority(self) -> Authority:
        return Authority()

    @pytest_twisted.async_yield_fixture
    async def world(self, authority: Authority) -> AsyncIterator[World]:
        world = World()
        await world.begin(authority.issue(["localhost"]))
        yield world
        await world.end()

    @pytest.fixture
    def tls(self, authority: Authority, tmp_path: Path) -> Any:
        trusted = authority.write(tmp_path, "ca.pem", authority.certificatePEM)
        return ClientTLS("localhost", TransportOptions(caFile=trusted))

    @pytest_twisted.ensureDeferred
    async def test_otherwiseItGoesThroughAsItIs(self, world: World) -> None:
        client, server = await world.both()
        client.transport.write(b"\x16\x03\x01, for all the proxy knows")
        await server.got(b"\x16\x03\x01, for all the proxy knows")

    @pytest_twisted.ensureDeferred
    async def test_presentACertificate(self, world: World, authority: Authority, tls: Any) -> None:
        other = authority.issue(["localhost"])
        world.proxy.inflict(Present(other))
        client = await world.connect(tls)
        client.transport.write(b"secret")
        server = await within(world.accepted.get())
        await server.got(b"secret")
        server.transport.write(b"known")
        await client.got(b"known")
        shown = client.transport.getPeerCertificate().to_cryptography()
        assert shown == other.certificate
        client.transport.loseConnection()
        await until(lambda: not world.proxy.links, "the link is gone")

    @pytest_twisted.ensureDeferred
    async def test_presentACertificateOfAnotherName(
        self, world: World, authority: Authority, tls: Any
    ) -> None:
        world.proxy.inflict(Present(authority.issue(["elsewhere.example"])))
        client = await world.connect(tls)
        await until(lambda: client.end, "the client has refused it")
        assert client.end is not None
        assert client.end.check(CertificateRefused)
        await until(lambda: not world.proxy.links, "the link is gone")

    @pytest_twisted.ensureDeferred
    async def test_answersGoThroughTLSToo(self, world: World, tls: Any) -> None:
        world.proxy.inflict(httpAnswer(404))
        client = await world.connect(tls)
        client.transport.write(b"GET / HTTP/1.1\r\n\r\n")
        await until(lambda: client.received.startswith(b"HTTP/1.1 404 "), "the answer has come")
        await until(lambda: not world.proxy.links, "the link is gone")
