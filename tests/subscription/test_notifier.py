"""The notifier's side (RFC 6665 section 4.2), as its user and its subscriber see it."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipws import Publication
from sipws.dialog import Dialog
from sipws.errors import LimitExceeded, SubscriptionError
from sipws.message import IncomingRequest
from sipws.subscription import Notifier, State, Subscription
from sipws.subscription.notifying import MAX_WAITING, Notice, Notices
from sipws.subscription.timing import Timing
from tests.subscription.stages import CONTACT, NotifierStage
from tests.ua.fakes import Scene, incoming, outcome

PIDF = "application/pidf+xml"


class TestBeginning:
    def test_acceptedAndTold(self) -> None:
        stage = NotifierStage()
        stage.subscribe(600)
        notifier = stage.notifier
        assert (notifier.state, notifier.event.package, notifier.expires) == (
            State.RESP_WAIT,
            "presence",
            600,
        )
        assert isinstance(notifier.request, IncomingRequest)
        told = outcome(notifier.accept("<open/>", PIDF, headers=[("Server", "x")]))
        response = stage.response()
        assert response.statusCode == 200
        assert response.getHeader("Expires") == "600"
        assert response.getHeader("Contact") is not None
        assert response.getHeader("Server") == "x"
        assert not told
        request = stage.notice()
        assert request.getHeader("Event") == "presence"
        assert request.getHeader("Subscription-State") == "active;expires=600"
        assert (request.contentType, request.body) == (PIDF, b"<open/>")
        assert (request.callID, request.toTag) == ("subscription", "bob")
        assert request.requestURIText == "sip:bob@bob.invalid;transport=ws"
        assert told == [True]
        assert notifier.state == State.ACTIVE
        stage.end()

    def test_pendingUntilItIsGranted(self) -> None:
        """Section 4.2.1.3."""
        stage = NotifierStage()
        stage.subscribe()
        stage.notifier.accept(pending=True)
        assert stage.response().statusCode == 200
        request = stage.notice()
        assert request.getHeader("Subscription-State") == "pending;expires=600"
        assert request.body == b""
        stage.scene.clock.advance(100)
        outcome(stage.notifier.accept("<open/>", PIDF))
        request = stage.notice()
        assert request.getHeader("Subscription-State") == "active;expires=500"
        assert request.body == b"<open/>"
        stage.end()

    def test_orRejected(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        stage.notifier.accept(pending=True)
        stage.response()
        stage.notice()
        outcome(stage.notifier.terminate("rejected"))
        assert stage.notice().getHeader("Subscription-State") == "terminated;reason=rejected"
        stage.end()

    def test_refused(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        stage.notifier.reject(403, "Not You", [("Subject", "x")])
        response = stage.response()
        assert (response.statusCode, response.reasonPhrase) == (403, "Not You")
        assert stage.notifier.state == State.ENDED
        with pytest.raises(SubscriptionError):
            stage.notifier.reject()
        with pytest.raises(SubscriptionError):
            stage.notifier.accept()
        assert outcome(stage.notifier.notify("x", PIDF)) == [False]
        assert not stage.scene.transport.sent
        stage.end()

    def test_theTimeMayBeShortened(self) -> None:
        stage = NotifierStage(subscriptionMaxExpires=1800)
        stage.subscribe(7200)
        assert stage.notifier.expires == 1800
        stage.notifier.accept(expires=300)
        assert stage.response().getHeader("Expires") == "300"
        assert stage.notice().getHeader("Subscription-State") == "active;expires=300"
        stage.end()

    def test_butNotLengthened(self) -> None:
        stage = NotifierStage()
        stage.subscribe(600)
        stage.notifier.accept(expires=7200)
        assert stage.response().getHeader("Expires") == "600"
        stage.notice()
        stage.end()

    def test_withoutExpiresItIsThePackagesTime(self) -> None:
        stage = NotifierStage()
        stage.subscribe(None)
        assert stage.notifier.expires == 3600
        stage.notifier.reject()
        stage.end()

    def test_stateIsFetchedOnce(self) -> None:
        """Section 4.4.3."""
        stage = NotifierStage()
        stage.subscribe(0)
        outcome(stage.notifier.accept("<open/>", PIDF))
        assert stage.response().getHeader("Expires") == "0"
        request = stage.notice()
        assert request.getHeader("Subscription-State") == "terminated;reason=timeout"
        assert request.body == b"<open/>"
        assert stage.notifier.state == State.ENDED
        assert outcome(stage.notifier.whenEnded()) == [None]
        stage.end()

    def test_laterThanAtOnce(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        stage.scene.clock.advance(2)
        assert not stage.scene.transport.sent
        stage.notifier.accept()
        assert stage.response().statusCode == 200
        stage.notice()
        stage.end()

    def test_nobodyAnswersInTime(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        stage.scene.clock.advance(33)
        assert stage.notifier.state == State.ENDED
        assert stage.names() == ["terminated"]
        stage.scene.transport.takeAll()
        stage.end()


class TestRefusedByItself:
    @pytest.mark.parametrize(
        ("change", "statusCode"),
        [
            ({"event": ""}, 489),
            ({"event": ";;"}, 489),
            ({"event": "unheard-of"}, 489),
            ({"expires": "soon"}, 400),
            ({"expires": 59}, 423),
            ({"contact": ""}, 400),
            ({"contact": "Contact: <<>"}, 400),
            ({"contact": "Contact: *"}, 400),
            ({"contact": "Contact: <mailto:bob@example.com>"}, 400),
            ({"contact": f"{CONTACT}\r\nRecord-Route: <<>"}, 400),
            ({"toTag": "none"}, 481),
        ],
    )
    def test_whatIsWrong(self, change: dict[str, Any], statusCode: int) -> None:
        stage = NotifierStage(allowEvents=["presence", "dialog"])
        stage.subscribe(**change)
        response = stage.response()
        assert response.statusCode == statusCode
        if statusCode == 489:
            assert response.getHeaders("Allow-Events") == ["presence", "dialog"]
        if statusCode == 423:
            assert response.getHeader("Min-Expires") == "60"
        assert not stage.notifiers
        stage.end()

    def test_tooManyDialogs(self) -> None:
        stage = NotifierStage(maxDialogs=1)
        stage.begin()
        stage.subscribe(callID="other")
        with pytest.raises(LimitExceeded):
            stage.notifier.accept()
        stage.notifier.reject(503)
        assert stage.response().statusCode == 503
        stage.end()

    def test_withoutAListenerItIsNotAllowed(self) -> None:
        scene = Scene(contactName="me")
        scene.connect()
        scene.transport.receive(incoming("SUBSCRIBE", "sip:alice@example.com", "Event: presence"))
        assert scene.transport.take().statusCode == 405
        scene.clock.advance(64)


class TestNotices:
    def test_oneAfterTheOther(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        first, second = outcome(notifier.notify("one")), outcome(notifier.notify("two", "text/plain"))
        request = stage.notice(None)
        assert (request.body, request.contentType) == (b"one", PIDF)
        assert not stage.scene.transport.sent
        stage.answer(200)
        assert (first, second) == ([True], [])
        request = stage.notice()
        assert (request.body, request.contentType) == (b"two", "text/plain")
        assert second == [True]
        stage.end()

    @pytest.mark.parametrize(
        "mistake",
        [
            {"body": 5, "contentType": "text/plain"},
            {"body": None, "contentType": "text/plain"},
            {"body": "x", "contentType": "text/plain", "expires": "60"},
        ],
    )
    def test_aMistakeIsToldToWhoMakesItAndTheSubscriptionGoesOn(self, mistake: dict[str, Any]) -> None:
        stage = NotifierStage()
        stage.subscribe()
        notifier = stage.notifier
        with pytest.raises(TypeError, match=r"^(body|expires): "):
            notifier.accept(**mistake)
        assert stage.scene.transport.takeAll() == []
        notifier.accept("here", "text/plain")
        assert stage.response().statusCode == 200
        assert stage.notice().body == b"here"
        wrong: Any = None
        with pytest.raises(TypeError, match=r"^body: text or octets"):
            notifier.notify(wrong)
        with pytest.raises(TypeError, match=r"^reason: text such as 'noresource', not None"):
            notifier.terminate(wrong)
        notifier.notify("gone")
        assert stage.notice().body == b"gone"

    def test_aTypeThatThereIsNoneOfIsToldToWhoGivesIt(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        for wrong in ("text/plain\r\nX: y", "text/plain\0"):
            with pytest.raises(ValueError, match="Content-Type"):
                stage.notifier.accept("<open/>", wrong)
        assert not stage.scene.transport.sent
        stage.notifier.accept("<open/>", PIDF)
        assert stage.response().statusCode == 200
        stage.notice()
        with pytest.raises(ValueError, match="Content-Type"):
            stage.notifier.notify("two", "text/plain\r\nX: y")
        assert not stage.scene.transport.sent
        stage.notifier.notify("two")
        assert stage.notice().contentType == PIDF
        stage.end()

    def test_theTimeThatIsLeft(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        stage.scene.clock.advance(100)
        outcome(notifier.notify("x"))
        assert stage.notice().getHeader("Subscription-State") == "active;expires=500"
        stage.end()

    @pytest.mark.parametrize("statusCode", [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])
    def test_someAnswersEndIt(self, statusCode: int) -> None:
        """Section 4.2.2."""
        stage = NotifierStage()
        notifier = stage.begin()
        told, later = outcome(notifier.notify("x")), outcome(notifier.notify("y"))
        stage.notice(statusCode)
        assert (told, later) == ([False], [False])
        assert notifier.state == State.ENDED
        assert stage.names() == ["terminated"]
        assert not stage.scene.transport.sent
        stage.end()

    @pytest.mark.parametrize("statusCode", [400, 415, 500, 503])
    def test_othersDoNot(self, statusCode: int) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        told, later = outcome(notifier.notify("x")), outcome(notifier.notify("y"))
        stage.notice(statusCode)
        assert told == [False]
        stage.notice()
        assert later == [True]
        assert notifier.state == State.ACTIVE
        stage.end()

    def test_noAnswerEndsIt(self) -> None:
        """Section 4.2.2, timer F."""
        stage = NotifierStage()
        notifier = stage.begin()
        told = outcome(notifier.notify("x"))
        stage.notice(None)
        stage.scene.clock.advance(32)
        assert told == [False]
        assert notifier.state == State.ENDED
        stage.end()

    def test_theyWaitForAConnection(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        told = outcome(notifier.notify("one"))
        stage.notice(None)
        stage.scene.transport.lose()
        later = outcome(notifier.notify("two"))
        assert not told
        stage.scene.clock.advance(3)
        stage.scene.transport.open()
        assert stage.notice().body == b"one"
        assert stage.notice().body == b"two"
        assert (told, later) == ([True], [True])
        stage.end()

    def test_norWhereItIsOverMeanwhile(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        stage.scene.transport.lose()
        told = outcome(notifier.notify("one"))
        assert not told
        done = outcome(notifier.terminate())
        assert (told, done) == ([False], [None])
        assert notifier.state == State.ENDED
        stage.end()

    def test_butNotAnyNumber(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        stage.scene.transport.lose()
        results = [outcome(notifier.notify("x")) for _ in range(MAX_WAITING + 1)]
        assert results[-1] == [False]
        assert results[-2] == []
        stage.end()

    def test_notBeforeItIsAccepted(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        with pytest.raises(SubscriptionError):
            stage.notifier.notify("x", PIDF)
        stage.notifier.reject()
        stage.end()

    def test_whatIsToldHasAType(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        # RFC 3261 section 20.15: it "MUST be present if the body is not empty".
        for tell in (
            stage.notifier.accept,
            stage.notifier.notify,
            lambda body: stage.notifier.terminate(body=body),
        ):
            with pytest.raises(ValueError, match="contentType"):
                tell("x")
        assert not stage.scene.transport.sent
        outcome(stage.notifier.accept())
        stage.response()
        stage.notice()
        with pytest.raises(ValueError, match="contentType"):
            stage.notifier.notify("x")
        outcome(stage.notifier.notify("x", PIDF))
        stage.notice()
        outcome(stage.notifier.notify("y"))
        assert stage.notice().contentType == PIDF
        stage.end()

    def test_aChallengeIsAnswered(self) -> None:
        stage = NotifierStage(password="secret")
        stage.subscribe()
        stage.notifier.accept()
        stage.response()
        first = stage.notice(401, ("WWW-Authenticate", 'Digest realm="example.com", nonce="abc"'))
        again = stage.notice()
        assert again.hasHeader("Authorization")
        assert again.cseq == first.cseq + 1
        outcome(stage.notifier.notify("x", PIDF))
        assert stage.notice().cseq == again.cseq + 1
        stage.end()


class TestRefreshes:
    def test_theStateIsToldAgain(self) -> None:
        """Section 4.2.1.2."""
        stage = NotifierStage()
        stage.begin()
        stage.scene.clock.advance(500)
        stage.subscribe(900, within=True, contact="Contact: <sip:bob@elsewhere.invalid>")
        response = stage.response()
        assert (response.statusCode, response.getHeader("Expires")) == (200, "900")
        request = stage.notice()
        assert request.body == b"<open/>"
        assert request.getHeader("Subscription-State") == "active;expires=900"
        assert request.requestURIText == "sip:bob@elsewhere.invalid"
        assert stage.names() == ["refresh"]
        stage.scene.clock.advance(899)
        assert stage.notifier.state == State.ACTIVE
        stage.end()

    def test_theEndIsToldToo(self) -> None:
        """Section 4.2.1.4."""
        stage = NotifierStage()
        notifier = stage.begin()
        stage.subscribe(0, within=True)
        assert stage.response().statusCode == 200
        assert stage.notice().getHeader("Subscription-State") == "terminated;reason=timeout"
        assert stage.names() == ["terminated"]
        assert notifier.state == State.ENDED
        stage.subscribe(600, within=True)
        assert stage.response().statusCode == 481
        stage.end()

    def test_withoutOneItRunsOut(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        stage.scene.clock.advance(600)
        assert stage.notice().getHeader("Subscription-State") == "terminated;reason=timeout"
        assert notifier.state == State.ENDED
        assert notifier.termination is not None
        assert notifier.termination.reason == "timeout"
        stage.end()

    @pytest.mark.parametrize(
        ("change", "statusCode"),
        [
            ({"expires": 10}, 423),
            ({"expires": "soon"}, 400),
            ({"event": "presence;id=2"}, 481),
            ({"event": "dialog"}, 489),
            ({"event": ""}, 489),
            ({"contact": "Contact: <<>"}, 400),
            ({"cseq": 0}, 500),
        ],
    )
    def test_whatIsWrongIsRefusedAndTheSubscriptionStays(
        self, change: dict[str, Any], statusCode: int
    ) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        tag = stage.toTag
        stage.subscribe(within=True, **change)
        assert stage.response().statusCode == statusCode
        stage.toTag = tag
        assert notifier.state == State.ACTIVE
        assert not stage.scene.transport.sent
        stage.subscribe(600, within=True)
        assert stage.response().statusCode == 200
        stage.notice()
        stage.end()


class TestEnds:
    @pytest.mark.parametrize("options", [{"reason": "no such"}, {"contentType": "text/plain\r\nX: y"}])
    def test_itSaysWhatANotifyCanSay(self, options: dict[str, Any]) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        with pytest.raises(ValueError, match=r"reason|Content-Type|expected|parameter"):
            notifier.terminate(**options)
        assert notifier.state == State.ACTIVE
        stage.end()

    @pytest.mark.parametrize(
        ("options", "state"),
        [
            ({}, "terminated;reason=noresource"),
            ({"reason": "deactivated"}, "terminated;reason=deactivated"),
            ({"reason": "probation", "retryAfter": 30}, "terminated;reason=probation;retry-after=30"),
        ],
    )
    def test_byItsUser(self, options: dict[str, Any], state: str) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        done = outcome(notifier.terminate(body="bye", contentType="text/plain", **options))
        request = stage.notice(None)
        assert request.getHeader("Subscription-State") == state
        assert request.body == b"bye"
        assert not done
        assert notifier.state == State.TERMINATED
        stage.answer(200)
        assert done == [None]
        assert notifier.state == State.ENDED
        assert outcome(notifier.terminate()) == [None]
        stage.end()

    @pytest.mark.parametrize("statusCode", [481, 500, 404])
    def test_whateverTheAnswer(self, statusCode: int) -> None:
        stage = NotifierStage()
        done = outcome(stage.begin().terminate())
        stage.notice(statusCode)
        assert done == [None]
        stage.end()

    def test_whatWasToBeToldBeforeIsTold(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        outcome(notifier.notify("one"))
        outcome(notifier.terminate())
        assert stage.notice().getHeader("Subscription-State") == "active;expires=600"
        assert stage.notice().getHeader("Subscription-State") == "terminated;reason=noresource"
        stage.end()

    def test_withItsDialog(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        assert notifier.dialog is not None
        notifier.dialog.end()
        assert notifier.state == State.ENDED
        assert stage.names() == ["terminated"]
        stage.end()

    def test_withItsDialogWhileANotifyIsOut(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        outcome(notifier.notify("x"))
        stage.notice(None)
        assert notifier.dialog is not None
        notifier.dialog.end()
        assert notifier.state == State.ACTIVE
        stage.answer(200)
        assert notifier.state == State.ENDED
        stage.end()

    def test_withTheUserAgent(self) -> None:
        stage = NotifierStage()
        stage.begin()
        stopped = outcome(stage.scene.ua.stop())
        assert stage.notice().getHeader("Subscription-State") == "terminated;reason=probation"
        stage.scene.clock.advance(64)
        assert stopped == [None]
        stage.end()

    def test_withTheUserAgentBeforeItIsAnswered(self) -> None:
        stage = NotifierStage()
        stage.subscribe()
        stage.scene.ua.stop()
        assert stage.response().statusCode == 480
        stage.end()

    def test_withTheUserAgentWithoutAConnection(self) -> None:
        stage = NotifierStage()
        notifier = stage.begin()
        outcome(notifier.notify("x"))
        stage.notice(None)
        stage.scene.transport.lose()
        stage.scene.ua.stop()
        assert notifier.state == State.ENDED
        stage.end()


class TestImplicit:
    """The subscription that a REFER makes (RFC 3515)."""

    def refer(self) -> tuple[NotifierStage, Notifier]:
        stage = NotifierStage()
        dialog = stage.begin().dialog
        assert dialog is not None
        return stage, Notifier.implicit(stage.scene.ua.usages, dialog, "refer;id=7", expires=60)

    def test_sharesADialog(self) -> None:
        stage, other = self.refer()
        outcome(other.notify("SIP/2.0 100 Trying", "message/sipfrag;version=2.0"))
        request = stage.notice()
        assert request.getHeader("Event") == "refer;id=7"
        assert request.getHeader("Subscription-State") == "active;expires=60"
        done = outcome(other.terminate("noresource", "SIP/2.0 200 OK", "message/sipfrag;version=2.0"))
        request = stage.notice()
        assert request.getHeader("Subscription-State") == "terminated;reason=noresource"
        assert request.body == b"SIP/2.0 200 OK"
        assert done == [None]
        assert stage.notifier.state == State.ACTIVE
        stage.end()

    def test_mayBeRefreshedAndEnded(self) -> None:
        stage, other = self.refer()
        stage.subscribe(120, event="refer;id=7", within=True)
        assert stage.response().statusCode == 200
        assert stage.notice().getHeader("Subscription-State") == "active;expires=120"
        stage.subscribe(0, event="refer;id=7", within=True)
        stage.response()
        stage.notice()
        assert other.state == State.ENDED
        assert stage.notifier.state == State.ACTIVE
        stage.end()

    def test_runsOut(self) -> None:
        stage, other = self.refer()
        stage.scene.clock.advance(60)
        assert stage.notice().getHeader("Subscription-State") == "terminated;reason=timeout"
        assert other.state == State.ENDED
        stage.end()


def test_itIsSaidWhatMayBeSubscribedTo() -> None:
    stage = NotifierStage(allowEvents=["presence", "dialog"])
    stage.scene.transport.receive(incoming("OPTIONS"))
    response = stage.scene.transport.take()
    assert "SUBSCRIBE" in response.getHeaders("Allow")
    assert response.getHeaders("Allow-Events") == ["presence", "dialog"]
    stage.subscribe()
    stage.notifier.accept()
    assert stage.response().getHeaders("Allow-Events") == ["presence", "dialog"]
    stage.notice()
    stage.end()


def test_nothingIsLeftBehind() -> None:
    """Nothing of ours outlives a subscription, or a publication."""
    stage = NotifierStage()

    def count() -> dict[type, int]:
        gc.collect()
        kinds = (Notifier, Notices, Notice, Timing, Dialog, Deferred, Subscription, Publication)
        return {kind: sum(type(each) is kind for each in gc.get_objects()) for kind in kinds}

    def turn(number: int) -> None:
        stage.toTag = None
        stage.subscribe(600, callID=f"call{number}")
        stage.notifiers.pop().accept("x", "text/plain")
        stage.response()
        stage.notice()
        stage.subscribe(0, within=True, callID=f"call{number}")
        stage.response()
        stage.notice()
        stage.told.clear()
        subscription = stage.scene.ua.subscribe("sip:bob@example.com", "presence")
        stage.scene.transport.answer(stage.scene.transport.take(), 403)
        assert subscription.state == State.ENDED
        stage.scene.ua.publish("sip:bob@example.com", "presence", "x", "text/plain")
        stage.scene.transport.answer(stage.scene.transport.take(), 403)

    turn(0)
    stage.scene.clock.advance(64)
    before = count()
    for number in range(1, 50):
        turn(number)
    stage.scene.clock.advance(64)
    stage.out = None
    # What tests before this one have left may go meanwhile.
    assert {kind: number for kind, number in count().items() if number > before[kind]} == {}
    stage.end()
