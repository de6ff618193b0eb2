"""The race conditions of RFC 5407: what is on its way while the other side has gone on."""

from __future__ import annotations

from sipws.errors import ReferralFailed
from sipws.session import Cause
from tests.flows.figure import ANSWER, OFFER, Flow
from tests.ua.fakes import outcome

SECOND = OFFER.replace(" 1 1 ", " 1 2 ")


def accepted(flow: Flow, body: str = OFFER, answer: str = ANSWER) -> None:
    """Alice calls Bob; his 200 has arrived, and her ACK is on its way."""
    flow.call("alice", "bob", body)
    flow.see(f"alice -> bob    INVITE{' (sdp)' if body else ''}")
    flow.calls["bob"].progress(180)
    flow.calls["bob"].accept(answer).addErrback(lambda _: None)
    flow.see("""
        alice <- bob    180 INVITE
        alice <- bob    200 INVITE (sdp)
        alice -> ...    ACK
    """)


class TestMoratorium:
    """Section 3.1: Bob has accepted, and has no ACK."""

    def test_3_1_1_aRetransmissionOfTheInvite(self) -> None:
        flow = Flow("alice", "bob")
        flow.call("alice", "bob")
        (invite,) = flow.see("alice -> bob    INVITE (sdp)")
        bob = flow.calls["bob"]
        bob.progress(180)
        bob.accept(ANSWER)
        # F1 comes once more, while F3 and F4 are on their way: it is absorbed.
        flow._carry(invite, "bob")
        assert flow.calls["bob"] is bob
        flow.see("""
            alice <- bob    180 INVITE
            alice <- bob    200 INVITE (sdp)
            alice -> bob    ACK
        """)
        assert bob.state == "confirmed"
        bob.bye()
        flow.see("""
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        flow.over()

    def test_3_1_2_aCancel(self) -> None:
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob")
        failed = outcome(alice.whenAccepted())
        flow.see("alice -> bob    INVITE (sdp)")
        flow.calls["bob"].progress(180)
        flow.see("alice <- bob    180 INVITE")
        alice.cancel()
        flow.calls["bob"].accept(ANSWER)
        flow.see("""
            alice -> ...    CANCEL
            ... <- bob      200 INVITE (sdp)
            ... -> bob      CANCEL
            alice <- ...    200 INVITE (sdp)
        """)
        # Alice acknowledges the 200 "and immediately sends a BYE".
        flow.see("""
            alice <- bob    200 CANCEL
            alice -> bob    ACK
            alice -> bob    BYE
            alice <- bob    200 BYE
        """)
        assert failed[0].cause == Cause.CANCELLED
        assert flow.endings["bob"][0].cause == Cause.HUNG_UP
        flow.over()

    def test_3_1_3_aByeToTheEarlyDialog(self) -> None:
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob")
        flow.see("alice -> bob    INVITE (sdp)")
        flow.calls["bob"].progress(180)
        flow.see("alice <- bob    180 INVITE")
        bob = flow.calls["bob"]
        accepting = outcome(bob.accept(ANSWER))
        assert alice.dialog is not None
        flow.agents["alice"].usages.sendWithin(alice.dialog, "BYE")
        flow.see("""
            alice -> ...    BYE
            ... <- bob      200 INVITE (sdp)
            ... -> bob      BYE
            alice <- bob    200 BYE
            alice <- ...    200 INVITE (sdp)
        """)
        # Alice, who is in the session as she has it, acknowledges it; Bob is out of it.
        assert bob.state == "terminated"
        assert accepting
        flow.see("alice -> bob    ACK")
        alice.terminate()
        flow.see("""
            alice -> bob    BYE
            alice <- bob    481 BYE
        """)
        flow.over()

    def test_3_1_4_aReinvite(self) -> None:
        flow = Flow("alice", "bob")
        accepted(flow)
        alice, bob = flow.calls["alice"], flow.calls["bob"]
        changed = outcome(alice.reinvite(SECOND))
        # The re-INVITE overtakes the ACK, and stands for it: no offer of Bob's is open.
        flow.see("""
            alice -> bob    INVITE (sdp)
            alice <- bob    200 INVITE (sdp)
            alice -> bob    ACK
            ... -> bob      ACK
        """)
        assert changed[0].statusCode == 200
        assert alice.state == bob.state == "confirmed"
        assert bob.remoteDescription is not None
        assert bob.remoteDescription.body == SECOND.encode()
        alice.bye()
        flow.see("""
            alice -> bob    BYE
            alice <- bob    200 BYE
        """)
        flow.over()

    def test_3_1_5_aReinviteBeforeTheAnswerInTheAck(self) -> None:
        flow = Flow("alice", "bob")
        alice = flow.call("alice", "bob", "")
        alice.on("offer", lambda offer: offer.accept(ANSWER))
        flow.see("alice -> bob    INVITE")
        bob = flow.calls["bob"]
        bob.accept(OFFER)
        flow.see("""
            alice <- bob    200 INVITE (sdp)
            alice -> ...    ACK (sdp)
        """)
        changed = outcome(alice.reinvite(SECOND))
        # "Bob sends a 491 (or 500) response" as his offer has no answer yet.
        flow.see("""
            alice -> bob    INVITE (sdp)
            alice <- bob    491 INVITE
            alice -> bob    ACK
            ... -> bob      ACK (sdp)
        """)
        assert bob.state == "confirmed"
        flow.advance(4)
        flow.see("""
            alice -> bob    INVITE (sdp)
            alice <- bob    200 INVITE (sdp)
            alice -> bob    ACK
        """)
        assert changed[0].statusCode == 200
        bob.bye()
        flow.see("""
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        flow.over()

    def test_3_1_6_aBye(self) -> None:
        flow = Flow("alice", "bob")
        accepted(flow)
        flow.calls["alice"].bye()
        flow.see("""
            alice -> bob    BYE
            alice <- bob    200 BYE
            ... -> bob      ACK
        """)
        assert flow.calls["bob"].state == "terminated"
        # The 200 to the INVITE is not sent again.
        flow.advance(40)
        flow.over()


class TestMortal:
    """Section 3.2: a BYE is out."""

    def test_3_2_1_aBye(self) -> None:
        flow = Flow("alice", "bob")
        alice, bob = flow.establish("alice", "bob")
        alice.bye()
        bob.bye()
        flow.see("""
            alice -> ...    BYE
            alice <- bob    BYE
            ... -> bob      BYE
            alice -> bob    200 BYE
            alice <- bob    200 BYE
        """)
        assert [each[0].cause for each in flow.endings.values()] == [Cause.HUNG_UP] * 2
        flow.over()

    def test_3_2_2_aReinvite(self) -> None:
        flow = Flow("alice", "bob")
        alice, bob = flow.establish("alice", "bob")
        alice.bye()
        changed = outcome(bob.reinvite(SECOND))
        flow.see("""
            alice -> ...    BYE
            alice <- bob    INVITE (sdp)
            ... -> bob      BYE
            alice -> bob    481 INVITE
            alice <- bob    200 BYE
            alice <- bob    ACK
        """)
        assert changed
        flow.over()

    def test_3_2_3_a200ToAReinvite(self) -> None:
        flow = Flow("alice", "bob")
        _, bob = flow.establish("alice", "bob")
        bob.reinvite(SECOND).addErrback(lambda _: None)
        flow.see("""
            alice <- bob    INVITE (sdp)
            alice -> ...    200 INVITE (sdp)
        """)
        bob.bye()
        # "Bob sends ACK to the 200 OK even though Bob is in the Mortal state."
        flow.see("""
            alice <- bob    BYE
            ... -> bob      200 INVITE (sdp)
            alice -> bob    200 BYE
            alice <- bob    ACK
        """)
        flow.over()

    def test_3_2_4_anAck(self) -> None:
        # Bob, who must not send a BYE before the ACK (RFC 3261 section 15), waits for it.
        flow = Flow("alice", "bob")
        accepted(flow)
        flow.calls["bob"].bye()
        flow.nothing()
        flow.see("""
            ... -> bob      ACK
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        flow.over()


class TestOthers:
    """Section 3.3."""

    def test_3_3_1_reinviteCrossover(self) -> None:
        flow = Flow("alice", "bob")
        alice, bob = flow.establish("alice", "bob")
        first, second = outcome(alice.reinvite(SECOND)), outcome(bob.reinvite(SECOND))
        flow.see("""
            alice -> ...    INVITE (sdp)
            alice <- bob    INVITE (sdp)
            ... -> bob      INVITE (sdp)
            alice -> bob    491 INVITE
            alice <- bob    491 INVITE
            alice -> bob    ACK
            alice <- bob    ACK
        """)
        # The owner of the Call-ID, Alice, waits for 2.1 to 4 seconds, Bob for 0 to 2.
        flow.advance(2)
        flow.see("""
            alice <- bob    INVITE (sdp)
            alice -> bob    200 INVITE (sdp)
            alice <- bob    ACK
        """)
        flow.advance(2)
        flow.see("""
            alice -> bob    INVITE (sdp)
            alice <- bob    200 INVITE (sdp)
            alice -> bob    ACK
        """)
        assert [first[0].statusCode, second[0].statusCode] == [200, 200]
        alice.bye()
        flow.see("""
            alice -> bob    BYE
            alice <- bob    200 BYE
        """)
        flow.over()

    def test_3_3_2_updateAndReinviteCrossover(self) -> None:
        flow = Flow("alice", "bob")
        alice, bob = flow.establish("alice", "bob")
        first, second = outcome(alice.update(SECOND)), outcome(bob.reinvite(SECOND))
        flow.see("""
            alice -> ...    UPDATE (sdp)
            alice <- bob    INVITE (sdp)
            ... -> bob      UPDATE (sdp)
            alice -> bob    491 INVITE
            alice <- bob    491 UPDATE
            alice <- bob    ACK
        """)
        flow.advance(2)
        flow.see("""
            alice <- bob    INVITE (sdp)
            alice -> bob    200 INVITE (sdp)
            alice <- bob    ACK
        """)
        flow.advance(2)
        flow.see("""
            alice -> bob    UPDATE (sdp)
            alice <- bob    200 UPDATE (sdp)
        """)
        assert [first[0].statusCode, second[0].statusCode] == [200, 200]
        bob.bye()
        flow.see("""
            alice <- bob    BYE
            alice -> bob    200 BYE
        """)
        flow.over()

    def test_3_3_3_aReferInTheMortalState(self) -> None:
        flow = Flow("alice", "bob")
        alice, bob = flow.establish("alice", "bob")
        alice.on("refer", lambda reference: reference.accept())
        alice.bye()
        failed = outcome(bob.refer("sip:carol@example.com").whenCompleted())
        flow.see("""
            alice -> ...    BYE
            alice <- bob    REFER
            ... -> bob      BYE
            alice -> bob    481 REFER
            alice <- bob    200 BYE
        """)
        assert isinstance(failed[0], ReferralFailed)
        flow.over()
