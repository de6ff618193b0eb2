"""When things are refreshed and tried again, and that nothing a server says makes a storm."""

from __future__ import annotations

from random import Random

import pytest

from sipws.message import IncomingResponse, parseMessage
from sipws.refreshing import (
    MAX_MIN_EXPIRES,
    MAX_REFRESH,
    MIN_REFRESH,
    isRefusal,
    minExpires,
    refreshDelay,
    retryAfter,
    retryDelay,
)


def answer(*headers: str, status: str = "200 OK") -> IncomingResponse:
    lines = [
        f"SIP/2.0 {status}",
        "Via: SIP/2.0/WS own.invalid;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:alice@example.com>;tag=2",
        "Call-ID: 1",
        "CSeq: 1 REGISTER",
        *headers,
        "Content-Length: 0",
        "",
        "",
    ]
    message = parseMessage("\r\n".join(lines).encode())
    assert isinstance(message, IncomingResponse)
    return message


class TestMinExpires:
    @pytest.mark.parametrize(
        ("value", "least"),
        [
            ("900", 900),
            (" 900 ;x", 900),
            ("601", 601),
            ("600", None),
            ("60", None),
            ("0", None),
            ("-900", None),
            ("soon", None),
            ("", None),
            (str(MAX_MIN_EXPIRES), MAX_MIN_EXPIRES),
            (str(MAX_MIN_EXPIRES + 1), None),
            ("4294967295", None),
            ("9" * 40, None),
        ],
    )
    def test_isMoreThanWasAskedAndNotAbsurd(self, value: str, least: int | None) -> None:
        assert minExpires(answer(f"Min-Expires: {value}", status="423 Interval Too Brief"), 600) == least

    def test_mayBeMissing(self) -> None:
        assert minExpires(answer(status="423 Interval Too Brief"), 600) is None


class TestRefreshDelay:
    @pytest.mark.parametrize("granted", [15, 30, 60, 64, 100, 600, 3600, 86_400])
    def test_isBetweenHalfAndNineTenthsOfTheTime(self, granted: int) -> None:
        random = Random(granted)
        delays = [refreshDelay(granted, random) for _ in range(500)]
        assert min(delays) >= granted * 0.5
        assert max(delays) <= granted * 0.9

    @pytest.mark.parametrize("granted", [100, 200, 319])
    def test_leavesTimeForOneThatTimesOut(self, granted: int) -> None:
        random = Random(granted)
        assert max(refreshDelay(granted, random) for _ in range(500)) <= granted - 32

    def test_spreads(self) -> None:
        random = Random(1)
        delays = [refreshDelay(600, random) for _ in range(500)]
        assert min(delays) < 320
        assert max(delays) > 520

    @pytest.mark.parametrize("granted", [0, 1, 2, 5, 9])
    def test_hasAFloor(self, granted: int) -> None:
        assert refreshDelay(granted, Random(1)) == MIN_REFRESH

    @pytest.mark.parametrize("granted", [2**32, 10**30])
    def test_hasACeiling(self, granted: int) -> None:
        assert refreshDelay(granted, Random(1)) == MAX_REFRESH


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("120", 120),
            ("18000;duration=3600", 18000),
            ("120 (I'm in a meeting)", 120),
            ("0", 0),
            ("-1", None),
            ("later", None),
            ("", None),
        ],
    )
    def test_isReadOffItsBeginning(self, value: str, seconds: int | None) -> None:
        assert retryAfter(answer(f"Retry-After: {value}", status="503 Service Unavailable")) == seconds

    def test_mayBeMissing(self) -> None:
        assert retryAfter(answer(status="503 Service Unavailable")) is None
        assert retryAfter(None) is None


class TestRetryDelay:
    @pytest.mark.parametrize(
        ("failures", "bound"), [(0, 5), (1, 10), (2, 20), (5, 160), (9, 1800), (10**6, 1800)]
    )
    def test_isHalfToAllOfABoundThatDoubles(self, failures: int, bound: float) -> None:
        random = Random(failures)
        delays = [retryDelay(failures, 5, 1800, random) for _ in range(300)]
        assert bound * 0.5 <= min(delays) < bound * 0.55
        assert bound * 0.95 < max(delays) <= bound

    def test_isLongerAfterAPlainNo(self) -> None:
        random = Random(1)
        assert min(retryDelay(0, 5, 1800, random, refused=True) for _ in range(300)) >= 15

    @pytest.mark.parametrize(("after", "delay"), [(120, 120), (1800, 1800), (10**12, 1800)])
    def test_isNotBeforeRetryAfterWhichIsBounded(self, after: int, delay: float) -> None:
        assert retryDelay(0, 5, 1800, Random(1), after=after) == delay

    def test_isNotSoonerForARetryAfterOfZero(self) -> None:
        assert retryDelay(0, 5, 1800, Random(1), after=0) >= 2.5


@pytest.mark.parametrize(
    ("status", "refused"),
    [
        (302, True),
        (400, True),
        (401, True),
        (403, True),
        (404, True),
        (407, True),
        (408, False),
        (423, False),
        (480, False),
        (500, False),
        (503, False),
        (603, False),
    ],
)
def test_whatIsAPlainNo(status: int, refused: bool) -> None:
    assert isRefusal(status) is refused
