"""
L{Notifier}: the notifier's side, which drives the table C{NOTIFIER} of
L{sipws.subscription.machine}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed

from sipws.arrows import byCause
from sipws.dialog.dialog import checkFurther
from sipws.emitter import Emitter, loggerFor
from sipws.errors import LimitExceeded, ParseError, SIPError, SubscriptionError
from sipws.message import Event as EventHeader
from sipws.message import SubscriptionState
from sipws.message.given import checkNumber, checkText, octetsOf
from sipws.subscription.judging import Occasion
from sipws.subscription.machine import NOTIFIER, Action, Event, State
from sipws.subscription.notifying import Notice, Notices
from sipws.subscription.timing import Timing
from sipws.subscription.values import Termination, eventOf, expiresOf
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from sipws.dialog import Dialog, IUsages
    from sipws.message import IncomingRequest

__all__ = ["Notifier"]

_log = loggerFor("sip.subscription")

_ARROWS = byCause(NOTIFIER.arrows)


class Notifier(Emitter):
    """
    A subscription of another's to state of ours (RFC 6665 section 4.2).

    The event C{subscribe} of a user agent gives it.  It is answered by
    L{accept} or L{reject}, at once: where somebody is to be asked first, it is
    accepted as C{pending}.  Its events::

        ==========  ===========  ========================================================
        event       arguments    when
        ==========  ===========  ========================================================
        refresh     request      it was refreshed, and has been told the state again
        terminated  termination  it is over: a L{Termination}
        ==========  ===========  ========================================================

    @ivar usages: What it is answered and notified through.
    @ivar state: One of L{State}.
    @ivar event: The Event of the SUBSCRIBE.
    @ivar request: The SUBSCRIBE; C{None} where another request has made the subscription.
    @ivar dialog: The dialog that it is in; C{None} before it is accepted.
    @ivar expires: For how long it was asked for last, in seconds; 0: for the state as it is, once.
    @ivar termination: How it ended; C{None} before that.
    """

    #: A subscription survives a change of the connection.
    holdsConnection = False

    def __init__(
        self, usages: IUsages, event: EventHeader, request: IncomingRequest | None, expires: int
    ) -> None:
        """
        @param usages: What it is answered and notified through.
        @param event: The Event.
        @param request: The SUBSCRIBE that came.
        @param expires: For how long it asks, in seconds.
        """
        super().__init__()
        self.usages = usages
        self.state: str = State.INIT
        self.event = event
        self.request = request
        self.dialog: Dialog | None = None
        self.expires = expires
        self.termination: Termination | None = None
        # The state of the resource, as it was told last.
        self._body: bytes | str = b""
        self._contentType: str | None = None
        self._headers: tuple[tuple[str, object], ...] = ()
        self._until = 0.0
        self._answer: Deferred[None] | None = None
        self._timing = Timing(usages.clock, self._fired)
        self._notices = Notices(self)
        self._endWaiters = Waiters()
        usages.add(self)

    @classmethod
    def implicit(cls, usages: IUsages, dialog: Dialog, event: str, *, expires: int = 60) -> Notifier:
        """
        Make the subscription that another request makes than SUBSCRIBE: a
        REFER (RFC 3515), which was accepted.  It is C{active}, and nothing was told yet.

        @param dialog: The dialog that the request came in, or has made.
        @param event: The Event that its NOTIFYs have: C{refer;id=93}.
        @param expires: For how long it goes on where it is not refreshed, in seconds.
        """
        self = cls(usages, EventHeader.parse(event), None, expires)
        self.state = State.ACTIVE
        self._enter(dialog)
        self._extend(expires)
        return self

    # What its user calls.

    def accept(
        self,
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        pending: bool = False,
        expires: int | None = None,
        headers: Iterable[tuple[str, object]] = (),
    ) -> Deferred[bool]:
        """
        Accept it, and tell it the state; or grant what was C{pending}.

        @param body: The state of the resource, as it is now; text goes out as UTF-8.
        @param contentType: Its type.
        @param pending: Whether that is still to be decided: L{accept} or L{terminate} follows.
        @param expires: For how long, in seconds, at most: less than was asked for.
        @param headers: Further headers of the 2xx.
        @return: As of L{notify}.
        @raise SubscriptionError: It has been accepted, or is over.
        @raise LimitExceeded: There are too many dialogs: nothing was sent, L{reject} it.
        @raise ValueError: The answer cannot be as it is given: nothing was sent, L{reject} it.
        """
        given = tuple(headers)
        checkFurther(given)
        if expires is not None:
            checkNumber("expires", expires, "a number of seconds")
        _checkTyped(body, contentType)
        if expires is not None:
            self.expires = min(expires, self.expires)
        self._headers = given
        if self.state == State.RESP_WAIT and self.expires == 0:
            return self._say(Event.FETCH, body, contentType)
        return self._say(Event.PEND if pending else Event.ACCEPT, body, contentType)

    def reject(
        self,
        statusCode: int = 403,
        reasonPhrase: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
    ) -> None:
        """
        Refuse it.

        @param statusCode: 300 to 699.
        @param reasonPhrase: C{None} for the one that goes with the code.
        @param headers: Further headers.
        @raise SubscriptionError: It has been answered.
        """
        if self.state != State.RESP_WAIT or self.request is None:
            raise SubscriptionError(f"it has been answered: the state is {self.state}")
        self.usages.respond(self.request, statusCode, reasonPhrase, headers)
        self._feed(Event.REJECT)

    def neglected(self) -> None:
        """Refuse it, unless it is answered: all who listen for C{subscribe} have failed."""
        if self.state == State.RESP_WAIT and self.request is not None:
            self.reject(500)

    def notify(self, body: bytes | str, contentType: str | None = None) -> Deferred[bool]:
        """
        Tell of new state.  NOTIFYs leave in order, one after the other; while
        there is no connection they wait for one.

        @param body: The state; text goes out as UTF-8.
        @param contentType: Its type; C{None}: as before.
        @return: A Deferred of whether the subscriber has it, which does not fail: where the subscription
            is over, the event C{terminated} tells of that.
        @raise SubscriptionError: It has not been accepted.
        @raise ValueError: There is no such type, or none is given.
        """
        contentType = contentType or self._contentType
        _checkTyped(body, contentType)
        if self.state in (State.TERMINATED, State.ENDED):
            isTold = False
            return succeed(isTold)
        return self._say(Event.NOTIFY, body, contentType)

    def terminate(
        self,
        reason: str = "noresource",
        body: bytes | str = b"",
        contentType: str | None = None,
        *,
        retryAfter: int | None = None,
    ) -> Deferred[None]:
        """
        End it.

        @param reason: Why, as RFC 6665 section 4.1.3 lists it: C{deactivated}, C{probation},
            C{rejected}, C{timeout}, C{giveup}, C{noresource}, C{invariant}.
        @param body: The last state; empty: none is told.
        @param contentType: Its type.
        @param retryAfter: After how many seconds the subscriber may come again.
        @return: A Deferred that fires when that is over, whatever came of it.
        @raise ValueError: The NOTIFY cannot say that.
        """
        _checkTyped(body, contentType)
        checkText("reason", reason, "noresource")
        SubscriptionState.parse(f"terminated;reason={reason}")
        if self.state == State.ENDED:
            return succeed(None)
        if self.state == State.RESP_WAIT:
            self.reject(480)
            return succeed(None)
        done = self._endWaiters.add()
        self._body, self._contentType = body, contentType
        self._feed(Event.TERMINATE, Occasion(reason, "it was ended here", after=retryAfter))
        return done

    def whenEnded(self) -> Deferred[None]:
        """
        Wait until it is over: C{termination} says how.

        @return: A Deferred that does not fail.
        """
        return succeed(None) if self.state == State.ENDED else self._endWaiters.add()

    def _say(self, event: str, body: bytes | str, contentType: str | None) -> Deferred[bool]:
        if (self.state, event) not in _ARROWS:
            raise SubscriptionError(f"not now: the state is {self.state}")
        before = self._body, self._contentType
        self._body, self._contentType = body, contentType
        done: Deferred[bool] = Deferred()
        self._notices.nextDone = done
        try:
            self._feed(event)
        except (ValueError, LimitExceeded):
            self._body, self._contentType = before
            raise
        finally:
            self._notices.nextDone = None
        return done

    # What the user agent calls.

    def receiveNew(self) -> Deferred[None] | None:
        """
        Have the application answer the SUBSCRIBE.

        @return: What a handler returns: C{None} where it is answered.
        """
        self._answer = Deferred(self._unanswered)
        answer = self._answer
        self._feed(Event.SUBSCRIBE)
        return answer if self.state == State.RESP_WAIT else None

    def _unanswered(self, _: Deferred[None]) -> None:
        self._answer = None
        self._feed(Event.DIALOG_ENDED, Occasion("lost", "the SUBSCRIBE was not answered in time"))

    def takes(self, request: IncomingRequest) -> bool:
        """Say whether a request is a SUBSCRIBE of this subscription."""
        if request.method != "SUBSCRIBE" or self.state not in (State.PENDING, State.ACTIVE):
            return False
        event = eventOf(request)
        return event is not None and self.event.matches(event)

    def receiveRequest(self, request: IncomingRequest) -> object:
        """Take a SUBSCRIBE that refreshes, or ends, it."""
        expires = expiresOf(request, self.usages.configuration)
        if expires is None:
            return 400
        least = self.usages.configuration.subscriptionMinExpires
        if 0 < expires < least:
            # Section 4.2.1.4: "If the duration specified in a SUBSCRIBE request is unacceptably
            # short, the notifier SHOULD respond with a 423 (Interval Too Brief) response."
            return self.usages.respond(request, 423, headers=[("Min-Expires", least)])[1]
        assert self.dialog is not None
        self.dialog.accept(request)
        self.request, self.expires = request, expires
        self._headers = ()
        if expires:
            self._feed(Event.REFRESH)
        else:
            self._feed(Event.FETCH, Occasion("timeout", "the subscriber has ended it"))
        return None

    def dialogEnded(self, dialog: Dialog) -> None:
        """Take note that the dialog is gone."""
        if not self._notices.isOut:
            self._feed(Event.DIALOG_ENDED, Occasion("lost", "its dialog has ended"))
        # Otherwise the response to the NOTIFY that is out, which comes next, may be why.

    def connectionLost(self, dialog: Dialog, error: SIPError) -> None:
        """Take note that the connection is gone: what is under way fails by itself, and is sent again."""

    def stop(self) -> Deferred[None]:
        """Tell the subscriber to come again later: the user agent is being stopped."""
        return self.terminate("probation")

    # What its NOTIFYs call.

    def remaining(self) -> int:
        """Say for how long it goes on, in seconds."""
        return max(0, round(self._until - self.usages.clock.seconds()))

    def noticeFailed(self, text: str) -> None:
        """Take note that a NOTIFY has failed so that there is no subscription any more."""
        self._feed(Event.NOTIFY_FAILURE, Occasion("refused", text))
        self._feed(Event.DONE)

    def noticeTold(self) -> None:
        """Take note that the last of the NOTIFYs is over."""
        self._feed(Event.DONE)

    # The machine.

    def _feed(self, event: str, occasion: Occasion | None = None) -> None:
        arrow = _ARROWS.get((self.state, event))
        if arrow is None:
            return
        before, self.state = self.state, arrow.target
        for action in arrow.actions:
            try:
                self._ACTIONS[action](self, occasion or Occasion("timeout", "the state was asked for once"))
            except (ParseError, LimitExceeded, ValueError):
                # Nothing has been sent: it is as if it had not been.
                self.state = before
                raise

    def _fired(self, event: str) -> None:
        self._feed(event, Occasion("timeout", "it has not been refreshed in time"))

    def _tellSubscribe(self, occasion: Occasion) -> None:
        self.usages.ask("subscribe", self)

    def _tellRefresh(self, occasion: Occasion) -> None:
        self.emit("refresh", self.request)

    def _sendAcceptance(self, occasion: Occasion) -> None:
        assert self.request is not None
        headers: list[tuple[str, object]] = [("Expires", self.expires), *self._headers]
        packages = self.usages.configuration.allowEvents
        if packages:
            # Section 8.2.2: in the responses to requests that make dialogs.
            headers.append(("Allow-Events", ", ".join(packages)))
        dialog, _ = self.usages.respond(self.request, 200, headers=headers, establish=self.dialog is None)
        self._settle()
        if self.dialog is None and dialog is not None:
            self._enter(dialog)
        self._extend(self.expires)

    def _sendRefusal(self, occasion: Occasion) -> None:
        self._settle()

    def _settle(self) -> None:
        """Have the SUBSCRIBE count as answered."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.callback(None)

    def _enter(self, dialog: Dialog) -> None:
        self.dialog = dialog
        transport = None if self.request is None else self.request.transport
        self.usages.know(self.event.package)
        self.usages.attach(dialog, self, transport)

    def _extend(self, expires: int) -> None:
        self._until = self.usages.clock.seconds() + expires
        if expires:
            self._timing.start(Event.EXPIRED, expires)

    def _notify(self, occasion: Occasion) -> None:
        reason, after = (occasion.reason, occasion.after) if self.state == State.TERMINATED else (None, None)
        self._notices.add(Notice(self.state, self._body, self._contentType, reason, after))

    def _tellTerminated(self, occasion: Occasion) -> None:
        self._timing.stopAll()
        self.termination = Termination(occasion.reason, occasion.text)
        self.emit("terminated", self.termination)

    def _leave(self, occasion: Occasion) -> None:
        self._timing.stopAll()
        dialog, self.dialog = self.dialog, None
        if dialog is not None:
            self.usages.detach(dialog, self)
        self.usages.discard(self)
        self._notices.end()
        self._endWaiters.fire()

    _ACTIONS = {
        Action.TELL_SUBSCRIBE: _tellSubscribe,
        Action.TELL_REFRESH: _tellRefresh,
        Action.SEND_ACCEPTANCE: _sendAcceptance,
        Action.SEND_REFUSAL: _sendRefusal,
        Action.NOTIFY: _notify,
        Action.TELL_TERMINATED: _tellTerminated,
        Action.LEAVE: _leave,
    }


def _checkTyped(body: bytes | str, contentType: str | None) -> None:
    """Refuse, with C{ValueError} or C{TypeError}, what no NOTIFY can say."""
    octetsOf(body)
    if contentType is not None:
        checkFurther([("Content-Type", contentType)])
    elif body:
        # RFC 3261 section 20.15: it "MUST be present if the body is not empty".
        raise ValueError("contentType: the state that is told has none")
