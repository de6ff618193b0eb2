"""
C{python -m benchmarks build}: what it costs to make a message, up to its octets.

A REGISTER, an INVITE with an offer of 3,699 octets, and a 200 with an answer
of 3,421 octets to an INVITE that was received.  Tags, branches and Call-IDs
are new each time.  The INVITE that is answered is parsed anew each time, which
is not counted; what a lazy parser has put off until then is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.corpus import loadCorpus
from benchmarks.measuring import Case, Figures, measure, printFigures
from benchmarks.peers import JSSIP, SIPJS, SIPMESSAGE, SIPPY, SIPWS, TWISTED
from benchmarks.tables import printMissing
from benchmarks.workers import started

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ENGINES", "MESSAGES", "materials", "runBuild"]

ENGINES = (SIPWS, TWISTED, SIPPY, SIPMESSAGE, JSSIP, SIPJS)
MESSAGES = ("REGISTER", "INVITE with SDP", "200 with SDP")


def materials() -> dict[str, str]:
    """
    Give what the messages are made from.

    @return: C{invite}, C{offer} and C{answer}, from the corpus.
    """
    corpus = {sample.name: sample.octets.decode() for sample in loadCorpus()}
    invite, ok = corpus["04_invite_sdp"], corpus["06_200_invite_sdp"]
    return {"invite": invite, "offer": _body(invite), "answer": _body(ok)}


def runBuild(console: Console, rounds: int, seconds: float) -> Figures:
    """
    Measure, and print the tables.

    @param console: Where to.
    @param rounds: How often each engine builds each message.
    @param seconds: How long at least it does so each time.
    @return: Microseconds a message, by engine and message's name.
    """
    cases: dict[str, Case] = {name: ("build", {"name": name}) for name in MESSAGES}
    with started(ENGINES) as workers:
        for worker in workers:
            worker.do("prepare", **materials())
        figures = measure(workers, cases, {}, rounds, seconds)
    printFigures(console, "Building, microseconds a message", MESSAGES, figures, {})
    printMissing(console, ENGINES)
    return figures


def _body(message: str) -> str:
    return message.partition("\r\n\r\n")[2]
