"""
For how long a registrar keeps a binding, when it is refreshed, and when a
refused registration is tried again: pure functions, so that whatever a
registrar says can never make a storm.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sipws.errors import ParseError

if TYPE_CHECKING:
    from sipws.message import URI, IncomingResponse
    from sipws.ua.tokens import Randomness

__all__ = [
    "MAX_MIN_EXPIRES",
    "MAX_REFRESH",
    "MIN_REFRESH",
    "flowTimer",
    "grantedExpires",
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


def _deltaSeconds(text: str | None) -> int | None:
    """Read C{delta-seconds} off the start of a text; C{None} where there is none."""
    match = _DIGITS.match(text or "")
    return None if match is None else int(match[1])


def grantedExpires(
    response: IncomingResponse, uri: URI, requested: int, regID: int | None = None
) -> int | None:
    """
    Say for how long a binding was granted.

    It is the C{expires} parameter of the Contact that is ours, else the
    Expires header, else what was asked for (RFC 3261 section 10.2.4); never
    more than what was asked for, and what cannot be read counts for nothing.

    @param response: A 2xx to a REGISTER.
    @param uri: The URI of our Contact.
    @param requested: What was asked for, in seconds.
    @param regID: The C{reg-id} of the flow: others may have the same Contact
        (RFC 5626 section 6), and one that is listed with another is theirs.
    @return: Seconds; C{None} where the response lists bindings but not ours.
    """
    total = len(response.getHeaders("Contact"))
    expires = _deltaSeconds(response.getHeader("Expires"))
    if total:
        found, own = _ownExpires(response, total, uri, regID)
        if not found:
            return None
        expires = expires if own is None else own
    return requested if expires is None else min(expires, requested)


def _ownExpires(
    response: IncomingResponse, total: int, uri: URI, regID: int | None
) -> tuple[bool, int | None]:
    """Find our Contact among all that are listed, and its C{expires}; one that cannot be read may be ours."""
    unreadable = False
    for index in range(total):
        try:
            contact = response.parseHeader("Contact", index)
        except ParseError:
            unreadable = True
            continue
        listed = getattr(contact, "uri", None)
        # The user part is random and ours alone.  Parameters are not compared:
        # registrars add theirs.
        if listed is None or listed.user != uri.user or listed.host.lower() != uri.host.lower():
            continue
        if regID is None or contact.parameters.get("reg-id", str(regID)) == str(regID):
            return True, _deltaSeconds(contact.parameters.get("expires"))
    return unreadable, None


def minExpires(response: IncomingResponse, requested: int) -> int | None:
    """
    Say what a 423 asks for (RFC 3261 section 10.2.8).

    @param requested: What was asked for, in seconds.
    @return: Seconds; C{None} where it says nothing, nothing that is more than
        what was asked for, or more than L{MAX_MIN_EXPIRES}.
    """
    least = _deltaSeconds(response.getHeader("Min-Expires"))
    return least if least is not None and requested < least <= MAX_MIN_EXPIRES else None


def refreshDelay(granted: int, random: Randomness) -> float:
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
    return None if response is None else _deltaSeconds(response.getHeader("Retry-After"))


def flowTimer(text: str | None) -> int | None:
    """
    Read a Flow-Timer: C{1*DIGIT} (RFC 5626 section 10).

    @param text: The value of the header; C{None}: there is none.
    @return: Seconds; C{None} where they cannot be read.
    """
    match = _DIGITS.fullmatch((text or "").rstrip(" \t"))
    return None if match is None else int(match[1])


def isRefusal(statusCode: int) -> bool:
    """Say whether a final code means "no", where trying again soon is of no use."""
    return 300 <= statusCode < 500 and statusCode not in _TEMPORARY


def retryDelay(
    failures: int,
    minimum: float,
    maximum: float,
    random: Randomness,
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
