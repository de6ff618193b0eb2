"""
Registration (RFC 3261 section 10.2): L{Registration}, which drives the state
machine of L{sipws.ua.registering}.  The methods that the table names are the
actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs
from twisted.internet.defer import Deferred

from sipws.errors import NotConnected, RegistrationError
from sipws.interfaces import C
from sipws.later import later
from sipws.message import URI
from sipws.refreshing import isRefusal, minExpires, refreshDelay, retryAfter, retryDelay
from sipws.ua.binding import Binding, bindingOf
from sipws.ua.causes import CONNECTION_ERROR, EXPIRES, causeOfError, causeOfStatus
from sipws.ua.events import loggerFor
from sipws.ua.expiry import flowTimer, grantedExpires
from sipws.ua.registering import TABLE, Event, State
from sipws.waiters import Waiters

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from sipws.interfaces import ITransport
    from sipws.message import IncomingResponse, OutgoingRequest
    from sipws.ua.client import Requester

__all__ = ["TABLE", "Event", "Registration", "State"]

_log = loggerFor("sip.ua.registration")


class IPlace(Protocol):
    """What a registration is for: a flow."""

    transport: ITransport | None
    regID: int

    def note(self) -> None:
        """It may stand otherwise now."""

    def accepted(self, response: IncomingResponse) -> None:
        """Its binding is good."""

    def unregistered(self, response: IncomingResponse | None, cause: str | None) -> None:
        """Its binding is gone."""


class IMover(Protocol):
    """What moves a registration to another connection."""

    def registered(self) -> None:
        """The binding is the new connection's."""

    def refused(self) -> None:
        """It could not be made that, or is not to be."""


