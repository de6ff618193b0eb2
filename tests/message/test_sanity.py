"""
The rules of the sanity check, each with what passes and what does not.

The user agent is a foreign one: it has the members of IUserAgent and no others.
"""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from sipws.errors import ParseError
from sipws.interfaces import ITransport, IUserAgent
from sipws.message import IncomingRequest, IncomingResponse, parseMessage, sanityCheck
from sipws.message.sanity import REQUEST_RULES, RESPONSE_RULES, statelessTag
from tests.message.receiving import (
    ACCEPT,
    DROP,
    ForeignTransactions,
    ForeignUserAgent,
    MergingTransactions,
    OwnConfiguration,
    Recorder,
    lines,
    receive,
)

REQUEST = """
    MESSAGE sip:bob@ours.invalid;transport=ws SIP/2.0
    Via: SIP/2.0/WSS proxy.example.com;branch=z9hG4bK1
    Via: SIP/2.0/UDP alice.example.com;branch=z9hG4bK2
    Max-Forwards: 69
    From: <sip:alice@example.com>;tag=a1
    To: <sip:bob@example.com>
    Call-ID: c1@example.com
    CSeq: 7 MESSAGE
    Content-Length: 5
"""
RESPONSE = """
    SIP/2.0 200 OK
    Via: SIP/2.0/WSS ours.invalid;branch=z9hG4bK1
    From: <sip:bob@example.com>;tag=b1
    To: <sip:alice@example.com>;tag=a1
    Call-ID: own1dc2
    CSeq: 8 MESSAGE
    Content-Length: 5
"""
BODY = b"Hello"
MANDATORY = ("Via", "From", "To", "Call-ID", "CSeq")
COMPACT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i"}


def change(text: str, old: str, new: str) -> bytes:
    """Make a message with something in it changed."""
    assert old in text
    return lines(text.replace(old, new), BODY)


def without(text: str, name: str) -> bytes:
    """Make a message without a header."""
    return lines(
        "\n".join(line for line in text.splitlines() if not line.strip().startswith(f"{name}:")), BODY
    )


def ours(**values: str) -> ForeignUserAgent:
    """Make a user agent that says who it is."""
    return ForeignUserAgent(OwnConfiguration(**values))


def test_the_user_agent_is_what_a_transport_needs() -> None:
    assert verifyObject(IUserAgent, ForeignUserAgent())
    assert verifyObject(ITransport, Recorder())


class TestWellFormed:
    @pytest.mark.parametrize(
        "ua", [ForeignUserAgent(), ours(), ForeignUserAgent(None, MergingTransactions(False))]
    )
    @pytest.mark.parametrize("text", [REQUEST, RESPONSE])
    def test_it_passes(self, text: str, ua: ForeignUserAgent) -> None:
        assert receive(lines(text, BODY), ua)[0] == ACCEPT
        assert not ua.logger.lines

    @pytest.mark.parametrize("text", [REQUEST, RESPONSE])
    def test_in_any_order(self, text: str) -> None:
        start, *headers = text.strip().splitlines()
        assert receive(lines("\n".join([start, *reversed(headers)]), BODY), ours())[0] == ACCEPT

    @pytest.mark.parametrize("text", [REQUEST, RESPONSE])
    def test_in_compact_form(self, text: str) -> None:
        for name, compact in COMPACT.items():
            text = text.replace(f"    {name}:", f"    {compact}:")
        assert receive(lines(text, BODY), ours())[0] == ACCEPT


