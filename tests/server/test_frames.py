"""Whole frames: RFC 6455 section 5."""

from __future__ import annotations

import pytest

from sipws.server.frames import makeFrame, takeMessage
from tests.server.harness import frame

LIMIT = 100_000


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536])
def test_aMessageIsFramedWithTheShortestLength(length: int) -> None:
    message = b"x" * length

    made = makeFrame(message)

    assert made == frame(1, message, mask=None)


def test_whatIsUTF8IsText() -> None:
    assert makeFrame("Grüße".encode())[0] == 0x81


def test_whatIsNotUTF8IsBinary() -> None:
    """RFC 7118 section 4.2."""
    assert makeFrame(b"\xff")[0] == 0x82


@pytest.mark.parametrize("opcode", [1, 2])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 1_499, 1_500, 1_501, 65_535])
def test_aWholeFrameIsTaken(opcode: int, length: int) -> None:
    message = bytes(index % 251 for index in range(length))
    framed = frame(opcode, message)

    assert takeMessage(b"before" + framed + b"after", 6, LIMIT) == (message, 6 + len(framed))


def test_aFrameThatIsNotWholeIsLeft() -> None:
    framed = frame(1, b"x" * 200)

    assert all(takeMessage(framed[:end], 0, LIMIT) is None for end in range(len(framed)))


@pytest.mark.parametrize(
    "framed",
    [
        frame(1, b"half", fin=False),
        frame(0, b"the other half"),
        frame(8, b""),
        frame(9, b"ping"),
        frame(1, b"not masked", mask=None),
        b"\xc1" + frame(1, b"an extension's bit")[1:],
        frame(1, b"x" * (LIMIT + 1)),
        # A length of 5 octets, written as 126 does.
        b"\x81\xfe\x00\x05\x00\x00\x00\x00hello",
    ],
)
def test_whatIsNoWholeMessageIsLeftToAutobahn(framed: bytes) -> None:
    assert takeMessage(framed, 0, LIMIT) is None
