"""A server that is gone is found out in time, and one that is not is left alone."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import implementer

from sipws import Configuration, UserAgent
from sipws.counters import Counters
from sipws.errors import PeerSilent
from sipws.message import IncomingRequest, OutgoingRequest
from sipws.testing import MemoryConnection, MemoryNetwork, acceptRegister
from sipws.transport import Transport, TransportOptions
from sipws.transport.keepalive import boundedFlowTimer
from tests.transport.foreign import Scene, request, response
from tests.transport.test_leaks import CYCLES, grown, ours
from tests.transport.test_tls import AUTHORITY, NAME, SecureScene

INTERVAL = 20.0
TIMEOUT = 5.0

PING = 0x89
PONG = 0x8A


def makeScene(**options: Any) -> Scene:
    """Make a scene with keep-alive on."""
    return Scene(
        options=TransportOptions(
            **{"keepAliveInterval": INTERVAL, "keepAliveTimeout": TIMEOUT, "counters": Counters(), **options}
        )
    )


class Pings:
    """
    The Pings that the server gets.

    @ivar payloads: What they held.
    @ivar times: When they came.
    """

    def __init__(self, scene: Scene, answer: bool = True) -> None:
        self.payloads: list[bytes] = []
        self.times: list[float] = []
        protocol = scene.connection.protocol()
        onPing = protocol.onPing

        def record(payload: bytes) -> None:
            self.payloads.append(payload)
            self.times.append(scene.network.reactor.seconds())
            if answer:
                onPing(payload)

        protocol.onPing = record


def counters(transport: Transport) -> tuple[int, int, int]:
    """Give what counts questions, those without an answer, and connections lost by it."""
    return transport.counters.pings, transport.counters.missedPongs, transport.counters.silences


def frame(first: int, payload: bytes) -> bytes:
    """Make a frame of a server by hand."""
    return bytes((first, len(payload))) + payload


def fill(transport: Transport) -> None:
    """Send until nothing more is taken."""
    while transport.send(request() + b"x" * 1_000):
        pass


# Asking.


def test_itIsOffUnlessItIsAskedFor() -> None:
    scene = Scene()
    transport: Any = scene.connected()
    assert transport.ws.keepAlive is None
    assert transport.roundTrip is None
    assert scene.network.reactor.getDelayedCalls() == []
    scene.connection.stall()
    scene.network.advance(1_000_000)
    assert transport.connected
    assert counters(transport) == (0, 0, 0)


def test_aSilentServerIsAskedAfterTheIntervalAndAgainAfterEach() -> None:
    scene = makeScene()
    transport = scene.connected()
    pings = Pings(scene)
    scene.network.advance(INTERVAL - 0.01)
    assert pings.times == []
    scene.network.advance(0.01 + 2 * INTERVAL)
    assert pings.times == pytest.approx([INTERVAL, 2 * INTERVAL, 3 * INTERVAL])
    assert transport.connected
    assert counters(transport) == (3, 0, 0)


def test_thePayloadOfEachPingIsUnpredictable() -> None:
    scene = makeScene()
    scene.connected()
    pings = Pings(scene)
    scene.network.advance(100 * INTERVAL)
    assert len(set(pings.payloads)) == 100
    assert min(map(len, pings.payloads)) >= 8


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(frame(0x81, b"OPTIONS"), id="text"),
        pytest.param(frame(0x82, b"\xff"), id="binary"),
        pytest.param(frame(0x81, b""), id="empty"),
        pytest.param(frame(0x81, b"\r\n"), id="CRLF"),
        pytest.param(frame(0x81, b"\r\n\r\n"), id="double CRLF"),
        pytest.param(frame(PING, b"ping"), id="Ping"),
        pytest.param(frame(PONG, b"nobody asked"), id="unsolicited Pong"),
        pytest.param(frame(0x01, b"frag"), id="fragment"),
        pytest.param(b"\x81", id="one octet of a frame"),
        pytest.param(bytes((0x81, 127)) + (70_000).to_bytes(8, "big"), id="header of a large frame"),
    ],
)
@pytest.mark.parametrize("method", ["ping", "crlf"])
def test_anythingThatComesIsASignOfLife(octets: bytes, method: str) -> None:
    scene = makeScene(keepAliveMethod=method)
    transport = scene.connected()
    scene.network.advance(INTERVAL - 1)
    scene.connection.write(octets)
    scene.network.advance(INTERVAL - 0.1)
    assert counters(transport) == (0, 0, 0)
    scene.network.advance(0.1)
    assert counters(transport) == (1, 0, 0)


def test_anythingThatComesAnswersTheQuestion() -> None:
    scene = makeScene()
    transport = scene.connected()
    Pings(scene, answer=False)
    scene.network.advance(INTERVAL + TIMEOUT - 0.1)
    scene.connection.write(b"\x81")
    scene.network.advance(INTERVAL + TIMEOUT - 0.2)
    assert transport.connected
    # Nothing has answered for itself: there is no round trip.
    assert transport.roundTrip is None
    assert counters(transport) == (2, 0, 0)
    scene.network.advance(0.2)
    assert isinstance(transport.lastTransportError, PeerSilent)


def test_anAnswerBeforeAnIntervalShorterThanTheTimeoutStartsItAnew() -> None:
    """The next question is due one interval after the answer, not when the timeout would have been."""
    scene = makeScene(keepAliveInterval=2, keepAliveTimeout=30)
    scene.connected()
    pings = Pings(scene)
    scene.network.advance(8)
    assert pings.times == pytest.approx([2, 4, 6, 8])


def test_roundTrip() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.network.advance(INTERVAL - 1)
    scene.connection.stall()
    scene.network.advance(1.25)
    assert transport.roundTrip is None
    scene.connection.resume()
    assert transport.roundTrip == pytest.approx(0.25)
    scene.network.advance(INTERVAL)
    assert transport.roundTrip == 0
    scene.connection.drop()
    assert transport.roundTrip is None


def test_whatComesBeforeThePongDoesNotKeepItFromBeingMeasured() -> None:
    scene = makeScene()
    transport = scene.connected()
    pings = Pings(scene, answer=False)
    scene.network.advance(INTERVAL + 1)
    scene.connection.send(b"\r\n")
    scene.network.advance(1)
    scene.connection.write(frame(PONG, pings.payloads[0]))
    assert transport.roundTrip == pytest.approx(2)
    # It is measured once.
    scene.network.advance(1)
    scene.connection.write(frame(PONG, pings.payloads[0]))
    assert transport.roundTrip == pytest.approx(2)


def test_aLatePongIsASignOfLifeButMeasuresNothing() -> None:
    scene = makeScene(keepAliveMisses=2)
    transport = scene.connected()
    pings = Pings(scene, answer=False)
    scene.network.advance(INTERVAL + TIMEOUT + 1)
    assert len(pings.payloads) == 2
    scene.connection.write(frame(PONG, pings.payloads[0]))
    assert transport.roundTrip is None
    scene.network.advance(INTERVAL - 0.1)
    assert counters(transport) == (2, 1, 0)
    # The misses have been counted anew.
    scene.network.advance(0.1 + TIMEOUT + TIMEOUT - 0.1)
    assert transport.connected
    scene.network.advance(0.1)
    assert not transport.connected
    assert counters(transport) == (4, 3, 1)


def test_aFloodOfPongsAndCRLFsIsHarmless() -> None:
    scene = makeScene()
    transport: Any = scene.connected()
    sent = len(scene.connection.octets)
    for _ in range(2_000):
        transport.ws.dataReceived(frame(PONG, b"x" * 8) + frame(0x81, b"\r\n"))
    assert transport.connected
    assert transport.roundTrip is None
    assert len(scene.connection.octets) == sent
    assert len(scene.network.reactor.getDelayedCalls()) == 1
    assert counters(transport) == (0, 0, 0)


# By CRLF.


def test_crlf() -> None:
    """
    RFC 5626 section 4.4.1: "the client "ping" is a double-CRLF sequence, and
    the server "pong" is a single CRLF".
    """
    scene = makeScene(keepAliveMethod="crlf")
    transport = scene.connected()
    scene.network.advance(INTERVAL)
    assert scene.connection.octets == [b"\r\n\r\n"]
    scene.network.advance(0.5)
    scene.connection.send(b"\r\n")
    assert transport.roundTrip == pytest.approx(0.5)
    scene.network.advance(INTERVAL - 0.1)
    assert len(scene.connection.octets) == 1
    scene.network.advance(0.1 + TIMEOUT)
    assert len(scene.connection.octets) == 2
    assert isinstance(transport.lastTransportError, PeerSilent)
    # None of it is a SIP message.
    assert transport.counters.messagesReceived == transport.counters.messagesSent == 0


def test_theServersDoubleCRLFIsAnsweredAndMeasuresNothing() -> None:
    scene = makeScene(keepAliveMethod="crlf")
    transport = scene.connected()
    scene.network.advance(INTERVAL)
    scene.connection.send(b"\r\n\r\n")
    assert scene.connection.octets == [b"\r\n\r\n", b"\r\n"]
    assert transport.roundTrip is None
    assert transport.connected


# Finding it out.


def stallsBoth(scene: Scene, transport: Transport) -> None:
    """A black hole: whatever either side sends gets nowhere."""
    scene.connection.stall()


def vanishes(scene: Scene, transport: Transport) -> None:
    """Half-open TCP: the other end knows nothing of the connection any more, and says nothing."""
    scene.connection.vanish()


def isStopped(scene: Scene, transport: Transport) -> None:
    """A stopped process: its kernel takes what comes, nobody reads it."""
    scene.connection.pauseReading()


def readsNothing(scene: Scene, transport: Transport) -> None:
    """A peer that does not read while there is much to send."""
    scene.connection.pauseReading()
    fill(transport)


DEATHS = [stallsBoth, vanishes, isStopped, readsNothing]

Death = Callable[[Scene, Transport], None]


def live(scene: Scene, transport: Transport, chance: random.Random) -> None:
    """Have traffic for a while, of any kind and at any moment."""
    for _ in range(chance.randrange(8)):
        scene.network.advance(chance.uniform(0, 1.5 * INTERVAL))
        scene.connection.send(chance.choice([request(), response(), b"\r\n", b"\r\n\r\n"]))
        if chance.random() < 0.5:
            transport.send(request())
    scene.network.advance(chance.uniform(0, 1.2 * INTERVAL))
    assert transport.connected


def timeUntilLost(scene: Scene, transport: Transport, atMost: float) -> float:
    """Give how long it takes until the connection is lost."""
    began = scene.network.reactor.seconds()
    while transport.connected:
        scene.network.advance(0.05)
        assert scene.network.reactor.seconds() - began <= atMost
    return float(scene.network.reactor.seconds() - began)


@pytest.mark.parametrize("method", ["ping", "crlf"])
@pytest.mark.parametrize("misses", [1, 3])
@pytest.mark.parametrize("death", DEATHS)
def test_aDeadPeerIsFoundInTimeIn100Of100Tries(death: Death, misses: int, method: str) -> None:
    bound = INTERVAL + misses * TIMEOUT
    for seed in range(100):
        chance = random.Random(seed)
        scene = makeScene(
            keepAliveMisses=misses,
            keepAliveMethod=method,
            maxPendingOctets=10_000,
            random=random.Random(seed),
        )
        transport = scene.connected()
        if method == "crlf":
            _answerCRLF(scene.connection)
        live(scene, transport, chance)
        death(scene, transport)
        took = timeUntilLost(scene, transport, 1.1 * bound)
        assert took >= misses * TIMEOUT - 0.1
        assert isinstance(transport.lastTransportError, PeerSilent)
        assert transport.reconnectTimer is not None
        assert transport.counters.silences == transport.counters.losses == 1
        transport.disconnect()
        scene.connection.resume()
        scene.network.advance(1)
        assert scene.atRest()


def _answerCRLF(connection: Any) -> None:
    """Have a server answer a double CRLF, as RFC 5626 wants."""
    messageReceived = connection.messageReceived

    def answer(octets: bytes) -> None:
        messageReceived(octets)
        if octets == b"\r\n\r\n":
            connection.send(b"\r\n")

    connection.messageReceived = answer


def test_aDeadPeerIsFoundOverTLSIn100Of100Tries(tmp_path: Path) -> None:
    """Real TLS, over wires in memory: a black hole, and a peer that reads nothing, in turn."""
    identity = AUTHORITY.issue([NAME])
    for seed in range(100):
        chance = random.Random(seed)
        scene = SecureScene(
            tmp_path, identity, keepAliveInterval=INTERVAL, keepAliveTimeout=TIMEOUT, maxPendingOctets=10_000
        )
        transport = scene.attempt()
        assert transport.connected
        for _ in range(chance.randrange(4)):
            scene.network.advance(chance.uniform(0, 1.5 * INTERVAL))
            transport.send(request("OPTIONS"))
        scene.network.advance(chance.uniform(0, 1.2 * INTERVAL))
        assert transport.connected
        [wire] = scene.network._wires
        if seed % 2:
            wire.stalled = True
        else:
            wire.server.pauseProducing()
            fill(transport)
        timeUntilLost(scene, transport, 1.1 * (INTERVAL + TIMEOUT))
        assert isinstance(transport.lastTransportError, PeerSilent)
        transport.disconnect()
        wire.stalled = False
        wire.server.resumeProducing()
        scene.network.advance(1)
        assert scene.atRest()


def test_itIsLostAtOnceThoughTCPDoesNotSeeIt() -> None:
    """Neither the loss nor the next attempt waits for the old socket's end."""
    scene = makeScene()
    transport: Any = scene.connected()
    scene.connection.stall()
    [wire] = scene.network._wires
    setattr(wire.client, "abortConnection", lambda: None)  # noqa: B010 -- mypy knows it as a method
    old = transport.ws
    scene.network.advance(INTERVAL + TIMEOUT)
    assert scene.told("onTransportClosed") == [("onTransportClosed",)]
    assert transport.ws is None
    assert transport.reconnectTimer.getTime() == scene.network.reactor.seconds() + 4
    scene.network.advance(4)
    assert transport.connected
    assert transport.ws is not old
    scene.calls.clear()

    # What still comes of the old one is for nobody.
    old.dataReceived(frame(0x81, b"\r\n\r\n"))
    old.dataReceived(bytes((0x81, 126)) + len(request()).to_bytes(2, "big") + request())
    old.dataReceived(frame(PONG, b"late"))
    old.dataReceived(frame(0x88, b"\x03\xe8"))
    wire.drop()
    scene.network.pump()
    assert scene.calls == []
    assert transport.connected
    assert transport.lastTransportError is None
    assert transport.counters.losses == 1
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_roomInTheOldSocketIsNoneInTheNew() -> None:
    scene = makeScene(maxPendingOctets=10_000)
    transport: Any = scene.connected()
    readsNothing(scene, transport)
    [old] = scene.network._wires
    setattr(old.client, "abortConnection", lambda: None)  # noqa: B010 -- mypy knows it as a method
    scene.network.advance(INTERVAL + TIMEOUT + 4)
    assert transport.connected
    readsNothing(scene, transport)
    fired: list[object] = []
    transport.whenWritable().addBoth(fired.append)
    while old.client.take():
        pass
    assert fired == []
    scene.connection.resumeReading()
    assert fired == [None]


