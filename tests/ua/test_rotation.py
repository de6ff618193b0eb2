"""Rotation over all servers: rest, what servers ask for, and no fleet at one moment."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random
from statistics import mean
from typing import Any

import pytest

from sipws.config import WsServer
from sipws.errors import HandshakeRefused, TransportError
from sipws.interfaces import C
from sipws.transport import RetryPolicy
from sipws.ua.servers import (
    askedRest,
    awaken,
    chooseHeavier,
    forgive,
    restedDelay,
    returnDelay,
    spreadRecoveryDelay,
    takeRest,
)
from tests.ua.fakes import outcome
from tests.ua.places import Places

READY, ERROR = WsServer.STATUS_READY, WsServer.STATUS_ERROR


class Dice:
    """Randomness that always says the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        return self.value

    def getrandbits(self, k: int, /) -> int:
        return 0


def server(name: str, weight: float = 0, **state: Any) -> WsServer:
    made = WsServer(f"ws://{name}.example.com", weight)
    for attribute, value in state.items():
        setattr(made, attribute, value)
    return made


def status(places: Places) -> int:
    return places.ua.status


class TestFunctions:
    @pytest.mark.parametrize(
        ("count", "dice", "expected"),
        [
            (0, 0.0, 0.0),
            (0, 0.5, 1.0),
            (1, 0.5, 2.0),
            (2, 0.75, 6.0),
            (3, 0.5, 8.0),
            (4, 0.5, 15.0),
            (10**6, 1.0, 30.0),
        ],
    )
    def test_recoveryIsAnyTimeUpToABoundThatDoubles(self, count: int, dice: float, expected: float) -> None:
        assert spreadRecoveryDelay(count, 2, 30, Dice(dice)) == (expected, count + 1)

    def test_recoveryIsUniform(self) -> None:
        random = Random(1)
        delays = [spreadRecoveryDelay(3, 2, 30, random)[0] for _ in range(10_000)]
        assert 0 <= min(delays) < 0.05
        assert 15.95 < max(delays) < 16
        assert abs(mean(delays) - 8) < 0.2

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (None, None),
            (TransportError("lost"), None),
            (TransportError("closed", code=1006), None),
            (TransportError("closed", code=1013), 30),
            (TransportError("closed", code=1013, retryAfter=7), 7),
            (HandshakeRefused("no", status=503), 30),
            (HandshakeRefused("no", status=503, retryAfter=12), 12),
            (HandshakeRefused("no", status=503, retryAfter=0), 0),
            (HandshakeRefused("no", status=429, retryAfter=3), 3),
            (HandshakeRefused("no", status=404), None),
            (HandshakeRefused("no", status=503, retryAfter=1e12), 300),
            (HandshakeRefused("no", status=503, retryAfter=-5), 0),
            (HandshakeRefused("no", status=503, retryAfter=math.nan), 30),
        ],
    )
    def test_whatAServerAsksFor(self, error: TransportError | None, expected: float | None) -> None:
        assert askedRest(error, RetryPolicy(overload=30, maxRetryAfter=300)) == expected

    @pytest.mark.parametrize(
        ("asked", "barred", "until"), [(None, 100, 110), (3, 103, 110), (10, 110, 110), (60, 160, 160)]
    )
    def test_itRestsAtLeastAsLongAsItAsks(self, asked: float | None, barred: float, until: float) -> None:
        one = server("a")
        takeRest(one, 100, 10, asked)
        assert (one.status, one.barredUntil, one.restUntil) == (ERROR, barred, until)

    def test_theRestedAreAwakened(self) -> None:
        tired = server("a", status=ERROR, restUntil=50.1)
        rested = server("b", status=ERROR, restUntil=50.0)
        lost = server("c", status=WsServer.STATUS_DISCONNECTED)
        awaken([tired, rested, lost], 50)
        assert [one.status for one in (tired, rested, lost)] == [ERROR, READY, WsServer.STATUS_DISCONNECTED]

    def test_whoAsksToBeLeftAloneIsNotForgivenBefore(self) -> None:
        tired = server("a", status=ERROR, restUntil=90, barredUntil=0)
        barred = server("b", status=ERROR, restUntil=90, barredUntil=60)
        forgive([tired, barred], 50)
        assert [one.status for one in (tired, barred)] == [READY, ERROR]
        forgive([barred])
        assert (barred.status, barred.restUntil, barred.barredUntil) == (READY, 0, 0)

    @pytest.mark.parametrize(
        ("rests", "recovery", "expected"),
        [
            ([], 5, 5),
            ([(60, 0), (70, 0)], 5, 5),
            ([(53, 0), (70, 0)], 5, 3),
            ([(49, 0)], 5, 0),
            # One of them may be tried: it is waited for no longer than the recovery.
            ([(90, 90), (70, 0)], 5, 5),
            ([(90, 90), (70, 70)], 5, 25),
        ],
    )
    def test_theWaitWhereAllRest(
        self, rests: list[tuple[float, float]], recovery: float, expected: float
    ) -> None:
        servers = [server("a", restUntil=until, barredUntil=barred) for until, barred in rests]
        assert restedDelay(servers, 50, recovery) == expected

    def test_onlyAHeavierOneIsReturnedTo(self) -> None:
        light, same, heavy, heaviest = server("l", 1), server("s", 1), server("h", 2), server("t", 3)
        assert chooseHeavier([light, same], light, 0, Dice(0)) is None
        assert chooseHeavier([light, same, heavy, heaviest], light, 0, Dice(0)) is heaviest
        heaviest.restUntil = 5
        assert chooseHeavier([light, heavy, heaviest], light, 0, Dice(0)) is heavy
        # What became of it before does not count, once it is rested.
        heaviest.status = ERROR
        assert chooseHeavier([light, heavy, heaviest], light, 5, Dice(0)) is heaviest

    @pytest.mark.parametrize(("dice", "expected"), [(0.0, 30), (0.5, 60), (0.999, 89.94)])
    def test_theWayBackIsTriedAroundTheInterval(self, dice: float, expected: float) -> None:
        assert returnDelay(60, Dice(dice)) == pytest.approx(expected)


