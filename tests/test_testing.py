"""
C{sipws.testing}: the network, the clock and the server's end of connections that tests of bots are given.
"""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.interfaces import IReactorTCP, IReactorTime, IReactorUNIX
from zope.interface.verify import verifyObject

from sipws import Configuration, IncomingRequest, OutgoingRequest, UserAgent
from sipws.errors import ConnectionFailed, HandshakeRefused, TransactionTimeout
from sipws.interfaces import ITransport
from sipws.server import EmbeddedServer
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister

ALICE = "sip:alice@example.com"


@pytest.fixture
def network() -> MemoryNetwork:
    return MemoryNetwork()


def start(network: MemoryNetwork, uri: str = "ws://sip.example.com/sip", **options: Any) -> UserAgent:
    """Start a bot that does not register unless it is told to."""
    settings: dict[str, Any] = {"uri": ALICE, "wsServers": uri, "register": False, **options}
    ua = UserAgent(Configuration(**settings), network.reactor)
    ua.start()
    network.advance(0)
    return ua


def stop(network: MemoryNetwork, ua: UserAgent) -> None:
    """Stop a bot, and see that nothing is left of it."""
    ua.stop()
    network.advance(40)
    assert network.openSockets == 0
    assert network.reactor.getDelayedCalls() == []


def errorOf(ua: UserAgent) -> object:
    """Say what its transport's last attempt failed with."""
    transport: Any = ua.transport
    return transport.lastTransportError


def incoming(method: str = "MESSAGE", body: str = "Hello", branch: str = "z9hG4bKtest") -> OutgoingRequest:
    """Make a request for the bot, as a test writes one."""
    return OutgoingRequest(
        method,
        ALICE,
        [
            ("Via", f"SIP/2.0/WS tester.invalid;branch={branch}"),
            ("From", "<sip:tester@example.com>;tag=tester"),
            ("To", f"<{ALICE}>"),
            ("Call-ID", branch),
            ("CSeq", f"1 {method}"),
            ("Max-Forwards", 70),
            ("Content-Type", "text/plain"),
        ],
        body,
    )


def test_itsReactorIsAReactor(network: MemoryNetwork) -> None:
    for interface in (IReactorTime, IReactorTCP, IReactorUNIX):
        verifyObject(interface, network.reactor)


# Connecting.


@pytest.mark.parametrize(
    "uri", ["ws://sip.example.com/sip", "wss://sip.example.com/sip", "ws://192.0.2.1/sip", "ws://[::1]/sip"]
)
def test_allURIsLeadHere(network: MemoryNetwork, uri: str) -> None:
    ua = start(network, uri)
    connection = network.connection
    assert ua.transport is not None
    assert ua.transport.connected
    assert connection.connected
    assert connection.path == "/sip"
    assert connection.headers["sec-websocket-protocol"] == "sip"
    assert "open" in repr(connection)
    verifyObject(ITransport, connection)
    stop(network, ua)
    assert not connection.connected
    assert "closed" in repr(connection)


def test_aUNIXSocketLeadsHere(network: MemoryNetwork) -> None:
    ua = start(network, "unix:/run/sip.socket")
    assert network.connection.connected
    stop(network, ua)


def test_nothingHappensByItself(network: MemoryNetwork) -> None:
    ua = UserAgent(Configuration(uri=ALICE, wsServers="ws://a", register=False), network.reactor)
    ua.start()
    assert network.connections == []
    with pytest.raises(AssertionError, match="no WebSocket was opened"):
        assert network.connection
    network.pump()
    assert len(network.connections) == 1
    stop(network, ua)


def test_connectionIsTheNewest(network: MemoryNetwork) -> None:
    first, second = start(network), start(network)
    assert network.connections[1] is network.connection
    assert network.openSockets == 2
    assert network.attempts == 2
    first.stop()
    stop(network, second)


# What becomes of those who connect.


def test_refuse(network: MemoryNetwork) -> None:
    network.refuse()
    ua = start(network)
    network.advance(1)
    assert type(errorOf(ua)) is ConnectionFailed
    assert "refused" in str(errorOf(ua))
    assert network.connections == []
    network.accept()
    network.advance(4)
    assert network.connection.connected
    stop(network, ua)


def test_reject(network: MemoryNetwork) -> None:
    network.reject(503, "Not now")
    ua = start(network)
    error = errorOf(ua)
    assert isinstance(error, HandshakeRefused)
    assert error.status == 503
    assert "Not now" in str(error)
    assert network.connections == []
    network.accept()
    network.advance(4)
    assert network.connection.connected
    stop(network, ua)


def test_withoutSubprotocol(network: MemoryNetwork) -> None:
    network.subprotocol = None
    ua = start(network)
    assert isinstance(errorOf(ua), HandshakeRefused)
    network.accept()
    network.advance(4)
    assert network.connection.connected
    stop(network, ua)


