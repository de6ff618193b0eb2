"""
Taking turns, and what the rounds come to.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["geometricMean", "interleave", "medians", "ratio"]

_Key = TypeVar("_Key")


def interleave(rounds: int, measurements: Mapping[_Key, Callable[[], float]]) -> dict[_Key, list[float]]:
    """
    Measure several things in turns, so that whatever else the machine does
    falls upon all of them.

    @param rounds: How often each is measured.
    @param measurements: The measurements, each under its key.
    @return: The figures of each.
    """
    figures: dict[_Key, list[float]] = {key: [] for key in measurements}
    for _ in range(rounds):
        for key, measure in measurements.items():
            figures[key].append(measure())
    return figures


def medians(figures: Mapping[_Key, list[float]]) -> dict[_Key, float]:
    """
    Give the median of each measurement.

    @param figures: What L{interleave} gave.
    @return: One figure a key.
    """
    return {key: statistics.median(values) for key, values in figures.items()}


def geometricMean(figures: Iterable[float]) -> float | None:
    """
    Give the mean in which a message that takes long counts as much as any other.

    @param figures: Positive figures.
    @return: Their geometric mean, C{None} of none.
    """
    values = list(figures)
    return statistics.geometric_mean(values) if values else None


def ratio(mine: Mapping[_Key, float], other: Mapping[_Key, float]) -> float | None:
    """
    Compare two engines over what both can do.

    @param mine: The figures of the one by case.
    @param other: The figures of the other.
    @return: The geometric mean of C{other} divided by C{mine}, C{None} where
        they have no case in common.
    """
    return geometricMean(other[case] / mine[case] for case in mine if case in other)
