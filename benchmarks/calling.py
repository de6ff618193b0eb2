"""
C{python -m benchmarks calls}: calls made and ended, end to end.

A client process makes calls over plain WebSocket on loopback, fifty at a time,
to one stub server in a process of its own: INVITE with an offer of 3,699
octets, 180, 200 with an answer, ACK, BYE, 200; a further call is made for each
that has ended.  Each client is used as its users use it: one call makes the
session, its events or Deferreds lead on.  None of them has media.

Counted are calls per second by the clock, and the client's microseconds of
processor time for each, which other programs on the machine disturb less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.building import materials
from benchmarks.peers import JSSIP, SIPJS, SIPWS, Peer
from benchmarks.transacting import Rate, Task, measureRates, printRates

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["AIMS", "ENGINES", "runCalls"]

ENGINES = (SIPWS, JSSIP, SIPJS)
AIMS = {JSSIP: 5.0}

_WINDOW = 50


def runCalls(console: Console, rounds: int, seconds: float) -> dict[Peer, Rate]:
    """
    Measure, and print the tables.

    @param console: Where to.
    @param rounds: How often each client has its turn.
    @param seconds: How long a turn should take.
    @return: The medians, by engine.
    """
    task = Task("call", _WINDOW, {"offer": materials()["offer"]})
    rates = measureRates(ENGINES, task, rounds, seconds)
    title = f"INVITE, 180, 200, ACK, BYE, 200, window of {_WINDOW}"
    printRates(console, title, "calls", rates, AIMS, ENGINES)
    return rates
