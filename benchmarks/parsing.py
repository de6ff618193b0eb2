"""
C{python -m benchmarks parse}: what a message costs before it is routed.

Each engine parses each message of the corpus as it does in use and applies
its own sanity check, as far as it has one; L{benchmarks.engines} says of each
what that is.  sipws parses the start line, the top Via's sent-by and branch,
Call-ID, CSeq, the tags and Content-Length, finds every header's name and
value, and leaves other values unparsed until they are asked for.

A message that an engine refuses is marked, and is left out of the ratios to
that engine.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmarks.corpus import SampleMessage, loadCorpus
from benchmarks.peers import JSSIP, SIPJS, SIPMESSAGE, SIPPY, SIPWS, TWISTED, Peer
from benchmarks.rounds import geometricMean, interleave, medians, ratio
from benchmarks.tables import figure, printMissing, printRatios, printTable
from benchmarks.workers import Worker, started

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

__all__ = ["AIMS", "ENGINES", "runParse"]

ENGINES = (SIPWS, TWISTED, SIPPY, SIPMESSAGE, JSSIP, SIPJS)
AIMS = {TWISTED: 2.5, SIPPY: 3.5, JSSIP: 12.0, SIPJS: 80.0}

#: Microseconds by engine and message.
Figures = dict[Peer, dict[str, float]]


def runParse(console: Console, rounds: int, seconds: float, variants: int = 32) -> Figures:
    """
    Measure, and print the tables.

    @param console: Where to.
    @param rounds: How often each engine parses each message's variants.
    @param seconds: How long at least it does so each time.
    @param variants: How many variants of a message there are.
    @return: Microseconds a message, by engine and message's name.
    """
    corpus = loadCorpus()
    with started(ENGINES) as workers:
        refused = {worker.peer: _load(worker, corpus, variants) for worker in workers}
        figures = _measure(workers, corpus, refused, rounds, seconds)
    _print(console, [sample.name for sample in corpus], figures, refused)
    return figures


def _load(worker: Worker, corpus: Sequence[SampleMessage], variants: int) -> dict[str, str]:
    messages = [[octets.decode() for octets in sample.variants(variants)] for sample in corpus]
    verdicts = worker.do("load", messages=messages)
    return {sample.name: verdict for sample, verdict in zip(corpus, verdicts, strict=True) if verdict}


def _measure(
    workers: Sequence[Worker],
    corpus: Sequence[SampleMessage],
    refused: Mapping[Peer, Mapping[str, str]],
    rounds: int,
    seconds: float,
) -> Figures:
    measurements = {
        (worker.peer, sample.name): functools.partial(_microseconds, worker, index, seconds)
        for index, sample in enumerate(corpus)
        for worker in workers
        if sample.name not in refused[worker.peer]
    }
    # Just-in-time compilers need some thousand messages to know what matters.
    interleave(1, {key: functools.partial(measure, warmth=10) for key, measure in measurements.items()})
    figures: Figures = {worker.peer: {} for worker in workers}
    for (peer, name), value in medians(interleave(rounds, measurements)).items():
        figures[peer][name] = value
    return figures


def _microseconds(worker: Worker, index: int, seconds: float, warmth: int = 1) -> float:
    calls, spent = worker.do("parse", index=index, seconds=seconds * warmth)
    return float(spent) / float(calls) * 1e6


def _print(
    console: Console,
    names: Sequence[str],
    figures: Figures,
    refused: Mapping[Peer, Mapping[str, str]],
) -> None:
    rows = [[name, *(_cell(figures[peer].get(name)) for peer in figures)] for name in names]
    rows.append(["geometric mean", *(figure(geometricMean(values.values())) for values in figures.values())])
    columns = ["message", *(peer.name for peer in figures)]
    printTable(console, "Parse and sanity check, microseconds a message", columns, rows)
    for peer, reasons in refused.items():
        for name, reason in reasons.items():
            console.print(f"{peer.name} refuses {name}: {reason}", highlight=False)
    mine = figures.get(SIPWS, {})
    ratios = {peer: ratio(mine, theirs) for peer, theirs in figures.items() if peer is not SIPWS}
    printRatios(console, "times as fast", ratios, AIMS)
    printMissing(console, ENGINES)


def _cell(value: float | None) -> str:
    return "refused" if value is None else figure(value)
