"""The subscriber's side (RFC 6665 sections 4.1 and 4.4), as its user and its notifier see it."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.errors import SubscriptionError
from sipws.subscription import Notification, State, Subscription, Termination
from tests.subscription.stages import SubscriberStage
from tests.ua.fakes import BOB, Scene, outcome

PIDF = "application/pidf+xml"


def active(**options: Any) -> SubscriberStage:
    """Have a subscription be accepted, and active."""
    stage = SubscriberStage(**options)
    stage.accept()
    assert stage.notify(body="<open/>").statusCode == 200
    assert stage.subscription.state == State.ACTIVE
    stage.names()
    return stage


class TestBeginning:
    def test_whatTheRequestSays(self) -> None:
        stage = SubscriberStage("presence", expires=1200, accept=[PIDF], headers=[("Priority", "urgent")])
        request = stage.out
        assert request.requestURIText == BOB
        assert request.getHeader("Event") == "presence"
        assert request.getHeader("Expires") == "1200"
        assert request.getHeader("Accept") == PIDF
        assert request.getHeader("Priority") == "urgent"
        assert request.getHeader("Contact") is not None
        assert request.getHeaders("Allow") == ["OPTIONS", "MESSAGE", "NOTIFY"]
        stage.end()

    def test_acceptedThenNotified(self) -> None:
        stage = SubscriberStage()
        subscribed = outcome(stage.subscription.whenSubscribed())
        stage.accept()
        assert stage.subscription.state == State.NOTIFY_WAIT
        assert not subscribed
        response = stage.notify("active;expires=500", "<open/>")
        assert response.statusCode == 200
        assert response.getHeader("Contact") is not None
        assert stage.subscription.state == State.ACTIVE
        assert subscribed == [None]
        notification = stage.told[-1][1]
        assert isinstance(notification, Notification)
        assert (notification.state, notification.body, notification.contentType) == (
            "active",
            b"<open/>",
            PIDF,
        )
        assert stage.subscription.notification is notification
        assert stage.subscription.granted == 500
        assert stage.names() == ["accepted", "notify"]
        stage.end()

    def test_notifiedBeforeItIsAccepted(self) -> None:
        """Section 4.1.2.4: "the subscriber MUST be prepared to receive NOTIFY requests before"."""
        stage = SubscriberStage()
        assert stage.notify("pending").statusCode == 200
        assert stage.subscription.state == State.PENDING
        stage.accept()
        assert stage.notify("active;expires=600").statusCode == 200
        assert stage.names() == ["notify", "accepted", "notify"]
        # Its dialog goes on from the SUBSCRIBE's number.
        outcome(stage.subscription.refresh())
        assert stage.take().cseq == stage.first.cseq + 1
        stage.end()

    def test_whoeverRefreshesItBeforeItIsAcceptedHearsOfThat(self) -> None:
        stage = SubscriberStage()
        stage.notify("pending")
        refreshed = outcome(stage.subscription.refresh())
        assert not refreshed
        stage.accept()
        assert refreshed == [None]
        stage.end()

    def test_theRouteSetIsThatOfTheNotify(self) -> None:
        """Section 4.4.1: it "is taken from the NOTIFY request itself, as opposed to" the 2xx."""
        stage = SubscriberStage()
        stage.answer(200, Contact="<sip:bob@bob.invalid>", Record_Route="<sip:proxy.invalid;lr>")
        stage.notify("active;expires=600", "", "Record-Route: <sip:other.invalid;lr>")
        outcome(stage.subscription.refresh())
        assert stage.take().getHeaders("Route") == ["<sip:other.invalid;lr>"]
        stage.end()

    def test_waitsForAConnection(self) -> None:
        stage = SubscriberStage(connected=False)
        assert stage.subscription.state == State.INIT
        stage.scene.connect()
        stage.takeFirst()
        stage.end()

    def test_afterAChallengeTheNumberIsThatOfTheLastRequest(self) -> None:
        scene = Scene(contactName="me", viaHost="own.invalid", password="secret")
        scene.connect()
        stage = SubscriberStage(scene=scene)
        stage.answer(401, WWW_Authenticate='Digest realm="example.com", nonce="abc"')
        assert stage.take().cseq == 2
        stage.accept()
        stage.notify()
        outcome(stage.subscription.refresh())
        assert stage.take().cseq == 3
        stage.end()

    def test_nonsenseIsRefusedAtOnce(self) -> None:
        scene = Scene()
        with pytest.raises(ValueError, match="pres ence"):
            scene.ua.subscribe(BOB, "pres ence")
        with pytest.raises(ValueError, match="longer"):
            scene.ua.subscribe(BOB, "presence", expires=-1)
        with pytest.raises(ValueError, match="Priority"):
            scene.ua.subscribe(BOB, "presence", headers=[("Priority", "a\r\nb")])

    def test_stateIsFetchedOnce(self) -> None:
        """Section 4.4.3."""
        stage = SubscriberStage(expires=0)
        assert stage.out.getHeader("Expires") == "0"
        stage.answer(200, Expires=0)
        ended = outcome(stage.subscription.whenEnded())
        assert stage.notify("terminated;reason=timeout", "<open/>").statusCode == 200
        assert ended == [None]
        notification = stage.subscription.notification
        assert notification is not None
        assert notification.body == b"<open/>"
        assert stage.names() == ["accepted", "notify", "terminated", "ended"]
        assert stage.subscription.termination is not None
        assert stage.subscription.termination.retryIn is None
        stage.end()


class TestNotifies:
    def test_eachIsToldOfInOrder(self) -> None:
        stage = active()
        for body in ("one", "two"):
            stage.notify(body=body)
        assert [value.body for name, value in stage.told] == [b"one", b"two"]
        stage.end()

    @pytest.mark.parametrize(
        ("change", "statusCode"),
        [
            ({"event": "presence;id=7"}, 481),
            ({"event": "dialog"}, 489),
            ({"event": ";;"}, 489),
            ({"state": ""}, 400),
            ({"state": ";;"}, 400),
            ({"toTag": "other"}, 481),
            ({"callID": "other"}, 481),
            ({"toTag": None}, 481),
            ({"contact": "Contact: <<>"}, 400),
            ({"cseq": 0}, 500),
        ],
    )
    def test_whatIsWrongIsRefusedAndTheSubscriptionStays(
        self, change: dict[str, Any], statusCode: int
    ) -> None:
        stage = active()
        assert stage.notify(**change).statusCode == statusCode
        assert stage.subscription.state == State.ACTIVE
        assert stage.names() == []
        assert stage.notify(cseq=9).statusCode == 200
        assert stage.names() == ["notify"]
        stage.end()

    def test_oneThatMakesADialogNeedsAContact(self) -> None:
        stage = SubscriberStage()
        for contact in ("Subject: none", "Contact: *", "Contact: <mailto:bob@example.com>"):
            assert stage.notify(contact=contact).statusCode == 400
        assert stage.notify().statusCode == 200
        stage.end()

    def test_aRangeOfTypesMayBeAskedFor(self) -> None:
        """RFC 3261 section 20.1 has media-range: C{application/*}."""
        stage = active(accept=["application/*;q=0.5"])
        assert stage.notify(body="<open/>").statusCode == 200
        stage.subscription._accept = ("text/*",)
        assert stage.notify(body="<open/>").statusCode == 415
        stage.end()

    def test_aTypeThatWasNotAskedForIsRefused(self) -> None:
        stage = active(accept=["text/plain", PIDF])
        assert stage.notify("active", "", "Content-Type: text/html").statusCode == 200
        stage.names()
        stage.subscription._accept = ("text/plain",)
        response = stage.notify(body="<x/>")
        assert response.statusCode == 415
        assert response.getHeaders("Accept") == ["text/plain"]
        assert stage.names() == []
        stage.end()

    @pytest.mark.parametrize("branch", ["z9hG4bKsame", "z9hG4bKother"])
    def test_aDuplicateIsAnsweredAndToldOfOnce(self, branch: str) -> None:
        stage = SubscriberStage()
        for cseq in (5, 6):
            stage.notify(cseq=cseq, branch="z9hG4bKsame")
            assert stage.notify(cseq=cseq, branch=branch).statusCode == 200
            assert stage.names() == ["notify"]
        stage.end()

    def test_theTargetOfARefusedOneIsNotTaken(self) -> None:
        stage = SubscriberStage(accept=["text/plain"])
        stage.accept()
        stage.notify()
        contact = "Contact: <sip:bob@nowhere.invalid>"
        assert stage.notify(body="<x/>", contact=contact).statusCode == 415
        outcome(stage.subscription.refresh())
        assert stage.take().requestURIText == "sip:bob@bob.invalid;transport=ws"
        stage.end()

    def test_theTargetIsRefreshed(self) -> None:
        stage = active()
        stage.notify(contact="Contact: <sip:bob@elsewhere.invalid>")
        outcome(stage.subscription.refresh())
        assert stage.take().requestURIText == "sip:bob@elsewhere.invalid"
        stage.end()

    def test_anExtensionsStateIsHandedOver(self) -> None:
        stage = active()
        stage.notify("sleeping;expires=100")
        assert stage.told[-1][1].state == "sleeping"
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    def test_tooManyDialogs(self) -> None:
        scene = Scene(maxDialogs=1)
        scene.connect()
        first = SubscriberStage(scene=scene)
        first.notify()
        second = SubscriberStage(scene=scene)
        assert second.notify(fromTag="carol").statusCode == 503
        second.end()


class TestForks:
    def test_eachNotifierIsASubscriptionOfItsOwn(self) -> None:
        stage = SubscriberStage(body="<filter/>", contentType="application/simple-filter+xml")
        others: list[Subscription] = []
        stage.subscription.on("fork", others.append)
        stage.subscription.on("fork", stage.listenTo)
        stage.accept()
        stage.notify(body="one")
        assert stage.notify(body="two", fromTag="desk").statusCode == 200
        (other,) = others
        assert other.state == State.ACTIVE
        assert [value.body for name, value in stage.told if name == "notify"] == [b"one", b"two"]
        assert stage.notify(body="three", fromTag="desk", cseq=8).statusCode == 200
        assert other.notification is not None
        assert other.notification.body == b"three"
        outcome(other.refresh())
        request = stage.take()
        assert (request.toTag, request.cseq) == ("desk", stage.first.cseq + 1)
        assert (request.body, request.contentType) == (b"<filter/>", "application/simple-filter+xml")
        stage.accept()
        assert stage.notify("terminated;reason=deactivated", fromTag="desk", cseq=9).statusCode == 200
        # The first alone is begun anew.
        assert other.state == State.ENDED
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    def test_oneMayBeUnsubscribedAtOnce(self) -> None:
        stage = active()
        forks: list[Subscription] = []
        stage.subscription.on("fork", forks.append)
        stage.subscription.on("fork", lambda fork: fork.unsubscribe())
        assert stage.notify(fromTag="carol").statusCode == 200
        stage.take()
        assert (stage.out.toTag, stage.out.getHeader("Expires")) == ("carol", "0")
        stage.answer(200, Expires=0)
        # It is the same one still.
        assert stage.notify("terminated;reason=timeout", fromTag="carol").statusCode == 200
        assert [fork.state for fork in forks] == [State.ENDED]
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    def test_eachIsUnsubscribedWithTheUserAgent(self) -> None:
        stage = SubscriberStage()
        stage.subscription.on("fork", lambda _: None)
        stage.accept()
        stage.notify()
        stage.notify(fromTag="desk")
        stage.scene.ua.stop()
        ends = [stage.take(), stage.take()]
        assert {request.toTag for request in ends} == {"bob", "desk"}
        assert [request.getHeader("Expires") for request in ends] == ["0", "0"]
        stage.end()

    def test_withoutAListenerTheyAreRefused(self) -> None:
        """Section 5.4.9."""
        stage = active()
        assert stage.notify(fromTag="desk").statusCode == 481
        assert stage.notify("terminated;reason=timeout", fromTag="desk").statusCode == 200
        stage.end()

    def test_afterTimerNTheyAreRefused(self) -> None:
        """Section 4.1.2.4."""
        stage = SubscriberStage(expires=3600)
        stage.subscription.on("fork", lambda _: None)
        stage.accept(3600)
        stage.notify("active;expires=3600")
        stage.scene.clock.advance(31)
        assert stage.notify(fromTag="desk").statusCode == 200
        stage.scene.clock.advance(1)
        assert stage.notify(fromTag="mobile").statusCode == 481
        assert stage.subscription.state == State.ACTIVE
        stage.end()


class TestRefresh:
    def test_comesInTimeInTheDialog(self) -> None:
        stage = active()
        stage.scene.clock.advance(290)
        assert not stage.scene.transport.sent
        stage.scene.clock.advance(260)
        request = stage.take()
        assert request.toTag == "bob"
        assert request.requestURIText == "sip:bob@bob.invalid;transport=ws"
        assert request.getHeader("Event") == "presence"
        assert request.getHeader("Expires") == "3600"
        stage.accept()
        stage.notify()
        assert stage.names() == ["refresh", "notify"]
        stage.scene.clock.advance(550)
        stage.take()
        stage.end()

    def test_theNotifiersTimeCounts(self) -> None:
        """Section 4.1.3: "the subscriber SHOULD take it as the authoritative subscription duration"."""
        stage = active()
        stage.notify("active;expires=100")
        stage.scene.clock.advance(68)
        stage.take()
        stage.end()

    def test_butItIsNotLongerThanWasAskedFor(self) -> None:
        """Section 4.1.2.1: "The received value [...] cannot be larger"."""
        stage = active(expires=600)
        outcome(stage.subscription.refresh())
        stage.take()
        stage.accept(9000)
        stage.notify("active;expires=9000")
        assert stage.subscription.granted == 600
        stage.scene.clock.advance(550)
        stage.take()
        stage.end()

    def test_manyNotifiesDoNotPutItOff(self) -> None:
        stage = active()
        for left in range(590, 0, -10):
            stage.scene.clock.advance(10)
            if stage.scene.transport.sent:
                break
            stage.notify(f"active;expires={left}")
        assert stage.take().method == "SUBSCRIBE"
        stage.end()

    def test_byHand(self) -> None:
        stage = active()
        done = outcome(stage.subscription.refresh())
        stage.take()
        assert not done
        stage.accept()
        assert done == [None]
        stage.notify()
        stage.end()

    def test_withoutANotifyItIsOver(self) -> None:
        """Section 4.1.2.2, timer N."""
        stage = active(resubscribe=False)
        outcome(stage.subscription.refresh())
        stage.take()
        stage.accept()
        stage.scene.clock.advance(32)
        assert stage.names() == ["refresh", "terminated", "ended"]
        assert stage.subscription.termination is not None
        assert stage.subscription.termination.reason == "silent"
        stage.end()

    def test_a204MeansThatThereIsNone(self) -> None:
        """RFC 5839, by RFC 6665 section 4.1.2.2."""
        stage = active(resubscribe=False)
        outcome(stage.subscription.refresh())
        stage.take()
        stage.answer(204, Expires=600)
        stage.scene.clock.advance(64)
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    @pytest.mark.parametrize("statusCode", [404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])
    def test_someAnswersEndIt(self, statusCode: int) -> None:
        """Section 4.1.2.2."""
        stage = active()
        refreshed = outcome(stage.subscription.refresh())
        stage.take()
        stage.answer(statusCode)
        assert isinstance(refreshed[0], SubscriptionError)
        assert stage.names()[:2] == ["failed", "terminated"]
        assert stage.subscription.dialog is None
        termination = stage.subscription.termination
        assert termination is not None
        assert termination.response is not None
        assert termination.response.statusCode == statusCode
        assert (termination.retryIn is not None) is (statusCode in (480, 481, 501))
        assert stage.notify().statusCode == 481
        stage.end()

    @pytest.mark.parametrize("statusCode", [400, 403, 500, 503, 603])
    def test_othersDoNot(self, statusCode: int) -> None:
        stage = active()
        outcome(stage.subscription.refresh())
        stage.take()
        stage.answer(statusCode, Retry_After=40)
        assert stage.names() == ["failed"]
        assert stage.notify().statusCode == 200
        assert stage.subscription.state == State.ACTIVE
        stage.scene.clock.advance(39)
        assert not stage.scene.transport.sent
        stage.scene.clock.advance(2)
        stage.take()
        stage.accept()
        stage.notify()
        assert stage.names() == ["notify", "refresh", "notify"]
        stage.end()

    def test_itRunsOutWhereNoneSucceeds(self) -> None:
        stage = active(resubscribe=False)
        for _ in range(40):
            stage.scene.clock.advance(20)
            while stage.scene.transport.sent:
                stage.take()
                stage.answer(500)
        assert stage.subscription.termination is not None
        assert stage.subscription.termination.reason == "expired"
        stage.end()

    def test_tooBriefIsTakenAsLongAsIsAskedFor(self) -> None:
        stage = active(expires=600)
        outcome(stage.subscription.refresh())
        stage.take()
        stage.answer(423, Min_Expires=900)
        assert stage.take().getHeader("Expires") == "900"
        stage.accept(900)
        stage.notify("active;expires=900")
        assert stage.subscription.granted == 900
        stage.end()

    def test_noAnswerEndsIt(self) -> None:
        stage = active(resubscribe=False)
        outcome(stage.subscription.refresh())
        stage.take()
        stage.scene.clock.advance(32)
        assert stage.subscription.state == State.ENDED
        stage.end()

    def test_whereThereIsNothingToRefresh(self) -> None:
        stage = SubscriberStage()
        assert isinstance(outcome(stage.subscription.refresh())[0], SubscriptionError)
        stage.end()


class TestRefusals:
    @pytest.mark.parametrize("statusCode", [403, 404, 406, 489, 603])
    def test_aPlainNoIsTheEnd(self, statusCode: int) -> None:
        stage = SubscriberStage()
        subscribed = outcome(stage.subscription.whenSubscribed())
        stage.answer(statusCode)
        (error,) = subscribed
        assert isinstance(error, SubscriptionError)
        assert error.response is not None
        assert error.response.statusCode == statusCode
        assert error.retryIn is None
        assert stage.names() == ["failed", "terminated", "ended"]
        assert isinstance(outcome(stage.subscription.whenSubscribed())[0], SubscriptionError)
        stage.end()

    def test_whoWaitsHearsOfItWhenItIsKnownWhatBecomesOfIt(self) -> None:
        stage = SubscriberStage()
        states: list[str] = []
        waiting = stage.subscription.whenSubscribed()
        waiting.addErrback(lambda _: states.append(stage.subscription.state))
        stage.answer(403)
        assert states == [State.ENDED]
        stage.end()

    @pytest.mark.parametrize("statusCode", [503, 486, 404])
    def test_retryAfterIsHeeded(self, statusCode: int) -> None:
        stage = SubscriberStage()
        stage.answer(statusCode, Retry_After=3600)
        assert stage.names() == ["failed", "terminated"]
        stage.scene.clock.advance(3599)
        assert not stage.scene.transport.sent
        stage.scene.clock.advance(1)
        first, again = stage.first, stage.takeFirst()
        # "with a freshly generated Call-ID and a new, unique "From" tag".
        assert again.callID != first.callID
        assert again.fromTag != first.fromTag
        stage.accept()
        stage.notify()
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    def test_eachAttemptComesLater(self) -> None:
        stage = SubscriberStage()
        waits = []
        for _ in range(6):
            stage.answer(500)
            retryIn = stage.told[-1][1].retryIn
            waits.append(retryIn)
            stage.scene.clock.advance(retryIn)
            stage.takeFirst()
        assert all(later > earlier for earlier, later in zip(waits, waits[2:], strict=False))
        stage.end()

    def test_tooBriefOnce(self) -> None:
        stage = SubscriberStage(expires=60)
        stage.answer(423, Min_Expires=1800)
        assert stage.takeFirst().getHeader("Expires") == "1800"
        stage.answer(423, Min_Expires=3600)
        assert stage.names() == ["failed", "terminated", "ended"]
        stage.end()

    def test_noNotifyIsAFailure(self) -> None:
        """Section 4.1.2.4, timer N."""
        stage = SubscriberStage(resubscribe=False)
        subscribed = outcome(stage.subscription.whenSubscribed())
        stage.accept()
        stage.scene.clock.advance(32)
        assert isinstance(subscribed[0], SubscriptionError)
        assert stage.names() == ["accepted", "terminated", "ended"]
        assert stage.notify().statusCode == 481
        stage.end()


class TestTerminations:
    @pytest.mark.parametrize(
        ("state", "earliest", "latest"),
        [
            ("terminated;reason=deactivated;retry-after=900", 0, 0),
            ("terminated;reason=timeout", 0, 0),
            ("terminated;reason=probation", 2.5, 5),
            ("terminated;reason=probation;retry-after=900", 900, 900),
            ("terminated;reason=giveup;retry-after=900", 900, 900),
            ("terminated;reason=unheard-of;retry-after=900", 900, 900),
            ("terminated;reason=PROBATION;retry-after=900", 900, 900),
            ("terminated", 2.5, 5),
        ],
    )
    def test_someReasonsAllowItToBeBegunAnew(self, state: str, earliest: float, latest: float) -> None:
        """Section 4.1.3."""
        stage = active()
        stage.scene.clock.advance(10)
        assert stage.notify(state, "<last/>").statusCode == 200
        assert stage.names()[:2] == ["notify", "terminated"]
        termination = stage.subscription.termination
        assert isinstance(termination, Termination)
        assert termination.retryIn is not None
        assert earliest <= termination.retryIn <= latest
        stage.scene.clock.advance(termination.retryIn)
        stage.takeFirst()
        stage.notify()
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    @pytest.mark.parametrize("reason", ["rejected", "noresource", "invariant;retry-after=10"])
    def test_othersDoNot(self, reason: str) -> None:
        stage = active()
        stage.notify(f"terminated;reason={reason}")
        assert stage.names() == ["notify", "terminated", "ended"]
        assert stage.subscription.termination is not None
        assert stage.subscription.termination.reason == reason.partition(";")[0]
        stage.end()

    def test_aNotifierThatEndsItAtOnceMakesNoStorm(self) -> None:
        stage = SubscriberStage()
        for _ in range(20):
            stage.notify("terminated;reason=deactivated")
            assert stage.subscription.termination is not None
            stage.scene.clock.advance(stage.subscription.termination.retryIn or 0)
            stage.takeFirst()
        assert stage.scene.clock.seconds() > 3600
        stage.end()

    def test_itLeavesItsDialog(self) -> None:
        stage = active()
        stage.notify("terminated;reason=noresource")
        assert len(stage.scene.ua.usages.dialogs) == 0
        assert stage.scene.restless() == []
        stage.end()

    def test_oneThatWasThereForSomeTimeIsNoFailureInARow(self) -> None:
        stage = active()
        for _ in range(5):
            stage.scene.clock.advance(10)
            stage.notify("terminated;reason=timeout")
            assert stage.subscription.termination is not None
            assert stage.subscription.termination.retryIn == 0
            stage.scene.clock.advance(0)
            stage.takeFirst()
            stage.accept()
            stage.notify()
        stage.end()

    def test_aNewOneMayBeTooBriefAgain(self) -> None:
        stage = SubscriberStage(expires=60)
        stage.answer(423, Min_Expires=600)
        stage.takeFirst()
        stage.answer(503, Retry_After=10)
        stage.scene.clock.advance(10)
        stage.takeFirst()
        stage.answer(423, Min_Expires=1200)
        assert stage.takeFirst().getHeader("Expires") == "1200"
        stage.end()

    def test_byOption(self) -> None:
        stage = active(resubscribe=False)
        stage.notify("terminated;reason=deactivated")
        assert stage.names() == ["notify", "terminated", "ended"]
        stage.end()


class TestUnsubscribing:
    def test_isASubscribeAndALastNotify(self) -> None:
        stage = active()
        done = outcome(stage.subscription.unsubscribe())
        again = outcome(stage.subscription.unsubscribe())
        request = stage.take()
        assert request.getHeader("Expires") == "0"
        assert request.toTag == "bob"
        stage.answer(200, Expires=0)
        assert not done
        assert stage.notify("terminated;reason=timeout", "<last/>").statusCode == 200
        assert (done, again) == ([None], [None])
        assert stage.names() == ["refresh", "notify", "terminated", "ended"]
        assert outcome(stage.subscription.unsubscribe()) == [None]
        assert stage.scene.restless() == [] or len(stage.scene.restless()) == 1
        stage.end()

    def test_whileTheSubscribeIsOut(self) -> None:
        stage = SubscriberStage()
        assert outcome(stage.subscription.unsubscribe()) == [None]
        # Upon a 481, "the notifier MUST remove the corresponding subscription".
        assert stage.notify().statusCode == 481
        stage.accept()
        assert stage.names() == ["terminated", "ended"]
        stage.end()

    def test_beforeAnythingWasSent(self) -> None:
        stage = SubscriberStage(connected=False)
        assert outcome(stage.subscription.unsubscribe()) == [None]
        assert stage.subscription.termination is not None
        stage.scene.connect()
        assert not stage.scene.transport.sent
        stage.end()

    def test_whileItWaitsToBeBegunAnew(self) -> None:
        stage = active()
        stage.notify("terminated;reason=probation")
        assert outcome(stage.subscription.unsubscribe()) == [None]
        stage.scene.clock.advance(10)
        assert not stage.scene.transport.sent
        stage.end()

    @pytest.mark.parametrize("statusCode", [481, 500, 423])
    def test_whateverTheAnswer(self, statusCode: int) -> None:
        stage = active()
        done = outcome(stage.subscription.unsubscribe())
        stage.take()
        stage.answer(statusCode, Min_Expires=9000)
        assert done == [None]
        stage.end()

    def test_a204MeansThatNoLastNotifyComes(self) -> None:
        """RFC 5839 section 5.7, where its user has asked for that by Suppress-If-Match."""
        stage = active(headers=[("Suppress-If-Match", "*")])
        ended = outcome(stage.subscription.unsubscribe())
        stage.take()
        stage.answer(204, Expires=0)
        assert ended == [None]
        assert stage.names() == ["refresh", "terminated", "ended"]
        stage.end()

    def test_aNotifyOnItsWayIsNotTheLast(self) -> None:
        """The one that is waited for may never come."""
        stage = active()
        ended = outcome(stage.subscription.unsubscribe())
        stage.take()
        stage.notify("active;expires=10")
        stage.answer(200, Expires=0)
        assert not ended
        stage.scene.clock.advance(32)
        assert ended == [None]
        stage.end()

    def test_aNotifyOnItsWayIsToldOf(self) -> None:
        stage = active()
        done = outcome(stage.subscription.unsubscribe())
        assert stage.notify(body="late").statusCode == 200
        assert stage.notify("pending", body="later").statusCode == 200
        assert stage.names() == ["notify", "notify"]
        stage.scene.clock.advance(32)
        assert done == [None]
        stage.end()

    @pytest.mark.parametrize("event", ["notify", "failed", "terminated"])
    def test_fromWithinAListenerThatHearsOfItsEnd(self, event: str) -> None:
        stage = active()
        stage.subscription.on(event, lambda _: ended.append(outcome(stage.subscription.unsubscribe())))
        ended: list[list[Any]] = []
        if event == "failed":
            outcome(stage.subscription.refresh())
            stage.take()
            stage.answer(481)
        else:
            stage.notify("terminated;reason=probation;retry-after=60")
        assert stage.names() == ["failed" if event == "failed" else "notify", "terminated", "ended"]
        assert ended == [[None]]
        assert stage.subscription.termination is not None
        assert stage.subscription.termination.reason == ("refused" if event == "failed" else "probation")
        stage.end()

    def test_fromWithinAListener(self) -> None:
        stage = active()
        stage.subscription.once("notify", lambda _: stage.subscription.unsubscribe())
        stage.notify("terminated;reason=deactivated")
        assert stage.subscription.state == State.ENDED
        assert sorted(stage.names()) == ["ended", "notify", "terminated"]
        stage.scene.clock.advance(60)
        assert not stage.scene.transport.sent
        stage.end()


class TestConnections:
    def test_theNotifierHearsOfTheNextOne(self) -> None:
        stage = active()
        stage.scene.transport.lose()
        stage.scene.clock.advance(3)
        assert stage.subscription.state == State.ACTIVE
        stage.scene.transport.open()
        request = stage.take()
        assert request.toTag == "bob"
        stage.accept()
        stage.notify()
        assert stage.names() == ["refresh", "notify"]
        stage.end()

    def test_itIsToldOnceHoweverOftenTheConnectionWasLost(self) -> None:
        stage = active()
        for _ in range(3):
            stage.scene.transport.lose()
            stage.scene.transport.open()
            stage.take()
            stage.accept()
            stage.notify()
        assert stage.names() == ["refresh", "notify"] * 3
        stage.end()

    def test_aRefreshThatWasOutIsSentAgain(self) -> None:
        stage = active()
        outcome(stage.subscription.refresh())
        stage.take()
        stage.scene.transport.lose()
        assert stage.names() == ["failed"]
        stage.scene.transport.open()
        stage.take()
        stage.accept()
        stage.notify()
        assert stage.subscription.state == State.ACTIVE
        stage.end()

    def test_anotherUsagesFailureEndsItsDialog(self) -> None:
        """RFC 5057 section 5.1: with a 404 to anything within the dialog, all of it is over."""
        stage = active()
        dialog = stage.subscription.dialog
        assert dialog is not None
        stage.scene.clock.advance(10)
        sending = stage.scene.ua.usages.sendWithin(dialog, "INFO")
        stage.scene.transport.answer(stage.scene.transport.take(), 404)
        outcome(sending.result)
        assert stage.names() == ["terminated"]
        assert stage.subscription.termination is not None
        assert stage.subscription.termination.reason == "lost"
        stage.scene.clock.advance(1)
        stage.takeFirst()
        stage.end()

    def test_andWhileARefreshIsOut(self) -> None:
        stage = active(resubscribe=False)
        outcome(stage.subscription.refresh())
        stage.take()
        assert stage.subscription.dialog is not None
        stage.subscription.dialog.end()
        assert stage.subscription.state == State.ACTIVE
        stage.accept()
        assert stage.subscription.state == State.ENDED
        stage.end()


class TestStopping:
    def test_itIsUnsubscribed(self) -> None:
        stage = active()
        stopped = outcome(stage.scene.ua.stop())
        assert stage.take().getHeader("Expires") == "0"
        # Whoever is being stopped takes no requests any more: the NOTIFY that follows is not waited for.
        stage.answer(200, Expires=0)
        assert stage.names() == ["refresh", "terminated", "ended"]
        stage.scene.clock.advance(0)
        assert stopped == [None]
        stage.end()

    def test_whileItIsBeingUnsubscribed(self) -> None:
        stage = active()
        stage.subscription.unsubscribe()
        stage.take()
        stage.answer(200, Expires=0)
        assert stage.subscription.state == State.LEAVING
        stage.scene.ua.stop()
        assert stage.subscription.state == State.ENDED
        stage.end()

    def test_withoutAConnectionItJustEnds(self) -> None:
        stage = active()
        stage.scene.transport.lose()
        stage.scene.ua.stop()
        assert stage.subscription.state == State.ENDED
        stage.end()

    def test_whileItWaitsForAConnection(self) -> None:
        stage = SubscriberStage(connected=False)
        stage.scene.ua.start()
        stage.scene.ua.stop()
        assert stage.subscription.state == State.ENDED
        assert stage.names() == ["ended"]
        stage.end()


class TestImplicit:
    """The subscription that a REFER makes (RFC 3515), within a dialog and outside of any."""

    def refer(self) -> tuple[SubscriberStage, Subscription]:
        stage = active()
        dialog = stage.subscription.dialog
        assert dialog is not None
        other = Subscription.implicit(stage.scene.ua.usages, "refer;id=7", dialog=dialog, also=["refer"])
        stage.listenTo(other)
        return stage, other

    def test_isEndedWithTheUserAgent(self) -> None:
        stage, other = self.refer()
        stage.notify("active;expires=60", event="refer")
        stage.scene.ua.stop()
        events = {stage.take().getHeader("Event") for _ in range(2)}
        assert events == {"presence", "refer;id=7"}
        stage.end()
        assert other.state == State.ENDED

    def test_sharesADialog(self) -> None:
        stage, other = self.refer()
        assert stage.notify("active;expires=60", "trying", event="refer").statusCode == 200
        assert other.state == State.ACTIVE
        assert other.granted == 60
        assert stage.notify("terminated;reason=noresource", "ok", event="refer;id=7").statusCode == 200
        assert other.state == State.ENDED
        assert stage.names() == ["notify", "notify", "terminated", "ended"]
        assert stage.subscription.state == State.ACTIVE
        assert stage.notify(event="refer").statusCode == 481
        stage.end()

    def test_isNotRefreshedByItself(self) -> None:
        stage, other = self.refer()
        stage.notify("active;expires=60", event="refer")
        stage.scene.clock.advance(59)
        assert not stage.scene.transport.sent
        stage.scene.clock.advance(1)
        assert other.state == State.ENDED
        assert other.termination is not None
        assert other.termination.reason == "expired"
        stage.end()

    def test_waitsForItsFirstNotify(self) -> None:
        stage, other = self.refer()
        stage.scene.clock.advance(32)
        assert other.state == State.ENDED
        stage.end()

    def test_endsWithItsDialog(self) -> None:
        stage, other = self.refer()
        assert other.dialog is not None
        other.dialog.end()
        assert other.state == State.ENDED
        stage.end()

    def test_goesOnFromTheNumberOfItsRequest(self) -> None:
        """Also where that was challenged, and has another now."""
        scene = Scene(contactName="me", viaHost="own.invalid", password="secret")
        scene.connect()
        usages = scene.ua.usages
        sending = usages.send(usages.build("REFER", BOB, [("Refer-To", "<sip:carol@example.com>")]))
        outcome(sending.result)
        other = Subscription.implicit(usages, "refer", sending=sending)
        challenge = ("WWW-Authenticate", 'Digest realm="example.com", nonce="abc"')
        scene.transport.answer(scene.transport.take(), 401, [challenge])
        stage = SubscriberStage(scene=scene, connected=False)
        stage.first = scene.transport.take()
        assert (stage.first.method, stage.first.cseq) == ("REFER", 2)
        stage.notify("active;expires=60", event="refer")
        scene.transport.takeAll()
        outcome(other.refresh())
        assert stage.take().cseq == 3
        stage.end()

    def test_makesADialog(self) -> None:
        stage = SubscriberStage()
        usages = stage.scene.ua.usages
        sending = usages.send(usages.build("REFER", BOB, [("Refer-To", "<sip:carol@example.com>")]))
        other = Subscription.implicit(usages, "refer", sending=sending)
        stage.first = stage.scene.transport.take()
        assert stage.notify("active;expires=60", event="refer").statusCode == 200
        assert other.state == State.ACTIVE
        stage.scene.transport.answer(stage.first, 202)
        assert stage.notify("terminated;reason=noresource", event="refer").statusCode == 200
        assert other.state == State.ENDED
        stage.end()
