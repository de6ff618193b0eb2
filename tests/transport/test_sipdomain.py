"""
Servers that were found by a domain: their certificate must be the domain's (RFC 5922).

Real TLS, over wires in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer, noLongerProvides

from sipws.errors import CertificateRefused
from sipws.interfaces import IWsServer
from sipws.server import EmbeddedServer
from sipws.transport import TransportOptions
from sipws.transport.location import IInnerReactor
from sipws.transport.sipdomain import sipDomains
from tests.transport.certificates import Authority, Identity
from tests.transport.foreign import Scene

AUTHORITY = Authority()
DOMAIN = "example.com"
HOST = "ws7.provider.example"


@implementer(IWsServer)
@attrs.frozen
class FoundServer:
    """A server that was found by a domain."""

    ws_uri: str = f"wss://{HOST}:7443/sip"
    domain: str | None = DOMAIN


class DomainScene(Scene):
    """A transport to a server of a domain, which speaks TLS."""

    def __init__(self, folder: Path, identity: Identity, server: Any = None) -> None:
        caFile = identity.write(folder, "authority.pem", AUTHORITY.certificatePEM)
        super().__init__(options=TransportOptions(caFile=caFile))
        self.server: Any = server or FoundServer()
        self.names: list[bytes | None] = []
        self.embedded = EmbeddedServer(self.network.reactor)
        contextFactory = _Listening(identity.asServer(), self.names)
        self.network.server = TLSMemoryBIOFactory(
            contextFactory, False, self.embedded.factory, clock=self.network.reactor
        )
        # There is TLS on this network.
        noLongerProvides(self.network.reactor, IInnerReactor)

    def attempt(self) -> Any:
        transport = self.construct()
        self.network.advance(0)
        return transport

    def end(self, transport: Any) -> None:
        transport.disconnect()
        self.network.advance(6)
        assert self.atRest()
        assert self.errors() == []


@implementer(IOpenSSLServerConnectionCreator)
class _Listening:
    """The TLS of a server that notes which name it is asked for."""

    def __init__(self, options: Any, names: list[bytes | None]) -> None:
        self._context: SSL.Context = options.getContext()
        self._context.set_tlsext_servername_callback(
            lambda connection: names.append(connection.get_servername())
        )

    def serverConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        return SSL.Connection(self._context, None)


def alternatives(*names: x509.GeneralName) -> bytes:
    return x509.SubjectAlternativeName(names).public_bytes()


def uri(text: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(text)


def dnsName(text: str) -> x509.GeneralName:
    return x509.DNSName(text)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([DOMAIN], id="the domain"),
        pytest.param(["EXAMPLE.com"], id="in capitals"),
        pytest.param([HOST, DOMAIN], id="the domain and the host"),
        pytest.param(alternatives(uri("sip:example.com")), id="a SIP URI"),
        pytest.param(alternatives(uri("SIP:Example.COM")), id="a SIP URI in capitals"),
        pytest.param(alternatives(uri("sip:example.com:5061;transport=tls")), id="a SIP URI with more to it"),
        pytest.param(
            alternatives(uri("sip:other.example"), uri("sip:example.com")), id="one of several SIP URIs"
        ),
        pytest.param(
            alternatives(uri("https://example.com"), dnsName(DOMAIN)),
            id="a URI that is none of SIP, and a name",
        ),
    ],
)
def test_theCertificateOfTheDomainIsAccepted(names: Sequence[str] | bytes, tmp_path: Path) -> None:
    scene = DomainScene(tmp_path, AUTHORITY.issue(names))
    transport = scene.attempt()
    assert transport.lastTransportError is None
    assert transport.connected
    scene.end(transport)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([HOST], id="the host, of which DNS says that it is the domain's"),
        pytest.param(["*.example.com"], id="a wildcard"),
        pytest.param(["*.com"], id="a wildcard that covers the domain"),
        pytest.param(["sip.example.com"], id="a name below"),
        pytest.param(["com"], id="a name above"),
        pytest.param(["badexample.com"], id="a longer name"),
        pytest.param(["192.0.2.1"], id="an address"),
        pytest.param(None, id="no subjectAltName, but the domain for its subject"),
        pytest.param(alternatives(uri("sip:alice@example.com")), id="a user of the domain"),
        pytest.param(alternatives(uri("sips:example.com")), id="a SIPS URI"),
        pytest.param(alternatives(uri("https://example.com")), id="a URI that is none of SIP"),
        pytest.param(alternatives(uri("sip:")), id="a SIP URI without a domain"),
        pytest.param(
            alternatives(uri("sip:other.example"), dnsName(DOMAIN)), id="the name, but the SIP URI of another"
        ),
        pytest.param(b"\x30\x00", id="a subjectAltName without names"),
        pytest.param(b"\x30\x06\x82\x04\xff\xfe\xfd\xfc", id="a name that is not ASCII"),
    ],
)
def test_anotherCertificateIsRefused(names: Sequence[str] | bytes | None, tmp_path: Path) -> None:
    scene = DomainScene(tmp_path, AUTHORITY.issue(names, commonName=DOMAIN))
    transport = scene.attempt()
    assert not transport.connected
    assert not scene.embedded.connections
    error = transport.lastTransportError
    assert isinstance(error, CertificateRefused)
    assert f"the domain {DOMAIN}" in str(error)
    scene.end(transport)


def test_aCertificateOfTheDomainByAnotherAuthorityIsRefused(tmp_path: Path) -> None:
    scene = DomainScene(tmp_path, Authority("another").issue([DOMAIN]))
    transport = scene.attempt()
    assert isinstance(transport.lastTransportError, CertificateRefused)
    scene.end(transport)


def test_TLSAsksForTheDomainAndHTTPForTheHost(tmp_path: Path) -> None:
    scene = DomainScene(tmp_path, AUTHORITY.issue([DOMAIN]))
    transport = scene.attempt()
    assert scene.names == [DOMAIN.encode()]
    connections: list[Any] = list(scene.embedded.connections.values())
    assert connections[0]._protocol.http_headers["host"] == f"{HOST}:7443"
    scene.end(transport)


def test_withoutADomainTheCertificateIsTheHosts(tmp_path: Path) -> None:
    scene = DomainScene(tmp_path, AUTHORITY.issue([HOST]), FoundServer(domain=None))
    transport = scene.attempt()
    assert transport.connected
    assert scene.names == [HOST.encode()]
    scene.end(transport)


def test_theDomainsOfACertificateAreThoseOfItsURIsOrElseItsNames() -> None:
    def of(*names: x509.GeneralName) -> set[str]:
        return sipDomains(AUTHORITY.issue(alternatives(*names)).certificate)

    assert of(dnsName("A.example"), dnsName("b.example")) == {"a.example", "b.example"}
    assert of(uri("sip:c.example"), dnsName("b.example")) == {"c.example"}
    assert of(uri("sip:x@c.example"), dnsName("b.example")) == {"b.example"}
    assert sipDomains(AUTHORITY.issue(None).certificate) == set()
