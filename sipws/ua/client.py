"""
The way of a request of ours: wait for the connection if need be, leave in a
client transaction, answer a challenge, and come back as its final response.

However it ends, it ends once, with a final response or a typed failure, and
that is counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail

from sipws.errors import (
    NotConnected,
    ParseError,
    TransactionCancelled,
    TransactionTimeout,
    TransportError,
)
from sipws.interfaces import C
from sipws.transaction import InviteClientTransaction, NonInviteClientTransaction
from sipws.ua.events import loggerFor
from sipws.ua.waiting import checkDeadline

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipws.counters import Counters
    from sipws.interfaces import ITransport
    from sipws.message import IncomingResponse, OutgoingRequest
    from sipws.transaction import ClientTransaction
    from sipws.ua.agent import UserAgent
    from sipws.ua.digest import DigestClient
    from sipws.ua.requests import RequestBuilder
    from sipws.ua.waiting import WaitingRequests

__all__ = ["Exchange", "OnProvisional", "Requester", "oneHigher"]

#: What is called with each provisional response.
OnProvisional = Callable[["IncomingResponse"], None]

_log = loggerFor("sip.ua.client")

#: Methods that are never a request on its own (RFC 3261 sections 9.1 and 13.2.2.4).
NOT_BY_THEMSELVES = {
    "ACK": "the ACK to a 2xx is sent as the 2xx comes in",
    "CANCEL": "cancel the Deferred of the INVITE instead",
}


def oneHigher(cseq: int) -> int:
    """
    Give the CSeq number for the same request with credentials.

    RFC 3261 section 8.1.3.5: "the value of the CSeq header field [...] should
    contain a new sequence number that is one higher than the previous".
    """
    return cseq + 1


class Requester:
    """
    Sends the requests of one user agent.

    @ivar builder: What builds them.
    @ivar digest: What answers the challenges to them; C{None} where there is no password.
    @ivar waiting: Those that wait for a connection.
    """

    __slots__ = ("builder", "digest", "ua", "waiting")

    def __init__(
        self,
        ua: UserAgent,
        builder: RequestBuilder,
        digest: DigestClient | None,
        waiting: WaitingRequests,
    ) -> None:
        self.ua = ua
        self.builder = builder
        self.digest = digest
        self.waiting = waiting
        waiting.ways = ua.ways

    def way(self) -> ITransport | None:
        """
        Give the transport that a new request leaves on at once: none where
        others wait, before which it must not leave.
        """
        return self.ua.way() if self.waiting.entries is None else None

    def submit(
        self,
        request: OutgoingRequest,
        way: ITransport | None,
        onProvisional: OnProvisional | None = None,
        deadline: float | None = None,
    ) -> Deferred[IncomingResponse]:
        """
        Send a request of the user's, as soon as there is a connection, and count it.

        @param request: It, as the builder made it for this transport.
        @param way: What L{way} has just given.
        @param onProvisional: Called with each provisional response.
        @param deadline: As of L{UserAgent.request}.
        @return: A Deferred of its final response.
        @raise ValueError: It cannot be a request by itself, or the deadline is none.
        """
        if request.method in NOT_BY_THEMSELVES:
            raise ValueError(f"{request.method} is no request by itself: {NOT_BY_THEMSELVES[request.method]}")
        return self.begin(Exchange(self, request, onProvisional), way, deadline)

    def begin(
        self, exchange: Exchange, way: ITransport | None, deadline: float | None
    ) -> Deferred[IncomingResponse]:
        """
        Send a request as soon as there is a connection, and count it.

        @param exchange: The request's.
        @param way: What it leaves on now; C{None}: it waits.
        @param deadline: As of L{UserAgent.request}.
        @return: A Deferred of its final response.
        @raise ValueError: The deadline is none.
        """
        ua = self.ua
        if deadline is not None:
            checkDeadline(deadline)
            exchange.until = self.waiting.clock.seconds() + deadline
        ua.counters.requests += 1
        exchange.counters = ua.counters
        request = exchange.request
        # Calls are ended, and subscriptions, while it is being stopped: but nothing waits any more.
        if ua.status == C.STATUS_USER_CLOSED and (way is None or not exchange.isLastWord):
            error = NotConnected("the user agent has been stopped", request=request, sent=False)
            exchange.result = exchange.fail(error)
        elif way is not None:
            exchange.result = exchange.start(way)
        else:
            waited = self.waiting.wait(request, deadline)
            exchange.result = waited.addCallbacks(exchange.start, exchange.failed)
        return exchange.result

    def send(
        self,
        request: OutgoingRequest,
        onProvisional: OnProvisional | None = None,
        nextCSeq: Callable[[int], int] = oneHigher,
        transport: ITransport | None = None,
    ) -> Deferred[IncomingResponse]:
        """
        Send a request of the user agent's own now.  It is not counted.

        @param nextCSeq: Gives the CSeq number for the request with credentials,
            from that of the request that was challenged.
        @param transport: What it has to leave on; C{None}: the best there is.
        @return: A Deferred of its final response.  It fails with
            L{NotConnected} at once where there is no connection.
        """
        return Exchange(self, request, onProvisional, nextCSeq, transport).start(transport or self.ua.way())


class Exchange:
    """
    One request, in one attempt after the other, until its final response is not
    a challenge: an L{sipws.dialog.ISending}, once L{Requester.begin} has it.

    @ivar request: It, as it was sent last.
    @ivar result: A Deferred of the final response.
    @ivar counters: Where its end is counted; C{None}: nowhere.
    @ivar until: The time from which on a challenge to it is not answered any more.
    @ivar isLastWord: Whether it may leave while the user agent is being stopped.
    """

    __slots__ = (
        "_answered",
        "_nextCSeq",
        "_onAccepted",
        "_onProvisional",
        "_requester",
        "_transaction",
        "_transport",
        "counters",
        "isLastWord",
        "request",
        "result",
        "until",
    )

    result: Deferred[IncomingResponse]

    def __init__(
        self,
        requester: Requester,
        request: OutgoingRequest,
        onProvisional: OnProvisional | None,
        nextCSeq: Callable[[int], int] = oneHigher,
        transport: ITransport | None = None,
        onAccepted: OnProvisional | None = None,
        *,
        isLastWord: bool = False,
    ) -> None:
        """
        @param nextCSeq: As of L{Requester.send}.
        @param transport: What it has to leave on; C{None}: the best there is.
        @param onAccepted: Called with each 2xx to an INVITE but the first; who
            gives it sends the ACKs.  C{None}: they go out by themselves.
        """
        self._requester = requester
        self.request = request
        self._transport = transport
        self._onProvisional = onProvisional
        self._nextCSeq = nextCSeq
        self._onAccepted = onAccepted
        self.counters: Counters | None = None
        self.until = math.inf
        self.isLastWord = isLastWord
        # The last attempt of an INVITE, and whether it was given up.
        self._transaction: InviteClientTransaction | None = None
        # The challenges that this request has answered, once there is one.
        self._answered: set[str] | None = None

    def start(self, transport: ITransport | None) -> Deferred[IncomingResponse]:
        """
        Send the request as it is now, in a transaction of its own.

        @param transport: What it leaves on.
        """
        request = self.request
        if transport is None or not transport.connected:
            return self.fail(NotConnected("there is no connection", request=request, sent=False))
        requester = self._requester
        if request.viaBranch is None:
            requester.builder.address(request, transport)
        if requester.digest is not None:
            requester.digest.authorize(request)
        transactions = requester.ua.transactions
        transaction: ClientTransaction
        if request.method == "INVITE":
            transaction = self._transaction = InviteClientTransaction(
                request, transport, transactions, self._onProvisional, self._onAccepted or self._acknowledge
            )
        else:
            transaction = NonInviteClientTransaction(request, transport, transactions, self._onProvisional)
        return transaction.start().addCallbacks(self._final, self.failed)

    def cancel(self, headers: Iterable[tuple[str, object]] = ()) -> None:
        """
        Give an INVITE up: once it has left, with a CANCEL, and a challenge to it is not answered any more.

        @param headers: Further headers of the CANCEL.
        """
        if self._transaction is None:
            self.result.cancel()
        else:
            self.until = -math.inf
            self._transaction.cancel(headers)

    def fail(self, error: Exception) -> Deferred[IncomingResponse]:
        """End it with an error."""
        self._count(error)
        return fail(error)

    def failed(self, failure: Failure) -> Failure:
        """Take its failure, which goes on to its user."""
        self._count(failure.value)
        return failure

    def _count(self, error: BaseException | None) -> None:
        counters = self.counters
        if counters is None:
            return
        if isinstance(error, TransportError):
            if error.sent:
                counters.sentFailures += 1
            else:
                counters.unsentFailures += 1
        elif isinstance(error, TransactionTimeout):
            counters.timeouts += 1
        elif isinstance(error, TransactionCancelled):
            counters.cancellations += 1
        else:
            counters.otherFailures += 1

    def _final(self, response: IncomingResponse) -> IncomingResponse | Deferred[IncomingResponse]:
        status = response.statusCode
        if (status == 401 or status == 407) and self._learn(response):
            # In an attempt of its own, which counts the end.
            return self.start(self._transport or self._requester.ua.way())
        if self._requester.digest is not None:
            self._requester.digest.confirm(self.request, response)
        if self.counters is not None:
            self.counters.responses += 1
        if status < 300 and self.request.method == "INVITE" and self._onAccepted is None:
            self._acknowledge(response)
        # Who is called back holds this, too: they would keep one another.
        self._onProvisional = self._onAccepted = None
        return response

    def _learn(self, response: IncomingResponse) -> bool:
        """Make the request that answers a challenge, unless that has been done, cannot be, or is too late."""
        requester = self._requester
        if requester.digest is None:
            return False
        if self._answered is None:
            self._answered = set()
        if not requester.digest.learn(self.request, response, self._answered):
            return False
        if requester.waiting.clock.seconds() > self.until:
            _log.info(
                "a {method} was challenged when it was not to leave any more", method=self.request.method
            )
            return False
        self.request = requester.builder.again(self.request, self._nextCSeq(self.request.cseq))
        return True

    def _acknowledge(self, response: IncomingResponse) -> None:
        """
        Send the ACK to a 2xx; each 2xx gets its own.

        RFC 3261 section 13.2.2.4: "The UAC core MUST generate an ACK request
        for each 2xx received from the transaction layer."
        """
        requester = self._requester
        # The dialog is that of the flow that the INVITE left on (RFC 5626 section 4.3).
        transport = response.transport or requester.ua.way()
        if transport is None:
            return
        try:
            ack = requester.builder.acknowledge(self.request, response)
        except ParseError as error:
            _log.warn("no ACK to a 2xx that cannot be read: {error}", error=error)
            return
        requester.builder.address(ack, transport)
        if not transport.send(ack):
            _log.warn("the ACK to a 2xx was not sent: the session will not last")
