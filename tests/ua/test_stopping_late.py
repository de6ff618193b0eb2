"""What C{stop} leaves behind, whatever the connections are at; and who starts again meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from sipws import Configuration, ConfigurationError, TransportError, UserAgent
from sipws.interfaces import C
from sipws.testing import MemoryNetwork, acceptRegister
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import outcome
from tests.ua.places import INSTANCE, Places

BOB = "sip:bob@example.com"


def stopped(places: Places) -> None:
    """Stop, and see that nothing is left as soon as that is said to be over."""
    over = outcome(places.ua.stop())
    wasOver(places, over)


def wasOver(places: Places, over: list[Any]) -> None:
    """Wait until a stop is over, and see that nothing is left."""
    for _ in range(300):
        if over:
            break
        places.network.advance(0.1)
    assert over == [None]
    assert places.network.reactor.getDelayedCalls() == []
    places.network.pump()
    assert places.network.openSockets == 0


def away(**options: Any) -> Places:
    """A user agent that is at the lighter of two servers, while the heavier is there again."""
    given = {"wsServerReturnInterval": 10, "wsServerRest": 5, "wsServerMaxReconnection": 0} | options
    places = Places({"a": 2, "b": 1}, **given)
    places.hosts["a"].refuse()
    places.start()
    while places.at() is None:
        places.network.advance(0.5)
    places.hosts["a"].accept()
    return places


class TestNothingIsLeft:
    def test_aConnectionThatIsTriedIsWaitedFor(self) -> None:
        places = away()
        places.ua.busy.append(lambda: bool(places.openAt("a")))
        while not places.openAt("a"):
            places.network.advance(0.5)
        places.openAt("a")[0].stall()
        stopped(places)

    def test_soIsOneThatTheServerIsClosing(self) -> None:
        places = Places({"a": 1}, register=False)
        places.start()
        places.openAt("a")[0].close(1001, hangUp=False)
        assert not places.ua.flows[0].connected
        stopped(places)

    def test_whatTakesTooLongToCloseIsCut(self) -> None:
        places = Places({"a": 1}, register=False, closeTimeout=10, stopTimeout=2)
        places.start()
        places.openAt("a")[0].stall()
        stopped(places)

    @pytest.mark.parametrize("event", ["connected", "disconnected"])
    @pytest.mark.parametrize("register", [True, False])
    def test_aStopInTheMidstOfTheWayBack(self, event: str, register: bool) -> None:
        places = away(register=register)
        stops: list[list[Any]] = []

        def stop(transport: object) -> None:
            if not stops:
                stops.append(outcome(places.ua.stop()))

        places.ua.on(event, stop)
        while not stops:
            places.network.advance(0.1)
        wasOver(places, stops[0])
        assert places.ua.counters.failedRegistrations == 0


class TestStartingAgain:
    @pytest.mark.parametrize("waiting", ["whenConnected", "message"])
    def test_byOneWhoHearsOfTheStop(self, waiting: str) -> None:
        places = Places({"a": 1})
        places.hosts["a"].refuse()
        places.start()
        waiter: Any = (
            places.ua.whenConnected() if waiting == "whenConnected" else places.ua.message(BOB, "hello")
        )
        waiter.addErrback(lambda failure: places.ua.start())
        places.ua.stop()
        places.hosts["a"].accept()
        places.network.advance(10)
        assert places.ua.status == C.STATUS_READY
        assert places.at() == "a"
        places.stop()

    def test_inVainIsNoReasonNotToBeStopped(self, flushLoggedErrors: FlushLoggedErrors) -> None:
        network = MemoryNetwork()
        network.answer("REGISTER", acceptRegister)
        configuration = Configuration(uri="sip:alice@example.com", wsServers="ws://192.0.2.1")
        isBroken = False

        def makeTransport(*arguments: Any, **options: Any) -> Any:
            from sipws import Transport

            if isBroken:
                raise ConfigurationError("caFile", "cannot be read")
            return Transport(*arguments, **options)

        ua = UserAgent(configuration, network.reactor, transportFactory=makeTransport)
        ua.start()
        network.advance(0)
        over = outcome(ua.stop())
        ua.start()
        isBroken = True
        network.advance(10)
        assert over == [None]
        assert ua.status == C.STATUS_USER_CLOSED
        isBroken = False
        ua.start()
        network.advance(1)
        assert ua.status == C.STATUS_READY
        ua.stop()
        network.advance(10)


def test_aRegistrationThatIsAskedForDuringTheStopIsForTheNextStart() -> None:
    places = Places({"a": 1})
    places.start()
    connection = places.openAt("a")[0]
    asked: list[str | None] = []

    def registrar(where: Any, request: Any) -> Any:
        asked.append(request.getHeader("Expires"))
        return acceptRegister(where, request)

    places.network.answer("REGISTER", registrar)
    places.ua.on("unregistered", lambda *_: places.ua.register())
    places.ua.stop()
    places.network.advance(10)
    assert not connection.connected
    assert asked == ["0"]
    places.ua.remove_all_listeners("unregistered")
    places.start()
    assert asked == ["0", "600"]
    places.stop()


def test_roomOnEitherFlowIsRoom() -> None:
    places = Places({"a": 2, "b": 1}, flows=2, instanceId=INSTANCE, register=False)
    waiting = [outcome(places.ua.message(BOB, "x" * 8_000, contentType="text/plain")) for _ in range(100)]

    def readNothing(transport: object) -> None:
        for connection in (*places.openAt("a"), *places.openAt("b")):
            connection.pauseReading()

    places.ua.on("connected", readNothing)
    places.start()
    places.network.advance(1)
    assert places.ua.health.waitingRequests > 50
    [connection] = places.openAt("b")
    connection.resumeReading()
    places.network.advance(1)
    assert places.ua.health.waitingRequests == 0
    late = outcome(places.ua.message(BOB, "hello"))
    places.network.advance(1)
    assert "hello" in connection.received[-1].body.decode()
    assert late == []
    assert not all(waiting)
    places.stop()


def test_waitingForRoomInVainIsSaidToBeThat() -> None:
    places = Places({"a": 1}, register=False)
    early = [outcome(places.ua.message(BOB, "x" * 8_000, contentType="text/plain")) for _ in range(100)]
    places.ua.on("connected", lambda transport: places.openAt("a")[0].pauseReading())
    places.start()
    late = outcome(places.ua.message(BOB, "hello", deadline=3))
    places.network.advance(3.5)
    assert isinstance(late[0], TransportError)
    assert "no room for it within 3 seconds" in str(late[0])
    assert late[0].sent is False
    assert not all(early)
    places.stop()


def test_waitingForAConnectionInVainIsSaidToBeThat() -> None:
    places = Places({"a": 1}, register=False)
    places.hosts["a"].refuse()
    places.start()
    late = outcome(places.ua.message(BOB, "hello", deadline=3))
    places.network.advance(3.5)
    assert "no connection within 3 seconds" in str(late[0])
    places.stop()
