"""
Calls between two user agents of ours through a real Kamailio: from C{ws} to
C{wss}, held, resumed, transferred and ended; and what becomes of one when Kamailio is killed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import DeferredQueue

from sipws.session import Cause, Session
from tests.calls.tally import SDP
from tests.kamailio.agents import pause, until, within

if TYPE_CHECKING:
    from sipws import UserAgent
    from sipws.session import Termination
    from tests.kamailio.agents import Agents
    from tests.kamailio.counterpart import Kamailio

pytestmark = pytest.mark.kamailio

#: What Kamailio makes GRUUs of.
INSTANCES = ("f81d4fae-7dec-41d0-a765-00a0c91e6bf6", "0c67446e-f1a1-11d9-94d3-000a95a0e128")

#: How long a call may take to come back once Kamailio is there again, in seconds.
PATIENCE = 30.0


@attrs.define
class Call:
    """A call from alice, on C{ws}, to bob, on C{wss}."""

    alice: UserAgent
    bob: UserAgent
    caller: Session
    callee: Session

    def both(self) -> tuple[Session, Session]:
        """The session, as the two have it."""
        return self.caller, self.callee


async def call(agents: Agents, **options: Any) -> Call:
    """Make one."""
    alice, _ = await agents.registered("alice", "ws", instanceId=INSTANCES[0], **options)
    bob, _ = await agents.registered("bob", "wss", instanceId=INSTANCES[1], **options)
    called: DeferredQueue[Session] = DeferredQueue()
    bob.on("invite", called.put)
    caller = alice.invite("sip:bob@example.test", SDP)
    callee: Session = await within(called.get())
    await within(callee.progress(180))
    await within(callee.accept(SDP))
    await within(caller.whenConfirmed())
    return Call(alice, bob, caller, callee)


def remote(session: Session) -> bytes:
    """Give the peer's description."""
    assert session.remoteDescription is not None
    return session.remoteDescription.body


WHO = pytest.mark.parametrize("whoActs", ["caller", "callee"])


@WHO
@pytest_twisted.ensureDeferred
async def test_aCallIsHeldResumedTransferredAndEnded(agents: Agents, whoActs: str) -> None:
    made = await call(agents)
    ours, theirs = made.both() if whoActs == "caller" else made.both()[::-1]
    dave, _ = await agents.registered("dave", "wss")
    called: DeferredQueue[Session] = DeferredQueue()
    dave.on("invite", called.put)
    heard: list[str] = []
    for event in ("hold", "resume"):
        theirs.on(event, lambda by, event=event: heard.append(f"{event} by {by}"))
    followed: list[Session] = []
    theirs.on("refer", lambda reference: followed.append(reference.follow(SDP)))

    assert (await within(ours.hold())).statusCode == 200
    assert b"a=sendonly" in remote(theirs)
    assert b"a=recvonly" in remote(ours)
    assert (await within(ours.resume())).statusCode == 200
    assert b"a=sendrecv" in remote(theirs)
    assert heard == ["hold by remote", "resume by remote"]

    referral = ours.refer("sip:dave@example.test")
    last: Session = await within(called.get())
    await within(last.accept(SDP))
    assert (await within(referral.whenCompleted())).statusCode == 200
    assert (await within(ours.bye())).by == "local"
    assert (await within(theirs.whenTerminated())).by == "remote"

    [transferred] = followed
    assert (await within(last.bye())).by == "local"
    assert (await within(transferred.whenTerminated())).by == "remote"
    for agent in (made.alice, made.bob, dave):
        assert not list(agent.usages.dialogs)


@WHO
@pytest_twisted.ensureDeferred
async def test_aCallOutlivesKamailio(agents: Agents, kamailio: Kamailio, whoActs: str) -> None:
    """Kamailio is killed, and started again: the two come back, and end the call in order."""
    made = await call(agents, gruu="public", sessionRepair=True, sessionRepairTimeout=PATIENCE)
    repaired: list[Session] = []
    for session in made.both():
        session.on("repaired", lambda session=session: repaired.append(session))

    kamailio.kill()
    await pause(0.5)
    kamailio.start()
    await until(lambda: len(repaired) == 2, "both are repaired", PATIENCE)

    ours, theirs = made.both() if whoActs == "caller" else made.both()[::-1]
    ending: Termination = await within(ours.bye())
    assert (ending.cause, ending.by) == (Cause.HUNG_UP, "local")
    ending = await within(theirs.whenTerminated())
    assert (ending.cause, ending.by) == (Cause.HUNG_UP, "remote")
    for agent in (made.alice, made.bob):
        assert not list(agent.usages.dialogs)


@pytest_twisted.ensureDeferred
async def test_withoutRepairItEndsTyped(agents: Agents, kamailio: Kamailio) -> None:
    made = await call(agents, sessionRepair=False)

    kamailio.kill()
    for session in made.both():
        ending: Termination = await within(session.whenTerminated())
        assert (ending.cause, ending.by) == (Cause.CONNECTION, "network")
    kamailio.start()

    for agent in (made.alice, made.bob):
        assert not list(agent.usages.dialogs)
        await within(agent.whenRegistered())


@pytest_twisted.ensureDeferred
async def test_whatCannotBeRepairedEndsTyped(agents: Agents, kamailio: Kamailio) -> None:
    made = await call(agents, sessionRepair=True, sessionRepairTimeout=1.0)

    kamailio.kill()
    for session in made.both():
        ending: Termination = await within(session.whenTerminated())
        assert (ending.cause, ending.by) == (Cause.CONNECTION, "network")
    kamailio.start()
