"""
A client's connection as the transactions, the registrar and the proxy see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.interfaces import ISSLTransport
from zope.interface import implementer

from sipws.interfaces import ITransport
from sipws.server.frames import makeFrame

if TYPE_CHECKING:
    from sipws.message import OutgoingRequest, OutgoingResponse
    from sipws.transaction.base import Transaction

__all__ = ["GOING_AWAY", "NORMAL_CLOSURE", "Connection", "ISender"]

#: WebSocket close codes (RFC 6455 section 7.4.1).
NORMAL_CLOSURE = 1000
GOING_AWAY = 1001


class ISender(Protocol):
    """
    What a connection sends by: the protocol.

    @ivar transport: The protocol's own transport.
    @ivar peer: Where the client is.
    """

    transport: Any
    peer: str | None

    def sendFramed(self, frame: bytes) -> None:
        """Send a message in its frame."""

    def shutDown(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""


@implementer(ITransport)
class Connection:
    """
    One client's connection.

    @ivar token: A random word that names it, in C{Record-Route} and in logs.
    @ivar host: By what name the client knows the server.
    @ivar peer: Where the client is, for logs.
    @ivar secure: Whether TLS protects it.
    """

    __slots__ = ("_protocol", "_traced", "host", "peer", "secure", "token")

    def __init__(self, protocol: ISender, token: str, host: str, traced: Any = None) -> None:
        """
        @param traced: Called with each message that is sent, if given.
        """
        self._protocol: ISender | None = protocol
        self._traced = traced
        self.token = token
        self.host = host
        self.peer = str(protocol.peer)
        self.secure = bool(ISSLTransport.providedBy(protocol.transport))

    def __repr__(self) -> str:
        return f"<Connection {self.token} to {self.peer}{'' if self.connected else ', closed'}>"

    @property
    def connected(self) -> bool:
        """Whether the WebSocket is open."""
        return self._protocol is not None

    @property
    def viaTransport(self) -> str:
        """The transport as Via names it (RFC 7118 section 5.1)."""
        return "WSS" if self.secure else "WS"

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        """
        Send a message.

        @param msg: The message.
        @return: Whether the WebSocket was open.
        """
        protocol = self._protocol
        if protocol is None:
            return False
        octets = msg.encode() if isinstance(msg, str) else bytes(msg)
        if self._traced is not None:
            self._traced(self, octets)
        protocol.sendFramed(makeFrame(octets))
        return True

    def carries(self, transaction: Transaction) -> bool:
        """Whether a transaction is one of this connection's."""
        return _transportOf(transaction) is self

    def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """
        Begin the closing handshake.

        @param code: The WebSocket close code.
        @param reason: Why, for people.
        """
        if self._protocol is not None:
            self._protocol.shutDown(code, reason)

    def ended(self) -> None:
        """The protocol says that nothing can be sent any more."""
        self._protocol = None


def _transportOf(transaction: Any) -> object:
    return transaction.transport
