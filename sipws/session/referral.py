"""
L{Referral}: a REFER of ours, and what comes of it (RFC 3515).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from twisted.python.failure import Failure

from sipws.emitter import Emitter, loggerFor
from sipws.errors import ParseError, ReferralFailed, SIPError
from sipws.session.outcome import Outcome
from sipws.session.references import Outline
from sipws.session.tags import NOREFERSUB
from sipws.subscription import Subscription
from sipws.subscription.judging import Occasion
from sipws.subscription.machine import Event
from sipws.subscription.values import Retry, eventOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.defer import Deferred

    from sipws.dialog import Dialog, ISending, IUsages
    from sipws.message import IncomingRequest, IncomingResponse
    from sipws.subscription import Notification

__all__ = ["Referral"]

_log = loggerFor("sip.session")

_Headers = Iterable[tuple[str, object]]


class Referral(Emitter):
    """
    A REFER of ours.  Its events::

        =========  ==============  =========================================================
        event      arguments       when
        =========  ==============  =========================================================
        accepted   response        the peer has accepted the REFER: it is going to try
        progress   Outline         it tells how far it has come: the status line of a response that it got
        completed  Outline         that of the final response
        failed     ReferralFailed  the REFER was refused, or what comes of it is not told
        =========  ==============  =========================================================

    @ivar outline: What was told last; C{None}: nothing.
    @ivar subscription: What it is told by; C{None}: nothing is told any more.
    """

    def __init__(self, usages: IUsages, dialog: Dialog | None, *, subscribe: bool, isFirst: bool) -> None:
        """
        @param dialog: The dialog that it is sent in; C{None}: in none.
        @param subscribe: Whether the peer is to tell what comes of it.
        @param isFirst: Whether it is the first REFER in the dialog.
        """
        super().__init__()
        self._usages = usages
        self._dialog = dialog
        self._subscribes = subscribe
        # Section 2.4.6: of the first in a dialog, the NOTIFYs may have no id.
        self._isFirst = isFirst
        self._accepted: Outcome[Referral] = Outcome()
        self._completed: Outcome[Outline | None] = Outcome()
        self.outline: Outline | None = None
        self.subscription: _Told | None = None

    def whenAccepted(self) -> Deferred[Referral]:
        """
        Wait until the peer has accepted the REFER.

        @return: A Deferred of this; it fails with L{ReferralFailed}.
        """
        return self._accepted.wait()

    def whenCompleted(self) -> Deferred[Outline | None]:
        """
        Wait for what comes of it.

        @return: A Deferred of the L{Outline} of the final response that the peer got, of whatever class;
            C{None} where the peer was asked not to tell.  It fails with L{ReferralFailed}.
        """
        return self._completed.wait()

    def start(self, headers: list[tuple[str, object]], send: Callable[[_Headers], ISending]) -> Referral:
        """
        Send it.

        @param headers: Its headers.
        @param send: Sends a REFER with headers.
        @raise ValueError: The REFER cannot be as it is given.
        """
        if not self._subscribes:
            # RFC 4488 section 4: the value "false" says that no subscription is wanted.
            headers = [*headers, ("Refer-Sub", "false"), ("Supported", NOREFERSUB)]
        sent = send(headers)
        if self._subscribes:
            # Section 2.4.4: it "MUST be prepared to receive a NOTIFY before the REFER transaction completes."
            self._subscribe(sent)
        sent.result.addCallbacks(self._answered, self._unanswered)
        return self

    def _subscribe(self, sent: ISending) -> None:
        implicit = _Told.implicit(
            self._usages,
            f"refer;id={sent.request.cseq}",
            dialog=self._dialog,
            sending=sent if self._dialog is None else None,
            also=("refer",) if self._isFirst else (),
        )
        made = cast(_Told, implicit)
        made.refer = sent
        self.subscription = made
        made.on("notify", self._notified)
        made.on("ended", self._ended)

    def _answered(self, response: IncomingResponse) -> None:
        if response.statusCode >= 300:
            self._fail(ReferralFailed("the peer refuses", response=response))
            return
        self._accepted.succeed(self)
        self.emit("accepted", response)
        if not self._subscribes or _isUntold(response):
            self._completed.succeed(None)
            self._unsubscribe()

    def _unanswered(self, failure: Failure) -> None:
        if failure.check(SIPError) is None:
            _log.failure("a REFER came to nothing", failure)
        self._fail(ReferralFailed(f"the peer does not answer: {failure.getErrorMessage()}"))

    def _notified(self, notification: Notification) -> None:
        if not notification.body:
            return
        try:
            outline = Outline.parse(notification.body)
        except ParseError as error:
            _log.info("a NOTIFY that says nothing: {error}", error=error)
            return
        self.outline = outline
        # A NOTIFY says so, too, where it comes before the response.
        self._accepted.succeed(self)
        if not outline.isFinal:
            self.emit("progress", outline)
        elif not self._completed.isKnown:
            self._completed.succeed(outline)
            self.emit("completed", outline)

    def _ended(self, _: object) -> None:
        self.subscription = None
        self._fail(ReferralFailed("the peer does not tell what comes of it"))

    def _fail(self, error: ReferralFailed) -> None:
        if not self._completed.isKnown:
            self._accepted.fail(error)
            self._completed.fail(error)
            self.emit("failed", error)
        self._unsubscribe()

    def _unsubscribe(self) -> None:
        """There is no subscription: the peer has made none."""
        subscription, self.subscription = self.subscription, None
        if subscription is not None:
            subscription.cease()


class _Told(Subscription):
    """
    What the peer tells a referral by.

    @ivar refer: The REFER.
    """

    refer: ISending | None = None

    def takes(self, request: IncomingRequest) -> bool:
        """Say whether a request is a NOTIFY of this reference."""
        if super().takes(request):
            return True
        # A REFER that was challenged has left again, with a higher CSeq, which is the id then.
        refer, event = self.refer, eventOf(request) if request.method == "NOTIFY" else None
        return refer is not None and event is not None and event.id == str(refer.request.cseq)

    def cease(self) -> None:
        """The peer has made no subscription."""
        self._feed(Event.DIALOG_ENDED, Occasion("rejected", "there is no subscription", Retry.NEVER))


def _isUntold(response: IncomingResponse) -> bool:
    try:
        value = response.parseHeader("Refer-Sub") if response.hasHeader("Refer-Sub") else None
    except ParseError:
        return False
    return value is not None and not value.isWanted
