"""
The two state machines of subscriptions, as tables: RFC 6665 section 4.1.2 for
the subscriber, section 4.2.2 for the notifier.

One row is one arrow; what has no row is ignored, on purpose.  Rows marked C{+}
are not in the figures.  Each says where it comes from.
"""

from __future__ import annotations

from typing import Final

from sipws.arrows import Arrow, Machine

__all__ = ["NOTIFIER", "SUBSCRIBER", "Action", "Arrow", "Event", "Machine", "State"]


class State:
    """The states, under the names of the figures."""

    INIT: Final = "init"
    NOTIFY_WAIT: Final = "notify_wait"
    RESP_WAIT: Final = "resp_wait"
    PENDING: Final = "pending"
    ACTIVE: Final = "active"
    TERMINATED: Final = "terminated"
    #: + The subscriber has asked for its end, and waits for the last NOTIFY.
    LEAVING: Final = "leaving"
    #: + Terminated, and not tried again; for the notifier, once its last NOTIFY is answered.
    ENDED: Final = "ended"


class Event:
    """What happens to a subscription."""

    # The subscriber's.
    REACHABLE: Final = "connected"
    NOTIFY_ACTIVE: Final = "NOTIFY, state=active"
    NOTIFY_PENDING: Final = "NOTIFY, state=pending"
    NOTIFY_TERMINATED: Final = "NOTIFY, state=terminated"
    SUCCESS: Final = "2xx to SUBSCRIBE"
    #: Once, with a longer time than was asked for.
    BRIEF: Final = "423 to SUBSCRIBE"
    #: A refusal of the first SUBSCRIBE, or no response to it.
    FAILURE: Final = "SUBSCRIBE fails"
    #: A response to a refresh that ends the subscription (section 4.1.2.2), or none.
    GONE: Final = "refresh fails, 404 405 408 410 416 480-485 489 501 604"
    #: One that does not.
    REFRESH_FAILURE: Final = "refresh fails otherwise"
    TIMER_N: Final = "timer N"
    DUE: Final = "time to refresh"
    RETRY: Final = "time to subscribe again"
    NO_RETRY: Final = "not to subscribe again"
    UNSUBSCRIBE: Final = "unsubscribe"

    # The notifier's.
    SUBSCRIBE: Final = "SUBSCRIBE"
    REFRESH: Final = "SUBSCRIBE again"
    #: With Expires 0.
    FETCH: Final = "SUBSCRIBE ends it"
    ACCEPT: Final = "policy grants it"
    PEND: Final = "policy is needed"
    REJECT: Final = "policy refuses it"
    NOTIFY: Final = "new state"
    TERMINATE: Final = "terminated by policy"
    NOTIFY_FAILURE: Final = "NOTIFY fails"
    #: The last NOTIFY has its final response, or gets none.
    DONE: Final = "last NOTIFY is over"

    # Of both.
    EXPIRED: Final = "expires"
    DIALOG_ENDED: Final = "dialog ends"


class Action:
    """What is done."""

    # By the subscriber.
    SUBSCRIBE: Final = "send SUBSCRIBE"
    REFRESH: Final = "send SUBSCRIBE in the dialog"
    UNSUBSCRIBE: Final = "send SUBSCRIBE with Expires 0"
    WAIT: Final = "wait for a connection"
    TELL_ACCEPTED: Final = "tell of the response"
    TELL_NOTIFY: Final = "tell of the NOTIFY"
    TELL_FAILED: Final = "tell of the failure"
    REFRESH_LATER: Final = "start the timer for the next refresh"
    RETRY_REFRESH: Final = "start the timer for the refresh, again"
    LEAVE: Final = "leave the dialog"
    RETRY_LATER: Final = "start the timer for the next attempt, if any"
    TELL_ENDED: Final = "have ended"

    # By the notifier.
    TELL_SUBSCRIBE: Final = "tell of the SUBSCRIBE"
    TELL_REFRESH: Final = "tell of the refresh"
    SEND_ACCEPTANCE: Final = "send 2xx"
    SEND_REFUSAL: Final = "send 300-699"
    NOTIFY: Final = "send NOTIFY"

    # By both.
    TELL_TERMINATED: Final = "tell of the termination"


S, E, A = State, Event, Action

#: What is done at the end of a subscription: before anybody is told, it is out of its dialog.
_OVER: Final = (A.LEAVE, A.RETRY_LATER, A.TELL_TERMINATED)


