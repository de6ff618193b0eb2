"""
L{FaultProxy}: a TCP proxy in which things go wrong, as they are told to; and
L{ProxyCore}: what of it is the same where there is no TCP.

It stands between WebSocket clients and a server.  Octets go through as they
are, so C{ws} and C{wss} are all the same to it; where TLS has to end at the
proxy, for an HTTP answer of its own or another certificate, it does.

    proxy = FaultProxy(reactor, TCP4ClientEndpoint(reactor, "127.0.0.1", 5060))
    proxy.start()
    proxy.inflict(Throttle(1000))    # lasts until the next Shape
    proxy.inflict(Reset())           # at once
    proxy.inflict(Refuse())          # lasts until the next Door
    proxy.heal()                     # the last two are over
    await proxy.stop()
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.faults.faults import Cut, Door, Fault, Forward, Identity, Plain, Shape
from tests.faults.link import Link, quietFactory

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IListeningPort, IProtocol, IStreamClientEndpoint

__all__ = ["FaultProxy", "ProxyCore"]

_LOOPBACK = "127.0.0.1"


class ProxyCore:
    """
    A proxy in which things go wrong, wherever its connections come from.

    @ivar clock: What connects, which is the clock too: a reactor.
    @ivar door: How connections are met.
    @ivar shape: What becomes of their octets.
    @ivar identity: Its own certificate, where the clients' octets are TLS.
    @ivar links: The connections that there are.
    @ivar accepted: How many there have been.
    """

    def __init__(
        self,
        reactor: Any,
        server: IStreamClientEndpoint,
        identity: Identity | None = None,
        terminated: IStreamClientEndpoint | None = None,
    ) -> None:
        """
        @param reactor: The reactor.
        @param server: The way to the server.
        @param identity: The proxy's own certificate, where the clients' octets are TLS.
        @param terminated: The way to the server for what TLS hid, where it ends at the proxy.
        """
        self.clock = reactor
        self.door: Door = Forward()
        self.shape: Shape = Plain()
        self.identity = identity
        self.links: list[Link] = []
        self.accepted = 0
        self._server = server
        self._terminated = terminated
        self._stopped: Deferred[None] | None = None

    def start(self) -> None:
        """Take connections from now on."""
        self._listen()

    def inflict(self, fault: Fault) -> None:
        """
        Have something go wrong from now on, in place of what of its family went wrong before.

        @param fault: What.
        """
        if isinstance(fault, Door):
            self.door = fault
            if fault.listens:
                self._listen()
            else:
                self._stopListening()
        elif isinstance(fault, Shape):
            self.shape = fault
            for link in list(self.links):
                link.reshape(fault)
        elif isinstance(fault, Cut):
            for link in list(self.links):
                fault.cut(link)

    def heal(self) -> None:
        """Have everything go as it should."""
        self.inflict(Plain())
        self.inflict(Forward())

    async def stop(self) -> None:
        """Take no more connections, cut those that there are, and wait until they are gone."""
        self._stopListening()
        self.shape = Plain()
        for link in list(self.links):
            link.reset()
        if self.links:
            self._stopped = Deferred()
            await self._stopped

    def accept(self, address: IAddress | None) -> IProtocol:
        """Make the client's end of a new link."""
        link = Link(self)
        self.links.append(link)
        self.accepted += 1
        identity = self.door.identity or self.identity
        if identity is None or not self.door.terminates:
            return link.client
        tls = TLSMemoryBIOFactory(identity.asServer(), False, quietFactory(link.client))
        return tls.buildProtocol(address)

    # What links ask and tell.

    def endpoint(self, terminated: bool) -> IStreamClientEndpoint:
        """Give the way to the server."""
        if not terminated:
            return self._server
        assert self._terminated is not None, "there is no way to the server without TLS"
        return self._terminated

    def linkEnded(self, link: Link) -> None:
        """Forget a link."""
        self.links.remove(link)
        if not self.links and self._stopped is not None:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    # Where connections come from.

    def _listen(self) -> None:
        """Take connections, if that is not so already."""
        raise NotImplementedError

    def _stopListening(self) -> None:
        """Have connections be refused, if that is not so already."""
        raise NotImplementedError


class FaultProxy(ProxyCore):
    """
    A TCP proxy in which things go wrong.

    @ivar port: The TCP port on 127.0.0.1 that it listens on; the same for all its life.
    """

    def __init__(
        self,
        reactor: Any,
        server: IStreamClientEndpoint,
        identity: Identity | None = None,
        terminated: IStreamClientEndpoint | None = None,
    ) -> None:
        """
        @param reactor: The reactor.
        @param server: The way to the server.
        @param identity: The proxy's own certificate, where the clients' octets are TLS.
        @param terminated: The way to the server for what TLS hid, where it ends at the proxy.
        """
        super().__init__(reactor, server, identity, terminated)
        self._placeholder = _bind()
        self.port: int = self._placeholder.getsockname()[1]
        self._listening: IListeningPort | None = None
        self._closing: Deferred[None] | None = None
        self._isStopping = False

    async def stop(self) -> None:
        """Listen no more, cut all connections, and wait until they are gone."""
        self._isStopping = True
        self._placeholder.close()
        await super().stop()
        if self._closing is not None:
            await self._closing

    def _listen(self) -> None:
        if self._listening is None and self._closing is None:
            self._listening = self.clock.listenTCP(self.port, _Acceptor(self), interface=_LOOPBACK)

    def _stopListening(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            self._closing = Deferred()
            maybeDeferred(listening.stopListening).addCallback(self._closed)

    def _closed(self, _: object) -> None:
        closing, self._closing = self._closing, None
        # The next fault may have come before this one had begun.
        if self.door.listens and not self._isStopping:
            self._listen()
        if closing is not None:
            closing.callback(None)


class _Acceptor(Factory):
    """Accepts connections for a proxy."""

    noisy = False

    def __init__(self, proxy: ProxyCore) -> None:
        self._proxy = proxy

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Make the protocol of one connection."""
        return self._proxy.accept(addr)


def _bind() -> socket.socket:
    """
    Take a port, and listen on it not yet.

    Who listens on it shares it: it stays the proxy's own while nobody does.
    """
    placeholder = socket.socket()
    placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    placeholder.bind((_LOOPBACK, 0))
    return placeholder
