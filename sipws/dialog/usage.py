"""
What shares a dialog, and what it does so through: the interfaces between a
user agent and the calls and subscriptions of it (RFC 5057).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from sipws.config import Configuration
    from sipws.dialog.dialog import Dialog
    from sipws.dialog.table import Dialogs
    from sipws.emitter import IAnswerable
    from sipws.errors import SIPError
    from sipws.interfaces import ITransport
    from sipws.message import URI, IncomingRequest, IncomingResponse, OutgoingRequest, OutgoingResponse

__all__ = ["ISending", "IUsage", "IUsages"]

#: Headers, name and value.
_Headers = Iterable[tuple[str, object]]


class IUsage(Protocol):
    """
    What shares a dialog: a session, a subscription.

    @ivar holdsConnection: Whether a flow is not to change its server, but for
        need, as long as this goes on: so with a call.
    """

    @property
    def holdsConnection(self) -> bool:
        """See above."""

    def __hash__(self) -> int: ...

    def takes(self, request: IncomingRequest) -> bool:
        """Say whether a request within the dialog is for this usage."""

    def receiveRequest(self, request: IncomingRequest) -> object:
        """
        Take a request within the dialog that is for this usage.

        @return: What a handler may return (see C{UserAgent.handle}); for an
            ACK it is of no account.
        """

    def dialogEnded(self, dialog: Dialog) -> None:
        """Take note that a dialog is gone, with all its usages."""

    def connectionLost(self, dialog: Dialog, error: SIPError) -> None:
        """
        Take note that the connection is gone that a dialog's messages came and
        went on.  What was under way on it fails by itself.
        """

    def stop(self) -> Deferred[None] | None:
        """
        Come to an end, in order: the user agent is being stopped.

        @return: A Deferred that fires when that is done, and never fails; C{None}: it is.
        """


class ISending(Protocol):
    """A request that is on its way."""

    @property
    def result(self) -> Deferred[IncomingResponse]:
        """Its final response, of whatever class; it fails as that of C{UserAgent.request} does."""

    @property
    def request(self) -> OutgoingRequest:
        """It, as it was sent last: with the credentials that were asked for."""

    def cancel(self, headers: _Headers = ()) -> None:
        """
        Give an INVITE up (RFC 3261 section 9.1).

        The result is what comes of that: a 487 as a rule, a 2xx where it
        crossed the CANCEL.  It fails with L{TransactionCancelled} where the
        INVITE has not left.

        @param headers: Further headers of the CANCEL, such as Reason (RFC 3326).
        """


class IUsages(Protocol):
    """
    What a user agent does for its usages.

    @ivar clock: What timers run on.
    @ivar dialogs: All dialogs.
    @ivar configuration: The user agent's.
    @ivar random: Where delays come from: C{random()} gives a number from 0 to below 1.
    @ivar timers: The timers of transactions.
    """

    clock: IReactorTime
    dialogs: Dialogs

    @property
    def configuration(self) -> Configuration:
        """See above."""

    @property
    def random(self) -> Any:
        """See above."""

    @property
    def timers(self) -> Any:
        """See above."""

    # What there is.

    def add(self, usage: IUsage) -> None:
        """Have something be stopped with the user agent; before it has a dialog, as well."""

    def discard(self, usage: IUsage) -> None:
        """Forget what has come to its end."""

    def allow(self, methods: tuple[str, ...], optionTags: tuple[str, ...] = ()) -> None:
        """Have requests of these methods, and with these extensions, be taken from now on."""

    def attach(self, dialog: Dialog, usage: IUsage, transport: ITransport | None = None) -> None:
        """
        Have a usage share a dialog: requests within it come to the usage.

        @param transport: What the message came on that makes the dialog, if it was not ours.
        @raise ValueError: It does already, or the dialog is terminated.
        """

    def members(self, dialog: Dialog) -> list[IUsage]:
        """List the usages that share a dialog."""

    def detach(self, dialog: Dialog, usage: IUsage) -> None:
        """Have a usage share a dialog no more; the dialog ends with its last."""

    # Our requests.

    def contact(self, *, secure: bool = False) -> str:
        """
        Give our Contact header in dialogs.

        @param secure: Whether it must be a SIPS URI.
        """

    def build(
        self,
        method: str,
        target: URI | str,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
    ) -> OutgoingRequest:
        """
        Build a request outside of dialogs, for L{send}, as C{UserAgent.request} does.

        @raise ValueError: The request cannot be as it is given.
        """

    def send(
        self,
        request: OutgoingRequest,
        *,
        onProvisional: Callable[[IncomingResponse], None] | None = None,
        onAccepted: Callable[[IncomingResponse], None] | None = None,
        deadline: float | None = None,
        isLastWord: bool = False,
    ) -> ISending:
        """
        Send a request outside of dialogs.

        @param request: What L{build} gave.
        @param onProvisional: Called with each provisional response.
        @param onAccepted: Called with each 2xx to an INVITE but the first.
            With it, the ACK to each 2xx is the caller's to send, with
            L{acknowledge}; without it, it goes out by itself.
        @param deadline: As of C{UserAgent.request}.
        @param isLastWord: Whether it ends something, and may leave while the user agent is being stopped.
        """

    def sendWithin(
        self,
        dialog: Dialog,
        method: str,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        usage: IUsage | None = None,
        onProvisional: Callable[[IncomingResponse], None] | None = None,
        onAccepted: Callable[[IncomingResponse], None] | None = None,
        deadline: float | None = 0,
    ) -> ISending:
        """
        Send a request within a dialog, on the connection that the dialog is
        on, or else on the best there is.

        The dialog has taken the final response before the result fires: one
        that destroys dialogs has had C{dialogEnded} be called.

        @param usage: The usage that the response, or the lack of one, may end (L{effectOf}):
            it is detached then.  C{None}: none, as its user looks at that.
        @param deadline: As of C{UserAgent.request}; 0: it leaves at once or not at all.
        @raise ValueError: The dialog has no such request, or no more requests.
        """

    def acknowledge(
        self,
        dialog: Dialog,
        cseq: int,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
    ) -> bool:
        """
        Send the ACK to a 2xx (RFC 3261 section 13.2.2.4).

        @param dialog: The dialog that the 2xx is of.
        @param cseq: The number of the INVITE as it was sent: of C{ISending.request}.
        @param headers: Further headers: the credentials of the INVITE first of all.
        @return: Whether it was sent.
        @raise ValueError: The dialog is terminated, or its peer's Contact is not known.
        """

    # Requests of others.

    def expect(self, request: OutgoingRequest, usage: IUsage | None) -> None:
        """
        Have a usage take the requests that follow a request of ours, and make
        a dialog: a NOTIFY may come before the response to its SUBSCRIBE, and
        from any number of notifiers (RFC 6665 section 4.4.1).

        @param request: Our request.
        @param usage: The usage, which is still asked whether it takes them; C{None}: no more.
        """

    def know(self, package: str) -> None:
        """
        Take note that there is something that takes the events of a package: what else is of
        it is without a subscription (481); what is of another is of an unknown event (489).
        """

    def follow(
        self,
        request: IncomingRequest,
        onCancel: Callable[[IncomingRequest], None],
        onLost: Callable[[SIPError], None],
    ) -> None:
        """
        Hear what becomes of an incoming INVITE that has no final response.

        @param onCancel: Called with the CANCEL to it, which is answered; the
            INVITE is still to be answered, with 487.
        @param onLost: Called where it cannot be answered any more, as its
            connection is gone; and where it is to be answered now, as the
            user agent is being stopped.
        """

    def respond(
        self,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: _Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        establish: bool = False,
        localCSeq: int | None = None,
    ) -> tuple[Dialog | None, OutgoingResponse]:
        """
        Answer a request.

        @param establish: Whether the response makes a dialog, confirms or ends
            it, as responses to requests outside of dialogs do; it has our
            Contact then, where it needs one.
        @param localCSeq: The number of the request of ours that the request follows, as of L{expect}.
        @return: That dialog, if there is one; and the response, for L{resend}.
        @raise LimitExceeded: There are too many dialogs: nothing was sent.
        @raise ParseError: The request makes no dialog as it is: nothing was sent.
        @raise ValueError: The response cannot be as it is given.
        """

    def resend(self, response: OutgoingResponse) -> bool:
        """
        Send a response again: a 2xx to an INVITE until its ACK comes, a reliable provisional one.

        @return: Whether it was sent.
        """

    # The user agent.

    def whenReachable(self) -> Deferred[None]:
        """Wait until there is a connection, and a binding at the registrar where one is wanted."""

    def emit(self, event: str, *args: object) -> bool:
        """
        Tell the listeners of the user agent of an event.

        @return: Whether there was one.
        """

    def ask(self, event: str, thing: IAnswerable) -> bool:
        """
        Have the listeners of the user agent answer something.

        @return: Whether there was one.
        """

    def hasListeners(self, event: str) -> bool:
        """Say whether the user agent has a listener of an event."""
