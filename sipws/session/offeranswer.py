"""
Offer and answer (RFC 3264, RFC 6337): who may send a session description when.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sipws.errors import WrongMoment

__all__ = ["ARROWS", "OFFER_ANSWER", "Arrow", "Event", "Negotiation", "State"]


class State:
    """The states of one negotiation, which is that of a dialog."""

    #: Nothing was offered yet.
    NONE: Final = "nothing offered"
    #: Our offer waits for its answer.
    OFFERED: Final = "our offer is not answered"
    #: The peer's offer waits for our answer.
    ASKED: Final = "the peer's offer is not answered"
    #: The last offer is answered.
    AGREED: Final = "agreed"


class Event:
    """What happens to it."""

    SEND_OFFER: Final = "we offer"
    RECEIVE_OFFER: Final = "the peer offers"
    SEND_ANSWER: Final = "we answer"
    RECEIVE_ANSWER: Final = "the peer answers"
    #: The request with the offer was refused, or came to nothing.
    WITHDRAW: Final = "the offer is refused"
    #: The same, where nothing had been agreed on before.
    WITHDRAW_FIRST: Final = "the first offer is refused"


class Arrow(NamedTuple):
    """One row of the table: the state that it leads from, on what, and the state that it leads to."""

    state: str
    event: str
    target: str


S, E = State, Event

OFFER_ANSWER: Final = (
    # RFC 3264 section 4: "At any time, either agent MAY generate a new offer that updates the session.
    # However, it MUST NOT generate a new offer if it has received an offer which it has not yet answered
    # or rejected.  Furthermore, it MUST NOT generate a new offer if it has generated a prior offer for
    # which it has not yet received an answer or a rejection."
    Arrow(S.NONE, E.SEND_OFFER, S.OFFERED),
    Arrow(S.NONE, E.RECEIVE_OFFER, S.ASKED),
    Arrow(S.AGREED, E.SEND_OFFER, S.OFFERED),
    Arrow(S.AGREED, E.RECEIVE_OFFER, S.ASKED),
    Arrow(S.OFFERED, E.RECEIVE_ANSWER, S.AGREED),
    Arrow(S.ASKED, E.SEND_ANSWER, S.AGREED),
    # RFC 6337 section 3.4: "the session parameters in effect prior to a re-INVITE remain unchanged if the
    # re-INVITE fails, as if no re-INVITE had been issued."
    Arrow(S.OFFERED, E.WITHDRAW, S.AGREED),
    Arrow(S.ASKED, E.WITHDRAW, S.AGREED),
    Arrow(S.OFFERED, E.WITHDRAW_FIRST, S.NONE),
    Arrow(S.ASKED, E.WITHDRAW_FIRST, S.NONE),
)

#: The rows by what leads to them.
ARROWS: Final = {(arrow.state, arrow.event): arrow.target for arrow in OFFER_ANSWER}


class Negotiation:
    """
    The offers and answers of one dialog.

    @ivar state: How it stands: one of L{State}.
    @ivar hasAgreed: Whether an offer has had its answer: from then on none that is open is that of
        the INVITE that makes the dialog.
    """

    __slots__ = ("hasAgreed", "state")

    def __init__(self, state: str = State.NONE) -> None:
        self.state = state
        self.hasAgreed = False

    @property
    def wantsOurs(self) -> bool:
        """Whether the next description of the INVITE that makes the dialog is ours: offer or answer."""
        return not self.hasAgreed and self.state in (State.NONE, State.ASKED)

    def can(self, event: str) -> bool:
        """Say whether something may happen now."""
        return (self.state, event) in ARROWS

    def follow(self, event: str) -> None:
        """
        Take note of what happens.

        @raise WrongMoment: It must not happen now.
        """
        target = ARROWS.get((self.state, event))
        if target is None:
            raise WrongMoment(event, self.state)
        self.state = target
        self.hasAgreed = self.hasAgreed or target == State.AGREED

    def withdraw(self) -> None:
        """Take note that the offer that is open, if one is, came to nothing."""
        event = Event.WITHDRAW if self.hasAgreed else Event.WITHDRAW_FIRST
        if self.can(event):
            self.follow(event)

    def send(self) -> str:
        """
        Take note that we send a description: an answer where one is due, else an offer.

        @return: Which: C{Event.SEND_OFFER} or C{Event.SEND_ANSWER}.
        @raise WrongMoment: Neither may be sent now.
        """
        event = Event.SEND_ANSWER if self.state == State.ASKED else Event.SEND_OFFER
        self.follow(event)
        return event

    def receive(self) -> str:
        """
        Take note that the peer has sent a description.

        @return: Which: C{Event.RECEIVE_OFFER} or C{Event.RECEIVE_ANSWER}.
        @raise WrongMoment: Neither may come now.
        """
        event = Event.RECEIVE_ANSWER if self.state == State.OFFERED else Event.RECEIVE_OFFER
        self.follow(event)
        return event
