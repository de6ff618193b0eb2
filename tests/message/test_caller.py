"""Who a request comes from: RFC 3323, RFC 3325."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import ParseError
from sipws.message import Caller, IncomingRequest, NameAddr, OutgoingRequest, parseMessage

ALICE = "sip:alice@example.com"


def received(*headers: str, sender: str = f"<{ALICE}>;tag=1") -> IncomingRequest:
    lines = [
        "INVITE sip:bob@example.com SIP/2.0",
        "Via: SIP/2.0/WS own.invalid;branch=z9hG4bK1",
        f"From: {sender}",
        "To: <sip:bob@example.com>",
        "Call-ID: 1",
        "CSeq: 1 INVITE",
        *headers,
    ]
    message = parseMessage("\r\n".join(lines) + "\r\n\r\n")
    assert isinstance(message, IncomingRequest)
    return message


class TestHeaders:
    @pytest.mark.parametrize(
        ("given", "headers"),
        [
            ({}, []),
            ({"preferred": ALICE}, [("P-Preferred-Identity", f"<{ALICE}>")]),
            (
                {"asserted": [f'"Alice" <{ALICE}>', "tel:+15551234"]},
                [
                    ("P-Asserted-Identity", f'"Alice" <{ALICE}>'),
                    ("P-Asserted-Identity", "<tel:+15551234>"),
                ],
            ),
            ({"privacy": "id; Header"}, [("Privacy", "id;header")]),
            (
                {"anonymous": True},
                [("From", '"Anonymous" <sip:anonymous@anonymous.invalid>'), ("Privacy", "id")],
            ),
            (
                {"anonymous": True, "privacy": ["none"]},
                [("From", '"Anonymous" <sip:anonymous@anonymous.invalid>'), ("Privacy", "none")],
            ),
        ],
    )
    def test_areThoseThatSaySo(self, given: Any, headers: list[tuple[str, str]]) -> None:
        assert [(name, str(value)) for name, value in Caller(**given).headers()] == headers

    def test_canBeReadWhereTheyArrive(self) -> None:
        caller = Caller(preferred=[ALICE, "tel:+1"], privacy=["id", "user"], anonymous=True)
        request = OutgoingRequest("INVITE", "sip:bob@example.com", caller.headers())
        lines = [
            f"{name}: {value}" for name, value in request.headers if name not in ("From", "Content-Length")
        ]
        assert Caller.of(received(*lines, sender=f"{request.getHeader('From')};tag=1")) == caller


class TestReading:
    def test_mostSayNothing(self) -> None:
        assert Caller.of(received()) == Caller()

    def test_identitiesAreAddresses(self) -> None:
        caller = Caller.of(received(f'P-Asserted-Identity: "A, B" <{ALICE}>, tel:+1'))
        assert caller.asserted == (NameAddr.parse(f'"A, B" <{ALICE}>'), NameAddr.parse("<tel:+1>"))

    @pytest.mark.parametrize(
        ("sender", "anonymous"),
        [
            ("Anonymous <sip:anonymous@ANONYMOUS.invalid>;tag=1", True),
            ("<sip:anonymous@example.com>;tag=1", False),
        ],
    )
    def test_whoHidesIsKnownByTheHost(self, sender: str, anonymous: bool) -> None:
        assert Caller.of(received(sender=sender)).anonymous is anonymous

    @pytest.mark.parametrize(
        ("header", "problem"),
        [
            ("Privacy: id;;user", "Privacy"),
            ("Privacy: none;id", "none stands alone"),
            ("P-Asserted-Identity: <<<", "P-Asserted-Identity"),
            ("P-Preferred-Identity: http://example.com", "sip, sips or tel"),
        ],
    )
    def test_whatMakesNoSenseRaises(self, header: str, problem: str) -> None:
        with pytest.raises(ValueError, match=problem):
            Caller.of(received(header))


@pytest.mark.parametrize(
    "given",
    [
        {"preferred": [ALICE, "sips:alice@example.com"]},
        {"asserted": ["tel:+1", "tel:+2"]},
        {"asserted": [ALICE, "tel:+1", "tel:+2"]},
        {"preferred": "mailto:alice@example.com"},
        {"privacy": ["i d"]},
        {"privacy": ""},
    ],
)
def test_whatTheRFCForbidsCannotBeMade(given: Any) -> None:
    with pytest.raises(ParseError):
        Caller(**given)