def test_nobodyIsAskedOnceTheClosingHasBegun() -> None:
    """The closing has a limit of time of its own."""
    scene = makeScene(closeTimeout=100.0)
    transport = scene.connected()
    pings = Pings(scene)
    scene.connection.close(1001, hangUp=False)
    scene.network.advance(99)
    assert pings.times == []
    scene.network.advance(1)
    assert scene.told("onTransportClosed") == [("onTransportClosed",)]
    assert not isinstance(transport.lastTransportError, PeerSilent)
    assert counters(transport) == (0, 0, 0)


def test_theErrorSaysForHowLong() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.connection.stall()
    scene.network.advance(INTERVAL + TIMEOUT)
    assert str(transport.lastTransportError) == "the server has been silent for 25 seconds"
    assert scene.warnings() == ["ws://sip.example.com/path: the server has been silent for 25 seconds"]


def test_aServerThatTalksButReadsNothingIsFoundToo() -> None:
    """It answers nothing, whatever it says: nothing of ours reaches it."""
    scene = makeScene(maxPendingOctets=10_000)
    transport = scene.connected()
    readsNothing(scene, transport)
    for _ in range(int(INTERVAL + TIMEOUT) - 1):
        scene.network.advance(1)
        scene.connection.send(request())
    assert transport.connected
    scene.network.advance(1)
    assert not transport.connected
    assert str(transport.lastTransportError) == "the server has not read what waits for 25 seconds"
    assert transport.counters.silences == 1


