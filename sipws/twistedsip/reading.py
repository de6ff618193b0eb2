"""
What C{twisted.protocols.sip} can read, as it says itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.protocols.basic import LineReceiver

from sipws.errors import SIPError

if TYPE_CHECKING:
    from twisted.protocols.sip import Base

    from sipws.message import IncomingRequest

__all__ = ["Unreadable", "checkAddressee", "checkDatagram", "isProxy"]


class Unreadable(SIPError):
    """
    C{twisted.protocols.sip} cannot read a message.

    @ivar statusCode: What a request is answered with.
    """

    def __init__(self, text: str, statusCode: int = 400) -> None:
        super().__init__(text)
        self.statusCode = statusCode


def _module() -> Any:
    # It imports the reactor: whoever has a sip.Base has chosen one by then, and nobody else is to.
    from twisted.protocols import sip

    return sip


def isProxy(base: Base) -> bool:
    """Say whether a C{sip.Base} forwards and registers by the address in To."""
    return isinstance(base, _module().Proxy)


def checkDatagram(datagram: bytes, base: Base) -> None:
    """
    See that a message can be read.

    @param datagram: It.
    @param base: Who is to read it.
    @raise Unreadable: It cannot.
    """
    if type(base.parser) is not _module().MessagesParser:
        # One of its user's own may read more, and may be made in another way.
        return
    read: list[object] = []
    reader: Any = _module().MessagesParser(read.append)
    try:
        # Past its own, which drops what an error is in.
        LineReceiver.dataReceived(reader, datagram)
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
        _module().parseAddress(to, clean=1)
    except Exception as error:  # noqa: BLE001 - as above
        raise Unreadable(f"To: {to}: {error}") from None
