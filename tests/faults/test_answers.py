"""
Servers that answer wrongly: any octets for the upgrade, a Retry-After of years,
a certificate that changes.

Each is bounded, logged once an attempt, and survived: the user agent is
registered again when all is well.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet import reactor

from sipws.errors import CertificateRefused, ConnectionFailed, HandshakeRefused
from tests.faults.faults import Answer, Door, Mute, Present, Refuse, Reset, Slam, httpAnswer
from tests.faults.world import ATTEMPTS, GAP, MAX_RETRY_AFTER, World
from tests.kamailio.agents import pause, transportOf, until, within
from tests.transport.certificates import Authority

if TYPE_CHECKING:
    from tests.faults.faults import Identity

_DAY = timedelta(days=1)

#: How much longer than it should a machine with much to do may take.
PATIENCE_FACTOR = 2


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
