"""Many dialogs: matching, forking, limits; and RFC 3665's calls on both sides."""

from __future__ import annotations

import pytest

from sipws.dialog import Dialog, DialogID, Dialogs, Rejection, State
from sipws.errors import LimitExceeded, ParseError
from sipws.message import OutgoingResponse
from tests.dialog.messages import (
    ALICE_CONTACT,
    BOB,
    BOB_CONTACT,
    BOB_TAG,
    CALL_ID,
    received,
    request,
    response,
)

RECORDED = (("Record-Route", "<sip:ss2.biloxi.example.com;lr>, <sip:ss1.atlanta.example.com;lr>"),)
BOB_TAGGED = f"{BOB};tag={BOB_TAG}"


def took(dialogs: Dialogs, code: int, tag: str | None = BOB_TAG, **more: object) -> Dialog | None:
    return dialogs.receiveResponse(response(code, tag=tag, **more), ALICE_CONTACT)  # type: ignore[arg-type]


def answered(dialogs: Dialogs, code: int, tag: str = BOB_TAG, **more: object) -> Dialog | None:
    incoming = request(**more)  # type: ignore[arg-type]
    headers = [("Contact", BOB_CONTACT)]
    return dialogs.respond(incoming, OutgoingResponse(incoming, code, headers=headers, toTag=tag))


def states(dialogs: Dialogs) -> dict[str | None, str]:
    return {dialog.id.remoteTag: dialog.state.state for dialog in dialogs}


@pytest.mark.parametrize("recorded", [(), RECORDED], ids=["3.1", "3.2"])
def test_the_calls_of_RFC_3665(recorded: tuple[tuple[str, str], ...]) -> None:
    """INVITE, 180, 200, ACK, and Bob's BYE; sections 3.1 and, through two proxies, 3.2."""
    alices, bobs = Dialogs(), Dialogs()
    bob = answered(bobs, 180, headers=recorded)
    alice = took(alices, 180, headers=recorded)
    assert alice is not None
    assert bob is not None
    assert (alice.state.state, bob.state.state) == (State.EARLY, State.EARLY)
    assert answered(bobs, 200, headers=recorded) is bob
    assert took(alices, 200, headers=recorded) is alice
    assert (alice.state.state, bob.state.state) == (State.CONFIRMED, State.CONFIRMED)

    ack = received(alice.ack(1))
    assert ack.requestURIText == "sip:bob@client.biloxi.example.com;transport=tcp"
    assert (ack.getHeader("CSeq"), ack.toTag) == ("1 ACK", BOB_TAG)
    ways = ["<sip:ss1.atlanta.example.com;lr>", "<sip:ss2.biloxi.example.com;lr>"] if recorded else []
    assert ack.getHeaders("Route") == ways
    assert bobs.receiveRequest(ack) is bob

    bye = received(bob.request("BYE"))
    # "Note that the CSeq is NOT 2, since Alice and Bob maintain their own independent CSeq counts."
    assert (bye.getHeader("CSeq"), bye.getHeaders("Route")) == ("1 BYE", ways[::-1])
    assert bye.requestURIText == "sip:alice@client.atlanta.example.com;transport=tcp"
    assert alices.receiveRequest(bye) is alice
    alice.end()
    bob.end()
    assert (len(alices), len(bobs)) == (0, 0)
    assert alices.receiveRequest(bye) == Rejection(481)


def test_a_request_without_a_To_tag_is_in_no_dialog() -> None:
    dialogs = Dialogs()
    answered(dialogs, 200)
    assert dialogs.receiveRequest(request(cseq=2)) is None


@pytest.mark.parametrize("to", [f"{BOB};tag=other", f"{BOB};tag={BOB_TAG.upper()}x"])
def test_one_with_a_tag_that_is_not_ours_gets_481(to: str) -> None:
    dialogs = Dialogs()
    answered(dialogs, 200)
    assert dialogs.receiveRequest(request("BYE", 2, to=to)) == Rejection(481)
    assert len(dialogs) == 1


def test_one_that_is_out_of_order_gets_500_and_the_dialog_stays_up() -> None:
    dialogs = Dialogs()
    dialog = answered(dialogs, 200, cseq=7)
    assert dialogs.receiveRequest(request("INFO", 6, to=BOB_TAGGED)) == Rejection(500, (("Retry-After", 5),))
    assert dialogs.receiveRequest(request("INFO", 8, to=BOB_TAGGED)) is dialog


def test_each_branch_of_a_fork_is_a_dialog_of_its_own() -> None:
    dialogs = Dialogs()
    first, second = took(dialogs, 180, "a"), took(dialogs, 183, "b")
    assert first is not second
    assert took(dialogs, 200, "b") is second
    assert states(dialogs) == {"a": State.EARLY, "b": State.CONFIRMED}
    # RFC 6026: a 2xx of another branch confirms another; one of a third makes one.
    took(dialogs, 200, "a")
    took(dialogs, 200, "c")
    assert set(states(dialogs).values()) == {State.CONFIRMED}
    assert len(dialogs) == 3