def test_itIsFoundWhileAnAnswerIsWaitedForToo() -> None:
    scene = makeScene(maxPendingOctets=10_000)
    transport = scene.connected()
    readsNothing(scene, transport)
    scene.network.advance(INTERVAL / 5)
    scene.connection.send(b"\r\n")
    scene.network.advance(INTERVAL * 4 / 5 + TIMEOUT)
    assert transport.counters.pings == 1
    assert str(transport.lastTransportError) == "the server has not read what waits for 25 seconds"


def test_aServerThatReadsSlowlyIsLeftAlone() -> None:
    """It reads one full buffer in each interval, and there is always more."""
    scene = makeScene(maxPendingOctets=1_000_000)
    transport: Any = scene.connected()
    scene.connection.pauseReading()
    [wire] = scene.network._wires
    for _ in range(20):
        fill(transport)
        scene.network.advance(INTERVAL)
        # Messages of its own show that it is there; as much as it reads shows that it reads.
        scene.connection.send(b"\r\n")
        assert wire.client.take()
        assert transport.ws.backlog is not None
    assert transport.connected
    assert transport.counters.silences == 0


def test_itsQuestionsOvertakeWhatWaits() -> None:
    """So a server that reads slowly can answer in time."""
    scene = makeScene(maxPendingOctets=1_000_000)
    transport: Any = scene.connected()
    pings = Pings(scene)
    scene.connection.pauseReading()
    fill(transport)
    scene.network.advance(INTERVAL)
    [wire] = scene.network._wires
    # One full buffer later:
    taken = wire.client.take()
    wire.server.protocol.dataReceived(taken)
    assert pings.payloads == []
    taken = wire.client.take()
    wire.server.protocol.dataReceived(taken)
    assert len(pings.payloads) == 1
    assert transport.ws.backlog is not None
    assert len(scene.connection.octets) < 140


