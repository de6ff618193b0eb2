"""
From the octets of a WebSocket message to an object (RFC 3261 section 7, RFC 7118 section 5).
"""

from __future__ import annotations

import re

from sipws.errors import ParseError
from sipws.message.fields import indexFields, readFields, splitHead
from sipws.message.grammar import SIP_VERSION, TEXT, TOKEN, VISIBLE, compiled
from sipws.message.incoming import IncomingRequest, IncomingResponse
from sipws.message.limits import DEFAULT_LIMITS, Limits
from sipws.message.routing import READERS
from sipws.message.salvage import beginOf, salvage
from sipws.message.shortcut import parseCommon

__all__ = ["parseMessage", "parseThoroughly"]

# Request-Line  =  Method SP Request-URI SP SIP-Version CRLF
_REQUEST_LINE = compiled(rf"({TOKEN}) ({VISIBLE}) ({SIP_VERSION})")
# Status-Line   =  SIP-Version SP Status-Code SP Reason-Phrase CRLF
# RFC 3261 section 7.2: "SIP/2.0 allows six values for the first digit".
_STATUS_LINE = compiled(rf"({SIP_VERSION}) ([1-6][0-9][0-9]) ({TEXT})")
_LIKE_RESPONSE = re.compile(r"sip/", re.IGNORECASE)


def parseMessage(
    data: bytes | str, strict: bool = False, limits: Limits = DEFAULT_LIMITS
) -> IncomingRequest | IncomingResponse:
    """
    Parse a message.

    What routing needs is read: the start line, the top Via, From, To, Call-ID,
    CSeq and Content-Length.  What is missing is left to
    L{sipws.message.sanityCheck}.  All other headers are read when they are
    asked for.

    @param data: The octets of one WebSocket message; text stands for its UTF-8.
    @param strict: Whether to read everything at once.
    @param limits: What is too much.
    @return: The message.
    @raise ParseError: It is malformed.  Its C{request} is the request, where so
        much of one could be read that it can be answered.
    """
    octets = data if type(data) is bytes else _toOctets(data)
    try:
        message = parseCommon(octets, limits) or parseThoroughly(octets, limits)
        if strict:
            message.parseAll()
    except ParseError as error:
        error.request = salvage(octets, limits)
        raise
    return message


def _toOctets(data: bytes | str) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    try:
        return data.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParseError("text that UTF-8 cannot say", position=error.start) from None


def parseThoroughly(octets: bytes, limits: Limits) -> IncomingRequest | IncomingResponse:
    """
    Parse a message of whatever form, header by header.

    @param octets: The message.
    @param limits: What is too much.
    @raise ParseError: It is malformed.
    """
    start, fields, body = _split(octets, limits)
    message = _readStartLine(start)
    message.octets = octets
    message.head = start + fields
    message.fields = indexFields(readFields(fields, limits))
    message.typed = None
    message.transport = None
    message.isCommon = False
    message.body = body
    for read in READERS:
        read(message)
    if isinstance(message, IncomingResponse):
        message.method = message.cseqMethod
    return message


def _split(octets: bytes, limits: Limits) -> tuple[str, str, bytes]:
    if len(octets) > limits.messageSize:
        raise ParseError(f"longer than {limits.messageSize} octets (limit messageSize)")
    skipped = beginOf(octets)
    end = octets.find(b"\r\n\r\n", skipped)
    if end < 0:
        raise ParseError("no empty line after the headers", position=len(octets))
    if end - skipped > limits.headSize:
        raise ParseError(f"a head of more than {limits.headSize} octets (limit headSize)")
    try:
        text = octets[skipped:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("an octet that is not UTF-8", position=skipped + error.start) from None
    start, fields = splitHead(text, skipped)
    return start, fields, octets[end + 4 :]


def _readStartLine(line: str) -> IncomingRequest | IncomingResponse:
    match = _REQUEST_LINE.fullmatch(line)
    if match is not None:
        request = IncomingRequest()
        request.method, request.requestURIText = match[1], match[2]
        request.version = match[3].upper()
        request.parsedURI, request.hasPlainURI = None, False
        return request
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise ParseError(
            "expected a status line" if _LIKE_RESPONSE.match(line) else "expected a request line",
            position=0,
            value=line,
        )
    response = IncomingResponse()
    response.version = match[1].upper()
    response.statusCode, response.reasonPhrase = int(match[2]), match[3]
    return response
