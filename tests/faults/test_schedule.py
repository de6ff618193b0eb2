"""
Faults at random, while requests go both ways through a real Kamailio.

C{python -m pytest tests/faults} inflicts 1,000 faults on 10,000 requests; see
C{conftest.py} for the shorter form, and for how to repeat one by its seed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import pytest_twisted
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint

from sipws import Configuration, UserAgent
from sipws.metrics import MetricsService
from sipws.transaction import Timers
from tests.counterparts import requireCounterpart
from tests.faults.census import Census
from tests.faults.drill import HASTY, OPTIONS, PATIENT, REQUESTS_PER_FAULT, Drill, Lane, Party
from tests.faults.ledger import Ledger, Tally
from tests.faults.proxy import FaultProxy
from tests.faults.schedule import schedule
from tests.kamailio.agents import until, within
from tests.kamailio.counterpart import PASSWORDS, Kamailio
from tests.transport.certificates import Authority, Identity

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.kamailio, pytest.mark.slow]

_DAY = timedelta(days=1)


#: Under what names the metrics show the counters of requests.
_METRICS = {
    "requests": "sipws_requests_total",
    "responses": "sipws_responses_total",
    "timeouts": "sipws_timeouts_total",
    "cancellations": "sipws_cancellations_total",
    "unsentFailures": "sipws_unsent_failures_total",
    "sentFailures": "sipws_sent_failures_total",
    "otherFailures": "sipws_other_failures_total",
    "requestsReceived": "sipws_requests_received_total",
}


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
    requireCounterpart("curl", shutil.which("curl") is not None, "apt-get install -y curl")
    return World(kamailio, tmp_path)


@attrs.frozen
class Outcome:
    """
    What came of a drill.

    @ivar ledger: What became of each request.
    @ivar faults: How many faults there were.
    @ivar counted: What the metrics say of the requests, by the names of users.
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
        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        self._metrics = MetricsService(endpoint, lambda: [party.ua for party in self.parties], reactor)

    @property
    def parties(self) -> tuple[Party, ...]:
        """All of them."""
        return self.alice, self.dave, self.bob

    async def start(self, drill: Drill) -> None:
        """Have them connect, register and take part."""
        self._metrics.startService()
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

    async def counted(self) -> dict[str, dict[str, int]]:
        """Fetch the counters as an operator does; give those of the requests, by the names of users."""
        assert self._metrics.port is not None
        text = await curl(f"http://127.0.0.1:{self._metrics.port.getHost().port}/metrics")  # type: ignore[attr-defined]
        return {party.name: _requestsIn(text, party) for party in self.parties}

    async def stop(self) -> None:
        """End them."""
        await self._metrics.stopService()
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
        counted = await cast.counted()
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
        assert counted == attrs.asdict(outcome.ledger.tally(user)), user


def _requestsIn(text: str, party: Party) -> dict[str, int]:
    """Take what concerns requests out of a page of metrics."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    own = {sample.name: sample.value for sample in samples if sample.labels["aor"] == party.uri}
    return {field.name: int(own[_METRICS[field.name]]) for field in attrs.fields(Tally)}


async def curl(url: str) -> str:
    """Fetch a page."""
    with tempfile.TemporaryFile() as page:
        process = subprocess.Popen(["curl", "--silent", "--show-error", "--fail", url], stdout=page)
        await until(lambda: process.poll() is not None, "curl has ended")
        assert process.returncode == 0
        page.seek(0)
        return page.read().decode()


def _shown(outcome: Outcome) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in outcome.ledger.outcomes().most_common())
