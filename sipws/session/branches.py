"""
L{Branches}: the 2xx to an INVITE of ours that are not the first.

The transaction of the INVITE passes them on for 64*T1 (RFC 6026), and mostly
there are none: what waits for them is not the whole session, once that is over.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

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

__all__ = ["Branches", "acknowledge", "dialogOf", "dismiss"]

_log = loggerFor("sip.session")


class Branches:
    """
    Takes the 2xx to an INVITE of ours that are not the first.

    @ivar taker: Who takes them while there is a session; C{None}: it is over.
    """

    __slots__ = ("_known", "_offered", "_request", "_usages", "taker")

    def __init__(self, usages: IUsages, taker: Callable[[IncomingResponse], None]) -> None:
        self._usages = usages
        self._request: OutgoingRequest | None = None
        self._offered: Description | None = None
        self._known: tuple[DialogID, ...] = ()
        self.taker: Callable[[IncomingResponse], None] | None = taker

    def end(self, request: OutgoingRequest, offered: Description | None, known: Collection[DialogID]) -> None:
        """
        The session is over: from now on each 2xx of a branch that is new is ended.

        @param request: The INVITE as it was sent last.
        @param offered: Our offer in it; C{None}: it had none.
        @param known: The dialogs that have been ended, or were.
        """
        self._request = request
        self._offered = offered
        self._known = tuple(known)
        self.taker = None

    def take(self, response: IncomingResponse) -> None:
        """Take a 2xx."""
        if self.taker is not None:
            self.taker(response)
        elif self._request is not None and DialogID.ofResponse(response) not in self._known:
            self._known += (DialogID.ofResponse(response),)
            self._dismiss(response, self._request)

    def _dismiss(self, response: IncomingResponse, request: OutgoingRequest) -> None:
        dialog = dialogOf(self._usages, response, request)
        if dialog is None:
            return
        leg = Leg(dialog, Negotiation())
        if self._offered is not None:
            leg.send(self._offered)
        dismiss(self._usages, leg, response, request).addBoth(lambda _: dialog.end())


def dialogOf(usages: IUsages, response: IncomingResponse, request: OutgoingRequest) -> Dialog | None:
    """Give the dialog of a response to an INVITE, which may be new; C{None}: it makes none."""
    transport: Any = response.transport
    isSecure = str(request.requestURI).lower().startswith("sips:")
    try:
        return usages.dialogs.receiveResponse(
            response,
            request.getHeader("Contact") or "",
            secure=isSecure and transport is not None and transport.viaTransport == "WSS",
        )
    except (ParseError, ValueError, LimitExceeded) as error:
        _log.warn("a {status} makes no dialog: {error}", status=response.statusCode, error=error)
        return None


def dismiss(
    usages: IUsages, leg: Leg, response: IncomingResponse, request: OutgoingRequest
) -> Deferred[IncomingResponse]:
    """
    Acknowledge a 2xx, and end its dialog.

    RFC 3261 section 13.2.2.4: "If, after acknowledging any 2xx response to an
    INVITE, the UAC does not want to continue with that dialog, then the UAC
    MUST terminate the dialog by sending a BYE request".

    @param leg: Its dialog.
    @param request: The INVITE.
    @return: What comes of the BYE.
    """
    description = descriptionOf(response)
    if description is not None and leg.negotiation.state == OfferState.NONE:
        leg.receive(description)
    acknowledge(usages, leg.dialog, request, leg.decline())
    return usages.sendWithin(leg.dialog, "BYE").result


def acknowledge(
    usages: IUsages, dialog: Dialog, request: OutgoingRequest, answer: Description | None
) -> None:
    """
    Send the ACK to a 2xx.

    @param request: The INVITE.
    @param answer: What goes with it; C{None}: nothing.
    """
    if answer is None:
        usages.acknowledge(dialog, request)
    else:
        usages.acknowledge(dialog, request, answer.disposition, answer.body, answer.contentType)
