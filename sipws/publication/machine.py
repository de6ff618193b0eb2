"""
The state machine of a publication (RFC 3903), as a table.

One row is one arrow; what has no row is ignored, on purpose.  The RFC draws no
figure: each row says where it comes from, or is plain.
"""

from __future__ import annotations

from typing import Final

from sipws.arrows import Arrow, byCause

__all__ = ["ARROWS", "PUBLICATION", "Action", "Arrow", "Event", "State"]


class State:
    """The states."""

    #: It has not been published yet, and may wait for a connection.
    INIT: Final = "init"
    #: A PUBLISH is out.
    PUBLISHING: Final = "publishing"
    #: The server has it, as far as is known.
    PUBLISHED: Final = "published"
    #: A PUBLISH came to nothing, and is tried again.
    WAITING: Final = "waiting"
    #: It is to be removed as soon as the PUBLISH that is out is answered.
    LEAVING: Final = "leaving"
    #: The PUBLISH that removes it is out.
    REMOVING: Final = "removing"
    ENDED: Final = "ended"


class Event:
    """What happens to a publication."""

    #: There is a connection.
    REACHABLE: Final = "reachable"
    #: The user has new state.
    UPDATE: Final = "update"
    #: The user asks for its end.
    REMOVE: Final = "remove"
    SUCCESS: Final = "2xx"
    #: As above, while there is newer state.
    OUTDATED: Final = "2xx, newer state waits"
    #: The server does not know the entity-tag.
    UNKNOWN: Final = "412"
    #: Once, with a longer time than was asked for.
    BRIEF: Final = "423"
    #: No response, or one after which trying again may be of use.
    FAILURE: Final = "no response, 5xx, other temporary failure"
    REFUSAL: Final = "other 300-699"
    #: The time to refresh, or to try again.
    DUE: Final = "timer"
    #: The user agent is stopped, while this waits for a connection.
    LOST: Final = "stopped"


class Action:
    """What a publication does."""

    SEND: Final = "send PUBLISH"
    SEND_REMOVAL: Final = "send PUBLISH with Expires 0"
    KEEP: Final = "keep the entity-tag"
    FORGET: Final = "forget the entity-tag"
    REFRESH_LATER: Final = "start the timer for the refresh"
    RETRY_LATER: Final = "start the timer for the next attempt"
    TELL_PUBLISHED: Final = "tell of it"
    TELL_FAILED: Final = "tell of the failure"
    TELL_ENDED: Final = "tell of the end"


S, E, A = State, Event, Action

PUBLICATION: Final = (
    Arrow(S.INIT, E.REACHABLE, (A.SEND,), S.PUBLISHING),
    Arrow(S.INIT, E.REMOVE, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.INIT, E.LOST, (A.TELL_ENDED,), S.ENDED),
    # Section 4.3: "The EPA MUST store this entity-tag, replacing any existing entity-tag".
    Arrow(S.PUBLISHING, E.SUCCESS, (A.KEEP, A.REFRESH_LATER, A.TELL_PUBLISHED), S.PUBLISHED),
    # Section 4: "EPAs MUST NOT send a new PUBLISH request [...] for the same Request-URI, until they have
    # received a final response from the ESC for the previous one or the previous PUBLISH request has
    # timed out."  What is new meanwhile goes out now.
    Arrow(S.PUBLISHING, E.OUTDATED, (A.KEEP, A.SEND), S.PUBLISHING),
    # Section 5: "to publish event state, the EPA SHOULD perform an initial publication [...].  The EPA
    # MUST also discard the entity-tag that produced this error response."
    Arrow(S.PUBLISHING, E.UNKNOWN, (A.FORGET, A.SEND), S.PUBLISHING),
    # Section 5: "it MAY retry the publication after changing the expiration interval".
    Arrow(S.PUBLISHING, E.BRIEF, (A.SEND,), S.PUBLISHING),
    Arrow(S.PUBLISHING, E.FAILURE, (A.RETRY_LATER, A.TELL_FAILED), S.WAITING),
    Arrow(S.PUBLISHING, E.REFUSAL, (A.TELL_FAILED, A.TELL_ENDED), S.ENDED),
    Arrow(S.PUBLISHING, E.REMOVE, (), S.LEAVING),
    Arrow(S.PUBLISHED, E.UPDATE, (A.SEND,), S.PUBLISHING),
    Arrow(S.PUBLISHED, E.DUE, (A.SEND,), S.PUBLISHING),
    Arrow(S.PUBLISHED, E.REMOVE, (A.SEND_REMOVAL,), S.REMOVING),
    Arrow(S.PUBLISHED, E.LOST, (A.TELL_ENDED,), S.ENDED),
    # An update does not make it sooner: the server asked to be left alone, or is not there.
    Arrow(S.WAITING, E.DUE, (A.SEND,), S.PUBLISHING),
    Arrow(S.WAITING, E.REMOVE, (A.SEND_REMOVAL,), S.REMOVING),
    Arrow(S.WAITING, E.LOST, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.LEAVING, E.SUCCESS, (A.KEEP, A.SEND_REMOVAL), S.REMOVING),
    Arrow(S.LEAVING, E.OUTDATED, (A.KEEP, A.SEND_REMOVAL), S.REMOVING),
    Arrow(S.LEAVING, E.UNKNOWN, (A.TELL_ENDED,), S.ENDED),
    # What was published before may be there still.
    Arrow(S.LEAVING, E.BRIEF, (A.SEND_REMOVAL,), S.REMOVING),
    Arrow(S.LEAVING, E.REFUSAL, (A.SEND_REMOVAL,), S.REMOVING),
    # Whoever has no answer to this has none to the next.
    Arrow(S.LEAVING, E.FAILURE, (A.TELL_ENDED,), S.ENDED),
    # Whatever the answer: it runs out by itself at the latest.
    Arrow(S.REMOVING, E.SUCCESS, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.REMOVING, E.OUTDATED, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.REMOVING, E.BRIEF, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.REMOVING, E.UNKNOWN, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.REMOVING, E.FAILURE, (A.TELL_ENDED,), S.ENDED),
    Arrow(S.REMOVING, E.REFUSAL, (A.TELL_ENDED,), S.ENDED),
)

#: The rows by what leads to them.
ARROWS: Final = byCause(PUBLICATION)
