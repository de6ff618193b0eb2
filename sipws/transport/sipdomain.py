"""
Whether a certificate is that of a SIP domain (RFC 5922).

Where servers are found by a domain, it is the domain that their certificate
must be for: that they are the domain's servers says nobody but DNS, in
which anybody may have had a hand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from OpenSSL import crypto

__all__ = ["isOfDomain", "sipDomains"]


def isOfDomain(certificate: crypto.X509, domain: str) -> bool:
    """
    Say whether a certificate, which is valid otherwise, is that of a domain.

    @param certificate: The certificate.
    @param domain: The domain, in lower case.
    @raise ValueError: The certificate cannot be read.
    """
    # RFC 5922 section 7.2: "Implementations MUST match the values in their entirety"; "MUST NOT match
    # suffixes"; "MUST NOT match any form of wildcard".
    return domain in sipDomains(certificate.to_cryptography())


def sipDomains(certificate: x509.Certificate) -> set[str]:
    """
    Give the SIP domains that a certificate is for (RFC 5922 section 7.1), in lower case.

    @param certificate: The certificate.
    @raise ValueError: It cannot be read.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        # "the implementation MAY examine the CN field": it does not.
        return set()
    names = extension.value
    domains = set(_domainsOf(names.get_values_for_type(x509.UniformResourceIdentifier)))
    # "An implementation MUST accept a domain name system identifier as a SIP domain identity if and only
    # if no other identity is found that matches the "sip" URI type".
    return domains or {name.lower() for name in names.get_values_for_type(x509.DNSName)}


def _domainsOf(uris: Iterable[str]) -> Iterable[str]:
    for uri in uris:
        scheme, _, rest = uri.partition(":")
        # "If the scheme of the URI is not "sip", then the implementation MUST NOT accept the value"; "a
        # value with a userpart identifies an individual user, not a domain".
        if scheme.lower() == "sip" and rest and "@" not in rest:
            # Section 7.2: "compare only the DNS name component".
            host = rest.partition(";")[0].partition("?")[0].partition(":")[0]
            yield host.lower()
