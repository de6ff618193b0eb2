"""Calls of real user agents through the embedded server."""

from __future__ import annotations

from typing import Any

import pytest

from sipws import Session, UserAgent
from sipws.session import Cause
from sipws.session.machine import State
from tests.inmemory import World

OFFER, ANSWER = "v=0 offer", "v=0 answer"


class Phone:
    """
    A user agent that rings.

    @ivar calls: The calls that have come.
    """

    def __init__(self, world: World, user: str, **options: Any) -> None:
        self.calls: list[Session] = []
        self.userAgent: UserAgent = world.start(
            user, lambda ua: ua.on("invite", self.calls.append), **options
        )

    @property
    def call(self) -> Session:
        (call,) = self.calls
        return call


def test_whoAnswersFirstHasTheCallAndTheOthersStopRinging() -> None:
    world = World()
    alice = Phone(world, "alice")
    bobs = [Phone(world, "bob") for _ in range(3)]
    caller = alice.userAgent.invite("bob", OFFER)
    world.network.advance(0)
    assert [bob.call.state for bob in bobs] == [State.RINGING] * 3

    answered = world.resultOf(bobs[1].call.accept(ANSWER))
    # RFC 3261 section 9.1: "If no provisional response has been received, the CANCEL request
    # MUST NOT be sent": it waits for the 100 of the others, which comes after 200 milliseconds.
    world.network.advance(1)

    assert (answered.state, caller.state) == (State.CONFIRMED, State.CONFIRMED)
    assert [bobs[0].call.state, bobs[2].call.state] == [State.TERMINATED] * 2
    assert world.resultOf(caller.bye()).cause == Cause.HUNG_UP
    assert answered.state == State.TERMINATED


def test_whereTwoAnswerAtOnceOneIsLeft() -> None:
    world = World()
    alice = Phone(world, "alice")
    bobs = [Phone(world, "bob") for _ in range(2)]
    caller = alice.userAgent.invite("bob", OFFER)
    world.network.advance(0)
    for bob in bobs:
        # The one that comes second is acknowledged, and ended by a BYE.
        bob.call.accept(ANSWER).addErrback(lambda _: None)
    world.network.advance(1)

    assert caller.state == State.CONFIRMED
    assert sorted(bob.call.state == State.CONFIRMED for bob in bobs) == [False, True]
    world.resultOf(caller.bye())
    assert [bob.call.state for bob in bobs] == [State.TERMINATED] * 2


def test_whoGivesUpStopsAllFromRinging() -> None:
    world = World()
    alice = Phone(world, "alice")
    bobs = [Phone(world, "bob") for _ in range(2)]
    caller = alice.userAgent.invite("bob", OFFER)
    caller.whenAccepted().addErrback(lambda _: None)
    world.network.advance(0)
    for bob in bobs:
        bob.call.progress().addErrback(lambda _: None)
    world.network.advance(0)
    caller.cancel()
    world.network.advance(1)

    assert caller.state == State.TERMINATED
    assert [bob.call.state for bob in bobs] == [State.TERMINATED] * 2


def test_whatIsSaidWithinACallArrives() -> None:
    world = World()
    alice, bob = Phone(world, "alice"), Phone(world, "bob")
    caller = alice.userAgent.invite("bob", OFFER)
    world.network.advance(0)
    # A reliable 183, which fires at its PRACK.
    assert world.resultOf(bob.call.progress(183, body=ANSWER, reliable=True))
    assert world.resultOf(caller.update()).statusCode == 200
    world.resultOf(bob.call.accept())
    tones: list[object] = []
    bob.call.on("dtmf", tones.append)
    world.resultOf(caller.dtmf("5"))
    bob.call.on("offer", lambda offer: offer.accept(ANSWER))

    assert world.resultOf(caller.reinvite(OFFER)).statusCode == 200
    assert len(tones) == 1
    world.resultOf(bob.call.bye())
    assert caller.state == State.TERMINATED


def test_aCallGoesOnOverTheNextConnection() -> None:
    world = World()
    alice, bob = Phone(world, "alice", sessionRepair=True), Phone(world, "bob")
    caller = alice.userAgent.invite("bob", OFFER)
    world.network.advance(0)
    world.resultOf(bob.call.accept(ANSWER))
    repaired: list[str] = []
    caller.on("repaired", lambda: repaired.append("repaired"))
    bob.call.on("offer", lambda offer: offer.accept(ANSWER))
    alice.userAgent.transport.ws.dropConnection(abort=True)  # type: ignore[union-attr]
    world.network.advance(40)

    assert repaired == ["repaired"]
    # The callee's own requests find the caller by the new connection.
    world.resultOf(bob.call.bye())
    assert (caller.state, bob.call.state) == (State.TERMINATED, State.TERMINATED)


INSTANCES = {
    "alice": "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
    "bob": "0c67446e-f1a1-11d9-94d3-000a95a0e128",
}


@pytest.mark.parametrize("gruu", [None, "public"])
@pytest.mark.parametrize("first", ["alice", "bob"])
def test_aCallOutlivesBothItsConnections(first: str, gruu: str | None) -> None:
    """Who is back first finds nobody, which is no end yet."""
    world = World()
    phones = {
        user: Phone(
            world,
            user,
            sessionRepair=True,
            instanceId=INSTANCES[user] if gruu else None,
            gruu=gruu,
            # One of them is back long before the other.
            wsServerReconnectionTimeout=1 if user == first else 5,
        )
        for user in INSTANCES
    }
    alice, bob = phones.values()
    caller = alice.userAgent.invite("bob", OFFER)
    world.network.advance(0)
    world.resultOf(bob.call.accept(ANSWER))
    repaired: list[Session] = []
    for session in (caller, bob.call):
        session.on("repaired", lambda session=session: repaired.append(session))
    for phone in (alice, bob):
        phone.userAgent.transport.ws.dropConnection(abort=True)  # type: ignore[union-attr]
    world.network.advance(40)

    assert sorted(map(id, repaired)) == sorted(map(id, (caller, bob.call)))
    world.resultOf(bob.call.bye())
    assert (caller.state, bob.call.state) == (State.TERMINATED, State.TERMINATED)
