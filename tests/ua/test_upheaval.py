"""Several servers, and anything that may happen to them, in any order: it ends as it should."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipws.interfaces import C
from tests.ua.fakes import BOB, incoming, outcome
from tests.ua.places import INSTANCE, Places

#: The configurations.
SETTINGS: dict[str, dict[str, Any]] = {
    "seed": {},
    "rotating": {"wsServerRest": 7, "wsServerReconnectionPolicy": "exponential"},
    "returning": {"wsServerRest": 7, "wsServerMaxReconnection": 1, "wsServerReturnInterval": 4},
    "two": {"flows": 2, "instanceId": INSTANCE, "wsServerMaxReconnection": 1},
    "all": {
        "flows": 2,
        "instanceId": INSTANCE,
        "wsServerMaxReconnection": 1,
        "wsServerRest": 7,
        "wsServerReconnectionPolicy": "exponential",
        "wsServerReturnInterval": 4,
        "keepAliveInterval": 5,
        "keepAliveTimeout": 2,
    },
}


class Upheaval:
    """One random history."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.random = Random(seed)
        given = {
            "stopTimeout": 2,
            "connectTimeout": 2,
            "registerRetryMinInterval": 1,
            "registerRetryMaxInterval": 5,
            "connectionRecoveryMaxInterval": 5,
            "wsServerReconnectionTimeout": 1,
            "wsServerReconnectionMaxTimeout": 4,
            "wsServerOverloadTimeout": 5,
            **options,
        }
        self.places = Places({"a": 3, "b": 2, "c": 1}, seed=seed, **given)
        self.results: list[list[Any]] = []
        self.handled: list[Deferred[int]] = []
        self.serial = 0
        self.places.ua.handle("MESSAGE", self._handle)
        self.doings: list[Callable[[], object]] = [
            lambda: self.host().crash(),
            lambda: self.host().accept(),
            lambda: self.host().accept(),
            lambda: self.host().stall(),
            lambda: self.host().stallUpgrade(),
            lambda: self.host().reject(self.random.choice([404, 503])),
            lambda: self.host().answer("REGISTER", self.random.choice([403, 503])),
            lambda: self.host().answer("REGISTER", None),
            lambda: self.host().answer("REGISTER", lambda connection, request: connection.drop()),
            lambda: self.host().answer("REGISTER", lambda connection, request: None),
            lambda: [one.close(self.random.choice([1000, 1013])) for one in self.connections()],
            lambda: [one.drop() for one in self.connections()],
            lambda: [one.stall() for one in self.connections()],
            self.ask,
            self.ask,
            self.beAsked,
            self.answer,
            self.handleOne,
            self.places.ua.register,
            lambda: self.results.append(outcome(self.places.ua.unregister())),
            lambda: self.results.append(outcome(self.places.ua.whenConnected(3))),
            lambda: self.results.append(outcome(self.places.ua.whenRegistered(3))),
            self.stop,
            self.places.ua.start,
        ]

    def _handle(self, request: object) -> Deferred[int]:
        self.handled.append(Deferred())
        return self.handled[-1]

    def host(self) -> Any:
        return self.random.choice(list(self.places.hosts.values()))

    def connections(self) -> list[Any]:
        return [one for one in self.host().connections if one.connected]

    def ask(self) -> None:
        self.results.append(outcome(self.places.ua.message(BOB, "x")))

    def beAsked(self) -> None:
        for connection in self.connections():
            self.serial += 1
            connection.send(incoming(callID=f"{self.serial}", branch=f"z9hG4bK{self.serial}"))

    def answer(self) -> None:
        for connection in self.connections():
            for request in connection.requests:
                if request.method == "MESSAGE":
                    connection.respond(request, 200)
            connection.received.clear()

    def handleOne(self) -> None:
        if self.handled:
            deferred = self.handled.pop()
            if not deferred.called:
                deferred.callback(200)

    def stop(self) -> None:
        self.results.append(outcome(self.places.ua.stop()))

    def run(self, steps: int) -> None:
        places = self.places
        places.ua.start()
        for _ in range(steps):
            self.random.choice(self.doings)()
            places.network.advance(self.random.choice([0, 0, 0.05, 0.3, 1, 4, 15]))
            open_ = [len(places.openAt(name)) for name in places.hosts]
            # Two flows, each of which may be leaving a connection and trying another; never two of one server
            # but while an old one is closed.
            assert sum(open_) <= 6, open_
            assert len(places.network.reactor.getDelayedCalls()) < 60

    def mend(self) -> None:
        """End all that is wrong, and nothing else."""
        for host in self.places.hosts.values():
            host.accept()
            host.answer("REGISTER", None)
            for connection in host.connections:
                connection.resume()
        while self.handled:
            self.handleOne()

    def calm(self) -> None:
        """All is well from now on: so it has to become."""
        places = self.places
        self.mend()
        places.ua.register()
        places.network.advance(3)
        if places.ua.status == C.STATUS_USER_CLOSED:
            places.ua.start()
        places.network.advance(120)
        flows = places.ua.flows
        assert [flow.connected for flow in flows] == [True] * len(flows)
        assert [flow.registration.registered for flow in flows] == [True] * len(flows)
        servers = [flow.server for flow in flows]
        assert len({id(server) for server in servers}) == len(servers)
        best = ["a", "b"][: len(flows)]
        if places.ua.configuration.wsServerReturnInterval:
            places.hosts["a"].crash()
            places.network.advance(10)
            assert len(places.connectedTo()) == len(flows)
            assert "a" not in places.connectedTo()
            places.hosts["a"].accept()
            places.network.advance(60)
            assert sorted(places.connectedTo()) == best
        else:
            assert len(places.connectedTo()) == len(flows)
        # What is asked now is answered.
        answer = outcome(places.ua.message(BOB, "calm"))
        places.network.advance(0)
        for host in places.hosts.values():
            for connection in host.connections:
                for request in connection.requests:
                    if connection.connected and request.method == "MESSAGE":
                        connection.respond(request, 200)
        assert answer
        assert answer[0].statusCode == 200
        places.stop()
        # And each that was promised something before has got it, once.
        assert [len(result) for result in self.results] == [1] * len(self.results)


@pytest.mark.parametrize("setting", SETTINGS)
def test_itEndsAsItShould(setting: str) -> None:
    returns = 0
    for seed in range(25):
        upheaval = Upheaval(seed, **SETTINGS[setting])
        upheaval.run(60)
        upheaval.calm()
        returns += upheaval.places.ua.counters.returns
    # The way back was gone, where there is one, and in each history.
    assert (returns >= 25) == ("wsServerReturnInterval" in SETTINGS[setting])
