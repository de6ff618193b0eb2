"""
L{KeepAlive}: finds out when the server at the other end of a connection is gone.

It asks the server for a sign of life: with a WebSocket Ping (RFC 6455 section
5.5.2), or with a double CRLF (RFC 5626 section 4.4.1, RFC 7118 section 6).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sipws.errors import PeerSilent
from sipws.framing import TEXT

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.counters import Counters
    from sipws.transport.protocol import SIPWebSocketClientProtocol

__all__ = ["CRLF_PING", "CRLF_PONG", "KeepAlive", "boundedFlowTimer", "takeCRLF"]

#: RFC 5626 section 3.5.1: the ping of CRLF keep-alive, and the pong that answers it.
CRLF_PING = b"\r\n\r\n"
CRLF_PONG = b"\r\n"

#: A Flow-Timer counts for no less than this, in seconds, whatever a server says, and for no more.
MIN_FLOW_TIMER = 5.0
MAX_FLOW_TIMER = 86_400.0

#: RFC 5626 section 4.4: "the interval between each keep-alive is randomly distributed between
#: 80% and 100% of the server-provided time".
_LEAST_SHARE = 0.8

#: The first octet of a Ping (RFC 6455 section 5.2).
_PING = 0x89

#: How long the payload of a Ping is, in octets: nobody guesses it.
_NONCE = 8

#: Nothing is put off by less than this, in seconds: a clock may count no finer.
_GRAIN = 0.001


def boundedFlowTimer(seconds: float | None) -> float | None:
    """
    Give what is made of a server's Flow-Timer: nobody is to ping every moment, nor once a year.

    @param seconds: Its value; C{None}: there is none.
    """
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, MIN_FLOW_TIMER), MAX_FLOW_TIMER)


def takeCRLF(payload: bytes, socket: SIPWebSocketClientProtocol | None) -> bool:
    """
    Say whether a message is but a keep-alive; answer one that asks for it, and
    take note of one that answers.

    RFC 5626 section 4.4.1: "When a server receives a double CRLF sequence
    between SIP messages on a connection-oriented transport [...], it MUST
    immediately respond with a single CRLF over the same connection."
    RFC 7118 section 6 has it for WebSockets.

    @param payload: The message.
    @param socket: What it came on.
    """
    if payload.strip(CRLF_PONG):
        return False
    if socket is None or socket.state != socket.STATE_OPEN:
        return True
    if payload.startswith(CRLF_PING):
        socket.sendUrgent(TEXT, CRLF_PONG)
    elif socket.keepAlive is not None:
        socket.keepAlive.answered(payload)
    return True


class KeepAlive:
    """
    Watches over one open connection, with one timer.

    Any octet that comes in is a sign of life.  When there was none for
    C{keepAliveInterval} the server is asked for one; when it gives none in
    C{keepAliveTimeout}, and that C{keepAliveMisses} times in a row, the
    connection is lost: at the latest so long after the last octet as these come to.

    Lost too is a connection on which the server has not read for as long what Twisted holds for it,
    though something waits for it, even where it goes on talking.

    @ivar roundTrip: How long the last answer took, in seconds; C{None} before the first.
    """

    __slots__ = (
        "_askedAt",
        "_clock",
        "_counters",
        "_expected",
        "_flowGap",
        "_flowTimer",
        "_heardAt",
        "_isLastLook",
        "_isWaiting",
        "_misses",
        "_options",
        "_socket",
        "_startedAt",
        "_timer",
        "roundTrip",
    )

    def __init__(
        self, socket: SIPWebSocketClientProtocol, counters: Counters, flowTimer: float | None = None
    ) -> None:
        """
        @param socket: The connection, which is open.
        @param counters: What counts the questions, and those that are not answered.
        @param flowTimer: See L{flowTimer}; there must be one where C{keepAliveInterval} is 0.
        """
        self._socket = socket
        self._counters = counters
        self._clock: IReactorTime = socket.factory.clock
        self._options = socket.factory.options
        self._flowTimer = flowTimer
        self._flowGap = 0.0
        self._drawGap()
        self._timer: IDelayedCall | None = None
        self._expected: bytes | None = None
        self.roundTrip: float | None = None
        self.start()

    @property
    def flowTimer(self) -> float | None:
        """
        After how many seconds at most the server wants to be asked again (RFC
        5626 section 4.4); C{None}: it does not say.
        """
        return self._flowTimer

    @flowTimer.setter
    def flowTimer(self, seconds: float | None) -> None:
        if seconds != self._flowTimer:
            self._flowTimer = seconds
            self._drawGap()
            if self._timer is not None:
                self._schedule()

    # What is told of the connection.

    def start(self) -> None:
        """Watch from now on, as if something had just been heard."""
        self._startedAt = self._askedAt = self._heardAt = self._clock.seconds()
        self._misses = 0
        self._isWaiting = False
        self._schedule()

    def stop(self) -> None:
        """Watch no more, until L{start}."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def heard(self) -> None:
        """Octets have come in."""
        self._heardAt = self._clock.seconds()
        if self._isWaiting:
            self._isWaiting = False
            self._misses = 0
            if self._timer is not None:
                self._schedule()

    def answered(self, answer: bytes) -> None:
        """
        A Pong has come, or a CRLF: whether it is the one that is waited for shows.

        @param answer: What it holds.
        """
        if answer == self._expected:
            self._expected = None
            self.roundTrip = self._clock.seconds() - self._askedAt

    # When to do something.

    def _schedule(self) -> None:
        self.stop()
        self._isLastLook = False
        delay = max(0.0, self._due() - self._clock.seconds())
        self._timer = self._clock.callLater(delay, self._fired)

    def _due(self) -> float:
        """Say when there is something to do, if nothing is heard until then."""
        due = self._blockedUntil()
        if self._isWaiting:
            return min(due, self._askedAt + self._options.keepAliveTimeout)
        if self._options.keepAliveInterval > 0:
            due = min(due, self._heardAt + self._options.keepAliveInterval)
        if self._flowTimer is not None:
            # A server "could consider the corresponding flow dead" that is not asked for so long,
            # however much else there is to hear (RFC 5626 section 4.4).
            due = min(due, self._askedAt + self._flowGap)
        return due

    def _blockedUntil(self) -> float:
        """Say when a server that reads nothing is given up; infinity where nothing waits for it."""
        backlog = self._socket.backlog
        if backlog is None:
            return math.inf
        return max(backlog.since, self._startedAt) + self._patience()

    def _patience(self) -> float:
        """How long a server may be silent, in seconds."""
        options = self._options
        interval = options.keepAliveInterval or self._flowTimer or 0.0
        return interval + options.keepAliveMisses * options.keepAliveTimeout

    def _fired(self) -> None:
        self._timer = None
        now = self._clock.seconds() + _GRAIN
        isBlocked = now >= self._blockedUntil()
        if not isBlocked and now < self._due():
            self._schedule()
        elif not isBlocked and not self._isWaiting:
            self._ask()
        elif not self._isLastLook:
            # We may have been busy, or asleep, all the time: what has come meanwhile is read first.
            self._isLastLook = True
            self._timer = self._clock.callLater(0, self._fired)
        elif isBlocked:
            self._lose(f"the server has not read what waits for {self._patience():g} seconds")
        else:
            self._miss()

    def _ask(self) -> None:
        self._counters.pings += 1
        self._askedAt = self._clock.seconds()
        self._isWaiting = True
        self._drawGap()
        self._schedule()
        if self._options.keepAliveMethod == "crlf":
            self._expected = CRLF_PONG
            self._socket.sendUrgent(TEXT, CRLF_PING)
        else:
            self._expected = self._options.entropy(_NONCE)
            self._socket.sendUrgent(_PING, self._expected)

    def _miss(self) -> None:
        self._counters.missedPongs += 1
        self._misses += 1
        if self._misses < self._options.keepAliveMisses:
            self._ask()
        else:
            silence = self._clock.seconds() - self._heardAt
            self._lose(f"the server has been silent for {silence:g} seconds")

    def _lose(self, reason: str) -> None:
        self._counters.silences += 1
        self._socket.factory.socketSilent(self._socket, PeerSilent(reason))

    def _drawGap(self) -> None:
        if self._flowTimer is not None:
            share = _LEAST_SHARE + (1 - _LEAST_SHARE) * self._options.random.random()
            self._flowGap = self._flowTimer * share
