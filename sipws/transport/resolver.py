"""
The resolver of this system for what its own functions cannot look up, and
addresses by any resolver of C{twisted.names}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from socket import AF_INET, AF_INET6, inet_ntop
from typing import TYPE_CHECKING, Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.names import dns, hosts
from twisted.names.client import Resolver
from twisted.names.resolve import ResolverChain
from zope.interface import implementer

from sipws.transport.lookup import Lookup, LookupFailed

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.internet.interfaces import IAddress, IReactorTime

__all__ = ["MAX_ADDRESSES", "NameResolver", "SystemResolver", "nameServers"]

#: How many addresses of one name are tried.
MAX_ADDRESSES = 16

_LOCAL = "127.0.0.1"


class SystemResolver(ResolverChain):
    """
    Asks the name servers that this system asks, after its file of hosts.

    Those that come with Twisted look every minute whether the name servers are
    still the same, for ever; this one is made anew instead.
    """

    def __init__(self, reactor: Any, configuration: Path, hostsFile: Path, port: int = dns.PORT) -> None:
        """
        @param reactor: What sends the questions.
        @param configuration: The file that names the servers, as C{resolv.conf}.
        @param hostsFile: The file of hosts.
        @param port: The port of the servers.
        """
        servers = [(server, port) for server in nameServers(configuration)]
        self._asking = Resolver(servers=servers, reactor=reactor)
        super().__init__([hosts.Resolver(str(hostsFile)), self._asking])

    def close(self) -> None:
        """Close the connections that long answers took."""
        for connection in list(self._asking.connections):
            connection.transport.loseConnection()


def nameServers(configuration: Path) -> list[str]:
    """
    Read which name servers this system asks; where it names none, it is its own.

    @param configuration: The file that names them, as C{resolv.conf}.
    """
    try:
        lines = configuration.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    words = [line.split() for line in lines]
    return [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"] or [_LOCAL]


@implementer(IHostnameResolver)
class NameResolver:
    """Finds the addresses of names by a resolver of C{twisted.names}, where Twisted asks the reactor."""

    def __init__(self, resolver: Any, clock: IReactorTime) -> None:
        """
        @param resolver: The resolver: an L{IResolver<twisted.internet.interfaces.IResolver>}.
        @param clock: What bounds its time.
        """
        self._lookup = Lookup(resolver, clock)

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """
        Find the addresses of a name.

        @param resolutionReceiver: What is told of them.
        @param hostName: The name.
        @param portNumber: The port that goes with them.
        @param addressTypes: What they may be; C{None}: IPv4 and IPv6.
        @param transportSemantics: C{TCP}.
        @return: The resolution, which can be cancelled.
        """
        types = (IPv6Address, IPv4Address) if addressTypes is None else addressTypes
        resolution = _Resolution(hostName, resolutionReceiver)
        resolutionReceiver.resolutionBegan(resolution)
        for address, kind in ((IPv6Address, dns.AAAA), (IPv4Address, dns.A)):
            if address in types:
                resolution.begin(Deferred.fromCoroutine(self._find(hostName, portNumber, kind)))
        resolution.allBegun()
        return resolution

    async def _find(self, name: str, port: int, kind: int) -> list[IAddress]:
        try:
            answer = await self._lookup.ask(name, kind)
        except LookupFailed:
            # The other family may have an answer; where neither has, there are no addresses.
            return []
        return list(_addresses(answer.records[:MAX_ADDRESSES], port, kind))


def _addresses(records: list[Any], port: int, kind: int) -> Iterator[IAddress]:
    for record in records:
        try:
            if kind == dns.A:
                yield IPv4Address("TCP", inet_ntop(AF_INET, record.address), port)
            else:
                yield IPv6Address("TCP", inet_ntop(AF_INET6, record.address), port)
        except (AttributeError, TypeError, ValueError, OSError):
            # A resolver may answer with anything.
            continue


@implementer(IHostResolution)
class _Resolution:
    """
    The looking up of the addresses of one name.

    @ivar name: The name.
    """

    def __init__(self, name: str, receiver: IResolutionReceiver) -> None:
        self.name = name
        self._receiver = receiver
        self._pending: set[Deferred[list[IAddress]]] = set()
        self._isComplete = False
        self._isBegun = False

    def begin(self, addresses: Deferred[list[IAddress]]) -> None:
        """Wait for addresses."""
        self._pending.add(addresses)
        addresses.addBoth(self._found, addresses)

    def allBegun(self) -> None:
        """There is no more to wait for."""
        self._isBegun = True
        self._complete()

    def cancel(self) -> None:
        """Wait no more: nothing more is told."""
        self._isComplete = True
        for addresses in list(self._pending):
            addresses.cancel()

    def _found(self, result: Any, addresses: Deferred[list[IAddress]]) -> None:
        self._pending.discard(addresses)
        if self._isComplete:
            return
        for address in result if isinstance(result, list) else ():
            self._receiver.addressResolved(address)
        self._complete()

    def _complete(self) -> None:
        if self._isBegun and not self._pending and not self._isComplete:
            self._isComplete = True
            self._receiver.resolutionComplete()
