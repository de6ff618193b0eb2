"""
L{MemoryHost}: one host of a network in memory; and L{Reception}: what becomes
of those who connect, to a host or to all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionRefusedError as TCPRefused

from sipws.message import IncomingRequest, IncomingResponse, OutgoingResponse
from sipws.testing.connection import MemoryConnection

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocolFactory

    from sipws.testing.network import MemoryNetwork

__all__ = ["Answer", "MemoryHost", "Reception"]

#: What answers the requests of a method by itself: a status code, or what is
#: called with the connection and the request.
Answer = int | Callable[[MemoryConnection, IncomingRequest], object]


class Reception:
    """
    What becomes of those who connect, and of what they ask.

    @ivar connections: The WebSockets that were opened, oldest first.
    @ivar rejection: The HTTP status and reason that upgrades are refused with;
        C{None}: they are accepted.
    @ivar subprotocol: What the server selects at the upgrade; C{None}: nothing.
    """

    def __init__(self) -> None:
        self.connections: list[MemoryConnection] = []
        self.rejection: tuple[int, str] | None = None
        self.subprotocol: str | None = "sip"
        self._resolvable = True
        self._answers: dict[str, Answer] = {}
        self._policy = _accepted

    def accept(self) -> None:
        """Accept connections from now on, as in the beginning."""
        self._resolvable = True
        self._policy = _accepted
        self.rejection = None
        self.subprotocol = "sip"

    def unresolvable(self) -> None:
        """Resolve no names from now on."""
        self._resolvable = False

    def refuse(self) -> None:
        """Refuse TCP connections from now on."""
        self._policy = _refused

    def stall(self) -> None:
        """Leave TCP connections without an answer from now on."""
        self._policy = _ignored

    def stallUpgrade(self) -> None:
        """Accept TCP connections from now on, and leave the HTTP upgrade without an answer."""
        self._policy = _silent

    def reject(self, status: int, reason: str = "Rejected") -> None:
        """Refuse the HTTP upgrade from now on."""
        self._policy = _accepted
        self.rejection = (status, reason)

    def crash(self) -> None:
        """Refuse TCP connections from now on, and break those that there are."""
        self.refuse()
        for connection in self.connections:
            if connection.connected:
                connection.drop()

    def answer(self, method: str, answer: Answer | None) -> None:
        """
        Have requests of a method answered by themselves: they do not appear in C{received}.

        @param method: The method.
        @param answer: A status code, a function such as L{acceptRegister}, or C{None}: no more.
        """
        if answer is None:
            self._answers.pop(method, None)
        else:
            self._answers[method] = answer

    @property
    def connection(self) -> MemoryConnection:
        """
        The newest WebSocket.

        @raise AssertionError: None was opened yet.
        """
        assert self.connections, "no WebSocket was opened"
        return self.connections[-1]

    # What the reactor, the connectors and the connections tell, and ask.

    def resolves(self) -> bool:
        """Say whether names can be resolved."""
        return self._resolvable

    def receive(self, connector: Any) -> None:
        """Do with one who asks for a TCP connection what is to be done."""
        self._policy(connector)

    def connectionOpened(self, connection: MemoryConnection) -> None:
        """A WebSocket is open."""
        self.connections.append(connection)

    def answers(self, connection: MemoryConnection, message: IncomingRequest | IncomingResponse) -> bool:
        """Answer a request whose method has an answer, and say whether it has."""
        answer = self._answers.get(message.method) if isinstance(message, IncomingRequest) else None
        if answer is None or not isinstance(message, IncomingRequest):
            return False
        if isinstance(answer, int):
            connection.respond(message, answer)
            return True
        response = answer(connection, message)
        if isinstance(response, OutgoingResponse):
            connection.send(response)
        return True


class MemoryHost(Reception):
    """
    One host of a L{MemoryNetwork}, apart from the others.

    What the network answers by itself this host answers too, unless it has an answer of its own.

    @ivar name: Its name.
    @ivar address: Its IP address.
    @ivar attempts: How often TCP connections to it were asked for.
    @ivar server: What serves its connections; C{None}: what serves those of the network.
    """

    def __init__(self, network: MemoryNetwork, name: str, address: str) -> None:
        super().__init__()
        self.name = name
        self.address = address
        self.attempts = 0
        self.server: IProtocolFactory | None = None
        self._network = network

    def __repr__(self) -> str:
        return f"<MemoryHost {self.name} {len(self.connections)} connections>"

    def pump(self) -> None:
        """Move octets, of the whole network, until all have arrived."""
        self._network.pump()

    def receive(self, connector: Any) -> None:
        """Count them, too."""
        if not connector.counted:
            connector.counted = True
            self.attempts += 1
        super().receive(connector)

    def connectionOpened(self, connection: MemoryConnection) -> None:
        """It is one of the network's, too."""
        super().connectionOpened(connection)
        self._network.connectionOpened(connection)

    def answers(self, connection: MemoryConnection, message: IncomingRequest | IncomingResponse) -> bool:
        """Have the network answer, where this host has no answer."""
        return super().answers(connection, message) or self._network.answers(connection, message)


def _accepted(connector: Any) -> None:
    connector.join()


def _silent(connector: Any) -> None:
    connector.join(silent=True)


def _refused(connector: Any) -> None:
    connector.failed(TCPRefused())


def _ignored(connector: Any) -> None:
    connector.keepWaiting()
