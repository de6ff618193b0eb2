"""REFER within a session (RFC 3515), and sessions that take the place of others (RFC 3891)."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import ReferralFailed, SessionFailed, WrongMoment
from sipws.message import parseMessage
from sipws.session import Cause, Session
from tests.session.pair import ANSWER, OFFER, Lone, Pair
from tests.ua.fakes import incoming, outcome

REFER_TO = "Refer-To: <sip:carol@example.com>"


def called(**options: Any) -> tuple[Lone, Session]:
    """A user agent that was called, and has accepted."""
    lone = Lone(**options)
    lone.receive(body=OFFER)
    session = lone.party.session
    session.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.takeAll()
    return lone, session


def notify(lone: Lone, cseq: int, body: str, event: str, state: str = "active;expires=60") -> None:
    headers = (f"Event: {event}", f"Subscription-State: {state}", "Content-Type: message/sipfrag")
    lone.within("NOTIFY", cseq, *headers, body=body)


class TestOurs:
    def test_whatComesOfItIsTold(self) -> None:
        lone, session = called()
        referral = session.refer("sip:carol@example.com")
        accepted, completed = outcome(referral.whenAccepted()), outcome(referral.whenCompleted())
        told: list[int] = []
        referral.on("progress", lambda outline: told.append(outline.statusCode))
        refer = lone.take()
        assert refer.method == "REFER"
        assert refer.getHeader("Refer-To") == "<sip:carol@example.com>"
        assert refer.getHeader("Referred-By") == "<sip:alice@example.com>"
        lone.answer(refer, 202)
        assert accepted == [referral]
        notify(lone, 2, "SIP/2.0 100 Trying\r\n", "refer")
        notify(lone, 3, "SIP/2.0 180 Ringing\r\n", f"refer;id={refer.cseq}")
        assert completed == []
        notify(lone, 4, "SIP/2.0 200 OK\r\n", "refer", "terminated;reason=noresource")
        assert lone.sent() == ["200 NOTIFY"] * 3
        assert told == [100, 180]
        assert completed[0].isSuccess
        assert referral.subscription is None
        # The session is still there: to end it is for its user.
        assert session.state == "confirmed"
        lone.finish()

    def test_aNotifyBeforeTheResponse(self) -> None:
        # RFC 3515 section 2.4.4.
        lone, session = called()
        referral = session.refer("sip:carol@example.com")
        completed = outcome(referral.whenCompleted())
        refer = lone.take()
        notify(lone, 2, "SIP/2.0 486 Busy Here\r\n", "refer", "terminated;reason=noresource")
        lone.answer(refer, 202)
        assert (completed[0].statusCode, completed[0].isSuccess) == (486, False)
        lone.finish()

    def test_aRefusal(self) -> None:
        lone, session = called()
        failed = outcome(session.refer("sip:carol@example.com").whenCompleted())
        lone.answer(lone.take(), 603)
        assert isinstance(failed[0], ReferralFailed)
        assert failed[0].response is not None
        # Nothing is left that takes NOTIFYs.
        notify(lone, 2, "SIP/2.0 100 Trying\r\n", "refer")
        assert lone.sent() == ["481 NOTIFY"]
        assert session.state == "confirmed"
        lone.finish()

    def test_nothingIsToldInTheEnd(self) -> None:
        lone, session = called()
        failed = outcome(session.refer("sip:carol@example.com").whenCompleted())
        lone.answer(lone.take(), 202)
        notify(lone, 2, "gibberish", "refer")
        notify(lone, 3, "SIP/2.0 100 Trying\r\n", "refer", "terminated;reason=timeout")
        assert isinstance(failed[0], ReferralFailed)
        lone.finish()

    def test_twoAtATime(self) -> None:
        # Section 2.4.6: told apart by id.
        lone, session = called()
        first, second = session.refer("sip:a@example.com"), session.refer("sip:b@example.com")
        for refer in lone.transport.takeAll():
            lone.answer(refer, 202)
            notify(lone, 10 + refer.cseq, f"SIP/2.0 {400 + refer.cseq} x\r\n", f"refer;id={refer.cseq}")
        assert first.outline is not None
        assert second.outline is not None
        assert second.outline.statusCode == first.outline.statusCode + 1
        lone.finish()

    def test_nothingIsToBeTold(self) -> None:
        # RFC 4488.
        lone, session = called()
        referral = session.refer("sip:carol@example.com", subscribe=False)
        completed = outcome(referral.whenCompleted())
        refer = lone.take()
        assert refer.getHeader("Refer-Sub") == "false"
        lone.answer(refer, 200, ("Refer-Sub", "false"))
        assert completed == [None]
        lone.finish()

    def test_aPeerMayTellNothing(self) -> None:
        lone, session = called()
        referral = session.refer("sip:carol@example.com")
        completed = outcome(referral.whenCompleted())
        lone.answer(lone.take(), 200, ("Refer-Sub", "false"))
        assert completed == [None]
        assert referral.subscription is None
        notify(lone, 2, "SIP/2.0 200 OK\r\n", "refer")
        assert lone.sent() == ["481 NOTIFY"]
        lone.finish()

    def test_thereIsNoneWithoutADialog(self) -> None:
        lone = Lone()
        session = lone.party.call()
        with pytest.raises(WrongMoment):
            session.refer("sip:carol@example.com")
        lone.finish()

    def test_aChallengeChangesTheNumber(self) -> None:
        # Section 2.4.6: the id is the CSeq of the REFER that was accepted.
        lone, session = called(authorizationUser="alice", password="secret")
        first = session.refer("sip:a@example.com")
        lone.answer(lone.take(), 603)
        referral = session.refer("sip:b@example.com")
        assert outcome(first.whenCompleted())
        challenged = lone.take()
        challenge = 'Digest realm="x", nonce="n", qop="auth"'
        lone.answer(challenged, 407, ("Proxy-Authenticate", challenge))
        again = lone.take()
        assert again.cseq > challenged.cseq
        notify(lone, 2, "SIP/2.0 180 Ringing\r\n", f"refer;id={again.cseq}")
        lone.answer(again, 202)
        assert lone.sent() == ["200 NOTIFY"]
        assert referral.outline is not None
        assert referral.outline.statusCode == 180
        lone.finish()

    def test_noResponseEndsTheCall(self) -> None:
        # RFC 3261 section 12.2.1.2.
        lone, session = called()
        failed = outcome(session.refer("sip:a@example.com").whenCompleted())
        assert lone.take().method == "REFER"
        lone.clock.advance(32)
        assert isinstance(failed[0], ReferralFailed)
        assert lone.sent() == ["BYE"]
        lone.finish()


class TestOutsideOfCalls:
    def test_ours(self) -> None:
        lone = Lone()
        referral = lone.party.ua.refer("bob", "sip:carol@example.com")
        completed = outcome(referral.whenCompleted())
        refer = lone.take()
        assert refer.toTag is None
        assert refer.getHeader("Referred-By") == "<sip:alice@example.com>"
        identity = {"callID": refer.callID, "fromTag": "bob", "toTag": refer.fromTag, "branch": "z9hG4bKn"}
        headers = ("Event: refer", "Subscription-State: terminated;reason=noresource")
        sipfrag = "Content-Type: message/sipfrag"
        lone.receive("NOTIFY", *headers, sipfrag, body="SIP/2.0 200 OK", cseq=1, **identity)
        lone.answer(refer, 202)
        assert lone.sent() == ["200 NOTIFY"]
        assert completed[0].isSuccess
        lone.finish()

    def test_aRefusal(self) -> None:
        lone = Lone()
        failed = outcome(lone.party.ua.refer("bob", "sip:carol@example.com").whenCompleted())
        lone.answer(lone.take(), 405)
        assert isinstance(failed[0], ReferralFailed)
        lone.finish()

    def test_withoutAListenerThereAreNone(self) -> None:
        lone = Lone()
        lone.receive("REFER", REFER_TO)
        assert lone.sent() == ["405 REFER"]
        lone.finish()

    def test_thePeers(self) -> None:
        lone = Lone()
        references: list[Any] = []
        lone.party.ua.on("refer", references.append)
        lone.receive("REFER", REFER_TO, "Target-Dialog: unknown;local-tag=a;remote-tag=b")
        assert references[0].session is None
        references[0].accept()
        accepted, trying = lone.transport.takeAll()
        assert (accepted.statusCode, trying.body) == (202, b"SIP/2.0 100 Trying\r\n")
        assert accepted.getHeader("Contact")
        lone.answer(trying, 200)
        references[0].notify(603)
        told = lone.take()
        assert told.getHeader("Subscription-State") == "terminated;reason=noresource"
        lone.answer(told, 200)
        lone.finish()

    def test_malformed(self) -> None:
        lone = Lone()
        lone.party.ua.on("refer", lambda reference: reference.accept())
        lone.receive("REFER", "Refer-To: <")
        assert lone.sent() == ["400 REFER"]
        lone.finish()

    def test_oneThatCannotBeAcceptedLeavesNoCall(self) -> None:
        lone = Lone()
        references: list[Any] = []
        lone.party.ua.on("refer", references.append)
        # Without a Contact there is no dialog to tell anything in.
        lone.transport.receive(incoming("REFER", "sip:alice@example.com", REFER_TO))
        with pytest.raises(WrongMoment):
            references[0].follow(OFFER)
        invite, refusal = lone.transport.takeAll()
        assert refusal.statusCode == 400
        lone.answer(invite, 180)
        cancel = lone.take()
        assert cancel.method == "CANCEL"
        lone.answer(cancel, 200)
        lone.answer(invite, 487)
        lone.finish()

    def test_aDeclinedOneLeavesNothing(self) -> None:
        lone = Lone()
        lone.party.ua.on("refer", lambda reference: reference.reject())
        lone.receive("REFER", REFER_TO)
        assert lone.sent() == ["603 REFER"]
        lone.finish()


class TestThePeers:
    def test_withoutAListenerItIsDeclined(self) -> None:
        lone, _ = called()
        lone.within("REFER", 2, REFER_TO)
        assert lone.sent() == ["603 REFER"]
        lone.finish()

    @pytest.mark.parametrize(
        "headers", [(), (REFER_TO, REFER_TO), ("Refer-To: <sip:x@y?Replaces=a>",), ("Refer-To: <>",)]
    )
    def test_malformed(self, headers: tuple[str, ...]) -> None:
        lone, session = called()
        session.on("refer", lambda reference: reference.accept())
        lone.within("REFER", 2, *headers)
        assert lone.sent() == ["400 REFER"]
        lone.finish()

    def test_itIsFollowed(self) -> None:
        lone, session = called()
        made: list[Session] = []
        session.on("refer", lambda reference: made.append(lone.party.watch(reference.follow(OFFER))))
        lone.within("REFER", 2, REFER_TO, "Referred-By: <sip:bob@example.com>")
        invite, accepted, trying = lone.transport.takeAll()
        assert invite.requestURIText == "sip:carol@example.com"
        assert invite.getHeader("Referred-By") == "<sip:bob@example.com>"
        assert invite.callID != session.id
        assert accepted.statusCode == 202
        assert (trying.getHeader("Event"), trying.body) == ("refer;id=2", b"SIP/2.0 100 Trying\r\n")
        assert str(trying.getHeader("Subscription-State")).startswith("active;expires=")
        lone.answer(trying, 200)
        lone.answer(invite, 180, tag="carol")
        ringing = lone.take()
        assert ringing.body == b"SIP/2.0 180 x\r\n"
        lone.answer(ringing, 200)
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        final, ack = sorted(lone.transport.takeAll(), key=lambda message: message.method, reverse=True)
        assert ack.method == "ACK"
        assert final.body == b"SIP/2.0 200 x\r\n"
        assert final.getHeader("Subscription-State") == "terminated;reason=noresource"
        lone.answer(final, 200)
        assert made[0].state == session.state == "confirmed"
        lone.finish()

    def test_aFailureIsTold(self) -> None:
        lone, session = called()
        session.on("refer", lambda reference: lone.party.watch(reference.follow(OFFER)))
        lone.within("REFER", 2, REFER_TO)
        invite, _, trying = lone.transport.takeAll()
        lone.answer(trying, 200)
        lone.answer(invite, 486)
        told = [message for message in lone.transport.takeAll() if message.method == "NOTIFY"]
        assert told[0].body == b"SIP/2.0 486 x\r\n"
        lone.answer(told[0], 200)
        assert session.state == "confirmed"
        lone.finish()

    def test_afterTheEndItIsTooLate(self) -> None:
        lone, session = called()
        references: list[Any] = []
        session.on("refer", references.append)
        lone.within("REFER", 2, REFER_TO)
        lone.within("BYE", 3)
        assert lone.sent() == ["200 BYE"]
        with pytest.raises(WrongMoment):
            references[0].follow(OFFER)
        assert lone.sent() == ["481 REFER"]
        lone.finish()

    def test_theHeadersOfTheURI(self) -> None:
        lone, session = called()
        session.on("refer", lambda reference: lone.party.watch(reference.follow(OFFER)))
        lone.within(
            "REFER", 2, "Refer-To: <sip:carol@c.invalid?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2&From=evil>"
        )
        invite = lone.take()
        assert invite.getHeader("Replaces") == "x;to-tag=1;from-tag=2"
        assert "replaces" in invite.getHeaders("Require")
        assert "evil" not in invite.getHeader("From")
        lone.transport.takeAll()
        lone.answer(invite, 481)
        lone.finish()

    def test_byHand(self) -> None:
        lone, session = called()
        references: list[Any] = []
        session.on("refer", references.append)
        lone.within("REFER", 2, "Refer-To: <https://example.com/>")
        assert lone.sent() == []
        reference = references[0]
        with pytest.raises(WrongMoment):
            reference.follow()
        reference.accept()
        assert lone.transport.take().statusCode == 202
        lone.answer(lone.take(), 200)
        reference.notify(200)
        told = lone.take()
        assert told.body == b"SIP/2.0 200 OK\r\n"
        lone.answer(told, 200)
        with pytest.raises(WrongMoment):
            reference.reject()
        lone.finish()

    def test_whatIsNoAnswerIsRefused(self) -> None:
        lone, session = called()
        references: list[Any] = []
        session.on("refer", references.append)
        lone.within("REFER", 2, REFER_TO)
        (reference,) = references
        for statusCode in (100, 200, 700):
            with pytest.raises(ValueError, match="statusCode"):
                reference.reject(statusCode)
        assert lone.sent() == []
        reference.accept()
        assert lone.transport.take().statusCode == 202
        lone.answer(lone.take(), 200)
        for statusCode, phrase in ((99, None), (700, None), (200, "OK\r\nSubject: x")):
            with pytest.raises(ValueError, match=r"statusCode|reasonPhrase"):
                reference.notify(statusCode, phrase)
        assert lone.sent() == []
        reference.notify(486)
        lone.answer(lone.take(), 200)
        lone.finish()

    def test_thePeerWantsToBeToldNothing(self) -> None:
        lone, session = called()
        session.on("refer", lambda reference: reference.accept())
        lone.within("REFER", 2, REFER_TO, "Refer-Sub: false", "Supported: norefersub")
        (accepted,) = lone.transport.takeAll()
        assert (accepted.statusCode, accepted.getHeader("Refer-Sub")) == (202, "false")
        lone.finish()


class TestReplaces:
    def replacing(self, session: Session, *parameters: str, **tags: str) -> str:
        """Write what names the session to its user agent."""
        assert session.dialog is not None
        dialogID = session.dialog.id
        parts = [dialogID.callID, f"to-tag={dialogID.localTag}", f"from-tag={dialogID.remoteTag}"]
        return f"Replaces: {';'.join([*parts, *parameters])}"

    def ring(self, lone: Lone, *headers: str) -> None:
        lone.receive("INVITE", *headers, body=OFFER, callID="new", branch="z9hG4bKnew", fromTag="carol")

    def test_aSessionIsReplaced(self) -> None:
        lone, old = called()
        told: list[Any] = []
        old.on("replaced", told.append)
        self.ring(lone, self.replacing(old), "Require: replaces")
        new = lone.party.session
        assert new.replaces is old
        assert old.state == "confirmed"
        new.accept(ANSWER)
        success, bye = lone.transport.takeAll()
        assert (success.statusCode, bye.method, bye.callID) == (200, "BYE", old.id)
        lone.answer(bye, 200)
        assert told == [new]
        assert old.ending is not None
        assert old.ending.cause == Cause.REPLACED
        lone.within("ACK", 1)
        lone.finish()

    def test_whatEndsMeanwhileIsNotReplaced(self) -> None:
        lone, old = called()
        told: list[Any] = []
        old.on("replaced", told.append)
        self.ring(lone, self.replacing(old))
        new = lone.party.session
        old.bye()
        lone.answer(lone.take(), 200)
        new.accept(ANSWER)
        assert lone.sent() == ["200 INVITE"]
        assert told == []
        lone.within("ACK", 1)
        lone.finish()

    def test_byOptionNothingIs(self) -> None:
        lone, old = called(replaces="none")
        self.ring(lone, self.replacing(old))
        new = lone.party.session
        assert new is not old
        assert new.replaces is None
        new.accept(ANSWER)
        assert lone.sent() == ["200 INVITE"]
        lone.within("ACK", 1)
        assert old.state == "confirmed"
        # Whoever insists is told so.
        headers = (self.replacing(old), "Require: replaces")
        lone.receive("INVITE", *headers, body=OFFER, callID="third", branch="z9hG4bKthird")
        refusal = lone.take()
        assert (refusal.statusCode, refusal.getHeader("Unsupported")) == (420, "replaces")
        lone.finish()

    def test_aRefusalLeavesItAlone(self) -> None:
        lone, old = called()
        self.ring(lone, self.replacing(old))
        lone.party.session.reject(486)
        assert old.state == "confirmed"
        lone.finish()

    def test_anEarlyOneOfOursIsCancelled(self) -> None:
        lone = Lone()
        old = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180)
        self.ring(lone, self.replacing(old, "early-only"))
        lone.party.session.accept(ANSWER)
        success, cancel = lone.transport.takeAll()
        assert (success.statusCode, cancel.method) == (200, "CANCEL")
        lone.answer(cancel, 200)
        lone.answer(invite, 487)
        lone.within("ACK", 1)
        lone.finish()

    # RFC 3891 section 3.
    def test_whatIsRefused(self) -> None:
        lone, old = called()
        refused = []
        cases = [
            ("Replaces: other;to-tag=1;from-tag=2",),
            (self.replacing(old, "early-only"),),
            (self.replacing(old), self.replacing(old)),
            ("Replaces: nothing",),
        ]
        for index, headers in enumerate(cases):
            text = incoming(
                "INVITE",
                "sip:alice@example.com",
                "Contact: <sip:c@c>",
                *headers,
                callID=f"n{index}",
                branch=f"z9hG4bKn{index}",
            )
            assert parseMessage(text)
            lone.transport.receive(text)
            refused.append(lone.take().statusCode)
        assert refused == [481, 486, 400, 400]
        assert old.state == "confirmed"
        assert len(lone.party.sessions) == 1
        lone.finish()

    def test_anEarlyOneOfThePeersIsNot(self) -> None:
        lone = Lone()
        lone.receive(body=OFFER)
        ringing = lone.party.session
        ringing.progress()
        lone.transport.takeAll()
        self.ring(lone, self.replacing(ringing))
        assert lone.sent() == ["481 INVITE"]
        assert ringing.state == "ringing"
        lone.finish()

    def test_oneThatEndsIsNot(self) -> None:
        lone, old = called()
        header = self.replacing(old)
        old.bye()
        bye = lone.take()
        self.ring(lone, header)
        assert lone.sent() == ["603 INVITE"]
        lone.answer(bye, 200)
        lone.finish()

    def test_weReplace(self) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        new = pair.alice.call(replaces=caller)
        assert pair.pump() == ["> INVITE"]
        assert pair.bob.session.replaces is callee
        pair.bob.session.accept(ANSWER)
        assert pair.pump() == ["< 200 INVITE", "< BYE", "> ACK", "> 200 BYE"]
        assert (caller.state, new.state) == ("terminated", "confirmed")
        pair.finish()

    def test_butNotWhatIsNotThere(self) -> None:
        lone = Lone()
        session = lone.party.call()
        with pytest.raises(WrongMoment):
            lone.party.ua.invite("bob", OFFER, replaces=session)
        failed = outcome(session.whenAccepted())
        lone.answer(lone.take(), 486)
        assert isinstance(failed[0], SessionFailed)
        lone.finish()
