"""Calls that are led somewhere else (RFC 3261 section 8.1.3.4)."""

from __future__ import annotations

from sipws.session import Cause
from tests.session.pair import ANSWER, OFFER, Lone, short
from tests.ua.fakes import outcome


class TestRedirections:
    def test_unlessItIsWantedTheyAreAFailure(self) -> None:
        lone = Lone()
        session = lone.party.call()
        failed = outcome(session.whenAccepted())
        lone.answer(lone.take(), 302, ("Contact", "<sip:carol@example.com>"))
        assert lone.sent() == ["ACK"]
        assert (failed[0].statusCode, failed[0].cause) == (302, Cause.REFUSED)
        # Who wants to go on by himself finds where.
        assert failed[0].response.getHeaders("Contact") == ["<sip:carol@example.com>"]
        lone.finish()

    def test_theyAreFollowed(self) -> None:
        lone = Lone()
        session = lone.party.call(followRedirects=2, headers=[("Subject", "old"), ("X-Own", "kept")])
        redirections: list[int] = []
        session.on("redirected", lambda response: redirections.append(response.statusCode))
        first = lone.take()
        lone.answer(first, 302, ("Contact", "<sip:carol@example.com;transport=ws;method=INVITE?Subject=new>"))
        ack, second = lone.transport.takeAll()
        assert short(ack) == "ACK"
        assert second.requestURIText == "sip:carol@example.com;transport=ws"
        assert (second.callID, second.fromTag, second.cseq) == (first.callID, first.fromTag, first.cseq + 1)
        assert second.getHeader("To") == first.getHeader("To")
        assert second.viaBranch != first.viaBranch
        assert (second.getHeader("Subject"), second.getHeader("X-Own")) == ("new", "kept")
        assert second.body == OFFER.encode()
        lone.answer(second, 180, tag="carol")
        lone.answer(second, 200, body=ANSWER, tag="carol")
        assert lone.sent() == ["ACK"]
        assert lone.party.take() == ["progress", "accepted", "confirmed"]
        assert redirections == [302]
        lone.finish()

    def test_oneAfterTheOtherIsTried(self) -> None:
        lone = Lone()
        session = lone.party.call(followRedirects=1)
        failed = outcome(session.whenAccepted())
        lone.answer(lone.take(), 300, ("Contact", "<sip:a@x.com>;q=0.2, <sip:b@x.com>;q=0.9"))
        tried = []
        for _ in range(2):
            _, invite = lone.transport.takeAll()
            tried.append(invite.requestURIText)
            lone.answer(invite, 486)
        assert tried == ["sip:b@x.com", "sip:a@x.com"]
        assert lone.sent() == ["ACK"]
        assert failed[0].statusCode == 486
        lone.finish()

    def test_aNoForAllPlacesIsFinal(self) -> None:
        lone = Lone()
        session = lone.party.call(followRedirects=1)
        failed = outcome(session.whenAccepted())
        lone.answer(lone.take(), 300, ("Contact", "<sip:a@x.com>, <sip:b@x.com>"))
        _, invite = lone.transport.takeAll()
        lone.answer(invite, 603)
        assert lone.sent() == ["ACK"]
        assert failed[0].statusCode == 603
        lone.finish()

    def test_aCircleEnds(self) -> None:
        lone = Lone()
        lone.party.call(followRedirects=10)
        lone.answer(lone.take(), 302, ("Contact", "<sip:a@x.com>"))
        _, invite = lone.transport.takeAll()
        lone.answer(invite, 302, ("Contact", "<sip:bob@example.com>"), ("Contact", "<sip:a@x.com>"))
        assert lone.sent() == ["ACK"]
        assert lone.party.take() == ["failed", "terminated"]
        lone.finish()

    def test_afterEarlyDialogs(self) -> None:
        lone = Lone()
        session = lone.party.call(followRedirects=1)
        invite = lone.take()
        lone.answer(invite, 180, tag="one")
        lone.answer(invite, 302, ("Contact", "<sip:a@x.com>"), tag="two")
        _, second = lone.transport.takeAll()
        assert session.legs == []
        lone.answer(second, 200, body=ANSWER, tag="three")
        assert session.state == "confirmed"
        assert session.dialog is not None
        assert session.dialog.id.remoteTag == "three"
        lone.finish()

    def test_theOneThatIsOutIsCancelled(self) -> None:
        lone = Lone()
        session = lone.party.call(followRedirects=1)
        lone.answer(lone.take(), 302, ("Contact", "<sip:a@x.com>"))
        _, invite = lone.transport.takeAll()
        lone.answer(invite, 180)
        session.cancel()
        cancel = lone.take()
        assert (cancel.method, cancel.viaBranch) == ("CANCEL", invite.viaBranch)
        lone.answer(cancel, 200)
        lone.answer(invite, 487)
        assert lone.party.take() == ["progress", "failed", "terminated"]
        lone.finish()

    def test_whoHearsOfItMayGiveTheCallUp(self) -> None:
        lone = Lone()
        session = lone.party.call(followRedirects=1)
        session.on("redirected", lambda _: session.cancel())
        lone.answer(lone.take(), 302, ("Contact", "<sip:a@x.com>"))
        assert lone.sent() == ["ACK"]
        assert lone.party.take() == ["failed", "terminated"]
        assert lone.party.endings[0].cause == Cause.CANCELLED
        lone.finish()

    def test_theAnswerIsWaitedForAnew(self) -> None:
        lone = Lone()
        lone.party.call(followRedirects=1, noAnswerTimeout=10)
        lone.answer(lone.take(), 302, ("Contact", "<sip:a@x.com>"))
        _, invite = lone.transport.takeAll()
        lone.answer(invite, 180)
        lone.clock.advance(10)
        assert lone.sent() == ["CANCEL"]
        lone.answer(invite, 487)
        assert lone.party.endings[-1].cause == Cause.NO_ANSWER
        lone.finish()
