"""No more is read than the application keeps up with; but it is no deadlock."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipws.config import Configuration
from sipws.message import IncomingRequest
from sipws.testing import MemoryNetwork
from sipws.ua import UserAgent
from tests.ua.fakes import ALICE, BOB, incoming, outcome
from tests.ua.test_abandoned import Desk

#: How long a pause lasts at most, in seconds.
PATIENCE = 4


@pytest.fixture
def desk() -> Desk:
    return Desk(pauseReadingAt=4)


def paused(desk: Desk) -> bool:
    return desk.transport.readingPaused


class TestCounting:
    def test_pausesWhenThereAreTooMany(self, desk: Desk) -> None:
        for number in range(4):
            assert not paused(desk)
            desk.receive(mark=str(number))
        assert paused(desk)

    def test_goesOnWhenHalfAreAnswered(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        desk.answers[2].callback(200)
        assert paused(desk)
        desk.answers[0].callback(404)
        assert not paused(desk)
        assert [response.statusCode for response in desk.transport.takeAll()] == [200, 404]
        desk.answers[1].callback(200)
        desk.answers[3].callback(200)
        assert desk.scene.restless() == []

    def test_pausesAgain(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        for answer in desk.answers[:2]:
            answer.callback(200)
        desk.receive(mark="4")
        assert not paused(desk)
        desk.receive(mark="5")
        assert paused(desk)

    def test_isOfOneToo(self) -> None:
        desk = Desk(pauseReadingAt=1)
        for number in range(3):
            desk.receive(mark=str(number))
            assert paused(desk)
            desk.answers[-1].callback(200)
            assert not paused(desk)

    def test_isNotOfThoseThatAreAnsweredAtOnce(self, desk: Desk) -> None:
        desk.ua.handle("MESSAGE", lambda _: 200)
        for number in range(10):
            desk.receive(mark=str(number))
        assert not paused(desk)
        assert desk.scene.restless() == []

    def test_isNotOfCallsWhichMayRing(self, desk: Desk) -> None:
        for number in range(10):
            desk.receive("INVITE", str(number))
        # The CANCEL of one must get through.
        assert not paused(desk)
        desk.lose()

    def test_isOfThoseThatAreAnsweredByRespondToo(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        for request in desk.requests[:2]:
            assert desk.ua.respond(request, 200)
        assert not paused(desk)

    def test_isOffByDefault(self) -> None:
        desk = Desk()
        for number in range(100):
            desk.receive(mark=str(number))
        assert not paused(desk)

    def test_isOfAllConnectionsThatTheyCameBy(self) -> None:
        desk = Desk(
            pauseReadingAt=4,
            flows=2,
            instanceId="7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f",
            wsServers=["ws://one.example.com", "ws://two.example.com"],
        )
        first, second = desk.scene.transports
        for transport in (first, second):
            if not transport.connected:
                transport.open()
        for number in range(4):
            desk.transport = (first, second)[number % 2]
            desk.receive(mark=str(number))
        assert (first.readingPaused, second.readingPaused) == (True, True)
        desk.answers[0].callback(200)
        desk.answers[1].callback(200)
        assert (first.readingPaused, second.readingPaused) == (False, False)
        desk.scene.clock.advance(100)


class TestPatience:
    def test_isNotEndless(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        desk.scene.clock.advance(PATIENCE - 0.1)
        assert paused(desk)
        with capturedLogs() as events:
            desk.scene.clock.advance(0.1)
        assert not paused(desk)
        warnings = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
        assert warnings == ["4 requests are not answered; reading on all the same"]

    def test_letsAsManyMoreInBeforeTheNextPause(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        desk.scene.clock.advance(PATIENCE)
        for number in range(4, 7):
            desk.receive(mark=str(number))
            assert not paused(desk)
        desk.receive(mark="7")
        assert paused(desk)
        with capturedLogs() as events:
            desk.scene.clock.advance(PATIENCE)
        assert not paused(desk)
        # It was said once.
        assert [event for event in events if event["log_level"] is LogLevel.warn] == []

    def test_isForgottenWhenHalfAreAnswered(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        desk.scene.clock.advance(PATIENCE)
        for answer in desk.answers[:2]:
            answer.callback(200)
        desk.receive(mark="4")
        assert not paused(desk)
        desk.receive(mark="5")
        assert paused(desk)

    def test_endsForHandlersThatNeverAnswer(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        desk.scene.clock.advance(40)
        assert not paused(desk)
        assert desk.scene.restless() == []
        for number in range(4, 8):
            assert not paused(desk)
            desk.receive(mark=str(number))
        assert paused(desk)


class TestEnds:
    def test_ofTheConnectionLeaveNothing(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        desk.lose()
        desk.transport.open()
        assert not paused(desk)
        # The handlers are still busy: one more is one too many.
        desk.receive(mark="4")
        assert paused(desk)
        for answer in desk.answers:
            answer.callback(200)
        assert not paused(desk)
        assert desk.scene.restless() == []

    def test_ofTheUserAgentNeedAnswersToBeRead(self, desk: Desk) -> None:
        for number in range(4):
            desk.receive(mark=str(number))
        stopped = outcome(desk.ua.stop())
        assert not paused(desk)
        desk.scene.clock.advance(10)
        assert stopped == [None]
        assert desk.scene.restless() == []


class TestOverTheNetwork:
    """With a transport that does not read while it is paused."""

    def started(self, **options: Any) -> tuple[MemoryNetwork, UserAgent]:
        network = MemoryNetwork()
        given = {"uri": ALICE, "wsServers": "ws://sip.example.com", "register": False, **options}
        ua = UserAgent(Configuration(**given), network.reactor, random=Random(1))
        ua.start()
        network.advance(0)
        return network, ua

    def send(self, network: MemoryNetwork, count: int) -> None:
        for number in range(count):
            network.connection.send(incoming(branch=f"z9hG4bK{number}", callID=str(number)))

    def test_theServerIsMadeToWait(self) -> None:
        network, ua = self.started(pauseReadingAt=5)
        answers: list[Deferred[Any]] = []
        most = 0

        def handle(_: IncomingRequest) -> Deferred[Any]:
            nonlocal most
            answers.append(Deferred())
            most = max(most, len(answers))
            return answers[-1]

        ua.handle("MESSAGE", handle)
        self.send(network, 100)
        assert len(answers) == 5
        taken = 0
        while answers:
            answers.pop(0).callback(200)
            taken += 1
            network.advance(0)
        assert (taken, most) == (100, 5)
        assert [response.statusCode for response in network.connection.responses] == [200] * 100
        assert ua.counters.pauses > 10
        assert ua.counters.requestsReceived == 100
        ua.stop()
        network.advance(10)

    def test_aHandlerThatWaitsForAResponseIsAnswered(self) -> None:
        network, ua = self.started(pauseReadingAt=5)

        async def handle(_: IncomingRequest) -> int:
            return (await ua.options(BOB)).statusCode

        ua.handle("MESSAGE", handle)
        self.send(network, 20)
        # Each response is behind requests that are not read, as reading is paused for want of it.
        for _ in range(40):
            for request in network.connection.requests:
                network.connection.received.remove(request)
                network.connection.respond(request, 200)
            network.advance(1)
        statuses = [response.statusCode for response in network.connection.responses]
        assert [status for status in statuses if status != 100] == [200] * 20
        assert ua.counters.timeouts == 0
        ua.stop()
        network.advance(10)
        assert network.reactor.getDelayedCalls() == []

    def test_aPausedConnectionThatIsLostIsFoundOut(self) -> None:
        network, ua = self.started(pauseReadingAt=2)
        ua.handle("MESSAGE", lambda _: Deferred())
        self.send(network, 2)
        network.connection.drop()
        network.advance(PATIENCE + 4)
        assert ua.counters.requestsAbandoned == 2
        assert len(network.connections) == 2
        # The new one is read.
        got = outcome(ua.options(BOB))
        network.advance(0)
        network.connection.respond(network.connection.takeRequest("OPTIONS"), 200)
        assert got[0].statusCode == 200
        ua.stop()
        network.advance(40)
        assert network.reactor.getDelayedCalls() == []
