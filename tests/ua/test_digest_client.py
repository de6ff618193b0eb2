"""Digest authentication as a client does it: RFC 3261 section 22, RFC 7616, RFC 8760."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from sipws.digest import findAlgorithm, keyOf, requestDigest, responseDigest, sessionKey, userHash
from sipws.message import Credentials, IncomingResponse, OutgoingRequest, parseMessage
from sipws.ua.digest import MAX_ANSWERS, MAX_REMEMBERED, DigestClient

_NUMBERS = count(1)


def request(
    method: str = "REGISTER",
    to: str = "<sip:alice@example.test>",
    callID: str | None = None,
    uri: str = "sip:example.test",
    body: bytes = b"",
) -> OutgoingRequest:
    """Build a request of ours."""
    return OutgoingRequest(
        method,
        uri,
        [
            ("Via", "SIP/2.0/WS ours.invalid;branch=z9hG4bK1"),
            ("From", "<sip:alice@example.test>;tag=1"),
            ("To", to),
            ("Call-ID", callID or f"call{next(_NUMBERS)}"),
            ("CSeq", f"1 {method}"),
        ],
        body,
    )


def challenged(*values: str, proxy: bool = False) -> IncomingResponse:
    """Build a 401 or a 407."""
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    lines = [f"{name}: {value}" for value in values]
    return response(lines, 407 if proxy else 401)


def response(lines: list[str], statusCode: int = 401) -> IncomingResponse:
    text = "\r\n".join(
        [
            f"SIP/2.0 {statusCode} No",
            "Via: SIP/2.0/WS ours.invalid;branch=z9hG4bK1",
            "From: <sip:alice@example.test>;tag=1",
            "To: <sip:alice@example.test>;tag=2",
            "Call-ID: call",
            "CSeq: 1 REGISTER",
            *lines,
            "Content-Length: 0",
            "",
            "",
        ]
    )
    message = parseMessage(text.encode())
    assert isinstance(message, IncomingResponse)
    return message


def digest(realm: str = "example.test", nonce: str = "n1", **more: str) -> str:
    """Write a challenge; further parameters as they are to stand there."""
    parameters = "".join(f", {name}={value}" for name, value in more.items())
    return f'Digest realm="{realm}", nonce="{nonce}"{parameters}'


def client(username: str = "alice", password: str = "alicepw", **kwargs: Any) -> DigestClient:
    numbers = count(1)
    return DigestClient(username, password, lambda: f"cnonce{next(numbers)}", **kwargs)


def answers(to: OutgoingRequest, header: str = "Authorization") -> list[Credentials]:
    """Read the credentials of a request."""
    return [Credentials.parse(value) for value in to.getHeaders(header)]


def answer(who: DigestClient, *values: str, to: OutgoingRequest | None = None, proxy: bool = False) -> Any:
    """Give the parameters of the one answer to challenges."""
    to = to or request()
    assert who.learn(to, challenged(*values, proxy=proxy), set())
    who.authorize(to)
    (credentials,) = answers(to, "Proxy-Authorization" if proxy else "Authorization")
    return credentials.parameters


def expected(parameters: Any, password: str = "alicepw", method: str = "REGISTER", body: bytes = b"") -> str:
    """Compute the response that a server expects to these parameters."""
    algorithm = findAlgorithm(parameters.get("algorithm"))
    assert algorithm is not None
    key = keyOf(algorithm, parameters["username"], parameters["realm"], password)
    key = sessionKey(algorithm, key, parameters["nonce"], parameters.get("cnonce", ""))
    return requestDigest(algorithm, key, method, parameters.get, body)


class TestAnswer:
    """One challenge, one answer."""

    def test_itHasWhatTheServerNeeds(self) -> None:
        parameters = answer(client(), digest(qop='"auth"', algorithm="SHA-256", opaque='"o p"'))
        assert dict(parameters) == {
            "username": "alice",
            "realm": "example.test",
            "nonce": "n1",
            "uri": "sip:example.test",
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "cnonce1",
            "response": expected(parameters),
            "algorithm": "SHA-256",
            "opaque": "o p",
        }

    def test_itIsWrittenAsTheRFCWants(self) -> None:
        # RFC 7616 section 3.4: algorithm, qop and nc without quotation marks, all else with.
        who, to = client(), request()
        who.learn(to, challenged(digest(qop='"auth"', algorithm='"MD5"', opaque='"o"')), set())
        who.authorize(to)
        (text,) = to.getHeaders("Authorization")
        assert text.startswith(
            'Digest username="alice", realm="example.test", nonce="n1", uri="sip:example.test", '
            'qop=auth, nc=00000001, cnonce="cnonce1", response="'
        )
        assert text.endswith('", algorithm=MD5, opaque="o"')

    def test_withoutQopItIsThatOfRFC2069(self) -> None:
        parameters = answer(client(), digest())
        assert set(parameters) == {"username", "realm", "nonce", "uri", "response"}
        assert parameters["response"] == expected(parameters)

    @pytest.mark.parametrize("algorithm", ["MD5", "md5", "SHA-256", "SHA-512-256"])
    @pytest.mark.parametrize("session", ["", "-sess"])
    def test_eachAlgorithm(self, algorithm: str, session: str) -> None:
        parameters = answer(client(), digest(qop='"auth"', algorithm=algorithm + session))
        assert parameters["algorithm"] == algorithm + session
        assert parameters["response"] == expected(parameters)

    def test_aSessionAlgorithmWithoutQopIsAnsweredWithAuth(self) -> None:
        # RFC 8760 section 2.6: "the default value is "auth"".
        parameters = answer(client(), digest(algorithm="MD5-sess"))
        assert parameters["qop"] == "auth"
        assert parameters["response"] == expected(parameters)

    @pytest.mark.parametrize("qop", ['"auth"', '"auth,auth-int"', '"auth-int, auth"', '"else, AUTH"', "auth"])
    def test_authIsTakenWhereItIsOffered(self, qop: str) -> None:
        assert answer(client(), digest(qop=qop))["qop"] == "auth"

    def test_authIntIsTakenWhereItIsAlone(self) -> None:
        to = request("MESSAGE", body=b"hello")
        parameters = answer(client(), digest(qop='"auth-int"'), to=to)
        assert parameters["qop"] == "auth-int"
        assert parameters["response"] == expected(parameters, method="MESSAGE", body=b"hello")

    def test_anEmptyQopIsNone(self) -> None:
        assert "qop" not in answer(client(), digest(qop='""'))

    def test_aUserHashIsGivenWhereItIsAskedFor(self) -> None:
        # RFC 7616 section 3.4.4.
        parameters = answer(client(), digest(qop='"auth"', algorithm="SHA-256", userhash="true"))
        algorithm = findAlgorithm("SHA-256")
        assert algorithm is not None
        assert parameters["username"] == userHash(algorithm, "alice", "example.test")
        assert parameters["userhash"] == "true"
        assert parameters["response"] == expected({**parameters, "username": "alice"})

    @pytest.mark.parametrize(
        ("username", "password"),
        [
            ("dave", "d\u00e4vepw\u20ac"),
            ("o'neil", 'pw with space " q'),
            ("J\u00e4s\u00f8n Doe", "Secret, or not?"),
            ('quo"te', "back\\slash"),
            ("back\\slash", ""),
        ],
    )
    def test_strangeNamesAndPasswords(self, username: str, password: str) -> None:
        realm, nonce = 'a \\"realm\\" of \\\\ours', 'n\\"1\\\\'
        parameters = answer(client(username, password), digest(realm, nonce, qop='"auth"'))
        # What is hashed is the value without its quotation marks and its backslashes.
        assert parameters["username"] == username
        assert parameters["realm"] == 'a "realm" of \\ours'
        assert parameters["nonce"] == 'n"1\\'
        assert parameters["response"] == expected(parameters, password)

    def test_theURIIsTheRequestURI(self) -> None:
        to = request("MESSAGE", uri="sip:bob@example.test;transport=ws")
        assert answer(client(), digest(), to=to)["uri"] == "sip:bob@example.test;transport=ws"

    def test_aProxyIsAnsweredInItsOwnHeader(self) -> None:
        to = request("MESSAGE")
        parameters = answer(client(), digest(qop='"auth"'), to=to, proxy=True)
        assert parameters["response"] == expected(parameters, method="MESSAGE")
        assert answers(to, "Authorization") == []

    def test_noSecretIsShown(self) -> None:
        who, to = client(password="hunter2"), request()
        who.learn(to, challenged(digest(qop='"auth"')), set())
        who.authorize(to)
        (credentials,) = answers(to)
        shown = repr(who) + repr(credentials) + repr(to)
        assert "alice" in shown
        assert "hunter2" not in shown
        assert (credentials.parameters["response"] or "") not in shown


class TestChoice:
    """Several challenges."""

    @pytest.mark.parametrize(
        ("offered", "taken"),
        [
            (["MD5", "SHA-256"], "SHA-256"),
            (["SHA-256", "MD5"], "SHA-256"),
            (["MD5", "SHA-512-256"], "SHA-512-256"),
            (["SHA-512-256", "SHA-256"], "SHA-512-256"),
            (["SHA-256", "SHA-512-256"], "SHA-256"),
            (["SHA-999", "MD5"], "MD5"),
            (["MD5", "SHA-256-sess"], "SHA-256-sess"),
        ],
    )
    def test_theStrongestIsTakenAndOfEqualsTheTopmost(self, offered: list[str], taken: str) -> None:
        # RFC 8760 section 2.4.
        values = [digest(nonce=f"n-{name}", qop='"auth"', algorithm=name) for name in offered]
        parameters = answer(client(), *values)
        assert (parameters["algorithm"], parameters["nonce"]) == (taken, f"n-{taken}")

    def test_ofEqualAlgorithmsThatWithQopIsStronger(self) -> None:
        parameters = answer(client(), digest(nonce="without"), digest(nonce="with", qop='"auth"'))
        assert parameters["nonce"] == "with"

    def test_eachRealmIsAnswered(self) -> None:
        who, to = client(), request("MESSAGE")
        lines = [
            "WWW-Authenticate: " + digest("one", "w1"),
            "Proxy-Authenticate: " + digest("two", "p2"),
            "Proxy-Authenticate: " + digest("three", "p3", algorithm="MD5"),
            "Proxy-Authenticate: " + digest("three", "p4", algorithm="SHA-256"),
        ]
        assert who.learn(to, response(lines, 407), set())
        who.authorize(to)
        given = [
            (header, each.parameters["realm"], each.parameters["nonce"])
            for header in ("Authorization", "Proxy-Authorization")
            for each in answers(to, header)
        ]
        assert given == [
            ("Authorization", "one", "w1"),
            ("Proxy-Authorization", "two", "p2"),
            ("Proxy-Authorization", "three", "p4"),
        ]

    @pytest.mark.parametrize(
        "value",
        [
            'Basic realm="example.test"',
            'Bearer authz_server="https://x"',
            digest(algorithm="AKAv1-MD5"),
            digest(qop='"something-else"'),
            'Digest nonce="n1"',
            'Digest realm="example.test"',
            'Digest realm="example.test", nonce=""',
            "Digest",
            'Digest realm="unterminated',
            "",
        ],
    )
    def test_whatIsNotUnderstoodIsIgnored(self, value: str) -> None:
        # RFC 8760 section 2.4: "The client MUST ignore any challenge it does not understand."
        who = client()
        assert who.learn(request(), challenged(value), set()) is False
        assert answer(who, value, digest(nonce="good"))["nonce"] == "good"

    def test_withoutAnyChallengeThereIsNothingToAnswer(self) -> None:
        who, to = client(), request()
        assert who.learn(to, response([]), set()) is False
        who.authorize(to)
        assert answers(to) == []


class TestOnce:
    """How often a request is answered."""

    def test_aSecondChallengeMeansThatThePasswordIsWrong(self) -> None:
        who, to, answered = client(), request(), set[str]()
        assert who.learn(to, challenged(digest(nonce="n1")), answered)
        assert not who.learn(to, challenged(digest(nonce="n2")), answered)
        # And it is not tried on the next request at once.
        after = request()
        who.authorize(after)
        assert answers(after) == []

    def test_aStaleNonceIsReplacedOnce(self) -> None:
        who, to, answered = client(), request(), set[str]()
        assert who.learn(to, challenged(digest(nonce="n1")), answered)
        assert who.learn(to, challenged(digest(nonce="n2", stale="true")), answered)
        who.authorize(to)
        assert answers(to)[0].parameters["nonce"] == "n2"
        assert not who.learn(to, challenged(digest(nonce="n3", stale="TRUE")), answered)

    def test_aStaleNonceMustBeANewOne(self) -> None:
        who, to, answered = client(), request(), set[str]()
        assert who.learn(to, challenged(digest(nonce="n1")), answered)
        assert not who.learn(to, challenged(digest(nonce="n1", stale="true")), answered)

    @pytest.mark.parametrize("stale", ["false", '"false"', "yes"])
    def test_onlyTrueIsStale(self, stale: str) -> None:
        who, to, answered = client(), request(), set[str]()
        assert who.learn(to, challenged(digest(nonce="n1")), answered)
        assert not who.learn(to, challenged(digest(nonce="n2", stale=stale)), answered)

    def test_eachProxyOnTheWayMayAsk(self) -> None:
        who, to, answered = client(), request("MESSAGE"), set[str]()
        assert who.learn(to, challenged(digest("proxy1"), proxy=True), answered)
        assert who.learn(to, challenged(digest("proxy2"), proxy=True), answered)
        assert who.learn(to, challenged(digest("proxy1")), answered)
        who.authorize(to)
        realms = [each.parameters["realm"] for each in answers(to, "Proxy-Authorization")]
        assert realms == ["proxy1", "proxy2"]
        assert len(answers(to)) == 1

    def test_whoAsksForEverMoreComesToAnEnd(self) -> None:
        who, to, answered = client(), request("MESSAGE"), set[str]()
        learned = [who.learn(to, challenged(digest(f"realm{n}"), proxy=True), answered) for n in range(100)]
        assert learned.count(True) == MAX_ANSWERS

    def test_credentialsThatWereRememberedAreNoAnswerYet(self) -> None:
        # Their nonce may be too old, whether the server says so or not.
        who = client()
        answer(who, digest(nonce="n1", qop='"auth"'))
        to, answered = request(), set[str]()
        who.authorize(to)
        assert answers(to)[0].parameters["nonce"] == "n1"
        assert who.learn(to, challenged(digest(nonce="n2", qop='"auth"')), answered)
        who.authorize(to)
        (credentials,) = answers(to)
        assert credentials.parameters["nonce"] == "n2"


class TestMemory:
    """To whom credentials are shown before they ask."""

    def test_theCountGoesUpWithEachUseOfANonce(self) -> None:
        who = client()
        used = [answer(who, digest(qop='"auth"', algorithm="SHA-256-sess"))]
        for _ in range(2):
            to = request()
            who.authorize(to)
            (credentials,) = answers(to)
            used.append(credentials.parameters)
        assert [each["nc"] for each in used] == ["00000001", "00000002", "00000003"]
        assert {each["cnonce"] for each in used} == {"cnonce1"}
        for each in used:
            assert each["response"] == expected(each)

    def test_aNewNonceIsCountedFromOneWithANewCnonce(self) -> None:
        who = client()
        answer(who, digest(nonce="n1", qop='"auth"'))
        parameters = answer(who, digest(nonce="n2", qop='"auth"'))
        assert (parameters["nc"], parameters["cnonce"]) == ("00000001", "cnonce2")

    @pytest.mark.parametrize("algorithm", ["MD5", "SHA-256-sess"])
    def test_aNonceIsCountedOnWhereverItIsAskedForAgain(self, algorithm: str) -> None:
        """RFC 7616 section 3.4: "if the same nc value is seen twice, then the request is a replay"."""
        who, asked = client(), digest(qop='"auth"', algorithm=algorithm)
        first = answer(who, asked)
        toBob = request("MESSAGE", "<sip:bob@example.test>")
        second = answer(who, asked, to=toBob)
        again = request("MESSAGE", "<sip:bob@example.test>")
        who.authorize(again)
        third = answers(again)[0].parameters
        fourth = answer(who, asked)
        assert [each["nc"] for each in (first, second, third, fourth)] == [f"{n:08x}" for n in range(1, 5)]
        for parameters, method in ((first, "REGISTER"), (second, "MESSAGE"), (third, "MESSAGE")):
            assert parameters["response"] == expected(parameters, method=method)

    def test_butNotWithAnotherOpaque(self) -> None:
        who = client()
        answer(who, digest(qop='"auth"', opaque='"a"'))
        parameters = answer(who, digest(qop='"auth"', opaque='"b"'))
        assert parameters["opaque"] == "b"

    def test_aServersAreForTheSameToOnly(self) -> None:
        # RFC 3261 section 22.2: "for a given value of the To header field and "realm"".
        who = client()
        answer(who, digest())
        same = request("REGISTER", to="<sip:alice@example.test>;tag=later")
        other = request("MESSAGE", to="<sip:bob@example.test>")
        for to in (same, other):
            who.authorize(to)
        assert len(answers(same)) == 1
        assert answers(other) == []

    def test_aProxysAreForTheSameCallIDOnly(self) -> None:
        # RFC 3261 section 22.3: "all subsequent requests that contain the same Call-ID".
        who = client(ownRealm="example.test")
        answer(who, digest("elsewhere.test"), to=request("MESSAGE", callID="one"), proxy=True)
        same, other = request("BYE", callID="one"), request("MESSAGE", callID="two")
        for to in (same, other):
            who.authorize(to)
        assert len(answers(same, "Proxy-Authorization")) == 1
        assert answers(other, "Proxy-Authorization") == []

    def test_ourOwnProxysAreForAll(self) -> None:
        who = client(ownRealm="example.test")
        answer(who, digest("example.test"), to=request("MESSAGE"), proxy=True)
        to = request("MESSAGE", to="<sip:bob@example.test>")
        who.authorize(to)
        assert len(answers(to, "Proxy-Authorization")) == 1

    def test_aServerInOurOwnRealmIsNoProxy(self) -> None:
        who = client(ownRealm="example.test")
        answer(who, digest("example.test"))
        to = request("MESSAGE", to="<sip:bob@example.test>")
        who.authorize(to)
        assert answers(to) == answers(to, "Proxy-Authorization") == []

    def test_newCredentialsTakeThePlaceOfTheOld(self) -> None:
        who, to, answered = client(), request(), set[str]()
        for nonce, stale in (("n1", "false"), ("n2", "true")):
            assert who.learn(to, challenged(digest(nonce=nonce, stale=stale)), answered)
            who.authorize(to)
        assert [each.parameters["nonce"] for each in answers(to)] == ["n2"]

    def test_credentialsOfTheCallersOwnStay(self) -> None:
        who, to = client(), request()
        to.addHeader("Authorization", "Bearer abc")
        who.authorize(to)
        assert to.getHeaders("Authorization") == ["Bearer abc"]

    def test_itIsBounded(self) -> None:
        who = client()
        answer(who, digest())
        for number in range(3 * MAX_REMEMBERED):
            answer(who, digest("else"), to=request("MESSAGE", callID=f"c{number}"), proxy=True)
            # What is used stays.
            who.authorize(request())
        assert len(who._sessions or ()) == MAX_REMEMBERED
        to = request()
        who.authorize(to)
        assert len(answers(to)) == 1


def accepted(*lines: str) -> IncomingResponse:
    return response(list(lines), 200)


def proof(credentials: Credentials, password: str = "alicepw", body: bytes = b"") -> str:
    """Write the proof of a server, or a proxy, that it knows a password."""
    algorithm = findAlgorithm(credentials.parameters.get("algorithm"))
    assert algorithm is not None
    key = keyOf(algorithm, "alice", credentials.parameters["realm"] or "", password)
    said = responseDigest(algorithm, key, credentials.parameters.get, body)
    return f'rspauth="{said}", cnonce="{credentials.parameters["cnonce"]}", nc=00000001, qop=auth'


class TestInfo:
    """What is said of credentials that were accepted (RFC 7616 section 3.5, RFC 7615)."""

    def challenged(self, who: DigestClient, *realms: str, proxy: bool = False) -> OutgoingRequest:
        to = request("MESSAGE", callID="one")
        values = [digest(realm, f"n-{realm}", qop='"auth"') for realm in realms]
        assert who.learn(to, challenged(*values, proxy=proxy), set())
        who.authorize(to)
        return to

    def later(self, who: DigestClient, header: str) -> list[Credentials]:
        to = request("MESSAGE", callID="one")
        who.authorize(to)
        return answers(to, header)

    @pytest.mark.parametrize(
        ("info", "answer"),
        [
            ("Authentication-Info", "Authorization"),
            ("Proxy-Authentication-Info", "Proxy-Authorization"),
        ],
    )
    def test_theNextNonceIsTaken(self, info: str, answer: str) -> None:
        who = client()
        to = self.challenged(who, "example.test", proxy=answer.startswith("Proxy"))
        (shown,) = answers(to, answer)
        who.confirm(to, accepted(f'{info}: nextnonce="n2", {proof(shown)}'))
        (credentials,) = self.later(who, answer)
        assert (credentials.parameters["nonce"], credentials.parameters["nc"]) == ("n2", "00000001")
        assert credentials.parameters["response"] == expected(credentials.parameters, method="MESSAGE")

    def test_withoutAProofToo(self) -> None:
        who = client()
        who.confirm(self.challenged(who, "example.test"), accepted('Authentication-Info: nextnonce="n2"'))
        assert self.later(who, "Authorization")[0].parameters["nonce"] == "n2"

    def test_theSameNonceIsCountedOn(self) -> None:
        who = client()
        to = self.challenged(who, "example.test")
        who.confirm(to, accepted('Authentication-Info: nextnonce="n-example.test"'))
        assert self.later(who, "Authorization")[0].parameters["nc"] == "00000002"

    def test_whoDoesNotKnowThePasswordIsShownNothingMore(self) -> None:
        who = client()
        to = self.challenged(who, "example.test")
        wrong = proof(answers(to)[0], "anotherpw")
        who.confirm(to, accepted(f'Authentication-Info: nextnonce="n2", {wrong}'))
        assert self.later(who, "Authorization") == []

    def test_ofSeveralProxiesEachIsToldByItsCnonce(self) -> None:
        who = client()
        to = self.challenged(who, "one", "two", proxy=True)
        first, second = answers(to, "Proxy-Authorization")
        who.confirm(
            to,
            accepted(
                f'Proxy-Authentication-Info: nextnonce="m-two", {proof(second)}',
                f'Proxy-Authentication-Info: nextnonce="m-one", {proof(first)}',
            ),
        )
        nonces = [each.parameters["nonce"] for each in self.later(who, "Proxy-Authorization")]
        assert nonces == ["m-one", "m-two"]

    @pytest.mark.parametrize("value", ["", "?", "nextnonce", 'nextnonce=""', 'cnonce="else", nextnonce="n2"'])
    def test_whatMakesNoSenseChangesNothing(self, value: str) -> None:
        who = client()
        who.confirm(self.challenged(who, "example.test"), accepted(f"Authentication-Info: {value}"))
        assert self.later(who, "Authorization")[0].parameters["nonce"] == "n-example.test"

    def test_whoWasShownNothingSaysNothing(self) -> None:
        who, to = client(), request("MESSAGE", callID="one")
        self.challenged(who, "example.test")
        to.addHeader("Authorization", "?")
        who.confirm(to, accepted('Authentication-Info: nextnonce="n2"'))
        assert self.later(who, "Authorization")[0].parameters["nonce"] == "n-example.test"
