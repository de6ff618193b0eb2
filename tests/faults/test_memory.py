"""
The same faults at random with no socket and no waiting: the same seed gives the same run.

What takes minutes over sockets takes seconds here, and what goes wrong once
goes wrong each time.  There is no TLS here, and no half-closing.
"""

from __future__ import annotations

from collections.abc import Coroutine
from random import Random
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.python.failure import Failure

from sipws import Configuration, UserAgent
from sipws.server import EmbeddedServer
from sipws.testing import MemoryNetwork
from tests.faults.drill import HASTY, OPTIONS, PATIENT, REQUESTS_PER_FAULT, Drill, Lane, Party
from tests.faults.ledger import Ledger
from tests.faults.proxy import ProxyCore
from tests.faults.schedule import schedule

#: How many faults there are, and how finely time passes, in seconds.
FAULTS, TICK = 60, 0.005

#: More than anything here takes, in seconds of that time.
TOO_LONG = 600.0


PASSWORDS = {"alice": "ecila", "bob": "bob's"}


class MemoryProxy(ProxyCore):
    """A proxy that is a host of a network in memory."""

    def __init__(self, network: MemoryNetwork, name: str, server: str) -> None:
        """
        @param name: The name of the proxy's own host.
        @param server: That of the server's.
        """
        address = network.host(server).address
        super().__init__(network.reactor, TCP4ClientEndpoint(network.reactor, address, 80))
        self._host = network.host(name)
        self._host.server = self  # type: ignore[assignment]

    def buildProtocol(self, addr: Any) -> Any:
        """Make the protocol of one connection."""
        return self.accept(addr)

    def _listen(self) -> None:
        self._host.accept()

    def _stopListening(self) -> None:
        self._host.refuse()


class World:
    """A network with a server, alice behind a proxy, and bob."""

    def __init__(self, seed: int, **options: Any) -> None:
        """
        @param options: Alice's, beside the usual.
        """
        self.network = network = MemoryNetwork()
        self.server = EmbeddedServer(
            network.reactor, domain="example.test", users=PASSWORDS, random=Random(seed)
        )
        network.server = self.server.factory
        self.proxy = MemoryProxy(network, "proxy", "server")
        self.alice = self._party("alice", HASTY, seed, **{"wsServers": "ws://proxy", **options})
        self.bob = self._party("bob", PATIENT, seed, wsServers="ws://server")

    def _party(self, user: str, timers: Any, seed: int, **options: Any) -> Party:
        own = {"uri": f"sip:{user}@example.test", "password": PASSWORDS[user]}
        configuration = Configuration(**{**own, **OPTIONS, **options})
        random = Random(f"{seed} {user}")
        return Party(user, UserAgent(configuration, self.network.reactor, random=random, timers=timers))

    def run(self, seed: int, faults: int) -> Ledger:
        """Go through a schedule, with time passing as fast as it can."""
        ledger: Ledger = self.resultOf(self._drill(seed, faults))
        return ledger

    def resultOf(self, result: Deferred[Any] | Coroutine[Any, Any, Any]) -> Any:
        """Let time pass until there is a result."""
        results: list[Any] = []
        deferred = result if isinstance(result, Deferred) else Deferred.fromCoroutine(result)
        deferred.addBoth(results.append)
        end = self.network.reactor.seconds() + TOO_LONG
        while not results:
            assert self.network.reactor.seconds() < end, f"no result in {TOO_LONG} seconds"
            self.network.advance(TICK)
        if isinstance(results[0], Failure):
            results[0].raiseException()
        return results[0]

    async def _drill(self, seed: int, faults: int) -> Ledger:
        drill = Drill(self.network.reactor, seed)
        self.proxy.start()
        for party in (self.alice, self.bob):
            drill.join(party)
            party.ua.start()
            await party.ua.whenRegistered()
        await drill.run([Lane(self.proxy, schedule(seed, faults), self.alice, self.bob)])
        await drill.settled()
        await self.alice.ua.whenRegistered()
        assert await drill.passes(self.alice, self.bob)
        assert await drill.passes(self.bob, self.alice)
        return drill.ledger

    def stop(self) -> None:
        """End it, and see that nothing is left."""
        for party in (self.alice, self.bob):
            self.resultOf(party.ua.stop())
            assert len(party.ua.transactions) == 0
        self.resultOf(self.proxy.stop())
        self.resultOf(self.server.stop())
        self.network.advance(60)
        assert self.network.openSockets == 0
        assert self.network.reactor.getDelayedCalls() == []


BOTH_SERVERS = [{"ws_uri": "ws://proxy", "weight": 2}, {"ws_uri": "ws://server", "weight": 1}]

#: How alice stays in touch.
WAYS: dict[str, dict[str, Any]] = {
    "one server": {},
    "another server, and back": {
        "wsServers": BOTH_SERVERS,
        "wsServerMaxReconnection": 1,
        "wsServerRest": 0.2,
        "wsServerReturnInterval": 0.3,
    },
    "two flows": {
        "wsServers": BOTH_SERVERS,
        "flows": 2,
        "instanceId": "00000000-0000-1000-8000-000a95a0e128",
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(3))
def test_eachRequestIsAccountedFor(seed: int, way: str) -> None:
    world = World(seed, **WAYS[way])
    ledger = world.run(seed, FAULTS)
    assert len(ledger.entries) >= FAULTS * REQUESTS_PER_FAULT
    assert ledger.discrepancies() == []
    for party in (world.alice, world.bob):
        counted = party.ua.counters.asDict()
        assert counted == counted | attrs.asdict(ledger.tally(party.name)), party.name
    assert world.alice.ua.counters.losses > FAULTS / 10
    assert world.alice.ua.counters.pauses + world.bob.ua.counters.pauses > 0
    assert way != "another server, and back" or world.alice.ua.counters.returns > 0
    world.stop()


def test_theSameSeedGivesTheSameRun() -> None:
    first, second, third = (World(seed).run(seed, 20) for seed in (1, 1, 2))
    assert first.entries == second.entries
    assert first.entries != third.entries