def test_whatCameWhileWeWereBusyIsReadBeforeTheServerIsGivenUp() -> None:
    """RFC 5626 section 4.4.1: "(or immediately after processing any incoming message [...])"."""
    scene = makeScene()
    transport = scene.connected()
    reactor = scene.network.reactor
    callLater = reactor.callLater

    def readFirst(delay: float, function: Callable[..., object], *args: Any) -> Any:
        # As real reactors do: what is due later comes after the sockets have been read.
        if delay == 0:
            callLater(0, scene.network.pump)
        return callLater(delay, function, *args)

    reactor.callLater = readFirst
    scene.network.advance(INTERVAL - 1)
    scene.network._pumping = True
    reactor.advance(1)
    scene.network._pumping = False
    # The question is out; and now nobody looks at the sockets for a minute.
    reactor.advance(60)
    assert transport.connected
    assert transport.counters.pings == 1
    assert transport.counters.missedPongs == 0


class Waits(NamedTuple):
    """So many seconds go by."""

    seconds: float


#: What may happen to a connection whose server answers no question.
STEPS = st.lists(
    st.builds(Waits, st.sampled_from([0.0, 0.5, 1, 3, 7, 9.75, 10, 10.25, 20]))
    | st.sampled_from(["hears", "pauses", "resumes"]),
    max_size=40,
)


