"""
The way to a server: straight, or as L{Upgrade} says; and TLS over it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.endpoints import wrapClientTLS

from sipws.transport.leash import stringEndpoint
from sipws.transport.location import Location, plainEndpoint
from sipws.transport.proxy import HTTPConnectEndpoint

if TYPE_CHECKING:
    from twisted.internet.interfaces import (
        IHostnameResolver,
        IOpenSSLClientConnectionCreator,
        IStreamClientEndpoint,
    )

    from sipws.transport.upgrade import Upgrade

__all__ = ["endpointTo"]


def endpointTo(
    location: Location,
    reactor: Any,
    resolver: IHostnameResolver | None,
    creator: IOpenSSLClientConnectionCreator | None,
    timeout: float,
    onResolved: Callable[[], None],
    upgrade: Upgrade | None = None,
) -> IStreamClientEndpoint:
    """
    Make the endpoint that leads to a place.

    @param location: The place.
    @param reactor: What connects.
    @param resolver: What resolves names; C{None}: the reactor's.
    @param creator: Makes the TLS connections; C{None}: there is no TLS.
    @param timeout: How long connecting to one address may take, in seconds.
    @param onResolved: Called when the name is resolved; never for an address.
    @param upgrade: Says which way to take; C{None}: the straight one.
    @raise ConfigurationError: It says so in a way that cannot be understood.
    """

    def straightTo(place: Location) -> IStreamClientEndpoint:
        return plainEndpoint(place, reactor, resolver, timeout, onResolved)

    endpoint: IStreamClientEndpoint
    # A UNIX socket is on this machine: there is but one way to it.
    if upgrade is None or location.path is not None:
        endpoint = straightTo(location)
    elif upgrade.proxy is not None:
        proxy = Location(secure=False, host=upgrade.proxy.host, port=upgrade.proxy.port, resource="")
        endpoint = HTTPConnectEndpoint(straightTo(proxy), upgrade.proxy, location)
    elif upgrade.endpoint is not None:
        endpoint = stringEndpoint(reactor, upgrade.endpoint, location)
    else:
        endpoint = straightTo(location)
    # Without a clock, Twisted would take the global reactor's.
    return endpoint if creator is None else wrapClientTLS(creator, endpoint, clock=reactor)
