"""
L{Usages}: what a user agent does for its calls and subscriptions, made when
there is the first.

Requests within dialogs come in here, and find the usage that they are for;
requests and responses of usages go out from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, DeferredList

from sipws.dialog import Dialog, Dialogs, Effect, Rejection, effectOf
from sipws.dialog.values import DialogID
from sipws.errors import NotConnected, ParseError, SIPError, TransactionTimeout
from sipws.ua.client import Exchange
from sipws.ua.events import loggerFor
from sipws.ua.expectations import Expectations
from sipws.ua.replies import Reply
from sipws.ua.requests import servedTransport
from sipws.ua.rules import Handling

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.python.failure import Failure

    from sipws.dialog import IUsage
    from sipws.emitter import IAnswerable
    from sipws.interfaces import ITransport
    from sipws.message import URI, IncomingRequest, IncomingResponse, OutgoingRequest, OutgoingResponse
    from sipws.transaction import Timers
    from sipws.ua.agent import UserAgent
    from sipws.ua.client import OnProvisional, Requester
    from sipws.ua.dispatch import Dispatcher
    from sipws.ua.tokens import Randomness

__all__ = ["Usages"]

_log = loggerFor("sip.ua.dialogs")

#: Headers, name and value.
_Headers = Iterable[tuple[str, object]]


class Usages:
    """
    What shares the dialogs of one user agent: an L{sipws.dialog.IUsages}.

    @ivar clock: What timers run on.
    @ivar configuration: The user agent's.
    @ivar dialogs: All dialogs.
    @ivar methods: The methods of requests that usages take.
    @ivar optionTags: The option tags of extensions that they support, in lower case.
    """

    __slots__ = (
        "_allowed",
        "_dispatcher",
        "_expectations",
        "_followed",
        "_isStopping",
        "_members",
        "_open",
        "_requester",
        "_ua",
        "_ways",
        "clock",
        "configuration",
        "dialogs",
        "methods",
        "optionTags",
    )

    def __init__(
        self, ua: UserAgent, requester: Requester, dispatcher: Dispatcher, clock: IReactorTime
    ) -> None:
        self._ua = ua
        self.configuration = ua.configuration
        self._requester = requester
        self._dispatcher = dispatcher
        self.clock = clock
        self.methods: tuple[str, ...] = ()
        self.optionTags: tuple[str, ...] = ()
        # What these come from: each call asks again.
        self._allowed: set[tuple[tuple[str, ...], tuple[str, ...]]] = set()
        self.dialogs = Dialogs(ua.configuration.maxDialogs, self._ended)
        # What is to be stopped; and, of each dialog, what shares it, and what its messages go on.
        self._open: dict[IUsage, None] = {}
        self._members: dict[DialogID, list[IUsage]] = {}
        self._ways: dict[DialogID, ITransport] = {}
        # The INVITEs that came in, and have no final response, with those who hear what becomes of them.
        self._followed: dict[IncomingRequest, _Follower] = {}
        self._expectations = Expectations()
        # Whether the members have been told to come to their end.
        self._isStopping = False

    @property
    def random(self) -> Randomness:
        """Where delays come from."""
        return self._requester.builder.tokens.random

    @property
    def timers(self) -> Timers:
        """The timers of transactions."""
        return self._ua.transactions.timers

    # What there is.

    def add(self, usage: IUsage) -> None:
        """Have something be stopped with the user agent."""
        self._open[usage] = None

    def discard(self, usage: IUsage) -> None:
        """Forget what has come to its end."""
        self._open.pop(usage, None)

    def allow(self, methods: tuple[str, ...], optionTags: tuple[str, ...] = ()) -> None:
        """Have requests of these methods, and with these extensions, be taken from now on."""
        asked = methods, optionTags
        if asked not in self._allowed:
            self._allowed.add(asked)
            self.methods = tuple(dict.fromkeys((*self.methods, *methods)))
            self.optionTags = tuple(dict.fromkeys((*self.optionTags, *optionTags)))

    def attach(self, dialog: Dialog, usage: IUsage, transport: ITransport | None = None) -> None:
        """Have a usage share a dialog."""
        dialog.addUsage(usage)
        self._members.setdefault(dialog.id, []).append(usage)
        self.note(dialog, transport)

    def members(self, dialog: Dialog) -> list[IUsage]:
        """List the usages that share a dialog."""
        return [*self._members.get(dialog.id, ())]

    def detach(self, dialog: Dialog, usage: IUsage) -> None:
        """Have a usage share a dialog no more."""
        members = self._members.get(dialog.id, [])
        if usage in members:
            members.remove(usage)
            dialog.removeUsage(usage)

    def holdsConnection(self) -> bool:
        """Say whether anything that is open is not to lose its connection but for need."""
        return any(usage.holdsConnection for usage in self._open)

    def _ended(self, dialog: Dialog) -> None:
        self._ways.pop(dialog.id, None)
        for usage in self._members.pop(dialog.id, ()):
            self._safely(usage.dialogEnded, dialog)

    # Our requests.

    def contact(self, *, secure: bool = False) -> str:
        """Give our Contact header in dialogs."""
        return self._requester.builder.identity.contactFor("sips" if secure else "sip", dialog=True)

    def build(
        self,
        method: str,
        target: URI | str,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
    ) -> OutgoingRequest:
        """Build a request outside of dialogs."""
        return self._requester.builder.build(method, target, headers, body, contentType)

    def send(
        self,
        request: OutgoingRequest,
        *,
        onProvisional: OnProvisional | None = None,
        onAccepted: OnProvisional | None = None,
        deadline: float | None = None,
        isLastWord: bool = False,
    ) -> Exchange:
        """Send a request outside of dialogs."""
        exchange = Exchange(
            self._requester, request, onProvisional, onAccepted=onAccepted, isLastWord=isLastWord
        )
        self._requester.begin(exchange, self._requester.way(), deadline)
        return exchange

    def sendWithin(
        self,
        dialog: Dialog,
        method: str,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        usage: IUsage | None = None,
        onProvisional: OnProvisional | None = None,
        onAccepted: OnProvisional | None = None,
        deadline: float | None = 0,
    ) -> Exchange:
        """Send a request within a dialog."""
        request = self._requester.builder.within(dialog, method, headers, body, contentType)
        way = self._way(dialog)
        exchange = Exchange(
            self._requester,
            request,
            onProvisional,
            lambda _: dialog.takeCSeq(),
            way,
            onAccepted,
            isLastWord=True,
        )
        result = self._requester.begin(exchange, way, deadline)
        if deadline == 0:
            # It does not wait for a connection. Its challenge comes later in any case, and is answered.
            exchange.until = math.inf
        result.addCallbacks(
            self._answered, self._unanswered, callbackArgs=(dialog, usage), errbackArgs=(dialog, usage)
        )
        return exchange

    def _answered(self, response: IncomingResponse, dialog: Dialog, usage: IUsage | None) -> IncomingResponse:
        self.note(dialog, response.transport)
        if usage is not None and effectOf(response.statusCode, response.method) is Effect.USAGE:
            self.detach(dialog, usage)
        try:
            dialog.receiveResponse(response)
        except ParseError as error:
            _log.warn("the peer's new target is not taken: {error}", error=error)
        return response

    def _unanswered(self, failure: Failure, dialog: Dialog, usage: IUsage | None) -> Failure:
        # RFC 5057 section 5.2: "a real transaction timeout" has the effect of a 408.
        if usage is not None and failure.check(TransactionTimeout) is not None:
            self.detach(dialog, usage)
        return failure

    def acknowledge(
        self,
        dialog: Dialog,
        cseq: int,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
    ) -> bool:
        """Send the ACK to a 2xx."""
        builder = self._requester.builder
        ack = builder.acknowledgeWithin(dialog, cseq, headers, body, contentType)
        way = self._way(dialog)
        if way is None:
            return False
        builder.address(ack, way)
        return way.send(ack)

    def note(self, dialog: Dialog, transport: ITransport | None) -> None:
        """
        Take note of what a dialog's messages come on: others go there (RFC 5626 section 4.3).

        @param transport: What one has come on; C{None}: it is not known.
        """
        if transport is not None and dialog.id in self._members:
            self._ways[dialog.id] = transport

    def _way(self, dialog: Dialog) -> ITransport | None:
        way = self._ways.get(dialog.id)
        return way if way is not None and way.connected else self._ua.way()

    # Requests of others.

    def expect(self, request: OutgoingRequest, usage: IUsage | None) -> None:
        """Have a usage take the requests that make a dialog, as they follow a request of ours."""
        self._expectations.set(request, usage)

    def know(self, package: str) -> None:
        """Take note that there is something that takes the events of a package."""
        self._expectations.packages.add(package)

    def find(self, request: IncomingRequest) -> Dialog | None:
        """Give the dialog that a request is within."""
        return self.dialogs.find(DialogID.ofRequest(request))

    def unanswered(self) -> int:
        """Count the INVITEs that came in, and have no final response."""
        return len(self._followed)

    def receive(self, request: IncomingRequest) -> Handling | Rejection | None:
        """
        Take a request with a To tag, which is no retransmission.

        @return: How it is to be handled, or refused; C{None}: no usage takes it.
        """
        dialog = self.find(request)
        if dialog is None:
            usage = self._expectations.usageFor(request)
            return None if usage is None else Handling(usage.receiveRequest, isWithinDialog=True)
        rejection = dialog.receiveRequest(request)
        if rejection is not None:
            return rejection
        self.note(dialog, request.transport)
        usage = self._usageFor(dialog, request)
        if usage is not None:
            return Handling(usage.receiveRequest, isWithinDialog=True)
        return Rejection(489) if self._expectations.isBadEvent(request) else None

    def receiveACK(self, request: IncomingRequest) -> bool:
        """
        Take the ACK to a 2xx.

        @return: Whether it is one of ours.
        """
        dialog = self.find(request)
        usage = None if dialog is None else self._usageFor(dialog, request)
        if dialog is None or usage is None:
            return False
        self.note(dialog, request.transport)
        self._safely(usage.receiveRequest, request)
        return True

    def _usageFor(self, dialog: Dialog, request: IncomingRequest) -> IUsage | None:
        return next((each for each in self._members.get(dialog.id, ()) if each.takes(request)), None)

    def follow(
        self,
        request: IncomingRequest,
        onCancel: Callable[[IncomingRequest], None],
        onLost: Callable[[SIPError], None],
    ) -> None:
        """Hear what becomes of an incoming INVITE."""
        self._followed[request] = _Follower(onCancel, onLost)

    def cancelled(self, invite: IncomingRequest, cancel: IncomingRequest) -> bool:
        """
        Tell of a CANCEL.

        @return: Whether there is somebody who will answer the INVITE.
        """
        follower = self._followed.pop(invite, None)
        if follower is None:
            return False
        self._safely(follower.onCancel, cancel)
        return True

    def lost(self, invite: IncomingRequest, error: SIPError) -> bool:
        """
        Tell that an INVITE cannot be answered any more.

        @return: Whether there was somebody to tell.
        """
        follower = self._followed.pop(invite, None)
        if follower is None:
            return False
        self._safely(follower.onLost, error)
        return True

    def respond(
        self,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        establish: bool = False,
        localCSeq: int | None = None,
    ) -> tuple[Dialog | None, OutgoingResponse]:
        """Answer a request."""
        reply = Reply(statusCode, reasonPhrase, headers, body, contentType)
        response = reply.to(request, self._dispatcher.toTag(request))
        self._dispatcher.introduce(response)
        if establish:
            transport = request.transport
            overTLS = transport is not None and servedTransport(transport).viaTransport == "WSS"
            dialog = self.dialogs.respond(request, response, overTLS=overTLS, localCSeq=localCSeq)
            if dialog is not None and transport is not None:
                self._ways.setdefault(dialog.id, transport)
        else:
            dialog = self.find(request)
        if statusCode >= 200:
            self._followed.pop(request, None)
        self._dispatcher.send(request, response)
        return dialog, response

    def resend(self, response: OutgoingResponse) -> bool:
        """Send a response again."""
        return self._dispatcher.send(response.request, response)

    # The user agent.

    def whenReachable(self) -> Deferred[None]:
        """Wait until there is a connection, and a binding at the registrar where one is wanted."""
        ua = self._ua
        return ua.whenRegistered() if ua.registration.wanted else ua.whenConnected()

    def emit(self, event: str, *args: object) -> bool:
        """Tell the listeners of the user agent of an event."""
        return self._ua.emit(event, *args)

    def ask(self, event: str, thing: IAnswerable) -> bool:
        """Have the listeners of the user agent answer something."""
        return self._ua.ask(event, thing)

    def hasListeners(self, event: str) -> bool:
        """Say whether the user agent has a listener of an event."""
        return self._ua.hears(event)

    def connectionLost(self, transport: ITransport) -> None:
        """Tell those whose messages went on a connection that it is gone."""
        error = servedTransport(transport).lastTransportError or NotConnected("the connection was closed")
        for dialogID in [each for each, way in self._ways.items() if way is transport]:
            self._ways.pop(dialogID, None)
            dialog = self.dialogs.find(dialogID)
            for usage in list(self._members.get(dialogID, ())):
                if dialog is not None:
                    self._safely(usage.connectionLost, dialog, error)

    def stop(self) -> Deferred[None]:
        """
        End everything in order.

        @return: A Deferred that fires when that is done.  Cancelled, it fails, and waits for nobody.
        """
        self._isStopping = True
        done: Deferred[None] = Deferred()
        endings = [self._safely(usage.stop) for usage in list(self._open)]
        waiting = DeferredList([ending for ending in endings if ending is not None], consumeErrors=True)
        # A list that is cancelled would take that for the end of each.
        waiting.addCallback(lambda _: None if done.called else done.callback(None))
        return done

    def close(self) -> None:
        """End everything at once."""
        if not self._isStopping:
            # Where there was no connection, nobody has been told of the end.
            self.stop()
        self._isStopping = False
        for dialog in self.dialogs:
            dialog.end()

    def _safely(self, function: Callable[..., Any], *args: object) -> Any:
        # Whatever is wrong with one of them: the others go on.
        try:
            return function(*args)
        except Exception:  # noqa: BLE001
            _log.failure("a usage of a dialog failed")
            return None


class _Follower:
    """Who hears what becomes of an INVITE."""

    __slots__ = ("onCancel", "onLost")

    def __init__(
        self, onCancel: Callable[[IncomingRequest], None], onLost: Callable[[SIPError], None]
    ) -> None:
        self.onCancel = onCancel
        self.onLost = onLost
