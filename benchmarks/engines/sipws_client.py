"""
sipws's user agents at work: C{exchange} is C{ua.message}, and C{grow} registers more of them.
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
    from sipws import IncomingResponse

__all__ = ["Client", "Exchange"]

_PAGE = os.sysconf("SC_PAGE_SIZE")

#: How many user agents connect at once: fewer than the server's queue holds.
_BATCH = 20


class Exchange:
    """Requests, so many at a time."""

    def __init__(self, ua: UserAgent, count: int, window: int, body: str) -> None:
        """
        @param ua: What sends them.
        @param count: How many in all.
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
        Send them all.

        @return: The seconds that it took, by the clock and of the processor.
        """
        begun, busy = perf_counter(), process_time()
        for _ in range(min(self._window, self._unsent)):
            self._next()
        await self._finished
        return perf_counter() - begun, process_time() - busy

    def _next(self) -> None:
        self._unsent -= 1
        self._ua.message("sip:bob@example.test", self._body).addCallbacks(
            self._answered, self._finished.errback
        )

    def _answered(self, response: IncomingResponse) -> None:
        assert response.statusCode == 200, response
        self._unanswered -= 1
        if self._unsent:
            self._next()
        elif not self._unanswered:
            self._finished.callback(None)


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
        ua = UserAgent(Configuration(uri=uri, wsServers=url, register=register), reactor)
        self._agents.append(ua)
        ua.start()
        return ua
