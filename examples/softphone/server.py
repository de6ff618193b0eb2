"""
The page, the SIP server that it is on, and somebody in Python to call.

The page is JsSIP in a browser; C{python}, whom it calls, is sipws.  There is
no media in Python: the call is there, and it is silent.  Two pages hear each
other.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from examples.softphone.bundle import bundle
from sipws import Configuration, IncomingRequest, UserAgent
from sipws.server import EmbeddedServer
from sipws.session import Session

__all__ = ["OFFER", "Softphone", "decline"]

_FOLDER = Path(__file__).parent
_DOMAIN = "localhost"

#: Where JsSIP may be.
MODULES = (_FOLDER / "node_modules", _FOLDER.parents[1] / "tests" / "interop" / "node_modules")


#: A stream of audio that neither will send: as WebRTC wants it (RFC 8829 section 5.2.1), and with
#: nowhere to send it to.
OFFER = "\r\n".join(
    (
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 0.0.0.0",
        "a=mid:0",
        "a=inactive",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=ice-ufrag:none",
        "a=ice-pwd:thereIsNobodyToConnectTo",
        "a=fingerprint:sha-256 " + ":".join(["00"] * 32),
        "a=setup:actpass",
        "",
    )
)


def decline(offer: bytes) -> str:
    """
    Answer an offer: with none of the streams that it has.

    RFC 3264 section 6: "To reject an offered stream, the port number in the
    corresponding stream in the answer MUST be set to zero."

    @param offer: The offer, SDP.
    @return: The answer.
    """
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"]
    for line in offer.decode().splitlines():
        if line.startswith("m="):
            lines.append(re.sub(r"(m=\S+) \d+", r"\1 0", line))
        elif line.startswith("a=mid:"):
            lines.append(line)
    return "\r\n".join([*lines, ""])


class _Document(Resource):
    """What is always the same."""

    isLeaf = True

    def __init__(self, octets: bytes, contentType: bytes) -> None:
        super().__init__()
        self._octets = octets
        self._contentType = contentType

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", self._contentType)
        return self._octets


class _Root(Resource):
    """What has the rest in it."""

    def getChild(self, path: bytes, request: Request) -> IResource:
        return notFound()


@attrs.define
class Softphone:
    """
    All of it.

    @ivar reactor: The reactor.
    @ivar modules: The folder C{node_modules} with JsSIP; C{None}: where it is found.
    @ivar server: The SIP server.
    @ivar python: The user agent that can be called.
    @ivar calls: Its calls.
    @ivar page: Where the page is.
    """

    reactor: Any
    modules: Path | None = None
    server: EmbeddedServer = attrs.field(init=False)
    python: UserAgent = attrs.field(init=False)
    calls: list[Session] = attrs.field(init=False, factory=list)
    page: str = attrs.field(init=False, default="")
    _site: Any = attrs.field(init=False, default=None)

    async def start(self, port: int = 8080) -> None:
        """
        Start all of it.

        @param port: The port of the page; 0 for any.
        """
        self.server = EmbeddedServer(self.reactor, domain=_DOMAIN)
        listening: Any = await self.server.listen(self._endpoint(0))
        uri = f"ws://localhost:{listening.getHost().port}/"
        self._site = await self._endpoint(port).listen(Site(self._resource(uri)))
        self.page = f"http://localhost:{self._site.getHost().port}/"
        self.python = UserAgent(Configuration(uri=f"sip:python@{_DOMAIN}", wsServers=uri), self.reactor)
        self.python.on("invite", self._answer)
        self.python.handle("MESSAGE", self._read)
        self.python.start()
        await self.python.whenRegistered()

    async def stop(self) -> None:
        """Stop all of it."""
        await self.python.stop()
        await gatherResults([self._site.stopListening(), self.server.stop()])

    def call(self, target: str) -> Session:
        """
        Have Python call somebody.

        @param target: Whom.
        """
        session = self.python.invite(target, OFFER)
        self._keep(session)
        return session

    def _answer(self, session: Session) -> None:
        self._keep(session)
        Deferred.fromCoroutine(self._take(session)).addErrback(lambda _: None)

    async def _take(self, session: Session) -> None:
        await session.progress(180)
        assert session.remoteDescription is not None
        await session.accept(decline(session.remoteDescription.body))

    def _keep(self, session: Session) -> None:
        self.calls.append(session)
        session.whenTerminated().addCallback(lambda _: self.calls.remove(session))

    def _read(self, request: IncomingRequest) -> int:
        if request.body.strip().lower() != b"call me":
            return 488
        self.call(str(request.fromHeader.uri))
        return 202

    def _endpoint(self, port: int) -> TCP4ServerEndpoint:
        return TCP4ServerEndpoint(self.reactor, port, interface="127.0.0.1")

    def _resource(self, uri: str) -> Resource:
        settings = json.dumps({"server": uri, "domain": _DOMAIN})
        script = b"text/javascript; charset=utf-8"
        root = _Root()
        root.putChild(b"", _Document((_FOLDER / "index.html").read_bytes(), b"text/html; charset=utf-8"))
        root.putChild(b"phone.js", _Document((_FOLDER / "phone.js").read_bytes(), script))
        root.putChild(b"settings.js", _Document(f"const settings = {settings};".encode(), script))
        root.putChild(b"jssip.js", _Document(bundle("jssip", "JsSIP", self._modules()).encode(), script))
        return root

    def _modules(self) -> Path:
        found = [each for each in (self.modules, *MODULES) if each is not None and (each / "jssip").is_dir()]
        if not found:
            raise SystemExit("JsSIP is missing: npm install --ignore-scripts --prefix examples/softphone")
        return found[0]
