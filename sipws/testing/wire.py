"""
TCP connections in memory: two ends, and octets that move when they are told to.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["End", "Wire"]

#: How many octets wait, as in Twisted's own transports, until a producer is paused.
BUFFER_SIZE = 65_536


@implementer(ITCPTransport, IPushProducer)
class End:
    """
    One end of a connection: the transport of the protocol that is there.

    @ivar protocol: The protocol; C{None} when it has been told of the connection's end.
    @ivar disconnecting: Whether it has been closed on this side.
    @ivar reading: Whether its protocol wants octets now.
    """

    def __init__(self, host: IPv4Address, peer: IPv4Address) -> None:
        self.protocol: Any = None
        self.disconnecting = False
        self.disconnected = False
        self.reading = True
        self._outgoing: list[bytes] = []
        self._waiting = 0
        self._producer: Any = None
        self._producerPaused = False
        self._aborted = False
        self._host = host
        self._peer = peer

    # ITransport

    def write(self, data: bytes) -> None:
        """Send octets; after L{loseConnection}, those of a producer that is not done yet."""
        if not self._aborted and (not self.disconnecting or self._producer is not None):
            self._outgoing.append(bytes(data))
            self._waiting += len(data)
            if self._producer is not None and self._waiting > BUFFER_SIZE and not self._producerPaused:
                self._producerPaused = True
                self._producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        """Send octets."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close, when all that was written has gone out."""
        self.disconnecting = True

    def abortConnection(self) -> None:
        """Close at once."""
        self.disconnecting = True
        self._aborted = True
        self._outgoing.clear()
        self._waiting = 0

    def getPeer(self) -> IPv4Address:
        """Give the other end's address."""
        return self._peer

    def getHost(self) -> IPv4Address:
        """Give this end's address."""
        return self._host

    # IPushProducer

    def pauseProducing(self) -> None:
        """Take no octets, and no news of the other side's closing, until L{resumeProducing}."""
        self.reading = False

    def resumeProducing(self) -> None:
        """Take octets again."""
        self.reading = not self.disconnecting

    def stopProducing(self) -> None:
        """Close, as a producer that is wanted no more."""
        self.loseConnection()

    # The rest of ITCPTransport, without effect on what is in memory.

    def loseWriteConnection(self) -> None:
        """Half-closing is not modelled."""

    def getTcpNoDelay(self) -> bool:
        """Say that nothing is held back."""
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Take notice: nothing is held back in any case."""

    def getTcpKeepAlive(self) -> bool:
        """Say that TCP's own keep-alive is off."""
        return False

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Take notice: TCP's own keep-alive is not modelled."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """
        Pause a push producer when too much waits for the other side to read.

        @param streaming: Whether it is one; pull producers are not modelled.
        """
        self._producer = producer if streaming else None

    def unregisterProducer(self) -> None:
        """Pause it no more."""
        self._producer = None
        self._producerPaused = False

    # For the wire.

    @property
    def waiting(self) -> int:
        """How many octets have been written and not taken."""
        return self._waiting

    @property
    def aborted(self) -> bool:
        """Whether it has been closed without waiting for what was written."""
        return self._aborted

    def take(self) -> bytes:
        """Take what has been written."""
        data, self._outgoing[:] = b"".join(self._outgoing), []
        self._waiting = 0
        if self._producerPaused:
            self._producerPaused = False
            self._producer.resumeProducing()
        return data

    def deliver(self, data: bytes) -> None:
        """Give octets to the protocol."""
        if self.protocol is not None:
            self.protocol.dataReceived(data)

    def end(self, error: Exception) -> None:
        """Tell the protocol of the connection's end."""
        protocol, self.protocol = self.protocol, None
        self.disconnecting = self.disconnected = True
        if protocol is not None:
            protocol.connectionLost(Failure(error))


class Wire:
    """
    One connection.

    @ivar client: The end of whoever connected.
    @ivar server: The other end.
    @ivar stalled: Whether octets, and the news of the other side's closing, stay on the way.
    @ivar mute: Whether it has been so from the begin.
    @ivar severed: Whether the server's host is gone for ever: what is sent to it is lost on the way.
    """

    def __init__(self, host: str, port: int, serial: int) -> None:
        """
        @param host: The server's IP address.
        @param port: The server's port.
        @param serial: A number that no other wire of the network has.
        """
        clientAddress = IPv4Address("TCP", "127.0.0.1", 49152 + serial % 16384)
        serverAddress = IPv4Address("TCP", host, port)
        self.client = End(clientAddress, serverAddress)
        self.server = End(serverAddress, clientAddress)
        self.stalled = self.mute = self.severed = False

    @property
    def over(self) -> bool:
        """Whether both ends have been told of the connection's end."""
        return self.client.disconnected and self.server.disconnected

    def drop(self) -> None:
        """Break the connection, as when a cable is cut and both sides are told."""
        for end in (self.client, self.server):
            if not end.disconnected:
                end.end(ConnectionLost())

    def sever(self) -> None:
        """Take the server's host away; the client is not told."""
        self.severed = True
        self.server.end(ConnectionLost())

    def pump(self) -> bool:
        """
        Move what has been written so far.

        @return: Whether anything moved.
        """
        moved = self._move(self.client, self.server)
        moved = self._move(self.server, self.client) or moved
        moved = self._closeFrom(self.client, self.server) or moved
        return self._closeFrom(self.server, self.client) or moved

    def _move(self, source: End, target: End) -> bool:
        if self.stalled or not target.reading:
            return False
        data = source.take()
        if data:
            target.deliver(data)
        return bool(data)

    def _closeFrom(self, closer: End, other: End) -> bool:
        moved = False
        # One that closes without haste first gets rid of all that it has written.
        if closer.disconnecting and not closer.disconnected and not closer.waiting:
            closer.end(ConnectionAborted() if closer.aborted else ConnectionDone())
            moved = True
        told = other.reading and not self.stalled and not self.severed
        if closer.disconnected and not other.disconnected and told:
            other.end(ConnectionLost() if closer.aborted else ConnectionDone())
            moved = True
        return moved
