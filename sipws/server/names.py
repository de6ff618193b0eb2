"""What the server is called, and what it calls others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sipws.errors import ConfigurationError, ParseError
from sipws.message import URI

if TYPE_CHECKING:
    from sipws.message import IncomingRequest
    from sipws.server.connection import Connection

__all__ = ["SCHEMES", "Names", "Randomness", "Tokens"]

#: The URI schemes that the server understands.
SCHEMES = frozenset({"sip", "sips"})


class Randomness(Protocol):
    """What is needed of C{random.Random}; C{random.SystemRandom} is meant."""

    def getrandbits(self, k: int, /) -> int:
        """Give a number of C{k} random bits."""


class Tokens:
    """Makes random words."""

    __slots__ = ("_random",)

    def __init__(self, random: Randomness) -> None:
        self._random = random

    def word(self) -> str:
        """Make a tag, or the name of a connection: 64 bits, where RFC 3261 section 19.3 wants 32."""
        return f"{self._random.getrandbits(64):016x}"

    def branch(self) -> str:
        """Make a branch, unique in space and time (RFC 3261 section 8.1.1.7)."""
        return f"z9hG4bK{self._random.getrandbits(96):024x}"


class Names:
    """
    Tells the server's own URIs from others.

    @ivar domain: The SIP domain that it is responsible for.
    """

    __slots__ = ("domain",)

    def __init__(self, domain: str) -> None:
        """
        @raise ConfigurationError: The domain is none.
        """
        try:
            parsed = URI.parse(f"sip:{domain}")
        except ParseError as error:
            raise ConfigurationError("domain", f"{domain!r} is no host name", "example.test") from error
        if parsed.user is not None or parsed.port is not None or parsed.parameters or parsed.headers:
            raise ConfigurationError("domain", f"{domain!r} is more than a host name", "example.test")
        self.domain = domain.lower()

    def isOurs(self, uri: URI, connection: Connection) -> bool:
        """
        Whether a URI's host is this server.

        It is if it is the domain, or what the client connected to: one that
        knows no other name for the server than its address may use that.

        @param uri: The URI.
        @param connection: Where it came from.
        """
        host = (uri.host or "").lower()
        return uri.scheme in SCHEMES and host in (self.domain, connection.host)

    def addressOfRecord(self, user: str) -> str:
        """
        Give a user's address of record in its canonical form.

        RFC 3261 section 10.3, step 5: "all URI parameters MUST be removed
        (including the user-param), and any escaped characters MUST be
        converted to their unescaped form".
        """
        return f"sip:{user}@{self.domain}"

    def caller(self, request: IncomingRequest, connection: Connection) -> str | None:
        """
        Give the user of ours that a request says it is from.

        @raise ParseError: Its From is malformed.
        """
        uri = request.fromHeader.uri
        return uri.user if self.isOurs(uri, connection) else None