def _upThere(state: str) -> tuple[Arrow, ...]:
    """Give what C{pending} and C{active} have in common."""
    return (
        Arrow(state, E.NOTIFY_ACTIVE, (A.REFRESH_LATER, A.TELL_NOTIFY), S.ACTIVE),
        # Also from active: policy may change either way.
        Arrow(state, E.NOTIFY_PENDING, (A.REFRESH_LATER, A.TELL_NOTIFY), S.PENDING),
        Arrow(
            state,
            E.NOTIFY_TERMINATED,
            (A.LEAVE, A.RETRY_LATER, A.TELL_NOTIFY, A.TELL_TERMINATED),
            S.TERMINATED,
        ),
        Arrow(state, E.SUCCESS, (A.REFRESH_LATER, A.TELL_ACCEPTED), state),
        Arrow(state, E.BRIEF, (A.REFRESH,), state),
        Arrow(state, E.DUE, (A.REFRESH,), state),
        # + Its connection was lost: the notifier hears of the new one, and the state may be another.
        Arrow(state, E.REACHABLE, (A.REFRESH,), state),
        # Section 4.1.2.2: "If a SUBSCRIBE request to refresh a subscription receives a 404, 405, 410, 416,
        # 480-485, 489, 501, or 604 response, the subscriber MUST consider the subscription terminated."
        Arrow(state, E.GONE, (A.LEAVE, A.RETRY_LATER, A.TELL_FAILED, A.TELL_TERMINATED), S.TERMINATED),
        # "fails with any error code other than those listed above, the original subscription is still
        # considered valid for the duration of the most recently known "Expires" value".
        Arrow(state, E.REFRESH_FAILURE, (A.RETRY_REFRESH, A.TELL_FAILED), state),
        # "If this Timer N expires prior to the receipt of a NOTIFY request, the subscriber considers
        # the subscription terminated."
        Arrow(state, E.TIMER_N, _OVER, S.TERMINATED),
        Arrow(state, E.EXPIRED, _OVER, S.TERMINATED),
        Arrow(state, E.DIALOG_ENDED, _OVER, S.TERMINATED),
        Arrow(state, E.UNSUBSCRIBE, (A.UNSUBSCRIBE,), S.LEAVING),
    )


