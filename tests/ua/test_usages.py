"""What a user agent does for calls and subscriptions: the dialogs' side of RFC 3261 sections 9, 12 and 13."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipws.dialog import Dialog, State
from sipws.errors import LimitExceeded, NotConnected, SIPError, TransactionCancelled, TransactionTimeout
from sipws.message import IncomingRequest
from sipws.session.branches import credentialsOf
from sipws.ua import Reply
from sipws.ua.newcomers import NEWCOMERS, Newcomer
from sipws.ua.usages import Usages
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import ALICE, BOB, FakeTransport, Scene, incoming, outcome

CONTACT = "Contact: <sip:bob@bob.invalid;transport=ws>"


class Usage:
    """A usage that notes what it is told, and answers as it is set to."""

    holdsConnection = True

    def __init__(self, *methods: str) -> None:
        self.methods = methods
        self.requests: list[IncomingRequest] = []
        self.ended: list[Dialog] = []
        self.lost: list[SIPError] = []
        self.answer: Callable[[IncomingRequest], object] = lambda _: 200
        self.ending: Deferred[None] | None = None

    def takes(self, request: IncomingRequest) -> bool:
        return request.method in self.methods

    def receiveRequest(self, request: IncomingRequest) -> object:
        self.requests.append(request)
        return self.answer(request)

    def dialogEnded(self, dialog: Dialog) -> None:
        self.ended.append(dialog)

    def connectionLost(self, dialog: Dialog, error: SIPError) -> None:
        self.lost.append(error)

    def stop(self) -> Deferred[None] | None:
        return self.ending


class Call:
    """An incoming INVITE, as a session would take it: what became of it, and the dialog that it made."""

    def __init__(self, usages: Usages, request: IncomingRequest) -> None:
        self.usages = usages
        self.request = request
        self.cancels: list[IncomingRequest] = []
        self.losses: list[SIPError] = []
        usages.follow(request, self.cancels.append, self.losses.append)

    def respond(self, statusCode: int, **options: Any) -> Any:
        return self.usages.respond(self.request, statusCode, establish=True, **options)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Call]]:
    """INVITEs that came in while there was a listener."""
    made: list[Call] = []

    def receive(usages: Usages, request: IncomingRequest) -> None:
        made.append(Call(usages, request))

    monkeypatch.setitem(NEWCOMERS, "INVITE", Newcomer("invite", receive, ("INVITE", "BYE", "UPDATE")))
    yield made
    made.clear()


@pytest.fixture
def scene() -> Scene:
    made = Scene(contactName="me", viaHost="own.invalid")
    made.connect()
    made.ua.on("invite", lambda _: None)
    return made


def ring(scene: Scene, calls: list[Call], *headers: str, **options: Any) -> Call:
    scene.transport.receive(incoming("INVITE", ALICE, CONTACT, *headers, **options))
    return calls[-1]


def establish(scene: Scene, calls: list[Call], usage: Usage) -> Dialog:
    """Accept a call, with a usage in its dialog."""
    dialog, _ = ring(scene, calls).respond(200)
    assert isinstance(dialog, Dialog)
    scene.ua.usages.attach(dialog, usage)
    scene.transport.takeAll()
    return dialog


def within(dialog: Dialog, method: str, cseq: int = 2, *headers: str, **options: Any) -> str:
    """Write a request of the peer's within a dialog."""
    options = {"branch": f"z9hG4bK{method}{cseq}", "callID": "in", "toTag": dialog.id.localTag, **options}
    return incoming(method, "sip:me@own.invalid;transport=ws", *headers, cseq=cseq, **options)


def end(scene: Scene) -> None:
    """Let the timers of what is answered run out."""
    for dialog in scene.ua.usages.dialogs:
        dialog.end()
    scene.clock.advance(64)
    assert scene.restless() == []


