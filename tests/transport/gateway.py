"""
An HTTP server in memory whose answers are made by hand: it stands before the
SIP server, asks for credentials, leads elsewhere, or is a proxy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.protocol import Factory, Protocol

from sipws.transport import TransportOptions, Upgrade
from tests.transport.foreign import Scene

__all__ = ["Gated", "Gateway", "Request", "accept", "answer", "gated"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@attrs.frozen
class Request:
    """
    A request that has come.

    @ivar place: The host and the port of the server that it came to.
    @ivar serial: Which connection it came on, from 0.
    """

    method: str
    resource: str
    headers: dict[str, str]
    place: tuple[str, int]
    serial: int
    octets: bytes


#: Octets, what makes them of a request, or C{None}: there is no answer.
Answer = bytes | Callable[[Request], bytes] | None


def answer(status: int, *fields: str, reason: str = "Whatever") -> bytes:
    """Make an answer."""
    return "\r\n".join([f"HTTP/1.1 {status} {reason}", *fields, "Content-Length: 0", "", ""]).encode()


def accept(request: Request) -> bytes:
    """Take the upgrade."""
    key = request.headers["sec-websocket-key"].encode()
    proof = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
    return answer(
        101,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Protocol: sip",
        f"Sec-WebSocket-Accept: {proof}",
    ).replace(b"Content-Length: 0\r\n", b"")


class Gateway(Factory):
    """
    The server.

    @ivar answers: What the next requests are answered with, in their order;
        when there are no more, upgrades are taken.
    @ivar requests: The requests that have come.
    """

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[Request] = []
        self.connections: list[Any] = []

    def buildProtocol(self, addr: object) -> Any:
        connection = _Connection(self, len(self.connections))
        self.connections.append(connection)
        return connection

    def take(self, request: Request) -> bytes | None:
        self.requests.append(request)
        given: Answer = self.answers.pop(0) if self.answers else accept
        return given(request) if callable(given) else given


class _Connection(Protocol):
    def __init__(self, gateway: Gateway, serial: int) -> None:
        self.gateway = gateway
        self.serial = serial
        self.data = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.data += data
        while b"\r\n\r\n" in self.data:
            octets, _, self.data = self.data.partition(b"\r\n\r\n")
            first, *lines = octets.decode().split("\r\n")
            method, resource, _ = first.split(" ")
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(": ")
                assert name.lower() not in headers, f"{name} twice"
                headers[name.lower()] = value
            transport: Any = self.transport
            host = transport.getHost()
            request = Request(method, resource, headers, (host.host, host.port), self.serial, octets)
            given = self.gateway.take(request)
            if given is not None:
                transport.write(given)

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True


class Gated(Scene):
    """A transport whose server is behind a gateway."""

    def __init__(self, uri: str, upgrade: Upgrade | None, *answers: Answer, **options: Any) -> None:
        super().__init__(uri, TransportOptions(upgrade=upgrade, **options))
        self.gateway = Gateway()
        self.gateway.answers.extend(answers)
        self.network.server = self.gateway
        self.transport: Any = self.construct()
        self.network.advance(0)

    @property
    def requests(self) -> list[Request]:
        return self.gateway.requests

    @property
    def counters(self) -> Any:
        return self.transport.counters

    def refusal(self) -> Any:
        """See that the attempt has failed, and left nothing but the wait for the next; give the error."""
        assert not self.transport.connected
        assert self.transport.reconnectTimer is not None
        assert len(self.network.reactor.getDelayedCalls()) == 1
        assert self.network.openSockets == 0
        assert self.errors() == []
        assert self.counters.attempts == 1
        return self.transport.lastTransportError

    def end(self) -> None:
        """Disconnect, and see that nothing is left."""
        self.transport.disconnect()
        self.network.advance(1)
        assert self.atRest()
        assert self.errors() == []
        assert all(connection.lost for connection in self.gateway.connections)


def gated(upgrade: Upgrade | None, *answers: Answer, uri: str = "ws://sip.example.com/sip") -> Gated:
    """Make a transport that begins to connect, and let it come as far as it comes."""
    return Gated(uri, upgrade, *answers)
