from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.errors import ParseError
from sipws.message import (
    CSeq,
    Event,
    InfoPackage,
    MinSE,
    NameAddr,
    Privacy,
    RAck,
    Reason,
    ReferSub,
    Replaces,
    Route,
    SessionExpires,
    SubscriptionState,
    TargetDialog,
    parseMessage,
)
from sipws.message.headers import PARSERS

MESSAGE = (
    "NOTIFY sip:alice@example.com SIP/2.0\r\n"
    "Via: SIP/2.0/WS a.invalid;branch=z9hG4bK1\r\n"
    "From: <sip:bob@example.com>;tag=b\r\nTo: <sip:alice@example.com>;tag=a\r\n"
    "Call-ID: 1@x\r\nCSeq: 7 NOTIFY\r\nMax-Forwards: 70\r\n"
    "{name}: {text}\r\nContent-Length: 0\r\n\r\n"
)

#: Headers, texts (the RFCs' own examples where they have one), and what is to be read of them.
EXAMPLES: list[tuple[str, str, dict[str, Any]]] = [
    # RFC 3891 section 6.1
    ("Replaces", "98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff",
     {"callID": "98732@sip.example.com", "fromTag": "r33th4x0r", "toTag": "ff87ff", "earlyOnly": False}),
    ("Replaces", "12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only", {"earlyOnly": True}),
    # RFC 4538 section 7
    ("Target-Dialog", "fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544",
     {"callID": "fa77as7dad8-sd98ajzz@host.example.com", "localTag": "kkaz-", "remoteTag": "6544"}),
    ("Event", "refer;id=93809824", {"package": "refer", "id": "93809824"}),
    ("o", "presence.winfo", {"package": "presence.winfo", "id": None}),
    ("Subscription-State", "Active;expires=599",
     {"state": "active", "expires": 599, "reason": None, "retryAfter": None}),
    ("Subscription-State", "terminated;reason=probation;retry-after=60",
     {"state": "terminated", "reason": "probation", "retryAfter": 60, "expires": None}),
    ("x", "4000;refresher=UAC", {"seconds": 4000, "refresher": "uac"}),
    ("Session-Expires", "90", {"seconds": 90, "refresher": None}),
    ("Min-SE", "3600;lr", {"seconds": 3600}),
    ("Reason", 'Q.850 ;cause=16 ;text="Terminated"',
     {"protocol": "Q.850", "cause": 16, "text": "Terminated"}),
    ("Reason", "preemption", {"protocol": "preemption", "cause": None, "text": None}),
    ("Refer-Sub", "False", {"isWanted": False}),
    ("Refer-Sub", "true;x=1", {"isWanted": True}),
    ("Info-Package", "foo;x=y", {"package": "foo"}),
    ("Recv-Info", "bar", {"package": "bar"}),
    ("RAck", "776656 1 INVITE", {"number": 776656, "cseq": CSeq(1, "INVITE")}),
    ("Privacy", "Header; user;id", {"values": ("header", "user", "id")}),
    ("Authentication-Info", 'nextnonce="47364c23432d2e131a5fb210812c"', {}),
    ("P-Asserted-Identity", '"Cullen" <sip:fluffy@cisco.com>', {"displayName": "Cullen"}),
    ("P-Preferred-Identity", "<tel:+14085264000>", {"displayName": None}),
    ("Path", "<sip:P3.example.com;lr>", {"isLoose": True}),
    ("Service-Route", "<sip:P2.example.com>", {"isLoose": False}),
    ("r", "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345>", {}),
    ("b", '<sip:r@ref.example>;cid="20398823.2UWQFN309shb3@ref.example"', {}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "expected"), EXAMPLES)
