"""
The names of headers: canonical spellings and compact forms (RFC 3261 section 7.3.3).
"""

from __future__ import annotations

from sipws.message.grammar import TOKEN, compiled

__all__ = ["COMPACT_FORMS", "KNOWN_NAMES", "NAMES", "CanonicalNames", "canonicalName"]

#: Compact forms: RFC 3261 section 20, and the RFC beside each of the others.
COMPACT_FORMS = {
    "a": "Accept-Contact",  # RFC 3841
    "b": "Referred-By",  # RFC 3892
    "c": "Content-Type",
    "d": "Request-Disposition",  # RFC 3841
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",  # RFC 3841
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "n": "Identity-Info",  # RFC 4474
    "o": "Event",  # RFC 6665
    "r": "Refer-To",  # RFC 3515
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",  # RFC 6665
    "v": "Via",
    "x": "Session-Expires",  # RFC 4028
    "y": "Identity",  # RFC 8224
}

#: Names that are not written as L{canonicalName} would write one it does not know.
KNOWN_NAMES = (
    "CSeq",
    "Call-ID",
    "ETag",
    "MIME-Version",
    "Min-SE",
    "P-DCS-Billing-Info",
    "P-DCS-LAES",
    "P-DCS-OSPS",
    "P-DCS-Redirect",
    "P-DCS-Trace-Party-ID",
    "RAck",
    "RSeq",
    "SIP-ETag",
    "SIP-If-Match",
    "WWW-Authenticate",
)

_TOKEN = compiled(TOKEN)


class CanonicalNames(dict[str, str]):
    """
    A mapping of header names, as they may be written, to canonical ones.

    It computes what it does not hold, and keeps it while it is small: who
    sends headers with ever new names does not make it grow without bound.

    @ivar limit: The most names that are kept.
    """

    #: The longest name that is kept, in characters.
    LONGEST = 64

    def __init__(self, limit: int = 1024) -> None:
        super().__init__()
        self.limit = limit
        self._special = {name.lower(): name for name in KNOWN_NAMES} | COMPACT_FORMS

    def __missing__(self, name: str) -> str:
        if _TOKEN.fullmatch(name) is None:
            raise ValueError(f"no header name: {name!r}")
        lower = name.lower()
        canonical = self._special.get(lower) or "-".join(part.capitalize() for part in lower.split("-"))
        if len(self) < self.limit and len(name) <= self.LONGEST:
            self[name] = canonical
        return canonical


#: The names met so far.
NAMES = CanonicalNames()


def canonicalName(name: str) -> str:
    """
    Give a header's canonical name.

    @param name: The name, in any case, or its compact form.
    @raise ValueError: It is no token, and so no header's name.
    """
    return NAMES[name]
