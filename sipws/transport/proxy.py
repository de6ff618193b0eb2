"""
L{HTTPConnectEndpoint}: the way to a server through an HTTP proxy (RFC 9110 section 9.3.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sipws._version import __version__
from sipws.errors import ProxyRefused
from sipws.transport.authorization import basicCredentials
from sipws.transport.failures import connectionError
from sipws.transport.http import END_OF_HEAD, MAX_HEAD, Head

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, ITransport

    from sipws.config.http import HTTPProxy
    from sipws.transport.location import Location

__all__ = ["HTTPConnectEndpoint"]


@implementer(IStreamClientEndpoint)
class HTTPConnectEndpoint:
    """
    Connects to a server through an HTTP proxy, which resolves its name.

    What is connected speaks to the server itself, and may well begin with TLS:
    the proxy sees no more than where it goes.

    It has no timer of its own: whoever connects bounds the time, and cancels.
    """

    __slots__ = ("_address", "_authorization", "_proxy", "_to", "_toProxy")

    def __init__(self, toProxy: IStreamClientEndpoint, proxy: HTTPProxy, to: Location) -> None:
        """
        @param toProxy: Leads to the proxy.
        @param proxy: Where that is, and who we are to it.
        @param to: The server.
        """
        self._toProxy = toProxy
        self._proxy = proxy
        self._to = f"{to.hostHeader}:{to.port}"
        self._address = HostnameAddress(to.host.encode("ascii"), to.port)
        self._authorization = None if proxy.user is None else basicCredentials(proxy.user, proxy.password)

    def __repr__(self) -> str:
        return f"<HTTPConnectEndpoint to {self._to} through {self._proxy!r}>"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.

        @param protocolFactory: Makes the protocol that speaks to the server.
        @return: The protocol.  It fails with L{ProxyRefused} where the proxy
            does not lead there, and with L{ConnectionFailed} where there is no proxy.
        """
        tunnel = _Tunnel(self._request(), self._address, protocolFactory)
        factory: Any = Factory.forProtocol(lambda: tunnel)
        factory.noisy = False
        pending = self._toProxy.connect(factory)
        tunnel.begin(pending)
        pending.addCallbacks(tunnel.reached, self._unreached, errbackArgs=(tunnel,))
        return tunnel.result

    def _request(self) -> bytes:
        lines = [
            f"CONNECT {self._to} HTTP/1.1",
            # RFC 9112 section 3.2: "A client MUST send a Host header field in all HTTP/1.1 request messages".
            f"Host: {self._to}",
            f"User-Agent: sipws/{__version__}",
        ]
        if self._authorization is not None:
            lines.append(f"Proxy-Authorization: {self._authorization}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _unreached(self, reason: Failure, tunnel: _Tunnel) -> None:
        host = f"[{self._proxy.host}]" if ":" in self._proxy.host else self._proxy.host
        tunnel.fail(connectionError(reason, f"the proxy {host}:{self._proxy.port}"))


class _Tunnel(Protocol):
    """
    The connection to the proxy, and what goes through it.

    @ivar result: Fires with the protocol that speaks to the server.
    """

    result: Deferred[Any]
    _protocol: Any = None

    def __init__(self, request: bytes, address: HostnameAddress, factory: IProtocolFactory) -> None:
        self.result = Deferred(self._cancelled)
        self._request = request
        self._address = address
        self._factory = factory
        self._pending: Deferred[Any] | None = None
        self._isDone = False
        self._answer = b""
        # How much more of one is taken, in octets.
        self._room = MAX_HEAD

    # Connecting to the proxy.

    def begin(self, pending: Deferred[Any]) -> None:
        """It is being connected to."""
        self._pending = pending

    def reached(self, _: object) -> None:
        """It is connected to."""
        self._pending = None

    def connectionMade(self) -> None:
        """Ask for the server."""
        if self._isDone:
            self._abort()
            return
        transport = cast("ITransport", self.transport)
        transport.write(self._request)

    def fail(self, error: BaseException) -> None:
        """There will be no connection."""
        self._pending = None
        if not self._isDone:
            self._isDone = True
            self._abort()
            self.result.errback(Failure(error))

    def _cancelled(self, result: Deferred[Any]) -> None:
        # The Deferred fails by itself, with CancelledError.
        self._isDone = True
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            cast(Any, self.transport).abortConnection()

    # The proxy's answer.

    def dataReceived(self, data: bytes) -> None:
        """Pass octets on, once there is a way through."""
        if self._protocol is not None:
            self._protocol.dataReceived(data)
        elif not self._isDone:
            self._answer += data
            self._read()

    def _read(self) -> None:
        """Read the proxy's answer, as far as it is there."""
        while END_OF_HEAD in self._answer:
            octets, _, self._answer = self._answer.partition(END_OF_HEAD)
            head = Head.parse(octets + END_OF_HEAD)
            if head is None:
                self.fail(ProxyRefused("the proxy's answer is no HTTP"))
                return
            # RFC 9110 section 15.2: a client "MUST be able to parse one or more 1xx responses
            # received prior to a final response".
            if head.status >= 200:
                self._answered(head)
                return
            self._room -= len(octets)
        if len(self._answer) > self._room:
            self.fail(ProxyRefused("the proxy's answer is too long"))

    def _answered(self, head: Head) -> None:
        # RFC 9110 section 9.3.6: "Any 2xx (Successful) response indicates that the sender (and
        # all inbound proxies) will switch to tunnel mode".
        if head.status >= 300:
            reason = f"the proxy answered with {head.status} {head.reason}".strip()
            if head.status == 407:
                reason += ": it does not take the user and the password that proxy names, or none are named"
            self.fail(ProxyRefused(reason, status=head.status))
            return
        protocol = self._factory.buildProtocol(cast("IAddress", self._address))
        if protocol is None:
            self.fail(NoProtocol())
            return
        self._isDone = True
        self._protocol = protocol
        protocol.makeConnection(cast("ITransport", self.transport))
        rest, self._answer = self._answer, b""
        self.result.callback(protocol)
        if rest:
            protocol.dataReceived(rest)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        else:
            self.fail(ProxyRefused("the proxy hung up without leading to the server"))
