from __future__ import annotations

import pytest

from sipws.errors import ParseError
from sipws.message import URI, Challenge, Contact, CSeq, NameAddr, Via, parseMessage
from tests.message.receiving import lines, request, response

REGISTER = """
    REGISTER sips:ss2.biloxi.example.com SIP/2.0
    Via: SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashd92, SIP/2.0/UDP b
    v: SIP/2.0/UDP c
    Max-Forwards: 70
    From: Bob <sips:bob@biloxi.example.com>;tag=ja743ks76zlflH
    To: Bob <sips:bob@biloxi.example.com>
    Call-ID: 1j9FpLxk3uxtm8tn@biloxi.example.com
    CSeq: 2 REGISTER
    Contact: "A, B" <sips:bob@client.biloxi.example.com>;expires=10 , <sip:c,d@e>
    m: <sip:f>
    Authorization: Digest username="bob", realm="a", nonce="b", response="c"
    Authorization: Basic abc
    Expires: 3600
    Supported: path, gruu
    X-Thing: a, b
    X-THING: c
    Subject:
    Content-Length: 0
"""


class TestHeaders:
    def test_the_first_value_and_all(self) -> None:
        message = request(REGISTER)
        assert message.getHeader("X-Thing") == "a, b"
        assert message.getHeaders("X-Thing") == ["a, b", "c"]

    def test_lists_are_split_on_one_line_and_several(self) -> None:
        message = request(REGISTER)
        assert message.getHeaders("Contact") == [
            '"A, B" <sips:bob@client.biloxi.example.com>;expires=10',
            "<sip:c,d@e>",
            "<sip:f>",
        ]
        assert message.getHeader("Contact") == message.getHeaders("Contact")[0]
        assert message.getHeaders("Supported") == ["path", "gruu"]
        assert len(message.getHeaders("Via")) == 3

    def test_credentials_are_no_list(self) -> None:
        assert len(request(REGISTER).getHeaders("Authorization")) == 2

    @pytest.mark.parametrize("name", ["Call-ID", "call-id", "CALL-ID", "i", "I"])
    def test_names_in_any_case_and_compact(self, name: str) -> None:
        message = request(REGISTER)
        assert message.getHeader(name) == "1j9FpLxk3uxtm8tn@biloxi.example.com"
        assert message.hasHeader(name)

    @pytest.mark.parametrize("name", ["Route", "", "no name", "é", "a:b"])
    def test_what_is_not_there(self, name: str) -> None:
        message = request(REGISTER)
        assert message.getHeader(name) is message.parseHeader(name) is None
        assert message.getHeaders(name) == message.getLines(name) == []
        assert not message.hasHeader(name)

    def test_an_empty_value(self) -> None:
        message = request(REGISTER)
        assert message.getHeader("Subject") == ""
        assert message.hasHeader("Subject")

    def test_lines(self) -> None:
        assert request(REGISTER).getLines("via") == [
            "SIP/2.0/TLS client.biloxi.example.com:5061;branch=z9hG4bKnashd92, SIP/2.0/UDP b",
            "SIP/2.0/UDP c",
        ]

    def test_all_in_order(self) -> None:
        names = [name for name, _ in request(REGISTER).headers]
        assert names[:4] == ["Via", "Via", "Max-Forwards", "From"]
        assert names[-2:] == ["Subject", "Content-Length"]
        assert ("X-Thing", "c") in request(REGISTER).headers

    def test_what_is_given_is_the_callers(self) -> None:
        message = request(REGISTER)
        message.getHeaders("X-Thing").clear()
        message.getLines("X-Thing").clear()
        message.headers.clear()
        assert message.getHeaders("X-Thing") == ["a, b", "c"]

    def test_content_type(self) -> None:
        assert request(REGISTER).contentType is None
        typed = REGISTER.replace("Subject:", "c: text/plain;charset=UTF-8")
        assert request(typed).contentType == "text/plain;charset=UTF-8"


