"""
Which WebSocket server to use next, and how long to wait when none is left:
two pure functions, after SIP.js 0.7.
"""

from __future__ import annotations

from collections.abc import Iterable

from sipws.config import WsServer
from sipws.ua.tokens import Randomness

__all__ = ["MAX_EXPONENT", "chooseServer", "recoveryDelay"]

#: The delay doubles so often at most; by then it is far beyond any maximum.
MAX_EXPONENT = 32


def chooseServer(servers: Iterable[WsServer], random: Randomness) -> WsServer | None:
    """
    Choose the heaviest server that is not in error; among several of one
    weight, any, each as likely.

    @return: The server, or C{None} where all are in error.
    """
    usable = [server for server in servers if server.status != WsServer.STATUS_ERROR]
    if not usable:
        return None
    heaviest = max(server.weight for server in usable)
    candidates = [server for server in usable if server.weight == heaviest]
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
