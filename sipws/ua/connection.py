"""
Which server a user agent is connected to: the first, the next when one is
given up, and all of them anew after a while when none is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.config import WsServer
from sipws.errors import ConfigurationError
from sipws.interfaces import C
from sipws.transport import RetryPolicy, TransportOptions
from sipws.ua.events import loggerFor
from sipws.ua.servers import chooseServer, recoveryDelay
from sipws.ua.upgrade import upgradeOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.config import Configuration
    from sipws.counters import Counters
    from sipws.ua.agent import UserAgent
    from sipws.ua.tokens import Randomness

__all__ = ["Failover", "retryPolicy", "transportOptions"]

_log = loggerFor("sip.ua")


class Failover:
    """
    Chooses servers for one user agent, and makes its transports.

    @ivar attempts: How often in a row all servers have been tried anew.
    """

    __slots__ = ("_clock", "_connect", "_random", "_timer", "_ua", "attempts")

    def __init__(
        self,
        ua: UserAgent,
        clock: IReactorTime,
        random: Randomness,
        connect: Callable[[WsServer], object],
    ) -> None:
        """
        @param connect: Makes a transport to a server, which assigns itself to the user agent.
        """
        self._ua = ua
        self._clock = clock
        self._random = random
        self._connect = connect
        self._timer: IDelayedCall | None = None
        self.attempts = 0

    def open(self) -> None:
        """
        Connect to the best of all servers, whatever became of them before.

        @raise ConfigurationError: A file with certificates or keys cannot be used.
        """
        self.attempts = 0
        self._forgive()
        self._connectToBest()

    def connected(self, server: WsServer) -> None:
        """Note that a server can be reached."""
        server.status = WsServer.STATUS_READY
        self.attempts = 0

    def lost(self, server: WsServer) -> None:
        """Note that the connection to a server was lost; its transport tries it again."""
        server.status = WsServer.STATUS_DISCONNECTED

    def failed(self, server: WsServer) -> None:
        """Give a server up, and connect to the next, or wait where none is left."""
        server.status = WsServer.STATUS_ERROR
        self._connectToNext()

    def stop(self) -> None:
        """End a recovery that is under way."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _connectToBest(self) -> bool:
        server = chooseServer(self._ua.configuration.wsServers, self._random)
        if server is None:
            return False
        self._connect(server)
        return True

    def _connectToNext(self) -> None:
        """Connect to the best of those that are left, or wait where none is."""
        try:
            connecting = self._connectToBest()
        except ConfigurationError as error:
            # What made this server's transport impossible may be another when all are tried anew.
            _log.error("cannot connect: {error}", error=error)
            connecting = False
        if not connecting:
            self._ua.status = C.STATUS_NOT_READY
            self._ua.error = C.NETWORK_ERROR
            self._recover()

    def _recover(self) -> None:
        options = self._ua.configuration
        delay, self.attempts = recoveryDelay(
            self.attempts,
            options.connectionRecoveryMinInterval,
            options.connectionRecoveryMaxInterval,
            self._random,
        )
        _log.info("no server can be reached; all are tried anew in {delay:g} seconds", delay=delay)
        self._timer = self._clock.callLater(delay, self._recovered)

    def _recovered(self) -> None:
        self._timer = None
        self._forgive()
        self._connectToNext()

    def _forgive(self) -> None:
        for server in self._ua.configuration.wsServers:
            server.status = WsServer.STATUS_READY


def retryPolicy(configuration: Configuration) -> RetryPolicy:
    """Take what concerns the trying again out of a configuration."""
    return RetryPolicy(
        exponential=configuration.wsServerReconnectionPolicy == "exponential",
        gap=configuration.wsServerReconnectionTimeout,
        maximum=configuration.wsServerReconnectionMaxTimeout,
        attempts=configuration.wsServerMaxReconnection,
        overload=configuration.wsServerOverloadTimeout,
        maxRetryAfter=configuration.wsServerMaxRetryAfter,
    )


def transportOptions(
    configuration: Configuration, counters: Counters, random: Randomness
) -> TransportOptions:
    """Take what concerns a transport out of a configuration."""
    return TransportOptions(
        counters=counters,
        random=random,
        retry=retryPolicy(configuration),
        keepAliveInterval=configuration.keepAliveInterval,
        keepAliveTimeout=configuration.keepAliveTimeout,
        keepAliveMisses=configuration.keepAliveMisses,
        keepAliveMethod=configuration.keepAliveMethod,
        maxPendingOctets=configuration.maxPendingOctets,
        openTimeout=configuration.connectTimeout,
        closeTimeout=configuration.closeTimeout,
        maxMessageSize=configuration.maxMessageSize,
        caFile=configuration.caFile,
        clientCertificate=configuration.clientCertificate,
        clientKey=configuration.clientKey,
        upgrade=upgradeOf(configuration),
    )
