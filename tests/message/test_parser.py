from __future__ import annotations

from collections.abc import Callable

import pytest

from sipws.errors import ParseError
from sipws.message import IncomingRequest, IncomingResponse, parseMessage
from sipws.message.limits import DEFAULT_LIMITS
from sipws.message.parser import parseThoroughly
from sipws.message.shortcut import parseCommon
from tests.message.receiving import lines, request, response

INVITE = """
    INVITE sip:bob@biloxi.example.com SIP/2.0
    Via: SIP/2.0/WSS pc33.atlanta.invalid;branch=z9hG4bKnashds8
    Max-Forwards: 70
    To: Bob <sip:bob@biloxi.example.com>
    From: Alice <sip:alice@atlanta.example.com>;tag=1928301774
    Call-ID: a84b4c76e66710@pc33.atlanta.example.com
    CSeq: 314159 INVITE
    Contact: <sip:alice@pc33.atlanta.invalid;transport=ws>
    Content-Length: 0
"""


def replaced(old: str, new: str) -> bytes:
    """Change the INVITE in one place."""
    octets = lines(INVITE)
    assert octets.count(old.encode()) == 1
    return octets.replace(old.encode(), new.encode())


class TestRead:
    """What a message is read for, in its common form and in others."""

    def check(self, message: IncomingRequest | IncomingResponse) -> None:
        assert message.callID == "a84b4c76e66710@pc33.atlanta.example.com"
        assert (message.cseq, message.cseqMethod, message.method) == (314159, "INVITE", "INVITE")
        assert (message.fromTag, message.toTag) == ("1928301774", None)
        assert (message.viaBranch, message.sentBy) == ("z9hG4bKnashds8", "pc33.atlanta.invalid")
        assert message.version == "SIP/2.0"
        assert (message.contentLength, message.body) == (0, b"")
        assert message.transport is None

    def test_a_request(self) -> None:
        message = request(INVITE)
        self.check(message)
        assert message.requestURIText == "sip:bob@biloxi.example.com"
        assert message.requestURI.user == "bob"

    @pytest.mark.parametrize(
        "change",
        [
            lambda octets: octets.replace(b"Via:", b"v:"),
            lambda octets: octets.replace(b"From:", b"f:").replace(b"To:", b"t:").replace(b"Call-ID:", b"i:"),
            lambda octets: octets.replace(b"Content-Length", b"l").replace(b"Contact", b"m"),
            lambda octets: octets.replace(b": ", b":"),
            lambda octets: octets.replace(b": ", b" \t : \t "),
            lambda octets: octets.replace(b": ", b":\r\n "),
            lambda octets: octets.replace(b": ", b":\r\n\t \r\n \t"),
            lambda octets: octets.replace(b";", b" \r\n ; \r\n\t"),
            lambda octets: octets.replace(b" INVITE\r\n", b"\r\n INVITE\t\r\n"),
            lambda octets: octets.replace(b"Via", b"vIA").replace(b"CSeq", b"CSEQ").replace(b"From", b"from"),
            lambda octets: octets.replace(b" SIP/2.0\r\n", b" sip/2.0\r\n"),
            lambda octets: octets.replace(b"Bob <", b'"Bob" <').replace(b"Alice <", b"<"),
            lambda octets: octets.replace(b"tag=", b"x=y;TAG="),
            lambda octets: octets.replace(b"branch=", b'x=";branch=y";rport;BRANCH='),
            lambda octets: octets.replace(b"pc33.atlanta.invalid;b", b"PC33.Atlanta.INVALID;b"),
            lambda octets: b"\r\n\r\n" + octets,
        ],
    )
    def test_a_request_in_other_words(self, change: Callable[[bytes], bytes]) -> None:
        octets = change(lines(INVITE))
        assert octets != lines(INVITE)
        message = parseMessage(octets)
        self.check(message)
        assert bytes(message) == octets

    def test_a_response(self) -> None:
        message = response("SIP/2.0 180 Ringing at Bob's\r\n" + INVITE.strip().partition("\n")[2])
        assert (message.statusCode, message.reasonPhrase) == (180, "Ringing at Bob's")
        self.check(message)

    def test_text_stands_for_its_UTF8(self) -> None:
        octets = replaced("Alice <", '"Zoë" <')
        assert bytes(parseMessage(octets.decode())) == octets
        assert bytes(parseMessage(bytearray(octets))) == octets  # type: ignore[arg-type]

    def test_the_body_is_as_long_as_it_says(self) -> None:
        assert parseMessage(lines(INVITE) + b"too much").body == b""
        assert (
            parseMessage(lines(INVITE.replace("Length: 0", "Length: 3")) + b"\0\xff\r\n").body == b"\0\xff\r"
        )

    def test_without_length_it_is_what_is_there(self) -> None:
        assert parseMessage(replaced("Content-Length: 0\r\n", "") + b"a\r\n\r\nb").body == b"a\r\n\r\nb"

    def test_what_is_missing_is_not_the_parsers_business(self) -> None:
        message = parseMessage(b"OPTIONS sip:a@b SIP/2.0\r\n\r\n")
        assert (message.callID, message.cseq, message.cseqMethod, message.sentBy) == ("", 0, "", "")
        assert message.viaBranch is message.fromTag is message.toTag is None
        assert message.contentLength is None

    def test_a_head_without_headers(self) -> None:
        assert parseMessage(b"SIP/2.0 200 OK\r\n\r\nx").headers == []

    def test_an_RFC_2543_Via(self) -> None:
        assert parseMessage(replaced(";branch=z9hG4bKnashds8", "")).viaBranch is None

    def test_the_top_Via_of_several_on_a_line(self) -> None:
        message = parseMessage(replaced(";branch=z9hG4bKnashds8", ";branch=1, SIP/2.0/UDP b;branch=2"))
        assert (message.viaBranch, message.hasMoreVias) == ("1", True)

    def test_an_IPv6_sent_by(self) -> None:
        assert (
            parseMessage(replaced("pc33.atlanta.invalid;b", "[2001:DB8::9:1]:50;b")).sentBy
            == "[2001:db8::9:1]:50"
        )


