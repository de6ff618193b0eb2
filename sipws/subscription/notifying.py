"""
L{Notices}: the NOTIFYs of one subscription, one after the other.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from sipws.dialog import Effect, effectOf
from sipws.dialog import State as DialogState
from sipws.emitter import loggerFor
from sipws.errors import TransactionTimeout, TransportError
from sipws.subscription.machine import State

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from sipws.message import IncomingResponse
    from sipws.subscription.notifier import Notifier

__all__ = ["MAX_WAITING", "Notice", "Notices"]

_log = loggerFor("sip.subscription")

#: How many NOTIFYs may wait for the one before, or for a connection.
MAX_WAITING = 100


@attrs.define
class Notice:
    """
    A NOTIFY that is to be sent.

    @ivar state: The state that the subscription is in.
    @ivar body: The state of the resource.
    @ivar contentType: Its type.
    @ivar reason: Why it is terminated.
    @ivar retryAfter: After how many seconds to subscribe again.
    @ivar done: Fires with whether the subscriber has it.
    """

    state: str
    body: bytes | str
    contentType: str | None
    reason: str | None = None
    retryAfter: int | None = None
    done: Deferred[bool] | None = None


class Notices:
    """
    The NOTIFYs of a subscription.

    None leaves before the one before has its response: one that is
    challenged leaves again, and would tell of old state after newer.

    @ivar nextDone: Who waits for the one that is added next.
    @ivar isOut: Whether there is one that has no final response.
    """

    __slots__ = ("_notifier", "_out", "_turn", "_waiting", "nextDone")

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._waiting: deque[Notice] = deque()
        self._out: Notice | None = None
        # Counts what is waited for: only the last of it is of use.
        self._turn = 0
        self.nextDone: Deferred[bool] | None = None

    @property
    def isOut(self) -> bool:
        """See above."""
        return self._out is not None

    def add(self, notice: Notice) -> None:
        """Send a NOTIFY, as soon as it may leave."""
        notice.done, self.nextDone = self.nextDone, None
        if len(self._waiting) >= MAX_WAITING and notice.reason is None:
            _log.warn("a NOTIFY is dropped: {limit} wait already", limit=MAX_WAITING)
            _settle(notice, isTold=False)
            return
        self._waiting.append(notice)
        self._next()

    def end(self) -> None:
        """Send nothing more."""
        self._turn += 1
        waiting = [*self._waiting] if self._out is None else [self._out, *self._waiting]
        self._waiting.clear()
        self._out = None
        for notice in waiting:
            _settle(notice, isTold=False)

    def _next(self) -> None:
        dialog = self._notifier.dialog
        if self._out is not None or not self._waiting or dialog is None:
            return
        self._out = notice = self._waiting.popleft()
        self._turn += 1
        headers = [("Event", self._notifier.event), ("Subscription-State", self._stateOf(notice))]
        try:
            sending = self._notifier.usages.sendWithin(
                dialog, "NOTIFY", headers, notice.body, notice.contentType, deadline=0
            )
        except ValueError as error:
            _log.info("no NOTIFY: {error}", error=error)
            self._over(notice, isTold=False)
            return
        arguments = (notice, self._turn)
        sending.result.addCallbacks(
            self._answered, self._unanswered, callbackArgs=arguments, errbackArgs=arguments
        )

    def _stateOf(self, notice: Notice) -> str:
        # Section 4.2.2: "the notifier MUST also include in the "Subscription-State" header field an
        # "expires" parameter that indicates the time remaining on the subscription."
        if notice.state != State.TERMINATED:
            return f"{notice.state};expires={self._notifier.remaining()}"
        # "notifiers SHOULD NOT include an "expires" parameter on" one that is terminated.
        after = "" if notice.retryAfter is None else f";retry-after={notice.retryAfter}"
        return f"terminated;reason={notice.reason}{after}"

    def _answered(self, response: IncomingResponse, notice: Notice, turn: int) -> None:
        if turn != self._turn:
            return
        text = f"NOTIFY was answered with {response.statusCode} {response.reasonPhrase}"
        if effectOf(response.statusCode, "NOTIFY") is Effect.TRANSACTION:
            isTold = response.statusCode < 300
            if not isTold:
                _log.info("{text}", text=text)
            self._over(notice, isTold=isTold)
        else:
            # "If the NOTIFY transaction fails due to the receipt of a 404, 405, 410, 416, 480-485, 489, 501,
            # or 604 response to the NOTIFY request, the notifier MUST remove the corresponding subscription."
            self._gone(text)

    def _unanswered(self, failure: Failure, notice: Notice, turn: int) -> None:
        if turn != self._turn:
            return
        # Whoever is not there when it is over is not waited for.
        isLast = self._notifier.state == State.TERMINATED or self._isOrphan()
        if failure.check(TransportError) is not None and not isLast:
            # The state is still the subscriber's to know.
            self._out = None
            self._waiting.appendleft(notice)
            self._wait()
        elif failure.check(TransactionTimeout) is not None:
            # "If the NOTIFY request fails due to expiration of SIP Timer F (transaction timeout), the
            # notifier SHOULD remove the subscription."
            self._gone("NOTIFY was not answered")
        else:
            _log.info("NOTIFY was not answered: {error}", error=failure.getErrorMessage())
            self._over(notice, isTold=False)

    def _gone(self, text: str) -> None:
        self.end()
        self._notifier.noticeFailed(text)

    def _over(self, notice: Notice, *, isTold: bool) -> None:
        self._out = None
        _settle(notice, isTold=isTold)
        if notice.state == State.TERMINATED:
            self._notifier.noticeTold()
        elif self._isOrphan():
            self._gone("its dialog has ended")
        else:
            self._next()

    def _isOrphan(self) -> bool:
        """Say whether the dialog has ended meanwhile, by what was another's."""
        dialog = self._notifier.dialog
        return dialog is not None and dialog.live.state == DialogState.TERMINATED

    def _wait(self) -> None:
        self._turn += 1
        turn = (self._turn,)
        self._notifier.usages.whenReachable().addCallbacks(
            self._reached, self._stopped, callbackArgs=turn, errbackArgs=turn
        )

    def _reached(self, _: None, turn: int) -> None:
        if turn == self._turn:
            self._next()

    def _stopped(self, _: Failure, turn: int) -> None:
        if turn == self._turn:
            self._gone("the user agent has been stopped")


def _settle(notice: Notice, *, isTold: bool) -> None:
    done, notice.done = notice.done, None
    if done is not None:
        done.callback(isTold)
