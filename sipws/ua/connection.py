"""
Which server a flow is connected to: the best, the next when one is given up,
and all of them anew after a while when none is left.

With C{wsServerRest} a server that was given up is left alone for so long, and
then is one among the others again: they are gone through for ever.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError

from sipws.config import WsServer
from sipws.errors import ConfigurationError
from sipws.transport import RetryPolicy, TransportOptions
from sipws.ua.events import loggerFor
from sipws.ua.servers import (
    MAX_EXPONENT,
    askedRest,
    awaken,
    chooseServer,
    forgive,
    recoveryDelay,
    restedDelay,
    spreadRecoveryDelay,
    takeRest,
)
from sipws.ua.upgrade import upgradeOf

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IDelayedCall, IHostnameResolver, IReactorTime
    from twisted.python.failure import Failure

    from sipws.config import Configuration
    from sipws.counters import Counters
    from sipws.errors import TransportError
    from sipws.interfaces import ITransport
    from sipws.ua.flow import Flow
    from sipws.ua.tokens import Randomness

__all__ = ["Failover", "retryPolicy", "transportOptions"]

_log = loggerFor("sip.ua")


class Failover:
    """
    Chooses the servers of one flow.

    @ivar attempts: How often in a row all servers have been tried anew.
    """

    __slots__ = ("_clock", "_finding", "_flow", "_isAlone", "_random", "_timer", "attempts")

    def __init__(self, flow: Flow, clock: IReactorTime, random: Randomness) -> None:
        """
        @param flow: The flow, which makes the transports.
        """
        self._flow = flow
        self._clock = clock
        self._random = random
        self._timer: IDelayedCall | None = None
        self._finding: Deferred[None] | None = None
        # Whether it is in the log that there is no server but those of other flows.
        self._isAlone = False
        self.attempts = 0

    def servers(self) -> Collection[WsServer]:
        """List the servers that there are: those of a domain, as far as they are known."""
        directory = self._flow.directory
        return self._flow.configuration.wsServers if directory is None else directory.servers

    def open(self) -> None:
        """
        Connect to the best of all servers, whatever became of them before.

        @raise ConfigurationError: A file with certificates or keys cannot be used.
        """
        self.attempts = 0
        forgive(self.servers())
        if self._flow.directory is None:
            self._connectToBest()
        else:
            self._connectToNext()

    def join(self) -> None:
        """Connect to the best server that no other flow has, as soon as there is one."""
        self.attempts = 0
        self._connectToNext()

    def connected(self, server: WsServer) -> None:
        """Note that a server can be reached."""
        forgive([server])
        self.attempts = 0
        self._isAlone = False

    def lost(self, server: WsServer) -> None:
        """Note that the connection to a server was lost; its transport tries it again."""
        server.status = WsServer.STATUS_DISCONNECTED

    def leaves(self, transport: ITransport) -> bool:
        """
        Say whether to leave a server that asks to be left alone, rather than
        to wait for it: where another can be had.  And whether to ask what has
        become of a domain's servers, rather than to wait for one for ever.
        """
        options = self._flow.configuration
        served: Any = transport
        directory = self._flow.directory
        if directory is not None and not directory.isFresh and served.reconnection_attempts:
            return True
        if options.wsServerRest is None or askedRest(served.lastTransportError, retryPolicy(options)) is None:
            return False
        others = [server for server in self._free() if server is not served.server]
        awaken(others, self._clock.seconds())
        return any(server.status != WsServer.STATUS_ERROR for server in others)

    def failed(self, transport: ITransport) -> None:
        """Give a server up, and connect to the next, or wait where none is left."""
        served: Any = transport
        self.rest(served.server, served.lastTransportError)
        options = self._flow.configuration
        if _isExponential(options) and not served.reconnection_attempts:
            # Whoever lost this server lost it at this moment, and has not waited since: the next is
            # not to get them all at once.
            delay = spreadRecoveryDelay(0, options.wsServerReconnectionTimeout, math.inf, self._random)[0]
            self._wait(delay, self._connectToNext)
        else:
            self._connectToNext()

    def rest(self, server: WsServer, error: TransportError | None) -> None:
        """Note that a server cannot be reached, and have it rest."""
        options = self._flow.configuration
        if options.wsServerRest is None:
            server.status = WsServer.STATUS_ERROR
        else:
            asked = askedRest(error, retryPolicy(options))
            takeRest(server, self._clock.seconds(), options.wsServerRest, asked)

    def stop(self) -> None:
        """End a recovery that is under way, and a search for servers."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        finding, self._finding = self._finding, None
        if finding is not None:
            finding.cancel()

    def _free(self) -> list[WsServer]:
        """List the servers that no other flow has."""
        return [server for server in self.servers() if not self._flow.isTaken(server)]

    def _connectToBest(self) -> bool:
        if self._flow.configuration.wsServerRest is not None:
            awaken(self.servers(), self._clock.seconds())
        server = chooseServer(self._free(), self._random)
        if server is None:
            return False
        self._flow.connect(server)
        return True

    def _connectToNext(self) -> None:
        """Connect to the next as soon as it is known which servers there are: mostly at once."""
        directory = self._flow.directory
        if directory is None or directory.isFresh:
            self._connectToKnown()
        else:
            self.stop()
            finding = self._finding = directory.find()
            finding.addCallbacks(self._found, self._notFound)

    def _found(self, _: None) -> None:
        self._finding = None
        self._connectToKnown()

    def _notFound(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        self._finding = None
        self._flow.unreachable()
        self._recover()
        # Last, as whoever is told may stop all that.
        self._flow.serversNotFound(failure)

    def _connectToKnown(self) -> None:
        """Connect to the best of those that are left, or wait where none is."""
        try:
            connecting = self._connectToBest()
        except ConfigurationError as error:
            # What made this server's transport impossible may be another when all are tried anew.
            _log.error("cannot connect: {error}", error=error)
            connecting = False
        if not connecting:
            self._flow.unreachable()
            self._recover()

    def _recover(self) -> None:
        options = self._flow.configuration
        free = self._free()
        if self.servers() and not free:
            self._recoverAlone()
            return
        self._isAlone = False
        recovery = spreadRecoveryDelay if _isExponential(options) else recoveryDelay
        delay, self.attempts = recovery(
            self.attempts,
            options.connectionRecoveryMinInterval,
            options.connectionRecoveryMaxInterval,
            self._random,
        )
        if options.wsServerRest is not None:
            delay = restedDelay(free, self._clock.seconds(), delay)
        which = "all are" if options.wsServerRest is None else "the next is"
        _log.info(
            "no server can be reached; {which} tried anew in {delay:g} seconds", which=which, delay=delay
        )
        self._wait(delay, self._recovered)

    def _recoverAlone(self) -> None:
        """Wait until there is a server that no other flow has: nothing is wrong with any."""
        options = self._flow.configuration
        if not self._isAlone:
            self._isAlone = True
            _log.info("there is no server that another flow has not: flow {id} waits", id=self._flow.regID)
        bound = options.connectionRecoveryMinInterval * 2 ** min(self.attempts, MAX_EXPONENT)
        self.attempts += 1
        self._wait(min(bound, options.connectionRecoveryMaxInterval), self._connectToNext)

    def _recovered(self) -> None:
        if self._flow.configuration.wsServerRest is None:
            forgive(self.servers())
        else:
            self._wake()
        self._connectToNext()

    def _wake(self) -> None:
        """Have those that are rested be tried, and all that do not ask to be left alone where none is."""
        now, free = self._clock.seconds(), self._free()
        awaken(free, now)
        if all(server.status == WsServer.STATUS_ERROR for server in free):
            forgive(free, now)

    def _wait(self, delay: float, function: Callable[[], None]) -> None:
        self.stop()
        self._timer = self._clock.callLater(delay, self._waited, function)

    def _waited(self, function: Callable[[], None]) -> None:
        self._timer = None
        function()


def _isExponential(configuration: Configuration) -> bool:
    return configuration.wsServerReconnectionPolicy == "exponential"


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
    configuration: Configuration,
    counters: Counters,
    random: Randomness,
    leave: Callable[[Any], bool] | None = None,
    resolver: IHostnameResolver | None = None,
) -> TransportOptions:
    """Take what concerns a transport out of a configuration."""
    return TransportOptions(
        counters=counters,
        random=random,
        retry=retryPolicy(configuration),
        leave=leave,
        resolver=resolver,
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
