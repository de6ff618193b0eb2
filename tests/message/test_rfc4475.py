"""
The torture test of RFC 4475: each message, as a transport receives it.

C{manifest.json} says what the RFC wants; C{verdicts.json} what we do, and why
where the RFC leaves the choice.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sipws.errors import ParseError
from sipws.message import Contact, IncomingRequest, IncomingResponse, parseMessage
from tests.message.receiving import ACCEPT, DATA, DROP, load, receive

CORPUS = "rfc4475"
MANIFEST = {item["file"]: item for item in json.loads((DATA / CORPUS / "manifest.json").read_text())["items"]}
VERDICTS = {row["file"]: row for row in json.loads((DATA / CORPUS / "verdicts.json").read_text())["verdicts"]}
TABLE = Path(__file__).parent.parent.parent / "docs" / "rfc4475.rst"


def requestOf(name: str) -> IncomingRequest:
    message = parseMessage(load(CORPUS, name), strict=True)
    assert isinstance(message, IncomingRequest)
    return message


def responseOf(name: str) -> IncomingResponse:
    message = parseMessage(load(CORPUS, name), strict=True)
    assert isinstance(message, IncomingResponse)
    return message


def test_all_are_here() -> None:
    assert len(MANIFEST) == 49 + 1  # and test.dat, which the RFC does not describe
    assert set(VERDICTS) == set(MANIFEST) == {path.name for path in (DATA / CORPUS).glob("*.dat")}


@pytest.mark.parametrize("name", VERDICTS)
def test_verdict(name: str) -> None:
    verdict, transport = receive(load(CORPUS, name))
    assert verdict == VERDICTS[name]["verdict"]
    for answer in transport.sent:
        assert "tag=" in (answer.getHeader("To") or "tag=")


@pytest.mark.parametrize("name", VERDICTS)
def test_strictly(name: str) -> None:
    """Reading everything at once finds what reading on access finds later."""
    octets, where = load(CORPUS, name), VERDICTS[name]["strict"]
    if where == ACCEPT:
        assert bytes(parseMessage(octets, strict=True)) == octets
        return
    with pytest.raises(ParseError) as caught:
        parseMessage(octets, strict=True)
    assert (caught.value.header or "start line") == where


@pytest.mark.parametrize("name", MANIFEST)
def test_what_the_RFC_wants(name: str) -> None:
    item, verdict = MANIFEST[name], VERDICTS[name]["verdict"]
    if item["parse"] == "accept":
        parseMessage(load(CORPUS, name))
        # What is well formed is delivered, but for schemes that are not served, and for another's response.
        assert verdict in (
            (ACCEPT,) if "416" not in item["ua"] and "discards" not in item["ua"] else ("416", DROP)
        )
    elif item["parse"] == "reject":
        wanted = re.match(r"[45][0-9][0-9]", item["ua"])
        if item["kind"] == "response":
            assert verdict == DROP
        elif name == "mismatch02.dat":
            assert "400 also acceptable" in item["ua"]
            assert verdict == "400"
        else:
            assert verdict == (wanted[0] if wanted else "400")
    else:
        assert item["parse"] in ("either", "-")
        assert len(VERDICTS[name]["why"]) > 40


def test_the_documentation_shows_the_verdicts() -> None:
    rows = re.findall(r"\* - ``(\S+?)``(\\\*)?\n +- (\S+)\n +- (\S+)\n +- (.+)\n", TABLE.read_text())
    assert [row[0] for row in rows] == list(VERDICTS)
    for name, star, section, verdict, why in rows:
        assert (verdict, why) == (VERDICTS[name]["verdict"], VERDICTS[name]["why"])
        assert bool(star) == (MANIFEST[name]["parse"] == "either")
        assert section == MANIFEST[name]["section"].replace("-", "none")


class TestContents:
    """What the RFC's text says of the messages that are well formed."""

    def test_3_1_1_1_a_short_tortuous_INVITE(self) -> None:
        request = requestOf("wsinv.dat")
        assert request.requestURI.parameters == {"unknownparam": None}
        assert request.toHeader.tag == "1918181833n"
        assert request.toHeader.uri.user == "vivekg"
        assert request.fromHeader.displayName == 'J Rosenberg \\"'
        assert request.fromTag == "98asjd8"
        assert request.parseHeader("max-forwards") == 68
        assert request.callID == "wsinv.ndaksdj@192.0.2.1"
        assert (request.cseq, request.cseqMethod) == (9, "INVITE")
        assert request.getHeader("subject") == ""
        assert request.getHeader("NewFangledHeader") == "newfangled value continued newfangled value"
        assert request.getHeader("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
        assert request.contentType == "application/sdp"
        assert request.parseHeader("Content-Type").subtype == "sdp"
        assert [request.parseHeader("Via", index).transport for index in range(3)] == ["UDP", "TCP", "UDP"]
        assert request.viaBranch == "390skdjuw"
        assert request.parseHeader("Via", 1).branch == "z9hG4bK9ikj8"
        assert request.parseHeader("Via", 2).host == "192.168.255.111"
        route = request.parseHeader("Route")
        assert route.uri.host == "services.example.com"
        assert route.uri.parameters["unknown-no-value"] is None
        contact = request.parseHeader("Contact")
        assert contact.displayName == 'Quoted string ""'
        assert contact.uri.user == "jdrosen"
        assert contact.parameters["newparam"] == "newvalue"
        assert contact.parameters["secondparam"] is None
        assert contact.q == 0.33
        assert len(request.body) == 150

    def test_3_1_1_2_unusual_characters(self) -> None:
        request = requestOf("intmeth.dat")
        assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
        assert request.requestURI.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
        assert request.requestURI.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
        assert request.toHeader.displayName == "BEL:\x07 NUL:\x00 DEL:\x7f"
        assert request.fromTag == "_token~1'+`*%!-."
        assert request.callID == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
        assert request.hasHeader("extensionHeader-!.%*+_`'~")

    def test_3_1_1_3_escapes(self) -> None:
        request = requestOf("esc01.dat")
        assert request.requestURI.user == "sips:user@example.com"
        assert request.requestURI.host == "example.net"
        assert request.toHeader.uri.user == "user"
        contact = request.parseHeader("Contact")
        assert contact.uri.user == "caller"
        assert contact.uri.parameters == {"lr": None, "name": "value%41"}

    def test_3_1_1_4_escaped_NUL(self) -> None:
        request = requestOf("escnull.dat")
        users = [request.parseHeader("Contact", index).uri.user for index in range(2)]
        assert users == ["\0", "\0\0"]
        assert request.fromHeader.uri.user == "null-\0-null"

    def test_3_1_1_5_percent_is_no_escape_everywhere(self) -> None:
        request = requestOf("esc02.dat")
        assert request.method == "RE%47IST%45R"
        assert request.fromHeader.displayName == "%Z%45"
        assert len(request.getHeaders("Contact")) == 2
        assert len(request.getHeaders("C%6Fntact")) == 1

    def test_3_1_1_6_no_space_before_the_bracket(self) -> None:
        sender = requestOf("lwsdisp.dat").fromHeader
        assert (sender.displayName, str(sender.uri), sender.tag) == (
            "caller",
            "sip:caller@example.com",
            "323",
        )

    def test_3_1_1_7_long_values(self) -> None:
        request = requestOf("longreq.dat")
        assert request.toHeader.displayName == "I have a user name of " + "extreme" * 10 + " proportion"
        assert len(request.getHeaders("Via")) == 34
        assert re.fullmatch("12(?:982){50}424", request.fromTag or "")
        assert request.getHeader("Unknown-" + "Long" * 20 + "-Name") == (
            "unknown-"
            + "long" * 20
            + "-value; unknown-"
            + "long" * 20
            + "-parameter-name = unknown-"
            + "long" * 20
            + "-parameter-value"
        )

    def test_3_1_1_8_octets_after_the_message(self) -> None:
        request = requestOf("dblreq.dat")
        assert (request.method, request.contentLength, request.body) == ("REGISTER", 0, b"")
        assert request.callID == "dblreq.0ha0isndaksdj99sdfafnl3lk233412"

    def test_3_1_1_9_semicolons_in_the_user(self) -> None:
        request = requestOf("semiuri.dat")
        assert request.requestURI.user == "user;par=u@example.net"
        assert request.requestURI.parameters == {}

    def test_3_1_1_10_unknown_transports(self) -> None:
        request = requestOf("transports.dat")
        hops = [request.parseHeader("Via", index) for index in range(5)]
        assert [hop.transport for hop in hops] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]

    def test_3_1_1_11_multipart_with_binary(self) -> None:
        request = requestOf("mpart01.dat")
        assert request.parseHeader("Content-Type").parameters["boundary"] == "7a9cbec02ceef655"
        assert request.body.count(b"\0") > 0
        assert request.body.startswith(b"--7a9cbec02ceef655\r\n")
        assert len(request.body) == 553

    def test_3_1_1_12_reason_in_UTF8(self) -> None:
        response = responseOf("unreason.dat")
        assert response.statusCode == 200
        assert response.reasonPhrase == "= 2**3 * 5**2 но сто девяносто девять - простое"
        assert response.method == "INVITE"

    def test_3_1_1_13_no_reason(self) -> None:
        response = responseOf("noreason.dat")
        assert (response.statusCode, response.reasonPhrase) == (100, "")

    def test_3_2_1_the_cookie_alone(self) -> None:
        assert requestOf("badbranch.dat").viaBranch == "z9hG4bK"

    def test_3_3_4_unknown_schemes_in_headers(self) -> None:
        request = requestOf("unksm2.dat")
        assert request.toHeader.uri.scheme == "isbn"
        assert request.toHeader.uri.opaque == "2983792873"
        assert request.fromHeader.uri.scheme == "http"
        assert str(request.parseHeader("Contact").uri) == "name:John_Smith"

    def test_3_3_5_required_extensions(self) -> None:
        request = requestOf("bext01.dat")
        assert request.getHeaders("Require") == ["nothingSupportsThis", "nothingSupportsThisEither"]
        assert request.getHeaders("Proxy-Require") == ["noProxiesSupportThis", "norDoAnyProxiesSupportThis"]

    def test_3_3_6_unknown_content_type(self) -> None:
        assert requestOf("invut.dat").contentType == "application/unknownformat"

    def test_3_3_7_unknown_authorization(self) -> None:
        credentials = requestOf("regaut01.dat").parseHeader("Authorization")
        assert credentials.scheme == "NoOneKnowsThisScheme"
        assert credentials.parameters == {"opaque-data": "here"}

    def test_3_3_11_no_hops_left(self) -> None:
        assert requestOf("zeromf.dat").parseHeader("Max-Forwards") == 0

    def test_3_3_12_parameter_of_the_header(self) -> None:
        contact = requestOf("cparam01.dat").parseHeader("Contact")
        assert contact == Contact.parse("<sip:+19725552222@gw1.example.net>;unknownparam")
        assert contact.uri.parameters == {}

    def test_3_3_13_parameter_of_the_URI(self) -> None:
        contact = requestOf("cparam02.dat").parseHeader("Contact")
        assert contact.uri.parameters == {"unknownparam": None}
        assert contact.parameters == {}

    def test_3_3_14_escaped_Route(self) -> None:
        contact = requestOf("regescrt.dat").parseHeader("Contact")
        assert contact.uri.headers == (("Route", "<sip:sip.example.com>"),)

    def test_3_3_15_unacceptable_accept(self) -> None:
        assert str(requestOf("sdp01.dat").parseHeader("Accept")) == "text/nobodyknowsthis"

    def test_3_4_1_RFC_2543(self) -> None:
        request = requestOf("inv2543.dat")
        assert request.viaBranch is request.fromTag is request.toTag is None
        assert request.contentLength is None
        assert len(request.body) == 105
