"""
Faults at random, while requests go both ways through a real Kamailio.

C{python -m pytest tests/faults} inflicts 1,000 faults on 10,000 requests; see
C{conftest.py} for the shorter form, and for how to repeat one by its seed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint

from sipws import Configuration, UserAgent
from sipws.transaction import Timers
from tests.faults.census import Census
from tests.faults.drill import HASTY, OPTIONS, PATIENT, REQUESTS_PER_FAULT, Drill, Lane, Party
from tests.faults.ledger import Ledger
from tests.faults.proxy import FaultProxy
from tests.faults.schedule import schedule
from tests.kamailio.agents import within
from tests.kamailio.counterpart import PASSWORDS, Kamailio
from tests.transport.certificates import Authority, Identity

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.kamailio

_DAY = timedelta(days=1)


class World:
    """
    Kamailio, and what user agents need to reach it through a proxy.

    @ivar kamailio: Kamailio.
    @ivar good: A certificate that is as it should be.
    @ivar impostors: Some that are not.
    """

    def __init__(self, kamailio: Kamailio, folder: Path) -> None:
        authority = Authority()
        self.kamailio = kamailio
        self.good = authority.issue(["127.0.0.1"])
        self.impostors = _impostors(authority)
        self._trusted = folder / "trusted.pem"
        self._trusted.write_bytes(kamailio.caFile.read_bytes() + authority.certificatePEM)

    def proxies(self) -> tuple[FaultProxy, FaultProxy]:
        """Make a proxy for C{ws} and one for C{wss}."""
        ws = TCP4ClientEndpoint(reactor, "127.0.0.1", self.kamailio.ws)
        wss = TCP4ClientEndpoint(reactor, "127.0.0.1", self.kamailio.wss)
        return FaultProxy(reactor, ws), FaultProxy(reactor, wss, self.good, ws)

    def party(self, user: str, uri: str, timers: Timers, **options: Any) -> Party:
        """Make a user agent."""
        configuration = Configuration(
            uri=f"sip:{user}@example.test",
            password=PASSWORDS[user],
            wsServers=uri,
            caFile=str(self._trusted),
            **OPTIONS,
            **options,
        )
        return Party(user, UserAgent(configuration, reactor, timers=timers))


def _impostors(authority: Authority) -> list[Identity]:
    """Make the certificates of those who are not the server, or not any more."""
    return [
        authority.issue(["127.0.0.1"], begins=-2 * _DAY, ends=-_DAY),
        authority.issue(["elsewhere.example"]),
        Authority("nobody knows this one").issue(["127.0.0.1"]),
    ]


@pytest.fixture
def world(kamailio: Kamailio, tmp_path: Path) -> World:
    """Kamailio, and what goes with it."""
    return World(kamailio, tmp_path)


@attrs.frozen
class Outcome:
    """
    What came of a drill.

    @ivar ledger: What became of each request.
    @ivar faults: How many faults there were.
    @ivar counted: What the user agents have counted, by the names of their users.
    """

    ledger: Ledger
    faults: int
    counted: dict[str, dict[str, int]]


class Cast:
    """
    Two user agents behind a proxy each, and one without.

    They are made for one drill, and gone afterwards.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.plain, self.secure = world.proxies()
        self.alice = world.party("alice", f"ws://127.0.0.1:{self.plain.port}", HASTY)
        wss = f"wss://127.0.0.1:{self.secure.port}"
        self.dave = world.party("dave", wss, HASTY, keepAliveMethod="crlf")
        self.bob = world.party("bob", world.kamailio.uri("ws"), PATIENT)

    @property
    def parties(self) -> tuple[Party, ...]:
        """All of them."""
        return self.alice, self.dave, self.bob

    async def start(self, drill: Drill) -> None:
        """Have them connect, register and take part."""
        for proxy in (self.plain, self.secure):
            proxy.start()
        for party in self.parties:
            drill.join(party)
            party.ua.start()
            await within(party.ua.whenRegistered())

    def lanes(self, seed: int, count: int) -> list[Lane]:
        """Divide a number of faults between the two proxies."""
        half = count // 2
        return [
            Lane(self.plain, schedule(f"{seed} ws", half), self.alice, self.bob),
            Lane(
                self.secure, schedule(f"{seed} wss", count - half, self._world.impostors), self.dave, self.bob
            ),
        ]

    async def allIsWell(self, drill: Drill) -> None:
        """See that requests pass all ways when there are no more faults."""
        for party in (self.alice, self.dave):
            await within(party.ua.whenRegistered())
            assert await drill.passes(party, self.bob)
            assert await drill.passes(self.bob, party)

    async def stop(self) -> None:
        """End them."""
        for party in self.parties:
            await within(party.ua.stop())
        for proxy in (self.plain, self.secure):
            await within(Deferred.fromCoroutine(proxy.stop()))


async def _drill(world: World, seed: int, count: int) -> Outcome:
    """Inflict a number of faults."""
    drill = Drill(reactor, seed)
    cast = Cast(world)
    try:
        await cast.start(drill)
        await drill.run(cast.lanes(seed, count))
        await drill.settled()
        await cast.allIsWell(drill)
        counted = {party.name: party.ua.counters.asDict() for party in cast.parties}
    finally:
        await cast.stop()
    return Outcome(drill.ledger, drill.faults, counted)


@pytest_twisted.ensureDeferred
async def test_eachRequestIsAccountedForAndNothingIsLeft(
    world: World, seed: int, faultCount: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\n{faultCount} faults, SIPWS_FAULT_SEED={seed}", flush=True)
    # What is made once and kept is made here.
    await _drill(world, seed, 2)
    before = Census.take(reactor)
    outcome = await _drill(world, seed, faultCount)
    after = Census.take(reactor)
    with capsys.disabled():
        print(f"{len(outcome.ledger.entries)} requests: {_shown(outcome)}")
    assert outcome.faults == faultCount
    assert len(outcome.ledger.entries) >= faultCount * REQUESTS_PER_FAULT
    assert outcome.ledger.discrepancies() == []
    assert after.since(before) == {}
    for user, counted in outcome.counted.items():
        assert counted == counted | attrs.asdict(outcome.ledger.tally(user)), user


def _shown(outcome: Outcome) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in outcome.ledger.outcomes().most_common())
