"""
L{UserAgent}: a SIP user agent over WebSocket, as one object.

It holds the parts together and does little itself: L{sipws.ua.flow} keeps it
connected and registered, L{sipws.ua.client} sends requests, and
L{sipws.ua.dispatch} answers them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import SystemRandom
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipws.counters import Counters
from sipws.errors import ConfigurationError
from sipws.interfaces import C as Constants
from sipws.interfaces import ITransport, IUserAgent
from sipws.message.given import wanted
from sipws.transaction import Timers, Transactions
from sipws.transport import NameResolver, Transport
from sipws.ua.calls import Calling
from sipws.ua.client import OnProvisional, Requester
from sipws.ua.connection import transportOptions
from sipws.ua.digest import DigestClient
from sipws.ua.directory import directoryOf
from sipws.ua.dispatch import Dispatcher
from sipws.ua.events import Emitter, loggerFor
from sipws.ua.eventstate import EventState
from sipws.ua.flow import Flows
from sipws.ua.health import Health, healthOf
from sipws.ua.identity import Identity, personalize
from sipws.ua.replies import Reply
from sipws.ua.requests import Headers, RequestBuilder, servedTransport
from sipws.ua.stopping import Stopping
from sipws.ua.tokens import Randomness, Tokens
from sipws.ua.usages import Usages
from sipws.ua.waiting import WaitingRequests

if TYPE_CHECKING:
    from twisted.internet.interfaces import IResolver
    from twisted.logger import Logger

    from sipws.config import Configuration, WsServer
    from sipws.message import URI, IncomingRequest, IncomingResponse
    from sipws.ua.flow import Flow
    from sipws.ua.registration import Registration

__all__ = ["UserAgent"]

#: The operating system's randomness, which has no state: all user agents use this one.
_SYSTEM_RANDOM = SystemRandom()

#: RFC 3261's.
_TIMERS = Timers()


@implementer(IUserAgent)
class UserAgent(Calling, EventState, Emitter):
    """
    A SIP user agent (RFC 3261 section 6) over WebSocket (RFC 7118).

    It is also the emitter of the events that L{sipws.ua.events} lists.

    @ivar configuration: Its configuration, with what was left open filled in.
    With C{flows=2} it is connected to two servers at once (RFC 5626), and
    reached by either; C{transport} and C{registration} are the first flow's then.

    @ivar flows: Its flows, each with a C{transport} and a C{registration}: mostly one.
    @ivar transport: The transport in use; C{None} before the first C{start}.
    @ivar status: One of the C{STATUS_*} of L{C}.
    @ivar error: C{C.NETWORK_ERROR} while no server can be reached, otherwise C{None}.
    @ivar transactions: The open transactions.
    @ivar registration: What keeps it registered.
    @ivar counters: What has happened, counted.
    """

    C = Constants

    status: int

    def __init__(
        self,
        configuration: Configuration,
        reactor: Any,
        *,
        random: Randomness | None = None,
        transportFactory: Callable[..., ITransport] = Transport,
        timers: Timers | None = None,
        resolver: IResolver | None = None,
    ) -> None:
        """
        @param configuration: Its options; it may be shared with other user agents.
        @param reactor: The reactor to connect with, which is the clock too.
        @param random: Where identifiers and delays come from; C{None} is the
            operating system.
        @param transportFactory: Makes a transport, as L{Transport} does: with
            this user agent, or what stands for it, a server of the
            configuration, the reactor and C{options}.
        @param timers: The timers of transactions; C{None} is RFC 3261's.
        @param resolver: What is asked for the servers of C{wsDomain}, and for the
            addresses of all servers; C{None}: the system's name servers for the
            former, and the reactor for the latter.
        """
        super().__init__()
        tokens = Tokens(random or _SYSTEM_RANDOM)
        timers = timers or _TIMERS
        self.configuration = personalize(configuration, tokens)
        if not callable(getattr(reactor, "callLater", None)):
            raise wanted("reactor", "a reactor, such as twisted.internet.reactor", reactor)
        self.status = self.C.STATUS_INIT
        self.error: int | None = None
        self.transactions = Transactions(reactor, timers, limit=self.configuration.maxTransactions)
        self.counters = Counters()
        self._reactor = reactor
        self._transportFactory = transportFactory
        identity = Identity(self.configuration)
        patience = 64 * timers.T1
        self._dispatcher = Dispatcher(self, identity, reactor, tokens.random.getrandbits(64), patience)
        self._requester = Requester(
            self,
            RequestBuilder(identity, tokens, self._dispatcher.allow, self._dispatcher.date),
            _digestClient(self.configuration, tokens),
            WaitingRequests(reactor, self.configuration.maxWaitingRequests, patience),
        )
        self._names = None if resolver is None else NameResolver(resolver, reactor)
        self._flows = Flows(
            self,
            self._requester,
            reactor,
            self._makeTransport,
            self._connectionClosed,
            directoryOf(self.configuration, reactor, self.counters, tokens.random, resolver),
        )
        if self.configuration.gruu != "none":
            identity.findGRUU = self._flows.gruu
        self._stopping: Stopping | None = None

    def __repr__(self) -> str:
        return f"<UserAgent {self.configuration.uri} status={self.status}>"

    @property
    def flows(self) -> tuple[Flow, ...]:
        """Its flows, the first first."""
        return self._flows.all

    @property
    def transport(self) -> ITransport | None:
        """The first flow's."""
        return self._flows.all[0].transport

    @transport.setter
    def transport(self, transport: ITransport | None) -> None:
        self._flows.all[0].transport = transport

    @property
    def registration(self) -> Registration:
        """The first flow's."""
        return self._flows.all[0].registration

    @property
    def isStopping(self) -> bool:
        """Whether L{stop} was called, and is not over."""
        return self._stopping is not None

    @property
    def health(self) -> Health:
        """How it fares, now."""
        return healthOf(self, len(self._requester.waiting), self._dispatcher.unanswered())

    @property
    def busy(self) -> list[Callable[[], bool]]:
        """
        What is asked whether there is more under way than open transactions:
        while any says yes, a flow does not change its server but for need.
        """
        return self._flows.busy

    @property
    def usages(self) -> Usages:
        """What its calls and subscriptions share, made when there is the first."""
        if self._dispatcher.usages is None:
            usages = Usages(self, self._requester, self._dispatcher, self._reactor)
            self._dispatcher.usages = usages
            self.busy.append(usages.holdsConnection)
        return self._dispatcher.usages

    # Its life.

    def start(self) -> None:
        """
        Connect, and stay connected until L{stop}.  Does nothing where that has been done.

        @raise ConfigurationError: A file with certificates or keys cannot be used.
        """
        if self._stopping is not None:
            self._stopping.startAgain = True
        elif self.status in (self.C.STATUS_INIT, self.C.STATUS_USER_CLOSED):
            self._begin()

    def stop(self) -> Deferred[None]:
        """
        Unregister, finish what is open, and close the connection.

        New requests fail with L{NotConnected} from here on.

        @return: A Deferred that fires when it is done: after C{stopTimeout}
            of the configuration at the latest.
        """
        if self._stopping is None:
            self.status = self.C.STATUS_USER_CLOSED
            # It is there before anybody is told: whoever starts again on hearing of it is to be heard.
            stopping = Stopping(self._flows, self._dispatcher, self._reactor, self._stopped)
            self._stopping = stopping
            self._flows.stop()
            self._requester.waiting.fail("the user agent has been stopped")
            self._flows.note()
        else:
            stopping = self._stopping
            stopping.startAgain = False
        done = stopping.done.add()
        stopping.begin()
        return done

    def whenConnected(self, failAfterFailures: int | None = None) -> Deferred[None]:
        """
        Wait for a connection, by any of the flows.

        @param failAfterFailures: After how many servers were given up the
            Deferred fails with L{TransportError}, which it does with L{NoServers}
            too where C{wsDomain} has none; C{None} means never.
        @return: A Deferred that fires at once where there is one.  It fails
            with L{NotConnected} when the user agent is stopped.
        """
        return self._flows.whenConnected(failAfterFailures)

    def whenRegistered(self, failAfterFailures: int | None = None) -> Deferred[None]:
        """
        Wait until the registrar has a binding of ours, by any of the flows.

        @param failAfterFailures: After how many failures of each the Deferred
            fails with L{RegistrationError}; C{None} means never.
        @return: As of L{whenConnected}.
        """
        return self._flows.whenRegistered(failAfterFailures)

    def ways(self) -> list[ITransport]:
        """Give the transports that a request of ours can leave on now, the best first, as of L{way}."""
        return self._flows.ways()

    def way(self) -> ITransport | None:
        """
        Give the transport that a request of ours leaves on now: of two flows,
        the first's, unless that is not registered, or its server does not read.

        @return: The transport, connected; C{None} where there is none.
        """
        return self._flows.way()

    def getLogger(self, category: str) -> Logger:
        """Give the outlet for a part's log messages, such as C{sip.transport}."""
        return loggerFor(category)

    def register(self) -> None:
        """Register now, if there is a connection, and from now on at each."""
        self._flows.register()

    def unregister(self) -> Deferred[None]:
        """
        Remove the bindings, and register no more.

        @return: A Deferred that fires when that is over, whatever came of it.
        """
        return self._flows.unregister()

    # Requests of ours.

    def request(
        self,
        method: str,
        target: URI | str,
        headers: Headers = (),
        body: bytes | str = b"",
        onProvisional: OnProvisional | None = None,
        contentType: str | None = None,
        *,
        deadline: float | None = None,
    ) -> Deferred[IncomingResponse]:
        """
        Send a request outside of dialogs (RFC 3261 section 8.1).

        Where there is no connection it waits for one, behind those that wait
        already, C{maxWaitingRequests} at most.  A challenge (401, 407) is
        answered with the configured password.  Beside that, nothing is ever
        sent again: where the connection is lost, each request that had left
        on it fails.

        @param method: Its method; anything but ACK and CANCEL.
        @param target: Whom it is for: a URI, C{user@host}, or a user of our own domain.
        @param headers: Further headers, name and value.
        @param body: Its body; text goes out as UTF-8.
        @param onProvisional: Called with each provisional response.
        @param contentType: The type of the body.
        @param deadline: Within how many seconds from now it may leave, and its
            answer to a challenge too (a later challenge is the result); then
            nothing of it does, the CANCEL and the ACK of an INVITE aside.  0:
            at once or not at all; infinity: whenever there is a connection;
            C{None}: it waits for 64*T1 (32 seconds) at most.  How long its
            final response may take, once it has left, is not for this to say:
            that are 64*T1, and no bound for an INVITE that rings.
        @return: A Deferred of the final response, of whatever class.  It fails
            with L{TransactionTimeout}; with L{TransportError}, whose C{sent}
            says whether it had left: L{NotConnected} after L{stop},
            L{Congested} at once where the server does not read, the transport's
            own where the connection was lost; or with L{LimitExceeded}, when it
            has not left.  Cancelling it cancels the request, an INVITE with
            CANCEL; it fails with L{TransactionCancelled} then.
        @raise ValueError: The request cannot be as it is given.
        """
        way = self._requester.way()
        served = servedTransport(way) if way is not None else None
        request = self._requester.builder.build(method, target, headers, body, contentType, served)
        return self._requester.submit(request, way, onProvisional, deadline)

    def message(
        self,
        target: URI | str,
        body: bytes | str,
        contentType: str = "text/plain",
        headers: Headers = (),
        *,
        deadline: float | None = None,
    ) -> Deferred[IncomingResponse]:
        """
        Send a MESSAGE (RFC 3428).

        @param target: As of L{request}.
        @param body: What to say; text goes out as UTF-8.
        @param contentType: Its type.
        @param headers: Further headers.
        @param deadline: As of L{request}.
        """
        return self.request("MESSAGE", target, headers, body, contentType=contentType, deadline=deadline)

    def options(
        self, target: URI | str, headers: Headers = (), *, deadline: float | None = None
    ) -> Deferred[IncomingResponse]:
        """
        Ask what a user agent or a server is capable of (RFC 3261 section 11).

        @param target: As of L{request}.
        @param headers: Further headers.
        @param deadline: As of L{request}.
        """
        accept = ("Accept", self._dispatcher.accept())
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        return self.request("OPTIONS", target, [accept, *pairs], deadline=deadline)

    # Requests of others.

    def handle(
        self,
        method: str,
        handler: Callable[[IncomingRequest], object] | None,
        accept: Iterable[str] | None = None,
    ) -> None:
        """
        Set what answers the incoming requests of a method.

        The handler is called with the request.  It returns, or its Deferred
        or coroutine comes to, a status code, a L{Reply}, an
        L{OutgoingResponse}, or C{None}: 200, but for an INVITE, which it then
        answers by itself, with L{respond}.  One that raises is a 500, and is logged.

        Without a handler, OPTIONS and MESSAGE are answered with 200, BYE and
        NOTIFY with 481, everything else with 405, or 501 where there is no such method.

        @param method: The method.
        @param handler: The handler; C{None} takes away the one before.
        @param accept: The types of body that it takes, such as C{text/plain}
            or C{text/*}: another is a 415.  C{None} means any.
        """
        self._dispatcher.handle(method, handler, accept)

    def respond(
        self,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        contentType: str | None = None,
    ) -> bool:
        """
        Answer an incoming request, for a handler that does so by itself: with
        any number of provisional responses, and one final.

        @return: Whether there was still somebody to answer.
        @raise ValueError: The code is not one from 100 to 699, or a header cannot be as it is given.
        """
        return self._dispatcher.respond(request, Reply(statusCode, reasonPhrase, headers, body, contentType))

    # What the first flow's transports call (IUserAgent).

    def receiveRequest(self, request: IncomingRequest) -> None:
        """Take a request that passed the sanity check."""
        self._dispatcher.receive(request)

    def onTransportConnecting(self, transport: ITransport, attempts: int) -> None:
        """Tell of an attempt to connect."""
        self._flows.all[0].onTransportConnecting(transport, attempts)

    def onTransportConnected(self, transport: ITransport) -> None:
        """Register, and send what has waited."""
        self._flows.all[0].onTransportConnected(transport)

    def onTransportClosed(self, transport: ITransport) -> None:
        """Fail what was under way on a connection that is gone."""
        self._flows.all[0].onTransportClosed(transport)

    def onTransportError(self, transport: ITransport) -> None:
        """Take the next server."""
        self._flows.all[0].onTransportError(transport)

    # What its parts call.

    def _begin(self) -> None:
        before, self.status = self.status, self.C.STATUS_STARTING
        self.error = None
        try:
            self._flows.open()
        except ConfigurationError:
            self.status = before
            raise
        self._flows.note()

    def _makeTransport(
        self, face: IUserAgent, server: WsServer, leave: Callable[[ITransport], bool]
    ) -> ITransport:
        random = self._requester.builder.tokens.random
        options = transportOptions(self.configuration, self.counters, random, leave, self._names)
        return self._transportFactory(face, server, self._reactor, options=options)

    def _connectionClosed(self, transport: ITransport) -> None:
        if self._dispatcher.usages is not None:
            self._dispatcher.usages.connectionLost(transport)
        if self._stopping is not None:
            self._stopping.connectionClosed(transport)

    def _stopped(self, startAgain: bool) -> None:
        self._stopping = None
        self._flows.note()
        if startAgain:
            try:
                self.start()
            except ConfigurationError as error:
                loggerFor("sip.ua").error("cannot start again: {error}", error=error)


def _digestClient(configuration: Configuration, tokens: Tokens) -> DigestClient | None:
    if configuration.password is None:
        return None
    assert configuration.uri is not None
    username = configuration.authorizationUser or ""
    return DigestClient(
        username, configuration.password, lambda: tokens.word(16), ownRealm=configuration.uri.host
    )
