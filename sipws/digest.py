"""
Digest authentication: what a client and a server compute alike, what a client
keeps of a challenge, and what a server needs beside it.

RFC 3261 section 22.4 takes the scheme from HTTP: RFC 2617, or RFC 7616 with
RFC 8760, which adds better algorithms than MD5.  A challenge without C{qop} is
answered as in RFC 2069.  All text is hashed as UTF-8.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache

import attrs

from sipws.message import Challenge, Credentials
from sipws.message.parameters import QuotedString

__all__ = [
    "Algorithm",
    "DigestSession",
    "DigestVerifier",
    "Verdict",
    "challengeStrength",
    "findAlgorithm",
    "keyOf",
    "requestDigest",
    "sessionKey",
    "userHash",
]

# ---------------------------------------------------------------- computing

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


# ---------------------------------------------------------------- answering


class DigestSession:
    """
    What a client keeps of one challenge (RFC 7616 section 3.6): "A client SHOULD
    remember the username, password, nonce, nonce count, and opaque values".

    @ivar nonce: The server's.
    """

    __slots__ = ("_algorithm", "_challenge", "_cnonce", "_key", "_qop", "_uses", "_username", "nonce")

    def __init__(
        self, algorithm: Algorithm, challenge: Challenge, username: str, password: str, cnonce: str
    ) -> None:
        """
        @param algorithm: The challenge's.
        @param challenge: One of which L{challengeStrength} thinks something, with a realm.
        @param cnonce: A random word.
        """
        realm, self.nonce = challenge.parameters["realm"] or "", challenge.parameters["nonce"] or ""
        self._algorithm = algorithm
        self._challenge = challenge
        self._qop = _qopFor(algorithm, challenge)
        self._uses = 0
        # One for all uses of the nonce: the key of the -sess algorithms has it in it.
        self._cnonce = cnonce
        key = keyOf(algorithm, username, realm, password)
        self._key = sessionKey(algorithm, key, self.nonce, cnonce)
        self._username = userHash(algorithm, username, realm) if _wantsHash(challenge) else username

    def credentials(self, method: str, uri: str, body: bytes) -> Credentials:
        """
        Give the credentials for one request.

        @param method: Its method.
        @param uri: Its Request-URI.
        @param body: Its body.
        """
        challenge = self._challenge.parameters
        parameters: dict[str, str | None] = {
            "username": self._username,
            "realm": challenge["realm"],
            "nonce": self.nonce,
            "uri": uri,
        }
        if self._qop is not None:
            # "The nc value is the hexadecimal count of the number of requests (including the
            # current request) that the client has sent with the nonce value in this request."
            self._uses += 1
            parameters.update(qop=self._qop, nc=f"{self._uses:08x}", cnonce=self._cnonce)
        parameters["response"] = requestDigest(self._algorithm, self._key, method, parameters.get, body)
        # "The values of the opaque and algorithm fields must be those supplied".
        for name in ("algorithm", "opaque"):
            if name in challenge:
                parameters[name] = challenge[name]
        if _wantsHash(self._challenge):
            parameters["userhash"] = "true"
        return Credentials("Digest", parameters)


def challengeStrength(challenge: Challenge) -> tuple[int, bool]:
    """Say how good a challenge is; 0 means that it cannot be answered."""
    options = challenge.qop
    algorithm = findAlgorithm(challenge.algorithm)
    if challenge.scheme.lower() != "digest" or algorithm is None or not challenge.nonce:
        return 0, False
    if options and not {"auth", "auth-int"}.intersection(options):
        return 0, False
    return algorithm.strength, bool(options)


def _qopFor(algorithm: Algorithm, challenge: Challenge) -> str | None:
    """
    Choose the quality of protection.

    @return: C{None}: none, as in RFC 2069.
    """
    options = challenge.qop
    if options:
        # Bodies are changed on their way by some: what covers them only where nothing else will do.
        return "auth" if "auth" in options else "auth-int"
    # RFC 3261 section 22.4: algorithms that depend on the cnonce "require that the qop
    # directive be sent"; RFC 8760 section 2.6: "If the "qop" parameter is not specified,
    # then the default value is "auth"."
    return "auth" if algorithm.isSession else None


def _wantsHash(challenge: Challenge) -> bool:
    return (challenge.parameters.get("userhash") or "").lower() == "true"


# ---------------------------------------------------------------- verifying


class Verdict(Enum):
    """What a verifier says of credentials."""

    ACCEPTED = "they prove the user"
    STALE = "they do, but their nonce is used up: to be challenged again, with stale=true"
    REFUSED = "they do not"


#: How long a nonce is good for, in seconds.
LIFETIME = 300.0

#: How many nonces in use are remembered.
MAX_NONCES = 10_000

#: The time of making in microseconds, a number of its own, and an HMAC of both.
_NONCE = struct.Struct(">QQ16s")
_SIGNED = struct.Struct(">QQ")

#: RFC 7616 section 3.4: "the nc value MUST be exactly 8 hexadecimal digits".
_NC = re.compile("[0-9A-Fa-f]{8}")


class DigestVerifier:
    """
    Makes challenges and verifies what answers them.

    A nonce says by itself when it was made, and by whom.  So nothing is kept
    of a challenge until somebody who knows the password answers it, and then
    only how often.

    @ivar realm: The realm.
    @ivar algorithms: The algorithms that are offered, the preferred one first.
    @ivar lifetime: How long a nonce is good for, in seconds.
    """

    def __init__(
        self,
        realm: str,
        seconds: Callable[[], float],
        secret: bytes,
        *,
        algorithms: Iterable[str] = ("SHA-256", "MD5"),
        lifetime: float = LIFETIME,
        maxNonces: int = MAX_NONCES,
    ) -> None:
        """
        @param seconds: Gives the time, as C{IReactorTime.seconds} does.
        @param secret: Random octets, 16 or more, that nobody else knows.
        @param maxNonces: How many nonces in use are remembered.  Of more, the
            oldest become stale before their time.
        @raise ValueError: An algorithm is not known, or ends in C{-sess}.
        """
        self.realm = realm
        self.algorithms = tuple(_offered(name) for name in algorithms)
        self.lifetime = lifetime
        self._seconds = seconds
        self._secret = secret
        self._maxNonces = maxNonces
        self._made = 0
        # The highest nc of each nonce that was used, in the order of first use.
        self._counts: dict[str, int] = {}
        # Nonces made up to then, in microseconds, are stale unless they are remembered.
        self._forgottenUntil = -1

    def __repr__(self) -> str:
        return f"<DigestVerifier {self.realm!r} {len(self._counts)} nonces>"

    def makeChallenges(self, stale: bool = False) -> list[Challenge]:
        """
        Make the challenges of a 401 or a 407.

        @param stale: Whether the verdict on the last credentials was C{STALE}.
        @return: One for each algorithm.  RFC 8760 section 2.3: "The UAS MUST
            add these header fields to the response in the order in which it
            would prefer to see them used".
        """
        return [self._makeChallenge(algorithm, stale) for algorithm in self.algorithms]

    def verify(
        self, credentials: Credentials, method: str, password: str | None, body: bytes = b""
    ) -> Verdict:
        """
        Verify credentials.

        That their C{username} may do what the request asks for, and that their
        C{uri} is that of the request, is for the caller to check.

        @param credentials: Those of the request.
        @param method: The request's method.
        @param password: That of the user whom they name; C{None}: there is no
            such user, which takes as long to say as that the password is wrong.
        @param body: The request's body.
        """
        parameters = credentials.parameters.get
        algorithm = self._usedIn(credentials)
        if algorithm is None:
            return Verdict.REFUSED
        username, response = parameters("username") or "", parameters("response") or ""
        key = keyOf(algorithm, username, self.realm, password or "")
        expected = requestDigest(algorithm, key, method, parameters, body)
        isRight = hmac.compare_digest(expected.encode(), response.lower().encode())
        if not isRight or password is None:
            return Verdict.REFUSED
        # RFC 7616 section 3.3: "The server SHOULD only set stale to true if it receives a
        # request for which the nonce is invalid", by somebody who knows the password.
        return Verdict.ACCEPTED if self._use(parameters("nonce") or "", parameters("nc")) else Verdict.STALE

    def _usedIn(self, credentials: Credentials) -> Algorithm | None:
        """Find the algorithm of credentials that this verifier can have asked for."""
        parameters = credentials.parameters.get
        if credentials.scheme.lower() != "digest" or parameters("realm") != self.realm:
            return None
        if None in (parameters("nonce"), parameters("uri")):
            return None
        qop = parameters("qop")
        if qop is not None and (qop.lower() != "auth" or None in (parameters("nc"), parameters("cnonce"))):
            return None
        name = (parameters("algorithm") or "MD5").lower()
        return next((algorithm for algorithm in self.algorithms if algorithm.name.lower() == name), None)

    def _makeChallenge(self, algorithm: Algorithm, stale: bool) -> Challenge:
        # RFC 7616 section 3.3 says what must be quoted, and what must not.
        parameters = {
            "realm": QuotedString(self.realm),
            "nonce": QuotedString(self._makeNonce()),
            # RFC 8760 section 2.6: "A UAS MUST always send a "qop" parameter".
            "qop": QuotedString("auth"),
            "algorithm": algorithm.name,
        }
        if stale:
            parameters["stale"] = "true"
        return Challenge("Digest", parameters)

    # Nonces.

    def _makeNonce(self) -> str:
        self._made += 1
        signed = _SIGNED.pack(self._now(), self._made)
        return urlsafe_b64encode(signed + self._sign(signed)).decode()

    def _sign(self, octets: bytes) -> bytes:
        return hmac.digest(self._secret, octets, "sha256")[:16]

    def _now(self) -> int:
        return int(self._seconds() * 1_000_000)

    def _madeAt(self, nonce: str) -> int | None:
        """Say when a nonce was made, in microseconds; C{None} where it was not made here."""
        try:
            octets = urlsafe_b64decode(nonce)
            made, number, signature = _NONCE.unpack(octets)
        except (ValueError, struct.error):
            return None
        isOurs = hmac.compare_digest(signature, self._sign(_SIGNED.pack(made, number)))
        # There is one way to write a nonce: another would be another nonce, not used yet.
        return int(made) if isOurs and urlsafe_b64encode(octets).decode() == nonce else None

    def _use(self, nonce: str, nc: str | None) -> bool:
        """
        Use a nonce once more.

        @param nc: The count of its uses; RFC 7616 section 3.4: "if the same nc
            value is seen twice, then the request is a replay".  Where there is
            none (RFC 2069), the nonce is good for once.
        @return: Whether it is good.
        """
        made = self._madeAt(nonce)
        if made is None or self._now() - made > self.lifetime * 1_000_000:
            return False
        if nc is not None and _NC.fullmatch(nc) is None:
            return False
        count = 1 if nc is None else int(nc, 16)
        if nonce not in self._counts and made <= self._forgottenUntil:
            return False
        if count <= self._counts.get(nonce, 0):
            return False
        self._counts[nonce] = count
        self._forget()
        return True

    def _forget(self) -> None:
        """Forget nonces that are too old, or too many."""
        oldest = self._now() - self.lifetime * 1_000_000
        while self._counts:
            nonce = next(iter(self._counts))
            made = self._madeAt(nonce) or 0
            if made >= oldest and len(self._counts) <= self._maxNonces:
                return
            del self._counts[nonce]
            self._forgottenUntil = max(self._forgottenUntil, made)


def _offered(name: str) -> Algorithm:
    algorithm = findAlgorithm(name)
    if algorithm is None or algorithm.isSession:
        raise ValueError(f"cannot offer the digest algorithm {name!r}")
    return algorithm