class TestBeginning:
    def test_withoutAListenerThereAreNoCalls(self, calls: list[Call]) -> None:
        scene = Scene(contactName="me")
        scene.connect()
        scene.transport.receive(incoming("INVITE"))
        response = scene.transport.take()
        assert response.statusCode == 405
        assert "INVITE" not in response.getHeaders("Allow")
        assert not calls

    def test_aHandlerOfTheApplicationsGoesBefore(self, scene: Scene, calls: list[Call]) -> None:
        scene.ua.handle("INVITE", lambda _: 486)
        scene.transport.receive(incoming("INVITE"))
        assert scene.transport.take().statusCode == 486
        assert not calls

    def test_allowSaysWhatIsTaken(self, scene: Scene, calls: list[Call]) -> None:
        scene.transport.receive(incoming("OPTIONS"))
        allowed = scene.transport.take().getHeaders("Allow")
        assert allowed == ["OPTIONS", "MESSAGE", "INVITE", "BYE", "UPDATE", "ACK", "CANCEL"]
        scene.ua.usages.allow(("NOTIFY", "BYE"))
        scene.transport.receive(incoming("OPTIONS", branch="z9hG4bKagain"))
        assert "NOTIFY" in scene.transport.take().getHeaders("Allow")

    def test_aResponseThatMakesADialogHasWhatItNeeds(self, scene: Scene, calls: list[Call]) -> None:
        call = ring(scene, calls)
        early, _ = call.respond(180)
        assert early.state.state == State.EARLY
        call.respond(200, body="v=0", contentType="application/sdp")
        ringing, accepted = scene.transport.takeAll()
        for response in (ringing, accepted):
            # RFC 3261 section 12.1.1: the tag and the Contact.
            assert response.toTag == early.id.localTag
            assert response.getHeader("Contact") == "<sip:me@own.invalid;transport=ws>"
            assert "INVITE" in response.getHeaders("Allow")
        assert accepted.body == b"v=0"
        assert accepted.contentType == "application/sdp"
        assert early.state.state == State.CONFIRMED
        end(scene)

    def test_sipsAsksForSIPS(self, scene: Scene, calls: list[Call]) -> None:
        scene.transport.receive(
            incoming("INVITE", "sips:alice@example.com", "Contact: <sips:bob@bob.invalid;transport=ws>")
        )
        calls[-1].respond(200)
        assert scene.transport.take().getHeader("Contact") == "<sips:me@own.invalid;transport=ws>"
        end(scene)

    def test_thereIsALimit(self, calls: list[Call]) -> None:
        scene = Scene(maxDialogs=1)
        scene.connect()
        scene.ua.on("invite", lambda _: None)
        ring(scene, calls).respond(200)
        call = ring(scene, calls, branch="z9hG4bKsecond", callID="second")
        with pytest.raises(LimitExceeded):
            call.respond(200)
        call.respond(503)
        assert [response.statusCode for response in scene.transport.takeAll()] == [200, 503]
        end(scene)

    def test_unansweredCallsCount(self, calls: list[Call]) -> None:
        scene = Scene(maxUnansweredRequests=1)
        scene.connect()
        scene.ua.on("invite", lambda _: None)
        first = ring(scene, calls)
        scene.transport.receive(incoming("INVITE", branch="z9hG4bKmore", callID="more"))
        assert scene.transport.take().statusCode == 503
        first.respond(486)
        scene.transport.receive(incoming("INVITE", branch="z9hG4bKlater", callID="later"))
        assert len(calls) == 2
        calls[-1].respond(486)
        end(scene)


