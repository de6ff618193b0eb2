"""
L{Modification}: changing a session that is there, with re-INVITE (RFC 3261
section 14) and UPDATE (RFC 3311).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from sipws.emitter import loggerFor
from sipws.errors import WrongMoment
from sipws.session.glare import MAX_GLARES, glareDelay
from sipws.session.machine import State
from sipws.session.offeranswer import Event as OfferEvent
from sipws.session.offeranswer import State as OfferState
from sipws.session.offers import Offer
from sipws.session.refresher import refuseTimer
from sipws.session.repeating import Repeating
from sipws.session.tags import withSupported
from sipws.session.values import Cause, Description, Termination, descriptionOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import ISending
    from sipws.errors import SIPError
    from sipws.message import IncomingRequest, IncomingResponse
    from sipws.session.core import Headers, SessionCore
    from sipws.session.leg import Leg

__all__ = ["Modification"]

_log = loggerFor("sip.session")

#: A response to an offer that came while another waits for its answer asks to come again in 0 to 10 seconds.
_LONGEST_RETRY = 10


class Modification:
    """
    What changes one session.

    At most one re-INVITE of each side is under way at a time, and at most one offer.
    """

    __slots__ = ("_awaited", "_changes", "_incoming", "_repeating", "_session")

    def __init__(self, session: SessionCore) -> None:
        self._session = session
        # Ours, by method; the peer's re-INVITE that has no final response; the 2xx to
        # one that has no ACK, with its number, and whether the ACK is to have an answer.
        self._changes: dict[str, _Change] = {}
        self._incoming: tuple[IncomingRequest, Offer] | None = None
        self._repeating: Repeating | None = None
        self._awaited: tuple[int, bool] = (0, False)

    def stop(self) -> None:
        """The session is over, or about to be: no timer is left, and the peer's requests are answered."""
        if self._repeating is not None:
            self._repeating.stop()
        for change in list(self._changes.values()):
            change.stop()
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            # RFC 3261 section 15.1.2: a 487 for "pending requests received for that dialog".
            incoming[1].withdraw()
            self._session.usages.respond(incoming[0], 487)

    def abandon(self) -> None:
        """The dialog is gone: a re-INVITE that the peer never answers is not to wait for ever."""
        for change in list(self._changes.values()):
            change.abandon()

    def connectionLost(self) -> None:
        """Wait no longer for an ACK that would have come on a connection that is gone."""
        self._stopRepeating()

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
            made = session.describe(None)
            return made.addCallback(self._described, method, headers)
        change = _Change(self, session, leg, method, description, headers)
        self._changes[method] = change
        return change.start()

    def _described(self, description: Description | None, method: str, headers: Headers) -> Any:
        error = self._unfit(method, description)
        leg = self._session.leg
        if error is not None or leg is None:
            raise error or WrongMoment(method, self._session.state)
        change = self._changes[method] = _Change(self, self._session, leg, method, description, headers)
        return change.start()

    def ended(self, change: _Change) -> None:
        """One of ours is over."""
        self._changes.pop(change.method, None)

    def _unfit(self, method: str, description: Description | None) -> WrongMoment | None:
        session, leg = self._session, self._session.leg
        wanted = "a re-INVITE" if method == "INVITE" else "an UPDATE"
        mayBe = {State.CONFIRMED} if method == "INVITE" else {State.EARLY, State.RINGING, *_THERE}
        if leg is None or session.state not in mayBe:
            return WrongMoment(wanted, session.state)
        # RFC 3261 section 14.1: "a UAC MUST NOT initiate a new INVITE transaction within a dialog
        # while another INVITE transaction is in progress in either direction."
        if method in self._changes or (method == "INVITE" and self._isInviting()):
            return WrongMoment(wanted, "another one is under way")
        if (description is not None or method == "INVITE") and not leg.isFree:
            return WrongMoment(wanted, leg.negotiation.state)
        return None

    def _isInviting(self) -> bool:
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
        if refuseTimer(session.usages, request):
            return None
        if description is None:
            session.usages.respond(request, 200, None, session.refreshed(request))
            return None
        # RFC 3311 section 5.2: "If an UPDATE is received that contains an offer, and the UAS has
        # generated an offer [...] to which it has not yet received an answer, the UAS MUST reject the
        # UPDATE with a 491 response.  Similarly, if an UPDATE is received that contains an offer, and the
        # UAS has received an offer (in an UPDATE, PRACK, or INVITE) to which it has not yet generated an
        # answer, the UAS MUST reject the UPDATE with a 500 response, and MUST include a Retry-After".
        if leg.negotiation.state == OfferState.OFFERED:
            session.usages.respond(request, 491)
            return None
        if leg.negotiation.state == OfferState.ASKED:
            self._postpone(request)
            return None
        return self._answerUpdate(leg, request, description)

    def _answerUpdate(self, leg: Leg, request: IncomingRequest, description: Description) -> object:
        usages = self._session.usages
        leg.receive(description)
        answered: Deferred[object] = Deferred()

        def accept(local: Description | None, headers: Headers) -> None:
            assert local is not None
            leg.send(local)
            given = [*headers, *local.disposition, *self._session.refreshed(request)]
            usages.respond(request, 200, None, given, local.body, local.contentType)
            answered.callback(None)

        def reject(statusCode: int, reasonPhrase: str | None, headers: Headers) -> None:
            leg.withdraw()
            usages.respond(request, statusCode, reasonPhrase, headers)
            answered.callback(None)

        self._session.put(Offer(request, description, accept, reject))
        return answered

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
            given += local.disposition
            asksForAnswer = leg.send(local) == OfferEvent.SEND_OFFER
        _, response = usages.respond(
            request,
            200,
            None,
            withSupported(usages.configuration.extraSupported, given),
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


#: The states in which there is a session, or will be when an ACK is there.
_THERE = (State.ACCEPTED, State.CONFIRMED)


class _Change:
    """One re-INVITE or UPDATE of ours, in one attempt after the other while it crosses the peer's."""

    __slots__ = (
        "_acknowledged",
        "_attempts",
        "_description",
        "_headers",
        "_leg",
        "_modification",
        "_result",
        "_sending",
        "_session",
        "_timer",
        "method",
    )

    def __init__(
        self,
        modification: Modification,
        session: SessionCore,
        leg: Leg,
        method: str,
        description: Description | None,
        headers: Headers,
    ) -> None:
        self._modification = modification
        self._session = session
        self._leg = leg
        self.method = method
        self._description = description
        self._headers = [*headers]
        self._attempts = 0
        self._sending: ISending | None = None
        self._timer: IDelayedCall | None = None
        self._acknowledged: list[Description | None] = []
        self._result: Deferred[IncomingResponse] = Deferred(self._cancelled)

    @property
    def isUnderWay(self) -> bool:
        """Whether it waits for a response, and not to be sent again."""
        return self._timer is None

    def start(self) -> Deferred[IncomingResponse]:
        """Send it."""
        try:
            self._transmit()
        except ValueError as error:
            self._leg.withdraw()
            self._modification.ended(self)
            raise error
        return self._result

    def stop(self) -> None:
        """The session is over."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._fail(Failure(WrongMoment("to send it again", self._session.state)))

    def abandon(self) -> None:
        """Wait no longer for the final response."""
        if self._sending is not None and self.method == "INVITE" and not self._sending.result.called:
            self._sending.cancel()

    def _transmit(self) -> None:
        description = self._description
        session = self._session
        given = [*self._headers, *session.refresher.ask()]
        headers = withSupported(session.usages.configuration.extraSupported, given)
        if description is not None:
            headers += description.disposition
            self._leg.send(description)
        self._sending = session.usages.sendWithin(
            self._leg.dialog,
            self.method,
            headers,
            b"" if description is None else description.body,
            None if description is None else description.contentType,
            onAccepted=self._again if self.method == "INVITE" else None,
        )
        session.watch(self._sending.result).addCallbacks(self._answered, self._fail)

    def _cancelled(self, result: object) -> None:
        if self._timer is not None:
            self.stop()
        elif self._sending is not None and self.method == "INVITE":
            self._sending.cancel()

    def _fail(self, failure: Failure) -> None:
        self._leg.withdraw()
        self._modification.ended(self)
        if not self._result.called:
            self._result.errback(failure)

    def _answered(self, response: IncomingResponse) -> None:
        if response.statusCode >= 300:
            self._leg.withdraw()
            if response.statusCode == 491 and self._attempts < MAX_GLARES and not self._result.called:
                self._waitAndSee(response)
            elif response.statusCode == 422 and self._session.refresher.takeRefusal(response):
                self._tryAgain(response)
            else:
                self._finish(response)
            return
        self._session.refresher.take(response)
        self._session.emit("refresh")
        description = descriptionOf(response)
        if description is not None and self._leg.negotiation.state == OfferState.OFFERED:
            self._leg.receive(description)
            self._session.took(self._leg)
        elif description is not None and self.method == "INVITE" and self._description is None:
            self._leg.receive(description)
            self._putBack(response, description)
            return
        else:
            self._leg.withdraw()
        self._acknowledge(None)
        self._finish(response)

    def _putBack(self, response: IncomingResponse, description: Description) -> None:
        """Have the offer that we asked for be answered, in the ACK."""

        def accept(local: Description | None, _: object) -> None:
            assert local is not None
            self._leg.send(local)
            self._acknowledge(local)
            self._finish(response)

        def reject(*_: object) -> None:
            # RFC 6337 section 3.2: it cannot be refused: the session is ended.
            self._leg.withdraw()
            self._acknowledge(None)
            self._finish(response)
            self._session.hangUp(Termination(Cause.BAD_DESCRIPTION, "local"), "SIP;cause=488")

        self._session.put(Offer(response, description, accept, reject))

    def _finish(self, response: IncomingResponse) -> None:
        self._modification.ended(self)
        if not self._result.called:
            self._result.callback(response)

    # The ACK.

    def _acknowledge(self, answer: Description | None) -> None:
        if self.method == "INVITE":
            self._acknowledged = [answer]
            self._again(None)

    def _again(self, _: object) -> None:
        """Acknowledge the 2xx, which may have come again."""
        for answer in self._acknowledged:
            assert self._sending is not None
            headers = [] if answer is None else answer.disposition
            body = b"" if answer is None else answer.body
            contentType = None if answer is None else answer.contentType
            try:
                self._session.usages.acknowledge(
                    self._leg.dialog, self._sending.request, headers, body, contentType
                )
            except ValueError as error:
                _log.warn("no ACK: {error}", error=error)

    # Glare.

    def _waitAndSee(self, response: IncomingResponse) -> None:
        usages = self._session.usages
        isOwner = self._session.direction == "outgoing"
        delay = glareDelay(usages.random.random(), isOwner=isOwner)
        self._attempts += 1
        self._timer = usages.clock.callLater(delay, self._tryAgain, response)

    def _tryAgain(self, response: IncomingResponse) -> None:
        self._timer = None
        if self._session.state != State.CONFIRMED and self.method == "INVITE":
            self._finish(response)
        elif not self._leg.isFree:
            # The peer's own change is under way: wait for it to be over.
            self._waitAndSee(response)
        else:
            try:
                self._transmit()
            except ValueError:
                self._finish(response)