class Registration:
    """
    Keeps one flow registered.

    @ivar state: Where it stands.
    @ivar wanted: Whether it registers whenever there is a connection.
    @ivar registered: Whether the binding is good, as far as is known.
    @ivar expires: For how long it asks, in seconds: C{registerExpires}, or
        more where the registrar wants that.
    @ivar granted: For how long it was granted last, in seconds; 0 before that.
    @ivar failures: How often in a row it has failed.
    @ivar binding: What the registrar has said of the binding beside that;
        C{None} where there is none.
    """

    __slots__ = (
        "_attempt",
        "_bound",
        "_callID",
        "_clock",
        "_cseq",
        "_due",
        "_expiresAt",
        "_expiry",
        "_flow",
        "_flowTimer",
        "_isTelling",
        "_mover",
        "_raised",
        "_registeredWaiters",
        "_requester",
        "_settledWaiters",
        "_target",
        "binding",
        "expires",
        "failures",
        "granted",
        "registered",
        "state",
        "wanted",
    )

    def __init__(self, requester: Requester, clock: IReactorTime, flow: IPlace) -> None:
        """
        @param requester: What sends the REGISTERs.
        @param clock: The clock.
        @param flow: What it is the registration of.
        """
        options = requester.ua.configuration
        self._requester = requester
        self._clock = clock
        self._flow = flow
        # The connection that it is being moved to, and who is told what comes of it.
        self._target: ITransport | None = None
        self._mover: IMover | None = None
        self._isTelling = False
        self.state = State.IDLE
        self.wanted = options.register
        self.registered = False
        self.expires = options.registerExpires
        self.granted = 0
        self.failures = 0
        self.binding: Binding | None = None
        # RFC 3261 section 10.2: "All registrations from a UAC SHOULD use the same Call-ID header
        # field value for registrations sent to a particular registrar."
        self._callID: str | None = None
        self._cseq = 0
        # Counts the REGISTERs: an answer to any but the last is stale.
        self._attempt = 0
        self._raised = False
        # The last Flow-Timer, as it was given.
        self._flowTimer: str | None = None
        # Whether the registrar may have our binding: it said so, or did not say anything.
        self._bound = False
        self._expiresAt = 0.0
        self._due: IDelayedCall | None = None
        self._expiry: IDelayedCall | None = None
        self._registeredWaiters = Waiters()
        self._settledWaiters = Waiters()

    # What the user agent calls.

    def register(self) -> None:
        """Register now, if there is a connection that is to stay, and from now on at each."""
        self.wanted = True
        transport = self._flow.transport
        isStopped = self._requester.ua.status == C.STATUS_USER_CLOSED
        if transport is not None and transport.connected and not isStopped:
            self._feed(Event.WANTED)

    def unregister(self) -> Deferred[None]:
        """
        Remove the binding, and register no more.

        @return: A Deferred that fires when that is over, whatever came of it.
        """
        self.wanted = False
        return self.withdraw()

    def withdraw(self) -> Deferred[None]:
        """
        Remove the binding, until the next connection.

        @return: As of L{unregister}.
        """
        settled = self._settledWaiters.add()
        self._feed(Event.UNWANTED)
        return settled

    def whenRegistered(self, failAfterFailures: int | None = None) -> Deferred[None]:
        """
        Wait until the binding is good.

        @param failAfterFailures: After how many failures the Deferred fails
            with L{RegistrationError}; C{None} means never.
        """
        if self.registered:
            waiter: Deferred[None] = Deferred()
            waiter.callback(None)
            return waiter
        return self._registeredWaiters.add(failAfterFailures)

    @property
    def expiresIn(self) -> float | None:
        """For how long the binding is good if it is not refreshed, in seconds; C{None}: there is none."""
        return max(0.0, self._expiresAt - self._clock.seconds()) if self.registered else None

    def connectionMade(self) -> None:
        """There is a connection."""
        if self.wanted:
            self._feed(Event.WANTED)

    def connectionLost(self) -> None:
        """The connection is gone, and with it the flow that the binding stands for."""
        isLeft = self._target is not None and self._target.connected
        self._feed(Event.LEFT if isLeft else Event.LOST, None, CONNECTION_ERROR)

    def move(self, transport: ITransport, mover: IMover) -> None:
        """
        Make the binding that of a new connection, by registering over it.

        @param transport: The connection.
        @param mover: Told of what comes of it: at once where there is no binding.
        """
        if (self.state, Event.MOVE) not in TABLE:
            mover.registered()
            return
        self._target, self._mover = transport, mover
        self._feed(Event.MOVE)

    def stop(self) -> None:
        """End everything at once: no timer is left, and nobody waits."""
        self._feed(Event.LOST, None, CONNECTION_ERROR)
        self._abandon(None, None)
        self._registeredWaiters.fail(NotConnected("the user agent has been stopped"))
        self._settledWaiters.fire()

    # The machine.

    def _feed(self, event: Event, response: IncomingResponse | None = None, cause: str | None = None) -> None:
        row = TABLE.get((self.state, event))
        if row is None:
            return
        actions, self.state = row
        for action in actions:
            self._ACTIONS[action](self, response, cause)

    def _answered(self, response: IncomingResponse, attempt: int, expires: int) -> None:
        if attempt != self._attempt:
            # It is counted as one that was lost is.
            if expires:
                self._count(isAccepted=response.statusCode < 300)
            return
        event, cause = self._judge(response)
        if expires:
            self._count(isAccepted=event is Event.ACCEPTED)
        if event is not Event.BRIEF:
            self._raised = False
        if event is Event.REFUSED and response.statusCode < 300:
            self._bound = False
            self._feed(Event.EXPIRED, response, EXPIRES)
        self._feed(event, response, cause)

    def _failed(self, failure: Failure, attempt: int, expires: int) -> None:
        if expires:
            self._count(isAccepted=False)
        if attempt != self._attempt:
            return
        self._bound = True
        self._raised = False
        cause = causeOfError(failure.value)
        _log.info("no answer to REGISTER: {reason}", reason=failure.getErrorMessage())
        self._feed(Event.REFUSED, None, cause)

    def _count(self, isAccepted: bool) -> None:
        counters = self._requester.ua.counters
        if isAccepted:
            counters.registrations += 1
        else:
            counters.failedRegistrations += 1

    def _judge(self, response: IncomingResponse) -> tuple[Event, str | None]:
        """Say what a final response means."""
        status = response.statusCode
        if status == 423:
            return self._judgeBrief(response)
        if status >= 300:
            return Event.REFUSED, causeOfStatus(status)
        if self.state in (State.UNREGISTERING, State.RESTORING):
            return Event.ACCEPTED, None
        granted = grantedExpires(response, self._contactURI(), self.expires, self._flow.regID)
        if not granted:
            # The binding is not there: the registrar took it away, or never made it.
            _log.warn("a {status} to REGISTER without our binding", status=status)
            return Event.REFUSED, causeOfStatus(status)
        self.granted = granted
        self._bound = True
        return Event.ACCEPTED, None

    def _judgeBrief(self, response: IncomingResponse) -> tuple[Event, str | None]:
        least = minExpires(response, self.expires)
        if least is None or self._raised:
            return Event.REFUSED, causeOfStatus(423)
        self._raised = True
        self.expires = least
        return Event.BRIEF, causeOfStatus(423)

    # The actions, as the table names them.

    def _send(self, response: IncomingResponse | None, cause: str | None) -> None:
        self._cancelDue()
        if self.registered:
            self._watch()
        self._submit(self.expires)

    def _remove(self, response: IncomingResponse | None, cause: str | None) -> None:
        self._cancelDue()
        if self._bound:
            self._submit(0)
        else:
            self._feed(Event.ACCEPTED)

    def _keep(self, response: IncomingResponse | None, cause: str | None) -> None:
        self.failures = 0
        self.registered = True
        self._takeBinding(response)
        self._takeFlowTimer(response)
        self._cancelExpiry()
        self._expiresAt = self._clock.seconds() + self.granted
        delay = refreshDelay(self.granted, self._requester.builder.tokens.random)
        self._due = self._clock.callLater(delay, self._feedDue)
        if delay >= self.granted:
            # Otherwise the refresh, when it leaves, starts to watch for the end: one timer less meanwhile.
            self._watch()

    def _takeBinding(self, response: IncomingResponse | None) -> None:
        """Note what is said of the binding: what was said before is out of date (RFC 3608 section 6.1)."""
        assert response is not None
        self.binding = bindingOf(response, self._contactURI(), self._flow.regID)
        if self.binding.serviceRoute:
            self._requester.builder.preloads = True

    def _takeFlowTimer(self, response: IncomingResponse | None) -> None:
        """Tell the transport how often the server wants a sign of life (RFC 5626 section 4.4)."""
        if response is None or response.transport is None:
            return
        text, before = response.getHeader("Flow-Timer"), self._flowTimer
        self._flowTimer = text
        seconds = flowTimer(text)
        if text is not None and seconds is None and text != before:
            _log.warn("a Flow-Timer that cannot be read: {text!r}", text=text[:80])
        # Nobody else's transport needs to know of it.
        tell = getattr(response.transport, "flowTimer", None)
        if tell is not None:
            tell(seconds)

    def _retry(self, response: IncomingResponse | None, cause: str | None) -> None:
        options = self._requester.ua.configuration
        delay = retryDelay(
            self.failures,
            options.registerRetryMinInterval,
            options.registerRetryMaxInterval,
            self._requester.builder.tokens.random,
            refused=response is not None and isRefusal(response.statusCode),
            after=retryAfter(response),
        )
        if self.binding is not None and response is not None and isRefusal(response.statusCode):
            # RFC 3608 section 6.1: "If the re-registration request is refused [...], the UA SHOULD discard
            # any stored service route"; of GRUUs, RFC 5627 section 4.2 says that they stay.
            self.binding = attrs.evolve(self.binding, serviceRoute=())
        self.failures += 1
        _log.info("REGISTER came to nothing ({cause}); next in {delay:.1f} seconds", cause=cause, delay=delay)
        self._due = self._clock.callLater(delay, self._feedDue)

    def _abandon(self, response: IncomingResponse | None, cause: str | None) -> None:
        self._attempt += 1
        self._bound = False
        self._cancelDue()

    def _announce(self, response: IncomingResponse | None, cause: str | None) -> None:
        self._flow.note()
        if response is not None:
            self._flow.accepted(response)
        self._requester.ua.emit("registered", response)
        self._registeredWaiters.fire()

    def _announceFailure(self, response: IncomingResponse | None, cause: str | None) -> None:
        # Who hears of it may want to be registered at once.
        self._isTelling = True
        self._requester.ua.emit("registrationFailed", response, cause)
        reason = f"not registered: {cause}" if response is None else _describe(response)
        self._registeredWaiters.failOnce(RegistrationError(reason, response=response))
        self._isTelling = False

    def _announceEnd(self, response: IncomingResponse | None, cause: str | None) -> None:
        self._cancelExpiry()
        if self.registered:
            self.registered = False
            # RFC 5627 section 4.4: a UA "MUST NOT reuse a GRUU learned through a previous
            # registration that has lapsed".
            self.binding = None
            self._flow.unregistered(response, cause)

    def _arrive(self, response: IncomingResponse | None, cause: str | None) -> None:
        mover = self._stopMoving()
        if mover is not None:
            mover.registered()

    def _stay(self, response: IncomingResponse | None, cause: str | None) -> None:
        mover = self._stopMoving()
        if mover is not None:
            mover.refused()

    def _forget(self, response: IncomingResponse | None, cause: str | None) -> None:
        # Whoever moves it takes the new connection by himself.
        self._stopMoving()

    def _stopMoving(self) -> IMover | None:
        mover, self._mover, self._target = self._mover, None, None
        return mover

    def _settle(self, response: IncomingResponse | None, cause: str | None) -> None:
        self._settledWaiters.fire()

    # What the actions are made of.

    def _submit(self, expires: int) -> None:
        """Send a REGISTER, and hear only of this one from now on."""
        self._attempt += 1
        way = self._target or self._flow.transport
        sent = self._requester.send(self._build(expires), nextCSeq=self._nextCSeq, transport=way)
        arguments = self._attempt, expires
        if self._isTelling:
            sent = later(self._clock, sent)
        sent.addCallbacks(self._answered, self._failed, callbackArgs=arguments, errbackArgs=arguments)

    def _build(self, expires: int) -> OutgoingRequest:
        builder = self._requester.builder
        if self._callID is None:
            self._callID = builder.identity.callIDPrefix + builder.tokens.identifiers()[1]
        return builder.register(self._callID, self._nextCSeq(self._cseq), expires, self._flow.regID)

    def _nextCSeq(self, previous: int) -> int:
        # RFC 3261 section 10.2: "A UA MUST increment the CSeq value by one for each REGISTER
        # request with the same Call-ID."
        self._cseq = max(self._cseq, previous) + 1
        return self._cseq

    def _contactURI(self) -> URI:
        return URI.parse(self._requester.builder.identity.contact)

    def _watch(self) -> None:
        if self._expiry is None:
            delay = max(0.0, self._expiresAt - self._clock.seconds())
            self._expiry = self._clock.callLater(delay, self._feedExpired)

    def _feedDue(self) -> None:
        self._due = None
        self._feed(Event.DUE)

    def _feedExpired(self) -> None:
        self._expiry = None
        self._feed(Event.EXPIRED, None, EXPIRES)

    def _cancelDue(self) -> None:
        timer, self._due = self._due, None
        if timer is not None:
            timer.cancel()

    def _cancelExpiry(self) -> None:
        timer, self._expiry = self._expiry, None
        if timer is not None:
            timer.cancel()

    #: The actions by their names in the table.
    _ACTIONS = {
        "send": _send,
        "remove": _remove,
        "keep": _keep,
        "retry": _retry,
        "abandon": _abandon,
        "announce": _announce,
        "announceFailure": _announceFailure,
        "announceEnd": _announceEnd,
        "settle": _settle,
        "arrive": _arrive,
        "stay": _stay,
        "forget": _forget,
    }


def _describe(response: IncomingResponse) -> str:
    return f"the registrar answered {response.statusCode} {response.reasonPhrase}"
