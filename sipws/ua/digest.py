"""
Digest authentication, as a client does it: which challenges it answers, how
often, and to whom it shows credentials before it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sipws.digest import DigestSession, challengeStrength, findAlgorithm
from sipws.errors import ParseError
from sipws.message import Credentials
from sipws.ua.events import loggerFor

if TYPE_CHECKING:
    from sipws.message import AuthenticationInfo, Challenge, IncomingResponse, OutgoingRequest

__all__ = ["DigestClient"]

_log = loggerFor("sip.ua.digest")

#: Where what is said of credentials that were accepted stands, and where these stood (RFC 7615).
_INFOS = (("Authentication-Info", "Authorization"), ("Proxy-Authentication-Info", "Proxy-Authorization"))

#: Where challenges stand, and where what answers them goes (RFC 3261 sections 22.2 and 22.3).
_ANSWERS = (("WWW-Authenticate", "Authorization"), ("Proxy-Authenticate", "Proxy-Authorization"))

#: How many destinations are remembered that have asked for credentials.
MAX_REMEMBERED = 64

#: How many challenges one request answers: several proxies on its way may ask, but
#: one that asks for ever another realm must come to an end.
MAX_ANSWERS = 8


class DigestClient:
    """
    Answers challenges in the name of one user.

    It remembers them, so that later requests carry credentials at once:

     - those of servers (401) for requests to the same To, as RFC 3261 section
       22.2 says: they travel to the end, and nobody else is to see them;
     - those of proxies (407) for requests with the same Call-ID (section 22.3),
       and for all requests where the realm is the configured one: "if a UA is
       configured with the realm of its local outbound proxy, when one exists,
       then the UA MAY cache credentials for that realm across dialogs".

    Its C{repr} shows no secret.

    @ivar username: Who the user is.
    @ivar ownRealm: The realm of the user's own domain; C{None}: it is not known.
    """

    __slots__ = ("_newCnonce", "_password", "_sessions", "ownRealm", "username")

    def __init__(
        self, username: str, password: str, newCnonce: Callable[[], str], ownRealm: str | None = None
    ) -> None:
        """
        @param newCnonce: Gives a random word, another one each time.
        """
        self.username = username
        self.ownRealm = ownRealm
        self._password = password
        self._newCnonce = newCnonce
        # By header and scope, see _scope, and then by realm.  Most user agents have one or
        # none: the mapping is there only when it is needed.
        self._sessions: dict[tuple[str, str], dict[str, DigestSession]] | None = None

    def __repr__(self) -> str:
        return f"<DigestClient {self.username!r}>"

    def learn(self, request: OutgoingRequest, response: IncomingResponse, answered: set[str]) -> bool:
        """
        Take the challenges of a 401 or a 407.

        Each realm is answered once for a request: where the answer is refused,
        the password is wrong.  But where only the nonce was too old
        (C{stale=true}), a new one is answered, once more.

        @param request: The request that was challenged.
        @param response: The response.
        @param answered: What has been answered for this request, in whatever
            attempt; empty at first, and kept up to date here.
        @return: Whether to send the request again, after L{authorize}.
            Otherwise the response is final.
        """
        learned = False
        for asked, answer in _ANSWERS:
            for realm, challenge in _strongest(response, asked).items():
                scope = self._scope(request, answer, realm)
                if self._mayAnswer(challenge, f"{answer} {realm}", scope, realm, answered):
                    self._remember(challenge, scope, realm)
                    learned = True
                else:
                    self._forget(scope, realm)
        return learned

    def authorize(self, request: OutgoingRequest) -> None:
        """
        Add the credentials to a request that its recipients have asked for before.

        @param request: The request, complete but for these.
        """
        sessions = self._sessions
        if not sessions:
            return
        for _, answer in _ANSWERS:
            found = [
                session
                for scope in self._scopes(request, answer)
                if scope in sessions
                for session in _touch(sessions, scope).values()
            ]
            if found:
                uri = str(request.requestURI)
                request.removeHeader(answer)
                for session in found:
                    request.addHeader(answer, session.credentials(request.method, uri, request.body))

    def confirm(self, request: OutgoingRequest, response: IncomingResponse) -> None:
        """
        Take what a server, or a proxy, says of the credentials that it has
        accepted (RFC 7616 section 3.5): its next nonce, and the proof that it
        knows the password, too.

        Where the proof is wrong, nothing that it says is taken, and it is shown
        credentials no more before it asks.  The response stands all the same:
        whoever makes one up need not give a proof at all.

        @param request: The request, as it was sent.
        @param response: Its final response.
        """
        if self._sessions is None:
            return
        for header, answer in _INFOS:
            if response.hasHeader(header):
                for info in _parsed(response, header):
                    self._take(request, response, answer, info)

    def _take(
        self, request: OutgoingRequest, response: IncomingResponse, answer: str, info: AuthenticationInfo
    ) -> None:
        for scope in self._scopes(request, answer):
            for realm, session in list((self._sessions or {}).get(scope, {}).items()):
                credentials = _shown(request, answer, session, info)
                if credentials is None:
                    continue
                if not session.proves(credentials, info, response.body):
                    _log.warn("{realm} does not know the password that it has accepted", realm=realm)
                    self._forget(scope, realm)
                elif info.parameters.get("nextnonce"):
                    session.renew(info.parameters["nextnonce"] or "")

    # Whether to answer.

    def _mayAnswer(
        self, challenge: Challenge, mark: str, scope: tuple[str, str], realm: str, answered: set[str]
    ) -> bool:
        if mark in answered:
            # RFC 7616 section 3.3: "If stale is true, the client may wish to simply retry the
            # request with a new encrypted response [...].  If stale is false, or anything
            # other than true, or the stale parameter is not present, the username and/or
            # password are invalid".
            session = (self._sessions or {}).get(scope, {}).get(realm)
            if not challenge.stale or (session is not None and session.nonce == challenge.nonce):
                return False
            mark += " again"
        if mark in answered or len(answered) >= MAX_ANSWERS:
            return False
        answered.add(mark)
        return True

    # Where credentials may go.

    def _scope(self, request: OutgoingRequest, answer: str, realm: str) -> tuple[str, str]:
        everywhere, here = self._scopes(request, answer)
        return everywhere if realm == self.ownRealm and answer == "Proxy-Authorization" else here

    def _scopes(self, request: OutgoingRequest, answer: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """Give the scopes of a request: all requests (used for proxies alone), and what is its own."""
        own = request.callID if answer == "Proxy-Authorization" else _destination(request)
        return (answer, ""), (answer, own)

    # Remembering.

    def _remember(self, challenge: Challenge, scope: tuple[str, str], realm: str) -> None:
        session = self._find(challenge, realm) or self._begin(challenge)
        if self._sessions is None:
            self._sessions = {}
        _touch(self._sessions, scope)[realm] = session
        if len(self._sessions) > MAX_REMEMBERED:
            del self._sessions[next(iter(self._sessions))]

    def _begin(self, challenge: Challenge) -> DigestSession:
        algorithm = findAlgorithm(challenge.algorithm)
        assert algorithm is not None, "a challenge that cannot be answered was chosen"
        return DigestSession(algorithm, challenge, self.username, self._password, self._newCnonce())

    def _find(self, challenge: Challenge, realm: str) -> DigestSession | None:
        """Find what is kept of a challenge that is asked again: some servers give everybody one nonce."""
        kept = (realms.get(realm) for realms in (self._sessions or {}).values())
        return next((session for session in kept if session is not None and session.answers(challenge)), None)

    def _forget(self, scope: tuple[str, str], realm: str) -> None:
        if self._sessions is not None and scope in self._sessions:
            self._sessions[scope].pop(realm, None)
            if not self._sessions[scope]:
                del self._sessions[scope]


def _touch(
    sessions: dict[tuple[str, str], dict[str, DigestSession]], scope: tuple[str, str]
) -> dict[str, DigestSession]:
    """Take what is remembered of a scope, and make it the last to be forgotten."""
    sessions[scope] = realms = sessions.pop(scope, {})
    return realms


def _destination(request: OutgoingRequest) -> str:
    """Give the value of To, without its tag."""
    return (request.getHeader("To") or "").partition(";tag=")[0]


def _strongest(response: IncomingResponse, header: str) -> dict[str, Challenge]:
    """
    Choose the challenges to answer.

    RFC 8760 section 2.4: it "SHOULD use the topmost header field that it
    supports unless a local policy dictates otherwise".  Ours is to take the
    strongest, and of equals the topmost, so that nobody on the way can put
    MD5 on top.

    @return: One for each realm.
    """
    chosen: dict[str, Challenge] = {}
    for challenge in _parsed(response, header):
        realm = challenge.realm
        if realm is None or challengeStrength(challenge)[0] == 0:
            # "The client MUST ignore any challenge it does not understand."
            continue
        if realm not in chosen or challengeStrength(challenge) > challengeStrength(chosen[realm]):
            chosen[realm] = challenge
    return chosen


def _parsed(response: IncomingResponse, header: str) -> Iterator[Any]:
    """Parse the values of a header, but for those that cannot be."""
    for index in range(len(response.getHeaders(header))):
        try:
            yield response.parseHeader(header, index)
        except ParseError:
            continue


def _shown(
    request: OutgoingRequest, answer: str, session: DigestSession, info: AuthenticationInfo
) -> Credentials | None:
    """
    Find the credentials of a request that a session has made, and that
    something is said of; C{None} where there are none.
    """
    # It names no realm.  Of several proxies it is told by the cnonce, which is another for each.
    said = info.parameters.get("cnonce")
    for value in request.getHeaders(answer):
        try:
            credentials = Credentials.parse(value)
        except ParseError:
            # The caller's own.
            continue
        if session.isOf(credentials) and said in (None, credentials.parameters.get("cnonce")):
            return credentials
    return None
