"""
What the benchmarks C{parse} and C{build} share: microseconds by engine and case.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmarks.peers import SIPWS, Peer
from benchmarks.rounds import geometricMean, interleave, medians, ratio
from benchmarks.tables import Aims, figure, printRatios, printTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from benchmarks.workers import Worker

__all__ = ["Case", "Figures", "measure", "printFigures"]

#: Microseconds by engine and case.
Figures = dict[Peer, dict[str, float]]

#: What an engine is told to do for a case: the task and its arguments, without seconds.
Case = tuple[str, dict[str, object]]

#: How many turns come first, in Node.js, and do not count: its compiler needs some thousand calls to know
#: what matters.
_WARMTH = 50


def measure(
    workers: Sequence[Worker],
    cases: Mapping[str, Case],
    refused: Mapping[Peer, Mapping[str, str]],
    rounds: int,
    seconds: float,
) -> Figures:
    """
    Measure each case with each engine, all in turns.

    @param workers: The engines.
    @param cases: The cases by name.
    @param refused: The cases that an engine cannot do, and why.
    @param rounds: How often each is measured.
    @param seconds: How long at least each time.
    @return: The medians.
    """
    measurements = {
        (worker.peer, name): functools.partial(_microseconds, worker, case, seconds)
        for name, case in cases.items()
        for worker in workers
        if name not in refused.get(worker.peer, {})
    }
    interleave(1, {key: _warm(measurement, key[0]) for key, measurement in measurements.items()})
    figures: Figures = {worker.peer: {} for worker in workers}
    for (peer, name), value in medians(interleave(rounds, measurements)).items():
        figures[peer][name] = value
    return figures


def printFigures(console: Console, title: str, names: Sequence[str], figures: Figures, aims: Aims) -> None:
    """
    Print the figures, one row a case and one column an engine, and the ratios.

    @param console: Where to.
    @param title: What was measured.
    @param names: The cases.
    @param figures: What L{measure} gave.
    @param aims: What the ratios should be at least.
    """
    rows = [[name, *(_cell(values.get(name)) for values in figures.values())] for name in names]
    rows.append(["geometric mean", *(figure(geometricMean(values.values())) for values in figures.values())])
    printTable(console, title, ["", *(peer.short for peer in figures)], rows)
    mine = figures.get(SIPWS, {})
    ratios = {peer: ratio(mine, theirs) for peer, theirs in figures.items() if peer is not SIPWS}
    printRatios(console, "times as fast", ratios, aims)


def _warm(measurement: functools.partial[float], peer: Peer) -> functools.partial[float]:
    return functools.partial(measurement, warmth=_WARMTH if peer.node else 1)


def _microseconds(worker: Worker, case: Case, seconds: float, warmth: int = 1) -> float:
    task, arguments = case
    calls, spent = worker.do(task, seconds=seconds * warmth, **arguments)
    return float(spent) / float(calls) * 1e6


def _cell(value: float | None) -> str:
    return "refused" if value is None else figure(value)
