"""
L{SIPWebSocketClientFactory}: one server's connections, one after the other.

It decides when the next is tried, as its L{RetryPolicy} says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from autobahn.twisted.websocket import WebSocketClientFactory
from twisted.internet.error import NotConnectingError
from twisted.internet.protocol import ReconnectingClientFactory
from twisted.python.failure import Failure

from sipws.errors import ConnectionFailed, PeerSilent
from sipws.transport.connector import EndpointConnector
from sipws.transport.failures import connectionError
from sipws.transport.keepalive import KeepAlive
from sipws.transport.location import IInnerReactor, Location
from sipws.transport.protocol import SUBPROTOCOL, SIPWebSocketClientProtocol
from sipws.transport.retry import RetryPolicy, isOverload, retryDelay
from sipws.transport.timings import Timings
from sipws.transport.tls import ClientTLS
from sipws.transport.upgrade import Upgrade, Upgrading
from sipws.transport.ways import endpointTo

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint

    from sipws.errors import HandshakeRefused
    from sipws.transport.options import TransportOptions
    from sipws.transport.transport import Transport

__all__ = ["SIPWebSocketClientFactory"]


#: What goes with an upgrade where nothing is configured.
_NOTHING = Upgrade()


class SIPWebSocketClientFactory(WebSocketClientFactory, ReconnectingClientFactory):
    """
    Makes the WebSockets of one transport.

    @ivar owner: The transport.
    @ivar options: How to connect.
    @ivar location: Where to.
    @ivar clock: What the timers run on.
    @ivar timings: Those of the last attempt.
    @ivar retries: How often in a row it has been tried again.
    """

    protocol: Any = SIPWebSocketClientProtocol
    noisy = False

    # What Autobahn wants of its factories, the same for all.  Its own constructor would seed
    # Python's random generator anew, for the whole process, with each connection.
    isSecure = False
    proxy = None
    protocols: Any = (SUBPROTOCOL,)

    # The policy gives each gap as it is to be.
    factor = 1.0
    jitter = 0.0

    connector: EndpointConnector
    clock: Any
    initialDelay: float
    delay: float
    maxDelay: Any
    maxRetries: Any
    retries: int
    continueTrying: int
    _callID: IDelayedCall | None

    def __init__(self, owner: Transport, uri: str, reactor: Any, options: TransportOptions) -> None:
        """
        @param owner: The transport.
        @param uri: The URI of the server.
        @param reactor: The reactor to connect with, which is the clock too.
        @param options: How to connect.
        @raise ConfigurationError: The URI leads nowhere, or a file of the options cannot be used.
        """
        self.owner = owner
        self.options = options
        # Another user agent's servers need not know of domains.
        self.location = Location.parse(uri, getattr(owner.server, "domain", None))
        self.reactor = reactor
        self.clock = reactor
        self.timings = Timings(reactor)
        self.connector = EndpointConnector(self, self._makeEndpoint)
        secure = self.location.secure and not IInnerReactor.providedBy(reactor)
        self._creator = ClientTLS(self.location.host, options, self.location.domain) if secure else None
        self._openTimer: IDelayedCall | None = None
        if options.upgrade is not None:
            self.upgrading = Upgrading(options.upgrade, self.location, owner.counters, self._newCnonce)
            # What cannot be used is said at once, not when it is.
            self._makeEndpoint()

    # What the transport asks for.

    @property
    def retryTimer(self) -> IDelayedCall | None:
        """The wait for the next attempt."""
        return self._callID

    @property
    def connecting(self) -> bool:
        """Whether a connection is being made, or one is there."""
        return self.connector.active

    @property
    def waiting(self) -> bool:
        """Whether the next attempt is waited for."""
        return self._callID is not None

    def connectNow(self) -> None:
        """Connect without a wait."""
        self._cancelRetry()
        if not self.continueTrying:
            self.continueTrying = 1
            self.retries = 0
        self.connector.connect()

    def stop(self) -> None:
        """Try no more, and give up a connection that is being made or is there."""
        self._cancelRetry()
        self.continueTrying = 0
        self._cancelOpenTimer()
        self.connector.disconnect()

    def stopRetrying(self) -> None:
        """Try no more; a connection that is there may come to its end."""
        self._cancelRetry()
        self.continueTrying = 0

    def opened(self) -> None:
        """Count the attempts from the start again."""
        self._cancelRetry()
        self.retries = 0

    # What the connector tells.

    def startedConnecting(self, connector: object) -> None:
        """An attempt begins."""
        if self.upgrading is not None:
            self.location = self.upgrading.begin()
        self.timings = Timings(self.clock)
        self.owner.counters.attempts += 1
        self._openTimer = self.clock.callLater(self.options.openTimeout, self._openTimedOut)
        self.owner.connecting(self.retries + 1)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        """An attempt has come to nothing, before TCP was up."""
        self._cancelOpenTimer()
        location = self.location
        place = location.path or f"{location.hostHeader}:{location.port}"
        self.owner.socketFailed(connectionError(reason, place))

    def clientConnectionLost(self, connector: object, reason: Failure) -> None:
        """A connection is gone; one that was never open has failed, unless the attempt goes on."""
        if self._goesOn():
            return
        self._cancelOpenTimer()
        socket, self._socket = self._socket, None
        error = ConnectionFailed("the connection was lost") if socket is None else socket.closeError(reason)
        self.owner.socketFailed(error)

    _socket: SIPWebSocketClientProtocol | None = None
    # What it takes where the upgrade is more than one plain request; None, as for most, where it is not.
    upgrading: Upgrading | None = None

    def buildProtocol(self, addr: object) -> Any:
        """Make the protocol of one connection."""
        socket: SIPWebSocketClientProtocol = self.protocol()
        socket.factory = self
        self._socket = socket
        return socket

    # What the protocol tells.

    def socketOpened(self, socket: SIPWebSocketClientProtocol) -> None:
        """A WebSocket is open."""
        if socket is self._socket and self.connector.active:
            self._cancelOpenTimer()
            if self.options.keepAliveInterval > 0:
                socket.keepAlive = KeepAlive(socket, self.owner.counters)
            self.owner.socketOpened(socket)

    def socketClosing(self, socket: SIPWebSocketClientProtocol) -> None:
        """A closing handshake has begun, whoever began it: nothing can be sent any more."""
        socket.watchNoMore()
        if self.owner.ws is socket:
            self.owner.socketClosing()

    def socketSilent(self, socket: SIPWebSocketClientProtocol, error: PeerSilent) -> None:
        """
        The server of a connection gives no sign of life: the connection is lost
        here and now, whenever TCP sees that, and whatever still comes of it.
        """
        if socket is self._socket:
            self._socket = None
            socket.watchNoMore()
            self.connector.disconnect()
            self.owner.socketFailed(error)

    def socketWritable(self, socket: SIPWebSocketClientProtocol) -> None:
        """Nothing waits any more for a server that did not read."""
        if self.owner.ws is socket:
            self.owner.socketWritable()

    def messageReceived(self, socket: SIPWebSocketClientProtocol, payload: bytes) -> None:
        """A message has come."""
        owner = self.owner
        if owner.ws is socket:
            owner.onMessage(payload)

    # When to try again.

    def retry(self, connector: object = None) -> None:
        """
        Try again after the gap, or tell the transport that there were enough attempts.

        @param connector: As of C{ReconnectingClientFactory}; there is but one.
        """
        if not self.continueTrying:
            return
        delay = None if self._isLeft() else self._delay()
        if delay is None:
            self.continueTrying = 0
            self.owner.exhausted()
            return
        # It is for the policy to count them.
        self.maxRetries = None
        self.initialDelay = self.delay = self.maxDelay = delay
        super().retry(self.connector)

    def _isLeft(self) -> bool:
        """Ask the user agent whether it would rather have another server than wait for this one."""
        leave = self.options.leave
        return leave is not None and leave(self.owner)

    def _delay(self) -> float | None:
        error = self.owner.lastTransportError
        return retryDelay(
            self._policy(),
            self.retries,
            self.options.random,
            retryAfter=None if error is None else error.retryAfter,
            overloaded=isOverload(error),
        )

    def _policy(self) -> RetryPolicy:
        """Give the policy of the options, or that of the seed, which the user agent's configuration has."""
        if self.options.retry is not None:
            return self.options.retry
        configuration = self.owner.ua.configuration
        return RetryPolicy(
            gap=configuration.wsServerReconnectionTimeout,
            attempts=configuration.wsServerMaxReconnection,
            overload=0,
        )

    def _cancelRetry(self) -> None:
        timer, self._callID = self._callID, None
        if timer is not None:
            timer.cancel()

    # How to connect.

    def _newCnonce(self) -> str:
        return self.options.entropy(16).hex()

    def _makeEndpoint(self) -> IStreamClientEndpoint:
        options = self.options
        return endpointTo(
            self.location,
            self.reactor,
            options.resolver,
            self._tls(),
            options.openTimeout,
            self.timings.resolved,
            options.upgrade,
        )

    def _tls(self) -> ClientTLS | None:
        """Give the TLS of the place that the attempt has come to."""
        upgrading = self.upgrading
        if upgrading is None or upgrading.isAtHome:
            return self._creator
        if not self.location.secure or IInnerReactor.providedBy(self.reactor):
            return None
        # Who we are is for the server that was configured.
        strangers = attrs.evolve(self.options, clientCertificate=None, clientKey=None)
        return ClientTLS(self.location.host, strangers)

    # An upgrade that takes more than one request.

    def upgradeRefused(self, error: HandshakeRefused, octets: bytes) -> HandshakeRefused:
        """
        The upgrade was not answered with one.

        @param octets: What it was answered with.
        @return: What that comes to.
        """
        upgrading = self.upgrading
        if upgrading is None:
            upgrading = Upgrading(_NOTHING, self.location, self.owner.counters, str)
        return upgrading.refused(error, octets)

    def _goesOn(self) -> bool:
        """Ask again, as a part of the same attempt, where the last answer says how."""
        upgrading = self.upgrading
        if upgrading is None or not upgrading.goesOn:
            return False
        upgrading.goesOn = False
        self._socket = None
        if self.location != upgrading.location:
            self.location = to = upgrading.location
            self.owner.logger.info(
                "{uri} leads to {scheme}://{host}:{port}",
                uri=self.owner.peer,
                scheme=to.scheme,
                host=to.hostHeader,
                port=to.port,
            )
        self.timings = Timings(self.clock)
        self.connector.goOn()
        return True

    def _openTimedOut(self) -> None:
        self._openTimer = None
        try:
            self.connector.stopConnecting()
        except NotConnectingError:
            return
        self._socket = None
        self.owner.socketFailed(
            ConnectionFailed(f"no WebSocket within {self.options.openTimeout:g} seconds (openTimeout)")
        )

    def _cancelOpenTimer(self) -> None:
        timer, self._openTimer = self._openTimer, None
        if timer is not None:
            timer.cancel()
