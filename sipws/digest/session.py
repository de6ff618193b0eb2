"""
What a client keeps of a challenge, and what it makes of it.
"""

from __future__ import annotations

import hmac

from sipws.digest.computing import (
    Algorithm,
    findAlgorithm,
    keyOf,
    requestDigest,
    responseDigest,
    sessionKey,
    userHash,
)
from sipws.message import AuthenticationInfo, Challenge, Credentials

__all__ = ["DigestSession", "challengeStrength"]


class DigestSession:
    """
    What a client keeps of one challenge (RFC 7616 section 3.6): "A client SHOULD
    remember the username, password, nonce, nonce count, and opaque values".

    @ivar nonce: The server's: that of the challenge, or one that it gave since.
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

    def isOf(self, credentials: Credentials) -> bool:
        """Say whether credentials were made by this."""
        given = credentials.parameters.get
        cnonce = None if self._qop is None else self._cnonce
        return given("cnonce") == cnonce and given("realm") == self._challenge.realm

    def answers(self, challenge: Challenge) -> bool:
        """
        Say whether a challenge is this one, asked again: its nonce is counted on then, as "if the same
        nc value is seen twice, then the request is a replay" (RFC 7616 section 3.4).
        """
        return challenge.nonce == self.nonce and _terms(challenge) == _terms(self._challenge)

    def renew(self, nonce: str) -> None:
        """
        Take another nonce for the requests to come (RFC 7616 section 3.5, C{nextnonce}).

        The key stays: that of the C{-sess} algorithms is computed "only once".

        @param nonce: It.
        """
        if nonce != self.nonce:
            self.nonce = nonce
            self._uses = 0

    def proves(self, credentials: Credentials, info: AuthenticationInfo, body: bytes) -> bool:
        """
        Say whether whoever has answered knows the password, as far as he says so.

        @param credentials: Those of the request, made by this.
        @param info: The Authentication-Info of the response.
        @param body: The response's body.
        @return: Whether C{rspauth} is right, or is not there, which tells nothing.
        """
        given = info.parameters.get("rspauth")
        if given is None or self._qop is None:
            # RFC 2069 has no such thing.
            return True
        # "The qop, cnonce and nc [...] MUST be the ones for the client request to which this message
        # is the response"; but the protection of the two messages may differ.
        parameters = {**credentials.parameters, "qop": info.parameters.get("qop") or self._qop}
        expected = responseDigest(self._algorithm, self._key, parameters.get, body)
        return hmac.compare_digest(expected.encode(), given.lower().encode())

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


def _terms(challenge: Challenge) -> dict[str, str | None]:
    """Give what a challenge says beside its nonce, and why there is another."""
    return {name: value for name, value in challenge.parameters.items() if name not in ("nonce", "stale")}


def _wantsHash(challenge: Challenge) -> bool:
    return (challenge.parameters.get("userhash") or "").lower() == "true"
