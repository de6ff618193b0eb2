"""
Between a user agent and Kamailio stand other people's servers: nginx, Apache, lighttpd,
tinyproxy and microsocks.  The user agent registers, and asks for options, through each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from sipws import UserAgent
from sipws.errors import CertificateRefused, ConnectionFailed, HandshakeRefused, ProxyRefused
from tests.gateways.conftest import TOKEN, Nginx, Start
from tests.gateways.programs import PASSWORD, USER, Running, freePorts
from tests.kamailio.agents import Agents, transportOf, until, within
from tests.kamailio.counterpart import Kamailio
from tests.transport.certificates import Authority

pytestmark = pytest.mark.kamailio

ALICE = {"httpUser": USER, "httpPassword": PASSWORD}


async def passes(agents: Agents, server: str, **options: Any) -> UserAgent:
    """See that a user agent gets through: it registers, and has its OPTIONS answered."""
    options.setdefault("caFile", None)
    agent, _ = await agents.registered("alice", wsServers=server, **options)
    assert set(agents.kamailio.locations()) == {"alice"}
    response = await within(agent.options("sip:example.test"))
    assert response.statusCode == 200
    transport = transportOf(agent)
    # Whatever it took, it was one attempt.
    assert transport.counters.attempts == 1
    assert transport.lastTransportError is None
    return agent


async def isRefused(agents: Agents, server: str, **options: Any) -> Any:
    """See that it does not; give the error."""
    options.setdefault("caFile", None)
    agent, _ = agents.start("alice", wsServers=server, wsServerMaxReconnection=0, **options)
    await until(lambda: transportOf(agent).lastTransportError, "an error")
    assert not transportOf(agent).connected
    assert agents.kamailio.locations() == {}
    return transportOf(agent).lastTransportError


# Certificates of clients (mTLS), demanded by nginx.


def certificate(folder: Path, authority: Authority) -> dict[str, str]:
    issued = authority.issue(["alice"], forClients=True)
    return {
        "clientCertificate": issued.write(folder, "alice.pem", issued.certificatePEM),
        "clientKey": issued.write(folder, "alice.key", issued.keyPEM),
    }


@pytest_twisted.ensureDeferred
async def test_nginxTakesOurCertificate(agents: Agents, nginx: Nginx, tmp_path: Path) -> None:
    shown = certificate(tmp_path, nginx.clients)
    agent = await passes(agents, nginx.uri("mutual"), caFile=nginx.caFile, **shown)
    assert transportOf(agent).viaTransport == "WSS"


@pytest_twisted.ensureDeferred
async def test_nginxRefusesWhoHasNone(agents: Agents, nginx: Nginx) -> None:
    error = await isRefused(agents, nginx.uri("mutual"), caFile=nginx.caFile)
    assert isinstance(error, HandshakeRefused)
    assert error.status == 400


@pytest_twisted.ensureDeferred
async def test_nginxRefusesAnothersCertificate(agents: Agents, nginx: Nginx, tmp_path: Path) -> None:
    shown = certificate(tmp_path, Authority("clients"))
    error = await isRefused(agents, nginx.uri("mutual"), caFile=nginx.caFile, **shown)
    assert isinstance(error, HandshakeRefused)
    assert error.status == 400


@pytest_twisted.ensureDeferred
async def test_ourCertificateIsNotShownToWhomWeWereSent(agents: Agents, nginx: Nginx, tmp_path: Path) -> None:
    """It is for the server that was configured: another origin is another server."""
    shown = certificate(tmp_path, nginx.clients)
    error = await isRefused(agents, nginx.uri("wss", "/mutual"), caFile=nginx.caFile, maxRedirects=1, **shown)
    assert error.status == 400
    assert nginx.asked() == ["307", "400"]


# HTTP authentication: Basic by nginx, Digest by Apache (MD5) and lighttpd (SHA-256).


@pytest_twisted.ensureDeferred
async def test_aChallengeByBasicIsAnsweredOverTLS(agents: Agents, nginx: Nginx) -> None:
    agent = await passes(agents, nginx.uri("wss", "/basic"), caFile=nginx.caFile, **ALICE)
    assert agent.counters.challenges == 1
    assert nginx.asked()[0] == "401"


@pytest_twisted.ensureDeferred
async def test_inTheClearItIsNot(agents: Agents, nginx: Nginx) -> None:
    error = await isRefused(agents, nginx.uri("ws", "/basic"), **ALICE)
    assert (error.status, "httpBasic" in str(error)) == (401, True)


@pytest_twisted.ensureDeferred
async def test_unlessThatIsWanted(agents: Agents, nginx: Nginx) -> None:
    agent = await passes(agents, nginx.uri("ws", "/basic"), httpBasic=True, **ALICE)
    assert agent.counters.challenges == 0


@pytest_twisted.ensureDeferred
async def test_aWrongPasswordIsRefused(agents: Agents, nginx: Nginx) -> None:
    wrong = {"httpUser": USER, "httpPassword": "wrong"}
    error = await isRefused(agents, nginx.uri("wss", "/basic"), caFile=nginx.caFile, **wrong)
    assert (error.status, "does not take" in str(error)) == (401, True)
    assert nginx.asked() == ["401", "401"]


@pytest_twisted.ensureDeferred
async def test_aBearerTokenIsTaken(agents: Agents, nginx: Nginx) -> None:
    await passes(agents, nginx.uri("wss", "/bearer"), caFile=nginx.caFile, httpToken=TOKEN)


@pytest_twisted.ensureDeferred
async def test_anotherTokenIsNot(agents: Agents, nginx: Nginx) -> None:
    error = await isRefused(agents, nginx.uri("wss", "/bearer"), caFile=nginx.caFile, httpToken="other")
    assert (error.status, "does not take httpToken" in str(error)) == (401, True)


@pytest_twisted.ensureDeferred
async def test_apachesDigestChallengeIsAnswered(agents: Agents, startApache: Start) -> None:
    apache = startApache()
    agent = await passes(agents, f"ws://localhost:{apache.ports[0]}/sip?a=b", **ALICE)
    assert agent.counters.challenges == 1


@pytest.mark.parametrize("algorithms", ["SHA-256", "MD5|SHA-256"])
@pytest_twisted.ensureDeferred
async def test_lighttpdsDigestChallengeIsAnswered(
    agents: Agents, startLighttpd: Start, algorithms: str
) -> None:
    """It knows the password as SHA-256 has it: of two challenges, that is the one to answer."""
    lighttpd = startLighttpd(algorithms)
    agent = await passes(agents, f"ws://localhost:{lighttpd.ports[0]}/sip", **ALICE)
    assert agent.counters.challenges == 1


@pytest_twisted.ensureDeferred
async def test_theNextConnectionNeedsNoChallenge(agents: Agents, startApache: Start) -> None:
    apache = startApache()
    agent = await passes(agents, f"ws://localhost:{apache.ports[0]}/", **ALICE)
    await reconnects(agent)
    assert agent.counters.challenges == 1


@pytest_twisted.ensureDeferred
async def test_aNonceOfApachesThatHasBecomeStaleIsReplaced(agents: Agents, startApache: Start) -> None:
    server = f"ws://localhost:{startApache(1).ports[0]}/"
    agent = await passes(agents, server, wsServerReconnectionTimeout=2.5, **ALICE)
    await reconnects(agent)
    assert (agent.counters.challenges, agent.counters.attempts) == (2, 2)


async def reconnects(agent: UserAgent) -> None:
    """Cut the connection, and wait for the next."""
    transport: Any = transportOf(agent)
    first = transport.ws
    first.transport.abortConnection()
    await until(lambda: transport.connected and transport.ws is not first, "another connection")
    assert (await within(agent.options("sip:example.test"))).statusCode == 200


@pytest_twisted.ensureDeferred
async def test_apacheRefusesAWrongPassword(agents: Agents, startApache: Start) -> None:
    apache = startApache()
    error = await isRefused(agents, f"ws://localhost:{apache.ports[0]}/", httpUser=USER, httpPassword="wrong")
    assert (error.status, "does not take" in str(error)) == (401, True)


@pytest_twisted.ensureDeferred
async def test_whoHasNoPasswordIsToldWhatIsMissing(agents: Agents, startApache: Start) -> None:
    apache = startApache()
    error = await isRefused(agents, f"ws://localhost:{apache.ports[0]}/")
    assert (error.status, "httpUser and httpPassword" in str(error)) == (401, True)


# Redirects, headers and cookies.


@pytest_twisted.ensureDeferred
async def test_aRedirectIsFollowedWithItsHeaders(agents: Agents, nginx: Nginx) -> None:
    options = {"httpHeaders": {"X-Key": TOKEN}, "maxRedirects": 1}
    agent = await passes(agents, nginx.uri("ws", "/moved"), **options)
    assert agent.counters.redirects == 1


@pytest_twisted.ensureDeferred
async def test_aRedirectIsNotFollowedUnlessThatIsWanted(agents: Agents, nginx: Nginx) -> None:
    error = await isRefused(agents, nginx.uri("ws", "/moved"), httpHeaders={"X-Key": TOKEN})
    assert (error.status, "maxRedirects is 0" in str(error)) == (302, True)


@pytest_twisted.ensureDeferred
async def test_aLoopComesToAnEnd(agents: Agents, nginx: Nginx) -> None:
    error = await isRefused(agents, nginx.uri("ws", "/loop"), maxRedirects=5)
    assert error.status == 302
    assert nginx.asked() == ["302"] * 6


@pytest_twisted.ensureDeferred
async def test_aRedirectToTLSIsVerifiedAndToldNoSecret(agents: Agents, nginx: Nginx) -> None:
    agent = await passes(
        agents,
        nginx.uri("ws", "/secure"),
        caFile=nginx.caFile,
        maxRedirects=1,
        httpToken=TOKEN,
        httpCookies={"session": TOKEN},
        httpHeaders={"X-Key": TOKEN},
    )
    assert transportOf(agent).viaTransport == "WSS"
    assert transportOf(agent).timings.tls is not None


@pytest_twisted.ensureDeferred
async def test_aRedirectToACertificateThatIsNotTrustedIsRefused(
    agents: Agents, nginx: Nginx, kamailio: Kamailio
) -> None:
    error = await isRefused(agents, nginx.uri("ws", "/secure"), caFile=str(kamailio.caFile), maxRedirects=1)
    assert isinstance(error, CertificateRefused)


@pytest_twisted.ensureDeferred
async def test_nobodyIsLedOutOfTLS(agents: Agents, nginx: Nginx) -> None:
    error = await isRefused(agents, nginx.uri("wss", "/insecure"), caFile=nginx.caFile, maxRedirects=1)
    assert (error.status, "from wss to ws" in str(error)) == (307, True)


@pytest_twisted.ensureDeferred
async def test_aGatewaysCookieGoesBackToIt(agents: Agents, nginx: Nginx) -> None:
    await passes(
        agents,
        nginx.uri("wss", "/login"),
        caFile=nginx.caFile,
        maxRedirects=1,
        httpCookies={"session": TOKEN},
    )


# Proxies.


def through(proxy: Running, password: str = PASSWORD) -> str:
    return f"http://{USER}:{password}@localhost:{proxy.ports[0]}"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_anHTTPProxyLeadsToTheServer(
    agents: Agents, kamailio: Kamailio, tinyproxy: Running, scheme: str
) -> None:
    caFile = str(kamailio.caFile) if scheme == "wss" else None
    server = f"{scheme}://localhost:{kamailio.ws if scheme == 'ws' else kamailio.wss}"
    agent = await passes(agents, server, caFile=caFile, proxy=through(tinyproxy))
    assert transportOf(agent).viaTransport == scheme.upper()
    assert "CONNECT localhost:" in tinyproxy.log()


@pytest_twisted.ensureDeferred
async def test_theServersAuthorityIsVerifiedThroughTheTunnel(
    agents: Agents, kamailio: Kamailio, tinyproxy: Running, nginx: Nginx
) -> None:
    error = await isRefused(
        agents, f"wss://localhost:{kamailio.wss}", caFile=nginx.caFile, proxy=through(tinyproxy)
    )
    assert isinstance(error, CertificateRefused)


@pytest_twisted.ensureDeferred
async def test_theServersNameIsVerifiedThroughTheTunnel(
    agents: Agents, nginx: Nginx, startTinyproxy: Start
) -> None:
    """The certificate is for localhost, as the proxy is called; the server was called by its address."""
    port = nginx.program.ports[1]
    options = {"caFile": nginx.caFile, "proxy": through(startTinyproxy(port))}
    error = await isRefused(agents, f"wss://127.0.0.1:{port}", **options)
    assert isinstance(error, CertificateRefused)
    assert "127.0.0.1" in str(error)


@pytest_twisted.ensureDeferred
async def test_anHTTPProxySaysThatNobodyIsThere(agents: Agents, startTinyproxy: Start) -> None:
    [nobodys] = freePorts(1)
    proxy = through(startTinyproxy(nobodys))
    error = await isRefused(agents, f"ws://127.0.0.1:{nobodys}", proxy=proxy)
    assert isinstance(error, ProxyRefused)
    assert error.status is not None
    assert error.status >= 500


@pytest_twisted.ensureDeferred
async def test_aChallengeIsAnsweredThroughAProxy(agents: Agents, nginx: Nginx, startTinyproxy: Start) -> None:
    options = {"caFile": nginx.caFile, "proxy": through(startTinyproxy(nginx.program.ports[1]))}
    agent = await passes(agents, nginx.uri("wss", "/basic"), **options, **ALICE)
    assert agent.counters.challenges == 1


@pytest_twisted.ensureDeferred
async def test_anHTTPProxyRefusesAWrongPassword(
    agents: Agents, kamailio: Kamailio, tinyproxy: Running
) -> None:
    error = await isRefused(agents, kamailio.uri("ws"), proxy=through(tinyproxy, "wrong"))
    assert isinstance(error, ProxyRefused)
    assert error.status in (401, 407)
    assert "wrong" not in str(error)


@pytest_twisted.ensureDeferred
async def test_anHTTPProxyRefusesAnotherPort(agents: Agents, tinyproxy: Running) -> None:
    [nobodys] = freePorts(1)
    error = await isRefused(agents, f"ws://127.0.0.1:{nobodys}", proxy=through(tinyproxy))
    assert isinstance(error, ProxyRefused)
    assert error.status == 403


@pytest_twisted.ensureDeferred
async def test_anHTTPProxyThatIsNotThereIsNamed(agents: Agents, kamailio: Kamailio) -> None:
    [nobodys] = freePorts(1)
    error = await isRefused(agents, kamailio.uri("ws"), proxy=f"http://127.0.0.1:{nobodys}")
    assert isinstance(error, ConnectionFailed)
    assert f"the proxy 127.0.0.1:{nobodys}: the connection was refused" in str(error)


def socks(proxy: Running) -> str:
    return f"tor:{{host}}:{{port}}:socksHostname=127.0.0.1:socksPort={proxy.ports[0]}"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_aSOCKSProxyLeadsToTheServer(
    agents: Agents, kamailio: Kamailio, microsocks: Running, scheme: str
) -> None:
    caFile = str(kamailio.caFile) if scheme == "wss" else None
    server = f"{scheme}://localhost:{kamailio.ws if scheme == 'ws' else kamailio.wss}"
    agent = await passes(agents, server, caFile=caFile, endpoint=socks(microsocks))
    assert transportOf(agent).viaTransport == scheme.upper()


@pytest_twisted.ensureDeferred
async def test_aSOCKSProxySaysThatNobodyIsThere(agents: Agents, microsocks: Running) -> None:
    [nobodys] = freePorts(1)
    error = await isRefused(agents, f"ws://127.0.0.1:{nobodys}", endpoint=socks(microsocks))
    assert isinstance(error, ConnectionFailed)
