"""
Via (RFC 3261 section 20.42, with C{rport} of RFC 3581).
"""

from __future__ import annotations

import attrs

from sipws.errors import ParseError
from sipws.message.grammar import LWS, PORT, SENT_PROTOCOL, SWS, compiled
from sipws.message.host import checkHost, checkPort, hostPort, parseHost, parsePort
from sipws.message.parameters import Parameters, asParameters, checkToken, formatParameters, parseParameters

__all__ = ["Via"]

_SENT_PROTOCOL = compiled(rf"{SWS}{SENT_PROTOCOL}{LWS}")
# sent-by  =  host [ COLON port ], where COLON may have white space around it.
_COLON = compiled(rf"{SWS}:{SWS}")
_PORT = compiled(PORT)


@attrs.frozen
class Via:
    """
    One hop of a message's way.

    @ivar transport: C{WS}, C{WSS}, C{UDP} ..., as it is written.
    @ivar host: Whose hop it is: a name, an IPv4 address, or an IPv6 address in brackets.
    @ivar port: C{None} where it is not given.
    @ivar parameters: The rest.
    @ivar protocol: C{SIP}.
    @ivar version: C{2.0}.
    """

    transport: str
    host: str
    port: int | None = None
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)
    protocol: str = "SIP"
    version: str = "2.0"

    def __attrs_post_init__(self) -> None:
        checkHost(self.host)
        checkPort(self.port)
        # via-branch  =  "branch" EQUAL token
        if "branch" in self.parameters:
            checkToken("branch", self.parameters["branch"])

    @classmethod
    def parse(cls, text: str) -> Via:
        """
        Parse one entry of a Via header.

        @param text: The entry, unfolded.
        @raise ParseError: It is none.
        """
        match = _SENT_PROTOCOL.match(text)
        if match is None:
            raise ParseError("expected SIP/2.0/ and a transport", position=0, value=text)
        host, position = parseHost(text, match.end())
        port = None
        colon = _COLON.match(text, position)
        if colon is not None:
            port, position = parsePort(text, colon.end())
        parameters = parseParameters(text, position, "branch")
        return cls(match[3], host, port, parameters, match[1], match[2])

    @property
    def branch(self) -> str | None:
        """The C{branch} parameter (RFC 3261 section 8.1.1.7)."""
        return self.parameters.get("branch")

    @property
    def received(self) -> str | None:
        """The C{received} parameter (RFC 3261 section 18.2.1): where it really came from."""
        return self.parameters.get("received")

    @property
    def rport(self) -> int | None:
        """The value of C{rport} (RFC 3581 section 3); C{None} also where it has none."""
        value = self.parameters.get("rport") or ""
        return int(value) if _PORT.fullmatch(value) is not None else None

    @property
    def sentBy(self) -> str:
        """C{host} or C{host:port}, in lower case."""
        return hostPort(self.host.lower(), self.port)

    def __str__(self) -> str:
        sentBy = hostPort(self.host, self.port)
        return f"{self.protocol}/{self.version}/{self.transport} {sentBy}{formatParameters(self.parameters)}"
