"""Calls from their beginning to their end: RFC 3261 sections 13 and 15, and what our users are told."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import SessionFailed, SessionTerminated, WrongMoment
from sipws.session import Cause
from sipws.session.machine import State
from tests.session.pair import ANSWER, OFFER, Lone, Pair
from tests.ua.fakes import incoming, outcome


class TestTheWholeWay:
    def test_whoCallsAndWhoIsCalledAreToldTheSame(self) -> None:
        pair = Pair()
        caller = pair.alice.call()
        assert (caller.direction, caller.state) == ("outgoing", State.CALLING)
        accepted, over = outcome(caller.whenAccepted()), outcome(caller.whenTerminated())
        assert pair.pump() == ["> INVITE"]
        callee = pair.bob.session
        assert (callee.direction, callee.state, callee.id) == ("incoming", State.RINGING, caller.id)
        assert callee.remoteDescription is not None
        assert callee.remoteDescription.body == OFFER.encode()
        callee.progress()
        assert pair.pump() == ["< 180 INVITE"]
        assert caller.state == State.EARLY
        confirmed = outcome(callee.accept(ANSWER))
        assert pair.pump() == ["< 200 INVITE", "> ACK"]
        assert (accepted, confirmed) == ([caller], [callee])
        assert caller.state == callee.state == State.CONFIRMED
        assert caller.remoteDescription is not None
        assert caller.remoteDescription.body == ANSWER.encode()
        ended = outcome(callee.bye('Q.850;cause=16;text="Terminated"'))
        assert pair.pump() == ["< BYE", "> 200 BYE"]
        assert pair.alice.take() == ["progress", "accepted", "confirmed", "terminated"]
        assert pair.bob.take() == ["progress", "accepted", "ack", "confirmed", "terminated"]
        ((theirs,), (ours,)) = (over, ended)
        assert (theirs.cause, theirs.by) == (Cause.HUNG_UP, "remote")
        assert theirs.reason == 'Q.850;cause=16;text="Terminated"'
        assert (ours.cause, ours.by) == (Cause.HUNG_UP, "local")
        pair.finish()

    def test_theCallerMayHangUp(self) -> None:
        pair = Pair()
        caller, _ = pair.establish()
        caller.bye()
        assert pair.pump() == ["> BYE", "< 200 BYE"]
        assert [party.endings[0].by for party in (pair.alice, pair.bob)] == ["local", "remote"]
        pair.finish()

    def test_withoutAnOfferTheCalleeOffers(self) -> None:
        pair = Pair()
        caller = pair.alice.call(body="")
        offers: list[Any] = []
        caller.on("offer", offers.append)
        pair.pump()
        callee = pair.bob.session
        assert callee.remoteDescription is None
        callee.accept(OFFER)
        # RFC 3261 section 13.2.1: the answer is in the ACK, and that waits for it.
        assert pair.pump() == ["< 200 INVITE"]
        assert offers[0].body == OFFER.encode()
        offers[0].accept(ANSWER)
        assert pair.pump() == ["> ACK"]
        assert callee.remoteDescription is not None
        assert callee.remoteDescription.body == ANSWER.encode()
        assert callee.state == caller.state == State.CONFIRMED
        pair.finish()

    def test_anOfferInThe2xxThatIsRefusedEndsIt(self) -> None:
        pair = Pair()
        caller = pair.alice.call(body="")
        caller.on("offer", lambda offer: offer.reject())
        pair.pump()
        pair.bob.session.accept(OFFER)
        # Bob misses the answer in the ACK, too.
        assert pair.pump() == ["< 200 INVITE", "> ACK", "> BYE", "< BYE", "< 200 BYE", "> 200 BYE"]
        assert pair.alice.endings[0].cause == Cause.BAD_DESCRIPTION
        pair.finish()

    @pytest.mark.parametrize("kind", ["text/plain", "application/json"])
    def test_anyTypeOfDescriptionWillDo(self, kind: str) -> None:
        pair = Pair()
        caller = pair.alice.watch(pair.alice.ua.invite("bob", b"\x00offer", kind))
        invite = pair.alice.scene.transport.sent[0]
        # RFC 3261 section 20.11: another type than SDP implies "render".
        assert invite.getHeaders("Content-Disposition") == ["session"]
        pair.pump()
        callee = pair.bob.session
        assert callee.remoteDescription is not None
        assert (callee.remoteDescription.body, callee.remoteDescription.contentType) == (b"\x00offer", kind)
        callee.accept(b"\xffanswer", kind)
        pair.pump()
        assert caller.remoteDescription is not None
        assert caller.remoteDescription.body == b"\xffanswer"
        pair.finish()

    def test_whatTheCallerSaysOfItsDescriptionIsSaidOnce(self) -> None:
        pair = Pair()
        said = [("content-disposition", "session;handling=optional")]
        caller = pair.alice.watch(pair.alice.ua.invite("bob", "{}", "application/json", said))
        invite = pair.alice.scene.transport.sent[0]
        assert invite.getHeaders("Content-Disposition") == ["session;handling=optional"]
        pair.pump()
        pair.bob.session.accept("{}", "application/json", said)
        response = pair.bob.scene.transport.sent[0]
        assert response.getHeaders("Content-Disposition") == ["session;handling=optional"]
        pair.pump()
        for session, name in ((caller, "alice"), (pair.bob.session, "bob")):
            changing = session.reinvite("{1}", "application/json", said)
            party = pair.alice if name == "alice" else pair.bob
            assert party.scene.transport.sent[0].getHeaders("Content-Disposition") == [said[0][1]]
            pair.pump()
            assert outcome(changing)[0].statusCode == 200
        pair.finish()

    def test_aCallWithoutDescriptions(self) -> None:
        pair = Pair()
        caller, callee = pair.establish(body="", answer="")
        assert caller.state == callee.state == State.CONFIRMED
        assert caller.localDescription is caller.remoteDescription is None
        pair.finish()


class TestRefused:
    @pytest.mark.parametrize("statusCode", [300, 404, 486, 603, 699])
    def test_theCallerHearsIt(self, statusCode: int) -> None:
        pair = Pair()
        caller = pair.alice.call()
        accepted = outcome(caller.whenAccepted())
        pair.pump()
        pair.bob.session.reject(statusCode, headers=[("X", "1")])
        assert pair.pump() == [f"< {statusCode} INVITE", "> ACK"]
        (error,) = accepted
        assert isinstance(error, SessionFailed)
        assert (error.cause, error.by, error.statusCode) == (Cause.REFUSED, "remote", statusCode)
        assert error.response is not None
        assert error.response.getHeader("X") == "1"
        assert pair.alice.take() == ["failed", "terminated"]
        assert pair.bob.take() == ["failed", "terminated"]
        pair.finish()

    def test_aRedirectionSaysWhere(self) -> None:
        pair = Pair()
        caller = pair.alice.call()
        pair.pump()
        pair.bob.session.reject(302, contacts=["sip:carol@example.com", "<sip:dave@example.com>;q=0.5"])
        pair.pump()
        response = caller.ending.response if caller.ending is not None else None
        assert response is not None
        assert response.getHeaders("Contact") == ["<sip:carol@example.com>", "<sip:dave@example.com>;q=0.5"]
        pair.finish()

    def test_nobodyAnswers(self) -> None:
        pair = Pair()
        caller = pair.alice.call(noAnswerTimeout=20)
        pair.pump()
        pair.bob.session.progress()
        pair.pump()
        ladder = pair.wait(21)
        assert ladder == ["> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
        assert caller.ending is not None
        assert (caller.ending.cause, caller.ending.by) == (Cause.NO_ANSWER, "local")
        assert pair.bob.endings[0].cause == Cause.CANCELLED
        pair.finish()

    def test_nothingComes(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        accepted = outcome(caller.whenAccepted())
        lone.clock.advance(32)
        assert accepted[0].cause == Cause.TIMEOUT
        assert lone.party.take() == ["failed", "terminated"]
        lone.finish()

    def test_thereIsNoConnection(self) -> None:
        lone = Lone()
        lone.transport.lose()
        caller = lone.party.call(deadline=0)
        accepted = outcome(caller.whenAccepted())
        # Nobody could have listened before the call was there.
        assert lone.party.events == []
        lone.clock.advance(0)
        assert accepted[0].cause == Cause.CONNECTION
        assert lone.party.take() == ["failed", "terminated"]

    def test_theConnectionIsLost(self) -> None:
        lone = Lone()
        lone.party.call()
        lone.answer(lone.take(), 180)
        lone.transport.lose()
        assert lone.party.take() == ["progress", "failed", "terminated"]
        assert lone.party.endings[0].cause == Cause.CONNECTION
        assert lone.party.isIdle()

    def test_aTargetThatIsNoneIsToldOfAtOnce(self) -> None:
        lone = Lone()
        with pytest.raises(ValueError, match=r"URI|uri|sip"):
            lone.party.ua.invite("sip:")
        with pytest.raises(ValueError, match="deadline"):
            lone.party.ua.invite("bob", deadline=-1)
        assert lone.party.isIdle()

    def test_afterTheUserAgentIsStoppedThereAreNone(self) -> None:
        lone = Lone()
        lone.party.ua.stop()
        lone.clock.advance(64)
        caller = lone.party.call()
        accepted = outcome(caller.whenAccepted())
        lone.clock.advance(0)
        assert isinstance(accepted[0], SessionFailed)
        assert lone.party.isIdle()


class TestCancel:
    def test_beforeAnyResponseItWaits(self) -> None:
        # RFC 3261 section 9.1: "If no provisional response has been received, the CANCEL request MUST
        # NOT be sent".
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        caller.cancel('SIP;cause=200;text="Call completed elsewhere"')
        assert lone.sent() == []
        assert caller.state == State.CANCELLING
        lone.answer(invite, 100)
        cancel = lone.take()
        assert cancel.method == "CANCEL"
        assert cancel.getHeader("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
        lone.answer(cancel, 200)
        lone.answer(invite, 487)
        assert lone.sent() == ["ACK"]
        ending = lone.party.endings[0]
        assert (ending.cause, ending.by) == (Cause.CANCELLED, "local")
        assert lone.party.take() == ["failed", "terminated"]
        lone.finish()

    def test_theCalleeHearsIt(self) -> None:
        pair = Pair()
        caller = pair.alice.call()
        pair.pump()
        pair.bob.session.progress()
        pair.pump()
        caller.cancel("SIP;cause=200")
        assert pair.pump() == ["> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
        ending = pair.bob.endings[0]
        assert (ending.cause, ending.by, ending.reason) == (Cause.CANCELLED, "remote", "SIP;cause=200")
        pair.finish()

    def test_a2xxThatCrossesItIsEndedWithBye(self) -> None:
        # RFC 5407 section 3.1.2.
        pair = Pair()
        caller = pair.alice.call()
        pair.pump()
        pair.bob.session.progress()
        pair.pump()
        caller.cancel()
        pair.bob.session.accept(ANSWER)
        ladder = pair.pump()
        assert ladder == ["> CANCEL", "< 200 INVITE", "> ACK", "> BYE", "< 200 CANCEL", "< 200 BYE"]
        assert pair.alice.take() == ["progress", "failed", "terminated"]
        assert pair.bob.take()[-1] == "terminated"
        pair.finish()

    def test_aFailureThatCrossesItIsTheEnd(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180)
        caller.cancel()
        lone.answer(lone.take(), 481)
        lone.answer(invite, 486)
        assert lone.sent() == ["ACK"]
        assert lone.party.endings[0].cause == Cause.CANCELLED
        lone.finish()

    def test_nothingComesOfIt(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        lone.answer(lone.take(), 180)
        caller.cancel()
        lone.clock.advance(32)
        assert lone.party.take()[-2:] == ["failed", "terminated"]
        lone.finish()

    def test_whatHasNotLeftNeverDoes(self) -> None:
        lone = Lone()
        lone.transport.lose()
        caller = lone.party.call()
        caller.cancel()
        assert lone.party.endings[0].cause == Cause.CANCELLED
        lone.transport.open()
        assert lone.sent() == []
        assert lone.party.isIdle()


class TestHangingUpEarly:
    def test_theCalleeWaitsForTheAck(self) -> None:
        # RFC 3261 section 15: it "MUST NOT send a BYE on a confirmed dialog until it has received an ACK".
        lone = Lone()
        lone.receive(body=OFFER)
        callee = lone.party.session
        callee.accept(ANSWER).addErrback(lambda _: None)
        callee.bye()
        assert lone.sent() == ["200 INVITE"]
        assert callee.state == State.LEAVING
        lone.within("ACK", 1)
        assert lone.sent() == ["BYE"]
        lone.finish()

    def test_orUntilItWillNotCome(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        callee = lone.party.session
        confirmed = outcome(callee.accept(ANSWER))
        callee.bye()
        lone.clock.pump([0.5] * 63)
        assert "BYE" not in lone.sent()
        lone.clock.pump([0.5] * 2)
        bye = lone.take()
        assert bye.method == "BYE"
        lone.answer(bye, 481)
        assert isinstance(confirmed[0], SessionTerminated)
        lone.finish()

    def test_theByeOvertakesTheAck(self) -> None:
        # RFC 5407 section 3.1.3.
        lone = Lone()
        lone.receive(body=OFFER)
        lone.party.session.accept(ANSWER).addErrback(lambda _: None)
        lone.within("BYE", 2)
        assert lone.sent() == ["200 INVITE", "200 BYE"]
        assert lone.party.endings[0].by == "remote"
        lone.finish()

    def test_aByeForAnEarlyDialogEndsTheInvite(self) -> None:
        # RFC 3261 section 15.1.2: 487 for "pending requests".
        lone = Lone()
        lone.receive(body=OFFER)
        lone.party.session.progress()
        lone.within("BYE", 2)
        assert lone.sent() == ["180 INVITE", "487 INVITE", "200 BYE"]
        lone.finish()

    def test_theByeThatIsWaitedWithIsOvertakenByThePeers(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        callee = lone.party.session
        callee.accept(ANSWER).addErrback(lambda _: None)
        callee.bye()
        lone.within("BYE", 2)
        assert lone.sent() == ["200 INVITE", "200 BYE"]
        assert callee.state == State.TERMINATED
        lone.finish()

    def test_theCallersAckIsNotLeftOutForTheCalleesBye(self) -> None:
        # The answer that the ACK is to have is not there yet; and then it need not be.
        lone = Lone()
        caller = lone.party.call(body="")
        caller.on("offer", lambda offer: None)
        lone.answer(lone.take(), 200, body=OFFER)
        assert (caller.state, lone.sent()) == (State.ACCEPTED, [])
        lone.within("BYE", 1)
        assert lone.sent() == ["ACK", "200 BYE"]
        assert caller.state == State.TERMINATED
        lone.finish()

    @pytest.mark.parametrize("begin", [None, "bye"])
    def test_withoutTheDialogThereIsNoCall(self, begin: str | None) -> None:
        # Another usage may end it: RFC 5057 section 5.1.
        for isCalled in (True, False):
            lone = Lone()
            if isCalled:
                lone.receive(body=OFFER)
                session = lone.party.session
                session.accept(ANSWER).addErrback(lambda _: None)
            else:
                session = lone.party.call(body="")
                session.on("offer", lambda offer: None)
                lone.answer(lone.take(), 200, body=OFFER)
            if begin is not None:
                session.bye()
            assert session.dialog is not None
            session.dialog.end()
            assert session.state == State.TERMINATED
            lone.transport.takeAll()
            lone.clock.advance(64)
            assert lone.party.isIdle()

    def test_byesThatCross(self) -> None:
        # RFC 5407 section 3.2.1: both are answered with 200.
        pair = Pair()
        caller, callee = pair.establish()
        caller.bye()
        callee.bye()
        assert pair.pump() == ["> BYE", "< BYE", "> 200 BYE", "< 200 BYE"]
        assert [len(party.endings) for party in (pair.alice, pair.bob)] == [1, 1]
        pair.finish()

    def test_noAnswerToTheByeEndsItAllTheSame(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        callee = lone.party.session
        callee.accept(ANSWER)
        lone.within("ACK", 1)
        over = outcome(callee.bye())
        lone.clock.advance(32)
        assert over[0].cause == Cause.HUNG_UP
        lone.transport.takeAll()
        lone.finish()

    def test_withoutAnAckItIsEnded(self) -> None:
        # RFC 3261 section 13.3.1.4: the 2xx is sent again at T1, doubling up to T2, for 64*T1.
        lone = Lone()
        lone.receive(body=OFFER)
        confirmed = outcome(lone.party.session.accept(ANSWER))
        times = []
        assert lone.sent() == ["200 INVITE"]
        for half in range(1, 66):
            lone.clock.advance(0.5)
            times += [half / 2] * lone.sent().count("200 INVITE")
        assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
        lone.clock.advance(33)
        (error,) = confirmed
        assert isinstance(error, SessionTerminated)
        assert lone.party.endings[0].cause == Cause.NO_ACK
        lone.finish()


class TestTheOtherSidesMistakes:
    def test_a2xxWithoutAnAnswerIsEnded(self) -> None:
        lone = Lone()
        lone.party.call()
        lone.answer(lone.take(), 200)
        ack, bye = lone.transport.takeAll()
        assert (ack.method, bye.method) == ("ACK", "BYE")
        lone.answer(bye, 200)
        assert lone.party.endings[0].cause == Cause.BAD_DESCRIPTION
        lone.finish()

    @pytest.mark.parametrize("contact", ["<nonsense", "*"])
    def test_a2xxWithoutAContactFails(self, contact: str) -> None:
        lone = Lone()
        lone.party.call()
        lone.answer(lone.take(), 200, ("Contact", contact), body=ANSWER)
        assert lone.party.endings[0].cause == Cause.BAD_MESSAGE
        lone.finish()

    def test_anAckWithoutAnAnswerEndsIt(self) -> None:
        lone = Lone()
        lone.receive()
        lone.party.session.accept(OFFER)
        lone.within("ACK", 1)
        assert lone.sent() == ["200 INVITE", "BYE"]
        assert lone.party.session.ending is not None
        assert lone.party.session.ending.cause == Cause.BAD_DESCRIPTION
        lone.finish()

    def test_aRepeatedAckIsDropped(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        lone.party.session.accept(ANSWER)
        for _ in range(3):
            lone.within("ACK", 1)
        assert lone.party.take() == ["accepted", "ack", "confirmed", "ack", "ack"]
        lone.finish()

    def test_anAckWithAWrongNumberIsNone(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        lone.party.session.accept(ANSWER)
        lone.within("ACK", 7)
        assert lone.party.session.state == State.ACCEPTED
        lone.within("ACK", 1)
        assert lone.party.session.state == State.CONFIRMED
        lone.finish()

    def test_aRepeated2xxGetsTheSameAck(self) -> None:
        lone = Lone()
        caller = lone.party.call(body="")
        caller.on("offer", lambda offer: offer.accept(ANSWER))
        invite = lone.take()
        for _ in range(2):
            lone.answer(invite, 200, body=OFFER)
        first, second = lone.transport.takeAll()
        assert (first.method, first.cseq, first.body) == (second.method, second.cseq, second.body)
        assert first.body == ANSWER.encode()
        lone.finish()

    def test_anExpiredInviteIsRefused(self) -> None:
        # RFC 3261 section 13.3.1.
        lone = Lone()
        lone.receive("INVITE", "Expires: 10", body=OFFER)
        lone.clock.advance(10)
        assert lone.sent() == ["100 INVITE", "487 INVITE"]
        assert lone.party.endings[0].cause == Cause.NO_ANSWER
        lone.finish()

    @pytest.mark.parametrize("expires", ["4294967295", "nonsense", "99999999999999"])
    def test_anExpiryOfYearsIsNone(self, expires: str) -> None:
        lone = Lone()
        lone.receive("INVITE", f"Expires: {expires}", body=OFFER)
        lone.party.session.accept(ANSWER)
        assert lone.sent() == ["200 INVITE"]
        lone.within("ACK", 1)
        lone.finish()

    @pytest.mark.parametrize("contact", ["<nonsense", "*"])
    def test_aMalformedContactIsRefused(self, contact: str) -> None:
        lone = Lone()
        lone.transport.receive(incoming("INVITE", "sip:alice@example.com", f"Contact: {contact}"))
        accepted = outcome(lone.party.session.accept())
        assert lone.sent() == ["400 INVITE"]
        assert len(accepted) == 1
        lone.finish()


class TestWrongMoments:
    def test_whatCannotBeDoneIsRefused(self) -> None:
        pair = Pair()
        caller = pair.alice.call()
        for deferred in (caller.accept(), caller.progress(), caller.bye(), caller.reinvite(OFFER)):
            assert isinstance(outcome(deferred)[0], WrongMoment)
        with pytest.raises(WrongMoment, match="calling"):
            caller.reject()
        pair.pump()
        callee = pair.bob.session
        assert isinstance(outcome(callee.bye())[0], WrongMoment)
        with pytest.raises(WrongMoment):
            callee.cancel()
        # An offer must be answered (RFC 3261 section 13.3.1.4).
        assert isinstance(outcome(callee.accept())[0], WrongMoment)
        assert callee.state == State.RINGING
        callee.accept(ANSWER)
        assert isinstance(outcome(callee.accept(ANSWER))[0], WrongMoment)
        pair.pump()
        with pytest.raises(WrongMoment):
            caller.cancel()
        pair.finish()
        for deferred in (caller.bye(), caller.sendRequest("INFO"), caller.update()):
            assert isinstance(outcome(deferred)[0], WrongMoment)

    def test_whereThePeerHasNotSaidWhereItIs(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180, ("Contact", ""))
        for deferred in (caller.sendRequest("MESSAGE"), caller.info("x", "text/plain"), caller.update()):
            assert isinstance(outcome(deferred)[0], WrongMoment)
        with pytest.raises(WrongMoment):
            caller.refer("sip:carol@example.com")
        lone.answer(invite, 200, body=ANSWER)
        outcome(caller.update())
        assert lone.sent() == ["ACK", "UPDATE"]
        lone.finish()

    @pytest.mark.parametrize("statusCode", [200, 100, 99])
    def test_noProvisionalResponseIsNone(self, statusCode: int) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        with pytest.raises(ValueError, match="statusCode"):
            lone.party.session.progress(statusCode)
        assert lone.sent() == []
        lone.finish()

    @pytest.mark.parametrize("statusCode", [200, 180, 700])
    def test_noRefusalIsNone(self, statusCode: int) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        with pytest.raises(ValueError, match="statusCode"):
            lone.party.session.reject(statusCode)
        assert lone.party.session.state == State.RINGING
        lone.finish()

    @pytest.mark.parametrize("evil", [("X-Test", "a\r\nb: c"), ("CSeq", "7 INVITE"), ("t", "<sip:x@y.com>")])
    def test_aHeaderThatCannotBeSentChangesNothing(self, evil: tuple[str, str]) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        callee = lone.party.session
        name = "To" if evil[0] == "t" else evil[0]
        with pytest.raises(ValueError, match=name):
            callee.accept(ANSWER, headers=[evil])
        with pytest.raises(ValueError, match=name):
            callee.progress(headers=[evil])
        with pytest.raises(ValueError, match=name):
            callee.reject(headers=[evil])
        assert (callee.state, lone.sent()) == (State.RINGING, [])
        lone.finish()


class TestWhatCannotBeSaid:
    """A header that no message can have is told of, and nothing comes of it."""

    @pytest.mark.parametrize(
        "headers", [[("X-A", "a\r\nY: b")], [("From", "<sip:x@example.com>")], [("a b", "")]]
    )
    def test_inABye(self, headers: list[tuple[str, str]]) -> None:
        pair = Pair()
        caller, _ = pair.establish()
        with pytest.raises(ValueError, match=headers[0][0]):
            caller.bye(headers=headers)
        assert (pair.pump(), caller.state) == ([], State.CONFIRMED)
        caller.bye("SIP;cause=200", iter([("X-A", "1")]))
        assert pair.alice.scene.transport.sent[-1].getHeader("X-A") == "1"
        assert pair.pump() == ["> BYE", "< 200 BYE"]
        pair.finish()

    @pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
    def test_noTimeToWaitFor(self, seconds: float) -> None:
        lone = Lone()
        with pytest.raises(ValueError, match="noAnswerTimeout"):
            lone.party.call(noAnswerTimeout=seconds)
        assert lone.sent() == []
        lone.finish()

    def test_headersMayBeReadOnce(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        session.progress(headers=iter([("X-A", "1")]))
        outcome(session.accept(ANSWER, headers=iter([("X-A", "2")])))
        assert [response.getHeader("X-A") for response in lone.transport.takeAll()] == ["1", "2"]
        lone.within("ACK", 1)
        lone.finish()

    @pytest.mark.parametrize("contact", ["<mailto:a@example.com>", "<sip:", "*"])
    def test_inA2xx(self, contact: str) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        for answer in (session.progress, session.accept):
            with pytest.raises(ValueError, match=r"Contact|expected|URI"):
                answer(headers=[("Contact", contact)])
        assert (lone.sent(), session.state) == ([], State.RINGING)
        session.progress(headers=[("Contact", "<sip:a@example.com>;x")])
        assert lone.take().getHeader("Contact") == "<sip:a@example.com>;x"
        session.reject(302, contacts=["mailto:a@example.com"])
        lone.finish()

    @pytest.mark.parametrize("end", ["cancel", "terminate"])
    def test_inACancel(self, end: str) -> None:
        pair = Pair()
        caller = pair.alice.call()
        pair.pump()
        pair.bob.session.progress()
        pair.pump()
        with pytest.raises(ValueError, match="Reason"):
            getattr(caller, end)("SIP\r\ncause=200")
        assert caller.state == State.EARLY
        caller.cancel("SIP;cause=200")
        assert pair.pump() == ["> CANCEL", "< 200 CANCEL", "< 487 INVITE", "> ACK"]
        pair.finish()


class TestStopping:
    def test_eachCallIsEndedInItsWay(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        established = lone.party.session
        established.accept(ANSWER)
        lone.within("ACK", 1)
        lone.receive(body=OFFER, callID="ringing", branch="z9hG4bKringing")
        calling = lone.party.call()
        invite = next(
            each for each in lone.transport.takeAll() if each.method == "INVITE" and each.fromTag != "bob"
        )
        lone.answer(invite, 180)
        stopped = outcome(lone.party.ua.stop())
        sent = lone.transport.takeAll()
        assert sorted(str(each).split("\r\n")[0].split(" sip")[0] for each in sent) == [
            "BYE",
            "CANCEL",
            "SIP/2.0 480 Temporarily Unavailable",
        ]
        for message in sent:
            if message.method != "INVITE":
                lone.answer(message, 200)
        lone.answer(invite, 487)
        lone.clock.advance(64)
        assert stopped == [None]
        assert {ending.cause for ending in lone.party.endings} == {Cause.STOPPED}
        assert calling.state == established.state == State.TERMINATED

    def test_whatDoesNotEndIsEndedAllTheSame(self) -> None:
        lone = Lone(stopTimeout=3)
        lone.receive(body=OFFER)
        lone.party.session.accept(ANSWER)
        lone.within("ACK", 1)
        stopped = outcome(lone.party.ua.stop())
        lone.clock.advance(3)
        assert stopped == [None]
        assert lone.party.session.state == State.TERMINATED
        lone.clock.advance(64)
        assert lone.party.isIdle()


class TestLostConnections:
    def test_aCallThatIsUpEnds(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        lone.party.session.accept(ANSWER)
        lone.within("ACK", 1)
        lone.transport.lose()
        ending = lone.party.endings[0]
        assert (ending.cause, ending.by) == (Cause.CONNECTION, "network")
        # The transaction of the INVITE absorbs what still comes (RFC 6026).
        lone.clock.advance(32)
        assert lone.party.isIdle()

    def test_aCallThatRingsEnds(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        lone.party.session.progress()
        lone.transport.lose()
        assert lone.party.take() == ["progress", "failed", "terminated"]
        assert lone.party.endings[0].cause == Cause.CONNECTION
        lone.clock.advance(32)
        assert lone.party.isIdle()


def test_aResponseWithinItMayEndIt() -> None:
    # RFC 3261 section 12.2.1.2: 481, 408, and no response at all.
    for statusCode in (481, 408, None):
        lone = Lone()
        lone.receive(body=OFFER)
        callee = lone.party.session
        callee.accept(ANSWER)
        lone.within("ACK", 1)
        lone.transport.takeAll()
        got = outcome(callee.sendRequest("INFO"))
        if statusCode is None:
            lone.clock.advance(32)
            lone.take()
        else:
            lone.answer(lone.take(), statusCode)
        assert lone.sent() == ["BYE"]
        assert len(got) == 1
        lone.finish()


def test_aResponseThatEndsTheDialogEndsTheSession() -> None:
    # RFC 5057 section 5.1: 404 destroys the dialog.
    lone = Lone()
    lone.receive(body=OFFER)
    callee = lone.party.session
    callee.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.takeAll()
    outcome(callee.sendRequest("INFO"))
    lone.answer(lone.take(), 404)
    assert lone.party.endings[0].cause == Cause.DIALOG
    lone.clock.advance(32)
    assert lone.party.isIdle()


def test_aListenerThatRaisesBreaksNothing(flushLoggedErrors: Any) -> None:
    pair = Pair()
    caller = pair.alice.call()

    def raises(*_: object) -> None:
        raise ZeroDivisionError

    for event in ("progress", "accepted", "confirmed", "terminated"):
        caller.on(event, raises)
    pair.pump()
    pair.bob.session.progress()
    pair.pump()
    pair.bob.session.accept(ANSWER)
    pair.pump()
    assert caller.state == State.CONFIRMED
    caller.bye()
    pair.finish()
    assert len(flushLoggedErrors(ZeroDivisionError)) == 4


class TestEarlyMedia:
    def test_the2xxHasTheSameAnswer(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        session.progress(183, body=ANSWER)
        assert isinstance(outcome(session.accept("another answer"))[0], WrongMoment)
        assert isinstance(outcome(session.progress(183, body="another answer"))[0], WrongMoment)
        assert lone.sent() == ["183 INVITE"]
        session.accept()
        accepted = lone.take()
        assert (accepted.statusCode, accepted.body) == (200, ANSWER.encode())
        lone.within("ACK", 1)
        lone.finish()

    def test_aDescriptionMayBeOneOfSeveralParts(self) -> None:
        lone = Lone()
        lone.receive("INVITE", "Content-Type: multipart/mixed;boundary=x", body="--x\r\n\r\nv=0\r\n--x--")
        session = lone.party.session
        assert session.remoteDescription is not None
        assert session.remoteDescription.contentType == "multipart/mixed;boundary=x"
        assert isinstance(outcome(session.accept())[0], WrongMoment)
        lone.finish()


class TestRingingOn:
    def test_proxiesAreAskedForMoreTimeEachMinute(self) -> None:
        # RFC 3261 section 13.3.1.1: "the UAS MUST send a non-100 provisional response at every minute".
        lone = Lone()
        lone.receive(body=OFFER)
        session = lone.party.session
        session.progress(180)
        first = lone.take()
        for _ in range(3):
            lone.clock.advance(59)
            assert lone.sent() == []
            lone.clock.advance(1)
            assert bytes(lone.take()) == bytes(first)
        lone.clock.advance(30)
        session.progress(183)
        assert lone.take().statusCode == 183
        lone.clock.advance(60)
        assert lone.take().statusCode == 183
        session.reject(486)
        assert lone.sent() == ["486 INVITE"]
        lone.finish()

    def test_lessOftenWhereTheCallerAcknowledges(self) -> None:
        lone = Lone()
        lone.receive("INVITE", "Supported: 100rel", body=OFFER)
        session = lone.party.session
        session.progress(183, body=ANSWER)
        numbers = []
        for cseq in (2, 3, 4):
            (response,) = lone.transport.takeAll()
            numbers.append(int(response.getHeader("RSeq")))
            lone.within("PRACK", cseq, f"RAck: {numbers[-1]} 1 INVITE")
            assert lone.sent() == ["200 PRACK"]
            lone.clock.advance(149)
            assert lone.sent() == []
            lone.clock.advance(1)
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        (last,) = lone.transport.takeAll()
        assert (last.statusCode, last.body) == (183, b"")
        lone.within("PRACK", 5, f"RAck: {numbers[0] + 3} 1 INVITE")
        session.accept()
        lone.within("ACK", 1)
        lone.clock.advance(200)
        assert (session.state, lone.sent()) == ("confirmed", ["200 PRACK", "200 INVITE"])
        lone.finish()