@given(STEPS, st.sampled_from([2.0, 7.0]), st.sampled_from([1.0, 3.0, 8.0]), st.integers(1, 3))
def test_whateverHappensItIsLostThenAndNotBefore(
    steps: list[Waits | str], interval: float, timeout: float, misses: int
) -> None:
    """Against a model of one line: the last octet, or the end of a pause, and the times of the options."""
    scene = makeScene(keepAliveInterval=interval, keepAliveTimeout=timeout, keepAliveMisses=misses)
    transport: Any = scene.connected()
    clock = scene.network.reactor
    [wire] = scene.network._wires
    lost: list[float] = []
    factory = transport._factory
    socketSilent = factory.socketSilent

    def record(socket: object, error: PeerSilent) -> None:
        lost.append(clock.seconds())
        socketSilent(socket, error)

    factory.socketSilent = record
    Pings(scene, answer=False)
    last, paused = 0.0, False
    for step in steps:
        if isinstance(step, Waits):
            due = last + interval + misses * timeout
            isDue = not paused and due <= clock.seconds() + step.seconds
            scene.network.advance(step.seconds)
            assert lost == ([pytest.approx(due, abs=0.01)] if isDue else [])
            if isDue:
                break
        elif step == "hears":
            scene.connection.write(b"\x8a\x00")
            last = last if paused else clock.seconds()
        elif step == "pauses":
            transport.pauseReading()
            paused = True
        else:
            transport.resumeReading()
            scene.network.pump()
            last, paused = (clock.seconds() if paused else last), False
        assert len(clock.getDelayedCalls()) == (0 if paused else 1)
    transport.disconnect()
    wire.client.resumeProducing()
    scene.network.advance(2)
    assert scene.atRest()


