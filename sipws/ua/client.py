"""
The way of a request of ours: wait for the connection if need be, leave in a
client transaction, answer a challenge, and come back as its final response.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail

from sipws.errors import NotConnected, ParseError
from sipws.interfaces import C
from sipws.transaction import InviteClientTransaction, NonInviteClientTransaction
from sipws.ua.events import loggerFor
from sipws.ua.requests import servedTransport

if TYPE_CHECKING:
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

    def submit(
        self, request: OutgoingRequest, onProvisional: OnProvisional | None = None
    ) -> Deferred[IncomingResponse]:
        """
        Send a request, as soon as there is a connection.

        @param request: It, as the builder made it.
        @param onProvisional: Called with each provisional response.
        @return: A Deferred of its final response.
        """
        if request.method in NOT_BY_THEMSELVES:
            raise ValueError(f"{request.method} is no request by itself: {NOT_BY_THEMSELVES[request.method]}")
        ua = self.ua
        if ua.status == C.STATUS_USER_CLOSED:
            return fail(NotConnected("the user agent has been stopped", request=request))
        if ua.way() is not None:
            return self.send(request, onProvisional)
        return self.waiting.wait(request).addCallback(lambda _: self.send(request, onProvisional))

    def send(
        self,
        request: OutgoingRequest,
        onProvisional: OnProvisional | None = None,
        nextCSeq: Callable[[int], int] = oneHigher,
        transport: ITransport | None = None,
    ) -> Deferred[IncomingResponse]:
        """
        Send a request now.

        @param nextCSeq: Gives the CSeq number for the request with credentials,
            from that of the request that was challenged.
        @param transport: What it has to leave on; C{None}: the best there is.
        @return: A Deferred of its final response.  It fails with
            L{NotConnected} at once where there is no connection.
        """
        return Exchange(self, request, onProvisional, nextCSeq, transport).start()


class Exchange:
    """One request, in one attempt after the other, until its final response is not a challenge."""

    __slots__ = ("_answered", "_nextCSeq", "_onProvisional", "_request", "_requester", "_transport")

    def __init__(
        self,
        requester: Requester,
        request: OutgoingRequest,
        onProvisional: OnProvisional | None,
        nextCSeq: Callable[[int], int],
        transport: ITransport | None,
    ) -> None:
        self._requester = requester
        self._request = request
        self._transport = transport
        self._onProvisional = onProvisional
        self._nextCSeq = nextCSeq
        # The challenges that this request has answered, once there is one.
        self._answered: set[str] | None = None

    def start(self) -> Deferred[IncomingResponse]:
        """Send the request as it is now, in a transaction of its own."""
        ua, request = self._requester.ua, self._request
        transport = self._transport or ua.way()
        if transport is None or not transport.connected:
            return fail(NotConnected("there is no connection", request=request))
        if request.viaBranch is None:
            self._requester.builder.address(request, servedTransport(transport))
        if self._requester.digest is not None:
            self._requester.digest.authorize(request)
        transaction: ClientTransaction
        if request.method == "INVITE":
            transaction = InviteClientTransaction(
                request, transport, ua.transactions, self._onProvisional, onAccepted=self._acknowledge
            )
        else:
            transaction = NonInviteClientTransaction(request, transport, ua.transactions, self._onProvisional)
        return transaction.start().addCallback(self._final)

    def _final(self, response: IncomingResponse) -> IncomingResponse | Deferred[IncomingResponse]:
        status = response.statusCode
        if status == 401 or status == 407:
            return self._challenged(response)
        if status < 300 and self._request.method == "INVITE":
            self._acknowledge(response)
        return response

    def _challenged(self, response: IncomingResponse) -> IncomingResponse | Deferred[IncomingResponse]:
        """Answer a challenge, unless that has been done or cannot be."""
        requester = self._requester
        if self._answered is None:
            self._answered = set()
        if requester.digest is None or not requester.digest.learn(self._request, response, self._answered):
            return response
        self._request = requester.builder.again(self._request, self._nextCSeq(self._request.cseq))
        return self.start()

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
            ack = requester.builder.acknowledge(self._request, response)
        except ParseError as error:
            _log.warn("no ACK to a 2xx that cannot be read: {error}", error=error)
            return
        requester.builder.address(ack, servedTransport(transport))
        transport.send(ack)