class TestIncomingInvite:
    def test_aCancelIsAnsweredAndToldOf(self, scene: Scene, calls: list[Call]) -> None:
        call = ring(scene, calls)
        dialog, _ = call.respond(180)
        scene.transport.takeAll()
        scene.transport.receive(incoming("CANCEL", ALICE, "Reason: SIP;cause=200", branch="z9hG4bKin"))
        (answer,) = scene.transport.takeAll()
        assert (answer.statusCode, answer.method) == (200, "CANCEL")
        assert call.cancels[0].getHeader("Reason") == "SIP;cause=200"
        call.respond(487)
        assert scene.transport.take().statusCode == 487
        # RFC 3261 section 12.3: the early dialog is gone.
        assert dialog.state.state == State.TERMINATED
        assert len(scene.ua.usages.dialogs) == 0
        end(scene)

    def test_aCancelThatCrossesTheAnswerIsOfNoAccount(self, scene: Scene, calls: list[Call]) -> None:
        call = ring(scene, calls)
        call.respond(200)
        scene.transport.receive(incoming("CANCEL", ALICE, branch="z9hG4bKin"))
        assert [each.statusCode for each in scene.transport.takeAll()] == [200, 200]
        assert not call.cancels
        end(scene)

    def test_aLostConnectionIsToldOf(self, scene: Scene, calls: list[Call]) -> None:
        call = ring(scene, calls)
        dialog, _ = call.respond(180)
        scene.transport.lose()
        (error,) = call.losses
        assert isinstance(error, SIPError)
        call.respond(480)
        assert dialog.state.state == State.TERMINATED
        scene.clock.advance(0)

    def test_aStoppedUserAgentHasItAnswered(self, scene: Scene, calls: list[Call]) -> None:
        call = ring(scene, calls)
        usages = scene.ua.usages

        def lost(error: SIPError) -> None:
            usages.respond(call.request, 480, establish=True)

        usages.follow(call.request, call.cancels.append, lost)
        stopped = outcome(scene.ua.stop())
        assert scene.transport.take().statusCode == 480
        scene.clock.advance(64)
        assert stopped == [None]

    @pytest.mark.parametrize("branch", ["z9hG4bKin", "z9hG4bKack"])
    def test_theAckComesToTheUsage(self, scene: Scene, calls: list[Call], branch: str) -> None:
        # RFC 3261 section 13.2.2.4 gives it a branch of its own; some peers give it that of the INVITE.
        usage = Usage("ACK")
        dialog = establish(scene, calls, usage)
        scene.transport.receive(within(dialog, "ACK", 1, branch=branch))
        assert [request.method for request in usage.requests] == ["ACK"]
        assert not scene.transport.sent
        end(scene)

    def test_a2xxIsSentAgain(self, scene: Scene, calls: list[Call]) -> None:
        _, response = ring(scene, calls).respond(200)
        assert scene.ua.usages.resend(response)
        first, second = scene.transport.takeAll()
        assert str(first) == str(second)
        scene.transport.lose()
        assert not scene.ua.usages.resend(response)
        scene.clock.advance(64)


