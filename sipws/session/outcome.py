"""
L{Outcome}: something that happens once, which any number wait for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, fail, succeed

__all__ = ["Outcome"]

T = TypeVar("T")


class Outcome(Generic[T]):
    """Something that comes about, or fails to, once."""

    __slots__ = ("_error", "_value", "_waiting", "isKnown")

    def __init__(self) -> None:
        self.isKnown = False
        self._value: T | None = None
        self._error: Exception | None = None
        self._waiting: list[Deferred[T]] | None = None

    def wait(self, value: T | None = None) -> Deferred[T]:
        """
        Give a Deferred of it, which may be cancelled; it fires at once where it is known.

        @param value: With what, where it has come about and what it was is not kept here.
        """
        if self._error is not None:
            return fail(self._error)
        if self.isKnown:
            return succeed(self._value if value is None else value)  # type: ignore[arg-type]
        waiter: Deferred[T] = Deferred(self._forget)
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(waiter)
        return waiter

    def succeed(self, value: T, *, keep: bool = True) -> None:
        """
        It has come about; once is enough.

        @param keep: Whether to keep the value for who asks later: not where it
            is what keeps this, as the two would keep one another.
        """
        if not self.isKnown:
            self._value, self.isKnown = value if keep else None, True
            if self._waiting is not None:
                for waiter in self._take():
                    waiter.callback(value)

    def fail(self, error: Exception) -> None:
        """It will not come about."""
        if not self.isKnown:
            self._error, self.isKnown = error, True
            for waiter in self._take():
                waiter.errback(error)

    def _take(self) -> Iterator[Deferred[T]]:
        waiting, self._waiting = self._waiting or [], None
        # Looked at one by one: one may be cancelled by what another's callback does.
        return (waiter for waiter in waiting if not waiter.called)

    def _forget(self, waiter: Deferred[T]) -> None:
        if self._waiting is not None and waiter in self._waiting:
            self._waiting.remove(waiter)
