"""
What a server needs for digest authentication: L{DigestVerifier}.
"""

from __future__ import annotations

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from enum import Enum

from sipws.digest.computing import (
    Algorithm,
    findAlgorithm,
    keyOf,
    requestDigest,
    responseDigest,
)
from sipws.message import AuthenticationInfo, Challenge, Credentials
from sipws.message.parameters import QuotedString

__all__ = ["LIFETIME", "MAX_NONCES", "DigestVerifier", "Verdict"]


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

#: RFC 7616 section 3.3.
_PROTECTIONS = frozenset(("auth", "auth-int"))

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
    @ivar qop: The qualities of protection that are offered: C{auth}, C{auth-int}.
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
        qop: Iterable[str] = ("auth",),
    ) -> None:
        """
        @param seconds: Gives the time, as C{IReactorTime.seconds} does.
        @param secret: Random octets, 16 or more, that nobody else knows.
        @param maxNonces: How many nonces in use are remembered.  Of more, the
            oldest become stale before their time.
        @param qop: The qualities of protection that are offered.
        @raise ValueError: An algorithm is not known, or ends in C{-sess}; or a
            quality of protection is not known, or there is none.
        """
        self.realm = realm
        self.algorithms = tuple(_offered(name) for name in algorithms)
        self.lifetime = lifetime
        self.qop = tuple(qop)
        if not self.qop or not _PROTECTIONS.issuperset(self.qop):
            raise ValueError(f"cannot offer the qop {', '.join(self.qop) or '(none)'}")
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
        if qop is not None and (
            qop.lower() not in self.qop or None in (parameters("nc"), parameters("cnonce"))
        ):
            return None
        name = (parameters("algorithm") or "MD5").lower()
        return next((algorithm for algorithm in self.algorithms if algorithm.name.lower() == name), None)

    def _makeChallenge(self, algorithm: Algorithm, stale: bool) -> Challenge:
        # RFC 7616 section 3.3 says what must be quoted, and what must not.
        parameters = {
            "realm": QuotedString(self.realm),
            "nonce": QuotedString(self._makeNonce()),
            # RFC 8760 section 2.6: "A UAS MUST always send a "qop" parameter".
            "qop": QuotedString(",".join(self.qop)),
            "algorithm": algorithm.name,
        }
        if stale:
            parameters["stale"] = "true"
        return Challenge("Digest", parameters)

    def makeInfo(self, credentials: Credentials, password: str, body: bytes = b"") -> AuthenticationInfo:
        """
        Make the Authentication-Info of the response to a request that was accepted.

        @param credentials: Those of the request.
        @param password: The user's.
        @param body: The response's body.
        @return: It: that we know the password, too; and another nonce, where
            that of the request is past the half of its life.
        """
        sent = credentials.parameters
        parameters: dict[str, str | None] = {}
        if self._now() - (self._madeAt(sent.get("nonce") or "") or 0) > self.lifetime * 500_000:
            parameters["nextnonce"] = self._makeNonce()
        algorithm = self._usedIn(credentials)
        if algorithm is not None and sent.get("qop") is not None:
            key = keyOf(algorithm, sent.get("username") or "", self.realm, password)
            parameters |= {name: sent[name] for name in ("qop", "cnonce", "nc")}
            parameters["rspauth"] = responseDigest(algorithm, key, sent.get, body)
        return AuthenticationInfo(parameters)

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