class TestRequestsWithinADialog:
    def test_theyComeToTheUsageThatTakesThem(self, scene: Scene, calls: list[Call]) -> None:
        session, subscription = Usage("BYE"), Usage("NOTIFY")
        dialog = establish(scene, calls, session)
        scene.ua.usages.attach(dialog, subscription)
        scene.ua.usages.allow(("NOTIFY",))
        subscription.answer = lambda _: Reply(202)
        scene.transport.receive(within(dialog, "NOTIFY", 2))
        scene.transport.receive(within(dialog, "BYE", 3))
        assert [each.statusCode for each in scene.transport.takeAll()] == [202, 200]
        assert [len(each.requests) for each in (session, subscription)] == [1, 1]
        end(scene)

    def test_aRetransmissionComesOnce(self, scene: Scene, calls: list[Call]) -> None:
        usage = Usage("BYE")
        answer: Deferred[int] = Deferred()
        usage.answer = lambda _: answer
        dialog = establish(scene, calls, usage)
        for _ in range(2):
            scene.transport.receive(within(dialog, "BYE"))
        answer.callback(200)
        assert len(usage.requests) == 1
        assert len(scene.transport.takeAll()) == 1
        end(scene)

    @pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE"])
    def test_outsideOfDialogsTheyAre481(self, scene: Scene, calls: list[Call], method: str) -> None:
        dialog = establish(scene, calls, Usage(method))
        scene.transport.receive(within(dialog, method, toTag="another"))
        assert scene.transport.take().statusCode == 481
        scene.transport.receive(within(dialog, method, callID="another"))
        assert scene.transport.take().statusCode == 481
        assert dialog.state.state == State.CONFIRMED
        assert len(calls) == 1
        end(scene)

    def test_outOfOrderTheyAre500(self, scene: Scene, calls: list[Call]) -> None:
        usage = Usage("UPDATE")
        dialog = establish(scene, calls, usage)
        scene.transport.receive(within(dialog, "UPDATE", 7))
        scene.transport.receive(within(dialog, "UPDATE", 6))
        first, second = scene.transport.takeAll()
        assert (first.statusCode, second.statusCode) == (200, 500)
        assert second.hasHeader("Retry-After")
        assert len(usage.requests) == 1
        end(scene)

    def test_theRulesHold(self, scene: Scene, calls: list[Call]) -> None:
        usage = Usage("UPDATE")
        dialog = establish(scene, calls, usage)
        scene.transport.receive(within(dialog, "UPDATE", 2, "Require: impossible"))
        assert scene.transport.take().statusCode == 420
        assert not usage.requests
        end(scene)

    def test_anyRequestURIWillDo(self, scene: Scene, calls: list[Call]) -> None:
        # What is on the way may write it anew; a 404 would end the dialog (RFC 5057 section 5.1).
        usage = Usage("BYE")
        dialog = establish(scene, calls, usage)
        text = within(dialog, "BYE").replace("sip:me@own.invalid;transport=ws", "sip:10.0.0.1")
        scene.transport.receive(text)
        assert scene.transport.take().statusCode == 200
        end(scene)

    def test_whatNoUsageTakesGoesToTheHandlers(self, scene: Scene, calls: list[Call]) -> None:
        dialog = establish(scene, calls, Usage("BYE"))
        scene.transport.receive(within(dialog, "MESSAGE", 2))
        scene.transport.receive(within(dialog, "UPDATE", 3))
        scene.transport.receive(within(dialog, "FOO", 4))
        assert [each.statusCode for each in scene.transport.takeAll()] == [200, 481, 501]
        end(scene)

    def test_a2xxRefreshesTheTarget(self, scene: Scene, calls: list[Call]) -> None:
        usage = Usage("UPDATE")
        dialog = establish(scene, calls, usage)
        usage.answer = lambda request: 488 if request.cseq == 2 else 200
        for cseq in (2, 3):
            scene.transport.receive(within(dialog, "UPDATE", cseq, f"Contact: <sip:bob@new{cseq}.invalid>"))
        # RFC 3261 section 12.2.2: "If the request is rejected, none of the state changes are performed."
        assert str(dialog.state.remoteTarget) == "sip:bob@new3.invalid"
        end(scene)

    def test_aUsageThatFailsBreaksNothing(
        self, scene: Scene, calls: list[Call], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        usage = Usage("UPDATE", "ACK")

        def answer(request: IncomingRequest) -> object:
            raise ZeroDivisionError

        usage.answer = answer
        dialog = establish(scene, calls, usage)
        scene.transport.receive(within(dialog, "UPDATE", 2))
        assert scene.transport.take().statusCode == 500
        scene.transport.receive(within(dialog, "ACK", 1))
        assert len(flushLoggedErrors(ZeroDivisionError)) == 2
        end(scene)


class TestOurRequests:
    @pytest.fixture
    def usage(self) -> Usage:
        return Usage("BYE")

    @pytest.fixture
    def dialog(self, scene: Scene, calls: list[Call], usage: Usage) -> Iterator[Dialog]:
        yield establish(scene, calls, usage)
        end(scene)

    def test_theyAreOfTheDialog(self, scene: Scene, dialog: Dialog) -> None:
        sending = scene.ua.usages.sendWithin(dialog, "INFO", [("X", "1")], "dtmf", "application/dtmf")
        got = outcome(sending.result)
        request = scene.transport.take()
        assert (request.method, request.callID, request.toTag) == ("INFO", "in", "bob")
        assert request.requestURIText == "sip:bob@bob.invalid;transport=ws"
        assert (request.getHeader("X"), request.contentType, request.body) == (
            "1",
            "application/dtmf",
            b"dtmf",
        )
        assert request.hasHeader("User-Agent")
        scene.transport.answer(request, 200)
        assert [response.statusCode for response in got] == [200]

    def test_aChallengeIsAnsweredWithTheNextNumber(self, calls: list[Call], usage: Usage) -> None:
        scene = Scene(password="secret", contactName="me")
        scene.connect()
        scene.ua.on("invite", lambda _: None)
        dialog = establish(scene, calls, usage)
        sending = scene.ua.usages.sendWithin(dialog, "INVITE", onAccepted=lambda _: None)
        got = outcome(sending.result)
        first = scene.transport.take()
        # Meanwhile another request takes the number after it.
        outcome(scene.ua.usages.sendWithin(dialog, "INFO").result)
        info = scene.transport.take()
        challenge = [("Proxy-Authenticate", 'Digest realm="example.com", nonce="1", qop="auth"')]
        scene.transport.answer(first, 407, challenge)
        _ack, again = scene.transport.takeAll()
        assert [first.cseq, info.cseq, again.cseq] == [1, 2, 3]
        assert again.hasHeader("Proxy-Authorization")
        scene.transport.answer(again, 200, [("Contact", "<sip:bob@elsewhere.invalid>")])
        assert [response.statusCode for response in got] == [200]
        # No ACK by itself, as it was asked for the 2xx; it has the credentials (section 13.2.2.4).
        assert not scene.transport.sent
        invite = sending.request
        assert scene.ua.usages.acknowledge(dialog, invite.cseq, credentialsOf(invite))
        ack = scene.transport.take()
        assert (ack.method, ack.cseq, ack.requestURIText) == ("ACK", 3, "sip:bob@elsewhere.invalid")
        assert ack.getHeader("Proxy-Authorization") == again.getHeader("Proxy-Authorization")
        assert ack.viaBranch not in (first.viaBranch, again.viaBranch)
        scene.transport.answer(info, 200)
        end(scene)

    @pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "BYE"])
    def test_aChallengeIsAnsweredHoweverLongItTakes(
        self, calls: list[Call], usage: Usage, method: str
    ) -> None:
        """That a request waits for no connection says nothing of its challenge."""
        scene = Scene(password="secret", contactName="me")
        scene.connect()
        scene.ua.on("invite", lambda _: None)
        dialog = establish(scene, calls, usage)
        got = outcome(scene.ua.usages.sendWithin(dialog, method, onAccepted=lambda _: None).result)
        first = scene.transport.take()
        scene.clock.advance(0.5)
        scene.transport.answer(first, 407, [("Proxy-Authenticate", 'Digest realm="example.com", nonce="1"')])
        again = scene.transport.takeAll()[-1]
        assert (again.method, again.cseq) == (method, 2)
        assert again.hasHeader("Proxy-Authorization")
        scene.transport.answer(again, 200, [("Contact", "<sip:bob@elsewhere.invalid>")])
        assert [response.statusCode for response in got] == [200]
        end(scene)

    def test_theyGoWhereTheDialogIs(self, calls: list[Call], usage: Usage) -> None:
        scene = Scene(
            wsServers=["ws://one.example.com", "ws://two.example.com"], flows=2, instanceId=INSTANCE
        )
        scene.ua.start()
        for transport in scene.transports:
            transport.open()
        scene.ua.on("invite", lambda _: None)
        _, second = scene.transports
        second.receive(incoming("INVITE", ALICE, CONTACT))
        dialog, _ = calls[-1].respond(200)
        scene.ua.usages.attach(dialog, usage)
        second.takeAll()
        outcome(scene.ua.usages.sendWithin(dialog, "INFO").result)
        second.answer(second.take(), 200)
        # With that connection gone, they go out on the other.
        second.lose()
        assert len(usage.lost) == 1
        outcome(scene.ua.usages.sendWithin(dialog, "INFO").result)
        first = scene.transports[0]
        first.answer(first.take(), 200)
        end(scene)

    def test_thereMustBeAConnection(self, scene: Scene, dialog: Dialog, usage: Usage) -> None:
        scene.transport.lose()
        (error,) = outcome(scene.ua.usages.sendWithin(dialog, "INFO").result)
        assert isinstance(error, SIPError)
        assert error.sent is False  # type: ignore[attr-defined]

    def test_orTheyWaitForOne(self, scene: Scene, dialog: Dialog, usage: Usage) -> None:
        scene.transport.lose()
        got = outcome(scene.ua.usages.sendWithin(dialog, "BYE", deadline=10).result)
        assert not got
        scene.transport.open()
        scene.transport.answer(scene.transport.take(), 200)
        assert [response.statusCode for response in got] == [200]

    @pytest.mark.parametrize("statusCode", [481, 408])
    def test_aResponseEndsTheUsage(self, scene: Scene, dialog: Dialog, usage: Usage, statusCode: int) -> None:
        other = Usage("NOTIFY")
        scene.ua.usages.attach(dialog, other)
        outcome(scene.ua.usages.sendWithin(dialog, "INFO", usage=usage).result)
        scene.transport.answer(scene.transport.take(), statusCode)
        assert dialog.state.usages == (other,)
        assert not usage.ended
        scene.transport.receive(within(dialog, "BYE"))
        assert scene.transport.take().statusCode == 481
        assert not usage.requests

    def test_noResponseEndsTheUsage(self, scene: Scene, dialog: Dialog, usage: Usage) -> None:
        got = outcome(scene.ua.usages.sendWithin(dialog, "INFO", usage=usage).result)
        scene.clock.advance(32)
        assert isinstance(got[0], TransactionTimeout)
        assert dialog.state.state == State.TERMINATED

    def test_aResponseEndsTheDialogWithAllUsages(self, scene: Scene, dialog: Dialog, usage: Usage) -> None:
        other = Usage("NOTIFY")
        scene.ua.usages.attach(dialog, other)
        outcome(scene.ua.usages.sendWithin(dialog, "INFO", usage=usage).result)
        # RFC 5057 section 5.1: 404 destroys the dialog.
        scene.transport.answer(scene.transport.take(), 404)
        assert (usage.ended, other.ended) == ([dialog], [dialog])

    def test_aUserOfItsOwnLooksAtTheResponse(self, scene: Scene, dialog: Dialog, usage: Usage) -> None:
        outcome(scene.ua.usages.sendWithin(dialog, "INFO").result)
        scene.transport.answer(scene.transport.take(), 481)
        assert dialog.state.usages == (usage,)


