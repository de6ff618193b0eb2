"""
sippy.

C{parse} decodes the octets, as its transaction manager does, and constructs
the C{SipRequest} or C{SipResponse}.  Its constructors are its sanity check:
To, From, CSeq and Via are there, and a request's body has the length announced
(in characters: a message with other than ASCII in its body is refused).  The
values of From, To, CSeq and Via are left unparsed; matching a transaction,
C{getTId}, would parse them, and is not counted.

C{build} is C{SipRequest} with typed values for its headers, as its user agent
makes them, or C{genResponse}; then C{localStr}, which is what it sends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sippy.MsgBody import MsgBody
from sippy.SipAddress import SipAddress
from sippy.SipCallId import SipCallId
from sippy.SipContact import SipContact
from sippy.SipExpires import SipExpires
from sippy.SipFrom import SipFrom
from sippy.SipHeader import SipHeader
from sippy.SipMaxForwards import SipMaxForwards
from sippy.SipRequest import SipRequest
from sippy.SipResponse import SipResponse
from sippy.SipTo import SipTo
from sippy.SipURL import SipURL

from benchmarks.engines.timing import Materials, building, parsing

if TYPE_CHECKING:
    from benchmarks.engines.timing import Builders, Tasks

#: Where its own requests say that they come from.
_LOCAL = (("127.0.0.1", 5060), "udp")


def parse(octets: bytes) -> bool:
    """
    Parse a message.

    @param octets: The message.
    @return: C{True}; it raises when it refuses.
    """
    text = octets.decode()
    if text.startswith("SIP/2.0 "):
        SipResponse(text)
    else:
        SipRequest(text)
    return True


def _address(user: str) -> SipAddress:
    return SipAddress(url=SipURL(username=user, host="example.test"))


def _request(method: str, target: SipURL, recipient: str, **more: object) -> bytes:
    sender = SipFrom(address=_address("alice"))
    sender.genTag()
    request = SipRequest(
        method=method,
        ruri=target,
        to=SipTo(address=_address(recipient)),
        fr0m=sender,
        cseq=1,
        callid=SipCallId(),
        maxforwards=SipMaxForwards(),
        contact=SipContact(address=_address("alice")),
        **more,
    )
    return str(request.localStr(_LOCAL)).encode()


def _register(materials: Materials) -> bytes:
    expires = SipExpires()
    expires.number = 600
    return _request("REGISTER", SipURL(host="example.test"), "alice", expires=expires)


def _invite(materials: Materials) -> bytes:
    target = SipURL(username="bob", host="example.test")
    return _request("INVITE", target, "bob", body=MsgBody(materials.offer))


def _received(materials: Materials) -> tuple[SipRequest, str]:
    return SipRequest(materials.invite), materials.answer


def _ok(received: tuple[SipRequest, str]) -> bytes:
    request, answer = received
    response = request.genResponse(200, "OK", body=MsgBody(answer))
    response.getHFBody("to").genTag()
    response.appendHeader(SipHeader(name="contact", body=SipContact(address=_address("alice"))))
    return str(response.localStr(_LOCAL)).encode()


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
