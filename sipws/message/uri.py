"""
URIs: SIP, SIPS (RFC 3261 section 19.1), tel (RFC 3966) and any other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote as _percentEncode
from urllib.parse import unquote as _percentDecode

import attrs

from sipws.errors import ParseError
from sipws.message.grammar import (
    ABSOLUTE_URI,
    HNAME,
    HOSTNAME,
    HVALUE,
    IPV4_ADDRESS,
    PASSWORD,
    PNAME,
    PVALUE,
    SCHEME,
    TOKEN_CHARS,
    UNRESERVED_CHARS,
    USER,
    compiled,
)
from sipws.message.host import checkHost, checkPort, foldHost, hostPort, parseHost, parsePort
from sipws.message.parameters import (
    MAX_PARAMETERS,
    NONE,
    Parameters,
    asParameters,
    checkParameter,
    lowerCase,
)

__all__ = ["PLAIN_URI", "STAR", "URI"]

#: RFC 3261 section 19.1.4: "A URI omitting any component with a default value will not match a URI
#: explicitly containing that component with its default value", and the rule on maddr.
_NEVER_IGNORED = ("transport", "user", "ttl", "method", "maddr")

#: Sets an attribute of what is frozen.
_set = object.__setattr__

# What is printed as it is; the rest is escaped.  Letters, digits and "_.-~" always are.
_USER_SAFE = "!*'()&=+$,;?/"
_PASSWORD_SAFE = "!*'()&=+$,"
_PARAMETER_SAFE = "!*'()[]/:&+$"
_HEADER_SAFE = "!*'()[]/?:+$"

_SCHEME = compiled(SCHEME)
_USERINFO = compiled(rf"({USER})(?::({PASSWORD}))?@")
_PARAMETER = compiled(rf";({PNAME})(?:=({PVALUE}))?")
_HEADER = compiled(rf"[?&]({HNAME})=({HVALUE})")
_ABSOLUTE = compiled(ABSOLUTE_URI)
#: Most SIP URIs that there are: nothing is escaped, parameters are in lower case, there are no headers.
PLAIN_URI = (
    rf"(sips?):(?:([{UNRESERVED_CHARS}&=+$,;?/]++)@)?"
    rf"({IPV4_ADDRESS}(?![{TOKEN_CHARS}])|{HOSTNAME})(?::([1-9][0-9]{{0,3}}))?"
    rf"((?:;[a-z0-9\-_.!~*'()+]++(?:=[{UNRESERVED_CHARS}\[\]/:&+$]++)?)*+)"
)
_PLAIN = compiled(PLAIN_URI)
# global-number-digits / local-number-digits, with their visual separators (RFC 3966 section 3).
_TEL_NUMBER = compiled(r"\+?[0-9A-Fa-f*#\-.()]++")


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items() if isinstance(headers, Mapping) else headers)


@attrs.frozen
class URI:
    """
    A URI.

    C{%HH} is decoded where the grammar has C{escaped}, and C{str} escapes
    again whatever must be.  Octets that are not UTF-8 are decoded as lone
    surrogates (PEP 383) and survive the round trip.

    @ivar scheme: Lower case.  C{sip}, C{sips}, C{tel} or another.
    @ivar user: The user, or the number of a C{tel} URI.
    @ivar password: The password that stands in the URI, C{None} if none does
        (RFC 3261 section 19.1.1 recommends against any).
    @ivar host: A name, an IPv4 address, or an IPv6 address in brackets; C{""}
        in other URIs than C{sip} and C{sips}.
    @ivar port: C{None} where it is not given.
    @ivar parameters: Names are lower case.
    @ivar headers: Pairs of name and value, in their order.
    @ivar opaque: What follows the colon in URIs other than C{sip}, C{sips}
        and C{tel}.
    """

    scheme: str = attrs.field(converter=lowerCase)
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=lambda value: "None" if value is None else "'***'")
    host: str = ""
    port: int | None = None
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)
    headers: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_pairs)
    opaque: str = ""
    # What str gives, where it is what was parsed.
    _text: str | None = attrs.field(default=None, init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _CHECKS.get(self.scheme, _checkAbsolute)(self)
        if not all(self.parameters) or "" in self.parameters.values():
            raise ParseError("a URI's parameters have names, and their values are not empty")

    @classmethod
    def parse(cls, text: str) -> URI:
        """
        Parse a URI.

        @param text: The URI, with nothing before or after it.
        @raise ParseError: It is none; C{position} says where it ends to be one.
        """
        plain = _PLAIN.fullmatch(text)
        if plain is not None:
            uri = _ofPlain(text, plain)
            if uri is not None:
                return uri
        match = _SCHEME.match(text)
        if match is None or not text.startswith(":", match.end()):
            raise ParseError("expected a URI scheme and a colon", position=0, value=text)
        scheme = match[0].lower()
        if scheme in ("sip", "sips"):
            return _parseSIP(scheme, text, match.end() + 1)
        if scheme == "tel":
            return _parseTel(text)
        return _parseAbsolute(scheme, text)

    def __str__(self) -> str:
        if self._text is not None:
            return self._text
        if self.scheme in ("sip", "sips"):
            return f"{self.scheme}:{self._userinfo()}{hostPort(self.host, self.port)}{self._tail()}"
        if self.scheme == "tel":
            return f"tel:{self.user}{self._tail()}"
        return "*" if self.scheme == "*" else f"{self.scheme}:{self.opaque}"

    def _userinfo(self) -> str:
        if self.user is None:
            return ""
        password = "" if self.password is None else ":" + _encode(self.password, _PASSWORD_SAFE)
        return f"{_encode(self.user, _USER_SAFE)}{password}@"

    def _tail(self) -> str:
        tail = "".join([f";{_parameter(name, value)}" for name, value in self.parameters.items()])
        if self.headers:
            pairs = [
                f"{_encode(name, _HEADER_SAFE)}={_encode(value, _HEADER_SAFE)}"
                for name, value in self.headers
            ]
            tail += "?" + "&".join(pairs)
        return tail

    def equivalent(self, other: URI) -> bool:
        """
        Say whether another URI means the same (RFC 3261 section 19.1.4; for
        IPv6 addresses RFC 5954 section 4.2, for tel RFC 3966 section 5).

        A reserved character counts as equal to its escape.  This is not
        transitive.

        @param other: The other.
        """
        if self.scheme != other.scheme or self.opaque != other.opaque:
            return False
        if self.scheme == "tel":
            return _digits(self) == _digits(other) and self._folded() == other._folded()
        return (
            (self.user, self.password, self.port) == (other.user, other.password, other.port)
            and foldHost(self.host) == foldHost(other.host)
            and self._parametersMatch(other)
            and _foldPairs(self.headers) == _foldPairs(other.headers)
        )

    def _folded(self) -> dict[str, str | None]:
        return {name: value and value.lower() for name, value in self.parameters.items()}

    def _parametersMatch(self, other: URI) -> bool:
        ours, theirs = self._folded(), other._folded()
        return all(
            ours[name] == theirs[name] if name in ours and name in theirs else name not in _NEVER_IGNORED
            for name in ours.keys() | theirs.keys()
        )


def _checkSIP(uri: URI) -> None:
    if uri.user == "" or (uri.password is not None and uri.user is None):
        raise ParseError("a URI's user is not empty, and a password is a user's")
    checkHost(uri.host)
    checkPort(uri.port)
    if not all(name for name, _ in uri.headers):
        raise ParseError("a URI's headers have names")


def _checkTel(uri: URI) -> None:
    _checkNumber(uri.user or "", 0)


def _checkAbsolute(uri: URI) -> None:
    if _ABSOLUTE.fullmatch(f"{uri.scheme}:{uri.opaque}") is None:
        raise ParseError("expected a URI", value=f"{uri.scheme}:{uri.opaque}")


def _checkStar(uri: URI) -> None:
    if uri.opaque:
        raise ParseError("expected * alone")


_CHECKS: dict[str, Callable[[URI], None]] = {
    "sip": _checkSIP,
    "sips": _checkSIP,
    "tel": _checkTel,
    "*": _checkStar,
}

#: What stands in C{Contact: *} (RFC 3261 section 10.2.2) in the place of a URI.
STAR = URI("*")


def _ofPlain(text: str, match: re.Match[str]) -> URI | None:
    """
    Make a URI of what needs no further check.

    @return: C{None}: it needs one.
    """
    scheme, user, host, port, tail = match.groups()
    parameters = NONE
    if tail:
        pairs = [parameter.partition("=") for parameter in tail[1:].split(";")]
        values = {name: value if equals else None for name, equals, value in pairs}
        if len(values) < len(pairs) or len(pairs) > MAX_PARAMETERS:
            return None
        parameters = Parameters.ofLowerCase(values)
    # Not by its constructor, which looks at everything again.
    uri = URI.__new__(URI)
    _set(uri, "scheme", scheme)
    _set(uri, "user", user)
    _set(uri, "password", None)
    _set(uri, "host", host)
    _set(uri, "port", None if port is None else int(port))
    _set(uri, "parameters", parameters)
    _set(uri, "headers", ())
    _set(uri, "opaque", "")
    _set(uri, "_text", text)
    return uri


def _parseSIP(scheme: str, text: str, position: int) -> URI:
    user = password = None
    match = _USERINFO.match(text, position)
    if match is not None:
        user = _decode(match[1])
        password = None if match[2] is None else _decode(match[2])
        position = match.end()
    host, position = parseHost(text, position)
    port = None
    if text.startswith(":", position):
        port, position = parsePort(text, position + 1)
    parameters, position = _parseParameters(text, position)
    headers, position = _parseHeaders(text, position)
    if position != len(text):
        raise ParseError("no character of a URI here", position=position, value=text)
    return URI(scheme, user, password, host, port, parameters, headers)


def _parseParameters(text: str, position: int) -> tuple[Parameters, int]:
    values: dict[str, str | None] = {}
    while (match := _PARAMETER.match(text, position)) is not None:
        name = _decode(match[1]).lower()
        checkParameter(name, values, text, position)
        values[name] = None if match[2] is None else _decode(match[2])
        position = match.end()
    return Parameters.ofLowerCase(values), position


def _parseHeaders(text: str, position: int) -> tuple[list[tuple[str, str]], int]:
    headers: list[tuple[str, str]] = []
    expected = "?"
    while text.startswith(expected, position) and (match := _HEADER.match(text, position)) is not None:
        headers.append((_decode(match[1]), _decode(match[2])))
        position = match.end()
        expected = "&"
    return headers, position


def _parseTel(text: str) -> URI:
    match = _TEL_NUMBER.match(text, 4)
    position = _checkNumber(match[0] if match else "", 4, text)
    parameters, position = _parseParameters(text, position)
    if position != len(text):
        raise ParseError("no character of a tel URI here", position=position, value=text)
    return URI("tel", text[4 : match.end()] if match else "", parameters=parameters)


def _checkNumber(number: str, position: int, text: str | None = None) -> int:
    if _TEL_NUMBER.fullmatch(number) is None or not any(character.isalnum() for character in number):
        raise ParseError(
            "expected a telephone number", position=position, value=number if text is None else text
        )
    return position + len(number)


def _parseAbsolute(scheme: str, text: str) -> URI:
    match = _ABSOLUTE.match(text)
    if match is None or match.end() != len(text):
        end = len(scheme) + 1 if match is None else match.end()
        raise ParseError("no character of a URI here", position=end, value=text)
    return URI(scheme, opaque=text[len(scheme) + 1 :])


def _decode(text: str) -> str:
    return _percentDecode(text, errors="surrogateescape") if "%" in text else text


def _encode(text: str, safe: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return _percentEncode(text, safe=safe, errors="surrogateescape")


def _parameter(name: str, value: str | None) -> str:
    encoded = _encode(name, _PARAMETER_SAFE)
    return encoded if value is None else f"{encoded}={_encode(value, _PARAMETER_SAFE)}"


def _digits(uri: URI) -> str:
    # RFC 3966 section 5: visual separators are removed before the numbers are compared.
    return (uri.user or "").lower().translate({ord(character): None for character in "-.()"})


def _foldPairs(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in pairs)
