"""
The state machine of a registration (RFC 3261 section 10.2), as a table.

L{TABLE} is all there is to know of the order of things; a pair that it does
not list is ignored.  The actions that it names are methods of
L{sipws.ua.registration.Registration}.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["TABLE", "Event", "State"]


class State(Enum):
    """Where a registration stands."""

    IDLE = "nothing is asked for, or there is no connection"
    REGISTERING = "a REGISTER is out"
    REGISTERED = "the binding is good, and will be refreshed"
    WAITING = "a REGISTER came to nothing, and will be tried again"
    WITHDRAWING = "a REGISTER is out, and the binding is to go as soon as it is answered"
    UNREGISTERING = "a REGISTER that removes the binding is out"
    RESTORING = "such a REGISTER is out, and the binding is to be made anew when it is answered"
    MOVING = "a REGISTER is out on a new connection, which the binding is to be that of"


class Event(Enum):
    """What happens to a registration."""

    WANTED = "there is a connection, or the user asks"
    UNWANTED = "the user asks for its end"
    ACCEPTED = "a 2xx that lists our binding, or the end of it where that was asked for"
    BRIEF = "a 423 that asks for a longer time, once"
    REFUSED = "any other final response, none in time, or one that makes no sense"
    DUE = "the time to refresh, or to try again"
    EXPIRED = "the time that the binding was granted for is over"
    LOST = "the connection is gone"
    LEFT = "the connection is gone, but not the new one that a REGISTER is out on"
    MOVE = "there is a new connection, to take the place of the one that there is"


#: What happens when, and where that leads: (state, event) -> (actions, next state).
TABLE: dict[tuple[State, Event], tuple[tuple[str, ...], State]] = {
    (State.IDLE, Event.WANTED): (("send",), State.REGISTERING),
    (State.IDLE, Event.UNWANTED): (("settle",), State.IDLE),
    (State.REGISTERING, Event.ACCEPTED): (("keep", "announce"), State.REGISTERED),
    (State.REGISTERING, Event.BRIEF): (("send",), State.REGISTERING),
    (State.REGISTERING, Event.REFUSED): (("retry", "announceFailure"), State.WAITING),
    (State.REGISTERING, Event.EXPIRED): (("announceEnd",), State.REGISTERING),
    (State.REGISTERING, Event.LOST): (("abandon", "announceEnd"), State.IDLE),
    # RFC 3261 section 10.2: "UAs MUST NOT send a new registration [...] until they have
    # received a final response from the registrar for the previous one or the previous
    # REGISTER request has timed out."
    (State.REGISTERING, Event.UNWANTED): ((), State.WITHDRAWING),
    (State.REGISTERED, Event.WANTED): (("send",), State.REGISTERING),
    (State.REGISTERED, Event.DUE): (("send",), State.REGISTERING),
    # Granted for less than the least time between two refreshes: the next one stays where it is.
    (State.REGISTERED, Event.EXPIRED): (("announceEnd",), State.WAITING),
    (State.REGISTERED, Event.LOST): (("abandon", "announceEnd"), State.IDLE),
    (State.REGISTERED, Event.UNWANTED): (("remove",), State.UNREGISTERING),
    (State.WAITING, Event.WANTED): (("send",), State.REGISTERING),
    (State.WAITING, Event.DUE): (("send",), State.REGISTERING),
    (State.WAITING, Event.EXPIRED): (("announceEnd",), State.WAITING),
    (State.WAITING, Event.LOST): (("abandon", "announceEnd"), State.IDLE),
    # The binding may be there all the same: a refresh may have been refused, or an answer lost.
    (State.WAITING, Event.UNWANTED): (("remove",), State.UNREGISTERING),
    (State.WITHDRAWING, Event.ACCEPTED): (("remove",), State.UNREGISTERING),
    (State.WITHDRAWING, Event.BRIEF): (("remove",), State.UNREGISTERING),
    (State.WITHDRAWING, Event.REFUSED): (("remove",), State.UNREGISTERING),
    (State.WITHDRAWING, Event.EXPIRED): (("announceEnd",), State.WITHDRAWING),
    (State.WITHDRAWING, Event.LOST): (("abandon", "announceEnd", "settle"), State.IDLE),
    (State.WITHDRAWING, Event.WANTED): (("settle",), State.REGISTERING),
    (State.UNREGISTERING, Event.ACCEPTED): (("abandon", "announceEnd", "settle"), State.IDLE),
    (State.UNREGISTERING, Event.BRIEF): (("abandon", "announceEnd", "settle"), State.IDLE),
    (State.UNREGISTERING, Event.REFUSED): (("abandon", "announceEnd", "settle"), State.IDLE),
    (State.UNREGISTERING, Event.EXPIRED): (("announceEnd",), State.UNREGISTERING),
    (State.UNREGISTERING, Event.LOST): (("abandon", "announceEnd", "settle"), State.IDLE),
    (State.UNREGISTERING, Event.WANTED): ((), State.RESTORING),
    (State.RESTORING, Event.ACCEPTED): (("announceEnd", "settle", "send"), State.REGISTERING),
    (State.RESTORING, Event.BRIEF): (("announceEnd", "settle", "send"), State.REGISTERING),
    (State.RESTORING, Event.REFUSED): (("announceEnd", "settle", "send"), State.REGISTERING),
    (State.RESTORING, Event.EXPIRED): (("announceEnd",), State.RESTORING),
    (State.RESTORING, Event.LOST): (("abandon", "announceEnd", "settle"), State.IDLE),
    (State.RESTORING, Event.UNWANTED): ((), State.UNREGISTERING),
    (State.REGISTERED, Event.MOVE): (("send",), State.MOVING),
    (State.MOVING, Event.ACCEPTED): (("keep", "arrive", "announce"), State.REGISTERED),
    (State.MOVING, Event.BRIEF): (("send",), State.MOVING),
    # The registrar may have heard of the new connection all the same: the old one is told of anew.
    (State.MOVING, Event.REFUSED): (("stay", "send"), State.REGISTERING),
    (State.MOVING, Event.EXPIRED): (("announceEnd",), State.MOVING),
    (State.MOVING, Event.LOST): (("abandon", "announceEnd", "stay"), State.IDLE),
    # The one that is out counts, as of RFC 3261 section 10.2 above: another would be a second.
    (State.MOVING, Event.LEFT): (("announceEnd", "forget"), State.REGISTERING),
    (State.MOVING, Event.UNWANTED): (("stay",), State.WITHDRAWING),
}
