"""
What an option's value may be: one small class a kind.

A kind is called with the value that was given and returns the value that is
kept, or raises L{Unfit}.  L{sipws.config.configuration} turns that into a
L{ConfigurationError} that names the option.  C{str} of a kind describes it,
for the table of options in the documentation.
"""

from __future__ import annotations

import math
import os
import re
import uuid
from collections.abc import Iterable
from typing import Any

import attrs

from sipws.errors import ParseError
from sipws.message import URI

__all__ = [
    "AddressOfRecord",
    "Flag",
    "HostPort",
    "InstanceId",
    "Integer",
    "OptionTags",
    "OrText",
    "ReadableFile",
    "Registrar",
    "Seconds",
    "Text",
    "Unfit",
    "Word",
]

#: C{token} of RFC 3261 section 25.1.
TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")

#: C{word} of RFC 3261 section 25.1 without its quotes and brackets, which a Call-ID may have but need not.
WORD = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")

#: C{host [":" port]} of RFC 3261 section 25.1, loosely: each kind of host is a choice of these characters.
HOST_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?\.?)(?::[0-9]{1,5})?")

#: C0 controls and DEL: none of them has a place in a header (RFC 3261 section 25.1, C{TEXT-UTF8char}).
CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_SCHEME = re.compile(r"sips?:", re.IGNORECASE)
_MAX_PORT = 65535


