"""A phone that was written for C{twisted.protocols.sip}, and knows nothing of WebSockets."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.protocols import sip

from sipws.digest import DigestSession, findAlgorithm
from sipws.message import Challenge

#: By the status: where the challenge stands, and where its answer goes.
_ANSWERS = {401: ("www-authenticate", "authorization"), 407: ("proxy-authenticate", "proxy-authorization")}


class Phone(sip.Base):
    """It registers, sends messages, and takes those of others."""

    def __init__(self, user: str, domain: str) -> None:
        sip.Base.__init__(self)
        self.user = user
        self.domain = domain
        self.texts: list[str] = []
        self.waiting: dict[str, Deferred[Any]] = {}
        self.isUp = False
        self.requests = 0

    def startProtocol(self) -> None:
        self.isUp = True

    def stopProtocol(self) -> None:
        self.isUp = False

    async def authorized(self, method: str, target: str, password: str, **options: Any) -> Any:
        """Send a request, answer a challenge to it, and give the response."""
        response = await self.send(method, target, **options)
        asked, answer = _ANSWERS.get(response.code, ("", ""))
        if not answer:
            return response
        challenge = Challenge.parse(response.headers[asked][0])
        algorithm = findAlgorithm(challenge.algorithm)
        assert algorithm is not None
        session = DigestSession(algorithm, challenge, self.user, password, "cnonce")
        credentials = session.credentials(method, target, options.get("body", "").encode())
        return await self.send(method, target, **options, header=(answer, str(credentials)))

    def send(
        self,
        method: str,
        target: str,
        body: str = "",
        contact: bool = False,
        header: tuple[str, str] | None = None,
    ) -> Deferred[Any]:
        """Send a request, and give a Deferred of the response."""
        self.requests += 1
        callID = f"{self.requests}@{self.user}.invalid"
        request = sip.Request(method, target)
        request.addHeader("via", sip.Via(f"{self.user}.invalid", port=5060).toString())
        request.addHeader("max-forwards", "70")
        request.addHeader("from", f"<sip:{self.user}@{self.domain}>;tag={self.requests}")
        request.addHeader("to", f"<{target if method != 'REGISTER' else f'sip:{self.user}@{self.domain}'}>")
        request.addHeader("call-id", callID)
        request.addHeader("cseq", f"{self.requests} {method}")
        if contact:
            request.addHeader("contact", f"<sip:{self.user}@{self.user}.invalid;transport=ws>")
        if header is not None:
            request.addHeader(*header)
        if body:
            request.addHeader("content-type", "text/plain")
            request.addHeader("content-length", str(len(body)))
            request.body = body
        waiting: Deferred[Any] = Deferred()
        self.waiting[callID] = waiting
        self.sendMessage(sip.URL(host=self.domain), request)
        return waiting

    def handle_request(self, message: Any, addr: Any) -> None:
        self.texts.append(message.body)
        self.deliverResponse(self.responseFromRequest(200, message))

    def handle_response(self, message: Any, addr: Any) -> None:
        via = sip.parseViaHeader(message.headers["via"][0])
        assert (via.host, via.port) == (f"{self.user}.invalid", 5060)
        if message.code >= 200:
            self.waiting.pop(message.headers["call-id"][0]).callback(message)