@pytest.mark.parametrize("tag", ["a", "z", None])
def test_a_failure_ends_all_that_is_early_whatever_its_tag(tag: str | None) -> None:
    dialogs = Dialogs()
    for branch in "ab":
        took(dialogs, 180, branch)
    took(dialogs, 200, "c")
    assert took(dialogs, 486, tag) is None
    assert states(dialogs) == {"c": State.CONFIRMED}


def test_a_CANCEL_that_fails_ends_nothing() -> None:
    # RFC 5057 section 5.1 (8); it has the number of its INVITE.
    dialogs = Dialogs()
    took(dialogs, 180, "a")
    took(dialogs, 481, "a", method="CANCEL")
    took(dialogs, 481, "z", method="CANCEL")
    assert states(dialogs) == {"a": State.EARLY}


def test_the_failure_of_another_request_ends_nothing() -> None:
    dialogs = Dialogs()
    took(dialogs, 180, "a", cseq=2)
    took(dialogs, 486, None, cseq=1)
    assert states(dialogs) == {"a": State.EARLY}


@pytest.mark.parametrize(
    ("code", "tag", "count"), [(100, "a", 0), (180, None, 0), (200, None, 1), (404, "a", 0)]
)
def test_what_makes_a_dialog(code: int, tag: str | None, count: int) -> None:
    dialogs = Dialogs()
    took(dialogs, code, tag)
    assert len(dialogs) == count


def test_our_failure_ends_the_early_one_and_not_the_confirmed() -> None:
    dialogs = Dialogs()
    answered(dialogs, 180)
    assert answered(dialogs, 486) is None
    assert len(dialogs) == 0
    answered(dialogs, 200)
    assert answered(dialogs, 486) is None
    assert len(dialogs) == 1


def test_a_NOTIFY_before_the_200_makes_the_dialog_of_our_SUBSCRIBE() -> None:
    # RFC 6665 section 4.4.1
    dialogs = Dialogs()
    notify = request("NOTIFY", 31, to=BOB_TAGGED)
    headers = [("Contact", BOB_CONTACT)]
    dialog = dialogs.respond(notify, OutgoingResponse(notify, 200, headers=headers), localCSeq=4)
    assert dialog is not None
    assert (dialog.state.remoteCSeq, dialog.state.localCSeq) == (31, 4)
    mine = response(200, 4, "SUBSCRIBE", sender=BOB_TAGGED, to="<sip:a@a>", tag="9fxced76sl")
    assert dialogs.receiveResponse(mine, BOB_CONTACT) is dialog
    assert dialog.request("SUBSCRIBE").cseq == 5


def test_no_more_than_the_limit_begin() -> None:
    dialogs = Dialogs(limit=2)
    first = took(dialogs, 180, "a")
    took(dialogs, 180, "b")
    with pytest.raises(LimitExceeded, match="limit=2"):
        took(dialogs, 180, "c")
    with pytest.raises(LimitExceeded):
        answered(dialogs, 180)
    assert dialogs.isFull
    assert took(dialogs, 200, "a") is first
    assert first is not None
    first.end()
    assert not dialogs.isFull
    assert took(dialogs, 180, "c") is not None


def test_aSuccessMakesItsDialogWhateverTheLimit() -> None:
    """The peer is in it: who does not want it has to end it, and needs it for that."""
    dialogs = Dialogs(limit=1)
    took(dialogs, 180, "a")
    assert took(dialogs, 200, "b") is not None
    assert len(dialogs) == 2


def test_what_makes_none_leaves_nothing() -> None:
    dialogs = Dialogs()
    with pytest.raises(ParseError):
        took(dialogs, 200, contact=None)
    with pytest.raises(ParseError):
        answered(dialogs, 200, contact=None)
    assert len(dialogs) == 0


def test_nothing_is_left_of_many_calls() -> None:
    dialogs = Dialogs()
    for number in range(1000):
        early = took(dialogs, 180, f"a{number}", cseq=number)
        took(dialogs, 180, f"b{number}", cseq=number)
        took(dialogs, 486 if number % 2 else 200, f"a{number}", cseq=number)
        for dialog in dialogs:
            dialog.end()
        assert early is not None
        assert dialogs.find(early.id) is None
    assert len(dialogs) == 0
    assert dialogs._early == {}


def test_one_is_found_by_its_identifier() -> None:
    dialogs = Dialogs()
    assert took(dialogs, 200) is dialogs.find(DialogID(CALL_ID, "9fxced76sl", BOB_TAG))
    assert dialogs.find(DialogID(CALL_ID, BOB_TAG, "9fxced76sl")) is None
