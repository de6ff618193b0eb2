"""
JavaScript user agents in a process of Node.js: the other end of driver.js.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

__all__ = ["INSTALL", "Driver", "DriverError", "isInstalled"]

_HERE = Path(__file__).parent

INSTALL = "install Node.js 18 or newer, then npm install --ignore-scripts --prefix tests/interop"

#: What must be there.
_MODULES = ("jssip", "sip.js", "ws")


def isInstalled() -> bool:
    """Whether Node.js and the modules are there."""
    return shutil.which("node") is not None and all(
        (_HERE / "node_modules" / module).is_dir() for module in _MODULES
    )


class DriverError(Exception):
    """The user agent could not do what it was told."""


class Driver(ProcessProtocol):
    """
    A user agent under Node.js.

    @ivar errors: What the process wrote to its standard error.
    """

    def __init__(self, stack: str) -> None:
        """
        @param stack: C{jssip} or C{sipjs}.
        """
        self.stack = stack
        self.errors = b""
        self._said = b""
        self._waiting: dict[int, Deferred[dict[str, Any]]] = {}
        self._events: defaultdict[str, DeferredQueue[dict[str, Any]]] = defaultdict(DeferredQueue)
        self._ended: Deferred[None] = Deferred()
        self._number = 0

    def spawn(self, reactor: Any) -> None:
        """Start the process."""
        node = shutil.which("node") or "node"
        reactor.spawnProcess(self, node, ["node", str(_HERE / "driver.js"), self.stack], env=dict(os.environ))

    async def do(self, command: str, **given: Any) -> dict[str, Any]:
        """
        Have a command done.

        @return: What came of it.
        @raise DriverError: It could not be done.
        """
        self._number += 1
        waiter: Deferred[dict[str, Any]] = Deferred()
        self._waiting[self._number] = waiter
        line = json.dumps({"id": self._number, "do": command, **given})
        assert self.transport is not None
        self.transport.write(line.encode() + b"\n")
        result = await waiter
        if "error" in result:
            raise DriverError(f"{self.stack} {command}: {result['error']}")
        return result

    async def event(self, name: str) -> dict[str, Any]:
        """Take the oldest event of a name that it has told of, or wait for one."""
        return await self._events[name].get()

    async def quit(self) -> None:
        """End the process."""
        if self.transport is not None:
            self.transport.closeStdin()
            await self._ended

    # What the process does.

    def told(self, said: dict[str, Any]) -> None:
        """It has said something."""
        if "id" in said:
            self._waiting.pop(said["id"]).callback(said)
        else:
            self._events[said["event"]].put(said)

    def outReceived(self, data: bytes) -> None:
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            self.told(json.loads(line))

    def errReceived(self, data: bytes) -> None:
        self.errors += data

    def processEnded(self, reason: Failure) -> None:
        self.transport = None
        if not reason.check(ProcessDone):
            self.errors += str(reason.value).encode()
        waiting, self._waiting = self._waiting, {}
        for waiter in waiting.values():
            waiter.errback(DriverError(f"{self.stack} ended: {self.errors.decode(errors='replace')}"))
        self._ended.callback(None)
