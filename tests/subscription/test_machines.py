"""
The tables of subscriptions against RFC 6665, and subscriptions against their tables.

Each row is followed once, by what brings its event about; what has no row does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest

from sipws.subscription import NOTIFIER, SUBSCRIBER, Notifier, State, Subscription
from sipws.subscription.machine import Event, Machine
from sipws.subscription.subscriber import Subscriber
from tests.subscription.stages import NotifierStage, SubscriberStage
from tests.ua.fakes import outcome

S, E = State, Event

#: Section 4.1.2, the figure: from, on, to.  An arrow from "any" of the box is two.
SUBSCRIBER_FIGURE = {
    (S.INIT, E.REACHABLE): S.NOTIFY_WAIT,
    (S.NOTIFY_WAIT, E.TIMER_N): S.TERMINATED,
    (S.NOTIFY_WAIT, E.FAILURE): S.TERMINATED,
    (S.NOTIFY_WAIT, E.NOTIFY_TERMINATED): S.TERMINATED,
    (S.NOTIFY_WAIT, E.NOTIFY_ACTIVE): S.ACTIVE,
    (S.NOTIFY_WAIT, E.NOTIFY_PENDING): S.PENDING,
    (S.PENDING, E.TIMER_N): S.TERMINATED,
    (S.PENDING, E.NOTIFY_TERMINATED): S.TERMINATED,
    (S.PENDING, E.GONE): S.TERMINATED,
    (S.PENDING, E.NOTIFY_ACTIVE): S.ACTIVE,
    (S.ACTIVE, E.TIMER_N): S.TERMINATED,
    (S.ACTIVE, E.NOTIFY_TERMINATED): S.TERMINATED,
    (S.ACTIVE, E.GONE): S.TERMINATED,
    (S.TERMINATED, E.RETRY): S.INIT,
}

#: Section 4.2.2, the figure.
NOTIFIER_FIGURE = {
    (S.INIT, E.SUBSCRIBE): S.RESP_WAIT,
    (S.RESP_WAIT, E.ACCEPT): S.ACTIVE,
    (S.RESP_WAIT, E.PEND): S.PENDING,
    (S.PENDING, E.ACCEPT): S.ACTIVE,
    (S.PENDING, E.EXPIRED): S.TERMINATED,
    (S.PENDING, E.TERMINATE): S.TERMINATED,
    (S.ACTIVE, E.EXPIRED): S.TERMINATED,
    (S.ACTIVE, E.TERMINATE): S.TERMINATED,
}


@pytest.mark.parametrize(
    ("machine", "figure"), [(SUBSCRIBER, SUBSCRIBER_FIGURE), (NOTIFIER, NOTIFIER_FIGURE)]
)
def test_theFiguresAreInTheTables(machine: Machine, figure: dict[tuple[str, str], str]) -> None:
    rows = {(arrow.state, arrow.event): arrow.target for arrow in machine.arrows}
    assert len(rows) == len(machine.arrows)
    assert {key: rows.get(key) for key in figure} == figure


# The subscriber.


def _subscriberIn(state: str) -> SubscriberStage:
    stage = SubscriberStage(connected=state != S.INIT)
    if state in (S.PENDING, S.ACTIVE, S.LEAVING, S.TERMINATED):
        stage.accept()
        stage.notify("pending;expires=600" if state == S.PENDING else "active;expires=600")
    if state == S.TERMINATED:
        stage.notify("terminated;reason=probation")
    if state == S.LEAVING:
        stage.subscription.unsubscribe()
        stage.take()
    assert stage.subscription.state == state
    return stage


def _refreshed(statusCode: int, **headers: object) -> Callable[[SubscriberStage], None]:
    def cause(stage: SubscriberStage) -> None:
        if stage.subscription.state in (S.PENDING, S.ACTIVE):
            outcome(stage.subscription.refresh())
            stage.take()
        stage.answer(statusCode, **headers)

    return cause


def _notified(state: str) -> Callable[[SubscriberStage], None]:
    def cause(stage: SubscriberStage) -> None:
        assert stage.notify(state).statusCode == 200

    return cause


def _silence(stage: SubscriberStage) -> None:
    _refreshed(200, Expires=600)(stage)
    stage.scene.clock.advance(32)


def _reconnected(stage: SubscriberStage) -> None:
    if stage.subscription.state == S.INIT:
        stage.scene.connect()
    else:
        stage.scene.transport.lose()
        stage.scene.transport.open()
        stage.take()


def _due(stage: SubscriberStage) -> None:
    stage.scene.clock.advance(545)
    stage.take()


def _expired(stage: SubscriberStage) -> None:
    state = stage.subscription.state
    stage.notify(f"{state};expires=3")
    stage.scene.clock.advance(3)


def _dialogEnded(stage: SubscriberStage) -> None:
    if stage.subscription.state == S.LEAVING:
        # The answer to what is out is looked at first.
        stage.answer(200, Expires=0)
    assert stage.subscription.dialog is not None
    stage.subscription.dialog.end()


def _unsubscribed(stage: SubscriberStage) -> None:
    stage.subscription.unsubscribe()


def _retried(stage: SubscriberStage) -> None:
    stage.scene.transport.lose()
    stage.scene.clock.advance(5)


def _stopped(stage: SubscriberStage) -> None:
    stage.scene.ua.stop()
    stage.answer(200, Expires=0)


def _notRetried(stage: SubscriberStage) -> None:
    if stage.subscription.state == S.INIT:
        stage.scene.ua.start()
        stage.scene.ua.stop()
    else:
        stage.subscription._feed(E.NO_RETRY)


_BRIEF = _refreshed(423, Min_Expires=7200)

#: What becomes of a subscription: of each row, what brings its event about, and where that leads.
SUBSCRIBER_ROWS: dict[tuple[str, str], tuple[Callable[[SubscriberStage], None], str]] = {
    (S.INIT, E.REACHABLE): (_reconnected, S.NOTIFY_WAIT),
    (S.INIT, E.UNSUBSCRIBE): (_unsubscribed, S.ENDED),
    (S.INIT, E.NO_RETRY): (_notRetried, S.ENDED),
    (S.NOTIFY_WAIT, E.SUCCESS): (_refreshed(200, Expires=600), S.NOTIFY_WAIT),
    (S.NOTIFY_WAIT, E.BRIEF): (_BRIEF, S.NOTIFY_WAIT),
    (S.NOTIFY_WAIT, E.FAILURE): (_refreshed(500), S.TERMINATED),
    (S.NOTIFY_WAIT, E.TIMER_N): (_silence, S.TERMINATED),
    (S.NOTIFY_WAIT, E.NOTIFY_ACTIVE): (_notified("active"), S.ACTIVE),
    (S.NOTIFY_WAIT, E.NOTIFY_PENDING): (_notified("pending"), S.PENDING),
    (S.NOTIFY_WAIT, E.NOTIFY_TERMINATED): (_notified("terminated"), S.TERMINATED),
    (S.NOTIFY_WAIT, E.UNSUBSCRIBE): (_unsubscribed, S.ENDED),
    (S.LEAVING, E.NOTIFY_ACTIVE): (_notified("active"), S.LEAVING),
    (S.LEAVING, E.NOTIFY_PENDING): (_notified("pending"), S.LEAVING),
    (S.LEAVING, E.NOTIFY_TERMINATED): (_notified("terminated;reason=timeout"), S.ENDED),
    (S.LEAVING, E.SUCCESS): (_refreshed(200, Expires=0), S.LEAVING),
    (S.LEAVING, E.GONE): (_refreshed(481), S.ENDED),
    (S.LEAVING, E.REFRESH_FAILURE): (_refreshed(500), S.ENDED),
    (S.LEAVING, E.TIMER_N): (_silence, S.ENDED),
    (S.LEAVING, E.DIALOG_ENDED): (_dialogEnded, S.ENDED),
    (S.LEAVING, E.NO_RETRY): (_stopped, S.ENDED),
    (S.TERMINATED, E.RETRY): (_retried, S.INIT),
    (S.TERMINATED, E.NO_RETRY): (_notRetried, S.ENDED),
    (S.TERMINATED, E.UNSUBSCRIBE): (_unsubscribed, S.ENDED),
    **{
        (state, event): row
        for state in (S.PENDING, S.ACTIVE)
        for event, row in {
            E.NOTIFY_ACTIVE: (_notified("active"), S.ACTIVE),
            E.NOTIFY_PENDING: (_notified("pending"), S.PENDING),
            E.NOTIFY_TERMINATED: (_notified("terminated"), S.TERMINATED),
            E.SUCCESS: (_refreshed(200, Expires=600), state),
            E.BRIEF: (_BRIEF, state),
            E.DUE: (_due, state),
            E.REACHABLE: (_reconnected, state),
            E.GONE: (_refreshed(481), S.TERMINATED),
            E.REFRESH_FAILURE: (_refreshed(500), state),
            E.TIMER_N: (_silence, S.TERMINATED),
            E.EXPIRED: (_expired, S.TERMINATED),
            E.DIALOG_ENDED: (_dialogEnded, S.TERMINATED),
            E.UNSUBSCRIBE: (_unsubscribed, S.LEAVING),
        }.items()
    },
}


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, str]]]:
    """The events that came to subscriptions: each with the state before, and after its first action."""
    seen: list[tuple[str, str, str]] = []
    for kind, machine in ((Subscriber, SUBSCRIBER), (Notifier, NOTIFIER)):
        rows = {(arrow.state, arrow.event): arrow.target for arrow in machine.arrows}

        def noting(
            self: Any,
            event: str,
            *args: Any,
            feed: Any = kind._feed,
            rows: dict[tuple[str, str], str] = rows,
        ) -> None:
            if (self.state, event) in rows:
                seen.append((self.state, event, rows[self.state, event]))
            feed(self, event, *args)

        monkeypatch.setattr(kind, "_feed", noting)
    yield seen
    seen.clear()


@pytest.mark.parametrize(("state", "event"), list(SUBSCRIBER_ROWS))
def test_eachRowOfTheSubscribers(state: str, event: str, followed: list[tuple[str, str, str]]) -> None:
    stage = _subscriberIn(state)
    followed.clear()
    cause, target = SUBSCRIBER_ROWS[state, event]
    cause(stage)
    assert (state, event, target) in followed
    stage.end()


def test_ofAnImplicitSubscriptionThatIsInADialogAlready(followed: list[tuple[str, str, str]]) -> None:
    stage = _subscriberIn(S.ACTIVE)
    dialog = stage.subscription.dialog
    assert dialog is not None
    Subscription.implicit(stage.scene.ua.usages, "refer", dialog=dialog)
    dialog.end()
    assert (S.NOTIFY_WAIT, E.DIALOG_ENDED, S.TERMINATED) in followed
    stage.end()


def test_allRowsOfTheSubscribersAreHere() -> None:
    rows = {(arrow.state, arrow.event) for arrow in SUBSCRIBER.arrows}
    assert rows == {*SUBSCRIBER_ROWS, (S.NOTIFY_WAIT, E.DIALOG_ENDED)}


_STATES = [value for name, value in vars(State).items() if name.isupper()]
_EVENTS = [value for name, value in vars(Event).items() if name.isupper()]


@pytest.mark.parametrize("state", [S.INIT, S.NOTIFY_WAIT, S.PENDING, S.ACTIVE, S.LEAVING, S.TERMINATED])
def test_whatHasNoRowDoesNothingToASubscriber(state: str) -> None:
    rows = {(arrow.state, arrow.event) for arrow in SUBSCRIBER.arrows}
    stage = _subscriberIn(state)
    stage.names()
    timers = len(stage.scene.restless())
    for event in _EVENTS:
        if (state, event) not in rows:
            stage.subscription._feed(event)
            assert stage.subscription.state == state
    assert stage.names() == []
    assert len(stage.scene.restless()) == timers
    if stage.scene.transports:
        assert not stage.scene.transport.sent
    stage.end()


# The notifier.


def _notifierIn(state: str) -> NotifierStage:
    stage = NotifierStage()
    stage.subscribe()
    if state in (S.PENDING, S.ACTIVE, S.TERMINATED):
        stage.notifier.accept(pending=state == S.PENDING)
        stage.response()
        stage.notice()
    if state == S.TERMINATED:
        stage.notifier.terminate()
        stage.notice(None)
    assert stage.notifier.state == state
    return stage


def _accepted(stage: NotifierStage) -> None:
    outcome(stage.notifier.accept("x", "text/plain"))


def _pended(stage: NotifierStage) -> None:
    outcome(stage.notifier.accept(pending=True))


def _rejected(stage: NotifierStage) -> None:
    stage.notifier.reject()


def _fetched(stage: NotifierStage) -> None:
    if stage.notifier.state == S.RESP_WAIT:
        stage.notifier.reject()
        stage.response()
        stage.subscribe(0, callID="other")
        _accepted(stage)
    else:
        stage.subscribe(0, within=True)


def _unanswered(stage: NotifierStage) -> None:
    stage.scene.clock.advance(33)
    stage.scene.transport.takeAll()


def _told(stage: NotifierStage) -> None:
    outcome(stage.notifier.notify("y", "text/plain"))


def _again(stage: NotifierStage) -> None:
    stage.subscribe(700, within=True)


def _ranOut(stage: NotifierStage) -> None:
    stage.scene.clock.advance(600)


def _terminated(stage: NotifierStage) -> None:
    stage.notifier.terminate()


def _noticeFailed(stage: NotifierStage) -> None:
    _told(stage)
    stage.notice(481)


def _ended(stage: NotifierStage) -> None:
    if stage.notifier.state == S.TERMINATED:
        stage.answer(200)
    else:
        assert stage.notifier.dialog is not None
        stage.notifier.dialog.end()


def _answered(stage: NotifierStage) -> None:
    stage.answer(200)


NOTIFIER_ROWS: dict[tuple[str, str], tuple[Callable[[NotifierStage], None], str]] = {
    (S.RESP_WAIT, E.ACCEPT): (_accepted, S.ACTIVE),
    (S.RESP_WAIT, E.PEND): (_pended, S.PENDING),
    (S.RESP_WAIT, E.REJECT): (_rejected, S.ENDED),
    (S.RESP_WAIT, E.FETCH): (_fetched, S.TERMINATED),
    (S.RESP_WAIT, E.DIALOG_ENDED): (_unanswered, S.ENDED),
    (S.PENDING, E.ACCEPT): (_accepted, S.ACTIVE),
    (S.TERMINATED, E.DONE): (_answered, S.ENDED),
    **{
        (state, event): row
        for state in (S.PENDING, S.ACTIVE)
        for event, row in {
            E.NOTIFY: (_told, state),
            E.REFRESH: (_again, state),
            E.FETCH: (_fetched, S.TERMINATED),
            E.EXPIRED: (_ranOut, S.TERMINATED),
            E.TERMINATE: (_terminated, S.TERMINATED),
            E.NOTIFY_FAILURE: (_noticeFailed, S.ENDED),
            E.DIALOG_ENDED: (_ended, S.ENDED),
        }.items()
    },
}


@pytest.mark.parametrize(("state", "event"), list(NOTIFIER_ROWS))
def test_eachRowOfTheNotifiers(state: str, event: str, followed: list[tuple[str, str, str]]) -> None:
    stage = _notifierIn(state)
    assert (S.INIT, E.SUBSCRIBE, S.RESP_WAIT) in followed
    followed.clear()
    cause, target = NOTIFIER_ROWS[state, event]
    cause(stage)
    assert (state, event, target) in followed
    stage.end()


def test_allRowsOfTheNotifiersAreHere() -> None:
    rows = {(arrow.state, arrow.event) for arrow in NOTIFIER.arrows}
    assert rows == {*NOTIFIER_ROWS, (S.INIT, E.SUBSCRIBE)}


@pytest.mark.parametrize("state", [S.RESP_WAIT, S.PENDING, S.ACTIVE, S.TERMINATED])
def test_whatHasNoRowDoesNothingToANotifier(state: str) -> None:
    rows = {(arrow.state, arrow.event) for arrow in NOTIFIER.arrows}
    stage = _notifierIn(state)
    timers = len(stage.scene.restless())
    for event in _EVENTS:
        if (state, event) not in rows:
            stage.notifier._feed(event)
            assert stage.notifier.state == state
    assert not stage.scene.transport.sent
    assert len(stage.scene.restless()) == timers
    stage.end()


def test_afterItsEndNothingHappens() -> None:
    subscriber, notifier = _subscriberIn(S.INIT), _notifierIn(S.RESP_WAIT)
    subscriber.subscription.unsubscribe()
    notifier.notifier.reject()
    for event, state in product(_EVENTS, _STATES):
        if state == S.ENDED:
            subscriber.subscription._feed(event)
            notifier.notifier._feed(event)
    assert subscriber.subscription.state == notifier.notifier.state == S.ENDED
    subscriber.end()
    notifier.end()
