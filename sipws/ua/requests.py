"""
Building requests outside of dialogs (RFC 3261 section 8.1.1).

A request is built whole but for what depends on the connection that it will
leave on, Via and Route, unless that is known: L{RequestBuilder.address} adds these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from sipws.config.optiontags import Where, supportedTags
from sipws.interfaces import C, ITransport
from sipws.message import URI, NameAddr, OutgoingRequest
from sipws.message.given import checkPairs, checkTexts
from sipws.message.nameaddr import Route
from sipws.message.names import canonicalName
from sipws.message.outgoing import checkedHeaders, checkMethod, checkValues
from sipws.ua.targets import normalizeTarget

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from sipws.config import WsServer
    from sipws.dialog import Dialog
    from sipws.errors import TransportError
    from sipws.message import IncomingResponse
    from sipws.ua.binding import Binding
    from sipws.ua.identity import Identity
    from sipws.ua.tokens import Tokens

__all__ = ["Headers", "IServedTransport", "RequestBuilder", "normalizeTarget"]

#: Headers as a caller gives them: pairs, or a mapping.
Headers = Iterable[tuple[str, object]] | Mapping[str, object]

#: Requests that must carry a Contact (RFC 3261 section 20, table 2; RFC 6665, RFC 3515, RFC 3311).
#: MESSAGE must not (RFC 3428 section 4), and REGISTER is given its own.
DIALOG_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER", "UPDATE"})

_MAX_FORWARDS = str(C.MAX_FORWARDS)

#: Headers of which a request has one: a caller's takes the place of ours.
_SINGLE = frozenset(
    {
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Max-Forwards",
        "User-Agent",
        "Content-Type",
        "Contact",
        "Supported",
        "Allow",
        "Date",
    }
)

#: Requests that say nothing of who they come from beside From (RFC 3325 section 9; RFC 5876 section 4).
_WITHOUT_IDENTITY = frozenset({"REGISTER", "ACK", "CANCEL"})

#: Headers that are never a caller's.
_OURS = {
    "v": "the transaction's branch stands in it",
    "via": "the transaction's branch stands in it",
    "l": "it follows from the body",
    "content-length": "it follows from the body",
}

#: Headers that are those of one attempt to send a request, and no other's.
_OF_ONE_ATTEMPT = frozenset({"Via", "Authorization", "Proxy-Authorization"})


def pairsOf(headers: Headers) -> list[tuple[str, object]]:
    """List headers that a caller has given."""
    if not headers:
        return []
    # What is a list is no mapping, and that is seen faster.
    checkTexts("headers", headers, "(name, value)")
    pairs = [*(headers.items() if type(headers) is not list and isinstance(headers, Mapping) else headers)]
    checkPairs(pairs)
    return pairs


class IServedTransport(Protocol):
    """What a user agent's own transport has beside what L{ITransport} promises."""

    ua: Any
    server: WsServer
    closed: bool
    lastTransportError: TransportError | None

    @property
    def viaTransport(self) -> str:
        """What a Via says of it (RFC 7118 section 5.2)."""

    @property
    def isClosing(self) -> bool:
        """Whether the connection is being closed, and its end will be told of."""

    def disconnect(self) -> object:
        """Close the connection, or end the attempts to make one."""

    def abort(self) -> object:
        """The same, without waiting for anything."""

    def whenWritable(self) -> Deferred[None]:
        """Wait until nothing waits for the server to read; fail where the connection ends first."""

    def pauseReading(self) -> object:
        """Read nothing more, until L{resumeReading} or the end of the connection."""

    def resumeReading(self) -> object:
        """Read again."""


