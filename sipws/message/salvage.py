"""
What can be had of a request that is malformed: enough to answer it.
"""

from __future__ import annotations

import re
from contextlib import suppress

from sipws.errors import ParseError
from sipws.message.fields import indexFields, salvageFields
from sipws.message.grammar import TOKEN, compiled
from sipws.message.incoming import IncomingRequest
from sipws.message.limits import Limits
from sipws.message.routing import READERS

__all__ = ["beginOf", "salvage"]

_EMPTY_LINES = re.compile(rb"(?:\r\n)*+")
_METHOD = compiled(TOKEN)
_TAG = compiled(rf"; ?[Tt][Aa][Gg] ?= ?({TOKEN})")


def beginOf(octets: bytes) -> int:
    """
    Say where a message begins: "Implementations processing SIP messages over
    stream-oriented transports MUST ignore any CRLF appearing before the
    start-line" (RFC 3261 section 7.5).

    @param octets: The message.
    """
    match = _EMPTY_LINES.match(octets)
    assert match is not None
    return match.end()


def salvage(octets: bytes, limits: Limits) -> IncomingRequest | None:
    """
    Read as much of a malformed request as its answer needs.

    A response is matched to its request by the branch of the top Via and the
    method of CSeq (RFC 3261 section 17.1.3): without these two headers an
    answer is of no use.

    @param octets: The message.
    @param limits: What is too much.
    @return: The request: what was malformed is as if it were missing, but for
        the headers' text.  C{None} for a response, or what cannot be answered.
    """
    begin = beginOf(octets)
    head, _, body = octets[begin : begin + limits.headSize].partition(b"\r\n\r\n")
    start, _, rest = head.decode("utf-8", "replace").partition("\r\n")
    words = start.split()
    if not words or _METHOD.fullmatch(words[0]) is None:
        return None
    pairs = salvageFields(rest, limits)
    request = IncomingRequest()
    request.fields = indexFields(pairs)
    if "Via" not in request.fields or "CSeq" not in request.fields:
        return None
    request.octets = octets
    request.head = "\r\n".join([words[0], *(f"{name}: {value}" for name, value in pairs)])
    request.typed = None
    request.parsedURI, request.hasPlainURI = None, False
    request.transport = None
    request.isCommon = False
    request.method, request.version = words[0], "SIP/2.0"
    request.requestURIText = " ".join(words[1:-1] if words[-1].upper().startswith("SIP/") else words[1:])
    request.body = body
    _readWhatCanBe(request)
    return request


def _readWhatCanBe(request: IncomingRequest) -> None:
    request.hasMoreVias = False
    request.viaBranch = request.fromTag = request.toTag = request.contentLength = None
    request.callID = request.sentBy = request.cseqMethod = ""
    request.cseq = 0
    for read in READERS:
        with suppress(ParseError):
            read(request)
    if request.toTag is None:
        # One tag is enough, also where the rest of To cannot be read.
        tag = _TAG.search(request.getHeader("To") or "")
        request.toTag = tag and tag[1]
