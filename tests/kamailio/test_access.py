"""
User agents behind a real Kamailio that is an edge proxy, and another that is
the registrar and proxy behind it: Path, Service-Route, outbound proxy, flows
and GRUUs, in calls, messages, and when connections are lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredQueue

from sipws.session import Cause
from tests.calls.tally import SDP
from tests.counterparts import requireCounterpart
from tests.kamailio.agents import Agents, Inbox, pause, transportOf, until, within
from tests.kamailio.counterpart import INSTALL, Kamailio, isInstalled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sipws import UserAgent
    from sipws.session import Session, Termination

pytestmark = pytest.mark.kamailio

INSTANCES = {
    "alice": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
    "bob": "0c67446e-f1a1-11d9-94d3-000a95a0e128",
    "dave": "00000000-0000-1000-8000-aabbccddeeff",
}

#: How long a call may take to come back, in seconds.
PATIENCE = 12.0


@attrs.define
class World:
    """
    The edge, and what is behind it.

    @ivar options: Of each user agent.
    """

    core: Kamailio
    edge: Kamailio
    agents: Agents
    options: dict[str, Any] = attrs.field(factory=dict)

    async def user(self, name: str, scheme: str, **options: Any) -> tuple[UserAgent, Inbox]:
        """Have somebody register."""
        instance = {"instanceId": INSTANCES[name]}
        return await self.agents.registered(name, scheme, **instance | self.options | options)

    async def call(self, **options: Any) -> Call:
        """Have alice, on C{ws}, call bob, on C{wss}."""
        alice, _ = await self.user("alice", "ws", **options)
        bob, _ = await self.user("bob", "wss", **options)
        called: DeferredQueue[Session] = DeferredQueue()
        bob.on("invite", called.put)
        caller = alice.invite("sip:bob@example.test", SDP)
        callee: Session = await within(called.get())
        await within(callee.progress(180))
        await within(callee.accept(SDP))
        await within(caller.whenConfirmed())
        return Call(alice, bob, caller, callee)


@attrs.define
class Call:
    """A call from alice to bob."""

    alice: UserAgent
    bob: UserAgent
    caller: Session
    callee: Session

    def both(self) -> tuple[Session, Session]:
        """The session, as the two have it."""
        return self.caller, self.callee

    def isOver(self) -> bool:
        """Whether nothing is left of it."""
        return not [*self.alice.usages.dialogs, *self.bob.usages.dialogs]


#: By the Service-Route alone, and by an outbound proxy before it.
PROXIED = pytest.mark.parametrize("world", ["routed", "proxied"], indirect=True)


@pytest.fixture
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Two Kamailios that run; they are killed in the end."""
    requireCounterpart("Kamailio", isInstalled("outbound.so", "path.so"), INSTALL)
    started: list[Kamailio] = []

    def start(name: str, template: str, *switches: str, **places: int) -> Kamailio:
        (tmp_path / name).mkdir()
        kamailio = Kamailio(tmp_path / name, switches, template=template, places=places)
        started.append(kamailio)
        kamailio.start()
        return kamailio

    try:
        wanted = getattr(request, "param", "routed")
        core = start("core", "core.cfg", *(["CHALLENGE"] if wanted == "challenged" else []))
        edge = start("edge", "access.cfg", HOME=core.ws)
        world = World(core, edge, Agents(edge))
        if wanted == "proxied":
            world.options["outboundProxy"] = f"sip:127.0.0.1:{edge.ws};transport=ws"
        yield world
        pytest_twisted.blockon(Deferred.fromCoroutine(world.agents.stopAll()))
    finally:
        for kamailio in started:
            kamailio.kill()


def lose(agent: UserAgent) -> None:
    """Have a connection lost, without a word to the other end."""
    ws = transportOf(agent).ws
    assert ws is not None
    ws.dropConnection(abort=True)


@PROXIED
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_registeredByPathAndServiceRoute(world: World, scheme: str) -> None:
    alice, aliceGot = await world.user("alice", scheme)
    bob, bobGot = await world.user("bob", "ws")

    binding = alice.registration.binding
    assert binding is not None
    # The edge has put itself, and the flow, on the way to alice: once for each of its sides.
    port = world.edge.ws if scheme == "ws" else world.edge.wss
    assert [str(path).partition("@")[2].partition(";lr")[0] for path in binding.path] == [
        f"127.0.0.1:{world.edge.ws};transport=tcp",
        f"127.0.0.1:{port};transport=ws",
    ]
    assert binding.serviceRoute == (f"<sip:127.0.0.1:{world.core.ws};transport=tcp;lr>",)
    assert set(world.core.locations()) == {"alice", "bob"}

    assert (await within(alice.message("sip:bob@example.test", "there"))).statusCode == 200
    assert (await within(bob.message("sip:alice@example.test", "back"))).statusCode == 200
    assert (aliceGot.texts, bobGot.texts) == (["back"], ["there"])

    await within(alice.stop())
    assert set(world.core.locations()) == {"bob"}


