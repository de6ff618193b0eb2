"""Publications: every row of their table, every pair that has none, and what the requests say (RFC 3903)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from sipws.errors import PublicationError
from sipws.publication import PUBLICATION, Publication, State
from sipws.publication.machine import ARROWS, Event
from tests.ua.fakes import ALICE, Scene, outcome
from tests.whole import assertWhole

PIDF = "application/pidf+xml"


class Stage:
    """A user agent that publishes, and the server that the test is."""

    def __init__(self, *, connected: bool = True, **options: Any) -> None:
        self.scene = Scene(**options)
        if connected:
            self.scene.connect()
        self.publication = self.scene.ua.publish(ALICE, "presence", "<open/>", PIDF)
        self.told: list[tuple[str, Any]] = []
        for event in ("published", "refresh", "failed", "ended"):
            self.publication.on(event, lambda value, event=event: self.told.append((event, value)))
        self.out: Any = self.take() if connected else None

    def take(self) -> Any:
        """Take the PUBLISH that went out, as the one that is to be answered."""
        self.out = self.scene.transport.take()
        assert self.out.method == "PUBLISH"
        assertWhole(self.out)
        return self.out

    def answer(self, statusCode: int, **headers: object) -> None:
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.scene.transport.answer(self.out, statusCode, pairs)

    def accept(self, etag: str = "dx200xyz", expires: int = 600) -> None:
        self.answer(200, SIP_ETag=etag, Expires=expires)

    def names(self) -> list[str]:
        told, self.told = self.told, []
        return [name for name, _ in told]

    def end(self) -> None:
        self.scene.ua.stop()
        self.scene.clock.advance(100)
        assert self.scene.restless() == []


def _in(state: str) -> Stage:
    """Bring a publication into a state, as it gets there."""
    stage = Stage(connected=state != State.INIT)
    if state in (State.PUBLISHED, State.REMOVING):
        stage.accept()
    if state == State.WAITING:
        stage.answer(503)
    if state in (State.LEAVING, State.REMOVING):
        stage.publication.remove()
    if state == State.REMOVING:
        stage.take()
    if state == State.ENDED:
        stage.answer(403)
    assert stage.publication.state == state
    stage.names()
    return stage


def _cause(stage: Stage, event: str) -> None:
    """Bring an event about, as it comes about."""
    if event == Event.REACHABLE:
        if stage.publication.state == State.INIT:
            stage.scene.connect()
    elif event == Event.UPDATE:
        outcome(stage.publication.update("<closed/>"))
    elif event == Event.REMOVE:
        stage.publication.remove()
    elif event == Event.DUE:
        stage.scene.clock.advance(2000)
    elif event == Event.LOST:
        stage.scene.ua.stop()
    elif stage.out is not None:
        if event == Event.OUTDATED:
            outcome(stage.publication.update("<closed/>"))
        answers: dict[str, tuple[int, dict[str, object]]] = {
            Event.SUCCESS: (200, {"SIP_ETag": "new"}),
            Event.OUTDATED: (200, {"SIP_ETag": "new"}),
            Event.UNKNOWN: (412, {}),
            Event.BRIEF: (423, {"Min_Expires": 7200}),
            Event.FAILURE: (500, {}),
            Event.REFUSAL: (403, {}),
        }
        statusCode, headers = answers[event]
        stage.answer(statusCode, **headers)


_STATES = [value for name, value in vars(State).items() if name.isupper()]
_ANSWERS = [Event.SUCCESS, Event.UNKNOWN, Event.BRIEF, Event.FAILURE, Event.REFUSAL]
_EVENTS = [Event.REACHABLE, Event.UPDATE, Event.REMOVE, *_ANSWERS, Event.OUTDATED, Event.DUE]

#: What becomes of a publication.  A first PUBLISH has no entity-tag: a 412 to it is a refusal.
OUTCOMES = {
    (State.INIT, Event.REACHABLE): State.PUBLISHING,
    (State.INIT, Event.REMOVE): State.ENDED,
    (State.PUBLISHING, Event.SUCCESS): State.PUBLISHED,
    (State.PUBLISHING, Event.OUTDATED): State.PUBLISHING,
    (State.PUBLISHING, Event.UNKNOWN): State.ENDED,
    (State.PUBLISHING, Event.BRIEF): State.PUBLISHING,
    (State.PUBLISHING, Event.FAILURE): State.WAITING,
    (State.PUBLISHING, Event.REFUSAL): State.ENDED,
    (State.PUBLISHING, Event.REMOVE): State.LEAVING,
    # Timer F: no response is a failure, and that is tried again.
    (State.PUBLISHING, Event.DUE): State.WAITING,
    (State.PUBLISHED, Event.UPDATE): State.PUBLISHING,
    (State.PUBLISHED, Event.DUE): State.PUBLISHING,
    (State.PUBLISHED, Event.REMOVE): State.REMOVING,
    # The answers come to nothing there but by an update: the one that brings OUTDATED about.
    (State.PUBLISHED, Event.OUTDATED): State.PUBLISHING,
    (State.WAITING, Event.DUE): State.PUBLISHING,
    (State.WAITING, Event.REMOVE): State.ENDED,
    (State.LEAVING, Event.SUCCESS): State.REMOVING,
    (State.LEAVING, Event.OUTDATED): State.REMOVING,
    (State.LEAVING, Event.UNKNOWN): State.ENDED,
    # There is nothing to be removed: nothing was published before.
    (State.LEAVING, Event.BRIEF): State.ENDED,
    (State.LEAVING, Event.FAILURE): State.ENDED,
    (State.LEAVING, Event.REFUSAL): State.ENDED,
    (State.LEAVING, Event.DUE): State.ENDED,
    (State.REMOVING, Event.SUCCESS): State.ENDED,
    (State.REMOVING, Event.OUTDATED): State.ENDED,
    (State.REMOVING, Event.UNKNOWN): State.ENDED,
    (State.REMOVING, Event.BRIEF): State.ENDED,
    (State.REMOVING, Event.FAILURE): State.ENDED,
    (State.REMOVING, Event.REFUSAL): State.ENDED,
    (State.REMOVING, Event.DUE): State.ENDED,
}


@pytest.mark.parametrize(("state", "event"), list(product(_STATES, _EVENTS)))
def test_eachEventInEachState(state: str, event: str) -> None:
    stage = _in(state)
    _cause(stage, event)
    after = stage.publication.state
    if (state, event) == (State.PUBLISHING, Event.DUE):
        # Timer F, the timer of the next attempt, and timer F of that.
        assert after in (State.WAITING, State.PUBLISHING)
    else:
        assert after == OUTCOMES.get((state, event), state)
    stage.end()


def test_everyRowIsFollowed(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: set[tuple[str, str]] = set()
    feed = Publication._feed

    def noting(publication: Publication, event: str, *args: Any) -> None:
        if (publication.state, event) in ARROWS:
            followed.add((publication.state, event))
        feed(publication, event, *args)

    monkeypatch.setattr(Publication, "_feed", noting)
    for state, event in product(_STATES, _EVENTS):
        stage = _in(state)
        _cause(stage, event)
        stage.end()
    _refreshOfWhatIsForgotten().end()
    for statusCode in (200, 412):
        stage = _leavingWithNewerState(statusCode)
        if statusCode == 200:
            stage.take()
            stage.answer(200)
        stage.end()
    for state in (State.INIT, State.PUBLISHED, State.WAITING):
        stage = _in(state)
        if state != State.INIT:
            stage.scene.transport.lose()
            stage.scene.clock.advance(700)
        _cause(stage, Event.LOST)
        assert stage.publication.state == State.ENDED
        stage.end()
    assert followed >= {(arrow.state, arrow.event) for arrow in PUBLICATION}


class TestRequests:
    def test_theFirstHasABodyAndNoEntityTag(self) -> None:
        stage = Stage()
        request = stage.out
        assert request.requestURIText == ALICE
        assert request.getHeader("Event") == "presence"
        assert request.getHeader("Expires") == "3600"
        assert not request.hasHeader("SIP-If-Match")
        assert not request.hasHeader("Contact")
        assert (request.contentType, request.body) == (PIDF, b"<open/>")
        stage.end()

    def test_aRefreshHasTheEntityTagAndNoBody(self) -> None:
        stage = Stage()
        stage.accept("first")
        assert stage.publication.granted == 600
        stage.scene.clock.advance(570)
        request = stage.take()
        assert request.getHeader("SIP-If-Match") == "first"
        assert request.body == b""
        assert request.contentType is None
        stage.accept("second")
        assert stage.names() == ["published", "refresh"]
        stage.scene.clock.advance(570)
        assert stage.take().getHeader("SIP-If-Match") == "second"
        stage.end()

    def test_aModificationHasBoth(self) -> None:
        stage = Stage()
        stage.accept("first")
        done = outcome(stage.publication.update("away", "text/plain"))
        request = stage.take()
        assert request.getHeader("SIP-If-Match") == "first"
        assert (request.contentType, request.body) == ("text/plain", b"away")
        assert not done
        stage.accept("second")
        assert done == [None]
        assert stage.publication.etag == "second"
        assert stage.names() == ["published", "published"]
        stage.end()

    def test_aRemovalHasTheEntityTagAndNoTime(self) -> None:
        stage = Stage()
        stage.accept("first")
        done = outcome(stage.publication.remove())
        request = stage.take()
        assert request.getHeader("SIP-If-Match") == "first"
        assert request.getHeader("Expires") == "0"
        assert request.body == b""
        assert not done
        stage.answer(200, SIP_ETag="x", Expires=0)
        assert done == [None]
        assert stage.names() == ["published", "ended"]
        assert outcome(stage.publication.remove()) == [None]
        stage.end()

    def test_oneIsOutAtATime(self) -> None:
        stage = Stage()
        first, second = outcome(stage.publication.update("one")), outcome(stage.publication.update("two"))
        assert not stage.scene.transport.sent
        stage.accept("first")
        request = stage.take()
        assert request.getHeader("SIP-If-Match") == "first"
        assert request.body == b"two"
        assert not first
        stage.accept("second")
        assert (first, second) == ([None], [None])
        assert not stage.scene.transport.sent
        stage.end()

    def test_isNotGrantedMoreThanWasAsked(self) -> None:
        stage = Stage()
        stage.answer(200, SIP_ETag="x", Expires=99999)
        assert stage.publication.granted == 3600
        stage.end()

    def test_cannotBeMadeOfNonsense(self) -> None:
        scene = Scene()
        with pytest.raises(ValueError, match="a second"):
            scene.ua.publish(ALICE, "presence", "x", PIDF, expires=0)
        with pytest.raises(ValueError, match="Event"):
            scene.ua.publish(ALICE, "pre\r\nsence", "x", PIDF)

    def test_isNotUpdatedToNonsense(self) -> None:
        stage = Stage()
        for state in (State.PUBLISHING, State.PUBLISHED):
            assert stage.publication.state == state
            with pytest.raises(ValueError, match="Content-Type"):
                stage.publication.update("away", "text/plain\r\nEvil: 1")
            assert not stage.scene.transport.sent
            if state == State.PUBLISHING:
                stage.accept("first")
        # What was there before stays, and is kept alive.
        stage.scene.clock.advance(570)
        request = stage.take()
        assert (request.getHeader("SIP-If-Match"), request.body) == ("first", b"")
        stage.accept("second")
        assert stage.names() == ["published", "refresh"]
        stage.end()


def _refreshOfWhatIsForgotten() -> Stage:
    stage = Stage()
    stage.accept("first")
    stage.scene.clock.advance(570)
    stage.take()
    stage.answer(412)
    return stage


def _leavingWithNewerState(statusCode: int) -> Stage:
    """Remove a publication while a modification is out, and another waits."""
    stage = Stage()
    stage.accept("first")
    for body in ("one", "two"):
        outcome(stage.publication.update(body))
    stage.take()
    outcome(stage.publication.remove())
    assert stage.publication.state == State.LEAVING
    stage.answer(statusCode, SIP_ETag="second")
    return stage


class TestFailures:
    def test_newerStateThatWaitsIsNotSentAnyMore(self) -> None:
        stage = _leavingWithNewerState(200)
        request = stage.take()
        assert (request.getHeader("Expires"), request.body) == ("0", b"")
        assert request.getHeader("SIP-If-Match") == "second"
        stage.answer(200)
        assert stage.publication.state == State.ENDED
        stage.end()

    def test_whatTheServerHasForgottenIsNotRemoved(self) -> None:
        stage = _leavingWithNewerState(412)
        assert not stage.scene.transport.sent
        assert stage.publication.state == State.ENDED
        stage.end()

    def test_whatTheServerHasForgottenIsPublishedAnew(self) -> None:
        stage = _refreshOfWhatIsForgotten()
        request = stage.take()
        assert not request.hasHeader("SIP-If-Match")
        assert request.body == b"<open/>"
        stage.accept("second")
        assert stage.publication.etag == "second"
        assert stage.names() == ["published", "published"]
        stage.end()

    def test_tooBriefIsTakenAsLongAsIsAskedForOnce(self) -> None:
        stage = Stage()
        stage.answer(423, Min_Expires=7200)
        request = stage.take()
        assert request.getHeader("Expires") == "7200"
        assert request.body == b"<open/>"
        stage.answer(423, Min_Expires=9000)
        assert stage.publication.state == State.ENDED
        assert stage.names() == ["failed", "ended"]
        stage.end()

    @pytest.mark.parametrize("statusCode", [503, 403])
    def test_retryAfterIsHeeded(self, statusCode: int) -> None:
        stage = Stage()
        published = outcome(stage.publication.whenPublished())
        stage.answer(statusCode, Retry_After=4000)
        (error,) = published
        assert isinstance(error, PublicationError)
        assert error.retryIn == 4000
        stage.publication.update("newer")
        stage.scene.clock.advance(3999)
        assert not stage.scene.transport.sent
        stage.scene.clock.advance(1)
        assert stage.take().body == b"newer"
        stage.accept()
        assert outcome(stage.publication.whenPublished()) == [None]
        stage.end()

    def test_aRefusalEndsIt(self) -> None:
        stage = Stage()
        stage.answer(489)
        (name, error), _ = stage.told
        assert name == "failed"
        assert error.response.statusCode == 489
        assert error.retryIn is None
        assert isinstance(outcome(stage.publication.update("x"))[0], PublicationError)
        assert isinstance(outcome(stage.publication.whenPublished())[0], PublicationError)
        stage.end()

    def test_aLostConnectionIsWaitedFor(self) -> None:
        stage = Stage()
        stage.accept("first")
        outcome(stage.publication.update("newer"))
        stage.scene.transport.lose()
        assert stage.names() == ["published", "failed"]
        stage.scene.clock.advance(60)
        assert stage.publication.state == State.WAITING
        stage.scene.transport.open()
        request = stage.take()
        assert request.body == b"newer"
        assert request.getHeader("SIP-If-Match") == "first"
        stage.end()

    def test_waitsForTheRegistration(self) -> None:
        scene = Scene(register=True)
        scene.connect()
        scene.ua.publish(ALICE, "presence", "<open/>", PIDF)
        register = scene.transport.take()
        assert not scene.transport.sent
        scene.transport.answer(register, 200, [("Contact", register.getHeader("Contact")), ("Expires", 600)])
        assert scene.transport.take().method == "PUBLISH"
        scene.ua.stop()
        scene.clock.advance(100)


class TestStopping:
    def test_itIsRemoved(self) -> None:
        stage = Stage()
        stage.accept("first")
        stopped = outcome(stage.scene.ua.stop())
        assert stage.take().getHeader("Expires") == "0"
        stage.answer(200, SIP_ETag="x", Expires=0)
        stage.scene.clock.advance(64)
        assert stopped == [None]
        assert stage.scene.restless() == []

    @pytest.mark.parametrize("state", [State.INIT, State.PUBLISHED, State.WAITING])
    def test_withoutAConnectionItJustEnds(self, state: str) -> None:
        stage = _in(state)
        if state != State.INIT:
            stage.scene.transport.lose()
        stopped = outcome(stage.scene.ua.stop())
        assert stage.publication.state == State.ENDED
        assert stage.names() == ["ended"]
        stage.scene.clock.advance(64)
        assert stopped == [None]
        assert stage.scene.restless() == []


def test_whoHearsOfItMayUpdateAtOnce() -> None:
    stage = Stage()
    done: list[list[Any]] = []
    stage.publication.once("published", lambda _: done.append(outcome(stage.publication.update("newer"))))
    stage.accept("first")
    assert stage.take().body == b"newer"
    assert done == [[]]
    stage.accept("second")
    assert done == [[None]]
    stage.end()
