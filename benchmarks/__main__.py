"""The command line: C{python -m benchmarks COMMAND}."""

from __future__ import annotations

import click
from rich.console import Console

from benchmarks.parsing import runParse


@click.group()
def main() -> None:
    """Compare sipws with others that do the same."""


@main.command()
@click.option("--rounds", default=25, show_default=True, help="How often each message is measured.")
@click.option("--seconds", default=0.01, show_default=True, help="How long each time, at least.")
def parse(rounds: int, seconds: float) -> None:
    """Parse and check a message."""
    runParse(Console(), rounds, seconds)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
