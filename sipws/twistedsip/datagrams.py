"""
Messages of SIP over WebSocket as the datagrams that C{twisted.protocols.sip} reads, and back.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from sipws.errors import ParseError
from sipws.message import IncomingMessage, IncomingRequest, NameAddr, parseMessage
from sipws.twistedsip import vias

if TYPE_CHECKING:
    from sipws.message import URI

__all__ = ["Address", "fromDatagram", "toDatagram"]


class Address(NamedTuple):
    """What C{twisted.protocols.sip} knows a connection by: a host, and a port."""

    host: str
    port: int


#: Headers of a registration that name places.
_PLACES: Final = "Contact"

#: Finds what divides parameters.
_DIVIDES: Final = re.compile("[=;]").search


def toDatagram(message: IncomingMessage, source: Address) -> bytes:
    """
    Write a message that came over a WebSocket as a datagram.

    @param message: The message.
    @param source: The address of the connection.
    @raise ParseError: A header that is rewritten is malformed.
    @raise UnicodeDecodeError: The body is no text: C{twisted.protocols.sip} reads nothing else.
    """
    isRequest = isinstance(message, IncomingRequest)
    body = message.body.decode("utf-8")
    lines = [_startLine(message)]
    for index, text in enumerate(message.getHeaders("Via")):
        own = vias.restored(text)
        if isRequest and index == 0:
            # Its sender's, even where it stands for another: that has a port such as these.
            lines.append(f"Via: {vias.fromClient(text, *source)}")
        elif own is not None:
            lines.append(f"Via: {own}")
        else:
            lines.append(f"Via: {vias.routed(text)}")
    rewrite = _withoutTransport if message.method == "REGISTER" and isRequest else _asItIs
    lines += _others(message, rewrite)
    # It counts characters.
    return _joined(lines, len(body), message.body)


def fromDatagram(
    data: bytes, transport: str, restore: Callable[[NameAddr], NameAddr] | None = None
) -> tuple[IncomingMessage, bytes]:
    """
    Write a datagram of C{twisted.protocols.sip}'s as a message for a WebSocket.

    @param data: The datagram.
    @param transport: C{WS} or C{WSS}.
    @param restore: Gives the Contact of a registration as its user has sent it; C{None}: it is left.
    @return: The datagram, as it was read, and the octets to send.
    @raise ParseError: It is no message.
    """
    message = parseMessage(_counted(data))
    isRequest = isinstance(message, IncomingRequest)
    lines = [_startLine(message)]
    entries = message.getHeaders("Via")
    for index, text in enumerate(entries):
        original = vias.restored(text, asReceived=True)
        if original is not None:
            lines.append(f"Via: {original}")
        elif isRequest and index == 0:
            lines.append(f"Via: {vias.ofOwn(text, transport, _branch(message, entries[1:]))}")
        else:
            lines.append(f"Via: {text}")
    isRegistered = message.method == "REGISTER" and not isRequest and restore is not None
    lines += _others(message, restore if isRegistered and restore is not None else _asItIs)
    return message, _joined(lines, len(message.body), message.body)


def _startLine(message: IncomingMessage) -> str:
    return message.head.partition("\r\n")[0]


def _others(message: IncomingMessage, rewrite: Callable[[NameAddr], NameAddr]) -> list[str]:
    """Write all headers but Via and Content-Length, those that name places as they are to be."""
    left = {"Via", "Content-Length"}
    lines = []
    for name, value in message.headers:
        if name in left:
            continue
        if name == _PLACES and rewrite is not _asItIs:
            left.add(_PLACES)
            lines += [f"{name}: {rewrite(contact)}" for contact in _contacts(message)]
        else:
            lines.append(f"{name}: {value}")
    return lines


def _contacts(message: IncomingMessage) -> list[NameAddr]:
    """Give all of them.  Each gets a line of its own: twisted.protocols.sip reads one in a line."""
    return [message.parseHeader(_PLACES, index) for index in range(len(message.getHeaders(_PLACES)))]


def _asItIs(contact: NameAddr) -> NameAddr:
    return contact


def _withoutTransport(contact: NameAddr) -> NameAddr:
    # twisted.protocols.sip would send there, and says that "only UDP [is] currently supported".
    # And it reads no parameter but those of one "=", and splits at each ";": no registrar of its keeps any.
    parameters = {name: value for name, value in contact.parameters.items() if value and not _DIVIDES(value)}
    return attrs.evolve(contact, uri=_plain(contact.uri), parameters=parameters)


def _plain(uri: URI) -> URI:
    parameters = {name: value for name, value in uri.parameters.items() if name != "transport"}
    return attrs.evolve(uri, parameters=parameters)


def _counted(data: bytes) -> bytes:
    """Leave out a Content-Length, which counts characters: a datagram's body ends with it."""
    head, separator, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    return b"\r\n".join(lines) + separator + body


def _branch(message: IncomingMessage, below: list[str]) -> str:
    """
    Make the branch of a stateless proxy: the same for the same request.

    RFC 3261 section 16.11: it "MUST compute the same branch value" for a
    retransmission; and a CANCEL, and the ACK to a failure, go with their INVITE.
    """
    seen = [message.callID, str(message.cseq), message.fromTag or ""]
    if below:
        original = vias.restored(below[0])
        seen.append(original if original is not None else below[0])
    return vias.COOKIE + sha256("\0".join(seen).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _joined(lines: list[str], length: int, body: bytes) -> bytes:
    head = "\r\n".join([*lines, f"Content-Length: {length}", "", ""])
    try:
        return head.encode("utf-8") + body
    except UnicodeEncodeError:
        raise ParseError("a header that is no UTF-8", value=head[:40]) from None
