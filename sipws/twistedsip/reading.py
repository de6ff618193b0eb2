"""
What C{twisted.protocols.sip} can read, as it says itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.protocols.basic import LineReceiver
from twisted.protocols.sip import MessagesParser, parseAddress

from sipws.errors import SIPError

if TYPE_CHECKING:
    from sipws.message import IncomingRequest

__all__ = ["Unreadable", "checkAddressee", "checkDatagram"]


class Unreadable(SIPError):
    """
    C{twisted.protocols.sip} cannot read a message.

    @ivar statusCode: What a request is answered with.
    """

    def __init__(self, text: str, statusCode: int = 400) -> None:
        super().__init__(text)
        self.statusCode = statusCode


class _Reader(MessagesParser):
    """Its parser, but that it tells of errors instead of dropping what they are in."""

    def dataReceived(self, data: Any) -> None:
        LineReceiver.dataReceived(self, data)


def checkDatagram(datagram: bytes) -> None:
    """
    See that a message can be read.

    @param datagram: It.
    @raise Unreadable: It cannot.
    """
    read: list[object] = []
    reader: Any = _Reader(read.append)  # type: ignore[no-untyped-call]
    try:
        reader.dataReceived(datagram)
        reader.dataDone()
    except Exception as error:  # noqa: BLE001 - it raises whatever comes of what it does not expect
        # It reads the Request-URI as a URI, and nothing else.  RFC 3261 section 8.2.2.1: "If the Request-URI
        # uses a scheme not supported by the UAS, it SHOULD reject the request with a 416".
        isScheme = isinstance(error, ValueError) and str(error).startswith("unsupported scheme")
        raise Unreadable(str(error), 416 if isScheme else 400) from None
    if not read:
        raise Unreadable("it has a line that is too long, or none that begins a message")


def checkAddressee(request: IncomingRequest) -> None:
    """
    See that the address can be read by which a C{sip.Proxy} forwards, and registers.

    Where it cannot, that has put a Via of its own on top before it answers with 500: to itself.

    @param request: The request.
    @raise Unreadable: It cannot.
    """
    to = request.getHeader("To") or ""
    try:
        parseAddress(to, clean=1)
    except Exception as error:  # noqa: BLE001 - as above
        raise Unreadable(f"To: {to}: {error}") from None
