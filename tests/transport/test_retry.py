"""When a lost connection is tried again."""

from __future__ import annotations

import math
import random
from email.utils import formatdate
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sipws import Configuration, UserAgent
from sipws.counters import Counters
from sipws.errors import HandshakeRefused
from sipws.testing import MemoryNetwork, acceptRegister
from sipws.transport import RetryPolicy, TransportOptions
from sipws.transport.retry import retryDelay
from sipws.transport.retryafter import MAX_RETRY_AFTER, retryAfter
from tests.transport.foreign import Scene
from tests.transport.test_handshake import Answering

#: 2026-11-23 07:00:00 UTC.
NOW = 1_795_417_200.0


@attrs.frozen
class Fixed:
    """Chance that is none."""

    value: float

    def random(self) -> float:
        return self.value


CHANCES = st.floats(0, 1, exclude_max=True).map(Fixed)
GAPS = st.floats(0.001, 86_400)

#: The policies that a configuration can make, and none that it cannot.
EXPONENTIAL = st.builds(
    RetryPolicy,
    exponential=st.just(value=True),
    gap=GAPS,
    maximum=GAPS,
    attempts=st.just(math.inf),
    overload=st.floats(0, 86_400),
    maxRetryAfter=st.floats(0, 86_400),
).filter(lambda policy: policy.gap <= policy.maximum)

FIXED = st.builds(RetryPolicy, gap=GAPS, attempts=st.just(math.inf), overload=st.floats(0, 86_400))

RETRIES = st.integers(0, 100) | st.integers(0, 10**30)


# The function.


@given(FIXED, RETRIES, CHANCES)
def test_aFixedGapIsTheSameEachTime(policy: RetryPolicy, retries: int, chance: Fixed) -> None:
    assert retryDelay(policy, retries, chance) == policy.gap


@given(EXPONENTIAL, RETRIES, CHANCES)
def test_anExponentialGapStaysBelowItsBound(policy: RetryPolicy, retries: int, chance: Fixed) -> None:
    delay = retryDelay(policy, retries, chance)
    assert delay is not None
    assert 0 <= delay <= policy.maximum
    if retries < 30:
        assert delay <= policy.gap * 2**retries


@given(EXPONENTIAL, RETRIES)
def test_theBoundDoublesUntilItIsTheMaximum(policy: RetryPolicy, retries: int) -> None:
    assume(policy.gap >= 0.1)
    bound = retryDelay(policy, retries, Fixed(1.0))
    # Anything from 0.1 seconds on has passed a day after 20 doublings.
    assert bound == min(policy.maximum, policy.gap * 2 ** min(retries, 20))


@pytest.mark.parametrize("retries", [0, 1, 3, 10, 1_000_000])
def test_eachDelayIsUniformBelowTheBound(retries: int) -> None:
    """Kolmogorov and Smirnov: no share of the delays strays from its due."""
    policy = RetryPolicy(exponential=True, gap=2, maximum=60, attempts=math.inf)
    bound = min(60, 2 * 2 ** min(retries, 20))
    chance = random.Random(retries)
    count = 20_000
    shares = sorted((retryDelay(policy, retries, chance) or 0) / bound for _ in range(count))
    distance = max(abs(share - (index + 0.5) / count) for index, share in enumerate(shares))
    # 1.95 / sqrt(n): passed by chance once in a thousand; the seeds are what they are.
    assert distance < 1.95 / math.sqrt(count)


@given(st.integers(0, 1_000), RETRIES, CHANCES, st.booleans())
def test_thereAreSoManyAttemptsAndNoMore(
    attempts: int, retries: int, chance: Fixed, exponential: bool
) -> None:
    policy = RetryPolicy(exponential=exponential, attempts=attempts)
    assert (retryDelay(policy, retries, chance) is None) == (retries >= attempts)


@given(RETRIES, CHANCES)
def test_infinityIsWithoutEnd(retries: int, chance: Fixed) -> None:
    policy = RetryPolicy(exponential=True, attempts=math.inf)
    assert retryDelay(policy, retries, chance) is not None


@given(
    EXPONENTIAL | FIXED,
    RETRIES,
    CHANCES,
    st.floats(allow_nan=False, allow_infinity=True),
    st.booleans(),
)
def test_retryAfterIsAddedAndBounded(
    policy: RetryPolicy, retries: int, chance: Fixed, after: float, overloaded: bool
) -> None:
    plain = retryDelay(policy, retries, chance)
    assert plain is not None
    delay = retryDelay(policy, retries, chance, retryAfter=after, overloaded=overloaded)
    assert delay == plain + min(max(after, 0), policy.maxRetryAfter)


