"""
L{SessionCore}: what runs a session: its state machine, its dialogs, and what comes in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.python.failure import Failure

from sipws.dialog import DialogID, Effect, effectOf
from sipws.emitter import Emitter, loggerFor
from sipws.errors import ParseError, SessionFailed, SessionTerminated, TransactionTimeout, TransportError
from sipws.session.handlers import handlerAttribute
from sipws.session.machine import ARROWS, INCOMING, OUTGOING, Action, Event, State
from sipws.session.modification import Modification
from sipws.session.outcome import Outcome
from sipws.session.refresher import Refresher
from sipws.session.repair import Repair
from sipws.session.values import Cause, Description, Past, Termination

if TYPE_CHECKING:
    from sipws.dialog import Dialog, IUsages
    from sipws.errors import SIPError
    from sipws.interfaces import ISessionDescriptionHandler
    from sipws.message import IncomingRequest, IncomingResponse
    from sipws.session.leg import Leg
    from sipws.session.offers import Offer

__all__ = ["ESTABLISHED", "Headers", "SessionCore"]

_log = loggerFor("sip.session")

#: Headers, name and value.
Headers = Iterable[tuple[str, object]]

#: The states in which there is a session, or will be once the ACK is there.
ESTABLISHED = frozenset({State.ACCEPTED, State.CONFIRMED})

_ENDING = frozenset({State.TERMINATING, State.TERMINATED, State.LEAVING, State.CANCELLING})

#: The methods of requests that each branch of an INVITE that forks may send, before one of them accepts.
_ANY_BRANCH = frozenset({"UPDATE"})


class SessionCore(Emitter):
    """
    What runs a session.

    @ivar usages: What the user agent does for it.
    @ivar handler: What makes and takes the session descriptions; C{None}: its user does.
    @ivar state: How it stands: one of L{State}.
    @ivar ending: What ends it, or has ended it; C{None}: nothing does.
    @ivar legs: Its dialogs.
    @ivar invitation: What asks for it, or was asked: an L{Outgoing} or an L{Incoming}; in the end a L{Past}.
    """

    #: A call keeps the flow where it is.
    holdsConnection = True
    handler: ISessionDescriptionHandler | None = handlerAttribute
    _handler: ISessionDescriptionHandler | None

    def __init__(self, usages: IUsages, handler: ISessionDescriptionHandler | None = None) -> None:
        super().__init__()
        self.usages = usages
        self.handler = handler
        self.state: str = State.INITIAL
        self.ending: Termination | None = None
        self.legs: list[Leg] = []
        self._leg: Leg | None = None
        self.invitation: Any = None
        self._machine = OUTGOING.name
        self._byeHeaders: list[tuple[str, object]] = []
        self.accepted: Outcome[Any] = Outcome()
        self.confirmed: Outcome[Any] = Outcome()
        self.over: Outcome[Termination] = Outcome()
        # What many calls never need is made when it is needed.
        self._modification: Modification | None = None
        self._repair: Repair | None = None
        self._refresher: Refresher | None = None

    def __repr__(self) -> str:
        return f"<Session {self.direction} {self.state} Call-ID {self.id}>"

    def begin(self, invitation: Any) -> None:
        """
        Begin.

        @param invitation: What asks for the session, or was asked.
        """
        self.invitation = invitation
        self._machine = invitation.machine.name
        self.usages.add(self)
        self.follow(Event.START)

    # What it is.

    @property
    def direction(self) -> str:
        """See above."""
        return "incoming" if self._machine == INCOMING.name else "outgoing"

    @property
    def id(self) -> str:
        """Its Call-ID."""
        return str(self.request.callID)

    @property
    def request(self) -> Any:
        """The INVITE: an C{OutgoingRequest}, as it was sent last, or an C{IncomingRequest}."""
        return self.invitation.request

    @property
    def leg(self) -> Leg | None:
        """The dialog that it is in, with what is negotiated there; C{None}: there is none, or not one yet."""
        if self._leg is not None:
            return self._leg
        return self.legs[-1] if self.legs else None

    @property
    def dialog(self) -> Dialog | None:
        """The dialog that it is in: of several early ones, the last."""
        return None if self.leg is None else self.leg.dialog

    @property
    def localDescription(self) -> Description | None:
        """Our last description; C{None}: there is none."""
        return self.invitation.localDescription if self.leg is None else self.leg.local

    @property
    def remoteDescription(self) -> Description | None:
        """The peer's last description; C{None}: there is none."""
        return self.invitation.remoteDescription if self.leg is None else self.leg.remote

    @property
    def modification(self) -> Modification:
        """What changes it."""
        if self._modification is None:
            self._modification = Modification(self)
        return self._modification

    @property
    def refresher(self) -> Refresher:
        """What keeps it up, where it has a timer."""
        if self._refresher is None:
            self._refresher = Refresher(self)
        return self._refresher

    # Its end.

    def whenTerminated(self) -> Deferred[Termination]:
        """Wait for the end, however it comes; the Deferred never fails."""
        return self.over.wait()

    def finish(self, ending: Termination, reason: str | None = None) -> Deferred[Termination]:
        """
        End it in whatever way is the right one now.

        @param ending: Why.
        @param reason: A value of Reason.
        """
        if self.state == State.RINGING:
            self.invitation.refuse(480, ending)
            return self.whenTerminated()
        return self.hangUp(ending, reason)

    def hangUp(
        self, ending: Termination, reason: str | None = None, headers: Headers = ()
    ) -> Deferred[Termination]:
        """
        End it with CANCEL or BYE.

        @param ending: Why.
        @param reason: A value of Reason.
        @param headers: Further headers of the BYE.
        """
        if not self._byeHeaders:
            self._byeHeaders = [*([("Reason", reason)] if reason is not None else ()), *headers]
        self.follow(Event.HANG_UP, ending)
        return self.whenTerminated()

    def stop(self) -> Deferred[Any] | None:
        """End it: the user agent is being stopped."""
        return self.finish(Termination(Cause.STOPPED, "local"))

    def watch(self, result: Deferred[IncomingResponse]) -> Deferred[IncomingResponse]:
        """
        End the session where a response within it, or the lack of one, says so.

        RFC 3261 section 12.2.1.2: "If the response for a request within a
        dialog is a 481 (Call/Transaction Does Not Exist) or a 408 (Request
        Timeout), the UAC SHOULD terminate the dialog.  A UAC SHOULD also
        terminate a dialog if no response at all is received for the request".
        """
        return result.addCallbacks(self._watched, self._unanswered)

    def _watched(self, response: IncomingResponse) -> IncomingResponse:
        isForgiven = self._repair is not None and self._repair.forgives(response)
        if effectOf(response.statusCode, response.method) is Effect.USAGE and not isForgiven:
            self.finish(Termination(Cause.DIALOG, "remote", response.statusCode, response))
        return response

    def _unanswered(self, failure: Failure) -> Failure:
        if failure.check(TransactionTimeout) is not None:
            self.finish(Termination(Cause.TIMEOUT, "network"))
        return failure

    # IUsage.

    def takes(self, request: IncomingRequest) -> bool:
        """Say whether a request within the dialog is the session's."""
        return request.method in self.RECEIVERS

    def receiveRequest(self, request: IncomingRequest) -> object:
        """Take a request within one of the dialogs."""
        leg = self.legFor(request)
        if leg is None:
            # A further branch that has accepted, and is being ended: BYEs cross, and there is nothing else.
            return 200 if request.method == "BYE" else 481
        if leg is not self.leg and request.method not in _ANY_BRANCH:
            return 481
        return self.RECEIVERS[request.method](self, request)

    def dialogEnded(self, dialog: Dialog) -> None:
        """Take note that a dialog is gone."""
        leg, isOurs = self.legOf(dialog), self.dialog is dialog
        if leg is None:
            return
        self.legs.remove(leg)
        ending = Termination(Cause.DIALOG, "remote")
        if isOurs and not self.follow(Event.BROKEN, ending) and self.state == State.RINGING:
            self.finish(ending)

    def connectionLost(self, dialog: Dialog, error: SIPError) -> None:
        """Take note that the connection is gone."""
        if self.dialog is not dialog:
            return
        isRepaired = self.usages.configuration.sessionRepair
        if isRepaired and self.state == State.CONFIRMED:
            if self._repair is None:
                self._repair = Repair(self)
            self._repair.begin()
        elif not (isRepaired and self.state == State.TERMINATING):
            self.follow(Event.BROKEN, Termination(Cause.CONNECTION, "network"))

    def _receiveBye(self, request: IncomingRequest) -> object:
        ending = Termination(Cause.HUNG_UP, "remote", None, request, request.getHeader("Reason"))
        if self.state == State.RINGING:
            self.invitation.refuse(487, ending)
        elif not self.follow(Event.BYE, ending):
            # RFC 3261 section 15: but the caller may end an early dialog; the callee "MUST NOT".
            return 481
        return 200

    def _receiveAck(self, request: IncomingRequest) -> object:
        self.emit("ack", request)
        if request.cseq == self.request.cseq and self.direction == "incoming":
            self.invitation.receiveAck(request)
        else:
            self.modification.receiveAck(request)
        return None

    def _receivePrack(self, request: IncomingRequest) -> object:
        return self.invitation.receivePrack(request) if self.direction == "incoming" else 481

    def _receiveInvite(self, request: IncomingRequest) -> object:
        return self.modification.receiveInvite(request) if self.state in ESTABLISHED else 481

    def _receiveUpdate(self, request: IncomingRequest) -> object:
        leg = self.legFor(request)
        if leg is None or self.state in _ENDING:
            return 481
        return self.modification.receiveUpdate(request, leg)

    #: What takes the requests within the dialog, by method.
    RECEIVERS: dict[str, Callable[[Any, IncomingRequest], object]] = {
        "ACK": _receiveAck,
        "BYE": _receiveBye,
        "INVITE": _receiveInvite,
        "PRACK": _receivePrack,
        "UPDATE": _receiveUpdate,
    }

    # Descriptions.

    def legFor(self, request: IncomingRequest) -> Leg | None:
        """Give the leg that a request of the peer's is within; C{None}: it is none of ours any more."""
        dialogID = DialogID.ofRequest(request)
        return next((leg for leg in self.legs if leg.dialog.id == dialogID), None)

    def legOf(self, dialog: Dialog) -> Leg | None:
        """Give the leg of a dialog; C{None}: it is none of ours."""
        for leg in self.legs:
            if leg.dialog is dialog:
                return leg
        return None

    def put(self, offer: Offer) -> None:
        """Have an offer be answered: by the handler, by who listens, or as things are."""
        if self.handler is not None:
            made = maybeDeferred(self._askHandler, self.handler, offer.description)
            made.addCallback(self._made, offer).addErrback(self._unmade, offer)
        elif not self.ask("offer", offer):
            local = self.localDescription
            if local is None:
                offer.reject(488)
            else:
                self.answerAsItIs(offer, local)

    def answerAsItIs(self, offer: Offer, local: Description) -> None:
        """Answer an offer that nobody listens for, with what we have."""
        offer.accept(local.body, local.contentType)

    def offerAgain(self, offer: Description | None) -> Description | None:
        """Give the offer of a re-INVITE or UPDATE that is sent again, after others may have been answered."""
        return offer

    def refreshed(self, request: IncomingRequest) -> list[tuple[str, object]]:
        """Agree to what a re-INVITE or UPDATE refreshes; give what goes into its 2xx."""
        headers = self.refresher.answer(request)
        self.emit("refresh")
        return headers

    def describe(self, remote: Description | None) -> Deferred[Description | None]:
        """Have the handler make our answer, or our offer; nothing without one."""
        if self.handler is None:
            return succeed(None)
        return maybeDeferred(self._askHandler, self.handler, remote)

    def took(self, leg: Leg) -> None:
        """Hand the peer's answer to the handler."""
        if self.handler is not None and leg.remote is not None:
            maybeDeferred(self.handler.takeAnswer, self, leg.remote).addErrback(self._untaken)

    def _askHandler(self, handler: ISessionDescriptionHandler, remote: Description | None) -> Any:
        return handler.makeOffer(self) if remote is None else handler.makeAnswer(self, remote)

    def _made(self, description: Description, offer: Offer) -> None:
        if not offer.isAnswered:
            offer.accept(description.body, description.contentType)

    def _unmade(self, failure: Failure, offer: Offer) -> None:
        _log.failure("the session description handler failed", failure)
        if not offer.isAnswered:
            offer.reject(488)

    def _untaken(self, failure: Failure) -> None:
        _log.failure("the session description handler did not take the answer", failure)
        self.finish(Termination(Cause.BAD_DESCRIPTION, "local"))

    # The state machine.

    def follow(self, event: str, payload: object = None) -> bool:
        """
        Follow the arrow of an event, if there is one.

        @param payload: What comes with it: a response, or a L{Termination}.
        @return: Whether there was one.
        """
        arrow = ARROWS[self._machine].get((self.state, event))
        if arrow is None:
            return False
        _, _, actions, self.state = arrow
        if self.ending is None and isinstance(payload, Termination):
            self.ending = payload
        for action in actions:
            self.ACTIONS[action](self, payload)
        return True

    def _sendInvite(self, _: object) -> None:
        self.invitation.invite()

    def _sendCancel(self, _: object) -> None:
        self.invitation.cancel(self._byeHeaders)

    def _sendProvisional(self, payload: Any) -> None:
        self.invitation.sendProvisional(payload)

    def _sendSuccess(self, payload: Any) -> None:
        self.invitation.sendSuccess(payload)

    def _sendFailure(self, _: object) -> None:
        self.invitation.sendFailure()

    def _sendAck(self, _: object) -> None:
        self.invitation.sendAck()

    def _adopt(self, response: Any) -> None:
        self._leg = self.invitation.adopt(response)

    def _sendBye(self, _: object) -> None:
        self._stopParts()
        self._transmitBye()

    def _stopParts(self) -> None:
        for part in (self._modification, self._repair, self._refresher):
            if part is not None:
                part.stop()

    def _transmitBye(self) -> None:
        leg, configuration = self.leg, self.usages.configuration
        # While a lost connection is being repaired, it waits for the next.
        deadline = configuration.sessionRepairTimeout if configuration.sessionRepair else None
        try:
            if leg is None:
                raise ValueError("there is no dialog")
            sending = self.usages.sendWithin(leg.dialog, "BYE", self._byeHeaders, deadline=deadline)
        except (ValueError, ParseError) as error:
            _log.warn("no BYE: {error}", error=error)
            self.follow(Event.BROKEN)
            return
        sending.result.addBoth(self._byeAnswered)

    def _byeAnswered(self, result: object) -> None:
        if isinstance(result, Failure):
            if self._isByeLost(result):
                self._transmitBye()
                return
            if result.check(TransportError, TransactionTimeout) is None:
                _log.failure("a BYE came to nothing", result)
        self.follow(Event.BYE_ANSWERED)

    def _isByeLost(self, failure: Failure) -> bool:
        """Say whether our BYE may be lost with its connection, and another may leave on the next."""
        error = failure.value
        isRepaired = self.usages.configuration.sessionRepair and self.state == State.TERMINATING
        return isRepaired and isinstance(error, TransportError) and error.sent is True

    def _tellProgress(self, response: object) -> None:
        self.emit("progress", response)

    def _tellAccepted(self, payload: object) -> None:
        # What could not be sent has ended it.
        if self.state == State.ACCEPTED:
            self.accepted.succeed(self, keep=False)
            self.emit("accepted", self.invitation.success or payload)

    def _tellConfirmed(self, _: object) -> None:
        self.confirmed.succeed(self, keep=False)
        self.emit("confirmed")

    def _tellFailed(self, _: object) -> None:
        ending = self.ending
        assert ending is not None
        error = SessionFailed(
            ending.cause, by=ending.by, statusCode=ending.statusCode, response=ending.response
        )
        error.__cause__ = ending.error
        self.accepted.fail(error)
        self.confirmed.fail(error)
        self.emit("failed", error)

    def _end(self, _: object) -> None:
        if self.ending is None:
            self.ending = Termination(Cause.DIALOG, "remote")
        if not self.accepted.isKnown:
            # Its 2xx could not be sent.
            self._tellFailed(None)
        self._stopParts()
        if self._modification is not None:
            self._modification.abandon()
        self._modification = self._repair = self._refresher = None
        invitation = self.invitation
        invitation.stop()
        # It is known by who keeps it, and knows nobody: so nothing waits for the garbage collector.
        self.invitation = Past(invitation.request, invitation.localDescription, invitation.remoteDescription)
        legs, self.legs = self.legs, []
        for leg in legs:
            self.usages.detach(leg.dialog, self)
        self.usages.discard(self)
        if not self.confirmed.isKnown:
            error = SessionTerminated(self.ending.cause)
            self.accepted.fail(error)
            self.confirmed.fail(error)
        if self.handler is not None:
            maybeDeferred(self.handler.closed, self).addErrback(self._uncleared)
        self.emit("terminated", self.ending)
        self.over.succeed(self.ending)

    def _uncleared(self, failure: Failure) -> None:
        _log.failure("the session description handler failed at the end", failure)

    ACTIONS: dict[str, Callable[[Any, Any], None]] = {
        Action.SEND_INVITE: _sendInvite,
        Action.SEND_CANCEL: _sendCancel,
        Action.SEND_PROVISIONAL: _sendProvisional,
        Action.SEND_SUCCESS: _sendSuccess,
        Action.SEND_FAILURE: _sendFailure,
        Action.SEND_ACK: _sendAck,
        Action.SEND_BYE: _sendBye,
        Action.ADOPT: _adopt,
        Action.TELL_PROGRESS: _tellProgress,
        Action.TELL_ACCEPTED: _tellAccepted,
        Action.TELL_CONFIRMED: _tellConfirmed,
        Action.TELL_FAILED: _tellFailed,
        Action.END: _end,
    }
