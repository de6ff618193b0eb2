"""What the command line prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Report", "printable"]

_MILLISECONDS = 1000


class Report:
    """
    Says how a request went, a line a phase, as it goes.

    @ivar output: Where results go (standard output).
    @ivar errors: Where complaints go (standard error).
    """

    def __init__(self, output: Console, errors: Console) -> None:
        self.output = output
        self.errors = errors

    def say(self, line: str) -> None:
        """Print a line of our own words."""
        self._print(self.output, Text(printable(line)))

    def phase(self, name: str, seconds: float | None, outcome: str = "", style: str = "") -> None:
        """
        Print how long a phase took.

        @param name: What it is called.
        @param seconds: Its duration; C{None} where it did not take place.
        @param outcome: What came of it.
        @param style: How rich shows the outcome where the terminal has colours.
        """
        time = "-" if seconds is None else f"{seconds * _MILLISECONDS:.1f} ms"
        line = Text(f"  {name:<10}{time:>12}  ")
        line.append(printable(outcome), style=style)
        line.rstrip()
        self._print(self.output, line)

    def message(self, sender: str, text: str) -> None:
        """Print a message that came."""
        line = Text(printable(sender), style="bold")
        line.append(": ", style="not bold")
        line.append(printable(text, lines=True), style="not bold")
        self._print(self.output, line)

    def complain(self, problem: str) -> None:
        """Print what went wrong, on standard error."""
        self._print(self.errors, Text(f"sipws: {printable(problem)}", style="red"))

    def _print(self, console: Console, line: Text) -> None:
        # Whoever reads this through a pipe wants the lines as they are.
        console.print(line, soft_wrap=True, highlight=False)


def printable(text: str, lines: bool = False) -> str:
    """
    Make text from the network fit for a terminal: control characters, which
    could move its cursor or redefine its keys, become their escapes.

    @param text: The text.
    @param lines: Whether line feeds stay.
    """
    return "".join(
        character
        if character.isprintable() or (lines and character == "\n")
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
