"""
sipws's user agents at work: C{exchange} is C{ua.message}, C{call} is C{ua.invite} and C{session.bye},
and C{grow} registers more of them.
"""

from __future__ import annotations

import gc
import os
import tracemalloc
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from sipws import Configuration, UserAgent

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from sipws import IncomingResponse
    from sipws.session import Session, Termination

__all__ = ["Calls", "Client", "Exchange"]

_PAGE = os.sysconf("SC_PAGE_SIZE")

#: More than are made while it is measured.
_TRANSACTIONS = 1_000_000

#: How many user agents connect at once: fewer than the server's queue holds.
_BATCH = 20


class Exchange:
    """Something that is done again and again, so many at a time: requests."""

    def __init__(self, ua: UserAgent, count: int, window: int, body: str) -> None:
        """
        @param ua: What does it.
        @param count: How often in all.
        @param window: How many at a time.
        @param body: The text of each.
        """
        self._ua = ua
        self._unsent = count
        self._unanswered = count
        self._window = window
        self._body = body
        self._finished: Deferred[None] = Deferred()

    async def run(self) -> tuple[float, float]:
        """
        Do it.

        @return: The seconds that it took, by the clock and of the processor.
        """
        begun, busy = perf_counter(), process_time()
        for _ in range(min(self._window, self._unsent)):
            self._next()
        await self._finished
        return perf_counter() - begun, process_time() - busy

    def _next(self) -> None:
        self._unsent -= 1
        self._send()

    def _send(self) -> None:
        self._ua.message("sip:bob@example.test", self._body).addCallbacks(self._answered, self._failed)

    def _answered(self, response: IncomingResponse) -> None:
        assert response.statusCode == 200, response
        self._done()

    def _done(self) -> None:
        self._unanswered -= 1
        if self._unsent:
            self._next()
        elif not self._unanswered:
            self._finished.callback(None)

    def _failed(self, failure: Failure) -> None:
        if not self._finished.called:
            self._finished.errback(failure)


class Calls(Exchange):
    """Calls, which are ended as soon as they are accepted; C{body} is the offer."""

    def _send(self) -> None:
        session = self._ua.invite("sip:bob@example.test", self._body)
        session.whenAccepted().addCallback(self._accepted).addErrback(self._failed)

    def _accepted(self, session: Session) -> None:
        session.bye().addCallback(self._ended).addErrback(self._failed)

    def _ended(self, termination: Termination) -> None:
        assert termination.by == "local", termination
        self._done()


class Client:
    """The user agents of this process."""

    def __init__(self) -> None:
        self._agents: list[UserAgent] = []

    async def connect(self, url: str) -> None:
        """
        Start a user agent that does not register, and wait until it is connected.

        @param url: The server.
        """
        ua = self._start(url, register=False)
        await ua.whenConnected()

    async def exchange(self, count: int, window: int, body: str) -> tuple[float, float]:
        """
        Send requests and get their responses.

        @param count: How many in all.
        @param window: How many at a time.
        @param body: The text of each.
        @return: The seconds it took, by the clock and of the processor.
        """
        return await Exchange(self._agents[0], count, window, body).run()

    async def call(self, count: int, window: int, offer: str) -> tuple[float, float]:
        """
        Make calls and end them.

        @param count: How many in all.
        @param window: How many at a time.
        @param offer: The session description of each.
        @return: The seconds it took, by the clock and of the processor.
        """
        return await Calls(self._agents[0], count, window, offer).run()

    async def grow(self, url: str, count: int) -> dict[str, int]:
        """
        Register more user agents.

        @param url: The server.
        @param count: How many more.
        @return: What this process occupies then, in octets.
        """
        for begun in range(0, count, _BATCH):
            batch = [self._start(url) for _ in range(min(_BATCH, count - begun))]
            await gatherResults([ua.whenRegistered() for ua in batch])
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {"resident": pages * _PAGE, "kept": tracemalloc.get_traced_memory()[0]}

    def _start(self, url: str, register: bool = True) -> UserAgent:
        uri = f"sip:user{len(self._agents)}@example.test"
        # RFC 6026 has the transaction of an INVITE last for 32 seconds after its 2xx.
        configuration = Configuration(
            uri=uri, wsServers=url, register=register, maxTransactions=_TRANSACTIONS
        )
        ua = UserAgent(configuration, reactor)
        self._agents.append(ua)
        ua.start()
        return ua