class TestEveryAnswer:
    REFUSED = (
        change(REQUEST, "SIP/2.0\n", "SIP/3.0\n"),
        without(REQUEST, "From"),
        change(REQUEST, "sip:bob@ours", "tel:bob@ours"),
        change(REQUEST, "Length: 5", "Length: 6"),
        change(REQUEST, "Max-Forwards: 69", "Max-Forwards: many"),
        change(REQUEST, "Call-ID: c1", "Call-ID: own1dc1"),
        change(REQUEST, "tag=a1", "tag="),
    )

    @pytest.mark.parametrize("octets", REFUSED)
    def test_it_has_a_To_tag_and_is_the_requests(self, octets: bytes) -> None:
        _, transport = receive(octets, ours())
        answer = parseMessage(transport.octets[0].replace(b"tag=\r\n", b"tag=a1\r\n"))
        assert isinstance(answer, IncomingResponse)
        assert answer.toTag
        assert answer.getLines("Via") == [
            "SIP/2.0/WSS proxy.example.com;branch=z9hG4bK1",
            "SIP/2.0/UDP alice.example.com;branch=z9hG4bK2",
        ]
        assert answer.getHeader("CSeq") == "7 MESSAGE"
        assert answer.body == b""

    @pytest.mark.parametrize("octets", REFUSED)
    def test_to_an_ACK_there_is_none(self, octets: bytes) -> None:
        """RFC 3261 section 17.1.1.3, and section 8.2.7."""
        ua = ours()
        assert receive(octets.replace(b"MESSAGE", b"ACK"), ua)[0] == DROP

    def test_the_same_request_gets_the_same_tag(self) -> None:
        """RFC 3261 section 8.2.7."""
        octets = self.REFUSED[0]
        tags = {receive(octets)[1].answer.toTag for _ in range(3)}
        assert len(tags) == 1
        other = octets.replace(b"z9hG4bK1", b"z9hG4bK9")
        assert receive(other)[1].answer.toTag not in tags

    def test_an_own_To_tag_stays(self) -> None:
        octets = change(REQUEST, "Length: 5", "Length: 6").replace(
            b"bob@example.com>", b"bob@example.com>;tag=t"
        )
        assert receive(octets)[1].answer.toTag == "t"

    def test_why_is_logged_without_what(self) -> None:
        ua = ours()
        octets = change(REQUEST, "Length: 5", "Length: 6\nAuthorization: Digest response=s3cret")
        receive(octets, ua)
        (line,) = ua.logger.lines
        assert line.startswith("checkLength: 400 Body shorter than Content-Length: <IncomingRequest MESSAGE")
        assert "s3cret" not in line

    def test_a_reason_phrase_says_nothing_of_the_value(self) -> None:
        """Nor has it a name that only the sender knows."""
        octets = change(REQUEST, "Max-Forwards: 69", "X-Nobody`s: \0")
        assert receive(octets)[1].answer.reasonPhrase == "Bad Request"


class TestVersion:
    """RFC 3261 section 21.5.6."""

    @pytest.mark.parametrize("version", ["SIP/3.0", "SIP/2.1", "SIP/1.0", "sip/7.0", "SIP/20.0"])
    def test_another_is_not_served(self, version: str) -> None:
        assert receive(change(REQUEST, "SIP/2.0\n", f"{version}\n"))[0] == "505"
        assert receive(change(RESPONSE, "SIP/2.0 200", f"{version} 200"), ours())[0] == DROP

    def test_in_any_case(self) -> None:
        assert receive(change(REQUEST, " SIP/2.0\n", " sip/2.0\n"))[0] == ACCEPT

    def test_the_answer_has_ours(self) -> None:
        _, transport = receive(change(REQUEST, "SIP/2.0\n", "SIP/3.0\n"))
        assert transport.octets[0].startswith(b"SIP/2.0 505 Version Not Supported\r\n")


class TestMandatory:
    """RFC 3261 section 8.1.1."""

    @pytest.mark.parametrize("name", ["From", "To", "Call-ID"])
    def test_a_request_is_answered_while_its_sender_knows_what_to(self, name: str) -> None:
        verdict, transport = receive(without(REQUEST, name))
        assert verdict == "400"
        assert transport.answer.reasonPhrase == f"Missing {name} header field"
        assert not transport.answer.hasHeader(name)

    @pytest.mark.parametrize("name", ["Via", "CSeq"])
    def test_without_these_it_does_not(self, name: str) -> None:
        """RFC 3261 section 17.1.3."""
        assert receive(without(REQUEST, name))[0] == DROP

    @pytest.mark.parametrize("name", MANDATORY)
    def test_a_response_is_dropped(self, name: str) -> None:
        ua = ours()
        assert receive(without(RESPONSE, name), ua)[0] == DROP
        assert f"{name} is missing" in ua.logger.lines[0]

    def test_max_forwards_is_missed_by_nobody(self) -> None:
        """RFC 4475 section 3.4.1."""
        assert receive(without(REQUEST, "Max-Forwards"))[0] == ACCEPT


