"""
L{Referring}: references, by REFER (RFC 3515), and sessions that take the place of others (RFC 3891).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sipws.errors import ParseError, WrongMoment
from sipws.message import URI
from sipws.message.given import wanted
from sipws.session.informing import Informing
from sipws.session.machine import State
from sipws.session.reference import Reference
from sipws.session.references import ReferTo, referTo, replacesOf
from sipws.session.referral import Referral
from sipws.session.values import Cause, Termination

if TYPE_CHECKING:
    from sipws.dialog import ISending
    from sipws.interfaces import ISessionDescriptionHandler
    from sipws.message import IncomingRequest
    from sipws.session.core import Headers
    from sipws.session.session import Session

__all__ = ["Referring", "addressOf", "withReferredBy"]

#: The states in which a session may refer, and be referred.
_REFERABLE = frozenset({State.EARLY, State.ACCEPTED, State.CONFIRMED})


def addressOf(target: URI | str | Session, method: str | None) -> object:
    """
    Give the value of Refer-To.

    @param target: Whom to call, or the session that the call is to take the place of.
    @param method: What is to be sent there; C{None}: INVITE.
    @raise WrongMoment: The session has no dialog.
    """
    if isinstance(target, (URI, str)):
        return referTo(target, method)
    if not hasattr(target, "dialog"):
        raise wanted("target", "a URI, text such as 'sip:carol@example.com', or a session", target)
    dialog = target.dialog
    if dialog is None or dialog.state.remoteTarget is None:
        raise WrongMoment("REFER", f"the other session is {target.state}")
    return referTo(dialog.state.remoteTarget, method, replacesOf(dialog.id))


def withReferredBy(headers: Headers, uri: object) -> list[tuple[str, object]]:
    """Add Referred-By to the headers of a REFER, unless it is there."""
    given = list(headers)
    if not any(name.lower() in ("referred-by", "b") for name, _ in given):
        # RFC 3892 section 2.1: who refers says so.
        given.append(("Referred-By", f"<{uri}>"))
    return given


class Referring(Informing):
    """
    The part of a session that refers its peer to somebody, or is referred.

    @ivar replaces: The session that this one is to take the place of, or has taken; C{None}: none.
    """

    replaces: Session | None = None

    #: Whether a REFER of ours was sent in the dialog.
    _hasReferred = False

    def refer(
        self,
        target: URI | str | Session,
        headers: Headers = (),
        *,
        method: str | None = None,
        subscribe: bool = True,
    ) -> Referral:
        """
        Ask the peer to call somebody (RFC 3515): transfer it.

        @param target: Whom to call; or another session, whose peer is called
            and takes that session for replaced: an attended transfer (RFC 5589 section 7).
        @param headers: Further headers of the REFER.
        @param method: What it is to send there; C{None}: INVITE.
        @param subscribe: Whether it is to tell what comes of that; otherwise it is
            asked not to (RFC 4488).
        @return: The L{Referral}, at once; its events and Deferreds tell what comes of it.
        @raise WrongMoment: There is no dialog with the peer, or with that of the other session.
        @raise ValueError: The REFER cannot be as it is given.
        """
        leg = self.leg
        if leg is None or not leg.dialog.live.isLed or self.state not in _REFERABLE:
            raise WrongMoment("REFER", self.state)
        address = addressOf(target, method)
        given = withReferredBy(headers, leg.dialog.state.localAddress.uri)
        isFirst, self._hasReferred = not self._hasReferred, True
        self.usages.allow(("NOTIFY",))
        dialog, usages = leg.dialog, self.usages

        def send(headers: Headers) -> ISending:
            sent = usages.sendWithin(dialog, "REFER", headers)
            self.watch(sent.result)
            return sent

        referral = Referral(usages, dialog, subscribe=subscribe, isFirst=isFirst)
        return referral.start([("Refer-To", address), *given], send)

    def _receiveRefer(self, request: IncomingRequest) -> object:
        leg = self.legFor(request)
        if leg is None or self.state not in _REFERABLE:
            return 481
        try:
            found = ReferTo.of(request)
        except ParseError:
            return 400
        if not self.hears("refer"):
            # Section 2.4.2: an agent "MAY" decline, and nobody here would do it.
            return 603
        session = cast("Session", self)

        def make(handler: ISessionDescriptionHandler | None) -> Session:
            return type(session)(self.usages, handler)

        reference = Reference(self.usages, make, request, found, session, leg.dialog)
        self.ask("refer", reference)
        return reference.answered

    def makeWay(self, other: Session) -> None:
        """
        Let another session take the place of this one (RFC 3891 section 3).

        @param other: The other, which was accepted.
        """
        if self.ending is not None:
            # It has come to its end while the other rang.
            return
        self.emit("replaced", other)
        # "it accepts the new INVITE by sending a 200-class response, and shuts down the replaced dialog
        # by sending a BYE"; an early one of ours "by sending a CANCEL".
        self.finish(Termination(Cause.REPLACED, "remote"))

    RECEIVERS = {**Informing.RECEIVERS, "REFER": _receiveRefer}
