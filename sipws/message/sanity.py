"""
What every message is checked for before anybody gets it: one rule, one function.

A rule of requests gives the status code that refuses the request, and the
reason phrase where it says more than the registered one (RFC 3261 section
21.4.1: it "SHOULD identify the syntax problem in more detail"); a rule of
responses gives the reason why it is dropped.  Either gives C{None} for what
passes.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sipws.errors import ParseError
from sipws.message.grammar import SCHEME, compiled
from sipws.message.headers import PARSERS
from sipws.message.host import foldHost
from sipws.message.incoming import IncomingMessage, IncomingRequest, IncomingResponse
from sipws.message.outgoing import OutgoingResponse
from sipws.message.reasons import reasonPhrase
from sipws.message.via import Via

if TYPE_CHECKING:
    from sipws.interfaces import ITransport, IUserAgent

__all__ = ["REQUEST_RULES", "RESPONSE_RULES", "rejectMalformed", "sanityCheck", "statelessTag"]

#: RFC 3261 section 8.1.1: "at a minimum ... To, From, CSeq, Call-ID, Max-Forwards, and Via".  A request of an
#: RFC 2543 client has no Max-Forwards, and is served (RFC 4475 section 3.4.1).
MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")

_SCHEME = compiled(SCHEME)

Refusal = tuple[int, str | None]
RequestRule = Callable[[IncomingRequest, Any], "Refusal | None"]
ResponseRule = Callable[[IncomingResponse, Any], "str | None"]


def sanityCheck(message: IncomingRequest | IncomingResponse, ua: IUserAgent, transport: ITransport) -> bool:
    """
    Check a message; answer a request that does not pass, but for an ACK.

    @param message: The message.
    @param ua: Who it is for.  It needs the members of L{IUserAgent} alone; of
        its configuration C{viaHost} and C{sipjsId} are used, and of its
        transactions C{findMerged}, where there are such.
    @param transport: What the answer is sent over: what the message came over.
    @return: Whether it passed.
    """
    if isinstance(message, IncomingRequest):
        for rule in REQUEST_RULES:
            refusal = rule(message, ua)
            if refusal is not None:
                _log(ua, f"{refusal[0]} {refusal[1] or reasonPhrase(refusal[0])}", rule, message)
                _refuse(message, refusal, transport)
                return False
    else:
        for check in RESPONSE_RULES:
            reason = check(message, ua)
            if reason is not None:
                _log(ua, reason, check, message)
                return False
    return True


def _log(ua: IUserAgent, reason: str, rule: RequestRule | ResponseRule, message: IncomingMessage) -> None:
    ua.getLogger("sip.sanity").info(
        "{rule}: {reason}: {message!r}", rule=rule.__name__, reason=reason, message=message
    )


def rejectMalformed(error: ParseError, ua: IUserAgent, transport: ITransport) -> bool:
    """
    Answer a message that could not be parsed, where it is a request that can be answered.

    @param error: Why it could not be parsed.
    @param ua: Who it was for.
    @param transport: What it came over.
    @return: Whether it was answered.
    """
    if error.request is None:
        return False
    # Only names that are known go back: any token can be a header's name, but not part of a phrase.
    known = error.header if error.header in PARSERS else None
    return _refuse(error.request, (400, known and f"Malformed {known}"), transport)


def _refuse(request: IncomingRequest, refusal: Refusal, transport: ITransport) -> bool:
    # RFC 3261 section 17.1.1.3: an ACK is never answered.
    if request.method == "ACK" or not (request.hasHeader("Via") and request.hasHeader("CSeq")):
        return False
    statusCode, reasonPhrase = refusal
    return transport.send(OutgoingResponse(request, statusCode, reasonPhrase, toTag=statelessTag(request)))


def statelessTag(request: IncomingRequest) -> str:
    """
    Give the To tag of an answer that no transaction stands behind: the same
    each time the request comes (RFC 3261 section 8.2.7).

    @param request: The request.
    """
    identity = "\n".join(
        (request.callID, request.fromTag or "", str(request.cseq), *request.getLines("Via")[:1])
    )
    return blake2b(identity.encode("utf-8", "replace"), digest_size=8).hexdigest()


# ------------------------------------------------------------------- requests


def checkVersion(request: IncomingRequest, ua: Any) -> Refusal | None:
    """RFC 3261 section 21.5.6: a version that is not served, 505."""
    return None if request.version == "SIP/2.0" else (505, None)


def checkMandatory(request: IncomingRequest, ua: Any) -> Refusal | None:
    """RFC 3261 section 8.1.1: a header that every request has is missing, 400."""
    if request.isCommon:
        return None
    missing = missingHeaders(request)
    return (400, f"Missing {missing[0]} header field") if missing else None


def checkMethod(request: IncomingRequest, ua: Any) -> Refusal | None:
    """RFC 3261 section 8.1.1.5: the method of CSeq "MUST match that of the request", 400."""
    return None if request.cseqMethod == request.method else (400, "CSeq with another method")


def checkScheme(request: IncomingRequest, ua: Any) -> Refusal | None:
    """RFC 3261 section 8.2.2.1: a Request-URI with a scheme that is not served, 416; malformed, 400."""
    if request.hasPlainURI:
        return None
    scheme, colon, _ = request.requestURIText.partition(":")
    if colon and scheme.lower() not in ("sip", "sips") and _SCHEME.fullmatch(scheme) is not None:
        return (416, None)
    try:
        assert request.requestURI
    except ParseError:
        return (400, "Malformed Request-URI")
    return None


def checkLength(request: IncomingRequest, ua: Any) -> Refusal | None:
    """RFC 3261 section 18.3: a body shorter than Content-Length, 400."""
    return (400, "Body shorter than Content-Length") if isShort(request) else None


def checkMaxForwards(request: IncomingRequest, ua: Any) -> Refusal | None:
    """
    RFC 3261 section 20.22: Max-Forwards that is no number from 0 to 255, 400.

    0 passes: it is the end of the way, and we are there (RFC 4475 section 3.3.11).
    """
    if request.isCommon:
        return None
    try:
        request.parseHeader("Max-Forwards")
    except ParseError:
        return (400, "Malformed Max-Forwards")
    return None


def checkOwn(request: IncomingRequest, ua: Any) -> Refusal | None:
    """
    RFC 3261 section 16.3 item 4, as SIP.js has it: a request of our own has
    come back, outside a dialog, 482.
    """
    prefix = getattr(ua.configuration, "sipjsId", None)
    if prefix and request.toTag is None and request.callID.startswith(prefix):
        return (482, None)
    return None


def checkMerged(request: IncomingRequest, ua: Any) -> Refusal | None:
    """RFC 3261 section 8.2.2.2: a request that came before, on another way, 482."""
    if request.toTag is not None:
        return None
    findMerged = getattr(ua.transactions, "findMerged", None)
    return (482, None) if findMerged is not None and findMerged(request) else None


REQUEST_RULES: tuple[RequestRule, ...] = (
    checkVersion,
    checkMandatory,
    checkMethod,
    checkScheme,
    checkLength,
    checkMaxForwards,
    checkOwn,
    checkMerged,
)


# ------------------------------------------------------------------ responses


def checkResponseVersion(response: IncomingResponse, ua: Any) -> str | None:
    """RFC 3261 section 7.2: a version that is not ours."""
    return None if response.version == "SIP/2.0" else f"version {response.version}"


def checkResponseMandatory(response: IncomingResponse, ua: Any) -> str | None:
    """RFC 3261 section 8.2.6.2: a header that every response has is missing."""
    if response.isCommon:
        return None
    missing = missingHeaders(response)
    return f"{missing[0]} is missing" if missing else None


def checkSingleVia(response: IncomingResponse, ua: Any) -> str | None:
    """
    RFC 3261 section 8.1.3.3: "If more than one Via header field value is present
    in a response, the UAC SHOULD discard the message."

    A proxy's responses have those of whoever it has asked for (section 16.7, step 3).
    """
    if not response.hasMoreVias or getattr(ua.configuration, "isProxy", False):
        return None
    return "more than one Via"


def checkSentBy(response: IncomingResponse, ua: Any) -> str | None:
    """
    RFC 3261 section 18.1.2: "If the value of the 'sent-by' parameter in that
    header field value does not correspond to a value that the client transport is
    configured to insert into requests, the response MUST be silently discarded."
    """
    viaHost = getattr(ua.configuration, "viaHost", None)
    if not viaHost or response.sentBy == viaHost.lower() or isOurs(response.sentBy, viaHost):
        return None
    return f"the sent-by {response.sentBy} is not ours"


def checkResponseLength(response: IncomingResponse, ua: Any) -> str | None:
    """RFC 3261 section 18.3: a body shorter than Content-Length."""
    return "the body is shorter than Content-Length" if isShort(response) else None


RESPONSE_RULES: tuple[ResponseRule, ...] = (
    checkResponseVersion,
    checkResponseMandatory,
    checkSingleVia,
    checkSentBy,
    checkResponseLength,
)


# --------------------------------------------------------------------- shared


def missingHeaders(message: IncomingMessage) -> list[str]:
    """
    Give the names of the headers that every message has, and this one has not.

    @param message: The message.
    """
    return [name for name in MANDATORY if not message.hasHeader(name)]


def isShort(message: IncomingMessage) -> bool:
    """
    Say whether a message has less of a body than it says.

    @param message: The message.
    """
    return message.contentLength is not None and len(message.body) < message.contentLength


def isOurs(sentBy: str, viaHost: str) -> bool:
    """
    Compare hosts as hosts: in any case, IPv6 addresses by value, and without
    a port where only one of the two has one.

    @param sentBy: That of a response.
    @param viaHost: Ours, with a port or without.
    """
    (theirs, theirPort), (ours, ourPort) = _split(sentBy), _split(viaHost)
    return foldHost(theirs) == foldHost(ours) and (
        ourPort is None or theirPort is None or ourPort == theirPort
    )


def _split(hostPort: str) -> tuple[str, int | None]:
    try:
        via = Via.parse(f"SIP/2.0/WS {hostPort}")
    except ParseError:
        # An IPv6 address without its brackets.
        return hostPort, None
    return via.host, via.port
