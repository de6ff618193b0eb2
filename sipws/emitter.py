"""
L{Emitter}: events that no listener can break.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import iscoroutine
from typing import Any, Protocol

from pyee.twisted import TwistedEventEmitter
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

__all__ = ["Emitter", "IAnswerable", "loggerFor"]


class IAnswerable(Protocol):
    """What the listeners of an event are to answer, now or later: a call, a subscription, an offer."""

    def neglected(self) -> None:
        """Take note that all who were to answer it have failed: answer it, unless one of them has."""


@lru_cache(maxsize=64)
def loggerFor(category: str) -> Logger:
    """
    Give the logger of a part.  It holds nothing but its name, so all user agents share it.

    @param category: Its name, such as C{sip.ua}.
    """
    return Logger(namespace=category)


class Emitter(TwistedEventEmitter):
    """
    An event emitter that logs what its listeners raise.

    A listener that raises, or whose Deferred or coroutine fails, goes to the
    listeners of C{failure}, as with pyee.  Where there is none, and where
    those fail too, it is logged.  C{emit} never raises.
    """

    #: Whether a failure is being told of: one that happens meanwhile is only logged.
    _telling = False

    def emit(self, event: str, *args: Any, **kwargs: Any) -> bool:
        """
        Call the listeners of an event.

        @param event: Its name.
        @param args: What they are called with.
        @return: Whether there was a listener.
        """
        if event == "failure":
            return self._tell(args[0])
        return event in self._events and bool(super().emit(event, *args, **kwargs))

    def ask(self, event: str, thing: IAnswerable) -> bool:
        """
        Call the listeners of an event with something that they are to answer.

        @param event: Its name.
        @param thing: It: where all of them fail, it is C{neglected}.
        @return: Whether there was a listener.
        """
        listeners = [*self._events.get(event, {}).values()]
        unbroken = len(listeners)

        def broke(failure: Failure) -> None:
            nonlocal unbroken
            unbroken -= 1
            self.emit("failure", failure)
            if not unbroken:
                thing.neglected()

        for listener in listeners:
            _run(listener, thing, broke)
        return bool(listeners)

    def hears(self, event: str) -> bool:
        """
        Say whether an event has a listener.

        @param event: Its name.
        """
        return bool(self._events.get(event))

    def _tell(self, failure: Failure) -> bool:
        if self._telling or not self.hears("failure"):
            loggerFor("sip.ua").failure("a listener failed", failure=failure)
            return False
        self._telling = True
        try:
            return bool(super().emit("failure", failure))
        finally:
            self._telling = False


def _run(listener: Callable[..., object], thing: IAnswerable, broke: Callable[[Failure], None]) -> None:
    try:
        result = listener(thing)
    except Exception:  # noqa: BLE001 - the listener's own
        broke(Failure())
        return
    if iscoroutine(result):
        result = Deferred.fromCoroutine(result)
    if isinstance(result, Deferred):
        result.addErrback(broke)
