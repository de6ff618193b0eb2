"""
Event state for the embedded server's users (RFC 6665, RFC 3903): who publishes it, and who hears of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from sipws.dialog import Dialog, DialogID, Dialogs, Rejection
from sipws.dialog.dialog import asksForSIPS
from sipws.errors import LimitExceeded, NotConnected, ParseError
from sipws.message import Event, IncomingRequest, IncomingResponse, OutgoingRequest, OutgoingResponse
from sipws.server.compositor import Compositor, EventState, Resource
from sipws.server.refusal import Headers, Refused
from sipws.subscription import Notifier
from sipws.subscription.receiving import receiveSubscribe
from sipws.transaction import NonInviteClientTransaction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IReactorTime

    from sipws.dialog import IUsage, IUsages
    from sipws.interfaces import ITransport
    from sipws.server.connection import Connection
    from sipws.server.limits import ServerLimits
    from sipws.server.location import Locations
    from sipws.server.names import Names, Tokens
    from sipws.transaction import Transactions

__all__ = ["PACKAGES", "EventServer"]

_log = Logger(namespace="sip.server.events")

#: The event packages of which the server knows the state; SUBSCRIBE to others goes to the user.
PACKAGES = ("presence", "message-summary")


@attrs.frozen
class Options:
    """What the notifier's side asks of a configuration."""

    allowEvents: tuple[str, ...]
    subscriptionMinExpires: int
    subscriptionMaxExpires: int


@attrs.frozen
class Sending:
    """A NOTIFY that is on its way."""

    result: Deferred[IncomingResponse]
    request: OutgoingRequest


