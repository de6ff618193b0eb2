"""HTTP CONNECT: whatever a proxy answers, and whenever it is given up."""

from __future__ import annotations

import base64
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import NoProtocol
from twisted.internet.protocol import Factory, Protocol

from sipws.config.http import HTTPProxy
from sipws.errors import ConnectionFailed, ProxyRefused
from sipws.testing import MemoryNetwork
from sipws.transport import Upgrade
from sipws.transport.http import MAX_HEAD
from sipws.transport.location import Location
from sipws.transport.proxy import HTTPConnectEndpoint
from tests.transport.gateway import Answer, Gated, Gateway, accept, answer, gated
from tests.transport.test_leaks import grown, ours

SECRET = "hunter2 ä:@"
PROXY = HTTPProxy("192.0.2.1", 3128, "alice", SECRET)
THROUGH = Upgrade(proxy=PROXY)
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Recorder(Protocol):
    """What is connected: it keeps what it is told."""

    def __init__(self) -> None:
        self.data = b""
        self.lost = 0

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Any = None) -> None:
        self.lost += 1


class Tunnel:
    """One use of the endpoint, on a network in memory that leads to a gateway."""

    def __init__(self, *answers: Answer, uri: str = "ws://sip.example.com:8080") -> None:
        self.network = MemoryNetwork()
        self.gateway = Gateway()
        self.gateway.answers.extend(answers)
        self.network.server = self.gateway
        self.location = Location.parse(uri)
        toProxy = TCP4ClientEndpoint(self.network.reactor, PROXY.host, PROXY.port)
        self.endpoint = HTTPConnectEndpoint(toProxy, PROXY, self.location)
        self.results: list[Any] = []
        self.addresses: list[Any] = []
        self.pending: Deferred[Any] | None = None

    def connect(self, makes: Any = Recorder) -> Tunnel:
        factory = Factory()

        def buildProtocol(addr: Any) -> Any:
            self.addresses.append(addr)
            return makes()

        factory.buildProtocol = buildProtocol  # type: ignore[method-assign]
        self.pending = self.endpoint.connect(factory)
        self.pending.addBoth(self.results.append)
        self.network.pump()
        return self

    def says(self, octets: bytes) -> None:
        self.gateway.connections[0].transport.write(octets)
        self.network.pump()

    def error(self) -> Any:
        """See that it has failed, once, and has left nothing; give the error."""
        [failure] = self.results
        self.network.pump()
        assert self.network.openSockets == 0
        assert self.network.reactor.getDelayedCalls() == []
        assert self.addresses == []
        return failure.value


def test_itAsksForTheServerInTheNameOfTheUser() -> None:
    tunnel = Tunnel(ESTABLISHED).connect()
    [request] = tunnel.gateway.requests
    assert request.octets.startswith(b"CONNECT sip.example.com:8080 HTTP/1.1\r\n")
    assert request.place == ("192.0.2.1", 3128)
    assert request.headers["host"] == "sip.example.com:8080"
    credentials = base64.b64encode(f"alice:{SECRET}".encode()).decode()
    assert request.headers["proxy-authorization"] == f"Basic {credentials}"
    [protocol] = tunnel.results
    assert isinstance(protocol, Recorder)
    [address] = tunnel.addresses
    assert (address.hostname, address.port) == (b"sip.example.com", 8080)


def test_withoutAUserItNamesNone() -> None:
    tunnel = Tunnel(None)
    toProxy = TCP4ClientEndpoint(tunnel.network.reactor, "192.0.2.1", 1)
    tunnel.endpoint = HTTPConnectEndpoint(toProxy, HTTPProxy("192.0.2.1", 1), Location.parse("wss://[::1]"))
    [request] = tunnel.connect().gateway.requests
    assert "proxy-authorization" not in request.headers
    assert request.resource == request.headers["host"] == "[::1]:443"


