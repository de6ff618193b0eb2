"""Transfers: RFC 5589 sections 6 and 7, and the examples of RFC 3515 section 4."""

from __future__ import annotations

from typing import Any

from sipws.errors import ReferralFailed, SessionFailed
from sipws.session import Cause
from sipws.session.references import referTo, replacesOf
from tests.flows.figure import ANSWER, OFFER, Flow
from tests.ua.fakes import outcome

# Who they are in RFC 5589: the transferor, the transferee, and the target.
BOB, ALICE, CAROL = "bob", "alice", "carol"


def hold(flow: Flow, one: str, other: str) -> None:
    """One puts another on hold."""
    flow.calls[one].hold()
    flow.see(f"""
        {one} -> {other}    INVITE (a=sendonly)
        {one} <- {other}    200 INVITE (a=recvonly)
        {one} -> {other}    ACK
    """)


def hangUp(flow: Flow, one: str, other: str) -> None:
    """One ends the session with another."""
    flow.see(f"""
        {one} -> {other}    BYE
        {one} <- {other}    200 BYE
    """)


class TestBasic:
    def test_6_2_successfulTransferWithDialogReuse(self) -> None:
        flow = Flow(BOB, ALICE, CAROL)
        bob, _ = flow.establish(BOB, ALICE)
        hold(flow, BOB, ALICE)
        flow.follow(ALICE)
        completed = outcome(bob.refer("sip:carol@example.com").whenCompleted())
        flow.see("bob -> alice      REFER")
        invite, *_ = flow.see("""
            alice -> ...      INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
            ... -> carol      INVITE (sdp)
        """)
        assert invite.getHeader("Referred-By") == "<sip:bob@example.com>"
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> ...      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            ... -> bob        NOTIFY (SIP/2.0 200 OK)
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        bob.bye()
        hangUp(flow, BOB, ALICE)
        assert flow.calls[ALICE].state == flow.calls[CAROL].state == "confirmed"
        flow.calls[CAROL].bye()
        hangUp(flow, CAROL, ALICE)
        flow.over()

    def test_6_1_successfulTransfer(self) -> None:
        # The REFER is in a dialog of its own, and says of which session it knows.
        flow = Flow(BOB, ALICE, CAROL)
        alice, bob = flow.establish(ALICE, BOB)
        hold(flow, BOB, ALICE)
        known: list[Any] = []

        def refer(reference: Any) -> None:
            known.append(reference.session)
            flow._note(ALICE, reference.follow(OFFER))

        flow.agents[ALICE].on("refer", refer)
        referral = flow.agents[BOB].refer(bob, "sip:carol@example.com")
        completed = outcome(referral.whenCompleted())
        request, *_ = flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        assert alice.dialog is not None
        assert request.callID != alice.id
        # F3: the tags as the transferee has them.
        dialogID = alice.dialog.id
        assert request.getHeader("Target-Dialog") == (
            f"{dialogID.callID};local-tag={dialogID.localTag};remote-tag={dialogID.remoteTag}"
        )
        assert "tdialog" in request.getHeaders("Require")
        assert known == [alice]
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> bob      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        bob.bye()
        hangUp(flow, BOB, ALICE)
        flow.calls[CAROL].bye()
        hangUp(flow, CAROL, ALICE)
        flow.over()

    def test_theTransferorNeedNotStay(self) -> None:
        # Section 6.1: "the transferor [may] end the session at any time"; the subscription holds the dialog.
        flow = Flow(BOB, ALICE, CAROL)
        bob, _ = flow.establish(BOB, ALICE)
        flow.follow(ALICE)
        completed = outcome(bob.refer("sip:carol@example.com").whenCompleted())
        flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        bob.bye()
        hangUp(flow, BOB, ALICE)
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> bob      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        flow.calls[ALICE].bye()
        hangUp(flow, ALICE, CAROL)
        flow.over()

    def test_6_3_1_targetBusy(self) -> None:
        flow = Flow(BOB, ALICE, CAROL)
        bob, alice = flow.establish(BOB, ALICE)
        hold(flow, BOB, ALICE)
        flow.follow(ALICE)
        completed = outcome(bob.refer("sip:carol@example.com").whenCompleted())
        flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        flow.calls[CAROL].reject(486)
        flow.see("""
            alice <- carol    486 INVITE
            alice -> carol    ACK
            alice -> bob      NOTIFY (SIP/2.0 486 Busy Here)
            bob -> alice      200 NOTIFY
        """)
        assert (completed[0].statusCode, completed[0].isSuccess) == (486, False)
        # They are back together.
        bob.resume()
        flow.see("""
            bob -> alice      INVITE (a=sendrecv)
            bob <- alice      200 INVITE (a=sendrecv)
            bob -> alice      ACK
        """)
        assert bob.state == alice.state == "confirmed"
        bob.bye()
        hangUp(flow, BOB, ALICE)
        flow.over()

    def test_6_3_2_targetDoesNotAnswer(self) -> None:
        flow = Flow(BOB, ALICE, CAROL)
        bob, alice = flow.establish(BOB, ALICE)
        alice.on("refer", lambda reference: reference.follow(OFFER, noAnswerTimeout=30))
        completed = outcome(bob.refer("sip:carol@example.com").whenCompleted())
        flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        flow.calls[CAROL].progress(180)
        flow.see("""
            alice <- carol    180 INVITE
            alice -> bob      NOTIFY (SIP/2.0 180 Ringing)
            bob -> alice      200 NOTIFY
        """)
        flow.advance(30)
        flow.see("""
            alice -> carol    CANCEL
            alice <- carol    200 CANCEL
            alice <- carol    487 INVITE
            alice -> carol    ACK
            alice -> bob      NOTIFY (SIP/2.0 487)
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].statusCode == 487
        bob.bye()
        hangUp(flow, BOB, ALICE)
        flow.over()


class TestWithConsultation:
    def consult(self) -> Flow:
        """Bob talks to Alice, who is held, and to Carol, who is, too."""
        flow = Flow(BOB, ALICE, CAROL)
        bob, _ = flow.establish(BOB, ALICE)
        hold(flow, BOB, ALICE)
        flow.establish(BOB, CAROL)
        hold(flow, BOB, CAROL)
        self.first = bob
        self.second = flow.calls[BOB]
        return flow

    def test_7_1_exposingTransferTarget(self) -> None:
        # Consultation only: the second session ends before the transfer.
        flow = self.consult()
        self.second.bye()
        hangUp(flow, BOB, CAROL)
        flow.follow(ALICE)
        completed = outcome(self.first.refer("sip:carol@example.com").whenCompleted())
        flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> bob      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        self.first.bye()
        hangUp(flow, BOB, ALICE)
        flow.calls[ALICE].bye()
        hangUp(flow, ALICE, CAROL)
        flow.over()

    def test_7_2_protectingTransferTarget(self) -> None:
        # The transferor refers the target to the transferee, whose session it replaces.
        flow = self.consult()
        old = flow.calls[ALICE]
        flow.follow(CAROL)
        completed = outcome(self.second.refer(self.first).whenCompleted())
        refer, invite, *_ = flow.see("""
            bob -> carol      REFER
            carol -> alice    INVITE (sdp)
            bob <- carol      202 REFER
            bob <- carol      NOTIFY (SIP/2.0 100 Trying)
            bob -> carol      200 NOTIFY
        """)
        assert "Replaces=" in refer.getHeader("Refer-To")
        assert "replaces" in invite.getHeaders("Require")
        assert flow.calls[ALICE].replaces is old
        flow.calls[ALICE].accept(ANSWER)
        flow.see("""
            carol <- alice    200 INVITE (sdp)
            carol -> ...      NOTIFY (SIP/2.0 200 OK)
            carol -> alice    ACK
            alice -> bob      BYE
            bob -> alice      200 BYE
            ... -> bob        NOTIFY (SIP/2.0 200 OK)
            bob -> carol      200 NOTIFY
        """)
        assert completed[0].isSuccess
        assert flow.endings[ALICE][0].cause == Cause.REPLACED
        self.second.bye()
        hangUp(flow, BOB, CAROL)
        flow.calls[ALICE].bye()
        hangUp(flow, ALICE, CAROL)
        flow.over()

    def test_7_3_attendedTransfer(self) -> None:
        flow = self.consult()
        old = flow.calls[CAROL]
        flow.follow(ALICE)
        completed = outcome(self.first.refer(self.second).whenCompleted())
        _, invite, *_ = flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        assert old.dialog is not None
        # RFC 3891 section 3: the tags, as Carol sees them.
        assert f"to-tag={old.dialog.id.localTag}" in invite.getHeader("Replaces")
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> ...      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            carol -> bob      BYE
            bob -> carol      200 BYE
            ... -> bob        NOTIFY (SIP/2.0 200 OK)
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        assert flow.calls[CAROL].replaces is old
        assert flow.endings[CAROL][0].cause == Cause.REPLACED
        self.first.bye()
        hangUp(flow, BOB, ALICE)
        flow.calls[CAROL].bye()
        hangUp(flow, CAROL, ALICE)
        flow.over()

    def test_7_4_recoveryWhenOnePartyDoesNotSupportRefer(self) -> None:
        flow = self.consult()
        failed = outcome(self.first.refer(self.second).whenCompleted())
        flow.see("bob -> alice      REFER")
        # Nobody there listens for references.
        flow.see("bob <- alice      603 REFER")
        assert isinstance(failed[0], ReferralFailed)
        # The other way round.
        flow.follow(CAROL)
        completed = outcome(self.second.refer(self.first).whenCompleted())
        flow.see("""
            bob -> carol      REFER
            carol -> alice    INVITE (sdp)
            bob <- carol      202 REFER
            bob <- carol      NOTIFY (SIP/2.0 100 Trying)
            bob -> carol      200 NOTIFY
        """)
        flow.calls[ALICE].accept(ANSWER)
        flow.see("""
            carol <- alice    200 INVITE (sdp)
            carol -> bob      NOTIFY (SIP/2.0 200 OK)
            carol -> alice    ACK
            bob -> carol      200 NOTIFY
            alice -> bob      BYE
            bob -> alice      200 BYE
        """)
        assert completed[0].isSuccess
        self.second.bye()
        hangUp(flow, BOB, CAROL)
        flow.calls[ALICE].bye()
        hangUp(flow, ALICE, CAROL)
        flow.over()

    def test_7_5_whenTheContactIsNotKnownToRoute(self) -> None:
        # The target is referred to by its address of record; whoever it is that has the dialog takes it.
        flow = self.consult()
        assert self.second.dialog is not None
        target = referTo("sip:carol@example.com?Require=replaces", None, replacesOf(self.second.dialog.id))
        flow.follow(ALICE)
        completed = outcome(self.first.refer(target.uri).whenCompleted())
        _, invite, *_ = flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        assert invite.requestURIText == "sip:carol@example.com"
        assert invite.getHeaders("Require") == ["replaces"]
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> bob      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            bob -> alice      200 NOTIFY
            carol -> bob      BYE
            bob -> carol      200 BYE
        """)
        assert completed[0].isSuccess
        self.first.bye()
        hangUp(flow, BOB, ALICE)
        flow.calls[CAROL].bye()
        hangUp(flow, CAROL, ALICE)
        flow.over()

    def test_7_6_semiAttendedTransfer(self) -> None:
        # The transferor gives its call to the target up, which still rings, and transfers.
        flow = Flow(BOB, ALICE, CAROL)
        first, _ = flow.establish(BOB, ALICE)
        hold(flow, BOB, ALICE)
        second = flow.call(BOB, CAROL)
        given = outcome(second.whenAccepted())
        flow.see("bob -> carol      INVITE (sdp)")
        flow.calls[CAROL].progress(180)
        flow.see("bob <- carol      180 INVITE")
        second.cancel()
        flow.see("""
            bob -> carol      CANCEL
            bob <- carol      200 CANCEL
            bob <- carol      487 INVITE
            bob -> carol      ACK
        """)
        assert isinstance(given[0], SessionFailed)
        flow.follow(ALICE)
        completed = outcome(first.refer("sip:carol@example.com").whenCompleted())
        flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> bob      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        first.bye()
        hangUp(flow, BOB, ALICE)
        flow.calls[ALICE].bye()
        hangUp(flow, ALICE, CAROL)
        flow.over()

    def test_7_7_attendedTransferFallbackToBasicTransfer(self) -> None:
        flow = self.consult()
        flow.follow(ALICE)
        failed = outcome(self.first.refer(self.second).whenCompleted())
        # The target does not know Replaces.
        flow.headers[420] = [("Unsupported", "replaces")]
        flow.see("""
            bob -> alice      REFER
            alice -> gateway  INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
            alice <- gateway  420 INVITE
            alice -> gateway  ACK
            alice -> bob      NOTIFY (SIP/2.0 420 Bad Extension)
            bob -> alice      200 NOTIFY
        """)
        assert failed[0].statusCode == 420
        # A second REFER in the dialog, told apart by its id (RFC 3515 section 2.4.6).
        completed = outcome(self.first.refer("sip:carol@example.com").whenCompleted())
        refer, _, _, trying, *_ = flow.see("""
            bob -> alice      REFER
            alice -> carol    INVITE (sdp)
            bob <- alice      202 REFER
            bob <- alice      NOTIFY (SIP/2.0 100 Trying)
            bob -> alice      200 NOTIFY
        """)
        assert trying.getHeader("Event") == f"refer;id={refer.cseq}"
        flow.calls[CAROL].accept(ANSWER)
        flow.see("""
            alice <- carol    200 INVITE (sdp)
            alice -> bob      NOTIFY (SIP/2.0 200 OK)
            alice -> carol    ACK
            bob -> alice      200 NOTIFY
        """)
        assert completed[0].isSuccess
        for session, peer in ((self.second, CAROL), (self.first, ALICE)):
            session.bye()
            hangUp(flow, BOB, peer)
        flow.calls[ALICE].bye()
        hangUp(flow, ALICE, CAROL)
        flow.over()


