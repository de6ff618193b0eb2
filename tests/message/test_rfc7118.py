"""The messages of RFC 7118 section 8."""

from __future__ import annotations

import json

import pytest

from sipws.errors import ParseError
from sipws.message import IncomingRequest, IncomingResponse, parseMessage
from tests.message.receiving import ACCEPT, DATA, DROP, ForeignUserAgent, OwnConfiguration, load, receive

ITEMS = json.loads((DATA / "rfc7118" / "manifest.json").read_text())["items"]
SIP = [item for item in ITEMS if item["file"] not in ("8.1_F1.dat", "8.1_F2.dat")]
ALICE = OwnConfiguration(viaHost="df7jal23ls0d.invalid")


def test_all_are_here() -> None:
    assert len(ITEMS) == 15
    assert {item["file"] for item in ITEMS} == {path.name for path in (DATA / "rfc7118").glob("*.dat")}


@pytest.mark.parametrize("name", ["8.1_F1.dat", "8.1_F2.dat"])
def test_the_handshake_is_HTTP(name: str) -> None:
    with pytest.raises(ParseError, match="request line"):
        parseMessage(load("rfc7118", name))
    assert receive(load("rfc7118", name))[0] == DROP


@pytest.mark.parametrize("item", SIP, ids=lambda item: item["file"])
def test_the_rest_is_well_formed(item: dict[str, str]) -> None:
    message = parseMessage(load("rfc7118", item["file"]), strict=True)
    wanted, _, _ = item["ua"].partition(" ")
    got = message.method if isinstance(message, IncomingRequest) else str(message.statusCode)
    assert got == wanted
    assert isinstance(message, IncomingResponse) == (item["kind"] == "response")


@pytest.mark.parametrize("item", SIP, ids=lambda item: item["file"])
def test_what_is_for_Alice_reaches_her(item: dict[str, str]) -> None:
    verdict, _ = receive(load("rfc7118", item["file"]), ForeignUserAgent(ALICE))
    if item["kind"] == "request" or "-> Alice" in item["ua"]:
        assert verdict == ACCEPT
    else:
        assert verdict == DROP  # responses on other hops: not her Via, or more than one


def test_what_they_say() -> None:
    register = parseMessage(load("rfc7118", "8.1_F3.dat"))
    assert register.via.transport == "WSS"
    contact = register.parseHeader("Contact")
    assert contact.uri.parameters["transport"] == "ws"
    assert contact.parameters["+sip.instance"] == "<urn:uuid:f81-7dec-14a06cf1>"
    ack = parseMessage(load("rfc7118", "8.2_F6.dat"))
    assert [ack.parseHeader("Route", index).uri.port for index in range(2)] == [443, None]
    invite = parseMessage(load("rfc7118", "8.2_F1.dat"))
    assert invite.parseHeader("Contact").uri.parameters == {"gr": "urn:uuid:f81-7dec-14a06cf1", "ob": None}
