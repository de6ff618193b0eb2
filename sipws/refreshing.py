"""
When what lasts for a time is refreshed, and when what was refused is tried
again: registrations, subscriptions, publications.  Pure functions, so that
whatever a server says can never make a storm.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sipws.message import IncomingResponse

__all__ = [
    "MAX_MIN_EXPIRES",
    "MAX_REFRESH",
    "MIN_REFRESH",
    "IRandomness",
    "deltaSeconds",
    "isRefusal",
    "minExpires",
    "refreshDelay",
    "retryAfter",
    "retryDelay",
]

#: No refresh sooner than this after a 200, in seconds, however little was granted.
MIN_REFRESH = 5.0

#: And none later.
MAX_REFRESH = 86_400.0

#: What a refresh is sent ahead of the end, in seconds, where there is so much:
#: 64*T1, so that one that times out (timer F) leaves the binding just alive.
MARGIN = 32.0

#: The most of a Min-Expires that is gone along with, in seconds: a week.
MAX_MIN_EXPIRES = 604_800

#: Final codes that say "not now" rather than "no" (RFC 3261 section 21).
_TEMPORARY = frozenset({408, 423, 480})

#: A "no" is asked again so many times later than a "not now".
REFUSAL_FACTOR = 6

#: The delay doubles so often at most; by then it is beyond any maximum.
_MAX_EXPONENT = 24

_DIGITS = re.compile(r"[ \t]*([0-9]{1,20})(?![0-9])")


class IRandomness(Protocol):
    """What delays are spread by."""

    def random(self) -> float:
        """Give a number from 0 to below 1, each as likely."""


def deltaSeconds(text: str | None) -> int | None:
    """Read C{delta-seconds} off the start of a text; C{None} where there is none."""
    match = _DIGITS.match(text or "")
    return None if match is None else int(match[1])


def minExpires(response: IncomingResponse, requested: int) -> int | None:
    """
    Say what a 423 asks for (RFC 3261 section 10.2.8).

    @param requested: What was asked for, in seconds.
    @return: Seconds; C{None} where it says nothing, nothing that is more than
        what was asked for, or more than L{MAX_MIN_EXPIRES}.
    """
    least = deltaSeconds(response.getHeader("Min-Expires"))
    return least if least is not None and requested < least <= MAX_MIN_EXPIRES else None


def refreshDelay(granted: int, random: IRandomness) -> float:
    """
    Say when a binding is refreshed: somewhere between 50 and 90 % of its
    time, L{MARGIN} before the end where that leaves as much, so that many
    user agents do not do it at once.

    @param granted: For how long it was granted, in seconds.
    @return: Seconds from now.
    """
    earliest = granted * 0.5
    latest = max(earliest, min(granted * 0.9, granted - MARGIN))
    delay = earliest + (latest - earliest) * random.random()
    return min(max(delay, MIN_REFRESH), MAX_REFRESH)


def retryAfter(response: IncomingResponse | None) -> int | None:
    """Give the seconds of a response's Retry-After (RFC 3261 section 20.33), if it has one to be read."""
    return None if response is None else deltaSeconds(response.getHeader("Retry-After"))


def isRefusal(statusCode: int) -> bool:
    """Say whether a final code means "no", where trying again soon is of no use."""
    return 300 <= statusCode < 500 and statusCode not in _TEMPORARY


def retryDelay(
    failures: int,
    minimum: float,
    maximum: float,
    random: IRandomness,
    *,
    refused: bool = False,
    after: int | None = None,
) -> float:
    """
    Say when a registration that failed is tried again.

    RFC 5626 section 4.5: the upper bound doubles with each failure, up to a
    maximum, and the delay is "a uniform random time between 50 and 100% of
    the upper-bound wait time"; a Retry-After may make it longer.

    @param failures: How often in a row it had failed before.
    @param minimum: C{registerRetryMinInterval}, in seconds.
    @param maximum: C{registerRetryMaxInterval}, in seconds, which bounds a Retry-After too.
    @param refused: Whether the answer was a plain "no".
    @param after: The Retry-After, in seconds.
    @return: Seconds from now.
    """
    base = minimum * REFUSAL_FACTOR if refused else minimum
    bound = min(maximum, base * (1 << min(failures, _MAX_EXPONENT)))
    delay = bound * (0.5 + 0.5 * random.random())
    return min(maximum, max(delay, after or 0))
