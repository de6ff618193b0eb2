from __future__ import annotations

import pytest

from sipws.errors import ParseError
from sipws.message import Via


@pytest.mark.parametrize(
    ("text", "host", "port", "sentBy"),
    [
        (
            "SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bK1",
            "df7jal23ls0d.invalid",
            None,
            "df7jal23ls0d.invalid",
        ),
        (
            "SIP/2.0/UDP Host.Example.COM:5060;branch=z9hG4bK1",
            "Host.Example.COM",
            5060,
            "host.example.com:5060",
        ),
        ("SIP/2.0/WS 192.0.2.1:08080;branch=z9hG4bK1", "192.0.2.1", 8080, "192.0.2.1:8080"),
        ("SIP/2.0/WS [2001:DB8::1]:80;branch=z9hG4bK1", "[2001:DB8::1]", 80, "[2001:db8::1]:80"),
        (" SIP / 2.0 / WS\thost : 80 ; branch = z9hG4bK1 ", "host", 80, "host:80"),
    ],
)
def test_sent_by(text: str, host: str, port: int | None, sentBy: str) -> None:
    via = Via.parse(text)
    assert (via.host, via.port, via.sentBy, via.branch) == (host, port, sentBy, "z9hG4bK1")
    assert Via.parse(str(via)) == via


def test_where_it_really_came_from() -> None:
    via = Via.parse("SIP/2.0/WS a.invalid;received=198.51.100.23;rport=51512;branch=z9hG4bK1")
    assert (via.received, via.rport) == ("198.51.100.23", 51512)


def test_received_IPv6_without_brackets() -> None:
    assert Via.parse("SIP/2.0/WS a.invalid;received=2001:db8::9:255").received == "2001:db8::9:255"


def test_rport_asked_for() -> None:
    via = Via.parse("SIP/2.0/WS a.invalid;rport;branch=z9hG4bK1")
    assert via.rport is None
    assert "rport" in via.parameters


def test_built_from_values() -> None:
    via = Via("WSS", "a.invalid", parameters={"branch": "z9hG4bK1", "rport": None})
    assert str(via) == "SIP/2.0/WSS a.invalid;branch=z9hG4bK1;rport"


@pytest.mark.parametrize("host", ["a b", "a;branch=x", "", "a\r\nX: y", "[::1"])
def test_built_from_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="host"):
        Via("WS", host)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0),
        ("SIP/2.0", 0),
        ("SIP/2.0/UDP", 0),
        ("SIP/2.0/UDP ", 12),
        ("SIP/2.0/UDP;branch=x", 0),
        ("SIP/2.0/UDP a b", 13),
        ("SIP/2.0/UDP a:;x", 14),
        ("SIP/2.0/UDP a:70000", 14),
        ("SIP/2.0/UDP a;;", 13),
        ("SIP/2.0/UDP a;branch=", 14),
        ("SIP/2.0/UDP a;branch=x;branch=y", 23),
        ("SIP/2.0/UDP a;branch", 14),
        ('SIP/2.0/UDP a;branch="x"', 14),
        ("SIP/2.0/UDP a,SIP/2.0/UDP b", 13),
    ],
)
def test_what_is_none(text: str, position: int) -> None:
    with pytest.raises(ParseError) as caught:
        Via.parse(text)
    assert caught.value.position == position
