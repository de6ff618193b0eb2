"""
How to test a bot: with a network, a clock and a server in memory.

No socket is opened and nobody sleeps: C{network.advance} lets time pass.
"""

from __future__ import annotations

import pytest

from examples import echobot
from sipws import Configuration, IncomingRequest, UserAgent
from sipws.server import EmbeddedServer
from sipws.testing import MemoryNetwork, acceptRegister


def start(network: MemoryNetwork, user: str) -> UserAgent:
    """Connect and register a user agent."""
    configuration = Configuration(uri=f"sip:{user}@localhost", wsServers="ws://localhost")
    userAgent = UserAgent(configuration, network.reactor)
    userAgent.start()
    network.advance(0)
    return userAgent


@pytest.fixture
def network() -> MemoryNetwork:
    """A network that leads to the embedded server."""
    network = MemoryNetwork()
    network.server = EmbeddedServer(network.reactor).factory
    return network


def test_saysWhatItWasTold(network: MemoryNetwork) -> None:
    """The bot and somebody who talks to it are two user agents on the embedded server."""
    bot, alice = start(network, "bot"), start(network, "alice")
    echobot.main(bot)
    heard: list[IncomingRequest] = []
    alice.handle("MESSAGE", heard.append)

    alice.message("bot", "Hello")
    network.advance(0)

    assert [request.body for request in heard] == [b"You said: Hello"]


def test_comesBackWhenTheConnectionIsLost() -> None:
    """Here the test itself is the server: it takes the bot's requests, and answers them or does not."""
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    bot = start(network, "bot")

    network.connection.drop()
    lost = not bot.registration.registered
    network.advance(bot.configuration.wsServerReconnectionTimeout)

    assert lost
    assert bot.registration.registered
    assert len(network.connections) == 2
