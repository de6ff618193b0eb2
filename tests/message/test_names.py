from __future__ import annotations

import pytest

from sipws.message.names import COMPACT_FORMS, CanonicalNames, canonicalName


@pytest.mark.parametrize(
    ("name", "canonical"),
    [
        ("via", "Via"),
        ("VIA", "Via"),
        ("v", "Via"),
        ("V", "Via"),
        ("call-id", "Call-ID"),
        ("I", "Call-ID"),
        ("CSEQ", "CSeq"),
        ("www-authenticate", "WWW-Authenticate"),
        ("mime-version", "MIME-Version"),
        ("x-my-header", "X-My-Header"),
        ("P-ASSERTED-IDENTITY", "P-Asserted-Identity"),
        ("rack", "RAck"),
        ("min-se", "Min-SE"),
        ("x", "Session-Expires"),
        ("z", "Z"),
        ("C%6Fntact", "C%6fntact"),
        ("-", "-"),
    ],
)
def test_canonical(name: str, canonical: str) -> None:
    assert canonicalName(name) == canonical
    assert canonicalName(canonical) == canonical


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\nb", "\0", "é", '"', "a " * 100])
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="header name"):
        canonicalName(name)


def test_the_compact_forms_of_RFC_3261() -> None:
    """Section 20, and the first column of its table."""
    assert {compact: COMPACT_FORMS[compact] for compact in "cefiklmstv"} == {
        "c": "Content-Type",
        "e": "Content-Encoding",
        "f": "From",
        "i": "Call-ID",
        "k": "Supported",
        "l": "Content-Length",
        "m": "Contact",
        "s": "Subject",
        "t": "To",
        "v": "Via",
    }


def test_what_is_kept_is_bounded() -> None:
    names = CanonicalNames(limit=10)
    assert [names[f"x-{number}"] for number in range(1000)] == [f"X-{number}" for number in range(1000)]
    assert len(names) == 10
    assert names["x-999"] == "X-999"


def test_long_names_are_not_kept() -> None:
    names = CanonicalNames()
    assert names["a" * 65] == "A" + "a" * 64
    assert len(names) == 0
