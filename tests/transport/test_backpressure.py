"""What waits for a server that reads slowly is bounded; and a server can be made to wait."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from sipws.errors import NotConnected
from sipws.message import IncomingRequest
from sipws.transport import Transport, TransportOptions
from tests.transport.foreign import Scene, request
from tests.transport.test_tls import AUTHORITY, NAME, SecureScene

#: As in Twisted's transports.
BUFFER = 65_536

LIMIT = 200_000


def makeScene(**options: Any) -> Scene:
    return Scene(options=TransportOptions(**{"maxPendingOctets": LIMIT, **options}))


def numbered(number: int, size: int = 600) -> bytes:
    """Make a message that is known by its number."""
    made = request(callID=f"call-{number}", branch=f"z9hG4bK{number}")
    return made.replace(b"Content-Length: 0", b"Content-Length: %d" % size) + b"x" * size


def fill(transport: Transport, first: int = 0, size: int = 600) -> int:
    """Send until nothing more is taken; give the number of the one that was not."""
    while transport.send(numbered(first, size)):
        first += 1
    return first


def numbers(octets: list[bytes]) -> list[int]:
    """Give the numbers of messages."""
    return [int(each.partition(b"call-")[2].partition(b"\r\n")[0]) for each in octets]


def outcome(deferred: Deferred[None]) -> list[Any]:
    """Give a list that holds the result once there is one."""
    results: list[Any] = []
    deferred.addBoth(lambda result: results.append(result.value if isinstance(result, Failure) else result))
    return results


# A server that reads slowly, or not at all.


def test_nothingIsLostAndAllIsInOrder() -> None:
    scene = makeScene()
    transport = scene.connected()
    sent = 0
    for _ in range(5):
        scene.connection.pauseReading()
        sent = fill(transport, sent)
        scene.connection.resumeReading()
    assert numbers(scene.connection.octets) == list(range(sent))
    assert sent * 850 > 5 * LIMIT


def test_theBoundIsInOctets() -> None:
    scene = makeScene()
    transport: Any = scene.connected()
    scene.connection.pauseReading()
    fill(transport)
    [wire] = scene.network._wires
    assert BUFFER < wire.client.waiting < BUFFER + 1_000
    assert LIMIT - 1_000 < transport.ws.backlog.octets <= LIMIT
    # A smaller one still finds room.
    assert transport.send(b"\r\n") is True


def test_aMessageLargerThanTheBoundGoesOutWhereNothingWaits() -> None:
    scene = makeScene(maxPendingOctets=0)
    transport = scene.connected()
    assert transport.send(b"x" * 100_000) is True
    assert transport.send(b"x") is False
    scene.network.pump()
    assert transport.send(b"x") is True


def test_whatIsRefusedIsCountedAndSaidOnceEachTime() -> None:
    scene = makeScene()
    transport = scene.connected()
    for _ in range(2):
        scene.connection.pauseReading()
        fill(transport)
        for _ in range(99):
            assert transport.send(numbered(0)) is False
        scene.connection.resumeReading()
    assert transport.counters.congestions == 200
    assert transport.counters.messagesSent == len(scene.connection.octets)
    assert scene.warnings() == ["unable to send a message: ws://sip.example.com/path does not read"] * 2


def test_aSlowServerIsGivenABufferAtATime() -> None:
    scene = makeScene()
    transport: Any = scene.connected()
    scene.connection.pauseReading()
    sent = fill(transport)
    [wire] = scene.network._wires
    got = b""
    while transport.ws.backlog is not None:
        assert wire.client.waiting < BUFFER + 1_000
        got += wire.client.take()
    wire.server.protocol.dataReceived(got + wire.client.take())
    assert numbers(scene.connection.octets) == list(range(sent))


def test_disconnectSendsWhatWaitsFirst() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.connection.pauseReading()
    sent = fill(transport)
    transport.disconnect()
    assert transport.send(b"late") is False
    scene.network.advance(0.5)
    scene.connection.resumeReading()
    assert numbers(scene.connection.octets) == list(range(sent))
    assert scene.atRest()


def test_aServerThatCloses_stillGetsWhatWaits() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.connection.pauseReading()
    sent = fill(transport)
    scene.connection.close(1001)
    assert not transport.connected
    scene.connection.resumeReading()
    assert numbers(scene.connection.octets) == list(range(sent))
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_aFailureStillTellsTheServerWhy() -> None:
    scene = makeScene()
    transport: Any = scene.connected()
    codes: list[Any] = []
    protocol = scene.connection.protocol()
    onCloseFrame = protocol.onCloseFrame

    def record(code: int | None, reason: bytes | None) -> Any:
        codes.append(code)
        return onCloseFrame(code, reason)

    protocol.onCloseFrame = record
    scene.connection.pauseReading()
    sent = fill(transport)
    scene.connection.write(bytes((0x83, 0)))
    scene.connection.resumeReading()
    assert codes == [1002]
    assert numbers(scene.connection.octets) == list(range(sent))
    transport.disconnect()


def test_onlyTheLastPongWaits() -> None:
    """RFC 6455 section 5.5.3."""
    scene = makeScene()
    transport = scene.connected()
    scene.connection.pauseReading()
    fill(transport)
    for number in range(1_000):
        scene.connection.ping(b"%d" % number)
    scene.connection.resumeReading()
    assert scene.connection.pongs == [b"999"]


# Waiting for room.


def test_whenWritableFiresWhenAllHasGone() -> None:
    scene = makeScene()
    transport: Any = scene.connected()
    scene.connection.pauseReading()
    fill(transport)
    results = [outcome(transport.whenWritable()), outcome(transport.whenWritable())]
    [wire] = scene.network._wires
    wire.client.take()
    assert results == [[], []]
    assert transport.ws.backlog is not None
    while transport.ws.backlog is not None:
        assert results == [[], []]
        wire.client.take()
    assert results == [[None], [None]]


def test_whenWritableFiresAtOnceWhereNothingWaits() -> None:
    scene = makeScene()
    assert outcome(scene.connected().whenWritable()) == [None]


def test_whenWritableFailsWithoutAConnection() -> None:
    scene = makeScene()
    scene.network.stall()
    transport = scene.construct()
    [error] = outcome(transport.whenWritable())
    assert isinstance(error, NotConnected)
    transport.disconnect()
    [error] = outcome(transport.whenWritable())
    assert isinstance(error, NotConnected)


def _drop(scene: Scene, transport: Transport) -> None:
    scene.connection.drop()


def _disconnect(scene: Scene, transport: Transport) -> None:
    transport.disconnect()


def _close(scene: Scene, transport: Transport) -> None:
    scene.connection.close()


def _fallSilent(scene: Scene, transport: Transport) -> None:
    scene.network.advance(2)


@pytest.mark.parametrize("end", [_drop, _disconnect, _close, _fallSilent])
def test_whenWritableFailsWhenTheConnectionEnds(end: Callable[[Scene, Transport], None]) -> None:
    scene = makeScene(keepAliveInterval=1, keepAliveTimeout=1)
    transport = scene.connected()
    scene.connection.pauseReading()
    fill(transport)
    results = outcome(transport.whenWritable())
    end(scene, transport)
    [error] = results
    assert isinstance(error, NotConnected)
    transport.disconnect()
    scene.network.advance(1)


def test_whoeverWaitsMayGiveUp() -> None:
    scene = makeScene()
    transport = scene.connected()
    scene.connection.pauseReading()
    fill(transport)
    first, second, third = (transport.whenWritable() for _ in range(3))
    # One is cancelled by what another leads to.
    second.addCallback(lambda _: third.cancel())
    results = [outcome(first), outcome(second), outcome(third)]
    first.cancel()
    scene.connection.resumeReading()
    assert isinstance(results[0][0], CancelledError)
    assert results[1] == [None]
    assert isinstance(results[2][0], CancelledError)
    assert transport._writers is None


def test_whoeverGaveUpIsForgotten() -> None:
    scene = makeScene()
    transport: Any = scene.connected()
    scene.connection.pauseReading()
    fill(transport)
    for _ in range(100):
        results = outcome(transport.whenWritable())
        transport._writers._waiting[0].cancel()
        assert isinstance(results[0], CancelledError)
        assert transport._writers._waiting == []


def test_whoeverWaitedMayFillItUpAgain() -> None:
    """Send as fast as the server reads, and no faster: what the Deferred is for."""
    scene = makeScene()
    transport = scene.connected()
    total = 5_000
    sent = 0

    def more(_: object = None) -> None:
        nonlocal sent
        while sent < total and transport.send(numbered(sent)):
            sent += 1
        if sent < total:
            transport.whenWritable().addCallback(more)

    more()
    assert sent < total
    scene.network.pump()
    assert sent == total
    assert numbers(scene.connection.octets) == list(range(total))
    assert transport.counters.congestions < 20


# A hundred thousand messages for a server that does not read.


def test_memoryIsBoundedAndItRecovers() -> None:
    scene = makeScene(maxPendingOctets=2**20)
    transport = scene.connected()
    scene.connection.pauseReading()
    messages = [numbered(number) for number in range(64)]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        taken = sum(transport.send(messages[index % 64]) for index in range(100_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Each octet object has a header of its own, and each frame a place in a queue.
    assert peak - before < 1.15 * (2**20 + BUFFER)
    assert transport.counters.congestions == 100_000 - taken
    assert transport.counters.messagesSent == taken
    assert taken * len(messages[0]) > 2**20
    scene.connection.resumeReading()
    assert len(scene.connection.octets) == taken
    assert transport.send(messages[0]) is True
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


# Reading no more.


class Reader(Scene):
    """
    A transport whose user agent decides after each message whether it wants more.

    @ivar got: The numbers of what it was given.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(options=TransportOptions(**options))
        self.got: list[int] = []
        self.transport: Any = self.connected()
        self.decide: Callable[[int], None] = lambda number: None
        receive = self.ua.receiveRequest

        def receiveRequest(message: IncomingRequest) -> None:
            receive(message)
            assert not self.transport.readingPaused, "a message while reading is paused"
            number = int(message.callID.removeprefix("call-"))
            self.got.append(number)
            self.decide(number)

        # The foreign user agent has slots.
        ua: Any = _Instead(self.ua, receiveRequest=receiveRequest)
        self.transport.ua = ua

    def pauseAfter(self, *stops: int) -> None:
        """Have reading paused after these."""

        def decide(number: int) -> None:
            if number in stops:
                self.transport.pauseReading()

        self.decide = decide