class Unfit(ValueError):
    """
    A value that an option cannot take.

    @ivar problem: What is wrong, to follow the option's name.
    @ivar hint: What would be right.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        self.problem = problem
        self.hint = hint
        super().__init__(problem)


@attrs.frozen
class Flag:
    """True or false."""

    def __call__(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise Unfit("must be true or false")
        return value

    def __str__(self) -> str:
        return "boolean"


@attrs.frozen
class Integer:
    """
    A whole number.

    @ivar minimum: The least that will do.
    @ivar maximum: The most.
    """

    minimum: int
    maximum: int

    def __call__(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit("must be a whole number")
        if not self.minimum <= value <= self.maximum:
            raise Unfit(f"must be {self.minimum} to {self.maximum}")
        return value

    def __str__(self) -> str:
        return f"integer, {self.minimum} to {self.maximum}"


@attrs.frozen
class Seconds:
    """
    A time.

    @ivar maximum: The most, in seconds; the least is anything above zero.
    """

    maximum: float = 86_400.0

    def __call__(self, value: object) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isnan(value):
            raise Unfit("must be a number of seconds")
        if not 0 < value <= self.maximum:
            raise Unfit(f"must be more than 0 and at most {self.maximum:g} seconds")
        return value

    def __str__(self) -> str:
        return f"number, above 0, at most {self.maximum:g}"


@attrs.frozen
class Text:
    """
    Text without control characters: it goes into a header, or is compared with one.

    @ivar empty: Whether it may be empty.
    """

    empty: bool = False

    def __call__(self, value: object) -> str:
        if not isinstance(value, str):
            raise Unfit("must be text")
        if not value and not self.empty:
            raise Unfit("must not be empty")
        control = CONTROL.search(value)
        if control is not None:
            raise Unfit(f"holds a control character at {control.start()}")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Unfit(f"holds what UTF-8 cannot say at {error.start}") from None
        return value

    def __str__(self) -> str:
        return "text"


@attrs.frozen
class Word:
    """Letters, digits and C{-.!%*_+`'~}: C{token} of RFC 3261 section 25.1."""

    def __call__(self, value: object) -> str:
        if not isinstance(value, str) or TOKEN.fullmatch(value) is None:
            raise Unfit("must be a token", "letters, digits and -.!%*_+`'~")
        return value

    def __str__(self) -> str:
        return "token"


@attrs.frozen
class HostPort:
    """A host name, an IPv4 address or an IPv6 reference, and a port if need be."""

    def __call__(self, value: object) -> str:
        if not isinstance(value, str) or HOST_PORT.fullmatch(value) is None:
            raise Unfit("must be a host", "a name, an IPv4 address or [an IPv6 address], with :port if need be")
        _, colon, port = value.rpartition("]")[2].partition(":")
        if colon and not 0 < int(port) <= _MAX_PORT:
            raise Unfit(f"has a port beyond {_MAX_PORT}")
        return value

    def __str__(self) -> str:
        return "host[:port]"


@attrs.frozen
class OrText:
    """
    A flag, or in its stead a text.

    @ivar text: The kind of the text.
    """

    text: HostPort

    def __call__(self, value: object) -> bool | str:
        return value if isinstance(value, bool) else self.text(value)

    def __str__(self) -> str:
        return f"boolean or {self.text}"


@attrs.frozen
class AddressOfRecord:
    """A SIP URI with a user part; C{sip:} may be left out."""

    def __call__(self, value: object) -> URI:
        uri = _parseURI(value)
        if not uri.user:
            raise Unfit("names no user", "as in sip:alice@example.com")
        return uri

    def __str__(self) -> str:
        return "SIP URI with a user"


@attrs.frozen
class Registrar:
    """
    A SIP URI without a user part; C{sip:} may be left out.

    RFC 3261 section 10.2: 'the "userinfo" and "@" components of the SIP URI
    MUST NOT be present'.
    """

    def __call__(self, value: object) -> URI:
        uri = _parseURI(value)
        if uri.user:
            raise Unfit("names a user, and a registrar has none", "as in sip:example.com; RFC 3261 section 10.2")
        return uri

    def __str__(self) -> str:
        return "SIP URI without a user"


@attrs.frozen
class InstanceId:
    """
    A UUID, with or without C{urn:} and C{uuid:} before it.

    It stays the same for the life of a device (RFC 5626 section 4.1).
    """

    def __call__(self, value: object) -> str:
        text = str(value) if isinstance(value, (str, uuid.UUID)) else ""
        digits = text.lower().removeprefix("urn:").removeprefix("uuid:")
        try:
            parsed = uuid.UUID(digits)
        except ValueError:
            parsed = None
        if parsed is None or str(parsed) != digits:
            raise Unfit("must be a UUID", "as in 7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f; make one once and keep it")
        return digits

    def __str__(self) -> str:
        return "UUID"


@attrs.frozen
class OptionTags:
    """A list of option tags (RFC 3261 section 19.2)."""

    def __call__(self, value: object) -> tuple[str, ...]:
        if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
            raise Unfit("must be a list of option tags")
        tags = tuple(value)
        for tag in tags:
            if not isinstance(tag, str) or TOKEN.fullmatch(tag) is None:
                raise Unfit(f"holds {tag!r}, which is no option tag", "letters, digits and -.!%*_+`'~")
        return tags

    def __str__(self) -> str:
        return "list of option tags"


@attrs.frozen
class ReadableFile:
    """The path of a file that is there and can be read."""

    def __call__(self, value: object) -> str:
        if not isinstance(value, (str, os.PathLike)):
            raise Unfit("must be the path of a file")
        path = os.fsdecode(value)
        try:
            with open(path, "rb"):
                return path
        except (OSError, ValueError) as error:
            raise Unfit(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error

    def __str__(self) -> str:
        return "path of a file"


def _parseURI(value: object) -> URI:
    """Read a SIP or SIPS URI, C{sip:} before it or not, as SIP.js does."""
    if isinstance(value, URI):
        return _onlySIP(value)
    if not isinstance(value, str):
        raise Unfit("must be a SIP URI", "as in sip:alice@example.com")
    text = value if _SCHEME.match(value) else f"sip:{value}"
    try:
        return _onlySIP(URI.parse(text))
    except ParseError as error:
        raise Unfit(f"is not a SIP URI: {error.reason}", "as in sip:alice@example.com") from error


def _onlySIP(uri: URI) -> URI:
    if uri.scheme.lower() not in ("sip", "sips"):
        raise Unfit(f"has the scheme {uri.scheme}", "sip: or sips:")
    # RFC 3261 section 19.1.1: a password in the URI is a secret in every log on its way.
    if uri.password is not None:
        raise Unfit("holds a password", "use the option password")
    return uri


def show(value: Any) -> str:
    """
    Show a wrong value in a message, shortened, without userinfo.

    @param value: What was given.
    """
    text = repr(value)
    text = re.sub(r"(//|sips?:)[^@/\s'\"]*:[^@\s'\"]*@", r"\1***@", text)
    return text if len(text) <= 80 else text[:77] + "..."
