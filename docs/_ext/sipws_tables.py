"""
Directives that draw the documentation's tables from the code itself::

    .. sipws-options::

    .. sipws-machine:: INVITE_CLIENT
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import sipws
from sipws.cli import main
from sipws.cli.status import ExitStatus
from sipws.config import Configuration
from sipws.config.optiontags import TABLE
from sipws.config.refused import REFUSED
from sipws.counters import Counters
from sipws.dialog import DIALOG
from sipws.metrics import metricName
from sipws.publication import PUBLICATION
from sipws.session import machine as sessions
from sipws.session.offeranswer import OFFER_ANSWER
from sipws.subscription import REASONS
from sipws.subscription import machine as subscriptions
from sipws.tap import Options
from sipws.transaction import machines
from sipws.transaction.drawing import toRST
from sipws.ua import events

Rows = Iterable[Sequence[str]]

#: C{...}, L{...} and I{...} of epytext, innermost first.
_EPYTEXT = re.compile(r"[CLI]\{([^{}]*)\}")


def listTable(header: Sequence[str], rows: Rows, widths: str) -> str:
    """Write a list-table in reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [header, *rows]:
        first, *others = row
        lines.append(f"   * - {first}")
        lines.extend(f"     - {cell}" for cell in others)
    return "\n".join([*lines, ""])


def literal(value: object) -> str:
    """Show a value as code."""
    return f"``{value}``"


def fromEpytext(text: str) -> str:
    """Make reStructuredText of a docstring's markup."""
    return _EPYTEXT.sub(r"``\1``", text)


def optionsOfConfiguration(argument: str) -> str:
    """List the options of L{Configuration}."""
    rows = []
    for row in Configuration.table():
        kind = f"{row.kind}; {row.unit}" if row.unit else row.kind
        default = "" if row.default is None else literal(_toml(row.default))
        rows.append([literal(row.name), kind, default, row.doc])
    return listTable(["Option", "Takes", "Default", "What it is for"], rows, "24 24 14 38")


def optionTags(argument: str) -> str:
    """List the option tags, and what switches them on."""
    rows = [[literal(row.tag), row.where.value, row.when] for row in TABLE]
    return listTable(["Option tag", "Where it stands", "When"], rows, "20 45 35")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)


def refusedOptions(argument: str) -> str:
    """List the options of SIP.js that are not taken."""
    rows = [[literal(name), reason] for name, reason in sorted(REFUSED.items())]
    return listTable(["Option of SIP.js", "Why it is not taken"], rows, "30 70")


def eventsOfUserAgent(argument: str) -> str:
    """Make a list-table of the table in the docstring of L{sipws.ua.events}."""
    header, *rows = _simpleTable(inspect.cleandoc(events.__doc__ or ""))
    rows = [[literal(name), *others] for name, *others in rows]
    return listTable([cell.capitalize() for cell in header], rows, "20 30 50")


def countersOfUserAgent(argument: str) -> str:
    """List the counters, by the names that Prometheus has for them."""
    rows = [
        [literal(metricName(name)), literal(f"ua.counters.{name}"), meaning]
        for name, meaning in Counters.meanings().items()
    ]
    return listTable(["Metric", "In Python", "What it counts"], rows, "36 32 32")


def _simpleTable(text: str) -> Iterator[list[str]]:
    """Read the rows of a simple table; a row whose first cell is empty continues the one before."""
    borders = [line for line in text.splitlines() if line.strip().startswith("===")]
    starts = [match.start() for match in re.finditer("=+", borders[0])]
    body = text.split(borders[0])[1:3]
    row: list[str] = []
    for line in "".join(body).splitlines():
        if not line.strip():
            continue
        cells = [line[start:end].strip() for start, end in pairwise([*starts, None])]
        if cells[0]:
            if row:
                yield row
            row = cells
        else:
            row = [f"{old} {new}".strip() for old, new in zip(row, cells, strict=True)]
    yield row


def machine(argument: str) -> str:
    """Draw one of the machines of L{sipws.transaction.machines}."""
    return toRST(getattr(machines, argument))


def dialogMachine(argument: str) -> str:
    """Draw the table of L{sipws.dialog.machine}."""
    rows = [
        [arrow.state, arrow.event, "; ".join(arrow.actions) or "nothing", arrow.target] for arrow in DIALOG
    ]
    return listTable(["In", "on", "does", "goes to"], rows, "16 32 36 16")


