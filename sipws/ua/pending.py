"""
L{Pending}: a handler that has not come to a result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall

    from sipws.transaction import ServerTransaction

__all__ = ["Pending"]


class Pending:
    """
    A handler that has not come to a result.

    @ivar result: What it will come to.
    @ivar transaction: The transaction of its request.
    @ivar timer: What ends the patience with it; C{None}: nothing does.
    @ivar over: Whether its result is of no use any more.
    @ivar isOrphan: Whether it cannot be answered any more.
    @ivar isCounted: Whether it counts for L{Pausing}.
    """

    __slots__ = ("isCounted", "isOrphan", "over", "result", "timer", "transaction")

    def __init__(self, result: Deferred[object], transaction: ServerTransaction) -> None:
        self.result = result
        self.transaction = transaction
        self.timer: IDelayedCall | None = None
        self.over = self.isOrphan = self.isCounted = False

    def end(self) -> None:
        """Wait no longer."""
        self.over = True
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()
