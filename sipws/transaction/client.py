"""
Client transactions (RFC 3261 section 17.1): a request out, a Deferred back.

The Deferred fires with the first final response, of whatever class.  It fails
with L{TransactionTimeout}, L{TransportError} or L{TransactionCancelled}, each
with the request, and whether that had left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from sipws.errors import SIPError, TransactionCancelled, TransactionError, TransactionTimeout, TransportError
from sipws.interfaces import IClientTransaction
from sipws.transaction.base import Transaction
from sipws.transaction.machines import INVITE_CLIENT, NON_INVITE_CLIENT, Action, Event
from sipws.transaction.requests import ackFor, cancelFor

if TYPE_CHECKING:
    from sipws.interfaces import ITransport
    from sipws.message import IncomingResponse, OutgoingRequest
    from sipws.transaction.table import Transactions

__all__ = ["ClientTransaction", "InviteClientTransaction", "NonInviteClientTransaction", "OnResponse"]

#: What is called with a response.
OnResponse = Callable[["IncomingResponse"], object]


@implementer(IClientTransaction)
class ClientTransaction(Transaction):
    """
    What both kinds of client transaction share.

    @ivar request: The request that it sends, whose top Via has its branch; C{None} once it is an
        INVITE that was accepted: of these there may be thousands, for 64*T1, and none is sent again.
    """

    __slots__ = ("_onProvisional", "_result")

    request: OutgoingRequest | None

    def __init__(
        self,
        request: OutgoingRequest,
        transport: ITransport,
        transactions: Transactions,
        onProvisional: OnResponse | None = None,
    ) -> None:
        """
        @param request: The request, complete, with a branch of its own.
        @param transport: What it is sent on.
        @param transactions: Where it is found while it is open.
        @param onProvisional: Called with each provisional response.  What it raises is logged.
        """
        super().__init__(transport, transactions)
        self.request = request
        self.method = request.method
        self.branch = request.viaBranch or ""
        self._onProvisional = onProvisional
        self._result: Deferred[IncomingResponse] | None = None

    def start(self) -> Deferred[IncomingResponse]:
        """
        Send the request.

        Cancelling the Deferred gives the request up.  It fails with
        L{TransactionCancelled} then, at once.

        @return: A Deferred of the final response.  It fails with
            L{LimitExceeded} where too many transactions are open, and where
            the transport does not take the request with L{NotConnected}, or
            with L{Congested} if it is connected.
        @raise ValueError: The request has no branch, or that of an open transaction.
        """
        try:
            self.transactions.addClient(self)
        except SIPError as error:
            return fail(_about(error, self.request, sent=False))
        result: Deferred[IncomingResponse] = Deferred(self._giveUp)
        self._result = result
        self._follow(Event.START)
        return result

    def receiveResponse(self, response: IncomingResponse) -> None:
        """
        Take a response with this transaction's branch.  Never raises.

        @param response: The response.  It is dropped where it is late or repeated.
        """
        raise NotImplementedError

    def _leave(self) -> None:
        self.transactions.removeClient(self)

    # How the Deferred ends.

    def _giveUp(self, result: Deferred[IncomingResponse]) -> None:
        raise NotImplementedError

    def _fail(self, error: BaseException) -> None:
        result, self._result = self._result, None
        if result is not None:
            result.errback(error)

    def _abandoned(self, error: SIPError) -> None:
        if self._result is not None:
            self._fail(_about(error, self.request, sent=True))

    # The actions of the tables.

    def _sendRequest(self, _: object) -> None:
        if self.request is not None:
            self._send(self.request)

    def _responseToTU(self, response: IncomingResponse) -> None:
        if response.statusCode < 200:
            if self._onProvisional is not None and self._result is not None:
                self._call(self._onProvisional, response)
            return
        result, self._result = self._result, None
        if result is not None:
            # An INVITE that is accepted stays for some time: not with all that has waited for it.
            self._onProvisional = None
            result.callback(response)

    def _timeoutToTU(self, _: object) -> None:
        reason = f"no final response to {self.method} within {self.transactions.timers.F:g} seconds"
        self._fail(TransactionTimeout(reason, request=self.request, sent=True))

    def _errorToTU(self, error: SIPError) -> None:
        # What was not sent has an error of its own already.
        self._fail(_about(error, self.request, sent=True))

    def _cancelledToTU(self, _: object) -> None:
        self._fail(TransactionCancelled(f"the {self.method} was cancelled", request=self.request, sent=True))

    ACTIONS = {
        Action.SEND_REQUEST: _sendRequest,
        Action.RESPONSE_TO_TU: _responseToTU,
        Action.TIMEOUT_TO_TU: _timeoutToTU,
        Action.ERROR_TO_TU: _errorToTU,
        Action.CANCELLED_TO_TU: _cancelledToTU,
    }


class NonInviteClientTransaction(ClientTransaction):
    """
    A transaction of any request but INVITE and ACK (RFC 3261 section 17.1.2).

    Cancelling its Deferred ends it: a response that still comes is dropped.
    """

    __slots__ = ()

    machine = NON_INVITE_CLIENT

    def receiveResponse(self, response: IncomingResponse) -> None:
        """Take a response with this transaction's branch.  Never raises."""
        # RFC 3261 section 17.1.3: "The method is needed since a CANCEL request constitutes a
        # different transaction, but shares the same value of the branch parameter."
        if response.method == self.method:
            self._follow(Event.PROVISIONAL if response.statusCode < 200 else Event.FINAL, response)

    def _giveUp(self, result: Deferred[IncomingResponse]) -> None:
        self._follow(Event.CANCEL)


