"""
L{Publication}, which drives the state machine of L{sipws.publication.machine}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, fail, succeed

from sipws.emitter import Emitter, loggerFor
from sipws.errors import PublicationError, SIPError
from sipws.message.given import checkNumber, checkText
from sipws.publication.machine import ARROWS, Action, Event, State
from sipws.refreshing import (
    MAX_REFRESH,
    deltaSeconds,
    isRefusal,
    minExpires,
    refreshDelay,
    retryAfter,
    retryDelay,
)
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from sipws.dialog import Dialog, IUsages
    from sipws.message import URI, IncomingRequest, IncomingResponse, OutgoingRequest

__all__ = ["Publication"]

_log = loggerFor("sip.publication")

#: RFC 3856 section 6.4 and RFC 3842 section 3.4 for subscriptions; RFC 3903 leaves it to the package.
DEFAULT_EXPIRES = 3600


class Publication(Emitter):
    """
    Event state of ours that a server keeps (RFC 3903), and that is kept alive there.

    Its events::

        =========  ===========  ====================================================
        event      arguments    when
        =========  ===========  ====================================================
        published  response     the server has taken it, or newer state
        refresh    response     the server has prolonged it
        failed     error        a PUBLISH came to nothing: a L{PublicationError},
                                whose C{retryIn} says whether it is tried again
        ended      publication  it was removed, or refused for good
        =========  ===========  ====================================================

    @ivar state: One of L{State}.
    @ivar event: The event package.
    @ivar etag: The entity-tag that the server knows it by; C{None} for none.
    @ivar expires: For how long it asks, in seconds: more than it was told to where the server wants that.
    @ivar granted: For how long it was granted last, in seconds; 0 before that.
    """

    #: A publication is nothing that a connection is to be held for.
    holdsConnection = False

    def __init__(
        self,
        usages: IUsages,
        target: URI | str,
        event: str,
        body: bytes | str,
        contentType: str,
        *,
        expires: int = DEFAULT_EXPIRES,
        headers: Iterable[tuple[str, object]] = (),
    ) -> None:
        """
        @param usages: What it is sent through.
        @param target: Whose state it is: an address of record.
        @param event: The event package, such as C{presence}.
        @param body: The state; text goes out as UTF-8.
        @param contentType: Its type.
        @param expires: For how long it is asked for, in seconds.
        @param headers: Further headers of each PUBLISH.
        @raise ValueError: The request cannot be as it is given, or the time is none.
        """
        super().__init__()
        checkText("event", event, "presence")
        checkNumber("expires", expires, "a number of seconds")
        if expires < 1:
            raise ValueError("a publication lasts for a second at least")
        self._usages = usages
        self._target = target
        self._headers = [("Event", event), *headers]
        self._body, self._contentType = body, contentType
        self.state: str = State.INIT
        self.event = event
        self.etag: str | None = None
        self.expires = expires
        self.granted = 0
        self._failures = 0
        self._raised = False
        # Whether there is state that no PUBLISH has carried yet.
        self._isNew = True
        # Whether the PUBLISH that is out only prolongs what is there.
        self._isRefresh = False
        self._timer: IDelayedCall | None = None
        # Why the last PUBLISH had no response.
        self._unsent: BaseException | None = None
        # Counts what is waited for: only the last of it is of use.
        self._turn = 0
        self._waiters = Waiters()
        self._endWaiters = Waiters()
        # What is wrong with the request is the caller's to hear, now.
        self._build(expires)

    # What its user calls.

    def start(self) -> None:
        """Publish, as soon as there is a connection."""
        self._usages.add(self)
        self._whenReachable(Event.REACHABLE)

    def update(self, body: bytes | str, contentType: str | None = None) -> Deferred[None]:
        """
        Put newer state in place of what is published.

        What is newer still, by the time that it can be sent, goes out in its place.

        @param body: The state, whole.
        @param contentType: Its type; C{None}: as before.
        @return: A Deferred that fires when the server has it, or newer state;
            it fails with L{PublicationError} when the next PUBLISH does.
        @raise ValueError: The request cannot be as it is given: what is published stays.
        """
        if self.state in (State.LEAVING, State.REMOVING, State.ENDED):
            return fail(PublicationError("the publication is over"))
        before = self._body, self._contentType, self._isNew
        self._body, self._contentType, self._isNew = body, contentType or self._contentType, True
        try:
            # As at the beginning: when it leaves there may be nobody to hear of it.
            self._build(self.expires)
        except ValueError:
            self._body, self._contentType, self._isNew = before
            raise
        done = self._waiters.add(1)
        self._feed(Event.UPDATE)
        return done

    def whenPublished(self) -> Deferred[None]:
        """
        Wait until the server has all there is.

        @return: As of L{update}.
        """
        if self.state == State.ENDED:
            return fail(PublicationError("the publication is over"))
        return succeed(None) if self.state == State.PUBLISHED else self._waiters.add(1)

    def remove(self) -> Deferred[None]:
        """
        Remove it from the server (section 4.5).

        @return: A Deferred that fires when that is over, whatever came of it.
        """
        if self.state == State.ENDED:
            return succeed(None)
        done = self._endWaiters.add()
        self._feed(Event.REMOVE)
        return done

    # What the user agent calls (IUsage): it is in no dialog.

    def takes(self, request: IncomingRequest) -> bool:
        """Take no request: there are none."""
        return False

    def receiveRequest(self, request: IncomingRequest) -> object:
        """Refuse a request: there are none."""
        return 481

    def dialogEnded(self, dialog: Dialog) -> None:
        """Take note of the end of a dialog: there is none."""

    def connectionLost(self, dialog: Dialog, error: SIPError) -> None:
        """Take note that a connection is gone: what is under way fails by itself."""

    def stop(self) -> Deferred[None]:
        """Remove it: the user agent is being stopped."""
        return self.remove()

    # The machine.

    def _feed(self, event: str, response: IncomingResponse | None = None, reason: str = "") -> None:
        arrow = ARROWS.get((self.state, event))
        if arrow is None:
            return
        self.state = arrow.target
        for action in arrow.actions:
            self._ACTIONS[action](self, response, reason)

    def _whenReachable(self, event: str) -> None:
        self._turn += 1
        self._usages.whenReachable().addCallbacks(
            self._reached, self._stopped, callbackArgs=(event, self._turn), errbackArgs=(self._turn,)
        )

    def _reached(self, _: None, event: str, turn: int) -> None:
        if turn == self._turn:
            self._feed(event)

    def _stopped(self, _: Failure, turn: int) -> None:
        if turn == self._turn:
            self._feed(Event.LOST)

    def _answered(self, response: IncomingResponse) -> None:
        event = self._judge(response)
        if event != Event.BRIEF:
            self._raised = False
        self._noteCarried(isTaken=response.statusCode < 300)
        status = f"{response.statusCode} {response.reasonPhrase}"
        self._feed(event, response, f"PUBLISH was answered with {status}")

    def _unanswered(self, failure: Failure) -> None:
        self._noteCarried(isTaken=False)
        self._unsent = failure.value
        self._feed(Event.FAILURE, None, f"PUBLISH was not answered: {failure.getErrorMessage()}")

    def _noteCarried(self, *, isTaken: bool) -> None:
        if not isTaken and not self._isRefresh:
            self._isNew = True

    def _judge(self, response: IncomingResponse) -> str:
        """Say what a final response means."""
        status = response.statusCode
        if status < 300:
            return Event.OUTDATED if self._isNew else Event.SUCCESS
        if status == 412 and self.etag is not None:
            return Event.UNKNOWN
        least = minExpires(response, self.expires) if status == 423 else None
        if least is not None and not self._raised:
            self._raised = True
            self.expires = least
            return Event.BRIEF
        if retryAfter(response) is not None or not (isRefusal(status) or status >= 600 or status == 423):
            return Event.FAILURE
        return Event.REFUSAL

    # The actions.

    def _send(self, response: IncomingResponse | None, reason: str) -> None:
        self._cancelTimer()
        self._submit(self.expires)

    def _sendRemoval(self, response: IncomingResponse | None, reason: str) -> None:
        self._cancelTimer()
        if self.etag is None:
            # Nothing of it is there.
            self._feed(Event.SUCCESS)
        else:
            self._submit(0)

    def _keep(self, response: IncomingResponse | None, reason: str) -> None:
        assert response is not None
        self._failures = 0
        # Without a tag the next one is an initial publication again, beside which this one runs out.
        self.etag = response.getHeader("SIP-ETag")
        granted = deltaSeconds(response.getHeader("Expires"))
        # "The ESC may lower the suggested lifetime of the publication, but it will never extend it."
        self.granted = self.expires if granted is None else min(granted, self.expires)

    def _forget(self, response: IncomingResponse | None, reason: str) -> None:
        self.etag = None
        self._isNew = True

    def _refreshLater(self, response: IncomingResponse | None, reason: str) -> None:
        self._startTimer(refreshDelay(self.granted, self._usages.random))

    def _retryLater(self, response: IncomingResponse | None, reason: str) -> None:
        self._startTimer(self._retryDelay(response))
        self._failures += 1

    def _retryDelay(self, response: IncomingResponse | None) -> float:
        options = self._usages.configuration
        delay = retryDelay(
            self._failures,
            options.registerRetryMinInterval,
            options.registerRetryMaxInterval,
            self._usages.random,
        )
        # Section 9: "the publication source is required to wait until sending another PUBLISH request."
        return max(delay, min(retryAfter(response) or 0, MAX_REFRESH))

    def _tellPublished(self, response: IncomingResponse | None, reason: str) -> None:
        # Whoever hears of it may have newer state at once, which nobody has waited for yet.
        event = "refresh" if self._isRefresh else "published"
        self._waiters.fire()
        self.emit(event, response)

    def _tellFailed(self, response: IncomingResponse | None, reason: str) -> None:
        retryIn = None if self._timer is None else self._timer.getTime() - self._usages.clock.seconds()
        _log.info("{reason}", reason=reason)
        error = PublicationError(reason, response=response, retryIn=retryIn)
        error.__cause__, self._unsent = self._unsent, None
        self._waiters.failOnce(error)
        self.emit("failed", error)

    def _tellEnded(self, response: IncomingResponse | None, reason: str) -> None:
        self._cancelTimer()
        self.etag = None
        self._usages.discard(self)
        self.emit("ended", self)
        self._waiters.fail(PublicationError(reason or "the publication is over", response=response))
        self._endWaiters.fire()

    # What the actions are made of.

    def _build(self, expires: int) -> OutgoingRequest:
        isWhole = expires > 0 and (self._isNew or self.etag is None)
        headers: list[tuple[str, object]] = [*self._headers, ("Expires", expires)]
        if self.etag is not None:
            headers.append(("SIP-If-Match", self.etag))
        # Table 1: initial and modifying publications have a body; "a PUBLISH request that refreshes
        # event state MUST NOT have a body", nor one that removes it.
        body, contentType = (self._body, self._contentType) if isWhole else (b"", None)
        return self._usages.build("PUBLISH", self._target, headers, body, contentType)

    def _submit(self, expires: int) -> None:
        request = self._build(expires)
        if expires:
            self._isRefresh = not request.body
            self._isNew = False
        sending = self._usages.send(request, isLastWord=not expires)
        sending.result.addCallbacks(self._answered, self._unanswered)

    def _startTimer(self, delay: float) -> None:
        self._timer = self._usages.clock.callLater(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        # Nobody answers while there is no connection: it waits for one.
        self._whenReachable(Event.DUE)

    def _cancelTimer(self) -> None:
        self._turn += 1
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    _ACTIONS = {
        Action.SEND: _send,
        Action.SEND_REMOVAL: _sendRemoval,
        Action.KEEP: _keep,
        Action.FORGET: _forget,
        Action.REFRESH_LATER: _refreshLater,
        Action.RETRY_LATER: _retryLater,
        Action.TELL_PUBLISHED: _tellPublished,
        Action.TELL_FAILED: _tellFailed,
        Action.TELL_ENDED: _tellEnded,
    }
