"""
twisted.protocols.sip.

C{parse} gives the octets to a C{MessagesParser} as C{Base.datagramReceived}
does.  It splits the message into lines and the lines into names and values,
parses the Request-URI and compares Content-Length (in characters: a message
with other than ASCII in its body is refused).  No header's value is parsed,
and there is no sanity check.
"""

from __future__ import annotations

from twisted.protocols.sip import Message, MessagesParser

from benchmarks.engines.loop import Tasks, parsing


class Parser:
    """
    A parser, and what came out of it.

    @ivar received: The messages parsed and not yet taken.
    """

    def __init__(self) -> None:
        self.received: list[Message] = []
        self._parser = MessagesParser(self.received.append)

    def parse(self, octets: bytes) -> bool:
        """
        Parse a message.

        @param octets: The message.
        @return: Whether one came out.
        """
        self._parser.dataReceived(octets)
        try:
            self._parser.dataDone()
        except RuntimeError:
            self._parser.reset()
            raise
        return self.received.pop() is not None


def engine() -> Tasks:
    """
    Give what this engine can do.

    @return: Its tasks.
    """
    return parsing(Parser().parse)
