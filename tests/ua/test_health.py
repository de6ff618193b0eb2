"""C{ua.health}: how a user agent fares, at each point of its life."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from sipws import Configuration, UserAgent
from sipws.testing import MemoryNetwork, acceptRegister
from sipws.ua.health import Health, Standing

SERVER = "ws://192.0.2.1"


class Watched:
    """A user agent on a network in memory."""

    def __init__(self, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.network.answer("REGISTER", acceptRegister)
        given: dict[str, Any] = {"uri": "sip:alice@example.com", "wsServers": SERVER} | options
        self.ua = UserAgent(Configuration(**given), self.network.reactor, random=Random(1))

    @property
    def health(self) -> Health:
        return self.ua.health

    def start(self) -> None:
        self.ua.start()
        self.network.advance(0)

    def stop(self) -> None:
        self.ua.stop()
        self.network.advance(10)


def test_followsTheLifeOfAUserAgent() -> None:
    watched = Watched()
    network, seen = watched.network, []

    def look() -> None:
        health = watched.health
        seen.append((health.state, health.since, health.ready))

    look()
    network.advance(5)
    network.stall()
    watched.start()
    look()
    network.accept()
    network.advance(10)
    look()
    started = network.reactor.seconds()
    assert watched.health.registrationExpires == pytest.approx(600, abs=10)
    network.advance(3)
    network.connection.drop()
    look()
    lost = network.reactor.seconds()
    assert watched.health.registrationExpires is None
    assert "lost" in str(watched.health.lastError)
    network.advance(10)
    look()
    watched.ua.stop()
    look()
    network.advance(10)
    look()
    states = [state for state, _, _ in seen]
    assert states == [
        Standing.STOPPED,
        Standing.DISCONNECTED,
        Standing.REGISTERED,
        Standing.DISCONNECTED,
        Standing.REGISTERED,
        Standing.STOPPING,
        Standing.STOPPED,
    ]
    assert [ready for _, _, ready in seen] == [False, False, True, False, True, False, False]
    assert seen[1][1] == 5
    assert 5 < seen[2][1] <= started
    assert seen[3][1] == lost
    assert seen[4][1] == lost + 4


def test_keepsWhatWentWrongLast() -> None:
    watched = Watched()
    watched.start()
    assert watched.health.lastError is None
    watched.network.connection.drop()
    watched.network.advance(5)
    assert watched.health.state is Standing.REGISTERED
    assert "lost" in str(watched.health.lastError)
    watched.stop()


def test_countsTheAttempts() -> None:
    watched = Watched(wsServerMaxReconnection="unlimited")
    watched.network.refuse()
    watched.start()
    watched.network.advance(4 * 7 + 1)
    health = watched.health
    assert health.attempts == 8, "the one that it waits for is the eighth"
    assert health.state is Standing.DISCONNECTED
    assert health.server == SERVER
    assert "refused" in str(health.lastError)
    watched.stop()


def test_withoutRegistrationAConnectionIsEnough() -> None:
    watched = Watched(register=False)
    watched.start()
    assert watched.health.state is Standing.CONNECTED
    assert watched.health.ready
    watched.stop()


def test_aConnectionIsNotEnoughWhereItRegisters() -> None:
    watched = Watched()
    watched.network.answer("REGISTER", 403)
    watched.start()
    assert watched.health.state is Standing.CONNECTED
    assert not watched.health.ready
    watched.stop()


def test_countsWhatIsUnderWay() -> None:
    watched = Watched(register=False)
    answers: list[Any] = []
    watched.network.refuse()
    watched.start()
    watched.ua.message("bob@example.com", "hello").addBoth(answers.append)
    assert watched.health.waitingRequests == 1
    watched.network.accept()
    watched.network.advance(5)
    health = watched.health
    assert (health.waitingRequests, health.openTransactions) == (0, 1)
    watched.stop()
    assert len(answers) == 1


def test_hasTheRoundTripOfTheLastKeepAlive() -> None:
    watched = Watched(keepAliveInterval=10)
    watched.start()
    assert watched.health.roundTrip is None
    watched.network.connection.stall()
    watched.network.advance(12)
    watched.network.connection.resume()
    assert watched.health.roundTrip == 2
    watched.stop()


def test_isAsItsBestFlow() -> None:
    servers = ["ws://192.0.2.1", "ws://192.0.2.2"]
    instance = "7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f"
    watched = Watched(wsServers=servers, flows=2, instanceId=instance)
    watched.start()
    assert [flow.state for flow in watched.health.flows] == [Standing.REGISTERED] * 2
    assert {flow.server for flow in watched.health.flows} == set(servers)
    watched.network.connections[0].drop()
    health = watched.health
    assert [flow.state for flow in health.flows] == [Standing.DISCONNECTED, Standing.REGISTERED]
    assert (health.state, health.ready) == (Standing.REGISTERED, True)
    assert health.server == health.flows[1].server
    watched.stop()


def test_canBeSaidInJSONAndHoldsNoSecret() -> None:
    watched = Watched(wsServers="ws://192.0.2.1/sip?token=geheim", password="geheim")
    watched.network.refuse()
    watched.start()
    watched.network.advance(5)
    text = json.dumps(watched.health.asDict())
    assert "geheim" not in text
    assert "geheim" not in repr(watched.health)
    read = json.loads(text)
    assert read["state"] == "disconnected"
    assert read["flows"][0]["server"] == "ws://192.0.2.1/sip"
    watched.stop()
