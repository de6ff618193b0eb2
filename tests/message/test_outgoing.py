from __future__ import annotations

from typing import Any

import pytest

from sipws.message import (
    URI,
    CSeq,
    IncomingRequest,
    IncomingResponse,
    NameAddr,
    OutgoingMessage,
    OutgoingRequest,
    OutgoingResponse,
    Via,
    parseMessage,
)
from tests.message.receiving import load, request

HEADERS: list[tuple[str, object]] = [
    ("Via", Via("WSS", "ours.invalid", parameters={"branch": "z9hG4bK1"})),
    ("Max-Forwards", 70),
    ("To", NameAddr("Bob", URI.parse("sip:bob@example.com"))),
    ("From", "<sip:alice@example.com>;tag=a1"),
    ("Call-ID", "c1"),
    ("CSeq", CSeq(3, "MESSAGE")),
]


def message(body: bytes | str = b"") -> OutgoingRequest:
    return OutgoingRequest("MESSAGE", URI.parse("sip:bob@example.com"), HEADERS, body)


class TestRequest:
    def test_octets(self) -> None:
        assert bytes(message("Zoë")) == (
            b"MESSAGE sip:bob@example.com SIP/2.0\r\n"
            b"Via: SIP/2.0/WSS ours.invalid;branch=z9hG4bK1\r\n"
            b"Max-Forwards: 70\r\n"
            b'To: "Bob" <sip:bob@example.com>\r\n'
            b"From: <sip:alice@example.com>;tag=a1\r\n"
            b"Call-ID: c1\r\n"
            b"CSeq: 3 MESSAGE\r\n"
            b"Content-Length: 4\r\n"
            b"\r\n"
            b"Zo\xc3\xab"
        )

    def test_text(self) -> None:
        assert str(message("Zoë")).encode() == bytes(message("Zoë"))
        assert str(message(b"\xff")).encode("utf-8", "surrogateescape") == bytes(message(b"\xff"))

    def test_what_is_derived(self) -> None:
        built = message()
        assert (built.method, str(built.requestURI)) == ("MESSAGE", "sip:bob@example.com")
        assert (built.callID, built.cseq, built.fromTag, built.toTag) == ("c1", 3, "a1", None)
        assert built.viaBranch == "z9hG4bK1"

    def test_what_is_derived_follows_the_headers(self) -> None:
        built = message()
        assert built.viaBranch == "z9hG4bK1"
        built.prependHeader("Via", "SIP/2.0/WS other;branch=z9hG4bK2")
        built.setHeader("cseq", "4 MESSAGE")
        built.setHeader("To", "<sip:b@c>;tag=t")
        built.removeHeader("Call-ID")
        assert (built.viaBranch, built.cseq, built.toTag, built.callID) == ("z9hG4bK2", 4, "t", "")

    def test_without_headers(self) -> None:
        bare = OutgoingRequest("OPTIONS", "sip:a")
        assert bytes(bare) == b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n"
        assert (bare.callID, bare.cseq, bare.fromTag, bare.toTag, bare.viaBranch) == ("", 0, None, None, None)

    def test_it_parses_back(self) -> None:
        back = parseMessage(bytes(message(b"\0x")), strict=True)
        assert isinstance(back, IncomingRequest)
        assert back.headers == [*message().headers, ("Content-Length", "2")]
        assert back.body == b"\0x"
        assert back.requestURI == message().requestURI
        assert back.parseHeader("To") == HEADERS[2][1]

    def test_content_length_is_ours(self) -> None:
        built = OutgoingRequest("MESSAGE", "sip:a", [("Content-Length", 99), ("l", 98)], b"abc")
        built.addHeader("content-length", 97)
        built.setHeader("L", 96)
        built.prependHeader("Content-Length", 95)
        assert bytes(built) == b"MESSAGE sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc"

    def test_names_are_canonical(self) -> None:
        assert OutgoingRequest("A", "sip:a", [("v", "x"), ("X-FOO", "y")]).headers == [
            ("Via", "x"),
            ("X-Foo", "y"),
        ]

    def test_repr(self) -> None:
        assert repr(message()) == "<OutgoingRequest MESSAGE sip:bob@example.com Call-ID c1>"


