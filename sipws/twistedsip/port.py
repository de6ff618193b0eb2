"""
L{DatagramPort}: what takes the place of a UDP port.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.emitter import loggerFor
from sipws.errors import ParseError
from sipws.message import IncomingRequest, OutgoingResponse
from sipws.message.sanity import statelessTag
from sipws.twistedsip.datagrams import toDatagram
from sipws.twistedsip.reading import Unreadable, checkAddressee, checkDatagram, isProxy

if TYPE_CHECKING:
    from twisted.protocols.sip import Base

    from sipws.interfaces import ITransport
    from sipws.message import IncomingMessage
    from sipws.twistedsip.datagrams import Address

__all__ = ["DatagramPort"]

_log = loggerFor("sip.twistedsip")


class DatagramPort:
    """
    What takes the place of a UDP port under a C{sip.Base}.

    As with UDP, a datagram that cannot be delivered is lost, and whoever wrote
    it is not told.

    @ivar base: What reads and writes the datagrams.
    """

    def __init__(self, base: Base) -> None:
        self.base = base
        # Whether it has written anything since a message was handed over.
        self._hasWritten = False

    def write(self, packet: bytes, addr: tuple[str, int] | None = None) -> None:
        """
        Send a datagram.  Never raises.

        @param packet: It.
        @param addr: The host and port of the connection that it is for.
        """
        raise NotImplementedError

    def deliver(self, message: IncomingMessage, source: Address, transport: ITransport) -> None:
        """
        Hand a message over as a datagram.  Never raises.

        @param message: The message.
        @param source: The address of the connection that it came on.
        @param transport: The connection.
        """
        if self.base.transport is None:
            # It has come to its end.
            return
        try:
            datagram = toDatagram(message, source)
            self._check(message, datagram)
        except UnicodeDecodeError:
            # RFC 3261 section 21.4.13.
            self._refuse(message, 415, transport)
            return
        except ParseError as error:
            _log.info("not handed over: {error}", error=error)
            self._refuse(message, 400, transport)
            return
        except Unreadable as error:
            _log.info(
                "twisted.protocols.sip cannot read a {method}: {error}", method=message.method, error=error
            )
            self._refuse(message, error.statusCode, transport)
            return
        self._hasWritten = False
        try:
            self.base.datagramReceived(datagram, (source.host, source.port))
        except Exception:  # noqa: BLE001 - whatever another's code does with what came
            _log.failure("a {method} was too much for {base}", method=message.method, base=self.base)
            self._recover()
            if not self._hasWritten:
                # Nothing of it may come to an answer any more: RFC 3261 section 21.5.1.
                self._refuse(message, 500, transport)

    def stop(self) -> None:
        """Let the C{sip.Base} come to its end, unless it has."""
        if self.base.transport is not None:
            self.base.doStop()

    def _check(self, message: IncomingMessage, datagram: bytes) -> None:
        """
        See that it can read a message: what it cannot it drops.

        @raise Unreadable: It cannot.
        """
        checkDatagram(datagram, self.base)
        if isinstance(message, IncomingRequest) and isProxy(self.base):
            # What is none forwards nothing, and may have no use for the address.
            checkAddressee(message)

    def _recover(self) -> None:
        """Have it read on: what it has read of one message is not to be part of the next."""
        self.base.parser.reset()
        self.base.messages[:] = []

    def _refuse(self, message: IncomingMessage, statusCode: int, transport: ITransport) -> None:
        # RFC 3261 section 17.1.1.3: an ACK is never answered.
        if isinstance(message, IncomingRequest) and message.method != "ACK":
            transport.send(OutgoingResponse(message, statusCode, toTag=statelessTag(message)))
