"""
A headless Chromium, told what to do by the DevTools protocol over a pipe.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

__all__ = ["INSTALL", "Chromium", "Page", "isInstalled"]

INSTALL = "apt-get install -y --no-install-recommends chromium"

#: No sandbox: tests may be run by root.  A microphone that is none, which no person has to allow.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-pipe",
)

#: The descriptors of the pipe, as the browser has them.
_COMMANDS, _EVENTS = 3, 4


def isInstalled() -> bool:
    """Whether it is there."""
    return shutil.which("chromium") is not None


class Chromium(ProcessProtocol):
    """
    A browser.

    @ivar ended: Fires when its process has ended.
    """

    def __init__(self, profile: Path) -> None:
        """
        @param profile: Where it may keep what it has to keep.
        """
        self.ended: Deferred[None] = Deferred()
        self._profile = profile
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Deferred[Any]] = {}
        self._said = b""
        self._errors = b""

    def spawn(self, reactor: Any) -> None:
        """Start it."""
        program = shutil.which("chromium") or "chromium"
        command = [program, *_FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        pipes = {0: "w", 1: "r", 2: "r", _COMMANDS: "w", _EVENTS: "r"}
        environment = {**os.environ, "HOME": str(self._profile)}
        reactor.spawnProcess(self, program, command, env=environment, childFDs=pipes)

    async def do(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """
        Have something done, and wait for it.

        @param method: The method of the DevTools protocol.
        @param session: The page that is meant; C{None}: the browser.
        @return: What came of it.
        """
        number = next(self._numbers)
        command: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            command["sessionId"] = session
        waiting: Deferred[Any] = Deferred()
        self._waiting[number] = waiting
        assert self.transport is not None
        self.transport.writeToChild(_COMMANDS, json.dumps(command).encode() + b"\0")
        answer = await waiting
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    async def open(self, address: str) -> Page:
        """Open a page."""
        target = await self.do("Target.createTarget", url=address)
        attached = await self.do("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        return Page(self, attached["sessionId"])

    async def close(self) -> None:
        """End it."""
        if self.transport is not None:
            self.transport.signalProcess("KILL")
            await self.ended

    # What the process does.

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD != _EVENTS:
            self._errors = (self._errors + data)[-4000:]
            return
        *messages, self._said = (self._said + data).split(b"\0")
        for message in map(json.loads, messages):
            if "id" in message:
                self._waiting.pop(message["id"]).callback(message)

    def processEnded(self, reason: Failure) -> None:
        self.transport = None
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.errback(AssertionError(f"Chromium ended: {self._errors.decode(errors='replace')}"))
        self.ended.callback(None)


class Page:
    """A page of it."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session

    async def evaluate(self, expression: str) -> Any:
        """Evaluate JavaScript in the page; a promise is waited for."""
        result = await self._browser.do(
            "Runtime.evaluate",
            self._session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def click(self, identifier: str) -> None:
        """Press a button."""
        await self.evaluate(f"document.getElementById({json.dumps(identifier)}).click()")

    async def enter(self, identifier: str, text: str) -> None:
        """Fill in a field."""
        await self.evaluate(f"document.getElementById({json.dumps(identifier)}).value = {json.dumps(text)}")

    async def text(self, identifier: str) -> str:
        """Read what an element shows."""
        found = await self.evaluate(f"document.getElementById({json.dumps(identifier)})?.textContent ?? ''")
        return str(found)
