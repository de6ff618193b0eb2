"""
URIs with headers in them, as redirections and references have (RFC 3261 section 19.1.1).
"""

from __future__ import annotations

from typing import Final

import attrs

from sipws.message import URI
from sipws.message.names import canonicalName

__all__ = ["Target"]

#: What an INVITE that a URI leads to may have out of the URI, by canonical names.
#: RFC 3261 section 19.1.5: "An implementation SHOULD NOT honor these obviously dangerous header fields:
#: From, Call-ID, CSeq, Via, and Record-Route. [...] any requested Route header field values".  There are
#: more headers than anybody knows, so these are the ones that do no harm.
_HONOURED: Final = frozenset(
    {
        "Accept-Contact",
        "Alert-Info",
        "Call-Info",
        "Diversion",
        "History-Info",
        "In-Reply-To",
        "Organization",
        "Priority",
        "Reason",
        "Referred-By",
        "Reject-Contact",
        "Replaces",
        "Request-Disposition",
        "Require",
        "Subject",
        "Target-Dialog",
        "User-to-User",
    }
)


@attrs.frozen
class Target:
    """
    Where to send a request, and what the URI says that it is to be like.

    @ivar uri: The Request-URI.
    @ivar method: The method.
    @ivar headers: Its headers: those that do no harm.
    """

    uri: URI
    method: str = "INVITE"
    headers: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, uri: URI) -> Target:
        """
        Take a URI to pieces.

        RFC 3261 section 8.1.3.4: "a UAC MUST copy the entire URI from the
        target set into the Request-URI, except for the "method-param" and
        "header" URI parameters".
        """
        parameters = [(name, value) for name, value in uri.parameters.items() if name != "method"]
        method = uri.parameters.get("method") or "INVITE"
        headers = tuple(_canonical(header) for header in uri.headers)
        bare = attrs.evolve(uri, parameters=parameters, headers=())
        # Each of them once: the last.
        return cls(bare, method, tuple(dict(header for header in headers if _isHonoured(header)).items()))

    def over(self, headers: list[tuple[str, object]]) -> list[tuple[str, object]]:
        """Put these headers in the place of others of the same name, as section 8.1.3.4 has it."""
        ours = {name for name, _ in self.headers}
        return [*(header for header in headers if canonicalName(header[0]) not in ours), *self.headers]


def _canonical(header: tuple[str, str]) -> tuple[str, str]:
    try:
        return canonicalName(header[0]), header[1]
    except ValueError:
        # A URI may have any octets there; what is no name is no header.
        return header


def _isHonoured(header: tuple[str, str]) -> bool:
    name, value = header
    # CR and LF, which may have been escaped in the URI, would make headers of their own.
    return name in _HONOURED and not any(character in value for character in "\r\n\0")