@pytest.mark.parametrize("policy", ["stall", "stallUpgrade"])
def test_stall(network: MemoryNetwork, policy: str) -> None:
    getattr(network, policy)()
    ua = start(network)
    network.advance(4.9)
    assert errorOf(ua) is None
    assert network.openSockets == 1
    network.advance(0.1)
    assert isinstance(errorOf(ua), ConnectionFailed)
    assert network.openSockets == 0
    network.accept()
    network.advance(4)
    assert network.connection.connected
    stop(network, ua)


def test_aPolicyIsForLaterConnectionsAlone(network: MemoryNetwork) -> None:
    ua = start(network)
    for policy in (network.refuse, network.stall, network.stallUpgrade):
        policy()
    network.reject(500)
    network.advance(100)
    assert network.connection.connected
    stop(network, ua)


def test_unresolvable(network: MemoryNetwork) -> None:
    network.unresolvable()
    ua = start(network)
    assert type(errorOf(ua)) is ConnectionFailed
    assert "the name cannot be resolved" in str(errorOf(ua))
    assert network.attempts == 0
    network.accept()
    network.advance(4)
    assert network.connection.connected
    stop(network, ua)


def test_anAddressNeedsNoResolving(network: MemoryNetwork) -> None:
    network.unresolvable()
    ua = start(network, "ws://192.0.2.1")
    assert network.connection.connected
    stop(network, ua)


# What becomes of connections.


def test_drop(network: MemoryNetwork) -> None:
    ua = start(network)
    first = network.connection
    first.drop()
    assert not first.connected
    assert "lost" in str(errorOf(ua))
    network.advance(4)
    assert network.connection is not first
    stop(network, ua)


def test_close(network: MemoryNetwork) -> None:
    ua = start(network)
    first = network.connection
    first.close(1012, "restarting")
    error: Any = errorOf(ua)
    assert (error.code, first.connected) == (1012, False)
    assert "restarting" in str(error)
    network.advance(4)
    assert network.connection is not first
    stop(network, ua)


def test_closeWithoutHangingUp(network: MemoryNetwork) -> None:
    ua = start(network)
    network.connection.close(1001, hangUp=False)
    assert network.openSockets == 1
    network.advance(ua.configuration.closeTimeout)
    assert network.openSockets == 0
    stop(network, ua)


def test_stallAndResume(network: MemoryNetwork) -> None:
    ua = start(network)
    got: list[object] = []
    ua.handle("MESSAGE", got.append)
    connection = network.connection
    connection.stall()
    ua.options("sip:bob@example.com").addBoth(got.append)
    connection.send(incoming())
    network.advance(1)
    assert got == []
    assert connection.received == []
    connection.resume()
    assert len(got) == 1
    connection.takeRequest("OPTIONS")
    network.advance(40)
    assert network.connections == [connection]
    stop(network, ua)


def test_whatClosesDuringAStallIsToldOfAfterIt(network: MemoryNetwork) -> None:
    ua = start(network)
    connection = network.connection
    connection.stall()
    ua.stop()
    network.advance(10)
    assert network.openSockets == 0
    assert connection.connected
    connection.resume()
    assert not connection.connected


def test_aServerThatReadsNothingGoesOnTalking(network: MemoryNetwork) -> None:
    ua = start(network)
    connection = network.connection
    connection.pauseReading()
    ua.options("sip:alice@example.com")
    connection.send(b"\r\n\r\n")
    network.advance(1)
    assert connection.octets == []
    connection.resumeReading()
    network.pump()
    assert [octets[:7] for octets in connection.octets] == [b"OPTIONS", b"\r\n"]
    connection.respond(connection.takeRequest("OPTIONS"), 200)
    stop(network, ua)


def test_aServerThatVanishesTellsNobody(network: MemoryNetwork) -> None:
    ua = start(network)
    connection = network.connection
    connection.vanish()
    assert not connection.connected
    transport: Any = ua.transport
    assert transport.send(b"lost")
    network.advance(1_000)
    assert transport.connected
    assert connection.octets == []
    transport.disconnect()
    network.advance(1)
    assert network.openSockets == 0
    stop(network, ua)


def test_aClientThatPausesReadingHoldsUpTheServer(network: MemoryNetwork) -> None:
    ua = start(network)
    transport: Any = ua.transport
    transport.pauseReading()
    network.connection.send(b"\r\n\r\n")
    network.connection.drop()
    network.advance(0)
    # Whoever does not read is told of the end only where both sides are.
    assert not transport.connected
    assert network.connection.octets == []
    stop(network, ua)


