"""
The stateful proxy (RFC 3261 section 16): forwards requests between users.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.server.context import ResponseContext
from sipws.server.copying import copyRequest, maxForwards
from sipws.server.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipws.message import IncomingRequest, OutgoingRequest
    from sipws.server.connection import Connection
    from sipws.server.names import Names, Tokens
    from sipws.server.routing import Path, Router, Target
    from sipws.transaction import ServerTransaction, Transactions

__all__ = ["Proxy"]

#: Requests that never make a dialog.  All others are recorded, unknown ones
#: too: section 16.6, step 4, "it SHOULD add a Record-Route header field value
#: to every request with a method it does not understand since that method may
#: have dialog semantics"; for NOTIFY see RFC 6665 section 4.3.
_MAKE_NO_DIALOG = frozenset(
    {"ACK", "BYE", "CANCEL", "INFO", "MESSAGE", "OPTIONS", "PRACK", "PUBLISH", "REGISTER", "UPDATE"}
)


class Proxy:
    """Forwards requests, and the responses to them."""

    def __init__(self, names: Names, tokens: Tokens, router: Router, transactions: Transactions) -> None:
        self._names = names
        self._tokens = tokens
        self._router = router
        self._transactions = transactions
        self._contexts: dict[ServerTransaction, ResponseContext] = {}

    def __len__(self) -> int:
        """How many requests are on their way."""
        return len(self._contexts)

    def validate(self, request: IncomingRequest) -> None:
        """
        See whether a request may be forwarded (section 16.3, steps 3 and 5).

        @raise Refused: It may not.
        @raise ParseError: Its Max-Forwards is malformed.
        """
        if maxForwards(request) == 0:
            raise Refused(483)
        # "If the request contains a Proxy-Require header field with one or more option-tags this
        # element does not understand, the element MUST return a 420 (Bad Extension) response.
        # The response MUST include an Unsupported header field".
        required = request.getHeaders("Proxy-Require")
        if required:
            raise Refused(420, headers=[("Unsupported", tag) for tag in required])

    def forward(
        self,
        transaction: ServerTransaction,
        connection: Connection,
        path: Path,
        isKnown: Callable[[str], bool],
    ) -> None:
        """
        Forward a request to all its targets.

        @param transaction: The request's.
        @param connection: What it came on.
        @param path: Its way.
        @param isKnown: Tells whether a user who is not there exists.
        @raise Refused: It has no target.
        @raise ValueError: It cannot be forwarded as it is.
        """
        context = ResponseContext(
            transaction,
            self._transactions,
            self._router.targets(path, isKnown),
            lambda target: self._copy(transaction.request, connection, path, target),
            self._tokens.word(),
            lambda: self._contexts.pop(transaction, None),
        )
        self._contexts[transaction] = context
        context.start()

    def acknowledge(self, request: IncomingRequest, connection: Connection, path: Path) -> None:
        """
        Forward an ACK to a 2xx, which belongs to no transaction (section 16.11).

        @raise Refused: It has no target.
        @raise ValueError: It cannot be forwarded as it is.
        """
        for target in self._router.targets(path, _nobody)[0]:
            target.connection.send(self._copy(request, connection, path, target))

    def cancel(self, transaction: ServerTransaction) -> None:
        """
        Give a request up (section 16.10).

        @param transaction: The request's.
        """
        context = self._contexts.get(transaction)
        if context is not None:
            context.cancel()

    def connectionLost(self, connection: Connection) -> None:
        """Give up what a connection has asked for: nobody waits for it any more."""
        for transaction, context in list(self._contexts.items()):
            if connection.carries(transaction):
                context.cancel()

    def _copy(
        self, request: IncomingRequest, connection: Connection, path: Path, target: Target
    ) -> OutgoingRequest:
        recorded = request.method not in _MAKE_NO_DIALOG
        transport = target.connection.viaTransport
        return copyRequest(
            request,
            target.uri,
            via=f"SIP/2.0/{transport} {self._names.domain};branch={self._tokens.branch()}",
            routes=path.routes,
            recordRoutes=self._router.recordRoutes(connection, target.connection) if recorded else (),
            realm=self._names.domain,
        )


def _nobody(user: str) -> bool:
    return False
