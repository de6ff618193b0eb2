"""
Parameters: C{;name=value} in headers and URIs (RFC 3261 section 25.1, C{generic-param}).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from sipws.errors import ParseError
from sipws.message.grammar import GEN_VALUE, QUOTED_STRING, SWS, TOKEN, compiled

__all__ = [
    "MAX_PARAMETERS",
    "NONE",
    "Parameters",
    "QuotedString",
    "asParameters",
    "checkParameter",
    "checkToken",
    "formatParameters",
    "lowerCase",
    "parseParameters",
    "quote",
    "unquote",
]

#: The most parameters that one value may have.  No header of any RFC comes near; each one more than
#: the sender needs is work that he makes us do.
MAX_PARAMETERS = 128

_PARAMETER = compiled(rf"{SWS};{SWS}({TOKEN})(?:{SWS}={SWS}(?:({QUOTED_STRING})|({GEN_VALUE})))?{SWS}")
_GEN_VALUE = compiled(GEN_VALUE)
_TOKEN = compiled(TOKEN)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(r'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')
_NEVER = re.compile(r"[\r\n]")


class QuotedString(str):
    """
    A value that stands in quotation marks: C{str} of it is what they enclose.

    Some parameters take quoted strings only (C{+sip.instance}, RFC 5626; the
    feature tags of RFC 3840): what came quoted is printed quoted.
    """

    __slots__ = ()


class Parameters(Mapping[str, "str | None"]):
    """
    The parameters of a header or a URI: ordered, immutable, and found under
    their names in any case (RFC 3261 section 7.3.1).

    A parameter without a value has the value C{None}.  Two are equal if they
    hold the same; their order does not matter.
    """

    __slots__ = ("_values",)

    _values: dict[str, str | None]

    def __init__(self, values: Mapping[str, str | None] | Iterable[tuple[str, str | None]] = ()) -> None:
        pairs = values.items() if isinstance(values, Mapping) else values
        self._values = {name.lower(): value for name, value in pairs}

    @classmethod
    def ofLowerCase(cls, values: dict[str, str | None]) -> Parameters:
        """
        Make parameters of names that are in lower case, which are not looked at again.

        @param values: They; nobody is to change them.
        """
        parameters = cls.__new__(cls)
        parameters._values = values  # noqa: SLF001 -- its own
        return parameters

    def __getitem__(self, name: str) -> str | None:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Parameters):
            return self._values == other._values
        return Mapping.__eq__(self, other)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Parameters({self._values!r})"


#: No parameters.
NONE = Parameters()


def asParameters(values: Mapping[str, str | None] | Iterable[tuple[str, str | None]]) -> Parameters:
    """
    Make L{Parameters} of what is not.

    @param values: A mapping, or pairs of name and value.
    """
    return values if isinstance(values, Parameters) else Parameters(values)


def parseParameters(text: str, position: int, token: str | None = None) -> Parameters:
    """
    Parse C{*( SEMI generic-param )} up to the end of a text.

    @param text: The whole value.
    @param position: Where in it the parameters begin.
    @param token: The name of a parameter whose value is a token, and nothing else.
    @raise ParseError: Something is no parameter, or there are two of a name
        (RFC 3261 section 7.3.1: "any given parameter-name MUST NOT appear
        more than once").
    """
    end = len(text)
    if position >= end:
        return NONE
    values: dict[str, str | None] = {}
    while position < end:
        match = _PARAMETER.match(text, position)
        if match is None:
            raise ParseError("expected a parameter", position=position, value=text)
        name = match[1].lower()
        checkParameter(name, values, text, match.start(1))
        values[name] = match[3] if match[2] is None else QuotedString(unquote(match[2]))
        if name == token:
            checkToken(name, values[name], text, match.start(1))
        position = match.end()
    return Parameters.ofLowerCase(values)


def checkToken(name: str, value: str | None, text: str | None = None, position: int = 0) -> None:
    """
    See that a parameter has a value that is a token.

    @param name: Its name.
    @param value: Its value.
    @param text: What it stands in, if in anything, and C{position} where.
    @raise ParseError: It has none.
    """
    if value is None or isinstance(value, QuotedString) or _TOKEN.fullmatch(value) is None:
        raise ParseError(f"the parameter {name} is no token", position=position, value=text)


def checkParameter(name: str, values: Mapping[str, object], text: str, position: int) -> None:
    """
    See that one more parameter is allowed.

    @param name: Its name.
    @param values: Those before it.
    @param text: The whole value, and C{position} where in it the parameter is.
    @raise ParseError: There is one of this name, or there are too many.
    """
    if name in values:
        raise ParseError(f"a second parameter {name}", position=position, value=text)
    if len(values) >= MAX_PARAMETERS:
        raise ParseError(f"more than {MAX_PARAMETERS} parameters", position=position, value=text)


def formatParameters(parameters: Mapping[str, str | None]) -> str:
    """
    Print C{*( SEMI generic-param )}.

    @raise ValueError: A name is no token, or a value has CR or LF in it.
    """
    return "".join([f";{_formatName(name)}{_formatValue(value)}" for name, value in parameters.items()])


def _formatName(name: str) -> str:
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"no parameter name: {name!r}")
    return name


def _formatValue(value: str | None) -> str:
    if value is None:
        return ""
    if isinstance(value, QuotedString) or _GEN_VALUE.fullmatch(value) is None:
        return "=" + quote(value)
    return "=" + value


def lowerCase(text: str) -> str:
    """Give a text in lower case: what is compared in any case is kept in one."""
    return text.lower()


def quote(text: str) -> str:
    """
    Print a C{quoted-string}.

    @raise ValueError: The text has CR or LF in it, which cannot be escaped
        (RFC 3261 section 25.1).
    """
    if _NEVER.search(text) is not None:
        raise ValueError("a quoted string cannot hold CR or LF")
    return '"' + _TO_ESCAPE.sub(lambda match: "\\" + match[0], text) + '"'


def unquote(quoted: str) -> str:
    """
    Give what a C{quoted-string} says.

    @param quoted: It, with its quotation marks.
    """
    inner = quoted[1:-1]
    return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner
