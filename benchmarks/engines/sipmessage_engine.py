"""
sipmessage.

C{parse} is C{Message.parse}, which splits the message into headers and parses
the Request-URI, followed by the typed values of the five headers that make a
message valid (RFC 3261 section 8.1.1): the library has no sanity check, and
reading them is what would be one.  Content-Length is not compared.
"""

from __future__ import annotations

from sipmessage import Message

from benchmarks.engines.loop import Tasks, parsing


def parse(octets: bytes) -> bool:
    """
    Parse a message and the headers that it must have.

    @param octets: The message.
    @return: Whether they are there.
    """
    message = Message.parse(octets)
    sender, recipient = message.from_address, message.to_address
    return bool(message.via and message.cseq and message.call_id and sender and recipient)


def engine() -> Tasks:
    """
    Give what this engine can do.

    @return: Its tasks.
    """
    return parsing(parse)