class RequestBuilder:
    """
    Builds the requests of one user agent.

    @ivar identity: Who they come from.
    @ivar tokens: Where their tags, Call-IDs and branches come from.
    @ivar preloads: Whether some of them have a Route of ours, which depends on the connection.
    """

    __slots__ = (
        "_allow",
        "_date",
        "_fixed",
        "_known",
        "_sentBy",
        "_viaTransport",
        "identity",
        "preloads",
        "tokens",
    )

    def __init__(
        self,
        identity: Identity,
        tokens: Tokens,
        allow: Callable[[], str],
        date: Callable[[], str],
    ) -> None:
        """
        @param allow: Gives the value of Allow.
        @param date: Gives the value of Date.
        """
        options = identity.configuration
        self.identity = identity
        self.tokens = tokens
        self._allow = allow
        self._date = date if options.sendDate else None
        self._fixed = checkedHeaders(
            [*_supported(supportedTags(options, Where.ALL)), ("User-Agent", options.userAgentString)]
        )
        # Who we are is known within a dialog; but what is private stays so.
        self._known = [*self._fixed, *(pair for pair in identity.caller if pair[0] == "Privacy")]
        self.preloads = options.usePreloadedRoute or bool(options.outboundProxy)
        self._viaTransport = "TCP" if options.hackViaTcp else None
        self._sentBy = f"{options.viaHost}{';rport' if options.forceRport else ''};branch="

    def build(
        self,
        method: str,
        target: URI | str,
        headers: Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        transport: IServedTransport | None = None,
    ) -> OutgoingRequest:
        """
        Build a request.

        @param method: Its method.
        @param target: Its Request-URI, as L{normalizeTarget} takes it.
        @param headers: Further headers.  Those of which a request has but one
            take the place of ours.
        @param body: Its body; text goes out as UTF-8.
        @param contentType: The type of the body.
        @param transport: What it will be sent on, at once; C{None}: it has to
            be given to L{address}.
        @raise ValueError: The target is no URI, a header cannot be as it is given, or a body has no type.
        """
        checkMethod(method)
        identity = self.identity
        uri = normalizeTarget(target, identity.domain)
        tag, callID, branch = self.tokens.identifiers()
        callID = identity.callIDPrefix + callID
        pairs = [
            ("Max-Forwards", _MAX_FORWARDS),
            ("From", identity.fromPrefix + tag),
            ("To", f"<{uri}>"),
            ("Call-ID", callID),
            ("CSeq", f"1 {method}"),
            *self._fixed,
        ]
        known: dict[str, Any] = {"Via": None, "From": tag, "To": None, "Call-ID": callID, "CSeq": 1}
        given = pairsOf(headers)
        if identity.caller and method not in _WITHOUT_IDENTITY:
            pairs += _besides(identity.caller, given)
        if method in DIALOG_METHODS:
            scheme = uri.partition(":")[0].lower()
            anonymous = identity.findGRUU is not None and _isAnonymous(given)
            contact = identity.contactFor(scheme, dialog=True, anonymous=anonymous)
            pairs += [("Contact", contact), ("Allow", self._allow())]
        if self._date is not None:
            pairs.append(("Date", self._date()))
        if contentType is not None:
            pairs.append(("Content-Type", contentType))
        checkValues(pairs)
        if given:
            _addHeaders(pairs, given, tag, known)
        if body and contentType is None:
            _checkTyped(method, (name for name, _ in pairs))
        request = OutgoingRequest.assemble(method, uri, pairs, body, known)
        if transport is not None and not self.preloads:
            request.prependVia(self._via(transport, branch), branch)
        return request

    def within(
        self,
        dialog: Dialog,
        method: str,
        headers: Iterable[tuple[str, object]],
        body: bytes | str,
        contentType: str | None,
    ) -> OutgoingRequest:
        """
        Build a request within a dialog, for L{address}.

        @param dialog: The dialog.
        @raise ValueError: It has no such request, or no more requests, a header cannot be
            as it is given, or a body has no type.
        """
        if body and contentType is None:
            headers = [*headers]
            _checkTyped(method, (canonicalName(name) for name, _ in headers))
        return dialog.request(method, headers, body, self._within(method, contentType))

    def acknowledgeWithin(
        self,
        dialog: Dialog,
        cseq: int,
        headers: Iterable[tuple[str, object]],
        body: bytes | str,
        contentType: str | None,
    ) -> OutgoingRequest:
        """
        Build the ACK to a 2xx that has made a dialog, or came within one, for L{address}.

        @param dialog: The dialog.
        @param cseq: The number of the INVITE.
        @raise ValueError: As of L{within}.
        """
        return dialog.ack(cseq, headers, body, self._within("ACK", contentType))

    def _within(self, method: str, contentType: str | None) -> list[tuple[str, str]]:
        """List the headers that all requests of ours within a dialog have, beside those of the dialog."""
        ours = self._fixed if method in _WITHOUT_IDENTITY else self._known
        further: list[tuple[str, str]] = []
        if method in DIALOG_METHODS:
            further.append(("Allow", self._allow()))
        if self._date is not None:
            further.append(("Date", self._date()))
        if contentType is not None:
            further.append(("Content-Type", contentType))
        if not further:
            return ours
        checkValues(further)
        return ours + further

    def register(self, callID: str, cseq: int, expires: int, regID: int = 1) -> OutgoingRequest:
        """
        Build a REGISTER (RFC 3261 section 10.2), for L{address}.

        @param callID: The Call-ID of all of them.
        @param cseq: One higher than that of the last.
        @param expires: For how long, in seconds; 0 removes the binding.
        @param regID: Which of the flows it is for, where there is an instance.
        """
        options = self.identity.configuration
        assert options.registrarServer is not None
        contact = f"<{self.identity.contact}>;expires={expires}"
        if options.instanceId is not None:
            # RFC 5626 section 4.2.1: the instance, and the flow.
            contact += f';+sip.instance="<urn:uuid:{options.instanceId}>";reg-id={regID}'
        # Whoever is anonymous is not so to the registrar.
        sender = [("From", self.identity.address)] if options.anonymous else []
        return self.build(
            "REGISTER",
            options.registrarServer,
            [
                *sender,
                ("To", f"<{self.identity.uri}>"),
                ("Call-ID", callID),
                ("CSeq", f"{cseq} REGISTER"),
                ("Contact", contact),
                ("Expires", expires),
                ("Allow", self._allow()),
                *_supported(supportedTags(options, Where.REGISTER)),
            ],
        )

    def address(self, request: OutgoingRequest, way: ITransport) -> None:
        """
        Give a request the Via, with a branch of its own, and the Route that
        it leaves with.

        @param request: A request that has none of these.
        @param way: What it will be sent on: one of the user agent's own.
        """
        transport: Any = way
        # RFC 3261 section 8.1.2: a pre-existing route set may be configured; RFC 7118's examples route by
        # the connection instead, so it is off by default.  Within a dialog it is the dialog's (12.2.1.1).
        if self.preloads and request.toTag is None and not request.hasHeader("Route"):
            for route in reversed(self._routes(request, transport)):
                request.prependHeader("Route", route)
        branch = self.tokens.branch()
        request.prependVia(self._via(transport, branch), branch)

    def _routes(self, request: OutgoingRequest, transport: IServedTransport) -> list[str]:
        """List the proxies that a request is to pass."""
        options = self.identity.configuration
        routes = [transport.server.sip_uri] if options.usePreloadedRoute else []
        routes += [f"<{proxy}>" for proxy in options.outboundProxy]
        # What the registrar has said is for the requests after it (RFC 3608 section 6.1).
        binding = None if request.method == "REGISTER" else _bindingOver(transport)
        if binding is None or not binding.serviceRoute:
            return routes
        # "In general, the service route set is appended to any locally configured route needed to
        # egress the access proxy chain": where it begins with the last of that, it is the same proxy.
        first = Route.parse(binding.serviceRoute[0]).uri
        if routes and Route.parse(routes[-1]).uri.equivalent(first):
            routes.pop()
        return [*routes, *binding.serviceRoute]

    def _via(self, transport: IServedTransport, branch: str) -> str:
        return f"SIP/2.0/{self._viaTransport or transport.viaTransport} {self._sentBy}{branch}"

    def again(self, request: OutgoingRequest, cseq: int) -> OutgoingRequest:
        """
        Build the request that follows one that was challenged, for L{address}.

        RFC 3261 section 8.1.3.5: it "SHOULD have the same value of the Call-ID,
        To, and From of the previous request".

        @param request: The one that was sent.
        @param cseq: The number of its CSeq.
        """
        headers = [pair for pair in request.headers if pair[0] not in _OF_ONE_ATTEMPT]
        fresh = OutgoingRequest(request.method, request.requestURI, headers, request.body)
        fresh.setHeader("CSeq", f"{cseq} {request.method}")
        return fresh

    def acknowledge(self, request: OutgoingRequest, response: IncomingResponse) -> OutgoingRequest:
        """
        Build the ACK to a 2xx to an INVITE (RFC 3261 section 13.2.2.4), for L{address}.

        @param request: The INVITE.
        @param response: The 2xx.
        @raise ParseError: The response's Contact, To or Record-Route is malformed.
        """
        contact = response.parseHeader("Contact")
        # RFC 3261 section 12.1.2: "The route set MUST be set to the list of URIs in
        # the Record-Route header field from the response, taken in reverse order".
        routes = [("Route", route) for route in reversed(response.getHeaders("Record-Route"))]
        ack = OutgoingRequest(
            "ACK",
            contact.uri if contact is not None else request.requestURI,
            [
                *routes,
                ("Max-Forwards", _MAX_FORWARDS),
                ("From", request.getHeader("From")),
                ("To", response.getHeader("To")),
                ("Call-ID", request.callID),
                ("CSeq", f"{request.cseq} ACK"),
            ],
        )
        for name in ("Authorization", "Proxy-Authorization"):
            # Section 22.1: an ACK carries the credentials of its INVITE.
            for value in request.getHeaders(name):
                ack.addHeader(name, value)
        return ack


