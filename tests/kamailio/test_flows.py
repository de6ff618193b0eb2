"""
Two flows, over two real Kamailios as edge proxies, to a third that is the
registrar; and the way back to the heavier of two servers.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.protocols.portforward import ProxyFactory

from sipws import Configuration, UserAgent
from sipws.errors import SIPError
from sipws.ua.requests import servedTransport
from tests.counterparts import requireCounterpart
from tests.kamailio.agents import pause, transportOf, until, within
from tests.kamailio.counterpart import INSTALL, Kamailio, isInstalled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twisted.python.failure import Failure

    from sipws.message import IncomingRequest, IncomingResponse

pytestmark = pytest.mark.kamailio

INSTANCE = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"

#: How often the stream has a MESSAGE, in seconds.
GAP = 0.02

#: How long after the loss of an edge one may be lost, in seconds.
GRACE = 1.0


@attrs.define
class World:
    """
    Two edges, and the registrar behind them.

    @ivar arrived: The texts of the messages that bob was sent, with the server that they came by.
    """

    home: Kamailio
    edges: tuple[Kamailio, Kamailio]
    agents: list[UserAgent] = attrs.field(factory=list)
    arrived: dict[str, str] = attrs.field(factory=dict)

    def agent(self, user: str, **options: Any) -> UserAgent:
        given = {
            "uri": f"sip:{user}@example.test",
            "wsServerReconnectionTimeout": 0.2,
            "wsServerMaxReconnection": "unlimited",
        }
        agent = UserAgent(Configuration(**given | options), reactor)
        self.agents.append(agent)
        return agent

    def alice(self) -> UserAgent:
        """One who is at the registrar itself."""
        alice = self.agent("alice", wsServers=self.home.uri("ws"))
        alice.start()
        return alice

    def bob(self, **options: Any) -> UserAgent:
        """One who is behind both edges; the first is the heavier."""
        weights = zip(self.edges, (2, 1), strict=True)
        servers = [{"ws_uri": edge.uri("ws"), "weight": weight} for edge, weight in weights]
        bob = self.agent("bob", wsServers=servers, instanceId=INSTANCE, **options)
        bob.handle("MESSAGE", self.take)
        bob.start()
        return bob

    def take(self, request: IncomingRequest) -> int:
        assert request.transport is not None
        self.arrived[request.body.decode()] = servedTransport(request.transport).server.ws_uri
        return 200

    async def stop(self) -> None:
        for agent in self.agents:
            await within(agent.stop())


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three Kamailios that run; they are killed in the end."""
    requireCounterpart("Kamailio", isInstalled("outbound.so", "path.so"), INSTALL)
    started: list[Kamailio] = []

    def start(name: str, template: str, **places: int) -> Kamailio:
        (tmp_path / name).mkdir()
        kamailio = Kamailio(tmp_path / name, template=template, places=places)
        started.append(kamailio)
        kamailio.start()
        return kamailio

    try:
        home = start("home", "home.cfg")
        edges = start("one", "edge.cfg", HOME=home.ws), start("two", "edge.cfg", HOME=home.ws)
        world = World(home, edges)
        yield world
        pytest_twisted.blockon(Deferred.fromCoroutine(world.stop()))
    finally:
        for kamailio in started:
            kamailio.kill()


@attrs.define
class Stream:
    """
    MESSAGEs, one after the other.

    @ivar sent: When each was sent, by its text.
    @ivar results: What came of each.
    """

    sender: UserAgent
    sent: dict[str, float] = attrs.field(factory=dict)
    results: dict[str, list[int | SIPError]] = attrs.field(factory=dict)

    async def flow(self, seconds: float) -> None:
        end = reactor.seconds() + seconds
        while reactor.seconds() < end:
            self._send(f"message {len(self.sent)}")
            await pause(GAP)

    def _send(self, text: str) -> None:
        self.sent[text] = reactor.seconds()
        results = self.results[text] = []

        def answered(response: IncomingResponse) -> None:
            results.append(response.statusCode)

        def failed(failure: Failure) -> None:
            failure.trap(SIPError)
            assert isinstance(failure.value, SIPError)
            results.append(failure.value)

        self.sender.message("sip:bob@example.test", text).addCallbacks(answered, failed)

    def isOver(self) -> bool:
        return all(self.results.values())


def registered(agent: UserAgent) -> bool:
    return all(flow.registration.registered for flow in agent.flows)


