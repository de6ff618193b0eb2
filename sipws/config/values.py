"""
What an option's value may be: L{Kind}, and one constant or function for each.
"""

from __future__ import annotations

import math
import os
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from sipws.errors import ParseError
from sipws.message import URI, Caller, NameAddr

__all__ = [
    "ADDRESS_OF_RECORD",
    "ATTEMPTS",
    "DOMAIN",
    "EVENT_PACKAGES",
    "FLAG",
    "FLAG_OR_HOST",
    "HOST_PORT",
    "IDENTITIES",
    "INFO_PACKAGES",
    "INSTANCE_ID",
    "OPTION_TAGS",
    "PATH",
    "PRIVACY",
    "READABLE_FILE",
    "REGISTRAR",
    "ROUTES",
    "SECONDS",
    "SECONDS_OR_ZERO",
    "SESSION_INTERVAL",
    "TEXT",
    "TEXT_OR_EMPTY",
    "WORD",
    "Kind",
    "Unfit",
    "choice",
    "integer",
    "show",
]

#: C{token} of RFC 3261 section 25.1.
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")

#: C{host [":" port]} of RFC 3261 section 25.1, loosely: each kind of host is a choice of these.
_HOST_PORT = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?\.?)(?::(?P<port>[0-9]{1,5}))?"
)

#: A domain name whose last label is not a number: no IPv4 address.
_DOMAIN = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9])?\.)*"
    r"(?=[A-Za-z0-9\-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.?"
)

#: RFC 1035 section 2.3.4, as text.
_MAX_DOMAIN = 253

#: C{path-abempty} and C{query} of RFC 3986 section 3.
_PATH = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*")

#: C0 controls and DEL: none of them has a place in a header (RFC 3261 section 25.1, C{TEXT-UTF8char}).
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_SCHEME = re.compile(r"sips?:", re.IGNORECASE)
_MAX_PORT = 65535

#: The longest time that an option may name, in seconds: a day.
_MAX_SECONDS = 86_400

_TAGS_HINT = "letters, digits and -.!%*_+`'~"
_URI_HINT = "as in sip:alice@example.com"


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
class Kind:
    """
    What the value of an option may be.

    @ivar text: What that is, for the documentation.
    @ivar convert: Called with the value that was given.  It returns the value
        that is kept, or raises L{Unfit}.
    """

    text: str
    convert: Callable[[object], Any]

    def orElse(self, other: Kind) -> Kind:
        """
        Take what this kind takes, and else what another does, whose complaint counts.

        @param other: The other.
        """

        def convert(value: object) -> Any:
            try:
                return self.convert(value)
            except Unfit:
                return other.convert(value)

        return Kind(f"{self.text} or {other.text}", convert)


