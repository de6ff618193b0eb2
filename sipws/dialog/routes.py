"""
Where the requests of a dialog go: route sets (RFC 3261 sections 12.1 and 12.2.1.1).
"""

from __future__ import annotations

import attrs

from sipws.errors import ParseError
from sipws.message import URI, IncomingMessage, IncomingResponse, Route
from sipws.message.grammar import compiled
from sipws.message.uri import PLAIN_URI

__all__ = ["asRequestURI", "contactOf", "contactURI", "route", "routeSetOf"]

#: Most values of Contact in a dialog: a URI with one parameter, and nothing beside it.
_PLAIN_CONTACT = compiled(rf"<((?!sips?:[^;>]*+;[^;>]*+;){PLAIN_URI})>")


def routeSetOf(message: IncomingMessage) -> tuple[str, ...]:
    """
    Give the route set that a message makes.

    @raise ParseError: An entry of Record-Route is malformed.
    """
    if not message.hasHeader("Record-Route"):
        return ()
    entries = message.getHeaders("Record-Route")
    for index in range(len(entries)):
        message.parseHeader("Record-Route", index)
    # Section 12.1.2: a UAC takes it "from the response, taken in reverse order and preserving all
    # URI parameters"; section 12.1.1: a UAS "from the request, taken in order".
    return tuple(reversed(entries) if isinstance(message, IncomingResponse) else entries)


def contactURI(message: IncomingMessage) -> URI | None:
    """
    Give the URI of a message's Contact, C{None} where it has none.

    @raise ParseError: It is malformed.
    """
    target = contactOf(message)
    return URI.parse(target) if isinstance(target, str) else target


def contactOf(message: IncomingMessage) -> URI | str | None:
    """
    Give the URI of a message's Contact, as text where that is known to be a
    good one; C{None} where it has none.

    @raise ParseError: It is malformed.
    """
    lines = message.getLines("Contact")
    if len(lines) == 1:
        plain = _PLAIN_CONTACT.fullmatch(lines[0])
        if plain is not None:
            return plain[1]
    contact = message.parseHeader("Contact")
    if contact is None:
        return None
    uri: URI = contact.uri
    if uri.scheme == "*":
        # It stands for all bindings, in a REGISTER (RFC 3261 section 10.2.2); nothing can be sent there.
        raise ParseError("a URI is expected, not *", header="Contact")
    return uri


def route(remoteTarget: URI | str, routeSet: tuple[str, ...]) -> tuple[URI | str, tuple[str, ...]]:
    """
    Give the Request-URI and the Route entries of a request.

    @param remoteTarget: The dialog's remote target.
    @param routeSet: The dialog's route set.
    """
    if not routeSet:
        return asRequestURI(remoteTarget), ()
    first = Route.parse(routeSet[0])
    if first.isLoose:
        return asRequestURI(remoteTarget), routeSet
    # "the UAC MUST place the first URI from the route set into the Request-URI, stripping any
    # parameters that are not allowed in a Request-URI. [...] The UAC MUST then place the remote
    # target URI into the Route header field as the last value."
    return asRequestURI(first.uri), (*routeSet[1:], f"<{remoteTarget}>")


def asRequestURI(uri: URI | str) -> URI | str:
    """Strip a URI of what section 19.1.1 does not allow in a Request-URI: C{method}, and headers."""
    if isinstance(uri, str):
        if ";method" not in uri and "?" not in uri:
            return uri
        uri = URI.parse(uri)
    if not uri.headers and "method" not in uri.parameters:
        return uri
    parameters = {name: value for name, value in uri.parameters.items() if name != "method"}
    return attrs.evolve(uri, headers=(), parameters=parameters)
