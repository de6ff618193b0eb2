"""
L{World}: an embedded server, a proxy before it, and a user agent behind that, over real sockets.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from sipws import Configuration, UserAgent
from sipws.server import EmbeddedServer
from tests.faults.faults import Door, Forward, Present, Reset
from tests.faults.proxy import FaultProxy
from tests.kamailio.agents import transportOf, until, within
from tests.transport.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["ATTEMPTS", "GAP", "MAX_RETRY_AFTER", "STOP_TIMEOUT", "World", "running"]

#: The gap before each attempt, how long one may take, and the most that a server may ask for, in seconds.
GAP, CONNECT_TIMEOUT, MAX_RETRY_AFTER = 0.05, 0.5, 0.5

#: How long the user agent may take to stop, in seconds.
STOP_TIMEOUT = 1.0

OPTIONS: dict[str, Any] = {
    "wsServerMaxReconnection": "unlimited",
    "wsServerReconnectionTimeout": GAP,
    "wsServerMaxRetryAfter": MAX_RETRY_AFTER,
    "wsServerOverloadTimeout": 0.0,
    "connectTimeout": CONNECT_TIMEOUT,
    "stopTimeout": STOP_TIMEOUT,
    "closeTimeout": STOP_TIMEOUT / 4,
}

#: How many attempts are looked at.
ATTEMPTS = 3


@implementer(ILogObserver)
class Warnings:
    """Collects what is logged as a warning or worse."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.warn:
            self.texts.append(formatEvent(event))


class World:
    """
    An embedded server, a proxy before it, and a user agent behind that.

    @ivar authority: Whom the user agent trusts.
    @ivar proxy: The proxy.
    @ivar ua: The user agent.
    @ivar warnings: What is logged.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        self.proxy: FaultProxy
        self.ua: UserAgent
        self.warnings = Warnings()
        self._folder = folder
        self._server = EmbeddedServer(reactor, domain="localhost")

    async def begin(self, scheme: str) -> None:
        """Start all of it, and wait until the user agent is registered."""
        port: Any = await self._server.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        identity = self.authority.issue(["127.0.0.1"]) if scheme == "wss" else None
        self.proxy = FaultProxy(reactor, endpoint, identity, endpoint)
        self.proxy.inflict(self.good)
        self.proxy.start()
        configuration = Configuration(
            uri="sip:alice@localhost",
            wsServers=f"{scheme}://127.0.0.1:{self.proxy.port}",
            caFile=self.authority.write(self._folder, "ca.pem", self.authority.certificatePEM),
            **OPTIONS,
        )
        self.ua = UserAgent(configuration, reactor)
        self.ua.start()
        await within(self.ua.whenRegistered())

    @property
    def good(self) -> Door:
        """How a connection comes about: the server itself knows no TLS."""
        identity = self.proxy.identity
        return Forward() if identity is None else Present(identity)

    async def meets(self, door: Door) -> list[str]:
        """
        Have the user agent meet a door some times.

        @return: What it has logged.
        """
        self.warnings.texts.clear()
        before = self.ua.counters.refusals
        self.proxy.inflict(door)
        self.proxy.inflict(Reset())
        await until(lambda: self.ua.counters.refusals >= before + ATTEMPTS, "some attempts have failed")
        assert not transportOf(self.ua).connected
        return list(self.warnings.texts)

    async def recovers(self) -> None:
        """See that the user agent is back as soon as all is well."""
        self.proxy.inflict(self.good)
        await within(self.ua.whenRegistered())
        assert (await within(self.ua.options("sip:localhost"))).statusCode == 200

    async def end(self) -> None:
        """Stop all of it."""
        await within(self.ua.stop())
        await within(Deferred.fromCoroutine(self.proxy.stop()))
        await self._server.stop()


@asynccontextmanager
async def running(scheme: str, folder: Path) -> AsyncIterator[World]:
    """
    Run one for a while, registered.

    @param scheme: C{ws} or C{wss}.
    @param folder: Where files may be put.
    """
    world = World(folder)
    globalLogPublisher.addObserver(world.warnings)
    try:
        await world.begin(scheme)
        yield world
        await world.end()
    finally:
        globalLogPublisher.removeObserver(world.warnings)
