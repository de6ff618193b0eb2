"""
L{WsServer}: one WebSocket server, as the option C{wsServers} names it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import attrs
from zope.interface import implementer

from sipws.config.values import HOST_PORT, Kind, Unfit, show
from sipws.errors import ConfigurationError
from sipws.interfaces import IWsServer

__all__ = ["WS_SERVERS", "WsServer"]

#: The schemes of RFC 6455 section 3, and a UNIX socket's, on which C{ws} is spoken.
SCHEMES = {"ws": "WS", "wss": "WSS", "unix": "WS"}

#: The ports that a URI without one means (RFC 6455 section 3).
_PORTS = {"ws": 80, "wss": 443}

_EXAMPLE = "as in wss://sip.example.com:443/path"


@implementer(IWsServer)
@attrs.define
class WsServer:
    """
    A WebSocket server.

    @ivar ws_uri: Its C{ws:} or C{wss:} URI (RFC 6455 section 3), or C{unix:} and
        the absolute path of a UNIX socket.
    @ivar weight: How much it is to be preferred: of several, the heaviest is taken first.
    @ivar domain: The SIP domain by which it was found, and for which its
        certificate must be; C{None} where it was named by its URI.
    @ivar status: One of the C{STATUS_*}: how its last connection went.  This
        and the next two change; each user agent keeps its own copies.
    @ivar restUntil: Until when it is left alone while there are others, by
        the reactor's clock, in seconds; 0 where it does not rest.
    @ivar barredUntil: Until when it is left alone in any case: it has asked for that.
    @ivar level: How good it is to be at: what is left for a server of a higher
        one.  It is the weight; but servers of one SRV priority are as good as each
        other, whatever the order in which they are tried.
    @ivar scheme: C{WS} or C{WSS}, as a Via has it (RFC 7118 section 5.2).
    @ivar sip_uri: The route that leads to it, C{<sip:HOST;transport=ws;lr>}.

    @raise ConfigurationError: Where either is wrong; its option is C{wsServers}.
    """

    STATUS_READY = 0
    STATUS_DISCONNECTED = 1
    STATUS_ERROR = 2

    ws_uri: str = attrs.field(on_setattr=attrs.setters.frozen, repr=lambda uri: repr(_withoutQuery(uri)))
    weight: float = attrs.field(default=0, on_setattr=attrs.setters.frozen)
    domain: str | None = attrs.field(default=None, kw_only=True, on_setattr=attrs.setters.frozen)
    status: int = attrs.field(default=STATUS_READY, init=False, eq=False)
    restUntil: float = attrs.field(default=0.0, init=False, eq=False, repr=False)
    barredUntil: float = attrs.field(default=0.0, init=False, eq=False, repr=False)
    level: float = attrs.field(init=False, eq=False, repr=False, on_setattr=attrs.setters.frozen)
    scheme: str = attrs.field(init=False, eq=False, repr=False, on_setattr=attrs.setters.frozen)
    sip_uri: str = attrs.field(init=False, eq=False, repr=False, on_setattr=attrs.setters.frozen)

    def __attrs_post_init__(self) -> None:
        try:
            _checkWeight(self.weight)
            parts = _split(self.ws_uri)
        except Unfit as error:
            problem = f"{show(self.ws_uri)} {error.problem}"
            raise ConfigurationError("wsServers", problem, error.hint) from None
        # The attributes are frozen for everybody but their own constructor.
        object.__setattr__(self, "level", self.weight)
        object.__setattr__(self, "scheme", SCHEMES[parts.scheme])
        object.__setattr__(self, "sip_uri", f"<sip:{_hostOf(parts)};transport=ws;lr>")

    def reweigh(self, weight: float, level: float | None = None) -> None:
        """
        Prefer it more, or less, than so far: DNS has given it another place among the servers of its domain.

        @param weight: The new weight.
        @param level: The new level; without it, the weight.
        """
        object.__setattr__(self, "level", weight if level is None else level)
        object.__setattr__(self, "weight", weight)

    @property
    def place(self) -> str:
        """Its URI for logs: without the query, which may hold a secret."""
        return _withoutQuery(self.ws_uri)

    @property
    def location(self) -> tuple[str, str, int | None, str]:
        """The place that its URI leads to, however it is written: scheme, host, port and path."""
        parts = urlsplit(self.ws_uri)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme), parts.path or "/"

    def fresh(self) -> WsServer:
        """Copy it, with the status of one that was never tried."""
        return attrs.evolve(self)


def _withoutQuery(uri: str) -> str:
    return uri.partition("?")[0]


#: RFC 1035 section 2.3.4, in octets.
_LONGEST_LABEL = 63


def _servers(value: object) -> tuple[WsServer, ...]:
    servers = tuple(_server(item) for item in _items(value))
    if not servers:
        raise Unfit("must name one server at least", _EXAMPLE)
    return servers


def _items(value: object) -> Iterable[object]:
    if isinstance(value, (str, WsServer, Mapping)):
        return [value]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        return value
    raise Unfit("must be a URI or a list of servers", _EXAMPLE)


def _server(item: object) -> WsServer:
    if isinstance(item, WsServer):
        return item
    if isinstance(item, str):
        return WsServer(item)
    if isinstance(item, Mapping):
        return _fromMapping(item)
    raise Unfit("holds what is neither a URI nor a table with ws_uri and weight", _EXAMPLE)


def _fromMapping(item: Mapping[Any, Any]) -> WsServer:
    unknown = [key for key in item if key not in ("ws_uri", "weight")]
    if unknown:
        raise Unfit(f"has an unknown key {unknown[0]!r}", "a server has ws_uri and weight")
    if not item.get("ws_uri"):
        raise Unfit("has a server without ws_uri", _EXAMPLE)
    weight = item.get("weight")
    return WsServer(item["ws_uri"], 0 if weight is None else weight)


def _checkWeight(weight: object) -> None:
    if not isinstance(weight, (int, float)) or isinstance(weight, bool) or not math.isfinite(weight):
        raise Unfit(
            "has a weight that is no number", "the heaviest server is taken first; without one it is 0"
        )


def _split(uri: object) -> SplitResult:
    """Take a WebSocket URI apart, as far as it names a place that can be connected to."""
    if not isinstance(uri, str) or not uri.isascii() or not uri.isprintable() or " " in uri:
        raise Unfit("is not a URI", _EXAMPLE)
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise Unfit(f"is not a URI: {error}", _EXAMPLE) from None
    if parts.scheme not in SCHEMES:
        raise Unfit("has another scheme than ws and wss", _EXAMPLE)
    # RFC 6455 section 3: "Fragment identifiers are meaningless in the context of
    # WebSocket URIs and MUST NOT be used on these URIs."
    if "#" in uri:
        raise Unfit("has a fragment, which a WebSocket URI must not have", "RFC 6455 section 3")
    _checkPlace(parts)
    return parts


def _checkPlace(parts: SplitResult) -> None:
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/"):
            raise Unfit("names no socket", "as in unix:/run/sip.socket")
        return
    if "@" in parts.netloc:
        raise Unfit("holds a user or a password", "RFC 6455 section 3 has none in a WebSocket URI")
    try:
        HOST_PORT.convert(parts.netloc)
    except Unfit as error:
        raise Unfit(f"names no host: it {error.problem}", _EXAMPLE) from None
    # RFC 1035 section 2.3.4; one dot at the end is the root's.
    labels = (parts.hostname or "").removesuffix(".").split(".")
    if any(not 0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise Unfit("names a host with a label that is empty, or longer than 63 characters", _EXAMPLE)


def _hostOf(parts: SplitResult) -> str:
    return parts.netloc or "localhost"


#: A URI, or a list of URIs, of L{WsServer}s and of tables with C{ws_uri} and C{weight}.
WS_SERVERS = Kind("URI, or list of URIs or of tables with ws_uri and weight", _servers)
