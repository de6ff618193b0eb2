"""
The plot of C{python -m benchmarks fleet --plot PATH}, as the documentation shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.fleet import Outcome
    from benchmarks.policies import Policy

__all__ = ["plotFleet"]

#: How many seconds are shown.
_SHOWN = 70

#: Colours that those who do not tell red from green can tell (Okabe and Ito).
_COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#999999")


def plotFleet(path: str, of: Mapping[Policy, Outcome], perSecond: int) -> None:
    """
    Draw the attempts of each second, and the share of the fleet that is back.

    The same outcome gives the same file, octet for octet.

    @param path: The SVG file to write.
    @param of: What came of each policy.
    @param perSecond: How many connections the server accepts in each second.
    """
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    mpl.rcParams.update({"svg.hashsalt": "sipws", "svg.fonttype": "none", "font.size": 9})
    figure, (attempts, back) = pyplot.subplots(2, 1, figsize=(7.5, 6.5), sharex=True, layout="constrained")
    for (policy, outcome), colour in zip(of.items(), _COLOURS, strict=True):
        seconds = range(_SHOWN)
        rates = [outcome.attempts[second] or None for second in seconds]
        attempts.plot(seconds, rates, ".-", color=colour, label=policy.name, linewidth=1, markersize=4)
        _drawShare(back, outcome, colour)
    attempts.axhline(perSecond, color="black", linestyle=":", linewidth=1)
    attempts.set_yscale("log")
    attempts.set_ylabel("connects in each second")
    attempts.legend(fontsize=8)
    back.set_ylabel("share that is back, %")
    back.set_xlabel("seconds since the server was lost")
    back.set_xlim(0, _SHOWN)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
    # No blanks at the ends of lines: the file is kept among sources.
    file = Path(path)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("".join(f"{line.rstrip()}\n" for line in lines), encoding="utf-8")


def _drawShare(axes: Any, outcome: Outcome, colour: str) -> None:
    shares = [sum(time < second + 1 for time in outcome.back) for second in range(_SHOWN)]
    axes.plot(range(_SHOWN), [100 * share / outcome.size for share in shares], color=colour, linewidth=1.5)
