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
from tests.inmemory import SERVER, World
from tests.loopback import Loopback, openServer

embedded = pytest_twisted.async_yield_fixture(openServer)


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


class TestUserAgentService:
    def test_runsAUserAgentFromStartToStop(self, logged: list[str]) -> None:
        """It is registered while the service runs, and not any more when its stop has fired."""
        world = World()
        started: list[UserAgent] = []
        service = UserAgentService(world.configure("alice"), started.append, world.reactor)

        service.startService()
        world.network.advance(0)
        assert [service.userAgent] == started
        assert service.running
        assert world.registered("alice")
        stopped = service.stopService()
        assert not service.running
        world.resultOf(stopped)

        assert not world.registered("alice")
        assert service.userAgent is None
        assert started[0].status == UserAgent.C.STATUS_USER_CLOSED
        assert world.network.openSockets == 0
        assert world.reactor.getDelayedCalls() == []
        assert logged == [
            f"sip:alice@localhost is registered on {SERVER}",
            "sip:alice@localhost is unregistered",
        ]

    def test_stopIsBoundedWhereTheServerIsSilent(self) -> None:
        world = World()
        service = UserAgentService(world.configure("alice", stopTimeout=3), lambda ua: None, world.reactor)
        service.startService()
        world.network.advance(0)
        for wire in world.network._wires:
            wire.stalled = True

        stopped = service.stopService()
        world.network.advance(3)

        assert stopped.called

    def test_theQueryOfAServerIsNotLogged(self, logged: list[str]) -> None:
        world = World()
        configuration = world.configure("alice").evolve(wsServers=f"{SERVER}/?token=geheim")
        service = UserAgentService(configuration, lambda ua: None, world.reactor)

        service.startService()
        world.network.advance(0)

        assert logged == [f"sip:alice@localhost is registered on {SERVER}/"]
        service.stopService()
        world.network.advance(3)

    def test_refreshesAreNotLogged(self, logged: list[str]) -> None:
        world = World()
        service = UserAgentService(world.configure("alice"), lambda ua: None, world.reactor)

        service.startService()
        world.network.advance(3 * 600)

        assert logged == [f"sip:alice@localhost is registered on {SERVER}"]

    def test_aRegistrationThatIsLostAndComesBackIsLogged(self, logged: list[str]) -> None:
        world = World()
        service = UserAgentService(world.configure("alice"), lambda ua: None, world.reactor)
        service.startService()
        world.network.advance(0)

        world.network._wires[0].drop()
        world.network.advance(10)

        assert logged == [
            f"sip:alice@localhost is registered on {SERVER}",
            "sip:alice@localhost is unregistered: Connection Error",
            f"sip:alice@localhost is registered on {SERVER}",
        ]

    def test_theApplicationIsCalledBeforeTheUserAgentStarts(self) -> None:
        world = World()
        seen: list[int] = []

        def application(userAgent: UserAgent) -> None:
            seen.append(userAgent.status)

        UserAgentService(world.configure("alice"), application, world.reactor).startService()

        assert seen == [UserAgent.C.STATUS_INIT]

    def test_anApplicationThatRaisesStartsNothing(self) -> None:
        world = World()

        def application(userAgent: UserAgent) -> None:
            raise LookupError("no such thing")

        service = UserAgentService(world.configure("alice"), application, world.reactor)

        with pytest.raises(LookupError):
            service.startService()

        assert not service.running
        assert service.userAgent is None
        assert world.network.attempts == 0

    def test_canBeStartedAgain(self) -> None:
        """Each start makes a user agent of its own, and calls the application with it."""
        world = World()
        started: list[UserAgent] = []
        service = UserAgentService(world.configure("alice"), started.append, world.reactor)

        for _ in range(2):
            service.startService()
            world.network.advance(0)
            assert world.registered("alice")
            world.resultOf(service.stopService())

        assert started[0] is not started[1]

    @pytest_twisted.ensureDeferred
    async def test_withoutAReactorItRunsOnThatOfTheProcess(self, embedded: Loopback) -> None:
        started: list[UserAgent] = []
        configuration = Configuration(uri="alice@localhost", wsServers=embedded.uri)
        service = UserAgentService(configuration, started.append)

        service.startService()
        await started[0].whenRegistered()
        await service.stopService()

    def test_stoppingWhatDoesNotRunIsDoneAtOnce(self) -> None:
        world = World()
        service = UserAgentService(world.configure("alice"), lambda ua: None, world.reactor)

        assert service.stopService().called

    def test_aRefusedRegistrationIsLoggedWithItsReason(self, logged: list[str]) -> None:
        world = World({"alice": "ecila"})
        configuration = world.configure("alice", password="wrong-and-secret")
        service = UserAgentService(configuration, lambda ua: None, world.reactor)

        service.startService()
        world.network.advance(0)

        (line,) = logged
        assert line.startswith("sip:alice@localhost could not register: 40")
        assert "secret" not in line


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
