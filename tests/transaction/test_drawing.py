"""The tables, drawn."""

from __future__ import annotations

import re

import pytest

from sipws.transaction.drawing import toDot, toRST
from sipws.transaction.machines import INVITE_CLIENT, MACHINES, Machine


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_eachArrowIsAnEdge(machine: Machine) -> None:
    edges = re.findall(r'^    "(\w+)" -> "(\w+)" \[label="(.+?)\\n', toDot(machine), re.MULTILINE)
    assert edges == [(arrow.state, arrow.target, arrow.event) for arrow in machine.arrows]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_eachArrowIsARowOfFiveCells(machine: Machine) -> None:
    title, *rows = toRST(machine).split("\n   * - ")
    assert machine.name in title
    assert [len(row.splitlines()) for row in rows] == [5] * (len(machine.arrows) + 1)
    assert [row.splitlines()[0] for row in rows[1:]] == [arrow.state for arrow in machine.arrows]


def test_aRowSaysWhatHappens() -> None:
    assert "\n".join(
        (
            "   * - Calling",
            "     - 300-699",
            "     - send ACK; response to TU",
            "     - Completed",
            "     - Timer D",
        )
    ) in toRST(INVITE_CLIENT)


def test_anAsteriskIsNoMarkup() -> None:
    assert "64\\*T1 after CANCEL" in toRST(INVITE_CLIENT)


def test_labelsAreQuoted() -> None:
    machine = Machine('a "name"', "nowhere", ())
    assert toDot(machine).startswith('digraph "a \\"name\\"" {')
