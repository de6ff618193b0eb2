"""
L{Subscription}: a subscription of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed

from sipws.dialog import DialogID
from sipws.errors import LimitExceeded, ParseError, SIPError, SubscriptionError
from sipws.message import Event as EventHeader
from sipws.subscription.judging import Occasion, eventOfNotification, ofNotification
from sipws.subscription.machine import Event, State
from sipws.subscription.subscriber import Subscriber
from sipws.subscription.values import Notification, Retry, eventOf, makesDialog

if TYPE_CHECKING:
    from sipws.dialog import Dialog, ISending, IUsages
    from sipws.message import IncomingRequest

__all__ = ["Subscription"]

#: The states in which NOTIFYs are taken.
_OPEN = frozenset({State.NOTIFY_WAIT, State.PENDING, State.ACTIVE, State.LEAVING})


class Subscription(Subscriber):
    """
    A subscription of ours (RFC 6665), kept up until it is ended for good.

    Where it is terminated, and the reason allows, it is begun anew, in a
    dialog of its own: this object stays the same.  Its events::

        ==========  ============  =======================================================
        event       arguments     when
        ==========  ============  =======================================================
        accepted    response      the 2xx to the first SUBSCRIBE; a NOTIFY follows, or was there before
        notify      notification  each NOTIFY: a L{Notification}
        refresh     response      the 2xx to a further SUBSCRIBE
        fork        subscription  a NOTIFY came of another notifier that the SUBSCRIBE has reached, and
                                  is told of by a subscription of its own; it is refused where nobody listens
        failed      error         a SUBSCRIBE came to nothing: a L{SubscriptionError}
        terminated  termination   it is terminated: a L{Termination}, whose C{retryIn}
                                  says whether it is begun anew
        ended       subscription  it is terminated, and is not begun anew
        ==========  ============  =======================================================
    """

    #: A subscription survives a change of the connection.
    holdsConnection = False

    @classmethod
    def implicit(
        cls,
        usages: IUsages,
        event: str,
        *,
        dialog: Dialog | None = None,
        sending: ISending | None = None,
        also: Iterable[str] = (),
    ) -> Subscription:
        """
        Make the subscription that another request of ours makes than
        SUBSCRIBE: a REFER (RFC 3515).  It is not refreshed by itself, nor begun anew.

        @param event: The Event that its NOTIFYs have: C{refer;id=93}.
        @param dialog: The dialog that the request was sent in; C{None}: in none.
        @param sending: The request, where it was sent in none: the first NOTIFY makes the dialog.
        @param also: Further values of Event that are as good: C{refer}.
        """
        self = cls(usages, "", event, resubscribe=False)
        self._matches = (*self._matches, *map(EventHeader.parse, also))
        self._isKept = False
        self._hasAccepted = True
        self.state = State.NOTIFY_WAIT
        usages.allow(("NOTIFY",))
        usages.know(self._matches[0].package)
        usages.add(self)
        if dialog is not None:
            self._attach(dialog)
        if sending is not None:
            self._origin = sending
            self._expect(sending.request)
        else:
            self._timing.start(Event.TIMER_N, self._timerN)
        return self

    # What its user calls.

    def start(self) -> None:
        """
        Subscribe, as soon as there is a connection.

        @raise ValueError: The request cannot be as it is given.
        """
        if self.expires < 0:
            raise ValueError("a subscription lasts for no time, or longer")
        self._usages.allow(("NOTIFY",))
        self._build()
        self._usages.know(self._matches[0].package)
        self._usages.add(self)
        self._wait()

    def refresh(self) -> Deferred[None]:
        """
        Subscribe further, now, and be told the state.

        @return: A Deferred that fires with the 2xx; it fails with L{SubscriptionError}.
        """
        if self.state not in (State.PENDING, State.ACTIVE):
            return fail(SubscriptionError(f"there is nothing to be refreshed: the state is {self.state}"))
        done = self._refreshWaiters.add(1)
        self._feed(Event.DUE)
        return done

    def unsubscribe(self) -> Deferred[None]:
        """
        End it (section 4.1.2.3).

        @return: A Deferred that fires when that is over, whatever came of it.
        """
        if self.state == State.ENDED:
            return succeed(None)
        done = self._endWaiters.add()
        if self._isEnding:
            # A listener of what has ended it: that is told first, and that it is not begun anew.
            self._timing.stop(Event.RETRY)
            return done
        self._feed(Event.UNSUBSCRIBE, Occasion("unsubscribed", "it was ended here", Retry.NEVER))
        return done

    def whenSubscribed(self) -> Deferred[None]:
        """
        Wait for the first NOTIFY.

        @return: A Deferred that fires when the subscription is C{active} or C{pending}; it fails with
            L{SubscriptionError} when a SUBSCRIBE comes to nothing, or the subscription is terminated.
        """
        if self.state in (State.PENDING, State.ACTIVE):
            return succeed(None)
        if self.state == State.ENDED:
            return fail(SubscriptionError("the subscription is over"))
        return self._subscribedWaiters.add(1)

    def whenEnded(self) -> Deferred[None]:
        """
        Wait until it is terminated for good: C{termination} says how.

        @return: A Deferred that does not fail.
        """
        return succeed(None) if self.state == State.ENDED else self._endWaiters.add()

    # What the user agent calls (IUsage).

    def takes(self, request: IncomingRequest) -> bool:
        """Say whether a request is a NOTIFY of this subscription (section 4.4.1)."""
        if request.method != "NOTIFY" or self.state not in _OPEN:
            return False
        event = eventOf(request)
        return event is not None and any(each.matches(event) for each in self._matches)

    def receiveRequest(self, request: IncomingRequest) -> object:
        """Take a NOTIFY."""
        try:
            notification = Notification.of(request)
        except ParseError:
            # "NOTIFY requests MUST contain "Subscription-State" header fields".
            return 400
        if not self._understands(notification):
            return self._usages.respond(request, 415, headers=[("Accept", ", ".join(self._accept))])[1]
        if self.dialog is None:
            return self._enter(notification)
        if self.dialog.id != DialogID.ofRequest(request):
            return self._fork(notification)
        if request.cseq == self._lastCSeq:
            # RFC 3261 section 12.2.1.1: numbers are "strictly monotonically increasing": it was told of.
            return 200
        # Section 4.1.3: "subscribers MUST NOT wait for a user response before returning a final
        # response": the NOTIFY is answered before anybody is told.
        _, response = self._usages.respond(request, 200)
        self._notified(notification)
        return response

    def dialogEnded(self, dialog: Dialog) -> None:
        """Take note that the dialog is gone."""
        if self._sending is None or self.state == State.NOTIFY_WAIT:
            self._feed(Event.DIALOG_ENDED, Occasion("lost", "its dialog has ended", Retry.NOW))
        # Otherwise the response to what is out, which comes next, may be why.

    def connectionLost(self, dialog: Dialog, error: SIPError) -> None:
        """Take note that the connection is gone: the notifier hears of the next one."""
        if self._isKept and self.state in (State.PENDING, State.ACTIVE):
            self._wait()

    def stop(self) -> Deferred[None]:
        """Unsubscribe: the user agent is being stopped.  It takes no NOTIFY any more: none is waited for."""
        self._isStopping = True
        done = self.unsubscribe()
        if self._sending is None and not self._isEnding:
            self._stopWaiting()
        return done

    # NOTIFYs.

    def _understands(self, notification: Notification) -> bool:
        given = (notification.contentType or "").partition(";")[0].strip().lower()
        types = [each.partition(";")[0].strip().lower() for each in self._accept]
        # RFC 3261 section 25.1 has ranges: "*/*", and all the subtypes of a type.
        ranges = {given, "*/*", given.partition("/")[0] + "/*"}
        return not (notification.body and types) or not ranges.isdisjoint(types)

    def _enter(self, notification: Notification) -> object:
        """
        Take the first NOTIFY, which makes the dialog.

        Section 4.4.1: "Dialogs usages are created upon completion of a NOTIFY transaction for a new
        subscription, unless the NOTIFY request contains a "Subscription-State" of "terminated.""
        """
        if notification.state == "terminated":
            self._usages.respond(notification.request, 200)
        else:
            dialog, refusal = self._establish(notification)
            if dialog is None:
                return refusal
            self._attach(dialog)
        self._notified(notification)
        return None

    def _establish(self, notification: Notification) -> tuple[Dialog | None, int]:
        """Make the dialog of a NOTIFY; or say how it is refused."""
        if not makesDialog(notification.request):
            return None, 400
        cseq = None if self._origin is None else self._origin.request.cseq
        try:
            dialog, _ = self._usages.respond(notification.request, 200, establish=True, localCSeq=cseq)
        except LimitExceeded:
            return None, 503
        except ParseError:
            return None, 400
        return dialog, 200

    def _fork(self, notification: Notification) -> object:
        """
        Take the first NOTIFY of another notifier.

        Section 4.1.4: "If multiple NOTIFY requests are received in different dialogs in response to a
        single SUBSCRIBE request, each dialog represents a different destination".
        """
        if notification.state == "terminated":
            return 200
        # Section 5.4.9: where it is not wanted, it "would be rejected with a 481 response."
        if not self.hears("fork"):
            return 481
        dialog, refusal = self._establish(notification)
        if dialog is None:
            return refusal
        other = Subscription(self._usages, self._target, self.event, expires=self.expires, resubscribe=False)
        other._like(self)
        # Its dialog is there: whoever does not want it unsubscribes in that.
        other.state = State.PENDING
        self._usages.add(other)
        other._attach(dialog)
        self.emit("fork", other)
        other._notified(notification)
        return None

    def _attach(self, dialog: Dialog) -> None:
        self.dialog = dialog
        self._since = self._usages.clock.seconds()
        self._usages.attach(dialog, self)

    def _notified(self, notification: Notification) -> None:
        self.notification = notification
        self._lastCSeq = notification.request.cseq
        if self.state != State.LEAVING:
            # Otherwise it is the last one that is waited for, and that ends it.
            self._timing.stop(Event.TIMER_N)
        self._grant(notification.expires)
        self._feed(eventOfNotification(notification), ofNotification(notification))
