"""
What a final response within a dialog ends (RFC 5057 section 5.1, tables 1 and 2).
"""

from __future__ import annotations

from enum import Enum

__all__ = ["DESTROYS_DIALOG", "DESTROYS_USAGE", "Effect", "effectOf"]


class Effect(Enum):
    """What ends."""

    #: The transaction, as always, and nothing beside it.
    TRANSACTION = "transaction"
    #: The usage that the request was of.
    USAGE = "usage"
    #: The dialog with all its usages.
    DIALOG = "dialog"


#: 408 is here although table 1 has it among those that end the transaction alone: "Receiving a 408 will
#: have the same effect on usages and dialogs as a real transaction timeout", and that "should affect only
#: the usage in which the transaction occurred" (section 5.2).
DESTROYS_USAGE = frozenset({405, 408, 480, 481, 489, 501})

DESTROYS_DIALOG = frozenset({404, 410, 416, 482, 483, 484, 485, 502, 604})


def effectOf(statusCode: int, method: str) -> Effect:
    """
    Say what a final response ends.

    @param statusCode: Its status code.
    @param method: The method of the request.
    """
    # "A 481 response to a CANCEL affects only the CANCEL transaction."
    if method == "CANCEL":
        return Effect.TRANSACTION
    # "This response is only valid in the context of SUBSCRIBE and NOTIFY", elsewhere "an unknown 4xx".
    if statusCode == 489 and method not in ("SUBSCRIBE", "NOTIFY"):
        return Effect.TRANSACTION
    # "If the request was not integral to the usage (it used an unknown method, or was an INFO inside an
    # INVITE usage, for example), only the transaction will be affected."
    if statusCode in (405, 501) and method not in ("INVITE", "BYE", "SUBSCRIBE", "NOTIFY"):
        return Effect.TRANSACTION
    if statusCode in DESTROYS_DIALOG:
        return Effect.DIALOG
    return Effect.USAGE if statusCode in DESTROYS_USAGE else Effect.TRANSACTION
