"""A user agent with its real transport, on the network in memory."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from sipws.config import Configuration
from sipws.errors import HandshakeRefused, NotConnected, TransportError
from sipws.interfaces import C
from sipws.message import IncomingRequest
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from sipws.transport import Transport
from sipws.ua import UserAgent
from tests.ua.fakes import ALICE, BOB, incoming, outcome


def userAgent(network: MemoryNetwork, seed: int = 1, **options: Any) -> UserAgent:
    given = {"uri": ALICE, "wsServers": "ws://sip.example.com", **options}
    return UserAgent(Configuration(**given), network.reactor, random=Random(seed))


@pytest.fixture
def network() -> MemoryNetwork:
    made = MemoryNetwork()
    made.answer("REGISTER", acceptRegister)
    return made


def atRest(network: MemoryNetwork) -> bool:
    """Say whether neither a timer nor a socket is left."""
    return not network.reactor.getDelayedCalls() and network.openSockets == 0


def status(ua: UserAgent) -> int:
    return ua.status


def registered(ua: UserAgent) -> bool:
    return ua.registration.registered


class TestLife:
    def test_itConnectsRegistersExchangesAndStops(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        got: list[bytes] = []
        ua.on("message", lambda request: got.append(request.body))
        ua.start()
        connected, registeredAt = outcome(ua.whenConnected()), outcome(ua.whenRegistered())
        network.advance(0)
        assert (connected, registeredAt) == ([None], [None])

        answer = outcome(ua.message(BOB, "hello"))
        network.advance(0)
        request = network.connection.takeRequest("MESSAGE")
        assert request.body == b"hello"
        network.connection.respond(request, 200)
        assert answer[0].statusCode == 200

        network.connection.send(incoming(body="hi"))
        network.advance(0)
        assert got == [b"hi"]
        assert network.connection.takeResponse().statusCode == 200

        stopped = outcome(ua.stop())
        network.advance(1)
        assert stopped == [None]
        assert atRest(network)

    def test_itRegistersAgainAfterAStopAndAStart(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        for _ in range(3):
            ua.start()
            network.advance(0)
            assert registered(ua)
            ua.stop()
            network.advance(1)
            assert not registered(ua)
            assert atRest(network)

    def test_itStaysRegistered(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        times: list[float] = []

        def register(connection: MemoryConnection, request: IncomingRequest) -> None:
            times.append(network.reactor.seconds())
            acceptRegister(connection, request)

        network.answer("REGISTER", register)
        ua.start()
        network.advance(24 * 3600)
        assert registered(ua)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert len(gaps) > 100
        assert all(300 <= gap <= 540 for gap in gaps)
        ua.stop()
        network.advance(1)


class TestLostConnection:
    def test_itIsBackAndRegisteredWithoutHelp(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        events: list[str] = []
        for event in ("connected", "disconnected", "registered", "unregistered"):
            ua.on(event, lambda *_, event=event: events.append(event))
        ua.start()
        network.advance(0)
        network.connection.drop()
        waiting = outcome(ua.message(BOB, "while down"))
        network.advance(4)
        assert registered(ua)
        assert events == [
            "connected",
            "registered",
            "unregistered",
            "disconnected",
            "connected",
            "registered",
        ]
        request = network.connection.takeRequest("MESSAGE")
        network.connection.respond(request, 200)
        assert waiting[0].statusCode == 200
        ua.stop()
        network.advance(1)

    def test_whatWasUnderWayFailsOnce(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        ua.start()
        network.advance(0)
        under = outcome(ua.message(BOB, "hello"))
        network.advance(0)
        network.connection.drop()
        assert isinstance(under[0], TransportError)
        network.advance(10)
        # Nothing that went out once is sent again.
        assert network.connection.requests == []
        ua.stop()
        network.advance(1)


class TestFailover:
    def test_oneServerAfterTheOtherIsTriedAndThenAllAnew(self, network: MemoryNetwork) -> None:
        network.refuse()
        servers = [{"ws_uri": "ws://a", "weight": 2}, {"ws_uri": "ws://b", "weight": 1}]
        ua = userAgent(network, wsServers=servers, wsServerMaxReconnection=1)
        tried: list[str] = []
        ua.on("connecting", lambda transport, attempts: tried.append(transport.server.ws_uri))
        ua.start()
        failed = outcome(ua.whenConnected(failAfterFailures=2))
        # A refusal comes 0.3 seconds late: HostnameEndpoint tries the name's other addresses.
        network.advance(10)
        assert tried == ["ws://a", "ws://a", "ws://b", "ws://b"]
        assert status(ua) == C.STATUS_NOT_READY
        assert isinstance(failed[0], TransportError)
        network.advance(2)
        assert tried[4:] == ["ws://a"]
        network.accept()
        network.advance(30)
        assert registered(ua)
        assert status(ua) == C.STATUS_READY
        ua.stop()
        network.advance(1)
        assert atRest(network)

    def test_theReasonIsTold(self, network: MemoryNetwork) -> None:
        network.reject(403, "Forbidden")
        ua = userAgent(network, wsServerMaxReconnection=0)
        got = outcome(ua.whenConnected(failAfterFailures=1))
        ua.start()
        network.advance(1)
        assert isinstance(got[0], HandshakeRefused)
        assert got[0].status == 403
        ua.stop()
        assert atRest(network)

    @pytest.mark.parametrize("policy", ["refuse", "stall", "stallUpgrade"])
    @pytest.mark.parametrize("after", [0.0, 0.1, 3.0, 4.5, 30.0, 70.0])
    def test_aStopAtAnyMomentLeavesNothing(self, network: MemoryNetwork, policy: str, after: float) -> None:
        getattr(network, policy)()
        ua = userAgent(network, wsServers=["ws://a", "ws://b"])
        ua.start()
        waiting = outcome(ua.message(BOB, "hello"))
        network.advance(after)
        stopped = outcome(ua.stop())
        assert stopped == [None]
        assert isinstance(waiting[0], NotConnected if after < 32 else TransportError)
        network.pump()
        assert atRest(network)


class TestUnresponsiveServer:
    def test_aStopIsBoundedInTime(self, network: MemoryNetwork) -> None:
        ua = userAgent(network, stopTimeout=5)
        ua.start()
        network.advance(0)
        network.connection.stall()
        stopped = outcome(ua.stop())
        network.advance(5)
        assert stopped == [None]
        network.advance(5)
        assert network.reactor.getDelayedCalls() == []

    def test_whatTheServerSendsMeanwhileIsNotTaken(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        got: list[object] = []
        ua.on("message", got.append)
        ua.start()
        network.advance(0)
        network.answer("REGISTER", None)
        ua.stop()
        network.advance(0)
        network.connection.send(incoming())
        assert got == []
        network.connection.respond(network.connection.takeRequest("REGISTER"), 200)
        network.advance(1)
        assert atRest(network)


class TestMerged:
    def test_aRequestThatComesByTwoWaysIsAnswered482(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        ua.start()
        network.advance(0)
        ua.handle("INVITE", lambda _: None)
        network.connection.send(incoming("INVITE", branch="z9hG4bK1"))
        network.connection.send(incoming("INVITE", branch="z9hG4bK2"))
        network.advance(0)
        assert network.connection.takeResponse().statusCode == 482
        ua.stop()
        network.advance(5)

    def test_aRequestOfOurOwnIsAnswered482(self, network: MemoryNetwork) -> None:
        ua = userAgent(network, sipjsId="ourid")
        ua.start()
        network.advance(0)
        network.connection.send(incoming(callID="ourid123"))
        network.advance(0)
        assert network.connection.takeResponse().statusCode == 482
        ua.stop()
        network.advance(1)


class TestLeftovers:
    def test_500Cycles(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        transports: list[weakref.ref[Transport]] = []
        for _ in range(500):
            ua.start()
            network.advance(0)
            assert registered(ua)
            transport: Any = ua.transport
            transports.append(weakref.ref(transport))
            ua.stop()
            network.advance(1)
            assert atRest(network)
            assert len(ua.transactions) == 0
            network.connections.clear()
        gc.collect()
        assert [ref() for ref in transports[:-1] if ref() is not None] == []

    def test_500ServerDrops(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        ua.start()
        network.advance(0)
        for _ in range(500):
            assert registered(ua)
            assert len(ua.transactions) == 0
            # The refresh of the registration, and nothing else.
            assert len(network.reactor.getDelayedCalls()) == 1
            network.connection.drop()
            network.connections.clear()
            network.advance(4)
        ua.stop()
        network.advance(1)
        assert atRest(network)

    def test_aStoppedUserAgentIsGarbage(self, network: MemoryNetwork) -> None:
        ua = userAgent(network)
        ua.start()
        network.advance(0)
        ua.stop()
        network.advance(1)
        gone = weakref.ref(ua)
        network.connections.clear()
        del ua
        gc.collect()
        assert [found for found in (gone(),) if found is not None] == []


def test_aConfigurationMayBeSharedByManyUserAgents(network: MemoryNetwork) -> None:
    shared = Configuration(uri=ALICE, wsServers="ws://sip.example.com", password="x")
    agents = [UserAgent(shared, network.reactor, random=Random(seed)) for seed in range(20)]
    for ua in agents:
        ua.start()
    network.advance(0)
    assert all(registered(ua) for ua in agents)
    assert len({ua.configuration.viaHost for ua in agents}) == 20
    for ua in agents:
        ua.stop()
    network.advance(1)
    assert atRest(network)
