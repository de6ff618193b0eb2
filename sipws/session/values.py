"""
What a session consists of, and ends with, as values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from sipws.dialog.dialog import asksForSIPS
from sipws.errors import ParseError
from sipws.message import Contact, OutgoingRequest
from sipws.message.given import checkText, octetsOf

if TYPE_CHECKING:
    from sipws.errors import SIPError
    from sipws.message import IncomingMessage, IncomingRequest, IncomingResponse, OutgoingResponse

__all__ = [
    "SDP",
    "Cause",
    "Description",
    "Past",
    "Termination",
    "checkContact",
    "checkHeaders",
    "descriptionOf",
]

#: What a response has of its request (RFC 3261 section 8.2.6.2).
_ECHOED: Final = frozenset({"Via", "From", "To", "Call-ID", "CSeq"})

#: The type of most session descriptions (RFC 4566).
SDP: Final = "application/sdp"


class Cause:
    """What ended a session, or kept it from coming about."""

    #: Our user hung up, or gave it up before it was accepted.
    HUNG_UP: Final = "hung up"
    CANCELLED: Final = "cancelled"
    #: Nobody accepted it in time.
    NO_ANSWER: Final = "no answer"
    #: The final response of the peer, or ours, was no 2xx.
    REFUSED: Final = "refused"
    #: There was no final response.
    TIMEOUT: Final = "no response"
    #: There are as many calls or requests of ours already as may be.
    LIMIT: Final = "too many at once"
    #: The INVITE could not be sent, or the connection was lost with what was under way on it.
    CONNECTION: Final = "connection lost"
    #: So much waits already for a server that does not read that the INVITE was not taken.
    CONGESTED: Final = "the server does not read"
    #: The connection was lost; there is another, but the peer took no re-INVITE on it.
    NOT_REPAIRED: Final = "not repaired"
    #: Our 2xx was not acknowledged.
    NO_ACK: Final = "no ACK"
    #: The peer's description, or the lack of it, cannot be made sense of.
    BAD_DESCRIPTION: Final = "no session description that can be used"
    #: The peer's message cannot be made sense of.
    BAD_MESSAGE: Final = "malformed message"
    #: The peer knows nothing of the dialog (any more).
    DIALOG: Final = "the peer has no such dialog"
    #: Another session has taken its place (RFC 3891).
    REPLACED: Final = "replaced"
    #: It was not refreshed in time (RFC 4028).
    EXPIRED: Final = "not refreshed"
    #: The user agent was stopped.
    STOPPED: Final = "the user agent was stopped"


@attrs.frozen
class Description:
    """
    A session description: opaque octets, and their type.

    @ivar body: The octets.
    @ivar contentType: Their type; C{ValueError} where it can be that of no message.
    """

    body: bytes
    contentType: str = attrs.field(default=SDP)

    @contentType.validator
    def _checkType(self, _: object, value: str) -> None:
        # What is wrong is told to whoever says it, and not when it is to leave.
        if value == SDP:
            return
        checkText("contentType", value, SDP)
        checkHeaders([("Content-Type", value)])

    @classmethod
    def of(cls, body: bytes | str | None, contentType: str = SDP) -> Description | None:
        """Make one of what a caller gives; C{None} of nothing."""
        octets = b"" if body is None else octetsOf(body)
        return cls(octets, contentType) if octets else None

    @property
    def disposition(self) -> list[tuple[str, object]]:
        """The headers that say what it is, beside its type."""
        # RFC 3261 section 20.11: "If the Content-Disposition header field is missing, bodies of
        # Content-Type application/sdp imply the disposition "session", while other content types
        # imply "render"."
        return [] if _isSDP(self.contentType) else [("Content-Disposition", "session")]

    def among(self, headers: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
        """Give the headers of a message that it is in: what they say of it takes the place of ours."""
        given = [*headers]
        if not any(name.lower() == "content-disposition" for name, _ in given):
            given += self.disposition
        return given


@attrs.frozen
class Termination:
    """
    The end of a session.

    @ivar cause: What ended it: one of the texts of L{Cause}.
    @ivar by: Who did: C{local}, C{remote}, or C{network}.
    @ivar statusCode: The status code of a response that ended it; C{None}: none did.
    @ivar message: The peer's message that ended it; C{None}: none did.
    @ivar reason: What Reason (RFC 3326) said; C{None}: it was not there.
    @ivar error: What kept our INVITE from being sent, or answered; C{None}: nothing did.
    """

    cause: str
    by: str
    statusCode: int | None = None
    message: IncomingMessage | None = attrs.field(default=None, repr=False)
    reason: str | None = None
    error: SIPError | None = attrs.field(default=None, repr=False)

    @property
    def response(self) -> IncomingResponse | None:
        """The peer's response that ended it; C{None}: none did."""
        message = self.message
        return message if message is not None and hasattr(message, "statusCode") else None  # type: ignore[return-value]


class Past(NamedTuple):
    """What is left of an invitation when its session is over."""

    request: OutgoingRequest | IncomingRequest
    localDescription: Description | None
    remoteDescription: Description | None


def descriptionOf(message: IncomingMessage) -> Description | None:
    """Give the session description in a message; C{None} where it has none."""
    if not message.body:
        return None
    contentType = message.contentType or SDP
    disposition = message.getHeader("Content-Disposition")
    if disposition is None:
        return Description(message.body, contentType) if _mayDescribe(contentType) else None
    kind = disposition.partition(";")[0].strip().lower()
    # RFC 3959 adds "early-session", which is no part of this offer and answer.
    return Description(message.body, contentType) if kind == "session" else None


def checkHeaders(headers: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """
    Refuse headers that no response can have beside its own, before anything comes of them.

    @return: The headers.
    @raise ValueError: One cannot be as it is given.
    """
    given = [*headers]
    if given:
        followed = [
            name for name, _ in OutgoingRequest("INVITE", "sip:invalid", given).headers if name in _ECHOED
        ]
        if followed:
            raise ValueError(f"{followed[0]} follows from the request")
    return given


def checkContact(response: OutgoingResponse, invite: IncomingRequest) -> None:
    """
    Refuse a Contact that no dialog can have (RFC 3261 section 12.1.1), before anything comes of it.

    @param response: A response that may have one.
    @param invite: What it answers.
    @raise ValueError: It is none for the dialog.
    """
    contact = response.getHeader("Contact")
    if contact is None:
        return
    scheme = Contact.parse(contact).uri.scheme
    try:
        wanted = ("sips",) if asksForSIPS(invite) else ("sip", "sips")
    except ParseError:
        # It can make no dialog, whatever the Contact.
        return
    if scheme not in wanted:
        raise ValueError(f"Contact: not a {wanted[0]} URI: {contact}")


def _mayDescribe(contentType: str) -> bool:
    # RFC 5621 section 3: a session description may be one of several parts.
    return _isSDP(contentType) or contentType.lstrip().lower().startswith("multipart/")


def _isSDP(contentType: str) -> bool:
    return contentType == SDP or contentType.partition(";")[0].strip().lower() == SDP
