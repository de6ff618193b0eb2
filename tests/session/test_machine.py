"""The tables of sessions, and of offer and answer: every row is followed, and nothing else happens."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.errors import WrongMoment
from sipws.session import Cause, Session, Termination, offeranswer
from sipws.session.core import SessionCore
from sipws.session.machine import ARROWS, INCOMING, MACHINES, OUTGOING, Action, Arrow, Event, Machine, State
from sipws.session.offeranswer import OFFER_ANSWER, Negotiation
from tests.ua.fakes import Scene

STATES = [value for name, value in vars(State).items() if name.isupper()]
EVENTS = [value for name, value in vars(Event).items() if name.isupper()]
ACTIONS = [value for name, value in vars(Action).items() if name.isupper()]
ROWS = [(machine, arrow) for machine in MACHINES for arrow in machine.arrows]
OTHERS = [
    (machine, state, event)
    for machine in MACHINES
    for state in STATES
    for event in EVENTS
    if (state, event) not in ARROWS[machine.name]
]


def session(machine: Machine, state: str, done: list[str], monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session in a state, which notes the actions in place of doing them."""

    def noting(action: str) -> Any:
        return lambda self, payload: done.append(action)

    monkeypatch.setattr(SessionCore, "ACTIONS", {action: noting(action) for action in ACTIONS})
    made = Session(Scene().ua.usages)
    made._machine = machine.name
    made.state = state
    return made


@pytest.mark.parametrize(("machine", "arrow"), ROWS, ids=lambda each: str(getattr(each, "name", each))[:60])
def test_eachRowIsFollowed(machine: Machine, arrow: Arrow, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    made = session(machine, arrow.state, done, monkeypatch)
    ending = Termination(Cause.HUNG_UP, "local")
    assert made.follow(arrow.event, ending)
    assert (made.state, tuple(done)) == (arrow.target, arrow.actions)
    assert made.ending is ending


@pytest.mark.parametrize(("machine", "state", "event"), OTHERS)
def test_nothingElseHappens(
    machine: Machine, state: str, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    made = session(machine, state, done, monkeypatch)
    assert not made.follow(event, Termination(Cause.HUNG_UP, "local"))
    assert (made.state, done, made.ending) == (state, [], None)


def test_theTablesSayEverythingOnce() -> None:
    for machine in MACHINES:
        pairs = [(arrow.state, arrow.event) for arrow in machine.arrows]
        assert len(set(pairs)) == len(pairs)
        assert {arrow.event for arrow in machine.arrows} <= set(EVENTS)
        assert {action for arrow in machine.arrows for action in arrow.actions} <= set(ACTIONS)


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_eachStateCanBeReachedAndLeft(machine: Machine) -> None:
    states = {arrow.state for arrow in machine.arrows} | {State.TERMINATED}
    reached, border = {State.INITIAL}, [State.INITIAL]
    while border:
        state = border.pop()
        for arrow in machine.arrows:
            if arrow.state == state and arrow.target not in reached:
                reached.add(arrow.target)
                border.append(arrow.target)
    assert reached == states
    assert {arrow.target for arrow in machine.arrows if arrow.state == State.TERMINATED} == set()
    # And from each of them there is a way to the end.
    ending = {State.TERMINATED}
    for _ in STATES:
        ending |= {arrow.state for arrow in machine.arrows if arrow.target in ending}
    assert ending == states


def test_bothTablesAreUsed() -> None:
    used = {arrow.state for arrow in (*OUTGOING.arrows, *INCOMING.arrows)} | {State.TERMINATED}
    assert used == set(STATES)
    assert {action for _, arrow in ROWS for action in arrow.actions} == set(ACTIONS)
    assert {arrow.event for _, arrow in ROWS} == set(EVENTS)


class TestOfferAndAnswer:
    @pytest.mark.parametrize("arrow", OFFER_ANSWER, ids=str)
    def test_eachRowIsFollowed(self, arrow: offeranswer.Arrow) -> None:
        negotiation = Negotiation(arrow.state)
        assert negotiation.can(arrow.event)
        negotiation.follow(arrow.event)
        assert negotiation.state == arrow.target

    @pytest.mark.parametrize("state", [v for n, v in vars(offeranswer.State).items() if n.isupper()])
    @pytest.mark.parametrize("event", [v for n, v in vars(offeranswer.Event).items() if n.isupper()])
    def test_nothingElseMay(self, state: str, event: str) -> None:
        if (state, event) in offeranswer.ARROWS:
            return
        negotiation = Negotiation(state)
        with pytest.raises(WrongMoment, match=state):
            negotiation.follow(event)
        assert negotiation.state == state

    @given(st.lists(st.sampled_from(["send", "receive", "withdraw"])))
    def test_twoThatTalkToOneAnotherNeverDisagree(self, steps: list[str]) -> None:
        # What one sends the other receives: RFC 3264 section 4 leaves no third possibility.
        mine, yours = Negotiation(), Negotiation()
        mirror = {
            offeranswer.State.NONE: offeranswer.State.NONE,
            offeranswer.State.AGREED: offeranswer.State.AGREED,
            offeranswer.State.OFFERED: offeranswer.State.ASKED,
            offeranswer.State.ASKED: offeranswer.State.OFFERED,
        }
        for step in steps:
            if step == "withdraw":
                mine.withdraw()
                yours.withdraw()
                continue
            sender, receiver = (mine, yours) if step == "send" else (yours, mine)
            try:
                sender.send()
            except WrongMoment:
                continue
            receiver.receive()
            assert yours.state == mirror[mine.state]
