"""A user agent with several servers, each of them a host of the network in memory."""

from __future__ import annotations

from random import Random
from typing import Any

from sipws.config import Configuration, WsServer
from sipws.server import EmbeddedServer
from sipws.testing import MemoryConnection, MemoryHost, MemoryNetwork, acceptRegister
from sipws.ua import UserAgent
from sipws.ua.requests import servedTransport
from tests.ua.fakes import ALICE

INSTANCE = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"


class Places:
    """
    Servers C{a}, C{b} and so on, and a user agent.

    @ivar events: The events of the user agent: their names, with the letter of the server.
    """

    def __init__(
        self, weights: dict[str, float], *, seed: int = 1, random: Any = None, **options: Any
    ) -> None:
        self.network = MemoryNetwork()
        self.network.answer("REGISTER", acceptRegister)
        self.hosts: dict[str, MemoryHost] = {name: self.network.host(_hostOf(name)) for name in weights}
        servers = [{"ws_uri": f"ws://{_hostOf(name)}", "weight": weight} for name, weight in weights.items()]
        given = {"uri": ALICE, "wsServers": servers, **options}
        self.ua = UserAgent(Configuration(**given), self.network.reactor, random=random or Random(seed))
        self.events: list[str] = []
        for event in ("connected", "disconnected"):
            self.ua.on(event, lambda transport, event=event: self._note(event, transport))
        for event in ("registered", "unregistered", "registrationFailed"):
            self.ua.on(event, lambda *_, event=event: self.events.append(event))

    def _note(self, event: str, transport: Any) -> None:
        self.events.append(f"{event} {nameOf(transport.server)}")

    def start(self) -> None:
        self.ua.start()
        self.settle()

    def settle(self) -> None:
        """Let pass the time that a refusal takes to arrive, of three servers if need be."""
        self.network.advance(1)

    def serve(self) -> EmbeddedServer:
        """Have the embedded server behind all of the hosts."""
        server = EmbeddedServer(self.network.reactor, domain="example.com")
        self.network.server = server.factory
        return server

    def stop(self) -> None:
        """Stop the user agent, and see that nothing is left of it."""
        done: list[object] = []
        self.ua.stop().addBoth(done.append)
        self.network.advance(self.ua.configuration.stopTimeout)
        assert done == [None]
        assert self.network.openSockets == 0
        assert not self.network.reactor.getDelayedCalls()

    # What there is.

    @property
    def now(self) -> float:
        time: float = self.network.reactor.seconds()
        return time

    def at(self) -> str | None:
        """Say which server the user agent's requests go to."""
        way = self.ua.way()
        return None if way is None else nameOf(servedTransport(way).server)

    def connectedTo(self) -> list[str]:
        """List the servers that have an open WebSocket."""
        return [name for name in self.hosts for _ in self.openAt(name)]

    def openAt(self, name: str) -> list[MemoryConnection]:
        """List the open WebSockets of a server."""
        return [connection for connection in self.hosts[name].connections if connection.connected]

    def server(self, name: str) -> WsServer:
        """Give what the user agent knows of a server."""
        return next(one for one in self.ua.configuration.wsServers if nameOf(one) == name)

    def attempts(self) -> dict[str, int]:
        """Count the TCP connections that were asked for."""
        return {name: host.attempts for name, host in self.hosts.items()}

    def visits(self, seconds: float, step: float = 0.25) -> list[tuple[float, str]]:
        """Let time pass, and say when which server was connected to."""
        found: list[tuple[float, str]] = []
        end = self.now + seconds
        before = self.attempts()
        while self.now < end:
            self.network.advance(step)
            after = self.attempts()
            for name, count in after.items():
                found += [(self.now, name)] * (count - before[name])
            before = after
        return found

    def takeEvents(self) -> list[str]:
        events, self.events = self.events, []
        return events


def _hostOf(name: str) -> str:
    return f"{name}.example.com"


def nameOf(server: WsServer) -> str:
    """Give the letter of a server."""
    return server.ws_uri.removeprefix("ws://").partition(".")[0]
