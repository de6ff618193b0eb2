"""
Ask somebody for signs of life every ten seconds, and say how long each took:
C{python examples/monitor.py ws://127.0.0.1:5066 sip:me@localhost sip:echo@localhost}.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import LoopingCall, react

from sipws import Configuration, SIPError, UserAgent

#: The time between two requests, in seconds.
INTERVAL = 10.0


async def probe(userAgent: UserAgent, target: str, clock: Any) -> str:
    """Send one OPTIONS, and say how it went."""
    start = clock.seconds()
    try:
        response = await userAgent.options(target)
    except SIPError as error:
        return f"{target}: {error}"
    milliseconds = (clock.seconds() - start) * 1000
    return f"{target}: {response.statusCode} {response.reasonPhrase} after {milliseconds:.1f} ms"


def monitor(userAgent: UserAgent, target: str, clock: Any, say: Any = print) -> LoopingCall:
    """Probe for ever; the next probe waits for the answer to the last."""
    loop = LoopingCall(lambda: ensureDeferred(probe(userAgent, target, clock)).addCallback(say))
    loop.clock = clock
    loop.start(INTERVAL)
    return loop


def main(reactor: Any, server: str, uri: str, target: str) -> Deferred[None]:
    """Connect and monitor until interrupted."""
    userAgent = UserAgent(Configuration(uri=uri, wsServers=server, register=False), reactor)
    userAgent.start()
    monitor(userAgent, target, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", userAgent.stop)
    return Deferred()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    react(main, sys.argv[1:])
