"""
sipmessage.

C{parse} is C{Message.parse}, which splits the message into headers and parses
the Request-URI, followed by the typed values of the five headers that make a
message valid (RFC 3261 section 8.1.1): the library has no sanity check, and
reading them is what would be one.  Content-Length is not compared.

C{build} is a C{Request} or C{Response} whose headers are set as text, which is
the faster of its two ways, and C{bytes}.  It has no replies, and does not compute
Content-Length: the headers of a reply are copied, and the length is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipmessage import URI, Message, Request, Response

from benchmarks.engines.headers import CONTACT, COPIED, inviteHeaders, newTag, registerHeaders
from benchmarks.engines.timing import Materials, building, parsing

if TYPE_CHECKING:
    from benchmarks.engines.timing import Builders, Tasks


def parse(octets: bytes) -> bool:
    """
    Parse a message and the headers that it must have.

    @param octets: The message.
    @return: Whether they are there.
    """
    message = Message.parse(octets)
    sender, recipient = message.from_address, message.to_address
    return bool(message.via and message.cseq and message.call_id and sender and recipient)


def _request(method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> bytes:
    request = Request(method, URI.parse(target), body)
    for name, value in headers:
        request.headers.add(name, value)
    request.headers.add("Content-Length", str(len(body)))
    return bytes(request)


def _register(materials: Materials) -> bytes:
    return _request("REGISTER", "sip:example.test", registerHeaders(), b"")


def _invite(materials: Materials) -> bytes:
    return _request("INVITE", "sip:bob@example.test", inviteHeaders(), materials.offer.encode())


def _received(materials: Materials) -> tuple[Message, str]:
    return Message.parse(materials.invite.encode()), materials.answer


def _ok(received: tuple[Message, str]) -> bytes:
    request, answer = received
    body = answer.encode()
    response = Response(200, "OK", body)
    for name in COPIED:
        response.headers.setlist(name, request.headers.getlist(name))
    add = response.headers.add
    add("To", f"{request.headers['To']};tag={newTag()}")
    add("Contact", CONTACT)
    add("Content-Type", "application/sdp")
    add("Content-Length", str(len(body)))
    return bytes(response)


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
    return {**parsing(parse), **building(_BUILDERS)}
