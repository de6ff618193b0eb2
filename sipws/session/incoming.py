"""
L{Incoming}: the peer's INVITE, and how we answer it (RFC 3261 section 13.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from sipws.emitter import loggerFor
from sipws.errors import LimitExceeded, NotConnected, ParseError, SIPError, WrongMoment
from sipws.message import OutgoingResponse
from sipws.message.given import checkNumber, checkTexts
from sipws.session.asked import Asked
from sipws.session.infopackages import declared
from sipws.session.leg import Leg
from sipws.session.machine import INCOMING, Event, State
from sipws.session.offeranswer import Negotiation
from sipws.session.offeranswer import State as OfferState
from sipws.session.reliable import ReliableResponses
from sipws.session.repeating import Repeating
from sipws.session.tags import RELIABLE, requires, supports, withSupported
from sipws.session.values import Cause, Description, Termination, checkContact, checkHeaders, descriptionOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import IUsages
    from sipws.message import IncomingRequest
    from sipws.session.core import Headers, SessionCore

__all__ = ["Incoming"]

_log = loggerFor("sip.session")

#: RFC 3261 section 20.19: "between 0 and (2**32)-1" seconds; a timer of years is none.
_LONGEST_EXPIRY = 86_400

#: RFC 3261 section 13.3.1.1: "To prevent cancellation, the UAS MUST send a non-100 provisional response at
#: every minute"; RFC 3262 section 3: "once every two and a half minutes" where it is reliable.
_EXTENSION = 60
_RELIABLE_EXTENSION = 150


class Incoming:
    """
    The peer's INVITE.

    @ivar machine: The state machine of a session that it asks for.
    @ivar request: It.
    @ivar remoteDescription: Its offer; C{None}: it has none.
    @ivar success: Our 2xx; C{None}: there is none.
    """

    machine = INCOMING

    def __init__(self, session: SessionCore, usages: IUsages, request: IncomingRequest) -> None:
        self._session = session
        self._usages = usages
        self.request = request
        self.remoteDescription = descriptionOf(request)
        self._negotiation = Negotiation()
        if self.remoteDescription is not None:
            self._negotiation.receive()
        self._leg: Leg | None = None
        self._reliable: ReliableResponses | None = None
        self._repeating: Repeating | None = None
        self._expiry: IDelayedCall | None = None
        self._proceeding: IDelayedCall | None = None
        self._prack: Asked | None = None
        self._extension: IDelayedCall | None = None
        self._refusal: tuple[int, str | None, list[tuple[str, object]]] = (480, None, [])
        self._isAccepting = False
        self._describing: Deferred[Any] | None = None
        # Whether the ACK is to have the answer to an offer of ours.
        self._asksForAnswer = False
        self.success: OutgoingResponse | None = None
        # The answer that was in a provisional response that was not reliable.
        self._previewed: Description | None = None
        # The last response that makes the dialog; and the 2xx that waits for a PRACK.
        self._lastResponse: OutgoingResponse | None = None
        self._pending: tuple[Description | None, list[tuple[str, object]]] | None = None

    @property
    def localDescription(self) -> Description | None:
        """Ours, before there is a dialog: there is none."""
        return None

    def ring(self) -> None:
        """Wait for our user's answer."""
        self._usages.follow(self.request, self._cancelled, self._lost)
        # RFC 3261 section 13.3.1: "If the request is an INVITE that contains an Expires header
        # field, the UAS core sets a timer for the number of seconds indicated in the header field value."
        try:
            seconds = self.request.parseHeader("Expires")
        except ParseError:
            seconds = None
        if isinstance(seconds, int) and seconds <= _LONGEST_EXPIRY:
            self._expiry = self._usages.clock.callLater(seconds, self._expired)

    def stop(self) -> None:
        """The session is over: no timer is left, and the handler's answer is waited for no more."""
        if self._describing is not None:
            self._describing.cancel()
        prack, self._prack = self._prack, None
        if prack is not None:
            prack.giveUp()
        reliable, self._reliable = self._reliable, None
        if reliable is not None:
            reliable.stop()
        repeating, self._repeating = self._repeating, None
        if repeating is not None:
            repeating.stop()
        self._stopWaiting()

    def _stopWaiting(self) -> None:
        for timer in (self._expiry, self._proceeding, self._extension):
            if timer is not None and timer.active():
                timer.cancel()
        self._expiry = self._proceeding = self._extension = None

    def _expired(self) -> None:
        self._expiry = None
        # "If the invitation expires before the UAS has generated a final response, a 487 (Request
        # Terminated) response SHOULD be generated."
        self.refuse(487, Termination(Cause.NO_ANSWER, "remote"))

    def _cancelled(self, cancel: IncomingRequest) -> None:
        ending = Termination(Cause.CANCELLED, "remote", None, cancel, cancel.getHeader("Reason"))
        self.refuse(487, ending)

    def _lost(self, error: SIPError) -> None:
        # The user agent says so itself where it is being stopped.
        if isinstance(error, NotConnected):
            ending = Termination(Cause.STOPPED, "local")
        else:
            ending = Termination(Cause.CONNECTION, "network")
        self.refuse(480, ending)

    # Provisional responses.

    def progress(
        self,
        statusCode: int,
        reasonPhrase: str | None,
        headers: Headers,
        description: Description | None,
        reliable: bool | None,
    ) -> Deferred[bool]:
        """Answer it provisionally."""
        checkNumber("statusCode", statusCode, "a number from 101 to 199")
        if not 100 < statusCode < 200:
            raise ValueError(f"statusCode: not 101 to 199: {statusCode}")
        self._check(statusCode, reasonPhrase, headers)
        isReliable = self._isReliable(description, reliable)
        if description is not None:
            try:
                self._checkDescription(description, isReliable=isReliable)
            except WrongMoment as error:
                return fail(error)
        if not isReliable:
            self._session.follow(Event.PROVISIONAL, (statusCode, reasonPhrase, [*headers], description))
            return succeed(True)  # noqa: FBT003
        if self._reliable is None:
            self._reliable = ReliableResponses(self._usages, self.request, self._notAcknowledged)

        def transmit(number: int) -> OutgoingResponse | None:
            further = [("Require", RELIABLE), ("RSeq", number), *headers]
            self._session.follow(Event.PROVISIONAL, (statusCode, reasonPhrase, further, description))
            return self._lastResponse if self._session.state == State.RINGING else None

        return self._reliable.send(transmit)

    def _isReliable(self, description: Description | None, reliable: bool | None) -> bool:
        if requires(self.request, RELIABLE):
            # RFC 3262 section 3: "The UAS MUST send any non-100 provisional response reliably".
            return True
        option = self._usages.configuration.rel100
        if option == "none" or not supports(self.request, RELIABLE):
            if reliable:
                whose = "rel100 is none" if option == "none" else "the peer does not support it"
                raise ValueError(f"reliable: {whose} (RFC 3262)")
            return False
        return (description is not None or option == "required") if reliable is None else reliable

    def _checkDescription(self, description: Description, *, isReliable: bool) -> None:
        state = self._negotiation.state
        if self._negotiation.hasAgreed and self._leg is not None and description != self._leg.local:
            # Whoever has the answer "MUST ignore any session descriptions in subsequent responses".
            raise WrongMoment("another description", state)
        if state == OfferState.NONE and not isReliable:
            # RFC 3261 section 13.2.1: "The initial offer MUST be in either an INVITE or, if not there,
            # in the first reliable non-failure message from the UAS back to the UAC."
            raise WrongMoment("an offer in a response that is not reliable", state)
        if state == OfferState.OFFERED:
            raise WrongMoment("a description", state)
        if state == OfferState.ASKED and self._previewed not in (None, description):
            raise WrongMoment("another answer", "one was in a provisional response")

    def sendProvisional(
        self, payload: tuple[int, str | None, list[tuple[str, object]], Description | None]
    ) -> None:
        """Send a provisional response."""
        statusCode, reasonPhrase, headers, description = payload
        if description is not None:
            headers = description.among(headers)
        response = self._respond(statusCode, reasonPhrase, headers, description)
        if response is None:
            return
        isReliable = any(name == "RSeq" for name, _ in headers)
        self._extend(_RELIABLE_EXTENSION if isReliable else _EXTENSION)
        if description is not None and self._leg is not None and self._negotiation.wantsOurs:
            if isReliable:
                self._leg.send(description)
            else:
                # What is not reliable is no answer yet, but it must be the same.
                self._leg.local = self._previewed = description
        self._session.emit("progress", response)

    def _extend(self, seconds: float) -> None:
        """Ask proxies for more time, as long as our user takes it."""
        timer = self._extension
        if timer is not None and timer.active():
            timer.cancel()
        self._extension = self._usages.clock.callLater(seconds, self._ringOn)

    def _ringOn(self) -> None:
        last = self._lastResponse
        assert last is not None
        if not last.hasHeader("RSeq"):
            self._usages.resend(last)
            self._extend(_EXTENSION)
        elif not self.isUnacknowledged:
            self.progress(last.statusCode, last.reasonPhrase, (), None, reliable=True)

    def _notAcknowledged(self) -> None:
        # RFC 3262 section 3: "If a reliable provisional response is retransmitted for 64*T1 seconds
        # without reception of a corresponding PRACK, the UAS SHOULD reject the original request with
        # a 5xx response."
        self.refuse(504, Termination(Cause.NO_ACK, "network"))

    def receivePrack(self, request: IncomingRequest) -> object:
        """Take the PRACK to a reliable provisional response."""
        leg, description = self._leg, descriptionOf(request)
        acknowledged = None if self._reliable is None else self._reliable.receive(request)
        if acknowledged is None or leg is None:
            return 481
        result = 200 if description is None else self._takePrack(leg, request, description)
        self._proceed()
        # Last: who has waited for the PRACK finds the answer that came with it.
        acknowledged.callback(True)  # noqa: FBT003
        return result

    def _takePrack(self, leg: Leg, request: IncomingRequest, description: Description) -> object:
        if leg.awaitsFirstAnswer:
            leg.receive(description)
            self._session.took(leg)
            return 200
        if not leg.isFree:
            # RFC 3264 section 4: whoever waits for an answer "MUST NOT generate a new offer"; and one
            # that crosses an offer in an UPDATE of ours is answered as RFC 3311 section 5.2 has it.
            return 500 if leg.negotiation.state == OfferState.ASKED else 491
        # RFC 3262 section 5: "If the UAC receives a reliable provisional response with an answer, it MAY
        # generate an additional offer in the PRACK."
        asked = self._prack = Asked(self._usages, leg, request, description, self._prackEnded)
        asked.answered.addCallback(self._prackAnswered)
        self._session.put(asked.offer)
        return asked.answered

    def _prackEnded(self) -> None:
        self._prack = None

    def _prackAnswered(self, _: object) -> None:
        self._proceed()

    # The final response.

    def accept(self, description: Description | None, headers: Headers) -> Deferred[Any]:
        """Accept it."""
        if self._isAccepting:
            return fail(WrongMoment("to accept", "it is being accepted"))
        self._check(200, None, headers)
        given = [*headers]
        if description is None and self._needsDescription():
            self._isAccepting = True
            self._describing = self._session.describe(self.remoteDescription)
            return self._describing.addCallbacks(self._described, self._undescribed, callbackArgs=(given,))
        return self._acceptWith(description, given)

    def _needsDescription(self) -> bool:
        return self._session.handler is not None and self._negotiation.wantsOurs

    def _described(self, description: Description | None, headers: list[tuple[str, object]]) -> Deferred[Any]:
        self._isAccepting, self._describing = False, None
        if self._session.state != State.RINGING:
            # It was given up meanwhile: that says why.
            return self._session.confirmed.wait(self._session)
        return self._acceptWith(description, headers)

    def _undescribed(self, failure: Failure) -> Failure | Deferred[Any]:
        self._isAccepting, self._describing = False, None
        if self._session.state != State.RINGING:
            return self._session.confirmed.wait(self._session)
        self.refuse(488, Termination(Cause.BAD_DESCRIPTION, "local", 488))
        return failure

    def _acceptWith(
        self, description: Description | None, headers: list[tuple[str, object]]
    ) -> Deferred[Any]:
        try:
            description = self._checkedAnswer(description)
        except WrongMoment as error:
            return fail(error)
        if self.isUnacknowledged:
            # RFC 3262 section 3: where "the final response is 2xx and any of the unacknowledged reliable
            # provisional responses contained a session description [...], it MUST NOT send a final
            # response until those provisional responses are acknowledged."
            self._pending = (description, headers)
            self._isAccepting = True
        else:
            self._session.follow(Event.SUCCESS, (description, headers))
        return self._session.confirmed.wait(self._session)

    def _proceed(self) -> None:
        """Send the 2xx that waits for a PRACK, if there is one."""
        isFree = self._prack is None and self._proceeding is None
        if self._pending is not None and isFree and not self.isUnacknowledged:
            # After the 200 to the PRACK.
            self._proceeding = self._usages.clock.callLater(0, self._acceptPending, self._pending)

    @property
    def isUnacknowledged(self) -> bool:
        """Whether a reliable provisional response of ours waits for its PRACK."""
        return self._reliable is not None and self._reliable.isWaiting

    def _acceptPending(self, pending: tuple[Description | None, list[tuple[str, object]]]) -> None:
        self._pending = self._proceeding = None
        self._isAccepting = False
        description, headers = pending
        # What was sent before it may have answered already.
        wanted = description if self._negotiation.wantsOurs else None
        self._session.follow(Event.SUCCESS, (wanted, headers))

    def _checkedAnswer(self, description: Description | None) -> Description | None:
        """Give the description for the 2xx."""
        state = self._negotiation.state
        if description is None:
            if state != OfferState.ASKED or self._negotiation.hasAgreed:
                return None
            if self._previewed is None:
                raise WrongMoment("to accept without an answer", state)
        elif not self._negotiation.wantsOurs:
            raise WrongMoment("a description in the 2xx", state)
        elif self._previewed not in (None, description):
            # RFC 3261 section 13.2.1: "That same exact answer MAY also be placed in any provisional
            # responses sent prior to the answer."  So another must not.
            raise WrongMoment("another answer", "one was in a provisional response")
        return description or self._previewed

    def sendSuccess(self, payload: tuple[Description | None, list[tuple[str, object]]]) -> None:
        """Send the 2xx, and send it again until its ACK comes."""
        description, headers = payload
        self._stopWaiting()
        if description is not None:
            headers = description.among(headers)
        further = declared(self._usages.configuration.infoPackages)
        headers = [*headers, *self._session.refresher.answer(self.request), *further]
        headers = withSupported(self._usages.configuration, headers)
        response = self._respond(200, None, headers, description)
        if response is None:
            return
        self.success = response
        if description is not None and self._leg is not None:
            self._leg.send(description)
        self._asksForAnswer = self._leg is not None and self._leg.awaitsFirstAnswer
        timers = self._usages.timers
        self._repeating = Repeating(self._usages, response, self._unacknowledged, timers.T2)

    def _unacknowledged(self) -> None:
        self._session.follow(Event.UNACKED, Termination(Cause.NO_ACK, "network"))

    def receiveAck(self, request: IncomingRequest) -> None:
        """Take the ACK to our 2xx."""
        if self._repeating is None or not self._repeating.stop():
            return
        session, leg = self._session, self._leg
        description = descriptionOf(request)
        isAnswered = True
        # An offer of ours that came after, and which the ACK overtakes, is not the ACK's to answer.
        if leg is not None and self._asksForAnswer:
            isAnswered = description is not None
            if description is not None:
                leg.receive(description)
                session.took(leg)
        session.follow(Event.ACKED)
        if not isAnswered:
            # Section 13.2.2.4: "If the 2xx contains an offer [...], the ACK MUST carry an answer".
            session.hangUp(Termination(Cause.BAD_DESCRIPTION, "remote", message=request), "SIP;cause=488")

    def reject(
        self,
        statusCode: int,
        reasonPhrase: str | None,
        headers: Headers,
        contacts: Iterable[object] = (),
    ) -> None:
        """Refuse it, as our user wants."""
        checkNumber("statusCode", statusCode, "a number from 300 to 699")
        if not 300 <= statusCode < 700:
            raise ValueError(f"statusCode: not 300 to 699: {statusCode}")
        checkTexts("contacts", contacts, "sip:bob@example.com")
        places = [("Contact", _asContact(contact)) for contact in contacts]
        further = [*places, *headers]
        self._check(statusCode, reasonPhrase, further)
        self.refuse(statusCode, Termination(Cause.REFUSED, "local", statusCode), reasonPhrase, further)

    def refuse(
        self,
        statusCode: int,
        ending: Termination,
        reasonPhrase: str | None = None,
        headers: Headers = (),
    ) -> None:
        """
        Refuse it.

        @param ending: Why.
        """
        self._refusal = (statusCode, reasonPhrase, [*headers])
        self._session.follow(Event.FAILURE, ending)

    def sendFailure(self) -> None:
        """Send the refusal."""
        self._stopWaiting()
        statusCode, reasonPhrase, headers = self._refusal
        self._usages.respond(self.request, statusCode, reasonPhrase, headers, establish=True)

    # Responses.

    def _check(self, statusCode: int, reasonPhrase: str | None, headers: Headers) -> None:
        """Refuse what cannot be sent before anything changes."""
        given = checkHeaders(headers)
        if given or reasonPhrase is not None:
            response = OutgoingResponse(self.request, statusCode, reasonPhrase, given)
            if statusCode < 300:
                checkContact(response, self.request)

    def _respond(
        self,
        statusCode: int,
        reasonPhrase: str | None,
        headers: Headers,
        description: Description | None,
    ) -> OutgoingResponse | None:
        """
        Send a response that makes the dialog.

        @return: It; C{None}: there can be no dialog, and so no session.
        """
        body = b"" if description is None else description.body
        contentType = None if description is None else description.contentType
        try:
            dialog, response = self._usages.respond(
                self.request, statusCode, reasonPhrase, headers, body, contentType, establish=True
            )
        except (LimitExceeded, ParseError) as error:
            _log.warn("a call cannot be taken: {error}", error=error)
            code = 503 if isinstance(error, LimitExceeded) else 400
            self._usages.respond(self.request, code, establish=True)
            self._session.follow(Event.FAILURE, Termination(Cause.REFUSED, "local", code))
            self._session.follow(Event.BROKEN, Termination(Cause.REFUSED, "local", code))
            return None
        self._lastResponse = response
        if self._leg is None and dialog is not None:
            self._leg = Leg(dialog, self._negotiation)
            self._leg.remote = self.remoteDescription
            self._session.legs.append(self._leg)
            self._usages.attach(dialog, self._session, self.request.transport)
        return response


def _asContact(contact: object) -> str:
    text = str(contact)
    return text if "<" in text else f"<{text}>"