ONCE = {"wsServerMaxReconnection": 0, "wsServerRest": 20}


class TestRotation:
    def test_withoutTheOptionAGivenUpServerIsLeftAloneUntilAllAre(self) -> None:
        """As in SIP.js 0.7, and not what is wanted for ever."""
        places = Places({"a": 2, "b": 1}, wsServerMaxReconnection=0)
        places.hosts["a"].refuse()
        places.start()
        assert places.at() == "b"
        places.hosts["a"].accept()
        for _ in range(3):
            places.network.advance(1000)
            places.hosts["b"].connection.drop()
            places.network.advance(5)
            # The one that was lost was given up at once: all are tried anew.
            assert places.server("a").restUntil == 0
        assert places.at() == "a"
        places.stop()

    def test_aRestedServerIsTakenAgain(self) -> None:
        places = Places({"a": 3, "b": 2, "c": 1}, **ONCE)
        places.hosts["a"].refuse()
        places.start()
        assert places.at() == "b"
        places.hosts["a"].accept()
        places.network.advance(17)
        places.hosts["b"].crash()
        places.settle()
        assert places.at() == "c"
        places.network.advance(2)
        places.hosts["c"].crash()
        places.settle()
        # It has rested for 21 seconds.
        assert places.at() == "a"
        assert places.takeEvents() == [
            "disconnected a",
            "connected b",
            "registered",
            "unregistered",
            "disconnected b",
            "disconnected b",
            "connected c",
            "registered",
            "unregistered",
            "disconnected c",
            "disconnected c",
            "connected a",
            "registered",
        ]
        places.stop()

    def test_itGoesRoundForEver(self) -> None:
        places = Places({"a": 3, "b": 2, "c": 1}, wsServerMaxReconnection=0, wsServerRest=5)
        for host in places.hosts.values():
            host.refuse()
        places.start()
        places.network.advance(3600)
        counts = places.attempts()
        # Recoveries are 30 seconds apart at the most.
        assert min(counts.values()) > 3600 / 30 / 3
        assert status(places) == C.STATUS_NOT_READY
        places.hosts["c"].accept()
        places.network.advance(60)
        assert places.at() == "c"
        assert status(places) == C.STATUS_READY
        places.stop()

    def test_amongEqualsAnyIsTaken(self) -> None:
        first: dict[str | None, int] = {}
        for seed in range(90):
            places = Places({"a": 1, "b": 1, "c": 1}, seed=seed, **ONCE)
            places.start()
            first[places.at()] = first.get(places.at(), 0) + 1
            places.stop()
        assert sorted(first, key=str) == ["a", "b", "c"]
        assert min(first.values()) > 15

    def test_noneIsTriedBeforeItIsRestedWhileAnotherCanBe(self) -> None:
        places = Places({"a": 3, "b": 2, "c": 1}, wsServerMaxReconnection=0, wsServerRest=60)
        places.hosts["a"].refuse()
        places.start()
        places.hosts["a"].accept()
        places.network.advance(30)
        places.hosts["b"].connection.drop()
        places.settle()
        assert places.at() == "c"
        assert places.attempts() == {"a": 1, "b": 1, "c": 1}
        places.stop()

    def test_whileAllRestTheFirstToBeRestedIsWaitedFor(self) -> None:
        places = Places(
            {"a": 2, "b": 1}, wsServerMaxReconnection=0, wsServerRest=3, connectionRecoveryMinInterval=20
        )
        for host in places.hosts.values():
            host.refuse()
        places.start()
        assert places.attempts() == {"a": 1, "b": 1}
        assert places.visits(3)[0][1] == "a"
        places.stop()

    def test_thenTheOneThatIsRestedIsTakenWhateverItsWeight(self) -> None:
        places = Places(
            {"a": 2, "b": 1}, wsServerMaxReconnection=0, wsServerRest=3, connectionRecoveryMinInterval=20
        )
        for host in places.hosts.values():
            host.refuse()
        places.ua.start()
        places.network.advance(0.4)
        assert places.attempts() == {"a": 1, "b": 1}
        places.server("a").restUntil = 100
        assert places.visits(5)[0][1] == "b"
        places.stop()

    def test_aLoneServerIsNotLeftAloneForLongerThanTheRecovery(self) -> None:
        places = Places({"a": 1}, wsServerMaxReconnection=0, wsServerRest=1000)
        places.hosts["a"].refuse()
        places.start()
        times = [time for time, _ in places.visits(300)]
        assert len(times) > 10
        assert max(later - earlier for earlier, later in pairwise(times)) <= 30.5
        places.stop()

    def test_startingAnewForgivesAll(self) -> None:
        places = Places({"a": 2, "b": 1}, **ONCE)
        places.hosts["a"].reject(503)
        places.start()
        assert places.at() == "b"
        places.stop()
        places.hosts["a"].accept()
        places.start()
        assert places.at() == "a"
        places.stop()

    def test_itsStateIsTheUserAgentsOwn(self) -> None:
        places = Places({"a": 2, "b": 1}, **ONCE)
        shared = places.ua.configuration
        other = type(places.ua)(shared, places.network.reactor, random=Random(2))
        places.hosts["a"].refuse()
        places.start()
        assert places.now + 19 <= places.server("a").restUntil <= places.now + 20
        assert [one.restUntil for one in other.configuration.wsServers] == [0, 0]
        places.stop()


