"""
C{python -m benchmarks parse}: what a message costs before it is routed.

Each engine parses each message of the corpus as it does in use and applies
its own sanity check, as far as it has one; its module in
L{benchmarks.engines} says what that is.  sipws parses the start line, the top
Via's sent-by and branch, Call-ID, CSeq, the tags and Content-Length, finds
every header's name and value, and leaves other values unparsed until they are
asked for.

A message that an engine refuses is marked, and is left out of the ratios to
that engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.corpus import SampleMessage, loadCorpus
from benchmarks.measuring import Case, Figures, measure, printFigures
from benchmarks.peers import JSSIP, SIPJS, SIPMESSAGE, SIPPY, SIPWS, TWISTED
from benchmarks.tables import printMissing
from benchmarks.workers import Worker, started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

__all__ = ["AIMS", "ENGINES", "runParse"]

ENGINES = (SIPWS, TWISTED, SIPPY, SIPMESSAGE, JSSIP, SIPJS)
AIMS = {TWISTED: 2.5, SIPPY: 3.5, JSSIP: 12.0, SIPJS: 80.0}

#: How many variants of each message an engine gets to see.
_VARIANTS = 32


def runParse(console: Console, rounds: int, seconds: float) -> Figures:
    """
    Measure, and print the tables.

    @param console: Where to.
    @param rounds: How often each engine parses each message's variants.
    @param seconds: How long at least it does so each time.
    @return: Microseconds a message, by engine and message's name.
    """
    corpus = loadCorpus()
    cases: dict[str, Case] = {sample.name: ("parse", {"index": index}) for index, sample in enumerate(corpus)}
    with started(ENGINES) as workers:
        refused = {worker.peer: _load(worker, corpus) for worker in workers}
        figures = measure(workers, cases, refused, rounds, seconds)
    printFigures(console, "Parse and sanity check, microseconds a message", list(cases), figures, AIMS)
    for peer, reasons in refused.items():
        for name, reason in reasons.items():
            console.print(f"{peer.name} refuses {name}: {reason}", highlight=False)
    printMissing(console, ENGINES)
    return figures


def _load(worker: Worker, corpus: Sequence[SampleMessage]) -> dict[str, str]:
    messages = [[octets.decode() for octets in sample.variants(_VARIANTS)] for sample in corpus]
    verdicts = worker.do("load", messages=messages)
    return {sample.name: verdict for sample, verdict in zip(corpus, verdicts, strict=True) if verdict}
