"""Who sends a request: digest authentication (RFC 3261 section 22, RFC 8760)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.digest import Verdict
from sipws.errors import ParseError
from sipws.message import URI, Credentials
from sipws.server.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sipws.digest import DigestVerifier
    from sipws.message import IncomingRequest

__all__ = ["Gatekeeper"]


class Gatekeeper:
    """
    Lets users in.

    @ivar users: Their passwords; C{None}: anybody may be any user.
    """

    def __init__(self, users: Mapping[str, str] | None, verifier: DigestVerifier) -> None:
        self.users = users
        self._verifier = verifier

    def admit(self, request: IncomingRequest, user: str | None, *, asProxy: bool) -> list[tuple[str, object]]:
        """
        Have the sender of a request prove who they are.

        @param request: The request.
        @param user: Who they must be; C{None}: any user.
        @param asProxy: Whether the request is to be forwarded (407), or is for
            the server itself (401).
        @return: What the server says of that in its own response to the
            request, which has no body: that it knows the password, too (RFC
            7616 section 3.5).
        @raise Refused: They do not.
        """
        if self.users is None:
            return []
        name = "Proxy-Authorization" if asProxy else "Authorization"
        found = self._proven(request, name)
        if found is None:
            raise self._challenge(asProxy)
        proven, credentials = found
        if user is not None and proven != user:
            # RFC 3261 section 10.3, step 4: "If the authenticated user is not authorized to
            # modify bindings, the registrar MUST return a 403 (Forbidden)".
            raise Refused(403)
        return [("Authentication-Info", self._verifier.makeInfo(credentials, self.users[proven]))]

    def _proven(self, request: IncomingRequest, name: str) -> tuple[str, Credentials] | None:
        """
        Give the user whom the credentials of a request prove, and these.

        @return: C{None} where they prove none.
        @raise Refused: They are a user's, but used up, or for another request.
        """
        for credentials in self._credentials(request, name):
            user = credentials.parameters.get("username") or ""
            password = (self.users or {}).get(user)
            verdict = self._verifier.verify(credentials, request.method, password, request.body)
            if verdict is Verdict.ACCEPTED:
                if not _areFor(credentials, request):
                    # RFC 7616 section 3.4.6: "The authenticating server MUST assure that the resource
                    # designated by the "uri" parameter is the same as the resource specified in the
                    # Request-Line; if they are not, the server SHOULD return a 400 Bad Request error."
                    raise Refused(400, "Credentials for Another URI")
                return user, credentials
            if verdict is Verdict.STALE:
                raise self._challenge(name.startswith("Proxy-"), stale=True)
        return None

    def _credentials(self, request: IncomingRequest, name: str) -> list[Credentials]:
        """Give those for our realm; RFC 3261 section 22.3 lets there be others."""
        found: list[Credentials] = []
        for index in range(len(request.getHeaders(name))):
            try:
                credentials = request.parseHeader(name, index)
            except ParseError:
                continue
            if (
                isinstance(credentials, Credentials)
                and credentials.parameters.get("realm") == self._verifier.realm
            ):
                found.append(credentials)
        return found

    def _challenge(self, asProxy: bool, stale: bool = False) -> Refused:
        name = "Proxy-Authenticate" if asProxy else "WWW-Authenticate"
        challenges = self._verifier.makeChallenges(stale)
        return Refused(407 if asProxy else 401, headers=[(name, challenge) for challenge in challenges])


def _areFor(credentials: Credentials, request: IncomingRequest) -> bool:
    """Say whether credentials were made for what a request is sent to."""
    text = credentials.parameters.get("uri") or ""
    try:
        return text == request.requestURIText or URI.parse(text).equivalent(request.requestURI)
    except ParseError:
        return False