class _Instead:
    """An object with other methods in place of some of its own."""

    def __init__(self, original: Any, **methods: Callable[..., object]) -> None:
        self._original = original
        vars(self).update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def whole(number: int) -> bytes:
    """A frame that is delivered by the short way."""
    payload = numbered(number, 10)
    return bytes((0x82, 126)) + len(payload).to_bytes(2, "big") + payload


def large(number: int) -> bytes:
    """A frame that is left to Autobahn."""
    payload = numbered(number, 70_000)
    return bytes((0x82, 127)) + len(payload).to_bytes(8, "big") + payload


def fragmented(number: int) -> bytes:
    """A message in two frames, left to Autobahn too."""
    payload = numbered(number, 10)
    return (
        bytes((0x01, 100))
        + payload[:100]
        + bytes((0x80, 126))
        + (len(payload) - 100).to_bytes(2, "big")
        + payload[100:]
    )


Framing = Callable[[int], bytes]

FRAMINGS = [whole, large, fragmented]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_aPauseStopsInTheMidstOfWhatHasBeenRead(framing: Framing) -> None:
    scene = Reader()
    scene.pauseAfter(2, 5)
    scene.connection.write(b"".join(framing(number) for number in range(8)))
    assert scene.got == [0, 1, 2]
    assert scene.transport.readingPaused
    scene.transport.resumeReading()
    assert scene.got == [0, 1, 2, 3, 4, 5]
    scene.transport.resumeReading()
    assert scene.got == list(range(8))
    assert not scene.transport.readingPaused
    assert scene.transport.counters.pauses == 2


