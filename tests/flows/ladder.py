"""
A ladder diagram that runs: two user agents, each with a connection of its own in memory, and the
test between them, which sees each message and says when it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipws import Configuration, UserAgent
from sipws.message import IncomingRequest, IncomingResponse
from sipws.testing import MemoryConnection, MemoryNetwork
from tests.whole import assertWhole

__all__ = ["Ladder"]


class Ladder:
    """
    User agents by their names, whose messages go to the other one as they are.

    @ivar network: The network.
    @ivar agents: The user agents.
    """

    def __init__(self, *names: str, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.agents: dict[str, UserAgent] = {}
        self._connections: dict[str, MemoryConnection] = {}
        for name in names:
            self.agents[name] = self._start(name, options)

    def _start(self, name: str, options: dict[str, Any]) -> UserAgent:
        configuration = Configuration(
            uri=f"sip:{name}@example.com", wsServers="ws://example.com", register=False, **options
        )
        agent = UserAgent(configuration, self.network.reactor)
        agent.start()
        self.network.pump()
        self._connections[name] = self.network.connections[-1]
        return agent

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.network.advance(seconds)

    def waitFor(self, sender: str, seconds: float) -> None:
        """Let time pass until one has sent something."""
        received = self._connections[sender].received
        for _ in range(int(seconds)):
            if received:
                return
            self.network.advance(1)
        assert received, f"{sender} has sent nothing in {seconds} seconds"

    def request(self, sender: str, receiver: str, method: str) -> IncomingRequest:
        """
        See the next message of one to the other: a request.

        @return: It, as it arrives.
        """
        message = self._take(sender)
        assert isinstance(message, IncomingRequest), message
        assert message.method == method
        self._carry(message, receiver)
        return message

    def response(self, sender: str, receiver: str, statusCode: int) -> IncomingResponse:
        """See the next message of one to the other: a response."""
        message = self._take(sender)
        assert isinstance(message, IncomingResponse), message
        assert message.statusCode == statusCode
        self._carry(message, receiver)
        return message

    def exchange(self, sender: str, receiver: str, method: str, statusCode: int = 200) -> IncomingRequest:
        """See a request and its response."""
        request = self.request(sender, receiver, method)
        self.response(receiver, sender, statusCode)
        return request

    def hold(self, sender: str) -> Callable[[str], None]:
        """
        Keep the next message of one back.

        @return: What lets it go on to another.
        """
        message = self._take(sender)
        return lambda receiver: self._carry(message, receiver)

    def isQuiet(self) -> bool:
        """Say whether nothing is on its way."""
        self.network.pump()
        return not any(connection.received for connection in self._connections.values())

    def end(self) -> None:
        """Stop all, and see that nothing is left of them."""
        for agent in self.agents.values():
            agent.stop()
        self.network.advance(100)
        assert self.network.reactor.getDelayedCalls() == []
        assert all(len(agent.usages.dialogs) == 0 for agent in self.agents.values())

    def _take(self, sender: str) -> IncomingRequest | IncomingResponse:
        self.network.pump()
        received = self._connections[sender].received
        assert received, f"{sender} has sent nothing"
        return received.pop(0)

    def _carry(self, message: IncomingRequest | IncomingResponse, receiver: str) -> None:
        assertWhole(message)
        self._connections[receiver].send(bytes(message))
        self.network.pump()
