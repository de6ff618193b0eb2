"""Digest authentication: RFC 2069, RFC 2617, RFC 7616, RFC 8760; and the verifier."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from sipws.digest import (
    DigestSession,
    DigestVerifier,
    Verdict,
    findAlgorithm,
    keyOf,
    requestDigest,
    responseDigest,
    sessionKey,
    userHash,
)
from sipws.message import AuthenticationInfo, Challenge, Credentials


def respond(
    algorithm: str | None,
    username: str,
    realm: str,
    password: str,
    method: str = "GET",
    body: bytes = b"",
    **parameters: str,
) -> str:
    """Compute a response from the parameters of credentials."""
    found = findAlgorithm(algorithm)
    assert found is not None
    key = keyOf(found, username, realm, password)
    key = sessionKey(found, key, parameters["nonce"], parameters.get("cnonce", ""))
    return requestDigest(found, key, method, parameters.get, body)


class TestVectors:
    """The examples of the RFCs."""

    def test_RFC2617Section3_5(self) -> None:
        response = respond(
            "MD5",
            "Mufasa",
            "testrealm@host.com",
            "Circle Of Life",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri="/dir/index.html",
            qop="auth",
            nc="00000001",
            cnonce="0a4f113b",
        )
        assert response == "6629fae49393a05397450978507c4ef1"

    def test_RFC2069Section2_4(self) -> None:
        # As corrected by erratum 749.
        response = respond(
            None,
            "Mufasa",
            "testrealm@host.com",
            "CircleOfLife",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri="/dir/index.html",
        )
        assert response == "1949323746fe6a43ef61f9606e7febea"

    @pytest.mark.parametrize(
        ("algorithm", "expected"),
        [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ],
    )
    def test_RFC7616Section3_9_1(self, algorithm: str, expected: str) -> None:
        response = respond(
            algorithm,
            "Mufasa",
            "http-auth@example.org",
            "Circle of Life",
            nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            uri="/dir/index.html",
            qop="auth",
            nc="00000001",
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
        assert response == expected

    def test_RFC7616Section3_9_2(self) -> None:
        # As corrected by erratum 4897: the RFC's own values are not of its algorithm.
        algorithm = findAlgorithm("SHA-512-256")
        assert algorithm is not None
        assert (
            userHash(algorithm, "J\u00e4s\u00f8n Doe", "api@example.org")
            == "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"
        )
        response = respond(
            "SHA-512-256",
            "J\u00e4s\u00f8n Doe",
            "api@example.org",
            "Secret, or not?",
            nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            uri="/doe.json",
            qop="auth",
            nc="00000001",
            cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
        )
        assert response == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"

    def test_RFC8760Section2_6(self) -> None:
        algorithm = findAlgorithm("SHA-256")
        assert algorithm is not None
        assert algorithm.hash(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class TestComputing:
    """What the RFCs say without an example."""

    @pytest.mark.parametrize("name", ["MD5", "SHA-256", "SHA-512-256"])
    def test_theSessionVariantsHashTheNoncesIntoTheKey(self, name: str) -> None:
        hashed = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}[name]

        def H(text: str) -> str:
            return hashlib.new(hashed, text.encode()).hexdigest()

        a1 = H(H("alice:r:pw") + ":n:c")
        expected = H(f"{a1}:n:00000002:c:auth:" + H("REGISTER:sip:example.test"))
        response = respond(
            f"{name}-sess",
            "alice",
            "r",
            "pw",
            "REGISTER",
            nonce="n",
            uri="sip:example.test",
            qop="auth",
            nc="00000002",
            cnonce="c",
        )
        assert response == expected

    def test_authIntCoversTheBody(self) -> None:
        common = {"nonce": "n", "uri": "sip:b@x", "qop": "auth-int", "nc": "00000001", "cnonce": "c"}

        def H(data: bytes) -> str:
            return hashlib.md5(data).hexdigest()

        a2 = H(b"MESSAGE:sip:b@x:" + H(b"hi").encode())
        expected = H(f"{H(b'a:r:pw')}:n:00000001:c:auth-int:{a2}".encode())
        assert respond("MD5", "a", "r", "pw", "MESSAGE", b"hi", **common) == expected
        assert respond("MD5", "a", "r", "pw", "MESSAGE", b"ho", **common) != expected

    @pytest.mark.parametrize(("qop", "a2"), [("auth", ":sip:a"), ("auth-int", ":sip:a:{}")])
    def test_theServersProofHasNoMethod(self, qop: str, a2: str) -> None:
        # RFC 7616 section 3.5: 'A2 = ":" request-uri', and 'A2 = ":" request-uri ":" H(entity-body)'.
        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        found = findAlgorithm("MD5")
        assert found is not None
        parameters = {"nonce": "n", "nc": "00000001", "cnonce": "c", "qop": qop, "uri": "sip:a"}
        expected = md5(f"key:n:00000001:c:{qop}:{md5(a2.format(md5('body')))}")
        assert responseDigest(found, "key", parameters.get, b"body") == expected

    def test_textIsHashedAsUTF8(self) -> None:
        algorithm = findAlgorithm("MD5")
        assert algorithm is not None
        octets = "dave:example.test:d\u00e4vepw\u20ac".encode()
        assert (
            keyOf(algorithm, "dave", "example.test", "d\u00e4vepw\u20ac") == hashlib.md5(octets).hexdigest()
        )

    def test_octetsThatAreNoUTF8AreHashedAsTheyWere(self) -> None:
        # As Python gives them from the environment.
        algorithm = findAlgorithm("MD5")
        assert algorithm is not None
        password = b"d\xe4ve".decode("utf-8", "surrogateescape")
        assert keyOf(algorithm, "u", "r", password) == hashlib.md5(b"u:r:d\xe4ve").hexdigest()

    @pytest.mark.parametrize("name", ["md5", "Md5-SESS", "sha-256", "SHA-512-256-sess"])
    def test_algorithmsAreFoundInAnyCase(self, name: str) -> None:
        algorithm = findAlgorithm(name)
        assert algorithm is not None
        assert algorithm.name == name
        assert algorithm.isSession == name.lower().endswith("-sess")

    @pytest.mark.parametrize("name", ["SHA-1", "AKAv1-MD5", "token", "-sess"])
    def test_othersAreNotFound(self, name: str) -> None:
        assert findAlgorithm(name) is None

    def test_MD5IsTheWeakest(self) -> None:
        strengths = {name: findAlgorithm(name) for name in (None, "MD5", "SHA-256", "SHA-512-256")}
        assert {name: found.strength for name, found in strengths.items() if found} == {
            None: 1,
            "MD5": 1,
            "SHA-256": 2,
            "SHA-512-256": 2,
        }


class Server:
    """A verifier, and a client that knows how to answer it."""

    def __init__(self, **kwargs: Any) -> None:
        self.now = 1000.0
        self.verifier = DigestVerifier("example.test", lambda: self.now, b"0123456789abcdef", **kwargs)

    def challenge(self, algorithm: str = "SHA-256") -> Challenge:
        challenges = [Challenge.parse(str(each)) for each in self.verifier.makeChallenges()]
        return next(each for each in challenges if each.algorithm == algorithm)

    def answer(
        self, challenge: Challenge, password: str = "alicepw", method: str = "REGISTER", **changed: Any
    ) -> Credentials:
        parameters: dict[str, str | None] = {
            "username": "alice",
            "realm": "example.test",
            "nonce": challenge.nonce,
            "uri": "sip:example.test",
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "c",
            "algorithm": challenge.algorithm,
            **changed,
        }
        parameters = {name: value for name, value in parameters.items() if value is not None}
        algorithm = findAlgorithm(parameters.get("algorithm"))
        if "response" not in parameters and algorithm is not None:
            key = keyOf(algorithm, parameters["username"] or "", "example.test", password)
            parameters["response"] = requestDigest(algorithm, key, method, parameters.get)
        return Credentials.parse(str(Credentials("Digest", parameters)))

    def verify(self, credentials: Credentials, password: str | None = "alicepw", **kwargs: Any) -> Verdict:
        return self.verifier.verify(credentials, kwargs.pop("method", "REGISTER"), password, **kwargs)


@pytest.fixture
def server() -> Server:
    return Server()


class TestChallenges:
    """What a verifier asks for."""

    def test_thereIsOneForEachAlgorithmTheBestOnTop(self, server: Server) -> None:
        # RFC 8760 section 2.3.
        challenges = server.verifier.makeChallenges()
        assert [challenge.algorithm for challenge in challenges] == ["SHA-256", "MD5"]

    def test_theyLookAsTheRFCWants(self, server: Server) -> None:
        # RFC 7616 section 3.3: realm, nonce and qop quoted, algorithm and stale not.
        (challenge, _) = server.verifier.makeChallenges(stale=True)
        text = str(challenge)
        assert text.startswith('Digest realm="example.test", nonce="')
        assert text.endswith('", qop="auth", algorithm=SHA-256, stale=true')

    def test_staleIsSaidOnlyWhenItIsMeant(self, server: Server) -> None:
        assert all("stale" not in challenge.parameters for challenge in server.verifier.makeChallenges())

    def test_noNonceIsMadeTwice(self, server: Server) -> None:
        nonces = {challenge.nonce for _ in range(100) for challenge in server.verifier.makeChallenges()}
        assert len(nonces) == 200

    def test_nothingIsKeptOfThem(self, server: Server) -> None:
        for _ in range(1000):
            server.verifier.makeChallenges()
        assert repr(server.verifier) == "<DigestVerifier 'example.test' 0 nonces>"

    @pytest.mark.parametrize("name", ["MD5-sess", "SHA-1"])
    def test_whatCannotBeVerifiedCannotBeOffered(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            Server(algorithms=[name])


class TestVerify:
    """What a verifier says of credentials."""

    @pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
    def test_theRightPasswordIsAccepted(self, server: Server, algorithm: str) -> None:
        assert server.verify(server.answer(server.challenge(algorithm))) is Verdict.ACCEPTED

    def test_withoutAnAlgorithmItIsMD5(self, server: Server) -> None:
        credentials = server.answer(server.challenge("MD5"), algorithm=None)
        assert server.verify(credentials) is Verdict.ACCEPTED

    def test_anUpperCaseResponseIsTheSame(self, server: Server) -> None:
        credentials = server.answer(server.challenge())
        response = (credentials.parameters["response"] or "").upper()
        assert server.verify(server.answer(server.challenge(), response=response)) is Verdict.REFUSED
        parameters = {**credentials.parameters, "response": response}
        assert server.verify(Credentials("digest", parameters)) is Verdict.ACCEPTED

    def test_theWrongPasswordIsRefused(self, server: Server) -> None:
        assert server.verify(server.answer(server.challenge(), "guess")) is Verdict.REFUSED

    def test_aUserThatDoesNotExistIsRefusedWhateverHeSays(self, server: Server) -> None:
        assert server.verify(server.answer(server.challenge(), ""), None) is Verdict.REFUSED

    @pytest.mark.parametrize(
        "changed",
        [
            {"realm": "other.test"},
            {"realm": None},
            {"nonce": None},
            {"uri": None},
            {"username": "bob"},
            {"response": ""},
            {"response": "0" * 64},
            {"response": "\u00e4" * 64},
            {"algorithm": "SHA-512-256"},
            {"algorithm": "SHA-256-sess"},
            {"algorithm": "no-such"},
            {"qop": "auth-int"},
            {"qop": "else"},
            {"nc": None},
            {"cnonce": None},
            {"nc": "00000002"},
            {"cnonce": "other"},
            {"uri": "sip:other.test"},
        ],
    )
    def test_anythingElseThatIsWrongIsRefused(self, server: Server, changed: dict[str, str | None]) -> None:
        right = server.answer(server.challenge())
        parameters = {**right.parameters, **changed}
        wrong = Credentials(
            "Digest", {name: value for name, value in parameters.items() if value is not None}
        )
        assert server.verify(wrong) is Verdict.REFUSED
        assert server.verify(right) is Verdict.ACCEPTED

    @pytest.mark.parametrize(
        "changed",
        [
            {"nonce": None},
            {"uri": None},
            {"nc": None},
            {"cnonce": None},
            {"qop": "auth-int"},
            {"qop": "else"},
            {"realm": "other.test"},
            {"algorithm": "SHA-512-256"},
        ],
    )
    def test_whatWasNotAskedForIsRefusedHoweverWellItIsComputed(
        self, server: Server, changed: dict[str, Any]
    ) -> None:
        assert server.verify(server.answer(server.challenge(), **changed)) is Verdict.REFUSED

    def test_anotherMethodIsRefused(self, server: Server) -> None:
        credentials = server.answer(server.challenge(), method="MESSAGE")
        assert server.verify(credentials) is Verdict.REFUSED
        assert server.verify(credentials, method="MESSAGE") is Verdict.ACCEPTED

    def test_anotherSchemeIsRefused(self, server: Server) -> None:
        # RFC 8760 section 2.6: "SIP clients and servers MUST NOT accept or request Basic authentication."
        assert server.verify(Credentials("Basic", token="YWxpY2U6YWxpY2Vwdw==")) is Verdict.REFUSED

    def test_aReplayIsNotAccepted(self, server: Server) -> None:
        credentials = server.answer(server.challenge())
        assert server.verify(credentials) is Verdict.ACCEPTED
        assert server.verify(credentials) is Verdict.STALE

    def test_theCountMustGoUp(self, server: Server) -> None:
        challenge = server.challenge()
        verdicts = [
            server.verify(server.answer(challenge, nc=nc))
            for nc in ("00000001", "00000002", "0000000a", "00000009", "0000000a", "0000000B")
        ]
        accepted, stale = Verdict.ACCEPTED, Verdict.STALE
        assert verdicts == [accepted, accepted, accepted, stale, stale, accepted]

    @pytest.mark.parametrize(
        "nc", ["", "1", "0000001", "000000001", "0000000g", "+0000001", "0x000001", "00000000"]
    )
    def test_aCountThatIsNoneIsNotAccepted(self, server: Server, nc: str) -> None:
        assert server.verify(server.answer(server.challenge(), nc=nc)) is Verdict.STALE

    def test_withoutQopANonceIsGoodForOnce(self, server: Server) -> None:
        # RFC 2069.
        credentials = server.answer(server.challenge(), qop=None, nc=None, cnonce=None)
        assert server.verify(credentials) is Verdict.ACCEPTED
        assert server.verify(credentials) is Verdict.STALE

    def test_aNonceIsGoodForItsLifetime(self) -> None:
        server = Server(lifetime=60)
        challenge = server.challenge()
        server.now += 60
        assert server.verify(server.answer(challenge)) is Verdict.ACCEPTED
        server.now += 0.1
        assert server.verify(server.answer(challenge, nc="00000002")) is Verdict.STALE

    def test_staleIsSaidOnlyToWhoKnowsThePassword(self) -> None:
        server = Server(lifetime=60)
        challenge = server.challenge()
        server.now += 61
        assert server.verify(server.answer(challenge, "guess")) is Verdict.REFUSED

    @pytest.mark.parametrize("nonce", ["", "x", "AAAA", "\u00e4", "A" * 44, "!" * 44])
    def test_aNonceOfSomebodyElsesIsStale(self, server: Server, nonce: str) -> None:
        credentials = server.answer(server.challenge(), nonce=nonce)
        assert server.verify(credentials) is Verdict.STALE

    def test_aNonceOfAnotherSecretIsStale(self, server: Server) -> None:
        other = DigestVerifier("example.test", lambda: 1000.0, b"fedcba9876543210")
        (challenge, _) = other.makeChallenges()
        assert server.verify(server.answer(challenge)) is Verdict.STALE

    def test_aNonceCannotBeWrittenInAnotherWay(self, server: Server) -> None:
        challenge = server.challenge()
        for nonce in (f"{challenge.nonce}====", f" {challenge.nonce}", f"{challenge.nonce}!"):
            assert server.verify(server.answer(challenge, nonce=nonce)) is Verdict.STALE


class TestMemory:
    """What a verifier remembers, and for how long."""

    def test_noncesThatAreTooOldAreForgotten(self) -> None:
        server = Server(lifetime=60)
        for _ in range(10):
            server.verify(server.answer(server.challenge()))
        assert "10 nonces" in repr(server.verifier)
        server.now += 61
        server.verify(server.answer(server.challenge()))
        assert "1 nonces" in repr(server.verifier)

    def test_thereAreNeverTooMany(self) -> None:
        server = Server(maxNonces=3)
        for _ in range(10):
            server.now += 1
            server.verify(server.answer(server.challenge()))
        assert "3 nonces" in repr(server.verifier)

    def test_whatIsForgottenCannotBeReplayed(self) -> None:
        server = Server(maxNonces=1)
        first = server.answer(server.challenge())
        assert server.verify(first) is Verdict.ACCEPTED
        server.now += 1
        assert server.verify(server.answer(server.challenge())) is Verdict.ACCEPTED
        assert server.verify(first) is Verdict.STALE

    def test_aWrongAnswerIsNotRemembered(self) -> None:
        server = Server()
        for _ in range(10):
            server.verify(server.answer(server.challenge(), "guess"))
        assert "0 nonces" in repr(server.verifier)


class TestProtection:
    """The qualities of protection that are offered (RFC 7616 section 3.3)."""

    def test_theyAreInTheChallenge(self) -> None:
        (challenge, _) = Server(qop=("auth", "auth-int")).verifier.makeChallenges()
        assert 'qop="auth,auth-int"' in str(challenge)

    @pytest.mark.parametrize("qop", [(), ("auth", "none")])
    def test_othersCannotBeOffered(self, qop: tuple[str, ...]) -> None:
        with pytest.raises(ValueError, match="cannot offer the qop"):
            Server(qop=qop)

    @pytest.mark.parametrize(("body", "verdict"), [(b"hello", Verdict.ACCEPTED), (b"hallo", Verdict.REFUSED)])
    def test_authIntCoversTheBody(self, body: bytes, verdict: Verdict) -> None:
        server = Server(qop=("auth-int",))
        session = sessionOf(server)
        credentials = session.credentials("MESSAGE", "sip:bob@example.test", b"hello")
        assert credentials.parameters["qop"] == "auth-int"
        assert server.verify(credentials, method="MESSAGE", body=body) is verdict

    def test_whatIsNotOfferedIsRefused(self) -> None:
        credentials = sessionOf(Server(qop=("auth-int",))).credentials("MESSAGE", "sip:bob@example.test", b"")
        assert Server().verify(credentials, method="MESSAGE") is Verdict.REFUSED


def sessionOf(server: Server, password: str = "alicepw", algorithm: str = "SHA-256") -> DigestSession:
    """Begin what a client keeps of a challenge."""
    found = findAlgorithm(algorithm)
    assert found is not None
    return DigestSession(found, server.challenge(algorithm), "alice", password, "cnonce")


class TestInfo:
    """What a server says of credentials that it has accepted (RFC 7616 section 3.5)."""

    @pytest.mark.parametrize("qop", ["auth", "auth-int"])
    def test_itProvesThatTheServerKnowsThePassword(self, qop: str) -> None:
        server = Server(qop=(qop,))
        session = sessionOf(server)
        credentials = session.credentials("REGISTER", "sip:example.test", b"")
        info = AuthenticationInfo.parse(str(server.verifier.makeInfo(credentials, "alicepw", b"body")))
        assert {"rspauth", "qop", "cnonce", "nc"} == set(info.parameters)
        assert session.proves(credentials, info, b"body")
        another = server.verifier.makeInfo(credentials, "anotherpw", b"body")
        assert not session.proves(credentials, another, b"body")

    def test_withAuthIntItCoversTheBodyOfTheResponse(self) -> None:
        server = Server(qop=("auth-int",))
        session = sessionOf(server)
        credentials = session.credentials("REGISTER", "sip:example.test", b"")
        assert not session.proves(credentials, server.verifier.makeInfo(credentials, "alicepw", b"a"), b"b")

    def test_whoSaysNothingProvesNothing(self, server: Server) -> None:
        session = sessionOf(server)
        credentials = session.credentials("REGISTER", "sip:example.test", b"")
        assert session.proves(credentials, AuthenticationInfo.parse('nextnonce="n"'), b"")

    def test_anotherNonceIsGivenInTimeAndIsGood(self, server: Server) -> None:
        session = sessionOf(server)
        credentials = session.credentials("REGISTER", "sip:example.test", b"")
        server.now += 151
        assert server.verify(credentials) is Verdict.ACCEPTED
        info = server.verifier.makeInfo(credentials, "alicepw")
        session.renew(info.parameters["nextnonce"] or "")
        server.now += 299
        renewed = session.credentials("REGISTER", "sip:example.test", b"")
        assert renewed.parameters["nc"] == "00000001"
        assert server.verify(renewed) is Verdict.ACCEPTED

    def test_theKeyOfASessionAlgorithmStays(self) -> None:
        # RFC 7616 section 3.4.2: it is computed "only once", with the nonce of the challenge.
        found = findAlgorithm("MD5-sess")
        assert found is not None
        challenge = Challenge.parse('Digest realm="r", nonce="n1", qop="auth", algorithm=MD5-sess')
        session = DigestSession(found, challenge, "alice", "pw", "c")
        session.renew("n2")
        parameters = session.credentials("BYE", "sip:a", b"").parameters
        key = sessionKey(found, keyOf(found, "alice", "r", "pw"), "n1", "c")
        assert parameters["nonce"] == "n2"
        assert parameters["response"] == requestDigest(found, key, "BYE", parameters.get)
