"""
L{Reference}: a REFER of the peer's, and what is told of it (RFC 3515).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred

from sipws.dialog import State
from sipws.errors import LimitExceeded, ParseError, WrongMoment
from sipws.session.outgoing import Invitation, Outgoing
from sipws.session.references import SIPFRAG, Outline
from sipws.session.tags import NOREFERSUB, REPLACES, supports
from sipws.session.values import SDP, Cause, Description
from sipws.subscription import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from sipws.dialog import Dialog, IUsages
    from sipws.errors import SessionFailed
    from sipws.interfaces import ISessionDescriptionHandler
    from sipws.message import IncomingRequest, IncomingResponse, NameAddr
    from sipws.session.core import Headers
    from sipws.session.references import ReferTo
    from sipws.session.session import Session

__all__ = ["Reference"]

#: For how long the referrer is told, unless it asks for more, in seconds: as long as calls ring.
_EXPIRES = 180


#: What stands for the response where there was none: 503 is what section 2.4.5 has for a failure.
_UNANSWERED: Final = {Cause.NO_ANSWER: 487, Cause.CANCELLED: 487, Cause.TIMEOUT: 408}


class Reference:
    """
    A REFER of the peer's.  Whoever listens to C{refer} decides, now or later:
    L{follow}, L{accept} or L{reject}.

    @ivar request: The REFER.
    @ivar session: The session that it came in, or that its Target-Dialog (RFC 4538) names, whose peer
        knows of that session; C{None}: none.
    @ivar referTo: What it refers to: C{address}, C{target} (C{None} where that is no SIP URI), C{replaces}.
    @ivar referredBy: Who refers, as the REFER says (RFC 3892); C{None}: it does not.
    @ivar answered: The Deferred of the response.
    @ivar notifier: What the peer is told by; C{None}: nothing.
    """

    def __init__(
        self,
        usages: IUsages,
        make: Callable[[ISessionDescriptionHandler | None], Session],
        request: IncomingRequest,
        found: ReferTo,
        session: Session | None = None,
        dialog: Dialog | None = None,
    ) -> None:
        """
        @param make: Makes a session with a handler, or with none.
        @param dialog: The dialog that the REFER came in; C{None}: in none, accepting it makes one.
        """
        self._usages = usages
        self._make = make
        self._dialog = dialog
        self.session = session
        self.request = request
        self.referTo = found
        self.answered: Deferred[object] = Deferred()
        self.notifier: Notifier | None = None

    @property
    def address(self) -> NameAddr:
        """What it refers to."""
        return self.referTo.address

    @property
    def referredBy(self) -> str | None:
        """See above."""
        return self.request.getHeader("Referred-By")

    def reject(self, statusCode: int = 603, reasonPhrase: str | None = None) -> None:
        """
        Refuse it.

        @param statusCode: 300 to 699.
        @raise WrongMoment: It is answered.
        @raise ValueError: The response cannot be as it is given.
        """
        if not 300 <= statusCode < 700:
            raise ValueError(f"statusCode: not 300 to 699: {statusCode}")
        self._answer(statusCode, reasonPhrase)

    def neglected(self) -> None:
        """Refuse it, unless it is answered: all who listen for C{refer} have failed."""
        if not self.answered.called:
            self.reject(500)

    def accept(self) -> None:
        """
        Accept it: what comes of it is for the caller to tell, with L{notify}.

        @raise WrongMoment: It is answered, or its dialog is over.
        """
        self._checkOpen()
        isTold = not self._isUnwanted()
        dialog = self._answer(202, None, () if isTold else [("Refer-Sub", "false")])
        if isTold and dialog is not None:
            # Section 2.4.6: each NOTIFY has the number of its REFER, but for the first one's.
            event = f"refer;id={self.request.cseq}"
            self.notifier = Notifier.implicit(self._usages, dialog, event, expires=_EXPIRES)
            # Section 2.4.4: "an immediate NOTIFY".
            self.notify(100)

    def notify(self, statusCode: int, reasonPhrase: str | None = None) -> None:
        """
        Tell the peer how far it has come; the last time with a final code.

        @param statusCode: 100 to 699.
        @param reasonPhrase: C{None} for the one that goes with the code.
        @raise ValueError: No response has such a code, or phrase.
        """
        if not 100 <= statusCode < 700:
            raise ValueError(f"statusCode: not 100 to 699: {statusCode}")
        if reasonPhrase is not None and not {*reasonPhrase}.isdisjoint("\r\n"):
            # It would begin another line of the fragment.
            raise ValueError(f"reasonPhrase: more than one line: {reasonPhrase!r}")
        notifier = self.notifier
        if notifier is None:
            return
        outline = Outline.of(statusCode, reasonPhrase)
        if outline.isFinal:
            # Section 2.4.7: "the subscription is terminated", with the reason noresource.
            self.notifier = None
            notifier.terminate("noresource", bytes(outline), SIPFRAG)
        else:
            notifier.notify(bytes(outline), SIPFRAG)

    def follow(
        self,
        body: bytes | str = b"",
        contentType: str = SDP,
        headers: Headers = (),
        *,
        handler: ISessionDescriptionHandler | None = None,
        noAnswerTimeout: float | None = None,
    ) -> Session:
        """
        Accept it, call who is referred to, and tell the peer what comes of that.

        @param body: Our offer; nothing: the handler makes it, or the callee is asked for one.
        @param contentType: Its type.
        @param headers: Further headers of the INVITE.
        @param handler: What makes and takes the session descriptions.
        @param noAnswerTimeout: As of C{UserAgent.invite}.
        @return: The new session.
        @raise WrongMoment: It is answered; or it refers to something that no INVITE is for.
        @raise ValueError: The INVITE cannot be as it is given.
        """
        session = self._invite(Description.of(body, contentType), headers, handler, noAnswerTimeout)
        try:
            self.accept()
        except WrongMoment:
            # Nobody has the session who could end it.
            session.terminate()
            raise
        session.on("progress", self._progressed)
        session.on("accepted", self._accepted)
        session.on("failed", self._failed)
        return session

    def _invite(
        self,
        offer: Description | None,
        headers: Headers,
        handler: ISessionDescriptionHandler | None,
        noAnswerTimeout: float | None,
    ) -> Session:
        target = self.referTo.target
        if target is None or target.method != "INVITE":
            raise WrongMoment("to call who is referred to", f"that is {self.address}")
        self._checkOpen()
        given = target.over([*headers])
        if self.referTo.replaces is not None and "Require" not in dict(target.headers):
            # RFC 3891 section 4: it is to be refused, not to ring, by who does not know Replaces.
            given.append(("Require", REPLACES))
        if self.referredBy is not None:
            # RFC 3892 section 2.3: "copies" it "into the referenced request".
            given.append(("Referred-By", self.referredBy))
        invitation = Invitation(target.uri, (*given,), offer, None, noAnswerTimeout)
        session = self._make(handler)
        session.begin(Outgoing(session, self._usages, invitation))
        return session

    def _progressed(self, response: IncomingResponse) -> None:
        self.notify(response.statusCode, response.reasonPhrase)

    def _accepted(self, response: Any) -> None:
        self.notify(response.statusCode, response.reasonPhrase)

    def _failed(self, error: SessionFailed) -> None:
        response = error.response
        if response is not None:
            self.notify(response.statusCode, response.reasonPhrase)
        else:
            self.notify(_UNANSWERED.get(error.cause, 503))

    def _isUnwanted(self) -> bool:
        """Say whether the peer wants to be told nothing (RFC 4488)."""
        if not self.request.hasHeader("Refer-Sub") or not supports(self.request, NOREFERSUB):
            return False
        try:
            return not self.request.parseHeader("Refer-Sub").isWanted
        except (ParseError, AttributeError):
            return False

    def _checkOpen(self) -> None:
        if self.answered.called:
            raise WrongMoment("to answer a reference", "it is answered")
        dialog = self._dialog
        if dialog is not None and dialog.state.state == State.TERMINATED:
            self._answer(481)
            raise WrongMoment("to accept a reference", "its dialog is over")

    def _answer(
        self, statusCode: int, reasonPhrase: str | None = None, headers: Headers = ()
    ) -> Dialog | None:
        """
        Answer it.

        @return: The dialog that what comes of it is told in.
        """
        if self.answered.called:
            raise WrongMoment("to answer a reference", "it is answered")
        isNew = self._dialog is None
        try:
            dialog, _ = self._usages.respond(self.request, statusCode, reasonPhrase, headers, establish=isNew)
        except (LimitExceeded, ParseError) as error:
            self._usages.respond(self.request, 503 if isinstance(error, LimitExceeded) else 400)
            self.answered.callback(None)
            raise WrongMoment("to accept a reference", str(error)) from error
        self.answered.callback(None)
        return dialog if isNew else self._dialog
