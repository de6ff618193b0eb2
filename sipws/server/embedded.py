"""
The embedded server, put together.
"""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from sipws.digest import DigestVerifier
from sipws.errors import NotConnected, ParseError
from sipws.message import IncomingRequest, parseMessage
from sipws.message.redact import redact
from sipws.server.authentication import Gatekeeper
from sipws.server.connection import Connection
from sipws.server.core import ServerCore
from sipws.server.eventstate import PACKAGES, EventServer
from sipws.server.gruu import Gruus
from sipws.server.limits import ServerLimits
from sipws.server.location import Locations
from sipws.server.names import Names, Tokens
from sipws.server.ports import Ports
from sipws.server.protocol import SIPWebSocketServerFactory
from sipws.server.proxy import Proxy
from sipws.server.registrar import Registrar
from sipws.server.routing import Router
from sipws.transaction import DEFAULT_TIMERS, Timers, Transactions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IListeningPort, IReactorTime, IStreamServerEndpoint

    from sipws.server.names import Randomness
    from sipws.server.protocol import SIPWebSocketServerProtocol

__all__ = ["EmbeddedServer"]

_log = Logger(namespace="sip.server")

#: The keep-alives of RFC 5626 section 3.5.1: what is sent, and what answers it.
PING = b"\r\n\r\n"
PONG = b"\r\n"

#: The digest algorithms that are offered, in the order of RFC 8760 section 2.3:
#: the better one first.  JsSIP and SIP.js know MD5 alone, and look at the last.
ALGORITHMS = ("SHA-256", "MD5")


