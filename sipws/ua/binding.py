"""
What a registrar says of a binding, beside for how long it keeps it: L{Binding}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from sipws.errors import ParseError
from sipws.message import URI
from sipws.ua.events import loggerFor
from sipws.ua.expiry import ownContact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sipws.message import IncomingResponse

__all__ = ["Binding", "bindingOf"]

_log = loggerFor("sip.ua.registration")

#: How many proxies a registrar may name: all their URIs go out with each request.
MAX_ROUTES = 16


@attrs.frozen
class Binding:
    """
    What the last 2xx to a REGISTER says of our binding.

    @ivar path: The proxies that requests to us pass, as the registrar has
        them (RFC 3327): for whoever wants to know that none has crept in.
    @ivar serviceRoute: Those that requests of ours are to pass (RFC 3608).
    @ivar publicGRUU: A URI that leads to this very user agent, wherever it is
        used, and shows the address of record (RFC 5627); C{None} where there is none.
    @ivar temporaryGRUU: One that shows nothing of who it leads to, another
        with each REGISTER.
    """

    path: tuple[str, ...] = ()
    serviceRoute: tuple[str, ...] = ()
    publicGRUU: str | None = None
    temporaryGRUU: str | None = None

    def gruu(self, *, temporary: bool) -> str | None:
        """
        Give a GRUU.

        RFC 5627 section 4.2: "A UA MUST be prepared for a Contact header field
        to contain just a "pub-gruu", just a "temp-gruu", neither, or both."

        @param temporary: Whether it must not show who we are.
        """
        return self.temporaryGRUU if temporary else self.publicGRUU or self.temporaryGRUU


#: What most registrars say.
_NOTHING = Binding()


def bindingOf(response: IncomingResponse, uri: URI, regID: int | None = None) -> Binding:
    """
    Read what a registrar says of our binding.

    @param response: A 2xx to a REGISTER.
    @param uri: The URI of our Contact.
    @param regID: The C{reg-id} of the flow.
    """
    path, serviceRoute = (_routes(response, name) for name in ("Path", "Service-Route"))
    _, contact = ownContact(response, uri, regID)
    parameters = {} if contact is None else contact.parameters
    binding = Binding(path, serviceRoute, _gruu(parameters, "pub-gruu"), _gruu(parameters, "temp-gruu"))
    return _NOTHING if binding == _NOTHING else binding


def _routes(response: IncomingResponse, name: str) -> tuple[str, ...]:
    """Read a list of proxies: all of it or none, as a part of it leads elsewhere."""
    entries = response.getHeaders(name)
    if len(entries) > MAX_ROUTES:
        _log.warn("{name} is not used: it names {count} proxies", name=name, count=len(entries))
        return ()
    try:
        # RFC 3608 section 5: "such values MUST include the loose-routing indicator parameter ;lr".
        if all(response.parseHeader(name, index).isLoose for index in range(len(entries))):
            return tuple(entries)
        _log.warn("{name} is not used: a URI has no lr", name=name)
    except ParseError as error:
        _log.warn("{name} is not used: {error}", name=name, error=error)
    return ()


def _gruu(parameters: Mapping[str, str | None], name: str) -> str | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        scheme = URI.parse(text).scheme.lower()
    except ParseError as error:
        _log.warn("{name} is not used: {error}", name=name, error=error)
        return None
    # Section 4.2: it "MUST be treated opaquely by the UA".
    return text if scheme in ("sip", "sips") else None
