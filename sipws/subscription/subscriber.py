"""
L{Subscriber}: what drives the table C{SUBSCRIBER} of L{sipws.subscription.machine}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import attrs

from sipws.arrows import byCause
from sipws.dialog import State as DialogState
from sipws.emitter import Emitter, loggerFor
from sipws.errors import SubscriptionError, TransactionTimeout
from sipws.later import later
from sipws.message import Event as EventHeader
from sipws.message.given import checkNumber, checkText, checkTexts
from sipws.refreshing import MIN_REFRESH, deltaSeconds, minExpires, refreshDelay
from sipws.subscription.judging import Occasion, eventOfRefresh, ofResponse, resubscribeIn
from sipws.subscription.machine import SUBSCRIBER, Action, Event, State
from sipws.subscription.timing import Timing
from sipws.subscription.values import DEFAULT_EXPIRES, Notification, Retry, Termination
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipws.dialog import Dialog, ISending, IUsage, IUsages
    from sipws.message import URI, IncomingResponse, OutgoingRequest

__all__ = ["Subscriber"]

_log = loggerFor("sip.subscription")

#: How long NOTIFYs of further notifiers are waited for, as of timer N.
_WINDOW = "end of forking"

#: By how many seconds the end of a subscription must move for its refresh to.
_TOLERANCE = 2.0

_ARROWS = byCause(SUBSCRIBER.arrows)


class Subscriber(Emitter):
    """
    The machine of a subscription of ours, and its SUBSCRIBEs.

    @ivar state: One of L{State}.
    @ivar event: The value of Event.
    @ivar dialog: The dialog that it is in; C{None} for none.
    @ivar expires: For how long it asks, in seconds: more than it was told to where the notifier wants that.
    @ivar granted: For how long it was granted last, in seconds; 0 before that.
    @ivar notification: What the last NOTIFY said; C{None} before the first.
    @ivar termination: How it was terminated last; C{None} before that.
    """

    def __init__(
        self,
        usages: IUsages,
        target: URI | str,
        event: str,
        *,
        expires: int = DEFAULT_EXPIRES,
        accept: Iterable[str] = (),
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        resubscribe: bool = True,
    ) -> None:
        """
        @param usages: What it is sent through.
        @param target: Whose state is subscribed to.
        @param event: The event package, with its parameters.
        @param expires: For how long it is asked for, in seconds; 0: for the state as it is now, once.
        @param accept: The types of state that are understood; none: whichever
            the package has.
        @param headers: Further headers of each SUBSCRIBE.
        @param body: The body of each, such as a filter.
        @param contentType: Its type.
        @param resubscribe: Whether it is begun anew where the reason of its end allows.
        @raise ValueError: The request cannot be as it is given.
        """
        super().__init__()
        checkText("event", event, "presence")
        checkNumber("expires", expires, "a number of seconds")
        checkTexts("accept", accept, "application/pidf+xml")
        self._usages = usages
        self._target = target
        self._accept = tuple(accept)
        self._headers = [("Event", event), *headers]
        if self._accept:
            self._headers.append(("Accept", ", ".join(self._accept)))
        self._body, self._contentType = body, contentType
        self._matches: tuple[EventHeader, ...] = (EventHeader.parse(event),)
        # Whether it is kept up: one that came with a REFER is not.
        self._isKept = True
        self._resubscribes = resubscribe and expires > 0
        self.state: str = State.INIT
        self.event = event
        self.dialog: Dialog | None = None
        self.expires = expires
        self.granted = 0
        self.notification: Notification | None = None
        self.termination: Termination | None = None
        # The number of the last NOTIFY.
        self._lastCSeq: int | None = None
        # The SUBSCRIBE that is out; and the request that NOTIFYs of new dialogs follow, with its last CSeq.
        self._sending: ISending | None = None
        self._origin: ISending | None = None
        # The request that NOTIFYs of dialogs that are not there yet may follow.
        self._expected: OutgoingRequest | None = None
        # Counts the SUBSCRIBEs: what comes of any but the last is of no use.
        self._turn = 0
        # Counts the waits for a connection, likewise.
        self._waits = 0
        self._failures = 0
        self._raised = False
        # Whether it is being terminated, and that is not told yet.
        self._isEnding = False
        # Whether somebody is being told of a failure, and may try again.
        self._isTelling = False
        # Whether the user agent is being stopped.
        self._isStopping = False
        # Whether there was a 2xx to the first SUBSCRIBE.
        self._hasAccepted = False
        # Since when it is in its dialog, and until when it goes on, by the clock.
        self._since = self._until = 0.0
        self._timing = Timing(usages.clock, self._fired)
        self._subscribedWaiters = Waiters()
        self._refreshWaiters = Waiters()
        self._endWaiters = Waiters()

    @property
    def _usage(self) -> IUsage:
        """What shares the dialog: the whole that this is the machine of."""
        return cast("IUsage", self)

    def _like(self, other: Subscriber) -> None:
        """Say in SUBSCRIBEs what another says."""
        self._headers, self._accept = other._headers, other._accept
        self._body, self._contentType = other._body, other._contentType
        self._hasAccepted = True

    # The machine.

    def _feed(self, event: str, occasion: Occasion | None = None) -> None:
        arrow = _ARROWS.get((self.state, event))
        if arrow is None:
            return
        self.state = arrow.target
        for action in arrow.actions:
            self._ACTIONS[action](self, occasion or Occasion())

    def _fired(self, event: str) -> None:
        if event == _WINDOW:
            self._expectNothing()
            event = Event.TIMER_N if self.state == State.NOTIFY_WAIT else _WINDOW
        reason = "expired" if event == Event.EXPIRED else "silent"
        text = "it has not been refreshed in time" if event == Event.EXPIRED else "no NOTIFY came in time"
        self._feed(event, Occasion(reason, text, Retry.NOW if event == Event.EXPIRED else Retry.LATER))

    @property
    def _timerN(self) -> float:
        return float(64 * self._usages.timers.T1)

    # SUBSCRIBEs.

    def _wait(self, occasion: Occasion | None = None) -> None:
        self._raised = False
        self._waits += 1
        waits = (self._waits,)
        self._usages.whenReachable().addCallbacks(
            self._reached, self._stopped, callbackArgs=waits, errbackArgs=waits
        )

    def _reached(self, _: None, waits: int) -> None:
        if waits == self._waits:
            self._feed(Event.REACHABLE)

    def _stopped(self, _: Failure, waits: int) -> None:
        if waits == self._waits:
            self._feed(Event.NO_RETRY)

    def _subscribe(self, occasion: Occasion) -> None:
        self._hasAccepted = False
        self._until = 0.0
        request = self._build()
        self._expect(request)
        self._turn += 1
        self._origin = self._usages.send(request)
        self._follow(self._origin, self._turn, isFirst=True)

    def _build(self) -> OutgoingRequest:
        pairs = [*self._headers, ("Expires", self.expires)]
        return self._usages.build("SUBSCRIBE", self._target, pairs, self._body, self._contentType)

    def _expect(self, request: OutgoingRequest) -> None:
        """Have NOTIFYs that make a dialog come here, until timer N fires."""
        self._expectNothing()
        self._expected = request
        self._usages.expect(request, self._usage)
        self._timing.start(_WINDOW, self._timerN)

    def _expectNothing(self) -> None:
        expected, self._expected = self._expected, None
        if expected is not None:
            self._usages.expect(expected, None)
            self._timing.stop(_WINDOW)

    def _refresh(self, occasion: Occasion) -> None:
        if self._sending is None:
            self._sendWithin(self.expires)

    def _unsubscribe(self, occasion: Occasion) -> None:
        self._sendWithin(0)

    def _sendWithin(self, expires: int) -> None:
        assert self.dialog is not None
        self._timing.stop(Event.DUE)
        self._timing.start(Event.TIMER_N, self._timerN)
        self._turn += 1
        pairs = [*self._headers, ("Expires", expires)]
        try:
            sending = self._usages.sendWithin(
                self.dialog, "SUBSCRIBE", pairs, self._body, self._contentType, deadline=0
            )
        except ValueError as error:
            self._feed(Event.GONE, Occasion("lost", f"the dialog takes no more requests: {error}"))
        else:
            self._follow(sending, self._turn, isFirst=False)

    def _follow(self, sending: ISending, turn: int, *, isFirst: bool) -> None:
        # What fails at once says so before this returns, but to who begins it as he hears of a failure.
        self._sending = sending
        result = later(self._usages.clock, sending.result) if self._isTelling else sending.result
        arguments = (turn, isFirst)
        result.addCallbacks(self._answered, self._unanswered, callbackArgs=arguments, errbackArgs=arguments)

    def _answered(self, response: IncomingResponse, turn: int, isFirst: bool) -> None:
        if turn != self._turn:
            return
        self._sending = None
        occasion = ofResponse(response)
        if response.statusCode < 300:
            self._accepted(response, occasion)
            return
        self._timing.stop(Event.TIMER_N)
        least = minExpires(response, self.expires) if response.statusCode == 423 else None
        if least is not None and not self._raised and self.state != State.LEAVING:
            self._raised = True
            self.expires = least
            self._feed(Event.BRIEF, occasion)
        else:
            self._failed(Event.FAILURE if isFirst else eventOfRefresh(response), occasion)

    def _accepted(self, response: IncomingResponse, occasion: Occasion) -> None:
        self._raised = False
        if response.statusCode == 204:
            # "indicates that no NOTIFY request will be generated -- such as the 204 response defined for
            # use with the optional extension described in [RFC5839] -- then it MUST cancel Timer N."
            self._timing.stop(Event.TIMER_N)
        self._grant(deltaSeconds(response.getHeader("Expires")), isNew=True)
        self._feed(Event.SUCCESS, occasion)
        self._noteDialog()
        # RFC 5839 section 5.7: it "sends a 204 (No Notification) response, which concludes the subscription".
        if self._isStopping or (response.statusCode == 204 and self.state == State.LEAVING):
            self._stopWaiting()

    def _stopWaiting(self) -> None:
        self._feed(Event.NO_RETRY, Occasion("unsubscribed", "it was ended here", Retry.NEVER))

    def _unanswered(self, failure: Failure, turn: int, isFirst: bool) -> None:
        if turn != self._turn:
            return
        self._sending = None
        self._timing.stop(Event.TIMER_N)
        text = f"SUBSCRIBE was not answered: {failure.getErrorMessage()}"
        occasion = Occasion("refused", text, error=failure.value)
        # RFC 5057 section 5.2: "a real transaction timeout" is as a 408.
        isOver = failure.check(TransactionTimeout) is not None
        event = Event.GONE if isOver else Event.REFRESH_FAILURE
        self._failed(Event.FAILURE if isFirst else event, occasion)

    def _failed(self, event: str, occasion: Occasion) -> None:
        self._feed(event, occasion)
        self._noteDialog()

    def _noteDialog(self) -> None:
        """Look whether the dialog has ended meanwhile, by what was another's."""
        if self.dialog is not None and self.dialog.live.state == DialogState.TERMINATED:
            self._feed(Event.DIALOG_ENDED, Occasion("lost", "its dialog has ended", Retry.NOW))

    # How long it goes on.

    def _grant(self, seconds: int | None, *, isNew: bool = False) -> None:
        """
        Take the time that it goes on for, where that was said.

        @param isNew: Whether it begins anew even where nothing is said.
        """
        if seconds is None and self._until and not isNew:
            return
        self.granted = self.expires if seconds is None else seconds
        if self._isKept:
            # "The received value might be smaller than the value indicated in the SUBSCRIBE request but
            # cannot be larger".
            self.granted = min(self.granted, self.expires)
        self._until = self._usages.clock.seconds() + self.granted

    def _refreshLater(self, occasion: Occasion) -> None:
        left = max(0.0, self._until - self._usages.clock.seconds())
        before = self._timing.left(Event.EXPIRED)
        self._timing.start(Event.EXPIRED, left)
        hasMoved = before is None or abs(left - before) > _TOLERANCE
        if self._isKept and (hasMoved or self._timing.left(Event.DUE) is None):
            self._timing.start(Event.DUE, refreshDelay(int(left), self._usages.random))

    def _retryRefresh(self, occasion: Occasion) -> None:
        """Try again, within the time that the subscription goes on for."""
        self._timing.start(Event.DUE, self._delay(attrs.evolve(occasion, retry=Retry.LATER)) or 0.0)
        self._failures += 1

    def _retryLater(self, occasion: Occasion) -> None:
        if self._since and self._usages.clock.seconds() - self._since >= MIN_REFRESH:
            # It was there for some time: that it is not any more is no failure in a row.
            self._failures = 0
        self._since = 0.0
        delay = self._delay(occasion) if self._resubscribes else None
        self._failures += 1
        if delay is not None:
            self._timing.start(Event.RETRY, delay)

    def _delay(self, occasion: Occasion) -> float | None:
        usages = self._usages
        return resubscribeIn(occasion, self._failures, usages.configuration, usages.random)

    # What is told.

    def _tellAccepted(self, occasion: Occasion) -> None:
        if self._hasAccepted:
            self._failures = 0
        # Of the first, too: a NOTIFY may come before it, and somebody may refresh upon that.
        self._refreshWaiters.fire()
        self.emit("refresh" if self._hasAccepted else "accepted", occasion.response)
        self._hasAccepted = True

    def _tellNotify(self, occasion: Occasion) -> None:
        if self.state in (State.PENDING, State.ACTIVE):
            self._subscribedWaiters.fire()
        self.emit("notify", occasion.notification)

    def _tellFailed(self, occasion: Occasion) -> None:
        _log.info("{reason}", reason=occasion.text)
        error = self._errorOf(occasion)
        self._isTelling = True
        if self.state != State.TERMINATED:
            # Otherwise those who wait hear of it when it is known what becomes of the subscription.
            self._failWaiters(error)
        self.emit("failed", error)
        self._isTelling = False

    def _errorOf(self, occasion: Occasion) -> SubscriptionError:
        retryIn = self._timing.left(Event.RETRY if self.state == State.TERMINATED else Event.DUE)
        error = SubscriptionError(occasion.text, response=occasion.response, retryIn=retryIn)
        error.__cause__ = occasion.error
        return error

    def _failWaiters(self, error: SubscriptionError) -> None:
        self._refreshWaiters.failOnce(error)
        self._subscribedWaiters.failOnce(error)

    def _leave(self, occasion: Occasion) -> None:
        dialog, self.dialog = self.dialog, None
        self._isEnding = True
        self._turn += 1
        self._sending = None
        self._timing.stopAll()
        self._expectNothing()
        if dialog is not None:
            self._usages.detach(dialog, self._usage)

    def _tellTerminated(self, occasion: Occasion) -> None:
        self._isEnding = False
        retryIn = self._timing.left(Event.RETRY)
        self.termination = termination = Termination(
            occasion.reason, occasion.text, retryIn, occasion.notification, occasion.response
        )
        error = self._errorOf(occasion)
        self.emit("terminated", termination)
        if retryIn is None:
            self._feed(Event.NO_RETRY, occasion)
        self._failWaiters(error)

    def _tellEnded(self, occasion: Occasion) -> None:
        self._turn += 1
        self._waits += 1
        self._timing.stopAll()
        self._usages.discard(self._usage)
        if self.termination is None:
            self.termination = Termination("unsubscribed", "it was ended before it began")
        text = occasion.text or "the subscription is over"
        error = SubscriptionError(text, response=occasion.response)
        self._subscribedWaiters.fail(error)
        self._refreshWaiters.fail(error)
        self._endWaiters.fire()
        self.emit("ended", self)

    _ACTIONS = {
        Action.SUBSCRIBE: _subscribe,
        Action.REFRESH: _refresh,
        Action.UNSUBSCRIBE: _unsubscribe,
        Action.WAIT: _wait,
        Action.TELL_ACCEPTED: _tellAccepted,
        Action.TELL_NOTIFY: _tellNotify,
        Action.TELL_FAILED: _tellFailed,
        Action.REFRESH_LATER: _refreshLater,
        Action.RETRY_REFRESH: _retryRefresh,
        Action.LEAVE: _leave,
        Action.RETRY_LATER: _retryLater,
        Action.TELL_TERMINATED: _tellTerminated,
        Action.TELL_ENDED: _tellEnded,
    }
