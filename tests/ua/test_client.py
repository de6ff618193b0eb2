"""The way of a request of ours: waiting, leaving, being challenged, coming back."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipws.digest import DigestVerifier, Verdict
from sipws.errors import (
    LimitExceeded,
    NotConnected,
    TransactionCancelled,
    TransactionTimeout,
    TransportError,
)
from sipws.message import IncomingRequest, OutgoingRequest
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import BOB, FakeTransport, Scene, outcome

SECRET = "hunter2"


class Challenger:
    """A server or a proxy that wants credentials."""

    def __init__(self, scene: Scene, realm: str = "example.com", *, proxy: bool = False) -> None:
        self.verifier = DigestVerifier(realm, scene.clock.seconds, b"0" * 16)
        self.proxy = proxy

    @property
    def header(self) -> str:
        return "Proxy-Authorization" if self.proxy else "Authorization"

    def challenge(self, *, stale: bool = False) -> list[tuple[str, object]]:
        name = "Proxy-Authenticate" if self.proxy else "WWW-Authenticate"
        return [(name, challenge) for challenge in self.verifier.makeChallenges(stale)]

    @property
    def status(self) -> int:
        return 407 if self.proxy else 401

    def verdict(self, request: IncomingRequest, password: str = SECRET) -> Verdict | None:
        for index in range(len(request.getHeaders(self.header))):
            credentials = request.parseHeader(self.header, index)
            if credentials.parameters["realm"] == self.verifier.realm:
                return self.verifier.verify(credentials, request.method, password, request.body)
        return None

    def refuse(self, transport: FakeTransport, request: IncomingRequest, *, stale: bool = False) -> None:
        transport.answer(request, self.status, self.challenge(stale=stale))


@pytest.fixture
def scene() -> Scene:
    return Scene(password=SECRET)


class TestFinalResponse:
    @pytest.mark.parametrize("status", [200, 202, 302, 404, 503, 603])
    def test_ofAnyClassIsTheResult(self, scene: Scene, status: int) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        transport.answer(transport.take(), status)
        assert got[0].statusCode == status
        assert scene.restless() == []

    def test_maybeAwaited(self, scene: Scene) -> None:
        transport = scene.connect()

        async def ask() -> int:
            return (await scene.ua.options(BOB)).statusCode

        got = outcome(Deferred.fromCoroutine(ask()))
        transport.answer(transport.take(), 200)
        assert got == [200]

    def test_provisionalResponsesGoToTheCallback(self, scene: Scene) -> None:
        transport = scene.connect()
        heard: list[int] = []
        got = outcome(
            scene.ua.request("INVITE", BOB, onProvisional=lambda response: heard.append(response.statusCode))
        )
        request = transport.take()
        transport.answer(request, 100)
        transport.answer(request, 180)
        assert (heard, got) == ([100, 180], [])
        transport.answer(request, 486)
        assert got[0].statusCode == 486
        scene.ua.transactions.close(NotConnected("the test is over"))

    def test_aCallbackThatRaisesBreaksNothing(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        transport = scene.connect()

        def raises(_: object) -> None:
            raise ValueError("callback")

        got = outcome(scene.ua.request("OPTIONS", BOB, onProvisional=raises))
        request = transport.take()
        transport.answer(request, 100)
        assert len(flushLoggedErrors(ValueError)) == 1
        transport.answer(request, 200)
        assert got[0].statusCode == 200

    def test_noneIsATimeout(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        scene.clock.advance(32)
        assert isinstance(got[0], TransactionTimeout)
        assert got[0].request is not None
        assert got[0].request.callID == transport.take().callID

    def test_aLostConnectionIsATransportError(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        transport.lastTransportError = TransportError("the server hung up", code=1006)
        transport.lose()
        assert isinstance(got[0], TransportError)
        assert got[0].code == 1006
        assert isinstance(got[0].request, OutgoingRequest)

    def test_tooManyOpenTransactionsIsALimit(self) -> None:
        scene = Scene(maxTransactions=2)
        scene.connect()
        outcome(scene.ua.message(BOB, "1"))
        outcome(scene.ua.message(BOB, "2"))
        got = outcome(scene.ua.message(BOB, "3"))
        assert isinstance(got[0], LimitExceeded)
        assert got[0].option == "maxTransactions"
        scene.ua.transactions.close(NotConnected("the test is over"))


class TestCancelling:
    def test_endsARequest(self, scene: Scene) -> None:
        transport = scene.connect()
        deferred = scene.ua.message(BOB, "hello")
        got = outcome(deferred)
        deferred.cancel()
        assert isinstance(got[0], TransactionCancelled)
        assert scene.restless() == []
        transport.answer(transport.take(), 200)

    def test_sendsACancelForAnInvite(self, scene: Scene) -> None:
        transport = scene.connect()
        deferred = scene.ua.request("INVITE", BOB)
        got = outcome(deferred)
        invite = transport.take()
        transport.answer(invite, 180)
        deferred.cancel()
        cancel = transport.take()
        assert (cancel.method, cancel.viaBranch) == ("CANCEL", invite.viaBranch)
        assert isinstance(got[0], TransactionCancelled)
        scene.ua.transactions.close(NotConnected("the test is over"))

    def test_endsTheSecondAttemptToo(self, scene: Scene) -> None:
        transport = scene.connect()
        deferred = scene.ua.message(BOB, "hello")
        got = outcome(deferred)
        Challenger(scene).refuse(transport, transport.take())
        deferred.cancel()
        assert isinstance(got[0], TransactionCancelled)
        assert scene.restless() == []

    def test_endsTheWaitForAConnection(self, scene: Scene) -> None:
        deferred = scene.ua.message(BOB, "hello")
        got = outcome(deferred)
        deferred.cancel()
        assert isinstance(got[0], TransactionCancelled)
        assert got[0].request is not None
        assert scene.restless() == []
        assert scene.connect().sent == []


class TestWaiting:
    def test_aRequestMadeBeforeTheConnectionWaitsForIt(self, scene: Scene) -> None:
        got = outcome(scene.ua.message(BOB, "early"))
        scene.ua.start()
        also = outcome(scene.ua.message(BOB, "less early"))
        scene.transport.open()
        first, second = scene.transport.takeAll()
        assert (first.body, second.body) == (b"early", b"less early")
        scene.transport.answer(first, 200)
        scene.transport.answer(second, 404)
        assert (got[0].statusCode, also[0].statusCode) == (200, 404)
        assert scene.restless() == []

    def test_aRequestMadeWhileTheConnectionIsDownWaitsForIt(self, scene: Scene) -> None:
        transport = scene.connect()
        transport.lose()
        got = outcome(scene.ua.message(BOB, "hello"))
        transport.open()
        transport.answer(transport.take(), 200)
        assert got[0].statusCode == 200

    def test_itWaitsFor64T1AtMost(self, scene: Scene) -> None:
        scene.ua.start()
        got = outcome(scene.ua.message(BOB, "hello"))
        scene.clock.advance(31.9)
        assert got == []
        scene.clock.advance(0.1)
        assert isinstance(got[0], TransportError)
        assert not isinstance(got[0], NotConnected)
        assert "32 seconds" in str(got[0])
        assert got[0].request is not None
        scene.transport.open()
        assert scene.transport.sent == []

    def test_noMoreThanTheLimitWait(self) -> None:
        scene = Scene(maxWaitingRequests=2)
        waiting = [outcome(scene.ua.message(BOB, "hello")) for _ in range(3)]
        assert waiting[:2] == [[], []]
        assert isinstance(waiting[2][0], LimitExceeded)
        assert waiting[2][0].option == "maxWaitingRequests"
        scene.ua.stop()

    def test_afterStopItFailsAtOnce(self, scene: Scene) -> None:
        scene.connect()
        scene.ua.stop()
        got = outcome(scene.ua.message(BOB, "hello"))
        assert isinstance(got[0], NotConnected)
        assert got[0].request is not None

    def test_thoseThatWaitFailWhenItIsStopped(self, scene: Scene) -> None:
        scene.ua.start()
        got = outcome(scene.ua.message(BOB, "hello"))
        scene.ua.stop()
        assert isinstance(got[0], NotConnected)
        assert scene.restless() == []

    def test_oneMayBeCancelledWhileTheOthersLeave(self, scene: Scene) -> None:
        scene.ua.start()
        first = scene.ua.message(BOB, "1")
        second = scene.ua.message(BOB, "2")
        got = outcome(second)
        transport = scene.transport
        send = transport.send

        def sendAndCancel(msg: Any) -> bool:
            second.cancel()
            return send(msg)

        transport.send = sendAndCancel  # type: ignore[method-assign]
        transport.open()
        assert isinstance(got[0], TransactionCancelled)
        (request,) = transport.takeAll()
        transport.answer(request, 200)
        assert outcome(first)[0].statusCode == 200
        assert scene.restless() == []

    def test_theConnectionMayGoWhileTheyLeave(self, scene: Scene) -> None:
        scene.ua.start()
        first = outcome(scene.ua.message(BOB, "1"))
        second = outcome(scene.ua.message(BOB, "2"))
        transport = scene.transport
        send = transport.send

        def sendAndLose(msg: Any) -> bool:
            send(msg)
            transport.lose()
            return True

        transport.send = sendAndLose  # type: ignore[method-assign]
        transport.open()
        assert isinstance(first[0], TransportError)
        assert second == []
        transport.send = send  # type: ignore[method-assign]
        transport.takeAll()
        transport.open()
        (request,) = transport.takeAll()
        assert request.body == b"2"
        transport.answer(request, 200)
        assert second[0].statusCode == 200
        assert scene.restless() == []


class TestChallenges:
    @pytest.mark.parametrize("proxy", [False, True])
    def test_areAnsweredOnce(self, scene: Scene, proxy: bool) -> None:
        transport = scene.connect()
        server = Challenger(scene, proxy=proxy)
        got = outcome(scene.ua.message(BOB, "hello", headers={"Subject": "s"}))
        first = transport.take()
        server.refuse(transport, first)
        second = transport.take()
        assert server.verdict(second) is Verdict.ACCEPTED
        assert (second.callID, second.fromTag, second.cseq) == (first.callID, first.fromTag, first.cseq + 1)
        assert second.viaBranch != first.viaBranch
        assert len(second.getHeaders("Via")) == 1
        assert (second.body, second.getHeader("Subject")) == (b"hello", "s")
        transport.answer(second, 200)
        assert got[0].statusCode == 200

    @pytest.mark.parametrize("proxy", [False, True])
    @pytest.mark.parametrize(
        "method", ["INVITE", "MESSAGE", "OPTIONS", "SUBSCRIBE", "PUBLISH", "REFER", "NOTIFY", "INFO", "FROB"]
    )
    def test_areAnsweredWhateverTheMethod(self, scene: Scene, method: str, proxy: bool) -> None:
        # RFC 3261 section 22.3: a proxy "can use the 407" for any request but ACK and CANCEL.
        transport = scene.connect()
        server = Challenger(scene, proxy=proxy)
        got = outcome(scene.ua.request(method, BOB))
        server.refuse(transport, transport.take())
        *acks, second = transport.takeAll()
        assert [ack.method for ack in acks] == ["ACK"] * (method == "INVITE")
        assert server.verdict(second) is Verdict.ACCEPTED
        transport.answer(second, 200, [("Contact", "<sip:bob@bob.invalid>")])
        assert got[0].statusCode == 200

    def test_theNextNonceIsUsedForTheNextRequest(self, scene: Scene) -> None:
        transport = scene.connect()
        server = Challenger(scene)
        outcome(scene.ua.message(BOB, "hello"))
        server.refuse(transport, transport.take())
        second = transport.take()
        scene.clock.advance(1)
        server.verifier.lifetime = 1.5
        info = server.verifier.makeInfo(second.parseHeader("Authorization"), SECRET)
        transport.answer(second, 200, [("Authentication-Info", info)])
        scene.clock.advance(1)
        got = outcome(scene.ua.message(BOB, "again"))
        third = transport.take()
        assert server.verdict(third) is Verdict.ACCEPTED
        assert third.parseHeader("Authorization").parameters["nonce"] == info.parameters["nextnonce"]
        transport.answer(third, 200)
        assert got[0].statusCode == 200

    def test_aServerThatDoesNotKnowThePasswordIsAnsweredNoMore(self, scene: Scene) -> None:
        transport = scene.connect()
        server = Challenger(scene)
        got = outcome(scene.ua.message(BOB, "hello"))
        server.refuse(transport, transport.take())
        second = transport.take()
        info = server.verifier.makeInfo(second.parseHeader("Authorization"), "another")
        transport.answer(second, 200, [("Authentication-Info", info)])
        assert got[0].statusCode == 200
        outcome(scene.ua.message(BOB, "again"))
        third = transport.take()
        assert not third.hasHeader("Authorization")
        transport.answer(third, 200)

    def test_aWrongPasswordIsNotSentAgain(self, scene: Scene) -> None:
        transport = scene.connect()
        server = Challenger(scene)
        got = outcome(scene.ua.message(BOB, "hello"))
        server.refuse(transport, transport.take())
        second = transport.take()
        assert server.verdict(second, "another") is Verdict.REFUSED
        server.refuse(transport, second)
        assert got[0].statusCode == 401
        assert transport.sent == []

    def test_aStaleNonceIsAnsweredOnceMore(self, scene: Scene) -> None:
        transport = scene.connect()
        server = Challenger(scene)
        got = outcome(scene.ua.message(BOB, "hello"))
        for attempt in range(3):
            request = transport.take()
            assert request.cseq == attempt + 1
            server.refuse(transport, request, stale=attempt > 0)
        assert got[0].statusCode == 401
        assert transport.sent == []

    def test_aProxyAndAServerMayBothAsk(self, scene: Scene) -> None:
        transport = scene.connect()
        proxy, server = Challenger(scene, "proxy.example.net", proxy=True), Challenger(scene, "example.org")
        got = outcome(scene.ua.message(BOB, "hello"))
        proxy.refuse(transport, transport.take())
        second = transport.take()
        assert proxy.verdict(second) is Verdict.ACCEPTED
        server.refuse(transport, second)
        third = transport.take()
        assert third.cseq == 3
        assert proxy.verdict(third) is Verdict.ACCEPTED
        assert server.verdict(third) is Verdict.ACCEPTED
        transport.answer(third, 200)
        assert got[0].statusCode == 200

    def test_whatOurOwnProxyWantsIsSentAtOnceTheNextTime(self, scene: Scene) -> None:
        transport = scene.connect()
        proxy = Challenger(scene, "example.com", proxy=True)
        outcome(scene.ua.message(BOB, "hello"))
        proxy.refuse(transport, transport.take())
        transport.answer(transport.take(), 200)
        got = outcome(scene.ua.message(BOB, "again"))
        request = transport.take()
        assert proxy.verdict(request) is Verdict.ACCEPTED
        assert request.parseHeader("Proxy-Authorization").parameters["nc"] == "00000002"
        transport.answer(request, 200)
        assert got[0].statusCode == 200

    def test_withoutAPasswordTheyAreTheResult(self) -> None:
        scene = Scene()
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        Challenger(scene).refuse(transport, transport.take())
        assert got[0].statusCode == 401
        assert transport.sent == []

    @pytest.mark.parametrize(
        "headers", [[], [("WWW-Authenticate", "Basic realm=x")], [("WWW-Authenticate", "?")]]
    )
    def test_thatCannotBeAnsweredAreTheResult(self, scene: Scene, headers: list[tuple[str, object]]) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        transport.answer(transport.take(), 401, headers)
        assert got[0].statusCode == 401

    def test_theConnectionMayGoMeanwhile(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.message(BOB, "hello"))
        request = transport.take()
        transport.connected = False
        Challenger(scene).refuse(transport, request)
        assert isinstance(got[0], NotConnected)

    def test_theUserIsTheConfiguredOne(self) -> None:
        scene = Scene(password=SECRET, authorizationUser="1001")
        transport = scene.connect()
        outcome(scene.ua.message(BOB, "hello"))
        Challenger(scene).refuse(transport, transport.take())
        assert transport.take().parseHeader("Authorization").parameters["username"] == "1001"
        scene.ua.transactions.close(NotConnected("the test is over"))

    def test_anInviteIsAcknowledgedAndSentAgain(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.request("INVITE", BOB))
        Challenger(scene).refuse(transport, transport.take())
        ack, second = transport.takeAll()
        assert (ack.method, ack.cseq) == ("ACK", 1)
        assert (second.method, second.cseq) == ("INVITE", 2)
        transport.answer(second, 486)
        assert got[0].statusCode == 486
        scene.ua.transactions.close(NotConnected("the test is over"))


class TestAcceptedInvite:
    def test_oneThatIsNotAcceptedIsAcknowledgedOnce(self, scene: Scene) -> None:
        transport = scene.connect()
        got = outcome(scene.ua.request("INVITE", BOB))
        invite = transport.take()
        transport.answer(invite, 300)
        assert got[0].statusCode == 300
        (ack,) = transport.takeAll()
        assert (ack.method, ack.viaBranch) == ("ACK", invite.viaBranch)
        scene.ua.transactions.close(NotConnected("the test is over"))

    def accepted(self, scene: Scene, headers: list[tuple[str, object]]) -> tuple[Any, Any, Any]:
        transport = scene.connect()
        got = outcome(scene.ua.request("INVITE", BOB))
        invite = transport.take()
        transport.answer(invite, 200, headers)
        assert got[0].statusCode == 200
        return transport, invite, got[0]

    def test_isAcknowledged(self, scene: Scene) -> None:
        transport, invite, response = self.accepted(
            scene,
            [
                ("Record-Route", "<sip:p2;lr>"),
                ("Record-Route", "<sip:p1;lr>"),
                ("Contact", "<sip:bob@10.0.0.1;transport=ws>"),
            ],
        )
        (ack,) = transport.takeAll()
        assert (ack.method, ack.cseq) == ("ACK", invite.cseq)
        assert ack.requestURIText == "sip:bob@10.0.0.1;transport=ws"
        assert ack.getHeaders("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]
        assert ack.getHeader("To") == response.getHeader("To")
        assert ack.callID == invite.callID
        # RFC 3261 section 13.2.2.4: it is a transaction of its own.
        assert ack.viaBranch != invite.viaBranch
        scene.ua.transactions.close(NotConnected("the test is over"))

    def test_eachFurther2xxIsAcknowledgedToo(self, scene: Scene) -> None:
        transport, invite, _ = self.accepted(scene, [("Contact", "<sip:bob@10.0.0.1>")])
        transport.answer(invite, 200, [("Contact", "<sip:bob@10.0.0.2>")])
        first, second = transport.takeAll()
        assert (first.requestURIText, second.requestURIText) == ("sip:bob@10.0.0.1", "sip:bob@10.0.0.2")
        scene.ua.transactions.close(NotConnected("the test is over"))

    @pytest.mark.parametrize(("contact", "acknowledged"), [([("Contact", "<<>")], 0), ([], 1)])
    def test_oneThatCannotBeReadBreaksNothing(
        self, scene: Scene, contact: list[tuple[str, object]], acknowledged: int
    ) -> None:
        transport, _, _ = self.accepted(scene, contact)
        assert len(transport.takeAll()) == acknowledged
        scene.ua.transactions.close(NotConnected("the test is over"))

    def test_credentialsGoIntoTheAckToo(self, scene: Scene) -> None:
        transport = scene.connect()
        outcome(scene.ua.request("INVITE", BOB))
        Challenger(scene).refuse(transport, transport.take())
        _, second = transport.takeAll()
        transport.answer(second, 200, [("Contact", "<sip:bob@10.0.0.1>")])
        (ack,) = transport.takeAll()
        assert ack.getHeader("Authorization") == second.getHeader("Authorization")
        scene.ua.transactions.close(NotConnected("the test is over"))
