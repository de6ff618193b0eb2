"""
L{Authorization}: who we are to an HTTP server, said at once or when it asks.

RFC 7118 section 7: "the WebSocket client and server can use any
authentication mechanism available to generic HTTP clients".  These are a bearer
token (RFC 6750), Digest (RFC 7616) and Basic (RFC 7617).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipws.digest import DigestSession, challengeStrength, findAlgorithm
from sipws.errors import ParseError
from sipws.message import Challenge
from sipws.message.headers import splitList
from sipws.transport.http import printable

if TYPE_CHECKING:
    from sipws.transport.upgrade import Upgrade

__all__ = ["MAX_ANSWERS", "Authorization", "basicCredentials", "readChallenges"]

#: How many challenges are answered in one attempt to connect: a server that asks for ever
#: another realm must come to an end.
MAX_ANSWERS = 8

#: The begin of a challenge, among what stands between commas: a scheme, and a parameter or nothing
#: after it.  What is only C{name=value} belongs to the challenge before it.
_BEGIN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:$|[ \t]+(?!=))")

#: What would answer a challenge, by its scheme.
_OPTIONS = {
    "basic": "httpUser and httpPassword",
    "digest": "httpUser and httpPassword",
    "bearer": "httpToken",
}


def basicCredentials(user: str, password: str) -> str:
    """Make the credentials of RFC 7617 section 2."""
    # What was no UTF-8 in the environment goes out as it was there.
    octets = f"{user}:{password}".encode("utf-8", "surrogateescape")
    return f"Basic {b64encode(octets).decode()}"


def readChallenges(values: Iterable[str]) -> list[Challenge]:
    """
    Read the challenges of a 401 or 407.

    RFC 9110 section 11.6.1: a value "might contain more than one challenge,
    and each challenge can contain a comma-separated list of authentication parameters".

    @param values: Those of C{WWW-Authenticate} or C{Proxy-Authenticate}.
    @return: Those that could be read, in their order.
    """
    return [challenge for value in values for challenge in _challengesOf(value)]


def _challengesOf(value: str) -> list[Challenge]:
    texts: list[str] = []
    for item in splitList(value):
        if _BEGIN.match(item) is not None or not texts:
            texts.append(item)
        else:
            texts[-1] += f", {item}"
    return [challenge for text in texts if (challenge := _challenge(text)) is not None]


def _challenge(text: str) -> Challenge | None:
    # A scheme alone, as in "Negotiate", is a challenge of HTTP's and none of SIP's.
    if _BEGIN.fullmatch(text) is not None:
        return Challenge(text.strip())
    try:
        return Challenge.parse(text)
    except ParseError:
        return None


class Authorization:
    """
    Gives one server the credentials that were configured for it.

    What a server has asked for is remembered: the next upgrade has it from
    the start, which saves it the asking.

    Its C{repr} shows no secret.
    """

    __slots__ = ("_answered", "_answers", "_isBasic", "_newCnonce", "_session", "_upgrade")

    def __init__(self, upgrade: Upgrade, newCnonce: Callable[[], str]) -> None:
        """
        @param upgrade: What was configured.
        @param newCnonce: Gives a random word, another one each time.
        """
        self._upgrade = upgrade
        self._newCnonce = newCnonce
        self._session: DigestSession | None = None
        self._isBasic = upgrade.basic
        # By realm, which nonces have been answered since the last begin().
        self._answered: dict[str, list[str]] = {}
        self._answers = 0

    def __repr__(self) -> str:
        return "<Authorization>"

    def begin(self) -> None:
        """An attempt begins: what was answered in others does not count any more."""
        self._answered.clear()
        self._answers = 0

    def redirected(self) -> None:
        """The same server asks anew, for another resource."""
        self._answered.clear()

    def value(self, resource: str) -> str | None:
        """
        Give what C{Authorization} is to say.

        @param resource: What is asked for: path and query.
        @return: C{None}: nothing.
        """
        upgrade = self._upgrade
        if upgrade.token is not None:
            return f"Bearer {upgrade.token}"
        if self._session is not None:
            return str(self._session.credentials("GET", resource, b""))
        if self._isBasic and upgrade.user is not None:
            return basicCredentials(upgrade.user, upgrade.password or "")
        return None

    def answer(self, challenges: list[Challenge], isPrivate: bool) -> str | None:
        """
        Take the challenges of a 401.

        @param challenges: The challenges.
        @param isPrivate: Whether nobody on the way can read what is sent.
        @return: C{None}: the next request will answer.  Otherwise why it cannot.
        """
        upgrade = self._upgrade
        if upgrade.user is None:
            return _unanswerable(challenges, upgrade)
        if self._answers >= MAX_ANSWERS:
            return "it has asked for credentials too often"
        digest = _strongest(challenges)
        if digest is not None:
            return self._answerByDigest(digest, upgrade.user, upgrade.password or "")
        if any(challenge.scheme.lower() == "basic" for challenge in challenges):
            return self._answerByBasic(isPrivate=isPrivate)
        return _unanswerable(challenges, upgrade)

    def _answerByDigest(self, challenge: Challenge, user: str, password: str) -> str | None:
        realm, nonce = challenge.realm or "", challenge.nonce or ""
        answered = self._answered.setdefault(realm, [])
        # RFC 7616 section 3.3: "If stale is false, or anything other than true, or the stale
        # parameter is not present, the username and/or password are invalid".  One that is
        # stale again at once is not worth a third try.
        if answered and (not challenge.stale or nonce in answered or len(answered) > 1):
            self._session = None
            return "it does not take httpUser and httpPassword"
        algorithm = findAlgorithm(challenge.algorithm)
        assert algorithm is not None, "a challenge that cannot be answered was chosen"
        answered.append(nonce)
        self._answers += 1
        self._session = DigestSession(algorithm, challenge, user, password, self._newCnonce())
        return None

    def _answerByBasic(self, *, isPrivate: bool) -> str | None:
        self._session = None
        if self._isBasic:
            return "it does not take httpUser and httpPassword"
        # RFC 7617 section 4: Basic "is not considered to be a secure method of user authentication
        # unless used in conjunction with some external secure system such as TLS".
        if not isPrivate:
            return "it asks for the password in the clear (Basic over ws), which httpBasic would allow"
        self._isBasic = True
        self._answers += 1
        return None


def _strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """Choose the digest challenge to answer: the strongest, and of equals the first."""
    digests = [each for each in challenges if each.realm is not None and challengeStrength(each)[0] > 0]
    return max(digests, key=challengeStrength, default=None)


def _unanswerable(challenges: Iterable[Challenge], upgrade: Upgrade) -> str:
    schemes = list(dict.fromkeys(challenge.scheme for challenge in challenges))
    if not schemes:
        return "it does not say what credentials it asks for"
    asked = f"it asks for credentials ({printable(', '.join(schemes))})"
    if upgrade.token is not None:
        return f"{asked} and does not take httpToken"
    options = [_OPTIONS[scheme.lower()] for scheme in schemes if scheme.lower() in _OPTIONS]
    if upgrade.user is not None or not options:
        return f"{asked} in no way that is known here"
    return f"{asked}, and none are configured ({options[0]})"
