"""
What a client's TLS is made of: the certificates that are trusted, and the one
that is shown, as they stand in files.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate as X509Certificate
from cryptography.x509 import load_pem_x509_certificates
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates

from sipws.errors import ConfigurationError

if TYPE_CHECKING:
    from sipws.transport.options import TransportOptions

__all__ = ["creatorFor"]

_PEM_CERTIFICATE_END = b"-----END CERTIFICATE-----"

#: The options that name files.
_FILES = ("caFile", "clientCertificate", "clientKey")

#: What is in use, by what it was made of.  It holds no state, only what would be made again as it
#: is: with the platform's authorities that is near a mebibyte each, and many user agents of one
#: process go to one server.
_inUse: WeakValueDictionary[tuple[Any, ...], Any] = WeakValueDictionary()


def creatorFor(name: str, options: TransportOptions) -> Any:
    """
    Give what makes TLS connections, by the files as they are now.

    @param name: The name that the server is asked for by.
    @param options: See C{caFile}, C{clientCertificate} and C{clientKey}.
    @return: An C{IOpenSSLClientConnectionCreator}; the same one for the same
        name and the same files, as long as somebody has it.
    @raise ConfigurationError: A file cannot be used; it names the option.
    """
    made = (name, *(_stamp(option, getattr(options, option)) for option in _FILES))
    creator = _inUse.get(made)
    if creator is None:
        creator = _inUse[made] = optionsForClientTLS(
            name,
            trustRoot=None if options.caFile is None else _trusted(options.caFile),
            extraCertificateOptions=_shown(options),
        )
    return creator


def _stamp(option: str, path: str | None) -> tuple[object, ...] | None:
    """Give what differs when a file is another, or has changed."""
    if path is None:
        return None
    try:
        status = os.stat(path)
    except OSError as error:
        raise ConfigurationError(option, f"{path} cannot be read: {error.strerror}") from error
    return os.path.abspath(path), status.st_mtime_ns, status.st_size, status.st_ino


def _trusted(caFile: str) -> Any:
    """Read the certificates that are trusted."""
    blocks = _read("caFile", caFile).split(_PEM_CERTIFICATE_END)[:-1]
    if not blocks:
        raise ConfigurationError("caFile", f"{caFile} holds no certificate in PEM")
    try:
        return trustRootFromCertificates(
            [Certificate.loadPEM(block + _PEM_CERTIFICATE_END) for block in blocks]
        )
    except Exception as error:
        raise ConfigurationError("caFile", f"{caFile} cannot be read as certificates") from error


def _shown(options: TransportOptions) -> dict[str, Any]:
    """Read the certificate that is shown to the server, with its chain and key."""
    if options.clientCertificate is None:
        return {}
    octets = _read("clientCertificate", options.clientCertificate)
    try:
        own, *chain = load_pem_x509_certificates(octets)
    except ValueError as error:
        problem = f"{options.clientCertificate} holds no certificate in PEM that can be read"
        raise ConfigurationError("clientCertificate", problem) from error
    if options.clientKey is None:
        key = _key("clientCertificate", options.clientCertificate, octets, own)
    else:
        key = _key("clientKey", options.clientKey, _read("clientKey", options.clientKey), own)
    return {"privateKey": key, "certificate": own, "extraCertChain": chain}


def _key(option: str, path: str, octets: bytes, certificate: X509Certificate) -> Any:
    """Read the key that belongs to a certificate."""
    try:
        key = load_pem_private_key(octets, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        problem = f"{path} holds no key in PEM that can be read"
        raise ConfigurationError(option, problem, "without a passphrase") from error
    if key.public_key() != certificate.public_key():
        raise ConfigurationError(option, f"{path} holds a key that does not belong to the certificate")
    return key


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(option, f"{path} cannot be read: {error.strerror}") from error
