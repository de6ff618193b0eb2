"""
Watch who is there, and tell others that you are:
C{python examples/presencewatcher.py ws://127.0.0.1:5066 sip:me@localhost sip:alice@localhost}.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import DeferredList, ensureDeferred
from twisted.internet.task import react

from sipws import Configuration, UserAgent
from sipws.subscription import Notification

PIDF = "application/pidf+xml"

#: What a presence document says in short (RFC 3863 section 4.1.4).
_BASIC = re.compile(rb"<(?:\w+:)?basic>\s*(open|closed)\s*<")


def document(uri: str, basic: str) -> str:
    """Write a presence document (RFC 3863): C{open} or C{closed}."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\r\n'
        f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{uri}">'
        f'<tuple id="sipws"><status><basic>{basic}</basic></status></tuple></presence>\r\n'
    )


def describe(notification: Notification) -> str:
    """Say in a word what a NOTIFY says."""
    if notification.state == "pending":
        return "has not answered yet"
    found = _BASIC.findall(notification.body)
    return "unknown" if not found else "there" if b"open" in found else "away"


async def watch(userAgent: UserAgent, target: str, say: Callable[[str], object] = print) -> None:
    """Say where somebody is, each time that it changes, until that is refused for good."""
    subscription = userAgent.subscribe(target, "presence", accept=[PIDF])
    subscription.on("notify", lambda notification: say(f"{target}: {describe(notification)}"))
    await subscription.whenEnded()
    if subscription.termination is not None:
        say(f"{target}: {subscription.termination.text}")


async def main(reactor: Any, server: str, uri: str, *targets: str) -> None:
    """Connect, be there, and watch all of them."""
    userAgent = UserAgent(Configuration(uri=uri, wsServers=server), reactor)
    userAgent.start()
    reactor.addSystemEventTrigger("before", "shutdown", userAgent.stop)
    userAgent.publish(uri, "presence", document(uri, "open"), PIDF)
    await DeferredList([ensureDeferred(watch(userAgent, target)) for target in targets])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
