"""
UPDATEs (RFC 3311) that cross the responses to the INVITE: the offers in them are none of the INVITE's.
"""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import WrongMoment
from sipws.session import Cause, Offer, Session
from tests.session.pair import ANSWER, OFFER, Lone
from tests.ua.fakes import outcome


def calling() -> tuple[Lone, Session, Any]:
    """A user agent that calls, whose offer was answered in a reliable 183; with its INVITE."""
    lone = Lone()
    session = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", "1"), body=ANSWER)
    lone.answer(lone.take(), 200)
    return lone, session, invite


def called() -> tuple[Lone, Session]:
    """A user agent that is called, and has answered the offer in a reliable 183."""
    lone = Lone()
    lone.receive("INVITE", "Supported: 100rel", body=OFFER)
    session = lone.party.session
    session.progress(183, body=ANSWER)
    number = lone.take().getHeader("RSeq")
    lone.within("PRACK", 2, f"RAck: {number} 1 INVITE")
    lone.transport.takeAll()
    return lone, session


class TestWhoCalls:
    @pytest.mark.parametrize("body", ["", ANSWER])
    @pytest.mark.parametrize("statusCode", [180, 200])
    def test_ourOfferIsAnsweredByTheUpdateAlone(self, body: str, statusCode: int) -> None:
        # RFC 3261 section 13.2.1: the UAC "MUST ignore any session descriptions in subsequent responses
        # to the initial INVITE."
        lone, session, invite = calling()
        outcome(session.update("new offer"))
        update = lone.take()
        lone.answer(invite, statusCode, body=body)
        if statusCode == 180:
            lone.answer(invite, 200)
        assert lone.sent() == ["ACK"]
        lone.answer(update, 200, body="new answer")
        assert session.state == "confirmed"
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"new answer"
        outcome(session.reinvite("third offer"))
        lone.answer(lone.take(), 200, body="third answer")
        lone.finish()

    @pytest.mark.parametrize("body", ["", ANSWER])
    def test_theirOfferWaitsForOurUser(self, body: str) -> None:
        lone, session, invite = calling()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("UPDATE", 1, body="new offer")
        lone.answer(invite, 200, body=body)
        assert lone.sent() == ["ACK"]
        offers[0].accept("new answer")
        assert lone.sent() == ["200 UPDATE"]
        assert session.state == "confirmed"
        lone.finish()

    def test_theAckOfACallThatIsGivenUpAnswersNoUpdate(self) -> None:
        lone, session, invite = calling()
        session.on("offer", lambda _: None)
        lone.within("UPDATE", 1, body="v=0\r\nm=audio 1 RTP/AVP 0\r\n")
        session.cancel()
        lone.transport.takeAll()
        lone.answer(invite, 200)
        ack = lone.take()
        assert (ack.method, ack.body) == ("ACK", b"")
        lone.finish()


