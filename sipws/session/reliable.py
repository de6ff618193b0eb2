"""
L{ReliableResponses}: provisional responses that the peer acknowledges (RFC 3262).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sipws.errors import ParseError
from sipws.session.repeating import Repeating

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.dialog import IUsages
    from sipws.message import IncomingRequest, OutgoingResponse

__all__ = ["ReliableResponses"]


class ReliableResponses:
    """
    The reliable provisional responses to one INVITE: one after the other.

    @ivar isWaiting: Whether one of them is not acknowledged, or has not even left.
    """

    __slots__ = ("_current", "_invite", "_number", "_onTimeout", "_queue", "_repeating", "_timer", "_usages")

    def __init__(self, usages: IUsages, invite: IncomingRequest, onTimeout: Callable[[], object]) -> None:
        """
        @param onTimeout: Called when one is not acknowledged in 64*T1.
        """
        self._usages = usages
        self._invite = invite
        self._onTimeout = onTimeout
        # RFC 3262 section 3: the first "MUST be between 1 and 2**31 - 1.  It is RECOMMENDED that it be
        # chosen uniformly in this range.  The RSeq numbering space is within a single transaction."
        self._number = 1 + int(usages.random.random() * (2**31 - 2))
        self._repeating: Repeating | None = None
        self._timer: IDelayedCall | None = None
        self._current: Deferred[bool] | None = None
        self._queue: deque[tuple[Callable[[int], OutgoingResponse | None], Deferred[bool]]] = deque()

    @property
    def isWaiting(self) -> bool:
        """See above."""
        return self._current is not None or bool(self._queue)

    def send(self, transmit: Callable[[int], OutgoingResponse | None]) -> Deferred[bool]:
        """
        Send one, as soon as the one before is acknowledged.

        RFC 3262 section 3: "the UAS MUST NOT send a second reliable
        provisional response until the first is acknowledged.  After the first,
        it is RECOMMENDED that the UAS not send an additional reliable
        provisional response until the previous is acknowledged."

        @param transmit: Sends it with a number, and gives it; C{None}: it could not.
        @return: A Deferred of whether it is acknowledged: not where the session has come to its end.
        """
        acknowledged: Deferred[bool] = Deferred()
        self._queue.append((transmit, acknowledged))
        self._next()
        return acknowledged

    def receive(self, prack: IncomingRequest) -> Deferred[bool] | None:
        """
        Take a PRACK.

        @return: The Deferred of the response that it is for, which is the caller's to fire;
            C{None}: none waits for it.
        """
        try:
            rack: Any = prack.parseHeader("RAck")
        except ParseError:
            rack = None
        current = self._current
        # Section 3: "If the PRACK does match an unacknowledged reliable provisional response, it MUST
        # be responded to with a 2xx response"; if it does not, with a 481.
        invite = self._invite
        if (
            current is None
            or rack is None
            or rack.number != self._number
            or (rack.cseq.number, rack.cseq.method) != (invite.cseq, invite.method)
        ):
            return None
        self._stop()
        self._number += 1
        if self._queue:
            # After the 2xx to the PRACK.
            self._timer = self._usages.clock.callLater(0, self._next)
        return current

    def stop(self) -> None:
        """None is of use any more: those that wait for their PRACK wait in vain."""
        waiting = [] if self._current is None else [self._current]
        waiting += [acknowledged for _, acknowledged in self._queue]
        self._stop()
        self._queue.clear()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        for acknowledged in waiting:
            acknowledged.callback(False)  # noqa: FBT003

    def _stop(self) -> None:
        repeating, self._repeating = self._repeating, None
        self._current = None
        if repeating is not None:
            repeating.stop()

    def _next(self) -> None:
        if self._current is not None or not self._queue:
            return
        transmit, self._current = self._queue.popleft()
        response = transmit(self._number)
        # What it leads to may have ended everything.
        if self._current is not None and response is not None:
            self._repeating = Repeating(self._usages, response, self._onTimeout)
