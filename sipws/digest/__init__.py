"""
Digest authentication: what a client and a server compute alike, what a client
keeps of a challenge, and what a server needs beside it.

RFC 3261 section 22.4 takes the scheme from HTTP: RFC 2617, or RFC 7616 with
RFC 8760, which adds better algorithms than MD5.  A challenge without C{qop} is
answered as in RFC 2069.  All text is hashed as UTF-8.
"""

from __future__ import annotations

from sipws.digest.authenticator import Authenticator, Proof
from sipws.digest.computing import (
    Algorithm,
    findAlgorithm,
    keyOf,
    requestDigest,
    responseDigest,
    sessionKey,
    userHash,
)
from sipws.digest.session import DigestSession, challengeStrength
from sipws.digest.verifier import LIFETIME, DigestVerifier, Verdict

__all__ = [
    "LIFETIME",
    "Algorithm",
    "Authenticator",
    "DigestSession",
    "DigestVerifier",
    "Proof",
    "Verdict",
    "challengeStrength",
    "findAlgorithm",
    "keyOf",
    "requestDigest",
    "responseDigest",
    "sessionKey",
    "userHash",
]
