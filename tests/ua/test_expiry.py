"""What a registrar may say of a binding."""

from __future__ import annotations

import pytest

from sipws.message import URI, IncomingResponse, parseMessage
from sipws.ua.expiry import grantedExpires

OURS = URI.parse("sip:me@own.invalid;transport=ws")


def answer(*headers: str, status: str = "200 OK") -> IncomingResponse:
    lines = [
        f"SIP/2.0 {status}",
        "Via: SIP/2.0/WS own.invalid;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:alice@example.com>;tag=2",
        "Call-ID: 1",
        "CSeq: 1 REGISTER",
        *headers,
        "Content-Length: 0",
        "",
        "",
    ]
    message = parseMessage("\r\n".join(lines).encode())
    assert isinstance(message, IncomingResponse)
    return message


class TestGrantedExpires:
    @pytest.mark.parametrize(
        ("headers", "granted"),
        [
            (["Contact: <sip:me@own.invalid;transport=ws>;expires=120"], 120),
            (["Contact: <sip:me@OWN.invalid>;expires=120"], 120),
            (["m: <sip:me@own.invalid;transport=ws;alias=1>;EXPIRES=120;q=0.5"], 120),
            (["Contact: <sip:other@own.invalid>;expires=60, <sip:me@own.invalid>;expires=120"], 120),
            (
                ["Contact: <sip:other@own.invalid>;expires=60", "Contact: <sip:me@own.invalid>;expires=120"],
                120,
            ),
            (["Contact: <sip:me@own.invalid>;expires=120", "Expires: 300"], 120),
            (["Contact: <sip:me@own.invalid>", "Expires: 300"], 300),
            (["Contact: <sip:me@own.invalid>;expires=soon", "Expires: 300"], 300),
            (["Contact: <sip:me@own.invalid>"], 600),
            (["Contact: <sip:me@own.invalid>;expires=soon"], 600),
            (["Contact: <sip:me@own.invalid>;expires=-5"], 600),
            (["Contact: <sip:me@own.invalid>;expires="], 600),
            (["Contact: <sip:me@own.invalid>;expires=0"], 0),
            (["Contact: <sip:me@own.invalid>;expires=3600"], 600),
            (["Contact: <sip:me@own.invalid>;expires=99999999999999999999999999"], 600),
            (["Contact: <<<>"], 600),
            (["Contact: <<<>", "Expires: 300"], 300),
            (["Contact: <<<>, <sip:me@own.invalid>;expires=120"], 120),
            (["Expires: 300"], 300),
            ([], 600),
            (["Contact: <sip:other@own.invalid>;expires=60"], None),
            (["Contact: <sip:me@elsewhere.invalid>;expires=60"], None),
            (["Contact: *"], None),
        ],
    )
    def test_isThatOfOurContactElseTheHeadersElseWhatWasAsked(
        self, headers: list[str], granted: int | None
    ) -> None:
        assert grantedExpires(answer(*headers), OURS, 600) == granted

    @pytest.mark.parametrize(("regID", "granted"), [(1, 60), (2, 120), (3, None), (None, 60)])
    def test_ofTwoFlowsWithOneContactItIsTheOwn(self, regID: int | None, granted: int | None) -> None:
        """RFC 5626 section 6: bindings are told apart by instance and reg-id, not by the Contact."""
        first = "Contact: <sip:me@own.invalid>;expires=60;reg-id=1"
        second = "Contact: <sip:me@own.invalid>;reg-id=2;expires=120"
        assert grantedExpires(answer(first, second), OURS, 600, regID) == granted

    @pytest.mark.parametrize("regID", [1, 2])
    def test_aRegistrarThatKnowsNothingOfFlowsListsNone(self, regID: int) -> None:
        assert grantedExpires(answer("Contact: <sip:me@own.invalid>;expires=60"), OURS, 600, regID) == 60
