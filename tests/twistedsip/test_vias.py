"""Vias that stand for others: what goes through unspoilt, and what comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.protocols import sip

from sipws.errors import ParseError
from sipws.message.via import Via
from sipws.twistedsip import vias

CLIENT = "SIP/2.0/WSS df7jal23ls0d.invalid;rport;branch=z9hG4bK56sdasks"


def test_aClientsLeadsToItsConnectionAndComesBack() -> None:
    text = vias.fromClient(CLIENT, "192.0.2.7", 40123)
    via = sip.parseViaHeader(text)
    # Twisted's Base answers where these say, and adds nothing: they are the datagram's source.
    assert (via.host, via.port, via.received, via.branch) == ("192.0.2.7", 40123, None, "z9hG4bK56sdasks")
    assert vias.restored(via.toString()) == CLIENT
    restored = vias.restored(via.toString(), asReceived=True)
    assert restored is not None
    # RFC 3581 section 4.
    assert Via.parse(restored).parameters["received"] == "192.0.2.7"
    assert Via.parse(restored).parameters["rport"] == "40123"


def test_oneThatHasBeenThroughHereLeadsToItsConnectionToo() -> None:
    first = vias.restored(vias.fromClient(CLIENT, "192.0.2.7", 40123), asReceived=True)
    assert first is not None
    back = sip.parseViaHeader(vias.routed(first))
    assert (back.host, back.port) == ("192.0.2.7", 40123)
    assert vias.restored(back.toString()) == first


@pytest.mark.parametrize(
    "text",
    [
        "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx;received=1.2.3.4;rport=5",
        CLIENT,
        "SIP/2.0/WS x;received=y",
    ],
)
def test_othersStayAsTheyAre(text: str) -> None:
    assert vias.routed(text) == text
    assert vias.restored(text) is None


@pytest.mark.parametrize(
    "own", ["SIP/2.0/UDP proxy.example.com:5060", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKown"]
)
def test_twistedsOwnIsWhatRFC7118Asks(own: str) -> None:
    text = vias.ofOwn(own, "WSS", "z9hG4bKmade")
    via = Via.parse(text)
    assert via.transport == "WSS"
    assert via.branch == ("z9hG4bKown" if "own" in own else "z9hG4bKmade")
    assert vias.restored(text) == own


@pytest.mark.parametrize("inside", ["SIP/2.0/UDP a\r\nEvil: 1", "nonsense", "SIP/2.0/UDP a\r\n\r\nbody", ""])
def test_aForgedOneIsRefused(inside: str) -> None:
    for digits in (inside.encode().hex(), "zz", "ff"):
        with pytest.raises(ParseError):
            vias.restored(f"SIP/2.0/WS x.invalid;branch=z9hG4bKx;sipws-via={digits or '0'}")


@given(
    st.from_regex(
        r"SIP/2\.0/(WS|WSS|UDP) [a-z]{1,8}\.invalid(:[1-9][0-9]{0,3})?(;[a-z]{1,4}=[a-z0-9]{1,4})?",
        fullmatch=True,
    )
)
def test_everyViaComesBack(text: str) -> None:
    via = sip.parseViaHeader(vias.fromClient(text, "192.0.2.7", 40123))
    assert vias.restored(via.toString()) == text
    assert vias.restored(vias.ofOwn(text, "WS", "z9hG4bKx")) == text
