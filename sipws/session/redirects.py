"""
Where redirections lead to (RFC 3261 section 8.1.3.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sipws.errors import ParseError
from sipws.message import URI, Contact

if TYPE_CHECKING:
    from sipws.message import IncomingResponse

__all__ = ["TargetSet"]

#: So many Contacts of a redirection are looked at.
MOST_CONTACTS: Final = 20


class TargetSet:
    """
    The target set of one INVITE: where to try next, the likeliest first.

    @ivar left: How many more redirections are followed.
    """

    __slots__ = ("_known", "_waiting", "left")

    def __init__(self, first: URI, limit: int) -> None:
        """
        @param first: Where the INVITE goes at first.
        @param limit: How many redirections are followed.
        """
        # "A client starts with an initial target set containing exactly one URI, the Request-URI of the
        # original request."
        self._known = [first]
        self._waiting: list[URI] = []
        self.left = limit

    def add(self, response: IncomingResponse) -> None:
        """Take what a 3xx leads to; it goes before what an earlier one led to."""
        if self.left <= 0:
            return
        self.left -= 1
        fresh = [uri for uri in _uris(response) if self._isNew(uri)]
        self._waiting = [*fresh, *self._waiting]

    def next(self) -> URI | None:
        """
        Give the place to try next; C{None}: there is none.

        "When a failure for a particular contact address is received, the
        client SHOULD try the next contact address."
        """
        return self._waiting.pop(0) if self._waiting else None

    def _isNew(self, uri: URI) -> bool:
        # "a client processing 3xx class responses MUST NOT add any given URI to the target set more than
        # once": who is led in a circle stops.
        if any(uri.equivalent(other) for other in self._known):
            return False
        # "If the original request had a SIPS URI in the Request-URI, the client MAY choose to recurse to a
        # non-SIPS URI": it does not, as nobody could be asked.
        if self._known[0].scheme == "sips" and uri.scheme != "sips":
            return False
        self._known.append(uri)
        return True


def _uris(response: IncomingResponse) -> Iterable[URI]:
    """
    List the URIs that an INVITE can be sent to.

    "A common mechanism is to order the set by the "q" parameter value from
    the Contact header field value."  Without one, it is 1.
    """
    contacts = [contact for contact in map(_contact, _indices(response)) if contact is not None]
    contacts.sort(key=lambda contact: -1.0 if contact.q is None else -contact.q)
    return [contact.uri for contact in contacts]


def _indices(response: IncomingResponse) -> Iterable[tuple[IncomingResponse, int]]:
    return [(response, index) for index in range(min(len(response.getHeaders("Contact")), MOST_CONTACTS))]


def _contact(place: tuple[IncomingResponse, int]) -> Contact | None:
    response, index = place
    try:
        contact = response.parseHeader("Contact", index)
    except ParseError:
        return None
    isUsable = isinstance(contact, Contact) and not contact.isStar and contact.uri.scheme in ("sip", "sips")
    # What is not for an INVITE is not for us.
    return contact if isUsable and contact.uri.parameters.get("method", "INVITE") == "INVITE" else None
