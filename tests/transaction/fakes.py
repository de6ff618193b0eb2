"""
A transport that records, and messages to send over it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

from zope.interface import implementer

from sipws.interfaces import ITransport
from sipws.message import (
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    parseMessage,
)

_numbers = count(1)


@implementer(ITransport)
class FakeTransport:
    """
    Keeps what is sent, while it is connected.

    @ivar congested: Whether it takes nothing, though it is connected.
    """

    def __init__(self) -> None:
        self.connected = True
        self.congested = False
        self.sent: list[Any] = []

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        taken = self.connected and not self.congested
        if taken:
            self.sent.append(msg)
        return taken

    def take(self) -> list[Any]:
        """Give what was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent

    def summary(self) -> list[str]:
        """Give what was sent since the last time, as methods and status codes."""
        return [
            str(msg.statusCode) if isinstance(msg, OutgoingResponse) else msg.method for msg in self.take()
        ]


def newBranch() -> str:
    """Make a branch that no other message has."""
    return f"z9hG4bK{next(_numbers):06d}"


def outgoing(
    method: str = "MESSAGE",
    *,
    branch: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> OutgoingRequest:
    """Build a request of ours."""
    branch = branch or newBranch()
    return OutgoingRequest(
        method,
        "sip:bob@example.test",
        [
            ("Via", f"SIP/2.0/WS ours.invalid;branch={branch}"),
            *headers,
            ("Max-Forwards", "70"),
            ("From", '"Alice" <sip:alice@example.test>;tag=from1'),
            ("To", "<sip:bob@example.test>"),
            ("Call-ID", f"call-{branch}"),
            ("CSeq", f"7 {method}"),
        ],
    )


def responseTo(
    request: OutgoingRequest, statusCode: int, *, method: str | None = None, toTag: str = "to1"
) -> IncomingResponse:
    """Build a response to a request of ours, as it comes in."""
    lines = [
        f"SIP/2.0 {statusCode} Whatever",
        f"Via: {request.getHeader('Via')}",
        f"From: {request.getHeader('From')}",
        f"To: {request.getHeader('To')};tag={toTag}",
        f"Call-ID: {request.callID}",
        f"CSeq: {request.cseq} {method or request.method}",
        "Content-Length: 0",
    ]
    response = parseMessage(_octets(lines))
    assert isinstance(response, IncomingResponse)
    return response


def incoming(
    method: str = "MESSAGE",
    *,
    branch: str | None = "",
    sentBy: str = "theirs.invalid",
    callID: str = "call1",
    cseq: int = 7,
    cseqMethod: str | None = None,
    fromTag: str = "from1",
    toTag: str | None = None,
    uri: str = "sip:alice@example.test",
) -> IncomingRequest:
    """
    Build a request of theirs, as it comes in.

    @param branch: Empty: a new one.  C{None}: none.
    """
    if branch == "":
        branch = newBranch()
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/WS {sentBy}" + ("" if branch is None else f";branch={branch}"),
        "Max-Forwards: 70",
        f"From: <sip:bob@example.test>;tag={fromTag}",
        "To: <sip:alice@example.test>" + ("" if toTag is None else f";tag={toTag}"),
        f"Call-ID: {callID}",
        f"CSeq: {cseq} {cseqMethod or method}",
        "Content-Length: 0",
    ]
    request = parseMessage(_octets(lines))
    assert isinstance(request, IncomingRequest)
    return request


def _octets(lines: list[str]) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()