class EventServer:
    """
    Takes publications, and notifies whoever subscribes.

    To its notifiers it is what a user agent is to its own: as much of
    L{sipws.dialog.IUsages} as they use.

    @ivar packages: The event packages of which it knows the state.
    @ivar clock: What timers run on.
    @ivar dialogs: The dialogs of its subscriptions.
    @ivar configuration: What its notifiers ask of one.
    """

    def __init__(
        self,
        clock: IReactorTime,
        names: Names,
        tokens: Tokens,
        transactions: Transactions,
        locations: Locations,
        limits: ServerLimits,
        packages: Iterable[str] = PACKAGES,
    ) -> None:
        self.packages = tuple(packages)
        self.clock = clock
        self.dialogs = Dialogs(limits.maxSubscriptions, self._ended)
        self.configuration = Options(self.packages, min(limits.minExpires, 3600), limits.maxExpires)
        self._names = names
        self._tokens = tokens
        self._transactions = transactions
        self._locations = locations
        self._compositor = Compositor(clock, limits, tokens, self._changed)
        self._watchers: dict[Resource, dict[Notifier, None]] = {}
        # Of each dialog, its subscription, and what its messages go on.
        self._members: dict[DialogID, IUsage] = {}
        self._ways: dict[DialogID, ITransport] = {}

    def __len__(self) -> int:
        """How many subscriptions there are."""
        return len(self.dialogs)

    # What the server calls.

    def knows(self, request: IncomingRequest) -> bool:
        """Say whether a request to a user is of a package of which the server knows the state."""
        isOurs = request.method in ("PUBLISH", "SUBSCRIBE") and request.toTag is None
        if not isOurs or not self.packages:
            return False
        event = request.parseHeader("Event")
        # A PUBLISH is nobody else's, and nobody's without a package.
        return request.method == "PUBLISH" or (isinstance(event, Event) and event.package in self.packages)

    def publish(self, user: str, request: IncomingRequest) -> Headers:
        """
        Take a PUBLISH.

        @return: What the 200 says.
        @raise Refused: It is not taken.
        """
        event = request.parseHeader("Event")
        if not isinstance(event, Event) or event.package not in self.packages:
            raise Refused(489, headers=[("Allow-Events", ", ".join(self.packages))])
        return self._compositor.publish(self._names.addressOfRecord(user), request)

    def subscribe(self, request: IncomingRequest) -> None:
        """
        Take a SUBSCRIBE, and answer it.

        @raise Refused: It is not taken.
        """
        result = receiveSubscribe(cast("IUsages", self), request)
        if isinstance(result, int):
            raise Refused(result)

    def refresh(self, request: IncomingRequest) -> None:
        """
        Take a SUBSCRIBE within a dialog, and answer it.

        @raise Refused: It is not taken.
        """
        found = self.dialogs.receiveRequest(request)
        if isinstance(found, Rejection):
            raise Refused(found.statusCode, headers=found.headers)
        usage = None if found is None else self._members.get(found.id)
        if found is None or usage is None or not usage.takes(request):
            raise Refused(481)
        if request.transport is not None:
            # It may have connected anew.
            self._ways[found.id] = request.transport
        result = usage.receiveRequest(request)
        if isinstance(result, int):
            raise Refused(result)

    def stop(self) -> None:
        """Forget all, and tell nobody: the server is stopping."""
        self._compositor.clear()
        for dialog in self.dialogs:
            dialog.end()

    def _changed(self, resource: Resource, state: EventState) -> None:
        for notifier in list(self._watchers.get(resource, ())):
            notifier.notify(state.body, state.contentType)

    # What its notifiers call (IUsages).

    def ask(self, event: str, notifier: Notifier) -> bool:
        """Answer a SUBSCRIBE that was looked at."""
        request = notifier.request
        assert request is not None
        aor = self._names.addressOfRecord(request.requestURI.user or "")
        resource = (aor, notifier.event.package)
        state = self._compositor.stateOf(resource)
        try:
            notifier.accept(state.body, state.contentType)
        except LimitExceeded:
            notifier.reject(503, headers=[("Retry-After", self.configuration.subscriptionMinExpires)])
        except (ParseError, ValueError):
            notifier.reject(400)
        else:
            self._watch(resource, notifier)
        return True

    def _watch(self, resource: Resource, notifier: Notifier) -> None:
        if notifier.expires == 0:
            return
        self._watchers.setdefault(resource, {})[notifier] = None
        notifier.on("terminated", lambda _: self._unwatch(resource, notifier))

    def _unwatch(self, resource: Resource, notifier: Notifier) -> None:
        watchers = self._watchers.get(resource, {})
        watchers.pop(notifier, None)
        if not watchers:
            self._watchers.pop(resource, None)

    def add(self, usage: IUsage) -> None:
        """Know of a notifier: its dialog is enough."""

    def discard(self, usage: IUsage) -> None:
        """Know of it no more."""

    def know(self, package: str) -> None:
        """Know of a package: all are known."""

    def attach(self, dialog: Dialog, usage: IUsage, transport: ITransport | None = None) -> None:
        """Have a notifier be in a dialog."""
        dialog.addUsage(usage)
        self._members[dialog.id] = usage
        if transport is not None:
            self._ways[dialog.id] = transport

    def detach(self, dialog: Dialog, usage: IUsage) -> None:
        """Have it be in it no more."""
        self._members.pop(dialog.id, None)
        dialog.removeUsage(usage)

    def _ended(self, dialog: Dialog) -> None:
        self._ways.pop(dialog.id, None)
        usage = self._members.pop(dialog.id, None)
        if usage is not None:
            usage.dialogEnded(dialog)

    def respond(
        self,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
        *,
        establish: bool = False,
    ) -> tuple[Dialog | None, OutgoingResponse]:
        """Answer a SUBSCRIBE."""
        pairs = list(headers)
        if statusCode < 300:
            scheme = "sips" if asksForSIPS(request) else "sip"
            pairs.append(("Contact", f"<{scheme}:{self._names.domain};transport=ws>"))
        response = OutgoingResponse(request, statusCode, reasonPhrase, pairs, toTag=self._tokens.word())
        dialog = self.dialogs.respond(request, response) if establish else None
        transaction = self._transactions.matchRequest(request)
        if transaction is not None:
            transaction.respond(response)
        return dialog, response

    def sendWithin(
        self,
        dialog: Dialog,
        method: str,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        deadline: float | None = 0,
    ) -> Sending:
        """Send a NOTIFY to where its subscriber is."""
        further = [*headers] if contentType is None else [*headers, ("Content-Type", contentType)]
        request = dialog.request(method, further, body)
        return Sending(self._transmit(dialog, request), request)

    def _transmit(self, dialog: Dialog, request: OutgoingRequest) -> Deferred[IncomingResponse]:
        way = self._way(dialog)
        if way is None:
            return fail(NotConnected("the subscriber is not there", request=request, sent=False))
        via = f"SIP/2.0/{way.viaTransport} {self._names.domain};branch={self._tokens.branch()}"
        request.prependHeader("Via", via)
        try:
            transaction = NonInviteClientTransaction(request, way, self._transactions)
        except LimitExceeded as error:
            return fail(error)
        return transaction.start().addCallback(self._answered, dialog)

    def _way(self, dialog: Dialog) -> Connection | None:
        way: Any = self._ways.get(dialog.id)
        if way is not None and way.connected:
            return cast("Connection", way)
        state = dialog.state
        if state.remoteTarget is None:
            return None
        # One that has connected anew is found by its contact address, which others may have registered, too.
        owner = self._names.addressOfRecord(state.remoteAddress.uri.user or "")
        binding = self._locations.findContact(state.remoteTarget, owner)
        return None if binding is None else binding.connection

    def _answered(self, response: IncomingResponse, dialog: Dialog) -> IncomingResponse:
        try:
            dialog.receiveResponse(response)
        except ParseError as error:
            _log.debug("a subscriber's new target is not taken: {error}", error=error)
        return response

    def whenReachable(self) -> Deferred[None]:
        """Wait until the subscriber is there again: its next SUBSCRIBE has what waits be sent."""
        return Deferred()