class TestMethod:
    """RFC 3261 section 8.1.1.5."""

    @pytest.mark.parametrize("method", ["INVITE", "message", "MESSAGES"])
    def test_it_is_that_of_CSeq(self, method: str) -> None:
        assert receive(change(REQUEST, "7 MESSAGE", f"7 {method}"))[0] == "400"

    def test_a_response_has_but_one(self) -> None:
        assert receive(change(RESPONSE, "8 MESSAGE", "8 X"), ours())[0] == ACCEPT


class TestScheme:
    """RFC 3261 section 8.2.2.1."""

    @pytest.mark.parametrize(
        "uri", ["sip:a", "sips:bob@ours.invalid", "SIP:a@b", "SIPS:a", "sip:a@[::1]:5060;x=y?z=1"]
    )
    def test_served(self, uri: str) -> None:
        assert receive(change(REQUEST, "sip:bob@ours.invalid;transport=ws", uri))[0] == ACCEPT

    @pytest.mark.parametrize(
        "uri", ["tel:+1", "http://a", "soap.beep://a", "x-y+z.1:a", "urn:service:sos", "im:a"]
    )
    def test_not_served(self, uri: str) -> None:
        assert receive(change(REQUEST, "sip:bob@ours.invalid;transport=ws", uri))[0] == "416"

    @pytest.mark.parametrize(
        "uri", ["bob", "<sip:a>", "sip:", "sip:a@", "sip:a b", "1x:a", ":", "sip:a;;b", "sip:é"]
    )
    def test_malformed(self, uri: str) -> None:
        assert receive(change(REQUEST, "sip:bob@ours.invalid;transport=ws", uri))[0] == "400"

    @pytest.mark.parametrize("header", ["From", "To", "Contact"])
    def test_only_the_request_URI_is_judged(self, header: str) -> None:
        text = REQUEST.replace("To: <sip:", "To: <tel:+1>;x=<sip:") if header == "To" else REQUEST
        octets = lines(text, BODY)
        octets = {
            "From": change(REQUEST, "From: <sip:alice@example.com>", "From: <tel:+1>"),
            "To": change(REQUEST, "To: <sip:bob@example.com>", "To: <mailto:bob@example.com>"),
            "Contact": change(REQUEST, "CSeq: 7", "Contact: <http://a>\nCSeq: 7"),
        }[header]
        assert receive(octets)[0] == ACCEPT


class TestLength:
    """RFC 3261 section 18.3.  Lengths are octets."""

    def test_a_shorter_body(self) -> None:
        assert receive(change(REQUEST, "Length: 5", "Length: 6"))[0] == "400"
        assert receive(change(RESPONSE, "Length: 5", "Length: 6"), ours())[0] == DROP

    def test_a_longer_body_is_cut(self) -> None:
        octets = change(REQUEST, "Length: 5", "Length: 4")
        assert receive(octets)[0] == ACCEPT
        assert parseMessage(octets).body == b"Hell"

    @pytest.mark.parametrize("text", [REQUEST, RESPONSE])
    def test_without_a_length_the_body_is_the_rest(self, text: str) -> None:
        octets = without(text, "Content-Length")
        assert receive(octets, ours())[0] == ACCEPT
        assert parseMessage(octets).body == BODY

    def test_octets_not_characters(self) -> None:
        assert receive(lines(REQUEST, "Zoëë".encode()[:5]))[0] == ACCEPT
        assert receive(lines(REQUEST, "Zoëë".encode()[:4]))[0] == "400"


