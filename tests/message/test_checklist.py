"""
What SIP.js asserts of messages and of their sanity check, in its own order.
"""

from __future__ import annotations

import itertools

import pytest

from sipws.message import URI, NameAddr, OutgoingResponse, parseMessage
from tests.message.receiving import (
    ACCEPT,
    DROP,
    ForeignUserAgent,
    MergingTransactions,
    OwnConfiguration,
    lines,
    receive,
    request,
)

HEADERS = (
    "Via: SIP/2.0/WS ours.invalid;branch=z9hG4bK1",
    "From: <sip:a@b>;tag=1",
    "To: <sip:c@d>",
    "Call-ID: x1",
    "CSeq: 1 OPTIONS",
)
COMPACT = (
    "v: SIP/2.0/WS ours.invalid;branch=z9hG4bK1",
    "f: <sip:a@b>;tag=1",
    "t: <sip:c@d>",
    "i: x1",
    HEADERS[4],
)
STARTS = ("OPTIONS sip:c@d SIP/2.0", "SIP/2.0 200 OK")
OURS = OwnConfiguration(viaHost="ours.invalid", sipjsId="own1d")


def verdict(
    start: str, headers: tuple[str, ...], body: bytes = b"", ua: ForeignUserAgent | None = None
) -> str:
    return receive(lines("\n".join([start, *headers]), body), ua or ForeignUserAgent(OURS))[0]


def changed(number: int, line: str) -> tuple[str, ...]:
    return (*HEADERS[:number], line, *HEADERS[number + 1 :])


class TestSanity:
    @pytest.mark.parametrize("start", STARTS)
    def test_a_message_with_From_To_CallID_CSeq_and_Via_passes_in_any_order(self, start: str) -> None:
        for headers in itertools.permutations(HEADERS):
            assert verdict(start, headers) == ACCEPT

    @pytest.mark.parametrize("start", STARTS)
    def test_and_in_compact_form(self, start: str) -> None:
        assert verdict(start, COMPACT) == ACCEPT

    @pytest.mark.parametrize("missing", range(5))
    def test_missing_one_a_request_is_answered_if_it_can_be_and_a_response_dropped(
        self, missing: int
    ) -> None:
        headers = HEADERS[:missing] + HEADERS[missing + 1 :]
        answerable = not HEADERS[missing].startswith(("Via", "CSeq"))
        assert verdict(STARTS[0], headers) == ("400" if answerable else DROP)
        assert verdict(STARTS[1], headers) == DROP

    def test_a_scheme_that_is_not_served_is_416_judged_on_the_request_URI_only(self) -> None:
        assert verdict("OPTIONS tel:+1 SIP/2.0", HEADERS) == "416"
        assert verdict(STARTS[0], changed(2, "To: <tel:+1>")) == ACCEPT
        assert verdict("OPTIONS sips:c@d SIP/2.0", HEADERS) == ACCEPT

    def test_an_out_of_dialog_request_whose_call_ID_begins_with_our_own_id_is_482(self) -> None:
        assert verdict(STARTS[0], changed(3, "Call-ID: own1d23")) == "482"

    def test_the_id_elsewhere_in_the_call_ID_passes(self) -> None:
        assert verdict(STARTS[0], changed(3, "Call-ID: 23own1d")) == ACCEPT

    def test_a_body_shorter_than_content_length_is_400_to_a_request_and_a_response_is_dropped(self) -> None:
        headers = (*HEADERS, "Content-Length: 4")
        assert verdict(STARTS[0], headers, b"abc") == "400"
        assert verdict(STARTS[1], headers, b"abc") == DROP

    def test_without_content_length_the_body_is_the_rest(self) -> None:
        octets = lines("\n".join([STARTS[0], *HEADERS]), b"abc")
        assert receive(octets)[0] == ACCEPT
        assert parseMessage(octets).body == b"abc"

    def test_a_longer_body_is_cut(self) -> None:
        octets = lines("\n".join([STARTS[0], *HEADERS, "Content-Length: 2"]), b"abc")
        assert receive(octets)[0] == ACCEPT
        assert parseMessage(octets).body == b"ab"

    @pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
    def test_a_merged_request_is_482(self, method: str) -> None:
        """Which one is merged the transactions say: they know tag, Call-ID, CSeq and branch."""
        ua = ForeignUserAgent(OURS, MergingTransactions(True))
        assert verdict(f"{method} sip:c@d SIP/2.0", changed(4, f"CSeq: 1 {method}"), ua=ua) == "482"

    def test_a_response_with_two_Vias_or_anothers_Via_host_is_dropped(self) -> None:
        assert verdict(STARTS[1], ("Via: SIP/2.0/WS ours.invalid", *HEADERS)) == DROP
        assert verdict(STARTS[1], changed(0, "Via: SIP/2.0/WS other.invalid;branch=z9hG4bK1")) == DROP


class TestMessages:
    MESSAGE = "OPTIONS sip:a SIP/2.0\nContact: <sip:a>, <sip:b>\nm: <sip:c>\nX-Other: 1\nx-other: 2"

    def test_getHeader_gives_the_first_value_getHeaders_all_and_neither_minds_case(self) -> None:
        message = request(self.MESSAGE)
        assert message.getHeader("CONTACT") == "<sip:a>"
        assert message.getHeaders("contact") == ["<sip:a>", "<sip:b>", "<sip:c>"]
        assert message.getHeader("X-OTHER") == "1"
        assert message.getHeaders("x-Other") == ["1", "2"]

    def test_an_out_of_range_index_is_harmless(self) -> None:
        message = request(self.MESSAGE)
        assert message.parseHeader("Contact", 3) is message.parseHeader("Contact", -1) is None

    def test_content_length_counts_octets(self) -> None:
        origin = request("MESSAGE sip:a SIP/2.0\nVia: SIP/2.0/WS a")
        assert b"Content-Length: 5\r\n" in bytes(OutgoingResponse(origin, 200, body="Zoë!"))

    def test_a_reply_takes_100_to_699_only(self) -> None:
        origin = request("MESSAGE sip:a SIP/2.0\nVia: SIP/2.0/WS a")
        for code in (100, 699):
            assert OutgoingResponse(origin, code).statusCode == code
        for code in (99, 700):
            with pytest.raises(ValueError, match="statusCode"):
                OutgoingResponse(origin, code)

    def test_a_parameter_after_an_addr_spec_without_brackets_belongs_to_the_header(self) -> None:
        address = NameAddr.parse("sip:a@b;x=1")
        assert address.parameters == {"x": "1"}
        assert address.uri.parameters == {}

    def test_names_of_parameters_are_case_insensitive_and_values_keep_their_case(self) -> None:
        assert NameAddr.parse("<sip:a;Foo=Bar>;Baz=Qux").parameters["BAZ"] == "Qux"
        assert URI.parse("sip:a;Foo=Bar").parameters["fOO"] == "Bar"

    def test_percent_HH_is_decoded_where_the_grammar_says_escaped_and_printed_back_canonically(self) -> None:
        uri = URI.parse("sip:%61%40%c3%ab@b;%70=%5b%3B")
        assert (uri.user, uri.parameters["p"]) == ("a@ë", "[;")
        assert str(uri) == "sip:a%40%C3%AB@b;p=[%3B"
        assert request("O%50TIONS sip:a SIP/2.0\nX: y").method == "O%50TIONS"
        assert NameAddr.parse('"%41" <sip:a>;x=%41').displayName == "%41"
        assert NameAddr.parse('"%41" <sip:a>;x=%41').parameters["x"] == "%41"
