"""
How the benchmarks' results are printed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from benchmarks.peers import Peer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Aims", "figure", "printMissing", "printRatios", "printTable"]

#: What a ratio to each peer should come to at least.
Aims = Mapping[Peer, float]


def figure(value: float | None, digits: int = 1) -> str:
    """
    Format a figure.

    @param value: The figure; C{None} where there is none.
    @param digits: Digits after the point.
    @return: Its text.
    """
    return "-" if value is None else f"{value:,.{digits}f}"


def printTable(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """
    Print a table: names on the left, figures on the right.

    @param console: Where to.
    @param title: What is measured, and in which unit.
    @param columns: The columns' heads.
    @param rows: The rows.
    """
    table = Table(title=title, title_justify="left", show_edge=False, caption=_load(), caption_justify="left")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def printRatios(console: Console, unit: str, ratios: Mapping[Peer, float | None], aims: Aims) -> None:
    """
    Print how many times better sipws is than each peer, beside the aims.

    @param console: Where to.
    @param unit: What a ratio says.
    @param ratios: The ratios; a greater one is better.
    @param aims: What they should be at least.
    """
    if not ratios:
        return
    rows = [_ratioRow(peer, ratio, aims.get(peer)) for peer, ratio in ratios.items()]
    printTable(console, "Ratios", ["sipws against", unit, "aim", ""], rows)


def printMissing(console: Console, peers: Sequence[Peer]) -> None:
    """
    Name the peers that are left out because something is not installed.

    @param console: Where to.
    @param peers: All peers that are wanted.
    """
    for peer in peers:
        missing = peer.missing()
        if missing:
            install = "install Node.js 20 or newer, then " if missing == "Node.js" else ""
            named = f"[bold]left out: {peer.name}[/bold], for lack of {missing}"
            console.print(f"{named}: {install}{escape(peer.install)}", highlight=False)


def _ratioRow(peer: Peer, ratio: float | None, aim: float | None) -> tuple[str, str, str, str]:
    met = "" if ratio is None or aim is None else "met" if ratio >= aim else "[bold red]missed[/bold red]"
    return peer.name, figure(ratio), "-" if aim is None else f"{aim:g}", met


def _load() -> str:
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
