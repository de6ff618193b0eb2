"""Offers that must have an answer, and are not taken (RFC 3261 section 13.2.2.4, RFC 3264 section 6)."""

from __future__ import annotations

import pytest

from sipws.session import Description, Offer
from sipws.session.declining import declining
from tests.session.pair import Lone, short
from tests.ua.fakes import outcome

OFFERED = """v=0\r
o=bob 2890844730 2890844731 IN IP4 host.example.com\r
s=-\r
c=IN IP4 host.example.com\r
t=0 7\r
m=audio 49920 RTP/AVP 0 8\r
a=rtpmap:0 PCMU/8000\r
m=video 51372/2 UDP/TLS/RTP/SAVPF 31\r
a=sendrecv\r
"""

DECLINED = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 7\r\n"
    b"m=audio 0 RTP/AVP 0 8\r\nm=video 0 UDP/TLS/RTP/SAVPF 31\r\n"
)


def test_eachStreamHasThePortZero() -> None:
    answer = declining(Description(OFFERED.encode()))
    assert answer == Description(DECLINED)
    # Whatever ends the lines.
    for end in ("\n", "\r"):
        assert declining(Description(OFFERED.replace("\r\n", end).encode())) == answer


@pytest.mark.parametrize(
    "body", ["v=1\r\n", "v=0 offer", "v=0\r\nm=audio\r\n", "v=0\r\nm=audio x RTP/AVP 0", "\xff"]
)
def test_whatCannotBeReadHasNone(body: str) -> None:
    assert declining(Description(body.encode("latin-1"))) is None


def test_anotherTypeHasNone() -> None:
    assert declining(Description(OFFERED.encode(), "application/octet-stream")) is None


def asking() -> Lone:
    """A user agent whose INVITE offers nothing."""
    lone = Lone()
    lone.party.call(body="")
    return lone


def answers(lone: Lone) -> list[tuple[str, bytes]]:
    """Take what was sent, with its body."""
    return [(short(message), message.body) for message in lone.transport.takeAll()]


def test_aRefusalAnswersAllTheSame() -> None:
    lone = asking()
    lone.party.session.on("offer", lambda offer: offer.reject())
    lone.answer(lone.take(), 200, body=OFFERED)
    assert answers(lone) == [("ACK", DECLINED), ("BYE", b"")]
    lone.finish()


def test_soDoesTheEndBeforeTheAnswer() -> None:
    lone = asking()
    offers: list[Offer] = []
    lone.party.session.on("offer", offers.append)
    invite = lone.take()
    lone.answer(invite, 200, body=OFFERED)
    assert answers(lone) == []
    over = outcome(lone.party.session.bye())
    (_, declined), (bye, _) = answers(lone)
    assert (declined, bye, over) == (DECLINED, "BYE", [])
    # With each repetition, too.
    lone.answer(invite, 200, body=OFFERED)
    assert answers(lone) == [("ACK", DECLINED)]
    lone.finish()


def test_soDoesA2xxThatCrossesTheCancel() -> None:
    lone = asking()
    invite = lone.take()
    lone.answer(invite, 180)
    lone.party.session.cancel()
    lone.answer(lone.take(), 200)
    lone.answer(invite, 200, body=OFFERED)
    assert answers(lone) == [("ACK", DECLINED), ("BYE", b"")]
    lone.finish()


def test_andABranchThatIsNotWanted() -> None:
    lone = asking()
    lone.party.session.on("offer", lambda offer: offer.accept("our answer"))
    invite = lone.take()
    lone.answer(invite, 200, body=OFFERED)
    lone.answer(invite, 200, body=OFFERED, tag="carol")
    assert answers(lone) == [("ACK", b"our answer"), ("ACK", DECLINED), ("BYE", b"")]
    lone.finish()


def test_andAReliableProvisionalResponse() -> None:
    lone = asking()
    lone.party.session.on("offer", lambda offer: offer.reject())
    lone.answer(lone.take(), 183, ("Require", "100rel"), ("RSeq", 1), body=OFFERED)
    assert answers(lone) == [("PRACK", DECLINED), ("CANCEL", b"")]
    lone.finish()
