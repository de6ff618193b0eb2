"""
Where a WebSocket URI leads, and the endpoint that goes there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import attrs
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
)
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from zope.interface import Interface, implementer

from sipws.errors import ConfigurationError

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IHostResolution, IProtocol, IProtocolFactory

__all__ = ["IInnerReactor", "Location", "plainEndpoint"]

_PORTS = {"ws": 80, "wss": 443}


class IInnerReactor(Interface):
    """
    Marks a reactor whose connections do not leave the process, as that of
    L{sipws.testing}: there, C{wss} goes without TLS.
    """


@attrs.frozen
class Location:
    """
    Where a WebSocket URI leads (RFC 6455 section 3).

    @ivar secure: Whether it is C{wss}.
    @ivar host: The name, or the IP address without brackets.
    @ivar port: The TCP port.
    @ivar resource: What to ask for by HTTP: path and query.
    @ivar path: The path of a UNIX socket, in place of host and port.
    @ivar domain: The SIP domain that led here, which the certificate must be
        for; C{None}: it must be for the host.
    """

    secure: bool
    host: str
    port: int
    resource: str
    path: str | None = None
    domain: str | None = None

    @classmethod
    def parse(cls, uri: str, domain: str | None = None) -> Location:
        """
        Take a URI apart.

        @param uri: C{ws://}, C{wss://}, or C{unix:} and an absolute path.
        @param domain: The SIP domain that led to it.
        @raise ConfigurationError: It is none of these; its option is C{ws_uri}.
        """
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError as error:
            raise ConfigurationError("ws_uri", f"{uri!r} is not a URI: {error}") from None
        if parts.scheme == "unix" and parts.path.startswith("/"):
            return cls(secure=False, host="localhost", port=80, resource="/", path=parts.path)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ConfigurationError("ws_uri", f"{uri!r} leads nowhere", "as in wss://sip.example.com/path")
        resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(
            secure=parts.scheme == "wss",
            host=parts.hostname,
            port=_PORTS[parts.scheme] if port is None else port,
            resource=resource,
            domain=domain,
        )

    @property
    def origin(self) -> tuple[bool, str, int, str | None]:
        """Whom what is meant for this server is for: scheme, host and port, or the UNIX socket."""
        return self.secure, self.host, self.port, self.path

    @property
    def scheme(self) -> str:
        """C{ws} or C{wss}."""
        return "wss" if self.secure else "ws"

    @property
    def hostHeader(self) -> str:
        """The host as HTTP has it: an IPv6 address in brackets (RFC 3986 section 3.2.2)."""
        return f"[{self.host}]" if ":" in self.host else self.host


def plainEndpoint(
    location: Location,
    reactor: Any,
    resolver: IHostnameResolver | None,
    timeout: float,
    onResolved: Callable[[], None],
) -> IStreamClientEndpoint:
    """
    Make the endpoint that leads straight to a place, without TLS.

    @param location: The place.
    @param reactor: What connects.
    @param resolver: What resolves names; C{None}: the reactor's.
    @param timeout: How long connecting to one address may take, in seconds.
    @param onResolved: Called when the name is resolved; never for an address.
    """
    host, port = location.host, location.port
    if location.path is not None:
        return UNIXClientEndpoint(reactor, location.path, timeout)
    if isIPAddress(host):
        return TCP4ClientEndpoint(reactor, host, port, timeout)
    if isIPv6Address(host):
        return TCP6ClientEndpoint(reactor, host, port, timeout)
    watched = _ResolvingReactor(reactor, resolver or reactor.nameResolver, onResolved)
    endpoint = HostnameEndpoint(watched, host, port, timeout)
    # The reactor's resolver cannot be stopped.
    return endpoint if resolver is None else _GivingUp(endpoint, watched)


@implementer(IReactorPluggableNameResolver, IHostnameResolver)
class _ResolvingReactor:
    """A reactor with another resolver, which says when it is done.  All else is the reactor's."""

    def __init__(self, reactor: Any, resolver: IHostnameResolver, onResolved: Callable[[], None]) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._onResolved = onResolved
        self._resolution: IHostResolution | None = None
        self._isResolving = False
        self.nameResolver = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """Replace the resolver."""
        previous, self._resolver = self._resolver, resolver
        return previous

    def resolveHostName(self, resolutionReceiver: IResolutionReceiver, *args: Any, **named: Any) -> Any:
        """Resolve a name, and say when that is done."""
        self._isResolving = True
        receiver = _WatchedReceiver(resolutionReceiver, self._resolved)
        self._resolution = self._resolver.resolveHostName(receiver, *args, **named)
        return self._resolution

    def _resolved(self) -> None:
        self._isResolving = False
        self._onResolved()

    def giveUp(self, result: Any) -> Any:
        """Stop resolving, where that is still under way."""
        resolution, self._resolution = self._resolution, None
        if resolution is not None and self._isResolving:
            resolution.cancel()
        return result


@implementer(IStreamClientEndpoint)
class _GivingUp:
    """An endpoint that stops resolving its name when it is cancelled, which Twisted's does not."""

    def __init__(self, endpoint: HostnameEndpoint, watched: _ResolvingReactor) -> None:
        self._endpoint = endpoint
        self._watched = watched

    def __repr__(self) -> str:
        return repr(self._endpoint)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect."""
        return self._endpoint.connect(protocolFactory).addErrback(self._watched.giveUp)


@implementer(IResolutionReceiver)
class _WatchedReceiver:
    """Passes on what is resolved, and says when that is all."""

    def __init__(self, receiver: IResolutionReceiver, onResolved: Callable[[], None]) -> None:
        self._receiver = receiver
        self._onResolved = onResolved

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """The resolving has begun."""
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: IAddress) -> None:
        """There is an address."""
        self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:
        """There are no more."""
        self._onResolved()
        self._receiver.resolutionComplete()
