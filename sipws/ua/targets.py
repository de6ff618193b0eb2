"""
Whom a request is for, as a caller says it.
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs

from sipws.errors import ParseError
from sipws.message import URI, NameAddr
from sipws.message.given import wanted

__all__ = ["normalizeTarget"]

#: The schemes that a target may begin with; anything else is a user or a host.
_SCHEME = re.compile(r"(?:sips?|tel|urn|im|pres):", re.IGNORECASE)
#: C{unreserved} and C{user-unreserved} of RFC 3261 section 25.1, and %: what is escaped already stays so.
_NOT_IN_USER = re.compile(r"[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]")


@lru_cache(maxsize=1024)
def _normalizeText(target: str, domain: str) -> str:
    if not target or "<" in target:
        raise ParseError("a target is a URI by itself, such as sip:bob@example.com", value=target)
    if _SCHEME.match(target):
        text = target
    elif "@" in target:
        user, _, host = target.rpartition("@")
        text = f"sip:{_escaped(user)}@{host}"
    else:
        text = f"sip:{_escaped(target)}@{domain}"
    return _asRequestURI(URI.parse(text))


def normalizeTarget(target: URI | str, domain: str) -> str:
    """
    Make a Request-URI of what a caller calls a target.

    A text with a scheme is a URI; one without is C{user@host}, or a user of
    our own domain.

    @param target: The target.
    @param domain: Our own domain, with parameters if need be.
    @raise ParseError: (a C{ValueError}) It is no URI.
    @raise TypeError: It is neither a URI nor text.
    """
    given: object = target
    if isinstance(given, str):
        return _normalizeText(given, domain)
    if isinstance(given, URI):
        return _asRequestURI(given)
    # Of the From of a request, it is the uri.
    hint = " (its uri is one)" if isinstance(given, NameAddr) else ""
    raise wanted("target", f"a URI, or text such as 'sip:bob@example.com' or 'bob'{hint}", given)


def _asRequestURI(uri: URI) -> str:
    # RFC 3261 section 19.1.1: headers and the method parameter are not allowed in a Request-URI.
    if uri.headers or "method" in uri.parameters:
        parameters = {name: value for name, value in uri.parameters.items() if name != "method"}
        uri = attrs.evolve(uri, headers=(), parameters=parameters)
    return str(uri)


def _escaped(user: str) -> str:
    return _NOT_IN_USER.sub(lambda match: "".join(f"%{octet:02X}" for octet in match[0].encode()), user)
