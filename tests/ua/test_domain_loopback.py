"""
A user agent that finds its servers by a domain, all of it real: name server,
sockets, TLS and SIP servers, on loopback.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.endpoints import _WrapperServerEndpoint as WrapperServerEndpoint
from twisted.internet.task import deferLater
from twisted.names import dns
from twisted.protocols.tls import TLSMemoryBIOFactory

from sipws import Configuration, UserAgent
from sipws.errors import CertificateRefused, NoServers
from sipws.server import EmbeddedServer
from sipws.transport.locate import Locator
from sipws.transport.resolver import SystemResolver
from sipws.ua import directory
from tests.nameserver import NameServer
from tests.resolving import a, aaaa, cname, naptr, srv
from tests.transport.certificates import Authority

AUTHORITY = Authority()
DOMAIN = "example.test"


@attrs.define
class Loopback:
    """
    What there is on loopback.

    @ivar records: What the name server will serve, once something asks for its resolver.
    """

    reactor: Any
    folder: Path
    server: EmbeddedServer
    records: list[dns.RRHeader] = attrs.Factory(list)
    nameServer: NameServer | None = None
    resolvers: list[Any] = attrs.Factory(list)
    sockets: list[socket.socket] = attrs.Factory(list)

    async def listen(self) -> int:
        """Have the SIP server listen, and give its port."""
        port: Any = await self.server.listen(TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1"))
        return int(port.getHost().port)

    async def listenWithTLS(self, *names: str) -> int:
        """Have it listen with TLS, with a certificate for these names."""
        identity = AUTHORITY.issue(names).asServer()
        plain = TCP4ServerEndpoint(self.reactor, 0, interface="127.0.0.1")
        endpoint = WrapperServerEndpoint(
            plain, lambda factory: TLSMemoryBIOFactory(identity, False, factory, clock=self.reactor)
        )
        port: Any = await self.server.listen(endpoint)
        return int(port.getHost().port)

    def closedPort(self) -> int:
        """Give a port at which nobody listens, and nobody will while the test runs."""
        unused = socket.socket()
        self.sockets.append(unused)
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])

    def serve(self, *records: dns.RRHeader) -> NameServer:
        """Start the name server."""
        self.nameServer = NameServer(self.reactor, DOMAIN, list(records))
        return self.nameServer

    def userAgent(self, **options: Any) -> UserAgent:
        assert self.nameServer is not None
        caFile = self.folder / "authority.pem"
        caFile.write_bytes(AUTHORITY.certificatePEM)
        given = {
            "uri": "sip:alice@localhost",
            "wsDomain": DOMAIN,
            "caFile": str(caFile),
            "wsServerMaxReconnection": 0,
            **options,
        }
        resolver = self.nameServer.resolver()
        self.resolvers.append(resolver)
        return UserAgent(Configuration(**given), self.reactor, resolver=resolver)

    async def stop(self) -> None:
        for resolver in self.resolvers:
            for connection in list(resolver.connections):
                connection.transport.loseConnection()
        if self.nameServer is not None:
            await self.nameServer.stop()
        for unused in self.sockets:
            unused.close()
        await self.server.stop()


@pytest_twisted.async_yield_fixture
async def loopback(tmp_path: Path) -> AsyncIterator[Loopback]:
    from twisted.internet import reactor

    made = Loopback(reactor, tmp_path, EmbeddedServer(reactor))
    yield made
    await made.stop()


async def becomes(condition: Callable[[], bool], reactor: Any) -> None:
    """Wait until something is so."""
    for _ in range(200):
        if condition():
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("it has not become so")


@pytest_twisted.ensureDeferred
async def test_aDeadFirstServerIsPassedOverAndTheNextRegisteredAt(loopback: Loopback) -> None:
    dead, alive = loopback.closedPort(), await loopback.listenWithTLS(DOMAIN)
    nameServer = loopback.serve(
        naptr("SIP+D2U", f"_sip._udp.{DOMAIN}", 10, name=DOMAIN),
        naptr("SIPS+D2W", f"_sips._ws.{DOMAIN}", 20, name=DOMAIN),
        srv(f"_sips._ws.{DOMAIN}", f"one.{DOMAIN}", dead, priority=1),
        srv(f"_sips._ws.{DOMAIN}", f"two.{DOMAIN}", alive, priority=2),
        a(f"one.{DOMAIN}", "127.0.0.1"),
        a(f"two.{DOMAIN}", "127.0.0.1"),
    )
    userAgent = loopback.userAgent()
    tried: list[str] = []
    userAgent.on("connecting", lambda transport, attempts: tried.append(transport.server.ws_uri))
    userAgent.start()
    await userAgent.whenRegistered()
    assert tried == [f"wss://one.{DOMAIN}:{dead}/", f"wss://two.{DOMAIN}:{alive}/"]
    assert loopback.server.locations.get("sip:alice@localhost")
    assert userAgent.counters.lookups == 1
    assert userAgent.counters.failedLookups == 0
    assert nameServer.asked[:2] == [f"UDP NAPTR {DOMAIN}", f"UDP SRV _sips._ws.{DOMAIN}"]
    assert sorted(nameServer.asked[2:]) == sorted(
        f"UDP {kind} {host}.{DOMAIN}" for host in ("one", "two") for kind in ("A", "AAAA")
    )
    await userAgent.stop()
    assert loopback.server.locations.count == 0


@pytest_twisted.ensureDeferred
async def test_anAnswerThatIsTooLongForUDPComesByTCP(loopback: Loopback) -> None:
    alive = await loopback.listenWithTLS(DOMAIN)
    nameServer = loopback.serve(
        *[srv(f"_sips._ws.{DOMAIN}", f"number{n}.{DOMAIN}", alive, priority=n) for n in range(60)],
        a(f"number0.{DOMAIN}", "127.0.0.1"),
    )
    userAgent = loopback.userAgent()
    userAgent.start()
    await userAgent.whenRegistered()
    transport: Any = userAgent.transport
    assert transport.server.ws_uri == f"wss://number0.{DOMAIN}:{alive}/"
    assert nameServer.asked[:3] == [
        f"UDP NAPTR {DOMAIN}",
        f"UDP SRV _sips._ws.{DOMAIN}",
        f"TCP SRV _sips._ws.{DOMAIN}",
    ]
    await userAgent.stop()


@pytest_twisted.ensureDeferred
async def test_anotherAddressOfTheServerIsTriedToo(loopback: Loopback) -> None:
    """The server listens on IPv4 alone, and DNS gives an IPv6 address besides."""
    alive = await loopback.listen()
    loopback.serve(
        naptr("SIP+D2W", f"_sip._ws.{DOMAIN}", name=DOMAIN),
        cname(f"_sip._ws.{DOMAIN}", f"_sip._ws.other.{DOMAIN}"),
        srv(f"_sip._ws.other.{DOMAIN}", f"one.{DOMAIN}", alive),
        aaaa(f"one.{DOMAIN}", "::1"),
        a(f"one.{DOMAIN}", "127.0.0.1"),
    )
    userAgent = loopback.userAgent(wsDomainInsecure=True)
    userAgent.start()
    await userAgent.whenRegistered()
    transport: Any = userAgent.transport
    assert transport.server.ws_uri == f"ws://one.{DOMAIN}:{alive}/"
    await userAgent.stop()


@pytest_twisted.ensureDeferred
async def test_aServerWhoseCertificateIsNotTheDomainsIsPassedOver(loopback: Loopback) -> None:
    """DNS may say that it is the domain's server: anybody could have had it say so."""
    stranger, own = await loopback.listenWithTLS(f"one.{DOMAIN}"), await loopback.listenWithTLS(DOMAIN)
    loopback.serve(
        srv(f"_sips._ws.{DOMAIN}", f"one.{DOMAIN}", stranger, priority=1),
        srv(f"_sips._ws.{DOMAIN}", f"two.{DOMAIN}", own, priority=2),
        a(f"one.{DOMAIN}", "127.0.0.1"),
        a(f"two.{DOMAIN}", "127.0.0.1"),
    )
    userAgent = loopback.userAgent()
    errors: list[Any] = []
    userAgent.on("disconnected", lambda transport: errors.append(transport.lastTransportError))
    userAgent.start()
    await userAgent.whenRegistered()
    transport: Any = userAgent.transport
    assert transport.server.ws_uri == f"wss://two.{DOMAIN}:{own}/"
    assert [type(error) for error in errors] == [CertificateRefused]
    await userAgent.stop()


