"""
L{Repair}: a call that outlives its connection.

The peer knows nothing of the loss, but where to find us may have changed, and
what is on the way may have forgotten the call: a re-INVITE with an unchanged
description and our Contact on the new connection puts both right (RFC 3261
section 14, RFC 3264 section 8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred

from sipws.emitter import loggerFor
from sipws.errors import SIPError, TransportError, WrongMoment
from sipws.refreshing import retryAfter
from sipws.session.machine import Event, State
from sipws.session.values import Cause, Termination

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from sipws.message import IncomingResponse
    from sipws.session.core import SessionCore

__all__ = ["Repair"]

_log = loggerFor("sip.session")

#: Between two attempts of one repair, in seconds: where something of ours is in the way, and where
#: a server is, or the peer's own connection, which may have been lost with ours.
_PAUSE = 1.0
_LONGER_PAUSE = 4.0

#: What a registrar says of a GRUU whose user agent is not there: "If there are no registered contacts bound
#: to the GRUU, the server MUST return a 480 (Temporarily Unavailable) response" (RFC 5627 section 6.1).
_UNAVAILABLE = 480

#: What says that it may go better later: that, "Flow Failed" (RFC 5626 section 11.5), failures of servers.
_PASSING = frozenset({430, _UNAVAILABLE, 500, 503, 504})


class Repair:
    """The repair of one session, each time that its connection is lost."""

    __slots__ = ("_pause", "_refusal", "_session", "_timer", "_waiting")

    def __init__(self, session: SessionCore) -> None:
        self._session = session
        # What is waited for: the next connection, or the answer to the re-INVITE.
        self._waiting: Deferred[IncomingResponse] | None = None
        # How long a repair may take; and a pause between two attempts.
        self._timer: IDelayedCall | None = None
        self._pause: IDelayedCall | None = None
        # The last response that said that it may go better later.
        self._refusal: IncomingResponse | None = None

    @property
    def isUnderWay(self) -> bool:
        """Whether there is one."""
        return self._timer is not None

    def begin(self) -> None:
        """The connection is gone: wait for the next.  Does nothing where that is under way."""
        if self.isUnderWay:
            return
        session = self._session
        session.modification.connectionLost()
        timeout = session.usages.configuration.sessionRepairTimeout
        self._timer = session.usages.clock.callLater(timeout, self._tooLate)
        self._wait()

    def forgives(self, response: IncomingResponse) -> bool:
        """
        Say whether a response, which would end the session, is to be taken for one that may be another soon.

        The peer's connection may have been lost with ours, and the peer not be back.

        @param response: A final response within the session.
        """
        return self.isUnderWay and response.statusCode == _UNAVAILABLE and response.method == "INVITE"

    def stop(self) -> None:
        """The session is over."""
        self._end()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def _wait(self) -> None:
        self._pause = None
        # Where the user agent registers, the registrar's word: who is not registered is not found.
        waiting = self._waiting = self._session.usages.whenReachable().addCallback(self._reinvite)
        waiting.addCallbacks(self._answered, self._failed)

    def _reinvite(self, _: object) -> Deferred[IncomingResponse]:
        session = self._session
        dialog = session.dialog
        assert dialog is not None
        # RFC 5627 section 4.2: a GRUU may be another after each registration.
        contact = session.usages.contact(secure=dialog.live.secure)
        return session.modification.send("INVITE", session.localDescription, [("Contact", contact)])

    def _answered(self, response: IncomingResponse) -> None:
        self._waiting = None
        if not self.isUnderWay:
            return
        if response.statusCode in _PASSING and self._session.state == State.CONFIRMED:
            self._refusal = response
            self._pauseFor(max(_LONGER_PAUSE, retryAfter(response) or 0))
            return
        self._end()
        if response.statusCode < 300:
            self._session.emit("repaired")
        else:
            # A 481 or a 408 has ended it already.
            ending = Termination(Cause.NOT_REPAIRED, "remote", response.statusCode, response)
            self._session.hangUp(ending)

    def _failed(self, failure: Failure) -> None:
        self._waiting = None
        if not self.isUnderWay or failure.check(CancelledError) is not None:
            return
        if failure.check(TransportError, WrongMoment) is not None and self._session.state == State.CONFIRMED:
            # That connection is lost, too, or its server does not read; or something of ours, or of the
            # peer's, is still under way.
            self._pauseFor(_PAUSE)
            return
        self._end()
        if failure.check(SIPError) is None:
            _log.failure("a call was not repaired", failure)
        self._session.hangUp(Termination(Cause.NOT_REPAIRED, "network"))

    def _pauseFor(self, seconds: float) -> None:
        self._pause = self._session.usages.clock.callLater(seconds, self._wait)

    def _tooLate(self) -> None:
        refusal = self._refusal
        self.stop()
        if refusal is None:
            self._session.follow(Event.BROKEN, Termination(Cause.CONNECTION, "network"))
        else:
            # There is a connection, or was: a BYE may find its way where the INVITE did not.
            self._session.hangUp(Termination(Cause.NOT_REPAIRED, "remote", refusal.statusCode, refusal))

    def _end(self) -> None:
        for timer in (self._timer, self._pause):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._pause = self._refusal = None