def test_onceThereIsAWayAllGoesThrough() -> None:
    tunnel = Tunnel(ESTABLISHED + b"at once").connect()
    [protocol] = tunnel.results
    assert protocol.data == b"at once"
    tunnel.says(b", and later")
    assert protocol.data == b"at once, and later"
    protocol.transport.write(b"GET")
    tunnel.network.pump()
    assert tunnel.gateway.connections[0].data == b"GET"
    tunnel.gateway.connections[0].transport.loseConnection()
    tunnel.network.pump()
    assert protocol.lost == 1
    assert len(tunnel.results) == 1


def test_theAnswerMayComeInAnyPieces() -> None:
    tunnel = Tunnel(None).connect()
    octets = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 204\r\nX: y\r\nContent-Length: 7\r\n\r\n"
    for index in range(len(octets)):
        assert tunnel.results == []
        tunnel.says(octets[index : index + 1])
    [protocol] = tunnel.results
    # RFC 9110 section 9.3.6: "A client MUST ignore any Content-Length or Transfer-Encoding header
    # fields received in a successful response to CONNECT."
    tunnel.says(b"SERVER")
    assert protocol.data == b"SERVER"


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 407, 500, 502, 503, 999])
def test_aRefusalSaysItsStatus(status: int) -> None:
    tunnel = Tunnel(answer(status, "Proxy-Authenticate: Basic", reason="Not \x1bthis")).connect()
    error = tunnel.error()
    assert isinstance(error, ProxyRefused)
    assert error.status == status
    assert f"{status} Not ?this" in str(error)
    assert ("password" in str(error)) == (status == 407)
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"\xff\x00" * 10 + b"\r\n\r\n",
        b"\x05\x00\r\n\r\n",
    ],
)
def test_whatIsNoHTTPIsRefused(octets: bytes) -> None:
    error = Tunnel(octets).connect().error()
    assert isinstance(error, ProxyRefused)
    assert error.status is None
    assert "no HTTP" in str(error)


@pytest.mark.parametrize("size", [1, 1_000, 65_536])
def test_anAnswerWithoutEndIsRefusedBeforeItIsMuch(size: int) -> None:
    tunnel = Tunnel(b"HTTP/1.1 200 OK\r\nX: ").connect()
    said = 0
    while not tunnel.results:
        tunnel.says(b"x" * size)
        said += size
        assert said <= MAX_HEAD + size
    assert "too long" in str(tunnel.error())


def test_anAnswerThatIsTooLongIsRefusedThoughItEnds() -> None:
    tunnel = Tunnel(b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD + b"\r\n\r\n").connect()
    assert isinstance(tunnel.error(), ProxyRefused)


def test_provisionalAnswersWithoutEndAreCountedTogether() -> None:
    tunnel = Tunnel(None).connect()
    said = 0
    while not tunnel.results:
        tunnel.says(b"HTTP/1.1 100 Continue\r\n\r\n")
        said += 25
        assert said <= 2 * MAX_HEAD
    assert "too long" in str(tunnel.error())


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_aProxyThatHangsUpIsARefusal(octets: bytes) -> None:
    tunnel = Tunnel(octets).connect()
    tunnel.gateway.connections[0].transport.loseConnection()
    tunnel.network.pump()
    error = tunnel.error()
    assert isinstance(error, ProxyRefused)
    assert "hung up" in str(error)


def test_aProxyThatIsNotThereIsNamed() -> None:
    tunnel = Tunnel()
    tunnel.network.refuse()
    error = tunnel.connect().error()
    assert isinstance(error, ConnectionFailed)
    assert not isinstance(error, ProxyRefused)
    assert "the proxy 192.0.2.1:3128: the connection was refused" in str(error)


def test_aFactoryThatMakesNoProtocolEndsIt() -> None:
    tunnel = Tunnel(ESTABLISHED).connect(lambda: None)
    assert isinstance(tunnel.results[0].value, NoProtocol)
    tunnel.network.pump()
    assert tunnel.network.openSockets == 0


