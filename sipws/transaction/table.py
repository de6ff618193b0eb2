"""
The open transactions of a user agent or a server, and which of them a message
belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from sipws.errors import LimitExceeded
from sipws.interfaces import ITransactionTables
from sipws.transaction.base import CompiledTable, Transaction, compiledTables, compileTable
from sipws.transaction.delays import Delay
from sipws.transaction.matching import ServerTable, hasCookie, keyOfOld
from sipws.transaction.timers import DEFAULT_TIMERS, Timers

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from sipws.errors import SIPError, TransportError
    from sipws.interfaces import ITransport
    from sipws.message import IncomingRequest, OutgoingResponse
    from sipws.transaction.client import ClientTransaction
    from sipws.transaction.server import ServerTransaction

__all__ = ["Transactions"]

#: How many client transactions, and how many server transactions, may be open.
#: Each lasts 64*T1, 32 seconds, at most, so this is enough for 300 a second to
#: a server that has stopped to answer.
LIMIT = 10_000

#: The methods of requests that end what is open.
_ENDINGS = frozenset({"BYE", "CANCEL"})


@implementer(ITransactionTables)
class Transactions:
    """
    The open transactions.

    @ivar clock: What their timers run on.
    @ivar timers: How long these run.
    @ivar limit: How many client transactions, and how many server
        transactions, may be open: neither can crowd out the other.
    @ivar answered: How many of the former are INVITEs that were accepted, and
        stay for 64*T1 for what still comes (RFC 6026): these do not count.
    @ivar ict: The INVITE client transactions, by branch.
    @ivar nict: The other client transactions, by branch.
    @ivar ist: The INVITE server transactions; see L{ServerTable}.
    @ivar nist: The other server transactions, likewise.
    @ivar onServerLost: Called with a server transaction, and the error, when
        one of its responses could not be sent, or none can be any more; for
        those that have no C{onTransportLost} of their own.
    """

    __slots__ = (
        "__weakref__",
        "_acks",
        "_closing",
        "_compiled",
        "_delays",
        "_identities",
        "_waiting",
        "answered",
        "clock",
        "ict",
        "ist",
        "limit",
        "nict",
        "nist",
        "onServerLost",
        "timers",
    )

    def __init__(self, clock: IReactorTime, timers: Timers = DEFAULT_TIMERS, limit: int = LIMIT) -> None:
        """
        @param clock: The clock, that is, the reactor.
        @param timers: How long timers run.
        @param limit: See the attribute.
        """
        self.clock = clock
        self.timers = timers
        self.limit = limit
        self.answered = 0
        self.ict: dict[str, ClientTransaction] = {}
        self.nict: dict[str, ClientTransaction] = {}
        self.ist: ServerTable[ServerTransaction] = ServerTable()
        self.nist: ServerTable[ServerTransaction] = ServerTable()
        self._delays: dict[str, Delay[Transaction]] = {}
        self._compiled = compiledTables(timers)
        # How many server transactions there are of a request: more than one where it was
        # forked, and the copies were all taken.
        self._identities: dict[tuple[str | None, str, int, str], int] = {}
        # INVITEs of RFC 2543 that wait for their ACK, under what it will look like.
        self._acks: dict[str, ServerTransaction] = {}
        self._waiting: list[Deferred[None]] = []
        self._closing: SIPError | None = None
        self.onServerLost: Callable[[ServerTransaction, SIPError], object] | None = None

    def __len__(self) -> int:
        return len(self.ict) + len(self.nict) + len(self.ist) + len(self.nist)

    def __iter__(self) -> Iterator[Transaction]:
        return chain(self.ict.values(), self.nict.values(), self.ist.values(), self.nist.values())

    def __repr__(self) -> str:
        sizes = f"ict={len(self.ict)} nict={len(self.nict)} ist={len(self.ist)} nist={len(self.nist)}"
        return f"<Transactions {sizes}>"

    # What a request belongs to.

    def matchRequest(self, request: IncomingRequest) -> ServerTransaction | None:
        """
        Find the transaction that a request belongs to (RFC 3261 section 17.2.3).

        @param request: The request.
        @return: For a retransmission, what the original made; for an ACK with
            the branch of its INVITE, that of the INVITE; otherwise C{None}.
        """
        method = request.method
        if method == "INVITE":
            return self.ist.find(request, method)
        if method == "ACK":
            return self.ist.find(request, "INVITE") or self._findAcknowledged(request)
        return self.nist.find(request, method) if self.nist else None

    def findCancelled(self, request: IncomingRequest) -> ServerTransaction | None:
        """
        Find the transaction that a CANCEL means (RFC 3261 section 9.2).

        "The TU determines the transaction to be cancelled by taking the CANCEL
        request, and then assuming that the request method is anything but
        CANCEL or ACK and applying the transaction matching procedures".

        @param request: The CANCEL.
        @return: The transaction.  A CANCEL has an effect on that of an INVITE
            only, before its final response; it is answered with 200 in any case.
        """
        invite = self.ist.find(request, "INVITE")
        if invite is not None:
            return invite
        other = self.nist.get(request.viaBranch or "")
        if other is not None and other.method != "CANCEL" and other.sentBy == request.sentBy:
            return other
        return None

    def findMerged(self, request: IncomingRequest) -> bool:
        """
        Say whether a request has come before, by another way (RFC 3261 section 8.2.2.2).

        @param request: A request without To tag.
        @return: Whether "the From tag, Call-ID, and CSeq exactly match those
            associated with an ongoing transaction, but the request does not
            match that transaction".
        """
        return _identityOf(request) in self._identities and self.matchRequest(request) is None

    def _findAcknowledged(self, ack: IncomingRequest) -> ServerTransaction | None:
        if not self._acks:
            return None
        return self._acks.get(keyOfOld(ack, "ACK", ack.toTag))

    # Their ends.

    def transportLost(self, transport: ITransport, error: TransportError) -> None:
        """
        Tell those that used a transport that it is gone.

        What fails: requests without a final response.  What does not: whatever
        uses another transport, and INVITEs that have been answered.

        @param transport: The transport.
        @param error: What happened to it.
        """
        for transaction in [each for each in self if each.transport is transport]:
            transaction.transportLost(error)

    def close(self, error: SIPError) -> None:
        """
        End all, so that nothing is left, not even a timer.

        What is started meanwhile, by who is told of an end, fails likewise.
        Afterwards there can be transactions again.

        @param error: What the Deferreds fail with that wait for a final response.
        """
        self._closing = error
        try:
            for transaction in list(self):
                transaction.abandon(error)
        finally:
            self._closing = None
        self.ended()

    def whenIdle(self) -> Deferred[None]:
        """
        Wait until no request but INVITE waits for its final response: then a
        connection can be closed and nothing is lost.

        @return: A Deferred.  It can be cancelled.
        """
        if not self.nict:
            return succeed(None)
        waiter: Deferred[None] = Deferred(self._stopWaiting)
        self._waiting.append(waiter)
        return waiter

    def _stopWaiting(self, waiter: Deferred[None]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    # What transactions call.

    def tableOf(self, kind: type[Transaction]) -> CompiledTable:
        """
        Give the arrows of a kind of transaction.

        @param kind: The class.
        """
        table = self._compiled.get(kind)
        if table is None:
            table = self._compiled[kind] = compileTable(kind, self.timers)
        return table

    def delay(self, timer: str) -> Delay[Transaction]:
        """
        Give what runs a timer.

        @param timer: One of L{machines.Timer<sipws.transaction.machines.Timer>}.
        """
        delay = self._delays.get(timer)
        if delay is None:
            delay = self._delays[timer] = Delay(self.clock, timer, self.timers.seconds(timer))
        return delay

    def addClient(self, transaction: ClientTransaction) -> None:
        """
        Add a client transaction.

        @param transaction: The transaction.
        @raise LimitExceeded: Too many are open.  A CANCEL or a BYE is never too
            many: it makes fewer.
        @raise ValueError: It has no branch, or that of another.
        """
        method, branch = transaction.method, transaction.branch
        if self._closing is not None:
            raise self._closing
        if len(self.ict) + len(self.nict) - self.answered >= self.limit and method not in _ENDINGS:
            raise self._limitExceeded("client")
        table = self.ict if method == "INVITE" else self.nict
        if not branch or branch in table:
            # RFC 3261 section 8.1.1.7: "The branch parameter value MUST be unique across
            # space and time for all requests sent by the UA."
            raise ValueError(f"a {method} needs a Via with a branch of its own, not {branch!r}")
        table[branch] = transaction

    def removeClient(self, transaction: ClientTransaction) -> None:
        """
        Remove a client transaction.

        @param transaction: The transaction.
        """
        del (self.ict if transaction.method == "INVITE" else self.nict)[transaction.branch]

    def addServer(self, transaction: ServerTransaction) -> str:
        """
        Add a server transaction.

        @param transaction: The transaction.
        @return: Its key.
        @raise LimitExceeded: Too many are open.  Of CANCELs and BYEs, which make
            fewer, there may be as many again; but anybody can send them.
        """
        if self._closing is not None:
            raise self._closing
        limit = self.limit * 2 if transaction.method in _ENDINGS else self.limit
        if len(self.ist) + len(self.nist) >= limit:
            raise self._limitExceeded("server")
        request = transaction.request
        table = self.ist if transaction.method == "INVITE" else self.nist
        key = table.keyFor(request)
        table[key] = transaction
        identity = _identityOf(request)
        self._identities[identity] = self._identities.get(identity, 0) + 1
        return key

    def removeServer(self, transaction: ServerTransaction) -> None:
        """
        Remove a server transaction.

        @param transaction: The transaction.
        """
        del (self.ist if transaction.method == "INVITE" else self.nist)[transaction.key]
        identity = _identityOf(transaction.request)
        others = self._identities[identity] - 1
        if others:
            self._identities[identity] = others
        else:
            del self._identities[identity]
        if transaction.ackKey is not None:
            self._acks.pop(transaction.ackKey, None)

    def expectAck(self, transaction: ServerTransaction, response: OutgoingResponse) -> None:
        """
        Be ready for the ACK to a response to an INVITE, where its branch will
        not tell (RFC 2543).

        @param transaction: The INVITE's.
        @param response: The response.
        """
        if not hasCookie(transaction.branch):
            transaction.ackKey = keyOfOld(transaction.request, "ACK", response.toTag)
            self._acks[transaction.ackKey] = transaction

    def ended(self) -> None:
        """Take notice that a transaction has ended, and its user been told."""
        if self._waiting and not self.nict:
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                # One may have been cancelled by what another's callback did.
                if not waiter.called:
                    waiter.callback(None)

    def _limitExceeded(self, kind: str) -> LimitExceeded:
        reason = f"too many {kind} transactions are open"
        return LimitExceeded(reason, option="maxTransactions", limit=self.limit)


def _identityOf(request: IncomingRequest) -> tuple[str | None, str, int, str]:
    return (request.fromTag, request.callID, request.cseq, request.cseqMethod)
