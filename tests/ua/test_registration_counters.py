"""REGISTERs are counted: those that made a binding, and those that came to nothing."""

from __future__ import annotations

import pytest

from sipws import Configuration, UserAgent
from sipws.message import IncomingRequest
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from sipws.testing.network import Answer


def start(answer: Answer | None) -> tuple[MemoryNetwork, UserAgent]:
    network = MemoryNetwork()
    network.answer("REGISTER", answer)
    configuration = Configuration(
        uri="sip:bot@example.com", wsServers="ws://sip.example.com", password="secret"
    )
    userAgent = UserAgent(configuration, network.reactor)
    userAgent.start()
    network.advance(0)
    return network, userAgent


def counts(userAgent: UserAgent) -> tuple[int, int]:
    return userAgent.counters.registrations, userAgent.counters.failedRegistrations


def stop(network: MemoryNetwork, userAgent: UserAgent) -> None:
    userAgent.stop()
    network.advance(6)
    assert network.reactor.getDelayedCalls() == []


def withoutBinding(connection: MemoryConnection, register: IncomingRequest) -> None:
    connection.respond(register, 200, headers=[("Contact", "<sip:other@example.net>;expires=600")])


def challengeOnce(connection: MemoryConnection, register: IncomingRequest) -> None:
    if register.hasHeader("Authorization"):
        acceptRegister(connection, register)
    else:
        challenge = 'Digest realm="example.com", nonce="once", qop="auth"'
        connection.respond(register, 401, headers=[("WWW-Authenticate", challenge)])


def test_bindingsAndRefreshesAreCountedAndTheirEndIsNot() -> None:
    network, userAgent = start(acceptRegister)
    assert counts(userAgent) == (1, 0)
    network.advance(600)
    assert counts(userAgent) == (2, 0)
    userAgent.unregister()
    network.advance(0)
    assert counts(userAgent) == (2, 0)
    stop(network, userAgent)


def test_aChallengeThatIsAnsweredIsNoFailure() -> None:
    network, userAgent = start(challengeOnce)
    assert counts(userAgent) == (1, 0)
    stop(network, userAgent)


@pytest.mark.parametrize("answer", [403, 423, 503, 600, withoutBinding])
def test_whatMakesNoBindingIsAFailure(answer: Answer) -> None:
    network, userAgent = start(answer)
    assert counts(userAgent) == (0, 1)
    network.answer("REGISTER", acceptRegister)
    network.advance(60)
    assert counts(userAgent) == (1, 1)
    stop(network, userAgent)


def test_noAnswerIsAFailure() -> None:
    network, userAgent = start(None)
    network.advance(31)
    assert counts(userAgent) == (0, 0)
    network.advance(1.5)
    assert counts(userAgent) == (0, 1)
    stop(network, userAgent)


def test_oneThatIsLostWithItsConnectionIsAFailure() -> None:
    network, userAgent = start(None)
    network.connection.drop()
    assert counts(userAgent) == (0, 1)
    stop(network, userAgent)
