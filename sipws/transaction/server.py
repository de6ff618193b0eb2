"""
Server transactions (RFC 3261 section 17.2): a request in, responses out.

One is made for a request that matches no open one, and from then on answers
retransmissions by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipws.errors import Congested
from sipws.message import OutgoingResponse
from sipws.transaction.base import Transaction
from sipws.transaction.machines import INVITE_SERVER, NON_INVITE_SERVER, Action, Event

if TYPE_CHECKING:
    from sipws.errors import SIPError, TransportError
    from sipws.interfaces import ITransport
    from sipws.message import IncomingRequest
    from sipws.transaction.table import Transactions

__all__ = ["InviteServerTransaction", "NonInviteServerTransaction", "ServerTransaction"]


class ServerTransaction(Transaction):
    """
    What both kinds of server transaction share.

    @ivar request: The request that made it.
    @ivar sentBy: The sent-by of the request's top Via.
    @ivar key: Where it stands in its table: its branch, unless another
        client's transaction with the same branch stands there.
    @ivar ackKey: What else it is found under once its final response is out,
        where the branch of the ACK does not tell (RFC 2543).
    @ivar lastResponse: The response that was handed over last, which
        retransmissions of the request get again.
    """

    __slots__ = ("_onTransportLost", "_sent", "ackKey", "key", "lastResponse", "sentBy")

    request: IncomingRequest

    def __init__(
        self,
        request: IncomingRequest,
        transport: ITransport,
        transactions: Transactions,
        onTransportLost: Callable[[SIPError], object] | None = None,
    ) -> None:
        """
        @param request: A request that matches no open transaction.
        @param transport: What it came on, and its responses go back on.
        @param transactions: Where it is found while it is open.
        @param onTransportLost: Called once, when a response could not be sent,
            or none could be any more; C{None}: C{onServerLost} of the table is.
        @raise LimitExceeded: Too many transactions are open.
        """
        super().__init__(transport, transactions)
        self.request = request
        self.method = request.method
        self.branch = request.viaBranch or ""
        self.sentBy = request.sentBy
        self.ackKey: str | None = None
        self.lastResponse: OutgoingResponse | None = None
        self._onTransportLost = onTransportLost
        self._sent = False
        self.key = transactions.addServer(self)
        self._follow(Event.START)

    def respond(self, response: OutgoingResponse) -> bool:
        """
        Send a response.

        @param response: The response.
        @return: Whether it was sent: not where the request has had its final
            response, and not where the connection is gone.
        """
        self._sent = False
        return self._follow(self._eventOf(response.statusCode), response) and self._sent

    def receiveRequest(self, request: IncomingRequest) -> None:
        """
        Take a request that matched this transaction.  Never raises.

        @param request: A retransmission, or an ACK.
        """
        self._follow(Event.ACK if request.method == "ACK" else Event.REQUEST, request)

    def _eventOf(self, statusCode: int) -> str:
        raise NotImplementedError

    def _leave(self) -> None:
        self.transactions.removeServer(self)

    # The actions of the tables.

    def _sendResponse(self, response: OutgoingResponse) -> None:
        self.lastResponse = response
        self._sent = self._send(response)

    def _sendLastResponse(self, _: object) -> None:
        if self.lastResponse is not None:
            self._send(self.lastResponse)

    def _sendTrying(self, _: object) -> None:
        # RFC 3261 section 17.2.1: constructed as in 8.2.6, "except that the insertion of
        # tags in the To header field of the response [...] is downgraded [...] to SHOULD NOT".
        self._sendResponse(OutgoingResponse(self.request, 100))

    def _errorToTU(self, error: SIPError) -> None:
        callback, self._onTransportLost = self._onTransportLost, _ignore
        if callback is not None:
            self._call(callback, error)
        elif self.transactions.onServerLost is not None:
            self._call(self.transactions.onServerLost, self, error)

    def _failedToSend(self, error: TransportError) -> None:
        response = error.request
        if isinstance(error, Congested) and _isProvisional(response):
            # The connection is there, and may have room for the next one, which counts.
            return
        if not self._follow(Event.TRANSPORT_ERROR, error):
            # On a reliable transport, it is over with its final response (timer J).
            self._errorToTU(error)

    ACTIONS = {
        Action.SEND_RESPONSE: _sendResponse,
        Action.SEND_LAST_RESPONSE: _sendLastResponse,
        Action.SEND_TRYING: _sendTrying,
        Action.ERROR_TO_TU: _errorToTU,
    }


class NonInviteServerTransaction(ServerTransaction):
    """
    A transaction of any request but INVITE and ACK (RFC 3261 section 17.2.2).

    A request that is not answered within 3.5 seconds gets a 100, and one that
    is not answered 32 seconds later is given up.  A response of 101 to 199, and
    408, are not sent: a request other than INVITE must not have them (RFC 4320).
    """

    __slots__ = ()

    machine = NON_INVITE_SERVER

    def respond(self, response: OutgoingResponse) -> bool:
        """Send a response, as RFC 4320 allows."""
        # Section 4.1: "An SIP element MUST NOT send any provisional response with a
        # Status-Code other than 100 to a non-INVITE request."
        return not 100 < response.statusCode < 200 and super().respond(response)

    def _eventOf(self, statusCode: int) -> str:
        if statusCode < 200:
            return Event.PROVISIONAL
        return Event.LATE if statusCode == 408 else Event.FINAL


class InviteServerTransaction(ServerTransaction):
    """
    A transaction of an INVITE (RFC 3261 section 17.2.1, RFC 6026).

    It sends a 100 by itself where nothing else was sent within 200 ms.
    Repeating a 2xx until its ACK comes is for its user to do, with C{respond}.
    """

    __slots__ = ("_onAck", "_onTimeout")

    machine = INVITE_SERVER

    def __init__(
        self,
        request: IncomingRequest,
        transport: ITransport,
        transactions: Transactions,
        onTransportLost: Callable[[SIPError], object] | None = None,
        onAck: Callable[[IncomingRequest], object] | None = None,
        onTimeout: Callable[[], object] | None = None,
    ) -> None:
        """
        @param onAck: Called with an ACK to a 2xx that has the INVITE's own
            branch.  One with a branch of its own, as RFC 3261 wants it,
            matches no transaction.
        @param onTimeout: Called when a final response other than 2xx was not acknowledged.
        """
        self._onAck = onAck
        self._onTimeout = onTimeout
        super().__init__(request, transport, transactions, onTransportLost)

    def _eventOf(self, statusCode: int) -> str:
        if statusCode < 200:
            return Event.PROVISIONAL
        return Event.SUCCESS if statusCode < 300 else Event.FAILURE

    def _sendResponse(self, response: OutgoingResponse) -> None:
        if response.statusCode >= 200:
            self.transactions.expectAck(self, response)
        super()._sendResponse(response)

    def _ackToTU(self, ack: IncomingRequest) -> None:
        if self._onAck is not None:
            self._call(self._onAck, ack)

    def _timeoutToTU(self, _: object) -> None:
        if self._onTimeout is not None:
            self._call(self._onTimeout)

    ACTIONS = ServerTransaction.ACTIONS | {
        Action.SEND_RESPONSE: _sendResponse,
        Action.ACK_TO_TU: _ackToTU,
        Action.TIMEOUT_TO_TU: _timeoutToTU,
    }


def _isProvisional(response: object) -> bool:
    return isinstance(response, OutgoingResponse) and response.statusCode < 200


def _ignore(_: object) -> None:
    """Take what has been told already."""
