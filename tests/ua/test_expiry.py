"""What a registrar may say, and that none of it makes a storm."""

from __future__ import annotations

from random import Random

import pytest

from sipws.message import URI, IncomingResponse, parseMessage
from sipws.ua.expiry import (
    MAX_MIN_EXPIRES,
    MAX_REFRESH,
    MIN_REFRESH,
    grantedExpires,
    isRefusal,
    minExpires,
    refreshDelay,
    retryAfter,
    retryDelay,
)

OURS = URI.parse("sip:me@own.invalid;transport=ws")


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


class TestGrantedExpires:
    @pytest.mark.parametrize(
        ("headers", "granted"),
        [
            (["Contact: <sip:me@own.invalid;transport=ws>;expires=120"], 120),
            (["Contact: <sip:me@OWN.invalid>;expires=120"], 120),
            (["m: <sip:me@own.invalid;transport=ws;alias=1>;EXPIRES=120;q=0.5"], 120),
            (["Contact: <sip:other@own.invalid>;expires=60, <sip:me@own.invalid>;expires=120"], 120),
            (
                ["Contact: <sip:other@own.invalid>;expires=60", "Contact: <sip:me@own.invalid>;expires=120"],
                120,
            ),
            (["Contact: <sip:me@own.invalid>;expires=120", "Expires: 300"], 120),
            (["Contact: <sip:me@own.invalid>", "Expires: 300"], 300),
            (["Contact: <sip:me@own.invalid>;expires=soon", "Expires: 300"], 300),
            (["Contact: <sip:me@own.invalid>"], 600),
            (["Contact: <sip:me@own.invalid>;expires=soon"], 600),
            (["Contact: <sip:me@own.invalid>;expires=-5"], 600),
            (["Contact: <sip:me@own.invalid>;expires="], 600),
            (["Contact: <sip:me@own.invalid>;expires=0"], 0),
            (["Contact: <sip:me@own.invalid>;expires=3600"], 600),
            (["Contact: <sip:me@own.invalid>;expires=99999999999999999999999999"], 600),
            (["Contact: <<<>"], 600),
            (["Contact: <<<>", "Expires: 300"], 300),
            (["Contact: <<<>, <sip:me@own.invalid>;expires=120"], 120),
            (["Expires: 300"], 300),
            ([], 600),
            (["Contact: <sip:other@own.invalid>;expires=60"], None),
            (["Contact: <sip:me@elsewhere.invalid>;expires=60"], None),
            (["Contact: *"], None),
        ],
    )
    def test_isThatOfOurContactElseTheHeadersElseWhatWasAsked(
        self, headers: list[str], granted: int | None
    ) -> None:
        assert grantedExpires(answer(*headers), OURS, 600) == granted

    @pytest.mark.parametrize(("regID", "granted"), [(1, 60), (2, 120), (3, None), (None, 60)])
    def test_ofTwoFlowsWithOneContactItIsTheOwn(self, regID: int | None, granted: int | None) -> None:
        """RFC 5626 section 6: bindings are told apart by instance and reg-id, not by the Contact."""
        first = "Contact: <sip:me@own.invalid>;expires=60;reg-id=1"
        second = "Contact: <sip:me@own.invalid>;reg-id=2;expires=120"
        assert grantedExpires(answer(first, second), OURS, 600, regID) == granted

    @pytest.mark.parametrize("regID", [1, 2])
    def test_aRegistrarThatKnowsNothingOfFlowsListsNone(self, regID: int) -> None:
        assert grantedExpires(answer("Contact: <sip:me@own.invalid>;expires=60"), OURS, 600, regID) == 60


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
