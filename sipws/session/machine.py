"""
The state machines of a session, as tables: RFC 3261 sections 9, 13 and 15,
with what RFC 5407 says of races.

One row is one arrow; what has no row is ignored, on purpose.  Which of the two
tables a session runs on depends on who sent the INVITE.
"""

from __future__ import annotations

from typing import Final

from sipws.arrows import Arrow, Machine, byCause

__all__ = ["INCOMING", "MACHINES", "OUTGOING", "Action", "Arrow", "Event", "Machine", "State"]


class State:
    """The states."""

    INITIAL: Final = "initial"
    #: Our INVITE is out, and the peer has said nothing yet.
    CALLING: Final = "calling"
    #: The peer has answered our INVITE provisionally.
    EARLY: Final = "early"
    #: Our INVITE is given up; what comes of it is waited for.
    CANCELLING: Final = "cancelling"
    #: The peer's INVITE has no final response.
    RINGING: Final = "ringing"
    #: There is a 2xx, and no ACK to it.
    ACCEPTED: Final = "accepted"
    #: There is a session.
    CONFIRMED: Final = "confirmed"
    #: It is to be ended, as soon as the peer has acknowledged our 2xx.
    LEAVING: Final = "leaving"
    #: Our BYE is out.
    TERMINATING: Final = "terminating"
    TERMINATED: Final = "terminated"


class Event:
    """What happens to a session."""

    #: The INVITE is to leave, or has come.
    START: Final = "INVITE"
    #: A response to the INVITE, which came or is to leave.
    PROVISIONAL: Final = "101-199"
    SUCCESS: Final = "2xx"
    #: Also where there will be no response; and, for an INVITE of the peer's,
    #: where it is given up, or the connection is gone that the response would leave on.
    FAILURE: Final = "300-699"
    #: Our user ends it.
    HANG_UP: Final = "hang up"
    #: The ACK has come, or has left.
    ACKED: Final = "ACK"
    #: 64*T1 have passed since our 2xx.
    UNACKED: Final = "no ACK"
    #: The peer's BYE.
    BYE: Final = "BYE"
    #: Our BYE has its final response, or will have none.
    BYE_ANSWERED: Final = "BYE answered"
    #: The dialog is gone, or the connection for good.
    BROKEN: Final = "broken"


class Action:
    """What a session does."""

    SEND_INVITE: Final = "send INVITE"
    SEND_CANCEL: Final = "send CANCEL"
    SEND_PROVISIONAL: Final = "send 101-199"
    SEND_SUCCESS: Final = "send 2xx"
    SEND_FAILURE: Final = "send 300-699"
    SEND_ACK: Final = "send ACK"
    SEND_BYE: Final = "send BYE"
    #: The dialog of the 2xx is that of the session.
    ADOPT: Final = "take the dialog"
    TELL_PROGRESS: Final = "tell of progress"
    TELL_ACCEPTED: Final = "tell that it is accepted"
    TELL_CONFIRMED: Final = "tell that it is confirmed"
    TELL_FAILED: Final = "tell that it failed"
    END: Final = "leave the dialogs, tell of the end"


S, E, A = State, Event, Action

#: What both tables share: a session that is there, and its end.
_ESTABLISHED: Final = (
    # RFC 3261 section 15: "The caller's UA MAY send a BYE for either confirmed or early dialogs, and the
    # callee's UA MAY send a BYE on confirmed dialogs".
    Arrow(S.CONFIRMED, E.HANG_UP, (A.SEND_BYE,), S.TERMINATING),
    # Section 15.1.2: "A UAS core receiving a BYE request for an existing dialog MUST follow the
    # procedures of Section 12.2.2 to process the request.  Once done, the UAS SHOULD terminate the session".
    Arrow(S.CONFIRMED, E.BYE, (A.END,), S.TERMINATED),
    Arrow(S.CONFIRMED, E.BROKEN, (A.END,), S.TERMINATED),
    # RFC 5407 section 3.2.1: BYEs that cross are both answered with 200; each waits for its own.
    Arrow(S.TERMINATING, E.BYE, (), S.TERMINATING),
    # Section 15.1.1: "The UAC MUST consider the session terminated [...] as soon as the BYE request is
    # passed to the client transaction"; its dialog goes with the response, as 12.2.1.2 has it.
    Arrow(S.TERMINATING, E.BYE_ANSWERED, (A.END,), S.TERMINATED),
    Arrow(S.TERMINATING, E.BROKEN, (A.END,), S.TERMINATED),
)