def test_a_value_is_read_by_its_parts_and_goes_out_as_it_came(
    name: str, text: str, expected: dict[str, Any]
) -> None:
    value = parseMessage(MESSAGE.format(name=name, text=text)).parseHeader(name)
    assert {part: getattr(value, part) for part in expected} == expected
    assert type(value).parse(str(value)) == value


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("RSeq", "988789", 988789),
        ("SIP-ETag", "dx200xyz", "dx200xyz"),
        ("SIP-If-Match", "kwj449x", "kwj449x"),
    ],
)
def test_what_is_a_number_or_a_word_stays_one(name: str, text: str, value: object) -> None:
    assert parseMessage(MESSAGE.format(name=name, text=text)).parseHeader(name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Replaces", "1@a;to-tag=1"),
        ("Replaces", "1@a;from-tag=1"),
        ("Replaces", "1@a;from-tag=1;to-tag"),
        ("Replaces", '1@a;from-tag=1;to-tag="2"'),
        ("Replaces", "1@a;from-tag=1;to-tag=2;to-tag=3"),
        ("Replaces", "1@a@b;from-tag=1;to-tag=2"),
        ("Replaces", "1@a;from-tag=1;to-tag=2, 2@a;from-tag=1;to-tag=2"),
        ("Target-Dialog", "1@a;local-tag=1"),
        ("Target-Dialog", "1@a;remote-tag=1"),
        ("Event", "a/b"),
        ("Event", ""),
        ("Subscription-State", "a@b"),
        ("Subscription-State", "active;expires=soon"),
        ("Subscription-State", "active;expires"),
        ("Subscription-State", "terminated;retry-after=-1"),
        ("Session-Expires", "long"),
        ("Session-Expires", "1800;refresher=me"),
        ("Session-Expires", "1800;refresher"),
        ("Session-Expires", "9" * 5000),
        ("Min-SE", "90s"),
        ("Reason", "SIP;cause=x"),
        ("Reason", "a@b"),
        ("Refer-Sub", "maybe"),
        ("Info-Package", "a@b"),
        ("Recv-Info", "a@b"),
        ("RAck", "1 INVITE"),
        ("RAck", "0 1 INVITE"),
        ("RAck", "4294967296 1 INVITE"),
        ("RAck", "1 4294967296 INVITE"),
        ("Privacy", ""),
        ("Privacy", "user;;id"),
        ("Privacy", "user, id"),
        ("SIP-ETag", "a b"),
        ("SIP-If-Match", ""),
    ],
)
def test_what_is_malformed_is_a_ParseError_that_names_the_header(name: str, text: str) -> None:
    message = parseMessage(MESSAGE.format(name=name, text=text))
    with pytest.raises(ParseError) as caught:
        message.parseHeader(name)
    assert caught.value.header == name


def test_events_match_by_package_and_id_alone() -> None:
    # RFC 6665 section 8.2.1
    event = Event("refer", {"id": "1"})
    assert event.matches(Event("refer", {"id": "1", "other": "x"}))
    assert not event.matches(Event("refer", {"id": "2"}))
    assert not event.matches(Event("refer"))
    assert not event.matches(Event("presence", {"id": "1"}))


def test_Recv_Info_is_a_list_that_may_be_empty() -> None:
    # RFC 6086 section 4.2.1: "an empty list": none is wanted.
    several = parseMessage(MESSAGE.format(name="Recv-Info", text="foo, bar;x=1"))
    assert [several.parseHeader("Recv-Info", index).package for index in (0, 1)] == ["foo", "bar"]
    none = parseMessage(MESSAGE.format(name="Recv-Info", text=""))
    assert none.hasHeader("Recv-Info")
    assert none.getHeaders("Recv-Info") == []


def test_privacy_can_be_asked_for_what_it_holds() -> None:
    assert "id" in Privacy(("ID", "critical"))
    assert "user" not in Privacy(("id",))


_tokens = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,12}", fullmatch=True)
_numbers = st.integers(0, 2**32 - 1)
_more = st.dictionaries(_tokens.map(lambda name: "x" + name.lower()), st.none() | _tokens, max_size=3)


def _tagged(kind: type[Any], first: str, second: str) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda callID, a, b, more: kind(callID, {first: a, second: b, **more}),
        _tokens,
        _tokens,
        _tokens,
        _more,
    )


values = st.one_of(
    _tagged(Replaces, "to-tag", "from-tag"),
    _tagged(TargetDialog, "local-tag", "remote-tag"),
    st.builds(lambda name, id: Event(name, {"id": id}), _tokens, _tokens),
    st.builds(lambda name, n: SubscriptionState(name, {"expires": str(n)}), _tokens, _numbers),
    st.builds(lambda n, who: SessionExpires(str(n), {"refresher": who}), _numbers, st.just("uas")),
    st.builds(lambda n, more: MinSE(str(n), more), _numbers, _more),
    st.builds(lambda name, n, text: Reason(name, {"cause": str(n), "text": text}), _tokens, _numbers,
              st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc"]))),
    st.builds(ReferSub, st.sampled_from(["true", "false"]), _more),
    st.builds(InfoPackage, _tokens, _more),
    st.builds(RAck, st.integers(1, 2**32 - 1), st.builds(CSeq, _numbers, _tokens)),
    st.builds(Privacy, st.lists(_tokens, min_size=1, max_size=4)),
)  # fmt: skip


@given(values)
def test_what_is_printed_is_parsed_as_the_same(value: Any) -> None:
    assert type(value).parse(str(value)) == value


KINDS = (Replaces, TargetDialog, Event, SubscriptionState, SessionExpires, MinSE, Reason, ReferSub,
         InfoPackage, RAck, Privacy)  # fmt: skip


@given(st.text(max_size=60) | st.text('1a;=", @-tag', max_size=40))
def test_any_text_is_a_value_or_a_ParseError(text: str) -> None:
    for kind in KINDS:
        _try(kind.parse, text)


def _try(parse: Callable[[str], Any], text: str) -> None:
    with suppress(ParseError):
        value = parse(text)
        assert _parsed(parse, str(value)) == value


def _parsed(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ParseError as error:
        return error


def test_every_kind_is_what_parseHeader_gives() -> None:
    parsers = {getattr(parser, "__self__", None) for parser in PARSERS.values()}
    assert set(KINDS) | {NameAddr, Route} <= parsers
