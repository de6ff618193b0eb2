"""The HTTP upgrade: what goes with it, challenges, redirects and cookies."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sipws.digest import DigestVerifier, Verdict
from sipws.errors import ConfigurationError, ConnectionFailed, HandshakeRefused
from sipws.message import Credentials
from sipws.transport import Upgrade
from sipws.transport.authorization import MAX_ANSWERS
from sipws.transport.http import MAX_HEAD
from sipws.transport.location import Location
from sipws.transport.redirects import redirectTarget
from tests.transport.gateway import Answer, Gated, Request, accept, answer, gated

PASSWORD = "hunter2 ä:"
TOKEN = "mF_9.B5f-4.1JqM"
ALICE = Upgrade(user="alice", password=PASSWORD)
BASIC = "Basic " + base64.b64encode(f"alice:{PASSWORD}".encode()).decode()


# What goes with it.


def test_headersAndCookiesGoWithIt() -> None:
    scene = gated(Upgrade(headers={"X-Tenant": "blau", "Origin": "https://a"}, cookies={"a": "1", "b": "2"}))
    assert scene.transport.connected
    [request] = scene.requests
    assert request.headers["x-tenant"] == "blau"
    assert request.headers["origin"] == "https://a"
    assert request.headers["cookie"] == "a=1; b=2"
    assert "authorization" not in request.headers
    assert request.headers["user-agent"].startswith("sipws/")
    scene.end()


def test_anotherUserAgentStandsInPlaceOfOurs() -> None:
    [request] = gated(Upgrade(headers={"user-AGENT": "Mine/1"})).requests
    assert request.headers["user-agent"] == "Mine/1"


def test_withoutAnyItIsAsItWas() -> None:
    plain = gated(None)
    same = gated(Upgrade())
    assert set(plain.requests[0].headers) == set(same.requests[0].headers)
    assert plain.transport._factory.upgrading is None
    assert not {"cookie", "authorization"} & set(plain.requests[0].headers)


@pytest.mark.parametrize(
    ("upgrade", "said"),
    [
        (Upgrade(user="alice", password=PASSWORD, basic=True), BASIC),
        (Upgrade(token=TOKEN), f"Bearer {TOKEN}"),
    ],
)
def test_whatIsToBeSentAtOnceIs(upgrade: Upgrade, said: str) -> None:
    scene = gated(upgrade)
    assert [request.headers["authorization"] for request in scene.requests] == [said]
    assert scene.counters.challenges == 0
    scene.end()


# Challenges.


class Guard:
    """A server that asks for credentials by Digest."""

    def __init__(self, *algorithms: str) -> None:
        self.now = 1000.0
        self.verifier = DigestVerifier(
            "a realm",
            lambda: self.now,
            b"0123456789abcdef",
            algorithms=algorithms or ("SHA-256", "MD5"),
        )
        self.verdicts: list[Verdict] = []

    def __call__(self, request: Request) -> bytes:
        value = request.headers.get("authorization")
        verdict = Verdict.REFUSED
        if value is not None:
            credentials = Credentials.parse(value)
            assert credentials.parameters["uri"] == request.resource
            verdict = self.verifier.verify(credentials, "GET", PASSWORD)
            self.verdicts.append(verdict)
        if verdict is Verdict.ACCEPTED:
            return accept(request)
        challenges = self.verifier.makeChallenges(stale=verdict is Verdict.STALE)
        return answer(401, *(f"WWW-Authenticate: {challenge}" for challenge in challenges))


@pytest.mark.parametrize(
    ("algorithms", "used"),
    [(["MD5"], "MD5"), (["SHA-256"], "SHA-256"), (["MD5", "SHA-256"], "SHA-256")],
)
def test_aDigestChallengeIsAnsweredWithinTheAttempt(algorithms: list[str], used: str) -> None:
    guard = Guard(*algorithms)
    scene = gated(ALICE, guard, guard, uri="ws://sip.example.com/a/b?c=d")
    assert scene.transport.connected
    first, second = scene.requests
    assert "authorization" not in first.headers
    assert guard.verdicts == [Verdict.ACCEPTED]
    said = Credentials.parse(second.headers["authorization"]).parameters
    assert (said["algorithm"], said["qop"], said["nc"]) == (used, "auth", "00000001")
    # A connection of its own, and no retry: nobody has heard of a failure.
    assert (first.serial, second.serial) == (0, 1)
    assert scene.gateway.connections[0].lost
    assert scene.counters.challenges == 1
    assert (scene.counters.attempts, scene.counters.refusals) == (1, 0)
    assert scene.told("onTransportConnecting") == [("onTransportConnecting", 1, True)]
    assert scene.warnings() == []
    scene.end()


def test_theNextUpgradeNeedsNoChallenge() -> None:
    guard = Guard()
    scene = gated(ALICE, guard, guard, guard)
    scene.network._wires[-1].drop()
    scene.network.advance(4)
    assert scene.transport.connected
    assert len(scene.requests) == 3
    assert Credentials.parse(scene.requests[2].headers["authorization"]).parameters["nc"] == "00000002"
    scene.end()


def test_aNonceThatIsTooOldIsReplaced() -> None:
    guard = Guard()
    scene = gated(ALICE, guard, guard, guard, guard)
    guard.now += 10_000
    scene.network._wires[-1].drop()
    scene.network.advance(4)
    assert scene.transport.connected
    assert guard.verdicts == [Verdict.ACCEPTED, Verdict.STALE, Verdict.ACCEPTED]
    assert scene.counters.attempts == 2
    scene.end()


def test_aNonceThatIsStaleAtOnceIsReplacedOnce() -> None:
    stale = [
        answer(401, f'WWW-Authenticate: Digest realm="r", nonce="{each}", qop="auth", stale=true')
        for each in range(9)
    ]
    scene = gated(ALICE, *stale)
    assert len(scene.requests) == 3
    assert "does not take httpUser and httpPassword" in str(scene.refusal())


def test_aNonceThatIsStaleAndTheSameIsNotReplaced() -> None:
    stale = answer(401, 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", stale=true')
    scene = gated(ALICE, *[stale] * 9)
    assert len(scene.requests) == 2
    assert "does not take httpUser and httpPassword" in str(scene.refusal())


def test_aServerThatAsksInAnotherWayThanBeforeIsAnsweredInIt() -> None:
    guard = Guard()
    scene = gated(ALICE, guard, guard, BY_BASIC, uri="wss://sip.example.com")
    scene.network._wires[-1].drop()
    scene.network.advance(4)
    assert scene.transport.connected
    said = [request.headers.get("authorization", "")[:6] for request in scene.requests]
    assert said == ["", "Digest", "Digest", "Basic "]
    scene.end()


def test_aWrongPasswordIsNotTriedTwice() -> None:
    guard = Guard()
    scene = gated(Upgrade(user="alice", password="wrong"), *[guard] * 4)
    assert len(scene.requests) == 2
    error = scene.refusal()
    assert isinstance(error, HandshakeRefused)
    assert error.status == 401
    assert "401 Whatever" in str(error)
    assert "does not take httpUser and httpPassword" in str(error)
    # And it is tried again as any other failure is: with the gap, and from the start.
    scene.network.advance(4)
    assert scene.counters.attempts == 2
    assert ["authorization" in request.headers for request in scene.requests] == [False, True] * 2
    scene.end()


def test_aServerThatAsksForEverAnotherRealmComesToAnEnd() -> None:
    many = [answer(401, f'WWW-Authenticate: Digest realm="{each}", nonce="n"') for each in range(50)]
    scene = gated(ALICE, *many)
    assert len(scene.requests) == MAX_ANSWERS + 1
    assert "too often" in str(scene.refusal())
    scene.network.advance(4)
    assert len(scene.requests) == 2 * (MAX_ANSWERS + 1)
    scene.end()


def test_theStrongestOfSeveralChallengesIsAnswered() -> None:
    value = (
        'Negotiate, Basic realm="a, b", Digest realm="x, y", nonce="n1", algorithm=MD5, qop="auth,auth-int",'
        'Digest realm="x, y" , nonce="n2",algorithm=SHA-256, qop="auth", opaque="o\\"p", Mystery a=b'
    )
    scene = gated(ALICE, answer(401, f"WWW-Authenticate: {value}"))
    said = Credentials.parse(scene.requests[1].headers["authorization"]).parameters
    assert (said["realm"], said["nonce"], said["opaque"]) == ("x, y", "n2", 'o"p')
    scene.end()


BY_BASIC = answer(401, 'WWW-Authenticate: Basic realm="x", charset="UTF-8"')


@pytest.mark.parametrize("uri", ["wss://sip.example.com", "unix:/run/sip.socket"])
def test_whereNobodyCanListenBasicIsAnswered(uri: str) -> None:
    scene = gated(ALICE, BY_BASIC, uri=uri)
    assert scene.transport.connected
    assert "authorization" not in scene.requests[0].headers
    assert scene.requests[1].headers["authorization"] == BASIC
    assert scene.counters.challenges == 1
    scene.network._wires[-1].drop()
    scene.network.advance(4)
    assert scene.requests[2].headers["authorization"] == BASIC
    scene.end()


def test_inTheClearBasicIsNotAnswered() -> None:
    scene = gated(ALICE, BY_BASIC)
    error = scene.refusal()
    assert "httpBasic" in str(error)
    assert error.status == 401
    [request] = scene.requests
    assert "authorization" not in request.headers
    scene.end()


def test_digestIsAnsweredWhereBasicWasNotEnough() -> None:
    guard = Guard()
    scene = gated(Upgrade(user="alice", password=PASSWORD, basic=True), lambda r: BY_DIGEST(guard), guard)
    assert scene.transport.connected
    assert scene.requests[0].headers["authorization"] == BASIC
    assert guard.verdicts == [Verdict.ACCEPTED]
    scene.end()


def BY_DIGEST(guard: Guard) -> bytes:
    return answer(401, f"WWW-Authenticate: {guard.verifier.makeChallenges()[0]}")


@pytest.mark.parametrize(
    ("upgrade", "asked", "said"),
    [
        (None, 'Basic realm="x"', "none are configured (httpUser and httpPassword)"),
        (None, 'Digest realm="x", nonce="n"', "(httpUser and httpPassword)"),
        (Upgrade(maxRedirects=1), 'Bearer realm="x"', "(httpToken)"),
        (None, "Negotiate", "in no way that is known here"),
        (None, None, "does not say what credentials"),
        (Upgrade(token=TOKEN), 'Bearer realm="x", error="invalid_token"', "does not take httpToken"),
        (ALICE, 'Digest realm="x", nonce="n", algorithm=WHIRLPOOL', "in no way that is known here"),
        (ALICE, 'Digest realm="x", nonce="n", qop="auth-conf"', "in no way that is known here"),
        (ALICE, 'Digest nonce="n"', "in no way that is known here"),
        (ALICE, "Digest", "in no way that is known here"),
        (ALICE, "\x7f, = ,,,", "does not say what credentials"),
        (ALICE, 'Digest realm="x', "does not say what credentials"),
        (ALICE, 'Digest realm="a\nX-Evil: 1", nonce="n"', "does not say what credentials"),
        (ALICE, 'Digest realm="a\rX-Evil: 1", nonce="n"', "does not say what credentials"),
        (
            Upgrade(user="alice", password=PASSWORD, basic=True),
            'Basic realm="x"',
            "does not take httpUser and httpPassword",
        ),
    ],
)
def test_aChallengeThatCannotBeAnsweredSaysWhy(upgrade: Upgrade | None, asked: str | None, said: str) -> None:
    scene = gated(upgrade, answer(401, *([] if asked is None else [f"WWW-Authenticate: {asked}"])))
    error = scene.refusal()
    assert isinstance(error, HandshakeRefused)
    assert error.status == 401
    assert said in str(error)
    assert PASSWORD not in str(error)
    assert TOKEN not in str(error)
    scene.end()


def test_allRequestsOfAnAttemptShareItsTime() -> None:
    scene = Gated("ws://sip.example.com", ALICE, None)
    scene.network.advance(3)
    guard = Guard()
    scene.gateway.answers[:] = [None]
    scene.gateway.connections[0].transport.write(BY_DIGEST(guard))
    scene.network.advance(0)
    assert len(scene.requests) == 2
    scene.network.advance(1.9)
    assert scene.transport.lastTransportError is None
    scene.network.advance(0.1)
    error = scene.refusal()
    assert isinstance(error, ConnectionFailed)
    assert "within 5 seconds" in str(error)


@pytest.mark.parametrize("answers", [[None], [BY_BASIC, None]])
def test_disconnectBetweenTwoRequestsStopsForGood(answers: list[Any]) -> None:
    scene = gated(ALICE, *answers, uri="wss://sip.example.com")
    scene.end()
    scene.network.advance(100)
    assert len(scene.requests) == len(answers)


def test_connectingAnewBeginsAnew() -> None:
    """Whatever was under way in an attempt that its user ended is no part of the next."""
    scene = gated(Upgrade(maxRedirects=1), answer(302, "Location: /there"), None)
    scene.transport.disconnect()
    scene.gateway.answers[:] = [answer(302, "Location: /there")]
    assert scene.transport.connect()
    scene.network.advance(0)
    assert scene.transport.connected
    assert [request.resource for request in scene.requests] == ["/sip", "/there", "/sip", "/there"]
    scene.end()


def test_whatAnAnswerWouldHaveLedToEndsWithItsAttempt() -> None:
    scene = gated(Upgrade(maxRedirects=1), None)
    scene.transport._factory._socket.dataReceived(answer(302, "Location: /there"))
    scene.transport.disconnect()
    scene.gateway.answers[:] = [None]
    assert scene.transport.connect()
    scene.network.pump()
    scene.network._wires[-1].drop()
    assert [request.resource for request in scene.requests] == ["/sip", "/sip"]
    assert "before the WebSocket was open" in str(scene.transport.lastTransportError)
    scene.end()


def test_timingsAreThoseOfTheLastConnection() -> None:
    scene = gated(Upgrade(maxRedirects=1), None)
    scene.network.advance(3)
    scene.gateway.connections[0].transport.write(answer(302, "Location: /there"))
    scene.network.advance(0)
    assert scene.transport.connected
    timings = scene.transport.timings
    assert timings.resolve == timings.tcp == timings.upgrade == 0
    scene.end()


# Redirects.

FULL = Upgrade(
    headers={"X-Key": "secret-header"},
    cookies={"session": "secret-cookie"},
    token=TOKEN,
    maxRedirects=3,
)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "resource"),
    [
        ("/there?a=b", "/there?a=b"),
        ("there", "/deep/there"),
        ("../up", "/up"),
        ("?q", "/deep/sip?q"),
        ("//sip.example.com/x#fragment", "/x"),
        ("http://SIP.example.com:80", "/"),
        ("ws://sip.example.com/x", "/x"),
    ],
)
def test_aRedirectToTheSameOriginKeepsWhatGoesWithIt(status: int, location: str, resource: str) -> None:
    scene = gated(FULL, answer(status, f"Location: {location}"), uri="ws://sip.example.com/deep/sip")
    assert scene.transport.connected
    first, second = scene.requests
    assert second.resource == resource
    assert second.method == "GET"
    for name in ("x-key", "cookie", "authorization", "host"):
        assert second.headers[name] == first.headers[name]
    assert (scene.counters.redirects, scene.counters.attempts) == (1, 1)
    assert scene.told("onTransportConnecting") == [("onTransportConnecting", 1, True)]
    scene.end()


@pytest.mark.parametrize("location", ["/there", "http://localhost/there", "ws://localhost:80/there"])
def test_aUNIXSocketIsAnOriginToo(location: str) -> None:
    scene = gated(FULL, answer(302, f"Location: {location}"), uri="unix:/run/sip.socket")
    first, second = scene.requests
    assert second.place == first.place == ("/run/sip.socket", 0)
    assert second.resource == "/there"
    assert second.headers["authorization"] == f"Bearer {TOKEN}"
    scene.end()


@pytest.mark.parametrize(
    ("uri", "location", "host", "via"),
    [
        ("ws://sip.example.com", "ws://other.example.com/x", "other.example.com:80", "WS"),
        ("ws://sip.example.com", "http://sip.example.com:8080/x", "sip.example.com:8080", "WS"),
        ("ws://sip.example.com", "https://sip.example.com/x", "sip.example.com:443", "WSS"),
        ("ws://sip.example.com:443", "wss://sip.example.com/x", "sip.example.com:443", "WSS"),
        ("wss://sip.example.com", "https://other.example.com/x", "other.example.com:443", "WSS"),
        ("wss://sip.example.com", "//sip.example.com./x", "sip.example.com.:443", "WSS"),
        ("wss://sip.example.com", "//[2001:db8::1]:7443/x", "[2001:db8::1]:7443", "WSS"),
        ("unix:/run/sip.socket", "ws://other.example.com/x", "other.example.com:80", "WS"),
    ],
)
def test_aRedirectToAnotherOriginGetsNothingThatWasMeantForTheFirst(
    uri: str, location: str, host: str, via: str
) -> None:
    scene = gated(FULL, answer(302, f"Location: {location}"), uri=uri)
    assert scene.transport.connected
    assert scene.transport.viaTransport == via
    said = [event["log_format"].format(**event) for event in scene.logged]
    assert f"{uri} leads to {via.lower()}://{host}" in said
    first, second = scene.requests
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert second.headers["host"] == host
    assert set(second.headers) == set(first.headers) - {"x-key", "cookie", "authorization"}
    assert b"secret" not in second.octets
    assert TOKEN.encode() not in second.octets
    # The next attempt is to the server that was configured.
    scene.network._wires[-1].drop()
    scene.network.advance(4)
    assert scene.requests[2].headers == first.headers | {
        "sec-websocket-key": scene.requests[2].headers["sec-websocket-key"]
    }
    scene.end()


def test_whoIsBackAtTheFirstOriginIsKnownThereAgain() -> None:
    scene = gated(
        FULL,
        answer(302, "Location: ws://other.example.com/"),
        answer(302, "Location: ws://sip.example.com/back"),
    )
    assert scene.transport.connected
    assert ["authorization" in request.headers for request in scene.requests] == [True, False, True]
    scene.end()


def test_anotherOriginGetsNoAnswerToItsChallenge() -> None:
    scene = gated(
        Upgrade(user="alice", password=PASSWORD, maxRedirects=1),
        answer(302, "Location: wss://other.example.com/"),
        BY_BASIC,
        uri="wss://sip.example.com",
    )
    assert len(scene.requests) == 2
    assert "redirect, and gets no credentials" in str(scene.refusal())


def test_redirectAndChallengeMayFollowEachOther() -> None:
    guard, other = Guard(), Guard()
    other.verifier = DigestVerifier("a realm", lambda: 1000.0, b"another secret..", algorithms=("MD5",))
    scene = gated(
        Upgrade(user="alice", password=PASSWORD, maxRedirects=1),
        guard,
        lambda request: answer(307, "Location: /elsewhere?x=y"),
        other,
        other,
    )
    assert scene.transport.connected
    assert other.verdicts == [Verdict.REFUSED, Verdict.ACCEPTED]
    assert (scene.counters.challenges, scene.counters.redirects) == (2, 1)
    scene.end()


@pytest.mark.parametrize("most", [0, 1, 3])
def test_noMoreRedirectsAreFollowedThanAllowed(most: int) -> None:
    scene = gated(Upgrade(maxRedirects=most), *([answer(302, "Location: /sip")] * 9))
    assert len(scene.requests) == most + 1
    assert scene.counters.redirects == most
    error = scene.refusal()
    assert error.status == 302
    assert f"redirects to sip.example.com:80, and maxRedirects is {most}" in str(error)
    scene.network.accept()
    scene.gateway.answers.clear()
    scene.network.advance(4)
    assert scene.transport.connected
    scene.end()


@pytest.mark.parametrize("location", ["http://sip.example.com/", "ws://other.example.com", "ws:///x"])
def test_nobodyIsLedFromWssToWs(location: str) -> None:
    scene = gated(FULL, answer(301, f"Location: {location}"), uri="wss://sip.example.com")
    assert len(scene.requests) == 1
    assert "redirects" in str(scene.refusal())


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Location: "],
        ["Location: http://[::1"],
        ["Location: http://a:99999/"],
        ["Location: http://a:b/"],
        ["Location: ftp://a/"],
        ["Location: javascript:alert(1)"],
        ["Location: unix:/run/other.socket"],
        ["Location: ws://user:secret@a/"],
        ["Location: http://a b/"],
        ["Location: http://a\tb/"],
        ["Location: http://ä/"],
        ["Location: http://a\x00b/"],
        ["Location: http://a/\nX: y"],
        ["Location: /" + "x" * 3000],
        ["Location: /a", "Location: /b"],
        ["Location: http://-/"],
    ],
)
def test_aRedirectThatLeadsNowhereIsRefused(fields: list[str]) -> None:
    scene = gated(FULL, answer(302, *fields))
    assert len(scene.requests) == 1
    error = scene.refusal()
    assert isinstance(error, HandshakeRefused)
    assert error.status == 302
    assert "secret" not in str(error)
    scene.end()


@pytest.mark.parametrize("status", [300, 304, 305, 306, 400, 503])
def test_whatIsNoRedirectIsNotFollowed(status: int) -> None:
    scene = gated(FULL, answer(status, "Location: /there"))
    assert len(scene.requests) == 1
    assert scene.refusal().status == status


# Cookies that are set on the way.


def test_whatIsSetOnTheWayGoesBack() -> None:
    scene = gated(
        Upgrade(cookies={"a": "1", "b": "2"}, maxRedirects=2),
        answer(302, "Location: /", "Set-Cookie: b=new; Path=/; HttpOnly", "Set-Cookie: node=7 ;x=y"),
        answer(
            302,
            "Location: /",
            "Set-Cookie: node=8",
            "Set-Cookie: =nameless",
            "Set-Cookie: valueless",
            "Set-Cookie: e=\rX: y",
        ),
    )
    assert [request.headers["cookie"] for request in scene.requests] == [
        "a=1; b=2",
        "a=1; b=new; node=7",
        "a=1; b=new; node=8",
    ]
    # It is forgotten with the attempt.
    scene.network._wires[-1].drop()
    scene.network.advance(4)
    assert scene.requests[3].headers["cookie"] == "a=1; b=2"
    scene.end()


def test_aCookieGoesWithTheAnswerToAChallenge() -> None:
    challenged = answer(401, 'WWW-Authenticate: Digest realm="x", nonce="n"', "Set-Cookie: node=7")
    scene = gated(ALICE, challenged)
    assert scene.requests[1].headers["cookie"] == "node=7"
    scene.end()


def test_aCookieIsForWhoHasSetIt() -> None:
    scene = gated(
        Upgrade(maxRedirects=3),
        answer(302, "Location: ws://other.example.com/", "Set-Cookie: first=1"),
        answer(302, "Location: ws://other.example.com/", "Set-Cookie: second=2"),
        answer(302, "Location: ws://sip.example.com/"),
    )
    assert [request.headers.get("cookie") for request in scene.requests] == [
        None,
        None,
        "second=2",
        "first=1",
    ]
    scene.end()


def test_notAnyNumberOfCookiesIsKept() -> None:
    many = ["Set-Cookie: long=" + "x" * 4096, *(f"Set-Cookie: c{each}=x" for each in range(300))]
    scene = gated(Upgrade(maxRedirects=1), answer(302, "Location: /", *many))
    kept = scene.requests[1].headers["cookie"]
    assert len(kept.split("; ")) == 50
    assert "long" not in kept
    scene.end()


# Servers that answer with anything.

_FRAGMENTS: list[bytes] = [
    b"HTTP/1.1 401 Unauthorized\r\n",
    b"HTTP/1.1 302 Found\r\n",
    b"HTTP/1.0 308 \r\n",
    b"HTTP/1.1 101 Switching\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"WWW-Authenticate: ",
    b"Location: ",
    b"Set-Cookie: ",
    b"Digest ",
    b"Basic",
    b'realm="x"',
    b'nonce="n", qop="auth"',
    b"stale=true",
    b", ",
    b'"',
    b"\\",
    b"=",
    b"http://a/",
    b"wss://[::1]:1/",
    b"/",
    b"\xff\xfe",
    b"\x00",
    b"x" * 5000,
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(_FRAGMENTS)), max_size=12), max_size=4
    ),
    st.booleans(),
)
def test_anyAnswersEndInATypedError(answers: list[list[bytes]], isSecure: bool) -> None:
    upgrade = Upgrade(user="alice", password=PASSWORD, maxRedirects=3)
    uri = "wss://sip.example.com" if isSecure else "ws://sip.example.com"
    octets: list[Answer] = [b"".join(fragments) for fragments in answers]
    scene = gated(upgrade, *octets, b"HTTP/1.1 404 Not Found\r\n\r\n", *([None] * 20), uri=uri)
    scene.network.advance(5)
    assert not scene.transport.connected
    assert isinstance(scene.transport.lastTransportError, ConnectionFailed)
    assert scene.errors() == []
    assert all(PASSWORD not in warning for warning in scene.warnings())
    scene.end()


def test_aFloodOfHeadersIsCutShort() -> None:
    flood = answer(401, 'WWW-Authenticate: Digest realm="x", nonce="n"', *(["X: y"] * MAX_HEAD))
    scene = gated(ALICE, flood)
    assert len(scene.requests) == 1
    assert isinstance(scene.refusal(), HandshakeRefused)


def test_anErrorIsNotAsLongAsAServerLikes() -> None:
    many = ", ".join(f"{'Scheme' * 10}{each} a=b" for each in range(200))
    for upgrade in (None, ALICE):
        assert len(str(gated(upgrade, answer(401, f"WWW-Authenticate: {many}")).refusal())) < 500


def test_aFloodOfChallengesIsReadInTime() -> None:
    scene = gated(ALICE, answer(401, "WWW-Authenticate: " + "Digest a=b, " * 1200))
    assert "in no way that is known here" in str(scene.refusal())


# Secrets.


def test_nothingShowsThem() -> None:
    upgrade = Upgrade(
        headers={"X": "secret1"},
        cookies={"a": "secret2"},
        user="alice",
        password="secret3",
        token="secret4",
        endpoint="x:{host}:{port}:secret5",
    )
    assert "secret" not in repr(upgrade)
    scene = gated(Upgrade(user="alice", password="secret3"), Guard(), Guard())
    assert "secret" not in repr(scene.options)
    for event in scene.logged:
        assert "secret" not in event["log_format"].format(**event)
    upgrading = scene.transport._factory.upgrading
    assert "secret" not in repr([upgrading, upgrading._authorization, upgrading._jar])
    scene.end()


# Endpoint strings.


def test_anEndpointStringLeadsToTheServer() -> None:
    scene = gated(Upgrade(endpoint="tcp:{host}:port={port}:timeout=3"), uri="ws://192.0.2.7:8080/x")
    assert scene.requests[0].place == ("192.0.2.7", 8080)
    assert scene.requests[0].headers["host"] == "192.0.2.7:8080"
    scene.end()


def test_anAddressIsQuotedInIt() -> None:
    scene = gated(Upgrade(endpoint="tcp:{host}:{port}"), uri="ws://[::1]:80")
    assert scene.requests[0].place == ("::1", 80)
    scene.end()


@pytest.mark.parametrize("text", ["nothing:{host}:{port}", "tcp:{host}:{port}:secret=1", "{host}{port}"])
def test_oneThatCannotBeUsedIsSaidAtOnce(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        gated(Upgrade(endpoint=text))
    assert caught.value.option == "endpoint"
    assert "secret" not in str(caught.value)


def test_aRedirectOfADomainsServerStaysTheDomains() -> None:
    """RFC 5922 section 7.3: what its certificate must say does not change with the resource."""
    home = Location.parse("wss://edge.example.net/sip", "example.com")
    there = redirectTarget(home, ["/there"])
    assert (there.resource, there.domain) == ("/there", "example.com")
    assert redirectTarget(home, ["https://other.example.net/"]).domain is None