class TestWhoIsCalled:
    def test_theAckOwesOurUpdateNoAnswer(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        session.accept(ANSWER)
        lone.take()
        outcome(session.update("new offer"))
        update = lone.take()
        lone.within("ACK", 1)
        assert session.state == "confirmed"
        lone.answer(update, 200, body="new answer")
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"new answer"
        lone.finish()

    def test_the2xxAnswersNoUpdate(self) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("UPDATE", 3, body="new offer")
        assert isinstance(outcome(session.accept("new answer"))[0], WrongMoment)
        outcome(session.accept())
        accepted = lone.take()
        assert (accepted.statusCode, accepted.method, accepted.body) == (200, "INVITE", b"")
        offers[0].accept("new answer")
        answer = lone.take()
        assert (answer.method, answer.body) == ("UPDATE", b"new answer")
        lone.within("ACK", 1)
        assert session.state == "confirmed"
        lone.finish()

    def test_anOfferInAPrackThatCrossesOursIs491(self) -> None:
        lone, session = called()
        outcome(session.update("new offer"))
        update = lone.take()
        session.progress(180, reliable=True)
        number = lone.take().getHeader("RSeq")
        lone.within("PRACK", 3, f"RAck: {number} 1 INVITE", body="their offer")
        assert lone.sent() == ["491 PRACK"]
        lone.answer(update, 200, body="new answer")
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"new answer"
        lone.finish()

    def test_afterTheAnswerThereIsNoOther(self) -> None:
        lone, session = called()
        for reliable in (True, False):
            another = session.progress(183, body="another", reliable=reliable)
            assert isinstance(outcome(another)[0], WrongMoment)
        # The same again does no harm.
        outcome(session.progress(180, body=ANSWER, reliable=False))
        assert lone.sent() == ["180 INVITE"]
        assert session.localDescription is not None
        assert session.localDescription.body == ANSWER.encode()
        lone.finish()


class TestTheEnd:
    @pytest.mark.parametrize("statusCode", [481, 408, 404, None])
    def test_whoRingsIsToldThatTheDialogIsGone(self, statusCode: int | None) -> None:
        # RFC 3261 section 12.2.1.2: "the UAC SHOULD terminate the dialog", and with it the call.
        lone, session = called()
        outcome(session.update("new offer"))
        update = lone.take()
        if statusCode is None:
            lone.clock.advance(32)
        else:
            lone.answer(update, statusCode)
        assert lone.sent() == ["480 INVITE"]
        assert lone.party.endings[0].cause == (Cause.TIMEOUT if statusCode is None else Cause.DIALOG)
        lone.finish()

    @pytest.mark.parametrize("refresher", ["uac", "uas"])
    def test_whatRingsDoesNotExpire(self, refresher: str) -> None:
        lone, session = called()
        timer = f"Session-Expires: 90;refresher={refresher}"
        lone.within("UPDATE", 3, timer, "Supported: timer")
        lone.clock.advance(59)
        lone.transport.takeAll()
        lone.clock.advance(59)
        assert "UPDATE" not in lone.sent()
        outcome(session.accept())
        lone.within("ACK", 1)
        lone.transport.takeAll()
        session.bye("Q.850;cause=16")
        bye = lone.take()
        assert bye.getHeader("Reason") == "Q.850;cause=16"
        lone.answer(bye, 200)
        lone.finish()


@pytest.mark.parametrize("refusal", ["491", "500", "488"])
def test_oneThatIsRefusedChangesNoTarget(refusal: str) -> None:
    # RFC 3261 section 12.2.2: "If the request is rejected, none of the state changes are performed."
    lone, session = called()
    session.on("offer", lambda offer: offer.reject(488) if refusal == "488" else None)
    if refusal == "491":
        outcome(session.update("our offer"))
    elif refusal == "500":
        lone.within("UPDATE", 3, body="their offer")
    lone.transport.takeAll()
    assert session.dialog is not None
    before = session.dialog.state.remoteTarget
    lone.within("UPDATE", 4, body="another", contact="<sip:elsewhere@bob.invalid>")
    assert lone.sent() == [f"{refusal} UPDATE"]
    assert session.dialog.state.remoteTarget == before
    session.reject()
    lone.finish()


def test_a2xxThatIsSentAgainTakesNoTargetBack() -> None:
    lone, session = called()
    session.accept()
    lone.within("ACK", 1)
    lone.within("INVITE", 3, contact="<sip:third@bob.invalid>", body="their offer")
    lone.within("UPDATE", 4, contact="<sip:fourth@bob.invalid>")
    lone.clock.advance(0.5)
    lone.transport.takeAll()
    assert session.dialog is not None
    assert str(session.dialog.state.remoteTarget) == "sip:fourth@bob.invalid"
    lone.within("ACK", 3)
    lone.finish()


class TestNoAnswer:
    """RFC 4320 section 4.2: what is not answered in 64*T1 never is, and came to nothing for its sender."""

    def test_anOfferInAnUpdateIsWithdrawn(self) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        before = session.remoteDescription
        lone.within("UPDATE", 3, body="their offer")
        lone.clock.advance(32)
        assert session.remoteDescription == before
        with pytest.raises(WrongMoment):
            offers[0].accept("too late")
        lone.transport.takeAll()
        lone.within("UPDATE", 4, body="another")
        offers[1].accept("answer")
        assert lone.sent() == ["200 UPDATE"]
        session.reject()
        lone.finish()

    def test_anOfferInAPrackIsWithdrawn(self) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        before = session.remoteDescription
        session.progress(180, reliable=True)
        number = lone.take().getHeader("RSeq")
        lone.within("PRACK", 3, f"RAck: {number} 1 INVITE", body="their offer")
        lone.clock.advance(32)
        assert session.remoteDescription == before
        with pytest.raises(WrongMoment):
            offers[0].accept("too late")
        outcome(session.accept())
        assert lone.sent() == ["100 PRACK", "200 INVITE"]
        lone.within("ACK", 1)
        lone.finish()
