"""
What the options of the HTTP upgrade may be, and L{HTTPProxy}.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import SplitResult, unquote, urlsplit

import attrs

from sipws.config.values import HOST_PORT, TEXT, TEXT_OR_EMPTY, Kind, Unfit

__all__ = ["BEARER_TOKEN", "COOKIES", "ENDPOINT", "HEADERS", "HTTP_USER", "PROXY", "HTTPProxy", "isToken68"]

#: C{token} of RFC 9110 section 5.6.2: the names of headers and of cookies.
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")

#: C{cookie-value} of RFC 6265 section 4.1.1.
_COOKIE = re.compile(r"[!#-+\--:<-\[\]-~]*|\"[!#-+\--:<-\[\]-~]*\"")

#: C{b64token} of RFC 6750 section 2.1.
_TOKEN68 = re.compile(r"[A-Za-z0-9\-._~+/]+=*")

#: The headers that are the handshake's own (RFC 6455 section 4.1), or the
#: connection's (RFC 9110 section 7.6.1).
_OWNED = frozenset(
    (
        "cache-control",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "pragma",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
_OWNED_PREFIX = "sec-websocket-"

#: Headers that have options of their own, which keep their values secret.
_ELSEWHERE = {
    "authorization": "use httpUser or httpToken",
    "cookie": "use httpCookies",
    "proxy-authorization": "use proxy, as in http://user:password@host:port",
}

_PROXY_HINT = "as in http://proxy.example.com:3128, or http://user:password@proxy.example.com:3128"
_ENDPOINT_HINT = "as in tor:{host}:{port}:socksHostname=127.0.0.1:socksPort=1080"

#: What an endpoint string has in place of the server's host and port.
HOST, PORT = "{host}", "{port}"


@attrs.frozen
class HTTPProxy:
    """
    An HTTP proxy, as the option C{proxy} names it.

    @ivar host: Its name, or its IP address without brackets.
    @ivar port: Its TCP port.
    @ivar user: Who we are to it; C{None}: it does not ask.
    @ivar password: The password for that.
    """

    host: str
    port: int
    user: str | None = attrs.field(default=None, repr=False)
    password: str = attrs.field(default="", repr=False)


def isToken68(text: str) -> bool:
    """Say whether a text can follow C{Bearer} (RFC 6750 section 2.1)."""
    return _TOKEN68.fullmatch(text) is not None


def _mapping(check: Callable[[str, str], str]) -> Callable[[object], Mapping[str, str]]:
    """
    Make what takes a mapping of names to texts, and freezes it.

    @param check: Called with each name and its text; gives the text.
    """

    def convert(value: object) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise Unfit("must be a mapping of names to texts")
        taken: dict[str, str] = {}
        for name, text in value.items():
            if not isinstance(name, str) or _NAME.fullmatch(name) is None:
                raise Unfit("has a name that is no token", "letters, digits and !#$%&'*+-.^_`|~")
            if not isinstance(text, str):
                raise Unfit(f"has no text for {name}")
            taken[name] = check(name, text)
        return MappingProxyType(taken)

    return convert


def _header(name: str, text: str) -> str:
    folded = name.lower()
    if folded in _OWNED or folded.startswith(_OWNED_PREFIX):
        raise Unfit(f"has {name}, which is the handshake's own")
    if folded in _ELSEWHERE:
        raise Unfit(f"has {name}", _ELSEWHERE[folded])
    try:
        taken: str = TEXT_OR_EMPTY.convert(text)
        return taken
    except Unfit as error:
        raise Unfit(f"has {name}, which {error.problem}") from None


def _headers(value: object) -> Mapping[str, str]:
    headers = _mapping(_header)(value)
    if len({name.lower() for name in headers}) < len(headers):
        raise Unfit("has the same name twice")
    return headers


def _cookie(name: str, text: str) -> str:
    if _COOKIE.fullmatch(text) is None:
        raise Unfit(f"has a text for {name} that no cookie can have", "RFC 6265 section 4.1.1")
    return text


def _user(value: object) -> str:
    user: str = TEXT.convert(value)
    # RFC 7617 section 2: "a user-id containing a colon character is invalid".
    if ":" in user:
        raise Unfit("must not hold a colon", "RFC 7617 section 2")
    return user


def _bearer(value: object) -> str:
    if not isinstance(value, str) or not isToken68(value):
        raise Unfit("must be a bearer token", "letters, digits and -._~+/; RFC 6750 section 2.1")
    return value


def _proxy(value: object) -> HTTPProxy:
    if isinstance(value, HTTPProxy):
        return value
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise Unfit("must be the URI of an HTTP proxy", _PROXY_HINT)
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise Unfit("must be the URI of an HTTP proxy", _PROXY_HINT) from None
    _checkProxy(parts)
    if not port or parts.hostname is None:
        raise Unfit("must name the proxy's port", _PROXY_HINT)
    user = None if parts.username is None else _user(_decoded(parts.username))
    return HTTPProxy(parts.hostname, port, user, _decoded(parts.password or ""))


def _checkProxy(parts: SplitResult) -> None:
    if parts.scheme != "http":
        raise Unfit("must begin with http://", _PROXY_HINT)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Unfit("must end with the port", "in a user or a password, / ? # and @ are %2F %3F %23 and %40")
    try:
        HOST_PORT.convert(parts.netloc.rpartition("@")[2])
    except Unfit:
        raise Unfit("must name a host", _PROXY_HINT) from None


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Unfit("has a user or a password that is not UTF-8") from None


def _endpoint(value: object) -> str:
    text: str = TEXT.convert(value)
    if HOST not in text or PORT not in text:
        raise Unfit("must hold {host} and {port}", _ENDPOINT_HINT)
    rest = text.replace(HOST, "").replace(PORT, "")
    if "{" in rest or "}" in rest:
        raise Unfit("must hold nothing but {host} and {port} in braces", _ENDPOINT_HINT)
    return text


#: Headers, by name.
HEADERS = Kind("table of names and texts", _headers)

#: Cookies, by name.
COOKIES = Kind("table of names and texts", _mapping(_cookie))

#: Who somebody is to an HTTP server.
HTTP_USER = Kind("text without a colon", _user)

#: What follows C{Bearer}.
BEARER_TOKEN = Kind("bearer token", _bearer)

#: An L{HTTPProxy}, or its URI.
PROXY = Kind("http://[user:password@]host:port", _proxy)

#: A string for C{twisted.internet.endpoints.clientFromString}.
ENDPOINT = Kind("endpoint string with {host} and {port}", _endpoint)
