"""
L{retryAfter}: how long a server that refuses the HTTP upgrade asks to be left alone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["MAX_RETRY_AFTER", "retryAfter"]

#: The most that is made of it, in seconds: a year.  The retry policy sets a bound that is far lower.
MAX_RETRY_AFTER = 31_536_000.0

#: RFC 9110 section 15.6.4 and RFC 6585 section 4.
_STATUSES = frozenset({503, 429})

#: More digits than these are more than any bound.
_DIGITS = re.compile(rb"[0-9]+")
_MANY_DIGITS = 10


def retryAfter(status: int | None, head: bytes, now: float) -> float | None:
    """
    Read the Retry-After of an HTTP response (RFC 9110 section 10.2.3).

    A date counts from the Date of the response, where it has one: the
    server's clock and ours may differ.

    @param status: The status code; only 503 and 429 are read.
    @param head: The response, of which nothing but the head is looked at.
    @param now: The time, in seconds since 1970.
    @return: Seconds, from 0 to L{MAX_RETRY_AFTER}; C{None} where there is none that can be read.
    """
    value = _header(head, b"retry-after") if status in _STATUSES else None
    if value is None:
        return None
    if _DIGITS.fullmatch(value):
        return MAX_RETRY_AFTER if len(value) > _MANY_DIGITS else _bounded(float(value))
    then, since = _date(value), _date(_header(head, b"date"))
    if then is None:
        return None
    return _bounded(then - (now if since is None else since))


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _header(head: bytes, name: bytes) -> bytes | None:
    """Give the value of the first header of a name."""
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        given, colon, value = line.partition(b":")
        if colon and given.strip().lower() == name:
            return value.strip(b" \t")
    return None


def _date(value: bytes | None) -> float | None:
    """Read an C{HTTP-date} (RFC 9110 section 5.6.7), as seconds since 1970."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value.decode("ascii"))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    # One with the zone "-0000" has none; HTTP's dates are in GMT.
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
