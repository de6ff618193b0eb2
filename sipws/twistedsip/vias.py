"""
Via headers, as SIP over WebSocket has them and as C{twisted.protocols.sip} reads them.

That knows of UDP alone: it answers where a Via says C{received} and C{rport},
adds these, prints a port that was not there, and has no branch.  RFC 7118
section 5.2 wants C{WS} or C{WSS}, RFC 3261 a branch, and every client the Via
that it has sent.  So each Via that one of the two sides could spoil is
replaced by one that it cannot, which has the other as a parameter.
"""

from __future__ import annotations

from typing import Final

import attrs

from sipws.errors import ParseError
from sipws.message.via import Via

__all__ = ["COOKIE", "fromClient", "ofOwn", "restored", "routed"]

#: The parameter that holds the Via that another stands for, in hexadecimal digits.
_STANDS_FOR: Final = "sipws-via"

#: What every branch begins with (RFC 3261 section 8.1.1.7).
COOKIE: Final = "z9hG4bK"


def fromClient(text: str, host: str, port: int) -> str:
    """
    Give the Via that stands for a client's: one that leads to a connection.

    @param text: The client's.
    @param host: The host of the connection's address.
    @param port: Its port.
    """
    branch = Via.parse(text).branch
    return _standIn("UDP", f"{host}:{port}", branch, text)


def routed(text: str) -> str:
    """
    Give the Via that stands for one that has been through here: it has
    C{received} and C{rport}; any other stays as it is.
    """
    via = Via.parse(text)
    received, port = via.parameters.get("received"), via.parameters.get("rport")
    if via.transport.upper() not in ("WS", "WSS") or not received or not port or not port.isdigit():
        return text
    return _standIn("UDP", f"{received}:{port}", via.branch, text)


def ofOwn(text: str, transport: str, branch: str) -> str:
    """
    Give the Via that stands for one of C{twisted.protocols.sip}'s own.

    @param text: That.
    @param transport: C{WS} or C{WSS}.
    @param branch: The branch, where it has none.
    """
    via = Via.parse(text)
    port = "" if via.port is None else f":{via.port}"
    return _standIn(transport, f"{via.host}{port}", via.branch or branch, text)


def restored(text: str, *, asReceived: bool = False) -> str | None:
    """
    Give the Via that another stands for.

    @param text: The other.
    @param asReceived: Whether it gets C{received} and C{rport}: where the other leads to.
    @return: C{None} where it stands for none.
    @raise ParseError: What it says to stand for is no Via.
    """
    other = Via.parse(text)
    digits = other.parameters.get(_STANDS_FOR)
    if digits is None:
        return None
    try:
        original = bytes.fromhex(digits).decode()
    except ValueError:
        raise ParseError(f"the parameter {_STANDS_FOR} is no text", header="Via", value=text) from None
    # Anybody may have sent it: it must be a Via, and nothing more.
    via = Via.parse(original)
    if not asReceived:
        return original
    # RFC 3261 section 18.2.1, RFC 3581 section 4.
    places = {"received": other.host.strip("[]"), "rport": str(other.port)}
    return str(attrs.evolve(via, parameters={**via.parameters, **places}))


def _standIn(transport: str, sentBy: str, branch: str | None, original: str) -> str:
    mark = "" if branch is None else f";branch={branch}"
    return f"SIP/2.0/{transport} {sentBy}{mark};{_STANDS_FOR}={original.encode().hex()}"
