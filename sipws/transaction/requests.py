"""
The requests that an INVITE client transaction makes by itself: the ACK to a
final response other than 2xx, and the CANCEL.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from sipws.interfaces import C
from sipws.message import OutgoingRequest

if TYPE_CHECKING:
    from sipws.message import IncomingResponse

__all__ = ["ackFor", "cancelFor"]


def ackFor(invite: OutgoingRequest, response: IncomingResponse) -> OutgoingRequest:
    """
    Build the ACK to a final response other than 2xx (RFC 3261 section 17.1.1.3).

    @param invite: The request as it was sent.
    @param response: The response.
    @raise ValueError: The response's To cannot be sent back.
    """
    ack = _sameHop("ACK", invite, _toOf(response))
    for name in ("Authorization", "Proxy-Authorization"):
        # Section 22.1: "UACs creating an ACK message will duplicate all of the Authorization
        # and Proxy-Authorization header field values that appeared in the INVITE".
        for value in invite.getHeaders(name):
            ack.addHeader(name, value)
    return ack


def cancelFor(invite: OutgoingRequest, headers: Iterable[tuple[str, object]] = ()) -> OutgoingRequest:
    """
    Build the CANCEL of an INVITE (RFC 3261 section 9.1).

    @param invite: The request as it was sent.
    @param headers: Further headers, such as Reason (RFC 3326).
    @raise ValueError: A header cannot be as it is given.
    """
    # "The Request-URI, Call-ID, To, the numeric part of CSeq, and From header fields in
    # the CANCEL request MUST be identical to those in the request being cancelled,
    # including tags."
    cancel = _sameHop("CANCEL", invite, invite.getHeader("To"))
    for name, value in headers:
        cancel.addHeader(name, value)
    return cancel


def _toOf(response: IncomingResponse) -> str | None:
    """
    Give the To of an ACK: "The To header field in the ACK MUST equal the To
    header field in the response being acknowledged".
    """
    to = response.getHeader("To")
    if to is not None and "\0" in to:
        # A display name may hold NUL, escaped (section 25.1, quoted-pair), but we send none.  It
        # is no part of what makes two of them equal (section 20.20).
        return str(attrs.evolve(response.toHeader, displayName=None))
    return to


def _sameHop(method: str, invite: OutgoingRequest, to: str | None) -> OutgoingRequest:
    """Build a request that goes the way of an INVITE and belongs to it."""
    headers = [
        # Both sections: "a single Via header field value" that matches, or equals, the top
        # Via of the original request.
        ("Via", invite.getHeader("Via")),
        # Both: the Route header fields of the original MUST be in it.
        *(("Route", route) for route in invite.getHeaders("Route")),
        ("Max-Forwards", invite.getHeader("Max-Forwards") or str(C.MAX_FORWARDS)),
        ("From", invite.getHeader("From")),
        ("To", to),
        ("Call-ID", invite.getHeader("Call-ID")),
        # Both: the number of the original, with the method of its own.
        ("CSeq", f"{invite.cseq} {method}"),
    ]
    return OutgoingRequest(
        method, invite.requestURI, [(name, value) for name, value in headers if value is not None]
    )
