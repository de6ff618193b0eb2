"""
A bot that answers calls: C{twistd -n sipws --app examples.autoanswer:main} runs it.

What a media engine would do, C{CannedDescriptions} pretends to: the bot is
about signalling.  It holds and is held, hears tones, and hangs up at C{#}.
"""

from __future__ import annotations

from twisted.logger import Logger

from sipws import Session, SessionError, UserAgent
from sipws.session import DTMF, Termination
from sipws.testing import CannedDescriptions

log = Logger()


def main(userAgent: UserAgent) -> None:
    """Answer all calls."""
    userAgent.on("invite", answer)


async def answer(session: Session) -> None:
    """Let a call ring, and accept it."""

    def dialled(tone: DTMF) -> None:
        log.info("{tone} was dialled", tone=tone.tone)
        if tone.tone == "#":
            session.bye()

    def ended(termination: Termination) -> None:
        log.info("it is over: {cause}", cause=termination.cause)

    caller = session.request.fromHeader.uri
    session.handler = CannedDescriptions("bot", media=("audio", "video"))
    session.on("dtmf", dialled)
    session.on("terminated", ended)
    session.progress(180)
    try:
        await session.accept()
    except (SessionError, ValueError) as error:
        log.info("{caller} has not waited, or offers nothing: {error}", caller=caller, error=error)
    else:
        log.info("{caller} is there", caller=caller)
