"""
State machines as tables: what a row is, and what a table is.

Transactions have rows of their own kind, with timers: L{sipws.transaction.machines}.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Arrow", "Machine", "byCause"]


class Arrow(NamedTuple):
    """
    One row of a table.

    @ivar state: The state that it leads from.
    @ivar event: On what.
    @ivar actions: What is done, in this order, after the state has changed.
    @ivar target: The state that it leads to.
    """

    state: str
    event: str
    actions: tuple[str, ...]
    target: str


class Machine(NamedTuple):
    """
    A state machine.

    @ivar name: What it is for.
    @ivar source: Where it comes from: a figure, or sections.
    @ivar arrows: Its table.
    """

    name: str
    source: str
    arrows: tuple[Arrow, ...]


def byCause(arrows: Iterable[Arrow]) -> dict[tuple[str, str], Arrow]:
    """
    Index rows by what leads to them: state and event.  What has no row is ignored, on purpose.

    @param arrows: The rows.
    """
    return {(arrow.state, arrow.event): arrow for arrow in arrows}
