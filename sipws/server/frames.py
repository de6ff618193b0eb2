"""
WebSocket frames as a server writes and reads them (RFC 6455 section 5), where
a frame is whole and holds a whole message.  Everything else is Autobahn's.
"""

from __future__ import annotations

from sipws.framing import BINARY, TEXT, applyMask, frameHeader, opcodeFor

__all__ = ["makeFrame", "takeMessage"]

_WHOLE = frozenset({TEXT, BINARY})


def makeFrame(message: bytes) -> bytes:
    """
    Put a message into a frame.

    @param message: The octets of one SIP message.
    """
    return frameHeader(opcodeFor(message), len(message), masked=False) + message


def takeMessage(data: bytes, at: int, limit: int) -> tuple[bytes, int] | None:
    """
    Take the message out of the frame that begins at a place.

    @param data: Octets that a client sent.
    @param at: Where in them a frame begins.
    @param limit: The largest message to take, in octets.
    @return: The message and where the frame ends; C{None} where the frame is
        none of the kind that this module knows, or is not whole.
    """
    available = len(data) - at
    if available < 6 or data[at] not in _WHOLE or not data[at + 1] & 0x80:
        return None
    length = data[at + 1] & 0x7F
    start = at + 6
    if length == 126:
        start += 2
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        # RFC 6455 section 5.2: "the minimal number of bytes MUST be used to encode the length".
        if length < 126:
            return None
    elif length == 127:
        return None
    end = start + length
    if length > limit or end > len(data):
        return None
    return applyMask(data[start:end], data[start - 4 : start]), end
