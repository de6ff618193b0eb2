"""
L{EndpointConnector}: endpoints as a C{ReconnectingClientFactory} wants its connectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost, NotConnectingError
from twisted.internet.interfaces import IConnector, IStreamClientEndpoint
from twisted.internet.protocol import ClientFactory, Protocol, ReconnectingClientFactory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipws.transport import EndpointConnector


class Wire:
    """A transport that notes how it is closed."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Socket(Protocol):
    """A protocol as L{EndpointConnector} expects it."""

    attempt: Any = None

    def connectionLost(self, reason: Failure = Failure(ConnectionDone())) -> None:  # noqa: B008
        if self.attempt is not None:
            self.attempt.lost(self, reason)


class RecordingFactory(ClientFactory):
    """
    Takes down what it is told.

    @ivar onStarted: Called when an attempt begins.
    @ivar refuses: Whether it makes no protocol.
    """

    def __init__(self) -> None:
        self.told: list[str] = []
        self.reasons: list[Failure] = []
        self.onStarted: Callable[[], object] | None = None
        self.refuses = False

    def startedConnecting(self, connector: Any) -> None:
        self.told.append("started")
        if self.onStarted is not None:
            self.onStarted()

    def buildProtocol(self, addr: Any) -> Any:
        self.told.append("build")
        return None if self.refuses else Socket()

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.told.append("failed")
        self.reasons.append(reason)

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        self.told.append("lost")
        self.reasons.append(reason)


@implementer(IStreamClientEndpoint)
class SlowEndpoint:
    """
    Connects when the test says so.

    @ivar cancelled: How often its attempts were cancelled.
    @ivar stubborn: Whether that is of no use.
    """

    def __init__(self) -> None:
        self.cancelled = 0
        self.stubborn = False
        self.pending: list[tuple[Any, Deferred[Any]]] = []

    def connect(self, protocolFactory: Any) -> Any:
        result: Deferred[Any] = Deferred(self._cancel)
        self.pending.append((protocolFactory, result))
        return result

    def _cancel(self, result: Deferred[Any]) -> None:
        self.cancelled += 1
        if self.stubborn:
            # What fires later is taken for cancelled by Deferred itself unless it has an outcome.
            result.callback(None)

    def succeed(self) -> Any:
        """Connect the oldest attempt, as endpoints do: the protocol is told before the Deferred fires."""
        protocolFactory, result = self.pending.pop(0)
        protocol = protocolFactory.buildProtocol(None)
        if protocol is None:
            result.errback(Failure(ConnectError()))
            return None
        protocol.makeConnection(Wire())
        result.callback(protocol)
        return protocol

    def fail(self, error: Exception) -> None:
        self.pending.pop(0)[1].errback(Failure(error))


class Bench:
    """A connector on a slow endpoint."""

    def __init__(self) -> None:
        self.factory = RecordingFactory()
        self.endpoint: Any = SlowEndpoint()
        self.connector = EndpointConnector(self.factory, lambda: self.endpoint)

    @property
    def told(self) -> list[str]:
        return self.factory.told


def test_isAConnector() -> None:
    bench = Bench()
    verifyObject(IConnector, bench.connector)
    assert bench.connector.getDestination() is bench.endpoint


def test_aConnectionComesAndGoes() -> None:
    bench = Bench()
    bench.connector.connect()
    assert bench.connector.active
    assert bench.told == ["started"]
    socket = bench.endpoint.succeed()
    assert bench.told == ["started", "build"]
    assert bench.connector.active
    reason = Failure(ConnectionLost())
    socket.connectionLost(reason)
    assert bench.told == ["started", "build", "lost"]
    assert bench.factory.reasons == [reason]
    assert not bench.connector.active
    assert socket.attempt is None


def test_aFailureIsTold() -> None:
    bench = Bench()
    bench.connector.connect()
    error = ConnectError(string="no way")
    bench.endpoint.fail(error)
    assert bench.told == ["started", "failed"]
    assert bench.factory.reasons[0].value is error
    assert not bench.connector.active


