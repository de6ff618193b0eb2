"""User agents and the embedded server as services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import provider

from sipws import Configuration, UserAgent
from sipws.server import EmbeddedServer
from sipws.service import EmbeddedServerService, SequentialService, UserAgentService
from tests.conftest import FlushLoggedErrors
from tests.loopback import Loopback, guardedServer, openServer

embedded = pytest_twisted.async_yield_fixture(openServer)
guarded = pytest_twisted.async_yield_fixture(guardedServer)


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged meanwhile, by the service alone."""
    lines: list[str] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "sip.service":
            lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


def configure(server: str, **options: Any) -> Configuration:
    return Configuration(**{"uri": "sip:alice@localhost", "wsServers": server, "stopTimeout": 2, **options})


class TestUserAgentService:
    @pytest_twisted.ensureDeferred
    async def test_runsAUserAgentFromStartToStop(
        self, reactor: Any, embedded: Loopback, logged: list[str]
    ) -> None:
        """It is registered while the service runs, and not any more when its stop has fired."""
        started: list[UserAgent] = []
        service = UserAgentService(configure(embedded.uri), started.append, reactor)

        service.startService()
        userAgent = started[0]
        assert service.userAgent is started[0]
        assert service.running
        await userAgent.whenRegistered()
        stopped = service.stopService()
        assert not service.running
        await stopped

        assert service.userAgent is None
        assert userAgent.status == UserAgent.C.STATUS_USER_CLOSED
        assert logged == [
            f"sip:alice@localhost is registered on {embedded.uri}",
            "sip:alice@localhost is unregistered",
        ]

    @pytest_twisted.ensureDeferred
    async def test_theApplicationIsCalledBeforeTheUserAgentStarts(
        self, reactor: Any, embedded: Loopback
    ) -> None:
        seen: list[int] = []
        service = UserAgentService(configure(embedded.uri), lambda ua: seen.append(ua.status), reactor)

        service.startService()
        await service.stopService()

        assert seen == [UserAgent.C.STATUS_INIT]

    def test_anApplicationThatRaisesStartsNothing(self, reactor: Any, embedded: Loopback) -> None:
        def application(userAgent: UserAgent) -> None:
            raise LookupError("no such thing")

        service = UserAgentService(configure(embedded.uri), application, reactor)

        with pytest.raises(LookupError):
            service.startService()

        assert not service.running
        assert service.userAgent is None

    @pytest_twisted.ensureDeferred
    async def test_canBeStartedAgain(self, reactor: Any, embedded: Loopback) -> None:
        """Each start makes a user agent of its own, and calls the application with it."""
        started: list[UserAgent] = []
        service = UserAgentService(configure(embedded.uri), started.append, reactor)

        for _ in range(2):
            service.startService()
            await started[-1].whenRegistered()
            await service.stopService()

        assert started[0] is not started[1]

    @pytest_twisted.ensureDeferred
    async def test_withoutAReactorItRunsOnThatOfTheProcess(self, embedded: Loopback) -> None:
        started: list[UserAgent] = []
        service = UserAgentService(configure(embedded.uri), started.append)

        service.startService()
        await started[0].whenRegistered()
        await service.stopService()

    def test_stoppingWhatDoesNotRunIsDoneAtOnce(self, reactor: Any) -> None:
        service = UserAgentService(configure("ws://127.0.0.1:9"), lambda ua: None, reactor)

        assert service.stopService().called

    @pytest_twisted.ensureDeferred
    async def test_aRefusedRegistrationIsLoggedWithItsReason(
        self, reactor: Any, guarded: Loopback, logged: list[str]
    ) -> None:
        failed: Deferred[None] = Deferred()
        service = UserAgentService(
            configure(guarded.uri, password="wrong-and-secret"),
            lambda ua: ua.on("registrationFailed", lambda *args: failed.callback(None)),
            reactor,
        )

        service.startService()
        await failed
        await service.stopService()

        (line, *_) = logged
        assert line.startswith("sip:alice@localhost could not register: 4")
        assert not any("secret" in line for line in logged)


class TestEmbeddedServerService:
    @pytest_twisted.ensureDeferred
    async def test_listensWhileItRuns(self, reactor: Any) -> None:
        ports: list[Any] = []
        service = EmbeddedServerService(EmbeddedServer(reactor), [_anyPort(reactor)], ports.append)

        service.privilegedStartService()
        service.startService()
        port = ports[0]
        assert [service.port] == ports
        same = TCP4ServerEndpoint(reactor, port.getHost().port, interface="127.0.0.1")
        with pytest.raises(CannotListenError):
            await same.listen(Factory())
        await service.stopService()

        assert service.port is None
        again: Any = await same.listen(Factory())
        await again.stopListening()

    @pytest_twisted.ensureDeferred
    async def test_listensWithoutAPrivilegedStartToo(self, reactor: Any) -> None:
        service = EmbeddedServerService(EmbeddedServer(reactor), [_anyPort(reactor)])

        service.startService()
        assert service.port is not None
        await service.stopService()

    @pytest_twisted.ensureDeferred
    async def test_takesTheNextEndpointWhereOneIsTaken(
        self, reactor: Any, embedded: Loopback, logged: list[str]
    ) -> None:
        taken = TCP4ServerEndpoint(reactor, int(embedded.uri.rpartition(":")[2]), interface="127.0.0.1")
        service = EmbeddedServerService(EmbeddedServer(reactor), [taken, _anyPort(reactor)])

        service.privilegedStartService()
        assert service.port is not None
        await service.stopService()

        assert "trying another port" in logged[0]

    def test_failsWhereAllAreTaken(self, reactor: Any, embedded: Loopback) -> None:
        taken = TCP4ServerEndpoint(reactor, int(embedded.uri.rpartition(":")[2]), interface="127.0.0.1")
        service = EmbeddedServerService(EmbeddedServer(reactor), [taken, taken])

        with pytest.raises(CannotListenError):
            service.privilegedStartService()

        assert service.port is None


class Recorder(Service):
    """A service that writes down what is done to it."""

    def __init__(self, events: list[str], label: str, stopping: Deferred[None]) -> None:
        self.events = events
        self.label = label
        self.stopping = stopping

    def startService(self) -> None:
        super().startService()
        self.events.append(f"start {self.label}")

    def stopService(self) -> Deferred[None]:
        super().stopService()
        self.events.append(f"stop {self.label}")
        return self.stopping


class TestSequentialService:
    def test_stopsInReverseOneAfterTheOther(self) -> None:
        events: list[str] = []
        upper: Deferred[None] = Deferred()
        service = SequentialService()
        Recorder(events, "lower", succeed(None)).setServiceParent(service)
        Recorder(events, "upper", upper).setServiceParent(service)

        service.startService()
        service.stopService().addCallback(lambda result: events.append("stopped"))
        assert events == ["start lower", "start upper", "stop upper"]
        upper.callback(None)

        assert events[3:] == ["stop lower", "stopped"]
        assert not service.running

    def test_oneThatFailsToStopKeepsNoOtherFromIt(self, flushLoggedErrors: FlushLoggedErrors) -> None:
        events: list[str] = []
        service = SequentialService()
        Recorder(events, "lower", succeed(None)).setServiceParent(service)
        Recorder(events, "upper", fail(LookupError("stuck"))).setServiceParent(service)
        failures: list[Any] = []

        service.startService()
        service.stopService().addErrback(failures.append)

        assert events[2:] == ["stop upper", "stop lower"]
        assert failures[0].check(LookupError)


def _anyPort(reactor: Any) -> TCP4ServerEndpoint:
    return TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
