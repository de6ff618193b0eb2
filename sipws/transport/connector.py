"""
L{EndpointConnector}: an endpoint in the shape that C{ReconnectingClientFactory} wants.

Twisted's factories that reconnect know connectors alone; host names with both
kinds of addresses, TLS that verifies and UNIX sockets are to be had from
endpoints alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import NotConnectingError
from twisted.internet.interfaces import IAddress, IConnector, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

__all__ = ["Attempt", "EndpointConnector", "IAttemptProtocol"]


class IAttemptProtocol(Protocol):
    """
    What the factory's protocols are to an L{EndpointConnector}.

    @ivar attempt: Assigned before C{connectionMade}.  The protocol calls its
        C{lost(protocol, reason)} as the last thing in C{connectionLost}.
    """

    attempt: Attempt | None
    transport: Any


@implementer(IProtocolFactory)
class Attempt:
    """
    One connection, from its first moment to its last.

    An attempt that is not its connector's current one is over: whatever
    becomes of it, nobody hears of it.
    """

    __slots__ = ("connector", "pending", "socket")

    def __init__(self, connector: EndpointConnector) -> None:
        self.connector: EndpointConnector | None = connector
        self.pending: Deferred[Any] | None = None
        self.socket: IAttemptProtocol | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Have the connector's factory make the protocol."""
        if self.connector is None:
            return None
        built = self.connector.factory.buildProtocol(cast(IAddress, addr))
        if built is not None:
            self.socket = cast(IAttemptProtocol, built)
            self.socket.attempt = self
        return built

    def doStart(self) -> None:
        """Be used by an endpoint."""

    def doStop(self) -> None:
        """Be no longer used by it."""

    def begin(self, endpoint: IStreamClientEndpoint) -> None:
        """Connect."""
        # Endpoints should fail, not raise; one with a resolver of somebody else's may raise.
        self.pending = maybeDeferred(endpoint.connect, self)
        self.pending.addCallbacks(self._connected, self._failed)

    def abandon(self) -> None:
        """Give it up: no trace is left of it, and nobody is told."""
        self.connector = None
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.cancel()
        if self.socket is not None:
            _abort(self.socket)

    def lost(self, protocol: IAttemptProtocol, reason: Failure) -> None:
        """The connection of a protocol is gone."""
        protocol.attempt = None
        connector = self.connector
        if connector is not None and protocol is self.socket:
            self.connector = None
            connector.connectionLost(self, reason)

    def _connected(self, protocol: IProtocol) -> None:
        self.pending = None
        if self.connector is None and self.socket is not None:
            _abort(self.socket)

    def _failed(self, reason: Failure) -> None:
        self.pending = None
        connector, self.connector = self.connector, None
        # One that was given up fails by being cancelled.
        if connector is not None:
            connector.connectionFailed(self, reason)


def _abort(socket: IAttemptProtocol) -> None:
    if socket.transport is not None:
        socket.transport.abortConnection()


@implementer(IConnector)
class EndpointConnector:
    """
    Connects a factory over endpoints, again and again.

    Its factory's protocols are L{IAttemptProtocol}s.

    @ivar factory: What is told of the connections, as by any connector.
    """

    __slots__ = ("_attempt", "_makeEndpoint", "factory")

    def __init__(self, factory: ClientFactory, makeEndpoint: Callable[[], IStreamClientEndpoint]) -> None:
        """
        @param factory: The factory.
        @param makeEndpoint: Makes the endpoint of each attempt.
        """
        self.factory = factory
        self._makeEndpoint = makeEndpoint
        self._attempt: Attempt | None = None

    @property
    def active(self) -> bool:
        """Whether there is a connection, or one is being made."""
        return self._attempt is not None

    def connect(self) -> None:
        """
        Connect.

        @raise RuntimeError: There is a connection, or one is being made.
        """
        if self._attempt is not None:
            raise RuntimeError("can't connect in this state")
        attempt = self._attempt = Attempt(self)
        self.factory.startedConnecting(self)
        # Whoever was told may have stopped it.
        if self._attempt is attempt:
            self._begin(attempt)

    def goOn(self) -> None:
        """
        Connect once more, as a part of the same attempt: the factory is not told of a new one.

        @raise RuntimeError: There is a connection, or one is being made.
        """
        if self._attempt is not None:
            raise RuntimeError("can't go on in this state")
        self._attempt = Attempt(self)
        self._begin(self._attempt)

    def _begin(self, attempt: Attempt) -> None:
        try:
            endpoint = self._makeEndpoint()
        except Exception:  # noqa: BLE001 - an attempt that cannot begin has failed
            attempt.connector = None
            self.connectionFailed(attempt, Failure())
            return
        attempt.begin(endpoint)

    def stopConnecting(self) -> None:
        """
        Give up the connection that is being made or is there.  The factory is not told.

        @raise NotConnectingError: There is none.
        """
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            raise NotConnectingError("there is no attempt to stop")
        attempt.abandon()

    def disconnect(self) -> None:
        """Give up what there is, if there is anything.  The factory is not told."""
        if self._attempt is not None:
            self.stopConnecting()

    def getDestination(self) -> Any:
        """Give the endpoint that the next attempt would use."""
        return self._makeEndpoint()

    def connectionFailed(self, attempt: Attempt, reason: Failure) -> None:
        """An attempt has failed."""
        if attempt is self._attempt:
            self._attempt = None
            self.factory.clientConnectionFailed(self, reason)

    def connectionLost(self, attempt: Attempt, reason: Failure) -> None:
        """A connection is gone."""
        if attempt is self._attempt:
            self._attempt = None
            self.factory.clientConnectionLost(self, reason)
