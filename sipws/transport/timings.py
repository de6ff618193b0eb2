"""
L{Timings}: how long each phase of a connection took.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["Timings"]


class Timings:
    """
    How long the phases of one attempt to connect took, in seconds; C{None}
    for one that has not ended, or did not take place.

    @ivar resolve: From the start until the name was resolved.
    @ivar tcp: From there until the TCP connection, or that to a UNIX socket, was up.
    @ivar tls: From there until the end of the TLS handshake.
    @ivar upgrade: From there until the end of the HTTP upgrade.
    """

    __slots__ = ("_clock", "_since", "resolve", "tcp", "tls", "upgrade")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._since = clock.seconds()
        self.resolve: float | None = None
        self.tcp: float | None = None
        self.tls: float | None = None
        self.upgrade: float | None = None

    def resolved(self) -> None:
        """The name is resolved."""
        self.resolve = self._lap()

    def connected(self) -> None:
        """TCP is up."""
        self.tcp = self._lap()

    def secured(self) -> None:
        """TLS is up."""
        self.tls = self._lap()

    def upgraded(self) -> None:
        """The WebSocket is open."""
        self.upgrade = self._lap()

    def _lap(self) -> float:
        now = self._clock.seconds()
        lap, self._since = now - self._since, now
        return lap
