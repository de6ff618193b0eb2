"""
L{Pipe}: one way of a connection through the proxy.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from tests.faults.faults import Piece, Plain, Shape, Way

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["LIMIT", "Pipe", "PipeEnd"]

#: How many octets a pipe holds before it asks its source to wait: as a slow router would.
LIMIT = 65_536


class PipeEnd(Protocol):
    """What a pipe joins."""

    def write(self, octets: bytes) -> None:
        """Take octets that have come through."""

    def pauseReading(self) -> None:
        """Read no more."""

    def resumeReading(self) -> None:
        """Read on."""


@implementer(IPushProducer)
class Pipe:
    """
    Carries octets one way, as its shape wants it.

    It is the producer of the end that it leads to: one that does not take
    octets makes the end that they come from wait.

    @ivar way: Which way it leads.
    @ivar lost: How many octets it has swallowed; with one lost, it carries no more.
    @ivar carried: How many have come through.
    @ivar held: How many wait in it.
    @ivar isDrained: Whether all have come through, and there are no more to come.
    """

    def __init__(self, clock: IReactorTime, way: Way, shape: Shape, drained: Callable[[Pipe], None]) -> None:
        """
        @param clock: What its delays run on.
        @param shape: What becomes of the octets.
        @param drained: Called when the last octets have come through, once there are no more to come.
        """
        self.way = way
        self.lost = 0
        self.carried = 0
        self.held = 0
        self.isDrained = False
        self._clock = clock
        self._shape = self._ours(shape)
        self._drained = drained
        self._source: PipeEnd | None = None
        self._sink: PipeEnd | None = None
        self._held: deque[Piece] = deque()
        self._timer: IDelayedCall | None = None
        self._finished = False
        self._isBrokenOff = False
        self._sinkIsFull = False
        self._sourceIsPaused = False

    def fromSource(self, source: PipeEnd) -> None:
        """Say where octets come from."""
        self._source = source

    def toSink(self, sink: PipeEnd) -> None:
        """Say where they go to; until then they are held."""
        self._sink = sink
        self._goOn()

    def take(self, octets: bytes) -> None:
        """Take octets from the source."""
        if self.lost or self._shape.swallows:
            self.lost += len(octets)
            return
        last = self._held[-1].due if self._held else 0.0
        self.held += len(octets)
        self._held.extend(self._shape.plan(octets, self._clock.seconds(), last))
        self._goOn()

    def finish(self) -> None:
        """There are no more octets to come."""
        self._finished = True
        self._goOn()

    def breakOff(self) -> None:
        """There are no more octets to come, as the source was cut."""
        self._isBrokenOff = True

    @property
    def isBroken(self) -> bool:
        """
        Whether its sink is to be cut: its source was, or has closed a stream
        with a hole in it.  Not while octets are swallowed: then nothing comes through.
        """
        return not self._shape.swallows and (self._isBrokenOff or (self._finished and self.lost > 0))

    def reshape(self, shape: Shape) -> None:
        """Carry what is held, and what comes, in another way."""
        self._shape = self._ours(shape)
        octets = b"".join(piece.octets for piece in self._held)
        self._forget()
        if octets:
            self.take(octets)
        else:
            self._goOn()

    def close(self) -> None:
        """Carry nothing any more."""
        self._source = self._sink = None
        self._forget()
        self._cancelTimer()

    # What its sink tells (IPushProducer).

    def pauseProducing(self) -> None:
        """The sink takes no more for now."""
        self._sinkIsFull = True

    def resumeProducing(self) -> None:
        """The sink takes more."""
        self._sinkIsFull = False
        self._goOn()

    def stopProducing(self) -> None:
        """The sink is gone."""

    # How octets go on.

    def _ours(self, shape: Shape) -> Shape:
        return shape if self.way in shape.ways else Plain()

    def _goOn(self) -> None:
        self._cancelTimer()
        if self._sink is not None and not self._sinkIsFull:
            self._deliver(self._sink)
        self._slowDown()

    def _deliver(self, sink: PipeEnd) -> None:
        """Have what is due go on, and wait for what is not."""
        octets = self._takeDue()
        if octets:
            self.carried += len(octets)
            sink.write(octets)
        if self._held:
            self._waitForNext()
        elif self._finished and not self.lost and not self._shape.swallows:
            self.isDrained = True
            self._drained(self)

    def _takeDue(self) -> bytes:
        now = self._clock.seconds()
        due: list[bytes] = []
        while self._held and self._held[0].due <= now and (self._shape.together or not due):
            due.append(self._held.popleft().octets)
        octets = b"".join(due)
        self.held -= len(octets)
        return octets

    def _forget(self) -> None:
        self._held.clear()
        self.held = 0

    def _waitForNext(self) -> None:
        due = self._held[0].due
        if due < math.inf:
            self._timer = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._timedOut)

    def _timedOut(self) -> None:
        self._timer = None
        self._goOn()

    def _cancelTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _slowDown(self) -> None:
        """Have the source wait while too much is held."""
        isTooMuch = self.held > LIMIT
        if self._source is not None and isTooMuch != self._sourceIsPaused:
            self._sourceIsPaused = isTooMuch
            if isTooMuch:
                self._source.pauseReading()
            else:
                self._source.resumeReading()
