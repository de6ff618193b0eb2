"""
Any number of Deferreds that wait for one and the same thing.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

__all__ = ["Waiters"]


class Waiters:
    """
    Deferreds that fire together.

    Most user agents have nobody waiting most of the time: the list is there only while it is needed.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        # Each with the number of failures that it bears; None means any number.
        self._waiting: dict[Deferred[None], int | None] | None = None

    def __len__(self) -> int:
        return len(self._waiting or ())

    def add(self, failures: int | None = None) -> Deferred[None]:
        """
        Wait.

        @param failures: After how many L{failOnce} it fails; C{None} means never.
        @return: A Deferred that can be cancelled.
        """
        waiter: Deferred[None] = Deferred(self._cancel)
        if self._waiting is None:
            self._waiting = {}
        self._waiting[waiter] = failures
        return waiter

    def fire(self) -> None:
        """Let all that wait now go on."""
        for waiter in self._takeAll():
            # One may have been cancelled by what another's callback did.
            if not waiter.called:
                waiter.callback(None)

    def fail(self, error: Exception) -> None:
        """Fail all that wait now."""
        for waiter in self._takeAll():
            if not waiter.called:
                waiter.errback(error)

    def failOnce(self, error: Exception) -> None:
        """Note a failure, and fail those that bear no more of them."""
        for waiter, failures in list((self._waiting or {}).items()):
            if failures is None or self._waiting is None or waiter not in self._waiting:
                continue
            self._waiting[waiter] = failures - 1
            if failures <= 1:
                del self._waiting[waiter]
                waiter.errback(error)

    def failLimited(self, error: Exception) -> None:
        """Fail those that do not bear any number of failures."""
        for waiter, failures in list((self._waiting or {}).items()):
            if failures is not None and self._waiting is not None and waiter in self._waiting:
                del self._waiting[waiter]
                waiter.errback(error)

    def _takeAll(self) -> list[Deferred[None]]:
        waiting, self._waiting = self._waiting, None
        return list(waiting or ())

    def _cancel(self, waiter: Deferred[None]) -> None:
        if self._waiting is not None:
            self._waiting.pop(waiter, None)
