"""
The connection is lost at each boundary between two messages: nothing that had
left is sent again, and what had not leaves once there is another.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from sipws.config import Configuration
from sipws.digest import DigestVerifier
from sipws.errors import TransportError
from sipws.message import IncomingRequest, IncomingResponse
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from sipws.ua import UserAgent
from tests.ua.fakes import ALICE, BOB, incoming, outcome
from tests.ua.test_failures import ENDS

NUMBER = "X-Number"

#: What is sent, in an order that depends on the seed.
METHODS = ("MESSAGE", "MESSAGE", "OPTIONS", "INVITE", "MESSAGE")


class Exchange:
    """
    Requests both ways, with a server that challenges ours, over a connection
    that is lost at one moment.

    @ivar boundaries: How many messages there were, both ways.
    @ivar lostAt: How many there are until the connection is lost; 0: it is not.
    @ivar got: How each of our requests ended.
    @ivar delivered: The Call-ID and CSeq of each request of the server's that came to our handler.
    """

    def __init__(self, seed: int, lostAt: int) -> None:
        self.random = Random(seed)
        self.lostAt = lostAt
        self.boundaries = 0
        self.network = MemoryNetwork()
        self.verifier = DigestVerifier("example.com", self.network.reactor.seconds, b"0" * 16)
        self.network.answer("REGISTER", self.challenged(acceptRegister))
        for method in ("MESSAGE", "OPTIONS"):
            self.network.answer(method, self.challenged(self.accept))
        self.network.answer("INVITE", self.challenged(self.ring))
        self.ua = UserAgent(
            Configuration(uri=ALICE, wsServers="ws://sip.example.com", password="secret"),
            self.network.reactor,
            random=Random(seed),
        )
        self.delivered: Counter[tuple[str, int]] = Counter()
        self.ua.handle("MESSAGE", self.deliver)
        self.got: list[list[Any]] = []

    def run(self) -> None:
        self.ua.start()
        for method in self.random.sample(METHODS, len(METHODS)):
            self.got.append(outcome(self.ua.request(method, BOB, {NUMBER: len(self.got)})))
            if self.random.random() < 0.5:
                self.network.advance(0)
        self.network.advance(0)
        for number in range(3):
            self.boundary(self.network.connection)
            self.network.connection.send(incoming(branch=f"z9hG4bK{number}", callID=str(number)))
        self.network.advance(100)
        self.ua.stop()
        self.network.advance(40)

    # The server.

    def boundary(self, connection: MemoryConnection) -> None:
        """A message comes, or leaves: lose the connection if it is the moment."""
        self.boundaries += 1
        if self.boundaries == self.lostAt:
            connection.drop()

    def challenged(self, answer: Any) -> Any:
        def handle(connection: MemoryConnection, request: IncomingRequest) -> None:
            self.boundary(connection)
            if request.hasHeader("Authorization"):
                self.boundary(connection)
                answer(connection, request)
            else:
                challenges = self.verifier.makeChallenges(stale=False)
                self.respond(connection, request, 401, [("WWW-Authenticate", each) for each in challenges])

        return handle

    def accept(self, connection: MemoryConnection, request: IncomingRequest) -> None:
        self.respond(connection, request, 200)

    def ring(self, connection: MemoryConnection, request: IncomingRequest) -> None:
        for status in (100, 180, 200):
            self.respond(connection, request, status, [("Contact", "<sip:bob@10.0.0.1;transport=ws>")])

    def respond(
        self, connection: MemoryConnection, request: IncomingRequest, status: int, headers: Any = ()
    ) -> None:
        self.boundary(connection)
        connection.respond(request, status, headers=headers)
        self.boundary(connection)

    # The client.

    def deliver(self, request: IncomingRequest) -> int:
        self.delivered[request.callID, request.cseq] += 1
        return 200

    # The books.

    def arrived(self) -> list[bytes]:
        """Give all that came to the server, on all connections."""
        return [octets for connection in self.network.connections for octets in connection.octets]

    def check(self) -> None:
        assert [octets for octets, count in Counter(self.arrived()).items() if count > 1] == []
        assert [len(each) for each in self.got] == [1] * len(METHODS)
        for number, [end] in enumerate(self.got):
            mark = f"{NUMBER}: {number}\r\n".encode()
            arrivals = sum(mark in octets for octets in self.arrived())
            # Twice where it was challenged.
            assert arrivals <= 2
            if isinstance(end, IncomingResponse):
                assert end.statusCode == 200
                assert arrivals
            else:
                assert isinstance(end, TransportError)
                assert end.sent is True
        assert set(self.delivered.values()) <= {1}
        counters = self.ua.counters.asDict()
        assert sum(counters[end] for end in ENDS) == counters["requests"] == len(METHODS)
        assert counters["responses"] == sum(isinstance(end, IncomingResponse) for [end] in self.got)
        assert len(self.ua.transactions) == 0
        assert self.network.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("seed", range(12))
def test_nothingIsSentTwiceWhereverTheConnectionIsLost(seed: int) -> None:
    whole = Exchange(seed, lostAt=0)
    whole.run()
    whole.check()
    assert [end.statusCode for [end] in whole.got] == [200] * len(METHODS)
    assert len(whole.network.connections) == 1
    assert whole.boundaries > 30
    failures = 0
    for lostAt in range(1, whole.boundaries):
        exchange = Exchange(seed, lostAt)
        exchange.run()
        exchange.check()
        failures += exchange.ua.counters.sentFailures
    # Mostly, some were under way.
    assert failures > whole.boundaries // 2


def test_whatHadNotLeftLeavesOnce() -> None:
    network = MemoryNetwork()
    ua = UserAgent(
        Configuration(uri=ALICE, wsServers="ws://sip.example.com", register=False), network.reactor
    )
    ua.start()
    network.advance(0)
    had = outcome(ua.message(BOB, "had left"))
    network.advance(0)
    network.connection.drop()
    has = outcome(ua.message(BOB, "has not"))
    for _ in range(3):
        # It is neither lost nor sent while connections come to nothing.
        network.refuse()
        network.advance(5)
    assert (type(had[0]), had[0].sent, has) == (TransportError, True, [])
    network.accept()
    network.advance(10)
    assert [request.body for request in network.connection.requests] == [b"has not"]
    network.connection.drop()
    network.advance(20)
    assert (len(network.connections), network.connection.requests) == (3, [])
    assert has[0].sent is True
    ua.stop()
    network.advance(10)