@pytest.mark.parametrize("framing", FRAMINGS)
def test_aPauseThatIsEndedAtOnceChangesNothing(framing: Framing) -> None:
    scene = Reader()

    def decide(number: int) -> None:
        scene.transport.pauseReading()
        scene.transport.resumeReading()

    scene.decide = decide
    frames = b"".join(framing(number) for number in range(8))
    # The first is in two parts: something is kept when the rest comes.
    scene.connection.write(frames[:50])
    scene.connection.write(frames[50:])
    assert scene.got == list(range(8))
    assert scene.transport.connected


@given(
    st.lists(st.sampled_from([whole, fragmented]), min_size=1, max_size=12),
    st.lists(st.integers(1, 400), min_size=1, max_size=20),
    st.sets(st.integers(0, 11)),
    st.sets(st.integers(0, 11)),
    st.booleans(),
)
def test_whateverTheSegmentsAndThePausesAllComesOnceAndInOrder(
    framings: list[Framing], cuts: list[int], stops: set[int], blinks: set[int], direct: bool
) -> None:
    scene = Reader()

    def decide(number: int) -> None:
        if number in blinks:
            scene.transport.pauseReading()
            scene.transport.resumeReading()
        if number in stops:
            scene.transport.pauseReading()

    scene.decide = decide
    octets = b"".join(framing(number) for number, framing in enumerate(framings))
    turn = 0
    while octets:
        size = cuts[turn % len(cuts)]
        turn += 1
        # What TLS has decrypted comes though reading is paused.
        (scene.transport.ws.dataReceived if direct else scene.connection.write)(octets[:size])
        octets = octets[size:]
        if turn % 3 == 0:
            scene.transport.resumeReading()
    scene.network.pump()
    while scene.transport.readingPaused:
        scene.transport.resumeReading()
        scene.network.pump()
    assert scene.got == list(range(len(framings)))
    assert scene.transport.connected
    scene.transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_theServerIsHeldUp() -> None:
    scene = Reader()
    scene.transport.pauseReading()
    scene.connection.write(whole(0))
    [wire] = scene.network._wires
    assert wire.server.waiting == len(whole(0))
    assert scene.got == []
    scene.transport.resumeReading()
    scene.network.pump()
    assert scene.got == [0]


