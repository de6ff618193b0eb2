"""Requests that wait for a connection: their order, their deadlines, and how they leave."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sipws.errors import Congested, LimitExceeded, NotConnected, TransactionCancelled, TransportError
from tests.ua.fakes import BOB, FakeTransport, Scene, outcome
from tests.ua.test_client import SECRET, Challenger


def ask(scene: Scene, body: object, **given: Any) -> list[Any]:
    """Send a request, and give what it comes to."""
    return outcome(scene.ua.message(BOB, str(body), **given))


def bodies(transport: FakeTransport) -> list[str]:
    """Take what went out."""
    return [request.body.decode() for request in transport.takeAll()]


@pytest.fixture
def scene() -> Scene:
    made = Scene(password=SECRET)
    made.ua.start()
    return made


def end(scene: Scene) -> None:
    scene.ua.transactions.close(NotConnected("the test is over"))
    scene.ua.stop()
    assert scene.restless() == []


class TestDeadline:
    @pytest.mark.parametrize("method", ["request", "message", "options"])
    def test_isHowLongItWaits(self, scene: Scene, method: str) -> None:
        given = {"request": ("INFO", BOB), "message": (BOB, "hello"), "options": (BOB,)}[method]
        got = outcome(getattr(scene.ua, method)(*given, deadline=5))
        scene.clock.advance(4.9)
        assert got == []
        scene.clock.advance(0.1)
        error: Any = got[0]
        assert type(error) is TransportError
        assert "5 seconds" in str(error)
        assert error.sent is False
        request: Any = error.request
        assert request.requestURI == BOB
        scene.transport.open()
        assert scene.transport.sent == []
        assert scene.restless() == []

    def test_mayBeLongerThanUsual(self, scene: Scene) -> None:
        got = ask(scene, 1, deadline=3600)
        scene.clock.advance(3599)
        assert got == []
        scene.transport.open()
        assert bodies(scene.transport) == ["1"]
        end(scene)

    def test_ofInfinityIsNone(self, scene: Scene) -> None:
        got = ask(scene, 1, deadline=math.inf)
        assert scene.restless() == []
        scene.clock.advance(10**9)
        assert got == []
        scene.transport.open()
        assert bodies(scene.transport) == ["1"]
        end(scene)

    @pytest.mark.parametrize("deadline", [0, 0.0, -0.0])
    def test_ofZeroIsAtOnceOrNotAtAll(self, scene: Scene, deadline: float) -> None:
        [error] = ask(scene, 1, deadline=deadline)
        assert (type(error), error.sent) == (TransportError, False)
        scene.transport.open()
        assert scene.transport.sent == []
        assert ask(scene, 2, deadline=deadline) == []
        assert bodies(scene.transport) == ["2"]
        end(scene)

    @pytest.mark.parametrize("deadline", [-1, -0.001, -math.inf, math.nan])
    def test_thatIsNoneIsRefusedAtOnce(self, scene: Scene, deadline: float) -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match="deadline"):
                scene.ua.message(BOB, "hello", deadline=deadline)
            scene.transport.open()
        assert scene.transport.sent == []
        assert scene.ua.counters.requests == 0

    def test_ofOneThatHasLeftIsNotHowLongItsAnswerMayTake(self, scene: Scene) -> None:
        scene.transport.open()
        got = ask(scene, 1, deadline=1)
        request = scene.transport.take()
        scene.clock.advance(31)
        scene.transport.answer(request, 200)
        assert got[0].statusCode == 200

    def test_isForTheAnswerToAChallengeToo(self, scene: Scene) -> None:
        transport = scene.transport
        transport.open()
        got = ask(scene, 1, deadline=5)
        request = transport.take()
        scene.clock.advance(5.1)
        Challenger(scene).refuse(transport, request)
        assert got[0].statusCode == 401
        assert transport.sent == []
        assert scene.ua.counters.responses == 1

    @pytest.mark.parametrize(("deadline", "after"), [(5, 5), (None, 31), (math.inf, 31)])
    def test_thatIsNotOverLetsAChallengeBeAnswered(
        self, scene: Scene, deadline: float | None, after: float
    ) -> None:
        transport = scene.transport
        transport.open()
        got = ask(scene, 1, deadline=deadline)
        request = transport.take()
        scene.clock.advance(after)
        Challenger(scene).refuse(transport, request)
        transport.answer(transport.take(), 200)
        assert got[0].statusCode == 200
        assert scene.ua.counters.responses == scene.ua.counters.requests == 1

    def test_ofEachIsItsOwn(self, scene: Scene) -> None:
        got = [ask(scene, deadline, deadline=deadline) for deadline in (30, 10, 20)]
        for after, over in ((10, [False, True, False]), (10, [False, True, True]), (10, [True] * 3)):
            scene.clock.advance(after)
            assert [bool(each) for each in got] == over
        assert scene.restless() == []


class TestOrder:
    def test_isThatInWhichTheyWereMade(self, scene: Scene) -> None:
        for number in range(20):
            ask(scene, number, deadline=[None, 50, math.inf][number % 3])
        scene.transport.open()
        assert bodies(scene.transport) == [str(number) for number in range(20)]
        end(scene)

    def test_isKeptByThoseThatAreMadeWhileOthersWaitForRoom(self, scene: Scene) -> None:
        transport = scene.transport
        for number in range(3):
            ask(scene, number)
        transport.writers = []
        transport.open()
        ask(scene, 3)
        assert bodies(transport) == []
        transport.drain()
        assert bodies(transport) == ["0", "1", "2", "3"]
        # Nobody waits any more: the next leaves at once.
        ask(scene, 4)
        assert bodies(transport) == ["4"]
        end(scene)

    def test_isKeptByWhatACallbackSends(self, scene: Scene) -> None:
        transport = scene.transport
        for number in range(3):
            deferred = scene.ua.message(BOB, str(number))
            deferred.addErrback(lambda _: outcome(scene.ua.message(BOB, "again")))
        send = transport.send

        def sendNothing(msg: Any) -> bool:
            transport.send = send  # type: ignore[method-assign]
            return False

        transport.send = sendNothing  # type: ignore[method-assign]
        transport.open()
        # The first fails, and its user sends another, which has to wait its turn.
        assert bodies(transport) == ["1", "2", "again"]
        end(scene)

    def test_isKeptByThoseForWhichTheConnectionWentTooSoon(self, scene: Scene) -> None:
        transport = scene.transport
        got = [ask(scene, number) for number in range(4)]
        send = transport.send

        def sendOneAndLose(msg: Any) -> bool:
            send(msg)
            transport.send = send  # type: ignore[method-assign]
            transport.lose()
            return True

        transport.send = sendOneAndLose  # type: ignore[method-assign]
        transport.open()
        assert got[0][0].sent is True
        assert got[1:] == [[], [], []]
        ask(scene, 4)
        transport.open()
        assert bodies(transport) == ["0", "1", "2", "3", "4"]
        end(scene)

    def test_isNotDisturbedByThoseThatGoMeanwhile(self, scene: Scene) -> None:
        transport = scene.transport
        deferreds = [scene.ua.message(BOB, str(number), deadline=number + 1) for number in range(4)]
        got = [outcome(deferred) for deferred in deferreds]
        deferreds[2].cancel()
        scene.clock.advance(1)
        transport.open()
        assert bodies(transport) == ["1", "3"]
        assert isinstance(got[2][0], TransactionCancelled)
        assert got[2][0].sent is False
        assert got[0][0].sent is False
        end(scene)


class TestRoom:
    """Those that have waited are not to be too much at once for a connection that is all right."""

    def test_isWaitedForByThoseThatWait(self, scene: Scene) -> None:
        transport = scene.transport
        for number in range(4):
            ask(scene, number)
        send = transport.send

        def sendAndBeFull(msg: Any) -> bool:
            transport.writers = []
            return send(msg)

        transport.send = sendAndBeFull  # type: ignore[method-assign]
        transport.open()
        for number in range(4):
            assert bodies(transport) == [str(number)]
            transport.drain()
        assert len(scene.ua._requester.waiting) == 0
        end(scene)

    def test_isNotWaitedForLongerThanTheDeadline(self, scene: Scene) -> None:
        got = ask(scene, 1, deadline=3)
        scene.transport.writers = []
        scene.transport.open()
        scene.clock.advance(3)
        assert (type(got[0]), got[0].sent) == (TransportError, False)
        scene.transport.drain()
        assert scene.transport.sent == []

    def test_ofAConnectionThatIsLostIsNotWaitedFor(self, scene: Scene) -> None:
        got = ask(scene, 1)
        scene.transport.writers = []
        scene.transport.open()
        scene.transport.lose()
        assert got == []
        scene.transport.open()
        assert bodies(scene.transport) == ["1"]
        end(scene)

    def test_isNotWaitedForByWhoComesWhenNobodyWaits(self, scene: Scene) -> None:
        scene.transport.open()
        scene.transport.congested = True
        [error] = ask(scene, 1, deadline=60)
        assert (type(error), error.sent) == (Congested, False)
        assert error.request.body == b"1"
        assert scene.restless() == []

    def test_forNoMoreThanTheLimit(self) -> None:
        scene = Scene(maxWaitingRequests=2)
        scene.ua.start()
        ask(scene, 1)
        ask(scene, 2)
        scene.transport.writers = []
        scene.transport.open()
        [error] = ask(scene, 3)
        assert isinstance(error, LimitExceeded)
        assert scene.ua.counters.otherFailures == 1
        scene.transport.drain()
        assert bodies(scene.transport) == ["1", "2"]
        end(scene)


def test_whatWaitsWhenItIsStoppedHasNotLeft(scene: Scene) -> None:
    got = ask(scene, 1)
    scene.ua.stop()
    [error] = got
    assert (type(error), error.sent, error.request.body) == (NotConnected, False, b"1")
    [error] = ask(scene, 2)
    assert (type(error), error.sent, error.request.body) == (NotConnected, False, b"2")
    assert scene.ua.counters.unsentFailures == scene.ua.counters.requests == 2


def test_aStopWhileTheyLeaveFailsThoseThatHaveNot(scene: Scene) -> None:
    transport = scene.transport

    def stop(_: object) -> None:
        scene.ua.stop()

    first = scene.ua.message(BOB, "1").addErrback(stop)
    got = [ask(scene, number) for number in (2, 3)]
    transport.congested = True
    transport.open()
    assert outcome(first) == [None]
    assert [(type(error), error.sent) for [error] in got] == [(NotConnected, False)] * 2
    assert scene.ua.counters.unsentFailures == scene.ua.counters.requests == 3
    scene.clock.advance(10)
    assert (transport.sent, scene.restless()) == ([], [])


def test_oneThatWaitsIsGivenTheViaOfTheConnectionThatItLeavesOn() -> None:
    scene = Scene(wsServers=["ws://one.example.com", {"ws_uri": "wss://two.example.com", "weight": -1}])
    first = scene.connect()
    assert first.viaTransport.upper() == "WS"
    first.lose()
    ask(scene, 1)
    first.giveUp()
    second = scene.transport
    second.open()
    assert second is not first
    assert second.take().via.transport == "WSS"
    end(scene)
