"""
Several addresses of record in one process: L{Accounts}, the factory that their
user agents come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList

from sipws.transport import Transport
from sipws.ua.agent import UserAgent

if TYPE_CHECKING:
    from twisted.internet.interfaces import IResolver

    from sipws.config import Configuration
    from sipws.interfaces import ITransport
    from sipws.message import URI
    from sipws.transaction import Timers
    from sipws.ua.tokens import Randomness

__all__ = ["Accounts"]


class Accounts:
    """
    Makes the user agents of several accounts, and runs them together.

    They share what makes their connections: the reactor, the resolver, what
    makes transports, and the TLS context for each server, which with the
    platform's authorities is near a mebibyte.  Each has a connection of its
    own, so that a server knows each by that (RFC 5626), and nothing that
    becomes of one touches another.

    @ivar running: Whether they run, and those that are added are started.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        random: Randomness | None = None,
        transportFactory: Callable[..., ITransport] = Transport,
        timers: Timers | None = None,
        resolver: IResolver | None = None,
    ) -> None:
        """All parameters are as of L{UserAgent}, for each of them."""
        self.running = False
        self._reactor = reactor
        self._parts: dict[str, Any] = {
            "random": random,
            "transportFactory": transportFactory,
            "timers": timers,
            "resolver": resolver,
        }
        self._userAgents: dict[tuple[object, ...], UserAgent] = {}

    def __repr__(self) -> str:
        return f"<Accounts {len(self)} {'running' if self.running else 'stopped'}>"

    def __len__(self) -> int:
        return len(self._userAgents)

    def __iter__(self) -> Iterator[UserAgent]:
        """The user agents, in the order in which they were added."""
        return iter(tuple(self._userAgents.values()))

    def __contains__(self, uri: URI) -> bool:
        return self.find(uri) is not None

    def find(self, uri: URI) -> UserAgent | None:
        """
        Find the user agent of an address of record.

        @param uri: The address.
        @return: It; C{None} where there is none.
        """
        return self._userAgents.get(_canonical(uri))

    def add(
        self, configuration: Configuration, application: Callable[[UserAgent], object] | None = None
    ) -> UserAgent:
        """
        Make the user agent of an account.

        @param configuration: Its options.
        @param application: Called with the user agent before it starts, to add handlers and listeners.
        @return: It, started where the others are.
        @raise ValueError: The address has a user agent already, or there is none:
            two with one address would be two devices, which is for two processes,
            or two L{Accounts}, to be.
        @raise ConfigurationError: A file with certificates or keys cannot be used.
        """
        if configuration.uri is None:
            raise ValueError("an account has an address of record: uri")
        if configuration.uri in self:
            raise ValueError(f"{configuration.uri} has a user agent already")
        ua = UserAgent(configuration, self._reactor, **self._parts)
        if application is not None:
            application(ua)
        if self.running:
            ua.start()
        self._userAgents[_canonical(configuration.uri)] = ua
        return ua

    def remove(self, ua: UserAgent) -> Deferred[None]:
        """
        Stop the user agent of an account, and forget it.

        @param ua: It.
        @return: As of L{UserAgent.stop}.
        @raise ValueError: It is none of these.
        """
        if ua not in self._userAgents.values():
            raise ValueError(f"{ua!r} is none of these")
        assert ua.configuration.uri is not None
        del self._userAgents[_canonical(ua.configuration.uri)]
        return ua.stop()

    def start(self) -> None:
        """
        Start all.  Does nothing where that has been done.

        @raise ConfigurationError: A file with certificates or keys cannot be
            used; those before it in the order run.
        """
        self.running = True
        for ua in self:
            ua.start()

    def stop(self) -> Deferred[None]:
        """
        Stop all.

        @return: A Deferred that fires when all are stopped.
        """
        self.running = False
        return DeferredList([ua.stop() for ua in self]).addCallback(lambda _: None)


def _canonical(uri: URI) -> tuple[object, ...]:
    """Give what is the same for addresses of record that are (RFC 3261 sections 10.3 and 19.1.4)."""
    return uri.scheme, uri.user, uri.host.lower(), uri.port
