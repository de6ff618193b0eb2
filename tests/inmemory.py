"""The embedded server in memory, for tests of what is built on user agents."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from sipws import Configuration, UserAgent
from sipws.server import EmbeddedServer
from sipws.testing import MemoryNetwork

T = TypeVar("T")

#: Whatever the URI of a server, it leads to the embedded one.
SERVER = "ws://localhost"


class World:
    """
    A network that leads to an embedded server.

    @ivar network: The network.
    @ivar reactor: Its reactor.
    @ivar server: The server.
    """

    def __init__(self, users: Mapping[str, str] | None = None) -> None:
        self.network = MemoryNetwork()
        self.reactor = self.network.reactor
        self.server = EmbeddedServer(self.reactor, users=users)
        self.network.server = self.server.factory

    def configure(self, user: str, **options: Any) -> Configuration:
        """Make a configuration for a user of the server."""
        return Configuration(**{"uri": f"sip:{user}@localhost", "wsServers": SERVER, **options})

    def start(
        self, user: str, application: Callable[[UserAgent], object] = lambda ua: None, **options: Any
    ) -> UserAgent:
        """Connect, and register, a user agent."""
        userAgent = UserAgent(self.configure(user, **options), self.reactor)
        application(userAgent)
        userAgent.start()
        self.network.advance(0)
        return userAgent

    def resultOf(self, result: Deferred[T] | Coroutine[Deferred[T], Any, T]) -> T:
        """Let what is due happen, and give the result that there must be then."""
        deferred = result if isinstance(result, Deferred) else Deferred.fromCoroutine(result)
        results: list[Any] = []
        deferred.addBoth(results.append)
        self.network.advance(0)
        assert results, "there is no result"
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]  # type: ignore[no-any-return]

    def registered(self, user: str) -> bool:
        """Tell whether the server has a binding of a user."""
        return bool(self.server.locations.get(f"sip:{user}@localhost"))
