from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from sipws.errors import ParseError
from sipws.message import CSeq, MediaType, Parameterized, Parameters, QuotedString, RetryAfter, WarningValue
from sipws.message.values import formatDate, parseCallID, parseDate, parseInteger, parseText, parseToken

_DATE = datetime(2010, 11, 13, 23, 29, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (CSeq.parse, "4711 INVITE", CSeq(4711, "INVITE")),
        (CSeq.parse, "\t0009  invite ", CSeq(9, "invite")),
        (CSeq.parse, "4294967295 X", CSeq(2**32 - 1, "X")),
        (MediaType.parse, "Application/SDP", MediaType("application", "sdp")),
        (MediaType.parse, 'text / html ; charset = "UTF-8"', MediaType("text", "html", {"charset": "UTF-8"})),
        (MediaType.parse, "*/*;q=0.1", MediaType("*", "*", {"q": "0.1"})),
        (Parameterized.parse, "active;expires=60", Parameterized("active", {"expires": "60"})),
        (Parameterized.parse, "98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
         Parameterized("98732@sip.example.com", {"from-tag": "r33th4x0r", "to-tag": "ff87ff"})),
        (Parameterized.parse, 'SIP;cause=200;text="Call completed elsewhere"',
         Parameterized("SIP", {"cause": "200", "text": "Call completed elsewhere"})),
        (RetryAfter.parse, "18000;duration=3600", RetryAfter(18000, None, {"duration": "3600"})),
        (RetryAfter.parse, "120 (I'm in a meeting)", RetryAfter(120, "I'm in a meeting")),
        (RetryAfter.parse, r"5 (a \) b) ; x", RetryAfter(5, r"a \) b", {"x": None})),
        (WarningValue.parse, '370 devnull "Choose a bigger pipe"',
         WarningValue(370, "devnull", "Choose a bigger pipe")),
        (WarningValue.parse, '301 a.edu:50 "say \\"hi\\""', WarningValue(301, "a.edu:50", 'say "hi"')),
        (parseDate, "Sat, 13 Nov 2010 23:29:00 GMT", _DATE),
        (parseInteger, " 0068 ", 68),
        (parseToken, " timer ", "timer"),
        (parseCallID, "a84b4c76e66710@pc33.atlanta.com", "a84b4c76e66710@pc33.atlanta.com"),
        (parseText, " Hello  world ", "Hello  world"),
    ],
)  # fmt: skip
def test_parse(parse: Callable[[str], Any], text: str, value: object) -> None:
    assert parse(text) == value
    if not isinstance(value, datetime):
        assert parse(str(value)) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (CSeq.parse, ""),
        (CSeq.parse, "1"),
        (CSeq.parse, "INVITE"),
        (CSeq.parse, "-1 INVITE"),
        (CSeq.parse, "1 INVITE x"),
        (CSeq.parse, "4294967296 INVITE"),
        (CSeq.parse, "9" * 6000 + " INVITE"),
        (CSeq.parse, "\u0661 INVITE"),
        (MediaType.parse, "text"),
        (MediaType.parse, "text/"),
        (MediaType.parse, "text/plain;"),
        (MediaType.parse, "a b/c"),
        (Parameterized.parse, ""),
        (Parameterized.parse, ";a"),
        (Parameterized.parse, "a b"),
        (RetryAfter.parse, "soon"),
        (RetryAfter.parse, "5 (never closed"),
        (RetryAfter.parse, "99999999999"),
        (WarningValue.parse, "370 devnull no quotes"),
        (WarningValue.parse, '37 devnull "x"'),
        (WarningValue.parse, '370  "x"'),
        (parseDate, "Fri, 01 Jan 2010 16:00:00 EST"),
        (parseDate, "Fri, 31 Feb 2010 16:00:00 GMT"),
        (parseDate, "Fri, 01 Jan 2010 24:00:00 GMT"),
        (parseDate, "Fri, 01 Jan 0000 00:00:00 GMT"),
        (parseDate, ""),
        (parseInteger, ""),
        (parseInteger, "1.5"),
        (parseInteger, "+1"),
        (parseInteger, "4294967296"),
        (parseInteger, "9" * 6000),
        (parseToken, ""),
        (parseToken, "a b"),
        (parseCallID, "a@b@c"),
        (parseCallID, "a b"),
        (parseCallID, ""),
    ],
)
def test_what_is_none(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert caught.value.value == text
    assert caught.value.position is not None


def test_an_integers_maximum() -> None:
    assert parseInteger("255", maximum=255) == 255
    with pytest.raises(ParseError, match="beyond 255"):
        parseInteger("256", maximum=255)


def test_sequence_numbers_are_32_bits() -> None:
    with pytest.raises(ValueError, match="2\\*\\*32"):
        CSeq(2**32, "INVITE")


def test_a_date_is_printed_in_GMT() -> None:
    local = _DATE.astimezone(timezone(timedelta(hours=-5)))
    assert formatDate(local) == "Sat, 13 Nov 2010 23:29:00 GMT"
    assert parseDate(formatDate(local)) == local


class TestParameters:
    def test_a_mapping_in_any_case(self) -> None:
        parameters = Parameters({"Tag": "X", "lr": None})
        assert parameters["TAG"] == "X"
        assert parameters.get("LR", "none") is None
        assert parameters.get("other") is None
        assert "tag" in parameters
        assert not parameters.__contains__(5)
        assert list(parameters) == ["tag", "lr"]
        assert len(parameters) == 2

    def test_equal_in_any_order_and_to_any_mapping(self) -> None:
        one, other = Parameters([("a", "1"), ("b", None)]), Parameters([("b", None), ("a", "1")])
        assert one == other == {"a": "1", "b": None}
        assert hash(one) == hash(other)
        assert one != Parameters([("a", "2"), ("b", None)])
        assert one != 5

    def test_it_cannot_be_changed(self) -> None:
        with pytest.raises(TypeError):
            Parameters()["a"] = "b"  # type: ignore[index]

    def test_a_quoted_string_is_text(self) -> None:
        assert Parameters({"a": QuotedString("b")}) == {"a": "b"}
        assert repr(Parameters({"a": "b"})) == "Parameters({'a': 'b'})"