class EmbeddedServer:
    """
    A SIP WebSocket server (RFC 7118) in memory: a registrar and a proxy for
    the users of one domain.

    It is made for trying sipws and for its users' tests.  Production wants
    Kamailio or the like: this server keeps everything in memory, reaches no
    one beyond its own connections, and relays no media.

    It listens on any endpoint, or serves user agents wholly in memory::

        network = MemoryNetwork()
        server = EmbeddedServer(network.reactor, domain="example.com", users={"alice": "secret"})
        network.server = server.factory

    @ivar domain: The SIP domain that it is responsible for.
    @ivar factory: Makes the protocols of its connections.
    @ivar locations: Its users' bindings: a mapping of address of record, such
        as C{sip:alice@localhost}, to a tuple of L{Binding<sipws.server.location.Binding>}.
    @ivar transactions: Its open transactions.
    @ivar connections: Its open connections, by their names.
    @ivar events: The event state that its users publish.
    @ivar limits: What it takes upon itself.
    @ivar clock: What its timers run on.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        domain: str = "localhost",
        users: Mapping[str, str] | None = None,
        limits: ServerLimits | None = None,
        timers: Timers = DEFAULT_TIMERS,
        algorithms: Iterable[str] = ALGORITHMS,
        qop: Iterable[str] = ("auth",),
        random: Randomness | None = None,
        traceSip: bool = False,
        eventPackages: Iterable[str] = PACKAGES,
    ) -> None:
        """
        @param reactor: Its clock; L{listen} takes an endpoint, which has its own.
        @param domain: The SIP domain, which is the realm of digest authentication, too.
        @param users: The users' passwords; C{None} lets anybody register as anybody.
        @param limits: What it takes upon itself.
        @param timers: Those of its transactions.
        @param algorithms: Those of digest authentication that are offered,
            the preferred one first.
        @param qop: Its qualities of protection that are offered: C{auth}, and
            C{auth-int}, which takes in the body.
        @param random: Where tags, branches and nonces come from; C{None} means
            the operating system.
        @param traceSip: Whether every message is logged, without its secrets.
        @param eventPackages: The event packages of which it keeps the state that users publish, and
            tells those of who subscribe to it; SUBSCRIBE to others is forwarded to the user.
        @raise ConfigurationError: The domain is none.
        @raise ValueError: An algorithm, or a quality of protection, cannot be offered.
        """
        random = random or SystemRandom()
        names = Names(domain)
        tokens = Tokens(random)
        self.domain = names.domain
        self.clock = reactor
        self.limits = limits or ServerLimits()
        self.connections: dict[str, Connection] = {}
        self.locations = Locations(reactor, self.limits.maxBindings if users is None else 0)
        self.transactions = Transactions(reactor, timers, self.limits.maxTransactions)
        self.factory = SIPWebSocketServerFactory(self)
        self._tokens = tokens
        self._traceSip = traceSip
        self._ports = Ports(self.factory)
        gruus = Gruus(names.domain, random)
        router = Router(names, self.locations, self.connections, gruus)
        self._proxy = Proxy(names, tokens, router, self.transactions)
        self.events = EventServer(
            reactor, names, tokens, self.transactions, self.locations, self.limits, eventPackages
        )
        self._core = ServerCore(
            names,
            tokens,
            self.transactions,
            Gatekeeper(users, _verifier(names.domain, reactor, random, algorithms, qop)),
            Registrar(self.locations, self.limits, reactor, gruus),
            self.locations,
            router,
            self._proxy,
            self.events,
        )

    def __repr__(self) -> str:
        return (
            f"<EmbeddedServer {self.domain}: {len(self.connections)} connections, "
            f"{self.locations.count} bindings, {len(self.transactions)} transactions>"
        )

    def listen(self, endpoint: IStreamServerEndpoint) -> Deferred[IListeningPort]:
        """
        Take connections.

        @param endpoint: Where; it may be called for several.
        @return: A Deferred of the port.
        """
        return self._ports.listen(endpoint)

    def stop(self) -> Deferred[None]:
        """
        Take no more connections and close those that are open.

        @return: A Deferred that fires when all are gone, C{limits.closeTimeout}
            seconds from now at the latest.
        """
        self.transactions.close(NotConnected("the server is stopping"))
        self.events.stop()
        return self._ports.stop().addCallback(_nothing)

    # What its connections call.

    def connectionMade(self, protocol: SIPWebSocketServerProtocol, host: str) -> Connection:
        """A WebSocket has opened."""
        traced = self._sent if self._traceSip else None
        connection = Connection(protocol, self._tokens.word(), host.lower(), traced)
        self.connections[connection.token] = connection
        return connection

    def connectionLost(self, connection: Connection) -> None:
        """
        A WebSocket is closing: its bindings go, and so does what its client has asked for.
        """
        del self.connections[connection.token]
        self.locations.connectionLost(connection)
        self._proxy.connectionLost(connection)
        # Answered INVITEs are kept for what may still come (RFC 6026 section 7.1): here nothing can.
        error = NotConnected("the client has disconnected")
        for transaction in [each for each in self.transactions if connection.carries(each)]:
            transaction.abandon(error)

    def receive(self, connection: Connection, octets: bytes) -> None:
        """A message has come."""
        if self._traceSip:
            _log.info("from {peer}\n{text}", peer=connection.peer, text=redact(octets))
        try:
            if not octets.strip(PONG):
                self._keepAlive(connection, octets)
            else:
                self._receive(connection, octets)
        except Exception:  # noqa: BLE001 -- Twisted would close the connection
            _log.failure("a message from {peer} could not be processed", peer=connection.peer)

    def _keepAlive(self, connection: Connection, octets: bytes) -> None:
        if octets == PING:
            connection.send(PONG)

    def _receive(self, connection: Connection, octets: bytes) -> None:
        try:
            message = parseMessage(octets)
        except ParseError as error:
            self._core.receiveMalformed(error, connection)
            return
        message.transport = connection
        if isinstance(message, IncomingRequest):
            self._core.receiveRequest(message, connection)
        else:
            self._core.receiveResponse(message, connection)

    def _sent(self, connection: Connection, octets: bytes) -> None:
        _log.info("to {peer}\n{text}", peer=connection.peer, text=redact(octets))


def _verifier(
    realm: str, clock: IReactorTime, random: Randomness, algorithms: Iterable[str], qop: Iterable[str]
) -> DigestVerifier:
    secret = random.getrandbits(256).to_bytes(32, "big")
    return DigestVerifier(realm, clock.seconds, secret, algorithms=algorithms, qop=qop)


def _nothing(_: object) -> None:
    """The result of what has none."""