class TestRefused:
    @pytest.mark.parametrize(
        ("octets", "header"),
        [
            (
                replaced("INVITE sip:bob@biloxi.example.com SIP/2.0", "INVITE sip:bob@biloxi.example.com"),
                None,
            ),
            (replaced("INVITE sip:", "INVITE  sip:"), None),
            (replaced(" SIP/2.0\r\n", " SIP/2.0 \r\n"), None),
            (replaced(" SIP/2.0\r\n", " SIP/2\r\n"), None),
            (replaced(" SIP/2.0\r\n", " HTTP/1.1\r\n"), None),
            (replaced("INVITE sip:", "IN<>ITE sip:"), None),
            (replaced("INVITE sip:", "INVITE\tsip:"), None),
            (replaced("INVITE sip:bob@biloxi.example.com SIP/2.0", "SIP/2.0 99 Low"), None),
            (replaced("INVITE sip:bob@biloxi.example.com SIP/2.0", "SIP/2.0 700 High"), None),
            (replaced("INVITE sip:bob@biloxi.example.com SIP/2.0", "SIP/2.0 200"), None),
            (replaced("INVITE sip:bob@biloxi.example.com SIP/2.0", "SIP/2.0 2000 OK"), None),
            (replaced("INVITE sip:bob@biloxi.example.com SIP/2.0", "SIP/2.0 200 O\0K"), None),
            (replaced("Max-Forwards: 70", "Max-Forwards 70"), None),
            (replaced("Max-Forwards: 70", "Max Forwards: 70"), None),
            (replaced("Max-Forwards: 70", ": 70"), None),
            (replaced("Max-Forwards: 70", "Müx-Forwards: 70"), None),
            (replaced("Max-Forwards: 70", "\tMax-Forwards: 70"), "Via"),
            (replaced("Max-Forwards: 70", "Y: a\0b"), "Identity"),
            (replaced("Max-Forwards: 70", "X-Y: a\x1b[31mb"), "X-Y"),
            (replaced("Max-Forwards: 70", "X-Y: a\x7fb"), "X-Y"),
            (replaced("pc33.atlanta.invalid;b", "pc33.atlanta.invalid;;b"), "Via"),
            (replaced("pc33.atlanta.invalid;b", ";b"), "Via"),
            (replaced("WSS pc33.atlanta.invalid;branch=z9hG4bKnashds8", ""), "Via"),
            (replaced("Via: SIP/2.0/WSS pc33.atlanta.invalid;branch=z9hG4bKnashds8", "Via:"), "Via"),
            (replaced("tag=1928301774", "tag="), "From"),
            (replaced("tag=1928301774", "tag=1;tag=2"), "From"),
            (replaced("To: Bob <sip:bob@", 'To: "Bob <sip:bob@'), "To"),
            (replaced("To: Bob <", "To: a:b <"), "To"),
            (replaced("Call-ID: a84b4c76e66710@pc33.atlanta.example.com", "Call-ID: a b"), "Call-ID"),
            (replaced("Call-ID: a84b4c76e66710@pc33.atlanta.example.com", "Call-ID:"), "Call-ID"),
            (replaced("CSeq: 314159 INVITE", "CSeq: INVITE"), "CSeq"),
            (replaced("CSeq: 314159 INVITE", "CSeq: 4294967296 INVITE"), "CSeq"),
            (replaced("Content-Length: 0", "Content-Length: -1"), "Content-Length"),
            (replaced("Content-Length: 0", "Content-Length: 0x0"), "Content-Length"),
            (replaced("Content-Length: 0", "Content-Length: 9999999999"), "Content-Length"),
            (replaced("Content-Length: 0", "Content-Length: 0\r\nl: 0"), "Content-Length"),
            (replaced("Max-Forwards: 70", "f: <sip:eve@b>"), "From"),
            (replaced("Max-Forwards: 70", "To: <sip:eve@b>"), "To"),
            (replaced("Max-Forwards: 70", "i: other"), "Call-ID"),
            (replaced("Max-Forwards: 70", "cseq: 1 INVITE"), "CSeq"),
        ],
    )
    def test_a_malformed_request_can_be_answered(self, octets: bytes, header: str | None) -> None:
        with pytest.raises(ParseError) as caught:
            parseMessage(octets)
        error = caught.value
        assert error.header == header
        if octets.startswith((b"SIP", b"IN<>")):
            return
        assert error.request is not None
        assert error.request.method == "INVITE"
        assert error.request.getLines("Via")
        assert error.request.getHeader("CSeq")

    def test_a_response_is_not_answered(self) -> None:
        with pytest.raises(ParseError) as caught:
            parseMessage(lines("SIP/2.0 200 OK\nVia: x\nCSeq: 1 INVITE"))
        assert caught.value.request is None

    @pytest.mark.parametrize("name", ["Via", "CSeq"])
    def test_what_cannot_be_answered(self, name: str) -> None:
        """Nothing says to its sender what the answer is to (RFC 3261 section 17.1.3)."""
        kept = [line for line in INVITE.strip().splitlines() if name not in line]
        with pytest.raises(ParseError) as caught:
            parseMessage(lines("\n".join([*kept, "Content-Length: x"])))
        assert caught.value.request is None

    @pytest.mark.parametrize(
        "octets",
        [
            b"",
            b"\r\n",
            b"\r\n\r\n",
            b"\0",
            b"\xff" * 100,
            b"{}",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
            "é".encode("latin-1"),
            b" \r\n\r\n",
            b"INVITE sip:a SIP/2.0\r\n",
            b"INVITE sip:a SIP/2.0",
            b"INVITE sip:a SIP/2.0\r\nVia",
        ],
    )
    def test_what_is_no_message_at_all(self, octets: bytes) -> None:
        with pytest.raises(ParseError) as caught:
            parseMessage(octets)
        assert caught.value.request is None

    def test_what_is_malformed_about_a_folded_first_header(self) -> None:
        with pytest.raises(ParseError, match="request line"):
            parseMessage(b"INVITE sip:a@b\r\n SIP/2.0\r\nVia: x\r\n\r\n")

    def test_the_place_within_the_header(self) -> None:
        with pytest.raises(ParseError) as caught:
            parseMessage(replaced("tag=1928301774", "tag=1;tag=2"))
        error = caught.value
        assert error.value == "Alice <sip:alice@atlanta.example.com>;tag=1;tag=2"
        assert error.value[error.position :] == "tag=2"
        assert "From: a second parameter tag at 44" in str(error)

    def test_the_place_of_an_octet_that_is_not_UTF8(self) -> None:
        octets = b"\r\n" + lines(INVITE).replace(b"Alice <", b'"\xe9" <')
        with pytest.raises(ParseError, match="UTF-8") as caught:
            parseMessage(octets)
        assert caught.value.position == octets.index(b"\xe9")
        assert caught.value.request is not None
        assert caught.value.request.callID == "a84b4c76e66710@pc33.atlanta.example.com"

    @pytest.mark.parametrize("stray", ["\r", "\n", "\n\r"])
    def test_the_place_of_a_stray_line_end(self, stray: str) -> None:
        """RFC 3261 section 7: each line ends with CRLF.  LF alone is none, and so hides no header."""
        octets = b"\r\n" + replaced("Alice <", f'"Zoë{stray}Route: <sip:evil>" <')
        with pytest.raises(ParseError, match="line end") as caught:
            parseMessage(octets)
        assert caught.value.position == octets.index(f"ë{stray}".encode()) + 2
        assert caught.value.request is not None
        assert not caught.value.request.hasHeader("Route")

    def test_lines_that_end_with_LF_alone(self) -> None:
        with pytest.raises(ParseError):
            parseMessage(lines(INVITE).replace(b"\r\n", b"\n"))

    def test_text_that_UTF8_cannot_say(self) -> None:
        with pytest.raises(ParseError) as caught:
            parseMessage("INVITE sip:a SIP/2.0\r\nSubject: \ud800\r\n\r\n")
        assert caught.value.position == 31

    def test_other_than_octets_and_text(self) -> None:
        with pytest.raises((TypeError, AttributeError)):
            parseMessage(17)  # type: ignore[arg-type]

    def test_an_error_about_credentials_shows_none(self) -> None:
        octets = replaced("Max-Forwards: 70", "Authorization: Digest s3cret\0")
        with pytest.raises(ParseError) as caught:
            parseMessage(octets)
        assert caught.value.header == "Authorization"
        assert "s3cret" not in f"{caught.value} {caught.value!r} {caught.value.value}"