def test_ping(network: MemoryNetwork) -> None:
    ua = start(network)
    network.connection.ping(b"there?")
    assert network.connection.pongs == [b"there?"]
    stop(network, ua)


def test_octetsMadeByHand(network: MemoryNetwork) -> None:
    ua = start(network)
    network.connection.write(b"\x89\x02hi")
    assert network.connection.pongs == [b"hi"]
    network.connection.write(b"\xff\xff")
    network.advance(1)
    assert errorOf(ua) is not None
    stop(network, ua)


# Messages.


def test_send(network: MemoryNetwork) -> None:
    ua = start(network)
    got: list[IncomingRequest] = []
    ua.handle("MESSAGE", got.append)
    for number, isBinary in enumerate((False, True)):
        message = incoming(branch=f"z9hG4bK{number}")
        assert network.connection.send(message, isBinary) is True
        assert network.connection.send(str(message).replace("z9hG4bK", "z9hG4bKtext")) is True
    network.advance(0)
    assert [request.body for request in got] == [b"Hello"] * 4
    assert [network.connection.takeResponse().statusCode for _ in range(4)] == [200] * 4
    with pytest.raises(AssertionError, match="no response"):
        network.connection.takeResponse()
    connection = network.connection
    stop(network, ua)
    assert connection.send(incoming()) is False


def test_takeRequestAndRespond(network: MemoryNetwork) -> None:
    ua = start(network)
    results: list[Any] = []
    ua.message("sip:bob@example.com", "Hello").addBoth(results.append)
    ua.options("sip:bob@example.com").addBoth(results.append)
    network.advance(0)
    connection = network.connection
    assert [request.method for request in connection.requests] == ["MESSAGE", "OPTIONS"]
    assert len(connection.octets) == 2
    with pytest.raises(AssertionError, match="no REGISTER"):
        connection.takeRequest("REGISTER")
    options = connection.takeRequest("OPTIONS")
    message = connection.takeRequest()
    assert (message.method, message.body) == ("MESSAGE", b"Hello")
    assert connection.received == []
    with pytest.raises(AssertionError, match="no request"):
        connection.takeRequest()
    assert connection.respond(options, 200, headers=[("Allow", "MESSAGE")])
    assert connection.respond(message, 480, "Gone fishing", body="later")
    assert [(each.statusCode, each.reasonPhrase) for each in results] == [(200, "OK"), (480, "Gone fishing")]
    assert results[0].getHeader("Allow") == "MESSAGE"
    assert results[1].body == b"later"
    assert results[0].toTag != results[1].toTag
    stop(network, ua)


def test_answer(network: MemoryNetwork) -> None:
    asked: list[tuple[MemoryConnection, str]] = []

    def greet(connection: MemoryConnection, request: IncomingRequest) -> None:
        asked.append((connection, request.method))
        connection.respond(request, 202)

    network.answer("OPTIONS", 404)
    network.answer("MESSAGE", greet)
    ua = start(network)
    results: list[Any] = []
    for method in ("OPTIONS", "MESSAGE", "INFO"):
        ua.request(method, "sip:bob@example.com").addBoth(results.append)
    network.advance(0)
    assert [each.statusCode for each in results] == [404, 202]
    assert asked == [(network.connection, "MESSAGE")]
    assert [request.method for request in network.connection.received] == ["INFO"]
    network.connection.respond(network.connection.takeRequest("INFO"), 200)
    network.answer("OPTIONS", None)
    ua.options("sip:bob@example.com").addBoth(results.append)
    network.advance(0)
    assert network.connection.takeRequest("OPTIONS")
    stop(network, ua)


def test_acceptRegister(network: MemoryNetwork) -> None:
    network.answer("REGISTER", acceptRegister)
    ua = start(network, register=True)
    assert ua.registration.registered
    assert network.connection.received == []
    assert len(network.connection.octets) == 1
    stop(network, ua)


def test_whatIsNotSIPIsAmongTheOctets(network: MemoryNetwork) -> None:
    ua = start(network)
    network.connection.send(b"\r\n\r\n")
    network.pump()
    assert network.connection.octets == [b"\r\n"]
    assert network.connection.received == []
    stop(network, ua)


# Time.


def test_timersFireAtTheirTime(network: MemoryNetwork) -> None:
    fired: list[float] = []

    def again() -> None:
        fired.append(network.reactor.seconds())
        if len(fired) < 5:
            network.reactor.callLater(0.75, again)

    network.reactor.callLater(0.5, again)
    network.advance(2.5)
    assert fired == [0.5, 1.25, 2.0]
    assert network.reactor.seconds() == 2.5
    network.advance(10)
    assert fired == [0.5, 1.25, 2.0, 2.75, 3.5]
    assert network.reactor.seconds() == 12.5


