"""
TLS for C{wss}: what is good is accepted, everything else refused.

Real TLS, over wires in memory.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from service_identity.exceptions import CertificateError
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import noLongerProvides

from sipws.errors import CertificateRefused, ConfigurationError, ConnectionFailed
from sipws.server import EmbeddedServer
from sipws.transport import Transport, TransportOptions, tls
from sipws.transport.location import IInnerReactor
from sipws.transport.tlsfiles import creatorFor
from tests.transport.certificates import Authority, Identity
from tests.transport.foreign import Scene, request

AUTHORITY = Authority()
NAME = "sip.example.com"
WSS = f"wss://{NAME}"


class SecureScene(Scene):
    """A transport, and a server that speaks TLS."""

    def __init__(
        self,
        folder: Path,
        identity: Identity,
        uri: str = WSS,
        *,
        trusted: bytes = AUTHORITY.certificatePEM,
        demandsFrom: Authority | None = None,
        **options: Any,
    ) -> None:
        caFile = identity.write(folder, "authority.pem", trusted)
        super().__init__(uri, TransportOptions(caFile=caFile, **options))
        self.tlsServer = identity.asServer(demandsFrom)
        self.network.server = self.makeServer()
        # There is TLS on this network.
        noLongerProvides(self.network.reactor, IInnerReactor)

    def makeServer(self) -> Any:
        self.server_ = EmbeddedServer(self.network.reactor)
        return TLSMemoryBIOFactory(self.tlsServer, False, self.server_.factory, clock=self.network.reactor)

    def attempt(self) -> Transport:
        """Make the transport, and let its first attempt come to its end."""
        transport = self.construct()
        self.network.advance(0)
        return transport


def accepted(scene: SecureScene) -> None:
    """See that a connection works."""
    transport = scene.attempt()
    assert transport.lastTransportError is None
    assert transport.connected
    assert transport.viaTransport == "WSS"
    assert transport.timings.tls is not None
    # An OPTIONS to nobody gets an answer that passes the sanity check only if it came whole.
    transport.send(request("OPTIONS"))
    scene.network.advance(0)
    assert len(scene.server_.connections) == 1
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()
    assert scene.errors() == []


def refused(scene: SecureScene) -> CertificateRefused:
    """See that no connection comes about, that it is said why, and that nothing was told to the server."""
    transport = scene.attempt()
    assert not transport.connected
    error = transport.lastTransportError
    assert isinstance(error, CertificateRefused)
    assert not scene.told("onTransportConnected")
    assert not scene.server_.connections
    scene.network.advance(3 * 4)
    assert scene.network.attempts == 4
    assert scene.told("onTransportError") == [("onTransportError",)]
    assert scene.atRest()
    assert scene.errors() == []
    return error


# What is good.


@pytest.mark.parametrize(
    ("names", "host"),
    [
        ([NAME], NAME),
        (["other.example.com", NAME], NAME),
        (["*.example.com"], NAME),
        (["192.0.2.1"], "192.0.2.1"),
        (["2001:db8::1"], "[2001:db8::1]"),
        ([NAME, "192.0.2.1"], "192.0.2.1"),
        ([NAME], "SIP.Example.COM"),
    ],
)
def test_aGoodCertificateIsAccepted(names: Sequence[str], host: str, tmp_path: Path) -> None:
    accepted(SecureScene(tmp_path, AUTHORITY.issue(names), f"wss://{host}"))


def test_oneOfSeveralAuthoritiesInAFileIsEnough(tmp_path: Path) -> None:
    both = Authority("another").certificatePEM + AUTHORITY.certificatePEM
    accepted(SecureScene(tmp_path, AUTHORITY.issue([NAME]), trusted=both))


def test_aCertificateOfItsOwnThatIsTrustedIsAccepted(tmp_path: Path) -> None:
    own = AUTHORITY.issue([NAME], bySelf=True)
    accepted(SecureScene(tmp_path, own, trusted=own.certificatePEM))


# What is not.


@pytest.mark.parametrize(
    ("names", "host"),
    [
        pytest.param(["other.example.com"], NAME, id="another name"),
        pytest.param(["example.com"], NAME, id="the name of the parent"),
        pytest.param(["*.example.com"], "a.b.example.com", id="a wildcard for more than one label"),
        pytest.param(["*.com"], NAME, id="a wildcard too high up"),
        pytest.param(["192.0.2.1"], NAME, id="an address for a name"),
        pytest.param([NAME], "192.0.2.1", id="a name for an address"),
        pytest.param(["192.0.2.2"], "192.0.2.1", id="another IPv4 address"),
        pytest.param(["2001:db8::2"], "[2001:db8::1]", id="another IPv6 address"),
        pytest.param(None, NAME, id="no subjectAltName"),
        pytest.param(None, "192.0.2.1", id="no subjectAltName, for an address"),
        pytest.param(b"\x30\x00", NAME, id="a subjectAltName without names"),
        pytest.param(["sip.*.com"], NAME, id="a wildcard in the middle"),
        pytest.param(["*.*.com"], NAME, id="two wildcards"),
        pytest.param(b"\x30\x06\x82\x04\xff\xfe\xfd\xfc", NAME, id="a name that is not ASCII"),
        pytest.param(b"\x30\x05\x87\x03\xc0\x00\x02", "192.0.2.1", id="an address that is too short"),
    ],
)
def test_aCertificateThatDoesNotProveTheNameIsRefused(
    names: Sequence[str] | bytes | None, host: str, tmp_path: Path
) -> None:
    """
    In Twisted from 26.4 on, those without a subjectAltName, and with one that
    cannot be read, pass: C{service_identity.CertificateError} is logged, not heeded.
    """
    error = refused(SecureScene(tmp_path, AUTHORITY.issue(names), f"wss://{host}"))
    assert f"does not prove to be that of {host.strip('[]')}" in str(error)


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x30\x20\x82\x03abc", b"\x82\x03abc"])
@pytest.mark.parametrize("host", [NAME, "192.0.2.1"])
def test_aSubjectAltNameThatIsNotDERIsRefused(octets: bytes, host: str, tmp_path: Path) -> None:
    refused(SecureScene(tmp_path, AUTHORITY.issue(octets), f"wss://{host}"))


@pytest.mark.parametrize(
    ("validity", "said"),
    [
        ({"begins": timedelta(days=-3), "ends": timedelta(days=-1)}, "expired"),
        ({"begins": timedelta(days=1), "ends": timedelta(days=3)}, "not yet valid"),
    ],
)
def test_aCertificateThatIsNotValidNowIsRefused(validity: dict[str, Any], said: str, tmp_path: Path) -> None:
    assert said in str(refused(SecureScene(tmp_path, AUTHORITY.issue([NAME], **validity))))


def test_aCertificateOfAnotherAuthorityIsRefused(tmp_path: Path) -> None:
    refused(SecureScene(tmp_path, Authority("another").issue([NAME])))


def test_aCertificateOfAnAuthorityOfTheSameNameIsRefused(tmp_path: Path) -> None:
    refused(SecureScene(tmp_path, Authority().issue([NAME])))


def test_aCertificateSignedByItselfIsRefused(tmp_path: Path) -> None:
    refused(SecureScene(tmp_path, AUTHORITY.issue([NAME], bySelf=True)))


def test_aCertificateForClientsIsRefused(tmp_path: Path) -> None:
    refused(SecureScene(tmp_path, AUTHORITY.issue([NAME], forClients=True)))


def test_aCertificateSignedByOneThatMayNotSignIsRefused(tmp_path: Path) -> None:
    """One that has any good certificate of the authority is no authority."""
    subscriber = AUTHORITY.issue(["other.example.com"], commonName="subscriber")
    forger = Authority("subscriber")
    forger.certificate, forger.key = subscriber.certificate, subscriber.key
    scene = SecureScene(tmp_path, forger.issue([NAME]), trusted=AUTHORITY.certificatePEM)
    refused(scene)


def test_withoutACAFileThePlatformsAuthoritiesDecide(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]))
    scene.options = TransportOptions()
    refused(scene)


def test_whateverKeepsTheNamesFromBeingReadRefusesTheCertificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the errors that are known today."""

    def fail(*args: object) -> None:
        raise CertificateError("a new way to be wrong")

    monkeypatch.setattr(tls, "extract_patterns", fail)
    assert "a new way to be wrong" in str(refused(SecureScene(tmp_path, AUTHORITY.issue([NAME]))))