INSTANCE = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"


class TestOurInvite:
    def send(self, scene: Scene, **options: Any) -> Any:
        usages = scene.ua.usages
        return usages.send(usages.build("INVITE", BOB, body="v=0", contentType="application/sdp"), **options)

    def test_aCancelGoesOutAndWhatComesOfItIsTheResult(self, scene: Scene) -> None:
        sending = self.send(scene)
        got = outcome(sending.result)
        invite = scene.transport.take()
        sending.cancel([("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
        # RFC 3261 section 9.1: not before a provisional response.
        assert not scene.transport.sent
        scene.transport.answer(invite, 180)
        cancel = scene.transport.take()
        assert (cancel.method, cancel.viaBranch) == ("CANCEL", invite.viaBranch)
        assert cancel.getHeader("Reason") == 'SIP;cause=200;text="Call completed elsewhere"'
        scene.transport.answer(cancel, 200)
        assert not got
        scene.transport.answer(invite, 487)
        assert [response.statusCode for response in got] == [487]
        assert scene.transport.take().method == "ACK"

    def test_a2xxThatCrossesTheCancelIsTheResult(self, scene: Scene) -> None:
        accepted: list[Any] = []
        sending = self.send(scene, onAccepted=accepted.append)
        got = outcome(sending.result)
        invite = scene.transport.take()
        scene.transport.answer(invite, 180)
        sending.cancel()
        scene.transport.answer(scene.transport.take(), 481)
        scene.transport.answer(invite, 200)
        scene.transport.answer(invite, 200)
        assert [response.statusCode for response in got] == [200]
        assert [response.statusCode for response in accepted] == [200]
        assert not scene.transport.sent
        scene.clock.advance(64)

    def test_aChallengeToACancelledInviteIsNotAnswered(self) -> None:
        scene = Scene(password="secret")
        scene.connect()
        sending = self.send(scene)
        got = outcome(sending.result)
        invite = scene.transport.take()
        sending.cancel()
        scene.transport.answer(invite, 401, [("WWW-Authenticate", 'Digest realm="x", nonce="1"')])
        assert [response.statusCode for response in got] == [401]
        assert [request.method for request in scene.transport.takeAll()] == ["ACK"]

    def test_oneThatHasNotLeftIsGivenUp(self) -> None:
        scene = Scene()
        scene.ua.start()
        sending = self.send(scene)
        got = outcome(sending.result)
        sending.cancel()
        (error,) = got
        assert isinstance(error, TransactionCancelled)
        assert error.sent is False
        scene.transport.open()
        assert not scene.transport.sent

    def test_withoutAListenerEach2xxIsAcknowledged(self, scene: Scene) -> None:
        got = outcome(self.send(scene).result)
        invite = scene.transport.take()
        for _ in range(2):
            scene.transport.answer(invite, 200, [("Contact", "<sip:bob@bob.invalid>")])
        assert [request.method for request in scene.transport.takeAll()] == ["ACK", "ACK"]
        assert len(got) == 1
        scene.clock.advance(64)


class TestStopping:
    def test_whatIsOpenIsEndedFirst(self, scene: Scene, calls: list[Call]) -> None:
        usage = Usage("BYE")
        dialog = establish(scene, calls, usage)
        usages = scene.ua.usages

        def stop() -> Deferred[None]:
            return usages.sendWithin(dialog, "BYE").result.addCallback(lambda _: usages.discard(usage))

        usage.stop = stop  # type: ignore[method-assign]
        usages.add(usage)
        stopped = outcome(scene.ua.stop())
        bye = scene.transport.take()
        assert bye.method == "BYE"
        assert not stopped
        scene.transport.answer(bye, 200)
        scene.clock.advance(64)
        assert stopped == [None]
        assert usage.ended == [dialog]

    def test_butNotForEver(self, calls: list[Call]) -> None:
        scene = Scene(stopTimeout=3)
        scene.connect()
        scene.ua.on("invite", lambda _: None)
        usage = Usage("BYE")
        usage.ending = Deferred()
        dialog = establish(scene, calls, usage)
        scene.ua.usages.add(usage)
        stopped = outcome(scene.ua.stop())
        scene.clock.advance(3)
        assert stopped == [None]
        assert dialog.state.state == State.TERMINATED
        scene.clock.advance(64)

    def test_nothingNewBegins(self, scene: Scene) -> None:
        usages = scene.ua.usages
        scene.ua.stop()
        (error,) = outcome(usages.send(usages.build("INVITE", BOB)).result)
        assert isinstance(error, NotConnected)


def test_aFlowStaysWhileACallIsOpen(scene: Scene) -> None:
    usage = Usage()
    usages = scene.ua.usages
    assert not any(busy() for busy in scene.ua.busy)
    usages.add(usage)
    assert any(busy() for busy in scene.ua.busy)
    usages.discard(usage)
    assert not any(busy() for busy in scene.ua.busy)


def test_reachableIsRegisteredWhereThatIsWanted() -> None:
    for register in (False, True):
        scene = Scene(register=register)
        scene.ua.start()
        reachable = outcome(scene.ua.usages.whenReachable())
        assert not reachable
        scene.transport.open()
        assert bool(reachable) is not register
        if register:
            request = scene.transport.take()
            scene.transport.answer(request, 200, [("Contact", f"{request.getHeader('Contact')};expires=600")])
            assert reachable == [None]
            scene.ua.registration.stop()


def test_aUserAgentWithoutCallsHasNothingForThem(scene: Scene) -> None:
    transport: FakeTransport = scene.transport
    transport.receive(incoming("BYE", toTag="x"))
    assert transport.take().statusCode == 481
    assert scene.ua._dispatcher.usages is None
