"""
L{Backlog}: what waits for a server that does not read; L{Writers}: who waits for that to end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable

from twisted.internet.defer import Deferred

from sipws.message import OutgoingRequest, OutgoingResponse

__all__ = ["Backlog", "Writers", "isOwed"]

#: What a frame has beside its payload, in octets: a header, mostly of four, and a masking key.
_FRAME_OVERHEAD = 8

#: How much may wait at least, beyond the limit, of what is owed, in octets: a hundred messages.
_RESERVE = 65_536

#: The requests that acknowledge or end what is under way.
_OWED = frozenset({"ACK", "BYE", "CANCEL", "PRACK"})


def isOwed(message: object) -> bool:
    """
    Say whether a message acknowledges or ends something that the peer has under way.

    On a reliable transport nobody asks for it again: a peer that does not get
    it rings, talks or waits for minutes.

    @param message: What is to be sent.
    """
    if isinstance(message, OutgoingRequest):
        return message.method in _OWED
    if isinstance(message, OutgoingResponse):
        return message.method == "INVITE" and message.statusCode >= 200
    return False


class Backlog:
    """
    The frames that wait while Twisted's own buffer for a connection is full.

    It is there from when that buffer is full until everything has left it.
    What waits here goes into that buffer bit by bit, whenever it is empty:
    so it shows whether the server reads as much as that buffer holds, some 64 KiB.

    What is owed still finds room when nothing else does: as much again.

    @ivar octets: How many wait, those of control frames aside.
    @ivar since: When the server was last seen to have read that much, by the clock.
    @ivar refused: How many messages were not taken.
    """

    __slots__ = ("_blocked", "_frames", "_limit", "_reserve", "_urgent", "octets", "refused", "since")

    def __init__(self, limit: int, now: float) -> None:
        """
        @param limit: How many octets may wait.
        @param now: The time.
        """
        self.octets = 0
        self.since = now
        self.refused = 0
        self._limit = limit
        self._reserve = max(limit, _RESERVE)
        self._blocked = True
        self._frames: deque[bytes] = deque()
        self._urgent: dict[Hashable, bytes] = {}

    def hasRoomFor(self, length: int, *, owed: bool) -> bool:
        """
        Say whether there is room for a message.

        @param length: Its length, in octets.
        @param owed: Whether it L{isOwed}.
        """
        limit = self._limit + self._reserve if owed else self._limit
        if self.octets + length + _FRAME_OVERHEAD > limit:
            self.refused += 1
            return False
        return True

    def add(self, frame: bytes) -> None:
        """Have a frame wait behind the others."""
        self.octets += len(frame)
        self._frames.append(frame)

    def addUrgent(self, kind: Hashable, frame: bytes) -> None:
        """
        Have a frame wait ahead of the others, in place of one of its kind that waits already.

        RFC 6455 section 5.5.3: "If an endpoint receives a Ping frame and has
        not yet sent Pong frame(s) in response to previous Ping frame(s), the
        endpoint MAY elect to send a Pong frame for only the most recently
        processed Ping frame."

        @param kind: What is of one kind: its opcode says, for control frames.
        """
        self._urgent[kind] = frame

    def block(self) -> None:
        """Twisted's buffer is full."""
        self._blocked = True

    def release(self, write: Callable[[bytes], object], now: float) -> bool:
        """
        Pass on as much as Twisted's buffer takes, now that it is empty.

        @param write: Writes there, and has L{block} called when it is full.
        @param now: The time.
        @return: Whether all of it has left, and the buffer is not full.
        """
        self._blocked = False
        self.since = now
        while not self._blocked:
            frame = self._next()
            if frame is None:
                return True
            write(frame)
        return False

    def drain(self, write: Callable[[bytes], object]) -> None:
        """Pass on everything, as there will be no other time."""
        while (frame := self._next()) is not None:
            write(frame)

    def _next(self) -> bytes | None:
        if self._urgent:
            return self._urgent.pop(next(iter(self._urgent)))
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.octets -= len(frame)
        return frame


class Writers:
    """Those who wait until there is room again."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def add(self) -> Deferred[None]:
        """
        Wait.

        @return: A Deferred that can be cancelled.
        """
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        return waiter

    def fire(self) -> None:
        """Let all go on."""
        while self._waiting:
            self._waiting.pop(0).callback(None)

    def fail(self, error: Exception) -> None:
        """Fail all."""
        while self._waiting:
            self._waiting.pop(0).errback(error)