def test_anEndpointThatFailsAtOnce() -> None:
    bench = Bench()
    error = ConnectError()

    class Failing:
        def connect(self, protocolFactory: object) -> Deferred[Any]:
            return fail(error)

    bench.endpoint = Failing()
    bench.connector.connect()
    assert bench.told == ["started", "failed"]
    assert not bench.connector.active


@pytest.mark.parametrize("when", ["making", "connecting"])
def test_anEndpointThatRaisesIsAnAttemptThatFailed(when: str) -> None:
    bench = Bench()
    error = RuntimeError("a bug of somebody else's")

    class Raising:
        def connect(self, protocolFactory: object) -> Deferred[Any]:
            raise error

    def make() -> Any:
        if when == "making":
            raise error
        return Raising()

    connector = EndpointConnector(bench.factory, make)
    connector.connect()
    assert bench.told == ["started", "failed"]
    assert bench.factory.reasons[0].value is error
    assert not connector.active


def test_aFactoryThatMakesNoProtocolHasFailed() -> None:
    bench = Bench()
    bench.factory.refuses = True
    bench.connector.connect()
    bench.endpoint.succeed()
    assert bench.told == ["started", "build", "failed"]
    assert not bench.connector.active


def test_oneAtATime() -> None:
    bench = Bench()
    bench.connector.connect()
    with pytest.raises(RuntimeError):
        bench.connector.connect()
    bench.endpoint.succeed()
    with pytest.raises(RuntimeError):
        bench.connector.connect()
    assert bench.told == ["started", "build"]


# Stopping.


def test_stopBeforeAnything() -> None:
    bench = Bench()
    with pytest.raises(NotConnectingError):
        bench.connector.stopConnecting()
    bench.connector.disconnect()
    assert bench.told == []


def test_stopWhileTheFactoryIsToldOfTheStart() -> None:
    bench = Bench()
    bench.factory.onStarted = bench.connector.stopConnecting
    bench.connector.connect()
    assert bench.endpoint.pending == []
    assert bench.told == ["started"]
    assert not bench.connector.active


def test_startAnewWhileTheFactoryIsToldOfTheStart() -> None:
    bench = Bench()

    def startAnew() -> None:
        bench.factory.onStarted = None
        bench.connector.stopConnecting()
        bench.connector.connect()

    bench.factory.onStarted = startAnew
    bench.connector.connect()
    assert len(bench.endpoint.pending) == 1
    bench.endpoint.succeed()
    assert bench.told == ["started", "started", "build"]


def test_stopWhileConnecting() -> None:
    bench = Bench()
    bench.connector.connect()
    bench.connector.stopConnecting()
    assert bench.endpoint.cancelled == 1
    assert bench.told == ["started"]
    assert not bench.connector.active


def test_stopWhileConnected() -> None:
    bench = Bench()
    bench.connector.connect()
    socket = bench.endpoint.succeed()
    bench.connector.stopConnecting()
    assert socket.transport.aborted
    assert not bench.connector.active
    socket.connectionLost()
    assert bench.told == ["started", "build"]


def test_stopBetweenTheProtocolsStartAndTheEndpointsAnswer() -> None:
    """With TLS, the endpoint's Deferred fires when the protocol has long been told."""
    bench = Bench()
    bench.connector.connect()
    attempt, _ = bench.endpoint.pending[0]
    socket = attempt.buildProtocol(None)
    socket.makeConnection(Wire())
    bench.connector.stopConnecting()
    assert socket.transport.aborted
    assert bench.endpoint.cancelled == 1
    assert bench.told == ["started", "build"]


def test_stopWithAnEndpointThatCannotBeCancelled() -> None:
    bench = Bench()
    bench.endpoint.stubborn = True
    bench.connector.connect()
    bench.connector.stopConnecting()
    attempt, _ = bench.endpoint.pending.pop()
    assert attempt.buildProtocol(None) is None
    assert bench.told == ["started"]


