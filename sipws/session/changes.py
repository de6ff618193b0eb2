"""
L{Change}: a re-INVITE or an UPDATE of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipws.emitter import loggerFor
from sipws.errors import SIPError, WrongMoment
from sipws.session.branches import acknowledge, credentialsOf
from sipws.session.glare import MAX_GLARES, glareDelay
from sipws.session.machine import State
from sipws.session.pracks import Pracks, putBack
from sipws.session.tags import isReliable, withSupported
from sipws.session.values import Cause, Description, Termination, descriptionOf

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import ISending
    from sipws.message import IncomingResponse
    from sipws.session.core import Headers, SessionCore
    from sipws.session.leg import Leg
    from sipws.session.modification import Modification

__all__ = ["Change"]

_log = loggerFor("sip.session")


class Change:
    """One re-INVITE or UPDATE of ours, in one attempt after the other while it crosses the peer's."""

    __slots__ = (
        "_acknowledged",
        "_attempts",
        "_description",
        "_headers",
        "_isAgreed",
        "_leg",
        "_modification",
        "_owing",
        "_pracks",
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
        # Whether the description that the response owes us has come; and what acknowledges provisional ones.
        self._isAgreed = False
        self._pracks: Pracks | None = None
        self._sending: ISending | None = None
        self._timer: IDelayedCall | None = None
        self._acknowledged: list[Description | None] = []
        # The 2xx whose offer our user has not answered, and which has no ACK so far.
        self._owing: IncomingResponse | None = None
        self._result: Deferred[IncomingResponse] = Deferred(self._cancelled)

    @property
    def isUnderWay(self) -> bool:
        """Whether it waits for a response, and not to be sent again."""
        return self._timer is None

    @property
    def awaitsOffer(self) -> bool:
        """Whether the next offer is the peer's, as it is asked for one."""
        return self.method == "INVITE" and self._description is None and not self._isAgreed

    def start(self) -> Deferred[IncomingResponse]:
        """Send it."""
        try:
            self._transmit()
        except ValueError as error:
            self._withdraw()
            self._modification.ended(self)
            raise error
        return self._result

    def stop(self) -> None:
        """The session is over."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._fail(Failure(WrongMoment("to send it again", self._session.state)))
        # Our user is not asked any more for the answer that is to go with the ACK.
        self._answerOffer(self._leg.decline() if self._owing is not None else None)

    def abandon(self) -> None:
        """Wait no longer for the final response."""
        if self._sending is not None and self.method == "INVITE" and not self._sending.result.called:
            self._sending.cancel()

    def _transmit(self) -> None:
        description = self._description
        session = self._session
        given = [*self._headers, *session.refresher.ask()]
        headers = withSupported(session.usages.configuration, given)
        if description is not None:
            headers = description.among(headers)
            self._leg.send(description)
        isInvite = self.method == "INVITE"
        self._pracks = None
        self._sending = session.usages.sendWithin(
            self._leg.dialog,
            self.method,
            headers,
            b"" if description is None else description.body,
            None if description is None else description.contentType,
            onProvisional=self._provisional if isInvite else None,
            onAccepted=self._again if isInvite else None,
        )
        session.watch(self._sending.result).addCallbacks(self._answered, self._fail)

    def _cancelled(self, result: object) -> None:
        if self._timer is not None:
            self.stop()
        elif self._sending is not None and self.method == "INVITE":
            self._sending.cancel()

    def _withdraw(self) -> None:
        """It came to nothing, and its offer with it; another's offer may be open all the same."""
        if self._description is not None and not self._isAgreed:
            self._leg.withdraw()

    def _provisional(self, response: IncomingResponse) -> None:
        # After the session's end nothing is asked or told of it.
        if isReliable(response) and self._session.state != State.TERMINATED:
            if self._pracks is None:
                self._pracks = Pracks(self._session, self._isNews)
            self._pracks.take(self._leg, response)

    def _isNews(self, leg: Leg, description: Description) -> bool:
        """
        Take a description in a response.

        @return: Whether it is an offer, which wants an answer.
        """
        if self._isAgreed or (self.awaitsOffer and not leg.isFree):
            return False
        isOffer = self.awaitsOffer
        self._isAgreed = True
        leg.receive(description)
        if not isOffer:
            self._session.took(leg)
        return isOffer

    def _fail(self, failure: Failure) -> None:
        self._withdraw()
        self._modification.ended(self)
        if not self._result.called:
            self._result.errback(failure)

    def _answered(self, response: IncomingResponse) -> None:
        if self._session.state == State.TERMINATED:
            # Nothing of it is taken, and nothing tried again; but a 2xx wants its ACK, if there is a way.
            if response.statusCode < 300:
                self._acknowledge(None)
            self._finish(response)
            return
        if response.statusCode >= 300:
            self._refused(response)
            return
        self._session.refresher.take(response)
        self._session.emit("refresh")
        description = descriptionOf(response) if self._isOwed() else None
        if description is None:
            self._withdraw()
        elif self._isNews(self._leg, description):
            self._owing = response
            putBack(self._session, self._leg, response, description, self._answerOffer)
            return
        self._take(response, None)
        if description is not None and not self._isAgreed:
            # An offer that comes while another is open: RFC 3264 section 4 has no answer to it.
            self._session.hangUp(
                Termination(Cause.BAD_DESCRIPTION, "remote", message=response), "SIP;cause=488"
            )

    def _isOwed(self) -> bool:
        """Say whether a 2xx has a description that is of any account."""
        return not self._isAgreed and (self._description is not None or self.method == "INVITE")

    def _refused(self, response: IncomingResponse) -> None:
        self._withdraw()
        if response.statusCode == 491 and self._attempts < MAX_GLARES and not self._result.called:
            self._attempts += 1
            self._waitAndSee(response)
        elif response.statusCode == 422 and self._session.refresher.takeRefusal(response):
            self._tryAgain(response)
        else:
            self._finish(response)
            self._synchronize()

    def _synchronize(self) -> None:
        """
        Say how things are, where a re-INVITE was refused that had changed them already.

        RFC 6141 section 3.4: "a UAC that receives an error response to a re-INVITE for which changes
        have been already executed SHOULD generate a new re-INVITE or UPDATE request in order to make
        sure that both UAs have a common view of the state of the session".
        """
        session = self._session
        if not self._isAgreed or self.method != "INVITE" or session.state != State.CONFIRMED:
            return
        offer = session.offerAgain(self._leg.local)
        session.modification.send("UPDATE", offer, ()).addErrback(_unsynchronized)

    def _answerOffer(self, answer: Description | None) -> None:
        """Acknowledge the 2xx whose offer was waiting for an answer, if one was."""
        response, self._owing = self._owing, None
        if response is not None:
            self._take(response, answer)

    def _take(self, response: IncomingResponse, answer: Description | None) -> None:
        self._acknowledge(answer)
        self._finish(response)

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
            request = self._sending.request
            try:
                acknowledge(
                    self._session.usages, self._leg.dialog, request.cseq, credentialsOf(request), answer
                )
            except ValueError as error:
                _log.warn("no ACK: {error}", error=error)

    # Glare.

    def _waitAndSee(self, response: IncomingResponse) -> None:
        usages = self._session.usages
        isOwner = self._session.direction == "outgoing"
        delay = glareDelay(usages.random.random(), isOwner=isOwner)
        self._timer = usages.clock.callLater(delay, self._tryAgain, response)

    def _isInTheWay(self) -> bool:
        """Say whether a re-INVITE of the peer's keeps it from being sent."""
        modification = self._modification
        if self.method == "INVITE":
            return modification.isInviting
        return self._description is not None and modification.isAsked

    def _tryAgain(self, response: IncomingResponse) -> None:
        self._timer = None
        self._isAgreed = False
        if self._session.state != State.CONFIRMED and self.method == "INVITE":
            self._finish(response)
        elif not self._leg.isFree or self._isInTheWay():
            # The peer's own change is under way: wait for it to be over.
            self._waitAndSee(response)
        else:
            self._description = self._session.offerAgain(self._description)
            try:
                self._transmit()
            except ValueError:
                self._finish(response)


def _unsynchronized(failure: Failure) -> None:
    if failure.check(SIPError) is None:
        _log.failure("an UPDATE came to nothing", failure)
