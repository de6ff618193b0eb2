"""
L{Referral}: a REFER of ours, and what comes of it (RFC 3515).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from sipws.emitter import Emitter, loggerFor
from sipws.errors import ParseError, ReferralFailed, SIPError
from sipws.session.outcome import Outcome
from sipws.session.references import Outline
from sipws.session.tags import NOREFERSUB
from sipws.subscription import Subscription

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from sipws.dialog import Dialog
    from sipws.message import IncomingResponse
    from sipws.session.informing import Informing
    from sipws.subscription import Notification

__all__ = ["Referral"]

_log = loggerFor("sip.session")


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

    def __init__(
        self,
        session: Informing,
        dialog: Dialog,
        headers: list[tuple[str, object]],
        subscribe: bool,
        isFirst: bool,
    ) -> None:
        super().__init__()
        self._session = session
        self._dialog = dialog
        self._headers = headers
        self._subscribes = subscribe
        # Section 2.4.6: of the first in a dialog, the NOTIFYs may have no id.
        self._isFirst = isFirst
        self._accepted: Outcome[Referral] = Outcome()
        self._completed: Outcome[Outline | None] = Outcome()
        self.outline: Outline | None = None
        self.subscription: Subscription | None = None

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

    def start(self) -> Referral:
        """
        Send it.

        @raise ValueError: The REFER cannot be as it is given.
        """
        headers = self._headers
        if not self._subscribes:
            # RFC 4488 section 4: "the "false" value [...] indicates that the REFER-Issuer does not want".
            headers = [*headers, ("Refer-Sub", "false"), ("Supported", NOREFERSUB)]
        sent = self._session.usages.sendWithin(self._dialog, "REFER", headers)
        if self._subscribes:
            # Section 2.4.4: it "MUST be prepared to receive a NOTIFY before the REFER transaction completes."
            self._subscribe(sent.request.cseq)
        self._session.watch(sent.result).addCallbacks(self._answered, self._unanswered)
        return self

    def _subscribe(self, cseq: int) -> None:
        also = ("refer",) if self._isFirst else ()
        made = Subscription.implicit(self._session.usages, f"refer;id={cseq}", dialog=self._dialog, also=also)
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
            subscription.dialogEnded(self._dialog)


def _isUntold(response: IncomingResponse) -> bool:
    try:
        value = response.parseHeader("Refer-Sub") if response.hasHeader("Refer-Sub") else None
    except ParseError:
        return False
    return value is not None and not value.isWanted
