"""Back-pressure and keep-alive over real sockets, with TLS and without."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest_twisted
from twisted.internet.task import deferLater
from twisted.logger import Logger, LogPublisher

from sipws.errors import PeerSilent
from sipws.message import IncomingRequest
from sipws.transport import Transport, TransportOptions
from tests.transport.certificates import Authority
from tests.transport.foreign import ForeignServer, makeUserAgent
from tests.transport.rawserver import RawServer
from tests.transport.test_backpressure import numbered, numbers, whole

AUTHORITY = Authority()

#: What Twisted keeps of what is written: 64 KiB, and as much twice more for TLS.
TWISTED = 3 * 65_536

LIMIT = 2**20

#: What the process may grow by, in octets, beside what Python knows of.
SLACK = 16 * 2**20


def residentOctets() -> int:
    """Give how much memory the process has (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@attrs.define
class Loopback:
    """
    A transport and its server, on loopback.

    @ivar got: The requests that the transport has taken.
    """

    folder: Path
    reactor: Any
    secure: bool
    got: list[IncomingRequest] = attrs.Factory(list)
    server: Any = None
    transport: Any = None

    async def open(
        self,
        flood: list[bytes] | None = None,
        decide: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        """Connect."""
        identity = AUTHORITY.issue(["localhost"]) if self.secure else None
        caFile = AUTHORITY.write(self.folder, "authority.pem", AUTHORITY.certificatePEM)
        self.server = RawServer(identity, self.folder, flood or ())
        self.server.start()
        calls: list[Any] = []
        ua: Any = _UserAgent(makeUserAgent(calls, Logger(observer=LogPublisher())), self.got, decide)
        made = TransportOptions(caFile=caFile, maxPendingOctets=LIMIT, **options)
        self.transport = Transport(ua, ForeignServer(self.server.uri), self.reactor, options=made)
        await self.until(lambda: self.transport.connected)

    async def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for something."""
        deadline = self.reactor.seconds() + seconds
        while not holds():
            assert self.reactor.seconds() < deadline
            await deferLater(self.reactor, 0.005)

    async def close(self) -> None:
        """Leave nothing."""
        if self.transport is not None:
            self.server.reads.set()
            self.transport.disconnect()
            await self.until(lambda: self.transport.ws is None)
            await self.until(self.server.over.is_set)


class _UserAgent:
    """A user agent that keeps what it is given."""

    def __init__(self, ua: Any, got: list[IncomingRequest], decide: Callable[[], None]) -> None:
        self._ua = ua
        self._got = got
        self._decide = decide

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ua, name)

    def receiveRequest(self, request: IncomingRequest) -> None:
        self._got.append(request)
        self._decide()


@pytest_twisted.async_yield_fixture(params=[False, True], ids=["ws", "wss"])
async def loopback(request: Any, tmp_path: Path) -> AsyncIterator[Loopback]:
    from twisted.internet import reactor

    made = Loopback(tmp_path, reactor, request.param)
    yield made
    await made.close()


@pytest_twisted.ensureDeferred
async def test_100000MessagesForAServerThatDoesNotRead(loopback: Loopback) -> None:
    """Memory grows by no more than the bound, and it recovers."""
    await loopback.open()
    transport = loopback.transport
    accepted: list[int] = []
    resident = residentOctets()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(100_000):
            if transport.send(numbered(number)):
                accepted.append(number)
            if number % 1_000 == 0:
                await deferLater(loopback.reactor, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    grown = residentOctets() - resident
    assert transport.connected
    assert transport.counters.congestions == 100_000 - len(accepted) > 50_000
    # The numbers of those that were accepted are the test's own.
    assert peak - before - 40 * len(accepted) < 1.15 * (LIMIT + TWISTED)
    assert grown < LIMIT + SLACK

    writable = transport.whenWritable()
    loopback.server.reads.set()
    await writable
    assert transport.send(numbered(100_000)) is True
    await loopback.until(lambda: len(loopback.server.payloads) > len(accepted))
    assert numbers(loopback.server.payloads) == [*accepted, 100_000]
    # And that is no single time.
    assert all(transport.send(numbered(number)) for number in range(500))


@pytest_twisted.ensureDeferred
async def test_aServerThatFloodsIsMadeToWait(loopback: Loopback) -> None:
    count = 20_000
    flood = [
        b"".join(whole(number) for number in range(first, first + 100)) for first in range(0, count, 100)
    ]
    got = loopback.got

    def decide() -> None:
        assert not loopback.transport.readingPaused
        if len(got) % 5_000 == 77:
            loopback.transport.pauseReading()

    await loopback.open(flood, decide)
    for stop in range(77, count, 5_000):
        await loopback.until(lambda: loopback.transport.readingPaused)
        await deferLater(loopback.reactor, 0.1)
        assert len(got) == stop
        # What has been read and not taken is as much as one reading gives.
        assert len(loopback.transport.ws.data) <= 2 * 65_536
        loopback.transport.resumeReading()
    await loopback.until(lambda: len(got) == count)
    assert [int(each.callID.removeprefix("call-")) for each in got] == list(range(count))


@pytest_twisted.ensureDeferred
async def test_aServerThatAnswersStaysAndOneThatDoesNotIsLost(loopback: Loopback) -> None:
    await loopback.open(keepAliveInterval=0.05, keepAliveTimeout=5)
    transport = loopback.transport
    loopback.server.reads.set()
    await loopback.until(lambda: transport.counters.pings >= 5)
    assert transport.connected
    assert 0 < transport.roundTrip < 5
    assert transport.counters.missedPongs == 0

    loopback.server.answers = False
    transport.ws.keepAlive.stop()
    object.__setattr__(transport._factory.options, "keepAliveTimeout", 0.2)
    transport.ws.keepAlive.start()
    began = loopback.reactor.seconds()
    await loopback.until(lambda: transport.ws is None)
    assert 0.2 < loopback.reactor.seconds() - began < 5
    assert isinstance(transport.lastTransportError, PeerSilent)