class TestStrict:
    def test_it_reads_everything(self) -> None:
        octets = replaced("Contact: <sip:alice@", "Contact: <alice@")
        message = parseMessage(octets)
        with pytest.raises(ParseError) as lazily:
            message.parseHeader("Contact")
        with pytest.raises(ParseError) as strictly:
            parseMessage(octets, strict=True)
        assert str(lazily.value) == str(strictly.value)
        assert strictly.value.header == "Contact"
        assert strictly.value.request is not None

    @pytest.mark.parametrize(
        ("line", "header"),
        [
            ("Max-Forwards: 256", "Max-Forwards"),
            ("Expires: soon", "Expires"),
            ("Via: nonsense", "Via"),
            ("Allow: INVITE, A CK", "Allow"),
            ("Route: sip:a", "Route"),
            ("Date: now", "Date"),
            ("WWW-Authenticate: Digest", "WWW-Authenticate"),
            ("Content-Type: text", "Content-Type"),
            ("Contact: <sip:a>, *;x", "Contact"),
            ("Subject: anything (goes) ;;;", None),
        ],
    )
    def test_what_it_finds(self, line: str, header: str | None) -> None:
        octets = replaced("Max-Forwards: 70\r\n", f"{line}\r\n")
        if header is None:
            assert parseMessage(octets, strict=True).getHeader("Subject")
            return
        with pytest.raises(ParseError) as caught:
            parseMessage(octets, strict=True)
        assert caught.value.header == header

    def test_a_header_that_stands_once(self) -> None:
        with pytest.raises(ParseError, match="more than once"):
            parseMessage(replaced("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 69"), strict=True)

    def test_the_request_URI(self) -> None:
        with pytest.raises(ParseError, match="Request-URI") as caught:
            parseMessage(replaced("INVITE sip:bob@biloxi", "INVITE sip:bob@-biloxi"), strict=True)
        assert caught.value.header is None
        assert caught.value.position == len("INVITE sip:bob@")

    def test_a_good_message(self) -> None:
        assert parseMessage(lines(INVITE), strict=True).typed


class TestTwoWays:
    """The pattern of the common form takes what is common."""

    def test_the_common_form(self) -> None:
        assert request(INVITE).isCommon

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Via:", "v:"),
            ("Max-Forwards: 70", "Max-Forwards: 256"),
            ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 69"),
            ("Alice <sip:alice@atlanta.example.com>", "sip:alice;x@atlanta.example.com"),
            ("Max-Forwards: 70", "X: a\r\n b"),
            ("Max-Forwards: 70", "via: SIP/2.0/UDP a"),
            ("Max-Forwards: 70", "f: <sip:eve@b>"),
            ("Max-Forwards: 70", "X : a"),
        ],
    )
    def test_other_forms(self, old: str, new: str) -> None:
        assert parseCommon(replaced(old, new), DEFAULT_LIMITS) is None

    def test_the_long_way_reads_the_common_form_too(self) -> None:
        one, other = request(INVITE), parseThoroughly(lines(INVITE), DEFAULT_LIMITS)
        assert not other.isCommon
        assert one.headers == other.headers