# While reading is paused.


def test_itRestsWhileReadingIsPaused() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.network.advance(INTERVAL - 1)
    transport.pauseReading()
    assert scene.network.reactor.getDelayedCalls() == []
    scene.network.advance(10 * INTERVAL)
    assert transport.connected
    transport.resumeReading()
    pings = Pings(scene)
    scene.network.advance(INTERVAL - 0.1)
    assert pings.times == []
    scene.network.advance(0.1)
    assert len(pings.times) == 1


def test_aQuestionThatWasOutWhenReadingWasPausedIsForgotten() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.connection.stall()
    scene.network.advance(INTERVAL + 1)
    assert transport.counters.pings == 1
    transport.pauseReading()
    scene.network.advance(100)
    transport.resumeReading()
    scene.network.advance(INTERVAL + TIMEOUT - 0.1)
    assert transport.connected
    scene.network.advance(0.1)
    assert not transport.connected


def test_whatTheServerDidNotReadMeanwhileIsNotHeldAgainstIt() -> None:
    scene = makeScene(maxPendingOctets=10_000)
    transport = scene.connected()
    readsNothing(scene, transport)
    transport.pauseReading()
    scene.network.advance(100)
    transport.resumeReading()
    for _ in range(int(INTERVAL + TIMEOUT) - 1):
        scene.connection.send(b"\r\n")
        scene.network.advance(1)
    assert transport.connected
    scene.network.advance(1)
    assert not transport.connected


# Its end.


def _idle(scene: Scene, transport: Transport) -> None:
    scene.network.advance(INTERVAL / 2)


def _asked(scene: Scene, transport: Transport) -> None:
    scene.connection.stall()
    scene.network.advance(INTERVAL + 1)


def _missed(scene: Scene, transport: Transport) -> None:
    scene.connection.stall()
    scene.network.advance(INTERVAL + TIMEOUT + 1)


def _congested(scene: Scene, transport: Transport) -> None:
    readsNothing(scene, transport)
    scene.network.advance(1)


def _paused(scene: Scene, transport: Transport) -> None:
    transport.pauseReading()


def _silent(scene: Scene, transport: Transport) -> None:
    scene.connection.stall()
    scene.network.advance(INTERVAL + 2 * TIMEOUT)
    assert isinstance(transport.lastTransportError, PeerSilent)


def _closing(scene: Scene, transport: Transport) -> None:
    scene.connection.close(1001, hangUp=False)


@pytest.mark.parametrize("phase", [_idle, _asked, _missed, _congested, _paused, _silent, _closing])
def test_disconnectInEveryPhaseLeavesNothing(phase: Death) -> None:
    scene = makeScene(keepAliveMisses=2, maxPendingOctets=10_000)
    transport = scene.connected()
    phase(scene, transport)
    transport.disconnect()
    scene.network.advance(2)
    assert scene.told("emit") == [("emit", "disconnected", transport)]
    for wire in scene.network._wires:
        wire.stalled = False
        wire.server.resumeProducing()
    scene.network.advance(0)
    assert scene.atRest()


@pytest.mark.parametrize("phase", [_idle, _asked, _missed, _congested, _silent])
def test_aDropInEveryPhaseIsReconnectedAndWatchedAnew(phase: Death) -> None:
    scene = makeScene(keepAliveMisses=2, maxPendingOctets=10_000)
    transport = scene.connected()
    phase(scene, transport)
    scene.connection.drop()
    scene.network.advance(4)
    assert transport.connected
    before = transport.counters.pings
    scene.network.advance(INTERVAL)
    assert transport.counters.pings == before + 1


