"""A 2xx that comes again once its session is over: the ACK to it was lost, and is sent again for 64*T1."""

from __future__ import annotations

from typing import Any

from sipws.message import IncomingRequest
from tests.session.pair import ANSWER, OFFER, Lone

CONTACT = ("Contact", "<sip:bob@bob.invalid;transport=ws>")
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n"


def over(lone: Lone, *headers: tuple[str, object], body: str = ANSWER, offer: str = OFFER) -> Any:
    """Have a call come about, and end; give its INVITE."""
    session = lone.party.call(body=offer)
    if not offer:
        session.on("offer", lambda given: given.accept(ANSWER))
    invite = lone.take()
    lone.answer(invite, 200, *headers, body=body)
    assert lone.take().method == "ACK"
    session.bye()
    lone.answer(lone.take(), 200)
    assert lone.party.take()[-1] == "terminated"
    return invite


def test_itIsAcknowledgedAfterOurBye() -> None:
    lone = Lone()
    invite = over(lone, ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"))
    for _ in range(3):
        lone.clock.advance(4)
        lone.answer(
            invite, 200, ("Record-Route", "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"), body=ANSWER
        )
        ack = lone.take()
        assert isinstance(ack, IncomingRequest)
        assert (ack.method, ack.cseq, ack.toTag, ack.body) == ("ACK", invite.cseq, "bob", b"")
        assert str(ack.requestURI) == "sip:bob@bob.invalid;transport=ws"
        assert ack.getHeaders("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]
        assert lone.sent() == []
        assert len(lone.party.ua.usages.dialogs) == 0
    assert lone.party.take() == []
    lone.clock.advance(33)
    lone.answer(invite, 200, body=ANSWER)
    assert lone.sent() == []
    lone.finish()


def test_itIsAcknowledgedWhereItCrossedOurCancel() -> None:
    lone = Lone()
    session = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 180)
    session.cancel()
    cancel = lone.take()
    lone.answer(invite, 200, body=ANSWER)
    lone.answer(cancel, 200)
    ack, bye = lone.transport.takeAll()
    assert (ack.method, bye.method) == ("ACK", "BYE")
    lone.answer(invite, 200, body=ANSWER)
    assert lone.sent() == ["ACK"]
    lone.answer(bye, 200)
    assert lone.party.take()[-1] == "terminated"
    lone.answer(invite, 200, body=ANSWER)
    assert lone.sent() == ["ACK"]
    lone.finish()


def test_itIsAcknowledgedAfterTheirBye() -> None:
    lone = Lone()
    lone.party.call()
    invite = lone.take()
    lone.answer(invite, 200, body=ANSWER)
    lone.within("BYE", 1)
    assert lone.sent() == ["ACK", "200 BYE"]
    lone.answer(invite, 200, body=ANSWER)
    assert lone.sent() == ["ACK"]
    lone.finish()


def test_anOfferInItIsAnsweredWithNothing() -> None:
    lone = Lone()
    invite = over(lone, body=SDP, offer="")
    lone.answer(invite, 200, body=SDP)
    ack = lone.take()
    assert ack.method == "ACK"
    assert b"m=audio 0 " in ack.body
    lone.finish()


def test_anotherBranchIsEndedAndAcknowledgedAgain() -> None:
    lone = Lone()
    invite = over(lone)
    lone.answer(invite, 200, body=ANSWER, tag="carol")
    ack, bye = lone.transport.takeAll()
    assert (ack.toTag, bye.toTag, bye.method) == ("carol", "carol", "BYE")
    lone.answer(invite, 200, body=ANSWER, tag="carol")
    assert lone.sent() == ["ACK"]
    lone.answer(bye, 200)
    lone.answer(invite, 200, body=ANSWER, tag="carol")
    assert lone.sent() == ["ACK"]
    assert len(lone.party.ua.usages.dialogs) == 0
    lone.finish()


def test_whatSharesItsDialogStays() -> None:
    lone = Lone()
    session = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 200, body=ANSWER)
    session.refer("sip:carol@example.com").whenCompleted().addErrback(lambda _: None)
    refer = lone.transport.takeAll()[-1]
    assert refer.method == "REFER"
    lone.answer(refer, 202)
    session.bye()
    lone.answer(lone.take(), 200)
    before = len(lone.party.ua.usages.dialogs)
    lone.answer(invite, 200, body=ANSWER)
    assert lone.sent() == ["ACK"]
    assert len(lone.party.ua.usages.dialogs) == before == 1
    lone.finish()


def test_oneThatMakesNoDialogIsDropped() -> None:
    lone = Lone()
    invite = over(lone)
    lone.answer(invite, 200, ("Contact", ""), body=ANSWER)
    assert lone.sent() == []
    assert len(lone.party.ua.usages.dialogs) == 0
    lone.finish()
