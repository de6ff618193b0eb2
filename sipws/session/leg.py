"""
L{Leg}: one dialog of a session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.session.declining import declining
from sipws.session.offeranswer import Event, Negotiation, State
from sipws.session.values import Description

if TYPE_CHECKING:
    from sipws.dialog import Dialog

__all__ = ["Leg"]


class Leg:
    """
    One dialog of a session, with what is negotiated in it.

    An INVITE that forks has one for each of those that answer it provisionally;
    the session goes on in the one that accepts it first.

    @ivar dialog: The dialog.
    @ivar negotiation: Its offers and answers.
    @ivar local: Our last description; C{None}: there is none.
    @ivar remote: The peer's last description; C{None}: there is none.
    @ivar isPreviewed: Whether that came in an unreliable provisional response
        alone, so that our offer still waits for its answer.
    """

    __slots__ = ("_agreed", "dialog", "isPreviewed", "local", "negotiation", "remote")

    def __init__(self, dialog: Dialog, negotiation: Negotiation) -> None:
        self.dialog = dialog
        self.negotiation = negotiation
        self.local: Description | None = None
        self.remote: Description | None = None
        self.isPreviewed = False
        self._agreed: tuple[Description | None, Description | None] = (None, None)

    @property
    def isFree(self) -> bool:
        """Whether no offer waits for its answer."""
        return self.negotiation.state in (State.NONE, State.AGREED)

    @property
    def awaitsFirstAnswer(self) -> bool:
        """Whether our first offer waits for its answer: a later one is in a request of its own."""
        return self.negotiation.state == State.OFFERED and not self.negotiation.hasAgreed

    def send(self, description: Description) -> str:
        """
        Take note of a description of ours that is to leave.

        @return: Whether it is an offer or an answer, as of L{Negotiation.send}.
        @raise WrongMoment: None may leave now.
        """
        event = self.negotiation.send()
        self.local = description
        self._note()
        return event

    def receive(self, description: Description) -> str:
        """
        Take note of a description of the peer's.

        @return: Whether it is an offer or an answer, as of L{Negotiation.receive}.
        @raise WrongMoment: None may come now.
        """
        event = self.negotiation.receive()
        self.remote = description
        self.isPreviewed = False
        self._note()
        return event

    def preview(self, description: Description) -> None:
        """Take note of what may be the answer, as it is in a response that is not reliable."""
        # RFC 3261 section 13.2.1: "The UAC MUST treat the first session description it receives as
        # the answer, and MUST ignore any session descriptions in subsequent responses".
        if self.awaitsFirstAnswer and not self.isPreviewed:
            self.remote = description
            self.isPreviewed = True

    def settle(self) -> None:
        """Take what was previewed for the answer: the 2xx has none."""
        if self.isPreviewed:
            self.negotiation.follow(Event.RECEIVE_ANSWER)
            self.isPreviewed = False
            self._note()

    def decline(self) -> Description | None:
        """
        Answer the peer's offer, if one is open, with what takes nothing of it.

        @return: That; C{None}: there is no offer, or it cannot be read, and came to nothing.
        """
        if self.negotiation.state != State.ASKED or self.remote is None:
            return None
        answer = declining(self.remote)
        if answer is None:
            self.withdraw()
        else:
            self.send(answer)
        return answer

    def withdraw(self) -> None:
        """Take note that the offer that is open, if one is, came to nothing: what was agreed on holds."""
        if not self.isFree:
            self.negotiation.withdraw()
            self.local, self.remote = self._agreed

    def _note(self) -> None:
        if self.negotiation.state == State.AGREED:
            self._agreed = (self.local, self.remote)
