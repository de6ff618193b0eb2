"""Every row of the dialog's table, and every pair that has none."""

from __future__ import annotations

from itertools import product

import pytest

from sipws.dialog import DIALOG, Dialog, State
from sipws.dialog.machine import ARROWS, Action, Arrow, Event
from tests.dialog.messages import ALICE_CONTACT, response

_STATES = [State.EARLY, State.CONFIRMED, State.TERMINATED]
_EVENTS = [Event.PROVISIONAL, Event.SUCCESS, Event.FAILURE, Event.UNUSED, Event.DESTROYED, Event.END]

#: What the RFCs say becomes of a dialog: RFC 3261 sections 12, 12.3, 13.2.2.4; RFC 5057 sections 3, 5.1.
OUTCOMES = {
    (State.EARLY, Event.PROVISIONAL): State.EARLY,
    (State.EARLY, Event.SUCCESS): State.CONFIRMED,
    (State.EARLY, Event.FAILURE): State.TERMINATED,
    (State.EARLY, Event.UNUSED): State.TERMINATED,
    (State.EARLY, Event.DESTROYED): State.TERMINATED,
    (State.EARLY, Event.END): State.TERMINATED,
    (State.CONFIRMED, Event.UNUSED): State.TERMINATED,
    (State.CONFIRMED, Event.DESTROYED): State.TERMINATED,
    (State.CONFIRMED, Event.END): State.TERMINATED,
}


def _dialog(state: str, ended: list[Dialog]) -> Dialog:
    code = 180 if state == State.EARLY else 200
    dialog = Dialog.ofResponse(response(code), ALICE_CONTACT, onEnd=ended.append)
    dialog.addUsage("invite")
    if state == State.TERMINATED:
        dialog.end()
        ended.clear()
    return dialog


def _cause(dialog: Dialog, event: str) -> None:
    """Bring an event about, as it comes about."""
    if event == Event.UNUSED:
        dialog.removeUsage("invite")
    elif event == Event.END:
        dialog.end()
    else:
        code, cseq, method = {
            Event.PROVISIONAL: (183, 1, "INVITE"),
            Event.SUCCESS: (200, 1, "INVITE"),
            Event.FAILURE: (486, 1, "INVITE"),
            Event.DESTROYED: (404, 2, "INFO"),
        }[event]
        dialog.receiveResponse(response(code, cseq, method))


@pytest.mark.parametrize(("state", "event"), list(product(_STATES, _EVENTS)))
def test_each_event_in_each_state(state: str, event: str) -> None:
    ended: list[Dialog] = []
    dialog = _dialog(state, ended)
    _cause(dialog, event)
    target = OUTCOMES.get((state, event), state)
    assert dialog.state.state == target
    assert ended == ([dialog] if target == State.TERMINATED != state else [])
    assert (dialog.state.usages == ()) == (target == State.TERMINATED)


@pytest.mark.parametrize("arrow", DIALOG)
def test_the_table_is_what_the_RFCs_say(arrow: Arrow) -> None:
    begin = {(State.INITIAL, Event.PROVISIONAL): State.EARLY, (State.INITIAL, Event.SUCCESS): State.CONFIRMED}
    assert (begin | OUTCOMES)[arrow.state, arrow.event] == arrow.target
    assert (Action.TELL in arrow.actions) == (arrow.target == State.TERMINATED)


def test_there_is_one_row_for_each_and_none_is_missing() -> None:
    assert len(ARROWS) == len(DIALOG) == len(OUTCOMES) + 2
    assert set(OUTCOMES) < set(ARROWS)


@pytest.mark.parametrize(("code", "state"), [(101, State.EARLY), (199, State.EARLY), (200, State.CONFIRMED),
                                             (299, State.CONFIRMED)])  # fmt: skip
def test_how_it_begins(code: int, state: str) -> None:
    assert Dialog.ofResponse(response(code), ALICE_CONTACT).state.state == state


@pytest.mark.parametrize("code", [100, 300, 486, 699])
def test_what_establishes_none(code: int) -> None:
    with pytest.raises(ValueError, match="establishes no dialog"):
        Dialog.ofResponse(response(code), ALICE_CONTACT)