class TestWhatServersAskFor:
    def test_anOverloadedServerIsLeftAtOnceWhereThereIsAnother(self) -> None:
        places = Places(
            {"a": 2, "b": 1}, wsServerRest=10, wsServerMaxReconnection=100, wsServerOverloadTimeout=30
        )
        places.hosts["a"].reject(503)
        places.start()
        assert places.at() == "b"
        assert places.attempts() == {"a": 1, "b": 1}
        assert places.server("a").restUntil == places.now + 29
        places.stop()

    def test_soIsOneThatClosesWith1013(self) -> None:
        places = Places({"a": 2, "b": 1}, wsServerRest=10, wsServerMaxReconnection=100)
        places.start()
        places.hosts["a"].connection.close(1013)
        places.network.advance(0)
        assert places.at() == "b"
        assert places.attempts() == {"a": 1, "b": 1}
        places.stop()

    def test_oneThatDoesNotAskIsTriedAgainFirst(self) -> None:
        places = Places({"a": 2, "b": 1}, wsServerRest=10, wsServerMaxReconnection=2)
        places.hosts["a"].reject(500)
        places.start()
        assert places.attempts() == {"a": 1, "b": 0}
        places.network.advance(7)
        assert places.attempts() == {"a": 3, "b": 1}
        places.stop()

    def test_whereAllAskThePoliteOneIsWaitedFor(self) -> None:
        places = Places(
            {"a": 2, "b": 1}, wsServerRest=10, wsServerMaxReconnection=0, wsServerOverloadTimeout=30
        )
        places.hosts["a"].reject(503)
        places.hosts["b"].reject(503)
        places.start()
        assert places.attempts() == {"a": 1, "b": 1}
        # Both asked for 30 seconds; then comes the recovery delay, 2 seconds in the first round.
        places.network.advance(30.9)
        assert places.attempts() == {"a": 1, "b": 1}
        places.hosts["a"].accept()
        places.network.advance(0.2)
        assert places.at() == "a"
        places.stop()

    def test_withoutAnotherItIsWaitedForAsThePolicySays(self) -> None:
        places = Places({"a": 1}, wsServerRest=10, wsServerOverloadTimeout=30)
        places.hosts["a"].reject(503)
        places.start()
        places.network.advance(32.9)
        assert places.attempts() == {"a": 1}
        places.network.advance(0.2)
        assert places.attempts() == {"a": 2}
        places.stop()

    def test_withoutRestItIsTheSeeds(self) -> None:
        places = Places({"a": 2, "b": 1}, wsServerMaxReconnection=2)
        places.hosts["a"].reject(503)
        places.start()
        places.network.advance(5)
        assert places.attempts()["b"] == 0
        places.stop()

    def test_theBoundOfRetryAfterHolds(self) -> None:
        places = Places({"a": 2, "b": 1}, wsServerRest=10, wsServerMaxRetryAfter=40)
        error = HandshakeRefused("no", status=503, retryAfter=1e9)
        failover = places.ua.flows[0].failover
        failover.rest(places.server("a"), error)
        assert places.server("a").restUntil == 40


