"""
From the head of a message to the names and values of its headers (RFC 3261 section 7.3).
"""

from __future__ import annotations

import re

from sipws.errors import ParseError
from sipws.message.grammar import HEADER_NAME, SWS, TEXT, TOKEN_CHARS, compiled
from sipws.message.limits import Limits
from sipws.message.names import NAMES

__all__ = ["indexFields", "readFields", "salvageFields", "splitHead"]

#: Controls are legal in a quoted string alone, after a backslash (RFC 3261 section 25.1, quoted-pair).
_FIELD = compiled(rf"({HEADER_NAME}):({TEXT})")
_FIELD_WITH_PAIRS = compiled(rf"({HEADER_NAME}):((?:{TEXT[:-2]}|(?<=\\)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f])*+)")
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
_STRAY = re.compile(r"\r(?!\n)|(?<!\r)\n")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NAME = compiled(rf"([{TOKEN_CHARS}]++){SWS}:")


def splitHead(text: str) -> tuple[str, str]:
    """
    Split a head into the start line and the rest.

    @param text: The message up to its empty line.
    @return: The start line, and the header lines with the CRLF before each.
    @raise ParseError: There is a CR or LF that is no line end: "each
        message-header line, and the empty line MUST be terminated by a
        carriage-return line-feed sequence" (RFC 3261 section 7).  Who takes
        one alone for a line end reads other headers than who does not.
    """
    stray = _STRAY.search(text)
    if stray is not None:
        raise ParseError("a CR or LF that is no line end", position=_octets(text, stray.start()))
    start, _, _ = text.partition("\r\n")
    return start, text[len(start) :]


def readFields(text: str, limits: Limits | None = None) -> list[tuple[str, str]]:
    """
    Read the headers.

    @param text: Each header line with the CRLF before it.
    @param limits: What is too much; C{None} where that was seen to.
    @return: Pairs of canonical name and value, unfolded, without white space around it.
    @raise ParseError: A line is no header, or there are too many.
    """
    lines = text.split("\r\n")[1:]
    if limits is not None and len(lines) > limits.headers:
        raise ParseError(f"more than {limits.headers} headers (limit headers)")
    if "\r\n " in text or "\r\n\t" in text:
        lines = _FOLD.sub(" ", text).split("\r\n")[1:]
    return [_readField(line, limits) for line in lines]


def _readField(line: str, limits: Limits | None) -> tuple[str, str]:
    match = _FIELD.fullmatch(line) or _FIELD_WITH_PAIRS.fullmatch(line)
    if match is None:
        raise _notAField(line)
    name = NAMES[match[1].rstrip(" \t")]
    if limits is not None and len(line) > limits.headerLength:
        raise ParseError(f"longer than {limits.headerLength} characters (limit headerLength)", header=name)
    return name, match[2].strip(" \t")


def _notAField(line: str) -> ParseError:
    match = _NAME.match(line)
    if match is None:
        return ParseError("expected a header's name and a colon", position=0, value=line)
    control = _CONTROLS.search(line, match.end())
    position = 0 if control is None else control.start() - match.end()
    return ParseError(
        "a control character", header=NAMES[match[1]], position=position, value=line[match.end() :]
    )


def salvageFields(text: str) -> list[tuple[str, str]]:
    """
    Read those headers that can be read, of a head that is malformed.

    Controls are replaced: what is found here goes back to its sender.

    @param text: The lines of the head.
    @return: Pairs of canonical name and value.
    """
    pairs = []
    for line in _FOLD.sub(" ", text).split("\r\n"):
        match = _NAME.match(line)
        if match is not None:
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