@given(EXPONENTIAL | FIXED, RETRIES, CHANCES, st.none() | st.just(math.nan))
def test_overloadWithoutATimeIsAdded(
    policy: RetryPolicy, retries: int, chance: Fixed, after: float | None
) -> None:
    plain = retryDelay(policy, retries, chance, retryAfter=after)
    assert plain == retryDelay(policy, retries, chance)
    assert plain is not None
    overloaded = retryDelay(policy, retries, chance, retryAfter=after, overloaded=True)
    assert overloaded == plain + policy.overload


# What a server asks for.


def head(*headers: str, status: int = 503) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Busy", *headers, "", "body: Retry-After: 1"]).encode("latin-1")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("  7\t", 7),
        ("31536000", 31_536_000),
        ("31536001", MAX_RETRY_AFTER),
        ("9" * 5_000, MAX_RETRY_AFTER),
        ("Mon, 23 Nov 2026 07:01:30 GMT", 90),
        ("Monday, 23-Nov-26 07:01:30 GMT", 90),
        ("Mon Nov 23 07:01:30 2026", 90),
        ("Mon, 23 Nov 2026 06:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MAX_RETRY_AFTER),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("5, 6", None),
        ("nan", None),
        ("inf", None),
        ("1e3", None),
        ("\xb2", None),
        ("Mon, 99 Nov 2026 07:01:30 GMT", None),
        ("Mon, 23 Nov 99999999 07:01:30 GMT", None),
        ("Mon, 23 Nov 2026 07:01:30 +9999999999", None),
    ],
)
def test_retryAfterOfAResponse(value: str, seconds: float | None) -> None:
    assert retryAfter(503, head(f"Retry-After: {value}"), NOW) == seconds
    assert retryAfter(429, head(f"retry-after:{value}"), NOW) == seconds


def test_aDateCountsFromTheDateOfTheResponse() -> None:
    """Our clock may be wrong by hours."""
    octets = head(f"Date: {formatdate(1_000, usegmt=True)}", f"Retry-After: {formatdate(1_060, usegmt=True)}")
    assert retryAfter(503, octets, NOW) == 60


def test_aDateThatCannotBeReadDoesNotCount() -> None:
    octets = head("Date: today", f"Retry-After: {formatdate(NOW + 60, usegmt=True)}")
    assert retryAfter(503, octets, NOW) == 60


@pytest.mark.parametrize("status", [None, 200, 301, 401, 404, 500, 502])
def test_otherAnswersAskForNothing(status: int | None) -> None:
    assert retryAfter(status, head("Retry-After: 5"), NOW) is None


def test_theBodyIsNotLookedAt() -> None:
    assert retryAfter(503, head(), NOW) is None
    assert retryAfter(503, b"HTTP/1.1 503 Busy", NOW) is None
    assert retryAfter(503, b"", NOW) is None


@given(st.binary() | st.text().map(str.encode))
def test_anyHeaderIsSurvived(value: bytes) -> None:
    seconds = retryAfter(503, b"HTTP/1.1 503 Busy\r\nRetry-After: " + value + b"\r\n\r\n", NOW)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


# The transport.


def gap(scene: Scene) -> float:
    """Give the wait for the next attempt."""
    transport = scene.ua.transport
    assert transport.reconnectTimer is not None
    return float(transport.reconnectTimer.getTime() - scene.network.reactor.seconds())


def said(scene: Scene) -> list[str]:
    """Give what was logged of the next attempts."""
    texts = [event["log_format"].format(**event) for event in scene.logged]
    return [text for text in texts if text.startswith("trying ")]


def test_theGapsAreThoseOfThePolicyAndAreLogged() -> None:
    policy = RetryPolicy(exponential=True, gap=2, maximum=20, attempts=math.inf)
    scene = Scene(options=TransportOptions(retry=policy, random=random.Random(1)))
    scene.network.refuse()
    transport = scene.construct()
    scene.network.advance(3_000)
    again = random.Random(1)
    delays = [retryDelay(policy, retries, again) for retries in range(transport.reconnection_attempts)]
    assert len(delays) > 200
    assert said(scene) == [
        f"trying ws://sip.example.com/path again in {delay:g} seconds (attempt {attempt})"
        for attempt, delay in enumerate(delays, 1)
    ]
    assert transport._factory.delay == delays[-1]
    assert scene.told("onTransportError") == []
    assert transport.counters.exhaustions == 0
    transport.disconnect()
    assert scene.atRest()


def test_attemptsWithoutEnd() -> None:
    scene = Scene(wsServerMaxReconnection=math.inf, wsServerReconnectionTimeout=1)
    scene.network.refuse()
    transport = scene.construct()
    scene.network.advance(1_500)
    assert transport.reconnection_attempts > 1_000
    assert scene.told("onTransportError") == []
    scene.network.accept()
    scene.network.advance(1.5)
    assert transport.connected
    assert transport.reconnection_attempts == 0


