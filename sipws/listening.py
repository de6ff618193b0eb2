"""
L{ListeningService}: a service that listens as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort
from twisted.python.failure import Failure

__all__ = ["ListeningService", "resultOf"]


class ListeningService(Service):
    """
    A service that listens as long as it runs.

    @ivar port: What it listens on; C{None} while it does not.
    """

    port: IListeningPort | None = None

    def privilegedStartService(self) -> None:
        """
        Listen, so that privileges may be shed afterwards.

        @raise CannotListenError: The address is taken, or not ours to take.
        """
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        """Listen, if L{privilegedStartService} has not done so already."""
        super().startService()
        if self.port is None:
            self._listen()

    def stopService(self) -> Deferred[None]:
        """
        Stop listening.

        @return: A Deferred that fires when it is done.
        """
        super().stopService()
        port, self.port = self.port, None
        return succeed(None) if port is None else self._close(port)

    def _listen(self) -> None:
        """Listen, and set C{port}."""
        raise NotImplementedError

    def _close(self, port: IListeningPort) -> Deferred[None]:
        """Stop listening."""
        stop: Callable[[], Any] = port.stopListening
        return maybeDeferred(stop)


def resultOf(deferred: Deferred[IListeningPort]) -> IListeningPort:
    """
    Take what listening gave: each of Twisted's own endpoints has it at once.

    @raise CannotListenError: It came to nothing.
    """
    results: list[Any] = []
    deferred.addBoth(results.append)
    if results and isinstance(results[0], Failure):
        results[0].raiseException()
    return cast("IListeningPort", results[0])