def test_pingsAndClosesWaitToo() -> None:
    scene = Reader()
    scene.pauseAfter(0)
    scene.transport.ws.dataReceived(whole(0) + bytes((0x89, 4)) + b"ping" + whole(1) + bytes((0x88, 0)))
    scene.network.advance(100)
    assert scene.connection.pongs == []
    assert scene.transport.connected
    scene.transport.resumeReading()
    scene.network.pump()
    assert scene.connection.pongs == [b"ping"]
    assert scene.got == [0, 1]
    assert not scene.transport.connected
    scene.transport.disconnect()


def test_sendingGoesOnMeanwhile() -> None:
    scene = Reader()
    scene.transport.pauseReading()
    assert scene.transport.send(numbered(7))
    scene.network.pump()
    assert numbers(scene.connection.octets) == [7]


def test_pausingTwiceIsPausingOnce() -> None:
    scene = Reader()
    scene.transport.pauseReading()
    scene.transport.pauseReading()
    assert scene.transport.counters.pauses == 1
    scene.transport.resumeReading()
    scene.transport.resumeReading()
    scene.connection.write(whole(0))
    assert scene.got == [0]


def test_aNewConnectionReads() -> None:
    scene = Reader()
    scene.transport.pauseReading()
    scene.connection.drop()
    assert not scene.transport.readingPaused
    scene.transport.pauseReading()
    scene.transport.resumeReading()
    scene.network.advance(4)
    assert scene.transport.connected
    assert not scene.transport.readingPaused
    assert scene.transport.counters.pauses == 1
    scene.connection.write(whole(0))
    assert scene.got == [0]


def test_whatWasReadBeforeTheConnectionWasLostIsLostWithIt() -> None:
    """Nobody could answer it any more."""
    scene = Reader()
    scene.pauseAfter(0)
    scene.connection.write(whole(0) + whole(1))
    old = scene.transport.ws
    scene.connection.drop()
    old.resumeReading()
    scene.network.advance(4)
    assert scene.got == [0]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_disconnectWhileReadingIsPaused(framing: Framing) -> None:
    scene = Reader()
    scene.pauseAfter(0)
    scene.connection.write(framing(0) + framing(1))
    scene.transport.disconnect()
    scene.network.advance(0)
    assert scene.told("onTransportClosed", "emit") == [
        ("onTransportClosed",),
        ("emit", "disconnected", scene.transport),
    ]
    # A clean end, not one by timeout; and the user agent is asked for nothing more.
    assert scene.got == [0]
    assert scene.atRest()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_disconnectByWhoeverTakesAMessage(framing: Framing) -> None:
    scene = Reader()

    def decide(number: int) -> None:
        scene.transport.pauseReading()
        scene.transport.disconnect()

    scene.decide = decide
    scene.connection.write(framing(0)[:40])
    scene.connection.write(framing(0)[40:] + framing(1) + framing(2))
    scene.network.advance(0)
    assert scene.got == [0]
    assert scene.atRest()


def test_overTLS(tmp_path: Path) -> None:
    """What has been decrypted already is kept, and nothing more is read."""
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]))
    transport: Any = scene.attempt()
    answers: list[bytes] = []

    def record(payload: bytes) -> None:
        answers.append(payload)
        transport.pauseReading()

    transport._factory.owner = _Instead(transport, onMessage=record)
    for number in range(50):
        transport.send(request("OPTIONS", callID=f"call-{number}", branch=f"z9hG4bK{number}"))
    scene.network.advance(0)
    assert len(answers) == 1
    [wire] = scene.network._wires
    assert wire.client.reading is False
    for expected in range(2, 51):
        transport.resumeReading()
        scene.network.advance(0)
        assert len(answers) == expected
    assert numbers(answers) == list(range(50))
    transport._factory.owner = transport
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()
