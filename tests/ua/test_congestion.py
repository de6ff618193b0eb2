"""Requests and responses to a server that does not read, with the real transport."""

from __future__ import annotations

from random import Random
from typing import Any, ClassVar

import pytest
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipws.config import Configuration
from sipws.errors import Congested, SessionFailed
from sipws.message import IncomingRequest, IncomingResponse
from sipws.session import Cause, Session
from sipws.session.machine import State
from sipws.testing import MemoryNetwork, acceptRegister
from sipws.ua import UserAgent
from tests.ua.fakes import ALICE, BOB, incoming, outcome

LIMIT = 10_000

#: So that some fill Twisted's own buffer, which comes before the bound.
BODY = "x" * 8_000


def started(**options: Any) -> tuple[MemoryNetwork, UserAgent]:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    given = {"uri": ALICE, "wsServers": "ws://a", "register": False, "maxPendingOctets": LIMIT, **options}
    ua = UserAgent(Configuration(**given), network.reactor, random=Random(1))
    ua.start()
    return network, ua


def stop(network: MemoryNetwork, ua: UserAgent) -> None:
    ua.stop()
    network.advance(40)
    assert network.reactor.getDelayedCalls() == []


def fill(ua: UserAgent) -> list[list[Any]]:
    """Send until nothing more is taken; give what became of each."""
    got: list[list[Any]] = []
    while not got or not got[-1]:
        assert len(got) < 1000
        got.append(outcome(ua.message(BOB, BODY)))
    return got


def test_aBurstOfThoseThatHaveWaitedIsNotTooMuch() -> None:
    network, ua = started()
    got = [outcome(ua.message(BOB, f"{number} {BODY}")) for number in range(500)]
    network.advance(1)
    numbers = [int(request.body.split()[0]) for request in network.connection.requests]
    assert numbers == list(range(500))
    assert ua.counters.congestions == 0
    for request in network.connection.requests:
        network.connection.respond(request, 200)
    assert [each[0].statusCode for each in got] == [200] * 500
    stop(network, ua)


def test_requestsFailWhileTheServerDoesNotReadAndNotAfter() -> None:
    network, ua = started()
    network.advance(0)
    network.connection.pauseReading()
    got = fill(ua)
    for _ in range(100):
        [error] = outcome(ua.message(BOB, BODY, deadline=60))
        assert (type(error), error.sent) == (Congested, False)
    assert ua.counters.unsentFailures == 101
    network.connection.resumeReading()
    assert len(network.connection.requests) == len(got) - 1
    for request in network.connection.requests:
        network.connection.respond(request, 200)
    assert all(isinstance(each[0], IncomingResponse) for each in got[:-1])
    assert outcome(ua.message(BOB, BODY)) == []
    stop(network, ua)


