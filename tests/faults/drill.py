"""
L{Drill}: a schedule of faults between user agents, while requests go both ways.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet import task
from twisted.internet.defer import Deferred, gatherResults

from sipws.transaction import Timers
from tests.faults.faults import Reset
from tests.faults.ledger import Answered, Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sipws import UserAgent
    from sipws.message import IncomingRequest, IncomingResponse
    from tests.faults.proxy import ProxyCore
    from tests.faults.schedule import Step

__all__ = ["HASTY", "OPTIONS", "PATIENT", "REQUESTS_PER_FAULT", "Drill", "Lane", "Party"]

#: Short, so that a black hole of a moment is found in a moment.
OPTIONS: dict[str, Any] = {
    "connectTimeout": 0.5,
    "closeTimeout": 0.2,
    "stopTimeout": 2.0,
    "keepAliveInterval": 0.15,
    "keepAliveTimeout": 0.15,
    "wsServerMaxReconnection": "unlimited",
    "wsServerReconnectionPolicy": "exponential",
    "wsServerReconnectionTimeout": 0.02,
    "wsServerReconnectionMaxTimeout": 0.2,
    "wsServerOverloadTimeout": 0.05,
    "wsServerMaxRetryAfter": 0.1,
    "registerRetryMinInterval": 0.05,
    "registerRetryMaxInterval": 0.2,
    # Two handlers that take their time, and nothing more is read.
    "pauseReadingAt": 2,
}

#: Timer F is 2 seconds for those behind a proxy.  For the other it is longer than Kamailio waits.
HASTY, PATIENT = Timers(T1=1 / 32), Timers(T1=0.1)

#: Of these, half go each way.
REQUESTS_PER_FAULT = 10

#: How many steps in a row may find a party without a binding before it is waited for.
_STEPS_WITHOUT = 5

#: How long it may take until a party is back, or all requests have ended, in seconds.
_PATIENCE = 20.0

#: Of so many requests one is given up by its sender.
_ONE_IN = 100


@attrs.define
class Party:
    """
    A user agent that takes part.

    @ivar name: Its user name.
    @ivar ua: It.
    """

    name: str
    ua: UserAgent

    @property
    def uri(self) -> str:
        """How others call it."""
        return f"sip:{self.name}@example.test"


@attrs.frozen
class Lane:
    """
    One proxy with its faults, and who is behind it.

    @ivar proxy: The proxy.
    @ivar steps: What it is told to do.
    @ivar party: Who is connected through it.
    @ivar other: Who is connected without.
    """

    proxy: ProxyCore
    steps: Sequence[Step]
    party: Party
    other: Party


class Drill:
    """
    Runs schedules of faults side by side, with one ledger for all.

    @ivar ledger: The ledger.
    @ivar faults: How many faults there have been.
    """

    def __init__(self, reactor: Any, seed: int) -> None:
        """
        @param seed: What chance begins with, where the schedules leave it a choice.
        """
        self.ledger = Ledger()
        self.faults = 0
        self._reactor = reactor
        self._random = Random(f"{seed} requests")

    def join(self, party: Party) -> None:
        """Have a user agent answer what comes, and enter it."""
        for method in ("MESSAGE", "OPTIONS"):
            party.ua.handle(method, partial(self._arrived, party.name))

    async def run(self, lanes: Sequence[Lane]) -> None:
        """Go through the schedules of some lanes."""
        await gatherResults(
            [Deferred.fromCoroutine(self._runLane(lane)) for lane in lanes], consumeErrors=True
        )

    def request(
        self, sender: Party, receiver: Party, deadline: float | None = None
    ) -> Deferred[IncomingResponse]:
        """Send a request, and enter it."""
        method = self._random.choice(["MESSAGE", "MESSAGE", "OPTIONS"])
        body = "x" * self._random.choice([0, 10, 100, 1000, 5000]) if method == "MESSAGE" else ""
        contentType = "text/plain" if body else None

        def send(headers: list[tuple[str, str]]) -> Deferred[IncomingResponse]:
            return sender.ua.request(
                method, receiver.uri, headers, body, contentType=contentType, deadline=deadline
            )

        return self.ledger.send(sender.name, receiver.name, send)

    async def passes(self, sender: Party, receiver: Party) -> bool:
        """Say whether a request is accepted, now that all is well."""
        number = len(self.ledger.entries)
        self.request(sender, receiver)
        await self.settled()
        return self.ledger.entries[number].outcomes == [Answered(200)]

    async def settled(self, seconds: float = _PATIENCE) -> None:
        """Wait until each request has ended."""
        deadline = self._reactor.seconds() + seconds
        while self.ledger.open:
            assert self._reactor.seconds() < deadline, f"{self.ledger.open} requests have not ended"
            await self._pause(0.05)

    # How it does that.

    async def _runLane(self, lane: Lane) -> None:
        missed = 0
        for step in lane.steps:
            missed = 0 if lane.party.ua.registration.registered else missed + 1
            if missed > _STEPS_WITHOUT:
                missed = 0
                await lane.party.ua.whenRegistered().addTimeout(_PATIENCE, self._reactor)
            await self._runStep(lane, step)

    async def _runStep(self, lane: Lane, step: Step) -> None:
        """Inflict a fault, and have requests go before, while and after it heals."""
        moments = sorted(self._random.uniform(0, step.lasts + step.rest) for _ in range(REQUESTS_PER_FAULT))
        lane.proxy.inflict(step.fault)
        self.faults += 1
        if step.cuts:
            lane.proxy.inflict(Reset())
        at = await self._talk(lane, 0.0, [moment for moment in moments if moment < step.lasts])
        await self._pause(step.lasts - at)
        lane.proxy.heal()
        at = await self._talk(lane, step.lasts, [moment for moment in moments if moment >= step.lasts])
        await self._pause(step.lasts + step.rest - at)

    async def _talk(self, lane: Lane, now: float, moments: Sequence[float]) -> float:
        """Send requests at some moments; say when the last was."""
        for number, moment in enumerate(moments):
            await self._pause(moment - now)
            now = moment
            if number % 2:
                self._sendOne(lane.other, lane.party)
            else:
                self._sendOne(lane.party, lane.other)
        return now

    def _sendOne(self, sender: Party, receiver: Party) -> None:
        deadline = self._random.choice([None, None, 0.1, 0.5, 2.0])
        sending = self.request(sender, receiver, deadline)
        if self._random.randrange(_ONE_IN) == 0:
            sending.cancel()

    def _arrived(self, name: str, request: IncomingRequest) -> object:
        self.ledger.arrived(name, request)
        if self._random.random() < 0.2:
            return task.deferLater(self._reactor, self._random.uniform(0, 0.1), lambda: 200)
        return 200

    async def _pause(self, seconds: float) -> None:
        await task.deferLater(self._reactor, max(0.0, seconds))