def test_thePolicyCountsTheAttempts() -> None:
    policy = RetryPolicy(gap=1, attempts=2)
    scene = Scene(options=TransportOptions(retry=policy, counters=Counters()), wsServerMaxReconnection=99)
    scene.network.refuse()
    transport = scene.construct()
    scene.network.advance(100)
    assert scene.told("onTransportConnecting") == [("onTransportConnecting", n, True) for n in (1, 2, 3)]
    assert scene.told("onTransportError") == [("onTransportError",)]
    counters = transport.counters
    assert (counters.attempts, counters.refusals, counters.exhaustions) == (3, 3, 1)
    assert (counters.connections, counters.losses) == (0, 0)
    assert scene.atRest()


def test_connectionsAndLossesAreCounted() -> None:
    scene = Scene()
    transport = scene.connected()
    scene.connection.drop()
    scene.network.advance(4)
    scene.connection.close(1001)
    scene.network.advance(4)
    transport.disconnect()
    scene.network.advance(1)
    counters = transport.counters
    assert (counters.attempts, counters.connections, counters.losses, counters.refusals) == (3, 3, 2, 0)


def test_transportsMayShareTheirCounters() -> None:
    counters = Counters()
    for _ in range(3):
        scene = Scene(options=TransportOptions(counters=counters))
        assert scene.connected().counters is counters
    assert counters.connections == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([b"Retry-After: 17"], 4 + 17),
        ([b"Retry-After: 99999999999"], 4 + 300),
        ([b"Retry-After: 0"], 4),
        ([b"Retry-After: whenever"], 4 + 30),
        ([], 4 + 30),
    ],
)
def test_aServerThatIsUnavailableIsLeftAlone(headers: list[bytes], seconds: float) -> None:
    scene = Overloaded()
    scene.answer(b"\r\n".join([b"HTTP/1.1 503 Service Unavailable", *headers, b"", b""]))
    scene.network.advance(0)
    assert isinstance(scene.transport.lastTransportError, HandshakeRefused)
    assert gap(scene) == seconds
    assert said(scene) == [f"trying ws://sip.example.com/path again in {seconds:g} seconds (attempt 1)"]
    scene.transport.disconnect()


class Overloaded(Answering):
    """A server whose answers to the upgrade are made by hand, and a transport with the default policy."""

    def construct(self) -> object:  # type: ignore[override]
        self.options = TransportOptions(retry=RetryPolicy())
        return super().construct()


def test_tooManyRequestsMayNameATime() -> None:
    scene = Overloaded()
    scene.answer(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 9\r\n\r\n")
    scene.network.advance(0)
    assert scene.transport.lastTransportError.retryAfter == 9
    assert gap(scene) == 13
    scene.transport.disconnect()


@pytest.mark.parametrize(("code", "seconds"), [(1001, 4), (1012, 4), (1013, 34)])
def test_tryAgainLater(code: int, seconds: float) -> None:
    """Close code 1013, of IANA's registry, says that the server is overloaded."""
    scene = Scene(options=TransportOptions(retry=RetryPolicy()))
    transport = scene.connected()
    scene.connection.close(code)
    scene.network.advance(0)
    assert gap(scene) == seconds
    # It is not for the next one.
    scene.network.refuse()
    scene.network.advance(seconds + 0.5)
    assert gap(scene) <= 4
    transport.disconnect()


def test_theSeedKnowsOfNoOverload() -> None:
    """Without a policy in the options, the gap is what the user agent's configuration says."""
    scene = Scene(wsServerReconnectionTimeout=2)
    transport = scene.connected()
    scene.connection.close(1013)
    assert gap(scene) == 2
    transport.disconnect()


def test_aUserAgentThatTriesForEver() -> None:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    configuration = Configuration(
        uri="sip:bot@example.com",
        wsServers="ws://sip.example.com",
        wsServerMaxReconnection="unlimited",
        wsServerReconnectionPolicy="exponential",
        wsServerReconnectionTimeout=2,
        wsServerReconnectionMaxTimeout=60,
    )
    userAgent = UserAgent(configuration, network.reactor, random=random.Random(3))
    userAgent.start()
    network.advance(0)
    network.refuse()
    network.connection.drop()
    network.advance(20_000)
    transport: Any = userAgent.transport
    assert not transport.connected
    # 30 seconds and a little at the mean.
    assert 20_000 / 35 < transport.reconnection_attempts < 20_000 / 26
    counters = userAgent.counters
    assert (counters.exhaustions, counters.connections, counters.losses) == (0, 1, 1)
    # The last of them is yet to begin, unless it is under way.
    assert counters.attempts == transport.reconnection_attempts + (transport.reconnectTimer is None)
    network.accept()
    network.advance(61)
    assert userAgent.registration.registered
    assert transport is userAgent.transport
    userAgent.stop()
    network.advance(5)
    assert network.reactor.getDelayedCalls() == []