class TestHeaders:
    def test_found_as_in_incoming_ones(self) -> None:
        built = OutgoingRequest("A", "sip:a", [("Allow", "B, C"), ("Allow", "D"), ("X", "y, z"), ("X-Y", "")])
        assert built.getHeaders("allow") == ["B", "C", "D"]
        assert built.getHeader("allow") == "B"
        assert built.getHeader("x") == "y, z"
        assert built.getHeader("X-Y") == ""
        assert built.hasHeader("ALLOW")
        for name in ("Route", "no name", ""):
            assert built.getHeader(name) is None
            assert built.getHeaders(name) == []
            assert not built.hasHeader(name)

    def test_set_keeps_the_place_of_the_first(self) -> None:
        built = OutgoingRequest("A", "sip:a", [("Y", "1"), ("Z", "2"), ("Y", "3")])
        built.setHeader("y", 4)
        assert built.headers == [("Identity", "4"), ("Z", "2")]
        built.setHeader("New", "5")
        assert built.headers[-1] == ("New", "5")

    def test_add_and_prepend(self) -> None:
        built = OutgoingRequest("A", "sip:a", [("Z", "1")])
        built.addHeader("Z", "2")
        built.prependHeader("Z", "0")
        assert built.getHeaders("Z") == ["0", "1", "2"]

    def test_remove(self) -> None:
        built = OutgoingRequest("A", "sip:a", [("Z", "1"), ("A", "2"), ("z", "3")])
        built.removeHeader("Z")
        built.removeHeader("not there")
        assert built.headers == [("Accept-Contact", "2")]

    def test_what_is_given_is_the_callers(self) -> None:
        built = message()
        built.headers.clear()
        assert built.headers


HOSTILE = ("a\r\nEvil: 1", "a\rb", "a\nb", "\r\n\r\nbody", "a\0b", "\n", "\r", "\0", "\ud800")


class TestInjection:
    """A CR, LF or NUL in anything that a caller hands over is refused."""

    @pytest.mark.parametrize("value", HOSTILE)
    def test_in_a_value(self, value: str) -> None:
        with pytest.raises(ValueError, match="Subject"):
            OutgoingRequest("A", "sip:a", [("X-Y", "fine"), ("Subject", value)])
        built = message()
        for change in (built.setHeader, built.addHeader, built.prependHeader):
            with pytest.raises(ValueError, match="Subject"):
                change("Subject", value)
        assert bytes(built) == bytes(message())

    @pytest.mark.parametrize("value", HOSTILE)
    def test_in_an_objects_text(self, value: str) -> None:
        class Hostile:
            def __str__(self) -> str:
                return value

        with pytest.raises(ValueError, match="Subject"):
            OutgoingRequest("A", "sip:a", [("Subject", Hostile())])

    @pytest.mark.parametrize("value", [*HOSTILE, "", "a b", "a:"])
    def test_in_a_name(self, value: str) -> None:
        with pytest.raises(ValueError, match="header name"):
            OutgoingRequest("A", "sip:a", [(value, "x")])
        built = message()
        for change in (built.setHeader, built.addHeader, built.prependHeader):
            with pytest.raises(ValueError, match="header name"):
                change(value, "x")

    @pytest.mark.parametrize("value", [*HOSTILE, "", "A B", "é"])
    def test_in_the_method(self, value: str) -> None:
        with pytest.raises(ValueError, match="method"):
            OutgoingRequest(value, "sip:a")

    @pytest.mark.parametrize("value", [*HOSTILE, "", "sip:a b", "sip:a\t", " sip:a"])
    def test_in_the_request_URI(self, value: str) -> None:
        with pytest.raises(ValueError, match="requestURI"):
            OutgoingRequest("A", value)

    @pytest.mark.parametrize("value", HOSTILE)
    def test_in_a_reason_phrase(self, value: str) -> None:
        with pytest.raises(ValueError, match="reasonPhrase"):
            OutgoingResponse(received(), 200, value)

    @pytest.mark.parametrize("value", [*HOSTILE, "", "a b", 'a";x="'])
    def test_in_a_tag(self, value: str) -> None:
        with pytest.raises(ValueError, match="toTag"):
            OutgoingResponse(received(), 200, toTag=value)

    @pytest.mark.parametrize("value", HOSTILE)
    def test_in_a_responses_header(self, value: str) -> None:
        with pytest.raises(ValueError, match="Contact"):
            OutgoingResponse(received(), 200, headers=[("Contact", value)])

    @pytest.mark.parametrize("value", [None, b"bytes", bytearray(), memoryview(b"")])
    def test_what_has_no_text(self, value: object) -> None:
        with pytest.raises(TypeError, match="Subject"):
            OutgoingRequest("A", "sip:a", [("Subject", value)])

    def test_an_error_does_not_show_the_value(self) -> None:
        with pytest.raises(ValueError, match="Authorization") as caught:
            OutgoingRequest("A", "sip:a", [("Authorization", "s3cret\r\n")])
        assert "s3cret" not in str(caught.value)


def received(**changes: str) -> IncomingRequest:
    text = """
        INVITE sip:bob@example.com SIP/2.0
        Record-Route: <sip:p1;lr>, <sip:p2;lr>
        Via: SIP/2.0/WSS p1;branch=z9hG4bK1
        v : SIP/2.0/UDP a;branch=z9hG4bK2 ,  SIP/2.0/UDP b
        Record-Route: <sip:p3;lr>
        From: "Zoë" <sip:zoe@example.com>;tag=z1
        To: sip:bob@example.com
        Call-ID: c1
        CSeq: 0007   INVITE
        Timestamp: 54
    """
    for name, value in changes.items():
        text = text.replace(name, value)
    return request(text)


