"""Session timers, as RFC 4028 negotiates them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.errors import ParseError
from sipws.session.sessiontimers import (
    LEAST,
    Agreement,
    TooSmall,
    agreeOnRequest,
    agreeOnResponse,
    largerMinimum,
    refreshHeaders,
    responseHeaders,
)
from tests.session.messages import request, response

SECONDS = st.integers(min_value=0, max_value=2**31 - 1)


class TestAsking:
    def test_nothingIsAskedFor(self) -> None:
        assert refreshHeaders(None) == []

    def test_theIntervalIsAskedFor(self) -> None:
        assert refreshHeaders(1800) == [("Session-Expires", "1800")]
        assert refreshHeaders(1800, refresher="uac") == [("Session-Expires", "1800;refresher=uac")]

    def test_noLessThanTheMinimumIsAskedFor(self) -> None:
        assert refreshHeaders(120, 300) == [("Session-Expires", "300"), ("Min-SE", 300)]

    def test_aMinimumIsToldWithoutATimerToo(self) -> None:
        # Section 7.4: Min-SE goes into each refresh once there has been one.
        assert refreshHeaders(None, LEAST, tellsMinimum=True) == [("Min-SE", 90)]

    @given(SECONDS, SECONDS)
    def test_whatIsAskedForIsNeverBelowMinSE(self, wanted: int, minimum: int) -> None:
        headers = dict(refreshHeaders(wanted, minimum))
        assert int(str(headers["Session-Expires"])) >= max(LEAST, int(str(headers.get("Min-SE", 0))))


class TestAnswering:
    # Table 2 of section 9: whether the UAC supports timers, what it says of the refresher, what we say.
    @pytest.mark.parametrize(
        ("isSupported", "asked", "told", "isOurs"),
        [
            (False, "1800", "uas", True),
            (True, "1800", "uac", False),
            (True, "1800;refresher=uac", "uac", False),
            (True, "1800;refresher=uas", "uas", True),
        ],
    )
    def test_table2(self, isSupported: bool, asked: str, told: str, isOurs: bool) -> None:
        agreement = agreeOnRequest(request("INVITE", f"Session-Expires: {asked}"), isSupported=isSupported)
        assert isinstance(agreement, Agreement)
        assert (agreement.toldRefresher, agreement.isOurs) == (told, isOurs)
        headers = dict(responseHeaders(agreement))
        assert headers["Session-Expires"] == f"1800;refresher={told}"
        # Section 9: Require where the UAC is to take note of it.
        assert ("Require" in headers) is isSupported

    def test_noTimerIsNoTimer(self) -> None:
        assert agreeOnRequest(request("INVITE"), isSupported=True) is None
        assert responseHeaders(None) == []

    def test_weAskWhereThePeerDoesNot(self) -> None:
        agreement = agreeOnRequest(request("INVITE", "Min-SE: 600"), 300, isSupported=True)
        assert agreement == Agreement(600, isOurs=True, toldRefresher="uas", isRequired=True)
        assert agreeOnRequest(request("INVITE"), 300, isSupported=False) is None

    def test_whatIsTooSmallIsRefused(self) -> None:
        refusal = agreeOnRequest(request("INVITE", "x: 90"), minimum=120, isSupported=True)
        assert refusal == TooSmall(120)
        assert responseHeaders(refusal) == [("Min-SE", 120)]

    def test_aMinimumOfOursIsNeverBelow90(self) -> None:
        assert agreeOnRequest(request("INVITE", "x: 80"), minimum=10, isSupported=True) == TooSmall(90)

    def test_whoDoesNotKnowTimersIsNotRefused(self) -> None:
        # It could make nothing of a 422: a proxy has asked in its place.
        agreement = agreeOnRequest(request("INVITE", "x: 90"), minimum=120, isSupported=False)
        assert isinstance(agreement, Agreement)

    def test_anIntervalIsReducedNoFurtherThanMinSE(self) -> None:
        agreement = agreeOnRequest(request("INVITE", "x: 3600", "Min-SE: 1000"), 300, isSupported=True)
        assert isinstance(agreement, Agreement)
        assert agreement.interval == 1000

    @pytest.mark.parametrize("header", ["x: soon", "Min-SE: -1", "x: 90;refresher=proxy"])
    def test_malformed(self, header: str) -> None:
        with pytest.raises(ParseError):
            agreeOnRequest(request("INVITE", header), isSupported=True)

    @given(SECONDS, st.none() | SECONDS, st.none() | SECONDS, SECONDS, st.booleans())
    def test_anAgreementKeepsToTheRules(
        self, asked: int, least: int | None, wanted: int | None, minimum: int, isSupported: bool
    ) -> None:
        headers = [f"Session-Expires: {asked}", *([] if least is None else [f"Min-SE: {least}"])]
        agreement = agreeOnRequest(request("INVITE", *headers), wanted, minimum, isSupported=isSupported)
        assert agreement is not None
        if isinstance(agreement, TooSmall):
            assert isSupported
            assert asked < agreement.minimum >= LEAST
        else:
            # Never increased, but for what is below all timers.
            assert LEAST <= agreement.interval <= max(asked, LEAST)
            assert agreement.interval >= min(least or LEAST, max(asked, LEAST))
            assert 0 < agreement.delay < agreement.interval


class TestTheAnswer:
    def test_thePeerSaysWhoRefreshes(self) -> None:
        assert agreeOnResponse(response(200, "x: 1800;refresher=uac"), 3600) == Agreement(1800, isOurs=True)
        assert agreeOnResponse(response(200, "x: 1800;refresher=uas"), None) == Agreement(1800, isOurs=False)

    def test_aPeerThatDoesNotSayWhoLeavesItToUs(self) -> None:
        assert agreeOnResponse(response(200, "x: 1800"), 1800, "uas") == Agreement(1800, isOurs=False)
        assert agreeOnResponse(response(200, "x: 1800"), 1800) == Agreement(1800, isOurs=True)

    def test_aPeerWithoutTimersLeavesThemToUs(self) -> None:
        assert agreeOnResponse(response(200), 1800) == Agreement(1800, isOurs=True)

    def test_withoutThereIsNone(self) -> None:
        assert agreeOnResponse(response(200), None) is None

    def test_whatCannotBeReadIsNotThere(self) -> None:
        assert agreeOnResponse(response(200, "x: never"), None) is None
        assert agreeOnResponse(response(200, "x: 0;refresher=uac"), None) is None

    @pytest.mark.parametrize("refresher", ["uac", "uas"])
    def test_noIntervalIsShorterThanTheLeast(self, refresher: str) -> None:
        # Section 4: "the absolute minimum for the Session-Expires header field is 90 seconds."
        agreed = agreeOnResponse(response(200, f"x: 1;refresher={refresher}"), 1800)
        assert agreed == Agreement(LEAST, isOurs=refresher == "uac")


class TestTooSmall:
    def test_a422SaysWhatIsEnough(self) -> None:
        assert largerMinimum(response(422, "Min-SE: 3600"), 1800) == 3600

    @pytest.mark.parametrize("header", ["Subject: x", "Min-SE: 1800", "Min-SE: 90", "Min-SE: much"])
    def test_aPeerThatCannotBeSatisfiedIsNotAskedAgain(self, header: str) -> None:
        assert largerMinimum(response(422, header), 1800) is None


class TestWhen:
    # Section 10.
    @pytest.mark.parametrize(
        ("interval", "isOurs", "delay"),
        [(1800, True, 900), (1800, False, 1768), (90, False, 60), (90, True, 45)],
    )
    def test_delays(self, interval: int, isOurs: bool, delay: float) -> None:
        assert Agreement(interval, isOurs).delay == delay
