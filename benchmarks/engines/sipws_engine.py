"""
sipws.

C{parse} is C{parseMessage} and C{sanityCheck}, as its transport does for each
message: with the transaction tables of a user agent, in which merged requests
are looked for, and its Via host, which responses must name.
"""

from __future__ import annotations

import attrs

from benchmarks.corpus import VIA_HOST
from benchmarks.engines.loop import Tasks, parsing
from sipws.message import IncomingRequest, parseMessage
from sipws.message.sanity import sanityCheck


@attrs.define
class Configuration:
    """What the sanity check reads of a user agent's configuration."""

    traceSip: bool = False
    wsServerMaxReconnection: int = 3
    wsServerReconnectionTimeout: float = 4.0
    viaHost: str = VIA_HOST
    sipjsId: str = "none0"


class StubTransactions:
    """Tables of transactions, in which there are none."""

    def findMerged(self, request: IncomingRequest) -> bool:
        """
        Say whether a request came twice.

        @param request: The request.
        @return: C{False}.
        """
        return False


@attrs.define
class StubUserAgent:
    """A user agent as far as the sanity check knows it."""

    configuration: Configuration = attrs.field(factory=Configuration)
    transactions: StubTransactions = attrs.field(factory=StubTransactions)


class StubTransport:
    """A transport that nothing should be sent on: every message of the corpus is sane."""

    connected = True

    def send(self, msg: object) -> bool:
        """
        Refuse to answer.

        @param msg: The answer.
        @raise AssertionError: Always.
        """
        raise AssertionError(f"the sanity check refused a message: {msg}")


class Parser:
    """parseMessage and sanityCheck with a user agent."""

    def __init__(self) -> None:
        self._ua = StubUserAgent()
        self._transport = StubTransport()

    def parse(self, octets: bytes) -> bool:
        """
        Parse a message and check it.

        @param octets: The message.
        @return: Whether it passed.
        """
        message = parseMessage(octets)
        message.transport = self._transport
        return sanityCheck(message, self._ua, self._transport)


def engine() -> Tasks:
    """
    Give what this engine can do.

    @return: Its tasks.
    """
    return parsing(Parser().parse)
