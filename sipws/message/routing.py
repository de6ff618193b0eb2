"""
What routes a message: the few values that every message is read for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from sipws.errors import ParseError
from sipws.message.common import COMMON_ADDRESS, COMMON_VIA
from sipws.message.headers import splitList
from sipws.message.nameaddr import NameAddr
from sipws.message.values import CSeq, parseCallID, parseInteger
from sipws.message.via import Via

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipws.message.incoming import IncomingMessage

__all__ = ["READERS", "readTag", "readVia"]

_Value = TypeVar("_Value")


def readTag(text: str) -> str | None:
    """
    Give the tag of an address.

    @param text: The value of From or To, unfolded.
    @return: The tag, C{None} where there is none.
    @raise ParseError: The address is malformed.
    """
    match = COMMON_ADDRESS.fullmatch(text)
    return NameAddr.parse(text).tag if match is None else match["tag"]


def readVia(text: str) -> tuple[str | None, str]:
    """
    Give the branch and the sent-by of a hop.

    @param text: An entry of Via, unfolded.
    @return: The branch, C{None} where there is none; sent-by in lower case.
    @raise ParseError: It is malformed.
    """
    match = COMMON_VIA.fullmatch(text)
    if match is not None:
        return match["branch"], match["sentBy"].lower()
    via = Via.parse(text)
    return via.branch, via.sentBy


def _only(message: IncomingMessage, name: str) -> str | None:
    """Give the value of a header that may stand once."""
    assert message.fields is not None
    lines = message.fields.get(name)
    if lines is None:
        return None
    if len(lines) > 1:
        raise ParseError("stands more than once", header=name)
    return lines[0]


def _readVia(message: IncomingMessage) -> None:
    assert message.fields is not None
    message.viaBranch, message.sentBy = None, ""
    message.hasMoreVias = False
    lines = message.fields.get("Via")
    if lines is not None:
        entries = [entry for line in lines for entry in splitList(line)]
        message.hasMoreVias = len(entries) > 1
        message.viaBranch, message.sentBy = _located("Via", readVia, entries[0] if entries else "")


def _readTags(message: IncomingMessage) -> None:
    sender, recipient = _only(message, "From"), _only(message, "To")
    message.fromTag = None if sender is None else _located("From", readTag, sender)
    message.toTag = None if recipient is None else _located("To", readTag, recipient)


def _readCallID(message: IncomingMessage) -> None:
    value = _only(message, "Call-ID")
    message.callID = "" if value is None else _located("Call-ID", parseCallID, value)


def _readCSeq(message: IncomingMessage) -> None:
    value = _only(message, "CSeq")
    message.cseq, message.cseqMethod = 0, ""
    if value is not None:
        cseq = _located("CSeq", CSeq.parse, value)
        message.cseq, message.cseqMethod = cseq.number, cseq.method


def _readContentLength(message: IncomingMessage) -> None:
    value = _only(message, "Content-Length")
    message.contentLength = None if value is None else _located("Content-Length", parseInteger, value)
    # RFC 3261 section 18.3: "If there are additional bytes in the transport packet beyond the end of the
    # body, they MUST be discarded."
    if message.contentLength is not None:
        message.body = message.body[: message.contentLength]


#: What reads them, each its own.
READERS = (_readVia, _readTags, _readCallID, _readCSeq, _readContentLength)


def _located(name: str, parse: Callable[[str], _Value], value: str) -> _Value:
    try:
        return parse(value)
    except ParseError as error:
        raise ParseError(error.reason, header=name, position=error.position, value=error.value) from None
