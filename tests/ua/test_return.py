"""The way back to a heavier server: the new connection first, and nothing lost."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from twisted.internet.defer import Deferred

from sipws.errors import TransportError
from sipws.testing import MemoryConnection, acceptRegister
from sipws.ua.registering import State
from sipws.ua.returning import CHECK_INTERVAL, LEAVE_WITHIN, PATIENCE
from tests.ua.fakes import ALICE, BOB, incoming, outcome
from tests.ua.places import INSTANCE, Places

if TYPE_CHECKING:
    from sipws.message import IncomingRequest
    from tests.conftest import FlushLoggedErrors

#: The way back is tried within one and a half of the interval.
INTERVAL = 10.0
OPTIONS: dict[str, Any] = {
    "wsServerMaxReconnection": 0,
    "wsServerRest": 5,
    "wsServerReturnInterval": INTERVAL,
}


def away(weights: dict[str, float] | None = None, **options: Any) -> Places:
    """A user agent that is at the lighter of two servers, while the heavier is there again."""
    places = Places(weights or {"a": 2, "b": 1}, **{**OPTIONS, **options})
    places.hosts["a"].refuse()
    places.start()
    while places.at() is None:
        places.network.advance(0.5)
    assert places.at() == "b"
    places.hosts["a"].accept()
    places.takeEvents()
    return places


def back(places: Places) -> None:
    """Let the way back be tried, and what was left be closed."""
    places.network.advance(1.5 * INTERVAL + 2 * CHECK_INTERVAL)


def state(places: Places) -> State:
    return places.ua.registration.state


def registers(connection: MemoryConnection) -> list[IncomingRequest]:
    return [request for request in connection.requests if request.method == "REGISTER"]


class TestReturn:
    def test_itIsBackAndRegistered(self) -> None:
        places = away()
        back(places)
        assert places.at() == "a"
        assert places.connectedTo() == ["a"]
        assert places.ua.registration.registered
        assert places.ua.counters.returns == 1
        # One after the other, in one step: who counts connections is never at two or none but within it.
        assert places.takeEvents() == ["disconnected b", "connected a", "registered"]
        places.stop()

    def test_byDefaultItStaysWhereItIs(self) -> None:
        places = away(wsServerReturnInterval=0)
        places.network.advance(3600)
        assert places.at() == "b"
        assert places.attempts()["a"] == 1
        places.stop()

    def test_itIsNotTriedBeforeHalfOfTheInterval(self) -> None:
        for seed in range(20):
            places = away(seed=seed)
            places.network.advance(INTERVAL / 2 - 1.1)
            assert places.attempts()["a"] == 1
            places.stop()

    def test_nobodyReturnsToOneThatIsAsGood(self) -> None:
        places = away({"a": 1, "b": 1})
        attempts = places.attempts()
        places.network.advance(10 * INTERVAL)
        assert places.attempts() == attempts
        places.stop()

    def test_theNewConnectionIsThereBeforeTheOldOneIsLeft(self) -> None:
        places = away()
        open_: list[list[str]] = []
        for _ in range(400):
            places.network.advance(0.05)
            open_.append(places.connectedTo())
        assert ["a", "b"] in open_
        assert [] not in open_
        assert open_[-1] == ["a"]
        places.stop()

    def test_thereIsOneStep(self) -> None:
        """Whenever somebody looks, there is a transport, and it is connected."""
        places = away()
        seen: list[str | None] = []
        for event in ("disconnected", "connected", "registered"):
            places.ua.on(event, lambda *_: seen.append(places.at()))
        back(places)
        assert seen == ["a", "a", "a"]
        assert places.ua.transport is places.ua.way()
        places.stop()

    def test_theNewTransportIsOneLikeAnyOther(self) -> None:
        places = away()
        back(places)
        transport: Any = places.ua.transport
        assert transport.ua is places.ua
        # It is tried again when it is lost, and given up for the other in the end.
        places.hosts["a"].crash()
        places.settle()
        assert places.at() == "b"
        places.hosts["a"].accept()
        back(places)
        assert places.at() == "a"
        assert places.ua.counters.returns == 2
        places.stop()

    def test_theBindingIsNotRemovedOverTheOldConnection(self) -> None:
        """It is the same binding: removing it would remove the new one."""
        places = away()
        old = places.hosts["b"].connection
        places.network.answer("REGISTER", None)
        places.network.advance(1.5 * INTERVAL)
        [request] = registers(places.hosts["a"].connection)
        acceptRegister(places.hosts["a"].connection, request)
        places.network.advance(5)
        assert registers(old) == []
        assert places.connectedTo() == ["a"]
        places.network.answer("REGISTER", acceptRegister)
        places.stop()

    def test_itIsTheSameRegistration(self) -> None:
        """RFC 3261 section 10.2: the same Call-ID, and a CSeq that is one higher."""
        places = Places({"a": 2, "b": 1}, **OPTIONS)
        seen: list[tuple[str, int, str]] = []

        def register(connection: MemoryConnection, request: IncomingRequest) -> None:
            seen.append((request.callID, request.cseq, request.getHeader("Contact") or ""))
            acceptRegister(connection, request)

        places.network.answer("REGISTER", register)
        places.hosts["a"].refuse()
        places.start()
        places.hosts["a"].accept()
        back(places)
        [first, second] = seen
        assert second[0] == first[0]
        assert second[1] == first[1] + 1
        assert second[2] == first[2]
        places.stop()

    def test_withoutRegistrationItReturnsToo(self) -> None:
        places = away(register=False)
        back(places)
        assert places.at() == "a"
        assert places.takeEvents() == ["disconnected b", "connected a"]
        assert state(places) is State.IDLE
        places.stop()

    def test_whileTheRegistrarSaysNoNobodyReturns(self) -> None:
        """A REGISTER over the new connection would come before the registrar wants to hear of us again."""
        places = Places({"a": 2, "b": 1}, **OPTIONS, registerRetryMinInterval=1800)
        asked: list[float] = []

        def refuse(connection: MemoryConnection, request: IncomingRequest) -> None:
            asked.append(places.now)
            connection.respond(request, 503, headers=[("Retry-After", "1800")])

        for host in places.hosts.values():
            host.answer("REGISTER", refuse)
        places.hosts["a"].refuse()
        places.start()
        assert state(places) is State.WAITING
        places.hosts["a"].accept()
        places.network.advance(1790)
        assert len(asked) == 1
        assert places.at() == "b"
        for host in places.hosts.values():
            host.answer("REGISTER", acceptRegister)
        places.network.advance(20)
        assert places.ua.registration.registered
        back(places)
        assert places.at() == "a"
        places.stop()


class TestQuiet:
    def test_anOpenTransactionOfOursKeepsItThere(self) -> None:
        places = away()
        old = places.hosts["b"].connection
        answer = outcome(places.ua.message(BOB, "hello"))
        places.network.advance(2 * INTERVAL)
        assert places.attempts()["a"] == 1
        old.respond(old.takeRequest("MESSAGE"), 200)
        places.network.advance(2 * CHECK_INTERVAL)
        assert answer[0].statusCode == 200
        assert places.at() == "a"
        places.stop()

    def test_soDoesARequestThatIsNotAnswered(self) -> None:
        places = away()
        result: Deferred[int] = Deferred()
        places.ua.handle("MESSAGE", lambda request: result)
        old = places.hosts["b"].connection
        old.send(incoming())
        places.network.advance(2 * INTERVAL)
        assert places.at() == "b"
        result.callback(202)
        places.network.advance(3 * CHECK_INTERVAL)
        assert old.responses[-1].statusCode == 202
        assert places.at() == "a"
        places.stop()

    def test_soDoesWhoeverSaysThatHeIsBusy(self) -> None:
        places = away()
        calls = [True]
        places.ua.busy.append(lambda: bool(calls))
        places.network.advance(10 * INTERVAL)
        assert places.at() == "b"
        calls.clear()
        back(places)
        assert places.at() == "a"
        places.stop()

    @pytest.mark.parametrize("isThere", [False, True])
    def test_soDoesOneWhoCannotSay(self, isThere: bool, flushLoggedErrors: FlushLoggedErrors) -> None:
        """Before the connection is made, or while it waits: its error is logged, once, and ends nothing."""
        places = away()
        broken = [True]

        def busy() -> bool:
            if broken and (places.openAt("a") or not isThere):
                raise RuntimeError("no calendar")
            return False

        places.ua.busy.append(busy)
        places.network.advance(2 * INTERVAL)
        assert places.at() == "b"
        assert [str(failure.value) for failure in flushLoggedErrors(RuntimeError)] == ["no calendar"]
        broken.clear()
        back(places)
        assert places.at() == "a"
        places.stop()

    def test_soDoesARegistrationInTheMidst(self) -> None:
        places = away()
        places.network.answer("REGISTER", None)
        places.ua.register()
        places.network.advance(2 * INTERVAL)
        assert state(places) is State.REGISTERING
        assert places.attempts()["a"] == 1
        places.network.answer("REGISTER", acceptRegister)
        acceptRegister(places.hosts["b"].connection, places.hosts["b"].connection.takeRequest("REGISTER"))
        places.network.advance(3 * CHECK_INTERVAL)
        assert places.at() == "a"
        places.stop()

    def test_theNewConnectionWaitsForAQuietMoment(self) -> None:
        places = away()
        # The first question, before the connection is made, is answered with no; the next ten with yes.
        asked: list[None] = []

        def busy() -> bool:
            asked.append(None)
            return 1 < len(asked) < 12

        places.ua.busy.append(busy)
        while "a" not in places.connectedTo():
            places.network.advance(0.1)
        places.network.advance(9 * CHECK_INTERVAL)
        assert places.at() == "b"
        places.network.advance(2 * CHECK_INTERVAL)
        assert places.at() == "a"
        places.stop()

    def test_notForEver(self) -> None:
        places = away()
        # The first question, before the connection is made, is answered with no; all others with yes.
        asked: list[None] = []

        def busy() -> bool:
            asked.append(None)
            return len(asked) > 1

        places.ua.busy.append(busy)
        places.network.advance(1.5 * INTERVAL)
        assert places.connectedTo() == ["a", "b"]
        assert places.at() == "b"
        places.network.advance(PATIENCE)
        assert places.connectedTo() == ["b"]
        assert places.server("a").restUntil < places.now
        asked.clear()
        places.network.advance(1.5 * INTERVAL)
        assert places.connectedTo() == ["a", "b"]
        places.stop()


class TestNothingIsLost:
    def test_whatComesByTheOldConnectionIsAnsweredThere(self) -> None:
        places = away()
        old = places.hosts["b"].connection
        result: Deferred[int] = Deferred()
        places.ua.handle("MESSAGE", lambda request: result)
        while places.at() == "b":
            places.network.advance(0.1)
        # On its way when the binding was moved.
        old.send(incoming())
        places.network.advance(10)
        assert old.connected
        result.callback(202)
        places.network.advance(2 * CHECK_INTERVAL)
        assert old.responses[-1].statusCode == 202
        assert not old.connected
        places.stop()

    def test_whatWasAskedByTheOldConnectionIsAnsweredByIt(self) -> None:
        places = away()
        places.network.answer("REGISTER", None)
        old = places.hosts["b"].connection
        while "a" not in places.connectedTo():
            places.network.advance(0.1)
        answer = outcome(places.ua.message(BOB, "between"))
        new = places.hosts["a"].connection
        acceptRegister(new, new.takeRequest("REGISTER"))
        places.network.advance(10)
        assert places.at() == "a"
        assert old.connected
        old.respond(old.takeRequest("MESSAGE"), 200)
        places.network.advance(2 * CHECK_INTERVAL)
        assert answer[0].statusCode == 200
        assert not old.connected
        later = outcome(places.ua.message(BOB, "after"))
        places.network.advance(0)
        new.respond(new.takeRequest("MESSAGE"), 200)
        assert later[0].statusCode == 200
        places.network.answer("REGISTER", acceptRegister)
        places.stop()

    def test_theOldConnectionIsNotKeptForEver(self) -> None:
        places = away()
        places.network.answer("REGISTER", None)
        old = places.hosts["b"].connection
        while "a" not in places.connectedTo():
            places.network.advance(0.1)
        # An INVITE that rings: it has no timer.
        answer = outcome(places.ua.request("INVITE", BOB))
        places.network.advance(0)
        old.respond(old.takeRequest("INVITE"), 180)
        new = places.hosts["a"].connection
        acceptRegister(new, new.takeRequest("REGISTER"))
        places.network.advance(LEAVE_WITHIN + 3)
        assert not old.connected
        assert isinstance(answer[0], TransportError)
        assert answer[0].sent
        places.network.answer("REGISTER", acceptRegister)
        places.stop()

    def test_whatComesByTheNewConnectionAtOnceIsAnswered(self) -> None:
        places = away()

        def register(connection: MemoryConnection, request: IncomingRequest) -> None:
            # The registrar knows of the new connection before we know that it does.
            connection.send(incoming())
            acceptRegister(connection, request)

        places.hosts["a"].answer("REGISTER", register)
        back(places)
        assert places.hosts["a"].connection.takeResponse().statusCode == 200
        places.hosts["a"].answer("REGISTER", None)
        places.stop()

    def test_theEmbeddedServerAlwaysHasExactlyOneBinding(self) -> None:
        configurations: list[dict[str, Any]] = [{}, {"instanceId": INSTANCE}]
        for options in configurations:
            places = Places({"a": 2, "b": 1}, **OPTIONS, **options)
            server = places.serve()
            places.hosts["a"].refuse()
            places.start()
            [before] = server.locations[ALICE]
            places.hosts["a"].accept()
            for _ in range(200):
                places.network.advance(0.1)
                assert len(server.locations[ALICE]) == 1
            [after] = server.locations[ALICE]
            assert after.connection is not before.connection
            assert places.at() == "a"
            places.ua.stop()
            places.network.advance(5)
            assert ALICE not in server.locations
            outcome(server.stop())
            places.network.advance(5)


class TestFailure:
    def test_whereTheHeavierOneIsNotThereTheOldOneStays(self) -> None:
        places = away(wsServerRest=100)
        places.hosts["a"].refuse()
        places.network.advance(95)
        # It rests: it was given up at the start.
        assert places.attempts()["a"] == 1
        places.network.advance(30)
        assert places.attempts()["a"] == 2
        assert places.at() == "b"
        assert places.server("a").restUntil > places.now + 60
        assert places.takeEvents() == []
        places.network.advance(70)
        assert places.attempts()["a"] == 2
        places.stop()

    def test_withoutRestItIsTriedAgainEachTime(self) -> None:
        places = away(wsServerRest=None)
        places.hosts["a"].refuse()
        before = places.attempts()["a"]
        places.network.advance(20 * INTERVAL)
        assert 13 <= places.attempts()["a"] - before <= 30
        assert places.at() == "b"
        places.stop()

    def test_howeverOftenOthersAreTriedAgainItIsTriedOnce(self) -> None:
        places = away(wsServerMaxReconnection=5, wsServerReconnectionTimeout=0.5)
        places.hosts["a"].refuse()
        before = places.attempts()["a"]
        while places.attempts()["a"] == before:
            places.network.advance(0.1)
        places.network.advance(4)
        assert places.attempts()["a"] == before + 1
        places.stop()

    @pytest.mark.parametrize("problem", ["stall", "stallUpgrade", "unresolvable"])
    def test_whatDoesNotComeAboutChangesNothing(self, problem: str) -> None:
        places = away()
        getattr(places.hosts["a"], problem)()
        places.network.advance(6 * INTERVAL)
        assert places.at() == "b"
        assert places.connectedTo() == ["b"]
        assert places.takeEvents() == []
        answer = outcome(places.ua.message(BOB, "hello"))
        places.network.advance(0)
        connection = places.hosts["b"].connection
        connection.respond(connection.takeRequest("MESSAGE"), 200)
        assert answer[0].statusCode == 200
        places.stop()

    def test_oneThatAsksToBeLeftAloneIs(self) -> None:
        places = away(wsServerOverloadTimeout=30)
        places.hosts["a"].reject(503)
        places.network.advance(2 * INTERVAL)
        attempts = places.attempts()["a"]
        assert places.server("a").barredUntil > places.now
        places.hosts["a"].accept()
        places.network.advance(4 * INTERVAL)
        assert attempts == 2
        assert places.at() == "a"
        places.stop()

    @pytest.mark.parametrize("status", [403, 500, 503])
    def test_whereItDoesNotTakeTheRegistrationTheOldOneStaysAndIsToldAnew(self, status: int) -> None:
        places = away()
        places.hosts["a"].answer("REGISTER", status)
        old = places.hosts["b"].connection
        seen: list[float] = []

        def register(connection: MemoryConnection, request: IncomingRequest) -> None:
            seen.append(places.now)
            acceptRegister(connection, request)

        places.hosts["b"].answer("REGISTER", register)
        places.network.advance(1.5 * INTERVAL + 2)
        assert len(seen) == 1
        assert places.at() == "b"
        assert places.connectedTo() == ["b"]
        assert old.connected
        assert places.ua.registration.registered
        assert places.takeEvents() == ["registered"]
        assert places.server("a").restUntil == pytest.approx(seen[0] + OPTIONS["wsServerRest"])
        places.stop()

    def test_oneThatWantsALongerTimeGetsIt(self) -> None:
        places = away()

        def register(connection: MemoryConnection, request: IncomingRequest) -> None:
            if request.getHeader("Expires") == "900":
                acceptRegister(connection, request)
            else:
                connection.respond(request, 423, headers=[("Min-Expires", "900")])

        places.hosts["a"].answer("REGISTER", register)
        back(places)
        assert places.at() == "a"
        assert places.ua.registration.granted == 900
        places.stop()

    def test_theBindingMayExpireWhileItTakesItsTime(self) -> None:
        places = away(registerExpires=12)
        asked: list[IncomingRequest] = []
        places.hosts["a"].answer("REGISTER", lambda connection, request: asked.append(request))
        while not asked:
            places.network.advance(0.1)
        assert places.ua.registration.registered
        places.takeEvents()
        places.network.advance(13)
        assert not places.ua.registration.registered
        assert places.takeEvents() == ["unregistered"]
        acceptRegister(places.hosts["a"].connection, asked[0])
        assert places.at() == "a"
        assert places.ua.registration.registered
        places.hosts["a"].answer("REGISTER", None)
        places.stop()

    def test_whereItsAnswerIsLostTheOldOneIsToldAnew(self) -> None:
        places = away()
        places.hosts["a"].answer("REGISTER", lambda connection, request: connection.drop())
        back(places)
        assert places.at() == "b"
        assert places.ua.registration.registered
        places.stop()

    def test_whereItNeverAnswersItIsLeft(self) -> None:
        places = away()
        places.hosts["a"].answer("REGISTER", lambda connection, request: None)
        places.network.advance(1.5 * INTERVAL + 33)
        assert places.connectedTo() == ["b"]
        assert places.ua.registration.registered
        places.stop()

    def test_whereItIsStillBeingMadeAndFailsTheNextIsTaken(self) -> None:
        places = away(wsServerMaxReconnection=2, connectTimeout=3)
        places.hosts["a"].stall()
        before = places.attempts()["a"]
        while places.attempts()["a"] == before:
            places.network.advance(0.1)
        # It is on its way as the old one is lost, which is tried again after four seconds.
        places.hosts["b"].crash()
        places.hosts["a"].accept()
        places.network.advance(2)
        assert places.at() is None
        places.network.advance(20)
        assert places.at() == "a"
        assert places.connectedTo() == ["a"]
        places.stop()

    def test_whereTheOldOneIsLostWhileItRegistersThatREGISTERCounts(self) -> None:
        """
        RFC 3261 section 10.2: "UAs MUST NOT send a new registration [...]
        until they have received a final response from the registrar for the
        previous one".
        """
        places = away()
        asked: list[tuple[MemoryConnection, IncomingRequest]] = []
        places.hosts["a"].answer("REGISTER", lambda *arguments: asked.append(arguments))
        while state(places) is not State.MOVING:
            places.network.advance(0.1)
        places.takeEvents()
        before = places.ua.counters.registrations
        places.openAt("b")[0].drop()
        places.network.advance(0.1)
        assert places.at() == "a"
        assert len(asked) == 1
        acceptRegister(*asked[0])
        places.network.advance(0.1)
        assert places.ua.registration.registered
        assert places.ua.counters.registrations == before + 1
        assert places.takeEvents() == ["unregistered", "disconnected b", "connected a", "registered"]
        places.network.advance(60)
        assert places.connectedTo() == ["a"]
        places.stop()

    def test_whereBothAreLostWhileItRegistersItBeginsAnew(self) -> None:
        places = away()
        places.hosts["a"].answer("REGISTER", lambda connection, request: None)
        while state(places) is not State.MOVING:
            places.network.advance(0.1)
        places.hosts["b"].crash()
        places.hosts["a"].crash()
        places.hosts["a"].answer("REGISTER", acceptRegister)
        places.network.advance(1)
        places.hosts["a"].accept()
        places.network.advance(60)
        assert places.ua.registration.registered
        assert places.connectedTo() == ["a"]
        places.stop()

    def test_thereIsNeverMoreThanOneNewConnection(self) -> None:
        """Not even where the new one is lost again before the old one has closed, and that takes long."""
        places = away(wsServerReturnInterval=2, wsServerRest=1, closeTimeout=20)
        while places.at() == "b":
            places.network.advance(0.05)
        places.openAt("b")[0].stall()
        places.network.advance(2)
        places.hosts["a"].crash()
        places.network.advance(3)
        places.hosts["a"].accept()
        places.ua.busy.append(lambda: bool(places.openAt("a")))
        for _ in range(120):
            places.network.advance(0.5)
            assert len(places.openAt("a")) <= 1
        places.ua.busy.clear()
        places.network.advance(100)
        assert places.at() == "a"
        assert len(places.openAt("a")) == 1
        places.stop()

    def test_theOldOneMayHangUpFirst(self) -> None:
        places = away()
        while places.at() == "b":
            places.network.advance(0.1)
        places.takeEvents()
        places.hosts["b"].connection.drop()
        attempts = places.attempts()
        places.network.advance(10 * INTERVAL)
        assert places.attempts() == attempts
        assert places.takeEvents() == []
        places.stop()


class TestStop:
    def test_whileTheNewConnectionIsMade(self) -> None:
        places = away()
        places.hosts["a"].stallUpgrade()
        while places.attempts()["a"] == 1:
            places.network.advance(0.1)
        places.stop()

    def test_whileItRegisters(self) -> None:
        places = away()
        places.hosts["a"].answer("REGISTER", lambda connection, request: None)
        while "a" not in places.connectedTo():
            places.network.advance(0.1)
        places.stop()

    def test_whileTheOldOneIsLeft(self) -> None:
        places = away()
        while places.at() == "b":
            places.network.advance(0.1)
        assert places.connectedTo() == ["a", "b"]
        done = outcome(places.ua.stop())
        places.network.advance(0)
        # It has waited for the end of both, and no longer.
        assert done == [None]
        assert places.connectedTo() == []
        places.stop()

    def test_unregisteringWhileItRegistersKeepsItWhereItIs(self) -> None:
        places = away()
        places.network.answer("REGISTER", None)
        while "a" not in places.connectedTo():
            places.network.advance(0.1)
        places.network.answer("REGISTER", acceptRegister)
        done = outcome(places.ua.unregister())
        places.network.advance(2)
        assert done == [None]
        assert places.connectedTo() == ["b"]
        assert not places.ua.registration.registered
        places.stop()

    def test_startedAnewItReturnsAsBefore(self) -> None:
        places = away()
        places.stop()
        places.hosts["a"].refuse()
        places.start()
        assert places.at() == "b"
        places.hosts["a"].accept()
        back(places)
        assert places.at() == "a"
        places.stop()


def test_500SwitchesLeaveNothingBehind() -> None:
    places = away(wsServerReturnInterval=2, wsServerRest=0.5)
    transports: list[weakref.ref[Any]] = []
    places.ua.on("connected", lambda transport: transports.append(weakref.ref(transport)))

    def switch() -> None:
        places.network.advance(6)
        assert places.at() == "a"
        places.hosts["a"].crash()
        places.settle()
        assert places.at() == "b"
        places.hosts["a"].accept()

    def size() -> int:
        places.network.connections.clear()
        for host in places.hosts.values():
            host.connections = host.connections[-1:]
        places.takeEvents()
        gc.collect()
        return len(gc.get_objects())

    for _ in range(20):
        switch()
    before, timers = size(), len(places.network.reactor.getDelayedCalls())
    for _ in range(480):
        switch()
    assert places.ua.counters.returns == 500
    assert len(places.network.reactor.getDelayedCalls()) == timers
    # Two weak references for each switch are this test's.
    assert size() - before - 2 * 480 < 200
    assert sum(reference() is not None for reference in transports) <= 3
    places.stop()
