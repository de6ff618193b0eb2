"""
What a registrar says of a binding: for how long it keeps it, and how often it
wants a sign of life.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipws.errors import ParseError
from sipws.refreshing import deltaSeconds

if TYPE_CHECKING:
    from sipws.message import URI, Contact, IncomingResponse

__all__ = ["flowTimer", "grantedExpires", "ownContact"]

_SECONDS = re.compile(r"[ \t]*([0-9]{1,20})[ \t]*")


def grantedExpires(
    response: IncomingResponse, uri: URI, requested: int, regID: int | None = None
) -> int | None:
    """
    Say for how long a binding was granted.

    It is the C{expires} parameter of the Contact that is ours, else the
    Expires header, else what was asked for (RFC 3261 section 10.2.4); never
    more than what was asked for, and what cannot be read counts for nothing.

    @param response: A 2xx to a REGISTER.
    @param uri: The URI of our Contact.
    @param requested: What was asked for, in seconds.
    @param regID: The C{reg-id} of the flow: others may have the same Contact
        (RFC 5626 section 6), and one that is listed with another is theirs.
    @return: Seconds; C{None} where the response lists bindings but not ours.
    """
    expires = deltaSeconds(response.getHeader("Expires"))
    if response.hasHeader("Contact"):
        found, contact = ownContact(response, uri, regID)
        if not found:
            return None
        own = None if contact is None else deltaSeconds(contact.parameters.get("expires"))
        expires = expires if own is None else own
    return requested if expires is None else min(expires, requested)


def ownContact(response: IncomingResponse, uri: URI, regID: int | None = None) -> tuple[bool, Contact | None]:
    """
    Find our Contact among all that a registrar lists.

    @param response: A 2xx to a REGISTER.
    @param uri: The URI of our Contact.
    @param regID: As of L{grantedExpires}.
    @return: Whether it is there, and it; C{None}: one that cannot be read may be ours.
    """
    unreadable = False
    for index in range(len(response.getHeaders("Contact"))):
        try:
            contact = response.parseHeader("Contact", index)
        except ParseError:
            unreadable = True
            continue
        listed = getattr(contact, "uri", None)
        # The user part is random and ours alone.  Parameters are not compared:
        # registrars add theirs.
        if listed is None or listed.user != uri.user or listed.host.lower() != uri.host.lower():
            continue
        if regID is None or contact.parameters.get("reg-id", str(regID)) == str(regID):
            return True, contact
    return unreadable, None


def flowTimer(text: str | None) -> int | None:
    """
    Read a Flow-Timer: C{1*DIGIT} (RFC 5626 section 10).

    @param text: The value of the header; C{None}: there is none.
    @return: Seconds; C{None} where they cannot be read.
    """
    match = _SECONDS.fullmatch(text or "")
    return None if match is None else int(match[1])
