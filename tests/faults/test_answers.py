"""
Servers that answer wrongly: any octets for the upgrade, a Retry-After of years,
a certificate that changes.

Each is bounded, logged once an attempt, and survived: the user agent is
registered again when all is well.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

from sipws import Configuration, UserAgent
from sipws.errors import CertificateRefused, ConnectionFailed, HandshakeRefused
from sipws.server import EmbeddedServer
from tests.faults.faults import Answer, Door, Forward, Mute, Present, Refuse, Reset, Slam, httpAnswer
from tests.faults.proxy import FaultProxy
from tests.kamailio.agents import pause, transportOf, until, within
from tests.transport.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.faults import Identity

_DAY = timedelta(days=1)

#: The gap before each attempt, how long one may take, and the most that a server may ask for, in seconds.
GAP, CONNECT_TIMEOUT, MAX_RETRY_AFTER = 0.05, 0.5, 0.5

OPTIONS: dict[str, Any] = {
    "wsServerMaxReconnection": "unlimited",
    "wsServerReconnectionTimeout": GAP,
    "wsServerMaxRetryAfter": MAX_RETRY_AFTER,
    "wsServerOverloadTimeout": 0.0,
    "connectTimeout": CONNECT_TIMEOUT,
}

#: How much longer than it should a machine with much to do may take.
PATIENCE_FACTOR = 2

#: How many attempts are looked at.
ATTEMPTS = 3


@implementer(ILogObserver)
class Warnings:
    """Collects what is logged as a warning or worse."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_level", LogLevel.info) >= LogLevel.warn:
            self.texts.append(formatEvent(event))


class World:
    """
    An embedded server, a proxy before it, and a user agent behind that.

    @ivar authority: Whom the user agent trusts.
    """

    def __init__(self, folder: Path) -> None:
        self.authority = Authority()
        self.proxy: FaultProxy
        self.ua: UserAgent
        self.warnings = Warnings()
        self._folder = folder
        self._server = EmbeddedServer(reactor, domain="localhost")

    async def begin(self, scheme: str) -> None:
        port: Any = await self._server.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        identity = self.authority.issue(["127.0.0.1"]) if scheme == "wss" else None
        self.proxy = FaultProxy(reactor, endpoint, identity, endpoint)
        self.proxy.inflict(self.good)
        self.proxy.start()
        configuration = Configuration(
            uri="sip:alice@localhost",
            wsServers=f"{scheme}://127.0.0.1:{self.proxy.port}",
            caFile=self.authority.write(self._folder, "ca.pem", self.authority.certificatePEM),
            **OPTIONS,
        )
        self.ua = UserAgent(configuration, reactor)
        self.ua.start()
        await within(self.ua.whenRegistered())

    @property
    def good(self) -> Door:
        """How a connection comes about: the server itself knows no TLS."""
        identity = self.proxy.identity
        return Forward() if identity is None else Present(identity)

    async def meets(self, door: Door) -> list[str]:
        """
        Have the user agent meet a door some times.

        @return: What it has logged.
        """
        self.warnings.texts.clear()
        before = self.ua.counters.refusals
        self.proxy.inflict(door)
        self.proxy.inflict(Reset())
        await until(lambda: self.ua.counters.refusals >= before + ATTEMPTS, "some attempts have failed")
        assert not transportOf(self.ua).connected
        return list(self.warnings.texts)

    async def recovers(self) -> None:
        """See that the user agent is back as soon as all is well."""
        self.proxy.inflict(self.good)
        await within(self.ua.whenRegistered())
        assert (await within(self.ua.options("sip:localhost"))).statusCode == 200

    async def end(self) -> None:
        await within(self.ua.stop())
        await within(Deferred.fromCoroutine(self.proxy.stop()))
        await self._server.stop()


@pytest_twisted.async_yield_fixture
async def plain(tmp_path: Path) -> AsyncIterator[World]:
    """All of it, with C{ws}."""
    world = World(tmp_path)
    globalLogPublisher.addObserver(world.warnings)
    await world.begin("ws")
    yield world
    await world.end()
    globalLogPublisher.removeObserver(world.warnings)


@pytest_twisted.async_yield_fixture
async def secure(tmp_path: Path) -> AsyncIterator[World]:
    """All of it, with C{wss}."""
    world = World(tmp_path)
    globalLogPublisher.addObserver(world.warnings)
    await world.begin("wss")
    yield world
    await world.end()
    globalLogPublisher.removeObserver(world.warnings)


#: Answers to the upgrade, by what is wrong with them.
ANSWERS: dict[str, bytes] = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "SIP": b"SIP/2.0 200 OK\r\n\r\n",
    "an empty head": b"\r\n\r\n",
    "no reason": b"HTTP/1.1 101\r\n\r\n",
    "no accept": b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "a wrong accept": b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Accept: bm8=\r\n\r\n",
    "a page": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "a status of letters": b"HTTP/1.1 abc Go\r\n\r\n",
    "a status too long": b"HTTP/1.1 " + b"1" * 5000 + b" Go\r\n\r\n",
    "octets beyond ASCII": b"HTTP/1.1 101 \xff\xfe\r\nX: \x00\x80\r\n\r\n",
    "an endless head": b"HTTP/1.1 101 Go\r\nX: " + b"x" * 1_000_000,
    "an endless line": b"x" * 1_000_000,
    "noise": Random(7118).randbytes(4000),
    "noise with an end": Random(6455).randbytes(4000) + b"\r\n\r\n",
    "too late": b"HTTP/1.1 408 Request Timeout\r\n\r\n",
    "an error": b"HTTP/1.0 500 Oops\r\n\r\n" + b"y" * 100_000,
}


