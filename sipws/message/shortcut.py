"""
The fast way through the parser, for messages of the common form.
"""

from __future__ import annotations

from sipws.message.common import COMMON_HEAD
from sipws.message.incoming import IncomingRequest, IncomingResponse
from sipws.message.limits import Limits

__all__ = ["parseCommon"]


def parseCommon(octets: bytes, limits: Limits) -> IncomingRequest | IncomingResponse | None:
    """
    Parse a message whose head has the common form.

    All in one function, and each attribute by itself: this is what every
    message costs.

    @param octets: The message.
    @param limits: What is too much.
    @return: The message; C{None} where it has another form, or is malformed.
    """
    head, blank, body = octets.partition(b"\r\n\r\n")
    if not blank or len(head) > limits.commonHead or len(octets) > limits.messageSize:
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
