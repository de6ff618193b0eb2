"""
The tables against the figures, and the transactions against the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import pytest
from twisted.internet.task import Clock

from sipws.errors import TransactionCancelled, TransactionTimeout, TransportError
from sipws.message import OutgoingResponse
from sipws.transaction import (
    InviteClientTransaction,
    InviteServerTransaction,
    NonInviteClientTransaction,
    NonInviteServerTransaction,
    Timers,
    Transactions,
)
from sipws.transaction.machines import (
    INVITE_CLIENT,
    INVITE_SERVER,
    MACHINES,
    NON_INVITE_CLIENT,
    NON_INVITE_SERVER,
    Action,
    Arrow,
    Event,
    Machine,
    State,
    Timer,
)
from tests.transaction.fakes import FakeTransport, incoming, outgoing, responseTo
from tests.transaction.figures import FIGURE_5, FIGURE_6, FIGURE_7, FIGURE_8, Line, read

#: As over an unreliable transport, so that each state is one that can be looked at.
TIMERS = Timers(D=32, I=5, J=32, K=5)

#: What the figures call informing the transaction user, and what the tables do.
TELLING = {
    Action.RESPONSE_TO_TU,
    Action.ACK_TO_TU,
    Action.TIMEOUT_TO_TU,
    Action.ERROR_TO_TU,
    Action.CANCELLED_TO_TU,
}

#: The user of an INVITE that has been answered has its one result: its Deferred has fired.
TOLD_BEFORE = {("Completed", "transport error")}


class Driven:
    """
    A transaction whose network and whose user are recorders.

    @ivar told: What the user was told.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.transport = FakeTransport()
        self.transactions = Transactions(self.clock, TIMERS)
        self.told: list[str] = []
        self.transaction: Any = None
        #: How each event comes about.
        self.events: dict[str, Callable[[], object]] = {
            Event.TRANSPORT_ERROR: lambda: self.transaction.transportLost(TransportError("gone"))
        }
        #: The events that lead into each state.
        self.ways: dict[str, tuple[str, ...]] = {State.INITIAL: ()}

    def happen(self, event: str) -> None:
        """Let an event happen; a timer by its time, where it runs."""
        if event in self.events:
            self.events[event]()
            return
        if event == self.timer():
            self.clock.advance(TIMERS.seconds(event))
        else:
            # A timer that does not run cannot fire: the table is asked all the same.
            self.transaction.timerFired(event)

    def reach(self, state: str) -> None:
        """Bring the transaction into a state, with nothing recorded."""
        for event in self.ways[state]:
            self.happen(event)
        assert self.state() == state
        self.transport.take()
        self.told.clear()

    def state(self) -> str:
        return State.INITIAL if self.transaction is None else self.transaction.state

    def timer(self) -> str:
        """Give the name of the timer that runs; empty if none does."""
        delays = {id(each._delay) for each in self.transactions if each._delay is not None}
        assert len(self.clock.getDelayedCalls()) == len(delays)
        running = None if self.transaction is None else self.transaction._delay
        return "" if running is None else running.name

    def deadline(self) -> float | None:
        """Give when the timer that runs will fire, in seconds."""
        running = None if self.transaction is None else self.transaction._delay
        return None if running is None else running._deadlines[self.transaction]

    def isListed(self) -> bool:
        return self.transaction in list(self.transactions)


class DrivenClient(Driven):
    """A client transaction."""

    method = "OPTIONS"

    def __init__(self) -> None:
        super().__init__()
        self.request = outgoing(self.method)
        self.deferred: Any = None
        self.events |= {
            Event.START: self.start,
            Event.PROVISIONAL: lambda: self.respond(180),
            Event.FINAL: lambda: self.respond(404),
            Event.CANCEL: self.giveUp,
        }

    def make(self) -> Any:
        return NonInviteClientTransaction(self.request, self.transport, self.transactions, self.responded)

    def start(self) -> None:
        self.transaction = self.make()
        self.deferred = self.transaction.start()
        self.deferred.addCallbacks(self.responded, self.failed)

    def respond(self, statusCode: int) -> None:
        self.transaction.receiveResponse(responseTo(self.request, statusCode))

    def giveUp(self) -> None:
        self.deferred.cancel()

    def responded(self, response: Any) -> None:
        assert response.callID == self.request.callID
        self.told.append(str(response.statusCode))

    def failed(self, failure: Any) -> None:
        kinds = {TransactionTimeout: "timeout", TransactionCancelled: "cancelled", TransportError: "error"}
        assert failure.value.request is self.request
        self.told.append(kinds[failure.type])


class DrivenNonInviteClient(DrivenClient):
    """Any but INVITE."""

    def __init__(self) -> None:
        super().__init__()
        self.ways |= {
            State.TRYING: (Event.START,),
            State.PROCEEDING: (Event.START, Event.PROVISIONAL),
            State.COMPLETED: (Event.START, Event.PROVISIONAL, Event.FINAL),
            State.TERMINATED: (Event.START, Event.FINAL, Timer.K),
        }


