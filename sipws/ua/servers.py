"""
Which WebSocket server to use next, and how long to wait when none is left:
functions that know of nothing but their arguments, the first two after SIP.js 0.7.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from sipws.config import WsServer
from sipws.errors import TransportError
from sipws.transport.retry import RetryPolicy, isOverload, retryDelay
from sipws.ua.tokens import Randomness

__all__ = [
    "MAX_EXPONENT",
    "askedRest",
    "awaken",
    "chooseHeavier",
    "chooseServer",
    "forgive",
    "recoveryDelay",
    "restedDelay",
    "returnDelay",
    "spreadRecoveryDelay",
    "takeRest",
]

#: The delay doubles so often at most; by then it is far beyond any maximum.
MAX_EXPONENT = 32


def chooseServer(servers: Iterable[WsServer], random: Randomness) -> WsServer | None:
    """
    Choose the heaviest server that is not in error; among several of one
    weight, any, each as likely.

    @return: The server, or C{None} where all are in error.
    """
    return _heaviest([server for server in servers if server.status != WsServer.STATUS_ERROR], random)


def chooseHeavier(
    servers: Iterable[WsServer], current: WsServer, now: float, random: Randomness
) -> WsServer | None:
    """
    Choose the heaviest server of those that are better than the one in use,
    by their level, and do not rest, whatever became of them before.

    @param current: The server in use.
    @param now: The time.
    @return: The server, or C{None} where there is none.
    """
    heavier = [server for server in servers if server.level > current.level and server.restUntil <= now]
    return _heaviest(heavier, random)


def _heaviest(servers: list[WsServer], random: Randomness) -> WsServer | None:
    if not servers:
        return None
    heaviest = max(server.weight for server in servers)
    candidates = [server for server in servers if server.weight == heaviest]
    return candidates[int(random.random() * len(candidates))]


def recoveryDelay(count: int, minimum: float, maximum: float, random: Randomness) -> tuple[float, int]:
    """
    Say how long to wait before all servers are tried anew.

    It is the minimum, times a whole number from 1 to 2 to the power of the
    count of recoveries so far.  Beyond the maximum it is the minimum again,
    and the count starts over.

    @param count: How often in a row that has happened before.
    @param minimum: C{connectionRecoveryMinInterval}, in seconds.
    @param maximum: C{connectionRecoveryMaxInterval}, in seconds.
    @return: The delay in seconds, and the count for the next time.
    """
    factor = int(random.random() * 2 ** min(count, MAX_EXPONENT)) + 1
    delay = factor * minimum
    if delay > maximum:
        return minimum, 1
    return delay, count + 1


def spreadRecoveryDelay(count: int, minimum: float, maximum: float, random: Randomness) -> tuple[float, int]:
    """
    Say the same where the policy is exponential: any time up to the minimum,
    doubled with each recovery, and up to the maximum at most ("full jitter").

    Parameters and result are those of L{recoveryDelay}.
    """
    policy = RetryPolicy(exponential=True, gap=minimum, maximum=maximum, attempts=math.inf)
    return retryDelay(policy, count, random) or 0.0, count + 1


def askedRest(error: TransportError | None, policy: RetryPolicy) -> float | None:
    """
    Say for how long a server asks to be left alone.

    @param error: What its last connection came to.
    @param policy: What bounds that, and what is made of a server that is
        overloaded and does not say for how long.
    @return: Seconds; C{None} where it does not ask.
    """
    if error is not None and error.retryAfter is not None and not math.isnan(error.retryAfter):
        return min(max(error.retryAfter, 0.0), policy.maxRetryAfter)
    return policy.overload if isOverload(error) else None


def takeRest(server: WsServer, now: float, rest: float, asked: float | None) -> None:
    """
    Have a server rest that was given up.

    @param server: The server.
    @param now: The time.
    @param rest: For how long, in seconds: C{wsServerRest}.
    @param asked: For how long it asks to be left alone; C{None} where it does not.
    """
    server.status = WsServer.STATUS_ERROR
    server.barredUntil = now + (asked or 0.0)
    server.restUntil = max(now + rest, server.barredUntil)


def awaken(servers: Iterable[WsServer], now: float) -> None:
    """Have the servers that are rested be tried again."""
    for server in servers:
        if server.status == WsServer.STATUS_ERROR and server.restUntil <= now:
            server.status = WsServer.STATUS_READY


def forgive(servers: Iterable[WsServer], now: float = math.inf) -> None:
    """
    Have servers be tried again before they are rested.

    @param servers: The servers; one that asks to be left alone still is.
    @param now: The time; without it, those are tried too.
    """
    for server in servers:
        if server.barredUntil <= now:
            server.status = WsServer.STATUS_READY
            server.restUntil = server.barredUntil = 0.0


def restedDelay(servers: Collection[WsServer], now: float, recovery: float) -> float:
    """
    Say how long to wait while all servers rest: until the first is rested, or
    until the recovery, whichever is sooner.

    Where all have asked to be left alone, it is until the first of them may be
    tried, and the recovery delay more: those who were all told the same are
    not to come back at one moment.

    @param servers: The servers.
    @param now: The time.
    @param recovery: The recovery delay, in seconds.
    @return: Seconds.
    """
    if not servers:
        return recovery
    barred = min(server.barredUntil for server in servers) - now
    if barred > 0:
        return barred + recovery
    first = min(server.restUntil for server in servers) - now
    return min(max(first, 0.0), recovery)


def returnDelay(interval: float, random: Randomness) -> float:
    """
    Say when the way back to a heavier server is tried: between half of the
    interval and one and a half, so that those who lost it together do not come back together.

    @param interval: C{wsServerReturnInterval}, in seconds.
    @return: Seconds.
    """
    return interval * (0.5 + random.random())
