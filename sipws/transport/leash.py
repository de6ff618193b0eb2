"""
Endpoints of other people's, of which nothing is left when they are given up:
L{stringEndpoint}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import clientFromString, quoteStringArgument
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import directlyProvides, implementer, providedBy

from sipws.config.http import HOST, PORT
from sipws.errors import ConfigurationError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol, IProtocolFactory
    from twisted.python.failure import Failure

    from sipws.transport.location import Location

__all__ = ["stringEndpoint"]


def stringEndpoint(reactor: Any, text: str, to: Location) -> IStreamClientEndpoint:
    """
    Make the endpoint of an endpoint string.

    @param reactor: What connects.
    @param text: The string, with C{{host}} and C{{port}}.
    @param to: What stands in their place.
    @raise ConfigurationError: It is none.
    """
    filled = text.replace(HOST, quoteStringArgument(to.host)).replace(PORT, str(to.port))
    leash = _LeashingReactor(reactor)
    try:
        endpoint = clientFromString(leash, filled)
    except Exception as error:  # noqa: BLE001 - whatever the plugin raises, whose text may show what is secret
        problem = f"is no endpoint string that can be used here ({type(error).__name__})"
        hint = "is the plugin installed that it begins with?"
        raise ConfigurationError("endpoint", problem, hint) from None
    return _LeashedEndpoint(endpoint, leash)


class _LeashingReactor:
    """A reactor that knows the connections that are being made with it.  All else is the reactor's."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._connectors: list[Any] = []
        directlyProvides(self, providedBy(reactor))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def connectTCP(self, *arguments: Any, **named: Any) -> Any:
        """Connect by TCP."""
        return self._leashed(self._reactor.connectTCP, *arguments, **named)

    def connectUNIX(self, *arguments: Any, **named: Any) -> Any:
        """Connect to a UNIX socket."""
        return self._leashed(self._reactor.connectUNIX, *arguments, **named)

    def _leashed(self, connect: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        connector = connect(*arguments, **named)
        self._connectors.append(connector)
        return connector

    def release(self) -> None:
        """Leave the connections to who has made them."""
        self._connectors.clear()

    def pull(self) -> None:
        """End the connections."""
        connectors, self._connectors = self._connectors, []
        for connector in connectors:
            connector.disconnect()


@implementer(IStreamClientEndpoint)
class _LeashedEndpoint:
    """
    Sees to it that an endpoint that fails, or is cancelled, leaves no connection.

    Some that speak to a proxy first, as txtorcon's, forget theirs.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, leash: _LeashingReactor) -> None:
        self._endpoint = endpoint
        self._leash = leash

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect."""
        pending: Deferred[Any] = maybeDeferred(self._endpoint.connect, protocolFactory)
        return pending.addCallbacks(self._connected, self._failed)

    def _connected(self, protocol: IProtocol) -> IProtocol:
        self._leash.release()
        return protocol

    def _failed(self, reason: Failure) -> Failure:
        # Being cancelled is a failure, too.
        self._leash.pull()
        return reason
