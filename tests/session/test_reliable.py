"""Reliable provisional responses (RFC 3262), on either side."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import SessionFailed, WrongMoment
from sipws.session import Cause, Offer
from tests.session.pair import ANSWER, OFFER, Lone, Pair
from tests.ua.fakes import outcome

SUPPORTED, REQUIRED = "Supported: 100rel", "Require: 100rel"


def ring(*headers: str, body: str = OFFER) -> Lone:
    lone = Lone()
    lone.receive("INVITE", *headers, body=body)
    return lone


def prack(lone: Lone, response: Any, cseq: int = 2, body: str = "", changed: Any = None) -> None:
    changed = changed or {}
    rseq = changed.get("rseq", int(response.getHeader("RSeq")))
    invite = changed.get("invite", response.cseq)
    lone.within("PRACK", cseq, f"RAck: {rseq} {invite} INVITE", body=body)


class TestWhoIsCalled:
    def test_whatHasABodyIsReliableWhereThePeerCan(self) -> None:
        lone = ring(SUPPORTED)
        acknowledged = outcome(lone.party.session.progress(183, body=ANSWER))
        response = lone.take()
        assert response.getHeader("Require") == "100rel"
        assert 1 <= int(response.getHeader("RSeq")) < 2**31
        assert acknowledged == []
        prack(lone, response)
        assert lone.sent() == ["200 PRACK"]
        assert acknowledged == [True]
        # The answer is there: the 2xx has none (RFC 3262 section 5).
        assert isinstance(outcome(lone.party.session.accept(ANSWER))[0], WrongMoment)
        lone.party.session.accept()
        accepted = lone.take()
        assert (accepted.statusCode, accepted.body) == (200, b"")
        lone.within("ACK", 1)
        lone.finish()

    def test_otherwiseItIsNot(self) -> None:
        lone = ring(SUPPORTED)
        assert outcome(lone.party.session.progress()) == [True]
        assert not lone.take().hasHeader("RSeq")
        lone = ring()
        assert outcome(lone.party.session.progress(183, body=ANSWER)) == [True]
        assert not lone.take().hasHeader("RSeq")
        with pytest.raises(ValueError, match="reliable"):
            lone.party.session.progress(reliable=True)
        lone.finish()

    def test_whereThePeerInsistsAllAre(self) -> None:
        # RFC 3262 section 3: "the UAS MUST send any non-100 provisional response reliably".
        lone = ring(REQUIRED)
        lone.party.session.progress(reliable=False)
        response = lone.take()
        assert response.hasHeader("RSeq")
        prack(lone, response)
        lone.finish()

    def test_theyAreSentAgainUntilAcknowledged(self) -> None:
        lone = ring(SUPPORTED)
        lone.party.session.progress(reliable=True)
        response = lone.take()
        times = []
        for half in range(1, 16):
            lone.clock.advance(0.5)
            times += [half / 2] * len(lone.sent())
        assert times == [0.5, 1.5, 3.5, 7.5]
        prack(lone, response)
        lone.take()
        lone.clock.advance(16)
        assert lone.sent() == []
        lone.finish()

    def test_withoutAPrackTheInviteIsRefused(self) -> None:
        lone = ring(SUPPORTED)
        accepted = outcome(lone.party.session.whenConfirmed())
        lone.party.session.progress(reliable=True)
        lone.clock.pump([0.5] * 64)
        last = lone.transport.takeAll()[-1]
        assert 500 <= last.statusCode < 600
        assert isinstance(accepted[0], SessionFailed)
        assert lone.party.endings[0].cause == Cause.NO_ACK
        lone.finish()

    def test_oneAfterTheOther(self) -> None:
        lone = ring(SUPPORTED)
        session = lone.party.session
        got = [outcome(session.progress(status, reliable=True)) for status in (180, 181, 183)]
        numbers = []
        for cseq in (2, 3, 4):
            (response,) = lone.transport.takeAll()
            numbers.append(int(response.getHeader("RSeq")))
            prack(lone, response, cseq)
            assert lone.take().statusCode == 200
            lone.clock.advance(0)
        assert numbers == [numbers[0], numbers[0] + 1, numbers[0] + 2]
        assert got == [[True], [True], [True]]
        lone.finish()

    @pytest.mark.parametrize("changed", [{"rseq": 7}, {"invite": 9}])
    def test_aPrackOfAnotherIs481(self, changed: dict[str, int]) -> None:
        lone = ring(SUPPORTED)
        acknowledged = outcome(lone.party.session.progress(reliable=True))
        response = lone.take()
        prack(lone, response, changed=changed)
        assert lone.sent() == ["481 PRACK"]
        assert acknowledged == []
        lone.within("PRACK", 3, "RAck: nonsense")
        assert lone.sent() == ["481 PRACK"]
        prack(lone, response, 4)
        # And one that has been there.
        prack(lone, response, 5)
        assert lone.sent() == ["200 PRACK", "481 PRACK"]
        lone.finish()

    def test_the2xxWaitsForThePrack(self) -> None:
        # RFC 3262 section 3: "it MUST NOT send a final response until those provisional responses are
        # acknowledged."
        lone = ring(SUPPORTED)
        session = lone.party.session
        session.progress(183, body=ANSWER)
        response = lone.take()
        session.accept()
        assert isinstance(outcome(session.accept())[0], WrongMoment)
        assert lone.sent() == []
        prack(lone, response)
        lone.clock.advance(0)
        assert lone.sent() == ["200 PRACK", "200 INVITE"]
        lone.within("ACK", 1)
        assert session.state == "confirmed"
        lone.finish()

    def test_anOfferIsAnsweredInThePrack(self) -> None:
        lone = ring(SUPPORTED, body="")
        session = lone.party.session
        session.progress(183, body=OFFER)
        prack(lone, lone.take(), body=ANSWER)
        assert session.remoteDescription is not None
        assert session.remoteDescription.body == ANSWER.encode()
        session.accept()
        assert lone.sent() == ["200 PRACK", "200 INVITE"]
        lone.within("ACK", 1)
        lone.finish()

    def test_the2xxHasNoOtherAnswerThanOneThatLeftBefore(self) -> None:
        lone = ring(SUPPORTED)
        session = lone.party.session
        session.progress(180, reliable=True)
        session.progress(183, body=ANSWER)
        outcome(session.accept("another"))
        for cseq in (2, 3):
            prack(lone, lone.take(), cseq)
            assert lone.take().statusCode == 200
            lone.clock.advance(0)
        accepted = lone.take()
        assert (accepted.statusCode, accepted.body) == (200, b"")
        lone.within("ACK", 1)
        outcome(session.reinvite("new offer"))
        lone.answer(lone.take(), 200, body="new answer")
        assert lone.sent() == ["ACK"]
        lone.finish()

    def test_whoWaitedForThePrackFindsItsAnswer(self) -> None:
        lone = ring(SUPPORTED, body="")
        session = lone.party.session
        found: list[Any] = []
        session.progress(183, body=OFFER).addCallback(lambda _: found.append(session.remoteDescription))
        prack(lone, lone.take(), body=ANSWER)
        assert found[0].body == ANSWER.encode()
        lone.finish()

    def test_whoRefusesTheCallWhenThePrackComesIsAskedNothing(self) -> None:
        lone = ring(SUPPORTED)
        session = lone.party.session
        session.on("offer", lambda _: lone.party.events.append("offer"))
        session.progress(183, body=ANSWER).addCallback(lambda _: session.reject(486))
        prack(lone, lone.take(), body="their offer")
        assert lone.sent() == ["486 INVITE", "487 PRACK"]
        assert lone.party.take() == ["progress", "offer", "failed", "terminated"]
        lone.finish()

    def test_anOfferInThePrackIsAnsweredInIts2xx(self) -> None:
        # RFC 3262 section 5.
        lone = ring(SUPPORTED)
        session = lone.party.session
        session.on("offer", lambda offer: offer.accept("second answer"))
        session.progress(183, body=ANSWER)
        prack(lone, lone.take(), body="second offer")
        response = lone.take()
        assert (response.statusCode, response.body) == (200, b"second answer")
        lone.finish()

    def test_theEndAnswersAnOfferInAPrackThatWaits(self) -> None:
        lone = ring(SUPPORTED)
        session = lone.party.session
        offers: list[Offer] = []
        session.on("offer", offers.append)
        session.progress(183, body=ANSWER)
        prack(lone, lone.take(), body="another offer")
        assert (lone.sent(), len(offers)) == ([], 1)
        session.reject(486)
        assert lone.sent() == ["486 INVITE", "487 PRACK"]
        assert offers[0].isAnswered
        lone.finish()

    def test_anOfferMustBeReliable(self) -> None:
        # RFC 3261 section 13.2.1.
        lone = ring(body="")
        assert isinstance(outcome(lone.party.session.progress(183, body=OFFER))[0], WrongMoment)
        assert lone.sent() == []
        lone.finish()

    @pytest.mark.parametrize("expires", [[], ["Expires: 60"]])
    def test_the2xxWaitsForAllOfThem(self, expires: list[str]) -> None:
        lone = ring(SUPPORTED, *expires)
        session = lone.party.session
        session.progress(183, body=ANSWER)
        session.progress(180, reliable=True)
        (first,) = lone.transport.takeAll()
        session.accept()
        prack(lone, first)
        lone.clock.advance(0)
        _, second = lone.transport.takeAll()
        assert (second.statusCode, second.body) == (180, b"")
        prack(lone, second, 3)
        lone.clock.advance(0)
        assert lone.sent() == ["200 PRACK", "200 INVITE"]
        lone.within("ACK", 1)
        # It does not expire any more.
        lone.clock.advance(100)
        assert (lone.sent(), session.state) == ([], "confirmed")
        lone.finish()

    def test_whatIsNeverAcknowledgedIsSaidToBeSo(self) -> None:
        lone = ring(SUPPORTED)
        session = lone.party.session
        got = [outcome(session.progress(status, reliable=True)) for status in (180, 183)]
        session.reject(486)
        assert got == [[False], [False]]
        lone.finish()

    def test_anOfferInThePrackToWhatHasNoAnswerIsRefused(self) -> None:
        # RFC 3264 section 4: "it MUST NOT generate a new offer if it has generated a prior offer for
        # which it has not yet received an answer or a rejection."
        lone = ring(SUPPORTED)
        session = lone.party.session
        session.progress(180, reliable=True)
        prack(lone, lone.take(), body="another offer")
        assert lone.sent() == ["500 PRACK"]
        session.accept(ANSWER)
        lone.within("ACK", 1)
        assert session.remoteDescription is not None
        assert (session.state, session.remoteDescription.body) == ("confirmed", OFFER.encode())
        lone.finish()

    def test_aCancelEndsTheWaiting(self) -> None:
        lone = ring(SUPPORTED)
        lone.party.session.progress(reliable=True)
        lone.take()
        lone.receive("CANCEL", branch="z9hG4bKin")
        assert lone.sent() == ["200 CANCEL", "487 INVITE"]
        lone.clock.advance(20)
        assert lone.sent() == []
        lone.finish()


class TestWhoCalls:
    def reliably(self, lone: Lone, invite: Any, number: int, body: str = "", status: int = 183) -> None:
        lone.answer(invite, status, ("Require", "100rel"), ("RSeq", number), body=body)

    def test_itSaysThatItCan(self) -> None:
        lone = Lone()
        lone.party.call()
        assert "100rel" in lone.take().getHeader("Supported")
        lone.finish()

    def test_eachIsAcknowledged(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        self.reliably(lone, invite, 17, ANSWER)
        prack = lone.take()
        assert (prack.method, prack.getHeader("RAck")) == ("PRACK", f"17 {invite.cseq} INVITE")
        lone.answer(prack, 200)
        assert caller.remoteDescription is not None
        self.reliably(lone, invite, 18)
        assert lone.take().getHeader("RAck") == f"18 {invite.cseq} INVITE"
        assert lone.party.take() == ["progress", "progress"]
        lone.finish()

    @pytest.mark.parametrize("second", [17, 16, 19])
    def test_whatIsOutOfOrderIsNot(self, second: int) -> None:
        # RFC 3262 section 4.
        lone = Lone()
        lone.party.call()
        invite = lone.take()
        for number in (17, second):
            self.reliably(lone, invite, number)
        assert lone.sent() == ["PRACK"]
        assert lone.party.take() == ["progress"]
        lone.finish()

    @pytest.mark.parametrize("number", ["nonsense", "0", "99999999999"])
    def test_oneWithoutItsNumberIsDropped(self, number: str) -> None:
        lone = Lone()
        lone.party.call()
        lone.answer(lone.take(), 183, ("Require", "100rel"), ("RSeq", number))
        assert lone.sent() == []
        assert lone.party.take() == []
        lone.finish()

    def test_anOfferInOneIsAnsweredInThePrack(self) -> None:
        lone = Lone()
        caller = lone.party.call(body="")
        offers: list[Any] = []
        caller.on("offer", offers.append)
        invite = lone.take()
        self.reliably(lone, invite, 1, OFFER)
        assert lone.sent() == []
        offers[0].accept(ANSWER)
        prack = lone.take()
        assert (prack.method, prack.body) == ("PRACK", ANSWER.encode())
        lone.answer(prack, 200)
        lone.answer(invite, 200)
        assert lone.sent() == ["ACK"]
        assert caller.state == "confirmed"
        lone.finish()

    def test_aPreviewIsNoAnswerYet(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 183, body="preview")
        assert caller.remoteDescription is not None
        assert caller.remoteDescription.body == b"preview"
        # An UPDATE with an offer must wait for the answer (RFC 3311 section 5.1).
        assert isinstance(outcome(caller.update(OFFER))[0], WrongMoment)
        # A 2xx without a body leaves what was previewed.
        lone.answer(invite, 200)
        assert lone.sent() == ["ACK"]
        assert caller.remoteDescription.body == b"preview"
        lone.finish()

    def test_aPrackThatIsUnknownEndsTheCall(self) -> None:
        lone = Lone()
        lone.party.call()
        invite = lone.take()
        self.reliably(lone, invite, 1)
        lone.answer(lone.take(), 481)
        assert lone.sent() == ["CANCEL"]
        lone.answer(invite, 487)
        lone.finish()


def test_bothTogether() -> None:
    pair = Pair()
    caller = pair.alice.call()
    pair.pump()
    callee = pair.bob.session
    callee.progress(183, body=ANSWER)
    assert pair.pump() == ["< 183 INVITE", "> PRACK", "< 200 PRACK"]
    updated = outcome(caller.update("second offer"))
    callee.on("offer", lambda offer: offer.accept("second answer"))
    assert pair.pump() == ["> UPDATE", "< 200 UPDATE"]
    assert updated[0].body == b"second answer"
    callee.accept()
    assert pair.pump() == ["< 200 INVITE", "> ACK"]
    assert caller.remoteDescription is not None
    assert caller.remoteDescription.body == b"second answer"
    pair.finish()


class TestOption:
    """C{rel100} of the configuration: who supports them, and who must."""

    @pytest.mark.parametrize(
        ("option", "supported", "required"),
        [("none", False, []), ("supported", True, []), ("required", True, ["100rel"])],
    )
    def test_theInviteSaysSo(self, option: str, supported: bool, required: list[str]) -> None:
        lone = Lone(rel100=option)
        lone.party.call()
        invite = lone.take()
        assert ("100rel" in invite.getHeaders("Supported")) is supported
        assert invite.getHeaders("Require") == required
        lone.answer(invite, 486)
        lone.finish()

    def test_withNoneTheyCannotBeRequired(self) -> None:
        # RFC 3262 section 3: "If the UAS is unwilling to do so, it MUST reject [it] with a 420".
        lone = Lone(rel100="none")
        lone.receive("INVITE", REQUIRED, body=OFFER)
        response = lone.take()
        assert (response.statusCode, response.getHeader("Unsupported")) == (420, "100rel")
        assert not lone.party.sessions
        lone.finish()

    def test_withNoneTheyAreNotMade(self) -> None:
        lone = Lone(rel100="none")
        lone.receive("INVITE", SUPPORTED, body=OFFER)
        assert outcome(lone.party.session.progress(183, body=ANSWER)) == [True]
        assert not lone.take().hasHeader("RSeq")
        with pytest.raises(ValueError, match="rel100 is none"):
            lone.party.session.progress(reliable=True)
        lone.finish()

    def test_whereTheyAreRequiredWhoCannotIsRefused(self) -> None:
        # RFC 3261 section 21.4.16.
        lone = Lone(rel100="required")
        lone.receive("INVITE", body=OFFER)
        response = lone.take()
        assert (response.statusCode, response.getHeader("Require")) == (421, "100rel")
        assert not lone.party.sessions
        lone.finish()

    def test_whereTheyAreRequiredAllAre(self) -> None:
        lone = Lone(rel100="required")
        lone.receive("INVITE", SUPPORTED, body=OFFER)
        lone.party.session.progress()
        response = lone.take()
        assert response.hasHeader("RSeq")
        prack(lone, response)
        lone.finish()
