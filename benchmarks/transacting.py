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
from benchmarks.tables import Aims, figure, printMissing, printRatios, printTable
from benchmarks.workers import Worker, started

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

__all__ = ["AIMS", "ENGINES", "Rate", "Task", "measureRates", "printRates", "runTransactions"]

ENGINES = (SIPWS, JSSIP, SIPJS)
AIMS = {JSSIP: 4.0, SIPJS: 18.0}

_WINDOW = 50
_TEXT = "The agenda is in the room; the call is at half past three."


@attrs.frozen
class Rate:
    """
    How fast a client is.

    @ivar perSecond: Transactions, or calls, per second.
    @ivar busy: Microseconds of processor time for each.
    """

    perSecond: float
    busy: float


@attrs.frozen
class Task:
    """
    What clients do again and again.

    @ivar name: Its name among an engine's tasks.
    @ivar window: How often at a time.
    @ivar arguments: What the engine needs for it.
    """

    name: str
    window: int
    arguments: Mapping[str, str]


def runTransactions(console: Console, rounds: int, seconds: float) -> dict[Peer, Rate]:
    """
    Measure, and print the tables.

    @param console: Where to.
    @param rounds: How often each client has its turn.
    @param seconds: How long a turn should take.
    @return: The medians, by engine.
    """
    rates = measureRates(ENGINES, Task("exchange", _WINDOW, {"body": _TEXT}), rounds, seconds)
    title = f"MESSAGE answered 200, window of {_WINDOW}"
    printRates(console, title, "transactions", rates, AIMS, ENGINES)
    return rates


def measureRates(engines: Sequence[Peer], task: Task, rounds: int, seconds: float) -> dict[Peer, Rate]:
    """
    Have clients do something, in turns, all with one stub server.

    @param engines: The clients.
    @param task: What they do.
    @param rounds: How often each has its turn.
    @param seconds: How long a turn should take.
    @return: The medians, by engine.
    """
    with stubServer() as url, started(engines) as workers:
        for worker in workers:
            worker.do("connect", url=url)
        counts = {worker: _warmUp(worker, task, seconds) for worker in workers}
        turns: dict[Worker, list[Rate]] = {worker: [] for worker in workers}
        for _ in range(rounds):
            for worker, count in counts.items():
                turns[worker].append(_turn(worker, task, count))
    return {worker.peer: _median(turns[worker]) for worker in workers}


def _turn(worker: Worker, task: Task, count: int) -> Rate:
    elapsed, busy = worker.do(task.name, count=count, window=task.window, **task.arguments)
    return Rate(perSecond=count / elapsed, busy=busy / count * 1e6)


def _warmUp(worker: Worker, task: Task, seconds: float) -> int:
    """Find how often fills so long, and let just-in-time compilers learn meanwhile."""
    count = task.window
    for _ in range(3):
        count = max(task.window, int(_turn(worker, task, count).perSecond * seconds))
    return count


def _median(rates: Sequence[Rate]) -> Rate:
    return Rate(
        perSecond=statistics.median(rate.perSecond for rate in rates),
        busy=statistics.median(rate.busy for rate in rates),
    )


def printRates(
    console: Console, title: str, unit: str, rates: Mapping[Peer, Rate], aims: Aims, engines: Sequence[Peer]
) -> None:
    """
    Print what was measured, and how many times better sipws is.

    @param console: Where to.
    @param title: What was measured.
    @param unit: What was counted, in the plural.
    @param rates: The medians, by engine.
    @param aims: What the ratios should be at least.
    @param engines: All that were wanted.
    """
    rows = [(peer.name, figure(rate.perSecond, 0), figure(rate.busy, 0)) for peer, rate in rates.items()]
    printTable(console, title, ["client", f"{unit} per second", "processor, us each"], rows)
    mine = rates.get(SIPWS)
    if mine is not None:
        others = {peer: rate for peer, rate in rates.items() if peer is not SIPWS}
        speed = {peer: mine.perSecond / rate.perSecond for peer, rate in others.items()}
        thrift = {peer: rate.busy / mine.busy for peer, rate in others.items()}
        printRatios(console, "times as many", speed, aims)
        printRatios(console, "times less processor time", thrift, {})
    printMissing(console, engines)