@PROXIED
@pytest.mark.parametrize(
    "options",
    [{"instanceId": None}, {}, {"gruu": "public"}, {"gruu": "temporary"}],
    ids=["alias", "flow", "public", "temporary"],
)
@pytest_twisted.ensureDeferred
async def test_requestsWithinACallFindTheirWay(world: World, options: dict[str, Any]) -> None:
    """By what the Contact says: nothing but the connection that it came on, C{ob}, or a GRUU."""
    call = await world.call(**options)
    heard: list[str] = []
    for name, session in zip(("alice", "bob"), call.both(), strict=True):
        session.on("dtmf", lambda tone, name=name: heard.append(f"{name} {tone.tone}"))

    for session in call.both():
        await within(session.dtmf("1"))
        assert (await within(session.update(SDP))).statusCode == 200
        assert (await within(session.hold())).statusCode == 200
        assert (await within(session.resume())).statusCode == 200
    assert heard == ["bob 1", "alice 1"]

    assert (await within(call.callee.bye())).by == "local"
    assert (await within(call.caller.whenTerminated())).by == "remote"
    assert call.isOver()


@pytest.mark.parametrize("world", ["challenged"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_requestsWithinACallAreChallenged(world: World) -> None:
    call = await world.call()
    tones: list[str] = []
    call.caller.on("dtmf", lambda tone: tones.append(tone.tone))

    # The nonces of the last requests are too old by then.
    await pause(2.1)
    assert (await within(call.caller.hold())).statusCode == 200
    await within(call.callee.dtmf("1"))
    await pause(2.1)
    await within(call.caller.bye())

    assert tones == ["1"]
    assert (await within(call.callee.whenTerminated())).by == "remote"
    assert call.isOver()


@pytest_twisted.ensureDeferred
async def test_aCallIsTransferred(world: World) -> None:
    """REFER and its NOTIFYs go by the flows, too."""
    call = await world.call()
    dave, _ = await world.user("dave", "wss")
    called: DeferredQueue[Session] = DeferredQueue()
    dave.on("invite", called.put)
    followed: list[Session] = []
    call.callee.on("refer", lambda reference: followed.append(reference.follow(SDP)))

    referral = call.caller.refer("sip:dave@example.test")
    last: Session = await within(called.get())
    await within(last.accept(SDP))

    assert (await within(referral.whenCompleted())).statusCode == 200
    await within(call.caller.bye())
    [transferred] = followed
    await within(last.bye())
    assert (await within(transferred.whenTerminated())).by == "remote"
    assert call.isOver()


@pytest.mark.parametrize("gruu", [None, "public"])
@pytest_twisted.ensureDeferred
async def test_whoComesBackIsFoundByTheNewFlow(world: World, gruu: str | None) -> None:
    options = {} if gruu is None else {"gruu": gruu}
    alice, aliceGot = await world.user("alice", "wss", **options)
    bob, bobGot = await world.user("bob", "ws")
    before = alice.registration.binding
    assert before is not None

    lose(alice)
    await until(lambda: not alice.registration.registered, "the loss is seen")
    await within(alice.whenRegistered())

    binding = alice.registration.binding
    assert binding is not None
    assert binding.path != before.path
    assert binding.gruu(temporary=False) == before.gruu(temporary=False)
    # An instance has one binding for each flow (RFC 5626 section 6): the new one has replaced the old.
    assert len(world.core.locations()["alice"]) == 1
    target = binding.gruu(temporary=False) or "sip:alice@example.test"
    assert (await within(bob.message(target, "welcome"))).statusCode == 200
    assert (await within(alice.message("sip:bob@example.test", "back"))).statusCode == 200
    assert (aliceGot.texts, bobGot.texts) == (["welcome"], ["back"])


async def goesOn(call: Call) -> None:
    """See that requests within the call go both ways, and end it."""
    heard: list[Session] = []
    for session in call.both():
        session.on("dtmf", lambda tone, session=session: heard.append(session))
    for session in call.both():
        await within(session.dtmf("1"))
        assert (await within(session.reinvite(SDP))).statusCode == 200
    assert heard == [call.callee, call.caller]
    assert (await within(call.caller.bye())).by == "local"
    assert (await within(call.callee.whenTerminated())).by == "remote"
    assert call.isOver()


@pytest.mark.parametrize("whoLoses", ["caller", "callee"])
@pytest_twisted.ensureDeferred
async def test_aCallOutlivesAConnection(world: World, whoLoses: str) -> None:
    call = await world.call(gruu="public", sessionRepair=True, sessionRepairTimeout=PATIENCE)
    agent, session = (call.alice, call.caller) if whoLoses == "caller" else (call.bob, call.callee)
    repaired: list[Session] = []
    session.on("repaired", lambda: repaired.append(session))

    lose(agent)
    await until(lambda: repaired, "it is repaired", PATIENCE)

    await goesOn(call)


@pytest_twisted.ensureDeferred
async def test_aCallOutlivesTheEdge(world: World) -> None:
    call = await world.call(gruu="public", sessionRepair=True, sessionRepairTimeout=PATIENCE)
    repaired: list[Session] = []
    for session in call.both():
        session.on("repaired", lambda session=session: repaired.append(session))

    world.edge.kill()
    await pause(0.3)
    world.edge.start()
    await until(lambda: len(repaired) == 2, "both are repaired", PATIENCE)

    await goesOn(call)


@pytest_twisted.ensureDeferred
async def test_withoutAGRUUACallIsTiedToItsFlow(world: World) -> None:
    """RFC 5626 section 4.3: ob is what asks for that, and the edge says that the flow has failed."""
    call = await world.call(sessionRepair=True, sessionRepairTimeout=1.0)

    lose(call.bob)

    ending: Termination = await within(call.callee.whenTerminated())
    assert (ending.cause, ending.by, ending.statusCode) == (Cause.NOT_REPAIRED, "remote", 430)
    await within(call.bob.whenRegistered())
    # It is ended with a BYE, by the flow that there is now.
    assert (await within(call.caller.whenTerminated())).by == "remote"
    assert call.isOver()
