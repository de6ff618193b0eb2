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
from sipws.errors import SIPError, TransportError
from sipws.session.machine import Event, State
from sipws.session.values import Cause, Termination

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from sipws.message import IncomingResponse
    from sipws.session.core import SessionCore

__all__ = ["Repair"]

_log = loggerFor("sip.session")

#: Between two attempts of one repair, in seconds.
_PAUSE = 1.0


class Repair:
    """The repair of one session, each time that its connection is lost."""

    __slots__ = ("_pause", "_session", "_timer", "_waiting")

    def __init__(self, session: SessionCore) -> None:
        self._session = session
        # What is waited for: the next connection, or the answer to the re-INVITE.
        self._waiting: Deferred[IncomingResponse] | None = None
        # How long a repair may take; and a pause between two attempts.
        self._timer: IDelayedCall | None = None
        self._pause: IDelayedCall | None = None

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
        return session.modification.send("INVITE", session.localDescription, ())

    def _answered(self, response: IncomingResponse) -> None:
        self._waiting = None
        if not self.isUnderWay:
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
        if failure.check(TransportError) is not None and self._session.state == State.CONFIRMED:
            # That connection is lost, too, or its server does not read.
            self._pause = self._session.usages.clock.callLater(_PAUSE, self._wait)
            return
        self._end()
        if failure.check(SIPError) is None:
            _log.failure("a call was not repaired", failure)
        self._session.hangUp(Termination(Cause.NOT_REPAIRED, "network"))

    def _tooLate(self) -> None:
        self.stop()
        self._session.follow(Event.BROKEN, Termination(Cause.CONNECTION, "network"))

    def _end(self) -> None:
        for timer in (self._timer, self._pause):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._pause = None
