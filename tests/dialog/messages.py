"""Messages of dialogs, as octets."""

from __future__ import annotations

from sipws.message import IncomingRequest, IncomingResponse, OutgoingRequest, parseMessage

CALL_ID = "3848276298220188511@atlanta.example.com"
ALICE = "Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl"
BOB = "Bob <sip:bob@biloxi.example.com>"
BOB_TAG = "8321234356"
ALICE_CONTACT = "<sip:alice@client.atlanta.example.com;transport=tcp>"
BOB_CONTACT = "<sip:bob@client.biloxi.example.com;transport=tcp>"
VIA = "SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9"


def _message(start: str, headers: list[tuple[str, str]]) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers), "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


def request(
    method: str = "INVITE",
    cseq: int = 1,
    *,
    uri: str = "sip:bob@biloxi.example.com",
    sender: str = ALICE,
    to: str = BOB,
    contact: str | None = ALICE_CONTACT,
    headers: tuple[tuple[str, str], ...] = (),
) -> IncomingRequest:
    """A request from Alice to Bob, unless it is said otherwise."""
    pairs = [("Via", VIA), ("Max-Forwards", "70"), ("From", sender), ("To", to), ("Call-ID", CALL_ID),
             ("CSeq", f"{cseq} {method}")]  # fmt: skip
    pairs += [("Contact", contact)] if contact else []
    message = parseMessage(_message(f"{method} {uri} SIP/2.0", [*pairs, *headers]))
    assert isinstance(message, IncomingRequest)
    return message


def response(
    statusCode: int,
    cseq: int = 1,
    method: str = "INVITE",
    *,
    tag: str | None = BOB_TAG,
    contact: str | None = BOB_CONTACT,
    headers: tuple[tuple[str, str], ...] = (),
    sender: str = ALICE,
    to: str = BOB,
) -> IncomingResponse:
    """A response of Bob's to Alice, unless it is said otherwise."""
    to = to if tag is None else f"{to};tag={tag}"
    pairs = [("Via", VIA), ("From", sender), ("To", to), ("Call-ID", CALL_ID), ("CSeq", f"{cseq} {method}")]
    pairs += [("Contact", contact)] if contact else []
    message = parseMessage(_message(f"SIP/2.0 {statusCode} x", [*pairs, *headers]))
    assert isinstance(message, IncomingResponse)
    return message


def received(outgoing: OutgoingRequest) -> IncomingRequest:
    """What the peer reads of a request, once it has its Via."""
    outgoing.prependHeader("Via", VIA)
    message = parseMessage(bytes(outgoing))
    assert isinstance(message, IncomingRequest)
    return message
