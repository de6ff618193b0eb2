"""
WebSocket frames that hold one whole message each (RFC 6455 section 5.2).

Nearly every frame that carries SIP is final, has no extension and arrives in
one piece: such frames are read and written here, in a few operations.
Everything else is left to Autobahn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autobahn.websocket import xormasker

__all__ = [
    "BINARY",
    "TEXT",
    "MaskedFrames",
    "applyMask",
    "frameHeader",
    "isBeginOfWhole",
    "isUTF8",
    "opcodeFor",
]

#: The first octet of a final text frame without extensions.
TEXT = 0x81

#: The first octet of a final binary frame without extensions.
BINARY = 0x82

_MASKED = 0x80

_autobahnsMasker: Any = vars(xormasker)["create_xor_masker"]

#: From how many octets on Autobahn's masker is faster than integers are.
_LONG = 1_500

#: How many masking keys are drawn at a time.
_KEYS = 16


def opcodeFor(message: bytes) -> int:
    """
    Say in which kind of frame a message goes.

    RFC 7118 section 4.2: "If there is at least one non-UTF-8 symbol in the
    whole SIP message [...] then the whole message MUST be sent within a
    WebSocket binary message."  Otherwise text, which stacks in browsers prefer.

    @param message: The octets of one SIP message.
    @return: L{TEXT} or L{BINARY}.
    """
    return TEXT if message.isascii() or isUTF8(message) else BINARY


def frameHeader(first: int, length: int, masked: bool) -> bytes:
    """
    Give what stands before the masking key or the payload.

    @param first: L{TEXT} or L{BINARY}.
    @param length: The length of the payload, in octets.
    @param masked: Whether a masking key follows.
    """
    mask = _MASKED if masked else 0
    if length < 126:
        return bytes((first, mask | length))
    if length < 65_536:
        return bytes((first, mask | 126, length >> 8, length & 0xFF))
    return bytes((first, mask | 127)) + length.to_bytes(8, "big")


def applyMask(payload: bytes, key: bytes) -> bytes:
    """
    Put the mask on a payload, or take it off (RFC 6455 section 5.3).

    @param payload: The payload.
    @param key: The masking key, of four octets.
    """
    length = len(payload)
    if length >= _LONG:
        return bytes(_autobahnsMasker(key, length).process(payload))
    mask = (key * ((length >> 2) + 1))[:length]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(length, "big")


class MaskedFrames:
    """Makes the frames of a client, each masked with a key of its own."""

    __slots__ = ("_entropy", "_keys")

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        """
        @param entropy: Gives as many random octets as it is asked for.
        """
        self._entropy = entropy
        # Those that are drawn and not used.
        self._keys = b""

    def make(self, first: int, payload: bytes) -> bytes:
        """
        Make a frame.

        @param first: Its first octet.
        @param payload: What it holds.
        """
        keys = self._keys
        if not keys:
            # RFC 6455 section 10.3: "The masking key [...] MUST be unpredictable".  A draw is a system call.
            keys = self._entropy(4 * _KEYS)
        key, self._keys = keys[:4], keys[4:]
        return frameHeader(first, len(payload), masked=True) + key + applyMask(payload, key)


def isBeginOfWhole(data: bytes, limit: int) -> bool:
    """
    Say whether data may be the begin of a frame that will be delivered once it is whole.

    @param data: What is left when all whole frames are delivered.
    @param limit: The largest payload, in octets.
    """
    if data[0] != TEXT and data[0] != BINARY:
        return False
    if len(data) < 2:
        return True
    if data[1] < 126:
        return data[1] <= limit and len(data) < 2 + data[1]
    if data[1] != 126 or len(data) < 4:
        return data[1] == 126
    length = int.from_bytes(data[2:4], "big")
    return 126 <= length <= limit and len(data) < 4 + length


def isUTF8(payload: bytes) -> bool:
    """Say whether octets are UTF-8."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