def test_aConnectionThatComesTooLateIsCut() -> None:
    """Stopped while the endpoint had the protocol, but had not connected it."""
    bench = Bench()
    bench.connector.connect()
    attempt, result = bench.endpoint.pending.pop()
    socket = attempt.buildProtocol(None)
    # It gives up by being given up itself: nothing has been cancelled that could be.
    attempt.pending = None
    bench.connector.stopConnecting()
    socket.makeConnection(Wire())
    result.callback(socket)
    assert socket.transport.aborted
    socket.connectionLost()
    assert bench.told == ["started", "build"]


# What is over tells nobody.


def test_aStaleFailureIsNotTold() -> None:
    bench = Bench()
    bench.connector.connect()
    _, stale = bench.endpoint.pending.pop()
    bench.connector.stopConnecting()
    bench.connector.connect()
    assert stale.called
    assert bench.told == ["started", "started"]
    assert bench.connector.active


def test_aStaleLossIsNotTold() -> None:
    bench = Bench()
    bench.connector.connect()
    old = bench.endpoint.succeed()
    bench.connector.stopConnecting()
    bench.connector.connect()
    new = bench.endpoint.succeed()
    old.connectionLost()
    assert bench.connector.active
    assert not new.transport.aborted
    assert "lost" not in bench.told
    new.connectionLost()
    assert bench.told[-1] == "lost"


def test_connectingAgainFromWhereAFailureIsTold() -> None:
    """As C{ReconnectingClientFactory} does with no delay: the new attempt is not taken for the old."""
    bench = Bench()

    def again(connector: Any, reason: Failure) -> None:
        if len(bench.told) < 4:
            connector.connect()

    bench.factory.clientConnectionFailed = again  # type: ignore[method-assign]
    bench.connector.connect()
    for _ in range(3):
        bench.endpoint.fail(ConnectError())
    assert bench.told == ["started"] * 4
    assert bench.connector.active


def test_aDeferredIsLeftWithoutFailure() -> None:
    """A failure that nobody looked at would be logged, and fail this test."""
    bench = Bench()
    bench.connector.connect()
    result = bench.endpoint.pending[0][1]
    bench.endpoint.fail(ConnectError())
    assert result.result is None


# Twisted's own factory and endpoints.


def test_aReconnectingFactoryOverAnEndpoint() -> None:
    """One attempt, and as many as it is told to make beyond that."""
    clock: Any = Clock()
    attempts: list[float] = []

    class Factory(ReconnectingClientFactory):
        initialDelay = delay = 4.0
        factor = 1.0
        jitter = 0.0
        maxRetries: Any = 3
        noisy = False

        def startedConnecting(self, connector: Any) -> None:
            attempts.append(clock.seconds())

    factory = Factory()
    factory.clock = clock

    class Failing:
        def connect(self, protocolFactory: object) -> Deferred[Any]:
            return fail(ConnectError())

    endpoint: Any = Failing()
    EndpointConnector(factory, lambda: endpoint).connect()
    clock.pump([1] * 100)
    assert attempts == [0, 4, 8, 12]
    assert clock.getDelayedCalls() == []


def test_anEndpointOfTwisteds() -> None:
    reactor: Any = MemoryReactorClock()
    factory = RecordingFactory()
    connector = EndpointConnector(factory, lambda: TCP4ClientEndpoint(reactor, "192.0.2.1", 80))
    connector.connect()
    [(host, port, wrapped, _, _)] = reactor.tcpClients
    assert (host, port) == ("192.0.2.1", 80)
    socket = wrapped.buildProtocol(None)
    socket.makeConnection(Wire())
    assert connector.active
    socket.connectionLost(Failure(ConnectionDone()))
    assert factory.told == ["started", "build", "lost"]
    connector.connect()
    connector.stopConnecting()
    assert reactor.connectors[1].stoppedConnecting
