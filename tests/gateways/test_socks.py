"""SOCKS proxies that answer wrongly, or not at all, by way of txtorcon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.util import find_spec
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from sipws import Configuration, UserAgent
from sipws.errors import ConnectionFailed
from tests.counterparts import requireCounterpart
from tests.kamailio.agents import transportOf, until, within


class Wrong(Protocol):
    """Answers each time with the next of some octets."""

    factory: Any

    def connectionMade(self) -> None:
        self.factory.open.append(self)
        self.answers = list(self.factory.answers)

    def dataReceived(self, data: bytes) -> None:
        if self.answers:
            self.transport.write(self.answers.pop(0))  # type: ignore[union-attr]

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.open.remove(self)


@pytest_twisted.async_yield_fixture
async def wrong() -> AsyncIterator[Any]:
    """The factory of a proxy that answers wrongly; its port is C{port}."""
    requireCounterpart("txtorcon", find_spec("txtorcon") is not None, "pip install 'sipws[socks]'")
    factory: Any = Factory.forProtocol(Wrong)
    factory.open = []
    factory.noisy = False
    listening: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(factory)
    factory.port = listening.getHost().port
    yield factory
    await listening.stopListening()


def makeUserAgent(port: int, **options: Any) -> UserAgent:
    configuration = Configuration(
        uri="sip:alice@example.test",
        wsServers="ws://192.0.2.1",
        endpoint=f"tor:{{host}}:{{port}}:socksHostname=127.0.0.1:socksPort={port}",
        wsServerMaxReconnection=0,
        **options,
    )
    return UserAgent(configuration, reactor)


#: What a proxy may say: nothing, half of it, that it does not want to, or anything.
ANSWERS = [
    [],
    [b"\x05\x00"],
    [b"\x05\x00", b"\x05\x00\x00"],
    [b"\x05\x00", b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"],
    [b"\x05\xff"],
    [b"\x04\x5a"],
    [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
    [b"\x05\x00", b"\x05\x00\x00\x63"],
    [b"\x05\x00\x05\x63\x00\x01" + b"\xff" * 300],
]


@pytest.mark.parametrize("answers", ANSWERS)
@pytest_twisted.ensureDeferred
async def test_whateverItAnswersTheAttemptEndsAndLeavesNothing(wrong: Any, answers: list[bytes]) -> None:
    wrong.answers = answers
    agent = makeUserAgent(wrong.port, connectTimeout=0.3)
    agent.start()
    await until(lambda: transportOf(agent).lastTransportError, "an error")
    assert isinstance(transportOf(agent).lastTransportError, ConnectionFailed)
    await until(lambda: not wrong.open, "an end of the connection")
    await within(agent.stop())


@pytest.mark.parametrize("answers", ANSWERS[:3])
@pytest_twisted.ensureDeferred
async def test_stoppingMeanwhileLeavesNothing(wrong: Any, answers: list[bytes]) -> None:
    wrong.answers = answers
    agent = makeUserAgent(wrong.port)
    agent.start()
    await until(lambda: wrong.open and not wrong.open[0].answers, "that it has said all")
    await within(agent.stop())
    await until(lambda: not wrong.open, "an end of the connection")
