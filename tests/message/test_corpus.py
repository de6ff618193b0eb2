"""Messages as WebRTC clients and their servers send them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from sipws.message import IncomingRequest, parseMessage
from sipws.message.values import formatDate
from tests.message.receiving import ACCEPT, DATA, ForeignUserAgent, OwnConfiguration, receive

FILES = sorted((DATA / "webrtc").glob("*.sip"))


def test_all_are_here() -> None:
    assert len(FILES) == 13


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
class TestEach:
    def test_read_whole(self, path: Path) -> None:
        octets = path.read_bytes()
        message = parseMessage(octets, strict=True)
        assert bytes(message) == octets
        assert message.isCommon
        assert message.contentLength == len(message.body)

    def test_delivered(self, path: Path) -> None:
        message = parseMessage(path.read_bytes())
        ours = ForeignUserAgent(OwnConfiguration(viaHost=message.via.host))
        assert receive(path.read_bytes(), ours)[0] == ACCEPT

    def test_what_is_typed_round_trips(self, path: Path) -> None:
        message = parseMessage(path.read_bytes())
        for name, _ in message.headers:
            for index, text in enumerate(message.getHeaders(name)):
                value = message.parseHeader(name, index)
                if isinstance(value, datetime):
                    assert formatDate(value) == text
                elif not isinstance(value, (str, int)):
                    assert type(value).parse(str(value)) == value, text


def test_what_they_say() -> None:
    octets = {path.stem[3:]: path.read_bytes() for path in FILES}
    register = parseMessage(octets["register_auth"])
    assert register.parseHeader("Authorization").parameters["response"] == "2bb2d1d3a1a9e7c0e3a5d5f35a5dbc7e"
    assert register.parseHeader("Contact").expires == 600
    assert register.getHeaders("Supported")[0] == "outbound"
    refusal = parseMessage(octets["401"])
    challenge = refusal.parseHeader("WWW-Authenticate")
    assert (challenge.realm, challenge.qop, challenge.stale) == ("example.com", ("auth",), False)
    assert refusal.via.rport == 51512
    overload = parseMessage(octets["503"])
    assert overload.parseHeader("Retry-After").seconds == 30
    assert overload.parseHeader("Retry-After").parameters == {"duration": "120"}
    text = parseMessage(octets["message"])
    assert isinstance(text, IncomingRequest)
    assert "☎" in text.body.decode()
    assert len(text.body) == 111 > len(text.body.decode())
    assert text.fromHeader.displayName == "Zoë Ångström"
    hops = parseMessage(octets["invite_manyhops"])
    assert len(hops.getHeaders("Via")) == 8
    assert [hops.parseHeader("Record-Route", index).isLoose for index in range(8)] == [True] * 8
