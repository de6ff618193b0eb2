"""
Addresses in headers: From, To, Contact, Route and their like (RFC 3261 sections
20.10, 20.20, 20.30, 20.34, 20.39).
"""

from __future__ import annotations

import re
from typing import TypeVar

import attrs

from sipws.errors import ParseError
from sipws.message.grammar import ADDRESS_SPEC, DISPLAY_NAME, SWS, TOKEN, compiled
from sipws.message.parameters import (
    Parameters,
    asParameters,
    checkToken,
    formatParameters,
    parseParameters,
    quote,
    unquote,
)
from sipws.message.uri import PLAIN_URI, STAR, URI

__all__ = ["PLAIN_ADDRESS", "Contact", "NameAddr", "Route"]

#: RFC 3261 section 20.10: a malformed C{expires} "SHOULD be treated as equivalent to 3600".
MALFORMED_EXPIRES = 3600

_MAX_DELTA_SECONDS = 2**32 - 1
_NAME_ADDR = compiled(rf"{SWS}({DISPLAY_NAME})?{SWS}<([^<>]*+)>{SWS}")
#: Most values of From and To that there are: a URI in which nothing is escaped, perhaps a name, and a tag.
PLAIN_ADDRESS = compiled(rf'(?:"[^"\\\x00-\x1f\x7f]*+" ?|{TOKEN} )?<{PLAIN_URI}>(?:;tag={TOKEN})?')
_BARE = compiled(rf"{SWS}({ADDRESS_SPEC}){SWS}")
_FOLDED_PARAMETER = re.compile(r"(?<![ \t])[ \t]++;")
_SPACES = re.compile(r"[ \t]+")
_DELTA_SECONDS = compiled(r"[0-9]{1,10}")
# qvalue  =  ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_QVALUE = compiled(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")

_Self = TypeVar("_Self", bound="NameAddr")


@attrs.frozen
class NameAddr:
    """
    C{name-addr} or C{addr-spec}, with its parameters: From, To, Reply-To ...

    @ivar displayName: Without its quotation marks; C{None} where there is none.
    @ivar uri: The address.
    @ivar parameters: Those of the header.  What follows an address without
        C{<} and C{>} belongs here too (RFC 3261 section 20.10).
    """

    displayName: str | None
    uri: URI
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)

    def __attrs_post_init__(self) -> None:
        # tag-param   =  "tag" EQUAL token
        if "tag" in self.parameters:
            checkToken("tag", self.parameters["tag"])

    @classmethod
    def parse(cls: type[_Self], text: str) -> _Self:
        """
        Parse an address.

        @param text: The value of the header, unfolded.
        @raise ParseError: It is none.
        """
        match = _NAME_ADDR.match(text)
        if match is not None:
            name, uri = _displayName(match[1]), _parseURI(text, match.start(2), _unspaced(match[2]))
        else:
            match = _BARE.match(text)
            if match is None or not cls._mayBeBare():
                raise ParseError(_problem(text), position=_problemPosition(text), value=text)
            name, uri = None, _parseURI(text, match.start(1), match[1])
        return cls(name, uri, parseParameters(text, match.end(), "tag"))

    @classmethod
    def _mayBeBare(cls) -> bool:
        return True

    @property
    def tag(self) -> str | None:
        """The C{tag} parameter (RFC 3261 section 19.3)."""
        return self.parameters.get("tag")

    def __str__(self) -> str:
        name = "" if self.displayName is None else quote(self.displayName) + " "
        return f"{name}<{self.uri}>{formatParameters(self.parameters)}"


@attrs.frozen
class Contact(NameAddr):
    """An entry of Contact (RFC 3261 section 20.10)."""

    @classmethod
    def parse(cls, text: str) -> Contact:
        """
        Parse an entry.

        @param text: The entry, unfolded.
        @raise ParseError: It is neither an address nor C{*}.
        """
        if text.strip(" \t") == "*":
            return cls(None, STAR)
        return super().parse(text)

    @property
    def isStar(self) -> bool:
        """Whether it is C{*}: all contacts (RFC 3261 section 10.2.2)."""
        return self.uri == STAR

    @property
    def expires(self) -> int | None:
        """The C{expires} parameter, in seconds; 3600 where it is malformed (RFC 3261 section 20.10)."""
        if "expires" not in self.parameters:
            return None
        value = self.parameters["expires"] or ""
        if _DELTA_SECONDS.fullmatch(value) is None or int(value) > _MAX_DELTA_SECONDS:
            return MALFORMED_EXPIRES
        return int(value)

    @property
    def q(self) -> float | None:
        """The C{q} parameter, 0 to 1; C{None} where it is missing or malformed."""
        value = self.parameters.get("q") or ""
        return float(value) if _QVALUE.fullmatch(value) is not None else None

    def __str__(self) -> str:
        return "*" if self.isStar else super().__str__()


@attrs.frozen
class Route(NameAddr):
    """An entry of Route, Record-Route, Path or Service-Route: an address in C{<} and C{>}."""

    @classmethod
    def _mayBeBare(cls) -> bool:
        # route-param  =  name-addr *( SEMI rr-param )
        return False

    @property
    def isLoose(self) -> bool:
        """Whether it is a loose router's: has C{lr} (RFC 3261 section 19.1.1)."""
        return "lr" in self.uri.parameters


def _displayName(text: str | None) -> str | None:
    if text is None:
        return None
    return unquote(text) if text.startswith('"') else _SPACES.sub(" ", text)


def _unspaced(uri: str) -> str:
    # The grammar has no white space in a URI.  RFC 7118 has: section 8.2, F1 folds one before a parameter.
    return _FOLDED_PARAMETER.sub(";", uri) if " " in uri or "\t" in uri else uri


def _parseURI(text: str, start: int, uri: str) -> URI:
    try:
        return URI.parse(uri)
    except ParseError as error:
        position = None if error.position is None else error.position + start
        raise ParseError(error.reason, position=position, value=text) from None


def _problem(text: str) -> str:
    return "expected a display name, or < and a URI" if "<" in text else "expected < and a URI"


def _problemPosition(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))