class TestMaxForwards:
    """RFC 3261 section 20.22."""

    @pytest.mark.parametrize("value", ["0", "1", "255", "007", " 70 "])
    def test_good(self, value: str) -> None:
        assert receive(change(REQUEST, "Max-Forwards: 69", f"Max-Forwards: {value}"))[0] == ACCEPT

    @pytest.mark.parametrize("value", ["256", "300", "-1", "", "x", "1.0", "99999999999999999999"])
    def test_malformed(self, value: str) -> None:
        verdict, transport = receive(change(REQUEST, "Max-Forwards: 69", f"Max-Forwards: {value}"))
        assert verdict == "400"
        assert transport.answer.reasonPhrase == "Malformed Max-Forwards"

    def test_twice(self) -> None:
        assert receive(change(REQUEST, "Max-Forwards: 69", "Max-Forwards: 69\nMax-Forwards: 69"))[0] == "400"

    def test_it_is_not_asked_of_a_response(self) -> None:
        assert receive(change(RESPONSE, "CSeq", "Max-Forwards: x\nCSeq"), ours())[0] == ACCEPT


class TestOwn:
    """A request of ours that comes back is known by the beginning of its Call-ID."""

    def test_it_loops(self) -> None:
        assert receive(change(REQUEST, "Call-ID: c1", "Call-ID: own1dc1"), ours())[0] == "482"

    def test_the_prefix_elsewhere(self) -> None:
        assert receive(change(REQUEST, "Call-ID: c1", "Call-ID: xown1d"), ours())[0] == ACCEPT

    def test_within_a_dialog(self) -> None:
        octets = change(REQUEST, "Call-ID: c1", "Call-ID: own1dc1").replace(
            b"bob@example.com>", b"b@c>;tag=t"
        )
        assert receive(octets, ours())[0] == ACCEPT

    def test_a_response_has_it(self) -> None:
        assert receive(lines(RESPONSE, BODY), ours())[0] == ACCEPT

    @pytest.mark.parametrize("ua", [ForeignUserAgent(), ours(sipjsId="")])
    def test_who_has_no_prefix_knows_none(self, ua: ForeignUserAgent) -> None:
        assert receive(change(REQUEST, "Call-ID: c1", "Call-ID: own1dc1"), ua)[0] == ACCEPT


class TestMerged:
    """RFC 3261 section 8.2.2.2."""

    def test_it_loops(self) -> None:
        assert receive(lines(REQUEST, BODY), ForeignUserAgent(None, MergingTransactions(True)))[0] == "482"

    def test_with_a_To_tag_nobody_asks(self) -> None:
        octets = change(REQUEST, "bob@example.com>", "bob@example.com>;tag=t")
        assert receive(octets, ForeignUserAgent(None, MergingTransactions(True)))[0] == ACCEPT

    def test_it_is_one_question_however_many_transactions_are_open(self) -> None:
        class Counting(MergingTransactions):
            asked = 0

            def findMerged(self, request: IncomingRequest) -> bool:
                self.asked += 1
                return False

        class Untouchable(dict[str, Any]):
            def __iter__(self) -> Any:
                raise AssertionError("the tables were searched")

            values = items = keys = __iter__

        transactions = Counting(False)
        transactions.ict = transactions.nict = Untouchable(a=1)
        assert receive(lines(REQUEST, BODY), ForeignUserAgent(None, transactions))[0] == ACCEPT
        assert transactions.asked == 1


class TestSingleVia:
    """RFC 3261 section 8.1.3.3."""

    @pytest.mark.parametrize(
        "more", ["\nVia: SIP/2.0/UDP other", ", SIP/2.0/UDP other", "\nv: SIP/2.0/UDP other"]
    )
    def test_a_response_with_more_is_dropped(self, more: str) -> None:
        ua = ours()
        assert receive(change(RESPONSE, "branch=z9hG4bK1", f"branch=z9hG4bK1{more}"), ua)[0] == DROP
        assert ua.logger.lines[0].startswith("checkSingleVia: more than one Via")

    def test_a_comma_within_quotes_is_none(self) -> None:
        assert receive(change(RESPONSE, "branch=z9hG4bK1", 'branch=z9hG4bK1;x="a, b"'), ours())[0] == ACCEPT


