"""Changing a session: re-INVITE (RFC 3261 section 14) and UPDATE (RFC 3311), and their races."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import SIPError, TransactionTimeout, WrongMoment
from sipws.session import Cause, Offer, Session
from sipws.session.glare import glareDelay
from tests.session.pair import ANSWER, OFFER, Lone, Pair
from tests.ua.fakes import outcome

#: A description with a direction, which a hold changes.
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nm=audio 9 RTP/AVP 0\r\n"


def called() -> tuple[Lone, Session]:
    """A user agent that was called, and has accepted."""
    lone = Lone()
    lone.receive(body=OFFER)
    session = lone.party.session
    session.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.takeAll()
    return lone, session


def calling() -> tuple[Lone, Session]:
    """A user agent that has called, and was accepted."""
    lone = Lone()
    session = lone.party.call()
    lone.answer(lone.take(), 200, body=ANSWER)
    lone.transport.takeAll()
    return lone, session


class TestOurs:
    @pytest.mark.parametrize("begin", [called, calling])
    def test_aReinviteIsAcknowledged(self, begin: Any) -> None:
        lone, session = begin()
        got = outcome(session.reinvite("second offer"))
        invite = lone.take()
        assert (invite.method, invite.body) == ("INVITE", b"second offer")
        assert invite.hasHeader("Contact")
        lone.answer(invite, 200, body="second answer")
        ack = lone.take()
        assert (ack.method, ack.cseq) == ("ACK", invite.cseq)
        assert got[0].statusCode == 200
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"second answer"
        # A repeated 2xx gets its ACK again.
        lone.answer(invite, 200, body="second answer")
        assert lone.sent() == ["ACK"]
        lone.finish()

    def test_theAckGoesThroughTheRouteSet(self) -> None:
        lone = Lone()
        session = lone.party.call()
        route = "<sip:proxy.example.com;lr>"
        lone.answer(lone.take(), 200, ("Record-Route", route), body=ANSWER)
        lone.transport.takeAll()
        outcome(session.reinvite("second offer"))
        invite = lone.take()
        assert invite.getHeaders("Route") == [route]
        # RFC 3261 section 12.2: a response within the dialog changes the target, and not the route set.
        lone.answer(invite, 200, ("Contact", "<sip:new@bob.invalid>"), body=ANSWER)
        ack = lone.take()
        assert (ack.requestURIText, ack.getHeaders("Route")) == ("sip:new@bob.invalid", [route])
        lone.finish()

    def test_withoutAnOfferThePeerOffers(self) -> None:
        lone, session = called()
        offers: list[Any] = []
        session.on("offer", offers.append)
        got = outcome(session.reinvite())
        invite = lone.take()
        assert invite.body == b""
        lone.answer(invite, 200, body="their offer")
        assert (lone.sent(), got) == ([], [])
        offers[0].accept("our answer")
        ack = lone.take()
        assert (ack.method, ack.body) == ("ACK", b"our answer")
        assert got[0].statusCode == 200
        lone.finish()

    @pytest.mark.parametrize("method", ["reinvite", "update"])
    @pytest.mark.parametrize("statusCode", [488, 500, 603])
    def test_whatIsRefusedChangesNothing(self, method: str, statusCode: int) -> None:
        lone, session = called()
        before = (session.localDescription, session.remoteDescription)
        got = outcome(getattr(session, method)("second offer"))
        lone.answer(lone.take(), statusCode)
        assert got[0].statusCode == statusCode
        assert (session.localDescription, session.remoteDescription) == before
        assert session.state == "confirmed"
        lone.transport.takeAll()
        outcome(session.update("third offer"))
        lone.answer(lone.take(), 200, body="third answer")
        lone.finish()

    @pytest.mark.parametrize("method", ["reinvite", "update"])
    @pytest.mark.parametrize("statusCode", [481, 408, None])
    def test_whereThePeerHasNoSessionItIsEnded(self, method: str, statusCode: int | None) -> None:
        # RFC 3261 section 14.1: "as though the dialog had been terminated" for 481, 408, and no response.
        lone, session = called()
        got = outcome(getattr(session, method)("second offer"))
        request = lone.take()
        if statusCode is None:
            lone.clock.advance(32)
            assert isinstance(got[0], TransactionTimeout)
        else:
            lone.answer(request, statusCode)
        assert "BYE" in lone.sent()
        assert session.ending is not None
        assert session.ending.cause in (Cause.DIALOG, Cause.TIMEOUT)
        lone.finish()

    def test_oneAtATime(self) -> None:
        lone, session = called()
        outcome(session.reinvite("second offer"))
        assert isinstance(outcome(session.reinvite("third offer"))[0], WrongMoment)
        # RFC 3311 section 5.1, and 3264 section 4: nor another offer, but an UPDATE without one.
        assert isinstance(outcome(session.update("third offer"))[0], WrongMoment)
        invite = lone.take()
        got = outcome(session.update())
        lone.answer(lone.take(), 200)
        assert got[0].statusCode == 200
        lone.answer(invite, 200, body="second answer")
        lone.transport.takeAll()
        lone.finish()

    def test_givenUpItIsCancelled(self) -> None:
        lone, session = called()
        waiting = session.reinvite("second offer")
        got = outcome(waiting)
        invite = lone.take()
        lone.answer(invite, 180)
        waiting.cancel()
        assert len(got) == 1
        cancel = lone.take()
        assert cancel.method == "CANCEL"
        lone.answer(cancel, 200)
        lone.answer(invite, 487)
        assert session.state == "confirmed"
        lone.transport.takeAll()
        lone.finish()

    def test_onceTheSessionIsOverItIsWaitedForNoMore(self) -> None:
        lone, session = called()
        outcome(session.reinvite("second offer"))
        invite = lone.take()
        lone.answer(invite, 180)
        lone.within("BYE", 2)
        # RFC 3261 section 15.1.2 has the peer answer it with 487; where it does not, it is given up.
        assert lone.sent() == ["CANCEL", "200 BYE"]
        lone.clock.advance(32)
        assert lone.party.isIdle()

    @pytest.mark.parametrize("by", ["us", "them"])
    def test_theEndAnswersAnOfferThatOurUserHasNot(self, by: str) -> None:
        # RFC 3261 section 13.2.2.4: "an ACK request for each 2xx", with an answer where there is an offer.
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        got = outcome(session.reinvite())
        lone.answer(lone.take(), 200, body="v=0\r\nm=audio 1 RTP/AVP 0\r\n")
        if by == "us":
            session.bye()
        else:
            lone.within("BYE", 2)
        ack, bye = lone.transport.takeAll()
        assert (ack.method, b"m=audio 0 RTP/AVP 0" in ack.body) == ("ACK", True)
        assert bye.method == "BYE"
        assert got[0].statusCode == 200
        offers[0].accept("too late")
        assert lone.sent() == []
        if by == "us":
            lone.answer(bye, 200)
        lone.finish()

    @pytest.mark.parametrize("statusCode", [200, 422, 491])
    @pytest.mark.parametrize("change", ["update", "hold"])
    def test_whatIsAnsweredAfterTheEndComesToNothing(self, change: str, statusCode: int) -> None:
        lone = Lone()
        session = lone.party.call(body=SDP)
        lone.answer(lone.take(), 200, body=SDP)
        told: list[str] = []
        for event in ("refresh", "hold", "terminated"):
            session.on(event, lambda *_, event=event: told.append(event))
        lone.transport.takeAll()
        got = outcome(session.update() if change == "update" else session.hold())
        request = lone.take()
        lone.within("BYE", 1)
        lone.transport.takeAll()
        timer = ("Session-Expires", "1800;refresher=uas"), ("Min-SE", "3600")
        lone.answer(request, statusCode, *timer, body=SDP if statusCode == 200 else "")
        assert got[0].statusCode == statusCode
        assert told == ["terminated"]
        lone.finish()

    def test_anOfferThatComesAfterTheEndIsNobodys(self) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        outcome(session.reinvite())
        invite = lone.take()
        lone.within("BYE", 2)
        lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", "1"), body="their offer")
        assert offers == []
        lone.answer(invite, 487)
        lone.finish()

    def test_theConnectionIsLost(self) -> None:
        lone, session = called()
        got = outcome(session.reinvite("second offer"))
        lone.transport.lose()
        assert isinstance(got[0], SIPError)
        lone.clock.advance(64)
        assert lone.party.isIdle()


class TestThePeers:
    def test_anOfferIsAnsweredByWhoListens(self) -> None:
        lone, session = called()
        offers: list[Any] = []
        session.on("offer", offers.append)
        lone.within("INVITE", 2, body="second offer")
        assert (offers[0].body, offers[0].contentType) == (b"second offer", "application/sdp")
        assert lone.sent() == []
        offers[0].accept("second answer", headers=[("X-Test", "1")])
        response = lone.take()
        assert (response.statusCode, response.body, response.getHeader("X-Test")) == (
            200,
            b"second answer",
            "1",
        )
        assert response.hasHeader("Contact")
        lone.clock.advance(0.5)
        assert lone.sent() == ["200 INVITE"]
        lone.within("ACK", 2)
        lone.clock.advance(10)
        assert lone.sent() == []
        with pytest.raises(WrongMoment):
            offers[0].accept("again")
        with pytest.raises(WrongMoment):
            offers[0].reject()
        lone.finish()

    def test_withoutAListenerThingsStayAsTheyAre(self) -> None:
        lone, session = called()
        lone.within("INVITE", 2, body="second offer")
        assert lone.take().body == ANSWER.encode()
        lone.within("ACK", 2)
        # Without an offer, ours is asked for.
        lone.within("INVITE", 3)
        assert lone.take().body == ANSWER.encode()
        lone.within("ACK", 3, body="their answer")
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"their answer"
        lone.finish()

    def test_refusedItChangesNothing(self) -> None:
        lone, session = called()
        session.on("offer", lambda offer: offer.reject(488, headers=[("Warning", '304 x "no"')]))
        before = session.remoteDescription
        for cseq, method in ((2, "INVITE"), (3, "UPDATE")):
            lone.within(method, cseq, body="second offer")
            response = lone.take()
            assert (response.statusCode, response.getHeader("Warning")) == (488, '304 x "no"')
            lone.within("ACK", cseq, branch=f"z9hG4bK{method}{cseq}")
        assert session.remoteDescription == before
        assert session.state == "confirmed"
        lone.finish()

    def test_withoutTheAckItIsEnded(self) -> None:
        lone, session = called()
        lone.within("INVITE", 2, body="second offer")
        lone.clock.pump([0.5] * 64)
        assert lone.sent()[-1] == "BYE"
        assert session.ending is not None
        assert session.ending.cause == Cause.NO_ACK
        lone.finish()

    def test_anAckWithoutTheAnswerEndsIt(self) -> None:
        lone, session = called()
        lone.within("INVITE", 2)
        lone.within("ACK", 2)
        assert lone.sent() == ["200 INVITE", "BYE"]
        assert session.ending is not None
        assert session.ending.cause == Cause.BAD_DESCRIPTION
        lone.finish()

    def test_cancelledItIsAnswered487(self) -> None:
        lone, session = called()
        offers: list[Any] = []
        session.on("offer", offers.append)
        lone.within("INVITE", 2, body="second offer")
        lone.within("CANCEL", 2, branch="z9hG4bKINVITE2", toTag=None)
        assert lone.sent() == ["200 CANCEL", "487 INVITE"]
        assert offers[0].isAnswered
        assert session.state == "confirmed"
        assert outcome(session.update("third offer")) == []
        lone.answer(lone.take(), 200, body="third answer")
        lone.finish()

    def test_aSecondBeforeTheFirstIsAnsweredIs500(self) -> None:
        # RFC 3261 section 14.2.
        lone, session = called()
        session.on("offer", lambda offer: None)
        lone.within("INVITE", 2, body="second offer")
        lone.within("INVITE", 3, body="third offer")
        response = lone.take()
        assert (response.statusCode, response.cseq) == (500, 3)
        assert 0 <= int(response.getHeader("Retry-After")) <= 10
        # And an UPDATE with an offer (RFC 3311 section 5.2).
        lone.within("UPDATE", 4, body="fourth offer")
        assert lone.take().statusCode == 500
        lone.finish()

    def test_aByeEndsWhatIsPending(self) -> None:
        # RFC 3261 section 15.1.2.
        lone, session = called()
        offers: list[Any] = []
        session.on("offer", offers.append)
        lone.within("INVITE", 2, body="second offer")
        lone.within("BYE", 3)
        assert lone.sent() == ["487 INVITE", "200 BYE"]
        assert offers[0].isAnswered
        lone.finish()

    def test_anUpdateWithoutAnOfferIsAnswered(self) -> None:
        lone, session = called()
        lone.within("UPDATE", 2)
        response = lone.take()
        assert (response.statusCode, response.body) == (200, b"")
        assert response.hasHeader("Contact")
        lone.within("UPDATE", 3, body="second offer")
        response = lone.take()
        assert (response.statusCode, response.body) == (200, ANSWER.encode())
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"second offer"
        lone.finish()

    @pytest.mark.parametrize("refused", [False, True])
    def test_anUpdateOffersNothingWhileWeAreAskedTo(self, refused: bool) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("INVITE", 2)
        lone.within("UPDATE", 3, body="their offer")
        assert lone.sent() == ["491 UPDATE"]
        (asked,) = offers
        if refused:
            asked.reject()
            assert lone.sent() == ["488 INVITE"]
        else:
            asked.accept("our offer")
            assert lone.sent() == ["200 INVITE"]
            lone.within("ACK", 2, body="their answer")
            assert session.remoteDescription is not None
            assert session.remoteDescription.body == b"their answer"
        lone.within("UPDATE", 4, body="another")
        offers[1].accept("our answer")
        assert lone.sent() == ["200 UPDATE"]
        lone.finish()

    def test_anUpdateOffersNothingWhereTheInviteAsksForOurs(self) -> None:
        lone = Lone()
        lone.receive()
        session = lone.party.session
        session.progress()
        lone.take()
        lone.within("UPDATE", 2, body="their offer")
        assert lone.sent() == ["491 UPDATE"]
        outcome(session.accept(OFFER))
        assert lone.take().body == OFFER.encode()
        lone.within("ACK", 1, body=ANSWER)
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == ANSWER.encode()
        lone.finish()

    @pytest.mark.parametrize("body", ["", ANSWER])
    def test_theFirstAckAnswersNoOfferOfASecond2xx(self, body: str) -> None:
        lone = Lone()
        lone.receive()
        session = lone.party.session
        session.accept()
        lone.take()
        session.on("offer", lambda offer: offer.accept("our offer"))
        lone.within("INVITE", 2)
        assert lone.take().body == b"our offer"
        lone.within("ACK", 1, body=body)
        assert (session.state, session.remoteDescription) == ("confirmed", None)
        lone.within("ACK", 2, body="their answer")
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"their answer"
        lone.finish()

    def test_weOfferNothingElseWhileWeAreAskedToBeforeTheAck(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        session.accept(ANSWER)
        lone.take()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("INVITE", 2)
        assert isinstance(outcome(session.update("another"))[0], WrongMoment)
        offers[0].accept("our offer")
        assert lone.take().body == b"our offer"
        lone.within("ACK", 1)
        lone.within("ACK", 2, body="their answer")
        assert session.state == "confirmed"
        lone.finish()

    def test_afterOurByeItIs481(self) -> None:
        # RFC 5407 section 3.2.3.
        lone, session = called()
        session.bye()
        bye = lone.take()
        lone.within("INVITE", 2, body="second offer")
        lone.within("UPDATE", 3, body="third offer")
        assert lone.sent() == ["481 INVITE", "481 UPDATE"]
        lone.answer(bye, 200)
        lone.finish()

    def test_whileOurAckIsDueItIsTaken(self) -> None:
        # RFC 5407 section 3.1.4: the ACK to the first 2xx may be lost, or late.
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        session.accept(ANSWER)
        lone.take()
        lone.within("INVITE", 2, body="second offer")
        assert lone.take().statusCode == 200
        lone.within("ACK", 1)
        lone.within("ACK", 2)
        assert session.state == "confirmed"
        lone.finish()

    def test_whileOurOfferIsNotAnsweredItIs491(self) -> None:
        # RFC 5407 section 3.1.5: the answer is to come in the ACK.
        lone = Lone()
        lone.receive()
        session = lone.party.session
        session.accept(OFFER)
        lone.take()
        lone.within("INVITE", 2, body="second offer")
        assert lone.take().statusCode == 491
        lone.within("UPDATE", 3, body="second offer")
        assert lone.take().statusCode == 491
        lone.within("ACK", 1, body=ANSWER)
        assert session.state == "confirmed"
        lone.finish()


class TestGlare:
    def test_bothAreTriedAgainAfterTheTimesOfTheRFC(self) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        ours, theirs = outcome(caller.reinvite("from alice")), outcome(callee.reinvite("from bob"))
        ladder = pair.pump()
        assert sorted(ladder) == sorted(
            ["> INVITE", "< INVITE", "> 491 INVITE", "< 491 INVITE", "> ACK", "< ACK"]
        )
        # Who made the Call-ID waits for 2.1 to 4 seconds, the other for 0 to 2 (section 14.1).
        assert pair.wait(2) == ["< INVITE", "> 200 INVITE", "< ACK"]
        assert (len(ours), len(theirs)) == (0, 1)
        assert pair.wait(2.1) == ["> INVITE", "< 200 INVITE", "> ACK"]
        assert [got[0].statusCode for got in (ours, theirs)] == [200, 200]
        assert callee.remoteDescription is not None
        assert callee.remoteDescription.body == b"from alice"
        pair.finish()

    def test_anUpdateIsTriedAgainToo(self) -> None:
        lone, session = called()
        got = outcome(session.update("second offer"))
        lone.answer(lone.take(), 491)
        lone.clock.advance(2.01)
        lone.answer(lone.take(), 200, body="second answer")
        assert got[0].statusCode == 200
        lone.finish()

    def test_anUpdateWaitsForTheOfferThatThePeerAsksFor(self) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        outcome(session.update("our offer"))
        lone.answer(lone.take(), 491)
        lone.within("INVITE", 2)
        lone.clock.advance(5)
        assert lone.sent() == ["100 INVITE"]
        offers[0].accept("what was asked for")
        lone.take()
        lone.within("ACK", 2, body="their answer")
        lone.clock.advance(5)
        update = lone.take()
        assert (update.method, update.body) == ("UPDATE", b"our offer")
        lone.answer(update, 200, body="another answer")
        assert session.state == "confirmed"
        lone.finish()

    def test_aPeerThatNeverRestsIsGivenUp(self) -> None:
        lone, session = called()
        got = outcome(session.reinvite("second offer"))
        for _ in range(40):
            for message in lone.transport.takeAll():
                if message.method == "INVITE":
                    lone.answer(message, 491)
            lone.clock.advance(2.01)
        assert got[0].statusCode == 491
        assert session.state == "confirmed"
        lone.transport.takeAll()
        lone.finish()

    def test_theEndOfTheSessionEndsTheWaiting(self) -> None:
        lone, session = called()
        got = outcome(session.reinvite("second offer"))
        lone.answer(lone.take(), 491)
        lone.within("BYE", 2)
        assert isinstance(got[0], WrongMoment)
        lone.transport.takeAll()
        lone.finish()

    def test_theTimesAreThoseOfTheRFC(self) -> None:
        draws = [number / 1000 for number in range(1000)]
        owner = [glareDelay(draw, isOwner=True) for draw in draws]
        other = [glareDelay(draw, isOwner=False) for draw in draws]
        assert (min(owner), max(owner)) == (2.1, 4.0)
        assert (min(other), max(other)) == (0.0, 2.0)
        assert all(round(delay * 100) == pytest.approx(delay * 100) for delay in owner + other)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_whatCannotBeSentLeavesAnOfferAsItIs(method: str) -> None:
    lone, session = called()
    offers: list[Offer] = []
    session.on("offer", offers.append)
    lone.within(method, 2, body="another offer")
    with pytest.raises(ValueError, match="X-Note"):
        offers[0].accept("an answer", headers=[("X-Note", "a\r\nb")])
    with pytest.raises(ValueError, match="Content-Type"):
        offers[0].accept("an answer", "text/plain\r\nX-Note: b")
    with pytest.raises(ValueError, match="X-Note"):
        offers[0].reject(headers=[("X-Note", "a\r\nb")])
    with pytest.raises(ValueError, match="reasonPhrase"):
        offers[0].reject(488, "No\r\nX-Note: b")
    with pytest.raises(ValueError, match="statusCode"):
        offers[0].reject(200)
    assert (lone.sent(), offers[0].isAnswered) == ([], False)
    offers[0].accept("an answer")
    assert lone.sent() == [f"200 {method}"]
    if method == "INVITE":
        lone.within("ACK", 2)
    lone.finish()


class TestReliableResponses:
    """RFC 3262, for a re-INVITE of ours."""

    def test_anAnswerInOneIsThatOfTheOffer(self) -> None:
        lone, session = calling()
        got = outcome(session.reinvite("second offer"))
        invite = lone.take()
        reliable = (("Require", "100rel"), ("RSeq", 7))
        lone.answer(invite, 183, *reliable, body="second answer")
        prack = lone.take()
        assert prack.getHeader("RAck") == f"7 {invite.cseq} INVITE"
        lone.answer(prack, 200)
        # Again: it is dropped.
        lone.answer(invite, 183, *reliable, body="second answer")
        assert lone.sent() == []
        # The negotiation is over: there may be another before the INVITE is answered.
        updated = outcome(session.update("third offer"))
        lone.answer(lone.take(), 200, body="third answer")
        lone.answer(invite, 200, body="of no account")
        assert lone.sent() == ["ACK"]
        assert (got[0].statusCode, updated[0].statusCode) == (200, 200)
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"third answer"
        lone.finish()

    def test_anOfferInOneIsAnsweredInThePrack(self) -> None:
        lone, session = calling()
        session.on("offer", lambda offer: offer.accept("our answer"))
        got = outcome(session.reinvite())
        invite = lone.take()
        lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", 1), body="their offer")
        prack = lone.take()
        assert (prack.method, prack.body) == ("PRACK", b"our answer")
        lone.answer(prack, 200)
        lone.answer(invite, 200)
        ack = lone.take()
        assert (ack.method, ack.body, got[0].statusCode) == ("ACK", b"", 200)
        lone.finish()

    def test_anUnreliableOneIsNotAcknowledged(self) -> None:
        lone, session = calling()
        got = outcome(session.reinvite("second offer"))
        invite = lone.take()
        lone.answer(invite, 183, body="perhaps")
        assert lone.sent() == []
        lone.answer(invite, 200, body="second answer")
        assert (lone.sent(), len(got)) == (["ACK"], 1)
        lone.finish()


class TestOneOfferAtATime:
    """RFC 3264 section 4, RFC 3311 section 5, RFC 6337 section 2.2."""

    def test_whoAsksForAnOfferMakesNone(self) -> None:
        lone, session = calling()
        outcome(session.reinvite())
        assert isinstance(outcome(session.update("an offer"))[0], WrongMoment)
        # One that offers nothing may be.
        assert outcome(session.update()) == []
        assert lone.sent() == ["INVITE", "UPDATE"]
        lone.finish()

    def test_whoIsAskedForAnOfferMakesNoOther(self) -> None:
        lone, session = calling()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("INVITE", 1)
        assert isinstance(outcome(session.update("an offer"))[0], WrongMoment)
        offers[0].accept("our offer")
        assert lone.take().body == b"our offer"
        lone.within("ACK", 1, body="their answer")
        outcome(session.update("an offer"))
        assert lone.sent() == ["UPDATE"]
        lone.finish()

    def test_anOfferThatComesWhileAnotherIsOpenEndsIt(self) -> None:
        lone, session = calling()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        got = outcome(session.reinvite())
        invite = lone.take()
        lone.within("UPDATE", 1, body="their offer")
        lone.answer(invite, 200, body="their other offer")
        ack, refused, bye = lone.transport.takeAll()
        assert (ack.method, ack.body, bye.method, refused.statusCode) == ("ACK", b"", "BYE", 487)
        assert (got[0].statusCode, len(offers)) == (200, 1)
        lone.answer(bye, 200)
        assert lone.party.endings[0].cause == Cause.BAD_DESCRIPTION
        lone.finish()

    def test_anUpdateWithoutAnOfferTakesNothingBack(self) -> None:
        lone, session = calling()
        got = outcome(session.reinvite("second offer"))
        invite = lone.take()
        outcome(session.update())
        lone.answer(lone.take(), 200)
        outcome(session.update())
        lone.answer(lone.take(), 500)
        lone.answer(invite, 200, body="second answer")
        assert (lone.sent(), len(got)) == (["ACK"], 1)
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == b"second answer"
        lone.finish()

    @pytest.mark.parametrize("body", ["", OFFER])
    def test_theCallerOffersNothingBeforeTheFirstAnswer(self, body: str) -> None:
        lone = Lone()
        session = lone.party.call(body=body)
        lone.answer(lone.take(), 180)
        assert isinstance(outcome(session.update("an offer"))[0], WrongMoment)
        outcome(session.update())
        assert lone.sent() == ["UPDATE"]
        lone.finish()

    def test_theCalleeOffersNothingBeforeThePrack(self) -> None:
        lone = Lone()
        lone.receive("INVITE", "Supported: 100rel", body=OFFER)
        session = lone.party.session
        session.progress(183, body=ANSWER)
        response = lone.take()
        assert isinstance(outcome(session.update("an offer"))[0], WrongMoment)
        lone.within("PRACK", 2, f"RAck: {response.getHeader('RSeq')} 1 INVITE")
        outcome(session.update("an offer"))
        assert lone.sent() == ["200 PRACK", "UPDATE"]
        lone.finish()

    def test_aSecondUpdateWaitsForTheFirst(self) -> None:
        # RFC 3311 section 5.2: "MUST return a 500 response to the new UPDATE, and MUST include a
        # Retry-After header field".
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("UPDATE", 2, body="an offer")
        lone.within("UPDATE", 3)
        (refused,) = lone.transport.takeAll()
        assert (refused.statusCode, refused.hasHeader("Retry-After")) == (500, True)
        offers[0].accept("an answer")
        lone.within("UPDATE", 4)
        assert lone.sent() == ["200 UPDATE", "200 UPDATE"]
        lone.finish()

    def test_theEndAnswersAnUpdateThatWaits(self) -> None:
        lone, session = called()
        offers: list[Offer] = []
        session.on("offer", offers.append)
        lone.within("UPDATE", 2, body="an offer")
        lone.within("BYE", 3)
        # RFC 3261 section 15.1.2: "The UAS MUST still respond to any pending requests received for that
        # dialog.  It is RECOMMENDED that a 487 (Request Terminated) response be generated".
        assert lone.sent() == ["487 UPDATE", "200 BYE"]
        with pytest.raises(WrongMoment):
            offers[0].accept("an answer")
        lone.finish()


def test_aChangeThatWaitsAfterGlareWaitsForThePeersToo() -> None:
    # RFC 3261 section 14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog while
    # another INVITE transaction is in progress in either direction."
    lone, session = calling()
    offers: list[Offer] = []
    session.on("offer", offers.append)
    got = outcome(session.reinvite("our offer"))
    lone.answer(lone.take(), 491)
    assert lone.sent() == ["ACK"]
    lone.within("INVITE", 1)
    lone.clock.advance(4)
    assert lone.sent() == ["100 INVITE"]
    offers[0].accept("another offer")
    lone.within("ACK", 1, body="their answer")
    assert lone.sent() == ["200 INVITE"]
    lone.clock.advance(4)
    lone.answer(lone.take(), 200, body="their second answer")
    assert got[0].statusCode == 200
    lone.finish()
