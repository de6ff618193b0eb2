"""
TLS for C{wss}, as a client: what cannot be verified is refused.

Twisted's own policy lets a certificate pass whose names cannot be read at all
(it has none, or one that is malformed): the error that says so is not among
those that it looks for.  Here every certificate is refused that is not
positively good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL, crypto
from service_identity.hazmat import DNS_ID, IPAddress_ID, ServiceID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipws.errors import CertificateRefused, ConfigurationError
from sipws.transport.sipdomain import isOfDomain
from sipws.transport.tlsfiles import creatorFor

if TYPE_CHECKING:
    from twisted.protocols.tls import TLSMemoryBIOProtocol

    from sipws.transport.options import TransportOptions

__all__ = ["ClientTLS"]

_log = Logger(namespace="sip.transport")

#: Says why a certificate is not the one that is wanted; C{None} where it is.
_Check = Callable[[crypto.X509], "str | None"]


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """
    Makes the client's side of TLS connections to one host, which must prove
    that it is that host; or, where a SIP domain has led there, that it is
    that domain's, by whatever name the host goes.

    @raise ConfigurationError: A file of the options cannot be used; it names the option.
    """

    def __init__(self, host: str, options: TransportOptions, domain: str | None = None) -> None:
        """
        @param host: The host of the URI: a name, or an IP address without brackets.
        @param options: See C{caFile}, C{clientCertificate} and C{clientKey}.
        @param domain: The SIP domain that has led there.
        """
        self._check = _hostCheck(host) if domain is None else _domainCheck(domain)
        # A server of several domains has a certificate for each, and must be told which one is asked for.
        self._name = host if domain is None else domain
        self._options = options
        self._creator = creatorFor(self._name, options)
        self._isStale = False

    def clientConnectionForTLS(self, tlsProtocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        """
        Make one connection, by the files as they are now.

        @param tlsProtocol: The protocol that it is for.
        """
        self._refresh()
        connection: SSL.Connection = self._creator.clientConnectionForTLS(tlsProtocol)
        connection.set_verify(
            SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _verifier(tlsProtocol, self._check)
        )
        return connection

    def _refresh(self) -> None:
        """
        Read the files again where they have changed: certificates are renewed
        more often than programs are started.
        """
        try:
            self._creator = creatorFor(self._name, self._options)
            self._isStale = False
        except ConfigurationError as error:
            if not self._isStale:
                _log.warn("going on with the certificates that were there before: {error}", error=error)
            self._isStale = True


def _verifier(
    tlsProtocol: TLSMemoryBIOProtocol, check: _Check
) -> Callable[[SSL.Connection, crypto.X509, int, int, int], bool]:
    """
    Make what OpenSSL asks about each certificate of the chain, the server's own last.

    RFC 9110 section 4.3.4: the client "MUST verify that the service's
    identity is an acceptable match for the URI's origin server".
    """
    # OpenSSL keeps the function as long as the connection: no more of the protocol than that.
    protocol: TLSMemoryBIOProtocol | None = tlsProtocol

    def verify(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        nonlocal protocol
        problem = None if ok else _openSSLError(error)
        if problem is None and depth == 0:
            problem = check(certificate)
        if problem is None:
            return True
        if protocol is not None:
            protocol.failVerification(Failure(CertificateRefused(problem)))
            protocol = None
        return False

    return verify


def _hostCheck(host: str) -> _Check:
    """Make what says why a certificate is not that of a host; C{None} where it is."""
    isAddress = isIPAddress(host) or isIPv6Address(host)
    identity: ServiceID = IPAddress_ID(host) if isAddress else DNS_ID(host)

    def check(certificate: crypto.X509) -> str | None:
        try:
            verify_service_identity(extract_patterns(certificate), [identity], [])
        except Exception as error:  # noqa: BLE001 - whatever keeps us from reading the names: fail closed
            return f"the certificate does not prove to be that of {_nameOf(identity)}: {error!r}"
        return None

    return check


def _domainCheck(domain: str) -> _Check:
    """
    Make what says why a certificate is not that of a SIP domain; C{None} where it is.

    RFC 5922 section 7.3: the client "MUST compare the original domain portion
    of the SIP AUS used as input to the RFC 3263 server location procedures to
    the SIP domain identities obtained from the certificate".
    """

    def check(certificate: crypto.X509) -> str | None:
        try:
            if isOfDomain(certificate, domain):
                return None
        except Exception as error:  # noqa: BLE001 - as above
            return f"the certificate does not prove to be that of the domain {domain}: {error!r}"
        return f"the certificate is not that of the domain {domain} (RFC 5922), by which the server was found"

    return check


def _nameOf(identity: Any) -> str:
    name = identity.hostname if isinstance(identity, DNS_ID) else identity.ip
    return name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _openSSLError(error: int) -> str:
    binding = Binding()
    text: bytes = binding.ffi.string(binding.lib.X509_verify_cert_error_string(error))
    return f"the certificate is not valid: {text.decode('ascii', 'replace')}"