SUBSCRIBER: Final = Machine(
    "subscriber",
    "RFC 6665 section 4.1.2",
    (
        Arrow(S.INIT, E.REACHABLE, (A.SUBSCRIBE,), S.NOTIFY_WAIT),
        Arrow(S.INIT, E.UNSUBSCRIBE, (A.TELL_ENDED,), S.ENDED),
        # + The user agent is stopped, and there will be no connection.
        Arrow(S.INIT, E.NO_RETRY, (A.TELL_ENDED,), S.ENDED),
        Arrow(S.NOTIFY_WAIT, E.SUCCESS, (A.TELL_ACCEPTED,), S.NOTIFY_WAIT),
        Arrow(S.NOTIFY_WAIT, E.BRIEF, (A.SUBSCRIBE,), S.NOTIFY_WAIT),
        Arrow(
            S.NOTIFY_WAIT, E.FAILURE, (A.LEAVE, A.RETRY_LATER, A.TELL_FAILED, A.TELL_TERMINATED), S.TERMINATED
        ),
        # "If this Timer N expires prior to the receipt of a NOTIFY request, the subscriber considers the
        # subscription failed, and cleans up any state associated with the subscription attempt."
        Arrow(S.NOTIFY_WAIT, E.TIMER_N, _OVER, S.TERMINATED),
        Arrow(S.NOTIFY_WAIT, E.NOTIFY_ACTIVE, (A.REFRESH_LATER, A.TELL_NOTIFY), S.ACTIVE),
        Arrow(S.NOTIFY_WAIT, E.NOTIFY_PENDING, (A.REFRESH_LATER, A.TELL_NOTIFY), S.PENDING),
        Arrow(
            S.NOTIFY_WAIT,
            E.NOTIFY_TERMINATED,
            (A.LEAVE, A.RETRY_LATER, A.TELL_NOTIFY, A.TELL_TERMINATED),
            S.TERMINATED,
        ),
        # + That of a REFER is in a dialog from the beginning (RFC 3515).
        Arrow(S.NOTIFY_WAIT, E.DIALOG_ENDED, _OVER, S.TERMINATED),
        # + There is no dialog to unsubscribe in.  A NOTIFY that comes is refused with 481, upon which
        # "the notifier MUST remove the corresponding subscription" (section 4.2.2).
        Arrow(S.NOTIFY_WAIT, E.UNSUBSCRIBE, (A.LEAVE, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED),
        *_upThere(S.PENDING),
        *_upThere(S.ACTIVE),
        # + Section 4.1.2.3: "a successful unsubscription will also trigger a final NOTIFY request."
        Arrow(S.LEAVING, E.NOTIFY_ACTIVE, (A.TELL_NOTIFY,), S.LEAVING),
        Arrow(S.LEAVING, E.NOTIFY_PENDING, (A.TELL_NOTIFY,), S.LEAVING),
        Arrow(
            S.LEAVING, E.NOTIFY_TERMINATED, (A.LEAVE, A.TELL_NOTIFY, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED
        ),
        Arrow(S.LEAVING, E.SUCCESS, (A.TELL_ACCEPTED,), S.LEAVING),
        Arrow(S.LEAVING, E.GONE, (A.LEAVE, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED),
        Arrow(S.LEAVING, E.REFRESH_FAILURE, (A.LEAVE, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED),
        Arrow(S.LEAVING, E.TIMER_N, (A.LEAVE, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED),
        Arrow(S.LEAVING, E.DIALOG_ENDED, (A.LEAVE, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED),
        # + The user agent is being stopped, and takes no requests any more; or a 204 says that none comes.
        Arrow(S.LEAVING, E.NO_RETRY, (A.LEAVE, A.TELL_TERMINATED, A.TELL_ENDED), S.ENDED),
        # "Retry-after expires".
        Arrow(S.TERMINATED, E.RETRY, (A.WAIT,), S.INIT),
        Arrow(S.TERMINATED, E.NO_RETRY, (A.TELL_ENDED,), S.ENDED),
        Arrow(S.TERMINATED, E.UNSUBSCRIBE, (A.TELL_ENDED,), S.ENDED),
    ),
)


def _held(state: str) -> tuple[Arrow, ...]:
    """Give what C{pending} and C{active} of the notifier have in common."""
    return (
        Arrow(state, E.NOTIFY, (A.NOTIFY,), state),
        # Section 4.2.1.2: "Upon successfully accepting or refreshing a subscription, notifiers MUST send a
        # NOTIFY request immediately to communicate the current resource state".
        Arrow(state, E.REFRESH, (A.SEND_ACCEPTANCE, A.NOTIFY, A.TELL_REFRESH), state),
        Arrow(state, E.FETCH, (A.SEND_ACCEPTANCE, A.NOTIFY, A.TELL_TERMINATED), S.TERMINATED),
        Arrow(state, E.EXPIRED, (A.NOTIFY, A.TELL_TERMINATED), S.TERMINATED),
        Arrow(state, E.TERMINATE, (A.NOTIFY, A.TELL_TERMINATED), S.TERMINATED),
        Arrow(state, E.NOTIFY_FAILURE, (A.LEAVE, A.TELL_TERMINATED), S.ENDED),
        Arrow(state, E.DIALOG_ENDED, (A.LEAVE, A.TELL_TERMINATED), S.ENDED),
    )


NOTIFIER: Final = Machine(
    "notifier",
    "RFC 6665 section 4.2.2",
    (
        # The figure sends the NOTIFY here; it takes the 2xx for it, which the application gives.
        Arrow(S.INIT, E.SUBSCRIBE, (A.TELL_SUBSCRIBE,), S.RESP_WAIT),
        Arrow(S.RESP_WAIT, E.ACCEPT, (A.SEND_ACCEPTANCE, A.NOTIFY), S.ACTIVE),
        Arrow(S.RESP_WAIT, E.PEND, (A.SEND_ACCEPTANCE, A.NOTIFY), S.PENDING),
        Arrow(S.RESP_WAIT, E.REJECT, (A.SEND_REFUSAL, A.LEAVE), S.ENDED),
        # Section 4.4.3: a SUBSCRIBE with Expires 0 outside of dialogs asks for the state, once.
        Arrow(S.RESP_WAIT, E.FETCH, (A.SEND_ACCEPTANCE, A.NOTIFY), S.TERMINATED),
        # + Nobody has answered it in time, or nobody can any more.
        Arrow(S.RESP_WAIT, E.DIALOG_ENDED, (A.LEAVE, A.TELL_TERMINATED), S.ENDED),
        Arrow(S.PENDING, E.ACCEPT, (A.NOTIFY,), S.ACTIVE),
        *_held(S.PENDING),
        *_held(S.ACTIVE),
        # + Section 4.4.1: "the subscription is not considered terminated until the NOTIFY transaction
        # with a "Subscription-State" of "terminated" completes."
        Arrow(S.TERMINATED, E.DONE, (A.LEAVE,), S.ENDED),
    ),
)