class TestFleet:
    """Many user agents lose one server at one moment: they do not come to the next at one."""

    SIZE = 200
    EXPONENTIAL = {"wsServerReconnectionPolicy": "exponential", "wsServerReconnectionTimeout": 4}

    def arrivals(self, lose: str, **options: Any) -> list[float]:
        times: list[float] = []
        for seed in range(self.SIZE):
            places = Places({"a": 2, "b": 1}, seed=seed, register=False, **options)
            places.start()
            lost = places.now
            if lose == "crash":
                places.hosts["a"].crash()
            else:
                places.hosts["a"].reject(503)
                places.hosts["a"].connection.close(1013)
            arrived = outcome(places.ua.whenConnected()) if places.at() is None else [None]
            while not arrived:
                places.network.advance(0.1)
            times.append(places.now - lost)
            assert places.at() == "b"
            places.ua.stop()
            places.network.advance(5)
        return times

    def busiest(self, times: list[float]) -> int:
        return max(sum(start <= time < start + 1 for time in times) for start in times)

    @pytest.mark.parametrize("lose", ["crash", "drain"])
    @pytest.mark.parametrize("attempts", [0, 2])
    def test_exponentialSpreadsThem(self, lose: str, attempts: int) -> None:
        times = self.arrivals(lose, wsServerMaxReconnection=attempts, wsServerRest=30, **self.EXPONENTIAL)
        # At random over four seconds, a quarter of them would be expected in each.
        assert self.busiest(times) < 0.4 * self.SIZE
        assert max(times) < (4.2 if attempts == 0 or lose == "drain" else 12.3)

    def test_fixedDoesNot(self) -> None:
        """It is the seed's: who has many user agents wants the other."""
        times = self.arrivals("crash", wsServerMaxReconnection=0)
        assert self.busiest(times) == self.SIZE

    def test_recoveryIsSpreadToo(self) -> None:
        firsts = []
        for seed in range(100):
            places = Places({"a": 1}, seed=seed, wsServerMaxReconnection=0, **self.EXPONENTIAL)
            places.hosts["a"].refuse()
            places.ua.start()
            visits = places.visits(8, step=0.1)
            # After the spread before the next server there is none, and the recovery begins.
            firsts.append(visits[1][0])
            places.ua.stop()
        assert self.busiest(firsts) < 50
        assert max(firsts) <= 0.3 + 4 + 2 + 0.1

    def test_recoveryMayBeAnyMoment(self) -> None:
        firsts = []
        for seed in range(100):
            options = {**self.EXPONENTIAL, "wsServerReconnectionTimeout": 0.01}
            places = Places({"a": 1}, seed=seed, wsServerMaxReconnection=0, **options)
            places.hosts["a"].refuse()
            places.ua.start()
            firsts.append(places.visits(3, step=0.1)[1][0])
            places.ua.stop()
        assert min(firsts) < 0.3 + 0.4
        assert 2 < max(firsts) <= 0.3 + 2 + 0.2
