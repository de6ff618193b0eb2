"""The life of a user agent: start, connection, stop; after the checklist's "UA" line."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from sipws.config import WsServer
from sipws.errors import ConfigurationError, NotConnected, TransportError
from sipws.interfaces import C, IUserAgent
from sipws.message import IncomingRequest
from tests.ua.fakes import BOB, Scene, incoming, outcome


def test_isAUserAgentAsTransportsNeedOne() -> None:
    scene = Scene()
    assert verifyObject(IUserAgent, scene.ua)
    assert scene.ua.C.STATUS_READY == C.STATUS_READY
    assert scene.ua.getLogger("sip.transport").namespace == "sip.transport"


class TestStart:
    def test_startOnAFreshUserAgentMakesATransport(self) -> None:
        scene = Scene()
        assert scene.status() == C.STATUS_INIT
        scene.ua.start()
        assert len(scene.transports) == 1
        assert scene.current() is scene.transport
        assert scene.transport.server.ws_uri == "ws://sip.example.com"
        assert scene.status() == C.STATUS_STARTING

    def test_aSecondStartDoesNothing(self) -> None:
        scene = Scene()
        scene.ua.start()
        scene.ua.start()
        scene.transport.open()
        scene.ua.start()
        assert len(scene.transports) == 1

    def test_afterAStopItConnectsAgain(self) -> None:
        scene = Scene()
        scene.connect()
        scene.ua.stop()
        assert scene.status() == C.STATUS_USER_CLOSED
        scene.ua.start()
        assert len(scene.transports) == 2
        scene.transport.open()
        assert scene.status() == C.STATUS_READY

    def test_aStartWhileStoppingWaitsForTheEnd(self) -> None:
        scene = Scene()
        first = scene.connect()
        scene.ua.message(BOB, "hello").addErrback(lambda _: None)
        scene.ua.stop()
        scene.ua.start()
        assert len(scene.transports) == 1
        first.answer(first.take(), 200)
        assert len(scene.transports) == 2

    def test_soDoesOneAfterSeveralStops(self) -> None:
        scene = Scene()
        first = scene.connect()
        scene.ua.message(BOB, "hello").addErrback(lambda _: None)
        scene.ua.stop()
        scene.ua.stop()
        scene.ua.start()
        first.answer(first.take(), 200)
        assert len(scene.transports) == 2
        assert not scene.transport.isClosed()

    def test_aStopAfterThatStartHasTheLastWord(self) -> None:
        scene = Scene()
        first = scene.connect()
        scene.ua.message(BOB, "hello").addErrback(lambda _: None)
        scene.ua.stop()
        scene.ua.start()
        stopped = outcome(scene.ua.stop())
        first.answer(first.take(), 200)
        assert len(scene.transports) == 1
        assert stopped == [None]

    def test_eachConnectionIsToldOf(self) -> None:
        scene = Scene()
        scene.connect()
        assert scene.events == [("connecting", scene.transport, 1), ("connected", scene.transport)]
        assert scene.status() == C.STATUS_READY

    def test_theTransportGetsItsOptions(self, tmp_path: Path) -> None:
        pem = tmp_path / "all.pem"
        pem.write_text("x")
        scene = Scene(
            connectTimeout=7,
            closeTimeout=2,
            maxMessageSize=4096,
            caFile=pem,
            clientCertificate=pem,
            clientKey=pem,
        )
        scene.ua.start()
        options = scene.transport.options
        assert (options.openTimeout, options.closeTimeout, options.maxMessageSize) == (7, 2, 4096)
        assert {options.caFile, options.clientCertificate, options.clientKey} == {str(pem)}

    def test_whereATransportCannotBeMadeItHasNotStarted(self) -> None:
        scene = Scene()

        def refuse(*args: object, **kwargs: object) -> None:
            raise ConfigurationError("caFile", "holds no certificate")

        scene.makeTransport = refuse
        with pytest.raises(ConfigurationError, match="caFile"):
            scene.ua.start()
        assert scene.status() == C.STATUS_INIT
        assert scene.restless() == []

    def test_whereALaterOneCannotBeMadeAllAreTriedAnew(self) -> None:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        scene.ua.start()
        make = scene.makeTransport

        def refuse(*args: object, **kwargs: object) -> None:
            raise ConfigurationError("caFile", "holds no certificate")

        scene.makeTransport = refuse
        scene.transport.giveUp()
        assert scene.error() == C.NETWORK_ERROR
        scene.makeTransport = make
        scene.clock.advance(2)
        assert len(scene.transports) == 2
        scene.ua.stop()

    def test_aLossIsToldOfEvenThoughTheTransportReconnects(self) -> None:
        scene = Scene()
        transport = scene.connect()
        scene.names()
        transport.lose()
        assert scene.events == [("disconnected", transport)]

    def test_aCloseOfOurOwnIsToldOfOnce(self) -> None:
        scene = Scene()
        scene.connect()
        scene.names()
        scene.ua.stop()
        assert scene.names() == ["disconnected"]


class TestWhenConnected:
    def test_firesWithTheConnection(self) -> None:
        scene = Scene()
        got = outcome(scene.ua.whenConnected())
        scene.ua.start()
        assert got == []
        scene.transport.open()
        assert got == [None]
        assert outcome(scene.ua.whenConnected()) == [None]

    def test_failsWhenItIsStopped(self) -> None:
        scene = Scene()
        got = outcome(scene.ua.whenConnected())
        scene.ua.start()
        scene.ua.stop()
        assert isinstance(got[0], NotConnected)

    def test_failsAfterAsManyServersAsAskedFor(self) -> None:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        once, twice = outcome(scene.ua.whenConnected(1)), outcome(scene.ua.whenConnected(2))
        scene.ua.start()
        scene.transport.lastTransportError = TransportError("why")
        scene.transport.giveUp()
        assert str(once[0]) == "why"
        assert twice == []
        scene.transport.giveUp()
        assert isinstance(twice[0], TransportError)
        scene.ua.stop()


class TestStop:
    def test_disconnectsAtOnceWhereNothingIsOpen(self) -> None:
        scene = Scene()
        transport = scene.connect()
        got = outcome(scene.ua.stop())
        assert transport.isClosed()
        assert got == [None]
        assert scene.restless() == []

    def test_waitsForTheRequestsThatAreOpen(self) -> None:
        scene = Scene()
        transport = scene.connect()
        response = outcome(scene.ua.message(BOB, "hello"))
        got = outcome(scene.ua.stop())
        assert not transport.isClosed()
        transport.answer(transport.take(), 200)
        assert response[0].statusCode == 200
        assert transport.isClosed()
        assert got == [None]
        assert scene.restless() == []

    def test_waitsForTheHandlersThatHaveNotAnswered(self) -> None:
        scene = Scene()
        transport = scene.connect()
        gate: Deferred[int] = Deferred()
        scene.ua.handle("MESSAGE", lambda _: gate)
        transport.receive(incoming())
        got = outcome(scene.ua.stop())
        assert not transport.isClosed()
        gate.callback(202)
        assert transport.take().statusCode == 202
        assert got == [None]
        assert scene.restless() == []

    @pytest.mark.parametrize("result", [None, "a Deferred"])
    def test_refusesTheCallsThatAreNotAnswered(self, result: object) -> None:
        scene = Scene()
        transport = scene.connect()
        cancelled: list[object] = []
        scene.ua.handle("INVITE", lambda _: result and Deferred(cancelled.append))
        transport.receive(incoming("INVITE"))
        assert outcome(scene.ua.stop()) == [None]
        assert transport.take().statusCode == 480
        assert len(cancelled) == (result is not None)
        assert scene.restless() == []

    def test_doesNotWaitForARequestThatIsAnsweredOtherwise(self) -> None:
        scene = Scene()
        transport = scene.connect()
        requests: list[IncomingRequest] = []

        def handler(request: IncomingRequest) -> Deferred[None]:
            requests.append(request)
            return Deferred(lambda _: None)

        scene.ua.handle("MESSAGE", handler)
        transport.receive(incoming())
        got = outcome(scene.ua.stop())
        assert got == []
        scene.ua.respond(requests[0], 202)
        assert got == [None]

    @pytest.mark.parametrize("timeout", [0.5, 5])
    def test_isBoundedInTime(self, timeout: float) -> None:
        scene = Scene(stopTimeout=timeout)
        transport = scene.connect()
        response = outcome(scene.ua.message(BOB, "hello"))
        got = outcome(scene.ua.stop())
        scene.clock.advance(timeout)
        assert transport.isClosed()
        assert isinstance(response[0], TransportError)
        assert got == [None]
        assert scene.restless() == []

    def test_isBoundedInTimeWhereTheConnectionDoesNotClose(self) -> None:
        scene = Scene(stopTimeout=5)
        transport = scene.connect()
        transport.lose = lambda: None  # type: ignore[method-assign]
        got = outcome(scene.ua.stop())
        assert transport.isClosed()
        assert got == []
        scene.clock.advance(5)
        assert got == [None]
        assert scene.restless() == []

    def test_isBoundedInTimeWhereAHandlerDoesNotAnswer(self) -> None:
        scene = Scene(stopTimeout=5)
        transport = scene.connect()
        cancelled: list[Deferred[None]] = []
        scene.ua.handle("MESSAGE", lambda _: Deferred(cancelled.append))
        transport.receive(incoming())
        got = outcome(scene.ua.stop())
        scene.clock.advance(5)
        assert got == [None]
        assert [response.statusCode for response in transport.takeAll()] == [100, 503]
        assert len(cancelled) == 1
        assert scene.restless() == []
        assert len(scene.ua.transactions) == 0

    def test_endsCallsThatWereAnswered(self) -> None:
        scene = Scene()
        transport = scene.connect()
        scene.ua.handle("INVITE", lambda request: scene.ua.respond(request, 200) and None)
        transport.receive(incoming("INVITE"))
        assert len(scene.ua.transactions) == 1
        assert outcome(scene.ua.stop()) == [None]
        assert len(scene.ua.transactions) == 0
        assert scene.restless() == []

    def test_isIdempotent(self) -> None:
        scene = Scene()
        transport = scene.connect()
        scene.ua.message(BOB, "hello").addErrback(lambda _: None)
        first, second = outcome(scene.ua.stop()), outcome(scene.ua.stop())
        transport.answer(transport.take(), 200)
        assert (first, second) == ([None], [None])
        assert outcome(scene.ua.stop()) == [None]

    def test_isDoneAtOnceWhereItNeverStarted(self) -> None:
        scene = Scene()
        assert outcome(scene.ua.stop()) == [None]
        assert scene.status() == C.STATUS_USER_CLOSED
        assert scene.transports == []

    def test_givesUpAConnectionThatIsNotThereYet(self) -> None:
        scene = Scene()
        scene.ua.start()
        got = outcome(scene.ua.stop())
        assert scene.transport.isClosed()
        assert got == [None]

    def test_endsRecovery(self) -> None:
        scene = Scene()
        scene.ua.start()
        scene.transport.giveUp()
        assert len(scene.restless()) == 1
        scene.ua.stop()
        assert scene.restless() == []
        scene.clock.advance(100)
        assert len(scene.transports) == 1

    def test_aConnectionThatComesAllTheSameIsNotUsed(self) -> None:
        scene = Scene()
        scene.ua.start()
        transport = scene.transport
        scene.ua.stop()
        scene.names()
        transport.open()
        assert scene.names() == []
        assert scene.status() == C.STATUS_USER_CLOSED

    def test_aConnectionLostMeanwhileIsNotWaitedFor(self) -> None:
        scene = Scene()
        transport = scene.connect()
        response = outcome(scene.ua.message(BOB, "hello"))
        got = outcome(scene.ua.stop())
        transport.lose()
        assert isinstance(response[0], TransportError)
        assert got == [None]
        assert scene.restless() == []

    def test_newRequestsFailAtOnce(self) -> None:
        scene = Scene()
        transport = scene.connect()
        scene.ua.message(BOB, "hello").addErrback(lambda _: None)
        scene.ua.stop()
        while_stopping = outcome(scene.ua.message(BOB, "late"))
        assert isinstance(while_stopping[0], NotConnected)
        transport.answer(transport.take(), 200)
        assert isinstance(outcome(scene.ua.message(BOB, "later"))[0], NotConnected)
        assert transport.takeAll() == []


class TestStaleTransports:
    """Only what the transport in use says counts."""

    def scene(self) -> Scene:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        scene.ua.start()
        scene.transport.giveUp()
        scene.transport.open()
        scene.names()
        return scene

    def test_oneThatConnectsLateIsNotUsed(self) -> None:
        scene = self.scene()
        scene.transports[0].open()
        assert scene.current() is scene.transports[1]
        assert scene.names() == []

    def test_oneThatClosesLateClosesNothing(self) -> None:
        scene = self.scene()
        response = outcome(scene.ua.message(BOB, "hello"))
        scene.transports[0].lose()
        assert response == []
        assert scene.transport.server.status == WsServer.STATUS_READY
        scene.transport.answer(scene.transport.take(), 200)
        assert response[0].statusCode == 200

    def test_oneThatGivesUpLateStartsNothing(self) -> None:
        scene = self.scene()
        scene.transports[0].giveUp()
        assert len(scene.transports) == 2
        assert scene.names() == []

    def test_oneThatConnectsAgainIsNotToldOf(self) -> None:
        scene = self.scene()
        scene.ua.onTransportConnecting(scene.transports[0], 2)
        assert scene.names() == []


class TestFailover:
    def test_theNextServerIsTakenByWeight(self) -> None:
        servers = [WsServer("ws://a", 1), WsServer("ws://b", 3), WsServer("ws://c", 2)]
        scene = Scene(wsServers=servers)
        scene.ua.start()
        scene.transport.giveUp()
        scene.transport.giveUp()
        assert [transport.server.ws_uri for transport in scene.transports] == ["ws://b", "ws://c", "ws://a"]
        assert scene.status() == C.STATUS_STARTING

    def test_theConfigurationThatWasHandedOverIsNotChanged(self) -> None:
        servers = [WsServer("ws://a"), WsServer("ws://b")]
        scene = Scene(wsServers=servers)
        scene.ua.start()
        scene.transport.giveUp()
        assert [server.status for server in servers] == [0, 0]

    def test_recoveryTakesTheNextServerAfterADelay(self) -> None:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        scene.ua.start()
        scene.transport.giveUp()
        scene.transport.giveUp()
        assert scene.status() == C.STATUS_NOT_READY
        assert scene.error() == C.NETWORK_ERROR
        scene.clock.advance(1.9)
        assert len(scene.transports) == 2
        scene.clock.advance(0.1)
        assert len(scene.transports) == 3
        scene.transport.open()
        assert scene.status() == C.STATUS_READY
        assert scene.error() is None

    def test_recoveryIsLogged(self) -> None:
        scene = Scene()
        scene.ua.start()
        with capturedLogs() as events:
            scene.transport.giveUp()
        assert "no server can be reached; all are tried anew in 2 seconds" in [
            formatEvent(one) for one in events
        ]
        scene.ua.stop()

    def test_recoveryGoesOnForEverWithinItsIntervals(self) -> None:
        scene = Scene(connectionRecoveryMinInterval=3, connectionRecoveryMaxInterval=20)
        scene.ua.start()
        for attempt in range(1, 100):
            scene.transport.giveUp()
            (timer,) = scene.restless()
            delay = timer.getTime() - scene.clock.seconds()
            assert 3 <= delay <= 20
            scene.clock.advance(delay)
            assert len(scene.transports) == attempt + 1
        scene.ua.stop()

    def test_aConnectionStartsTheCountOver(self) -> None:
        class Highest:
            def random(self) -> float:
                return 0.999

            def getrandbits(self, k: int, /) -> int:
                return 1

        scene = Scene(random=Highest())
        scene.ua.start()
        delays = []
        for connect in (False, False, True, False):
            scene.transport.giveUp()
            (timer,) = scene.restless()
            delays.append(timer.getTime() - scene.clock.seconds())
            scene.clock.advance(delays[-1])
            if connect:
                scene.transport.open()
                scene.transport.lose()
        assert delays == [2, 4, 8, 2]
        scene.transport.giveUp()
        scene.ua.stop()
        scene.ua.start()
        scene.transport.giveUp()
        assert scene.restless()[0].getTime() - scene.clock.seconds() == 2
        scene.ua.stop()

    def test_aServerThatWorkedAndFailedIsTriedAgainInRecovery(self) -> None:
        scene = Scene()
        scene.connect()
        scene.transport.lose()
        assert scene.transport.server.status == WsServer.STATUS_DISCONNECTED
        scene.transport.open()
        assert scene.transport.server.status == WsServer.STATUS_READY
        scene.transport.lose()
        scene.transport.giveUp()
        assert scene.transport.server.status == WsServer.STATUS_ERROR
        scene.clock.advance(30)
        assert len(scene.transports) == 2
        assert scene.transport.server.status == WsServer.STATUS_READY

    def test_givingUpIsToldOf(self) -> None:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        scene.ua.start()
        first = scene.transport
        scene.names()
        first.giveUp()
        assert [event[0] for event in scene.events] == ["disconnected", "connecting"]
        assert scene.events[0][1] is first

    def test_afterAStopAFailureStartsNothing(self) -> None:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        scene.connect()
        scene.ua.stop()
        scene.transport.giveUp()
        assert len(scene.transports) == 1
        assert scene.restless() == []

    def test_afterAStopAllServersCountAsNew(self) -> None:
        servers = [WsServer("ws://a", 2), WsServer("ws://b", 1)]
        scene = Scene(wsServers=servers)
        scene.ua.start()
        scene.transport.giveUp()
        scene.transport.open()
        scene.ua.stop()
        scene.ua.start()
        assert scene.transport.server.ws_uri == "ws://a"


def test_itsReprShowsNoPassword() -> None:
    scene = Scene(password="hunter2")
    assert "hunter2" not in repr(scene.ua)
    assert "alice@example.com" in repr(scene.ua)


def test_anyNumberOfCyclesLeavesNothingBehind() -> None:
    scene = Scene()
    for _ in range(500):
        scene.connect()
        response = outcome(scene.ua.message(BOB, "hello"))
        scene.transport.answer(scene.transport.take(), 200)
        assert response[0].statusCode == 200
        stopped = outcome(scene.ua.stop())
        assert stopped == [None]
        assert scene.restless() == []
        assert len(scene.ua.transactions) == 0