class TestTyped:
    def test_of_each_its_own(self) -> None:
        message = request(REGISTER)
        assert message.parseHeader("From") == NameAddr.parse(
            "Bob <sips:bob@biloxi.example.com>;tag=ja743ks76zlflH"
        )
        assert message.parseHeader("contact", 1) == Contact(None, URI.parse("sip:c,d@e"))
        assert message.parseHeader("CSeq") == CSeq(2, "REGISTER")
        assert message.parseHeader("Expires") == 3600
        assert message.parseHeader("Via", 2) == Via("UDP", "c")
        assert message.parseHeader("Supported", 1) == "gruu"
        assert message.parseHeader("X-Thing") == "a, b"
        assert message.parseHeader("Authorization").parameters["username"] == "bob"
        assert message.parseHeader("Authorization", 1).token == "abc"
        assert message.parseHeader("Contact").expires == 10

    def test_of_a_response(self) -> None:
        message = response('SIP/2.0 401 No\nWWW-Authenticate: Digest realm="a, b"\nwww-authenticate: X y=z')
        assert message.parseHeader("WWW-Authenticate") == Challenge("Digest", {"realm": "a, b"})
        assert message.parseHeader("WWW-Authenticate", 1).scheme == "X"

    @pytest.mark.parametrize("index", [3, 1000, -1, -3])
    def test_an_index_out_of_range_is_harmless(self, index: int) -> None:
        assert request(REGISTER).parseHeader("Contact", index) is None

    def test_each_is_parsed_once(self) -> None:
        message = request(REGISTER)
        assert message.parseHeader("Contact") is message.parseHeader("m")
        assert message.fromHeader is message.parseHeader("From")
        assert message.requestURI is message.requestURI

    def test_by_attribute(self) -> None:
        message = request(REGISTER)
        assert message.fromHeader.tag == message.fromTag == "ja743ks76zlflH"
        assert message.toHeader.displayName == "Bob"
        assert message.via.port == 5061
        assert message.requestURI.scheme == "sips"

    def test_what_is_malformed_says_where(self) -> None:
        message = request(REGISTER.replace("Expires: 3600", "Route: <sip:a>;lr, <sip:b;;lr>"))
        assert message.parseHeader("Route").uri.host == "a"
        with pytest.raises(ParseError) as caught:
            message.parseHeader("Route", 1)
        assert (caught.value.header, caught.value.position) == ("Route", 6)
        assert caught.value.value == "<sip:b;;lr>"

    def test_it_stays_malformed(self) -> None:
        message = request(REGISTER.replace("Expires: 3600", "Expires: never"))
        for _ in range(2):
            with pytest.raises(ParseError, match="Expires"):
                message.parseHeader("Expires")

    def test_what_may_stand_once(self) -> None:
        message = request(REGISTER.replace("Subject:", "Expires: 7200"))
        assert message.getHeaders("Expires") == ["3600", "7200"]
        with pytest.raises(ParseError, match="Expires: stands more than once"):
            message.parseHeader("Expires")

    @pytest.mark.parametrize("attribute", ["via", "fromHeader", "toHeader"])
    def test_what_is_missing(self, attribute: str) -> None:
        message = parseMessage(b"OPTIONS sip:a SIP/2.0\r\n\r\n")
        with pytest.raises(ParseError, match="missing"):
            getattr(message, attribute)

    def test_a_request_URI_of_another_scheme(self) -> None:
        assert request("OPTIONS tel:+1-2 SIP/2.0\nX: y").requestURI.user == "+1-2"

    def test_a_malformed_request_URI(self) -> None:
        message = request("OPTIONS sip:a@ SIP/2.0\nX: y")
        assert message.requestURIText == "sip:a@"
        with pytest.raises(ParseError, match="Request-URI: expected a host at 14") as caught:
            assert message.requestURI
        assert caught.value.header is None


class TestBack:
    @pytest.mark.parametrize("body", [b"", b"\xff\xfe\0", "Zoë".encode(), b"\r\n\r\n"])
    def test_octet_for_octet(self, body: bytes) -> None:
        octets = b"MESSAGE  sip:a SIP/2.0\r\n".replace(b"  ", b" ") + b"f :\t<sip:a>\r\n \r\n\r\n" + body
        message = parseMessage(octets)
        assert bytes(message) == octets
        assert str(message).encode("utf-8", "surrogateescape") == octets

    def test_what_follows_the_body_stays_too(self) -> None:
        octets = lines("SIP/2.0 200 OK\nl: 1", b"abc")
        assert bytes(parseMessage(octets)) == octets

    def test_repr(self) -> None:
        message = request("BYE sip:a SIP/2.0\nCSeq: 7 BYE\nCall-ID: a")
        assert repr(message) == "<IncomingRequest BYE sip:a Call-ID a CSeq 7>"
        answer = response("SIP/2.0 404 Not Found\nCSeq: 7 BYE\nCall-ID: a")
        assert repr(answer) == "<IncomingResponse 404 to BYE Call-ID a CSeq 7>"
