"""The way of a request that comes in, after the checklist's "UA" line and RFC 3261 section 8.2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipws.interfaces import C
from sipws.message import IncomingRequest, OutgoingResponse
from sipws.ua import Reply
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import ALICE, BOB, FakeTransport, Scene, incoming


@pytest.fixture
def scene() -> Scene:
    made = Scene(contactName="me", viaHost="own.invalid")
    made.connect()
    made.names()
    return made


def receive(scene: Scene, *args: Any, **kwargs: Any) -> Any:
    """Have a request come in, and give the response, or C{None}."""
    transport = scene.transport
    transport.receive(incoming(*args, **kwargs))
    return transport.take() if transport.sent else None


class TestBuiltIn:
    """What happens without a handler."""

    def test_optionsIsAnswered200(self, scene: Scene) -> None:
        response = receive(scene, "OPTIONS")
        assert response.statusCode == 200
        assert response.getHeaders("Allow") == ["OPTIONS", "MESSAGE"]
        assert response.getHeader("Accept") == "*/*"
        assert response.hasHeader("Supported")
        assert response.toTag

    def test_messageIsAnswered200AndAnEvent(self, scene: Scene) -> None:
        response = receive(scene, body="hello")
        assert response.statusCode == 200
        ((event, request),) = scene.events
        assert (event, request.body) == ("message", b"hello")
        # RFC 3428 section 7: no Contact in the 2xx, and no body.
        assert not response.hasHeader("Contact")
        assert response.body == b""

    @pytest.mark.parametrize("method", ["BYE", "NOTIFY"])
    def test_whatBelongsToADialogIsAnswered481(self, scene: Scene, method: str) -> None:
        assert receive(scene, method).statusCode == 481
        assert receive(scene, method, toTag="x", branch="z9hG4bKother").statusCode == 481

    @pytest.mark.parametrize(
        ("method", "status"),
        [
            ("INVITE", 405),
            ("REGISTER", 405),
            ("PUBLISH", 405),
            ("SUBSCRIBE", 405),
            ("INFO", 405),
            # RFC 3261 section 21.5.2: "when a UAS does not recognize the request method".
            ("FOO", 501),
            ("invite", 501),
        ],
    )
    def test_anyOtherMethodIsRefusedWithAllow(self, scene: Scene, method: str, status: int) -> None:
        response = receive(scene, method)
        assert response.statusCode == status
        assert response.getHeaders("Allow") == ["OPTIONS", "MESSAGE"]

    def test_aCancelOfWhatIsNotThereIsAnswered481AndAWarning(self, scene: Scene) -> None:
        with capturedLogs() as events:
            assert receive(scene, "CANCEL").statusCode == 481
        warnings = [formatEvent(one) for one in events if one["log_level"] is LogLevel.warn]
        assert warnings == ["a CANCEL of what is not there"]

    def test_anAckIsNeverAnswered(self, scene: Scene) -> None:
        assert receive(scene, "ACK") is None
        assert receive(scene, "ACK", "sip:nobody@example.com") is None
        assert receive(scene, "ACK", ALICE, "Require: x") is None

    def test_nothingIsLeftOpen(self, scene: Scene) -> None:
        for method in ("OPTIONS", "MESSAGE", "BYE", "NOTIFY", "FOO", "CANCEL"):
            receive(scene, method)
        assert len(scene.ua.transactions) == 0
        assert scene.restless() == []


class TestWhoItIsFor:
    @pytest.mark.parametrize(
        "uri", [ALICE, "sip:me@own.invalid;transport=ws", "sips:alice@elsewhere.org", "sip:%61lice@x.org"]
    )
    def test_oursAreAnswered(self, scene: Scene, uri: str) -> None:
        assert receive(scene, "OPTIONS", uri).statusCode == 200

    @pytest.mark.parametrize("uri", ["sip:bob@example.com", "sip:example.com", "sip:Alice@example.com"])
    @pytest.mark.parametrize("method", ["OPTIONS", "MESSAGE", "BYE"])
    def test_aUserThatIsNotOursIsAnswered404(self, scene: Scene, method: str, uri: str) -> None:
        assert receive(scene, method, uri).statusCode == 404
        assert scene.names() == []


class TestRules:
    def test_requireOfWhatIsNotSupportedIsAnswered420(self, scene: Scene) -> None:
        response = receive(scene, "MESSAGE", ALICE, "Require: timer, foo", "Require: bar")
        assert response.statusCode == 420
        assert response.getHeaders("Unsupported") == ["timer", "foo", "bar"]
        assert scene.names() == []

    def test_requireOfWhatIsSupportedIsFine(self) -> None:
        scene = Scene(extraSupported=["timer", "path"])
        scene.connect()
        assert receive(scene, "MESSAGE", ALICE, "Require: Timer").statusCode == 200
        response = receive(scene, "MESSAGE", ALICE, "Require: path, foo")
        assert (response.statusCode, response.getHeaders("Unsupported")) == (420, ["foo"])
        assert receive(scene, "OPTIONS").getHeaders("Supported") == ["timer", "path"]

    @pytest.mark.parametrize("value", ["gzip", "deflate, gzip"])
    def test_anEncodedBodyIsAnswered415(self, scene: Scene, value: str) -> None:
        response = receive(scene, "MESSAGE", ALICE, f"Content-Encoding: {value}", body="x")
        assert response.statusCode == 415
        assert response.getHeader("Accept-Encoding") == "identity"

    def test_anIdentityIsNoEncoding(self, scene: Scene) -> None:
        assert receive(scene, "MESSAGE", ALICE, "e: Identity", body="x").statusCode == 200

    @pytest.mark.parametrize(
        ("accept", "contentType", "status"),
        [
            (["text/plain"], "text/plain", 200),
            (["text/plain"], "Text/Plain ; charset=utf-8", 200),
            (["TEXT/plain"], "text/plain", 200),
            (["text/*"], "text/html", 200),
            (["*/*"], "image/png", 200),
            (["text/plain", "application/json"], "application/json", 200),
            (["text/plain"], "text/html", 415),
            (["text/*"], "texts/plain", 415),
            (["text/plain"], "text/plainer", 415),
            (["text/plain"], None, 415),
            (None, "anything/atall", 200),
        ],
    )
    def test_aTypeThatTheHandlerDoesNotTakeIsAnswered415(
        self, scene: Scene, accept: list[str] | None, contentType: str | None, status: int
    ) -> None:
        called: list[object] = []
        scene.ua.handle("MESSAGE", called.append, accept=accept)
        headers = [] if contentType is None else [f"Content-Type: {contentType}"]
        response = receive(scene, "MESSAGE", ALICE, *headers, body="x")
        assert response.statusCode == status
        assert len(called) == (status == 200)
        if status == 415:
            assert response.getHeaders("Accept") == [value.lower() for value in accept or ()]

    def test_whatHasNoBodyHasNoType(self, scene: Scene) -> None:
        scene.ua.handle("MESSAGE", lambda _: 200, accept=["text/plain"])
        assert receive(scene).statusCode == 200

    @pytest.mark.parametrize(
        ("disposition", "status"),
        [
            ("render;handling=optional", 200),
            ("render; Handling = Optional", 200),
            ("render;handling=required", 415),
            ("render", 415),
        ],
    )
    def test_aBodyThatIsOptionalIsNotARreasonToRefuse(
        self, scene: Scene, disposition: str, status: int
    ) -> None:
        scene.ua.handle("MESSAGE", lambda _: 200, accept=["text/plain"])
        headers = ["Content-Type: image/png", f"Content-Disposition: {disposition}"]
        assert receive(scene, "MESSAGE", ALICE, *headers, body="x").statusCode == status

    def test_theMethodIsLookedAtFirstAndTheUserBeforeTheRest(self, scene: Scene) -> None:
        assert receive(scene, "FOO", "sip:bob@example.com", "Require: x").statusCode == 501
        assert receive(scene, "MESSAGE", "sip:bob@example.com", "Require: x").statusCode == 404

    def test_optionsSaysWhatTheHandlersTake(self, scene: Scene) -> None:
        scene.ua.handle("MESSAGE", lambda _: 200, accept=["text/plain", "text/html"])
        assert receive(scene, "OPTIONS").getHeaders("Accept") == ["text/plain", "text/html"]

    @pytest.mark.parametrize(
        ("header", "status"),
        [
            ("Content-Disposition: ", 200),
            ("Require: ,,", 200),
            ("Require: ", 200),
            ("Content-Encoding: ", 200),
        ],
    )
    def test_nonsenseInThemBreaksNothing(self, scene: Scene, header: str, status: int) -> None:
        assert receive(scene, "MESSAGE", ALICE, header, body="x").statusCode == status
        assert receive(scene, "MESSAGE", branch="z9hG4bKnext").statusCode == 200

    def test_aMalformedRequestURIIsAnswered400(self, scene: Scene) -> None:
        request = incoming().replace(f"MESSAGE {ALICE}", "MESSAGE sip:alice@example.com:port")
        scene.transport.receive(request)
        assert scene.transport.take().statusCode == 400


class TestTooManyUnanswered:
    def test_isAnswered503WithRetryAfter(self) -> None:
        scene = Scene(maxUnansweredRequests=2)
        scene.connect()
        gates: list[Deferred[int]] = []

        def handler(_: IncomingRequest) -> Deferred[int]:
            gates.append(Deferred())
            return gates[-1]

        scene.ua.handle("MESSAGE", handler)
        assert receive(scene, branch="z9hG4bK1") is None
        assert receive(scene, branch="z9hG4bK2") is None
        response = receive(scene, branch="z9hG4bK3")
        assert response.statusCode == 503
        assert int(response.getHeader("Retry-After")) > 0
        gates[0].callback(200)
        assert scene.transport.take().statusCode == 200
        assert receive(scene, branch="z9hG4bK4") is None
        assert len(gates) == 3
        scene.ua.stop()
        scene.clock.advance(5)

    def test_soAreTooManyTransactions(self) -> None:
        scene = Scene(maxTransactions=1)
        scene.connect()
        scene.ua.handle("MESSAGE", lambda _: Deferred())
        assert receive(scene, branch="z9hG4bK1") is None
        response = receive(scene, branch="z9hG4bK2")
        assert (response.statusCode, response.hasHeader("Retry-After")) == (503, True)
        scene.ua.stop()
        scene.clock.advance(5)


class TestHandlers:
    @pytest.mark.parametrize(
        ("result", "status"),
        [
            (None, 200),
            (202, 202),
            (603, 603),
            (Reply(486), 486),
            (Reply(), 200),
        ],
    )
    def test_theResultIsTheResponse(self, scene: Scene, result: object, status: int) -> None:
        scene.ua.handle("INFO", lambda _: result)
        assert receive(scene, "INFO").statusCode == status

    def test_aReplyHasEverythingThatAResponseHas(self, scene: Scene) -> None:
        reply = Reply(299, "Fine", headers=[("X-Mine", 1)], body="größe", contentType="text/plain")
        scene.ua.handle("INFO", lambda _: reply)
        response = receive(scene, "INFO")
        assert (response.statusCode, response.reasonPhrase) == (299, "Fine")
        assert (response.getHeader("X-Mine"), response.contentType) == ("1", "text/plain")
        assert response.body == "größe".encode()

    def test_anOutgoingResponseIsTheResponse(self, scene: Scene) -> None:
        scene.ua.handle("INFO", lambda request: OutgoingResponse(request, 202, toTag="mine"))
        response = receive(scene, "INFO")
        assert (response.statusCode, response.toTag) == (202, "mine")

    def test_aDeferredsResultIsTheResponse(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred()
        scene.ua.handle("INFO", lambda _: gate)
        assert receive(scene, "INFO") is None
        gate.callback(202)
        assert scene.transport.take().statusCode == 202
        assert scene.restless() == []

    def test_aCoroutinesResultIsTheResponse(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred()

        async def handler(request: IncomingRequest) -> Reply:
            assert request.method == "INFO"
            return Reply(await gate)

        scene.ua.handle("INFO", handler)
        assert receive(scene, "INFO") is None
        gate.callback(202)
        assert scene.transport.take().statusCode == 202
        assert scene.restless() == []

    def test_aDeferredThatHasFiredIsAnsweredAtOnce(self, scene: Scene) -> None:
        scene.ua.handle("INFO", lambda _: succeed(202))
        assert receive(scene, "INFO").statusCode == 202
        assert scene.restless() == []

    def test_aCoroutineThatNeverWaitsIsAnsweredAtOnce(self, scene: Scene) -> None:
        async def handler(_: IncomingRequest) -> int:
            return 202

        scene.ua.handle("INFO", handler)
        assert receive(scene, "INFO").statusCode == 202

    def test_messageGoesToItsHandlerAndIsAnEventToo(self, scene: Scene) -> None:
        got: list[IncomingRequest] = []
        scene.ua.handle("MESSAGE", got.append)
        assert receive(scene).statusCode == 200
        assert len(got) == 1
        assert scene.names() == ["message"]

    def test_theLastOneCounts(self, scene: Scene) -> None:
        scene.ua.handle("INFO", lambda _: 202)
        scene.ua.handle("INFO", lambda _: 299)
        assert receive(scene, "INFO").statusCode == 299

    def test_oneThatIsTakenAwayIsGone(self, scene: Scene) -> None:
        scene.ua.handle("INFO", lambda _: 202)
        scene.ua.handle("INFO", None)
        scene.ua.handle("BYE", None)
        assert receive(scene, "INFO").statusCode == 405
        assert receive(scene, "BYE").statusCode == 481

    def test_theyAreAllowed(self, scene: Scene) -> None:
        scene.ua.handle("INFO", lambda _: 202)
        assert receive(scene, "FOO").getHeaders("Allow") == ["OPTIONS", "MESSAGE", "INFO"]
        scene.ua.handle("INVITE", lambda _: 486)
        allow = receive(scene, "FOO", branch="z9hG4bK2").getHeaders("Allow")
        assert set(allow) == {"OPTIONS", "MESSAGE", "INFO", "INVITE", "ACK", "CANCEL", "BYE"}

    @pytest.mark.parametrize("method", ["OPTIONS", "BYE", "NOTIFY"])
    def test_oneTakesThePlaceOfWhatIsBuiltIn(self, scene: Scene, method: str) -> None:
        scene.ua.handle(method, lambda _: 299)
        assert receive(scene, method).statusCode == 299

    def test_theRequestSaysWhatItCameOn(self, scene: Scene) -> None:
        got: list[IncomingRequest] = []
        scene.ua.handle("MESSAGE", got.append)
        receive(scene)
        assert got[0].transport is scene.transport


def raises(_: object) -> int:
    raise ValueError("handler")


async def raisesLater(_: object) -> int:
    raise ValueError("handler")


class TestHandlersThatGoWrong:
    @pytest.mark.parametrize("handler", [raises, raisesLater])
    def test_oneThatRaisesIs500AndLogged(
        self, scene: Scene, handler: Callable[[Any], Any], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        scene.ua.handle("MESSAGE", handler)
        assert receive(scene).statusCode == 500
        assert len(flushLoggedErrors(ValueError)) == 1
        assert scene.restless() == []

    def test_oneWhoseDeferredFailsIs500AndLogged(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        gate: Deferred[int] = Deferred()
        scene.ua.handle("MESSAGE", lambda _: gate)
        receive(scene)
        gate.errback(ValueError("handler"))
        assert scene.transport.take().statusCode == 500
        assert len(flushLoggedErrors(ValueError)) == 1
        assert scene.restless() == []

    @pytest.mark.parametrize(
        "result",
        [
            "200",
            99,
            700,
            -1,
            True,
            200.0,
            [],
            object(),
            b"",
            180,
            100,
            Reply(180),
            Reply(1000),
            Reply(200, "a\r\nb"),
        ],
    )
    @pytest.mark.parametrize("later", [False, True])
    def test_oneThatReturnsNonsenseIs500AndLogged(
        self, scene: Scene, result: object, later: bool, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        scene.ua.handle("MESSAGE", lambda _: succeed(result) if later else result)
        assert receive(scene).statusCode == 500
        assert len(flushLoggedErrors(TypeError, ValueError)) == 1

    def test_oneThatAnswersAnotherRequestIs500(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        seen: list[IncomingRequest] = []

        def handler(request: IncomingRequest) -> OutgoingResponse:
            seen.append(request)
            return OutgoingResponse(seen[0], 200)

        scene.ua.handle("MESSAGE", handler)
        assert receive(scene, branch="z9hG4bK1").statusCode == 200
        assert receive(scene, branch="z9hG4bK2").statusCode == 500
        assert len(flushLoggedErrors(ValueError)) == 1

    def test_oneThatOutlivesItsTransactionBreaksNothing(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred()
        scene.ua.handle("MESSAGE", lambda _: gate)
        receive(scene)
        scene.ua.transactions.close(ValueError("over"))  # type: ignore[arg-type]
        gate.callback(200)
        assert scene.transport.sent == []
        assert scene.restless() == []

    def test_oneThatNeverAnswersIsCancelledAndItsRequestForgotten(self, scene: Scene) -> None:
        cancelled: list[object] = []
        scene.ua.handle("MESSAGE", lambda _: Deferred(cancelled.append))
        assert receive(scene) is None
        scene.clock.advance(3.5)
        # RFC 4320 section 4.1.
        assert scene.transport.take().statusCode == 100
        scene.clock.advance(28.5)
        assert len(cancelled) == 1
        # RFC 4320 section 4.2: no 408.
        assert scene.transport.sent == []
        assert len(scene.ua.transactions) == 0
        assert scene.restless() == []

    def test_oneThatAnswersTooLateBreaksNothing(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred(lambda _: None)
        scene.ua.handle("MESSAGE", lambda _: gate)
        receive(scene)
        scene.clock.advance(3.5)
        scene.clock.advance(28.5)
        scene.transport.takeAll()
        assert scene.ua.status == C.STATUS_READY
        assert receive(scene, "OPTIONS").statusCode == 200

    def test_theTransportMayGoMeanwhile(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred()
        scene.ua.handle("MESSAGE", lambda _: gate)
        receive(scene)
        scene.transport.lose()
        scene.transport.open()
        gate.callback(200)
        assert scene.transport.sent == []
        assert scene.restless() == []
        assert receive(scene, "OPTIONS").statusCode == 200

    def test_aListenerOfMessageThatRaisesBreaksNothing(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        scene.ua.on("message", raises)
        assert receive(scene).statusCode == 200
        assert len(flushLoggedErrors(ValueError)) == 1

    def test_whateverIsWrongWithOneTheNextIsAnswered(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(IncomingRequest, "requestURI", property(raises))
            assert receive(scene).statusCode == 500
        assert len(flushLoggedErrors(ValueError)) == 1
        assert receive(scene).statusCode == 200


class TestRespond:
    def test_aHandlerMayAnswerByItself(self, scene: Scene) -> None:
        def handler(request: IncomingRequest) -> None:
            assert scene.ua.respond(request, 202, "Later", headers=[("X-Mine", 1)]) is True

        scene.ua.handle("INFO", handler)
        response = receive(scene, "INFO")
        assert (response.statusCode, response.reasonPhrase, response.getHeader("X-Mine")) == (
            202,
            "Later",
            "1",
        )
        assert scene.transport.sent == []

    def test_anAsynchronousOneToo(self, scene: Scene) -> None:
        gate: Deferred[None] = Deferred()
        requests: list[IncomingRequest] = []

        def handler(request: IncomingRequest) -> Deferred[None]:
            requests.append(request)
            return gate

        scene.ua.handle("INFO", handler)
        receive(scene, "INFO")
        assert scene.ua.respond(requests[0], 200) is True
        assert scene.transport.take().statusCode == 200
        gate.callback(None)
        assert scene.transport.sent == []
        assert scene.restless() == []
        assert scene.ua.respond(requests[0], 200) is False

    def test_wrongValuesAreToldToTheCaller(self, scene: Scene) -> None:
        requests: list[IncomingRequest] = []
        scene.ua.handle("INVITE", requests.append)
        receive(scene, "INVITE")
        for wrong in (99, 700):
            with pytest.raises(ValueError, match=str(wrong)):
                scene.ua.respond(requests[0], wrong)
        with pytest.raises(ValueError, match="CR"):
            scene.ua.respond(requests[0], 200, "a\r\nb")
        scene.ua.transactions.close(ValueError("over"))  # type: ignore[arg-type]

    def test_theTagOfToIsTheSameInAllResponses(self, scene: Scene) -> None:
        requests: list[IncomingRequest] = []
        scene.ua.handle("INVITE", requests.append)
        receive(scene, "INVITE")
        scene.ua.respond(requests[0], 180)
        scene.ua.respond(requests[0], 200)
        tags = {response.toTag for response in scene.transport.takeAll()}
        assert len(tags) == 1
        assert None not in tags
        scene.ua.transactions.close(ValueError("over"))  # type: ignore[arg-type]

    def test_theTagOfToIsAnotherForAnotherRequest(self, scene: Scene) -> None:
        tags = {receive(scene, branch=f"z9hG4bK{number}").toTag for number in range(100)}
        assert len(tags) == 100

    def test_theTagOfToIsAnotherOfAnotherUserAgent(self) -> None:
        tags = set()
        for seed in range(20):
            scene = Scene(seed=seed)
            scene.connect()
            tags.add(receive(scene).toTag)
        assert len(tags) == 20


class TestWhatMakesADialog:
    """RFC 3261 section 12.1.1: "The UAS MUST add a Contact header field to the response"."""

    @pytest.mark.parametrize(("secure", "scheme"), [(False, "sip"), (True, "sips")])
    def test_saysWhereWeAreAndWhatWeTake(self, scene: Scene, secure: bool, scheme: str) -> None:
        scene.ua.handle("REFER", lambda _: 202)
        response = receive(scene, "REFER", f"{scheme}:alice@example.com")
        assert response.getHeader("Contact").startswith(f"<{scheme}:")
        assert response.getHeaders("Allow") == ["OPTIONS", "MESSAGE", "REFER"]
        scene.clock.advance(64)

    @pytest.mark.parametrize("statusCode", [180, 200])
    def test_whoeverAnswersByItself(self, scene: Scene, statusCode: int) -> None:
        requests: list[IncomingRequest] = []
        scene.ua.handle("INVITE", requests.append)
        receive(scene, "INVITE")
        scene.ua.respond(requests[0], statusCode)
        response = scene.transport.take()
        assert len(response.getHeaders("Contact")) == 1
        assert "INVITE" in response.getHeaders("Allow")
        scene.ua.transactions.close(ValueError("over"))  # type: ignore[arg-type]

    def test_theHandlersOwnTakesThePlaceOfOurs(self, scene: Scene) -> None:
        own = [("m", "<sip:own@own.invalid>"), ("Allow", "REFER")]
        scene.ua.handle("REFER", lambda _: Reply(202, headers=own))
        response = receive(scene, "REFER")
        assert response.getHeaders("Contact") == ["<sip:own@own.invalid>"]
        assert response.getHeaders("Allow") == ["REFER"]
        scene.clock.advance(64)

    @pytest.mark.parametrize(("method", "statusCode"), [("REFER", 603), ("INFO", 200), ("MESSAGE", 200)])
    def test_nothingElseDoes(self, scene: Scene, method: str, statusCode: int) -> None:
        scene.ua.handle(method, lambda _: statusCode)
        assert not receive(scene, method).hasHeader("Contact")
        scene.clock.advance(64)

    def test_aResponseThatIsReadyGetsATagToo(self, scene: Scene) -> None:
        scene.ua.handle("INFO", lambda request: OutgoingResponse(request, 200))
        scene.ua.handle("REFER", lambda request: OutgoingResponse(request, 403, toTag="own"))
        # RFC 3261 section 8.2.6.2: "the UAS MUST add a tag to the To header field in the response".
        assert receive(scene, "INFO").toTag
        assert receive(scene, "REFER", branch="z9hG4bKrefer").toTag == "own"
        scene.clock.advance(64)


class TestInvite:
    def invite(self, scene: Scene, result: object = None) -> IncomingRequest:
        requests: list[IncomingRequest] = []

        def handler(request: IncomingRequest) -> object:
            requests.append(request)
            return result

        scene.ua.handle("INVITE", handler)
        scene.transport.receive(incoming("INVITE", branch="z9hG4bKcall"))
        return requests[0]

    def close(self, scene: Scene) -> None:
        scene.ua.transactions.close(ValueError("over"))  # type: ignore[arg-type]

    def test_isNotAnsweredByDefault(self, scene: Scene) -> None:
        request = self.invite(scene)
        assert scene.transport.sent == []
        scene.clock.advance(0.2)
        assert scene.transport.take().statusCode == 100
        scene.clock.advance(100)
        assert scene.ua.respond(request, 180)
        assert scene.ua.respond(request, 486)
        assert [response.statusCode for response in scene.transport.takeAll()] == [180, 486]
        self.close(scene)

    def test_mayBeRefusedByTheResult(self, scene: Scene) -> None:
        self.invite(scene, 486)
        assert scene.transport.take().statusCode == 486
        scene.transport.receive(incoming("ACK", branch="z9hG4bKcall"))
        assert len(scene.ua.transactions) == 0
        assert scene.restless() == []

    def test_isAnsweredOnceHoweverOftenItComes(self, scene: Scene) -> None:
        self.invite(scene, 486)
        scene.transport.takeAll()
        scene.transport.receive(incoming("INVITE", branch="z9hG4bKcall"))
        assert [response.statusCode for response in scene.transport.takeAll()] == [486]
        self.close(scene)

    def test_aCancelEndsIt(self, scene: Scene) -> None:
        cancelled: list[object] = []
        request = self.invite(scene, Deferred(cancelled.append))
        scene.transport.receive(incoming("CANCEL", branch="z9hG4bKcall"))
        toCancel, toInvite = scene.transport.takeAll()
        assert (toCancel.statusCode, toCancel.cseqMethod) == (200, "CANCEL")
        assert (toInvite.statusCode, toInvite.cseqMethod) == (487, "INVITE")
        assert toCancel.toTag == toInvite.toTag
        assert len(cancelled) == 1
        assert scene.ua.respond(request, 200) is False
        scene.transport.receive(incoming("ACK", branch="z9hG4bKcall"))
        assert scene.restless() == []

    def test_aCancelThatComesTooLateChangesNothing(self, scene: Scene) -> None:
        request = self.invite(scene)
        scene.ua.respond(request, 200)
        scene.transport.takeAll()
        scene.transport.receive(incoming("CANCEL", branch="z9hG4bKcall"))
        assert [(one.statusCode, one.cseqMethod) for one in scene.transport.takeAll()] == [(200, "CANCEL")]
        self.close(scene)

    def test_aCancelOfAnotherMethodChangesNothing(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred()
        scene.ua.handle("INFO", lambda _: gate)
        scene.transport.receive(incoming("INFO", branch="z9hG4bKinfo"))
        scene.transport.receive(incoming("CANCEL", branch="z9hG4bKinfo"))
        assert [(one.statusCode, one.cseqMethod) for one in scene.transport.takeAll()] == [(200, "CANCEL")]
        gate.callback(202)
        assert scene.transport.take().statusCode == 202

    def test_aLostConnectionEndsIt(self, scene: Scene) -> None:
        cancelled: list[object] = []
        request = self.invite(scene, Deferred(cancelled.append))
        scene.transport.lose()
        assert len(cancelled) == 1
        assert scene.ua.respond(request, 200) is False
        scene.clock.advance(32)
        assert len(scene.ua.transactions) == 0
        assert scene.restless() == []

    def test_theAckToA2xxGoesToItsHandler(self, scene: Scene) -> None:
        acks: list[IncomingRequest] = []
        scene.ua.handle("ACK", acks.append)
        request = self.invite(scene)
        scene.ua.respond(request, 200)
        scene.transport.takeAll()
        scene.transport.receive(incoming("ACK", branch="z9hG4bKack"))
        assert [ack.method for ack in acks] == ["ACK"]
        assert scene.transport.sent == []
        self.close(scene)

    def test_aHandlerOfAckThatRaisesIsLoggedAndNothingIsAnswered(
        self, scene: Scene, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        scene.ua.handle("ACK", raises)
        assert receive(scene, "ACK") is None
        assert len(flushLoggedErrors(ValueError)) == 1


class TestTransactions:
    def test_aRetransmissionIsHandledOnce(self, scene: Scene) -> None:
        gate: Deferred[int] = Deferred()
        calls: list[IncomingRequest] = []

        def handler(request: IncomingRequest) -> Deferred[int]:
            calls.append(request)
            return gate

        scene.ua.handle("MESSAGE", handler)
        receive(scene)
        receive(scene)
        assert len(calls) == 1
        gate.callback(200)
        assert [response.statusCode for response in scene.transport.takeAll()] == [200]

    def test_theResponseGoesBackOnTheConnectionThatTheRequestCameOn(self) -> None:
        scene = Scene(wsServers=["ws://a", "ws://b"])
        first = scene.connect()
        gate: Deferred[int] = Deferred()
        scene.ua.handle("MESSAGE", lambda _: gate)
        first.receive(incoming())
        other = FakeTransport(scene.ua, first.server, scene.clock, options=None)
        other.open()
        gate.callback(200)
        assert other.sent == []
        assert first.take().statusCode == 200

    def test_aRefusalToo(self) -> None:
        scene = Scene()
        first = scene.connect()
        other = FakeTransport(scene.ua, first.server, scene.clock, options=None)
        other.open()
        first.receive(incoming("FOO"))
        assert other.sent == []
        assert first.take().statusCode == 501

    def test_bobIsNotAlice(self, scene: Scene) -> None:
        assert receive(scene, "OPTIONS", BOB).statusCode == 404
