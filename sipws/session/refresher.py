"""
L{Refresher}: the session timer of one session (RFC 4028).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.python.failure import Failure

from sipws.emitter import loggerFor
from sipws.errors import ParseError, SIPError
from sipws.session.machine import State
from sipws.session.sessiontimers import (
    LEAST,
    Agreement,
    TooSmall,
    agreeOnRequest,
    agreeOnResponse,
    largerMinimum,
    leastInterval,
    refreshHeaders,
    responseHeaders,
)
from sipws.session.tags import TIMER, supports
from sipws.session.values import Cause, Description, Termination

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import IUsages
    from sipws.message import IncomingMessage, IncomingRequest, IncomingResponse
    from sipws.session.core import SessionCore

__all__ = ["Refresher", "refuseTimer"]

_log = loggerFor("sip.session")

_Headers = list[tuple[str, object]]

#: What says that the peer does not take an UPDATE, though its Allow says so.
_NO_UPDATE: Final = frozenset({405, 420, 501})

#: What the BYE says.
_REASON: Final = 'SIP;cause=408;text="not refreshed"'


def refuseTimer(usages: IUsages, request: IncomingRequest) -> bool:
    """
    Refuse an INVITE or UPDATE whose session interval is too small for us, or cannot be read.

    @return: Whether it was refused.
    """
    if not request.hasHeader("Session-Expires") and not request.hasHeader("Min-SE"):
        return False
    agreement = _agree(usages, request)
    if not isinstance(agreement, TooSmall):
        return False
    usages.respond(request, 422 if agreement.minimum else 400, None, responseHeaders(agreement))
    return True


def _agree(usages: IUsages, request: IncomingRequest) -> Agreement | TooSmall | None:
    configuration = usages.configuration
    wanted, isSupported = configuration.sessionExpires or None, supports(request, TIMER)
    try:
        return agreeOnRequest(request, wanted, configuration.sessionMinExpires, isSupported=isSupported)
    except ParseError:
        return TooSmall(0)


class Refresher:
    """
    The session timer of one session: refreshes it, or ends it where the peer does not.

    @ivar agreement: What was agreed on last; C{None}: there is no timer.
    """

    __slots__ = ("_asked", "_isLast", "_minimum", "_session", "_takesUpdates", "_timer", "agreement")

    def __init__(self, session: SessionCore) -> None:
        self._session = session
        self.agreement: Agreement | None = None
        # What our last request asked for; the largest Min-SE there was in the dialog.
        self._asked: int | None = None
        self._minimum: int | None = None
        self._takesUpdates = False
        # Whether the timer that runs is that of the end, after a refresh that came to nothing.
        self._isLast = False
        self._timer: IDelayedCall | None = None

    def stop(self) -> None:
        """The session is over, or about to be."""
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()

    # Our requests.

    def ask(self) -> _Headers:
        """Give what an INVITE or UPDATE of ours asks for."""
        configuration, agreement = self._session.usages.configuration, self.agreement
        minimum = max(configuration.sessionMinExpires, self._minimum or LEAST)
        if agreement is None:
            wanted, refresher = configuration.sessionExpires or None, None
        else:
            # Section 7.4: "it is RECOMMENDED that the 'refresher' parameter be [...] set to 'uac' if the
            # element sending the request is currently performing refreshes, and to 'uas' otherwise": so
            # that a re-INVITE for another reason does not change who does.
            wanted, refresher = agreement.interval, "uac" if agreement.isOurs else "uas"
        self._asked = None if wanted is None else max(wanted, minimum)
        # "The UAC MUST insert the Min-SE header field into a session refresh request for a particular
        # dialog if it has ever received a 422 response to a previous session refresh request on the same
        # dialog, or if it has received a session refresh request on that dialog which contained a
        # Min-SE header field."
        isTold = self._minimum is not None
        return refreshHeaders(wanted, minimum, refresher, tellsMinimum=isTold)

    def take(self, response: IncomingResponse) -> None:
        """Take the 2xx to an INVITE or UPDATE of ours."""
        self._note(response)
        if self._asked is not None or self.agreement is not None or response.hasHeader("Session-Expires"):
            self._agreed(agreeOnResponse(response, self._asked))

    def takeRefusal(self, response: IncomingResponse) -> bool:
        """
        Take a 422.

        @return: Whether asking again, with L{ask}, may help.
        """
        minimum = largerMinimum(response, self._asked)
        if minimum is None:
            return False
        self._minimum = max(minimum, self._minimum or 0)
        return True

    # The peer's requests.

    def answer(self, request: IncomingRequest) -> _Headers:
        """Agree to what an INVITE or UPDATE of the peer's asks for; give what goes into its 2xx."""
        self._note(request)
        least = leastInterval(request) if request.hasHeader("Min-SE") else None
        if least is not None:
            self._minimum = max(least, self._minimum or 0)
        agreement = _agree(self._session.usages, request)
        if isinstance(agreement, TooSmall):
            return []
        self._agreed(agreement)
        return responseHeaders(agreement)

    def _note(self, message: IncomingMessage) -> None:
        if message.hasHeader("Allow"):
            self._takesUpdates = "UPDATE" in message.getHeaders("Allow")

    # Time.

    def _agreed(self, agreement: Agreement | None) -> None:
        self.agreement = agreement
        self._isLast = False
        self.stop()
        # Before the 2xx to the INVITE there is no session that could expire: that agrees anew.
        if agreement is not None and self._session.state in (State.ACCEPTED, State.CONFIRMED):
            self._wait(agreement.delay)

    def _wait(self, seconds: float) -> None:
        self._timer = self._session.usages.clock.callLater(seconds, self._due)

    def _due(self) -> None:
        agreement, self._timer = self.agreement, None
        if agreement is None:
            return
        if not agreement.isOurs or self._isLast:
            self._session.hangUp(Termination(Cause.EXPIRED, "network"), _REASON)
            return
        # Section 10: "only a 2xx response to a session refresh request extends the session expiration."
        self._isLast = True
        self._wait(Agreement(agreement.interval, isOurs=False).delay - agreement.delay)
        self._refresh("UPDATE" if self._takesUpdates else "INVITE")

    def _refresh(self, method: str) -> None:
        # Section 7.4: "an UPDATE [...] does not need to include an offer, but a re-INVITE SHOULD contain
        # one, even if the details of the session have not changed.  In that case, the offer MUST indicate
        # that it has not changed."
        offer: Description | None = None if method == "UPDATE" else self._session.localDescription
        sent = self._session.modification.send(method, offer, ())
        sent.addCallbacks(self._refreshed, self._unrefreshed, callbackArgs=(method,))

    def _refreshed(self, response: IncomingResponse, method: str) -> None:
        if response.statusCode < 300:
            return
        if method == "UPDATE" and response.statusCode in _NO_UPDATE:
            self._takesUpdates = False
            self._refresh("INVITE")
            return
        # "the UAC SHOULD NOT continuously retry the request": the end comes, unless something else
        # refreshes the session until then.
        _log.info("a session was not refreshed: {status}", status=response.statusCode)

    def _unrefreshed(self, failure: Failure) -> None:
        if failure.check(SIPError) is None:
            _log.failure("a session was not refreshed", failure)
