"""
L{Holding}: hold and resume (RFC 3264 section 8.4, RFC 6337 section 5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from sipws.errors import WrongMoment
from sipws.session.core import SessionCore
from sipws.session.holding import (
    answering,
    directions,
    heldDirections,
    isHeld,
    isSDP,
    newer,
    withDirections,
)
from sipws.session.machine import State
from sipws.session.values import Description

if TYPE_CHECKING:
    from sipws.message import IncomingRequest, IncomingResponse
    from sipws.session.leg import Leg
    from sipws.session.offers import Offer

__all__ = ["Holding"]


class Holding(SessionCore):
    """
    The part of a session that holds the peer, and is held.

    @ivar isOnHold: Whether we hold the peer: wants nothing from it.
    @ivar isHeld: Whether the peer holds us.
    """

    isOnHold = False
    isHeld = False

    #: What our streams would do if nobody held anybody.
    _directions: list[str] | None = None

    def hold(self) -> Deferred[IncomingResponse]:
        """
        Put the peer on hold, with a re-INVITE.

        Of an SDP the directions are changed; of another description, the
        handler makes an offer, to which C{session.isOnHold} says what is wanted.

        @return: As of C{reinvite}.
        """
        return self._change(isOnHold=True)

    def resume(self) -> Deferred[IncomingResponse]:
        """
        Go on.

        @return: As of C{reinvite}.
        """
        return self._change(isOnHold=False)

    def _change(self, *, isOnHold: bool) -> Deferred[IncomingResponse]:
        local, before = self.localDescription, self.isOnHold
        if local is not None and isSDP(local):
            offer: Description | None = Description(self._redirected(local.body, isOnHold), local.contentType)
        elif self.handler is not None:
            offer = None
        else:
            return fail(WrongMoment("to hold or resume", "there is no SDP of ours, and no handler"))
        self.isOnHold = isOnHold
        sent = self.modification.send("INVITE", offer, ())

        def failed(failure: Failure) -> Failure:
            self.isOnHold = before
            return failure

        return sent.addCallbacks(self._changed, failed, callbackArgs=(before,))

    def _changed(self, response: IncomingResponse, before: bool) -> IncomingResponse:
        if response.statusCode >= 300:
            self.isOnHold = before
        elif self.isOnHold != before and self.state != State.TERMINATED:
            self.emit("hold" if self.isOnHold else "resume", "local")
        return response

    def _redirected(self, body: bytes, isOnHold: bool) -> bytes:
        wanted = self._wanted(body)
        return withDirections(body, heldDirections(wanted) if isOnHold else wanted)

    def _wanted(self, body: bytes) -> list[str]:
        if self._directions is None:
            self._directions = directions(body)
        return self._directions

    def forgetDirections(self) -> None:
        """A description of our user's own is to leave: it says what it wants."""
        self._directions = None

    def offerAgain(self, offer: Description | None) -> Description | None:
        """See L{SessionCore}."""
        local = self.localDescription
        # What a user has made is the user's own.
        if self._directions is None or offer is None or local is None:
            return offer
        return Description(newer(offer.body, local.body), offer.contentType)

    # The peer.

    def answerAsItIs(self, offer: Offer, local: Description) -> None:
        """Answer an offer that nobody listens for, with what we have: a hold of the peer's, as a rule."""
        remote = offer.description
        if remote is not None and isSDP(remote) and isSDP(local):
            wanted = self._wanted(local.body)
            would = heldDirections(wanted) if self.isOnHold else wanted
            local = Description(answering(local.body, remote.body, would), local.contentType)
        super().answerAsItIs(offer, local)

    def refreshed(self, request: IncomingRequest) -> list[tuple[str, object]]:
        """See L{SessionCore}."""
        self._noteHold()
        return super().refreshed(request)

    def took(self, leg: Leg) -> None:
        """See L{SessionCore}."""
        super().took(leg)
        # What answers our hold says nothing of what the peer would do by itself.
        if leg is self.leg and not self.isOnHold:
            self._noteHold()

    def _noteHold(self) -> None:
        remote = None if self.leg is None else self.leg.remote
        held = remote is not None and isSDP(remote) and isHeld(remote.body)
        if held != self.isHeld:
            self.isHeld = held
            self.emit("hold" if held else "resume", "remote")