def test_requestsTakeTheOtherFlowWhileThereIsOne() -> None:
    network, ua = started(
        flows=2,
        instanceId="7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f",
        wsServers=["ws://one.example.com", "ws://two.example.com"],
        register=True,
    )
    network.advance(1)
    first, second = network.connections
    first.pauseReading()
    second.pauseReading()
    got = fill(ua)
    # Twice as many as one of them takes.
    assert len(got) - 1 >= 2 * (65_536 // 9_000)
    first.resumeReading()
    network.advance(0)
    assert outcome(ua.message(BOB, "hello")) == []
    network.advance(0)
    assert first.requests[-1].body == b"hello"
    assert second.requests == []
    second.resumeReading()
    assert len(first.requests) + len(second.requests) == len(got)
    stop(network, ua)


def test_responsesThatAreNotTakenAreCountedAndSaidOnce() -> None:
    network, ua = started()
    network.advance(0)
    abandoned: list[Any] = []
    ua.on("requestAbandoned", lambda request, error: abandoned.append((request, error)))
    network.connection.pauseReading()
    fill(ua)
    while ua.transport is not None and ua.transport.send(b"\r\n"):
        pass
    with capturedLogs() as events:
        for number in range(50):
            network.connection.send(incoming(branch=f"z9hG4bK{number}", callID=str(number)))
    assert len(abandoned) == ua.counters.requestsAbandoned == ua.counters.requestsReceived == 50
    assert all(type(error) is Congested and error.sent is False for _, error in abandoned)
    loud = [formatEvent(event) for event in events if event["log_level"] >= LogLevel.info]
    assert loud == []
    network.connection.resumeReading()
    network.connection.send(incoming(branch="z9hG4bKnext", callID="next"))
    assert network.connection.responses[-1].statusCode == 200
    stop(network, ua)


class TestCalls:
    """What ends or acknowledges a call arrives, though nothing else is taken."""

    INVITE: ClassVar[dict[str, Any]] = {"branch": "z9hG4bKinvite", "callID": "call", "body": "v=0 offer"}

    def congested(self, ua: UserAgent, network: MemoryNetwork) -> None:
        """Have the server read nothing, so that no request is taken."""
        network.advance(0)
        network.connection.pauseReading()
        fill(ua)
        while ua.transport is not None and ua.transport.send(b"\r\n"):
            pass

    def call(self, network: MemoryNetwork, ua: UserAgent, *responses: int) -> Session:
        """Call somebody who answers so, and then reads no more."""
        network.advance(0)
        session = ua.invite(BOB, "v=0 offer")
        network.pump()
        for statusCode in responses:
            self.answer(network, network.connection.requests[-1], statusCode)
        return session

    def answer(self, network: MemoryNetwork, invite: IncomingRequest, statusCode: int) -> None:
        headers = [("Contact", "<sip:bob@bob.invalid;transport=ws>"), ("Content-Type", "application/sdp")]
        network.connection.respond(invite, statusCode, headers=headers, body="v=0 answer")

    def last(self, network: MemoryNetwork) -> str:
        """Have the server read again, and give the method of the last request that it got."""
        network.connection.resumeReading()
        network.pump()
        return network.connection.requests[-1].method

    def end(self, network: MemoryNetwork, ua: UserAgent) -> None:
        """Answer all, and see that nothing is left."""
        for request in network.connection.requests:
            if request.method not in ("ACK", "INVITE"):
                network.connection.respond(request, 200)
        ua.stop()
        network.advance(70)
        assert network.reactor.getDelayedCalls() == []

    def test_anINVITEFailsAndSaysWhy(self) -> None:
        network, ua = started()
        up = self.call(network, ua, 200)
        self.congested(ua, network)
        accepted = outcome(ua.invite(BOB, "v=0 offer").whenAccepted())
        network.advance(0)
        [error] = accepted
        assert isinstance(error, SessionFailed)
        assert (error.cause, error.by) == (Cause.CONGESTED, "network")
        assert str(error) == "the call was not accepted: the server does not read"
        assert up.state == State.CONFIRMED
        network.connection.resumeReading()
        again = ua.invite(BOB, "v=0 offer")
        assert self.last(network) == "INVITE"
        again.terminate()
        self.end(network, ua)

    def test_aCallIsEnded(self) -> None:
        network, ua = started()
        session = self.call(network, ua, 200)
        self.congested(ua, network)
        ended = outcome(session.bye())
        assert ended == []
        assert self.last(network) == "BYE"
        network.connection.respond(network.connection.requests[-1], 200)
        assert [each.cause for each in ended] == [Cause.HUNG_UP]
        self.end(network, ua)

    def test_orGivenUp(self) -> None:
        network, ua = started()
        session = self.call(network, ua, 180)
        self.congested(ua, network)
        session.cancel()
        assert self.last(network) == "CANCEL"
        self.end(network, ua)

    def test_itsAcceptanceIsAcknowledged(self) -> None:
        network, ua = started()
        session = self.call(network, ua)
        invite = network.connection.requests[-1]
        self.congested(ua, network)
        self.answer(network, invite, 200)
        assert session.state == State.CONFIRMED
        assert self.last(network) == "ACK"
        self.end(network, ua)

    def test_andItsReliableResponses(self) -> None:
        network, ua = started()
        self.call(network, ua)
        invite = network.connection.requests[-1]
        self.congested(ua, network)
        headers = [("Contact", "<sip:bob@bob.invalid>"), ("Require", "100rel"), ("RSeq", 1)]
        network.connection.respond(invite, 183, headers=headers)
        assert self.last(network) == "PRACK"
        self.end(network, ua)

    @pytest.mark.parametrize("statusCode", [200, 486])
    def test_theCallersIsAnswered(self, statusCode: int) -> None:
        network, ua = started()
        sessions: list[Session] = []
        ua.on("invite", sessions.append)
        network.advance(0)
        contact = "Contact: <sip:bob@bob.invalid;transport=ws>"
        kind = "Content-Type: application/sdp"
        network.connection.send(incoming("INVITE", "sip:alice@example.com", contact, kind, **self.INVITE))
        self.congested(ua, network)
        [session] = sessions
        if statusCode == 200:
            session.accept("v=0 answer").addErrback(lambda _: None)
        else:
            session.reject(statusCode)
        network.connection.resumeReading()
        network.pump()
        assert network.connection.responses[-1].statusCode == statusCode
        self.end(network, ua)

    def test_butNotWithoutEnd(self) -> None:
        network, ua = started()
        sessions = [self.call(network, ua, 200) for _ in range(400)]
        self.congested(ua, network)
        for session in sessions:
            session.terminate()
        transport: Any = ua.transport
        assert LIMIT < transport.ws.backlog.octets <= LIMIT + 65_536
        assert 0 < sum(session.state == State.TERMINATED for session in sessions) < 400
        network.connection.resumeReading()
        self.end(network, ua)


def test_aRegistrationThatIsNotTakenIsMadeLater() -> None:
    network, ua = started(registerRetryMinInterval=5)
    network.advance(0)
    network.connection.pauseReading()
    fill(ua)
    failures: list[object] = []
    ua.on("registrationFailed", lambda response, cause: failures.append(cause))
    while ua.transport is not None and ua.transport.send(b"\r\n"):
        pass
    ua.register()
    assert failures == ["Connection Error"]
    network.advance(1)
    network.connection.resumeReading()
    network.advance(10)
    assert ua.registration.registered
    stop(network, ua)
