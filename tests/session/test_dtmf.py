"""Tones in INFO requests, and Info Packages (RFC 6086)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.errors import ParseError
from sipws.session.dtmf import DTMF, DTMF_RELAY, checkTones, toneOf
from sipws.session.infopackages import offeredPackages, packageOf, recvInfo
from tests.session.messages import request, response

TONES = "0123456789*#ABCD"


def relay(body: str | bytes, contentType: str = DTMF_RELAY) -> DTMF | None:
    return toneOf(request("INFO", f"Content-Type: {contentType}", body=body))


class TestTones:
    @given(st.sampled_from(TONES), st.integers(40, 6000))
    def test_whatIsSentIsRead(self, tone: str, duration: int) -> None:
        sent = DTMF(tone, duration)
        assert relay(bytes(sent)) == sent

    @pytest.mark.parametrize(
        ("body", "tone", "duration"),
        [
            ("Signal= 5\r\nDuration= 160\r\n", "5", 160),
            ("Signal=*\nDuration=100", "*", 100),
            ("signal = d\r\n", "D", 100),
            ("Duration=99999\r\nSignal=11", "#", 6000),
            ("Signal=10\r\nDuration=x", "*", 100),
        ],
    )
    def test_asOthersSendThem(self, body: str, tone: str, duration: int) -> None:
        assert relay(body) == DTMF(tone, duration)

    def test_aloneToo(self) -> None:
        assert relay(" 7\r\n", "application/dtmf") == DTMF("7")

    @pytest.mark.parametrize(
        ("body", "contentType"),
        [
            ("", DTMF_RELAY),
            ("Signal=x", DTMF_RELAY),
            ("Signal=12345", DTMF_RELAY),
            ("55", "application/dtmf"),
        ],
    )
    def test_noTone(self, body: str, contentType: str) -> None:
        with pytest.raises(ParseError):
            relay(body, contentType)

    def test_somethingElse(self) -> None:
        assert relay("Signal=5", "text/plain") is None
        assert toneOf(request("INFO")) is None

    @given(st.binary(max_size=60))
    def test_anythingIsAToneOrAParseError(self, body: bytes) -> None:
        try:
            tone = relay(body)
        except ParseError:
            return
        assert tone is not None
        assert tone.tone in TONES

    @pytest.mark.parametrize(
        ("tone", "duration"), [("12", 100), ("x", 100), ("", 100), ("1", 1), ("1", 9999)]
    )
    def test_whatIsNoneIsRefused(self, tone: str, duration: int) -> None:
        with pytest.raises(ValueError, match=r"tone|duration"):
            DTMF(tone, duration)

    def test_checkTones(self) -> None:
        assert checkTones("12,a#") == "12,A#"
        for tones in ("", "1 2", "e"):
            with pytest.raises(ValueError, match="tones"):
                checkTones(tones)


class TestInfoPackages:
    def test_theyAreDeclared(self) -> None:
        assert recvInfo(["foo", "bar"]) == ("Recv-Info", "foo, bar")
        assert recvInfo([]) == ("Recv-Info", "nil")

    def test_theyAreRead(self) -> None:
        assert offeredPackages(response(200, "Recv-Info: foo;x=y, bar", "Recv-Info: P")) == (
            "foo",
            "bar",
            "P",
        )
        assert offeredPackages(response(200, "Recv-Info: nil")) == ()
        assert offeredPackages(response(200)) is None
        assert offeredPackages(response(200, "Recv-Info: @, foo")) == ("foo",)

    def test_whatAnInfoIsAbout(self) -> None:
        assert packageOf(request("INFO", "Info-Package: foo;a=b")) == "foo"
        assert packageOf(request("INFO")) is None
        with pytest.raises(ParseError):
            packageOf(request("INFO", "Info-Package: @"))