def _bindingOver(transport: IServedTransport) -> Binding | None:
    """Give what the registrar has said of the binding over a connection, where there is one."""
    registration = getattr(transport.ua, "registration", None)
    binding: Binding | None = None if registration is None else registration.binding
    return binding


def _supported(extra: tuple[str, ...]) -> list[tuple[str, str]]:
    return [("Supported", ", ".join(extra))] if extra else []


def _besides(ours: Iterable[tuple[str, str]], given: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """Give those headers of ours that a caller does not give."""
    names = {name.lower() for name, _ in given}
    return [pair for pair in ours if pair[0].lower() not in names]


def _isAnonymous(headers: Iterable[tuple[str, object]]) -> bool:
    return any(
        name.lower() in ("from", "f") and "@anonymous.invalid" in str(value) for name, value in headers
    )


def _checkTyped(method: str, names: Iterable[str]) -> None:
    # RFC 3261 section 20.15: it "MUST be present if the body is not empty".
    if "Content-Type" not in names:
        raise ValueError(f"contentType: the body of a {method} has none")


def _addHeaders(
    pairs: list[tuple[str, str]], given: list[tuple[str, object]], tag: str, known: dict[str, Any]
) -> None:
    """
    Add a caller's headers to ours.

    @param known: As of L{OutgoingRequest.assemble}; what is not so any more is taken out.
    """
    for name, _ in given:
        folded = name.lower()
        if folded in _OURS:
            raise ValueError(f"{name} is not a caller's to set: {_OURS[folded]}")
    for name, value in checkedHeaders(given):
        known.pop(name, None)
        if name in _SINGLE:
            _replace(pairs, name, _withTag(value, tag) if name == "From" else value)
        else:
            pairs.append((name, value))


def _replace(pairs: list[tuple[str, str]], name: str, value: str) -> None:
    for index, pair in enumerate(pairs):
        if pair[0] == name:
            pairs[index] = (name, value)
            return
    pairs.append((name, value))


def _withTag(value: str, tag: str) -> str:
    """Add the tag that each From must have (RFC 3261 section 8.1.1.3)."""
    address = NameAddr.parse(value)
    return str(address) if address.tag is not None else f"{address};tag={tag}"


def servedTransport(transport: ITransport) -> IServedTransport:
    """Take a transport of a user agent's own as such."""
    served: Any = transport
    return served  # type: ignore[no-any-return]
