from __future__ import annotations

import pytest

from sipws.message.headers import LISTS, PARSERS, SINGLE, splitList


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a ,\tb ", ["a", "b"]),
        ("a,,b,", ["a", "b"]),
        (", ,", []),
        ("<sip:a,b@c>,<sip:d>", ["<sip:a,b@c>", "<sip:d>"]),
        ('"a, b" <sip:c>, d', ['"a, b" <sip:c>', "d"]),
        ('"a \\", b" <sip:c>, d', ['"a \\", b" <sip:c>', "d"]),
        ('"<a" <sip:c>, ">" <sip:d>', ['"<a" <sip:c>', '">" <sip:d>']),
        ('<sip:a?b=">, <sip:c>', ['<sip:a?b=">', "<sip:c>"]),
        ('"never closed, a, b', ['"never closed, a, b']),
        ("<never closed, a, b", ["<never closed, a, b"]),
        ('a, "b, c', ["a", '"b, c']),
        ('a;x="1,2",b', ['a;x="1,2"', "b"]),
    ],
)
def test_split(text: str, entries: list[str]) -> None:
    assert splitList(text) == entries


def test_lists_are_no_single_headers() -> None:
    assert not LISTS & SINGLE
    assert set(PARSERS) >= LISTS


def test_what_may_stand_on_several_lines_though_it_is_no_list() -> None:
    """RFC 3261 section 7.3.1."""
    repeated = {"WWW-Authenticate", "Authorization", "Proxy-Authenticate", "Proxy-Authorization"}
    assert not repeated & (LISTS | SINGLE)


def test_what_stands_once() -> None:
    assert {"From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type"} <= SINGLE
