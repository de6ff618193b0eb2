"""Messages as the datagrams that twisted.protocols.sip reads."""

from __future__ import annotations

import pytest
from twisted.protocols import sip

from sipws.message import parseMessage
from sipws.twistedsip.datagrams import Address, fromDatagram, toDatagram

SOURCE = Address("127.0.0.1", 4000)


def register(*lines: str, via: str = "SIP/2.0/WS a.invalid;branch=z9hG4bKa") -> bytes:
    head = ["REGISTER sip:example.com SIP/2.0", f"Via: {via}", "From: <sip:a@example.com>;tag=1"]
    head += ["To: <sip:a@example.com>", "Call-ID: c", "CSeq: 1 REGISTER", "Max-Forwards: 70", *lines]
    return "\r\n".join([*head, "Content-Length: 0", "", ""]).encode()


@pytest.mark.parametrize(
    "lines",
    [
        ["Contact: <sip:a@h;transport=ws>;expires=3", "Contact: <sip:a@h;transport=ws>;expires=30"],
        ["m: <sip:a@h;transport=ws>;expires=3 ,", "  <sip:a@h>;expires=30"],
    ],
)
def test_eachContactOfARegistrationHasALineOfItsOwn(lines: list[str]) -> None:
    datagram = toDatagram(parseMessage(register(*lines)), SOURCE).decode()
    contacts = [line for line in datagram.split("\r\n") if line.startswith("Contact")]
    assert contacts == ["Contact: <sip:a@h>;expires=3", "Contact: <sip:a@h>;expires=30"]


def test_twoPortsLikeOursInARowKeepEachOthersVias() -> None:
    # A WebSocketPort is the client of a WebSocketServerPort.
    phones, out = fromDatagram(register(via="SIP/2.0/UDP phone:5060"), "WS")
    sent = parseMessage(out).getHeaders("Via")[0]
    received = toDatagram(parseMessage(out), SOURCE)
    via = sip.parseViaHeader(parseMessage(received).getHeaders("Via")[0])
    # Twisted answers to where the request came from, with the Via that it has got.
    assert (via.transport, via.host, via.port) == ("UDP", *SOURCE)
    reply = received.replace(b"REGISTER sip:example.com SIP/2.0", b"SIP/2.0 200 OK")
    _, answered = fromDatagram(reply, "WS")
    assert parseMessage(answered).getHeaders("Via")[0].startswith(f"{sent};")
    back = parseMessage(toDatagram(parseMessage(answered), SOURCE))
    assert back.getHeaders("Via") == phones.getHeaders("Via") == ["SIP/2.0/UDP phone:5060"]
