"""
C{python -m benchmarks transactions}: requests and their responses, end to end.

A client process sends MESSAGE requests over plain WebSocket on loopback, fifty
at a time, to one stub server in a process of its own, which answers each with
200; a further one is sent for each that was answered.  Each client is used as
its users use it: one call makes the request, a callback gets the response.

Counted are transactions per second by the clock, and the client's microseconds
of processor time for each, which other programs on the machine disturb less.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import attrs

from benchmarks.peers import JSSIP, SIPJS, SIPWS, Peer
from benchmarks.stub import stubServer
from benchmarks.tables import figure, printMissing, printRatios, printTable
from benchmarks.workers import Worker, started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = ["AIMS", "ENGINES", "Rate", "runTransactions"]

ENGINES = (SIPWS, JSSIP, SIPJS)
AIMS = {JSSIP: 4.0, SIPJS: 18.0}

_WINDOW = 50
_TEXT = "The agenda is in the room; the call is at half past three."


@attrs.frozen
class Rate:
    """
    How fast a client is.

    @ivar perSecond: Transactions per second.
    @ivar busy: Microseconds of processor time for each.
    """

    perSecond: float
    busy: float


def runTransactions(console: Console, rounds: int, seconds: float) -> dict[Peer, Rate]:
    """
    Measure, and print the tables.

    @param console: Where to.
    @param rounds: How often each client has its turn.
    @param seconds: How long a turn should take.
    @return: The medians, by engine.
    """
    with stubServer() as url, started(ENGINES) as workers:
        for worker in workers:
            worker.do("connect", url=url)
        counts = {worker: _warmUp(worker, seconds) for worker in workers}
        turns: dict[Worker, list[Rate]] = {worker: [] for worker in workers}
        for _ in range(rounds):
            for worker, count in counts.items():
                turns[worker].append(_exchange(worker, count))
    rates = {worker.peer: _median(turns[worker]) for worker in workers}
    _print(console, dict(rates))
    return rates


def _exchange(worker: Worker, count: int) -> Rate:
    elapsed, busy = worker.do("exchange", count=count, window=_WINDOW, body=_TEXT)
    return Rate(perSecond=count / elapsed, busy=busy / count * 1e6)


def _warmUp(worker: Worker, seconds: float) -> int:
    """Find how many transactions take so long, and let just-in-time compilers learn meanwhile."""
    count = _WINDOW
    for _ in range(3):
        count = max(_WINDOW, int(_exchange(worker, count).perSecond * seconds))
    return count


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(
        perSecond=statistics.median(rate.perSecond for rate in rates),
        busy=statistics.median(rate.busy for rate in rates),
    )


def _print(console: Console, rates: dict[Peer, Rate]) -> None:
    rows = [(peer.name, figure(rate.perSecond, 0), figure(rate.busy, 0)) for peer, rate in rates.items()]
    title = f"MESSAGE answered 200, window of {_WINDOW}"
    printTable(console, title, ["client", "transactions per second", "processor, us each"], rows)
    mine = rates.pop(SIPWS, None)
    if mine is not None:
        speed = {peer: mine.perSecond / rate.perSecond for peer, rate in rates.items()}
        thrift = {peer: rate.busy / mine.busy for peer, rate in rates.items()}
        printRatios(console, "times as many", speed, AIMS)
        printRatios(console, "times less processor time", thrift, {})
    printMissing(console, ENGINES)