def test_aServerWithoutTLSIsRefused(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]))
    scene.network.server = scene.server_.factory
    transport = scene.attempt()
    scene.network.advance(0)
    assert not transport.connected
    transport.disconnect()
    scene.network.advance(6)
    assert scene.atRest()


# Clients' certificates.

CLIENTS = Authority("an authority for clients")


def client(folder: Path, authority: Authority = CLIENTS) -> tuple[Identity, dict[str, Any]]:
    """Make a client's certificate, and the options that name its files."""
    made = authority.issue(None, commonName="alice", forClients=True)
    return made, {
        "clientCertificate": made.write(folder, "client.pem", made.certificatePEM),
        "clientKey": made.write(folder, "client.key", made.keyPEM),
    }


def test_aClientsCertificateIsShownToAServerThatDemandsOne(tmp_path: Path) -> None:
    _, options = client(tmp_path)
    accepted(SecureScene(tmp_path, AUTHORITY.issue([NAME]), demandsFrom=CLIENTS, **options))


def test_certificateAndKeyMayStandInOneFile(tmp_path: Path) -> None:
    made, _ = client(tmp_path)
    both = made.write(tmp_path, "both.pem", made.keyPEM, made.certificatePEM)
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]), demandsFrom=CLIENTS, clientCertificate=both)
    accepted(scene)


