"""
The state machine of a dialog, as a table: RFC 3261 section 12, with what RFC
5057 says of usages.

One row is one arrow; what has no row is ignored, on purpose.
"""

from __future__ import annotations

from typing import Final

from sipws.arrows import Arrow, byCause

__all__ = ["ARROWS", "DIALOG", "Action", "Arrow", "Event", "State"]


class State:
    """The states."""

    INITIAL: Final = "initial"
    EARLY: Final = "early"
    CONFIRMED: Final = "confirmed"
    TERMINATED: Final = "terminated"


class Event:
    """What happens to a dialog."""

    #: Responses to the request that makes it, received or sent.
    PROVISIONAL: Final = "101-199 with a To tag"
    SUCCESS: Final = "2xx"
    FAILURE: Final = "300-699"
    #: The last of its usages ended.
    UNUSED: Final = "last usage ends"
    #: A response within it after which no usage can go on (RFC 5057 section 5.1).
    DESTROYED: Final = "response that destroys dialogs"
    #: Its user gives it up, with all usages.
    END: Final = "end"


class Action:
    """What a dialog does."""

    ADOPT: Final = "take route set and remote target"
    TELL: Final = "leave the table of dialogs"


S, E, A = State, Event, Action

DIALOG: Final = (
    # Section 12: "A dialog can also be in the "early" state, which occurs when it is created
    # with a provisional response, and then transition to the "confirmed" state when a 2xx
    # final response arrives."
    Arrow(S.INITIAL, E.PROVISIONAL, (A.ADOPT,), S.EARLY),
    Arrow(S.INITIAL, E.SUCCESS, (A.ADOPT,), S.CONFIRMED),
    # Further provisional responses change nothing but a remote target that is not known yet.
    Arrow(S.EARLY, E.PROVISIONAL, (), S.EARLY),
    # Section 13.2.2.4: "the dialog MUST be transitioned to the "confirmed" state, and the
    # route set for the dialog MUST be recomputed based on the 2xx response".
    Arrow(S.EARLY, E.SUCCESS, (A.ADOPT,), S.CONFIRMED),
    # Section 12.3: "if a request outside of a dialog generates a non-2xx final response, any
    # early dialogs created through provisional responses to that request are terminated."
    # A confirmed one stays: forking may bring a failure after a 2xx.
    Arrow(S.EARLY, E.FAILURE, (A.TELL,), S.TERMINATED),
    # RFC 5057 section 3: a dialog lives as long as any of its usages.
    Arrow(S.EARLY, E.UNUSED, (A.TELL,), S.TERMINATED),
    Arrow(S.CONFIRMED, E.UNUSED, (A.TELL,), S.TERMINATED),
    Arrow(S.EARLY, E.DESTROYED, (A.TELL,), S.TERMINATED),
    Arrow(S.CONFIRMED, E.DESTROYED, (A.TELL,), S.TERMINATED),
    Arrow(S.EARLY, E.END, (A.TELL,), S.TERMINATED),
    Arrow(S.CONFIRMED, E.END, (A.TELL,), S.TERMINATED),
)

#: The rows by what leads to them.
ARROWS: Final = byCause(DIALOG)
