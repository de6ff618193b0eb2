"""Requests of others that cannot be answered any more: who is told, and what their handlers do."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipws.errors import Congested, NotConnected, TransportError
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import Scene, incoming


class Desk:
    """
    A scene with a handler that takes its time.

    @ivar answers: What its handlers have returned, in their order.
    @ivar cancelled: How many of these were cancelled.
    @ivar abandoned: The arguments of each C{requestAbandoned}.
    """

    def __init__(self, **options: Any) -> None:
        self.scene = Scene(**options)
        self.ua = self.scene.ua
        self.transport = self.scene.connect()
        self.answers: list[Deferred[Any]] = []
        self.cancelled = 0
        self.requests: list[Any] = []
        self.abandoned: list[tuple[Any, Any]] = []
        self.ua.on("requestAbandoned", lambda *arguments: self.abandoned.append(arguments))
        for method in ("MESSAGE", "INVITE"):
            self.ua.handle(method, self.handle)

    def handle(self, request: Any) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred(self.cancel)
        self.requests.append(request)
        self.answers.append(answer)
        return answer

    def cancel(self, _: object) -> None:
        self.cancelled += 1

    def receive(self, method: str = "MESSAGE", mark: str = "1") -> Any:
        return self.transport.receive(incoming(method, branch=f"z9hG4bK{mark}", callID=mark))

    def lose(self) -> TransportError:
        error = TransportError("the server hung up", code=1006)
        self.transport.lastTransportError = error
        self.transport.lose()
        return error

    def counts(self) -> tuple[int, int]:
        counters = self.ua.counters
        return counters.requestsReceived, counters.requestsAbandoned


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestLostConnection:
    @pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
    def test_isToldOfOnce(self, desk: Desk, method: str) -> None:
        request = desk.receive(method)
        error = desk.lose()
        assert desk.abandoned == [(request, error)]
        assert desk.counts() == (1, 1)
        desk.scene.clock.advance(100)
        assert len(desk.abandoned) == 1
        assert desk.scene.restless() == []

    def test_isNotToldOfTheAnswered(self, desk: Desk) -> None:
        desk.receive()
        desk.answers[0].callback(200)
        desk.receive("INVITE", "2")
        desk.answers[1].callback(200)
        desk.lose()
        # The ACK to the 2xx may come on another connection.
        assert desk.abandoned == []
        assert desk.counts() == (2, 0)
        desk.scene.clock.advance(100)

    def test_isToldOfACallThatWasRefusedAndNotAcknowledged(self, desk: Desk) -> None:
        request = desk.receive("INVITE")
        desk.answers[0].callback(486)
        error = desk.lose()
        assert desk.abandoned == [(request, error)]
        desk.scene.clock.advance(100)

    def test_letsAHandlerFinishButNotAnswer(self, desk: Desk) -> None:
        desk.receive()
        desk.lose()
        desk.transport.open()
        assert desk.cancelled == 0
        with capturedLogs() as events:
            desk.answers[0].callback(200)
        [info] = [formatEvent(event) for event in events if event["log_level"] is LogLevel.info]
        assert info == "the answer to a MESSAGE goes nowhere: it comes too late"
        assert desk.transport.sent == []
        assert desk.scene.restless() == []

    def test_letsAHandlerFinishInTimeOrCancelsIt(self, desk: Desk) -> None:
        desk.receive()
        desk.lose()
        with capturedLogs() as events:
            desk.scene.clock.advance(32)
        assert desk.cancelled == 1
        assert [event for event in events if event["log_level"] is LogLevel.warn] == []
        assert desk.scene.restless() == []

    def test_cancelsTheHandlerOfACall(self, desk: Desk) -> None:
        desk.receive("INVITE")
        desk.lose()
        # It could ring for ever.
        assert desk.cancelled == 1
        desk.scene.clock.advance(32)
        assert desk.scene.restless() == []

    def test_logsAHandlerThatFailsAllTheSame(self, desk: Desk, flushLoggedErrors: FlushLoggedErrors) -> None:
        desk.receive()
        desk.lose()
        desk.answers[0].errback(ZeroDivisionError())
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1
        assert desk.scene.restless() == []

    @pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
    def test_letsRespondSaySo(self, desk: Desk, method: str) -> None:
        request = desk.receive(method)
        desk.lose()
        desk.transport.open()
        assert desk.ua.respond(request, 180 if method == "INVITE" else 100) is False
        assert desk.ua.respond(request, 200) is False
        assert desk.transport.sent == []
        desk.scene.clock.advance(100)

    def test_keepsItsHandlersAmongTheUnansweredUntilTheyEnd(self) -> None:
        desk = Desk(maxUnansweredRequests=2)
        for mark in "12":
            desk.receive(mark=mark)
        desk.lose()
        desk.transport.open()
        desk.receive(mark="3")
        assert desk.transport.take().statusCode == 503
        desk.answers[0].callback(200)
        desk.receive(mark="4")
        assert desk.transport.sent == []
        desk.scene.clock.advance(100)

    def test_isNothingThatAStopWaitsFor(self, desk: Desk) -> None:
        desk.receive()
        desk.lose()
        desk.transport.open()
        stopped: list[object] = []
        desk.ua.stop().addCallback(stopped.append)
        assert stopped == [None]
        assert desk.cancelled == 1
        assert desk.scene.restless() == []

    def test_whileAStopWaitsForAHandlerEndsThat(self, desk: Desk) -> None:
        desk.receive()
        stopped: list[object] = []
        desk.ua.stop().addCallback(stopped.append)
        assert stopped == []
        desk.lose()
        assert stopped == [None]
        assert desk.scene.restless() == []

    def test_mayHaveAListenerThatRaises(self, desk: Desk, flushLoggedErrors: FlushLoggedErrors) -> None:
        def raises(request: object, error: object) -> None:
            raise ZeroDivisionError

        desk.ua.on("requestAbandoned", raises)
        for mark in "12":
            desk.receive(mark=mark)
        desk.lose()
        assert len(desk.abandoned) == 2
        assert len(flushLoggedErrors(ZeroDivisionError)) == 2
        desk.scene.clock.advance(100)


class TestResponseThatIsNotTaken:
    @pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
    @pytest.mark.parametrize("status", [200, 404])
    def test_isToldOf(self, desk: Desk, method: str, status: int) -> None:
        request = desk.receive(method)
        desk.transport.congested = True
        desk.answers[0].callback(status)
        [(abandoned, error)] = desk.abandoned
        assert abandoned is request
        assert (type(error), error.sent, error.request.statusCode) == (Congested, False, status)
        assert desk.counts() == (1, 1)
        desk.transport.congested = False
        desk.scene.clock.advance(100)
        assert desk.scene.restless() == []

    def test_isLoggedWhereTheConnectionIsGone(self, desk: Desk) -> None:
        desk.receive()
        desk.transport.connected = False
        with capturedLogs() as events:
            desk.answers[0].callback(200)
        texts = [formatEvent(event) for event in events if event["log_level"] is LogLevel.info]
        assert texts == ["a MESSAGE cannot be answered: there is no connection"]
        [(_, error)] = desk.abandoned
        assert type(error) is NotConnected

    def test_isLoggedByTheTransportAloneWhereTheServerDoesNotRead(self, desk: Desk) -> None:
        desk.receive()
        desk.transport.congested = True
        with capturedLogs() as events:
            desk.answers[0].callback(200)
        assert [event for event in events if event["log_level"] is not LogLevel.debug] == []

    def test_isToldOfWhereTheHandlerAnswersAtOnce(self, desk: Desk) -> None:
        desk.ua.handle("MESSAGE", lambda _: 200)
        desk.transport.congested = True
        desk.receive()
        assert len(desk.abandoned) == 1
        assert desk.counts() == (1, 1)

    def test_isWhatRespondSays(self, desk: Desk) -> None:
        desk.ua.handle("INVITE", lambda _: None)
        request = desk.receive("INVITE")
        desk.transport.congested = True
        assert desk.ua.respond(request, 180) is False
        # A provisional one is nothing that matters.
        assert desk.abandoned == []
        assert desk.ua.respond(request, 200) is False
        assert len(desk.abandoned) == 1
        desk.scene.clock.advance(100)

    def test_maybeA100ThatNobodyMisses(self, desk: Desk) -> None:
        desk.receive()
        desk.transport.congested = True
        desk.scene.clock.advance(10)
        desk.transport.congested = False
        desk.answers[0].callback(200)
        assert [response.statusCode for response in desk.transport.takeAll()] == [200]
        assert desk.abandoned == []


def test_requestsThatReachNoHandlerAreNotCounted(desk: Desk) -> None:
    desk.receive("FOO")
    desk.transport.receive(incoming("MESSAGE", "sip:nobody@example.com"))
    desk.transport.receive(incoming("ACK"))
    desk.transport.receive(incoming("CANCEL"))
    assert desk.counts() == (0, 0)
    desk.receive("OPTIONS", "2")
    assert desk.counts() == (1, 0)
