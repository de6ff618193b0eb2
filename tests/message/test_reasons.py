from __future__ import annotations

import pytest

from sipws.message.reasons import REASON_PHRASES, reasonPhrase


def test_registered() -> None:
    assert reasonPhrase(200) == REASON_PHRASES[200] == "OK"
    assert reasonPhrase(482) == "Loop Detected"


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (199, "Early Dialog Terminated"),
        (299, "OK"),
        (499, "Bad Request"),
        (699, "Busy Everywhere"),
        (155, "Trying"),
    ],
)
def test_others_are_as_the_x00_of_their_class(code: int, phrase: str) -> None:
    """RFC 3261 section 8.1.3.2."""
    assert reasonPhrase(code) == phrase


def test_all_are_status_codes_and_phrases() -> None:
    assert all(100 <= code <= 699 for code in REASON_PHRASES)
    assert all(phrase.isprintable() and phrase.strip() == phrase != "" for phrase in REASON_PHRASES.values())
