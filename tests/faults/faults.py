"""
What can go wrong between a client and a server: each fault is a value.

There are three families.  A L{Door} is how connections are met from now on; a
L{Shape} is what becomes of the octets of all connections from now on; a
L{Cut} happens at once to the connections that there are::

    Door   Forward  Refuse  Slam  Mute  Answer  Present
    Shape  Plain  BlackHole  Stall  Throttle  Split  Join  Delay
    Cut    Reset  HalfClose

C{Forward} and C{Plain} are no faults: they are how things should be.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Any, Protocol

import attrs

__all__ = [
    "Answer",
    "BlackHole",
    "Cut",
    "Delay",
    "Door",
    "Fault",
    "Forward",
    "HalfClose",
    "Identity",
    "Join",
    "Mute",
    "Piece",
    "Plain",
    "Present",
    "Refuse",
    "Reset",
    "Shape",
    "Slam",
    "Split",
    "Stall",
    "Throttle",
    "Way",
    "httpAnswer",
]


class Way(enum.Flag):
    """Which way octets go: up to the server, or down to the client."""

    UP = enum.auto()
    DOWN = enum.auto()
    BOTH = UP | DOWN


class Identity(Protocol):
    """A certificate with its key, as L{tests.transport.certificates} makes them."""

    def asServer(self) -> Any:
        """Make the TLS of a server that has this certificate."""


class Meeting(Protocol):
    """What a door does with a connection that has been accepted."""

    def forward(self, terminated: bool = False) -> None:
        """Connect it to the server."""

    def answer(self, octets: bytes, closes: bool) -> None:
        """Answer its first HTTP request."""

    def reset(self) -> None:
        """Cut it, with a TCP reset."""


class Fault:
    """Anything that can go wrong."""

    __slots__ = ()


class Door(Fault):
    """
    How connections are met from now on.

    @cvar listens: Whether there is anybody to connect to.
    @cvar terminates: Whether TLS, where there is any, ends at the proxy.
    """

    __slots__ = ()

    listens = True
    terminates = False

    @property
    def identity(self) -> Identity | None:
        """The certificate to show; C{None}: the proxy's own, which is good."""
        return None

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection."""
        raise NotImplementedError


@attrs.frozen
class Forward(Door):
    """They are led to the server."""

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection."""
        meeting.forward()


@attrs.frozen
class Refuse(Door):
    """TCP refuses them: nobody listens."""

    listens = False

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection that was accepted in the very last moment."""
        meeting.reset()


@attrs.frozen
class Slam(Door):
    """TCP accepts them, and resets them at once."""

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection."""
        meeting.reset()


@attrs.frozen
class Mute(Door):
    """TCP accepts them, and nobody says anything: no TLS, no HTTP."""

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection."""


@attrs.frozen
class Answer(Door):
    """
    Their HTTP request is answered with any octets.

    @ivar octets: What is answered.
    @ivar closes: Whether the connection is closed then.
    """

    octets: bytes
    closes: bool = True

    terminates = True

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection."""
        meeting.answer(self.octets, self.closes)


def httpAnswer(status: int, *headers: tuple[str, str], reason: str = "Because") -> Answer:
    """Make the door that answers the upgrade with an HTTP status."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
    return Answer("".join(f"{line}\r\n" for line in [*lines, "Content-Length: 0", ""]).encode())


@attrs.frozen
class Present(Door):
    """
    They are led to the server, but TLS ends at the proxy, which shows a certificate.

    @ivar identity: The certificate.
    """

    identity: Identity

    terminates = True

    def meet(self, meeting: Meeting) -> None:
        """Meet a connection."""
        meeting.forward(terminated=True)


@attrs.frozen
class Piece:
    """
    Octets that go on together.

    @ivar due: When: seconds of the proxy's clock; infinity: not before this fault is over.
    """

    due: float
    octets: bytes


@attrs.frozen
class Shape(Fault):
    """
    What becomes of octets on their way.  They never overtake each other.

    @ivar ways: Which way it concerns; the other goes undisturbed.
    @cvar together: Whether what is due at one moment may go on in one segment.
    @cvar swallows: Whether octets are lost, and with them all that follow.
    """

    ways: Way = attrs.field(default=Way.BOTH, kw_only=True)

    together = True
    swallows = False

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """
        Say when octets go on, and in what pieces.

        @param now: The time.
        @param last: When the last of those that came before go on.
        """
        raise NotImplementedError


@attrs.frozen
class Plain(Shape):
    """They go on at once."""

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Say when octets go on."""
        return [Piece(max(now, last), octets)]


@attrs.frozen
class BlackHole(Shape):
    """
    They are accepted, and lost.

    A connection that has lost some never carries any again, nor does its end
    come through, as long as this lasts: the other side knows of nothing.
    """

    swallows = True

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Lose octets."""
        return ()


@attrs.frozen
class Stall(Shape):
    """They are held until it is over: first by the proxy, then, when it reads no more, by the sender."""

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Say when octets go on."""
        return [Piece(math.inf, octets)]


@attrs.frozen
class Throttle(Shape):
    """
    So many go on in a second.

    @ivar rate: Octets per second.
    """

    rate: float

    #: Into how many pieces a second is divided.
    STEPS = 50

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Say when octets go on."""
        due = max(now, last)
        for piece in _slices(octets, max(1, int(self.rate / self.STEPS))):
            due += len(piece) / self.rate
            yield Piece(due, piece)


@attrs.frozen
class Split(Shape):
    """
    They go on in small segments.

    @ivar size: Octets in each.
    @ivar gap: Seconds from one to the next; 0: each has a turn of the reactor to itself.
    """

    size: int
    gap: float = 0

    together = False

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Say when octets go on."""
        due = max(now, last)
        for piece in _slices(octets, self.size):
            yield Piece(due, piece)
            due += self.gap


@attrs.frozen
class Join(Shape):
    """
    Those of some time go on together.

    @ivar window: How long, in seconds.
    """

    window: float

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Say when octets go on."""
        return [Piece(last if last > now else now + self.window, octets)]


@attrs.frozen
class Delay(Shape):
    """
    They go on later.

    @ivar seconds: By how much.
    """

    seconds: float

    def plan(self, octets: bytes, now: float, last: float) -> Iterable[Piece]:
        """Say when octets go on."""
        return [Piece(max(now + self.seconds, last), octets)]


class Cuttable(Protocol):
    """A connection as cuts see it."""

    def reset(self) -> None:
        """Cut it, with a TCP reset."""

    def halfClose(self, way: Way) -> None:
        """End one of its ways, with a FIN."""


class Cut(Fault):
    """What happens at once to the connections that there are."""

    __slots__ = ()

    def cut(self, connection: Cuttable) -> None:
        """Do it to one."""
        raise NotImplementedError


@attrs.frozen
class Reset(Cut):
    """Both sides get a TCP reset."""

    def cut(self, connection: Cuttable) -> None:
        """Do it to one."""
        connection.reset()


@attrs.frozen
class HalfClose(Cut):
    """
    One way ends with a FIN; the other stays open.

    @ivar way: Which one: C{UP} tells the server that the client has no more to say.
    """

    way: Way

    def cut(self, connection: Cuttable) -> None:
        """Do it to one."""
        connection.halfClose(self.way)


def _slices(octets: bytes, size: int) -> Iterable[bytes]:
    return (octets[at : at + size] for at in range(0, len(octets), size))
