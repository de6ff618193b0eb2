"""
L{Directory}: the servers of a SIP domain, looked up when they are needed, and
kept for as long as DNS says.

Where servers are configured by their URIs, there is none.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred

from sipws.config import WsServer
from sipws.errors import NoServers
from sipws.transport import Locator, SystemResolver
from sipws.ua.events import loggerFor
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime, IResolver
    from twisted.python.failure import Failure

    from sipws.config import Configuration
    from sipws.counters import Counters
    from sipws.transport import Located
    from sipws.ua.tokens import Randomness

__all__ = ["RETRY_INTERVAL", "Directory", "directoryOf"]

_log = loggerFor("sip.ua")

#: After a lookup that failed, what is known from before is used for so long without another, in seconds.
RETRY_INTERVAL = 30.0

_RESOLV_CONF = Path("/etc/resolv.conf")
_HOSTS = Path("/etc/hosts")


class Directory:
    """
    The servers of a domain, for one user agent.

    @ivar servers: The servers that are known, the heaviest first: they are
        tried in that order.  One that was known before is the same object.
    """

    __slots__ = (
        "_clock",
        "_configuration",
        "_counters",
        "_goodUntil",
        "_isFailing",
        "_locate",
        "_looking",
        "_waiters",
        "servers",
    )

    def __init__(
        self,
        configuration: Configuration,
        clock: IReactorTime,
        counters: Counters,
        locate: Callable[[], Deferred[Located]],
    ) -> None:
        """
        @param configuration: See C{wsDomain} and C{wsDomainPath}.
        @param clock: What the time is taken from.
        @param counters: See C{lookups} and C{failedLookups}.
        @param locate: Begins a lookup.
        """
        self._configuration = configuration
        self._clock = clock
        self._counters = counters
        self._locate = locate
        self._looking: Deferred[None] | None = None
        self._waiters = Waiters()
        self._goodUntil = -math.inf
        self._isFailing = False
        self.servers: tuple[WsServer, ...] = ()

    @property
    def isFresh(self) -> bool:
        """Whether the servers that are known are those to choose from, without another lookup."""
        return bool(self.servers) and self._clock.seconds() < self._goodUntil

    @property
    def isCurrent(self) -> bool:
        """Whether they are those that DNS names now, and not only the best that is known."""
        return self.isFresh and not self._isFailing

    def find(self) -> Deferred[None]:
        """
        Look the servers up; where that is under way, wait for it too.

        @return: A Deferred that fires when C{servers} are those to choose from:
            those known from before where there is no answer.  It fails with
            L{NoServers} where none are known.  It can be cancelled.
        """
        found = self._waiters.add()
        if self._looking is None:
            self._begin()
        return found

    def stop(self) -> None:
        """Give up a lookup that is under way."""
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.cancel()

    def _begin(self) -> None:
        self._counters.lookups += 1
        looking: Deferred[Any] = maybeDeferred(self._locate)
        # What fires at once is over before it is kept.
        self._looking = looking
        looking.addCallback(self._found).addErrback(self._failed)

    def _found(self, located: Located) -> None:
        self._looking = None
        self._isFailing = False
        self._goodUntil = located.goodUntil
        self.servers = self._asServers(located)
        self._waiters.fire()

    def _asServers(self, located: Located) -> tuple[WsServer, ...]:
        options = self._configuration
        known = {server.ws_uri: server for server in self.servers}
        servers = []
        for weight, target in zip(range(len(located.targets), 0, -1), located.targets, strict=True):
            uri = target.uri(options.wsDomainPath)
            # How its last connection went, and for how long it rests, are the server's, whatever its place.
            server = known.get(uri) or WsServer(uri, domain=options.wsDomain)
            server.reweigh(weight, -target.group)
            servers.append(server)
        return tuple(servers)

    def _failed(self, failure: Failure) -> None:
        if failure.check(CancelledError) and self._looking is None:
            # It was stopped.
            return
        self._looking = None
        self._counters.failedLookups += 1
        self._goodUntil = self._clock.seconds() + RETRY_INTERVAL
        error = failure.value
        if not isinstance(error, NoServers):
            domain = str(self._configuration.wsDomain)
            error = NoServers(f"{domain} cannot be looked up: {error!r}", domain=domain)
        self._tell(error)
        if self.servers:
            self._waiters.fire()
        else:
            self._waiters.fail(error)

    def _tell(self, error: NoServers) -> None:
        """Log what went wrong, the first time in a row."""
        if self._isFailing:
            return
        self._isFailing = True
        then = "what was found before is used" if self.servers else "it is tried again"
        _log.warn("no servers are found: {error}; {then}", error=error, then=then)


def directoryOf(
    configuration: Configuration,
    reactor: Any,
    counters: Counters,
    random: Randomness,
    resolver: IResolver | None,
) -> Directory | None:
    """
    Make the directory of a configuration.

    @param configuration: See C{wsDomain}, C{wsDomainPath} and C{wsDomainInsecure}.
    @param reactor: What asks where there is no resolver, and the clock.
    @param counters: What counts the lookups.
    @param random: Where chance comes from.
    @param resolver: The resolver that is asked; C{None}: the system's.
    @return: C{None} where it names servers by their URIs.
    """
    domain = configuration.wsDomain
    if domain is None:
        return None

    def ask(one: Any) -> Deferred[Located]:
        return Locator(one, reactor, random).locate(domain, insecure=configuration.wsDomainInsecure)

    def askSystem() -> Deferred[Located]:
        system = SystemResolver(reactor, _RESOLV_CONF, _HOSTS)

        def done(result: Any) -> Any:
            system.close()
            return result

        return ask(system).addBoth(done)

    locate = askSystem if resolver is None else lambda: ask(resolver)
    return Directory(configuration, reactor, counters, locate)
