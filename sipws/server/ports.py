"""
L{Ports}: where a server listens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint

    from sipws.server.protocol import SIPWebSocketServerFactory

__all__ = ["Ports"]


class Ports:
    """
    Where a server listens.

    @ivar open: The ports, in the order in which they were asked for.
    """

    def __init__(self, factory: SIPWebSocketServerFactory) -> None:
        """
        @param factory: Makes the protocols of the connections.
        """
        self._factory = factory
        self.open: list[IListeningPort] = []

    def listen(self, endpoint: IStreamServerEndpoint) -> Deferred[IListeningPort]:
        """
        Take connections.

        @param endpoint: Where.
        @return: A Deferred of the port.
        """

        def listening(port: IListeningPort) -> IListeningPort:
            self.open.append(port)
            return port

        return endpoint.listen(self._factory).addCallback(listening)

    def stop(self) -> Deferred[Any]:
        """
        Take no more connections and close those that are open.

        @return: A Deferred that fires when all are gone.
        """
        ports, self.open = self.open, []
        waiting: list[Deferred[Any]] = [maybeDeferred(port.stopListening) for port in ports]
        return DeferredList([*waiting, self._factory.closeAll()])
