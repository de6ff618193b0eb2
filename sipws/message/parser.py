"""
From the octets of a WebSocket message to an object (RFC 3261 section 7, RFC 7118 section 5).
"""

from __future__ import annotations

import re

from sipws.errors import ParseError
from sipws.message.common import COMMON_HEAD
from sipws.message.fields import indexFields, readFields, splitHead
from sipws.message.grammar import SIP_VERSION, TEXT, TOKEN, compiled
from sipws.message.incoming import IncomingRequest, IncomingResponse
from sipws.message.limits import DEFAULT_LIMITS, Limits
from sipws.message.routing import READERS
from sipws.message.salvage import salvage

__all__ = ["parseMessage"]

# Request-Line  =  Method SP Request-URI SP SIP-Version CRLF
_REQUEST_LINE = compiled(rf"({TOKEN}) ([^ \t]++) ({SIP_VERSION})")
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
        message = _parseCommon(octets, limits) or _parse(octets, limits)
        if strict:
            message.parseAll()
    except ParseError as error:
        error.request = salvage(octets, limits)
        raise
    return message


def _toOctets(data: bytes | str) -> bytes:
    if not isinstance(data, str):
        return bytes(data)
    try:
        return data.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParseError("text that UTF-8 cannot say", position=error.start) from None


def _parseCommon(octets: bytes, limits: Limits) -> IncomingRequest | IncomingResponse | None:
    """Parse a message whose head has the common form; C{None} for others, malformed ones among them."""
    head, _, body = octets.partition(b"\r\n\r\n")
    if len(head) > limits.commonHead or len(octets) > limits.messageSize:
        return None
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        return None
    match = COMMON_HEAD.fullmatch(text)
    if match is None:
        return None
    (
        method,
        requestURI,
        plainURI,
        statusCode,
        reasonPhrase,
        moreVias,
        sentBy,
        branch,
        _,
        _,
        sender,
        fromTag,
        recipient,
        toTag,
        callID,
        cseq,
        cseqMethod,
        contentLength,
        _,
    ) = match.groups()
    if sentBy is None or sender is None or recipient is None or callID is None or cseq is None:
        return None
    message: IncomingRequest | IncomingResponse
    if method is not None:
        message = request = IncomingRequest()
        request.method = method
        request.requestURIText = requestURI
        request.parsedURI = None
        request.hasPlainURI = plainURI is not None
    else:
        message = response = IncomingResponse()
        response.method = cseqMethod
        response.statusCode = int(statusCode)
        response.reasonPhrase = reasonPhrase
    message.octets = octets
    message.head = text
    message.fields = message.typed = message.transport = None
    message.isCommon = True
    message.hasMoreVias = moreVias is not None
    message.version = "SIP/2.0"
    message.sentBy = sentBy.lower()
    message.viaBranch = branch
    message.fromTag = fromTag
    message.toTag = toTag
    message.callID = callID
    message.cseq = int(cseq)
    message.cseqMethod = cseqMethod
    if contentLength is None:
        message.contentLength = None
        message.body = body
    else:
        message.contentLength = length = int(contentLength)
        message.body = body if len(body) <= length else body[:length]
    return message


def _parse(octets: bytes, limits: Limits) -> IncomingRequest | IncomingResponse:
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
    # RFC 3261 section 7.5: "Implementations processing SIP messages over stream-oriented transports MUST
    # ignore any CRLF appearing before the start-line".
    skipped = len(octets) - len(octets.lstrip(b"\r\n"))
    end = octets.find(b"\r\n\r\n", skipped)
    if end < 0:
        raise ParseError("no empty line after the headers", position=len(octets))
    if end - skipped > limits.headSize:
        raise ParseError(f"a head of more than {limits.headSize} octets (limit headSize)")
    try:
        text = octets[skipped:end].decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParseError("an octet that is not UTF-8", position=skipped + error.start) from None
    start, fields = splitHead(text)
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
