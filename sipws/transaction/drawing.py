"""
The state machines as pictures: drawn from their tables, so that they cannot say
anything else.
"""

from __future__ import annotations

from sipws.transaction.machines import Arrow, Machine, Timer

__all__ = ["toDot", "toRST"]


def toRST(machine: Machine) -> str:
    """
    Draw a machine as a table in reStructuredText.

    @param machine: One of L{machines<sipws.transaction.machines>}.
    @return: A C{list-table}, one row an arrow.
    """
    lines = [
        f".. list-table:: {machine.name} ({machine.source})",
        "   :header-rows: 1",
        "",
        *_row("In", "on", "does", "goes to", "timer that runs then"),
    ]
    for arrow in machine.arrows:
        does = "; ".join(arrow.actions) or "nothing"
        lines += _row(arrow.state, arrow.event, does, arrow.target, _timer(arrow))
    return "\n".join([*lines, ""])


def _row(*cells: str) -> list[str]:
    # An asterisk would begin emphasis.
    escaped = [cell.replace("*", "\\*") for cell in cells]
    return [f"   * - {escaped[0]}", *(f"     - {cell}" for cell in escaped[1:])]


def _timer(arrow: Arrow) -> str:
    if arrow.timer is Timer.KEEP:
        return "as before"
    return arrow.timer or "none"


def toDot(machine: Machine) -> str:
    """
    Draw a machine in the language of Graphviz.

    @param machine: One of L{machines<sipws.transaction.machines>}.
    @return: A digraph, its edges labelled as in the RFC's figures: the event
        over the actions.
    """
    lines = [f"digraph {_quoted(machine.name)} {{", "    node [shape=box];"]
    for arrow in machine.arrows:
        label = _quoted(f"{arrow.event}\n{'; '.join(arrow.actions) or '-'}")
        lines.append(f"    {_quoted(arrow.state)} -> {_quoted(arrow.target)} [label={label}];")
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
