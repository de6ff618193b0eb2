"""Endpoints of other people's, some of which forget what they have begun."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTCP, IReactorTime
from twisted.internet.protocol import ClientFactory, Factory, Protocol

from sipws.errors import ConnectionFailed
from sipws.testing import MemoryNetwork
from sipws.transport import Upgrade, leash
from sipws.transport.leash import stringEndpoint
from sipws.transport.location import Location
from tests.transport.gateway import Gateway, gated


class Forgetful:
    """An endpoint that connects twice, and does not know of it when it is cancelled."""

    def __init__(self, reactor: Any, text: str) -> None:
        self.reactor = reactor
        self.text = text
        self.result: Deferred[Any] = Deferred()

    def connect(self, factory: Any) -> Deferred[Any]:
        first = ClientFactory.forProtocol(Protocol)
        first.noisy = False
        self.reactor.connectTCP("192.0.2.1", 1080, first)
        self.reactor.connectUNIX("/run/proxy", first)
        return self.result


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Forgetful]:
    """The endpoints that were made."""
    endpoints: list[Forgetful] = []

    def make(reactor: Any, text: str) -> Forgetful:
        endpoints.append(Forgetful(reactor, text))
        return endpoints[-1]

    monkeypatch.setattr(leash, "clientFromString", make)
    return endpoints


class Tied:
    """A use of such an endpoint."""

    def __init__(self, made: list[Forgetful]) -> None:
        self.network = MemoryNetwork()
        self.network.server = Gateway()
        self.endpoint = endpoint = stringEndpoint(
            self.network.reactor, "any:{host}:{port}:{host}", Location.parse("wss://[2001:db8::1]:7443")
        )
        [self.inner] = made
        self.results: list[Any] = []
        self.pending: Deferred[Any] = endpoint.connect(Factory.forProtocol(Protocol))
        self.pending.addBoth(self.results.append)


def test_hostAndPortAreFilledIn(made: list[Forgetful]) -> None:
    assert Tied(made).inner.text == r"any:2001\:db8\:\:1:7443:2001\:db8\:\:1"


@pytest.mark.parametrize("isConnected", [False, True])
def test_cancellingLeavesNoConnection(made: list[Forgetful], isConnected: bool) -> None:
    tied = Tied(made)
    if isConnected:
        tied.network.pump()
        assert tied.network.openSockets == 2
    tied.pending.cancel()
    tied.network.pump()
    assert isinstance(tied.results[0].value, CancelledError)
    assert tied.network.openSockets == 0
    assert tied.network.attempts == 2


def test_failingLeavesNoConnection(made: list[Forgetful]) -> None:
    tied = Tied(made)
    tied.network.pump()
    tied.inner.result.errback(ValueError("of its own"))
    tied.network.pump()
    assert isinstance(tied.results[0].value, ValueError)
    assert tied.network.openSockets == 0


def test_whatHasSucceededIsLeftAlone(made: list[Forgetful]) -> None:
    tied = Tied(made)
    tied.network.pump()
    tied.inner.result.callback("the protocol")
    tied.network.pump()
    assert tied.results == ["the protocol"]
    assert tied.network.openSockets == 2


def test_andStaysSoWhenTheNextUseFails(made: list[Forgetful]) -> None:
    tied = Tied(made)
    tied.network.pump()
    tied.inner.result.callback("the protocol")
    tied.inner.result = Deferred()
    again: Deferred[Any] = tied.endpoint.connect(Factory.forProtocol(Protocol))
    again.addErrback(lambda failure: failure.trap(CancelledError))
    tied.network.pump()
    assert tied.network.openSockets == 4
    again.cancel()
    tied.network.pump()
    assert tied.network.openSockets == 2


def test_itsReactorIsAsGoodAsTheReal(made: list[Forgetful]) -> None:
    tied = Tied(made)
    assert IReactorTCP.providedBy(tied.inner.reactor)
    assert IReactorTime.providedBy(tied.inner.reactor)
    assert tied.inner.reactor.seconds() == tied.network.reactor.seconds()


def test_anAttemptThatTakesTooLongLeavesNothing(made: list[Forgetful]) -> None:
    scene = gated(Upgrade(endpoint="any:{host}:{port}"))
    assert scene.network.openSockets == 2
    scene.network.advance(5)
    assert isinstance(scene.refusal(), ConnectionFailed)
    scene.end()
