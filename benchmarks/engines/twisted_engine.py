"""
twisted.protocols.sip.

C{parse} gives the octets to a C{MessagesParser} as C{Base.datagramReceived}
does.  It splits the message into lines and the lines into names and values,
parses the Request-URI and compares Content-Length (in characters: a message
with other than ASCII in its body is refused).  No header's value is parsed,
and there is no sanity check.

C{build} is a C{Request} or C{Response}, C{addHeader} and C{toString}.  Headers
are text, and Content-Length is the caller's to set.  A reply is made as by
C{Base.responseFromRequest}, with Record-Route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.protocols.sip import Message, MessagesParser, Request, Response

from benchmarks.engines.headers import CONTACT, COPIED, inviteHeaders, newTag, registerHeaders
from benchmarks.engines.timing import Materials, building, parsing

if TYPE_CHECKING:
    from benchmarks.engines.timing import Builders, Tasks


class Parser:
    """
    A parser, and what came out of it.

    @ivar received: The messages parsed and not yet taken.
    """

    def __init__(self) -> None:
        self.received: list[Message] = []
        self._parser = MessagesParser(self.received.append)

    def parse(self, octets: bytes) -> bool:
        """
        Parse a message.

        @param octets: The message.
        @return: Whether one came out.
        """
        return bool(self.take(octets))

    def take(self, octets: bytes) -> Message:
        """
        Parse a message and take it.

        @param octets: The message.
        @return: What came out.
        """
        self._parser.dataReceived(octets)
        try:
            self._parser.dataDone()
        except RuntimeError:
            self._parser.reset()
            raise
        return self.received.pop()


def _request(request: Request, headers: list[tuple[str, str]], body: str) -> bytes:
    for name, value in headers:
        request.addHeader(name, value)
    request.addHeader("Content-Length", str(len(body.encode())))
    request.body = body
    return str(request.toString()).encode()


def _register(materials: Materials) -> bytes:
    return _request(Request("REGISTER", "sip:example.test"), registerHeaders(), "")


def _invite(materials: Materials) -> bytes:
    return _request(Request("INVITE", "sip:bob@example.test"), inviteHeaders(), materials.offer)


def _received(materials: Materials) -> tuple[Message, str]:
    return Parser().take(materials.invite.encode()), materials.answer


def _ok(received: tuple[Message, str]) -> bytes:
    request, answer = received
    response = Response(200, "OK")
    for name in COPIED:
        response.headers[name.lower()] = request.headers.get(name.lower(), [])[:]
    response.addHeader("To", f"{request.headers['to'][0]};tag={newTag()}")
    response.addHeader("Contact", CONTACT)
    response.addHeader("Content-Type", "application/sdp")
    response.addHeader("Content-Length", str(len(answer.encode())))
    response.body = answer
    return str(response.toString()).encode()


_BUILDERS: Builders = {
    "REGISTER": (lambda materials: materials, _register),
    "INVITE with SDP": (lambda materials: materials, _invite),
    "200 with SDP": (_received, _ok),
}


def engine() -> Tasks:
    """
    Give what this engine can do.

    @return: Its tasks.
    """
    return {**parsing(Parser().parse), **building(_BUILDERS)}
