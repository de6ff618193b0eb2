"""
What the embedded server does with a message: the way from a connection to the
registrar and the proxy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.logger import Logger

from sipws.errors import LimitExceeded, ParseError, SIPError
from sipws.message import Event, OutgoingResponse, sanity
from sipws.server.refusal import Headers, Refused
from sipws.transaction import InviteServerTransaction, NonInviteServerTransaction
from sipws.transaction.machines import State

if TYPE_CHECKING:
    from sipws.message import IncomingRequest, IncomingResponse
    from sipws.server.authentication import Gatekeeper
    from sipws.server.connection import Connection
    from sipws.server.eventstate import EventServer
    from sipws.server.location import Locations
    from sipws.server.names import Names, Tokens
    from sipws.server.proxy import Proxy
    from sipws.server.registrar import Registrar
    from sipws.server.routing import Path, Router
    from sipws.transaction import ServerTransaction, Transactions

__all__ = ["ServerCore"]

_log = Logger(namespace="sip.server")

#: The rules of L{sipws.message.sanityCheck} that are a proxy's, too.  RFC 3261
#: section 16.3: it "is not required to detect merged requests and MUST NOT treat
#: merged requests as an error condition".
_REQUEST_RULES = (
    sanity.checkVersion,
    sanity.checkMandatory,
    sanity.checkMethod,
    sanity.checkScheme,
    sanity.checkLength,
    sanity.checkMaxForwards,
)
_RESPONSE_RULES = (
    sanity.checkResponseVersion,
    sanity.checkResponseMandatory,
    sanity.checkResponseLength,
)

#: What the server itself can be asked for.
ALLOWED = "OPTIONS, REGISTER, PUBLISH, SUBSCRIBE"

#: When to come back if there are too many transactions, in seconds: they last 32 s at most.
RETRY_AFTER = 32


class ServerCore:
    """
    Gives each request to what it is for, and each response to what it is to.

    @ivar transactions: The open transactions.
    """

    def __init__(
        self,
        names: Names,
        tokens: Tokens,
        transactions: Transactions,
        gatekeeper: Gatekeeper,
        registrar: Registrar,
        locations: Locations,
        router: Router,
        proxy: Proxy,
        events: EventServer,
    ) -> None:
        self.transactions = transactions
        self._names = names
        self._tokens = tokens
        self._gatekeeper = gatekeeper
        self._registrar = registrar
        self._locations = locations
        self._router = router
        self._proxy = proxy
        self._events = events

    def receiveMalformed(self, error: ParseError, connection: Connection) -> None:
        """Take what is no message: a request that can be answered is, with 400."""
        _log.debug("not a message, from {connection}: {error}", connection=connection, error=error)
        sanity.rejectMalformed(error, cast("Any", None), connection)

    def receiveResponse(self, response: IncomingResponse, connection: Connection) -> None:
        """
        Take a response.

        One that matches nothing is dropped: RFC 6026 section 7.3, "The proxy
        MUST NOT forward the response if there is no matching client
        transaction".  Nor may one user answer for another.
        """
        if any(rule(response, None) is not None for rule in _RESPONSE_RULES):
            return
        table = self.transactions.ict if response.method == "INVITE" else self.transactions.nict
        transaction = table.get(response.viaBranch or "")
        if transaction is not None and connection.carries(transaction):
            transaction.receiveResponse(response)

    def receiveRequest(self, request: IncomingRequest, connection: Connection) -> None:
        """Take a request: start its transaction, and answer it or send it on its way."""
        for rule in _REQUEST_RULES:
            refusal = rule(request, None)
            if refusal is not None:
                self._respond(connection, request, *refusal)
                return
        transaction = self.transactions.matchRequest(request)
        if request.method == "ACK" and (transaction is None or transaction.state is State.ACCEPTED):
            # RFC 6026 section 8.7: "If an ACK is received while the INVITE server transaction is in the
            # "Accepted" state, then the ACK must be passed up to the TU."
            self._acknowledge(request, connection)
        elif transaction is not None:
            self._repeated(request, connection, transaction)
        else:
            self._begin(request, connection)

    def _repeated(
        self, request: IncomingRequest, connection: Connection, transaction: ServerTransaction
    ) -> None:
        if connection.carries(transaction):
            transaction.receiveRequest(request)
        else:
            self._respond(connection, request, 400, "Bad Request - Via: another's branch")

    def _acknowledge(self, request: IncomingRequest, connection: Connection) -> None:
        if request.toTag == sanity.statelessTag(request):
            # It is of what was answered here without a transaction, as RFC 3261 section 8.2.7 lets it be:
            # nobody else has heard of its INVITE.
            return
        try:
            self._proxy.validate(request)
            self._proxy.acknowledge(request, connection, self._router.follow(request, connection))
        except (Refused, ValueError) as error:
            # RFC 3261 section 17: there are no responses to an ACK.
            _log.debug("an ACK was dropped: {error}", error=error)

    def _begin(self, request: IncomingRequest, connection: Connection) -> None:
        kind = InviteServerTransaction if request.method == "INVITE" else NonInviteServerTransaction
        try:
            transaction = kind(request, connection, self.transactions)
        except LimitExceeded:
            self._respond(connection, request, 503, headers=[("Retry-After", RETRY_AFTER)])
            return
        try:
            self._process(request, connection, transaction)
        except Refused as refusal:
            self._refuse(transaction, connection, refusal.statusCode, refusal.reasonPhrase, refusal.headers)
        except ParseError as error:
            self._refuse(transaction, connection, 400, _reason(error))
        except ValueError:
            self._refuse(transaction, connection, 400)
        except Exception:  # noqa: BLE001 -- one request must not end what others share
            _log.failure("a {method} could not be processed", method=request.method)
            self._answer(transaction, 500)

    def _refuse(
        self,
        transaction: ServerTransaction,
        connection: Connection,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Headers = (),
    ) -> None:
        """
        Say that a request is not taken: for an INVITE without a transaction, which would wait for an ACK.

        Anybody may send what is refused.  RFC 3261 section 26.3.2.4, of challenges: "UAs and proxy
        servers SHOULD challenge questionable requests with only a single 401 (Unauthorized) or
        407 (Proxy Authentication Required), forgoing the normal response retransmission
        algorithm, and thus behaving statelessly towards unauthenticated requests."
        """
        request = transaction.request
        if request.method == "INVITE":
            transaction.abandon(SIPError("answered without a transaction"))
            self._respond(connection, request, statusCode, reasonPhrase, headers)
        else:
            self._answer(transaction, statusCode, reasonPhrase, headers)

    def _process(
        self, request: IncomingRequest, connection: Connection, transaction: ServerTransaction
    ) -> None:
        if request.method == "CANCEL":
            self._cancel(request, connection, transaction)
            return
        path = self._router.follow(request, connection)
        if self._isOfEvents(request, path):
            self._takeEvents(request, connection, transaction, path)
            return
        if _isForServer(request, path):
            self._answer(transaction, 200, headers=self._serve(request, connection))
            return
        self._proxy.validate(request)
        if not self._router.isWithinDialog(request, path):
            self._gatekeeper.admit(request, self._names.caller(request, connection), asProxy=True)
        self._proxy.forward(transaction, connection, path, self._isKnown)

    def _cancel(
        self, request: IncomingRequest, connection: Connection, transaction: ServerTransaction
    ) -> None:
        """
        Section 16.10: "If a matching response context is found, the element
        MUST immediately return a 200 (OK) response to the CANCEL request."
        """
        cancelled = self.transactions.findCancelled(request)
        if cancelled is None or not connection.carries(cancelled):
            raise Refused(481)
        self._answer(transaction, 200)
        self._proxy.cancel(cancelled)

    # Event state.

    def _isOfEvents(self, request: IncomingRequest, path: Path) -> bool:
        if path.routes or path.token is not None or not path.isOurs:
            return False
        if path.uri.user is None:
            # Our Contact, in a subscription's dialog.
            return request.method == "SUBSCRIBE" and request.toTag is not None
        return self._events.knows(request)

    def _takeEvents(
        self, request: IncomingRequest, connection: Connection, transaction: ServerTransaction, path: Path
    ) -> None:
        self._refuseExtensions(request)
        user = path.uri.user
        if user is None:
            # Nobody but the subscriber knows the dialog's tags.
            self._events.refresh(request)
            return
        proof = self._admitToEvents(request, connection, user)
        if request.method == "PUBLISH":
            self._answer(transaction, 200, headers=[*self._events.publish(user, request), *proof])
        else:
            self._events.subscribe(request)

    def _admitToEvents(self, request: IncomingRequest, connection: Connection, user: str) -> Headers:
        # RFC 3903 section 14.1: "an EPA [...] is authorized to publish"; RFC 6665 section 4.2.1.3:
        # "authentication for SUBSCRIBE requests will always be performed via a 401".
        caller = self._names.caller(request, connection)
        proof = self._gatekeeper.admit(request, caller, asProxy=False)
        users = self._gatekeeper.users
        if users is not None and user not in users:
            raise Refused(404)
        # That there are messages is for whoever has them to say: a mailbox is a user of its own.
        isOwn = caller == user or eventPackageOf(request) == "message-summary"
        if users is not None and request.method == "PUBLISH" and not isOwn:
            raise Refused(403)
        return proof

    # What is for the server itself.

    def _serve(self, request: IncomingRequest, connection: Connection) -> Headers:
        self._refuseExtensions(request)
        if request.method == "REGISTER":
            return self._register(request, connection)
        if request.method == "OPTIONS":
            return [("Allow", ALLOWED), ("Allow-Events", ", ".join(self._events.packages))]
        # Section 8.2.1: "The UAS MUST also add an Allow header field to the 405".
        raise Refused(405, headers=[("Allow", ALLOWED)])

    def _refuseExtensions(self, request: IncomingRequest) -> None:
        # Section 8.2.2.3: "the UAS MUST respond by generating a response with status code 420".
        required = request.getHeaders("Require")
        if required:
            raise Refused(420, headers=[("Unsupported", tag) for tag in required])

    def _register(self, request: IncomingRequest, connection: Connection) -> Headers:
        uri = request.toHeader.uri
        user = uri.user if self._names.isOurs(uri, connection) else None
        proof = self._gatekeeper.admit(request, user, asProxy=False)
        if user is None:
            # Section 10.3, step 5: "If the address-of-record is not valid for the domain in the
            # Request-URI, the registrar MUST send a 404 (Not Found) response".
            raise Refused(404)
        return [*self._registrar.register(self._names.addressOfRecord(user), request, connection), *proof]

    def _isKnown(self, user: str) -> bool:
        users = self._gatekeeper.users
        if users is not None:
            return user in users
        aor = self._names.addressOfRecord(user)
        return aor in self._locations or self._locations.hadBindings(aor)

    # Answers.

    def _answer(
        self,
        transaction: ServerTransaction,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Headers = (),
    ) -> None:
        transaction.respond(
            OutgoingResponse(
                transaction.request, statusCode, reasonPhrase, headers, toTag=self._tokens.word()
            )
        )

    def _respond(
        self,
        connection: Connection,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Headers = (),
    ) -> None:
        """Answer without a transaction; an ACK never is answered (RFC 3261 section 17.1.1.3)."""
        if request.method != "ACK":
            tag = sanity.statelessTag(request)
            connection.send(OutgoingResponse(request, statusCode, reasonPhrase, headers, toTag=tag))


def _isForServer(request: IncomingRequest, path: Path) -> bool:
    if path.routes or path.token is not None or not path.isOurs:
        return False
    return request.method == "REGISTER" or path.uri.user is None


def eventPackageOf(request: IncomingRequest) -> str | None:
    """Give the event package of a request, if it has one that can be read."""
    event = request.parseHeader("Event")
    return event.package if isinstance(event, Event) else None


def _reason(error: ParseError) -> str:
    return "Bad Request" if error.header is None else f"Malformed {error.header}"
