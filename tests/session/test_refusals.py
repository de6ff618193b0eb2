"""
Refused re-INVITEs and UPDATEs (RFC 6141): the session is as it was, and its
descriptions, its target, its holding and its timer with it.
"""

from __future__ import annotations

from typing import Any

import pytest

from sipws.session import Session
from tests.session.pair import ANSWER, Lone
from tests.ua.fakes import outcome

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
OTHER = SDP.replace("4000", "5000")

#: Not those that end it (408 and 481, and by RFC 5057 section 5.1 404, 410, 480 and others), nor 422 and
#: 491, after which it is tried again.
CODES = (301, 400, 403, 486, 487, 488, 500, 503, 600, 603, 606)

TIMER = ("Session-Expires", "90;refresher=uac")


def called() -> tuple[Lone, Session]:
    """Have a call with a timer, held by us."""
    lone = Lone()
    session = lone.party.call(body=SDP)
    lone.answer(lone.take(), 200, TIMER, ("Require", "timer"), ("Supported", "timer"), body=SDP)
    assert lone.sent() == ["ACK"]
    session.hold()
    lone.answer(lone.take(), 200, TIMER, ("Require", "timer"), body=SDP)
    assert lone.sent() == ["ACK"]
    return lone, session


def snapshot(lone: Lone, session: Session) -> tuple[Any, ...]:
    dialog = session.dialog
    assert dialog is not None
    state = dialog.state
    timers = sorted(call.getTime() for call in lone.clock.getDelayedCalls())
    descriptions = session.localDescription, session.remoteDescription
    return (session.state, descriptions, str(state.remoteTarget), state.contact, state.routeSet, timers)


@pytest.mark.parametrize("method", ["reinvite", "update"])
@pytest.mark.parametrize("statusCode", CODES)
def test_oursChangesNothing(method: str, statusCode: int) -> None:
    lone, session = called()
    # What the transactions wait for is no matter of the session's.
    lone.clock.advance(0)
    before = snapshot(lone, session)
    got = outcome(getattr(session, method)(OTHER))
    lone.answer(lone.take(), statusCode, ("Contact", "<sip:elsewhere@other.invalid;transport=ws>"))
    assert got[0].statusCode == statusCode
    lone.transport.takeAll()
    assert snapshot(lone, session) == before
    lone.clock.advance(50)
    refresh = lone.take()
    assert refresh.method in ("UPDATE", "INVITE")
    assert refresh.getHeader("Session-Expires") == "90;refresher=uac"
    assert str(refresh.requestURI) == before[2]
    lone.answer(refresh, 200, TIMER, body=SDP if refresh.body else "")
    lone.finish()


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
@pytest.mark.parametrize("statusCode", CODES)
def test_theirsChangesNothing(method: str, statusCode: int) -> None:
    lone, session = called()
    session.on("offer", lambda offer: offer.reject(statusCode))
    before = snapshot(lone, session)
    elsewhere = "<sip:elsewhere@other.invalid;transport=ws>"
    lone.within(method, 2, "Supported: timer", "Session-Expires: 1800", body=OTHER, contact=elsewhere)
    assert lone.take().statusCode == statusCode
    if method == "INVITE":
        lone.within("ACK", 2, branch="z9hG4bKINVITE2")
    assert session.state == before[0]
    assert snapshot(lone, session)[:-1] == before[:-1]
    assert {*before[-1]} <= {*snapshot(lone, session)[-1]}
    lone.finish()


def test_whatWasAgreedOnWithinItIsSaidAgain() -> None:
    """An exchange in a reliable response and its PRACK is no part of what the refusal undoes."""
    lone = Lone()
    session = lone.party.call()
    lone.answer(lone.take(), 200, body=ANSWER)
    lone.sent()
    got = outcome(session.reinvite("second offer"))
    invite = lone.take()
    lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", 7), body="second answer")
    lone.answer(lone.take(), 200)
    lone.answer(invite, 488)
    ack, update = lone.transport.takeAll()
    assert got[0].statusCode == 488
    assert (ack.method, update.method, update.body) == ("ACK", "UPDATE", b"second offer")
    lone.answer(update, 200, body="second answer")
    assert session.remoteDescription is not None
    assert session.remoteDescription.body == b"second answer"
    assert lone.sent() == []
    lone.finish()


@pytest.mark.parametrize("statusCode", [405, 488, 500])
def test_whereThatIsRefusedTooTheCallGoesOn(statusCode: int) -> None:
    lone = Lone()
    session = lone.party.call()
    lone.answer(lone.take(), 200, body=ANSWER)
    lone.sent()
    outcome(session.reinvite("second offer"))
    invite = lone.take()
    lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", 7), body="second answer")
    lone.answer(lone.take(), 200)
    lone.answer(invite, 500)
    lone.answer(lone.transport.takeAll()[-1], statusCode)
    assert lone.sent() == []
    assert session.state == "confirmed"
    lone.finish()


def test_withoutAnExchangeNothingIsSaid() -> None:
    lone = Lone()
    session = lone.party.call()
    lone.answer(lone.take(), 200, body=ANSWER)
    lone.sent()
    outcome(session.reinvite("second offer"))
    lone.answer(lone.take(), 488)
    assert lone.sent() == ["ACK"]
    assert session.localDescription is not None
    assert session.localDescription.body == b"v=0 offer"
    lone.finish()