@pytest_twisted.ensureDeferred
async def test_aDomainWithoutServersSaysSo(loopback: Loopback) -> None:
    loopback.serve(a(f"one.{DOMAIN}", "127.0.0.1"))
    userAgent = loopback.userAgent()
    connected = userAgent.whenConnected(failAfterFailures=1)
    userAgent.start()
    with pytest.raises(NoServers, match="neither NAPTR, SRV nor address records"):
        await connected
    await userAgent.stop()


@pytest_twisted.ensureDeferred
async def test_theSystemsResolverClosesWhatLongAnswersTook(loopback: Loopback) -> None:
    nameServer = loopback.serve(
        *[srv(f"_sips._ws.{DOMAIN}", f"number{n}.{DOMAIN}", 443, priority=n) for n in range(60)]
    )
    configuration = loopback.folder / "resolv.conf"
    configuration.write_text("nameserver 127.0.0.1\n")
    system = SystemResolver(loopback.reactor, configuration, loopback.folder / "hosts", nameServer.port)
    located = await Locator(system, loopback.reactor, Random(1)).locate(DOMAIN)
    assert located.targets[0].host == f"number0.{DOMAIN}"
    assert nameServer.connections == 1
    system.close()
    await becomes(lambda: nameServer.connections == 0, loopback.reactor)


@pytest_twisted.ensureDeferred
async def test_withoutAResolverTheSystemsIsAskedAndLeavesNothing(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = await loopback.listen()
    nameServer = loopback.serve(
        *[srv(f"_sip._ws.{DOMAIN}", "localhost", alive, priority=n, weight=n) for n in range(60)]
    )
    configuration = loopback.folder / "resolv.conf"
    configuration.write_text("nameserver 127.0.0.1\n")

    def system(reactor: Any, resolvConf: Path, hosts: Path) -> SystemResolver:
        assert (str(resolvConf), str(hosts)) == ("/etc/resolv.conf", "/etc/hosts")
        return SystemResolver(reactor, configuration, loopback.folder / "hosts", nameServer.port)

    monkeypatch.setattr(directory, "SystemResolver", system)
    options = Configuration(uri="sip:alice@localhost", wsDomain=DOMAIN, wsDomainInsecure=True)
    userAgent = UserAgent(options, loopback.reactor)
    userAgent.start()
    await userAgent.whenRegistered()
    assert f"TCP SRV _sip._ws.{DOMAIN}" in nameServer.asked
    await becomes(lambda: nameServer.connections == 0, loopback.reactor)
    await userAgent.stop()
