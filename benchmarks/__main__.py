"""The command line: C{python -m benchmarks COMMAND}."""

from __future__ import annotations

import click
from rich.console import Console

from benchmarks.building import runBuild
from benchmarks.calling import runCalls
from benchmarks.fleet import OUTAGES, runFleet
from benchmarks.fleetplot import plotFleet
from benchmarks.memory import runMemory
from benchmarks.parsing import runParse
from benchmarks.transacting import runTransactions

_rounds = click.option("--rounds", default=25, show_default=True, help="How often each engine has its turn.")


def _console() -> Console:
    # What is written to a file is not cut to the width of a terminal that is not there.
    return Console(width=max(Console().width, 100))


@click.group()
def main() -> None:
    """Compare sipws with others that do the same."""


@main.command()
@_rounds
@click.option("--seconds", default=0.01, show_default=True, help="How long a turn takes, at least.")
def parse(rounds: int, seconds: float) -> None:
    """Parse and check a message."""
    runParse(_console(), rounds, seconds)


@main.command()
@_rounds
@click.option("--seconds", default=0.01, show_default=True, help="How long a turn takes, at least.")
def build(rounds: int, seconds: float) -> None:
    """Build a message."""
    runBuild(_console(), rounds, seconds)


@main.command()
@_rounds
@click.option("--seconds", default=0.25, show_default=True, help="How long a turn takes, about.")
def transactions(rounds: int, seconds: float) -> None:
    """Send requests and get their responses."""
    runTransactions(_console(), rounds, seconds)


@main.command()
@_rounds
@click.option("--seconds", default=0.25, show_default=True, help="How long a turn takes, about.")
def calls(rounds: int, seconds: float) -> None:
    """Make calls and end them."""
    runCalls(_console(), rounds, seconds)


@main.command()
@click.option("--first", default=200, show_default=True, help="User agents before the first reading.")
@click.option("--more", default=1000, show_default=True, help="User agents added for the second.")
def memory(first: int, more: int) -> None:
    """Keep user agents registered."""
    runMemory(_console(), first, more)


@main.command()
@click.option("--size", default=10_000, show_default=True, help="User agents.")
@click.option("--rate", default=500, show_default=True, help="Connections that the server takes a second.")
@click.option("--seed", default=1, show_default=True, help="What chance begins with.")
@click.option("--plot", type=click.Path(dir_okay=False), help="Draw the first table too, as an SVG file.")
def fleet(size: int, rate: int, seed: int, plot: str | None) -> None:
    """Lose the server of many at one moment, on a simulated clock."""
    outcomes = runFleet(_console(), size, rate, seed)
    if plot is not None:
        plotFleet(plot, outcomes[OUTAGES[0]], rate)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
