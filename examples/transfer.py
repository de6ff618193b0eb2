"""
Call somebody, ask somebody else, and put the two through to each other (RFC 5589 section 7.3):
C{python examples/transfer.py ws://127.0.0.1:5066 sip:me@localhost alice@localhost bob@localhost}.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.internet.task import react

from sipws import Configuration, ReferralFailed, Session, UserAgent
from sipws.testing import CannedDescriptions


async def transfer(first: Session, second: Session) -> bool:
    """
    Put the peers of two calls of ours through to each other.

    @return: Whether they are; both calls are still there then, as the
        transferee's is ours to end, and as they were where they are not.
    """
    referral = first.refer(second)
    referral.on("progress", lambda outline: print(f"... {outline.statusCode} {outline.reasonPhrase}"))
    try:
        outcome = await referral.whenCompleted()
    except ReferralFailed as error:
        print(error)
        return False
    return outcome is None or outcome.isSuccess


async def call(userAgent: UserAgent, target: str) -> Session:
    """Call somebody who accepts."""
    session = userAgent.invite(target, handler=CannedDescriptions("me"))
    return await session.whenConfirmed()


async def main(reactor: Any, server: str, uri: str, transferee: str, target: str) -> None:
    """Do all of it."""
    userAgent = UserAgent(Configuration(uri=uri, wsServers=server), reactor)
    userAgent.start()
    first = await call(userAgent, transferee)
    await first.hold()
    second = await call(userAgent, target)
    await second.hold()
    if await transfer(first, second):
        print(f"{transferee} talks to {target}")
    else:
        print(f"{transferee} is still there")
        await first.resume()
    # The target has ended the second call itself, where it was replaced.
    await second.terminate()
    await first.terminate()
    await userAgent.stop()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