#: The longest line that may come of one answer, in characters.
LINE = 320


def _checkLog(logged: list[str], refusals: int) -> None:
    """See that each attempt is one line of the log, beside the one of the connection that was cut."""
    assert len(logged) == 1 + refusals
    assert all(len(line) <= LINE and line.isprintable() for line in logged)


@pytest.mark.parametrize("closes", [True, False], ids=["closes", "stays"])
@pytest.mark.parametrize("octets", ANSWERS.values(), ids=ANSWERS.keys())
@pytest_twisted.ensureDeferred
async def test_anyOctetsForTheUpgrade(plain: World, octets: bytes, closes: bool) -> None:
    logged = await plain.meets(Answer(octets, closes))
    _checkLog(logged, plain.ua.counters.refusals)
    assert isinstance(transportOf(plain.ua).lastTransportError, ConnectionFailed)
    await plain.recovers()


@pytest.mark.parametrize("door", [Refuse(), Slam(), Mute()], ids=str)
@pytest_twisted.ensureDeferred
async def test_noAnswerAtAll(plain: World, door: Door) -> None:
    logged = await plain.meets(door)
    _checkLog(logged, plain.ua.counters.refusals)
    await plain.recovers()


@pytest.mark.parametrize("status", [301, 401, 403, 407, 429, 500, 503])
@pytest_twisted.ensureDeferred
async def test_aStatusOverTLS(secure: World, status: int) -> None:
    logged = await secure.meets(httpAnswer(status))
    _checkLog(logged, secure.ua.counters.refusals)
    error = transportOf(secure.ua).lastTransportError
    assert isinstance(error, HandshakeRefused)
    assert error.status == status
    await secure.recovers()


@pytest.mark.parametrize(
    ("retryAfter", "least"),
    [
        # Two years, in seconds and as a date, and more than a float holds.
        ("63072000", MAX_RETRY_AFTER),
        ("Thu, 31 Dec 2099 23:59:59 GMT", MAX_RETRY_AFTER),
        ("9" * 400, MAX_RETRY_AFTER),
        # At once, in the past, and anything.
        ("0", 0),
        ("-1", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("soon", 0),
        ("nan", 0),
    ],
)
@pytest_twisted.ensureDeferred
async def test_aRetryAfterOfYearsOrOfNothing(plain: World, retryAfter: str, least: float) -> None:
    began = reactor.seconds()
    logged = await plain.meets(httpAnswer(503, ("Retry-After", retryAfter)))
    took = reactor.seconds() - began
    _checkLog(logged, plain.ua.counters.refusals)
    # However short it is, the gap is kept; however long, no more than the most is added to it.
    waits = ATTEMPTS - 1
    assert took >= GAP + waits * (GAP + least)
    assert took <= PATIENCE_FACTOR * (GAP + waits * (GAP + MAX_RETRY_AFTER))
    await plain.recovers()


class TestCertificates:
    """One that changes between two connections."""

    @pytest.mark.parametrize("flaw", ["expired", "not yet valid", "wrong name", "wrong authority", "no name"])
    @pytest_twisted.ensureDeferred
    async def test_aBadOneIsRefusedUntilItIsGood(self, secure: World, flaw: str) -> None:
        logged = await secure.meets(Present(_impostor(secure.authority, flaw)))
        _checkLog(logged, secure.ua.counters.refusals)
        assert isinstance(transportOf(secure.ua).lastTransportError, CertificateRefused)
        await secure.recovers()

    @pytest_twisted.ensureDeferred
    async def test_anotherGoodOneIsTaken(self, secure: World) -> None:
        before = secure.ua.counters.connections
        for _ in range(3):
            secure.proxy.inflict(Present(secure.authority.issue(["127.0.0.1"])))
            secure.proxy.inflict(Reset())
            await until(lambda: not transportOf(secure.ua).connected, "the connection is lost")
            await within(secure.ua.whenRegistered())
        assert secure.ua.counters.connections == before + 3
        assert secure.ua.counters.refusals == 0

    @pytest_twisted.ensureDeferred
    async def test_aConnectionThatIsThereIsNotConcerned(self, secure: World) -> None:
        secure.proxy.inflict(Present(_impostor(secure.authority, "expired")))
        await pause(5 * GAP)
        assert (await within(secure.ua.options("sip:localhost"))).statusCode == 200
        assert secure.ua.counters.attempts == 1


def _impostor(authority: Authority, flaw: str) -> Identity:
    match flaw:
        case "expired":
            return authority.issue(["127.0.0.1"], begins=-2 * _DAY, ends=-_DAY)
        case "not yet valid":
            return authority.issue(["127.0.0.1"], begins=_DAY, ends=2 * _DAY)
        case "wrong name":
            return authority.issue(["127.0.0.2", "elsewhere.example"])
        case "wrong authority":
            return Authority("nobody knows this one").issue(["127.0.0.1"])
        case _:
            return authority.issue(None, commonName="127.0.0.1")