def sessionMachine(argument: str) -> str:
    """Draw one of the machines of L{sipws.session.machine}."""
    drawn = getattr(sessions, argument)
    rows = [
        [arrow.state, arrow.event, "; ".join(arrow.actions) or "nothing", arrow.target]
        for arrow in drawn.arrows
    ]
    table = listTable(["In", "on", "does", "goes to"], rows, "16 20 44 20")
    return table.replace(".. list-table::", f".. list-table:: {drawn.name} ({drawn.source})", 1)


def offerAndAnswer(argument: str) -> str:
    """Draw the table of L{sipws.session.offeranswer}."""
    rows = [[arrow.state, arrow.event, arrow.target] for arrow in OFFER_ANSWER]
    return listTable(["In", "on", "goes to"], rows, "34 32 34")


def subscriptionMachine(argument: str) -> str:
    """Draw one of the machines of L{sipws.subscription.machine}."""
    drawn = getattr(subscriptions, argument)
    rows = [
        [arrow.state, arrow.event, "; ".join(arrow.actions) or "nothing", arrow.target]
        for arrow in drawn.arrows
    ]
    table = listTable(["In", "on", "does", "goes to"], rows, "14 28 42 16")
    return table.replace(".. list-table::", f".. list-table:: {drawn.name} ({drawn.source})", 1)


def publicationMachine(argument: str) -> str:
    """Draw the table of L{sipws.publication.machine}."""
    rows = [
        [arrow.state, arrow.event, "; ".join(arrow.actions) or "nothing", arrow.target]
        for arrow in PUBLICATION
    ]
    table = listTable(["In", "on", "does", "goes to"], rows, "14 28 42 16")
    return table.replace(".. list-table::", ".. list-table:: publication (RFC 3903)", 1)


def reasonsOfTermination(argument: str) -> str:
    """List what the reasons of a NOTIFY mean for the next subscription."""
    rows = [
        ["none, or another" if name is None else literal(name), retry.value]
        for name, retry in REASONS.items()
    ]
    return listTable(["Reason", "Begun anew"], rows, "40 60")


def helpOfCommand(argument: str) -> str:
    """Show the command line's own help."""
    blocks = []
    context = click.Context(main, info_name="sipws", max_content_width=100)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is not None:
            nested = click.Context(command, info_name=name, parent=context, max_content_width=100)
            blocks.append(_literalBlock(command.get_help(nested)))
    return "\n".join(blocks)


def helpOfPlugin(argument: str) -> str:
    """Show the plugin's own help."""
    return _literalBlock(Options().getUsage(width=100).strip())


def _literalBlock(text: str) -> str:
    body = "\n".join(f"   {line}" for line in text.splitlines())
    return f".. code-block:: text\n\n{body}\n"


def exitStatuses(argument: str) -> str:
    """List the exit statuses of the command line."""
    rows = [[str(int(status)), status.meaning] for status in ExitStatus]
    return listTable(["Status", "Meaning"], rows, "10 90")


def exports(argument: str) -> str:
    """List what the package exports, with the first sentence of each docstring."""
    rows = []
    for name in sipws.__all__:
        text = inspect.getdoc(getattr(sipws, name)) or ""
        sentence = re.split(r"(?<=[.:])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(":")
        rows.append([literal(name), fromEpytext(sentence)])
    return listTable(["Name", "What it is"], rows, "30 70")


DIRECTIVES: dict[str, Callable[[str], str]] = {
    "sipws-options": optionsOfConfiguration,
    "sipws-option-tags": optionTags,
    "sipws-refused": refusedOptions,
    "sipws-events": eventsOfUserAgent,
    "sipws-counters": countersOfUserAgent,
    "sipws-machine": machine,
    "sipws-dialog": dialogMachine,
    "sipws-session": sessionMachine,
    "sipws-offeranswer": offerAndAnswer,
    "sipws-subscription": subscriptionMachine,
    "sipws-publication": publicationMachine,
    "sipws-reasons": reasonsOfTermination,
    "sipws-command": helpOfCommand,
    "sipws-plugin": helpOfPlugin,
    "sipws-statuses": exitStatuses,
    "sipws-exports": exports,
}


class Drawn(SphinxDirective):
    """A directive that stands for what a function of its argument writes."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        text = DIRECTIVES[self.name]((self.arguments or [""])[0])
        return self.parse_text_to_nodes(text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directives."""
    for name in DIRECTIVES:
        app.add_directive(name, Drawn)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
