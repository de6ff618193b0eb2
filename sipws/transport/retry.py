"""
When a connection is tried again: L{RetryPolicy}, a value, and L{retryDelay}, a pure function.
"""

from __future__ import annotations

import math
from typing import Protocol

import attrs

from sipws.errors import HandshakeRefused, TransportError

__all__ = ["Randomness", "RetryPolicy", "isOverload", "retryDelay"]

#: The bound doubles so often at most; by then it is far beyond any maximum.
_MAX_EXPONENT = 32

#: "Try Again Later" of IANA's close codes: the server is overloaded.
TRY_AGAIN_LATER = 1013

#: What it answers the upgrade with then (RFC 9110 section 15.6.4).
SERVICE_UNAVAILABLE = 503


class Randomness(Protocol):
    """Where delays come from, such as C{random.Random}."""

    def random(self) -> float:
        """Give a number from 0 to below 1, each as likely."""


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """
    How a lost connection is tried again.

    @ivar exponential: Whether the gap is at random, with a bound that doubles
        ("full jitter"); otherwise it is the same each time.
    @ivar gap: The gap, or the bound of the first, in seconds.
    @ivar maximum: The most that the bound comes to, in seconds.
    @ivar attempts: How often in a row; infinity: without end.
    @ivar overload: What is added where the server is overloaded and does not
        say for how long, in seconds.
    @ivar maxRetryAfter: The most that its Retry-After comes to, in seconds.
    """

    exponential: bool = False
    gap: float = 4
    maximum: float = 60
    attempts: float = 3
    overload: float = 30
    maxRetryAfter: float = 300


def retryDelay(
    policy: RetryPolicy,
    retries: int,
    random: Randomness,
    *,
    retryAfter: float | None = None,
    overloaded: bool = False,
) -> float | None:
    """
    Say how long to wait before a lost connection is tried again.

    With the exponential policy each delay is uniform between 0 and the bound:
    the clients of a server that was lost come back spread over all of that
    time, not at one moment.  What the server asks for is added to it, so that
    those who were all told the same are spread too.

    @param policy: The policy.
    @param retries: How often in a row it has been tried again already.
    @param random: Where chance comes from.
    @param retryAfter: What the server asked for, in seconds (RFC 9110 section 10.2.3).
    @param overloaded: Whether it said that it is overloaded: with close code
        1013, or with 503.
    @return: Seconds; C{None}: there were enough attempts.
    """
    if retries >= policy.attempts:
        return None
    delay = policy.gap
    if policy.exponential:
        bound = min(policy.maximum, policy.gap * 2 ** min(retries, _MAX_EXPONENT))
        delay = bound * random.random()
    if retryAfter is not None and not math.isnan(retryAfter):
        return delay + min(max(retryAfter, 0.0), policy.maxRetryAfter)
    return delay + policy.overload if overloaded else delay


def isOverload(error: TransportError | None) -> bool:
    """
    Tell whether it was a server that said that it is overloaded.

    @param error: Why a connection came to nothing, or ended; C{None}: it did not.
    """
    if isinstance(error, HandshakeRefused):
        return error.status == SERVICE_UNAVAILABLE
    return error is not None and error.code == TRY_AGAIN_LATER
