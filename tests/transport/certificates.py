"""Certificates, good and bad, made as they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from twisted.internet.ssl import Certificate as TwistedCertificate
from twisted.internet.ssl import CertificateOptions, trustRootFromCertificates

__all__ = ["Authority", "Identity"]

_DAY = timedelta(days=1)


def _name(commonName: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, commonName)])


class Identity:
    """A certificate with its key."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    @property
    def certificatePEM(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def keyPEM(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def write(self, folder: Path, name: str, *octets: bytes) -> str:
        """Write PEM into a file, and give its path."""
        path = folder / name
        path.write_bytes(b"".join(octets))
        return str(path)

    def asServer(self, demandsFrom: Authority | None = None) -> Any:
        """
        Make the TLS of a server that has this certificate.

        @param demandsFrom: Whose certificates it demands of clients.
        """
        trusted = None
        if demandsFrom is not None:
            trusted = trustRootFromCertificates([TwistedCertificate.loadPEM(demandsFrom.certificatePEM)])
        # Twisted's types still ask for pyOpenSSL's objects, which pyOpenSSL warns of.
        own: dict[str, Any] = {"privateKey": self.key, "certificate": self.certificate}
        return CertificateOptions(**own, trustRoot=trusted)


class Authority(Identity):
    """A certificate authority."""

    def __init__(self, commonName: str = "an authority") -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        super().__init__(
            x509.CertificateBuilder()
            .subject_name(_name(commonName))
            .issuer_name(_name(commonName))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 365 * _DAY)
            .not_valid_after(now + 365 * _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256()),
            key,
        )

    def issue(
        self,
        names: Sequence[str] | bytes | None,
        *,
        commonName: str = "sip.example.com",
        begins: timedelta = -_DAY,
        ends: timedelta = _DAY,
        forClients: bool = False,
        bySelf: bool = False,
    ) -> Identity:
        """
        Issue a certificate.

        @param names: Its subjectAltName: DNS names and IP addresses, or octets
            that take its place, or C{None}: it has none.
        @param commonName: The name in its subject, which proves nothing (RFC 9110 section 4.3.4).
        @param begins: From when on it is valid, from now.
        @param ends: Until when.
        @param forClients: Whether it is for a client, not for a server.
        @param bySelf: Whether it is signed by itself.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if forClients else ExtendedKeyUsageOID.SERVER_AUTH
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(commonName))
            .issuer_name(_name(commonName) if bySelf else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(_alternatives(names), critical=False)
        return Identity(builder.sign(key if bySelf else self.key, hashes.SHA256()), key)


def _alternatives(names: Sequence[str] | bytes) -> x509.ExtensionType:
    if isinstance(names, bytes):
        return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, names)
    return x509.SubjectAlternativeName([_alternative(name) for name in names])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
