"""
The arithmetic of digest authentication, which a client and a server do alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import attrs

__all__ = [
    "Algorithm",
    "findAlgorithm",
    "keyOf",
    "requestDigest",
    "responseDigest",
    "sessionKey",
    "userHash",
]

#: The hash functions by the names of IANA's registry (RFC 7616 section 6.1, in
#: lower case), with those that C{hashlib} knows them by and how good they are.
_HASHES = {
    "md5": ("md5", 1),
    "sha-256": ("sha256", 2),
    "sha-512-256": ("sha512_256", 2),
}


@attrs.frozen
class Algorithm:
    """
    One of the algorithms of RFC 8760 section 2.7.

    @ivar name: Its name as it stood in the challenge.
    @ivar strength: Higher is better; RFC 8760 section 3: "The obsolete MD5
        algorithm remains only for backward compatibility".
    @ivar isSession: Whether it is one of those that end in C{-sess}, which
        hash the nonces into the key.
    """

    name: str
    strength: int
    isSession: bool
    _hash: str

    def hash(self, data: str | bytes) -> str:
        """
        Compute H(data) of RFC 7616 section 3.3.

        @param data: Text is taken as UTF-8.
        @return: In hexadecimal, lower case (RFC 8760 section 2.2).
        """
        # What was no UTF-8 in the environment or in a file is hashed as it was there.
        octets = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        return hashlib.new(self._hash, octets, usedforsecurity=False).hexdigest()


@lru_cache(maxsize=32)
def findAlgorithm(name: str | None) -> Algorithm | None:
    """
    Find an algorithm.

    @param name: Its name, in any case; C{None} means MD5 (RFC 7616 section 3.3).
    @return: C{None} where it is not known here, or Python's OpenSSL lacks it.
    """
    name = name or "MD5"
    folded = name.lower()
    base = folded.removesuffix("-sess")
    hashName, strength = _HASHES.get(base, ("", 0))
    if hashName not in hashlib.algorithms_available:
        return None
    return Algorithm(name, strength, folded != base, hashName)


def keyOf(algorithm: Algorithm, username: str, realm: str, password: str) -> str:
    """
    Compute H(username:realm:password), which a server may keep in the password's place.

    @return: A secret as good as the password in this realm.
    """
    return algorithm.hash(f"{username}:{realm}:{password}")


def userHash(algorithm: Algorithm, username: str, realm: str) -> str:
    """Compute what stands for the user's name where the server wants that (RFC 7616 section 3.4.4)."""
    return algorithm.hash(f"{username}:{realm}")


def sessionKey(algorithm: Algorithm, key: str, nonce: str, cnonce: str) -> str:
    """
    Compute H(A1) (RFC 7616 section 3.4.2).

    @param key: That of L{keyOf}.
    @param nonce: The nonce of the challenge, and C{cnonce} that of the first answer to it.
    """
    return algorithm.hash(f"{key}:{nonce}:{cnonce}") if algorithm.isSession else key


def requestDigest(
    algorithm: Algorithm,
    key: str,
    method: str,
    parameters: Callable[[str], str | None],
    body: bytes = b"",
) -> str:
    """
    Compute the response to a challenge (RFC 7616 section 3.4.1).

    @param key: That of L{sessionKey}.
    @param method: The request's method.
    @param parameters: Gives the parameters of the credentials: C{nonce},
        C{uri}, and C{qop}, C{nc} and C{cnonce} where there is a C{qop}.
    @param body: The request's body, for C{auth-int}.
    """
    qop = parameters("qop")
    a2 = f"{method}:{parameters('uri')}"
    if qop is not None and qop.lower() == "auth-int":
        # RFC 8760 section 2.6: H(entity-body) of an empty body is that of an empty string.
        a2 += f":{algorithm.hash(body)}"
    if qop is None:
        # RFC 2069 section 2.1.2: KD(H(A1), nonce ":" H(A2)).
        return algorithm.hash(f"{key}:{parameters('nonce')}:{algorithm.hash(a2)}")
    middle = f"{parameters('nonce')}:{parameters('nc')}:{parameters('cnonce')}:{qop}"
    return algorithm.hash(f"{key}:{middle}:{algorithm.hash(a2)}")


def responseDigest(
    algorithm: Algorithm, key: str, parameters: Callable[[str], str | None], body: bytes = b""
) -> str:
    """
    Compute C{rspauth}, by which a server proves that it knows the password, too.

    RFC 7616 section 3.5: it is computed as the response of the request is,
    but that A2 has no method, and that C{auth-int} covers the body of the response.

    @param key: That of L{sessionKey}.
    @param parameters: As of L{requestDigest}: those of the request that is answered.
    @param body: The response's body.
    """
    return requestDigest(algorithm, key, "", parameters, body)
