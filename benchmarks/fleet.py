"""
C{python -m benchmarks fleet}: what a fleet does to its server when it comes back.

Ten thousand user agents lose their server at one moment, on a simulated
clock.  The server accepts so many connections in each second, and refuses all
others at once; whoever is refused tries again as its policy says.  In the
second and the third table it is also down for a while first, and refuses
everybody.  A refusal here is one that says nothing: what is added after a 503
(C{wsServerOverloadTimeout}) is no part of it.

Each policy waits as its source computes it (L{benchmarks.policies}); ours is
C{sipws.transport.retryDelay} itself.  C{tests/test_fleet.py} has real user agents
of sipws lose a server in memory, and come back as they do here.
"""

from __future__ import annotations

import math
from collections import Counter
from heapq import heapify, heappop, heappush
from random import Random
from typing import TYPE_CHECKING

import attrs

from benchmarks.policies import OURS, PEERS, SEED, Policy
from benchmarks.tables import figure, printTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = ["OUTAGES", "POLICIES", "Outcome", "printVerdict", "runFleet", "simulate"]

#: All that are compared.
POLICIES = (OURS, SEED, *PEERS)

#: How long the server is down, in seconds: one table each.  The last is one after which
#: what is recommended is not the first to have all back.
OUTAGES = (0.0, 20.0, 60.0)

#: How much lower our peak should be than that of the best peer.
AIM = 5.0

#: When the simulation ends, in seconds: long after the last of those who come back at all.
_END = 3600.0


@attrs.frozen
class Outcome:
    """
    What came of one policy.

    @ivar size: How many user agents there are.
    @ivar attempts: How many attempts to connect there were in each second.
    @ivar back: When each that came back did, in seconds, in their order.
    """

    size: int
    attempts: Counter[int]
    back: list[float]

    @property
    def peak(self) -> int:
        """The most attempts in one second."""
        return max(self.attempts.values(), default=0)

    def backBy(self, share: float) -> float | None:
        """
        Say when a share of all was back.

        @param share: The share, up to 1.
        @return: Seconds; C{None}: never.
        """
        needed = math.ceil(share * self.size)
        return self.back[needed - 1] if len(self.back) >= needed else None


def simulate(policy: Policy, size: int, perSecond: int, outage: float, seed: int) -> Outcome:
    """
    Have a fleet lose its server, and come back.

    @param policy: How each tries again.
    @param size: How many there are.
    @param perSecond: How many connections the server accepts in each second.
    @param outage: How long it accepts none, in seconds.
    @param seed: What chance begins with.
    """
    random = Random(seed)
    waits = [policy.delays(random) for _ in range(size)]
    due = [(delay, each) for each in range(size) if (delay := next(waits[each], None)) is not None]
    heapify(due)
    attempts: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    back: list[float] = []
    while due and due[0][0] < _END:
        now, each = heappop(due)
        second = math.floor(now)
        attempts[second] += 1
        if now >= outage and accepted[second] < perSecond:
            accepted[second] += 1
            back.append(now)
        elif (delay := next(waits[each], None)) is not None:
            heappush(due, (now + delay, each))
    return Outcome(size, attempts, back)


def runFleet(
    console: Console, size: int, perSecond: int, seed: int, outages: Sequence[float] = OUTAGES
) -> dict[float, dict[Policy, Outcome]]:
    """
    Simulate all policies, and print a table for each outage.

    @param console: Where to.
    @param size: How many user agents there are.
    @param perSecond: How many connections the server accepts in each second.
    @param seed: What chance begins with.
    @param outages: How long the server is down, in seconds.
    @return: What came of it, by outage and policy.
    """
    outcomes = {
        outage: {policy: simulate(policy, size, perSecond, outage, seed) for policy in POLICIES}
        for outage in outages
    }
    for outage, of in outcomes.items():
        down = f", which is down for {outage:g} s," if outage else ""
        title = f"{size:,} user agents lose a server{down} that takes {perSecond:,} connections a second"
        rows = [_row(policy, outcome) for policy, outcome in of.items()]
        head = ["policy", "peak, connects/s", "50 % back, s", "99 % back, s", "all back, s", "connects"]
        printTable(console, title, head, rows)
        printVerdict(console, of)
    return outcomes


def printVerdict(console: Console, of: dict[Policy, Outcome]) -> None:
    """
    Print what ours comes to against the best of the peers.

    @param of: What came of each.
    """
    ours = of[OURS]
    peak = min(of[peer].peak for peer in PEERS)
    last = min((back for peer in PEERS if (back := of[peer].backBy(1)) is not None), default=None)
    ratio = peak / ours.peak
    isInTime = last is None or (ours.backBy(1) or math.inf) <= last
    rows = [
        ("peak: the best peer's, divided by ours", figure(ratio), f"{AIM:g}", _met(ratio >= AIM)),
        (
            "all back, s: ours, and the best peer's as the aim",
            figure(ours.backBy(1)),
            figure(last),
            _met(isInTime),
        ),
    ]
    printTable(console, "Against the best peer", ["sipws, as recommended", "", "aim", ""], rows)


def _row(policy: Policy, outcome: Outcome) -> tuple[str, ...]:
    times = [outcome.backBy(share) for share in (0.5, 0.99, 1)]
    return (
        policy.name,
        figure(outcome.peak, 0),
        *("never" if time is None else figure(time) for time in times),
        figure(sum(outcome.attempts.values()), 0),
    )


def _met(isMet: bool) -> str:
    return "met" if isMet else "[bold red]missed[/bold red]"
