"""Two kinds of user agents, ours and those of JavaScript, on one embedded server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from secrets import token_bytes
from typing import Any

import attrs
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater

from sipws import Configuration, UserAgent
from sipws.digest import DigestVerifier
from sipws.message import IncomingRequest
from sipws.server import EmbeddedServer
from sipws.server.authentication import Gatekeeper
from sipws.server.connection import Connection
from tests.interop.driver import Driver

__all__ = ["PATIENCE", "USERS", "Place", "until", "within"]

reactor: Any = _reactor

#: How long anything here may take, in seconds.
PATIENCE = 20.0

#: Passwords are UTF-8 in digests (RFC 7616 section 4), for all three.
USERS = {"alice": "wonderland", "carol": "open sesame", "bob": "Grüße, ☎"}


async def within(waited: Awaitable[Any]) -> Any:
    """Wait, but not for ever."""
    return await Deferred.fromCoroutine(_awaited(waited)).addTimeout(PATIENCE, reactor)


async def _awaited(waited: Awaitable[Any]) -> Any:
    return await waited


@attrs.define
class Place:
    """A server on a port of loopback, and who is on it."""

    server: EmbeddedServer
    uri: str = ""
    agents: list[UserAgent] = attrs.field(factory=list)
    drivers: list[Driver] = attrs.field(factory=list)
    #: The messages that our own user agents have received.
    received: list[IncomingRequest] = attrs.field(factory=list)

    async def open(self) -> None:
        port: Any = await self.server.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        self.uri = f"ws://127.0.0.1:{port.getHost().port}"

    async def ours(self, user: str, **options: Any) -> UserAgent:
        """Have a user agent of ours register."""
        given = {"uri": f"sip:{user}@localhost", "password": USERS[user], "wsServers": self.uri}
        configuration = Configuration(**given | options)
        agent = UserAgent(configuration, reactor)
        agent.handle("MESSAGE", self.received.append)
        self.agents.append(agent)
        agent.start()
        await within(agent.whenRegistered())
        return agent

    async def theirs(self, stack: str, user: str, password: str | None = None, **options: Any) -> Driver:
        """Have a JavaScript user agent connect, which has these options of its own."""
        driver = Driver(stack)
        self.drivers.append(driver)
        driver.spawn(reactor)
        password = password or USERS[user]
        uri = f"sip:{user}@localhost"
        await within(driver.do("start", server=self.uri, uri=uri, password=password, **options))
        return driver

    async def registered(self, stack: str, user: str, **options: Any) -> Driver:
        """Have a JavaScript user agent register."""
        driver = await self.theirs(stack, user, **options)
        assert (await within(driver.do("register")))["status"] == 200
        assert f"sip:{user}@localhost" in self.server.locations
        return driver

    def uponArrival(self, *parts: bytes, then: Callable[[], object]) -> None:
        """Do something as the first message with these parts comes to the server, before it is read."""
        server: Any = self.server
        receive = server.receive

        def see(connection: Connection, octets: bytes) -> None:
            if all(part in octets for part in parts):
                server.receive = receive
                then()
            receive(connection, octets)

        server.receive = see

    def challengeAll(self) -> list[str]:
        """
        Have the server challenge requests within dialogs, too, and take no nonce for long.

        @return: The methods of what it lets pass, and of what it does not; these in brackets.
        """
        core: Any = self.server._core
        seen: list[str] = []

        class Forgetful:
            def admit(self, request: IncomingRequest, user: str | None, *, asProxy: bool) -> Any:
                if f"[{request.method}]" not in seen:
                    # The first of each method has a nonce that this one has not made, if it has any.
                    self.gatekeeper = Gatekeeper(USERS, verifier())
                seen.append(f"[{request.method}]")
                proof = self.gatekeeper.admit(request, user, asProxy=asProxy)
                seen[-1] = request.method
                return proof

        def verifier() -> DigestVerifier:
            return DigestVerifier(self.server.domain, reactor.seconds, token_bytes(16))

        core._router.isWithinDialog = lambda request, path: False
        core._gatekeeper = Forgetful()
        return seen

    async def close(self) -> None:
        for driver in self.drivers:
            await within(driver.quit())
        for agent in self.agents:
            await within(agent.stop())
        await within(self.server.stop())


async def until(true: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = reactor.seconds() + PATIENCE
    while not true():
        assert reactor.seconds() < deadline
        await deferLater(reactor, 0.02)
