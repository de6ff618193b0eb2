"""
The messages that are parsed: thirteen as WebRTC clients and their servers send
them, from a REGISTER with credentials to an INVITE that came over eight hops.

They are in C{benchmarks/corpus}, one file a message, octet for octet.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import attrs

__all__ = ["VIA_HOST", "SampleMessage", "loadCorpus"]

_FOLDER = Path(__file__).parent / "corpus"

#: The sent-by of the client that the corpus's responses are addressed to.
VIA_HOST = "mYn6S3lQaKjo.invalid"

#: What is different in each message on a real connection.  The length of each
#: stays, and so do the message's length and its Content-Length.
_IDENTIFIERS = re.compile(rb"(?<=;branch=z9hG4bK)[^;\r\n]+|(?<=;tag=)[^;\r\n]+|(?<=\r\nCall-ID: )[^@\r\n]+")
_LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"


@attrs.frozen
class SampleMessage:
    """
    A message of the corpus.

    @ivar name: Its file's name, without suffix.
    @ivar octets: The message.
    """

    name: str
    octets: bytes

    def variants(self, count: int) -> list[bytes]:
        """
        Give messages that differ from this one in branches, tags and Call-ID alone.

        Nobody receives one message a thousand times.  An engine that keeps
        what it has parsed must not profit here where it never would in use.

        @param count: How many.
        @return: As many messages of this one's length; always the same ones.
        """
        source = random.Random(self.name)
        return [_IDENTIFIERS.sub(lambda found: _other(found[0], source), self.octets) for _ in range(count)]


def loadCorpus() -> list[SampleMessage]:
    """
    Read the corpus.

    @return: The messages, by name.
    """
    files = sorted(_FOLDER.glob("*.sip"))
    return [SampleMessage(name=file.stem, octets=file.read_bytes()) for file in files]


def _other(identifier: bytes, source: random.Random) -> bytes:
    return bytes(source.choices(_LETTERS, k=len(identifier)))
