from __future__ import annotations

import random

import pytest

from sipws.message import redact
from tests.message.receiving import load

SECRET = "6629fae49393a05397450978507c4ef1"


class TestMasked:
    @pytest.mark.parametrize(
        "line",
        [
            f'Authorization: Digest username="alice", response="{SECRET}", nonce="n"',
            f'Proxy-Authorization: Digest username="alice", response="{SECRET}"',
            f"AUTHORIZATION:Digest response={SECRET}",
            f"authorization \t: digest response = {SECRET}",
            f'Authorization: Digest\r\n username="alice",\r\n\tresponse="{SECRET}"',
            f"Authorization:\r\n Digest\r\n response={SECRET}",
            f'Authorization: Digest username="alice",\n response="{SECRET}"',
            f'Authorization: Digest response="\r\n {SECRET}"',
            f'Authorization: Digest RESPONSE="{SECRET}"',
            f'Authorization: Digest cnonce="{SECRET}"',
            f'Authorization: Digest nonce="n, response="{SECRET}"',
            f'Authorization: Digest nonce="n, response={SECRET}',
            f'Authorization: Digest nonce=n response={SECRET}',
            f'Authorization: Digest nonce="n, response={SECRET}, uri="sip:a", opaque="o"',
            f'Authorization: Digest nonce="n, cnonce={SECRET}, uri="sip:a", opaque="o"',
            f'Authorization: Digest realm="a" {SECRET}',
            f'Authorization: Digest realm="a\\" , response="{SECRET}"',
            f"Authorization: Digest realm=a;response={SECRET}",
            f'Authorization: Digest unknown="{SECRET}"',
            f'Authorization: Digest "{SECRET}"',
            f"Authorization: Digest response=username={SECRET}",
            f'Authorization: Digest response="username={SECRET}"',
            f"Authorization: Basic {SECRET}",
            f"Authorization: Bearer {SECRET}",
            f"Authorization: {SECRET}",
            f"Authorization: Basic\r\n {SECRET}",
            f'Authorization: "{SECRET}"',
            f"Authorization: username={SECRET}",
            f'Authentication-Info: rspauth="{SECRET}", nextnonce="n"',
            f"Cookie: session={SECRET}",
            f"cookie:session={SECRET};\r\n other={SECRET}",
            f"Set-Cookie: session={SECRET}; Secure",
            f"Contact: <sip:alice:{SECRET}@example.com>",
            f"Refer-To: <sip:a@b?Authorization=Digest%20response%3D{SECRET}>",
            f"Proxy-Authorization: Digest response={SECRET}\rX: y",
            f"X: y\rAuthorization: Digest response={SECRET}",
        ],
    )  # fmt: skip
    def test_secrets(self, line: str) -> None:
        text = redact(f"REGISTER sip:example.com SIP/2.0\r\n{line}\r\nCSeq: 1 REGISTER\r\n\r\n")
        assert SECRET not in text
        assert "***" in text
        assert text.startswith("REGISTER sip:example.com SIP/2.0\r\n")
        assert "CSeq: 1 REGISTER\r\n\r\n" in text

    def test_the_request_URI_has_a_password(self) -> None:
        assert SECRET not in redact(f"INVITE sip:alice:{SECRET}@example.com SIP/2.0\r\n\r\n")

    def test_keys_in_SDP(self) -> None:
        body = f"v=0\r\na=ice-pwd:{SECRET}\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}|2^20\r\n"
        text = redact("SIP/2.0 200 OK\r\n\r\n" + body)
        assert SECRET not in text
        assert "a=ice-pwd:***\r\n" in text

    def test_a_message_within_a_message(self) -> None:
        """Such as the body of a message/sipfrag (RFC 3420)."""
        assert SECRET not in redact(
            f"NOTIFY sip:a SIP/2.0\r\n\r\nINVITE sip:b SIP/2.0\r\nCookie: {SECRET}\r\n"
        )

    def test_what_is_cut_off(self) -> None:
        line = f'Authorization: Digest username="alice", response="{SECRET}"'
        message = f"REGISTER sip:a SIP/2.0\r\n{line}"
        for end in range(len(message)):
            assert SECRET[:8] not in redact(message[:end])

    def test_the_corpus(self) -> None:
        octets = load("webrtc", "01_register_auth.sip")
        text = redact(octets)
        for secret in ("2bb2d1d3a1a9e7c0e3a5d5f35a5dbc7e", "p2hj0g8q3k5l"):
            assert secret.encode() in octets
            assert secret not in text


class TestKept:
    def test_who_is_asked_for_what(self) -> None:
        text = redact(load("webrtc", "01_register_auth.sip"))
        assert (
            'Authorization: Digest algorithm=MD5, username="alice", realm="example.com", '
            'nonce="YSFEuGEhQ4yJ0rVgkTqYxJ4hXW2YlPz/", uri="sip:example.com", response=***, '
            'opaque="5ccc069c403ebaf9f0171e9517f40e41", qop=auth, cnonce=***, nc=00000001\r\n'
        ) in text

    @pytest.mark.parametrize("name", ["02_401.sip", "03_200_register.sip", "05_180.sip", "10_message.sip"])
    def test_what_has_no_secrets_is_as_it_was(self, name: str) -> None:
        octets = load("webrtc", name)
        assert redact(octets) == redact(octets.decode()) == octets.decode()

    def test_what_is_not_UTF8(self) -> None:
        assert redact(b"\xff\xfeCookie: a") == "\ufffd\ufffdCookie: a"


def test_long_messages_take_no_long_time() -> None:
    source = random.Random(1)
    parts = [
        "Authorization: Digest ",
        ", ",
        '"',
        "\\",
        "\r\n ",
        "sip:a:",
        "=",
        "inline:",
        "a",
        " ",
        "response=",
    ]
    for part in parts:
        redact("Authorization: Digest " + part * (60_000 // len(part)))
    redact("".join(source.choices(parts, k=20_000)))
