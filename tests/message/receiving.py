"""
A transport's way with a message, without the transport: parse, check, deliver or answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zope.interface import implementer

from sipws.errors import ParseError
from sipws.interfaces import ITransport, IUserAgent
from sipws.message import (
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
    parseMessage,
    rejectMalformed,
    sanityCheck,
)

DATA = Path(__file__).parent.parent / "data"

ACCEPT = "accept"
DROP = "drop"


@implementer(ITransport)
class Recorder:
    """A transport that keeps what is sent."""

    connected = True

    def __init__(self) -> None:
        self.sent: list[OutgoingResponse] = []
        self.octets: list[bytes] = []

    def send(self, msg: OutgoingRequest | OutgoingResponse | bytes | str) -> bool:
        assert isinstance(msg, OutgoingResponse)
        self.sent.append(msg)
        self.octets.append(bytes(msg))
        return True

    @property
    def answer(self) -> OutgoingResponse:
        (response,) = self.sent
        return response


class RecordingLogger:
    """As much of a Twisted logger as the sanity check uses."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, format: str, **values: object) -> None:
        self.lines.append(format.format(**values))


class ForeignConfiguration:
    traceSip = False
    wsServerMaxReconnection = 3
    wsServerReconnectionTimeout = 4.0


class OwnConfiguration(ForeignConfiguration):
    """The configuration of a user agent that says who it is."""

    def __init__(self, viaHost: str = "ours.invalid", sipjsId: str = "own1d") -> None:
        self.viaHost = viaHost
        self.sipjsId = sipjsId


class ForeignTransactions:
    def __init__(self) -> None:
        self.ict: dict[str, Any] = {}
        self.nict: dict[str, Any] = {}


class MergingTransactions(ForeignTransactions):
    """Transactions that know merged requests when they see them."""

    def __init__(self, merged: bool) -> None:
        super().__init__()
        self.merged = merged

    def findMerged(self, request: IncomingRequest) -> bool:
        return self.merged


@implementer(IUserAgent)
class ForeignUserAgent:
    """A user agent with the members of IUserAgent, and no others."""

    def __init__(
        self,
        configuration: ForeignConfiguration | None = None,
        transactions: ForeignTransactions | None = None,
    ) -> None:
        self.transport: Any = None
        self.status = 2
        self.configuration: Any = configuration or ForeignConfiguration()
        self.transactions: Any = transactions or ForeignTransactions()
        self.logger = RecordingLogger()

    def getLogger(self, category: str) -> Any:
        return self.logger

    def emit(self, event: str, *args: Any) -> None:
        """Nobody listens."""

    def onTransportConnecting(self, transport: Any, attempts: int) -> None:
        """Nobody asks."""

    def onTransportConnected(self, transport: Any) -> None:
        """Nobody asks."""

    def onTransportClosed(self, transport: Any) -> None:
        """Nobody asks."""

    def onTransportError(self, transport: Any) -> None:
        """Nobody asks."""

    def receiveRequest(self, request: IncomingRequest) -> None:
        """Nobody asks."""


def receive(octets: bytes | str, ua: ForeignUserAgent | None = None) -> tuple[str, Recorder]:
    """
    Do with a message as a transport does.

    @return: C{accept}, C{drop} or the status code of the answer; and what was sent.
    """
    agent, transport = ua or ForeignUserAgent(), Recorder()
    try:
        message = parseMessage(octets)
    except ParseError as error:
        rejectMalformed(error, agent, transport)
    else:
        if sanityCheck(message, agent, transport):
            assert not transport.sent
            return ACCEPT, transport
    return (str(transport.answer.statusCode) if transport.sent else DROP), transport


def load(corpus: str, name: str) -> bytes:
    """Read a message of a corpus."""
    return (DATA / corpus / name).read_bytes()


def request(text: str) -> IncomingRequest:
    """Parse a request, of which each line is indented as it may be."""
    message = parseMessage(lines(text))
    assert isinstance(message, IncomingRequest)
    return message


def response(text: str) -> IncomingResponse:
    """Parse a response, of which each line is indented as it may be."""
    message = parseMessage(lines(text))
    assert isinstance(message, IncomingResponse)
    return message


def lines(text: str, body: bytes = b"") -> bytes:
    """Make a message of the lines of a text."""
    return "".join(f"{line.strip()}\r\n" for line in text.strip().splitlines()).encode() + b"\r\n" + body
