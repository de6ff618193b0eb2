"""
A request on its way: the response context of RFC 3261 section 16, which joins
a server transaction with the client transactions that it was forwarded by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from twisted.logger import Logger

from sipws.errors import LimitExceeded, SIPError, TransactionTimeout, TransportError
from sipws.message import OutgoingResponse
from sipws.server.copying import copyResponse
from sipws.transaction import InviteClientTransaction, NonInviteClientTransaction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from sipws.message import IncomingRequest, IncomingResponse, OutgoingRequest
    from sipws.server.routing import Target
    from sipws.transaction import ServerTransaction, Transactions

__all__ = ["TIMER_C", "ResponseContext", "best"]

_log = Logger(namespace="sip.server.proxy")

#: How long, in seconds, an INVITE may ring: section 16.6, step 11, "The timer MUST be larger than 3 minutes."
TIMER_C = 181.0

#: Responses that tell how to do better: section 16.7, step 6, "The proxy SHOULD give preference to
#: responses that provide information affecting resubmission of this request".
_HELPFUL = (401, 407, 415, 420, 484)

#: Where challenges stand.
_CHALLENGES = ("WWW-Authenticate", "Proxy-Authenticate")


@attrs.frozen
class Outcome:
    """
    How forwarding to one target ended.

    @ivar statusCode: The status code of the final response, or what counts as one.
    @ivar response: The response; C{None} where there was none.
    """

    statusCode: int
    response: IncomingResponse | None = None


def best(outcomes: Sequence[Outcome]) -> Outcome:
    """
    Choose what is answered (section 16.7, step 6).

    "If there are no final responses in the context, the proxy MUST send a 408
    [...].  It MUST choose from the 6xx class responses if any exist in the
    context.  If no 6xx class responses are present, the proxy SHOULD choose
    from the lowest response class stored in the response context."
    """
    return min(outcomes, key=_rank, default=Outcome(408))


def _rank(outcome: Outcome) -> tuple[int, bool, bool]:
    statusCode = outcome.statusCode
    # A target that does not answer is less than any that does.
    silent = outcome.response is None
    return (0 if statusCode >= 600 else statusCode // 100, statusCode not in _HELPFUL, silent)


class Branch:
    """
    A forwarded request.

    @ivar transaction: Its client transaction.
    @ivar others: Other flows to the same user agent.
    @ivar timer: Timer C, for an INVITE.
    @ivar isAgain: Whether the user agent was sent it before, by a flow that has failed.
    @ivar isHeard: Whether the user agent has said anything of an INVITE.
    """

    __slots__ = ("isAgain", "isHeard", "isPending", "others", "timer", "transaction")

    def __init__(
        self,
        transaction: InviteClientTransaction | NonInviteClientTransaction,
        others: tuple[Target, ...],
    ) -> None:
        self.transaction = transaction
        self.others = others
        self.isAgain = False
        self.isHeard = False
        self.timer: IDelayedCall | None = None
        self.isPending = True

    def cancel(self) -> None:
        """Give it up, if that can be done: it still gets its final response (section 9.1)."""
        if self.isPending and isinstance(self.transaction, InviteClientTransaction):
            self.transaction.cancel()

    def done(self) -> None:
        """It has its final response, or none will come."""
        self.isPending = False
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()


class ResponseContext:
    """Forwards one request, and the responses to it."""

    __slots__ = (
        "_branches",
        "_build",
        "_groups",
        "_isCancelled",
        "_isFinished",
        "_onDone",
        "_outcomes",
        "_request",
        "_tag",
        "_transaction",
        "_transactions",
    )

    def __init__(
        self,
        transaction: ServerTransaction,
        transactions: Transactions,
        groups: list[list[Target]],
        build: Callable[[Target], OutgoingRequest],
        tag: str,
        onDone: Callable[[], object],
    ) -> None:
        """
        @param transaction: That of the request.
        @param transactions: Where the transactions are.
        @param groups: Where to forward it to; see L{Router.targets<sipws.server.routing.Router.targets>}.
        @param build: Makes the request to forward.
        @param tag: The To tag of responses of the server's own.
        @param onDone: Called when it has ended at all its targets.
        """
        self._transaction = transaction
        self._transactions = transactions
        self._request: IncomingRequest = transaction.request
        self._groups = groups
        self._build = build
        self._tag = tag
        self._onDone = onDone
        self._branches: list[Branch] = []
        self._outcomes: list[Outcome] = []
        self._isCancelled = False
        self._isFinished = False

    def start(self) -> None:
        """
        Forward to the next group of targets.

        @raise ValueError: The request cannot be forwarded as it is.
        """
        self._send(self._groups.pop(0))

    def _send(self, targets: Sequence[Target], *, isAgain: bool = False) -> None:
        requests = [(target, self._build(target)) for target in targets]
        branches = [(self._branch(target, request), request) for target, request in requests]
        self._branches += [branch for branch, _ in branches]
        for branch, _ in branches:
            branch.isAgain = isAgain
            branch.transaction.start().addCallbacks(
                self._final, self._failed, callbackArgs=(branch,), errbackArgs=(branch,)
            ).addErrback(self._broken)

    def _branch(self, target: Target, request: OutgoingRequest) -> Branch:
        if request.method != "INVITE":
            transaction = NonInviteClientTransaction(request, target.connection, self._transactions)
            return Branch(transaction, target.others)
        branch = Branch(
            InviteClientTransaction(
                request,
                target.connection,
                self._transactions,
                onProvisional=lambda response: self._provisional(branch, response),
                onAccepted=self._forward,
            ),
            target.others,
        )
        self._setTimerC(branch)
        return branch

    def cancel(self) -> None:
        """
        Give the request up: its sender has cancelled it, or is gone.

        Section 16.10: "the element MUST generate CANCEL requests for all
        pending client transactions in the context".
        """
        self._isCancelled = True
        for branch in self._branches:
            branch.cancel()

    # Responses.

    def _provisional(self, branch: Branch, response: IncomingResponse) -> None:
        # Section 16.7, steps 2 and 5: "(i.e., anything but 100), the proxy MUST reset timer
        # C"; "a stateful proxy MUST NOT forward any 100 (Trying) response".
        if response.statusCode > 100 and branch.isPending:
            branch.isHeard = True
            self._setTimerC(branch)
            if not self._isFinished:
                self._forward(response)

    def _final(self, response: IncomingResponse, branch: Branch) -> None:
        branch.done()
        if response.statusCode < 300:
            # Step 5: "Any 2xx response" is forwarded immediately.  After a final response
            # the server transaction lets nothing through but further 2xx to an INVITE.
            self._forward(response)
            self._isFinished = True
            # Step 10: "If the forwarded response was a final response, the proxy MUST
            # generate a CANCEL request for all pending client transactions".
            self.cancel()
        else:
            # RFC 3261 section 8.2.2.2: a user agent answers 482 while it has the same by another way.
            # That is the flow that has failed: nothing comes of it.
            isLost = branch.isAgain and response.statusCode == 482
            self._outcomes.append(Outcome(480) if isLost else Outcome(response.statusCode, response))
            if response.statusCode >= 600:
                # Step 5: "If a 6xx response is received, [...] the stateful proxy SHOULD cancel
                # all client pending transactions [...], and it MUST NOT create any new branches".
                self.cancel()
        self._proceed()

    def _failed(self, failure: Failure, branch: Branch) -> None:
        branch.done()
        if self._mayTakeAnotherFlow(failure, branch):
            first, *others = branch.others
            self._send([attrs.evolve(first, others=tuple(others))], isAgain=True)
            return
        self._outcomes.append(Outcome(_statusOf(failure)))
        self._proceed()

    def _mayTakeAnotherFlow(self, failure: Failure, branch: Branch) -> bool:
        """
        Say whether a request may go to its user agent again, by another flow.

        RFC 5626 section 7: "If a request for a particular AOR and instance-id fails
        with a 430 (Flow Failed) response, the proxy SHOULD replace the failed branch
        with another target (if one is available) with the same AOR and instance-id".
        That it has arrived is no harm to an INVITE, which is known by its tags.
        """
        error = failure.value
        if not branch.others or self._isCancelled or not isinstance(error, TransportError):
            return False
        return error.sent is False or (self._request.method == "INVITE" and not branch.isHeard)

    def _broken(self, failure: Failure) -> None:
        """Answer all the same where something went wrong here, or a response cannot be forwarded."""
        _log.failure("a {method} could not be forwarded", failure, method=self._request.method)
        self._groups.clear()
        self._outcomes = [Outcome(500)]
        self._proceed()

    def _proceed(self) -> None:
        """Go on when all that was forwarded so far has ended."""
        if any(branch.isPending for branch in self._branches):
            return
        if self._groups and not self._isFinished and not self._isCancelled:
            self.start()
            return
        if not self._isFinished:
            self._respondBest()
            self._isFinished = True
        self._onDone()

    def _respondBest(self) -> None:
        chosen = best(self._outcomes)
        if chosen.response is None or chosen.statusCode == 503:
            self._respondSelf(chosen)
        else:
            self._forward(chosen.response, self._challenges(chosen))

    def _respondSelf(self, outcome: Outcome) -> None:
        statusCode = outcome.statusCode
        if outcome.response is not None:
            # Step 6: "If the only response that was received is a 503, the proxy SHOULD
            # generate a 500 response and forward that upstream."
            statusCode = 500
        elif statusCode in (408, 480) and self._isCancelled:
            # Section 9.2 has the user agent say so, which is silent, or is gone by now.
            statusCode = 487
        self._transaction.respond(OutgoingResponse(self._request, statusCode, toTag=self._tag))

    def _challenges(self, chosen: Outcome) -> list[tuple[str, str]]:
        """
        Collect the challenges beside those of the chosen response.

        Step 7: "If the selected response is a 401 (Unauthorized) or 407 [...],
        the proxy MUST collect any WWW-Authenticate and Proxy-Authenticate
        header field values from all other 401 (Unauthorized) and 407 [...]
        responses received so far".
        """
        if chosen.statusCode not in (401, 407):
            return []
        return [
            (name, value)
            for outcome in self._outcomes
            if outcome is not chosen and outcome.response and outcome.statusCode in (401, 407)
            for name in _CHALLENGES
            for value in outcome.response.getHeaders(name)
        ]

    def _forward(self, response: IncomingResponse, challenges: Sequence[tuple[str, str]] = ()) -> None:
        self._transaction.respond(copyResponse(self._request, response, challenges))

    def _setTimerC(self, branch: Branch) -> None:
        if branch.timer is not None:
            # A response may cross the CANCEL that it has brought about.
            if branch.timer.active():
                branch.timer.reset(TIMER_C)
        else:
            # Section 16.8: "If the client transaction has received a provisional response,
            # the proxy MUST generate a CANCEL request".  Without one, timer B was first.
            branch.timer = self._transactions.clock.callLater(TIMER_C, branch.cancel)


def _statusOf(failure: Failure) -> int:
    """
    Give the status code that a failure counts as.

    Section 16.6, step 7, has 408 for a timeout.  Section 16.9 has 503 for a
    lost connection, which would be answered 500; but a user's bindings are
    lost with the connection, so that 480 is known to be true.
    """
    kind = failure.check(TransactionTimeout, LimitExceeded, SIPError)
    return {TransactionTimeout: 408, LimitExceeded: 503, SIPError: 480}.get(kind, 500)