OUTGOING: Final = Machine(
    "session that we ask for",
    "RFC 3261 sections 9.1, 13.2 and 15",
    (
        Arrow(S.INITIAL, E.START, (A.SEND_INVITE,), S.CALLING),
        Arrow(S.CALLING, E.PROVISIONAL, (A.TELL_PROGRESS,), S.EARLY),
        Arrow(S.CALLING, E.SUCCESS, (A.ADOPT, A.TELL_ACCEPTED), S.ACCEPTED),
        Arrow(S.CALLING, E.FAILURE, (A.TELL_FAILED, A.END), S.TERMINATED),
        # Section 9.1: the CANCEL itself waits for a provisional response; the transaction sees to that.
        Arrow(S.CALLING, E.HANG_UP, (A.SEND_CANCEL,), S.CANCELLING),
        Arrow(S.EARLY, E.PROVISIONAL, (A.TELL_PROGRESS,), S.EARLY),
        Arrow(S.EARLY, E.SUCCESS, (A.ADOPT, A.TELL_ACCEPTED), S.ACCEPTED),
        Arrow(S.EARLY, E.FAILURE, (A.TELL_FAILED, A.END), S.TERMINATED),
        Arrow(S.EARLY, E.HANG_UP, (A.SEND_CANCEL,), S.CANCELLING),
        # RFC 5407 section 3.1.2: a 200 that crosses the CANCEL makes a session: it is acknowledged, and
        # ended with BYE.
        Arrow(S.CANCELLING, E.SUCCESS, (A.ADOPT, A.SEND_ACK, A.TELL_FAILED, A.SEND_BYE), S.TERMINATING),
        Arrow(S.CANCELLING, E.FAILURE, (A.TELL_FAILED, A.END), S.TERMINATED),
        # Section 13.2.2.4: the answer to an offer that is in the 2xx goes into the ACK, so there may be
        # some time between the two.
        Arrow(S.ACCEPTED, E.ACKED, (A.TELL_CONFIRMED,), S.CONFIRMED),
        Arrow(S.ACCEPTED, E.HANG_UP, (A.SEND_ACK, A.SEND_BYE), S.TERMINATING),
        Arrow(S.ACCEPTED, E.BYE, (A.SEND_ACK, A.END), S.TERMINATED),
        Arrow(S.ACCEPTED, E.BROKEN, (A.END,), S.TERMINATED),
        *_ESTABLISHED,
    ),
)

INCOMING: Final = Machine(
    "session that we are asked for",
    "RFC 3261 sections 9.2, 13.3 and 15",
    (
        Arrow(S.INITIAL, E.START, (), S.RINGING),
        Arrow(S.RINGING, E.PROVISIONAL, (A.SEND_PROVISIONAL,), S.RINGING),
        Arrow(S.RINGING, E.SUCCESS, (A.SEND_SUCCESS, A.TELL_ACCEPTED), S.ACCEPTED),
        # Also where the peer gives its INVITE up, with CANCEL, or with BYE: section 15.1.2 recommends
        # "that a 487 (Request Terminated) response be generated to those pending requests".
        Arrow(S.RINGING, E.FAILURE, (A.SEND_FAILURE, A.TELL_FAILED, A.END), S.TERMINATED),
        Arrow(S.ACCEPTED, E.ACKED, (A.TELL_CONFIRMED,), S.CONFIRMED),
        # Section 15: "the callee's UA MUST NOT send a BYE on a confirmed dialog until it has received an
        # ACK for its 2xx response or until the server transaction times out."
        Arrow(S.ACCEPTED, E.HANG_UP, (), S.LEAVING),
        # Section 13.3.1.4: "If the server retransmits the 2xx response for 64*T1 seconds without receiving
        # an ACK, the dialog is confirmed, but the session SHOULD be terminated.  This is accomplished
        # with a BYE".
        Arrow(S.ACCEPTED, E.UNACKED, (A.SEND_BYE,), S.TERMINATING),
        # RFC 5407 section 3.1.3: the ACK may be overtaken by the BYE.
        Arrow(S.ACCEPTED, E.BYE, (A.END,), S.TERMINATED),
        Arrow(S.ACCEPTED, E.BROKEN, (A.END,), S.TERMINATED),
        Arrow(S.LEAVING, E.ACKED, (A.SEND_BYE,), S.TERMINATING),
        Arrow(S.LEAVING, E.UNACKED, (A.SEND_BYE,), S.TERMINATING),
        Arrow(S.LEAVING, E.BYE, (A.END,), S.TERMINATED),
        Arrow(S.LEAVING, E.BROKEN, (A.END,), S.TERMINATED),
        *_ESTABLISHED,
    ),
)

#: Both.
MACHINES: Final = (OUTGOING, INCOMING)

#: The rows of each by what leads to them.
ARROWS: Final = {machine.name: byCause(machine.arrows) for machine in MACHINES}
