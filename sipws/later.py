"""
Telling of what has happened at once a turn of the reactor later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["later"]

T = TypeVar("T")


def later(clock: IReactorTime, result: Deferred[T]) -> Deferred[T]:
    """
    Have what a request has come to at once be told in the next turn of the reactor.

    Whoever hears that one came to nothing may begin another, which comes to
    nothing as it begins, and so on: without end, and without anything else
    having its turn, if each were told of before the other is made.

    @param clock: The reactor.
    @param result: What comes of the request; nobody else adds callbacks to it.
    @return: The same, told later if it is known already.
    """
    if not result.called:
        return result
    told: Deferred[T] = Deferred()
    clock.callLater(0, result.chainDeferred, told)
    return told
