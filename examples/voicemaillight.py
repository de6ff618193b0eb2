"""
The light of a telephone that says that there are voice messages (RFC 3842):
C{python examples/voicemaillight.py ws://127.0.0.1:5066 sip:alice@localhost}.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from sipws import Configuration, UserAgent
from sipws.subscription import Notification

SUMMARY = "application/simple-message-summary"

#: msg-status-line and msg-summary-line (RFC 3842 section 5.2).
_WAITING = re.compile(r"^Messages-Waiting[ \t]*:[ \t]*(yes|no)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_VOICE = re.compile(r"^Voice-Message[ \t]*:[ \t]*([0-9]+)/([0-9]+)", re.IGNORECASE | re.MULTILINE)


class Light:
    """
    The light.

    @ivar isOn: Whether there are messages.
    @ivar new: How many of them are new.
    @ivar old: How many are not.
    """

    def __init__(self, say: Callable[[str], object] = print) -> None:
        self._say = say
        self.isOn = False
        self.new = self.old = 0

    def show(self, notification: Notification) -> None:
        """Show what a NOTIFY says; one without a summary changes nothing."""
        text = notification.body.decode("utf-8", "replace").replace("\r\n", "\n")
        waiting = _WAITING.search(text)
        if waiting is None:
            return
        voice = _VOICE.search(text)
        self.isOn = waiting[1].lower() == "yes"
        self.new, self.old = (int(voice[1]), int(voice[2])) if voice else (0, 0)
        self._say(f"* {self.new} new, {self.old} old" if self.isOn else ". no messages")


async def main(reactor: Any, server: str, uri: str, *, light: Light | None = None) -> None:
    """Connect, and show the light of one's own mailbox until it is refused for good."""
    userAgent = UserAgent(Configuration(uri=uri, wsServers=server), reactor)
    userAgent.start()
    reactor.addSystemEventTrigger("before", "shutdown", userAgent.stop)
    subscription = userAgent.subscribe(uri, "message-summary", accept=[SUMMARY])
    subscription.on("notify", (light or Light()).show)
    await subscription.whenEnded()
    if subscription.termination is not None:
        print(subscription.termination.text, file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