def test_itIsGivenUpBeforeThereIsTCP() -> None:
    tunnel = Tunnel()
    tunnel.network.stall()
    tunnel.connect()
    assert tunnel.pending is not None
    tunnel.pending.cancel()
    assert isinstance(tunnel.error(), CancelledError)
    tunnel.network.accept()
    tunnel.network.pump()
    assert tunnel.gateway.connections == []


@pytest.mark.parametrize("octets", [b"", b"HTTP/1.1 200 OK\r\n"])
def test_itIsGivenUpBeforeThereIsAWay(octets: bytes) -> None:
    tunnel = Tunnel(octets).connect()
    assert tunnel.pending is not None
    tunnel.pending.cancel()
    tunnel.says(b"\r\n\r\n")
    assert isinstance(tunnel.error(), CancelledError)
    assert tunnel.gateway.connections[0].lost


class Late:
    """An endpoint to a proxy that takes no notice of being cancelled."""

    def __init__(self) -> None:
        self.factory: Any = None

    def connect(self, factory: Any) -> Deferred[Any]:
        self.factory = factory
        return Deferred(lambda result: None)


def test_aConnectionThatComesTooLateIsCut() -> None:
    tunnel = Tunnel()
    late = Late()
    endpoint = HTTPConnectEndpoint(late, PROXY, tunnel.location)  # type: ignore[arg-type]
    pending = endpoint.connect(Factory.forProtocol(Recorder))
    pending.addErrback(lambda failure: failure.trap(CancelledError))
    pending.cancel()
    TCP4ClientEndpoint(tunnel.network.reactor, "192.0.2.1", 1).connect(late.factory)
    tunnel.network.pump()
    assert tunnel.network.attempts == 1
    assert tunnel.network.openSockets == 0
    assert tunnel.gateway.requests == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from(
                [b"HTTP/1.1 ", b"200 OK", b"407 ", b"100 ", b"\r\n", b"\r\n\r\n", b"X: y", b"x" * 9000]
            ),
        ),
        max_size=20,
    )
)
def test_anyOctetsOfAProxyEndInATunnelOrATypedError(segments: list[bytes]) -> None:
    tunnel = Tunnel(None).connect()
    for segment in segments:
        if not tunnel.gateway.connections[0].lost:
            tunnel.says(segment)
    if not tunnel.results:
        tunnel.gateway.connections[0].transport.loseConnection()
        tunnel.network.pump()
    [result] = tunnel.results
    if isinstance(result, Recorder):
        assert b"".join(segments).endswith(result.data)
    else:
        assert isinstance(result.value, ProxyRefused)


def test_itShowsNoSecret() -> None:
    tunnel = Tunnel()
    assert repr(tunnel.endpoint) == (
        "<HTTPConnectEndpoint to sip.example.com:8080 through HTTPProxy(host='192.0.2.1', port=3128)>"
    )


# A transport through it.


def test_aTransportConnectsThroughTheProxy() -> None:
    """The proxy resolves the server's name: here, nobody could."""
    scene = gated(THROUGH, ESTABLISHED, uri="ws://sip.example.com:8080/sip")
    assert scene.transport.connected
    connect, upgrade = scene.requests
    assert (connect.method, connect.resource) == ("CONNECT", "sip.example.com:8080")
    assert (upgrade.method, upgrade.resource, upgrade.serial) == ("GET", "/sip", connect.serial)
    assert upgrade.headers["host"] == "sip.example.com:8080"
    assert "proxy-authorization" not in upgrade.headers
    assert upgrade.place == connect.place == ("192.0.2.1", 3128)
    timings = scene.transport.timings
    assert timings.resolve is None
    assert timings.tcp is not None
    scene.end()


