"""
The calls of a user agent: those that it makes, and those that come in.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sipws.errors import ParseError, WrongMoment
from sipws.message import URI, TargetDialog
from sipws.message.given import checkNumber, wanted
from sipws.session import SDP, Description, Incoming, Invitation, Outgoing, Session
from sipws.session.reference import Reference
from sipws.session.references import ReferTo, replacesOf
from sipws.session.referral import Referral
from sipws.session.referring import addressOf, withReferredBy
from sipws.session.refresher import refuseTimer
from sipws.session.replacing import findReplaced, findTarget
from sipws.session.tags import OPTION_TAGS, REPLACES, refuseUnable
from sipws.ua.newcomer import Newcomer
from sipws.ua.requests import pairsOf
from sipws.ua.waiting import checkDeadline

if TYPE_CHECKING:
    from sipws.dialog import ISending
    from sipws.interfaces import ISessionDescriptionHandler
    from sipws.message import IncomingRequest
    from sipws.ua.requests import Headers
    from sipws.ua.usages import Usages

__all__ = ["CALLS", "REFERENCES", "Calling"]

#: The methods of requests that come with calls.
METHODS: Final = ("INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE", "INFO", "REFER")


class Calling:
    """The part of a user agent that calls."""

    if TYPE_CHECKING:

        @property
        def usages(self) -> Usages:
            """What its calls and subscriptions share."""

    def invite(
        self,
        target: URI | str,
        body: bytes | str = b"",
        contentType: str = SDP,
        headers: Headers = (),
        *,
        handler: ISessionDescriptionHandler | None = None,
        deadline: float | None = None,
        noAnswerTimeout: float | None = None,
        followRedirects: int = 0,
        replaces: Session | None = None,
    ) -> Session:
        """
        Call somebody (RFC 3261 section 13).

        A call that comes in is the event C{invite}, with its L{Session}.

        @param target: As of C{request}.
        @param body: Our offer; nothing: the peer is asked for one, which comes as C{offer}.
        @param contentType: Its type.
        @param headers: Further headers of the INVITE.
        @param handler: What makes and takes the session descriptions; C{None}: the caller does.
        @param deadline: Within how many seconds the INVITE may leave, as of C{request}.
        @param noAnswerTimeout: After how many seconds without a final response
            it is given up; C{None}: never.
        @param followRedirects: How many redirections (3xx) are followed, one
            after the other; each place is tried once.
        @param replaces: A session whose peer is to take this one in its place (RFC 3891).
        @return: The session, at once; its events and Deferreds tell what comes of it.
        @raise ValueError: The INVITE cannot be as it is given.
        @raise WrongMoment: The session to be replaced has no dialog.
        """
        pairs = pairsOf(headers)
        if replaces is not None:
            pairs += _replaces(replaces)
        checkNumber("followRedirects", followRedirects, "a number of redirections")
        offer = Description.of(body, contentType)
        invitation = Invitation(
            target, (*pairs,), offer, checkDeadline(deadline), noAnswerTimeout, followRedirects
        )
        usages = self.usages
        usages.allow(METHODS, OPTION_TAGS)
        session = Session(usages, handler)
        session.begin(Outgoing(session, usages, invitation))
        return session

    def refer(
        self,
        target: URI | str | Session,
        referTo: URI | str | Session,
        headers: Headers = (),
        *,
        method: str | None = None,
        subscribe: bool = True,
        deadline: float | None = None,
    ) -> Referral:
        """
        Ask somebody to call somebody else (RFC 3515), outside of any call.

        Within a call it is C{session.refer}.  A REFER that comes so is the event
        C{refer}, with its L{sipws.session.Reference}.

        @param target: Whom to ask; or a session, whose peer is asked, and told that we know of
            it (RFC 4538).
        @param referTo: As the target of C{session.refer}.
        @param headers: Further headers of the REFER.
        @param method: As of C{session.refer}.
        @param subscribe: As of C{session.refer}.
        @param deadline: As of C{request}.
        @raise WrongMoment: A session has no dialog.
        @raise ValueError: The REFER cannot be as it is given.
        """
        usages = self.usages
        address = addressOf(referTo, method)
        asked, known = _known(target)
        pairs = pairsOf(headers)
        given = [("Refer-To", address), *withReferredBy(pairs, usages.configuration.uri), *known]
        checked = checkDeadline(deadline)
        usages.allow(("NOTIFY",))
        usages.know("refer")

        def send(headers: Iterable[tuple[str, object]]) -> ISending:
            return usages.send(usages.build("REFER", asked, headers), deadline=checked)

        return Referral(usages, None, subscribe=subscribe, isFirst=True).start(given, send)


def _known(target: URI | str | Session) -> tuple[URI | str, list[tuple[str, object]]]:
    """Give where a request to the peer of a session goes, and what says that we know of the session."""
    if isinstance(target, (URI, str)):
        return target, []
    if not isinstance(target, Session):
        raise wanted("target", "a URI, text such as 'sip:bob@example.com' or 'bob', or a session", target)
    dialog = target.dialog
    if dialog is None or dialog.state.remoteTarget is None:
        raise WrongMoment("to refer the peer of a session", target.state)
    # RFC 4538 section 4: the tags "from the perspective of the recipient".
    tags = [("local-tag", dialog.id.remoteTag), ("remote-tag", dialog.id.localTag)]
    known = TargetDialog(dialog.id.callID, tags)
    return dialog.state.remoteTarget, [("Require", "tdialog"), ("Target-Dialog", known)]


def _replaces(session: Session) -> list[tuple[str, object]]:
    if not isinstance(session, Session):
        raise wanted("replaces", "a session", session)
    if session.dialog is None:
        raise WrongMoment("to replace a session", session.state)
    # RFC 3891 section 4: it is to be refused, not to ring, by who does not know Replaces.
    return [("Replaces", replacesOf(session.dialog.id)), ("Require", REPLACES)]


def _receive(usages: Usages, request: IncomingRequest) -> None:
    if refuseUnable(usages, request) or refuseTimer(usages, request):
        return
    # Whoever does not know of Replaces takes no notice of it, unless it is required: that is a 420.
    replaced = None if usages.configuration.replaces == "none" else findReplaced(usages, request)
    if isinstance(replaced, int):
        usages.respond(request, replaced)
        return
    session = Session(usages)
    if replaced is not None:
        session.replaces = replaced
        session.on("accepted", lambda _: replaced.makeWay(session))
    incoming = Incoming(session, usages, request)
    session.begin(incoming)
    incoming.ring()
    usages.ask("invite", session)


#: Calls that come in.
CALLS: Final = Newcomer("invite", _receive, METHODS, OPTION_TAGS)


def _receiveRefer(usages: Usages, request: IncomingRequest) -> object:
    try:
        found = ReferTo.of(request)
    except ParseError:
        return 400

    def make(handler: ISessionDescriptionHandler | None) -> Session:
        return Session(usages, handler)

    reference = Reference(usages, make, request, found, findTarget(usages, request))
    usages.ask("refer", reference)
    return reference.answered


#: References that come in outside of calls.
REFERENCES: Final = Newcomer("refer", _receiveRefer, ("REFER",), ("norefersub", "tdialog"))