def test_aServerThatDemandsNoneIsConnectedToAllTheSame(tmp_path: Path) -> None:
    _, options = client(tmp_path)
    accepted(SecureScene(tmp_path, AUTHORITY.issue([NAME]), **options))


@pytest.mark.parametrize("ofAnother", [True, False])
def test_aServerThatDemandsAnotherCertificateEndsTheAttempt(ofAnother: bool, tmp_path: Path) -> None:
    options = client(tmp_path, Authority("unknown"))[1] if ofAnother else {}
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]), demandsFrom=CLIENTS, **options)
    transport = scene.attempt()
    assert not transport.connected
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    assert "certificate" in str(transport.lastTransportError) or "unknown ca" in str(
        transport.lastTransportError
    )
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


@pytest.mark.parametrize(
    ("option", "octets"),
    [
        ("caFile", b""),
        ("caFile", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("clientCertificate", b""),
        ("clientCertificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("clientKey", b""),
        ("clientKey", Authority("another").keyPEM),
    ],
)
def test_aFileThatHoldsSomethingElseIsAnErrorThatNamesItsOption(
    option: str, octets: bytes, tmp_path: Path
) -> None:
    made, options = client(tmp_path)
    options["caFile"] = made.write(tmp_path, "authority.pem", AUTHORITY.certificatePEM)
    options[option] = made.write(tmp_path, "wrong.pem", octets)
    with pytest.raises(ConfigurationError) as caught:
        tls.ClientTLS(NAME, TransportOptions(**options))
    assert caught.value.option == option
    assert b"PRIVATE" not in str(caught.value).encode()


# The phases.


def test_disconnectDuringTheHandshakeStopsForGood(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]))
    scene.network.stallUpgrade()
    transport = scene.attempt()
    assert transport.timings.tcp is not None
    assert transport.timings.tls is None
    transport.disconnect()
    scene.network.pump()
    assert scene.network.openSockets == 0
    # The server does not know it yet.
    assert [str(call) for call in scene.network.reactor.getDelayedCalls() if "Server" not in str(call)] == []
    assert scene.told("emit") == [("emit", "disconnected", transport)]


def test_aHandshakeThatStallsEndsInTime(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]), openTimeout=3)
    scene.network.stallUpgrade()
    transport = scene.attempt()
    scene.network.advance(2.9)
    assert transport.lastTransportError is None
    scene.network.advance(0.1)
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    scene.network.accept()
    scene.network.advance(4)
    assert transport.connected
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_aServerThatVanishesIsReconnectedTo(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]))
    transport = scene.attempt()
    [connection] = scene.server_.connections.values()
    connection.close()
    scene.network.advance(0)
    assert not transport.connected
    scene.network.advance(4)
    assert transport.connected
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


# Many transports, and files that change.


def test_whatIsMadeOfTheSameFilesForTheSameHostIsMadeOnce(tmp_path: Path) -> None:
    caFile = AUTHORITY.write(tmp_path, "ca.pem", AUTHORITY.certificatePEM)
    options = TransportOptions(caFile=caFile)
    creator = creatorFor(NAME, options)
    assert creatorFor(NAME, TransportOptions(caFile=caFile)) is creator
    assert creatorFor("other.example.com", options) is not creator
    assert creatorFor(NAME, TransportOptions()) is not creator


def test_whatNobodyUsesAnyMoreIsNotKept(tmp_path: Path) -> None:
    caFile = AUTHORITY.write(tmp_path, "ca.pem", AUTHORITY.certificatePEM)
    kept = weakref.ref(creatorFor(NAME, TransportOptions(caFile=caFile)))
    gc.collect()
    assert kept() is None


def test_anAuthorityThatIsExchangedCountsFromTheNextConnectionOn(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]), trusted=Authority().certificatePEM)
    transport = scene.attempt()
    assert isinstance(transport.lastTransportError, CertificateRefused)
    AUTHORITY.write(tmp_path, "authority.pem", AUTHORITY.certificatePEM)
    scene.network.advance(4)
    assert transport.connected
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_aClientsCertificateThatIsRenewedIsShownFromTheNextConnectionOn(tmp_path: Path) -> None:
    options = client(tmp_path, Authority("unknown"))[1]
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]), demandsFrom=CLIENTS, **options)
    transport = scene.attempt()
    assert not transport.connected
    client(tmp_path)
    scene.network.advance(4)
    assert transport.connected
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_filesThatAreGoneOrSpoiltLeaveWhatWasThereBefore(tmp_path: Path) -> None:
    scene = SecureScene(tmp_path, AUTHORITY.issue([NAME]))
    transport = scene.attempt()
    file = tmp_path / "authority.pem"
    for spoil in (file.unlink, lambda: file.write_text("nothing of use")):
        spoil()
        [connection] = scene.server_.connections.values()
        connection.close()
        scene.network.advance(5)
        assert transport.connected
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()