def test_aUNIXSocketNeedsNoProxy() -> None:
    scene = gated(THROUGH, uri="unix:/run/sip.socket")
    assert [request.method for request in scene.requests] == ["GET"]
    scene.end()


def test_aProxyThatRefusesFailsTheAttempt() -> None:
    scene = gated(THROUGH, answer(407))
    error = scene.refusal()
    assert isinstance(error, ProxyRefused)
    assert error.status == 407
    scene.gateway.answers[:] = [ESTABLISHED]
    scene.network.advance(4)
    assert scene.transport.connected
    scene.end()


@pytest.mark.parametrize("answers", [[None], [ESTABLISHED, None], [b"HTTP/1.1 200 OK\r\nX: "]])
def test_aProxyThatIsSlowIsGivenUpInTime(answers: list[Answer]) -> None:
    scene = gated(THROUGH, *answers)
    scene.network.advance(4.9)
    assert scene.transport.lastTransportError is None
    scene.network.advance(0.1)
    assert "within 5 seconds" in str(scene.refusal())
    scene.end()


@pytest.mark.parametrize("answers", [[None], [ESTABLISHED, None], [ESTABLISHED, accept]])
def test_disconnectInAnyPhaseLeavesNothing(answers: list[Answer]) -> None:
    scene = gated(THROUGH, *answers)
    scene.end()
    scene.network.advance(100)
    assert len(scene.requests) == len(answers)


def test_eachRequestOfAnAttemptGoesThroughIt() -> None:
    upgrade = Upgrade(proxy=PROXY, maxRedirects=1, cookies={"a": "1"})
    redirect = answer(302, "Location: wss://other.example.com/x")
    scene = gated(upgrade, ESTABLISHED, redirect, ESTABLISHED)
    assert scene.transport.connected
    assert [(request.method, request.resource) for request in scene.requests] == [
        ("CONNECT", "sip.example.com:80"),
        ("GET", "/sip"),
        ("CONNECT", "other.example.com:443"),
        ("GET", "/x"),
    ]
    first, second = scene.requests[0], scene.requests[2]
    assert first.headers["proxy-authorization"] == second.headers["proxy-authorization"]
    scene.end()


def test_anUpgradeThatAProxyAnswersItselfIsNoSecondChallenge() -> None:
    """A proxy that takes part in what it should pass on is a server that refuses."""
    scene = Gated("ws://sip.example.com", THROUGH, ESTABLISHED, answer(407, "Proxy-Authenticate: Basic"))
    assert scene.refusal().status == 407
    scene.end()


def _cycle(scene: Gated, tunnel: list[Answer], serial: int) -> None:
    """Connect by way of a challenge and a redirect, and disconnect."""
    challenge = answer(401, f'WWW-Authenticate: Digest realm="x", nonce="{serial}", stale=true')
    redirect = answer(302, "Location: /there", "Set-Cookie: a=b")
    scene.gateway.answers[:] = [*tunnel, challenge, *tunnel, redirect, *tunnel]
    assert scene.transport.connect()
    scene.network.advance(0)
    assert scene.transport.connected
    scene.end()
    for kept in (scene.gateway.connections, scene.gateway.requests, scene.calls, scene.logged):
        kept.clear()


@pytest.mark.parametrize("upgrade", [THROUGH, Upgrade(endpoint="tcp:{host}:{port}"), Upgrade()])
def test_nothingOfAnAttemptOutlivesIt(upgrade: Upgrade) -> None:
    tunnel: list[Answer] = [ESTABLISHED] if upgrade.proxy is not None else []
    scene = gated(attrs.evolve(upgrade, user="alice", password=SECRET, maxRedirects=1), *tunnel)
    scene.end()
    for serial in range(3):
        _cycle(scene, tunnel, serial)
    before = ours()
    for serial in range(3, 103):
        _cycle(scene, tunnel, serial)
    assert grown(before) == {}
    assert (scene.counters.challenges, scene.counters.redirects) == (103, 103)