def test_500SilencesLeaveNothing() -> None:
    scene = makeScene(keepAliveInterval=3.0, keepAliveTimeout=1.0)
    transport = scene.connected()

    def cycle() -> None:
        scene.connection.stall()
        scene.network.advance(4)
        assert isinstance(transport.lastTransportError, PeerSilent)
        scene.connection.resume()
        scene.network.advance(4)
        assert transport.connected
        assert len(scene.network.reactor.getDelayedCalls()) == 1
        assert scene.network.openSockets == 1
        del scene.network.connections[:-1]

    cycle()
    scene.calls.clear()
    scene.logged.clear()
    before = ours()
    for _ in range(CYCLES):
        cycle()
    scene.calls.clear()
    scene.logged.clear()
    assert grown(before) == {}
    assert transport.counters.silences == CYCLES + 1
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


# Flow-Timer.


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [(0, 5.0), (-1, 5.0), (4.9, 5.0), (120, 120), (10**9, 86_400), (float("inf"), 86_400), (None, None)],
)
def test_boundedFlowTimer(seconds: float | None, counts: float | None) -> None:
    assert boundedFlowTimer(seconds) == counts


def test_aFlowTimerThatIsNoNumberIsNone() -> None:
    assert boundedFlowTimer(float("nan")) is None


def test_aFlowTimerHasTheServerAskedInTimeWhateverThereIsToHear() -> None:
    """
    RFC 5626 section 4.4: "The UA MUST send keep-alives at least as often as
    this number of seconds"; "it SHOULD send its keep-alives so that the
    interval between each keep-alive is randomly distributed between 80% and
    100% of the server-provided time".
    """
    scene = Scene(options=TransportOptions(random=random.Random(7)))
    transport = scene.connected()
    pings = Pings(scene)
    transport.flowTimer(120)
    for _ in range(120 * 100):
        scene.network.advance(1)
        scene.connection.send(b"\r\n")
    gaps = [later - earlier for earlier, later in zip([0.0, *pings.times], pings.times, strict=False)]
    assert len(gaps) > 100
    assert min(gaps) >= 0.8 * 120
    assert max(gaps) <= 120.01
    assert min(gaps) < 98 < 118 < max(gaps)
    assert transport.connected
    assert transport.roundTrip == 0


@pytest.mark.parametrize(("interval", "flowTimer"), [(20.0, 120), (120.0, 20)])
def test_theSmallerOfFlowTimerAndIntervalCounts(interval: float, flowTimer: int) -> None:
    scene = makeScene(keepAliveInterval=interval)
    transport = scene.connected()
    pings = Pings(scene)
    transport.flowTimer(flowTimer)
    scene.network.advance(200)
    assert 10 <= len(pings.times) <= 13
    scene.connection.stall()
    timeUntilLost(scene, transport, 1.1 * (20 + TIMEOUT))


def test_aFlowTimerAloneFindsADeadPeer() -> None:
    scene = Scene(options=TransportOptions(keepAliveTimeout=TIMEOUT))
    transport = scene.connected()
    transport.flowTimer(30)
    scene.network.advance(100)
    scene.connection.stall()
    timeUntilLost(scene, transport, 30 + TIMEOUT + 0.1)
    assert isinstance(transport.lastTransportError, PeerSilent)
    # It was for that connection alone.
    scene.network.advance(4)
    assert transport.connected
    assert scene.network.reactor.getDelayedCalls() == []


def test_withAFlowTimerAloneAServerThatReadsNothingHasThatTime() -> None:
    scene = Scene(options=TransportOptions(keepAliveTimeout=TIMEOUT, maxPendingOctets=10_000))
    transport = scene.connected()
    transport.flowTimer(30)
    readsNothing(scene, transport)
    for _ in range(int(30 + TIMEOUT) - 1):
        scene.network.advance(1)
        scene.connection.send(b"\r\n")
    assert transport.connected
    scene.network.advance(1)
    assert str(transport.lastTransportError) == "the server has not read what waits for 35 seconds"


def test_aFlowTimerThatIsGoneSwitchesOff() -> None:
    scene = Scene()
    transport = scene.connected()
    transport.flowTimer(None)
    transport.flowTimer(30)
    transport.flowTimer(None)
    assert scene.network.reactor.getDelayedCalls() == []
    scene = makeScene()
    transport = scene.connected()
    pings = Pings(scene)
    transport.flowTimer(5)
    transport.flowTimer(None)
    scene.network.advance(INTERVAL)
    assert pings.times == pytest.approx([INTERVAL])


