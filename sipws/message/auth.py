"""
Challenges and credentials (RFC 3261 sections 20.7, 20.27, 20.28, 20.44; RFC 7616; RFC 8760).
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sipws.errors import ParseError
from sipws.message.grammar import GEN_VALUE, LWS, QUOTED_STRING, SWS, TOKEN, compiled
from sipws.message.parameters import Parameters, QuotedString, asParameters, checkParameter, quote, unquote

__all__ = ["AuthenticationInfo", "Challenge", "Credentials", "parseAuthParameters"]

# auth-param  =  auth-param-name EQUAL ( token / quoted-string )
# Nonces and the like are quoted; where senders forget it, "/" and "=" occur, which no token has.
_AUTH_PARAMETER = compiled(rf"({TOKEN}){SWS}={SWS}(?:({QUOTED_STRING})|((?:{GEN_VALUE}|[/=])++)){SWS}")
_COMMA = compiled(rf",{SWS}")
_SCHEME = compiled(rf"{SWS}({TOKEN})(?:{LWS}|$)")
# token68 (RFC 7235 section 2.1): what follows Basic and Bearer.
_TOKEN68 = compiled(rf"([A-Za-z0-9\-._~+/]++=*+){SWS}")
_BARE = compiled(TOKEN)

#: Parameters whose grammar is a quoted-string ...
_QUOTED = frozenset(
    ("username", "realm", "nonce", "uri", "response", "cnonce", "opaque", "domain", "nextnonce", "rspauth")
)
# qop-options  =  "qop" EQUAL LDQUOT qop-value *("," qop-value) RDQUOT
_QUOTED_OF_CHALLENGE = _QUOTED | {"qop"}
#: ... and those that are a token, however they came.
_TOKENS = frozenset(("algorithm", "qop", "nc", "stale", "userhash"))


@attrs.frozen
class Challenge:
    """
    WWW-Authenticate or Proxy-Authenticate: one challenge.

    @ivar scheme: C{Digest}, ..., as it is written.
    @ivar parameters: C{realm}, C{nonce} ..., without their quotation marks.
    """

    scheme: str
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)

    @classmethod
    def parse(cls, text: str) -> Challenge:
        """
        Parse a challenge.

        @param text: The value of the header, unfolded.
        @raise ParseError: It is none.
        """
        scheme, position = _parseScheme(text)
        return cls(scheme, parseAuthParameters(text, position))

    @property
    def realm(self) -> str | None:
        """Whose password is asked for."""
        return self.parameters.get("realm")

    @property
    def nonce(self) -> str | None:
        """What the response is to be computed with."""
        return self.parameters.get("nonce")

    @property
    def opaque(self) -> str | None:
        """What is to be sent back as it is."""
        return self.parameters.get("opaque")

    @property
    def algorithm(self) -> str | None:
        """The algorithm, as it is written; C{None} means MD5 (RFC 7616 section 3.3)."""
        return self.parameters.get("algorithm")

    @property
    def qop(self) -> tuple[str, ...]:
        """The qualities of protection to choose from, in lower case."""
        options = (self.parameters.get("qop") or "").lower().split(",")
        return tuple(option.strip() for option in options if option.strip())

    @property
    def stale(self) -> bool:
        """Whether only the nonce was wrong, not the password."""
        return (self.parameters.get("stale") or "").lower() == "true"

    def __str__(self) -> str:
        return _format(self.scheme, self.parameters, _QUOTED_OF_CHALLENGE)


@attrs.frozen(repr=False)
class Credentials:
    """
    Authorization or Proxy-Authorization.

    C{repr} does not show what it holds; C{str} is for the wire alone.

    @ivar scheme: C{Digest}, C{Basic}, C{Bearer} ..., as it is written.
    @ivar parameters: C{username}, C{response} ..., without their quotation marks.
    @ivar token: What follows C{Basic} and C{Bearer}, instead of parameters.
    """

    scheme: str
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)
    token: str | None = None

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """
        Parse credentials.

        @param text: The value of the header, unfolded.
        @raise ParseError: It is none.  It does not show the value.
        """
        try:
            return cls._parse(text)
        except ParseError as error:
            raise ParseError(error.reason, header="Authorization", position=error.position) from None

    @classmethod
    def _parse(cls, text: str) -> Credentials:
        scheme, position = _parseScheme(text)
        token = _TOKEN68.fullmatch(text, position)
        if token is not None:
            return cls(scheme, token=token[1])
        return cls(scheme, parseAuthParameters(text, position))

    def __str__(self) -> str:
        if self.token is not None:
            return f"{self.scheme} {self.token}"
        return _format(self.scheme, self.parameters, _QUOTED)

    def __repr__(self) -> str:
        return f"<Credentials {self.scheme} {', '.join(self.parameters)}>"


@attrs.frozen(repr=False)
class AuthenticationInfo:
    """
    Authentication-Info (RFC 3261 section 20.6).

    @ivar parameters: C{nextnonce}, C{rspauth} ...
    """

    parameters: Parameters = attrs.field(converter=asParameters)

    @classmethod
    def parse(cls, text: str) -> AuthenticationInfo:
        """
        Parse the header's value.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        return cls(parseAuthParameters(text, len(text) - len(text.lstrip(" \t"))))

    def __str__(self) -> str:
        return _format("", self.parameters, _QUOTED).lstrip()

    def __repr__(self) -> str:
        return f"<AuthenticationInfo {', '.join(self.parameters)}>"


def _parseScheme(text: str) -> tuple[str, int]:
    match = _SCHEME.match(text)
    if match is None:
        raise ParseError("expected an authentication scheme", position=0, value=text)
    return match[1], match.end()


def parseAuthParameters(text: str, position: int) -> Parameters:
    """
    Parse C{auth-param *(COMMA auth-param)} up to the end of a text.

    @param text: The whole value.
    @param position: Where in it they begin.
    @raise ParseError: Something is none, or there are two of a name.
    """
    values: dict[str, str | None] = {}
    while True:
        match = _AUTH_PARAMETER.match(text, position)
        if match is None:
            raise ParseError("expected name=value", position=position, value=text)
        name = match[1].lower()
        checkParameter(name, values, text, match.start(1))
        values[name] = match[3] if match[2] is None else QuotedString(unquote(match[2]))
        position = match.end()
        if position == len(text):
            return Parameters(values)
        comma = _COMMA.match(text, position)
        if comma is None:
            raise ParseError("expected a comma", position=position, value=text)
        position = comma.end()


def _format(scheme: str, parameters: Mapping[str, str | None], quoted: frozenset[str]) -> str:
    pairs = [f"{name}={_formatValue(name, value or '', quoted)}" for name, value in parameters.items()]
    return f"{scheme} {', '.join(pairs)}"


def _formatValue(name: str, value: str, quoted: frozenset[str]) -> str:
    if name in quoted or _BARE.fullmatch(value) is None:
        return quote(value)
    return quote(value) if isinstance(value, QuotedString) and name not in _TOKENS else value
