"""What becomes of octets on their way: the plans, as values, and the pipe that keeps to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from twisted.internet.task import Clock

from tests.faults.faults import BlackHole, Delay, Join, Piece, Plain, Shape, Split, Stall, Throttle, Way
from tests.faults.pipe import LIMIT, Pipe

if TYPE_CHECKING:
    from collections.abc import Sequence

INFINITY = float("inf")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Plain(), [Piece(10.0, b"abcde")]),
        (BlackHole(), []),
        (Stall(), [Piece(INFINITY, b"abcde")]),
        (Delay(2), [Piece(12.0, b"abcde")]),
        (Join(0.5), [Piece(10.5, b"abcde")]),
        (Split(2), [Piece(10.0, b"ab"), Piece(10.0, b"cd"), Piece(10.0, b"e")]),
        (Split(4, gap=1), [Piece(10.0, b"abcd"), Piece(11.0, b"e")]),
        (Throttle(100), [Piece(10.02, b"ab"), Piece(10.04, b"cd"), Piece(10.05, b"e")]),
    ],
)
def test_planOfWhatComesFirst(shape: Shape, expected: Sequence[Piece]) -> None:
    planned = list(shape.plan(b"abcde", 10.0, 0.0))
    assert [piece.octets for piece in planned] == [piece.octets for piece in expected]
    assert [piece.due for piece in planned] == pytest.approx([piece.due for piece in expected])


@pytest.mark.parametrize("shape", [Plain(), Delay(2), Join(0.5), Split(2), Split(2, gap=1), Throttle(100)])
def test_nothingIsOvertaken(shape: Shape) -> None:
    dues = [piece.due for piece in shape.plan(b"abcde", 10.0, 15.0)]
    assert dues == sorted(dues)
    assert dues[0] >= 15.0


@pytest.mark.parametrize("rate", [1, 30, 200, 1000, 10**6])
def test_throttleKeepsItsRate(rate: int) -> None:
    octets = bytes(1000)
    assert max(piece.due for piece in Throttle(rate).plan(octets, 0.0, 0.0)) == pytest.approx(1000 / rate)


class Place:
    """One end of a pipe."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.paused = False

    def write(self, octets: bytes) -> None:
        self.written.append(octets)

    def pauseReading(self) -> None:
        self.paused = True

    def resumeReading(self) -> None:
        self.paused = False


class Rig:
    """A pipe between two places."""

    def __init__(self, shape: Shape, way: Way = Way.UP) -> None:
        self.clock = Clock()
        self.source = Place()
        self.sink = Place()
        self.drained = 0
        self.pipe = Pipe(self.clock, way, shape, self._drained)
        self.pipe.fromSource(self.source)
        self.pipe.toSink(self.sink)

    def _drained(self, pipe: Pipe) -> None:
        self.drained += 1

    @property
    def written(self) -> list[bytes]:
        taken, self.sink.written = self.sink.written, []
        return taken


def test_plainOctetsGoOnAtOnce() -> None:
    rig = Rig(Plain())
    rig.pipe.take(b"a")
    assert rig.written == [b"a"]
    assert rig.clock.getDelayedCalls() == []


def test_octetsWaitForTheirSink() -> None:
    pipe = Pipe(Clock(), Way.UP, Plain(), lambda pipe: None)
    pipe.take(b"a")
    pipe.take(b"b")
    sink = Place()
    pipe.toSink(sink)
    assert sink.written == [b"ab"]


def test_delayedOctetsGoOnLater() -> None:
    rig = Rig(Delay(2))
    rig.pipe.take(b"a")
    rig.clock.advance(1)
    rig.pipe.take(b"b")
    rig.clock.advance(0.9)
    assert rig.written == []
    rig.clock.advance(0.1)
    assert rig.written == [b"a"]
    rig.clock.advance(1)
    assert rig.written == [b"b"]


