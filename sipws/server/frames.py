"""
WebSocket frames as a server reads and writes them (RFC 6455 section 5), where
a frame is whole and holds a whole message.  Everything else is Autobahn's.
"""

from __future__ import annotations

from autobahn.websocket.xormasker import create_xor_masker  # type: ignore[attr-defined]

__all__ = ["makeFrame", "takeMessage", "unmask"]

_TEXT = 0x1
_BINARY = 0x2

#: The first octets of final frames without extensions that hold a whole text or binary message.
_WHOLE = frozenset({0x80 | _TEXT, 0x80 | _BINARY})

#: From how many octets on Autobahn's masker is faster than integers are.
_LONG = 1_500


def makeFrame(message: bytes) -> bytes:
    """
    Put a message into a frame.

    It is a text frame, which browsers' SIP stacks prefer, unless it cannot be
    one.  RFC 7118 section 4.2: "If there is at least one non-UTF-8 symbol in
    the whole SIP message [...] then the whole message MUST be sent within a
    WebSocket binary message."

    @param message: The octets of one SIP message.
    """
    first = bytes((0x80 | (_TEXT if _isUTF8(message) else _BINARY),))
    length = len(message)
    if length < 126:
        return first + bytes((length,)) + message
    if length < 65_536:
        return first + b"\x7e" + length.to_bytes(2, "big") + message
    return first + b"\x7f" + length.to_bytes(8, "big") + message


def _isUTF8(message: bytes) -> bool:
    if message.isascii():
        return True
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


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
    return unmask(data[start:end], data[start - 4 : start]), end


def unmask(payload: bytes, key: bytes) -> bytes:
    """
    Take the mask off a payload, or put it on (RFC 6455 section 5.3).

    @param payload: The payload.
    @param key: The masking key, of four octets.
    """
    length = len(payload)
    if length >= _LONG:
        masker = create_xor_masker(key, length)
        return bytes(masker.process(payload))
    mask = (key * ((length >> 2) + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")