class TestRFC3515:
    def test_4_1_prototypicalReferCallflow(self) -> None:
        # Agent A refers agent B to a resource of its own kind, by hand.
        flow = Flow("a", "b")
        a, b = flow.establish("a", "b")
        references: list[Any] = []
        b.on("refer", references.append)
        completed = outcome(a.refer("sip:c@example.com").whenCompleted())
        flow.see("a -> b    REFER")
        references[0].accept()
        _, first, _ = flow.see("""
            a <- b    202 REFER
            a <- b    NOTIFY (SIP/2.0 100 Trying)
            a -> b    200 NOTIFY
        """)
        assert first.getHeader("Content-Type") == "message/sipfrag;version=2.0"
        references[0].notify(200)
        last, _ = flow.see("""
            a <- b    NOTIFY (SIP/2.0 200 OK)
            a -> b    200 NOTIFY
        """)
        assert last.getHeader("Subscription-State") == "terminated;reason=noresource"
        assert completed[0].isSuccess
        a.bye()
        flow.see("""
            a -> b    BYE
            a <- b    200 BYE
        """)
        flow.over()

    def test_4_2_multipleRefersInADialog(self) -> None:
        flow = Flow("a", "b")
        a, b = flow.establish("a", "b")
        references: list[Any] = []
        b.on("refer", references.append)
        results = []
        for name in ("c", "d"):
            results.append(outcome(a.refer(f"sip:{name}@example.com").whenCompleted()))
            flow.see("a -> b    REFER")
            references[-1].accept()
            flow.see("""
                a <- b    202 REFER
                a <- b    NOTIFY (SIP/2.0 100 Trying)
                a -> b    200 NOTIFY
            """)
        references[1].notify(603)
        references[0].notify(200)
        second, first = flow.see("""
            a <- b    NOTIFY (SIP/2.0 603 Decline)
            a <- b    NOTIFY (SIP/2.0 200 OK)
        """)
        assert first.getHeader("Event") != second.getHeader("Event")
        flow.see("""
            a -> b    200 NOTIFY
            a -> b    200 NOTIFY
        """)
        assert [result[0].statusCode for result in results] == [200, 603]
        a.bye()
        flow.see("""
            a -> b    BYE
            a <- b    200 BYE
        """)
        flow.over()