def test_splitOctetsHaveATurnEach() -> None:
    rig = Rig(Split(2))
    rig.pipe.take(b"abcde")
    rig.clock.pump([0, 0, 0])
    assert rig.written == [b"ab", b"cd", b"e"]


def test_joinedOctetsGoOnTogether() -> None:
    rig = Rig(Join(1))
    rig.pipe.take(b"ab")
    rig.clock.advance(0.5)
    rig.pipe.take(b"cd")
    rig.clock.advance(0.5)
    assert rig.written == [b"abcd"]
    rig.pipe.take(b"e")
    rig.clock.advance(0.9)
    assert rig.written == []


def test_aBlackHoleLosesOctetsAndAllThatFollow() -> None:
    rig = Rig(BlackHole())
    rig.pipe.take(b"abc")
    rig.pipe.reshape(Plain())
    rig.pipe.take(b"d")
    assert rig.written == []
    assert rig.pipe.lost == 4


def test_aBlackHoleThatLostNothingWasNone() -> None:
    rig = Rig(BlackHole())
    rig.pipe.reshape(Plain())
    rig.pipe.take(b"d")
    assert rig.written == [b"d"]


def test_stalledOctetsGoOnAfterwards() -> None:
    rig = Rig(Stall())
    rig.pipe.take(b"a")
    rig.pipe.take(b"b")
    rig.clock.advance(3600)
    assert rig.written == []
    rig.pipe.reshape(Plain())
    assert rig.written == [b"ab"]


def test_aShapeConcernsItsOwnWayAlone() -> None:
    rig = Rig(Stall(ways=Way.DOWN), Way.UP)
    rig.pipe.take(b"a")
    assert rig.written == [b"a"]
    rig = Rig(Stall(ways=Way.DOWN), Way.DOWN)
    rig.pipe.take(b"a")
    assert rig.written == []


def test_theEndComesAfterTheLastOctets() -> None:
    rig = Rig(Delay(1))
    rig.pipe.take(b"a")
    rig.pipe.finish()
    assert (rig.drained, rig.pipe.isDrained) == (0, False)
    rig.clock.advance(1)
    assert rig.written == [b"a"]
    assert (rig.drained, rig.pipe.isDrained) == (1, True)
    assert rig.clock.getDelayedCalls() == []


def test_noEndComesThroughABlackHole() -> None:
    rig = Rig(BlackHole())
    rig.pipe.finish()
    assert rig.drained == 0
    rig.pipe.reshape(Plain())
    assert rig.drained == 1


def test_aStreamWithAHoleIsBrokenWhenItEnds() -> None:
    rig = Rig(BlackHole())
    rig.pipe.take(b"a")
    rig.pipe.finish()
    assert not rig.pipe.isBroken
    rig.pipe.reshape(Plain())
    assert rig.pipe.isBroken
    assert rig.drained == 0


def test_aStreamThatWasCutIsBroken() -> None:
    rig = Rig(Plain())
    rig.pipe.breakOff()
    assert rig.pipe.isBroken


def test_theSourceWaitsWhileTooMuchIsHeld() -> None:
    rig = Rig(Stall())
    rig.pipe.take(bytes(LIMIT))
    assert not rig.source.paused
    rig.pipe.take(b"a")
    assert rig.source.paused
    rig.pipe.reshape(Plain())
    assert not rig.source.paused
    assert rig.pipe.held == 0


def test_theSourceWaitsForASinkThatIsFull() -> None:
    rig = Rig(Plain())
    rig.pipe.pauseProducing()
    rig.pipe.take(bytes(LIMIT + 1))
    assert rig.source.paused
    assert rig.written == []
    rig.pipe.resumeProducing()
    assert not rig.source.paused
    assert rig.written == [bytes(LIMIT + 1)]


def test_aClosedPipeKeepsNothing() -> None:
    rig = Rig(Delay(1))
    rig.pipe.take(b"a")
    rig.pipe.close()
    assert rig.clock.getDelayedCalls() == []
    assert rig.pipe.held == 0
    rig.clock.advance(1)
    assert rig.written == []