class DrivenInviteClient(DrivenClient):
    """INVITE."""

    method = "INVITE"

    def __init__(self) -> None:
        super().__init__()
        del self.events[Event.FINAL]
        self.events |= {
            Event.SUCCESS: lambda: self.respond(200),
            Event.FAILURE: lambda: self.respond(486),
        }
        self.ways |= {
            State.CALLING: (Event.START,),
            State.PROCEEDING: (Event.START, Event.PROVISIONAL),
            State.ACCEPTED: (Event.START, Event.PROVISIONAL, Event.SUCCESS),
            State.COMPLETED: (Event.START, Event.PROVISIONAL, Event.FAILURE),
            State.TERMINATED: (Event.START, Event.FAILURE, Timer.D),
        }

    def giveUp(self) -> None:
        self.transaction.cancel()

    def make(self) -> Any:
        return InviteClientTransaction(
            self.request, self.transport, self.transactions, self.responded, self.responded
        )

    def happen(self, event: str) -> None:
        if event == Timer.CANCELLED and self.state() == State.PROCEEDING:
            # It only runs after a CANCEL.
            self.transaction.cancel()
            self.transport.take()
        super().happen(event)


class DrivenServer(Driven):
    """A server transaction."""

    method = "OPTIONS"

    def __init__(self) -> None:
        super().__init__()
        self.request = incoming(self.method)
        self.last = ""
        self.events |= {
            Event.START: self.start,
            Event.PROVISIONAL: lambda: self.respond(100),
            Event.FINAL: lambda: self.respond(404),
            Event.REQUEST: lambda: self.transaction.receiveRequest(self.request),
            Event.LATE: lambda: self.respond(408),
        }

    def start(self) -> None:
        self.transaction = self.make()

    def make(self) -> Any:
        return NonInviteServerTransaction(self.request, self.transport, self.transactions, self.failed)

    def respond(self, statusCode: int) -> None:
        if self.transaction.respond(OutgoingResponse(self.request, statusCode, toTag="to1")):
            self.last = str(statusCode)

    def failed(self, error: Exception) -> None:
        assert isinstance(error, TransportError)
        self.told.append("error")


class DrivenNonInviteServer(DrivenServer):
    """Any but INVITE."""

    def __init__(self) -> None:
        super().__init__()
        self.ways |= {
            State.TRYING: (Event.START,),
            State.PROCEEDING: (Event.START, Event.PROVISIONAL),
            State.COMPLETED: (Event.START, Event.PROVISIONAL, Event.FINAL),
            State.TERMINATED: (Event.START, Event.FINAL, Timer.J),
        }


class DrivenInviteServer(DrivenServer):
    """INVITE."""

    method = "INVITE"

    def __init__(self) -> None:
        super().__init__()
        del self.events[Event.FINAL], self.events[Event.LATE]
        ack = incoming("ACK", branch=self.request.viaBranch)
        self.events |= {
            Event.PROVISIONAL: lambda: self.respond(180),
            Event.SUCCESS: lambda: self.respond(200),
            Event.FAILURE: lambda: self.respond(486),
            Event.ACK: lambda: self.transaction.receiveRequest(ack),
        }
        self.ways |= {
            State.PROCEEDING: (Event.START,),
            State.ACCEPTED: (Event.START, Event.PROVISIONAL, Event.SUCCESS),
            State.COMPLETED: (Event.START, Event.PROVISIONAL, Event.FAILURE),
            State.CONFIRMED: (Event.START, Event.FAILURE, Event.ACK),
            State.TERMINATED: (Event.START, Event.SUCCESS, Timer.L),
        }

    def make(self) -> Any:
        return InviteServerTransaction(
            self.request,
            self.transport,
            self.transactions,
            self.failed,
            onAck=lambda ack: self.told.append(ack.method),
            onTimeout=lambda: self.told.append("timeout"),
        )


CASES: list[tuple[Machine, str, type[Driven]]] = [
    (INVITE_CLIENT, FIGURE_5, DrivenInviteClient),
    (NON_INVITE_CLIENT, FIGURE_6, DrivenNonInviteClient),
    (INVITE_SERVER, FIGURE_7, DrivenInviteServer),
    (NON_INVITE_SERVER, FIGURE_8, DrivenNonInviteServer),
]

#: What the summary of a message is called in the figures.
LABELS = {
    "1xx": {"100", "180"},
    "2xx": {"200"},
    "300-699": {"486", "404"},
    "200-699": {"404"},
}


def test_allMachinesAreCovered() -> None:
    assert {machine.name for machine, _, _ in CASES} == {machine.name for machine in MACHINES}


