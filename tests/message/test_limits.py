from __future__ import annotations

import pytest

from sipws.errors import ParseError
from sipws.message import Limits, parseMessage
from tests.message.receiving import lines, receive

START = "OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/WS a;branch=z9hG4bK1\nCSeq: 1 OPTIONS\n"


def test_what_they_are() -> None:
    """Documented, and so kept."""
    assert Limits() == Limits(messageSize=1024 * 1024, headSize=64 * 1024, headers=256, headerLength=8192)


class TestEach:
    def test_message_size(self) -> None:
        octets = lines(START, b"x" * 1000)
        assert parseMessage(octets, limits=Limits(messageSize=len(octets)))
        with pytest.raises(ParseError, match="messageSize"):
            parseMessage(octets, limits=Limits(messageSize=len(octets) - 1))

    @pytest.mark.parametrize("name", ["X-Y", "x-y "])
    def test_head_size(self, name: str) -> None:
        octets = lines(f"{START}{name}: {'x' * 1000}", b"y" * 2000)
        size = octets.index(b"\r\n\r\n")
        assert parseMessage(octets, limits=Limits(headSize=size))
        with pytest.raises(ParseError, match="headSize"):
            parseMessage(octets, limits=Limits(headSize=size - 1))

    @pytest.mark.parametrize("name", ["X-Y", "x-y "])
    def test_number_of_headers(self, name: str) -> None:
        octets = lines(START + f"{name}: z\n" * 98)
        assert len(parseMessage(octets, limits=Limits(headers=100)).headers) == 100
        with pytest.raises(ParseError, match="more than 99 headers"):
            parseMessage(octets, limits=Limits(headers=99))

    @pytest.mark.parametrize("few", [3, 10])
    def test_number_of_headers_in_the_common_form(self, few: int) -> None:
        octets = lines(
            "OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/WS a\nFrom: <sip:a>\nTo: <sip:a>\n"
            "Call-ID: a\nCSeq: 1 OPTIONS" + "\nX-Y: z" * 10
        )
        assert parseMessage(octets).isCommon
        assert not parseMessage(octets, limits=Limits(headers=15)).isCommon
        with pytest.raises(ParseError, match="headers"):
            parseMessage(octets, limits=Limits(headers=few))

    @pytest.mark.parametrize("fold", ["", "\r\n "])
    def test_length_of_a_header(self, fold: str) -> None:
        line = f"X-Y: {'x' * 50}{fold}{'x' * 50}"
        octets = lines(START)[:-2] + line.encode() + b"\r\n\r\n"
        length = len(line) - 2 * bool(fold)
        assert parseMessage(octets, limits=Limits(headerLength=length))
        with pytest.raises(ParseError, match="headerLength") as caught:
            parseMessage(octets, limits=Limits(headerLength=length - 1))
        assert caught.value.header == "X-Y"


def test_parameters_of_one_value() -> None:
    message = parseMessage(
        lines(START + "Contact: <sip:a>" + "".join(f";p{number}" for number in range(129)))
    )
    with pytest.raises(ParseError, match="more than 128 parameters"):
        message.parseHeader("Contact")


def test_who_exceeds_them_is_told() -> None:
    verdict, transport = receive(lines(START + "X: y\n" * 300))
    assert verdict == "400"
    assert transport.answer.getHeader("CSeq") == "1 OPTIONS"
