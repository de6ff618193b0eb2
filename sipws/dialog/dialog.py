"""
One dialog: L{Dialog}.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable

import attrs

from sipws.dialog.effects import Effect, effectOf
from sipws.dialog.live import Beginning, Live
from sipws.dialog.machine import ARROWS, Action, Event, State
from sipws.dialog.routes import contactOf, contactURI, route, routeSetOf
from sipws.dialog.values import DialogID, DialogState
from sipws.errors import ParseError
from sipws.interfaces import C
from sipws.message import (
    URI,
    Contact,
    IncomingMessage,
    IncomingRequest,
    IncomingResponse,
    OutgoingRequest,
    OutgoingResponse,
)
from sipws.message.nameaddr import PLAIN_ADDRESS
from sipws.message.outgoing import checkedHeaders, checkMethod, checkValues
from sipws.message.values import MAX_CSEQ

__all__ = ["TARGET_REFRESH", "Dialog", "Rejection", "asksForSIPS", "checkFurther"]

#: Requests that change the remote target when they succeed (RFC 5057 section 5.4).
TARGET_REFRESH = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})

#: Headers that follow from the dialog.
_OURS = frozenset({"Via", "From", "To", "Call-ID", "CSeq", "Route"})

_MAX_FORWARDS = str(C.MAX_FORWARDS)


@attrs.frozen
class Rejection:
    """
    How a request within a dialog is to be refused.

    @ivar statusCode: 400, 481 or 500.
    @ivar headers: What the response is to have beside.
    """

    statusCode: int
    headers: tuple[tuple[str, object], ...] = ()


class Dialog:
    """
    A dialog.

    @ivar id: What it is known by.
    @ivar live: What it consists of, for those who look at one thing: it changes.
    """

    __slots__ = ("_onEnd", "id", "live")

    def __init__(self, state: DialogState | Live, onEnd: Callable[[Dialog], object] | None = None) -> None:
        """
        @param state: What it begins as.
        @param onEnd: Called with it when it is terminated.
        """
        self.live = state if isinstance(state, Live) else Live.of(state)
        self.id = state.id
        self._onEnd = onEnd

    @property
    def state(self) -> DialogState:
        """What it consists of now, as a value."""
        return self.live.value()

    @classmethod
    def ofResponse(
        cls,
        response: IncomingResponse,
        contact: str,
        *,
        secure: bool = False,
        onEnd: Callable[[Dialog], object] | None = None,
        dialogID: DialogID | None = None,
    ) -> Dialog:
        """
        Make the dialog that a response to a request of ours establishes (RFC 3261 section 12.1.2).

        @param response: 101 to 299.
        @param contact: The Contact header of our request.
        @param secure: Whether our request went to a SIPS URI over TLS.
        @param onEnd: Called with the dialog when it is terminated.
        @param dialogID: Its identifier, where that is known already.
        @raise ParseError: A header that it is made from is malformed, or missing.
        @raise ValueError: The response establishes none, or the Contact is none for it.
        """
        _checkEstablishes(response.statusCode)
        _checkContact(contact, needsSIPS=secure)
        if response.statusCode >= 200 and not response.hasHeader("Contact"):
            raise ParseError("is missing", header="Contact")
        live = Live(
            DialogID.ofResponse(response) if dialogID is None else dialogID,
            _address(response, "From"),
            _address(response, "To"),
            contact,
            madeBy=(response.cseq, response.method),
            isUAC=True,
        )
        live.localCSeq = response.cseq
        live.secure = secure
        dialog = cls(live, onEnd)
        dialog._handle(_establishing(response.statusCode), response)
        return dialog

    @classmethod
    def ofRequest(
        cls,
        request: IncomingRequest,
        response: OutgoingResponse,
        *,
        overTLS: bool = False,
        localCSeq: int | None = None,
        onEnd: Callable[[Dialog], object] | None = None,
    ) -> Dialog:
        """
        Make the dialog that our response to a request establishes (RFC 3261 section 12.1.1).

        @param request: The request.
        @param response: Our response, 101 to 299, with its To tag and its Contact.
        @param overTLS: Whether the request came over TLS.
        @param localCSeq: The number of our SUBSCRIBE, where the request is the
            NOTIFY that came before its response (RFC 6665 section 4.4.1).
        @param onEnd: Called with the dialog when it is terminated.
        @raise ParseError: A header that it is made from is malformed, or missing.
        @raise ValueError: The response establishes none, or its Contact is none for it.
        """
        _checkEstablishes(response.statusCode)
        if response.toTag is None:
            raise ValueError("a response that establishes a dialog has a To tag")
        if not request.hasHeader("Contact"):
            raise ParseError("is missing", header="Contact")
        contact = response.getHeader("Contact")
        _checkContact(contact, needsSIPS=asksForSIPS(request))
        assert contact is not None
        live = Live(
            DialogID(request.callID, response.toTag, request.fromTag),
            response.getHeader("To") or "",
            _address(request, "From"),
            contact,
            madeBy=(request.cseq, request.method),
            isUAC=False,
        )
        live.localCSeq = localCSeq
        live.remoteCSeq = request.cseq
        live.secure = overTLS and request.requestURI.scheme == "sips"
        dialog = cls(live, onEnd)
        dialog._handle(_establishing(response.statusCode), request)
        return dialog

    # Our requests.

    def request(
        self,
        method: str,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        besides: list[tuple[str, str]] | None = None,
    ) -> OutgoingRequest:
        """
        Build a request within the dialog (RFC 3261 section 12.2.1.1), with the next CSeq and without a Via.

        @param method: Its method; anything but ACK, for L{ack}, and CANCEL, which
            is its transaction's.
        @param headers: Further headers.
        @param body: Its body; text goes out as UTF-8.
        @param besides: Headers that all requests of ours have, as
            L{sipws.message.outgoing.checkedHeaders} gives them; further headers take their place.
        @raise ValueError: The dialog is terminated, or does not know where requests
            go, or has no CSeq left; or a header is the dialog's to set.
        """
        if method in ("ACK", "CANCEL"):
            raise ValueError(f"a {method} has the CSeq of its INVITE, not the next")
        request = self._build(method, self._followingCSeq(), headers, body, besides)
        self.live.localCSeq = request.cseq
        if method in TARGET_REFRESH:
            # One that is given is ours from now on: what refreshes the target later is not to take it back.
            self.live.contact = request.getHeader("Contact") or ""
        return request

    def takeCSeq(self) -> int:
        """
        Take the next CSeq number, for a request that is sent again, with credentials.

        @raise ValueError: The dialog has none left.
        """
        cseq = self._followingCSeq()
        self.live.localCSeq = cseq
        return cseq

    def _followingCSeq(self) -> int:
        last = self.live.localCSeq
        cseq = 1 if last is None else last + 1
        if cseq > MAX_CSEQ:
            raise ValueError("the dialog has no CSeq left")
        return cseq

    def ack(
        self,
        cseq: int,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        besides: list[tuple[str, str]] | None = None,
    ) -> OutgoingRequest:
        """
        Build the ACK to a 2xx (RFC 3261 section 13.2.2.4), without a Via.

        @param cseq: The number of the INVITE.
        @param headers: Further headers: its credentials are those of the INVITE.
        @param body: Its body.
        @param besides: As with L{request}.
        @raise ValueError: As with L{request}.
        """
        return self._build("ACK", cseq, headers, body, besides)

    def _build(
        self,
        method: str,
        cseq: int,
        headers: Iterable[tuple[str, object]],
        body: bytes | str,
        besides: list[tuple[str, str]] | None,
    ) -> OutgoingRequest:
        checkMethod(method)
        live = self.live
        if live.state == State.TERMINATED:
            raise ValueError("the dialog is terminated")
        target, common = live.beginning or self._begin()
        pairs = [*common, ("CSeq", f"{cseq} {method}")]
        # "A UAC SHOULD include a Contact header field in any target refresh requests".
        if method in TARGET_REFRESH:
            contact = [("Contact", live.contact)]
            checkValues(contact)
            pairs += contact
        if besides:
            pairs += besides
        if headers:
            pairs = _withFurther(pairs, checkedHeaders(headers))
        callID, localTag, remoteTag = self.id
        known = {"Via": None, "From": localTag, "To": remoteTag, "Call-ID": callID, "CSeq": cseq}
        request = OutgoingRequest.assemble(method, target, pairs, body, known)
        if method in TARGET_REFRESH and live.secure:
            # "If the "secure" flag is true, that URI MUST be a SIPS URI."
            _checkContact(request.getHeader("Contact"), needsSIPS=True)
        return request

    def _begin(self) -> Beginning:
        """Make what all requests begin with, until the target or the route set is another."""
        live = self.live
        if not live.isLed:
            raise ValueError("the dialog has no remote target yet")
        target, routes = route(live.target, live.routeSet)
        common = [
            *[("Route", entry) for entry in routes],
            ("Max-Forwards", _MAX_FORWARDS),
            ("From", live.localAddress),
            ("To", live.remoteAddress),
            ("Call-ID", live.id.callID),
        ]
        checkValues(common)
        live.beginning = (target, common)
        return live.beginning

    # The peer's requests.

    def receiveRequest(self, request: IncomingRequest, retryAfter: int = 5) -> Rejection | None:
        """
        Take a request of the peer within the dialog (RFC 3261 section 12.2.2).

        @param request: The request.
        @param retryAfter: After how many seconds one that is out of order may be sent again.
        @return: C{None} where it is to be served; else how to refuse it.
        """
        # ACK has the number of its INVITE, CANCEL that of its request: neither is the next.
        if request.method in ("ACK", "CANCEL"):
            return None
        # "the sequence number of the request is lower than the remote sequence number, the request
        # is out of order and MUST be rejected with a 500".  A gap "is not an error condition".
        last = self.live.remoteCSeq
        if last is not None and request.cseq < last:
            return Rejection(500, (("Retry-After", retryAfter),))
        self.live.remoteCSeq = request.cseq
        return self._refusedTarget(request)

    def _refusedTarget(self, request: IncomingRequest) -> Rejection | None:
        """Refuse a target that could not be taken later, when the request is accepted."""
        if request.method in TARGET_REFRESH:
            try:
                contactOf(request)
            except ParseError:
                return Rejection(400)
        return None

    def accept(self, request: IncomingRequest) -> None:
        """
        Take over what a request changes; it is being answered with a 2xx.

        @param request: One that L{receiveRequest} took.
        """
        # Section 12.2.2: "If the request is rejected, none of the state changes are performed."
        if request.method in TARGET_REFRESH:
            self._refresh(request)

    # Responses, and ends.

    def receiveResponse(self, response: IncomingResponse, usage: Hashable = None) -> Effect:
        """
        Take a response to a request of ours, be it the one that makes the dialog or one within it.

        @param response: The response.
        @param usage: Which usage the request was of; C{None} for none.
        @return: What it ended, and is ended.
        @raise ParseError: Its Contact or Record-Route is malformed: neither is taken.
        """
        state = self.live
        if state.isUAC and (response.cseq, response.method) == state.madeBy:
            return self._receiveMaking(response)
        self._noteCSeq(response.cseq)
        status = response.statusCode
        if status < 300:
            if status >= 200 and response.method in TARGET_REFRESH:
                self._refresh(response)
            return Effect.TRANSACTION
        effect = effectOf(status, response.method)
        if effect is Effect.DIALOG:
            self._handle(Event.DESTROYED)
        elif effect is Effect.USAGE:
            self.removeUsage(usage)
        return effect

    def _receiveMaking(self, response: IncomingResponse) -> Effect:
        status = response.statusCode
        if status >= 300:
            return self.fail()
        if status > 100:
            if not self.live.isLed:
                self._refresh(response)
            self._handle(_establishing(status), response)
        return Effect.TRANSACTION

    def _noteCSeq(self, cseq: int) -> None:
        # A request that was challenged was sent again with a higher CSeq.
        last = self.live.localCSeq
        if last is None or cseq > last:
            self.live.localCSeq = cseq

    def confirm(self) -> None:
        """Take note that the request of the peer that makes the dialog is answered with a 2xx."""
        self._handle(Event.SUCCESS)

    def fail(self) -> Effect:
        """
        Take note that the request that makes the dialog failed.

        @return: What that ended: a confirmed dialog stays.
        """
        wasEarly = self.live.state == State.EARLY
        self._handle(Event.FAILURE)
        return Effect.DIALOG if wasEarly else Effect.TRANSACTION

    def end(self) -> None:
        """Give the dialog up, with all its usages."""
        self._handle(Event.END)

    def addUsage(self, usage: Hashable) -> None:
        """
        Have one more usage share the dialog (RFC 5057 section 3).

        @param usage: What it is known by: anything hashable but C{None}.
        @raise ValueError: It is there already, or the dialog is terminated.
        """
        live = self.live
        if usage is None or usage in live.usages:
            raise ValueError(f"no new usage: {usage!r}")
        if live.state == State.TERMINATED:
            raise ValueError("the dialog is terminated")
        live.usages = (*live.usages, usage)

    def removeUsage(self, usage: Hashable) -> None:
        """
        End a usage; the dialog ends with its last.

        @param usage: Which; one that is not there is ignored.
        """
        live = self.live
        if usage in live.usages:
            live.usages = tuple([other for other in live.usages if other != usage])
            if not live.usages:
                self._handle(Event.UNUSED)

    def _refresh(self, message: IncomingMessage) -> None:
        self.live.lead(contactOf(message))

    def _handle(self, event: str, message: IncomingMessage | None = None) -> None:
        """Follow the arrow of an event, if there is one."""
        live = self.live
        arrow = ARROWS.get((live.state, event))
        if arrow is None:
            return
        if Action.ADOPT in arrow.actions and message is not None:
            self._adopt(message)
        live.state = arrow.target
        if Action.TELL in arrow.actions:
            live.usages = ()
            if self._onEnd is not None:
                self._onEnd(self)

    def _adopt(self, message: IncomingMessage) -> None:
        self.live.lead(contactOf(message), routeSetOf(message))

    def __repr__(self) -> str:
        return f"<Dialog {self.live.state} {self.id}>"


def checkFurther(headers: Iterable[tuple[str, object]]) -> None:
    """Refuse, with C{ValueError}, headers that no request within a dialog can have."""
    _withFurther([], checkedHeaders(headers))


def _withFurther(ours: list[tuple[str, str]], further: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """
    Add headers to ours, and leave out of ours those that they take the place of.

    @raise ValueError: One follows from the dialog.
    """
    names = {name for name, _ in further}
    followed = [name for name, _ in further if name in _OURS]
    if followed:
        raise ValueError(f"{followed[0]} follows from the dialog")
    return [*(pair for pair in ours if pair[0] not in names), *further]


def _establishing(statusCode: int) -> str:
    return Event.PROVISIONAL if statusCode < 200 else Event.SUCCESS


def _checkEstablishes(statusCode: int) -> None:
    # "only 2xx and 101-199 responses with a To tag [...] will establish a dialog."
    if not 100 < statusCode < 300:
        raise ValueError(f"a {statusCode} establishes no dialog")


def _checkContact(contact: str | None, *, needsSIPS: bool) -> None:
    # "The URI provided in the Contact header field MUST be a SIP or SIPS URI."
    scheme = None if contact is None else _schemeOf(contact)
    if scheme not in ("sip", "sips"):
        raise ValueError("a Contact with a SIP or SIPS URI is needed")
    if needsSIPS and scheme != "sips":
        raise ValueError("a Contact with a SIPS URI is needed")


@functools.lru_cache(maxsize=64)
def _schemeOf(contact: str) -> str:
    # Ours is the same in one dialog and the next.
    return Contact.parse(contact).uri.scheme


def _address(message: IncomingMessage, name: str) -> str:
    """
    Give From or To, which go into our requests as they are.

    @raise ParseError: It is malformed, or missing.
    """
    text = message.getHeader(name)
    # The parser has seen those of a message of the common form.
    if text is None or not (message.isCommon or PLAIN_ADDRESS.fullmatch(text) is not None):
        # It says what is wrong, if anything is.
        return str(message.fromHeader if name == "From" else message.toHeader)
    return text


def asksForSIPS(request: IncomingRequest) -> bool:
    """
    Say whether our Contact in the response to a request must be a SIPS URI.

    @raise ParseError: A header that says so is malformed.
    """
    # Section 12.1.1: "If the request that initiated the dialog contained a SIPS URI in the Request-URI
    # or in the top Record-Route header field value, if there was any, or the Contact header field if
    # there was no Record-Route header field, the Contact header field in the response MUST be a SIPS URI."
    top = request.parseHeader("Record-Route")
    other: URI | None = contactURI(request) if top is None else top.uri
    return "sips" in (request.requestURI.scheme, other.scheme if other is not None else "")
