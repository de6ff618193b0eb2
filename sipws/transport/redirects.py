"""
Where a redirect of the HTTP upgrade leads (RFC 9110 section 15.4).
"""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import attrs

from sipws.config import WsServer
from sipws.errors import ConfigurationError, HandshakeRefused
from sipws.transport.location import Location

__all__ = ["REDIRECTS", "redirectTarget"]

#: The status codes that say: not here, but there.
REDIRECTS = frozenset((301, 302, 303, 307, 308))

#: What a URI may be made of (RFC 3986 section 2), and how long one is that is followed.
_URI = re.compile(r"[!-~]{1,2048}")

#: The Fetch standard has WebSockets as C{http} and C{https}, and so have servers that redirect.
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def redirectTarget(location: Location, values: list[str]) -> Location:
    """
    Say where a redirect leads.

    @param location: Where it came from.
    @param values: Those of its C{Location}.
    @raise HandshakeRefused: It leads nowhere, or where nobody may be led.
    """
    if len(values) != 1 or _URI.fullmatch(values[0]) is None:
        raise HandshakeRefused("it redirects, and does not say where to")
    try:
        parts = urlsplit(urljoin(_asHTTP(location), values[0]))
        uri = parts._replace(scheme=_SCHEMES[parts.scheme], fragment="").geturl()
        target = Location.parse(WsServer(uri).ws_uri)
    except (ValueError, KeyError, ConfigurationError):
        raise HandshakeRefused("it redirects to where no WebSocket can be") from None
    if location.secure and not target.secure:
        raise HandshakeRefused("it redirects from wss to ws, where everybody could listen")
    if _place(target) == _place(location):
        # The same UNIX socket, or the same server of a SIP domain.
        return attrs.evolve(location, resource=target.resource)
    return target


def _place(location: Location) -> tuple[bool, str, int]:
    return location.secure, location.host, location.port


def _asHTTP(location: Location) -> str:
    scheme = "https" if location.secure else "http"
    return f"{scheme}://{location.hostHeader}:{location.port}{location.resource}"
