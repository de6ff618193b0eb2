"""
What may be wrong with a request that comes in, in the order of RFC 3261
section 8.2: one rule a function.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

import attrs

from sipws.ua.replies import Reply

if TYPE_CHECKING:
    from sipws.message import IncomingRequest
    from sipws.ua.identity import Identity

__all__ = ["RULES", "Handling", "IRules", "firstRefusal"]

#: The methods that there are, by IANA's registry "Methods" of the Session Initiation Protocol Parameters.
METHODS = frozenset(
    {
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",  # RFC 6086
        "INVITE",
        "MESSAGE",  # RFC 3428
        "NOTIFY",  # RFC 6665
        "OPTIONS",
        "PRACK",  # RFC 3262
        "PUBLISH",  # RFC 3903
        "REFER",  # RFC 3515
        "REGISTER",
        "SUBSCRIBE",  # RFC 6665
        "UPDATE",  # RFC 3311
    }
)

#: How long those who come when there is too much to do are asked to stay away, in seconds.
RETRY_AFTER = 10


@attrs.frozen
class Handling:
    """
    How the requests of one method are handled.

    @ivar handler: What they are given to.
    @ivar accept: The types of body that it takes, in lower case, such as
        C{text/plain}, C{text/*}; C{None} for any.
    @ivar isWithinDialog: Whether it is for the requests within one dialog of ours.
    """

    handler: Callable[[IncomingRequest], object]
    accept: tuple[str, ...] | None = None
    isWithinDialog: bool = False


class IRules(Protocol):
    """What the rules ask of whoever applies them."""

    identity: Identity
    limit: int

    def allow(self) -> str:
        """Give the value of Allow."""

    def supported(self) -> Collection[str]:
        """Give the option tags that are supported."""

    def unanswered(self) -> int:
        """Count the requests whose handler has not answered."""


def methodIsHandled(request: IncomingRequest, handling: Handling | None, rules: IRules) -> Reply | None:
    """
    Refuse a method that nothing handles.

    RFC 3261 section 8.2.1: "If the UAS recognizes but does not support the
    method of a request, it MUST generate a 405 (Method Not Allowed) response.
    [...] The UAS MUST also add an Allow header field".  Section 21.5.2: 501 is
    for when it "does not recognize the request method".
    """
    if handling is not None:
        return None
    return Reply(405 if request.method in METHODS else 501, headers=[("Allow", rules.allow())])


def userIsOurs(request: IncomingRequest, handling: Handling | None, rules: IRules) -> Reply | None:
    """
    Refuse a request for somebody else.

    RFC 3261 section 8.2.2.1: "If the Request-URI does not identify an address
    that the UAS is willing to accept requests for, it SHOULD reject the
    request with a 404 (Not Found) response."
    """
    if handling is not None and handling.isWithinDialog:
        # The peer sends it where the dialog says, and what is on the way may write that anew.
        return None
    return None if rules.identity.isOurs(request.requestURI.user) else Reply(404)


def extensionsAreSupported(
    request: IncomingRequest, handling: Handling | None, rules: IRules
) -> Reply | None:
    """
    Refuse what requires an extension that is not supported.

    RFC 3261 section 8.2.2.3: "If a UAS does not understand an option-tag
    listed in a Require header field, it MUST respond by generating a response
    with status code 420 (Bad Extension). The UAS MUST add an Unsupported
    header field, and list in it those options it does not understand".
    """
    if not request.hasHeader("Require"):
        return None
    tags = [tag.strip() for value in request.getHeaders("Require") for tag in value.split(",")]
    missing = [tag for tag in tags if tag and tag.lower() not in rules.supported()]
    return Reply(420, headers=[("Unsupported", ", ".join(missing))]) if missing else None


def encodingIsUnderstood(request: IncomingRequest, handling: Handling | None, rules: IRules) -> Reply | None:
    """
    Refuse a body that is encoded.

    RFC 3261 section 8.2.3: "If there are any bodies whose type [...],
    language [...] or encoding [...] are not understood, and that body part is
    not optional [...], the UAS MUST reject the request with a 415
    (Unsupported Media Type) response."
    """
    encoding = request.getHeader("Content-Encoding")
    if encoding is None or encoding.strip().lower() in ("", "identity") or _bodyIsOptional(request):
        return None
    return Reply(415, headers=[("Accept-Encoding", "identity")])


def typeIsUnderstood(request: IncomingRequest, handling: Handling | None, rules: IRules) -> Reply | None:
    """Refuse a body of a type that the handler does not take (RFC 3261 section 8.2.3)."""
    accept = None if handling is None else handling.accept
    if accept is None or not request.body or _bodyIsOptional(request):
        return None
    if _accepts(accept, request.contentType or ""):
        return None
    return Reply(415, headers=[("Accept", ", ".join(accept))])


def thereIsRoom(request: IncomingRequest, handling: Handling | None, rules: IRules) -> Reply | None:
    """
    Refuse a request when too many have not been answered yet.

    RFC 3261 section 21.5.4: "The server is temporarily unable to process the
    request due to a temporary overloading [...] The server MAY indicate when
    the client should retry the request in a Retry-After header field."
    """
    if rules.unanswered() < rules.limit:
        return None
    return Reply(503, headers=[("Retry-After", RETRY_AFTER)])


#: The rules, in the order in which they are applied.
RULES: tuple[Callable[[IncomingRequest, Handling | None, IRules], Reply | None], ...] = (
    methodIsHandled,
    userIsOurs,
    extensionsAreSupported,
    encodingIsUnderstood,
    typeIsUnderstood,
    thereIsRoom,
)


def firstRefusal(request: IncomingRequest, handling: Handling | None, rules: IRules) -> Reply | None:
    """
    Give the answer of the first rule that refuses a request; C{None} where none does.

    @param handling: How its method is handled; C{None} where it is not.
    @raise ParseError: A header that a rule reads is malformed.
    """
    for rule in RULES:
        refusal = rule(request, handling, rules)
        if refusal is not None:
            return refusal
    return None


def _bodyIsOptional(request: IncomingRequest) -> bool:
    """
    Say whether the body may be left alone.

    RFC 3261 section 20.11: the C{handling} parameter of Content-Disposition
    is C{optional} or C{required}, and missing means required.
    """
    disposition = request.getHeader("Content-Disposition")
    if disposition is None:
        return False
    parameters = [parameter.replace(" ", "").lower() for parameter in disposition.split(";")[1:]]
    return "handling=optional" in parameters


def _accepts(accept: tuple[str, ...], contentType: str) -> bool:
    given = contentType.partition(";")[0].replace(" ", "").lower()
    return any(
        given == pattern or pattern == "*/*" or (pattern.endswith("/*") and given.startswith(pattern[:-1]))
        for pattern in accept
    )