class InviteClientTransaction(ClientTransaction):
    """
    A transaction of an INVITE (RFC 3261 section 17.1.1, RFC 6026).

    It acknowledges final responses other than 2xx by itself.  The ACK to each
    2xx is for its user to send: to the one that fires the Deferred, and to
    each that goes to C{onAccepted}.

    Cancelling its Deferred sends a CANCEL, as soon as the server has been heard
    of, and the transaction stays to acknowledge what comes of it.  A 2xx that
    comes all the same goes to C{onAccepted}: there is a session then, which
    its user must end.
    """

    __slots__ = ("_cancel", "_isAnswered", "_onAccepted")

    machine = INVITE_CLIENT

    def __init__(
        self,
        request: OutgoingRequest,
        transport: ITransport,
        transactions: Transactions,
        onProvisional: OnResponse | None = None,
        onAccepted: OnResponse | None = None,
    ) -> None:
        """
        @param onAccepted: Called with each 2xx but the one that fires the
            Deferred.  What it raises is logged.
        """
        super().__init__(request, transport, transactions, onProvisional)
        self._onAccepted = onAccepted
        self._cancel: OutgoingRequest | None = None
        self._isAnswered = False

    def receiveResponse(self, response: IncomingResponse) -> None:
        """Take a response with this transaction's branch.  Never raises."""
        if response.method == "INVITE":
            self._follow(_eventOf(response.statusCode), response)

    def cancel(self, headers: Iterable[tuple[str, object]] = ()) -> None:
        """
        Ask the server to give up (RFC 3261 section 9.1), and go on waiting for
        what it answers: 487 as a rule.

        The CANCEL goes out at once, or upon the first provisional response.
        Does nothing where the INVITE has been answered or cancelled.

        @param headers: Further headers of the CANCEL, such as Reason (RFC 3326).
        @raise ValueError: A header cannot be as it is given.
        """
        if self._cancel is None and self.request is not None:
            self._cancel = cancelFor(self.request, headers)
            self._follow(Event.CANCEL)

    def _giveUp(self, result: Deferred[IncomingResponse]) -> None:
        self.cancel()
        self._cancelledToTU(None)

    def _leave(self) -> None:
        super()._leave()
        self.transactions.answered -= self._isAnswered
        # Nothing comes any more; and who would be called may hold this.
        self._onAccepted = None

    def _responseToTU(self, response: IncomingResponse) -> None:
        if not self._isAnswered and 200 <= response.statusCode < 300:
            self._isAnswered = True
            self.transactions.answered += 1
            self.request = None
        if self._result is None and 200 <= response.statusCode < 300:
            # RFC 6026 section 7.2: "any retransmissions of the 2xx response or any additional
            # 2xx responses from other branches of a downstream fork".
            if self._onAccepted is not None:
                self._call(self._onAccepted, response)
            return
        super()._responseToTU(response)

    def _sendAck(self, response: IncomingResponse) -> None:
        if self.request is None:
            return
        try:
            ack = ackFor(self.request, response)
        except ValueError as error:
            self._log.warn("no ACK to a response that cannot be read: {error}", error=error)
            return
        self._send(ack)

    def _sendCancel(self, _: object) -> None:
        if self._cancel is None:
            return
        cancel = NonInviteClientTransaction(self._cancel, self.transport, self.transactions)
        # RFC 3261 section 9.1: "both the transaction corresponding to the original request
        # and the CANCEL transaction will complete independently".  How the second ends
        # changes nothing.
        cancel.start().addBoth(_ignore)

    def _sendCancelIfDue(self, _: object) -> None:
        if self._cancel is not None:
            self._follow(Event.CANCEL)

    def _logError(self, error: SIPError) -> None:
        self._log.debug("the transport of {transaction!r} failed: {error}", transaction=self, error=error)

    ACTIONS = ClientTransaction.ACTIONS | {
        Action.SEND_ACK: _sendAck,
        Action.SEND_CANCEL: _sendCancel,
        Action.SEND_CANCEL_IF_DUE: _sendCancelIfDue,
        Action.RESPONSE_TO_TU: _responseToTU,
        Action.LOG_ERROR: _logError,
    }


def _eventOf(statusCode: int) -> str:
    if statusCode < 200:
        return Event.PROVISIONAL
    return Event.SUCCESS if statusCode < 300 else Event.FAILURE


def _about(error: SIPError, request: OutgoingRequest | None, *, sent: bool) -> SIPError:
    """Make an error that concerns a whole connection one of this request's own, of the same type."""
    if not isinstance(error, (TransportError, TransactionError)) or error.request is request:
        return error
    # Not through the constructor, which is another for each type.
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    own.request, own.sent = request, sent
    own.__cause__ = error
    return own


def _ignore(_: object) -> None:
    """Take a result that nobody waits for."""
