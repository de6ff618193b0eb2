"""
L{Session}: a call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail

from sipws.dialog.dialog import checkFurther
from sipws.errors import WrongMoment
from sipws.session.core import ESTABLISHED, Headers
from sipws.session.holds import Holding
from sipws.session.machine import State
from sipws.session.referring import Referring
from sipws.session.values import SDP, Cause, Description, Termination

if TYPE_CHECKING:
    from sipws.message import IncomingResponse
    from sipws.session.incoming import Incoming

__all__ = ["Session"]


class Session(Referring, Holding):
    """
    A session that an INVITE sets up (RFC 3261 sections 13 to 15): a call.

    Its events::

        ==========  ================  ==========================================================
        event       arguments         when
        ==========  ================  ==========================================================
        progress    response          a provisional response came, or was sent
        accepted    response          a 2xx came, or was sent
        confirmed                     the ACK came, or was sent
        failed      SessionFailed     it was not accepted
        terminated  Termination       it is over, accepted or not
        offer       Offer             the peer offers, or asks for an offer: see L{Offer}
        ack         request           an ACK came
        repaired                      the connection was lost, and the call goes on over another
        refresh                       an INVITE or UPDATE within it was accepted: its timer runs anew
        redirected  response          a redirection is followed (``followRedirects``)
        hold        by                the peer is on hold (C{local}), or holds us (C{remote})
        resume      by                that is over
        info        request           an INFO came
        dtmf        DTMF              a tone came in an INFO
        refer       Reference         the peer wants us to call somebody: see L{Reference}
        replaced    session           another session has taken its place, and it ends
        forked      response          a further 2xx of another branch came, which was ended at once
        ==========  ================  ==========================================================

    @ivar direction: C{outgoing} or C{incoming}.
    @ivar state: How it stands: one of L{State}.
    @ivar handler: What makes and takes the session descriptions; C{None}: its user does.
    @ivar legs: Its dialogs.
    @ivar ending: What ends it, or has ended it; C{None}: nothing does.
    @ivar isOnHold: Whether we hold the peer.
    @ivar isHeld: Whether the peer holds us.
    @ivar replaces: The session that it is to take the place of, or has taken (RFC 3891); C{None}: none.
    """

    # Waiting.

    def whenAccepted(self) -> Deferred[Session]:
        """
        Wait for a 2xx.

        @return: A Deferred of the session; it fails with L{SessionFailed} where there will be none.
        """
        return self.accepted.wait(self)

    def whenConfirmed(self) -> Deferred[Session]:
        """
        Wait for the ACK to the 2xx, or until it has left.

        @return: A Deferred of the session; it fails with L{SessionFailed} or
            L{SessionTerminated} where there will be none.
        """
        return self.confirmed.wait(self)

    # An INVITE of the peer's.

    def progress(
        self,
        statusCode: int = 180,
        reasonPhrase: str | None = None,
        headers: Headers = (),
        body: bytes | str = b"",
        contentType: str = SDP,
        reliable: bool | None = None,
    ) -> Deferred[bool]:
        """
        Answer the peer's INVITE provisionally.

        @param statusCode: 101 to 199.
        @param reasonPhrase: C{None} for the one that goes with the code.
        @param headers: Further headers.
        @param body: Our description: early media.
        @param contentType: Its type.
        @param reliable: Whether the peer is to acknowledge it (RFC 3262);
            C{None}: where it insists on that, and where there is a body, if it can.
        @return: A Deferred that fires with C{True} when it is acknowledged, and at once for one that is
            not reliable; and with C{False} where the session comes to its end before.
            It fails with L{WrongMoment}.
        @raise ValueError: The response cannot be as it is given.
        """
        if self.state != State.RINGING:
            return fail(WrongMoment("a provisional response", self.state))
        incoming: Incoming = self.invitation
        return incoming.progress(
            statusCode, reasonPhrase, [*headers], Description.of(body, contentType), reliable
        )

    def accept(
        self, body: bytes | str = b"", contentType: str = SDP, headers: Headers = ()
    ) -> Deferred[Session]:
        """
        Accept the peer's INVITE.

        @param body: Our description, where the handler does not make it.
        @param contentType: Its type.
        @param headers: Further headers of the 2xx.
        @return: A Deferred of the session, which fires when the peer has acknowledged that.
            It fails with L{WrongMoment}, and as L{whenConfirmed} does.
        @raise ValueError: The response cannot be as it is given.
        """
        if self.state != State.RINGING:
            return fail(WrongMoment("to accept", self.state))
        incoming: Incoming = self.invitation
        return incoming.accept(Description.of(body, contentType), [*headers])

    def reject(
        self,
        statusCode: int = 480,
        reasonPhrase: str | None = None,
        headers: Headers = (),
        contacts: Iterable[object] = (),
    ) -> None:
        """
        Refuse the peer's INVITE.

        @param statusCode: 300 to 699.
        @param reasonPhrase: C{None} for the one that goes with the code.
        @param headers: Further headers.
        @param contacts: With 300 to 399, where to look instead: URIs, or values of Contact.
        @raise WrongMoment: There is no INVITE that waits for an answer.
        @raise ValueError: The response cannot be as it is given.
        """
        if self.state != State.RINGING:
            raise WrongMoment("to reject", self.state)
        self.invitation.reject(statusCode, reasonPhrase, headers, contacts)

    def neglected(self) -> None:
        """Refuse the peer's INVITE, unless it is answered: all who listen for C{invite} have failed."""
        if self.state == State.RINGING:
            # RFC 3261 section 21.5.1: "The server encountered an unexpected condition".
            self.invitation.reject(500, None, (), ())

    # The end.

    def cancel(self, reason: str | None = None) -> None:
        """
        Give our INVITE up (RFC 3261 section 9.1).

        @param reason: What the CANCEL says of that: a value of Reason (RFC 3326).
        @raise WrongMoment: There is no INVITE that waits for an answer.
        @raise ValueError: The reason cannot be as it is given.
        """
        if self.state not in (State.CALLING, State.EARLY):
            raise WrongMoment("to cancel", self.state)
        _check(reason)
        self.hangUp(Termination(Cause.CANCELLED, "local", reason=reason), reason)

    def bye(self, reason: str | None = None, headers: Headers = ()) -> Deferred[Termination]:
        """
        End the session (RFC 3261 section 15).

        @param reason: What the BYE says of that: a value of Reason (RFC 3326).
        @param headers: Further headers of the BYE.
        @return: A Deferred that fires when it is over.  It fails with L{WrongMoment}.
        @raise ValueError: A header cannot be as it is given.
        """
        if self.state not in ESTABLISHED:
            return fail(WrongMoment("to end it", self.state))
        given = [*headers]
        _check(reason, given)
        return self.hangUp(Termination(Cause.HUNG_UP, "local", reason=reason), reason, given)

    def terminate(self, reason: str | None = None) -> Deferred[Termination]:
        """
        End it in whatever way is the right one now: with CANCEL, 480 or BYE, or by itself.

        @param reason: What the message says of that: a value of Reason (RFC 3326).
        @return: A Deferred that fires when it is over.
        @raise ValueError: The reason cannot be as it is given.
        """
        _check(reason)
        cause = Cause.HUNG_UP if self.state in ESTABLISHED else Cause.CANCELLED
        return self.finish(Termination(cause, "local", reason=reason), reason)

    # Within the session.

    def reinvite(
        self, body: bytes | str = b"", contentType: str = SDP, headers: Headers = ()
    ) -> Deferred[IncomingResponse]:
        """
        Send an INVITE within the session (RFC 3261 section 14).

        Where it crosses one of the peer's (491), it is sent again, as section
        14.1 says.

        @param body: Our offer; nothing: the peer is asked for one, which comes as C{offer}.
        @param contentType: Its type.
        @param headers: Further headers.
        @return: A Deferred of the final response, of whatever class.  It fails
            with L{WrongMoment} where no offer may be made now, or another
            re-INVITE is under way; and as C{UserAgent.request} does.
        @raise ValueError: The request cannot be as it is given.
        """
        return self._modify("INVITE", Description.of(body, contentType), headers)

    def update(
        self, body: bytes | str = b"", contentType: str = SDP, headers: Headers = ()
    ) -> Deferred[IncomingResponse]:
        """
        Send an UPDATE (RFC 3311): also before the session is accepted.

        @param body: Our offer; nothing: there is none, and but the target and the timer are refreshed.
        @param contentType: Its type.
        @param headers: Further headers.
        @return: As of L{reinvite}.
        @raise ValueError: The request cannot be as it is given.
        """
        return self._modify("UPDATE", Description.of(body, contentType), headers)

    def _modify(self, method: str, offer: Description | None, headers: Headers) -> Deferred[IncomingResponse]:
        if offer is not None:
            self.forgetDirections()
        return self.modification.send(method, offer, headers)


def _check(reason: str | None, headers: Headers = ()) -> None:
    """Refuse what the message that ends a session cannot say, before anything comes of it."""
    if reason is not None or headers:
        checkFurther([*([("Reason", reason)] if reason is not None else ()), *headers])