@pytest.mark.parametrize(("machine", "figure"), [pytest.param(*case[:2], id=case[0].name) for case in CASES])
class TestTables:
    """The tables, read."""

    def test_theArrowsAreThoseOfTheFigure(self, machine: Machine, figure: str) -> None:
        ours = {(arrow.state, arrow.event, arrow.target) for arrow in machine.arrows}
        theirs = {(line.state, line.event, line.target) for line in read(figure)}
        assert ours == theirs

    def test_eachSendsAndTellsWhatTheFigureSays(self, machine: Machine, figure: str) -> None:
        ours = {(arrow.state, arrow.event): arrow for arrow in machine.arrows}
        for line in read(figure):
            arrow = ours[line.state, line.event]
            sends = [a for a in arrow.actions if a.startswith("send") and a != Action.SEND_CANCEL_IF_DUE]
            tells = [a for a in arrow.actions if a in TELLING]
            assert len(sends) == bool(line.sent), line
            wasTold = machine is INVITE_CLIENT and (line.state, line.event) in TOLD_BEFORE
            assert len(tells) == bool(line.told and not wasTold), line

    def test_noStateAndEventHasTwoArrows(self, machine: Machine, figure: str) -> None:
        keys = [(arrow.state, arrow.event) for arrow in machine.arrows]
        assert len(keys) == len(set(keys))

    def test_nothingRunsAndNothingLeadsOutOfTerminated(self, machine: Machine, figure: str) -> None:
        assert all(arrow.state != State.TERMINATED for arrow in machine.arrows)
        assert all(arrow.timer == Timer.NONE for arrow in machine.arrows if arrow.target == State.TERMINATED)

    def test_whatIsSentComesBeforeWhatTheUserIsTold(self, machine: Machine, figure: str) -> None:
        for arrow in machine.arrows:
            order = [action in TELLING for action in arrow.actions]
            assert order == sorted(order), arrow

    def test_eachTimerThatIsStartedHasAnArrowWhereItFires(self, machine: Machine, figure: str) -> None:
        arrows = {(arrow.state, arrow.event) for arrow in machine.arrows}
        for arrow in machine.arrows:
            if arrow.timer:
                assert (arrow.target, arrow.timer) in arrows, arrow

    def test_eachStateCanBeReachedAndLeft(self, machine: Machine, figure: str) -> None:
        reached = {State.INITIAL}
        while more := {a.target for a in machine.arrows if a.state in reached} - reached:
            reached |= more
        assert reached == {state for a in machine.arrows for state in (a.state, a.target)}
        for state in reached - {State.TERMINATED}:
            assert any(a.target != state for a in machine.arrows if a.state == state), state


def _arrows() -> Iterator[Any]:
    for machine, figure, driven in CASES:
        for line in read(figure):
            yield pytest.param(driven, line, id=f"{machine.name}-{line.state}-{line.event}")


@pytest.mark.parametrize(("driven", "line"), list(_arrows()))
def test_eachArrowIsFollowed(driven: type[Driven], line: Line) -> None:
    run = driven()
    run.reach(line.state)
    before = run.timer(), run.deadline()
    last = getattr(run, "last", "")

    run.happen(line.event)

    assert run.state() == line.target
    timer = run.timer()
    assert timer == line.timer
    if line.seconds is not None:
        assert run.deadline() == pytest.approx(run.clock.seconds() + line.seconds)
    elif timer:
        assert (timer, run.deadline()) == before
    sent = run.transport.summary()
    if not line.sent:
        assert sent == []
    elif line.sent == "last":
        assert sent == ([last] if last else [])
    else:
        (one,) = sent
        assert one in LABELS.get(line.sent, {line.sent})
    key = line.state, line.event
    if not line.told or (isinstance(run, DrivenInviteClient) and key in TOLD_BEFORE):
        assert run.told == []
    else:
        (one,) = run.told
        assert one in LABELS.get(line.told, {line.told})
    assert run.isListed() == (line.target != State.TERMINATED)


def _gaps() -> Iterator[Any]:
    for machine, _, driven in CASES:
        arrows = {(arrow.state, arrow.event) for arrow in machine.arrows}
        states = [state for state in driven().ways if state != State.INITIAL]
        events = [event for event in _eventsOf(machine, driven()) if event != Event.START]
        for state, event in product(states, events):
            if (state, event) not in arrows:
                yield pytest.param(driven, state, event, id=f"{machine.name}-{state}-{event}")


def _eventsOf(machine: Machine, run: Driven) -> list[str]:
    return list(dict.fromkeys([*run.events, *(arrow.event for arrow in machine.arrows)]))


@pytest.mark.parametrize(("driven", "state", "event"), list(_gaps()))
def test_whatHasNoArrowIsAbsorbed(driven: type[Driven], state: str, event: str) -> None:
    run = driven()
    run.reach(state)
    before = (run.state(), run.isListed(), run.timer(), run.deadline())

    if event in run.events:
        run.events[event]()
    else:
        run.transaction._follow(event)

    assert (run.state(), run.isListed(), run.timer(), run.deadline()) == before
    assert run.transport.summary() == []
    assert run.told == []


def test_anArrowIsReadableAsOneLine() -> None:
    assert Arrow("Trying", "Timer F", (Action.TIMEOUT_TO_TU,), "Terminated", Timer.NONE) in (
        NON_INVITE_CLIENT.arrows
    )
