"""
A user agent of ours that makes or takes many calls, and counts what came of them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import attrs
from twisted.internet.defer import Deferred

if TYPE_CHECKING:
    from sipws import UserAgent
    from sipws.session import Session

__all__ = ["SDP", "Callee", "Caller"]

#: A description of one stream of audio that nobody will send.
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
)


@attrs.define
class Caller:
    """
    Makes calls, and ends each as soon as it is accepted.

    @ivar outcomes: How many came to what.
    """

    agent: UserAgent
    target: str
    outcomes: Counter[str] = attrs.field(factory=Counter)

    def call(self) -> None:
        """Make one."""
        Deferred.fromCoroutine(self._call()).addBoth(self._note)

    async def _call(self) -> str:
        session = self.agent.invite(self.target, SDP)
        await session.whenAccepted()
        ending = await session.bye()
        return f"{ending.cause} by {ending.by}"

    def _note(self, outcome: object) -> None:
        self.outcomes[str(outcome)] += 1


@attrs.define
class Callee:
    """
    Rings, takes calls, and waits for the caller to end them.

    @ivar outcomes: How many came to what.
    """

    agent: UserAgent
    outcomes: Counter[str] = attrs.field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.agent.on("invite", self._called)

    def _called(self, session: Session) -> None:
        Deferred.fromCoroutine(self._answer(session)).addBoth(self._note)

    async def _answer(self, session: Session) -> str:
        await session.progress(180)
        await session.accept(SDP)
        ending = await session.whenTerminated()
        return f"{ending.cause} by {ending.by}"

    def _note(self, outcome: object) -> None:
        self.outcomes[str(outcome)] += 1
