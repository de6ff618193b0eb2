"""
L{Branches}: the 2xx to an INVITE of ours that are not the first.

The transaction of the INVITE passes them on for 64*T1 (RFC 6026), and mostly
there are none: what waits for them is not the whole session, once that is over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import fail

from sipws.dialog.values import DialogID
from sipws.emitter import loggerFor
from sipws.errors import LimitExceeded, ParseError
from sipws.session.leg import Leg
from sipws.session.offeranswer import Negotiation
from sipws.session.offeranswer import State as OfferState
from sipws.session.values import descriptionOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from sipws.dialog import Dialog, IUsages
    from sipws.message import IncomingResponse, OutgoingRequest
    from sipws.session.values import Description

__all__ = ["Branches", "Origin", "acknowledge", "credentialsOf", "declined", "dialogOf", "dismiss"]

_log = loggerFor("sip.session")

#: What answers challenges.
_CREDENTIALS = ("Authorization", "Proxy-Authorization")


class Branches:
    """
    Takes the 2xx to an INVITE of ours that are not the first.

    @ivar taker: Who takes them while there is a session; C{None}: it is over.
    """

    __slots__ = (
        "_contact",
        "_credentials",
        "_cseq",
        "_hasOffered",
        "_isToSIPS",
        "_known",
        "_usages",
        "taker",
    )

    def __init__(self, usages: IUsages, taker: Callable[[IncomingResponse], None]) -> None:
        self._usages = usages
        # All of it flat: there are as many of these as there were calls in half a minute.
        self._cseq = 0
        self._credentials: tuple[tuple[str, str], ...] = ()
        self._contact = ""
        self._isToSIPS = self._hasOffered = False
        self._known: tuple[str | None, ...] = ()
        self.taker: Callable[[IncomingResponse], None] | None = taker

    def end(
        self,
        answered: tuple[int, tuple[tuple[str, str], ...]],
        origin: Origin,
        known: Collection[DialogID],
        hasOffered: bool,
    ) -> None:
        """
        The session is over: from now on each branch that is new is ended, and each 2xx acknowledged.

        @param answered: The number and the credentials of the INVITE as it was sent last.
        @param origin: What its dialogs have of it.
        @param known: The dialogs that have been ended, or were.
        @param hasOffered: Whether there was an offer in it.
        """
        self._cseq, self._credentials = answered
        self._contact, self._isToSIPS = origin
        self._hasOffered = hasOffered
        self._known = tuple([dialogID.remoteTag for dialogID in known])
        self.taker = None

    def __call__(self, response: IncomingResponse) -> None:
        """Take a 2xx."""
        if self.taker is not None:
            self.taker(response)
        elif response.toTag not in self._known:
            self._known += (response.toTag,)
            self._dismiss(response)
        else:
            self._acknowledge(response)

    def _dismiss(self, response: IncomingResponse) -> None:
        leg = self._legOf(response)
        if leg is not None:
            ended = dismiss(self._usages, leg, response, self._cseq, self._credentials)
            ended.addBoth(lambda _: leg.dialog.end())

    def _acknowledge(self, response: IncomingResponse) -> None:
        """
        Acknowledge a 2xx once more, which comes as the ACK was lost.

        RFC 3261 section 13.2.2.4: "The UAC core MUST generate an ACK request
        for each 2xx received from the transaction layer."
        """
        # Others may share the dialog still (RFC 5057); otherwise it is gone, and there for this alone.
        isThere = self._usages.dialogs.find(DialogID.ofResponse(response)) is not None
        leg = self._legOf(response)
        if leg is None:
            return
        takeOffer(leg, response)
        try:
            acknowledge(self._usages, leg.dialog, self._cseq, self._credentials, declined(leg))
        except ValueError as error:
            _log.warn("no ACK: {error}", error=error)
        if not isThere:
            leg.dialog.end()

    def _legOf(self, response: IncomingResponse) -> Leg | None:
        dialog = dialogOf(self._usages, response, Origin(self._contact, self._isToSIPS))
        if dialog is None:
            return None
        return Leg(dialog, Negotiation(OfferState.OFFERED if self._hasOffered else OfferState.NONE))


class Origin(NamedTuple):
    """
    What the dialogs of an INVITE of ours have of it.

    @ivar contact: Its Contact.
    @ivar isToSIPS: Whether it went to a SIPS URI.
    """

    contact: str
    isToSIPS: bool

    @classmethod
    def of(cls, request: OutgoingRequest) -> Origin:
        """Read it."""
        isToSIPS = str(request.requestURI)[:5].lower() == "sips:"
        return cls(request.getHeader("Contact") or "", isToSIPS)


def dialogOf(usages: IUsages, response: IncomingResponse, origin: Origin) -> Dialog | None:
    """Give the dialog of a response to an INVITE, which may be new; C{None}: it makes none."""
    transport: Any = response.transport
    isSecure = origin.isToSIPS and transport is not None and transport.viaTransport == "WSS"
    try:
        return usages.dialogs.receiveResponse(response, origin.contact, secure=isSecure)
    except (ParseError, ValueError, LimitExceeded) as error:
        _log.warn("a {status} makes no dialog: {error}", status=response.statusCode, error=error)
        return None


def dismiss(
    usages: IUsages,
    leg: Leg,
    response: IncomingResponse,
    cseq: int,
    credentials: Iterable[tuple[str, str]],
) -> Deferred[IncomingResponse]:
    """
    Acknowledge a 2xx, and end its dialog.

    RFC 3261 section 13.2.2.4: "If, after acknowledging any 2xx response to an
    INVITE, the UAC does not want to continue with that dialog, then the UAC
    MUST terminate the dialog by sending a BYE request".

    @param leg: Its dialog.
    @param cseq: The number of the INVITE.
    @param credentials: Those of the INVITE.
    @return: What comes of the BYE.
    """
    takeOffer(leg, response)
    try:
        acknowledge(usages, leg.dialog, cseq, credentials, declined(leg))
        return usages.sendWithin(leg.dialog, "BYE").result
    except ValueError as error:
        # No response of that branch had a Contact: there is nowhere to send these to.
        _log.warn("a branch cannot be ended: {error}", error=error)
        return fail(error)


def takeOffer(leg: Leg, response: IncomingResponse) -> None:
    """Take note of the offer in a 2xx, where the INVITE had none."""
    description = descriptionOf(response)
    if description is not None and leg.negotiation.state == OfferState.NONE:
        leg.receive(description)


def declined(leg: Leg) -> Description | None:
    """
    Give the answer that declines what a 2xx to an INVITE offers.

    @param leg: Its dialog.
    @return: As of L{Leg.decline}; C{None}, too, where what is open is the offer in an UPDATE.
    """
    return None if leg.negotiation.hasAgreed else leg.decline()


def acknowledge(
    usages: IUsages,
    dialog: Dialog,
    cseq: int,
    credentials: Iterable[tuple[str, str]],
    answer: Description | None,
) -> None:
    """
    Send the ACK to a 2xx.

    @param cseq: The number of the INVITE.
    @param credentials: Those of the INVITE (see L{credentialsOf}).
    @param answer: What goes with it; C{None}: nothing.
    """
    if answer is None:
        usages.acknowledge(dialog, cseq, credentials)
    else:
        usages.acknowledge(dialog, cseq, [*credentials, *answer.disposition], answer.body, answer.contentType)


def credentialsOf(request: OutgoingRequest) -> tuple[tuple[str, str], ...]:
    """
    Give the credentials in a request, as headers.

    RFC 3261 section 13.2.2.4: "The ACK MUST contain the same credentials as the INVITE."
    """
    return tuple([pair for pair in request.headers if pair[0] in _CREDENTIALS])
