"""
What NOTIFYs say, as values, and what the end of a subscription means for the
next (RFC 6665 section 4.1.3).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import attrs

from sipws.dialog.routes import contactURI, routeSetOf
from sipws.errors import ParseError
from sipws.message import IncomingRequest, IncomingResponse
from sipws.message.extensions import Event, SubscriptionState
from sipws.refreshing import deltaSeconds

if TYPE_CHECKING:
    from sipws.config import Configuration

__all__ = [
    "DEFAULT_EXPIRES",
    "REASONS",
    "Notification",
    "Retry",
    "Termination",
    "eventOf",
    "expiresOf",
    "makesDialog",
]

#: RFC 3856 section 6.4; RFC 3842 section 3.4 and RFC 4235 section 3.4 are content with it.
DEFAULT_EXPIRES: Final = 3600


class Retry(Enum):
    """Whether the subscriber subscribes again, and when."""

    NEVER = "not again"
    NOW = "at once"
    #: Not before Retry-After, and later each time.
    LATER = "later"


#: What each reason means.  Whatever is not here is as no reason at all.
REASONS: Final[dict[str | None, Retry]] = {
    # "the subscriber SHOULD retry immediately with a new subscription."
    "deactivated": Retry.NOW,
    # "the client SHOULD retry at some later time".
    "probation": Retry.LATER,
    # "Clients SHOULD NOT attempt to re-subscribe."
    "rejected": Retry.NEVER,
    # "Clients MAY re-subscribe immediately."
    "timeout": Retry.NOW,
    # "the client MAY retry immediately, but will likely get put back into pending state."
    "giveup": Retry.LATER,
    # "Clients SHOULD NOT attempt to re-subscribe."
    "noresource": Retry.NEVER,
    # "Clients SHOULD NOT attempt to re-subscribe [...] regardless of the presence of or value of a
    # "retry-after" parameter."
    "invariant": Retry.NEVER,
    # "the client MAY attempt to re-subscribe at any time (unless a "retry-after" parameter is present".
    None: Retry.LATER,
}


@attrs.frozen
class Notification:
    """
    What a NOTIFY says.

    @ivar state: That of the subscription: C{active}, C{pending}, C{terminated}, or an extension's.
    @ivar body: The state of the resource, as it is.
    @ivar contentType: Its type; C{None}: there is none.
    @ivar expires: For how long the subscription goes on, in seconds; C{None}: it does not say.
    @ivar reason: Why the subscription is terminated, in lower case; C{None}: it does not say.
    @ivar retryAfter: After how long to subscribe again, in seconds; C{None}: it does not say.
    @ivar request: The NOTIFY.
    """

    state: str
    body: bytes
    contentType: str | None
    expires: int | None
    reason: str | None
    retryAfter: int | None
    request: IncomingRequest

    @classmethod
    def of(cls, request: IncomingRequest) -> Notification:
        """
        Read a NOTIFY.

        @raise ParseError: Its Subscription-State is malformed, or missing.
        """
        state = request.parseHeader("Subscription-State")
        if not isinstance(state, SubscriptionState):
            raise ParseError("is missing", header="Subscription-State")
        return cls(
            state.state,
            request.body,
            request.contentType,
            state.expires,
            None if state.reason is None else state.reason.lower(),
            state.retryAfter,
            request,
        )


@attrs.frozen
class Termination:
    """
    The end of a subscription.

    @ivar reason: Why: the C{reason} of the last NOTIFY, or C{refused}, C{silent}
        (no NOTIFY came), C{expired}, C{lost} (with its dialog), C{unsubscribed}.
    @ivar text: The same for people.
    @ivar retryIn: After how many seconds it is subscribed to again; C{None}: it is not.
    @ivar notification: What the last NOTIFY said, if that was the end of it.
    @ivar response: The response that was the end of it, if it was one.
    """

    reason: str
    text: str
    retryIn: float | None = None
    notification: Notification | None = None
    response: IncomingResponse | None = None


def eventOf(request: IncomingRequest) -> Event | None:
    """Give the Event of a request; C{None} where it is missing or malformed."""
    try:
        event = request.parseHeader("Event")
    except ParseError:
        return None
    return event if isinstance(event, Event) else None


def expiresOf(request: IncomingRequest, options: Configuration) -> int | None:
    """
    Say for how long a SUBSCRIBE asks.

    @param options: The most that is granted is C{subscriptionMaxExpires}.
    @return: Seconds; C{None}: they cannot be read.
    """
    text = request.getHeader("Expires")
    # Section 3.1.1: "If no "Expires" header field is present in a SUBSCRIBE request, the implied default
    # MUST be defined by the event package being used."
    seconds = DEFAULT_EXPIRES if text is None else deltaSeconds(text)
    return None if seconds is None else min(seconds, options.subscriptionMaxExpires)


def makesDialog(request: IncomingRequest) -> bool:
    """Say whether a dialog can be made of a SUBSCRIBE, or of a NOTIFY."""
    try:
        target = contactURI(request)
        routeSetOf(request)
    except ParseError:
        return False
    # RFC 3261 section 8.1.1.8: the Contact "MUST be present and contain exactly one SIP or SIPS URI".
    return target is not None and target.scheme.lower() in ("sip", "sips")
