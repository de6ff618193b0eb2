"""
What callers hand over, checked where they do: a mistake is told with the name
of what is wrong and what is wanted, and not from deep inside, or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["checkNumber", "checkPairs", "checkText", "checkTexts", "octetsOf", "wanted"]


def wanted(name: str, wish: str, value: object) -> TypeError:
    """
    Say that a value is of a wrong type.

    @param name: The parameter.
    @param wish: What it is to be.
    @param value: What it is.
    """
    return TypeError(f"{name}: {wish}, not {value!r:.80}")


def octetsOf(body: object) -> bytes:
    """
    Give the octets of a body.

    @param body: Text, which goes out as UTF-8, octets, or what has some.
    @raise TypeError: It is none of these: C{bytes} of a number would be as many NULs.
    """
    if isinstance(body, str):
        return body.encode("utf-8")
    if isinstance(body, (bytes, bytearray, memoryview)) or hasattr(body, "__bytes__"):
        return bytes(body)
    raise wanted("body", "text or octets (b'' for none)", body)


def checkText(name: str, value: object, example: str) -> None:
    """
    Check what is to be text.

    @param name: The parameter.
    @param value: What was given.
    @param example: What it may look like.
    @raise TypeError: It is no text.
    """
    if not isinstance(value, str):
        raise wanted(name, f"text such as {example!r}", value)


def checkTexts(name: str, values: object, example: str) -> None:
    """
    Check what is to be several texts: one alone would be taken for its letters.

    @param name: The parameter.
    @param values: What was given.
    @param example: What one of them may look like.
    @raise TypeError: It is one text, or octets, or nothing to go through.
    """
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise wanted(name, f"a list such as [{example!r}]", values)


def checkNumber(name: str, value: object, wish: str) -> None:
    """
    Check what is to be a number.

    @param name: The parameter.
    @param value: What was given.
    @param wish: What it is to be, such as C{a number of seconds}.
    @raise TypeError: It is none.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise wanted(name, wish, value)


def checkPairs(headers: list[object]) -> None:
    """
    Check what is to be headers.

    @param headers: They.
    @raise TypeError: One of them is no pair, or its name no text.
    """
    for pair in headers:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise wanted("headers", "pairs such as [('Subject', 'Lunch')], or a mapping", pair)
        checkText("headers: the name of one", pair[0], "Subject")