class TestSentBy:
    """RFC 3261 section 18.1.2."""

    @pytest.mark.parametrize(
        ("viaHost", "sentBy"),
        [
            ("ours.invalid", "ours.invalid"),
            ("ours.invalid", "OURS.Invalid"),
            ("Ours.INVALID", "ours.invalid"),
            ("ours.invalid", "ours.invalid:5060"),
            ("ours.invalid:5060", "ours.invalid:5060"),
            ("ours.invalid:5060", "ours.invalid"),
            ("192.0.2.1", "192.0.2.1:443"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]", "[2001:DB8:0::1]:443"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("2001:db8::1", "[2001:db8::1]"),
            ("2001:db8::1", "[2001:db8::1]:80"),
        ],
    )
    def test_ours(self, viaHost: str, sentBy: str) -> None:
        assert receive(change(RESPONSE, "ours.invalid", sentBy), ours(viaHost=viaHost))[0] == ACCEPT

    @pytest.mark.parametrize(
        ("viaHost", "sentBy"),
        [
            ("ours.invalid", "other.invalid"),
            ("ours.invalid", "ours.invalid.example"),
            ("ours.invalid", "xours.invalid"),
            ("ours.invalid:5060", "ours.invalid:5061"),
            ("192.0.2.1", "192.0.2.2"),
            ("[2001:db8::1]", "[2001:db8::2]"),
            ("[2001:db8::1]:443", "[2001:db8::1]:444"),
        ],
    )
    def test_anothers(self, viaHost: str, sentBy: str) -> None:
        assert receive(change(RESPONSE, "ours.invalid", sentBy), ours(viaHost=viaHost))[0] == DROP

    def test_received_and_rport_do_not_matter(self) -> None:
        octets = change(RESPONSE, "ours.invalid;", "ours.invalid;received=192.0.2.9;rport=4711;")
        assert receive(octets, ours())[0] == ACCEPT

    @pytest.mark.parametrize("ua", [ForeignUserAgent(), ours(viaHost="")])
    def test_who_does_not_say_takes_any(self, ua: ForeignUserAgent) -> None:
        assert receive(change(RESPONSE, "ours.invalid", "other.invalid"), ua)[0] == ACCEPT

    def test_it_is_not_asked_of_a_request(self) -> None:
        assert receive(lines(REQUEST, BODY), ours(viaHost="nobody.invalid"))[0] == ACCEPT


class TestRules:
    def test_each_names_its_section(self) -> None:
        for rule in (*REQUEST_RULES, *RESPONSE_RULES):
            assert "RFC 3261 section" in (rule.__doc__ or "")

    def test_the_answer_is_truth(self) -> None:
        message = parseMessage(lines(REQUEST, BODY))
        assert sanityCheck(message, ForeignUserAgent(), Recorder()) is True
        message = parseMessage(change(REQUEST, "Length: 5", "Length: 6"))
        assert sanityCheck(message, ForeignUserAgent(), Recorder()) is False

    def test_a_broken_transport_is_the_transports(self) -> None:
        class Down(Recorder):
            connected = False

            def send(self, msg: object) -> bool:
                return False

        message = parseMessage(change(REQUEST, "Length: 5", "Length: 6"))
        assert sanityCheck(message, ForeignUserAgent(), Down()) is False

    def test_a_tag_has_32_bits_at_least(self) -> None:
        """RFC 3261 section 19.3."""
        message = parseMessage(lines(REQUEST, BODY))
        assert isinstance(message, IncomingRequest)
        assert len(bytes.fromhex(statelessTag(message))) >= 4

    def test_transactions_without_a_finder(self) -> None:
        assert receive(lines(REQUEST, BODY), ForeignUserAgent(None, ForeignTransactions()))[0] == ACCEPT

    def test_a_malformed_tag_of_To_is_not_given_twice(self) -> None:
        octets = change(REQUEST, "To: <sip:bob@example.com>", "To: <sip:bob@>;tag=t")
        with pytest.raises(ParseError) as caught:
            parseMessage(octets)
        assert caught.value.request is not None
        assert caught.value.request.toTag == "t"
        assert receive(octets)[1].answer.getHeader("To") == "<sip:bob@>;tag=t"
