"""A call that outlives its connection, where that is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.session import Cause, Offer, Session
from sipws.session.machine import State
from tests.session.pair import ANSWER, OFFER, Lone, short
from tests.ua.fakes import outcome


def established(**options: Any) -> tuple[Lone, Session, list[str]]:
    """A call that is up, and what happens to it."""
    lone = Lone(sessionRepair=True, **options)
    lone.receive(body=OFFER)
    session = lone.party.session
    session.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.takeAll()
    repaired: list[str] = []
    session.on("repaired", lambda: repaired.append("repaired"))
    return lone, session, repaired


def test_theNextConnectionHasAReinviteWithTheSameDescription() -> None:
    lone, session, repaired = established()
    lone.transport.lose()
    assert session.state == State.CONFIRMED
    assert lone.sent() == []
    lone.transport.open()
    invite = lone.take()
    assert (invite.method, invite.body, invite.toTag) == ("INVITE", ANSWER.encode(), "bob")
    assert invite.hasHeader("Contact")
    lone.answer(invite, 200, body="the same answer")
    assert lone.sent() == ["ACK"]
    assert repaired == ["repaired"]
    over = outcome(session.bye())
    lone.answer(lone.take(), 200)
    assert over[0].cause == Cause.HUNG_UP
    lone.finish()


def test_whereItRegistersThatComesFirst() -> None:
    lone = Lone(sessionRepair=True, register=True)

    def register() -> None:
        request = lone.take()
        assert request.method == "REGISTER"
        contact = f"{request.getHeader('Contact').partition(';expires')[0]};expires=600"
        lone.answer(request, 200, ("Contact", contact))

    register()
    lone.receive(body=OFFER)
    lone.party.session.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.takeAll()
    lone.transport.lose()
    lone.transport.open()
    (request,) = lone.transport.sent
    assert request.method == "REGISTER"
    register()
    assert lone.take().method == "INVITE"
    lone.party.ua.registration.stop()
    lone.finish()


def test_withoutTheOptionItEndsAtOnce() -> None:
    lone = Lone()
    lone.receive(body=OFFER)
    lone.party.session.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.lose()
    assert lone.party.endings[0].cause == Cause.CONNECTION
    lone.clock.advance(32)
    assert lone.party.isIdle()


def test_whereThereIsNoNextConnectionItEnds() -> None:
    lone, session, repaired = established(sessionRepairTimeout=20)
    lone.transport.lose()
    lone.clock.advance(19)
    assert session.state == State.CONFIRMED
    lone.clock.advance(1)
    ending = lone.party.endings[0]
    assert (ending.cause, ending.by) == (Cause.CONNECTION, "network")
    assert repaired == []
    lone.clock.advance(32)
    assert lone.party.isIdle()


@pytest.mark.parametrize(
    ("statusCode", "cause"), [(488, Cause.NOT_REPAIRED), (481, Cause.DIALOG), (408, Cause.DIALOG)]
)
def test_whereThePeerRefusesItEndsWithBye(statusCode: int, cause: str) -> None:
    lone, session, repaired = established()
    lone.transport.lose()
    lone.transport.open()
    lone.answer(lone.take(), statusCode)
    assert lone.sent() == ["ACK", "BYE"]
    assert session.ending is not None
    assert session.ending.cause == cause
    assert repaired == []
    lone.finish()


def test_aSecondLossBeginsAnew() -> None:
    lone, session, repaired = established()
    for _ in range(3):
        lone.transport.lose()
        lone.clock.advance(1)
        lone.transport.open()
        lone.clock.advance(1)
        assert lone.sent() == ["INVITE"]
        assert session.state == State.CONFIRMED
    lone.transport.lose()
    lone.transport.open()
    lone.clock.advance(1)
    lone.answer(lone.take(), 200, body=ANSWER)
    assert repaired == ["repaired"]
    lone.transport.takeAll()
    lone.finish()


def test_aServerThatDoesNotReadIsWaitedFor() -> None:
    lone, session, repaired = established()
    lone.transport.lose()
    lone.transport.congested = True
    lone.transport.open()
    lone.clock.pump([1.0] * 5)
    assert session.state == State.CONFIRMED
    lone.transport.congested = False
    lone.clock.advance(1)
    lone.answer(lone.take(), 200, body=ANSWER)
    assert repaired == ["repaired"]
    lone.transport.takeAll()
    lone.finish()


def test_whoHangsUpMeanwhileHasTheByeGoOutThen() -> None:
    lone, session, repaired = established()
    lone.transport.lose()
    over = outcome(session.bye())
    assert (lone.sent(), over) == ([], [])
    lone.transport.open()
    bye = lone.take()
    assert bye.method == "BYE"
    lone.answer(bye, 200)
    assert over[0].cause == Cause.HUNG_UP
    assert repaired == []
    lone.finish()


def test_noByeWaitsForEver() -> None:
    lone, session, _ = established(sessionRepairTimeout=20)
    lone.transport.lose()
    over = outcome(session.bye())
    lone.clock.advance(19)
    assert over == []
    lone.clock.advance(1)
    assert over[0].cause == Cause.HUNG_UP
    lone.clock.advance(32)
    assert lone.party.isIdle()


def test_aByeThatIsLostIsFollowedByAnother() -> None:
    lone, session, _ = established()
    over = outcome(session.bye())
    assert lone.sent() == ["BYE"]
    lone.transport.lose()
    assert (lone.sent(), over) == ([], [])
    lone.transport.open()
    bye = lone.take()
    assert bye.method == "BYE"
    # The first one had arrived.
    lone.answer(bye, 481)
    assert over[0].cause == Cause.HUNG_UP
    lone.finish()


def test_aPeersByeIsTakenMeanwhile() -> None:
    lone, session, repaired = established()
    lone.transport.lose()
    lone.transport.open()
    lone.take()
    lone.within("BYE", 2)
    assert session.state == State.TERMINATED
    lone.clock.advance(64)
    assert repaired == []
    lone.transport.takeAll()
    lone.finish()


def test_thePeersAckThatIsLostWithTheConnectionIsNotWaitedFor() -> None:
    lone, _, repaired = established()
    lone.within("INVITE", 2, body="second offer")
    lone.transport.lose()
    lone.transport.open()
    invite = next(each for each in lone.transport.takeAll() if getattr(each, "statusCode", None) is None)
    assert invite.method == "INVITE"
    lone.answer(invite, 200, body="second offer")
    assert repaired == ["repaired"]
    lone.transport.takeAll()
    lone.finish()


def test_stoppingEndsTheRepair() -> None:
    lone, session, _ = established()
    lone.transport.lose()
    stopped = outcome(lone.party.ua.stop())
    lone.clock.advance(64)
    assert stopped == [None]
    assert session.state == State.TERMINATED
    assert lone.party.isIdle()


@pytest.mark.parametrize("statusCode", [430, 480, 500, 503, 504])
def test_whatPassesIsWaitedFor(statusCode: int) -> None:
    # The peer may have lost its connection with ours, and not be back.
    lone, session, repaired = established()
    lone.transport.lose()
    lone.transport.open()
    lone.answer(lone.take(), statusCode, ("Retry-After", 7))
    assert lone.sent() == ["ACK"]
    lone.clock.advance(6.9)
    assert (lone.sent(), session.state) == ([], State.CONFIRMED)
    lone.clock.advance(0.1)
    lone.answer(lone.take(), 200, body=ANSWER)
    assert repaired == ["repaired"]
    lone.transport.takeAll()
    lone.finish()


def test_butNotForEver() -> None:
    lone, session, repaired = established(sessionRepairTimeout=20)
    lone.transport.lose()
    lone.transport.open()
    sent = []
    for _ in range(21):
        for message in lone.transport.takeAll():
            sent.append(short(message))
            if sent[-1] != "ACK":
                lone.answer(message, 503)
        lone.clock.advance(1)
    assert sent == ["INVITE", "ACK"] * 5 + ["BYE"]
    assert session.ending is not None
    assert (session.ending.cause, session.ending.statusCode, repaired) == (Cause.NOT_REPAIRED, 503, [])
    lone.finish()


def test_whoIsNotThereWithoutARepairEndsTheCall() -> None:
    lone, session, _ = established()
    outcome(session.reinvite("another offer"))
    lone.answer(lone.take(), 480)
    assert lone.sent() == ["ACK", "BYE"]
    assert session.ending is not None
    assert session.ending.cause == Cause.DIALOG
    lone.finish()


def test_aChangeThatWaitsAfterGlareIsWaitedFor() -> None:
    lone, session, repaired = established()
    changed = outcome(session.reinvite("another offer"))
    lone.answer(lone.take(), 491)
    lone.transport.takeAll()
    lone.transport.lose()
    lone.transport.open()
    for _ in range(40):
        lone.clock.advance(0.1)
        for message in lone.transport.takeAll():
            if short(message) == "INVITE":
                lone.answer(message, 200, body="another answer")
    assert changed[0].statusCode == 200
    assert (session.state, repaired) == (State.CONFIRMED, ["repaired"])
    lone.finish()


def test_theNewContactIsThatOfWhatFollows() -> None:
    lone, session, _ = established(instanceId="f81d4fae-7dec-11d0-a765-00a0c91e6bf6", gruu="public")
    identity = lone.party.ua.usages._requester.builder.identity
    lone.transport.lose()
    identity.findGRUU = lambda temporary: "sip:alice@example.com;gr=2"
    lone.transport.open()
    invite = lone.take()
    assert invite.getHeader("Contact") == "<sip:alice@example.com;gr=2>"
    lone.answer(invite, 200, body=ANSWER)
    lone.transport.takeAll()
    outcome(session.update("a third offer"))
    assert lone.take().getHeader("Contact") == "<sip:alice@example.com;gr=2>"
    lone.finish()


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_anOfferOfThePeersThatWaitsIsLostWithItsConnection(method: str) -> None:
    lone, session, repaired = established()
    offers: list[Offer] = []
    session.on("offer", offers.append)
    lone.within(method, 2, body="their offer")
    lone.transport.lose()
    assert offers[0].isAnswered
    lone.transport.open()
    invite = lone.transport.takeAll()[-1]
    assert (invite.method, invite.body) == ("INVITE", ANSWER.encode())
    lone.answer(invite, 200, body="the same answer")
    assert repaired == ["repaired"]
    lone.finish()
