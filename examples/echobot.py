"""
A bot that says what it was told, with a handler that is a coroutine.

Run it with C{twistd -n sipws --app examples.echobot:main}.
"""

from __future__ import annotations

from sipws import IncomingRequest, UserAgent


def main(userAgent: UserAgent) -> None:
    """Add the handler; the plugin connects, registers and reconnects."""

    async def onMessage(request: IncomingRequest) -> int:
        if not request.hasHeader("In-Reply-To"):
            words = request.body.decode("utf-8", "replace")
            reply = [("In-Reply-To", request.callID)]
            await userAgent.message(request.fromHeader.uri, f"You said: {words}", headers=reply)
        return 200

    userAgent.handle("MESSAGE", onMessage)
