"""
User agents on a real Kamailio, and what they did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet import reactor, task

from sipws import Configuration, Transport, UserAgent
from tests.kamailio.counterpart import PASSWORDS, Kamailio

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from sipws.message import IncomingRequest

__all__ = ["PATIENCE", "Agents", "Inbox", "pause", "transportOf", "until", "within"]

#: How long anything here may take, in seconds.  Most take milliseconds.
PATIENCE = 15.0


@attrs.define
class Inbox:
    """The texts of the messages that a user agent was sent; each is answered 200."""

    texts: list[str] = attrs.field(factory=list)

    def take(self, request: IncomingRequest) -> int:
        self.texts.append(request.body.decode())
        return 200


@attrs.define
class Agents:
    """Makes user agents of one Kamailio, and stops them all in the end."""

    kamailio: Kamailio
    made: list[UserAgent] = attrs.field(factory=list)

    def configure(self, user: str, scheme: str, **options: Any) -> Configuration:
        given = {
            "uri": f"sip:{user}@example.test",
            "password": PASSWORDS.get(user),
            "wsServers": self.kamailio.uri(scheme),
            "caFile": str(self.kamailio.caFile) if scheme == "wss" else None,
            # An outage of a second is not to be slept through.
            "wsServerReconnectionTimeout": 0.1,
            "connectionRecoveryMinInterval": 0.1,
            "connectionRecoveryMaxInterval": 0.2,
        }
        return Configuration(**given | options)

    def start(self, user: str, scheme: str = "ws", **options: Any) -> tuple[UserAgent, Inbox]:
        agent = UserAgent(self.configure(user, scheme, **options), reactor)
        inbox = Inbox()
        agent.handle("MESSAGE", inbox.take)
        self.made.append(agent)
        agent.start()
        return agent, inbox

    async def registered(self, user: str, scheme: str = "ws", **options: Any) -> tuple[UserAgent, Inbox]:
        agent, inbox = self.start(user, scheme, **options)
        await within(agent.whenRegistered())
        return agent, inbox

    async def stopAll(self) -> None:
        for agent in self.made:
            await within(agent.stop())


def transportOf(agent: UserAgent) -> Transport:
    """The transport of a user agent that has been started."""
    assert isinstance(agent.transport, Transport)
    return agent.transport


async def within(deferred: Deferred[Any], seconds: float = PATIENCE) -> Any:
    """Wait for a Deferred, and cancel it if it takes too long."""
    return await deferred.addTimeout(seconds, reactor)


async def pause(seconds: float) -> None:
    """Let the reactor run."""
    await task.deferLater(reactor, seconds)


async def until(true: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    deadline = reactor.seconds() + seconds
    while not true():
        assert reactor.seconds() < deadline, f"not within {seconds} s: {what}"
        await pause(0.02)
