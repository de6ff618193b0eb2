"""
A user agent that is none of ours: it has what the seed lists as injected, and nothing else.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.logger import Logger
from zope.interface import implementer

from sipws.interfaces import C, ITransport, ITransportConfiguration, IUserAgent, IWsServer
from sipws.message import IncomingRequest, IncomingResponse, OutgoingRequest
from sipws.testing import MemoryConnection, MemoryNetwork
from sipws.transport import Transport, TransportOptions

__all__ = ["ForeignServer", "Scene", "request"]

URI = "ws://sip.example.com/path"


@implementer(ITransportConfiguration)
@attrs.define
class ForeignConfiguration:
    """As little of a configuration as there can be."""

    traceSip: bool = False
    wsServerMaxReconnection: int = 3
    wsServerReconnectionTimeout: float = 4


@implementer(IWsServer)
@attrs.frozen
class ForeignServer:
    """As little of a server as there can be."""

    ws_uri: str = URI


@attrs.frozen
class ForeignTransactions:
    """Two tables, and no way to find merged requests."""

    ict: dict[str, Any] = attrs.Factory(dict)
    nict: dict[str, Any] = attrs.Factory(dict)


@attrs.frozen
class RecordedTransaction:
    """A client transaction that keeps what it is given."""

    responses: list[IncomingResponse] = attrs.Factory(list)

    def receiveResponse(self, response: IncomingResponse) -> None:
        self.responses.append(response)


def makeUserAgent(calls: list[tuple[Any, ...]], logger: Logger) -> IUserAgent:
    """Make a user agent of nothing but the members of L{IUserAgent}; what it is told goes to C{calls}."""

    @implementer(IUserAgent)
    class ForeignUserAgent:
        __slots__ = ("configuration", "status", "transactions", "transport")

        def __init__(self) -> None:
            self.transport: ITransport | None = None
            self.status = C.STATUS_STARTING
            self.configuration = ForeignConfiguration()
            self.transactions = ForeignTransactions()

        def getLogger(self, category: str) -> Logger:
            calls.append(("getLogger", category))
            return logger

        def emit(self, event: str, *args: Any) -> None:
            calls.append(("emit", event, *args))

        def onTransportConnecting(self, transport: ITransport, attempts: int) -> None:
            # The transport has assigned itself before.
            calls.append(("onTransportConnecting", attempts, self.transport is transport))

        def onTransportConnected(self, transport: ITransport) -> None:
            calls.append(("onTransportConnected",))

        def onTransportClosed(self, transport: ITransport) -> None:
            calls.append(("onTransportClosed",))

        def onTransportError(self, transport: ITransport) -> None:
            calls.append(("onTransportError",))

        def receiveRequest(self, request: IncomingRequest) -> None:
            calls.append(("receiveRequest", request))

    return ForeignUserAgent()


class Scene:
    """
    A transport under a foreign user agent, on a network in memory.

    @ivar calls: What the user agent was told, in order.
    @ivar logged: The log events of its logger.
    """

    def __init__(self, uri: str = URI, options: TransportOptions | None = None, **configuration: Any) -> None:
        self.network = MemoryNetwork()
        self.calls: list[tuple[Any, ...]] = []
        self.logged: list[Any] = []
        observer: Any = self.logged.append
        logger = Logger(namespace="foreign", observer=observer)
        self.ua: Any = makeUserAgent(self.calls, logger)
        for name, value in configuration.items():
            setattr(self.ua.configuration, name, value)
        self.logger = logger
        self.options = options or TransportOptions()
        self.server = ForeignServer(uri)

    def construct(self) -> Transport:
        """Make the transport."""
        return Transport(self.ua, self.server, self.network.reactor, options=self.options)

    def connected(self) -> Transport:
        """Make the transport, and let it connect."""
        transport = self.construct()
        self.network.advance(0)
        assert transport.connected
        self.calls.clear()
        return transport

    @property
    def connection(self) -> MemoryConnection:
        """The server's end of the newest WebSocket."""
        return self.network.connection

    def told(self, *names: str) -> list[tuple[Any, ...]]:
        """Give what the user agent was told under these names."""
        return [call for call in self.calls if call[0] in names]

    def errors(self) -> list[Any]:
        """Give the log events that are errors."""
        return [event for event in self.logged if event["log_level"].name in ("error", "critical")]

    def warnings(self) -> list[str]:
        """Give the texts of warnings."""
        return [
            event["log_format"].format(**event) for event in self.logged if event["log_level"].name == "warn"
        ]

    def atRest(self) -> bool:
        """Say whether no timer runs and no socket is left."""
        return not self.network.reactor.getDelayedCalls() and not self.network.openSockets


def request(
    method: str = "MESSAGE", callID: str = "call", branch: str = "z9hG4bKone", **headers: str
) -> bytes:
    """Make the octets of a request."""
    made = OutgoingRequest(
        method,
        "sip:alice@example.com",
        [
            ("Via", f"SIP/2.0/WS server.example.com;branch={branch}"),
            ("From", "<sip:bob@example.com>;tag=bob"),
            ("To", "<sip:alice@example.com>"),
            ("Call-ID", callID),
            ("CSeq", f"1 {method}"),
            ("Max-Forwards", 70),
            *headers.items(),
        ],
    )
    return bytes(made)


def response(method: str = "MESSAGE", branch: str = "z9hG4bKours", statusCode: int = 200) -> bytes:
    """Make the octets of a response to a request of ours."""
    return (
        f"SIP/2.0 {statusCode} Whatever\r\nVia: SIP/2.0/WS ours.invalid;branch={branch}\r\n"
        f"From: <sip:alice@example.com>;tag=alice\r\nTo: <sip:bob@example.com>;tag=bob\r\n"
        f"Call-ID: ours\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()