@pytest.mark.parametrize("killed", [0, 1])
@pytest_twisted.ensureDeferred
async def test_noneIsLostAfterTheFirstSecondWithoutOneOfTwo(world: World, killed: int) -> None:
    alice, bob = world.alice(), world.bob(flows=2)
    await within(alice.whenRegistered())
    await until(lambda: registered(bob), "both flows are registered")
    assert len(world.home.locations()["bob"]) == 2
    unregistered: list[object] = []
    bob.on("unregistered", lambda *cause: unregistered.append(cause))

    stream = Stream(alice)
    await stream.flow(1.0)
    # One is killed that messages come by.
    edge = world.edges[killed]
    other = world.edges[1 - killed]
    edge.kill()
    lost = reactor.seconds()
    await stream.flow(3.0)
    await until(stream.isOver, "each has a result")

    assert len(stream.sent) > 100
    for text, sent in stream.sent.items():
        if not lost - GRACE < sent < lost + GRACE:
            assert stream.results[text] == [200], (text, sent - lost)
        if stream.results[text] == [200]:
            assert text in world.arrived, text
    late = [text for text, sent in stream.sent.items() if sent >= lost + GRACE]
    assert {world.arrived[text] for text in late} == {other.uri("ws")}
    assert unregistered == []
    # What bob asks goes out by the one that there is.
    response = await within(bob.message("sip:alice@example.test", "still here"))
    assert response.statusCode == 200

    # The lost one is back by itself when its server is.
    edge.start()
    await until(lambda: registered(bob), "both flows are registered")
    await until(lambda: len(world.home.locations()["bob"]) == 2, "there are two bindings")
    again = Stream(alice)
    await again.flow(0.5)
    await until(again.isOver, "each has a result")
    assert {tuple(result) for result in again.results.values()} == {(200,)}


@pytest_twisted.ensureDeferred
async def test_bothAreUnregisteredInTheEnd(world: World) -> None:
    bob = world.bob(flows=2)
    await until(lambda: registered(bob), "both flows are registered")
    await within(bob.stop())
    assert "bob" not in world.home.locations()


@pytest_twisted.ensureDeferred
async def test_theWayBackLosesNothing(world: World) -> None:
    heavier, lighter = world.edges
    heavier.kill()
    alice = world.alice()
    bob = world.bob(
        wsServerMaxReconnection=0, wsServerRest=0.5, wsServerReturnInterval=0.5, keepAliveInterval=5
    )
    await within(alice.whenRegistered())
    await within(bob.whenRegistered())
    assert transportOf(bob).server.ws_uri == lighter.uri("ws")
    stream = Stream(alice)
    await stream.flow(0.5)
    heavier.start()
    # Now and then there is a quiet moment.
    for _ in range(100):
        await stream.flow(0.04)
        await pause(0.05)
        if bob.counters.returns:
            break
    assert transportOf(bob).server.ws_uri == heavier.uri("ws")
    await stream.flow(0.5)
    await until(stream.isOver, "each has a result")
    assert {tuple(result) for result in stream.results.values()} == {(200,)}
    assert set(world.arrived) == set(stream.sent)
    # The binding was moved, not added.
    assert len(world.home.locations()["bob"]) == 1
    assert set(world.arrived.values()) == {heavier.uri("ws"), lighter.uri("ws")}


@pytest_twisted.ensureDeferred
async def test_theWayBackWithoutOutbound(world: World) -> None:
    """The registrar tells bindings apart by their Contact: it is the same one, and moves."""
    home = world.home
    alice = world.alice()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    heavier, lighter = f"ws://127.0.0.1:{port}", home.uri("ws")
    bob = world.agent(
        "bob",
        wsServers=[{"ws_uri": heavier, "weight": 2}, {"ws_uri": lighter, "weight": 1}],
        wsServerMaxReconnection=0,
        wsServerRest=0.5,
        wsServerReturnInterval=0.5,
    )
    bob.handle("MESSAGE", world.take)
    bob.start()
    await within(alice.whenRegistered())
    await within(bob.whenRegistered())
    stream = Stream(alice)
    await stream.flow(0.2)
    await until(stream.isOver, "each has a result")

    # Another way to the same registrar.
    way: Any = ProxyFactory("127.0.0.1", home.ws)
    listening = reactor.listenTCP(port, way, interface="127.0.0.1")
    await until(lambda: transportOf(bob).server.ws_uri == heavier, "bob is back")
    await stream.flow(3.0)
    await until(stream.isOver, "each has a result")

    assert {tuple(result) for result in stream.results.values()} == {(200,)}
    assert set(world.arrived) == set(stream.sent)
    assert set(world.arrived.values()) == {heavier, lighter}
    assert len(home.locations()["bob"]) == 1
    await within(bob.stop())
    assert "bob" not in home.locations()
    await within(maybeDeferred(listening.stopListening))