def test_octetsMoveBeforeTheNextTimer(network: MemoryNetwork) -> None:
    """A transaction answered at second 1 is not timed out because the test advanced by a minute."""
    ua = start(network)
    network.reactor.callLater(1, lambda: network.answer("OPTIONS", 200))
    late: list[Any] = []
    ua.options("sip:bob@example.com").addBoth(late.append)
    network.reactor.callLater(2, lambda: ua.options("sip:bob@example.com").addBoth(late.append))
    network.advance(60)
    answered, timedOut = late
    assert answered.statusCode == 200
    assert timedOut.check(TransactionTimeout)
    stop(network, ua)


def test_noTimePasses(network: MemoryNetwork) -> None:
    ua = start(network)
    assert network.reactor.seconds() == 0
    network.pump()
    assert network.reactor.seconds() == 0
    stop(network, ua)


def test_aNetworkThatDoesNotComeToRestIsSaidSo(network: MemoryNetwork) -> None:
    """Rather than to hang: two sides that answer each other's every word."""
    ua = start(network)
    network.answer("MESSAGE", 200)

    def echo(*_: object) -> None:
        ua.message("sip:bob@example.com", "again").addBoth(echo)

    echo()
    with pytest.raises(AssertionError, match="does not come to rest"):
        network.advance(0)


class TestHosts:
    """Hosts that are taken out of the network."""

    def test_eachIsForItself(self, network: MemoryNetwork) -> None:
        here, there = network.host("sip.example.com"), network.host("other.example.com")
        start(network, "ws://sip.example.com")
        start(network, "ws://other.example.com")
        start(network, "ws://elsewhere.example.com")
        network.advance(0)
        assert (len(here.connections), len(there.connections), len(network.connections)) == (1, 1, 3)
        assert (here.attempts, there.attempts, network.attempts) == (1, 1, 3)
        assert here.connection.headers["host"].startswith("sip.example.com")
        assert network.host("sip.example.com") is here

    @pytest.mark.parametrize("how", ["refuse", "stall", "stallUpgrade", "unresolvable", "reject"])
    def test_whatBecomesOfWhoConnectsIsForItToSay(self, network: MemoryNetwork, how: str) -> None:
        here, there = network.host("sip.example.com"), network.host("other.example.com")
        getattr(here, how)(*([500] if how == "reject" else []))
        first, second = start(network, "ws://sip.example.com"), start(network, "ws://other.example.com")
        network.advance(1)
        assert (first.way(), here.connections) == (None, [])
        assert second.way() is not None
        here.accept()
        network.advance(30)
        assert first.way() is not None
        assert len(here.connections) == 1
        assert len(there.connections) == 1

    def test_whereTheNetworkSaysThatNoNameIsResolvedNoneIs(self, network: MemoryNetwork) -> None:
        here = network.host("sip.example.com")
        network.unresolvable()
        start(network, "ws://sip.example.com")
        network.advance(1)
        assert here.attempts == 0

    def test_oneMayHaveAnAddressForAName(self, network: MemoryNetwork) -> None:
        here = network.host("192.0.2.7")
        start(network, "ws://192.0.2.7")
        network.advance(0)
        assert len(here.connections) == 1

    def test_itMayCrash(self, network: MemoryNetwork) -> None:
        here, there = network.host("sip.example.com"), network.host("other.example.com")
        first, second = start(network, "ws://sip.example.com"), start(network, "ws://other.example.com")
        network.advance(0)
        here.crash()
        network.advance(3)
        assert first.way() is None
        assert second.way() is not None
        assert here.attempts == 1
        network.advance(2)
        assert here.attempts == 2
        assert (len(here.connections), len(there.connections)) == (1, 1)

    def test_itAnswersByItselfOrAsTheNetworkDoes(self, network: MemoryNetwork) -> None:
        here, there = network.host("sip.example.com"), network.host("other.example.com")
        network.answer("MESSAGE", 202)
        here.answer("MESSAGE", 403)
        results: list[Any] = []
        for uri in ("ws://sip.example.com", "ws://other.example.com"):
            bot = start(network, uri)
            network.advance(0)
            bot.message("bob", "hello").addCallback(results.append)
            network.advance(0)
        assert [result.statusCode for result in results] == [403, 202]
        assert (here.connection.received, there.connection.received) == ([], [])

    def test_itMayHaveAServerOfItsOwn(self, network: MemoryNetwork) -> None:
        server = EmbeddedServer(network.reactor, domain="example.com")
        network.host("sip.example.com").server = server.factory
        bot = start(network, "ws://sip.example.com", register=True)
        other = start(network, "ws://other.example.com")
        network.advance(0)
        assert bot.registration.registered
        assert len(network.connections) == 1
        assert other.way() is not None
