"""
Hosts and ports, as URIs and Via have them (RFC 3261 section 25.1, RFC 5954).
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv6Address

from sipws.errors import ParseError
from sipws.message.grammar import HOST, PORT, compiled

__all__ = ["MAX_PORT", "checkHost", "checkPort", "foldHost", "hostPort", "parseHost", "parsePort"]

MAX_PORT = 65535

_HOST = compiled(HOST)
_PORT = compiled(PORT)


def parseHost(text: str, position: int) -> tuple[str, int]:
    """
    Parse C{host}.

    @param text: The whole value.
    @param position: Where in it the host begins.
    @return: The host, and the position after it.
    @raise ParseError: There is none.
    """
    match = _HOST.match(text, position)
    if match is None:
        raise ParseError("expected a host", position=position, value=text)
    checkHost(match[0], text, position)
    return match[0], match.end()


def parsePort(text: str, position: int) -> tuple[int, int]:
    """
    Parse C{port}.

    @param text: The whole value.
    @param position: Where in it the port begins.
    @return: The port, and the position after it.
    @raise ParseError: There is none, or it is not from 1 to 65535.
    """
    match = _PORT.match(text, position)
    if match is None:
        raise ParseError("expected a port", position=position, value=text)
    port = int(match[0])
    checkPort(port, text, position)
    return port, match.end()


def checkHost(host: str, text: str | None = None, position: int = 0) -> None:
    """
    See that a host is one.

    @param host: The host.
    @param text: What it stands in, if in anything, and C{position} where.
    @raise ParseError: It is neither a name nor an address.
    """
    if _HOST.fullmatch(host) is None or (host.startswith("[") and _ipv6(host) is None):
        raise ParseError("expected a host", position=position, value=host if text is None else text)


def checkPort(port: int | None, text: str | None = None, position: int = 0) -> None:
    """
    See that a port is one.

    @param port: The port, C{None} for none.
    @param text: What it stands in, if in anything, and C{position} where.
    @raise ParseError: It is not from 1 to 65535.
    """
    if port is not None and not 0 < port <= MAX_PORT:
        raise ParseError(
            f"no port from 1 to {MAX_PORT}", position=position, value=str(port) if text is None else text
        )


def _ipv6(host: str) -> IPv6Address | None:
    try:
        return IPv6Address(host.strip("[]"))
    except AddressValueError:
        return None


def foldHost(host: str) -> str | IPv6Address:
    """
    Give what is equal for hosts that are: lower case, or an IPv6 address's value.

    @param host: The host; an IPv6 address with its brackets or without.
    """
    return (_ipv6(host) if ":" in host else None) or host.lower()


def hostPort(host: str, port: int | None) -> str:
    """
    Print C{host [ ":" port ]}.

    @param host: The host.
    @param port: The port, C{None} for none.
    """
    return host if port is None else f"{host}:{port}"