class TestResponse:
    def test_octets(self) -> None:
        response = OutgoingResponse(received(), 486, toTag="t1", headers=[("Retry-After", 5)], body="no")
        assert bytes(response).decode() == (
            "SIP/2.0 486 Busy Here\r\n"
            "Via: SIP/2.0/WSS p1;branch=z9hG4bK1\r\n"
            "Via: SIP/2.0/UDP a;branch=z9hG4bK2 ,  SIP/2.0/UDP b\r\n"
            'From: "Zoë" <sip:zoe@example.com>;tag=z1\r\n'
            "To: sip:bob@example.com;tag=t1\r\n"
            "Call-ID: c1\r\n"
            "CSeq: 0007   INVITE\r\n"
            "Retry-After: 5\r\n"
            "Content-Length: 2\r\n"
            "\r\n"
            "no"
        )

    def test_it_is_the_answer(self) -> None:
        response = OutgoingResponse(received(), 200, toTag="t1")
        back = parseMessage(bytes(response))
        assert isinstance(back, IncomingResponse)
        assert (back.viaBranch, back.callID, back.cseq, back.method) == ("z9hG4bK1", "c1", 7, "INVITE")
        assert (back.fromTag, back.toTag) == ("z1", "t1")
        assert back.getHeaders("Via") == received().getHeaders("Via")
        assert (response.method, response.cseq, response.toTag, response.callID) == ("INVITE", 7, "t1", "c1")

    def test_the_phrase(self) -> None:
        assert OutgoingResponse(received(), 482).reasonPhrase == "Loop Detected"
        assert OutgoingResponse(received(), 482, "So?").reasonPhrase == "So?"
        assert bytes(OutgoingResponse(received(), 200, "")).startswith(b"SIP/2.0 200 \r\n")

    @pytest.mark.parametrize("code", [100, 199, 200, 699])
    def test_status_codes(self, code: int) -> None:
        assert OutgoingResponse(received(), code).statusCode == code

    @pytest.mark.parametrize("code", [-200, 0, 99, 700, 2000])
    def test_no_status_codes(self, code: int) -> None:
        with pytest.raises(ValueError, match="statusCode"):
            OutgoingResponse(received(), code)

    def test_a_tag_of_its_own_stays(self) -> None:
        tagged = received(**{"To: sip:bob@example.com": "To: <sip:bob@example.com>;TAG=own"})
        assert OutgoingResponse(tagged, 200, toTag="t1").getHeader("To") == "<sip:bob@example.com>;TAG=own"

    def test_no_tag_in_a_100(self) -> None:
        assert OutgoingResponse(received(), 100, toTag="t1").toTag is None
        assert OutgoingResponse(received(), 101, toTag="t1").toTag == "t1"

    @pytest.mark.parametrize(
        ("method", "code", "routed"),
        [
            ("INVITE", 100, False),
            ("INVITE", 180, True),
            ("INVITE", 200, True),
            ("INVITE", 300, False),
            ("INVITE", 486, False),
            ("SUBSCRIBE", 202, True),
            ("REFER", 202, True),
            ("MESSAGE", 200, False),
            ("OPTIONS", 200, False),
            ("REGISTER", 200, False),
        ],
    )
    def test_record_route_where_a_dialog_may_begin(self, method: str, code: int, routed: bool) -> None:
        """RFC 3261 section 12.1.1: it MUST be copied, in its order."""
        response = OutgoingResponse(received(INVITE=method), code)
        assert response.getHeaders("Record-Route") == (
            ["<sip:p1;lr>", "<sip:p2;lr>", "<sip:p3;lr>"] if routed else []
        )

    def test_timestamp_of_a_100(self) -> None:
        """RFC 3261 section 8.2.6.1."""
        assert OutgoingResponse(received(), 100).getHeader("Timestamp") == "54"
        assert not OutgoingResponse(received(), 180).hasHeader("Timestamp")

    def test_all_that_can_be_asked_of_it(self) -> None:
        response = OutgoingResponse(received(), 180, toTag="t1")
        assert response.request.callID == "c1"
        assert repr(response) == "<OutgoingResponse 180 to INVITE Call-ID c1>"
        response.addHeader("Contact", "<sip:b>")
        assert response.getHeader("m") == "<sip:b>"

    def test_what_was_read_goes_back_as_it_came(self) -> None:
        """Even a NUL, which RFC 3261 allows in a quoted string (RFC 4475 section 3.1.1.2)."""
        origin = parseMessage(load("rfc4475", "intmeth.dat"))
        assert isinstance(origin, IncomingRequest)
        back = parseMessage(bytes(OutgoingResponse(origin, 501, toTag="t")))
        assert back.toHeader.displayName == origin.toHeader.displayName


def test_the_base_has_no_start_line() -> None:
    bare: Any = OutgoingMessage([], b"")
    with pytest.raises(NotImplementedError):
        bytes(bare)
