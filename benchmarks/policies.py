"""
When the user agents that are compared try a lost connection again: how long
each waits before its first attempt, its second, and so on, as its own source
computes it, with its own defaults and one server.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from random import Random

import attrs

from sipws.config import Configuration
from sipws.transport import RetryPolicy, retryDelay
from sipws.ua.connection import retryPolicy
from sipws.ua.servers import recoveryDelay

__all__ = ["JSSIP", "OURS", "PEERS", "RECOMMENDED", "SEED", "SIPJS", "SIPJS7", "Policy", "delaysOf"]

#: What is recommended for production, as the guide and the README have it.
RECOMMENDED = {
    "wsServerReconnectionPolicy": "exponential",
    "wsServerReconnectionTimeout": 10,
    "wsServerReconnectionMaxTimeout": 20,
    "wsServerMaxReconnection": "unlimited",
}

#: What the two recoveries of SIP.js 0.7 and JsSIP begin and end with, in seconds.
_LEAST, _MOST = 2, 30


@attrs.frozen
class Policy:
    """
    A policy.

    @ivar name: Whose it is.
    @ivar delays: Gives the waits of one user agent, in seconds, each before
        one attempt, until it gives up.
    """

    name: str
    delays: Callable[[Random], Iterator[float]]


def delaysOf(policy: RetryPolicy, random: Random) -> Iterator[float]:
    """
    Give the waits that a policy of sipws's comes to.

    @param policy: The policy.
    @param random: Where chance comes from.
    """
    for retries in count():
        delay = retryDelay(policy, retries, random)
        if delay is None:
            return
        yield delay


def _options(**options: object) -> Configuration:
    return Configuration(wsServers="ws://127.0.0.1", register=False, **options)


def _recommended(random: Random) -> Iterator[float]:
    return delaysOf(retryPolicy(_options(**RECOMMENDED)), random)


def _seed(random: Random) -> Iterator[float]:
    """Give the waits of sipws as it is by default: the seed's gap, and SIP.js 0.7's recovery after it."""
    configuration = _options()
    recoveries = 0
    while True:
        yield from delaysOf(retryPolicy(configuration), random)
        delay, recoveries = recoveryDelay(
            recoveries,
            configuration.connectionRecoveryMinInterval,
            configuration.connectionRecoveryMaxInterval,
            random,
        )
        yield delay


def _jssip(random: Random) -> Iterator[float]:
    """
    Give the waits of JsSIP 3.13: C{_reconnect} in C{lib/Transport.js}.

    A whole number of seconds, up to 2 to the power of the attempts, and
    within the bounds of C{recovery_options}; for ever.
    """
    for attempts in count(1):
        seconds = math.floor(random.random() * 2 ** min(attempts, 64) + 1)
        yield min(max(seconds, _LEAST), _MOST)


def _sipjs07(random: Random) -> Iterator[float]:
    """
    Give the waits of SIP.js 0.7.8: C{reconnect} in C{src/Transport.js}, then
    C{recoverTransport} in C{src/UA.js}.

    The first attempt comes at once, two more after
    C{wsServerReconnectionTimeout}.  Then each recovery makes a transport
    of its own, whose first attempt is its last (C{onClose}), for ever.
    """
    yield from (0, 4, 4)
    recoveries = 0
    while True:
        factor = math.floor(random.random() * 2**recoveries + 1)
        delay = factor * _LEAST
        if delay > _MOST:
            delay, recoveries = _LEAST, 0
        recoveries += 1
        yield delay


def _sipjs21(random: Random) -> Iterator[float]:
    """
    Give the waits of SIP.js 0.21: C{attemptReconnection} in
    C{lib/platform/web/session-manager/session-manager.js}.

    That is its C{SimpleUser} and its C{SessionManager}: the first attempt comes at
    once, two more after C{reconnectionDelay}, and that is all.  Its C{UserAgent}
    by itself makes none at all: there, C{reconnectionAttempts} is 0.
    """
    return iter((0, 4, 4))


OURS = Policy("sipws, as recommended", _recommended)
SEED = Policy("sipws, the seed's (default)", _seed)
JSSIP = Policy("JsSIP 3.13", _jssip)
SIPJS7 = Policy("SIP.js 0.7.8", _sipjs07)
SIPJS = Policy("SIP.js 0.21", _sipjs21)

#: Those of others.
PEERS = (JSSIP, SIPJS7, SIPJS)
