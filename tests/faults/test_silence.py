"""A server that is there, and says nothing: a Kamailio that is stopped, and a black hole before one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint

from sipws.errors import PeerSilent
from tests.faults.faults import BlackHole, Stall, Way
from tests.faults.proxy import FaultProxy
from tests.kamailio.agents import Agents, pause, transportOf, until, within
from tests.kamailio.counterpart import Kamailio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sipws import UserAgent
    from tests.faults.faults import Fault

pytestmark = [pytest.mark.kamailio, pytest.mark.slow]

INTERVAL, TIMEOUT = 1.5, 1.0

#: When a silent server must have been found, in seconds.
BOUND = (INTERVAL + TIMEOUT) * 1.1

OPTIONS: dict[str, Any] = {
    "keepAliveInterval": INTERVAL,
    "keepAliveTimeout": TIMEOUT,
    "connectTimeout": 1,
    "wsServerMaxReconnection": "unlimited",
}


class Watch:
    """Notes when a user agent loses its connection, and why."""

    def __init__(self, ua: UserAgent) -> None:
        self.error: object = None
        self._began = reactor.seconds()
        self._ended: float | None = None
        ua.on("disconnected", self._disconnected)

    def _disconnected(self, transport: object) -> None:
        if self._ended is None:
            self._ended = reactor.seconds()
            self.error = getattr(transport, "lastTransportError", None)

    async def seconds(self) -> float:
        """Wait for it, and say how long it took."""
        await until(lambda: self._ended, "the connection is lost")
        assert self._ended is not None
        return self._ended - self._began


@pytest.fixture
def second(kamailio: Kamailio, tmp_path: Path) -> Iterator[Kamailio]:
    """Another Kamailio."""
    folder = tmp_path / "second"
    folder.mkdir()
    second = Kamailio(folder)
    second.start()
    yield second
    second.kill()


@pytest.fixture
def agents(kamailio: Kamailio) -> Iterator[Agents]:
    """User agents on the first Kamailio, which is going on again when they stop."""
    agents = Agents(kamailio)
    yield agents
    kamailio.thaw()
    pytest_twisted.blockon(Deferred.fromCoroutine(agents.stopAll()))


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_aStoppedKamailioIsFoundAndCameBackTo(agents: Agents, kamailio: Kamailio, scheme: str) -> None:
    alice, _ = await agents.registered("alice", scheme, **OPTIONS)
    # A connection that is a while old, and idle: it has been pinged before.
    await until(lambda: alice.counters.pings and transportOf(alice).roundTrip, "a ping was answered")
    watch = Watch(alice)
    kamailio.freeze()
    assert await watch.seconds() <= BOUND
    assert isinstance(watch.error, PeerSilent)
    assert alice.counters.silences == 1
    # The system goes on taking connections for it, and nobody answers on them.
    await pause(OPTIONS["connectTimeout"] * 1.5)
    assert not transportOf(alice).connected
    kamailio.thaw()
    await within(alice.whenRegistered())
    assert (await within(alice.options("sip:example.test"))).statusCode == 200
    assert alice.counters.connections == 2


@pytest_twisted.ensureDeferred
async def test_anotherServerTakesOver(agents: Agents, kamailio: Kamailio, second: Kamailio) -> None:
    servers = [{"ws_uri": kamailio.uri("ws"), "weight": 2}, {"ws_uri": second.uri("ws"), "weight": 1}]
    alice, _ = await agents.registered("alice", wsServers=servers, **OPTIONS | {"wsServerMaxReconnection": 0})
    assert set(kamailio.locations()) == {"alice"}
    watch = Watch(alice)
    kamailio.freeze()
    assert await watch.seconds() <= BOUND
    await within(alice.whenRegistered())
    assert set(second.locations()) == {"alice"}


@pytest_twisted.async_yield_fixture
async def proxy(kamailio: Kamailio) -> AsyncIterator[FaultProxy]:
    """A proxy before Kamailio."""
    proxy = FaultProxy(reactor, TCP4ClientEndpoint(reactor, "127.0.0.1", kamailio.ws))
    proxy.start()
    yield proxy
    await within(Deferred.fromCoroutine(proxy.stop()))


@pytest.mark.parametrize(
    "fault",
    [BlackHole(), BlackHole(ways=Way.UP), BlackHole(ways=Way.DOWN), Stall(), Stall(ways=Way.DOWN)],
    ids=str,
)
@pytest_twisted.ensureDeferred
async def test_aBlackHoleIsFoundAndLeftBehind(agents: Agents, proxy: FaultProxy, fault: Fault) -> None:
    alice, _ = await agents.registered("alice", wsServers=f"ws://127.0.0.1:{proxy.port}", **OPTIONS)
    watch = Watch(alice)
    proxy.inflict(fault)
    assert await watch.seconds() <= BOUND
    assert isinstance(watch.error, PeerSilent)
    proxy.heal()
    await within(alice.whenRegistered())
    assert (await within(alice.options("sip:example.test"))).statusCode == 200


@pytest.mark.parametrize("method", ["ping", "crlf"])
@pytest_twisted.ensureDeferred
async def test_oneThatAnswersIsKept(agents: Agents, method: str) -> None:
    often = {"keepAliveInterval": 0.1, "keepAliveTimeout": 1, "keepAliveMethod": method}
    alice, _ = await agents.registered("alice", **OPTIONS | often)
    await until(lambda: alice.counters.pings >= 10, "some pings have gone out")
    assert alice.counters.missedPongs == 0
    assert alice.counters.connections == 1
