"""
The way of a request that comes in: to the transaction that it belongs to, or
past the rules to a handler, whose result becomes the response.

No handler can break anything: what it raises, what it returns and when are
all looked at here.

Where a request cannot be answered any more, as its connection is gone or its
response was not taken, the event C{requestAbandoned} tells of that.  Its
handler goes on to its end, 64*T1 at most, and what it comes to is dropped; that
of an INVITE, which could go on for ever, is cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from inspect import iscoroutine
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.python.failure import Failure

from sipws.dialog import Rejection
from sipws.errors import Congested, LimitExceeded, NotConnected, ParseError, SIPError
from sipws.message import OutgoingResponse
from sipws.message.given import checkTexts, wanted
from sipws.message.outgoing import checkMethod
from sipws.transaction import InviteServerTransaction, NonInviteServerTransaction
from sipws.transaction.machines import State
from sipws.ua.builtin import BUILT_IN
from sipws.ua.capabilities import Capabilities
from sipws.ua.events import loggerFor
from sipws.ua.newcomers import NEWCOMERS
from sipws.ua.pausing import Pausing
from sipws.ua.pending import Pending
from sipws.ua.replies import Reply, finalResponse
from sipws.ua.rules import METHODS, RETRY_AFTER, Handling, firstRefusal
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from sipws.interfaces import ITransport
    from sipws.message import IncomingRequest
    from sipws.transaction import ServerTransaction
    from sipws.ua.agent import UserAgent
    from sipws.ua.identity import Identity
    from sipws.ua.usages import Usages

__all__ = ["Dispatcher"]

_log = loggerFor("sip.ua.dispatch")

#: The part of the patience with a handler that reading may be paused, at most: 4 seconds as a rule.
PAUSING_SHARE = 0.125


class Dispatcher(Capabilities):
    """
    Answers the requests that come to one user agent.

    @ivar identity: Whose requests they must be.
    @ivar limit: How many may be unanswered; C{maxUnansweredRequests} of the configuration.
    @ivar patience: How long a handler may take for anything but an INVITE, in seconds.
    @ivar usages: What calls and subscriptions share; C{None} before the first of these.
    """

    __slots__ = (
        "_answeredWaiters",
        "_clock",
        "_handlers",
        "_orphans",
        "_pausing",
        "_pending",
        "_secret",
        "_ua",
        "identity",
        "limit",
        "patience",
        "usages",
    )

    def __init__(
        self, ua: UserAgent, identity: Identity, clock: IReactorTime, secret: int, patience: float
    ) -> None:
        """
        @param secret: A random number, of which To tags are made.
        """
        self._ua = ua
        self._clock = clock
        self._secret = secret
        self._handlers: dict[str, Handling] | None = None
        self._pending: dict[IncomingRequest, Pending] | None = None
        # How many of these cannot be answered any more.
        self._orphans = 0
        self._answeredWaiters = Waiters()
        self.identity = identity
        self.limit = identity.configuration.maxUnansweredRequests
        self.patience = patience
        self.usages: Usages | None = None
        pauseAt = identity.configuration.pauseReadingAt
        self._pausing = Pausing(clock, pauseAt, patience * PAUSING_SHARE) if pauseAt else None
        ua.transactions.onServerLost = self._lost

    # What the rules ask.

    def unanswered(self) -> int:
        """Count the requests whose handler has not answered."""
        return len(self._pending or ()) + (0 if self.usages is None else self.usages.unanswered())

    # What the user agent calls.

    def handle(
        self,
        method: str,
        handler: Callable[[IncomingRequest], object] | None,
        accept: Iterable[str] | None = None,
    ) -> None:
        """Set the handler of a method, in place of the one before; C{None} takes it away."""
        checkMethod(method)
        # RFC 3261 section 7.1: methods are case-sensitive.  This one nobody would ever send.
        if method not in METHODS and method.upper() in METHODS:
            raise ValueError(f"method: {method!r} (methods are in capitals: {method.upper()!r})")
        if handler is not None and not callable(handler):
            raise wanted("handler", "what can be called with a request, or None", handler)
        if accept is not None:
            checkTexts("accept", accept, "text/plain")
        if self._handlers is None:
            self._handlers = {}
        if handler is None:
            self._handlers.pop(method, None)
        else:
            types = None if accept is None else tuple(value.lower() for value in accept)
            self._handlers[method] = Handling(handler, types)

    def receive(self, request: IncomingRequest) -> None:
        """Take a request that passed the sanity check.  Never raises."""
        try:
            self._receive(request)
        except ParseError as error:
            _log.info("{method} refused: {error}", method=request.method, error=error)
            self._refuse(request, Reply(400))
        except LimitExceeded as error:
            _log.warn("{method} refused: {error}", method=request.method, error=error)
            self._refuse(request, Reply(503, headers=[("Retry-After", RETRY_AFTER)]))
        # Whatever is wrong with one request: the connection goes on.
        except Exception:  # noqa: BLE001
            _log.failure("no way to handle a {method}", method=request.method)
            self._refuse(request, Reply(500))

    def respond(self, request: IncomingRequest, reply: Reply) -> bool:
        """
        Answer a request that came in, for a handler that does so by itself.

        @return: Whether there was still somebody to answer.
        """
        response = reply.to(request, self.toTag(request))
        self.introduce(response)
        return self.send(request, response)

    def send(self, request: IncomingRequest, response: OutgoingResponse) -> bool:
        """
        Send a response to a request that came in.

        @return: Whether there was still somebody to answer.
        """
        transaction = self._ua.transactions.matchRequest(request)
        if transaction is None:
            return False
        answered = self._transmit(transaction, response)
        if response.statusCode >= 200:
            self._forget(request)
            self._tellAnswered()
        return answered

    def toTag(self, request: IncomingRequest) -> str:
        """
        Give the tag of To for all responses to a request.

        RFC 3261 section 8.2.7: tags are such that they are the same for the
        same request, without a memory of it.
        """
        identity = (self._secret, request.callID, request.fromTag, request.cseq, request.viaBranch)
        return f"{hash(identity) & 0xFFFFFFFFFFFFFFFF:016x}"

    def whenAnswered(self) -> Deferred[None]:
        """Wait until every handler has answered."""
        return self._answeredWaiters.add() if self._awaitsAnswers() else succeed(None)

    def refuseCalls(self) -> None:
        """
        Answer the INVITEs that have no final response: nobody is going to (RFC
        3261 section 21.4.18).  And read on: from here on, it is for answers.
        """
        if self._pausing is not None:
            self._pausing.resume()
        error = NotConnected("the user agent is being stopped")
        for transaction in list(self._ua.transactions.ist.values()):
            self._endCall(transaction, 480, error)

    def stop(self) -> None:
        """Answer in place of the handlers that have not: they are cancelled, and no timer is left."""
        for request, pending in list((self._pending or {}).items()):
            self._end(request, pending.transaction, 503)

    # The way of a request.

    def _receive(self, request: IncomingRequest) -> None:
        existing = self._ua.transactions.matchRequest(request)
        if existing is not None:
            existing.receiveRequest(request)
        elif request.method == "ACK":
            self._acknowledged(request)
        elif request.method == "CANCEL":
            self._cancel(request)
        else:
            handling = self._handlingOf(request)
            if isinstance(handling, Rejection):
                self._refuse(request, Reply(handling.statusCode, headers=handling.headers))
                return
            refusal = firstRefusal(request, handling, self)
            if refusal is not None or handling is None:
                self._refuse(request, refusal or Reply(405))
            else:
                self._serve(request, handling.handler)

    def _acknowledged(self, request: IncomingRequest) -> None:
        """Take the ACK to a 2xx.  It is never answered (RFC 3261 section 13.3.1.4)."""
        if self.usages is not None and self.usages.receiveACK(request):
            return
        handling = self._handling("ACK")
        if handling is None:
            return
        try:
            handling.handler(request)
        except Exception:  # noqa: BLE001
            _log.failure("the handler of ACK failed")

    def _cancel(self, request: IncomingRequest) -> None:
        """
        Take a CANCEL (RFC 3261 section 9.2).

        "If the UAS did not find a matching transaction for the CANCEL
        according to the procedure above, it SHOULD respond to the CANCEL with
        a 481 (Call Leg/Transaction Does Not Exist)."
        """
        transaction = self._ua.transactions.findCancelled(request)
        if transaction is None:
            _log.warn("a CANCEL of what is not there")
            self._refuse(request, Reply(481))
            return
        original = transaction.request
        # "the To tag of the response to the CANCEL and the To tag in the response to
        # the original request SHOULD be the same."
        self._sendTo(request, Reply(200).to(request, self.toTag(original)))
        # "a CANCEL request has no effect on the processing of transactions with any other
        # method defined in this specification" than INVITE.
        if original.method == "INVITE":
            # "the UAS SHOULD immediately respond to the original request with a 487", unless
            # it has been answered: then the transaction drops this.
            if self.usages is None or not self.usages.cancelled(original, request):
                self._end(original, transaction, 487)

    def _handlingOf(self, request: IncomingRequest) -> Handling | Rejection | None:
        """Say how a request is handled, or refused; C{None} where nothing handles its method."""
        if request.toTag is None:
            return self._handling(request.method) or self._welcome(request.method)
        usages = self.usages
        found = None if usages is None else usages.receive(request)
        if found is not None:
            return found
        # Of the dialogs of its own handlers the application knows by itself.
        handling = self._handling(request.method)
        if handling is None and self._isOfUsages(request.method):
            # RFC 3261 section 12.2.2: "If the UAS wishes to reject the request because it does not
            # wish to recreate the dialog, it MUST respond to the request with a 481".
            return Rejection(481)
        return handling

    def _welcome(self, method: str) -> Handling | None:
        """Say how a request is handled that may begin a call or a subscription."""
        newcomer = NEWCOMERS.get(method)
        if newcomer is None or not self._ua.hears(newcomer.event):
            return None
        return Handling(partial(newcomer.receive, self._ua.usages))

    def _handling(self, method: str) -> Handling | None:
        """Say how a method is handled; C{None} where it is not."""
        own = None if self._handlers is None else self._handlers.get(method)
        if own is not None:
            return own
        builtIn = BUILT_IN.get(method)
        return None if builtIn is None else Handling(partial(builtIn, self))

    def _serve(self, request: IncomingRequest, handler: Callable[[IncomingRequest], object]) -> None:
        """Hand a request to its handler, in a transaction of its own."""
        transport = self._transportOf(request)
        if transport is None:
            return
        transaction = self._transactionFor(request, transport)
        self._ua.counters.requestsReceived += 1
        if request.method == "MESSAGE":
            self._ua.emit("message", request)
        try:
            result = handler(request)
        except Exception:  # noqa: BLE001
            self._broke(Failure(), request, transaction)
            return
        if iscoroutine(result):
            result = Deferred.fromCoroutine(result)
        if isinstance(result, Deferred):
            self._await(result, request, transaction)
        else:
            self._answer(result, request, transaction)

    def _transactionFor(self, request: IncomingRequest, transport: ITransport) -> ServerTransaction:
        transactions = self._ua.transactions
        if request.method != "INVITE":
            return NonInviteServerTransaction(request, transport, transactions)
        return InviteServerTransaction(request, transport, transactions, onAck=self._acknowledged)

    def _await(
        self, result: Deferred[object], request: IncomingRequest, transaction: ServerTransaction
    ) -> None:
        """Answer a request as soon as its handler has a result."""
        pending = Pending(result, transaction)
        result.addCallbacks(
            self._came, self._failed, callbackArgs=(request, pending), errbackArgs=(request, pending)
        )
        if pending.over:
            return
        if self._pending is None:
            self._pending = {}
        self._pending[request] = pending
        if request.method != "INVITE":
            # Whoever sent it gives up after 64*T1 (timer F), and an answer is of no use then.
            # An INVITE may ring for as long as it likes.
            pending.timer = self._clock.callLater(self.patience, self._giveUp, request, pending)
            if self._pausing is not None:
                pending.isCounted = True
                self._pausing.began(transaction.transport)

    def _came(self, result: object, request: IncomingRequest, pending: Pending) -> None:
        if not pending.over:
            self._forget(request, pending)
            if pending.isOrphan:
                _log.info("the answer to a {method} goes nowhere: it comes too late", method=request.method)
            else:
                self._answer(result, request, pending.transaction)
            self._tellAnswered()

    def _failed(self, failure: Failure, request: IncomingRequest, pending: Pending) -> None:
        if not pending.over:
            self._forget(request, pending)
            self._broke(failure, request, pending.transaction)
            self._tellAnswered()
        elif failure.check(CancelledError) is None:
            _log.failure("the handler of a {method} failed", failure, method=request.method)

    def _answer(self, result: object, request: IncomingRequest, transaction: ServerTransaction) -> None:
        if result is None and request.method == "INVITE":
            # Nobody can accept a call by default: its handler answers with respond.
            return
        try:
            response = finalResponse(request, result, self.toTag(request))
        except (TypeError, ValueError):
            self._broke(Failure(), request, transaction)
            return
        self.introduce(response)
        self._transmit(transaction, response)

    def _transmit(self, transaction: ServerTransaction, response: OutgoingResponse) -> bool:
        """Send a response, which its dialog is told of before."""
        request, last = response.request, transaction.lastResponse
        # What has its final response may have been refused; this goes nowhere, or is a 2xx again.
        isFirst = last is None or last.statusCode < 200
        if isFirst and self.usages is not None and 200 <= response.statusCode < 300:
            dialog = self.usages.find(request)
            if dialog is not None and request.toTag is not None:
                dialog.accept(request)
        return self._give(transaction, response)

    def _give(self, transaction: ServerTransaction, response: OutgoingResponse) -> bool:
        self.sign(response)
        return transaction.respond(response)

    def _broke(self, failure: Failure, request: IncomingRequest, transaction: ServerTransaction) -> None:
        _log.failure("the handler of a {method} failed", failure, method=request.method)
        self._give(transaction, Reply(500).to(request, self.toTag(request)))

    def _giveUp(self, request: IncomingRequest, pending: Pending) -> None:
        if not pending.isOrphan:
            _log.warn("a {method} was not answered in time", method=request.method)
        # RFC 4320 section 4.2: the transaction ends upon a 408, which is not sent.
        self._end(request, pending.transaction, 408)

    def _lost(self, transaction: ServerTransaction, error: SIPError) -> None:
        """
        Take notice that a request cannot be answered any more.

        @param error: What happened to its connection, or to its response.
        """
        request = transaction.request
        unsent = getattr(error, "sent", None) is False
        if transaction.state is State.ACCEPTED and not unsent:
            # Its 2xx is out, and the ACK may come on another connection (RFC 3261 section 13.2.2.4).
            return
        self._ua.counters.requestsAbandoned += 1
        if not isinstance(error, Congested):
            # Of congestion the transport tells, once.
            _log.info("a {method} cannot be answered: {error}", method=request.method, error=str(error))
        pending = None if self._pending is None else self._pending.get(request)
        if request.method == "INVITE":
            # Nobody waits for an answer, and nothing may wait for one here.
            self._endCall(transaction, 480, error)
        elif pending is not None:
            pending.isOrphan = True
            self._orphans += 1
            self._tellAnswered()
        self._ua.emit("requestAbandoned", request, error)

    def _endCall(self, transaction: ServerTransaction, statusCode: int, error: SIPError) -> None:
        """Have an INVITE be answered by whoever follows it, or answer it in place of its handler."""
        if self.usages is None or not self.usages.lost(transaction.request, error):
            self._end(transaction.request, transaction, statusCode)

    def _end(self, request: IncomingRequest, transaction: ServerTransaction, statusCode: int) -> None:
        """Answer a request in place of its handler, which is cancelled."""
        pending = self._forget(request)
        self._give(transaction, Reply(statusCode).to(request, self.toTag(request)))
        if pending is not None:
            pending.result.cancel()
        self._tellAnswered()

    def _forget(self, request: IncomingRequest, pending: Pending | None = None) -> Pending | None:
        """Wait no longer for the handler of a request: what it comes to is of no use."""
        if self._pending is not None:
            pending = self._pending.pop(request, pending)
            if not self._pending:
                self._pending = None
        if pending is not None and not pending.over:
            pending.end()
            self._orphans -= pending.isOrphan
            if pending.isCounted and self._pausing is not None:
                self._pausing.ended(pending.transaction.transport)
        return pending

    def _tellAnswered(self) -> None:
        if self._pausing is not None:
            self._pausing.settle()
        if not self._awaitsAnswers():
            self._answeredWaiters.fire()

    def _awaitsAnswers(self) -> bool:
        """Say whether there is a handler that has not answered, and still can."""
        return len(self._pending or ()) > self._orphans

    # Responses without a transaction (RFC 3261 section 8.2.7).

    def _refuse(self, request: IncomingRequest, reply: Reply) -> None:
        # Section 17.1.1.3: "a UAS MUST NOT attempt to send a response to an ACK".
        if request.method == "ACK":
            return
        try:
            self._sendTo(request, reply.to(request, self.toTag(request)))
        except ValueError:
            _log.failure("no way to answer a {method}", method=request.method)

    def _sendTo(self, request: IncomingRequest, response: OutgoingResponse) -> None:
        transport = self._transportOf(request)
        if transport is not None:
            self.sign(response)
            transport.send(response)

    def _transportOf(self, request: IncomingRequest) -> ITransport | None:
        # RFC 3261 section 18.2.2: a response goes back on the connection that the request came on.
        return request.transport or self._ua.transport
