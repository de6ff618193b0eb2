"""
L{Modification}: changing a session that is there, with re-INVITE (RFC 3261
section 14) and UPDATE (RFC 3311).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, fail

from sipws.errors import WrongMoment
from sipws.session.asked import Asked
from sipws.session.changes import Change
from sipws.session.machine import State
from sipws.session.offeranswer import Event as OfferEvent
from sipws.session.offeranswer import State as OfferState
from sipws.session.offers import Offer
from sipws.session.refresher import refuseTimer
from sipws.session.repeating import Repeating
from sipws.session.tags import withSupported
from sipws.session.values import Cause, Description, Termination, descriptionOf

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipws.errors import SIPError
    from sipws.message import IncomingRequest, IncomingResponse
    from sipws.session.core import Headers, SessionCore
    from sipws.session.leg import Leg

__all__ = ["Modification"]

#: A response to an offer that came while another waits for its answer asks to come again in 0 to 10 seconds.
_LONGEST_RETRY = 10

#: The states in which there is a session, or will be when an ACK is there.
_THERE = (State.ACCEPTED, State.CONFIRMED)


class Modification:
    """
    What changes one session.

    At most one re-INVITE of each side is under way at a time, and at most one offer.
    """

    __slots__ = ("_awaited", "_changes", "_describing", "_incoming", "_repeating", "_session", "_update")

    def __init__(self, session: SessionCore) -> None:
        self._session = session
        # Ours, by method; the peer's re-INVITE that has no final response; the 2xx to
        # one that has no ACK, with its number, and whether the ACK is to have an answer.
        self._changes: dict[str, Change] = {}
        # What the handler has been asked for, to go into one of ours.
        self._describing: list[Deferred[Any]] = []
        self._incoming: tuple[IncomingRequest, Offer] | None = None
        self._repeating: Repeating | None = None
        self._awaited: tuple[int, bool] = (0, False)
        # The peer's UPDATE that has no final response.
        self._update: Asked | None = None

    def stop(self) -> None:
        """The session is over, or about to be: no timer is left, and the peer's requests are answered."""
        if self._repeating is not None:
            self._repeating.stop()
        for change in list(self._changes.values()):
            change.stop()
        for made in list(self._describing):
            made.cancel()
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            # RFC 3261 section 15.1.2: a 487 for "pending requests received for that dialog".
            incoming[1].withdraw()
            self._session.usages.respond(incoming[0], 487)
        update, self._update = self._update, None
        if update is not None:
            update.giveUp()

    def abandon(self) -> None:
        """The dialog is gone: a re-INVITE that the peer never answers is not to wait for ever."""
        for change in list(self._changes.values()):
            change.abandon()

    def connectionLost(self) -> None:
        """Wait no longer for what would have come, or have left, on a connection that is gone."""
        self._stopRepeating()
        if self._update is not None:
            self._update.answered.cancel()

    # Ours.

    def send(
        self, method: str, description: Description | None, headers: Headers
    ) -> Deferred[IncomingResponse]:
        """
        Send a re-INVITE or an UPDATE.

        @return: A Deferred of its final response.
        """
        session = self._session
        error = self._unfit(method, description)
        if error is not None:
            return fail(error)
        leg = session.leg
        assert leg is not None
        if description is None and method == "INVITE" and session.handler is not None:
            made: Deferred[Any] = session.describe(None)
            self._describing.append(made)
            made.addBoth(self._noLongerDescribing, made)
            return made.addCallbacks(
                self._described, self._undescribed, callbackArgs=(method, headers), errbackArgs=(method,)
            )
        change = Change(self, session, leg, method, description, headers)
        self._changes[method] = change
        return change.start()

    def _noLongerDescribing(self, result: Any, made: Deferred[Any]) -> Any:
        self._describing.remove(made)
        return result

    def _undescribed(self, failure: Failure, method: str) -> Failure:
        # Where it was not our user who gave it up.
        if failure.check(CancelledError) is not None and self._session.state not in _THERE:
            raise WrongMoment(method, self._session.state)
        return failure

    def _described(self, description: Description | None, method: str, headers: Headers) -> Any:
        error = self._unfit(method, description)
        leg = self._session.leg
        if error is not None or leg is None:
            raise error or WrongMoment(method, self._session.state)
        change = self._changes[method] = Change(self, self._session, leg, method, description, headers)
        return change.start()

    def ended(self, change: Change) -> None:
        """One of ours is over."""
        self._changes.pop(change.method, None)

    def _unfit(self, method: str, description: Description | None) -> WrongMoment | None:
        session, leg = self._session, self._session.leg
        wanted = "a re-INVITE" if method == "INVITE" else "an UPDATE"
        mayBe = {State.CONFIRMED} if method == "INVITE" else {State.EARLY, State.RINGING, *_THERE}
        if leg is None or not leg.dialog.live.isLed or session.state not in mayBe:
            return WrongMoment(wanted, session.state)
        # RFC 3261 section 14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog
        # while another INVITE transaction is in progress in either direction."
        if method in self._changes or (method == "INVITE" and self.isInviting):
            return WrongMoment(wanted, "another one is under way")
        if (description is not None or method == "INVITE") and not self._mayOffer(leg):
            return WrongMoment(wanted, leg.negotiation.state)
        return None

    def _mayOffer(self, leg: Leg) -> bool:
        session, ours = self._session, self._changes.get("INVITE")
        if session.state == State.CONFIRMED:
            # Where one side has asked the other for an offer, that is the next.
            return leg.isFree and not self.isAsked and not (ours is not None and ours.awaitsOffer)
        # RFC 3311 section 5.1, before the INVITE has its final response: only where an offer has its
        # answer; and for the callee where it "has received a PRACK for that reliable provisional response".
        isUnacknowledged = session.state == State.RINGING and session.invitation.isUnacknowledged
        isAgreed = leg.negotiation.state == OfferState.AGREED
        return isAgreed and not isUnacknowledged and not self.isAsked

    @property
    def isAsked(self) -> bool:
        """Whether an INVITE of the peer's, be it the first, asks us for an offer."""
        if self._incoming is not None:
            return self._incoming[1].description is None
        leg = self._session.leg
        isFirst = leg is not None and leg.negotiation.state == OfferState.NONE
        return isFirst and self._session.state == State.RINGING

    @property
    def isInviting(self) -> bool:
        """Whether the peer's re-INVITE has no final response, or that has no ACK."""
        return self._incoming is not None or (self._repeating is not None and self._repeating.isRunning)

    # The peer's.

    def receiveInvite(self, request: IncomingRequest) -> object:
        """Take a re-INVITE."""
        session, leg = self._session, self._session.leg
        assert leg is not None
        # RFC 3261 section 14.2: "A UAS that receives a second INVITE before it sends the final response
        # to a first INVITE with a lower CSeq sequence number on the same dialog MUST return a 500
        # (Server Internal Error) response to the second INVITE and MUST include a Retry-After header
        # field with a randomly chosen value of between 0 and 10 seconds."
        if self._incoming is not None or leg.negotiation.state == OfferState.ASKED:
            self._postpone(request)
            return None
        # "A UAS that receives an INVITE on a dialog while an INVITE it had sent on that dialog is in
        # progress MUST return a 491 (Request Pending) response to the received INVITE."  RFC 5407
        # section 3.1.5 has the same for an offer of ours in a 2xx that is not acknowledged.
        ours = self._changes.get("INVITE")
        if (ours is not None and ours.isUnderWay) or leg.negotiation.state == OfferState.OFFERED:
            session.usages.respond(request, 491)
            return None
        if refuseTimer(session.usages, request):
            return None
        self._stopRepeating()
        description = descriptionOf(request)
        if description is not None:
            leg.receive(description)
        offer = Offer(
            request,
            description,
            lambda local, headers: self._accept(leg, request, local, headers),
            lambda status, reason, headers: self._reject(leg, request, status, reason, headers),
        )
        self._incoming = (request, offer)
        session.usages.follow(request, self._cancelled, self._lost)
        session.put(offer)
        return None

    def receiveUpdate(self, request: IncomingRequest, leg: Leg) -> object:
        """Take an UPDATE."""
        session = self._session
        description = descriptionOf(request)
        # RFC 3311 section 5.2: "A UAS that receives an UPDATE before it has generated a final response to a
        # previous UPDATE on the same dialog MUST return a 500 response to the new UPDATE".
        if self._update is not None:
            self._postpone(request)
            return None
        if refuseTimer(session.usages, request):
            return None
        if description is None:
            session.usages.respond(request, 200, None, session.refreshed(request))
            return None
        # "If an UPDATE is received that contains an offer, and the UAS has
        # generated an offer [...] to which it has not yet received an answer, the UAS MUST reject the
        # UPDATE with a 491 response.  Similarly, if an UPDATE is received that contains an offer, and the
        # UAS has received an offer (in an UPDATE, PRACK, or INVITE) to which it has not yet generated an
        # answer, the UAS MUST reject the UPDATE with a 500 response, and MUST include a Retry-After".
        # An INVITE that asks for our offer has us generate one, too: that is the next.
        if leg.negotiation.state == OfferState.OFFERED or self.isAsked:
            session.usages.respond(request, 491)
            return None
        if leg.negotiation.state == OfferState.ASKED:
            self._postpone(request)
            return None
        asked = self._update = Asked(
            session.usages, leg, request, description, self._updateEnded, session.refreshed
        )
        session.put(asked.offer)
        return asked.answered

    def _updateEnded(self) -> None:
        self._update = None

    def _postpone(self, request: IncomingRequest) -> None:
        usages = self._session.usages
        seconds = int(usages.random.random() * (_LONGEST_RETRY + 1))
        usages.respond(request, 500, None, [("Retry-After", seconds)])

    def _accept(
        self, leg: Leg, request: IncomingRequest, local: Description | None, headers: Headers
    ) -> None:
        self._incoming = None
        session = self._session
        usages = session.usages
        asksForAnswer = False
        given = [*headers, *session.refreshed(request)]
        if local is not None:
            given = local.among(given)
            asksForAnswer = leg.send(local) == OfferEvent.SEND_OFFER
        _, response = usages.respond(
            request,
            200,
            None,
            withSupported(usages.configuration, given),
            b"" if local is None else local.body,
            None if local is None else local.contentType,
        )
        self._awaited = (request.cseq, asksForAnswer)
        self._repeating = Repeating(usages, response, self._unacknowledged, usages.timers.T2)

    def _reject(
        self,
        leg: Leg,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None,
        headers: Headers,
    ) -> None:
        self._incoming = None
        leg.withdraw()
        self._session.usages.respond(request, statusCode, reasonPhrase, headers)

    def _cancelled(self, cancel: IncomingRequest) -> None:
        self._giveUp(487)

    def _lost(self, error: SIPError) -> None:
        self._giveUp(480)

    def _giveUp(self, statusCode: int) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is None:
            return
        request, offer = incoming
        offer.withdraw()
        if self._session.leg is not None:
            self._session.leg.withdraw()
        self._session.usages.respond(request, statusCode)

    def receiveAck(self, request: IncomingRequest) -> None:
        """Take the ACK to our 2xx to a re-INVITE."""
        cseq, asksForAnswer = self._awaited
        leg = self._session.leg
        if request.cseq != cseq or not self._stopRepeating() or leg is None or not asksForAnswer:
            return
        description = descriptionOf(request)
        if description is not None:
            leg.receive(description)
            self._session.took(leg)
        else:
            leg.withdraw()
            ending = Termination(Cause.BAD_DESCRIPTION, "remote", message=request)
            self._session.hangUp(ending, "SIP;cause=488")

    def _stopRepeating(self) -> bool:
        repeating, self._repeating = self._repeating, None
        return repeating is not None and repeating.stop()

    def _unacknowledged(self) -> None:
        # Section 14.2: "If a UAS generates a 2xx response and never receives an ACK, it SHOULD generate a
        # BYE to terminate the dialog."
        self._session.hangUp(Termination(Cause.NO_ACK, "network"))
