"""Messages, as they come in, for tests of what is read off them."""

from __future__ import annotations

from typing import cast

from sipws.message import IncomingRequest, IncomingResponse, parseMessage

_COMMON = (
    "Via: SIP/2.0/WS a.invalid;branch=z9hG4bK1",
    "From: <sip:alice@example.com>;tag=a",
    "To: <sip:bob@example.com>;tag=b",
    "Call-ID: 1@x",
    "Max-Forwards: 70",
)


def _message(start: str, method: str, headers: tuple[str, ...], body: str | bytes) -> bytes:
    octets = body.encode() if isinstance(body, str) else body
    lines = [start, *_COMMON, f"CSeq: 1 {method}", *headers, f"Content-Length: {len(octets)}", "", ""]
    return "\r\n".join(lines).encode() + octets


def request(method: str, *headers: str, body: str | bytes = "") -> IncomingRequest:
    """Make a request of these headers."""
    octets = _message(f"{method} sip:bob@example.com SIP/2.0", method, headers, body)
    return cast(IncomingRequest, parseMessage(octets))


def response(statusCode: int, *headers: str, method: str = "INVITE") -> IncomingResponse:
    """Make a response with these headers."""
    octets = _message(f"SIP/2.0 {statusCode} x", method, headers, "")
    return cast(IncomingResponse, parseMessage(octets))
