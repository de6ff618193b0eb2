"""
References, as REFER makes them (RFC 3515), as values: what is referred to, and
the fragments that tell what came of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from sipws.errors import ParseError
from sipws.message import URI, NameAddr, Replaces
from sipws.message.reasons import REASON_PHRASES
from sipws.session.embedded import Target

if TYPE_CHECKING:
    from sipws.dialog import DialogID
    from sipws.message import IncomingRequest

__all__ = ["SIPFRAG", "Outline", "ReferTo", "referTo", "replacesOf"]

#: The type of what the NOTIFYs of a reference hold (RFC 3420).
SIPFRAG: Final = "message/sipfrag;version=2.0"

# Status-Line  =  SIP-Version SP Status-Code SP Reason-Phrase CRLF
_STATUS_LINE = re.compile(
    rb"SIP/2\.0[ \t]+([1-6][0-9][0-9])(?:[ \t]+([^\r\n]*))?(?:\r?\n|\r|\Z)", re.IGNORECASE
)


@attrs.frozen
class Outline:
    """
    What came of a reference so far: the start of a message/sipfrag (RFC 3420).

    @ivar statusCode: 100 to 699.
    @ivar reasonPhrase: What goes with it.
    """

    statusCode: int
    reasonPhrase: str

    @classmethod
    def of(cls, statusCode: int, reasonPhrase: str | None = None) -> Outline:
        """Make one; the phrase is the code's own unless it is given."""
        phrase = REASON_PHRASES.get(statusCode, "") if reasonPhrase is None else reasonPhrase
        return cls(statusCode, phrase)

    @classmethod
    def parse(cls, body: bytes) -> Outline:
        """
        Read one off the body of a NOTIFY.

        RFC 3515 section 2.4.5: "The body of a NOTIFY MUST begin with a SIP
        Response Status-Line".

        @raise ParseError: It does not.
        """
        match = _STATUS_LINE.match(body)
        if match is None:
            raise ParseError("expected a status line", value=body[:80].decode("utf-8", "replace"))
        return cls(int(match[1]), (match[2] or b"").decode("utf-8", "replace").strip())

    @property
    def isFinal(self) -> bool:
        """Whether nothing more is to come."""
        return self.statusCode >= 200

    @property
    def isSuccess(self) -> bool:
        """Whether the reference came to what it was made for."""
        return 200 <= self.statusCode < 300

    def __bytes__(self) -> bytes:
        return f"SIP/2.0 {self.statusCode} {self.reasonPhrase}\r\n".encode()


@attrs.frozen
class ReferTo:
    """
    What a REFER refers to.

    @ivar address: As it is written.
    @ivar target: It, taken to pieces; C{None}: it is no SIP URI.
    @ivar replaces: The session that the INVITE to it is to take the place of; C{None}: none.
    """

    address: NameAddr
    target: Target | None
    replaces: Replaces | None

    @classmethod
    def of(cls, request: IncomingRequest) -> ReferTo:
        """
        Read it off a REFER.

        RFC 3515 section 2.4.2: "An agent responding to a REFER request MUST
        return a 400 (Bad Request) if the request contained zero or more than
        one Refer-To header field values."

        @raise ParseError: That, or it is malformed.
        """
        if len(request.getHeaders("Refer-To")) != 1:
            raise ParseError("not exactly one value", header="Refer-To")
        address = request.parseHeader("Refer-To")
        if not isinstance(address, NameAddr):
            raise ParseError("not an address", header="Refer-To")
        if address.uri.scheme not in ("sip", "sips"):
            return cls(address, None, None)
        target = Target.of(address.uri)
        embedded = dict(target.headers).get("Replaces")
        return cls(address, target, None if embedded is None else Replaces.parse(embedded))


def replacesOf(dialogID: DialogID, *, earlyOnly: bool = False) -> Replaces:
    """
    Give what names a dialog of ours to its peer (RFC 3891 section 3).

    @param earlyOnly: Whether it is to be left alone once it is confirmed.
    """
    # "the to-tag parameter is matched to the local tag [...], the from-tag parameter to the remote tag":
    # local and remote as the peer sees them.
    parameters = [("to-tag", dialogID.remoteTag), ("from-tag", dialogID.localTag)]
    return Replaces(dialogID.callID, [*parameters, *([("early-only", None)] if earlyOnly else [])])


def referTo(target: URI | str, method: str | None = None, replaces: Replaces | None = None) -> NameAddr:
    """
    Give the value of Refer-To.

    @param target: What is referred to.
    @param method: The method of the request to it; C{None}: INVITE.
    @param replaces: The session that it is to take the place of.
    @raise ParseError: The target is no URI.
    """
    uri = URI.parse(target) if isinstance(target, str) else target
    if method is not None:
        uri = attrs.evolve(uri, parameters=[*uri.parameters.items(), ("method", method)])
    if replaces is not None:
        uri = attrs.evolve(uri, headers=[*uri.headers, ("Replaces", str(replaces))])
    return NameAddr(None, uri)
