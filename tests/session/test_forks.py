"""INVITEs that fork: several early dialogs, several 2xx (RFC 3261 sections 12.1, 13.2.2.4; RFC 6026)."""

from __future__ import annotations

import gc
import weakref

import pytest

from sipws.errors import SessionFailed, WrongMoment
from sipws.session import Cause
from sipws.session.machine import State
from tests.session.pair import ANSWER, OFFER, Lone
from tests.ua.fakes import outcome


def early(lone: Lone) -> int:
    """Count the dialogs of the user agent."""
    return len(lone.party.ua.usages.dialogs)


class TestEarlyDialogs:
    def test_eachBranchIsADialog(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        for tag in ("bob", "carol", "bob"):
            lone.answer(invite, 180, tag=tag)
        assert early(lone) == len(caller.legs) == 2
        assert lone.party.take() == ["progress", "progress", "progress"]
        lone.answer(invite, 486, tag="carol")
        # RFC 3261 section 12.3: a final response other than 2xx ends all of them.
        assert early(lone) == 0
        lone.finish()

    def test_oneThatHasEndedGoesAtOnce(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        # RFC 6228 section 4: "willing to receive 199 responses, it MUST insert a "199" option-tag".
        assert "199" in invite.getHeaders("Supported")
        for tag in ("bob", "carol"):
            lone.answer(invite, 180, tag=tag)
        lone.party.take()
        lone.answer(invite, 199, ("Reason", "SIP;cause=486"), tag="carol")
        assert [leg.dialog.id.remoteTag for leg in caller.legs] == ["bob"]
        assert early(lone) == 1
        assert lone.party.take() == ["progress"]
        lone.answer(invite, 199, tag="bob")
        # "no early dialogs [...] remain, it maintains the "Proceeding" state".
        assert (early(lone), caller.state, caller.dialog) == (0, State.EARLY, None)
        assert isinstance(outcome(caller.update(OFFER))[0], WrongMoment)
        lone.answer(invite, 180, tag="dave")
        lone.answer(invite, 200, body=ANSWER, tag="dave")
        assert lone.sent() == ["ACK"]
        assert caller.dialog is not None
        assert caller.dialog.id.remoteTag == "dave"
        # It is none of the call any more.
        changed = outcome(caller.reinvite(OFFER))
        within = lone.take()
        assert "199" not in within.getHeaders("Supported")
        lone.answer(within, 200, body=ANSWER)
        assert changed[0].statusCode == 200
        lone.finish()

    def test_aCallMayBeGivenUpWhenAllHaveEnded(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180)
        lone.answer(invite, 199)
        caller.cancel()
        assert lone.sent() == ["CANCEL"]
        lone.answer(invite, 487)
        assert caller.state == State.TERMINATED
        lone.finish()

    def test_theEndOfOneThatIsNotKnownIsNoNews(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        # Section 4: "on a dialog that has not previously been established [...] it SHALL discard the 199".
        lone.answer(invite, 199, tag="carol")
        assert (early(lone), caller.legs, lone.party.take()) == (0, [], [])
        # "If a UAC receives a reliably sent 199 response [...], it MUST acknowledge the 199 response".
        lone.answer(invite, 199, ("Require", "100rel"), ("RSeq", 1), tag="carol")
        assert lone.sent() == ["PRACK"]
        assert (early(lone), caller.legs) == (0, [])
        lone.finish()

    def test_aDialogThatIsSharedStays(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180)
        caller.refer("sip:carol@example.com").whenAccepted().addErrback(lambda _: None)
        refer = lone.take()
        lone.answer(refer, 202)
        # "If multiple usages are used within an early dialog [...] SHALL NOT release resources".
        lone.answer(invite, 199)
        assert early(lone) == len(caller.legs) == 1
        caller.cancel()
        lone.sent()
        lone.answer(invite, 487)
        lone.finish()

    def test_theOneThatAcceptsIsTheSession(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        for tag in ("bob", "carol", "dave"):
            lone.answer(invite, 180, tag=tag)
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        ack = lone.take()
        assert (ack.method, ack.toTag, ack.requestURIText) == (
            "ACK",
            "carol",
            "sip:carol@carol.invalid;transport=ws",
        )
        assert caller.dialog is not None
        assert caller.dialog.id.remoteTag == "carol"
        assert early(lone) == 3
        # Section 13.2.2.4: the others are ended 64*T1 after the first 2xx.
        lone.clock.advance(32)
        assert early(lone) == 1
        lone.finish()

    def test_aResponseWithoutATagMakesNone(self) -> None:
        lone = Lone()
        lone.party.call()
        invite = lone.take()
        lone.transport.receive(
            "\r\n".join(
                [
                    "SIP/2.0 180 Ringing",
                    *(
                        f"{name}: {invite.getHeader(name)}"
                        for name in ("Via", "From", "To", "Call-ID", "CSeq")
                    ),
                    "Content-Length: 0",
                    "",
                    "",
                ]
            )
        )
        assert early(lone) == 0
        assert lone.party.take() == ["progress"]
        lone.finish()

    def test_theLimitOfDialogsKeepsTheCallGoing(self) -> None:
        lone = Lone(maxDialogs=1)
        caller = lone.party.call()
        invite = lone.take()
        for tag in ("bob", "carol"):
            lone.answer(invite, 180, tag=tag)
        assert early(lone) == 1
        lone.answer(invite, 200, body=ANSWER)
        assert caller.state == "confirmed"
        lone.finish()

    def test_beyondTheLimitTheBranchThatAcceptsIsTaken(self) -> None:
        lone = Lone(maxDialogs=1)
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180, tag="bob")
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        assert (caller.state, lone.take().toTag) == ("confirmed", "carol")
        lone.answer(invite, 200, body=ANSWER, tag="dave")
        assert [(each.method, each.toTag) for each in lone.transport.takeAll()] == [
            ("ACK", "dave"),
            ("BYE", "dave"),
        ]
        lone.finish()

    @pytest.mark.parametrize("limit", ["maxDialogs", "maxTransactions"])
    def test_noCallBeginsBeyondTheLimit(self, limit: str) -> None:
        lone = Lone(**{limit: 1})
        lone.party.call()
        lone.answer(lone.take(), 180)
        failed = outcome(lone.party.call().whenAccepted())
        lone.clock.advance(0)
        assert not lone.transport.sent
        (failure,) = failed
        assert isinstance(failure, SessionFailed)
        assert (failure.cause, failure.by) == (Cause.LIMIT, "local")
        assert lone.party.take() == ["progress", "failed", "terminated"]
        lone.finish()


class TestMoreThanOne2xx:
    def test_theOthersAreAcknowledgedAndEnded(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 200, body=ANSWER)
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        first, second, bye = lone.transport.takeAll()
        assert [(each.method, each.toTag) for each in (first, second, bye)] == [
            ("ACK", "bob"),
            ("ACK", "carol"),
            ("BYE", "carol"),
        ]
        lone.answer(bye, 200)
        assert early(lone) == 1
        assert lone.party.take() == ["accepted", "confirmed", "forked"]
        assert caller.state == "confirmed"
        lone.finish()

    def test_aRepeatedOneOfTheseIsLeftAlone(self) -> None:
        lone = Lone()
        lone.party.call()
        invite = lone.take()
        lone.answer(invite, 200, body=ANSWER)
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        lone.answer(lone.transport.takeAll()[-1], 200)
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        assert lone.sent() == []
        assert early(lone) == 1
        lone.finish()

    def test_oneThatSaysNowhereWhereItIsLeavesNothing(self) -> None:
        lone = Lone()
        lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180, ("Contact", ""), tag="carol")
        lone.answer(invite, 200, body=ANSWER)
        assert lone.sent() == ["ACK"]
        lone.answer(invite, 200, ("Contact", ""), tag="carol")
        assert lone.sent() == []
        assert early(lone) == 1
        lone.finish()

    def test_theyAreEndedWhereTheSessionIsOverToo(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 200, body=ANSWER)
        over = outcome(caller.bye())
        lone.answer(lone.transport.takeAll()[-1], 200)
        assert len(over) == 1
        lone.answer(invite, 200, body=ANSWER, tag="carol")
        ack, bye = lone.transport.takeAll()
        assert (ack.method, bye.method, bye.toTag) == ("ACK", "BYE", "carol")
        lone.answer(bye, 200)
        # And one of the session that is over is acknowledged, and makes no new one.
        lone.answer(invite, 200, body=ANSWER)
        assert lone.sent() == ["ACK"]
        assert early(lone) == 0
        lone.finish()

    def test_aCancelledCallThatIsAcceptedTwice(self) -> None:
        lone = Lone()
        caller = lone.party.call()
        invite = lone.take()
        lone.answer(invite, 180)
        caller.cancel()
        lone.answer(lone.take(), 200)
        for tag in ("bob", "carol"):
            lone.answer(invite, 200, body=ANSWER, tag=tag)
        sent = lone.transport.takeAll()
        assert [(each.method, each.toTag) for each in sent] == [
            ("ACK", "bob"),
            ("BYE", "bob"),
            ("ACK", "carol"),
            ("BYE", "carol"),
        ]
        for bye in sent[1::2]:
            lone.answer(bye, 200)
        assert early(lone) == 0
        lone.finish()


def test_eachBranchHasItsOwnNegotiation() -> None:
    lone = Lone()
    caller = lone.party.call(body="")
    caller.on("offer", lambda offer: offer.accept(f"answer to {offer.body.decode()}"))
    invite = lone.take()
    for number, tag in enumerate(("bob", "carol"), 1):
        lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", number), body=f"{OFFER} {tag}", tag=tag)
    first, second = lone.transport.takeAll()
    assert [(each.method, each.toTag, each.body) for each in (first, second)] == [
        ("PRACK", "bob", f"answer to {OFFER} bob".encode()),
        ("PRACK", "carol", f"answer to {OFFER} carol".encode()),
    ]
    for prack in (first, second):
        lone.answer(prack, 200)
    lone.answer(invite, 200, tag="carol")
    assert lone.sent() == ["ACK"]
    assert caller.remoteDescription is not None
    assert caller.remoteDescription.body == f"{OFFER} carol".encode()
    lone.finish()


def test_theByeOfABranchThatIsEndedEndsNothingElse() -> None:
    lone = Lone()
    caller = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 200, body=ANSWER)
    lone.answer(invite, 200, body=ANSWER, tag="carol")
    bye = lone.transport.takeAll()[-1]
    # Carol's BYE crosses ours.
    lone.within("BYE", 1, fromTag="carol")
    lone.within("INVITE", 2, fromTag="carol", body=OFFER)
    assert lone.sent()[:2] == ["200 BYE", "481 INVITE"]
    lone.answer(bye, 200)
    assert caller.state == "confirmed"
    lone.within("BYE", 1)
    assert lone.sent() == ["200 BYE"]
    assert caller.state == "terminated"
    lone.finish()


def test_anUpdateIsOfTheBranchThatItCameFrom() -> None:
    lone = Lone()
    caller = lone.party.call()
    invite = lone.take()
    reliable = (("Require", "100rel"), ("RSeq", 1))
    lone.answer(invite, 183, *reliable, body="bob's")
    lone.answer(invite, 183, *reliable, body="carol's", tag="carol")
    for prack in lone.transport.takeAll():
        lone.answer(prack, 200)
    lone.within("UPDATE", 1, fromTag="bob", body="bob's second")
    assert lone.sent() == ["200 UPDATE"]
    assert [leg.remote.body for leg in caller.legs if leg.remote] == [b"bob's second", b"carol's"]
    # Section 15: the callee "MUST NOT send a BYE on early dialogs".
    lone.within("BYE", 2, fromTag="bob")
    assert lone.sent() == ["481 BYE"]
    lone.finish()


def test_aBranchThatKnowsNothingOfItsPrackEndsAlone() -> None:
    lone = Lone()
    caller = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 180, tag="bob")
    lone.answer(invite, 183, ("Require", "100rel"), ("RSeq", 1), tag="carol")
    prack = lone.take()
    assert prack.toTag == "carol"
    lone.answer(prack, 481)
    assert early(lone) == len(caller.legs) == 1
    lone.answer(invite, 200, body=ANSWER)
    assert (lone.sent(), caller.state) == (["ACK"], "confirmed")
    lone.finish()


def test_whatWaitsForFurther2xxIsNotTheWholeSession() -> None:
    # The transaction stays for 64*T1 (RFC 6026): thousands of them, where there are many calls.
    lone = Lone()
    caller = lone.party.call()
    invite = lone.take()
    lone.answer(invite, 200, body=ANSWER)
    caller.bye()
    lone.answer(lone.transport.takeAll()[-1], 200)
    kept = weakref.ref(caller)
    del caller
    lone.party.sessions.clear()
    gc.collect()
    assert kept() is None
    assert len(lone.party.ua.transactions.ict) == 1
    # One that comes all the same is ended, as before.
    lone.answer(invite, 200, body=ANSWER, tag="carol")
    ack, bye = lone.transport.takeAll()
    assert (ack.method, bye.method, bye.toTag) == ("ACK", "BYE", "carol")
    for _ in range(2):
        lone.answer(invite, 200, body=ANSWER, tag="carol")
    assert lone.sent() == ["ACK", "ACK"]
    lone.answer(bye, 200)
    assert early(lone) == 0
    lone.finish()
