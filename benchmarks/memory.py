"""
C{python -m benchmarks memory}: what an idle, registered user agent occupies.

Each client process registers user agents on the stub server, each over a
WebSocket of its own, plain and on loopback.  The process's resident memory is
read with the first two hundred of them, and again with a thousand more, after
a garbage collection each time: the difference is the thousand's.  What the
kernel keeps for their sockets is not in it.

As a check, what the language's own allocator says it has kept: C{tracemalloc}
in a further process of Python, which it slows down and makes larger; the
engine's heap in Node.js.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from benchmarks.peers import JSSIP, SIPJS, SIPWS, Peer
from benchmarks.stub import stubServer
from benchmarks.tables import figure, printMissing, printRatios, printTable
from benchmarks.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

__all__ = ["AIM", "ENGINES", "Size", "runMemory"]

ENGINES = (SIPWS, JSSIP, SIPJS)

#: What a user agent of ours may occupy, in KB of 1,024 octets.
AIM = 15.0


@attrs.frozen
class Size:
    """
    What a user agent occupies, in KB of 1,024 octets.

    @ivar resident: Of the process's resident memory.
    @ivar kept: Of what the language's allocator has given out.
    """

    resident: float
    kept: float


def runMemory(console: Console, first: int, more: int) -> dict[Peer, Size]:
    """
    Measure, and print the table.

    @param console: Where to.
    @param first: How many user agents there are when the memory is first read.
    @param more: How many are added.
    @return: The sizes, by engine.
    """
    sizes: dict[Peer, Size] = {}
    for peer in ENGINES:
        if peer.missing() is None:
            resident = _octetsEach(peer, first, more, traced=False)["resident"]
            kept = _octetsEach(peer, first, more, traced=True)["kept"]
            sizes[peer] = Size(resident=resident / 1024, kept=kept / 1024)
    _print(console, sizes, more)
    return sizes


def _octetsEach(peer: Peer, first: int, more: int, traced: bool) -> dict[str, float]:
    with stubServer() as url, Worker(peer, traced) as worker:
        before = worker.do("grow", url=url, count=first)
        after = worker.do("grow", url=url, count=more)
    return {name: (after[name] - before[name]) / more for name in after}


def _print(console: Console, sizes: Mapping[Peer, Size], more: int) -> None:
    rows = [(peer.name, figure(size.resident), figure(size.kept)) for peer, size in sizes.items()]
    title = f"An idle, registered user agent, KB (mean of {more:,})"
    printTable(console, title, ["client", "resident", "kept, by its allocator"], rows)
    mine = sizes.get(SIPWS)
    if mine is not None:
        console.print(f"sipws: aim at most {AIM:g} KB, {'met' if mine.resident <= AIM else 'missed'}")
        others = {peer: size.resident / mine.resident for peer, size in sizes.items() if peer is not SIPWS}
        printRatios(console, "times as small", others, {})
    printMissing(console, ENGINES)
