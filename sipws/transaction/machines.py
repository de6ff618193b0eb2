"""
The four state machines of transactions: RFC 3261 figures 5 to 8, with RFC 6026's
changes, for reliable transports.

Everything that decides what a transaction does next stands in these tables:
one row is one arrow of a figure.  A row says: in this state, on this event, do
these actions, go to that state, and have this timer run from there on.  What
has no row is ignored, on purpose.

Rows marked C{+} are not in the figures.  Each says where it comes from.

Three rules hold in all tables:

 - Timers are set before anything is done: what is done may already bring about
   the next event.  In C{Terminated} no timer runs.
 - What is sent comes before what the transaction user is told.
 - A timer of zero seconds is no timer: the transaction follows that timer's
   arrow at once, as part of the same step.  On reliable transports this is so
   for timers D, I, J and K, so that C{Completed} (for INVITE: C{Confirmed} on
   the server's side) is left as soon as it is entered.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "INVITE_CLIENT",
    "INVITE_SERVER",
    "MACHINES",
    "NON_INVITE_CLIENT",
    "NON_INVITE_SERVER",
    "Action",
    "Arrow",
    "Event",
    "Machine",
    "State",
    "Timer",
]


class State:
    """The states, under the names of the figures."""

    INITIAL: Final = "Initial"
    CALLING: Final = "Calling"
    TRYING: Final = "Trying"
    PROCEEDING: Final = "Proceeding"
    ACCEPTED: Final = "Accepted"
    COMPLETED: Final = "Completed"
    CONFIRMED: Final = "Confirmed"
    TERMINATED: Final = "Terminated"


class Timer:
    """
    What the column C{timer} can hold: one of the timers, whose name is that of
    the event of its firing, too; C{KEEP}: whichever runs goes on; C{NONE}: none runs.
    """

    KEEP: Final = None
    NONE: Final = ""
    B: Final = "Timer B"
    D: Final = "Timer D"
    F: Final = "Timer F"
    H: Final = "Timer H"
    I: Final = "Timer I"  # noqa: E741 - the RFC's name
    J: Final = "Timer J"
    K: Final = "Timer K"
    L: Final = "Timer L"
    M: Final = "Timer M"
    #: 200 ms (section 17.2.1).
    TRYING: Final = "200 ms"
    #: 3.5 s with the usual T1 and T2 (RFC 4320 section 4.1).
    NON_INVITE_TRYING: Final = "timer E would reach T2"
    #: 64*T1 after the CANCEL (section 9.1).
    CANCELLED: Final = "64*T1 after CANCEL"
    #: 64*T1 after the first response to a request other than INVITE, if that was provisional.
    EXPIRED: Final = "64*T1 after 100"


class Event:
    """What happens to a transaction, besides that a timer fires."""

    #: The transaction's user starts a client transaction, or a request makes a server transaction.
    START: Final = "start"
    #: Responses: received by a client transaction, handed over by the user of a server transaction.
    PROVISIONAL: Final = "1xx"
    SUCCESS: Final = "2xx"
    FAILURE: Final = "300-699"
    FINAL: Final = "200-699"
    #: A response that a request other than INVITE must not have (RFC 4320 section 4.2).
    LATE: Final = "408"
    #: A retransmission of the request that made the server transaction.
    REQUEST: Final = "request again"
    ACK: Final = "ACK"
    #: The transaction's user gives it up.
    CANCEL: Final = "cancel"
    TRANSPORT_ERROR: Final = "transport error"


class Action:
    """What a transaction does."""

    SEND_REQUEST: Final = "send request"
    SEND_ACK: Final = "send ACK"
    SEND_CANCEL: Final = "send CANCEL"
    SEND_CANCEL_IF_DUE: Final = "send CANCEL if one is due"
    SEND_RESPONSE: Final = "send response"
    SEND_LAST_RESPONSE: Final = "send last response again"
    SEND_TRYING: Final = "send 100"
    RESPONSE_TO_TU: Final = "response to TU"
    ACK_TO_TU: Final = "ACK to TU"
    TIMEOUT_TO_TU: Final = "tell TU of timeout"
    ERROR_TO_TU: Final = "tell TU of error"
    CANCELLED_TO_TU: Final = "tell TU that it is cancelled"
    LOG_ERROR: Final = "log error"


class Arrow(NamedTuple):
    """
    One row of a table.

    @ivar state: The state that it leads from.
    @ivar event: On what.
    @ivar actions: What is done, in this order, after the state has changed.
    @ivar target: The state that it leads to.
    @ivar timer: The timer that is started, in place of the one that runs; see L{Timer}.
    """

    state: str
    event: str
    actions: tuple[str, ...]
    target: str
    timer: str | None = Timer.KEEP


class Machine(NamedTuple):
    """
    A state machine.

    @ivar name: What it is for.
    @ivar source: The figure that it is.
    @ivar arrows: Its table.
    """

    name: str
    source: str
    arrows: tuple[Arrow, ...]


S, E, A, T = State, Event, Action, Timer

INVITE_CLIENT: Final = Machine(
    "INVITE client transaction",
    "RFC 3261 figure 5 as replaced by RFC 6026 section 8.4",
    (
        Arrow(S.INITIAL, E.START, (A.SEND_REQUEST,), S.CALLING, T.B),
        Arrow(S.CALLING, E.PROVISIONAL, (A.SEND_CANCEL_IF_DUE, A.RESPONSE_TO_TU), S.PROCEEDING, T.NONE),
        Arrow(S.CALLING, E.SUCCESS, (A.RESPONSE_TO_TU,), S.ACCEPTED, T.M),
        Arrow(S.CALLING, E.FAILURE, (A.SEND_ACK, A.RESPONSE_TO_TU), S.COMPLETED, T.D),
        Arrow(S.CALLING, T.B, (A.TIMEOUT_TO_TU,), S.TERMINATED, T.NONE),
        Arrow(S.CALLING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        # + RFC 3261 section 9.1: "If no provisional response has been received, the CANCEL
        # request MUST NOT be sent; rather, the client MUST wait for the arrival of a
        # provisional response before sending the request."
        Arrow(S.CALLING, E.CANCEL, (), S.CALLING),
        Arrow(S.PROCEEDING, E.PROVISIONAL, (A.RESPONSE_TO_TU,), S.PROCEEDING),
        Arrow(S.PROCEEDING, E.SUCCESS, (A.RESPONSE_TO_TU,), S.ACCEPTED, T.M),
        Arrow(S.PROCEEDING, E.FAILURE, (A.SEND_ACK, A.RESPONSE_TO_TU), S.COMPLETED, T.D),
        # + RFC 3261 section 9.1, as above.
        Arrow(S.PROCEEDING, E.CANCEL, (A.SEND_CANCEL,), S.PROCEEDING, T.CANCELLED),
        # + RFC 3261 section 9.1: "If there is no final response for the original request in
        # 64*T1 seconds [...], the client SHOULD then consider the original transaction
        # cancelled and SHOULD destroy the client transaction".
        Arrow(S.PROCEEDING, T.CANCELLED, (A.TIMEOUT_TO_TU,), S.TERMINATED, T.NONE),
        # + The figure knows of errors while sending only, and nothing is sent here.  But
        # the connection that is lost is the one that the response would come on (RFC 3261
        # section 18.2.2), so none will come.
        Arrow(S.PROCEEDING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        # RFC 6026 section 8.4: "Any 2xx responses that match this client transaction and
        # that are received while in the "Accepted" state MUST be passed up to the TU."
        # No arrow for a lost transport: an answered INVITE does not fail.
        Arrow(S.ACCEPTED, E.SUCCESS, (A.RESPONSE_TO_TU,), S.ACCEPTED),
        Arrow(S.ACCEPTED, T.M, (), S.TERMINATED, T.NONE),
        # RFC 3261 section 17.1.1.2: "the newly received response MUST NOT be passed up to the TU."
        Arrow(S.COMPLETED, E.FAILURE, (A.SEND_ACK,), S.COMPLETED),
        # The figure has "Inform TU".  The TU has had the response, which is the transaction's
        # one result, and it is told of the transport by the transport itself.
        Arrow(S.COMPLETED, E.TRANSPORT_ERROR, (A.LOG_ERROR,), S.TERMINATED, T.NONE),
        Arrow(S.COMPLETED, T.D, (), S.TERMINATED, T.NONE),
    ),
)

NON_INVITE_CLIENT: Final = Machine(
    "non-INVITE client transaction",
    "RFC 3261 figure 6",
    (
        Arrow(S.INITIAL, E.START, (A.SEND_REQUEST,), S.TRYING, T.F),
        Arrow(S.TRYING, E.PROVISIONAL, (A.RESPONSE_TO_TU,), S.PROCEEDING),
        Arrow(S.TRYING, E.FINAL, (A.RESPONSE_TO_TU,), S.COMPLETED, T.K),
        Arrow(S.TRYING, T.F, (A.TIMEOUT_TO_TU,), S.TERMINATED, T.NONE),
        Arrow(S.TRYING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        # + RFC 3261 section 9.1: "A CANCEL request SHOULD NOT be sent to cancel a request
        # other than INVITE."  It is given up, no more.
        Arrow(S.TRYING, E.CANCEL, (A.CANCELLED_TO_TU,), S.TERMINATED, T.NONE),
        Arrow(S.PROCEEDING, E.PROVISIONAL, (A.RESPONSE_TO_TU,), S.PROCEEDING),
        Arrow(S.PROCEEDING, E.FINAL, (A.RESPONSE_TO_TU,), S.COMPLETED, T.K),
        Arrow(S.PROCEEDING, T.F, (A.TIMEOUT_TO_TU,), S.TERMINATED, T.NONE),
        Arrow(S.PROCEEDING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        # + As in Trying.
        Arrow(S.PROCEEDING, E.CANCEL, (A.CANCELLED_TO_TU,), S.TERMINATED, T.NONE),
        # RFC 3261 section 17.1.2.2: "The "Completed" state exists to buffer any additional
        # response retransmissions that may be received".
        Arrow(S.COMPLETED, E.FINAL, (), S.COMPLETED),
        Arrow(S.COMPLETED, T.K, (), S.TERMINATED, T.NONE),
    ),
)

INVITE_SERVER: Final = Machine(
    "INVITE server transaction",
    "RFC 3261 figure 7 as replaced by RFC 6026 section 8.6",
    (
        Arrow(S.INITIAL, E.START, (), S.PROCEEDING, T.TRYING),
        Arrow(S.PROCEEDING, T.TRYING, (A.SEND_TRYING,), S.PROCEEDING),
        Arrow(S.PROCEEDING, E.REQUEST, (A.SEND_LAST_RESPONSE,), S.PROCEEDING),
        Arrow(S.PROCEEDING, E.PROVISIONAL, (A.SEND_RESPONSE,), S.PROCEEDING, T.NONE),
        Arrow(S.PROCEEDING, E.SUCCESS, (A.SEND_RESPONSE,), S.ACCEPTED, T.L),
        Arrow(S.PROCEEDING, E.FAILURE, (A.SEND_RESPONSE,), S.COMPLETED, T.H),
        # RFC 6026 section 7.1: "A server transaction MUST NOT discard transaction state based
        # only on encountering a non-recoverable transport error when sending a response."
        Arrow(S.PROCEEDING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.PROCEEDING, T.NONE),
        # RFC 6026 section 8.7: "Any such retransmissions are absorbed entirely within the
        # server transaction."
        Arrow(S.ACCEPTED, E.REQUEST, (), S.ACCEPTED),
        Arrow(S.ACCEPTED, E.ACK, (A.ACK_TO_TU,), S.ACCEPTED),
        Arrow(S.ACCEPTED, E.SUCCESS, (A.SEND_RESPONSE,), S.ACCEPTED),
        Arrow(S.ACCEPTED, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.ACCEPTED),
        Arrow(S.ACCEPTED, T.L, (), S.TERMINATED, T.NONE),
        Arrow(S.COMPLETED, E.REQUEST, (A.SEND_LAST_RESPONSE,), S.COMPLETED),
        Arrow(S.COMPLETED, E.ACK, (), S.CONFIRMED, T.I),
        Arrow(S.COMPLETED, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.COMPLETED),
        # RFC 3261 section 17.2.1: "the server transaction MUST transition to the "Terminated"
        # state, and MUST indicate to the TU that a transaction failure has occurred."
        Arrow(S.COMPLETED, T.H, (A.TIMEOUT_TO_TU,), S.TERMINATED, T.NONE),
        # RFC 3261 section 17.2.1: "The purpose of the "Confirmed" state is to absorb any
        # additional ACK messages that arrive".
        Arrow(S.CONFIRMED, E.ACK, (), S.CONFIRMED),
        Arrow(S.CONFIRMED, T.I, (), S.TERMINATED, T.NONE),
    ),
)

NON_INVITE_SERVER: Final = Machine(
    "non-INVITE server transaction",
    "RFC 3261 figure 8",
    (
        Arrow(S.INITIAL, E.START, (), S.TRYING, T.NON_INVITE_TRYING),
        # RFC 3261 section 17.2.2: "Once in the "Trying" state, any further request
        # retransmissions are discarded."
        Arrow(S.TRYING, E.REQUEST, (), S.TRYING),
        Arrow(S.TRYING, E.PROVISIONAL, (A.SEND_RESPONSE,), S.PROCEEDING, T.EXPIRED),
        Arrow(S.TRYING, E.FINAL, (A.SEND_RESPONSE,), S.COMPLETED, T.J),
        # + RFC 4320 section 4.1: it "MUST respond to a non-INVITE request with a Status-Code of
        # 100 if it has not otherwise responded after the amount of time it takes a client
        # transaction's Timer E to be reset to T2."
        Arrow(S.TRYING, T.NON_INVITE_TRYING, (A.SEND_TRYING,), S.PROCEEDING, T.EXPIRED),
        # + RFC 4320 section 4.2: it "MUST NOT send a response with Status-Code of 408 to a
        # non-INVITE request.  As a consequence, an element that cannot respond before the
        # transaction expires will not send a final response at all."
        Arrow(S.TRYING, E.LATE, (), S.TERMINATED, T.NONE),
        # + As in Proceeding: there is nowhere left to send a response to.
        Arrow(S.TRYING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        Arrow(S.PROCEEDING, E.REQUEST, (A.SEND_LAST_RESPONSE,), S.PROCEEDING),
        Arrow(S.PROCEEDING, E.PROVISIONAL, (A.SEND_RESPONSE,), S.PROCEEDING),
        Arrow(S.PROCEEDING, E.FINAL, (A.SEND_RESPONSE,), S.COMPLETED, T.J),
        # + RFC 4320 section 4.2, as in Trying; and the same where nothing is said at all: the
        # client has given up long ago (timer F), and nothing may wait for ever.
        Arrow(S.PROCEEDING, E.LATE, (), S.TERMINATED, T.NONE),
        Arrow(S.PROCEEDING, T.EXPIRED, (), S.TERMINATED, T.NONE),
        # RFC 6026 speaks of INVITE alone, and leaves this figure as it is.
        Arrow(S.PROCEEDING, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        # RFC 3261 section 17.2.2: "Any other final responses passed by the TU to the server
        # transaction MUST be discarded while in the "Completed" state."
        Arrow(S.COMPLETED, E.REQUEST, (A.SEND_LAST_RESPONSE,), S.COMPLETED),
        Arrow(S.COMPLETED, E.TRANSPORT_ERROR, (A.ERROR_TO_TU,), S.TERMINATED, T.NONE),
        Arrow(S.COMPLETED, T.J, (), S.TERMINATED, T.NONE),
    ),
)

#: All four.
MACHINES: Final = (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
