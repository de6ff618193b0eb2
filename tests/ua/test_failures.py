"""What becomes of requests that had left, or could not; each is counted once."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipws.errors import (
    Congested,
    LimitExceeded,
    NotConnected,
    PeerSilent,
    TransactionCancelled,
    TransactionTimeout,
    TransportError,
)
from sipws.message import OutgoingRequest
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import BOB, Scene, outcome
from tests.ua.test_client import SECRET, Challenger

ENDS = ("responses", "timeouts", "cancellations", "unsentFailures", "sentFailures", "otherFailures")


def counted(scene: Scene) -> dict[str, int]:
    """Give how requests ended, those ends that there were, and check that they are as many as there were."""
    counters = scene.ua.counters.asDict()
    assert counters["requests"] == sum(counters[end] for end in ENDS)
    return {end: counters[end] for end in ENDS if counters[end]}


@pytest.fixture
def scene() -> Scene:
    return Scene(password=SECRET)


class TestLostConnection:
    def test_failsEachThatHasLeftWithAnErrorOfItsOwn(self, scene: Scene) -> None:
        transport = scene.connect()
        got = [outcome(scene.ua.request(method, BOB)) for method in ("MESSAGE", "OPTIONS", "INVITE")]
        sent = transport.takeAll()
        lost = TransportError("the server hung up", code=1006)
        transport.lastTransportError = lost
        transport.lose()
        errors = [error for [error] in got]
        assert len({id(error) for error in errors}) == 3
        for error, request in zip(errors, sent, strict=True):
            assert type(error) is TransportError
            assert isinstance(error.request, OutgoingRequest)
            assert error.request.callID == request.callID
            assert (error.sent, error.code, error.__cause__) == (True, 1006, lost)
            assert str(error) == str(lost)
        assert (lost.request, lost.sent) == (None, None)
        assert counted(scene) == {"sentFailures": 3}

    def test_saysWhatKindOfLossItWas(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        transport.lastTransportError = PeerSilent("no sign of life")
        transport.lose()
        assert type(got[0]) is PeerSilent
        assert got[0].sent is True

    def test_sendsNothingAgain(self, scene: Scene) -> None:
        transport = scene.connect()
        for method in ("MESSAGE", "INVITE"):
            outcome(scene.ua.request(method, BOB))
        transport.takeAll()
        transport.lose()
        transport.open()
        scene.clock.advance(100)
        assert transport.sent == []

    def test_failsARingingCall(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.request("INVITE", BOB))
        transport.answer(transport.take(), 180)
        scene.clock.advance(1000)
        assert got == []
        transport.lose()
        assert got[0].sent is True
        assert counted(scene) == {"sentFailures": 1}

    def test_changesNothingForAnAnsweredOne(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.request("INVITE", BOB))
        transport.answer(transport.take(), 200)
        transport.lose()
        assert [response.statusCode for response in got] == [200]
        assert counted(scene) == {"responses": 1}
        scene.ua.transactions.close(NotConnected("the test is over"))

    @pytest.mark.parametrize("rings", [False, True])
    def test_changesNothingForACancelledOne(self, scene: Scene, rings: bool) -> None:
        transport = scene.connect()
        deferred = scene.ua.request("INVITE", BOB)
        got = outcome(deferred)
        if rings:
            transport.answer(transport.take(), 180)
        deferred.cancel()
        transport.lose()
        [error] = got
        assert (type(error), error.sent) == (TransactionCancelled, True)
        assert counted(scene) == {"cancellations": 1}
        assert scene.restless() == []

    def test_failsWhatAnswersAChallengeAsNotLeftWhereItHasNot(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        request = transport.take()
        transport.connected = False
        Challenger(scene).refuse(transport, request)
        [error] = got
        # The server has refused what had left, so it has not acted on it.
        assert (type(error), error.sent, error.request.cseq) == (NotConnected, False, 2)
        assert counted(scene) == {"unsentFailures": 1}

    def test_failsWhatAnswersAChallengeAsLeftWhereItHas(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        Challenger(scene).refuse(transport, transport.take())
        transport.lose()
        [error] = got
        assert (error.sent, error.request.cseq) == (True, 2)
        assert counted(scene) == {"sentFailures": 1}

    def test_mayBeAnsweredByItsUserWithAnotherTry(self, scene: Scene) -> None:
        transport = scene.connect()
        again: list[Any] = []
        deferred = scene.ua.message(BOB, "hello")
        deferred.addErrback(lambda _: again.append(outcome(scene.ua.message(BOB, "again"))))
        transport.takeAll()
        transport.lose()
        assert again == [[]]
        transport.open()
        assert [request.body for request in transport.takeAll()] == [b"again"]
        scene.ua.transactions.close(NotConnected("the test is over"))


class TestCongestion:
    @pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
    def test_failsARequestAtOnce(self, scene: Scene, method: str) -> None:
        transport = scene.connect()
        transport.congested = True
        [error] = outcome(scene.ua.request(method, BOB))
        assert (type(error), error.sent) == (Congested, False)
        assert error.request.method == method
        assert counted(scene) == {"unsentFailures": 1}
        assert scene.restless() == []
        transport.congested = False
        outcome(scene.ua.request(method, BOB))
        assert len(transport.takeAll()) == 1
        scene.ua.transactions.close(NotConnected("the test is over"))

    def test_failsWhatAnswersAChallenge(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        request = transport.take()
        transport.congested = True
        Challenger(scene).refuse(transport, request)
        [error] = got
        assert (type(error), error.sent, error.request.cseq) == (Congested, False, 2)
        assert counted(scene) == {"unsentFailures": 1}

    def test_ofARegisterIsTriedAgainAfterAWhile(self) -> None:
        scene = Scene(register=True, registerRetryMinInterval=5)
        scene.ua.start()
        transport = scene.transport
        transport.congested = True
        transport.open()
        assert scene.names() == ["connecting", "registrationFailed", "connected"]
        transport.congested = False
        scene.clock.advance(10)
        assert transport.take().method == "REGISTER"
        # It is the user agent's own, and counted for itself.
        assert scene.ua.counters.requests == 0
        assert scene.ua.counters.failedRegistrations == 1
        scene.ua.stop()
        scene.clock.advance(10)

    def test_ofAnAckIsNotSilent(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.request("INVITE", BOB))
        request = transport.take()
        transport.congested = True
        with capturedLogs() as events:
            transport.answer(request, 200)
        assert got[0].statusCode == 200
        warnings = [formatEvent(event) for event in events if event["log_level"] is LogLevel.warn]
        assert warnings == ["the ACK to a 2xx was not sent: the session will not last"]
        scene.ua.transactions.close(NotConnected("the test is over"))


class TestCounting:
    def test_ofEachEnd(self, scene: Scene) -> None:
        transport = scene.connect()
        for status in (200, 404, 503):
            outcome(scene.ua.message(BOB, "hello"))
            transport.answer(transport.take(), status)
        assert counted(scene) == {"responses": 3}
        [error] = _timedOut(scene)
        assert (type(error), error.sent) == (TransactionTimeout, True)
        deferred = scene.ua.message(BOB, "hello")
        outcome(deferred)
        deferred.cancel()
        assert counted(scene) == {"responses": 3, "timeouts": 1, "cancellations": 1}

    def test_isOnceForOneThatIsChallenged(self, scene: Scene) -> None:
        transport = scene.connect()
        outcome(scene.ua.message(BOB, "hello"))
        Challenger(scene).refuse(transport, transport.take())
        transport.answer(transport.take(), 200)
        assert counted(scene) == {"responses": 1}

    def test_isThatOfTheAnswerToTheChallenge(self, scene: Scene) -> None:
        transport = scene.connect()
        outcome(scene.ua.message(BOB, "hello"))
        Challenger(scene).refuse(transport, transport.take())
        scene.clock.advance(40)
        assert counted(scene) == {"timeouts": 1}

    def test_isDoneWhenItsUserHearsOfIt(self, scene: Scene) -> None:
        transport = scene.connect()
        heard: list[dict[str, int]] = []
        scene.ua.message(BOB, "hello").addBoth(lambda _: heard.append(counted(scene)))
        transport.answer(transport.take(), 200)
        assert heard == [{"responses": 1}]

    def test_isOfOthersToo(self) -> None:
        scene = Scene(maxTransactions=1)
        scene.connect()
        outcome(scene.ua.message(BOB, "hello"))
        [error] = outcome(scene.ua.message(BOB, "hello"))
        assert isinstance(error, LimitExceeded)
        scene.clock.advance(40)
        assert counted(scene) == {"timeouts": 1, "otherFailures": 1}

    def test_isNotOfWhatIsNoRequest(self, scene: Scene) -> None:
        scene.connect()
        for target, method in ((BOB, "ACK"), ("", "MESSAGE")):
            with pytest.raises(ValueError, match=r".+"):
                scene.ua.request(method, target)
        assert counted(scene) == {}

    def test_isOfWhatATransportFailsToSendToo(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        transport = scene.connect()

        def broken(msg: object) -> bool:
            raise ZeroDivisionError

        transport.send = broken  # type: ignore[method-assign]
        [error] = outcome(scene.ua.message(BOB, "hello"))
        # It may have left, or not.
        assert error.sent is True
        assert counted(scene) == {"sentFailures": 1}
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1

    def test_isOfWhatIsOpenWhenItIsStopped(self, scene: Scene) -> None:
        scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        scene.ua.stop()
        scene.clock.advance(10)
        [error] = got
        assert (type(error), error.sent) == (NotConnected, True)
        assert counted(scene) == {"sentFailures": 1}


def _timedOut(scene: Scene) -> list[Any]:
    got = outcome(scene.ua.message(BOB, "hello"))
    scene.transport.takeAll()
    scene.clock.advance(32)
    return got
