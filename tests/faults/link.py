"""
L{Link}: one connection through the proxy, from a client to the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as TwistedProtocol
from zope.interface import implementer

from tests.faults.faults import Door, Shape, Way
from tests.faults.pipe import Pipe

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
    from twisted.python.failure import Failure

__all__ = ["End", "Link", "Surroundings", "quietFactory"]

END_OF_HEADERS = b"\r\n\r\n"

#: How much of a request is kept, in octets.
MAX_REQUEST = 65_536


class Surroundings(Protocol):
    """
    What a link wants of its proxy.

    @ivar clock: What delays run on.
    @ivar door: How it is met.
    @ivar shape: What becomes of its octets.
    """

    clock: IReactorTime
    door: Door
    shape: Shape

    def endpoint(self, terminated: bool) -> IStreamClientEndpoint:
        """Give the way to the server, for octets as the client sends them or as TLS hid them."""

    def linkEnded(self, link: Link) -> None:
        """A link is gone, with both of its ends."""


@implementer(IHalfCloseableProtocol)
class End(TwistedProtocol):
    """One of the two ends of a link: the proxy's side of a TCP connection."""

    transport: Any

    def __init__(self, link: Link, outward: Pipe, inward: Pipe) -> None:
        """
        @param outward: What takes its octets.
        @param inward: What brings it octets.
        """
        self.link = link
        self.outward = outward
        self.inward = inward
        self.gone = False

    def connectionMade(self) -> None:
        """There is a connection."""
        self.transport.setTcpNoDelay(True)
        self.outward.fromSource(self)
        self.transport.registerProducer(self.inward, True)
        self.link.opened(self)

    def dataReceived(self, data: bytes) -> None:
        """Take octets."""
        self.link.received(self, data)

    def readConnectionLost(self) -> None:
        """The other side has no more to say."""
        self.link.finished(self)

    def writeConnectionLost(self) -> None:
        """We have no more to say."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self.gone = True
        self.transport.unregisterProducer()
        self.link.lost(self, reason)

    # What pipes want of it.

    def write(self, octets: bytes) -> None:
        """Send octets."""
        if not self.gone:
            self.transport.write(octets)

    def pauseReading(self) -> None:
        """Read no more."""
        if not self.gone:
            self.transport.pauseProducing()

    def resumeReading(self) -> None:
        """Read on."""
        if not self.gone:
            self.transport.resumeProducing()

    # How it ends.

    def finish(self) -> None:
        """Say no more, and go on listening."""
        if not self.gone:
            self.transport.loseWriteConnection()

    def close(self) -> None:
        """Close the connection, when all has been sent."""
        if not self.gone:
            # TLS is not ended while there is a producer.
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def abort(self) -> None:
        """Cut the connection, with a TCP reset."""
        if not self.gone:
            self.transport.abortConnection()


class Link:
    """
    One connection through the proxy.

    @ivar client: The end towards the client.
    @ivar server: The end towards the server; C{None} where there is none yet, or never.
    @ivar up: The way to the server.
    @ivar down: The way to the client.
    """

    def __init__(self, proxy: Surroundings) -> None:
        self._proxy = proxy
        self.up = Pipe(proxy.clock, Way.UP, proxy.shape, self._drained)
        self.down = Pipe(proxy.clock, Way.DOWN, proxy.shape, self._drained)
        self.client = End(self, self.up, self.down)
        self.server: End | None = None
        self._connecting: Deferred[Any] | None = None
        self._response: _Response | None = None
        self._isOver = False

    # What doors do with it.

    def forward(self, terminated: bool = False) -> None:
        """Connect it to the server; what the client says meanwhile is held."""
        server = End(self, self.down, self.up)
        connecting = self._proxy.endpoint(terminated).connect(quietFactory(server))
        self._connecting = connecting
        connecting.addCallbacks(self._connected, self._unreachable)

    def answer(self, octets: bytes, closes: bool) -> None:
        """Answer its first HTTP request."""
        self._response = _Response(octets, closes)

    # What cuts and shapes do to it.

    def reset(self) -> None:
        """Cut it, with a TCP reset on both sides."""
        for end in self._ends():
            end.abort()
        if self._connecting is not None:
            self._connecting.cancel()

    def halfClose(self, way: Way) -> None:
        """End one of its ways, with a FIN."""
        sink = self.server if way is Way.UP else self.client
        if sink is not None:
            sink.finish()

    def reshape(self, shape: Shape) -> None:
        """Carry octets in another way."""
        self.up.reshape(shape)
        self.down.reshape(shape)
        self._tellOfEnd()

    # What its ends tell.

    def opened(self, end: End) -> None:
        """An end has a connection."""
        if end is not self.client:
            self.server = end
        end.inward.toSink(end)
        if end is self.client:
            self._proxy.door.meet(self)

    def received(self, end: End, octets: bytes) -> None:
        """An end has octets."""
        if self._response is not None:
            self._response.take(octets, end)
        else:
            end.outward.take(octets)

    def finished(self, end: End) -> None:
        """An end will have no more octets."""
        end.outward.finish()
        if self.server is None and self._connecting is None:
            end.close()

    def lost(self, end: End, reason: Failure) -> None:
        """An end has lost its connection: the other is to lose its own in the same way."""
        end.inward.close()
        if reason.check(ConnectionDone) is None:
            end.outward.breakOff()
        else:
            end.outward.finish()
        self._tellOfEnd()
        if self._connecting is not None:
            self._connecting.cancel()
        elif not self._ends():
            self._end()

    # How it does all that.

    def _ends(self) -> list[End]:
        return [end for end in (self.client, self.server) if end is not None and not end.gone]

    def _connected(self, _: object) -> None:
        self._connecting = None
        if self.client.gone:
            self.reset()

    def _unreachable(self, _: Failure) -> None:
        """There is no server, or the client has not waited for it."""
        self._connecting = None
        if self.client.gone:
            self._end()
        else:
            self.client.abort()

    def _drained(self, pipe: Pipe) -> None:
        """All octets of one way have come through: so must its end."""
        source, sink = (self.client, self.server) if pipe is self.up else (self.server, self.client)
        if sink is None:
            return
        other = self.down if pipe is self.up else self.up
        if source is None or source.gone:
            sink.close()
        elif other.isDrained:
            sink.close()
            source.close()
        else:
            sink.finish()

    def _tellOfEnd(self) -> None:
        """Cut what is left where one end was cut, unless nothing comes through, not even that."""
        if any(pipe.isBroken for pipe in (self.up, self.down)):
            self.reset()

    def _end(self) -> None:
        # Closing one end may close the other at once, which then is here first.
        if self._isOver:
            return
        self._isOver = True
        self.up.close()
        self.down.close()
        self._proxy.linkEnded(self)


def quietFactory(end: End) -> Factory[End]:
    """
    Make the factory of one end.

    It is not logged: what is logged before anybody has begun to listen is kept for whoever does.
    """
    factory = Factory.forProtocol(lambda: end)
    factory.noisy = False
    return factory


class _Response:
    """What a request is answered with, without a server."""

    def __init__(self, octets: bytes, closes: bool) -> None:
        self._octets: bytes | None = octets
        self._closes = closes
        self._request = b""

    def take(self, octets: bytes, client: End) -> None:
        """Take octets of the request; answer once that is whole."""
        self._request = (self._request + octets)[-MAX_REQUEST:]
        if self._octets is None or END_OF_HEADERS not in self._request:
            return
        answer, self._octets = self._octets, None
        client.write(answer)
        if self._closes:
            client.close()
