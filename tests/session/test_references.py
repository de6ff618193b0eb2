"""References: Refer-To, Replaces, and the fragments that tell what came of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.dialog import DialogID
from sipws.errors import ParseError
from sipws.message import URI, NameAddr
from sipws.session.references import Outline, ReferTo, referTo, replacesOf
from tests.session.messages import request

TAG = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~", min_size=1, max_size=12)


class TestOutline:
    def test_itIsAStatusLine(self) -> None:
        assert bytes(Outline.of(100)) == b"SIP/2.0 100 Trying\r\n"
        assert bytes(Outline.of(486, "Away")) == b"SIP/2.0 486 Away\r\n"

    @pytest.mark.parametrize(
        ("body", "statusCode", "phrase"),
        [
            (b"SIP/2.0 200 OK", 200, "OK"),
            (b"SIP/2.0 100 Trying\r\n", 100, "Trying"),
            (b'SIP/2.0 503 Service Unavailable\r\nWarning: 399 x "y"\r\n\r\n', 503, "Service Unavailable"),
            (b"sip/2.0  180\n", 180, ""),
        ],
    )
    def test_itIsRead(self, body: bytes, statusCode: int, phrase: str) -> None:
        outline = Outline.parse(body)
        assert (outline.statusCode, outline.reasonPhrase) == (statusCode, phrase)
        assert outline.isFinal is (statusCode >= 200)
        assert outline.isSuccess is (statusCode == 200)

    @pytest.mark.parametrize(
        "body", [b"", b"INVITE sip:x SIP/2.0", b"SIP/2.0 OK", b"SIP/2.0 99 x", b"SIP/2.0 2000 x"]
    )
    def test_nothingElseIs(self, body: bytes) -> None:
        with pytest.raises(ParseError):
            Outline.parse(body)

    @given(st.integers(100, 699))
    def test_andBack(self, statusCode: int) -> None:
        assert Outline.parse(bytes(Outline.of(statusCode))) == Outline.of(statusCode)


class TestReferTo:
    def test_aURI(self) -> None:
        found = ReferTo.of(request("REFER", "Refer-To: Carol <sip:carol@x;transport=ws>"))
        assert found.target is not None
        assert str(found.target.uri) == "sip:carol@x;transport=ws"
        assert found.target.method == "INVITE"
        assert found.replaces is None

    def test_theExampleOfRFC5589(self) -> None:
        # Section 7.1, F5: with the escapes of the RFC.
        found = ReferTo.of(
            request(
                "REFER",
                "r: <sips:482n4z24kdg@chicago.example.com;gr?Replaces=090459243588173445%3B"
                "to-tag%3D9m2n3wq%3Bfrom-tag%3D763231>",
            )
        )
        assert found.replaces is not None
        assert found.replaces.callID == "090459243588173445"
        assert (found.replaces.toTag, found.replaces.fromTag) == ("9m2n3wq", "763231")
        assert found.target is not None
        assert str(found.target.uri) == "sips:482n4z24kdg@chicago.example.com;gr"

    def test_anotherMethod(self) -> None:
        found = ReferTo.of(request("REFER", "Refer-To: <sip:x@y;method=BYE>"))
        assert found.target is not None
        assert found.target.method == "BYE"

    def test_noSIPURI(self) -> None:
        assert ReferTo.of(request("REFER", "Refer-To: <https://example.com/>")).target is None

    @pytest.mark.parametrize(
        "headers",
        [
            (),
            ("Refer-To: <sip:a@x>", "Refer-To: <sip:b@x>"),
            ("Refer-To: <sip:a@x>, <sip:b@x>",),
            ("Refer-To: <",),
            ("Refer-To: <sip:a@x?Replaces=1>",),
        ],
    )
    def test_malformed(self, headers: tuple[str, ...]) -> None:
        with pytest.raises(ParseError):
            ReferTo.of(request("REFER", *headers))

    @given(TAG, TAG, TAG, st.booleans())
    def test_whatIsWrittenIsRead(self, callID: str, local: str, remote: str, early: bool) -> None:
        replaces = replacesOf(DialogID(callID, local, remote), earlyOnly=early)
        header = referTo("sip:carol@x;transport=ws", "INVITE", replaces)
        found = ReferTo.of(request("REFER", f"Refer-To: {header}"))
        assert found.replaces == replaces
        # The peer finds its own dialog by it: local and remote the other way round.
        assert found.replaces is not None
        assert DialogID.ofReplaces(found.replaces) == DialogID(callID, remote, local)
        assert found.replaces.earlyOnly is early

    def test_headersThatWereThereStay(self) -> None:
        header = referTo(URI.parse("sip:carol@x?Subject=y"), None, replacesOf(DialogID("c", "l", "r")))
        assert NameAddr.parse(str(header)).uri.headers[0] == ("Subject", "y")
