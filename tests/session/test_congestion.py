"""
Calls over a connection whose server does not read as fast as it is sent to:
what has no room fails as what it is, what is repeated leaves later, and what is
up stays up.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from sipws.config import Configuration
from sipws.errors import Congested, SessionFailed
from sipws.session import Cause
from sipws.testing import MemoryNetwork
from sipws.ua import UserAgent
from tests.session.pair import ANSWER, OFFER, Pair, Party
from tests.ua.fakes import ALICE, outcome


def block(party: Party) -> None:
    """Have a party's connection take nothing."""
    party.scene.transport.congested = True
    party.scene.transport.writers = []


def unblock(party: Party) -> None:
    """Have it take messages again."""
    party.scene.transport.congested = False
    party.scene.transport.drain()


def test_callsBeyondTheBacklogSaySoAndTheOthersGoOn() -> None:
    network = MemoryNetwork()
    given: dict[str, Any] = {"uri": ALICE, "wsServers": "ws://a", "register": False}
    ua = UserAgent(Configuration(**given), network.reactor, random=Random(1))
    ua.start()
    network.advance(0)
    calls = [ua.invite("bob", "x" * 4_000) for _ in range(500)]
    got = [outcome(call.whenAccepted()) for call in calls]
    pending = getattr(ua.transport, "pendingOctets", 0)
    network.advance(0)
    failed = [each[0] for each in got if each]
    assert 0 < len(failed) < 500
    for error in failed:
        assert isinstance(error, SessionFailed)
        assert (error.cause, error.by) == (Cause.CONGESTED, "network")
        assert isinstance(error.__cause__, Congested)
        assert error.__cause__.sent is False
        assert str(error.__cause__.pending) in str(error.__cause__)
    assert failed[-1].__cause__.pending == pending > 0
    assert "whenWritable" in str(failed[0].__cause__)
    assert "maxPendingOctets" in str(failed[0].__cause__)
    invites = network.connection.requests
    assert len(invites) == 500 - len(failed)
    for invite in invites:
        network.connection.respond(invite, 486)
    assert all(each[0].cause in (Cause.REFUSED, Cause.CONGESTED) for each in got)
    assert network.connections == [network.connection]
    ua.stop()
    network.advance(64)


def test_theAckLeavesWithTheNext2xx() -> None:
    pair = Pair()
    caller = pair.alice.call()
    pair.pump()
    block(pair.alice)
    pair.bob.session.accept(ANSWER).addErrback(lambda _: None)
    pair.wait(3)
    assert pair.bob.session.state == "accepted"
    unblock(pair.alice)
    assert "> ACK" in pair.wait(5)
    assert (caller.state, pair.bob.session.state) == ("confirmed", "confirmed")
    pair.finish()


def test_theAckToAReinviteLeavesWithTheNext2xx() -> None:
    pair = Pair()
    caller, callee = pair.establish()
    offers: list[Any] = []
    callee.on("offer", offers.append)
    changed = outcome(caller.reinvite(OFFER))
    pair.pump()
    block(pair.alice)
    offers[0].accept(ANSWER)
    pair.wait(3)
    assert changed[0].statusCode == 200
    unblock(pair.alice)
    assert "> ACK" in pair.wait(5)
    assert pair.wait(40) == []
    pair.finish()


@pytest.mark.parametrize("isReliable", [False, True])
def test_responsesThatAreRepeatedLeaveWhenThereIsRoom(isReliable: bool) -> None:
    pair = Pair()
    pair.alice.call()
    pair.pump()
    block(pair.bob)
    if isReliable:
        pair.bob.session.progress(183, body=ANSWER, reliable=True)
    else:
        pair.bob.session.accept(ANSWER).addErrback(lambda _: None)
    pair.wait(3)
    assert pair.alice.take() == []
    unblock(pair.bob)
    pair.wait(5)
    assert pair.alice.take() == (["progress"] if isReliable else ["accepted", "confirmed"])
    pair.finish()


def test_aReinviteWithoutRoomFailsAndTheCallStays() -> None:
    pair = Pair()
    caller, callee = pair.establish()
    block(pair.alice)
    for change in (caller.reinvite(OFFER), caller.update(OFFER), caller.dtmf("1")):
        [error] = outcome(change)
        assert isinstance(error, Congested)
    unblock(pair.alice)
    assert pair.pump() == []
    assert (caller.state, callee.state) == ("confirmed", "confirmed")
    assert outcome(caller.reinvite(OFFER)) == []
    pair.pump()
    pair.finish()
