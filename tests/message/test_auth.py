from __future__ import annotations

import pytest

from sipws.errors import ParseError
from sipws.message import AuthenticationInfo, Challenge, Credentials

CHALLENGE = (
    'Digest realm="example.com", nonce="YSFE/h=", opaque="5ccc", stale=false, '
    'algorithm=SHA-256, qop="auth,auth-int"'
)
CREDENTIALS = (
    'Digest username="al\\"ice", realm="example.com", nonce="YSFE", uri="sip:example.com", '
    'response="2bb2d1d3a1a9e7c0e3a5d5f35a5dbc7e", algorithm=MD5, cnonce="p2hj", qop=auth, nc=00000001'
)


class TestChallenge:
    def test_what_it_says(self) -> None:
        challenge = Challenge.parse(CHALLENGE)
        assert challenge.scheme == "Digest"
        assert challenge.realm == "example.com"
        assert challenge.nonce == "YSFE/h="
        assert challenge.opaque == "5ccc"
        assert challenge.algorithm == "SHA-256"
        assert challenge.qop == ("auth", "auth-int")
        assert not challenge.stale

    def test_what_it_does_not_say(self) -> None:
        challenge = Challenge.parse('Digest realm="r"')
        assert challenge.nonce is challenge.opaque is challenge.algorithm is None
        assert challenge.qop == ()

    def test_round_trip(self) -> None:
        assert str(Challenge.parse(CHALLENGE)) == CHALLENGE

    def test_stale_in_any_case_or_quoted(self) -> None:
        assert Challenge.parse('Digest realm="r", STALE="True"').stale

    def test_built_from_values_it_is_quoted_where_it_must(self) -> None:
        challenge = Challenge("Digest", {"realm": "r", "qop": "auth", "algorithm": "MD5", "nonce": "n"})
        assert str(challenge) == 'Digest realm="r", qop="auth", algorithm=MD5, nonce="n"'

    def test_unquoted_where_it_must_be_quoted(self) -> None:
        assert Challenge.parse("Digest realm=r,nonce=a/b==,qop=auth").nonce == "a/b=="

    @pytest.mark.parametrize(
        ("text", "position"),
        [
            ("", 0),
            ("Digest", 6),
            ("Digest realm", 7),
            ('Digest realm="r', 7),
            ('Digest realm="r" nonce="n"', 17),
            ('Digest realm="r",', 17),
            ('Digest realm="r", realm="s"', 18),
            ('=x, realm="r"', 0),
        ],
    )
    def test_what_is_none(self, text: str, position: int) -> None:
        with pytest.raises(ParseError) as caught:
            Challenge.parse(text)
        assert caught.value.position == position


class TestCredentials:
    def test_round_trip(self) -> None:
        credentials = Credentials.parse(CREDENTIALS)
        assert credentials.parameters["username"] == 'al"ice'
        assert credentials.parameters["nc"] == "00000001"
        assert str(credentials) == CREDENTIALS
        assert Credentials.parse(str(credentials)) == credentials

    @pytest.mark.parametrize("text", ["Basic YWxpY2U6c2VjcmV0", "Bearer abc.def-ghi~/+=="])
    def test_what_has_a_token(self, text: str) -> None:
        credentials = Credentials.parse(text)
        assert credentials.token == text.split()[1]
        assert credentials.parameters == {}
        assert str(credentials) == text

    def test_repr_shows_no_secret(self) -> None:
        shown = repr(Credentials.parse(CREDENTIALS)) + repr(Credentials.parse("Basic YWxpY2U6c2VjcmV0"))
        assert "2bb2" not in shown
        assert "YWxp" not in shown
        assert "response" in shown

    @pytest.mark.parametrize("text", ["Digest response=s3cret,", 'Digest response="s3cret', "s3cret"])
    def test_an_error_shows_no_secret(self, text: str) -> None:
        with pytest.raises(ParseError) as caught:
            Credentials.parse(text)
        assert "s3cret" not in f"{caught.value} {caught.value!r} {caught.value.value}"
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_authentication_info() -> None:
    info = AuthenticationInfo.parse('qop=auth, rspauth="6629", cnonce="0a4f", nc=00000001, nextnonce="n"')
    assert info.parameters["nextnonce"] == "n"
    assert str(info) == 'qop=auth, rspauth="6629", cnonce="0a4f", nc=00000001, nextnonce="n"'
    assert "6629" not in repr(info)
