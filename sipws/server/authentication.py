"""Who sends a request: digest authentication (RFC 3261 section 22, RFC 8760)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.digest import Authenticator
from sipws.errors import ParseError
from sipws.message import URI
from sipws.server.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sipws.digest import DigestVerifier
    from sipws.message import Credentials, IncomingRequest

__all__ = ["Gatekeeper"]


class Gatekeeper:
    """
    Lets users in.

    @ivar users: Their passwords; C{None}: anybody may be any user.
    """

    def __init__(self, users: Mapping[str, str] | None, verifier: DigestVerifier) -> None:
        self.users = users
        passwordOf = (users or {}).get
        self._own = Authenticator(verifier, passwordOf)
        self._proxys = Authenticator(verifier, passwordOf, asProxy=True)

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
        proof = (self._proxys if asProxy else self._own).examine(request)
        if proof.credentials is None:
            raise Refused(407 if asProxy else 401, headers=proof.headers)
        if not _areFor(proof.credentials, request):
            # RFC 7616 section 3.4.6: "The authenticating server MUST assure that the resource
            # designated by the "uri" parameter is the same as the resource specified in the
            # Request-Line; if they are not, the server SHOULD return a 400 Bad Request error."
            raise Refused(400, "Credentials for Another URI")
        if user is not None and proof.user != user:
            # RFC 3261 section 10.3, step 4: "If the authenticated user is not authorized to
            # modify bindings, the registrar MUST return a 403 (Forbidden)".
            raise Refused(403)
        return [*proof.headers]


def _areFor(credentials: Credentials, request: IncomingRequest) -> bool:
    """Say whether credentials were made for what a request is sent to."""
    text = credentials.parameters.get("uri") or ""
    try:
        return text == request.requestURIText or URI.parse(text).equivalent(request.requestURI)
    except ParseError:
        return False
