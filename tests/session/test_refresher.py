"""Sessions that are refreshed in time, or end (RFC 4028)."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.session import Cause, Session
from tests.session.pair import ANSWER, OFFER, Lone, Pair, short
from tests.ua.fakes import outcome

ALLOW = "Allow: INVITE, ACK, BYE, UPDATE"


def interval(message: Any) -> str | None:
    value = message.getHeader("Session-Expires")
    return None if value is None else str(value)


def called(*headers: str, **options: Any) -> tuple[Lone, Session, Any]:
    """A user agent that was called, and has accepted; with its 2xx."""
    lone = Lone(**options)
    lone.receive("INVITE", *headers, body=OFFER)
    session = lone.party.session
    session.accept(ANSWER)
    success = lone.transport.takeAll()[-1]
    lone.within("ACK", 1)
    return lone, session, success


def calling(*headers: tuple[str, object], **options: Any) -> tuple[Lone, Session, Any]:
    """A user agent that has called, and was accepted; with its INVITE."""
    lone = Lone(**options)
    session = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 200, *headers, body=ANSWER)
    lone.transport.takeAll()
    return lone, session, invite


class TestNegotiation:
    def test_timersAreSupportedAndNotAskedFor(self) -> None:
        lone, _, invite = calling()
        assert "timer" in invite.getHeaders("Supported")
        assert interval(invite) is None
        lone.finish()

    def test_oneIsAskedForByOption(self) -> None:
        lone, _, invite = calling(sessionExpires=1800, sessionMinExpires=120)
        assert interval(invite) == "1800"
        assert invite.getHeader("Min-SE") == "120"
        lone.finish()

    def test_thePeersIsTaken(self) -> None:
        lone, _, success = called("Supported: timer", "Session-Expires: 1800")
        assert interval(success) == "1800;refresher=uac"
        assert success.getHeader("Require") == "timer"
        lone.finish()

    def test_whatIsTooSmallIsNoCall(self) -> None:
        lone = Lone(sessionMinExpires=600)
        lone.receive("INVITE", "Supported: timer", "Session-Expires: 300", body=OFFER)
        refusal = lone.take()
        assert (refusal.statusCode, refusal.getHeader("Min-SE")) == (422, "600")
        assert lone.party.sessions == []
        lone.finish()

    def test_whatCannotBeReadIsNoCall(self) -> None:
        lone = Lone()
        lone.receive("INVITE", "Supported: timer", "Session-Expires: soon", body=OFFER)
        assert lone.sent() == ["400 INVITE"]
        lone.finish()

    def test_aMinSEThatCannotBeReadIsNoCallEither(self) -> None:
        lone = Lone()
        lone.receive("INVITE", "Supported: timer", "Min-SE: some", body=OFFER)
        assert lone.sent() == ["400 INVITE"]
        lone.finish()

    def test_a422IsAskedAgain(self) -> None:
        lone = Lone(sessionExpires=300)
        session = lone.party.call()
        first = lone.take()
        lone.answer(first, 422, ("Min-SE", 900))
        ack, second = lone.transport.takeAll()
        assert short(ack) == "ACK"
        # Section 7.3: the same Call-ID, To and From, and the next CSeq.
        assert (second.callID, second.fromTag, second.cseq) == (first.callID, first.fromTag, first.cseq + 1)
        assert (interval(second), second.getHeader("Min-SE")) == ("900", "900")
        assert second.body == first.body
        lone.answer(second, 200, ("Session-Expires", "900;refresher=uac"), body=ANSWER)
        assert session.state == "confirmed"
        assert session.request.cseq == second.cseq
        lone.finish()

    def test_butNotForEver(self) -> None:
        lone = Lone(sessionExpires=300)
        lone.party.call()
        lone.answer(lone.take(), 422, ("Min-SE", 300))
        assert lone.sent() == ["ACK"]
        assert lone.party.take() == ["failed", "terminated"]
        lone.finish()

    def test_aCallThatIsGivenUpIsNotAskedAgain(self) -> None:
        lone = Lone(sessionExpires=300)
        session = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180)
        session.cancel()
        lone.take()
        lone.answer(invite, 422, ("Min-SE", 900))
        assert lone.sent() == ["ACK"]
        assert lone.party.endings[-1].cause == Cause.CANCELLED
        lone.finish()


class TestRefreshing:
    def test_weRefreshHalfway(self) -> None:
        lone, session, _ = calling(("Session-Expires", "1800;refresher=uac"), ("Allow", "INVITE, UPDATE"))
        refreshed: list[bool] = []
        session.on("refresh", lambda: refreshed.append(True))
        lone.clock.advance(899)
        assert lone.sent() == []
        for _ in range(3):
            lone.clock.advance(900)
            update = lone.take()
            assert (update.method, update.body) == ("UPDATE", b"")
            # Who refreshes goes on to do so.
            assert interval(update) == "1800;refresher=uac"
            lone.answer(update, 200, ("Session-Expires", "1800;refresher=uac"))
        assert len(refreshed) == 3
        assert session.state == "confirmed"
        lone.finish()

    def test_byReinviteWhereThePeerHasNoUpdate(self) -> None:
        lone, _, _ = calling(("Session-Expires", "90;refresher=uac"))
        lone.clock.advance(45)
        invite = lone.take()
        # Section 7.4: with an offer that says that nothing has changed.
        assert (invite.method, invite.body) == ("INVITE", OFFER.encode())
        lone.answer(invite, 200, ("Session-Expires", "90;refresher=uac"), body=ANSWER)
        assert lone.sent() == ["ACK"]
        lone.finish()

    def test_byReinviteWhereItsAllowSaysSo(self) -> None:
        lone, _, _ = calling(("Session-Expires", "90;refresher=uac"), ("Allow", "INVITE, ACK, BYE"))
        lone.clock.advance(45)
        assert lone.sent() == ["INVITE"]
        lone.finish()

    def test_byReinviteWhereThePeerRefusesUpdate(self) -> None:
        lone, _, _ = calling(("Session-Expires", "90;refresher=uac"), ("Allow", "INVITE, UPDATE"))
        lone.clock.advance(45)
        lone.answer(lone.take(), 405)
        invite = lone.take()
        assert invite.method == "INVITE"
        lone.answer(invite, 200, ("Session-Expires", "90;refresher=uac"), body=ANSWER)
        lone.take()
        lone.clock.advance(45)
        assert lone.take().method == "INVITE"
        lone.finish()

    def test_aRefreshThatIsTooSmallIsAskedAgain(self) -> None:
        lone, _, _ = calling(("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE"))
        lone.clock.advance(45)
        lone.answer(lone.take(), 422, ("Min-SE", 600))
        again = lone.take()
        assert (interval(again), again.getHeader("Min-SE")) == ("600;refresher=uac", "600")
        lone.answer(again, 200, ("Session-Expires", "600;refresher=uac"))
        lone.clock.advance(299)
        assert lone.sent() == []
        lone.finish()

    def test_withoutARefreshItEnds(self) -> None:
        lone, session, _ = calling(("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE"))
        lone.clock.advance(45)
        lone.answer(lone.take(), 500)
        lone.clock.advance(14)
        assert session.state == "confirmed"
        lone.clock.advance(1)
        bye = lone.take()
        assert bye.method == "BYE"
        assert "not refreshed" in bye.getHeader("Reason")
        lone.answer(bye, 200)
        assert lone.party.endings[-1].cause == Cause.EXPIRED
        lone.finish()

    def test_aPeerThatKnowsNothingOfItIsRefreshed(self) -> None:
        # Section 7.2: a timer for our benefit alone.
        lone, _, _ = calling(sessionExpires=600)
        lone.clock.advance(300)
        assert lone.sent() == ["INVITE"]
        lone.finish()

    def test_aTimerCanBeTurnedOff(self) -> None:
        lone, session, _ = calling(("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE"))
        session.reinvite("new offer")
        invite = lone.take()
        lone.answer(invite, 200, ("Session-Expires", "90;refresher=uas"), body="new answer")
        lone.take()
        # A refresh of the peer's that asks for no timer ends it.
        lone.within("UPDATE", 7)
        assert interval(lone.take()) is None
        lone.clock.advance(1000)
        assert lone.sent() == []
        lone.finish()

    def test_anAnswererRefreshesToo(self) -> None:
        lone, _, success = called(ALLOW, "Supported: timer", "Session-Expires: 600;refresher=uas")
        assert interval(success) == "600;refresher=uas"
        lone.clock.advance(300)
        update = lone.take()
        assert (update.method, interval(update)) == ("UPDATE", "600;refresher=uac")
        lone.finish()


class TestThePeerRefreshes:
    @pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
    def test_aRefreshOfThePeersKeepsItUp(self, method: str) -> None:
        lone, session, _ = called("Supported: timer", "Session-Expires: 90;refresher=uac")
        for cseq in (2, 3, 4):
            lone.clock.advance(59)
            headers = ("Supported: timer", "Session-Expires: 90;refresher=uac")
            lone.within(method, cseq, *headers, body=OFFER if method == "INVITE" else "")
            success = lone.transport.takeAll()[-1]
            assert (success.statusCode, interval(success)) == (200, "90;refresher=uac")
            if method == "INVITE":
                lone.within("ACK", cseq)
        assert session.state == "confirmed"
        lone.finish()

    def test_withoutOneItEndsBeforeTheInterval(self) -> None:
        # Section 10: the minimum of 32 seconds and one third of the interval.
        lone, _, _ = called("Supported: timer", "Session-Expires: 1800;refresher=uac")
        lone.clock.advance(1767)
        assert lone.sent() == []
        lone.clock.advance(1)
        assert lone.sent() == ["BYE"]
        lone.finish()

    @pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
    def test_aRefreshThatIsTooSmallIsRefusedAndChangesNothing(self, method: str) -> None:
        lone, session, _ = called("Supported: timer", "Session-Expires: 600", sessionMinExpires=300)
        lone.within(method, 2, "Supported: timer", "Session-Expires: 100", body=OFFER)
        refusal = lone.take()
        assert (refusal.statusCode, refusal.getHeader("Min-SE")) == (422, "300")
        assert session.state == "confirmed"
        lone.finish()


class TestTwo:
    def test_theyKeepEachOther(self) -> None:
        pair = Pair(sessionExpires=90)
        caller, _ = pair.establish()
        ladder = pair.wait(200)
        assert ladder.count("> UPDATE") == 4
        assert ladder.count("< 200 UPDATE") == 4
        assert caller.state == "confirmed"
        pair.finish()

    def test_oneThatIsGoneIsNoticed(self) -> None:
        pair = Pair(sessionExpires=90)
        _, callee = pair.establish()
        pair.drop = lambda _: True
        over = outcome(callee.whenTerminated())
        pair.wait(120)
        assert over[0].cause == Cause.EXPIRED
        pair.finish()
