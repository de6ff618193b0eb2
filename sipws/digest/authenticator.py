"""
L{Authenticator}: has the senders of requests prove who they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from sipws.digest.verifier import DigestVerifier, Verdict
from sipws.errors import ParseError
from sipws.message import Credentials

if TYPE_CHECKING:
    from sipws.message import IncomingRequest

__all__ = ["Authenticator", "Proof"]


@attrs.frozen
class Proof:
    """
    What a request proves of its sender.

    @ivar user: Who that is; C{None}: nobody knows, and the request is to be challenged.
    @ivar headers: What the response says of that: the challenges of a 401, or
        407, where nobody knows; otherwise, of a 2xx without a body, that we know the password, too.
    @ivar credentials: What proves it; C{None}: nothing does.
    """

    user: str | None
    headers: tuple[tuple[str, object], ...]
    credentials: Credentials | None = attrs.field(default=None, repr=False)


class Authenticator:
    """
    Has the senders of requests prove who they are (RFC 3261 section 22).

    An application asks it of what comes in, and refuses with 401 and what it gives::

        proof = authenticator.examine(session.request)
        if proof.user is None:
            session.reject(401, headers=proof.headers)

    The sender then sends the request again, with credentials: another request,
    which is asked of again.  An ACK or a CANCEL cannot be challenged (section 22.1).
    """

    def __init__(
        self, verifier: DigestVerifier, passwordOf: Callable[[str], str | None], *, asProxy: bool = False
    ) -> None:
        """
        @param verifier: What makes the challenges, for its realm.
        @param passwordOf: Gives the password of a user; C{None}: there is no such user.
        @param asProxy: Whether they are those of a proxy: a 407's.
        """
        self._verifier = verifier
        self._passwordOf = passwordOf
        self._asked = "Proxy-Authenticate" if asProxy else "WWW-Authenticate"
        self._given = "Proxy-Authorization" if asProxy else "Authorization"

    def __repr__(self) -> str:
        return f"<Authenticator {self._verifier.realm!r}>"

    def examine(self, request: IncomingRequest) -> Proof:
        """
        Say who has sent a request.

        That they may do what it asks for is for the caller to check; and
        whether the C{uri} of the credentials is that of the request, which is
        another where proxies have sent it on.

        @param request: The request.
        """
        isStale = False
        for credentials in self._credentials(request):
            user = credentials.parameters.get("username") or ""
            password = self._passwordOf(user)
            verdict = self._verifier.verify(credentials, request.method, password, request.body)
            if verdict is Verdict.ACCEPTED and password is not None:
                info = self._verifier.makeInfo(credentials, password)
                return Proof(user, (("Authentication-Info", info),), credentials)
            isStale = isStale or verdict is Verdict.STALE
        challenges = self._verifier.makeChallenges(isStale)
        return Proof(None, tuple([(self._asked, challenge) for challenge in challenges]))

    def _credentials(self, request: IncomingRequest) -> list[Credentials]:
        """Give those for our realm; RFC 3261 section 22.3 lets there be others."""
        found: list[Credentials] = []
        for index in range(len(request.getHeaders(self._given))):
            try:
                credentials = request.parseHeader(self._given, index)
            except ParseError:
                continue
            if (
                isinstance(credentials, Credentials)
                and credentials.parameters.get("realm") == self._verifier.realm
            ):
                found.append(credentials)
        return found
