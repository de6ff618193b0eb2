"""
From the head of a message to the names and values of its headers (RFC 3261 section 7.3).
"""

from __future__ import annotations

import re

from sipws.errors import ParseError
from sipws.message.grammar import SWS, TEXT_CHARS, TOKEN_CHARS, compiled
from sipws.message.limits import Limits
from sipws.message.names import NAMES

__all__ = ["indexFields", "indexPlainFields", "readFields", "readPlainFields", "salvageFields", "splitHead"]

# Controls are legal in a quoted string alone, after a backslash (RFC 3261 section 25.1, quoted-pair).
_VALUE = compiled(rf"(?:[{TEXT_CHARS}]++|(?<=\\)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])*+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_FOLD = re.compile(r"\r\n[ \t]++")
_STRAY = re.compile(r"\r(?!\n)|(?<!\r)\n")
_NAME = compiled(rf"([{TOKEN_CHARS}]++){SWS}:")
# A line of a head that was found to be well formed, with nothing folded.
_PLAIN_FIELD = re.compile(r"\r\n([^:]++):[ \t]*+([^\r]*+)")


def splitHead(text: str, offset: int = 0) -> tuple[str, str]:
    """
    Split a head into the start line and the rest.

    @param text: The message up to its empty line.
    @param offset: Where in the message it begins, in octets.
    @return: The start line, and the header lines with the CRLF before each.
    @raise ParseError: There is a CR or LF that is no line end: "each
        message-header line, and the empty line MUST be terminated by a
        carriage-return line-feed sequence" (RFC 3261 section 7).  Who takes
        one alone for a line end reads other headers than who does not.
    """
    start, _, _ = text.partition("\r\n")
    lines = text.count("\r\n")
    if text.count("\r") != lines or text.count("\n") != lines:
        stray = _STRAY.search(text)
        assert stray is not None
        raise ParseError("a CR or LF that is no line end", position=offset + _octets(text, stray.start()))
    return start, text[len(start) :]


def readFields(text: str, limits: Limits) -> list[tuple[str, str]]:
    """
    Read the headers.

    @param text: Each header line with the CRLF before it.
    @param limits: What is too much.
    @return: Pairs of canonical name and value, unfolded, without white space around it.
    @raise ParseError: A line is no header, or there are too many.
    """
    if text.count("\r\n") > limits.headers:
        raise ParseError(f"more than {limits.headers} headers (limit headers)")
    if "\r\n " in text or "\r\n\t" in text:
        text = _FOLD.sub(" ", text)
    lines = text.split("\r\n")
    del lines[0]
    return [_readField(line, limits) for line in lines]


def _readField(line: str, limits: Limits) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    try:
        name = NAMES[name.rstrip(" \t")]
    except ValueError:
        colon = ""
    if not colon:
        raise ParseError("expected a header's name and a colon", position=0, value=line)
    if len(line) > limits.headerLength:
        raise ParseError(f"longer than {limits.headerLength} characters (limit headerLength)", header=name)
    if not value.isprintable():
        _checkValue(name, value)
    return name, value.strip(" \t")


def _checkValue(name: str, value: str) -> None:
    match = _VALUE.match(value)
    if match is not None and match.end() < len(value):
        raise ParseError("a control character", header=name, position=match.end(), value=value)


def readPlainFields(text: str) -> list[tuple[str, str]]:
    """
    Read the headers of a head that was found to be well formed, with nothing folded.

    @param text: Each header line with the CRLF before it.
    @return: Pairs of canonical name and value, without white space around it.
    """
    return [(NAMES[name], value.rstrip(" \t")) for name, value in _PLAIN_FIELD.findall(text)]


def indexPlainFields(text: str) -> dict[str, list[str]]:
    """
    Give the values of each header, as L{indexFields} does, of a head that was
    found to be well formed, with nothing folded.

    @param text: Each header line with the CRLF before it.
    """
    index: dict[str, list[str]] = {}
    lines = text.split("\r\n")
    del lines[0]
    for line in lines:
        written, _, value = line.partition(":")
        name = NAMES[written]
        if name in index:
            index[name].append(value.strip(" \t"))
        else:
            index[name] = [value.strip(" \t")]
    return index


def salvageFields(text: str, limits: Limits) -> list[tuple[str, str]]:
    """
    Read those headers that can be read, of a head that is malformed.

    Controls are replaced: what is found here goes back to its sender.

    @param text: The lines of the head.
    @param limits: What is too much: it is left out.
    @return: Pairs of canonical name and value.
    """
    pairs = []
    for line in _FOLD.sub(" ", text).split("\r\n", limits.headers)[: limits.headers]:
        match = _NAME.match(line)
        if match is not None and len(line) <= limits.headerLength:
            value = _CONTROLS.sub("?", line[match.end() :].replace("\r", "?").replace("\n", "?"))
            pairs.append((NAMES[match[1]], value.strip(" \t")))
    return pairs


def indexFields(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """
    Give the values of each header under its name.

    @param pairs: Canonical names and values.
    """
    index: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in index:
            index[name].append(value)
        else:
            index[name] = [value]
    return index


def _octets(text: str, position: int) -> int:
    return len(text[:position].encode("utf-8", "replace"))
