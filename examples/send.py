"""
Send one message: C{python examples/send.py ws://127.0.0.1:5066 sip:me@localhost sip:echo@localhost Hello}.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from sipws import Configuration, IncomingResponse, UserAgent


async def main(reactor: Any, server: str, uri: str, target: str, text: str) -> IncomingResponse:
    """Connect, send, and give the final response."""
    configuration = Configuration(uri=uri, wsServers=server, register=False)
    userAgent = UserAgent(configuration, reactor)
    userAgent.start()
    try:
        response = await userAgent.message(target, text)
    finally:
        await userAgent.stop()
    print(response.statusCode, response.reasonPhrase)
    return response


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