def test_aFlowTimerOfNothingIsBoundedAndSaidOnce() -> None:
    scene = Scene()
    transport = scene.connected()
    pings = Pings(scene)
    for _ in range(10):
        transport.flowTimer(0)
    scene.network.advance(100)
    assert 20 <= len(pings.times) <= 25
    assert scene.warnings() == ["ws://sip.example.com/path: a Flow-Timer of 0 seconds"]
    transport.disconnect()
    scene.network.advance(1)
    transport.flowTimer(30)
    assert scene.atRest()


def test_aFlowTimerThatComesWhileAnAnswerIsWaitedForDoesNotDelayTheVerdict() -> None:
    scene = makeScene()
    transport = scene.connected()
    Pings(scene, answer=False)
    scene.network.advance(INTERVAL + TIMEOUT - 1)
    transport.flowTimer(600)
    scene.network.advance(1)
    assert isinstance(transport.lastTransportError, PeerSilent)


@pytest.mark.parametrize(
    ("given", "counts", "warnings"),
    [("30", 30, 0), ("0", 5, 1), (" 40 ", 40, 0), ("soon", None, 1), ("9" * 19, 86_400, 1), (None, None, 0)],
)
def test_theFlowTimerOfARegistrarIsHeeded(given: str | None, counts: float | None, warnings: int) -> None:
    network = MemoryNetwork()
    logged: list[str] = []

    @implementer(ILogObserver)
    def observe(event: Any) -> None:
        if "Flow-Timer" in event.get("log_format", "") and event["log_level"].name == "warn":
            logged.append(event["log_format"])

    def answer(connection: MemoryConnection, register: IncomingRequest) -> None:
        headers = [("Contact", value) for value in register.getHeaders("Contact")]
        if given is not None:
            headers.append(("Flow-Timer", given))
        connection.respond(register, 200, headers=headers)

    network.answer("REGISTER", answer)
    configuration = Configuration(uri="sip:bot@example.com", wsServers="ws://sip.example.com")
    userAgent = UserAgent(configuration, network.reactor)
    globalLogPublisher.addObserver(observe)
    userAgent.start()
    network.advance(0)
    transport: Any = userAgent.transport
    # A few refreshes.
    network.advance(1_500)
    globalLogPublisher.removeObserver(observe)
    assert len(logged) == warnings
    assert transport.connected
    assert userAgent.counters.registrations >= 3
    assert userAgent.counters.failedRegistrations == 0
    if counts is None:
        assert transport.ws.keepAlive is None
        assert userAgent.counters.pings == 0
    else:
        assert transport.ws.keepAlive.flowTimer == counts
        assert 1_500 / counts - 1 <= userAgent.counters.pings <= 1_500 / (0.8 * counts) + 1
    network.answer("REGISTER", acceptRegister)
    network.advance(1_000)
    assert transport.ws.keepAlive is None
    userAgent.stop()
    network.advance(5)
    assert network.reactor.getDelayedCalls() == []


def test_theOptionsOfAConfigurationArriveHere() -> None:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    configuration = Configuration(
        uri="sip:bot@example.com",
        wsServers="ws://sip.example.com",
        keepAliveInterval=7,
        keepAliveTimeout=2,
        keepAliveMisses=2,
        keepAliveMethod="crlf",
    )
    userAgent = UserAgent(configuration, network.reactor)
    userAgent.start()
    network.advance(7)
    assert network.connection.octets[-1] == b"\r\n\r\n"
    network.advance(3.9)
    transport: Any = userAgent.transport
    assert transport.connected
    network.advance(0.1)
    assert not transport.connected
    assert (userAgent.counters.pings, userAgent.counters.missedPongs, userAgent.counters.silences) == (
        2,
        2,
        1,
    )
    network.advance(4)
    assert userAgent.registration.registered
    userAgent.stop()
    network.advance(5)
    assert network.reactor.getDelayedCalls() == []


def test_messagesAreCounted() -> None:
    scene = Scene()
    transport = scene.connected()
    transport.send(OutgoingRequest("OPTIONS", "sip:bob@example.com"))
    transport.send("\x00")
    scene.connection.send(request())
    scene.connection.send(b"not SIP")
    scene.connection.send(response(branch="z9hG4bKnobody"))
    scene.connection.send(request().replace(b"CSeq", b"X-CSeq"))
    assert transport.counters.messagesSent >= 2
    assert transport.counters.messagesReceived == 4
    assert transport.counters.messagesDropped == 3
