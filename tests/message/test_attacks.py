"""
Text made to keep a parser busy: what it takes grows as the text does, and no faster.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from sipws.message import (
    URI,
    Challenge,
    Contact,
    Credentials,
    CSeq,
    Limits,
    MediaType,
    NameAddr,
    Parameterized,
    RetryAfter,
    Via,
    WarningValue,
    parseMessage,
    redact,
)
from sipws.message.headers import splitList
from sipws.message.values import parseCallID, parseDate, parseInteger

#: How long the texts are, in characters, and how long the longest may take, in seconds.  What grows as
#: the square of the length takes seconds for these.
LENGTH = 20_000
BOUND = 0.060

PARTS = (
    "a", "1", ".", "a.", "a-", "-", "%41", "%", '"', "\\", '\\"', ";", "; ", ";a", ";a=", ';a="b"',
    ",", ", ", "a=b,", " ", "\t", "<", ">", "<>", "@", ":", "::", "[", "(", ")", "()", "a b ",
    "sip:", "sip:a@", "/", "=", "?", "&a=b", "?a=b", "é", "*", "response=", "inline:", "SIP/2.0/",
    "\r\n", "\r\n ", "\r", "\n", "Cookie:", "authorization=",
)  # fmt: skip

PREFIXES: dict[Callable[[str], object], tuple[str, ...]] = {
    URI.parse: ("", "sip:", "sip:a", "sip:a@", "sip:a@b;c", "sip:a@b?c=", "tel:+1", "urn:"),
    NameAddr.parse: ("", '"', "<", "<sip:a@", '"a" <sip:a@b>', "sip:a"),
    Contact.parse: ("", "*", "<sip:a@b>;expires="),
    Via.parse: ("", "SIP/2.0/", "SIP/2.0/WS ", "SIP/2.0/WS a", "SIP/2.0/WS a;branch="),
    Challenge.parse: ("", "Digest ", "Digest a=", 'Digest a="'),
    Credentials.parse: ("", "Digest ", "Digest a=", "Basic "),
    CSeq.parse: ("", "1", "1 "),
    MediaType.parse: ("", "a/", "a/b", "a/b;c="),
    Parameterized.parse: ("", "a"),
    RetryAfter.parse: ("", "1", "1 (", "1 (a)"),
    WarningValue.parse: ("", "399 ", "399 a ", '399 a "'),
    parseCallID: ("", "a@"),
    parseDate: ("", "Sat, "),
    parseInteger: ("", "1"),
    splitList: ("", '"', "<"),
    redact: ("", "Authorization: ", "Authorization: Digest ", "Cookie: ", "a=ice-pwd:", "<sip:a:"),
}


def spent(call: Callable[[str], object], text: str) -> float:
    begun = time.thread_time()
    with suppress(ValueError):
        call(text)
    return time.thread_time() - begun


@pytest.mark.parametrize("call", PREFIXES, ids=lambda call: getattr(call, "__qualname__", ""))
def test_values(call: Callable[[str], object]) -> None:
    for prefix, part, suffix in itertools.product(PREFIXES[call], PARTS, ("", "\0")):
        text = prefix + part * (LENGTH // len(part)) + suffix
        took = spent(call, text)
        assert took < BOUND or min(spent(call, text) for _ in range(3)) < BOUND, (prefix, part, suffix, took)


@pytest.mark.parametrize(
    "before",
    [
        "",
        "INVITE ",
        "INVITE sip:",
        "SIP/2.0 200 ",
        "INVITE sip:a SIP/2.0\r\n",
        "INVITE sip:a SIP/2.0\r\nVia: ",
        "INVITE sip:a SIP/2.0\r\nVia: SIP/2.0/WS a",
        "INVITE sip:a SIP/2.0\r\nFrom: ",
        'INVITE sip:a SIP/2.0\r\nFrom: "',
        "INVITE sip:a SIP/2.0\r\nTo: <sip:",
        "INVITE sip:a SIP/2.0\r\nCall-ID: ",
        "INVITE sip:a SIP/2.0\r\nCSeq: ",
        "INVITE sip:a SIP/2.0\r\nContact: ",
        "INVITE sip:a SIP/2.0\r\nVia: a\r\nCSeq: 1 INVITE\r\n",
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_messages_without_limits(before: str, strict: bool) -> None:
    limits = Limits(messageSize=10**9, headSize=10**9, headers=10**9, headerLength=10**9)

    def call(text: str) -> object:
        return parseMessage(text, strict, limits)

    for part, after in itertools.product(PARTS, ("\r\n\r\n", "\r\nl: 0\r\n\r\n", "")):
        text = before + part * (LENGTH // len(part)) + after
        took = spent(call, text)
        assert took < 2 * BOUND or min(spent(call, text) for _ in range(3)) < 2 * BOUND, (part, after, took)


@pytest.mark.parametrize("part", ["a", ";a", ",", " ", '"', "\r\n ", "\r\nA: b", "<", "\\", "é"])
@pytest.mark.parametrize("before", ["", "INVITE sip:a SIP/2.0\r\nVia: ", "INVITE sip:a SIP/2.0\r\nFrom: "])
def test_a_megabyte_within_limits(before: str, part: str) -> None:
    """What is too long is refused before it is looked into."""
    text = (before + part * (1_040_000 // len(part.encode()))).encode()

    def call(_: str) -> object:
        return parseMessage(text)

    assert min(spent(call, "") for _ in range(3)) < 0.010
