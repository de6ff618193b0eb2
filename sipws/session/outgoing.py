"""
L{Outgoing}: our INVITE, and what comes of it (RFC 3261 section 13.2).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
from twisted.python.failure import Failure

from sipws.config.optiontags import Where
from sipws.dialog.values import DialogID
from sipws.emitter import loggerFor
from sipws.errors import (
    Congested,
    LimitExceeded,
    SIPError,
    TransactionCancelled,
    TransactionTimeout,
)
from sipws.message import URI, CSeq
from sipws.message.given import checkNumber
from sipws.session.branches import Branches, Origin, acknowledge, credentialsOf, declined, dialogOf, dismiss
from sipws.session.embedded import Target
from sipws.session.infopackages import declared
from sipws.session.leg import Leg
from sipws.session.machine import OUTGOING, Event, State
from sipws.session.offeranswer import Event as OfferEvent
from sipws.session.offeranswer import Negotiation
from sipws.session.offeranswer import State as OfferState
from sipws.session.pracks import Pracks, putBack
from sipws.session.redirects import TargetSet
from sipws.session.tags import isReliable, required, withSupported
from sipws.session.values import Cause, Description, Termination, descriptionOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import Dialog, ISending, IUsages
    from sipws.message import IncomingResponse, OutgoingRequest
    from sipws.session.core import Headers, SessionCore

__all__ = ["Invitation", "Outgoing"]

_log = loggerFor("sip.session")

#: RFC 6228 section 11: an early dialog has ended, though the INVITE has not.
_EARLY_DIALOG_TERMINATED = 199


@attrs.frozen
class Invitation:
    """
    What an INVITE of ours is to be.

    @ivar target: Whom it is for.
    @ivar headers: Further headers.
    @ivar description: Our offer; C{None}: the peer is asked for one.
    @ivar deadline: Within how many seconds it may leave, as of C{UserAgent.request}.
    @ivar noAnswerTimeout: After how many seconds it is given up; C{None}: never.
    @ivar followRedirects: How many redirections are followed.
    """

    target: URI | str
    headers: tuple[tuple[str, object], ...] = ()
    description: Description | None = None
    deadline: float | None = None
    noAnswerTimeout: float | None = attrs.field(default=None)
    followRedirects: int = 0

    @noAnswerTimeout.validator
    def _checkTimeout(self, _: object, value: float | None) -> None:
        # Told before the INVITE leaves; not a number compares as false with everything.
        if value is None:
            return
        checkNumber("noAnswerTimeout", value, "a number of seconds")
        if not 0 <= value < math.inf:
            raise ValueError(f"noAnswerTimeout: no number of seconds, 0 or more: {value!r}")


class Outgoing:
    """
    Our INVITE.

    @ivar machine: The state machine of a session that it asks for.
    """

    machine = OUTGOING

    #: The 2xx comes with the event.
    success = None

    def __init__(self, session: SessionCore, usages: IUsages, invitation: Invitation) -> None:
        """
        @raise ValueError: The INVITE cannot be as it is given.
        """
        self._session = session
        self._usages = usages
        self._invitation = invitation
        self._sending: ISending | None = None
        self._request = self._build(invitation.target, invitation.headers)
        self._origin = Origin.of(self._request)
        self._targets: TargetSet | None = None
        # The ACK that was sent, and is sent again with each repetition of the 2xx; the forks that
        # were ended; and the timers.
        self._answered: tuple[int, tuple[tuple[str, str], ...]] | None = None
        self._acknowledged: tuple[Dialog, Description | None] | None = None
        self._known: set[DialogID] = set()
        self._branches = Branches(usages, self._further)
        self._noAnswer: IDelayedCall | None = None
        self._forking: IDelayedCall | None = None
        self._isStarting = False
        self._pracks: Pracks | None = None

    def _build(self, target: URI | str, headers: Headers) -> OutgoingRequest:
        description = self._invitation.description
        options = self._usages.configuration
        further = [*self._session.refresher.ask(), *declared(options.infoPackages), *required(options)]
        given = [*(headers if description is None else description.among(headers)), *further]
        return self._usages.build(
            "INVITE",
            target,
            withSupported(options, given, Where.INVITE),
            b"" if description is None else description.body,
            None if description is None else description.contentType,
        )

    @property
    def request(self) -> OutgoingRequest:
        """The INVITE as it was sent last."""
        return self._request if self._sending is None else self._sending.request

    @property
    def localDescription(self) -> Description | None:
        """Our offer."""
        return self._invitation.description

    @property
    def remoteDescription(self) -> Description | None:
        """The peer's, before there is a dialog: there is none."""
        return None

    def invite(self) -> None:
        """Send it, with the handler's offer where there is a handler, and no offer; where there is room."""
        if self._usages.dialogs.isFull:
            self._later(Termination(Cause.LIMIT, "local"))
            return
        if self._session.handler is None or self._invitation.description is not None:
            self._send()
            return
        self._session.describe(None).addCallback(self._offerMade).addErrback(self._offerNotMade)

    def _offerMade(self, description: Description | None) -> None:
        session = self._session
        if session.state != State.CALLING:
            # It was given up meanwhile.
            return
        self._invitation = attrs.evolve(self._invitation, description=description)
        self._request = self._build(self._invitation.target, self._invitation.headers)
        self._origin = Origin.of(self._request)
        self._send()

    def _offerNotMade(self, failure: Failure) -> None:
        _log.failure("the session description handler made no offer", failure)
        self._later(Termination(Cause.BAD_DESCRIPTION, "local"))

    def _later(self, ending: Termination) -> None:
        """Tell of a failure when there is somebody who can be told: nobody has been given the session yet."""
        self._usages.clock.callLater(0, self._session.follow, Event.FAILURE, ending)

    def _send(self) -> None:
        self._isStarting = True
        self._sending = self._usages.send(
            self._request,
            onProvisional=self._provisional,
            onAccepted=self._branches,
            deadline=self._invitation.deadline,
        )
        self._sending.result.addCallbacks(self._final, self._failed)
        self._isStarting = False
        timeout = self._invitation.noAnswerTimeout
        if timeout is not None and self._session.state in (State.CALLING, State.EARLY):
            self._noAnswer = self._usages.clock.callLater(timeout, self._unanswered)

    def cancel(self, headers: Headers) -> None:
        """Give it up."""
        self._stopWaiting()
        if self._sending is not None:
            self._sending.cancel(headers)
        else:
            # The handler still makes the offer: nothing has left, and nothing will.
            self._session.follow(Event.FAILURE)

    def stop(self) -> None:
        """The session is over: no timer of its own is left, but for the one that ends its other branches."""
        # The transaction stays for 64*T1 more: not with all of this.
        self._request, self._sending = self.request, None
        self._branches.end(
            self._answering(), self._origin, self._known, self._invitation.description is not None
        )
        self._pracks = None
        self._stopWaiting()
        self._endBranches()

    def _stopWaiting(self) -> None:
        timer, self._noAnswer = self._noAnswer, None
        if timer is not None and timer.active():
            timer.cancel()

    def _unanswered(self) -> None:
        self._noAnswer = None
        self._session.hangUp(Termination(Cause.NO_ANSWER, "local"))

    # Provisional responses.

    def _provisional(self, response: IncomingResponse) -> None:
        if response.statusCode == 100:
            return
        isGone = response.statusCode == _EARLY_DIALOG_TERMINATED
        if isGone and not isReliable(response) and self._knownLeg(response) is None:
            # RFC 6228 section 4: on a dialog "that has not previously been established [...] it SHALL discard
            # the 199 response".
            return
        leg = self._legFor(response)
        if leg is not None and not self._takeProvisional(leg, response):
            return
        if leg is not None and isGone:
            self._forsake(leg)
        self._session.follow(Event.PROVISIONAL, response)

    def _forsake(self, leg: Leg) -> None:
        """
        Let an early dialog go that has ended before the INVITE has.

        RFC 6228 section 4: the UAC "might release resources associated with
        the terminated early dialog"; but "if multiple usages are used within
        an early dialog [it] SHALL NOT".
        """
        dialog = leg.dialog
        if len(dialog.live.usages) > 1:
            return
        self._session.legs.remove(leg)
        dialog.fail()

    def _takeProvisional(self, leg: Leg, response: IncomingResponse) -> bool:
        """
        Take what a provisional response has for its dialog.

        @return: Whether it is to be told of: not if it has come before.
        """
        if isReliable(response):
            if self._pracks is None:
                self._pracks = Pracks(self._session, self._isNews)
            return self._pracks.take(leg, response)
        description = descriptionOf(response)
        if description is not None:
            leg.preview(description)
        return True

    def _isNews(self, leg: Leg, description: Description) -> bool:
        """
        Take a description in a response.

        @return: Whether it is an offer, which wants an answer.
        """
        if leg.negotiation.hasAgreed or leg.negotiation.state == OfferState.ASKED:
            # RFC 3261 section 13.2.1: it "MUST ignore any session descriptions in subsequent responses",
            # also while an UPDATE waits for its answer, which is none of theirs.
            return False
        if leg.receive(description) == OfferEvent.RECEIVE_OFFER:
            return True
        self._session.took(leg)
        return False

    # The final response.

    def _final(self, response: IncomingResponse) -> None:
        self._stopWaiting()
        if response.statusCode < 300:
            self._accepted(response)
            return
        dialogOf(self._usages, response, self._origin)
        if self._session.state in (State.CALLING, State.EARLY) and self._tryAgain(response):
            return
        by = "local" if self._session.state == State.CANCELLING else "remote"
        ending = Termination(Cause.REFUSED, by, response.statusCode, response, response.getHeader("Reason"))
        self._session.follow(Event.FAILURE, ending)

    def _tryAgain(self, response: IncomingResponse) -> bool:
        """Send another INVITE, where a failure leaves something to be tried."""
        if response.statusCode == 422:
            if not self._session.refresher.takeRefusal(response):
                return False
            return self._sendAgain(self._request.requestURI, self._invitation.headers)
        if response.statusCode < 400:
            targets = self._targetSet()
            targets.add(response)
        elif self._targets is None or response.statusCode >= 600:
            return False
        uri = self._targetSet().next()
        if uri is None:
            return False
        target = Target.of(uri)
        self._session.emit("redirected", response)
        if self._session.state == State.CANCELLING:
            # Who heard that has given it up, and nothing is out that could be cancelled.
            return False
        return self._sendAgain(target.uri, target.over([*self._invitation.headers]))

    def _targetSet(self) -> TargetSet:
        if self._targets is None:
            uri = self._request.requestURI
            first = URI.parse(uri) if isinstance(uri, str) else uri
            self._targets = TargetSet(first, self._invitation.followRedirects)
        return self._targets

    def _sendAgain(self, target: URI | str, headers: Headers) -> bool:
        before = self.request
        try:
            request = self._build(target, headers)
        except ValueError as error:
            _log.warn("no further INVITE: {error}", error=error)
            return False
        # RFC 3261 section 8.1.3.4: "It is RECOMMENDED that the UAC reuse the same To, From, and Call-ID
        # used in the original redirected request"; RFC 4028 section 7.3 has the same for a 422, and
        # "the CSeq should contain a new sequence number that is one higher than the previous."
        for name in ("To", "From", "Call-ID"):
            request.setHeader(name, before.getHeader(name) or "")
        request.setHeader("CSeq", CSeq(before.cseq + 1, "INVITE"))
        self._request, self._sending = request, None
        self._origin = Origin.of(request)
        if self._session.state in (State.CALLING, State.EARLY):
            self._send()
        return True

    def _failed(self, failure: Failure) -> None:
        self._stopWaiting()
        for leg in list(self._session.legs):
            # RFC 3261 section 13.2.2.3 for what gets no final response, too.
            leg.dialog.fail()
        if failure.check(SIPError) is None:
            _log.failure("an INVITE came to nothing", failure)
        ending = _endingOf(failure)
        if self._isStarting:
            self._later(ending)
        else:
            self._session.follow(Event.FAILURE, ending)

    def _accepted(self, response: IncomingResponse) -> None:
        session = self._session
        leg = self._legFor(response)
        if leg is None:
            # There is no way to acknowledge it, or to end what the peer takes for a session.
            session.follow(
                Event.FAILURE, Termination(Cause.BAD_MESSAGE, "remote", response.statusCode, response)
            )
            return
        self._known.add(leg.dialog.id)
        description = descriptionOf(response)
        asks = description is not None and self._isNews(leg, description)
        leg.settle()
        session.follow(Event.SUCCESS, response)
        if session.state != State.ACCEPTED:
            return
        session.refresher.take(response)
        if len(session.legs) > 1:
            self._forking = self._usages.clock.callLater(64 * self._usages.timers.T1, self._endBranches)
        if asks and description is not None:
            putBack(session, leg, response, description, self._acknowledge)
        elif leg.isFree or leg.negotiation.hasAgreed:
            # What is open after the first answer is the offer in an UPDATE (RFC 3311) that crosses the 2xx.
            self._acknowledge(None)
        else:
            # RFC 3261 section 13.2.1: "If the initial offer is in an INVITE, the answer MUST be in a
            # reliable non-failure message from UAS back to UAC".
            session.hangUp(Termination(Cause.BAD_DESCRIPTION, "remote", message=response), "SIP;cause=488")

    def adopt(self, response: IncomingResponse) -> Leg | None:
        """Give the leg of the 2xx: the session goes on in it."""
        for leg in self._session.legs:
            if leg.dialog.id.remoteTag == response.toTag:
                return leg
        return None

    def sendAck(self) -> None:
        """Acknowledge the 2xx, and take nothing of what it may offer."""
        leg = self._session.leg
        if self._acknowledged is None and leg is not None:
            self._transmitAck(leg, declined(leg))

    def _acknowledge(self, answer: Description | None) -> None:
        """Acknowledge the 2xx: with that there is a session."""
        if self._session.state == State.ACCEPTED:
            self._transmitAck(self._session.leg, answer)
            self._session.follow(Event.ACKED)

    def _transmitAck(self, leg: Leg | None, answer: Description | None) -> None:
        if leg is not None:
            self._acknowledged = (leg.dialog, answer)
            self._repeatAck()

    def _repeatAck(self) -> None:
        if self._acknowledged is None:
            return
        dialog, answer = self._acknowledged
        try:
            cseq, credentials = self._answering()
            acknowledge(self._usages, dialog, cseq, credentials, answer)
        except ValueError as error:
            _log.warn("no ACK: {error}", error=error)

    def _answering(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        """Give what each ACK has of the INVITE that was answered: the number, and the credentials."""
        request = self.request
        if self._answered is None or self._answered[0] != request.cseq:
            self._answered = (request.cseq, credentialsOf(request))
        return self._answered

    # More than one 2xx.

    def _further(self, response: IncomingResponse) -> None:
        """
        Take a 2xx that is not the first: the same again, or that of another branch.
        """
        dialogID = DialogID.ofResponse(response)
        if self._acknowledged is not None and dialogID == self._acknowledged[0].id:
            self._repeatAck()
        elif dialogID not in self._known:
            self._dismiss(response, dialogID)

    def _dismiss(self, response: IncomingResponse, dialogID: DialogID) -> None:
        leg = self._legFor(response)
        if leg is None:
            return
        self._known.add(dialogID)
        dialog = leg.dialog
        self._session.legs.remove(leg)
        ended = dismiss(self._usages, leg, response, *self._answering())
        ended.addBoth(lambda _: self._usages.detach(dialog, self._session))
        self._session.emit("forked", response)

    def _endBranches(self) -> None:
        """
        End the dialogs of branches that have not accepted.

        Section 13.2.2.4: 64*T1 after the first 2xx "all the early dialogs that
        have not transitioned to established dialogs are terminated".
        """
        timer, self._forking = self._forking, None
        if timer is None:
            return
        if timer.active():
            timer.cancel()
        for leg in list(self._session.legs):
            if leg is not self._session.leg:
                leg.dialog.fail()

    # Dialogs.

    def _knownLeg(self, response: IncomingResponse) -> Leg | None:
        """Give the leg of a response; C{None}: there is none."""
        dialogID = DialogID.ofResponse(response)
        return next((leg for leg in self._session.legs if leg.dialog.id == dialogID), None)

    def _legFor(self, response: IncomingResponse) -> Leg | None:
        """Give the leg of a response, which may be new; C{None}: it makes no dialog."""
        session = self._session
        dialog = dialogOf(self._usages, response, self._origin)
        if dialog is None:
            return None
        leg = session.legOf(dialog)
        if leg is None:
            offered = self._invitation.description
            leg = Leg(dialog, Negotiation())
            if offered is not None:
                leg.send(offered)
            session.legs.append(leg)
            self._usages.attach(dialog, session, response.transport)
        return leg


def _endingOf(failure: Failure) -> Termination:
    """Say what an INVITE without a final response means for its session."""
    if failure.check(LimitExceeded) is not None:
        return Termination(Cause.LIMIT, "local")
    if failure.check(TransactionTimeout) is not None:
        return Termination(Cause.TIMEOUT, "network")
    if failure.check(TransactionCancelled) is not None:
        return Termination(Cause.CANCELLED, "network")
    error = failure.value
    cause = Cause.CONGESTED if isinstance(error, Congested) else Cause.CONNECTION
    return Termination(cause, "network", error=error if isinstance(error, SIPError) else None)