def integer(minimum: int, maximum: int) -> Kind:
    """
    Make the kind of a whole number.

    @param minimum: The least that will do.
    @param maximum: The most.
    """

    def convert(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit("must be a whole number")
        if not minimum <= value <= maximum:
            raise Unfit(f"must be {minimum} to {maximum}")
        return value

    return Kind(f"integer, {minimum} to {maximum}", convert)


def _sessionInterval(value: object) -> int:
    if value == 0 and not isinstance(value, bool):
        return 0
    # RFC 4028 section 4: "the absolute minimum for the Session-Expires header field is 90 seconds."
    return int(integer(90, 2**31 - 1).convert(value))


def choice(*words: str) -> Kind:
    """
    Make the kind of one word out of some.

    @param words: The words.
    """
    text = " or ".join(words)

    def convert(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Unfit(f"must be {text}")
        return value

    return Kind(text, convert)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unfit("must be true or false")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or math.isnan(value):
        raise Unfit("must be a number of seconds")
    if not 0 < value <= _MAX_SECONDS:
        raise Unfit(f"must be more than 0 and at most {_MAX_SECONDS} seconds")
    return value


def _secondsOrZero(value: object) -> float:
    return 0 if value == 0 and not isinstance(value, bool) else _seconds(value)


def _unlimited(value: object) -> float:
    if value != "unlimited" and value != math.inf:
        raise Unfit("must be a whole number, 0 to 1000000, or unlimited")
    return math.inf


def _text(value: object) -> str:
    """Take text that can stand in a header, or be compared with what does."""
    if not isinstance(value, str):
        raise Unfit("must be text")
    control = _CONTROL.search(value)
    if control is not None:
        raise Unfit(f"holds a control character at {control.start()}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unfit(f"holds what UTF-8 cannot say at {error.start}") from None
    return value


def _nonEmptyText(value: object) -> str:
    text = _text(value)
    if not text:
        raise Unfit("must not be empty")
    return text


def _word(value: object) -> str:
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise Unfit("must be a token", _TAGS_HINT)
    return value


def _hostPort(value: object) -> str:
    match = _HOST_PORT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Unfit("must be a host", "a name, an IPv4 address or [an IPv6 address], with :port if need be")
    if match["port"] is not None and not 0 < int(match["port"]) <= _MAX_PORT:
        raise Unfit(f"must have a port from 1 to {_MAX_PORT}")
    return match[0]


def _domain(value: object) -> str:
    if not isinstance(value, str) or _DOMAIN.fullmatch(value) is None or len(value) > _MAX_DOMAIN:
        raise Unfit("must be a domain name", "as in example.com")
    return value.rstrip(".").lower()


def _path(value: object) -> str:
    if not isinstance(value, str) or _PATH.fullmatch(value) is None:
        raise Unfit("must be the path of a URI", "as in /sip")
    return value


def _addressOfRecord(value: object) -> URI:
    uri = _sipURI(value)
    if not uri.user:
        raise Unfit("must name a user", _URI_HINT)
    return uri


def _registrar(value: object) -> URI:
    uri = _sipURI(value)
    # RFC 3261 section 10.2: 'the "userinfo" and "@" components of the SIP URI MUST NOT be present'.
    if uri.user:
        raise Unfit("must not name a user", "as in sip:example.com; RFC 3261 section 10.2")
    return uri


def _routes(value: object) -> tuple[URI, ...]:
    """Take the URIs of proxies, each with C{lr}: nobody is left that knows of strict routing."""
    given = [value] if isinstance(value, (str, URI)) else value
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise Unfit("must be a SIP URI, or a list of them", "as in sip:proxy.example.com")
    return tuple(_loose(_sipURI(each)) for each in given)


def _loose(uri: URI) -> URI:
    if uri.headers:
        raise Unfit("must not hold headers", "as in sip:proxy.example.com")
    return uri if "lr" in uri.parameters else attrs.evolve(uri, parameters={**uri.parameters, "lr": None})


def _identities(value: object) -> tuple[NameAddr, ...]:
    given = [value] if isinstance(value, (str, URI, NameAddr)) else value
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise Unfit("must be an address, or a list of them", _URI_HINT)
    try:
        return Caller(preferred=[_nameAddr(each) for each in given]).preferred
    except ParseError as error:
        hint = "a sip, sips or tel URI; or one of the first two, and a tel URI"
        raise Unfit(f"must be an address, or two ({error.reason})", hint) from None


def _nameAddr(value: object) -> NameAddr:
    if isinstance(value, URI):
        return NameAddr(None, value)
    return value if isinstance(value, NameAddr) else NameAddr.parse(_text(value))


def _privacy(value: object) -> tuple[str, ...]:
    given = value.split(";") if isinstance(value, str) else value
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise Unfit("must be a list of privacy values", "as in id")
    try:
        return Caller(privacy=[_word(each) for each in given]).privacy
    except ParseError as error:
        raise Unfit(f"must be a list of privacy values ({error.reason})", "as in id") from None
    except ValueError as error:
        raise Unfit(f"cannot be so: {error}") from None


def _instanceId(value: object) -> str:
    """Take a UUID, with or without C{urn:} and C{uuid:} before it, and keep it as RFC 4122 writes it."""
    given = str(value) if isinstance(value, (str, uuid.UUID)) else ""
    digits = given.lower().removeprefix("urn:").removeprefix("uuid:")
    try:
        if str(uuid.UUID(digits)) == digits:
            return digits
    except ValueError:
        pass
    raise Unfit("must be a UUID", "as in 7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f; make one once and keep it")


def _optionTags(value: object) -> tuple[str, ...]:
    return _tokens(value, "option tag", _TAGS_HINT)


def _eventPackages(value: object) -> tuple[str, ...]:
    return _tokens(value, "event package", "such as presence")


def _tokens(value: object, noun: str, hint: str) -> tuple[str, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise Unfit(f"must be a list of {noun}s")
    tokens = tuple(value)
    for token in tokens:
        if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
            raise Unfit(f"holds {token!r}, which is no {noun}", hint)
    return tokens


def _readableFile(value: object) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise Unfit("must be the path of a file")
    path = os.fsdecode(value)
    try:
        with open(path, "rb"):
            return path
    except (OSError, ValueError) as error:
        raise Unfit(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


#: True or false.
FLAG = Kind("boolean", _flag)

#: A time.
SECONDS = Kind(f"number, above 0, at most {_MAX_SECONDS}", _seconds)

#: A time, or none.
SECONDS_OR_ZERO = Kind(f"number, 0 or above, at most {_MAX_SECONDS}", _secondsOrZero)

#: A number of attempts, or no end of them: infinity.
ATTEMPTS = integer(0, 1_000_000).orElse(Kind("unlimited", _unlimited))

#: A domain name.
DOMAIN = Kind("domain name", _domain)

#: The path of a URI, with a query if need be.
PATH = Kind("path", _path)

#: Text without control characters, and not empty.
TEXT = Kind("text", _nonEmptyText)

#: The same, empty or not.
TEXT_OR_EMPTY = Kind("text", _text)

#: C{token} of RFC 3261 section 25.1.
WORD = Kind("token", _word)

#: A host name, an IPv4 address or an IPv6 reference, and a port if need be.
HOST_PORT = Kind("host[:port]", _hostPort)

#: Such a place, or true, or false.
FLAG_OR_HOST = FLAG.orElse(HOST_PORT)

#: A SIP URI with a user part; C{sip:} may be left out.
ADDRESS_OF_RECORD = Kind("SIP URI with a user", _addressOfRecord)

#: A SIP URI without a user part; C{sip:} may be left out.
SESSION_INTERVAL = Kind("integer, 90 or more, or 0", _sessionInterval)
REGISTRAR = Kind("SIP URI without a user", _registrar)

#: The SIP URIs of proxies, one or several in order.
ROUTES = Kind("SIP URI, or list of SIP URIs", _routes)

#: One address, or a SIP one and a telephone number (RFC 3325 section 9).
IDENTITIES = Kind("address, or list of addresses", _identities)

#: What is to be kept private (RFC 3323 section 4.2).
PRIVACY = Kind("list of privacy values", _privacy)

#: A UUID, which stays the same for the life of a device (RFC 5626 section 4.1).
INSTANCE_ID = Kind("UUID", _instanceId)

#: A list of option tags (RFC 3261 section 19.2).
OPTION_TAGS = Kind("list of option tags", _optionTags)

#: A list of event packages (RFC 6665 section 8.4).
EVENT_PACKAGES = Kind("list of event packages", _eventPackages)

#: A list of Info Packages (RFC 6086 section 7.2).
INFO_PACKAGES = Kind("list of Info Packages", _eventPackages)

#: The path of a file that is there and can be read.
READABLE_FILE = Kind("path of a file", _readableFile)


def _sipURI(value: object) -> URI:
    """Read a SIP or SIPS URI, C{sip:} before it or not, as SIP.js does."""
    uri = value if isinstance(value, URI) else _parsed(value)
    if uri.scheme.lower() not in ("sip", "sips"):
        raise Unfit("must be a SIP URI", _URI_HINT)
    # RFC 3261 section 19.1.1: a password in the URI is a secret in every log on its way.
    if uri.password is not None:
        raise Unfit("must not hold a password", "use the option password")
    return uri


def _parsed(value: object) -> URI:
    if not isinstance(value, str):
        raise Unfit("must be a SIP URI", _URI_HINT)
    try:
        return URI.parse(value if _SCHEME.match(value) else f"sip:{value}")
    except ParseError as error:
        raise Unfit(f"must be a SIP URI ({error.reason})", _URI_HINT) from None


def show(value: Any) -> str:
    """
    Show a wrong value in a message, shortened, without userinfo.

    @param value: What was given.
    """
    text = repr(value)
    text = re.sub(r"(//|sips?:)[^@/\s'\"]*:[^@\s'\"]*@", r"\1***@", text)
    return text if len(text) <= 80 else text[:77] + "..."
