"""
How the engines in Python take orders: from standard input, on the reactor.
"""

from __future__ import annotations

import contextlib
import json
import os
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, TextIO

from twisted.internet import reactor
from twisted.internet.defer import ensureDeferred, maybeDeferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner
from twisted.protocols.basic import LineReceiver

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from benchmarks.engines.timing import Tasks

__all__ = ["Orders", "serve"]


class Orders(LineReceiver):
    """Takes orders from standard input, one a line, and reports what came of them."""

    delimiter = b"\n"
    MAX_LENGTH = 2**30

    def __init__(self, tasks: Tasks, reports: TextIO) -> None:
        """
        @param tasks: What can be ordered, and what does it.
        @param reports: Where the reports go.
        """
        self._tasks = tasks
        self._reports = reports

    def lineReceived(self, line: bytes) -> None:
        """
        Carry out an order.

        @param line: The order.
        """
        order = json.loads(line)
        maybeDeferred(self._carryOut, order.pop("do"), order).addCallbacks(self._done, self._failed)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End, as the input has ended.

        @param reason: Not used.
        """
        with contextlib.suppress(ReactorNotRunning):
            reactor.stop()

    def _carryOut(self, task: str, arguments: dict[str, Any]) -> Any:
        result = self._tasks[task](**arguments)
        return ensureDeferred(result) if iscoroutine(result) else result

    def _done(self, result: object) -> None:
        self._report({"result": result})

    def _failed(self, failure: Failure) -> None:
        self._report({"error": f"{type(failure.value).__name__}: {failure.value}"})

    def _report(self, report: dict[str, object]) -> None:
        self._reports.write(json.dumps(report) + "\n")
        self._reports.flush()


def serve(tasks: Tasks) -> None:
    """
    Take orders from standard input until it ends.

    @param tasks: What can be ordered, and what does it; it may be a coroutine.
    """
    # Some engines print.  What they print must not stand among the reports.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    # As long as nobody has said where the log goes, Twisted keeps it in memory.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    StandardIO(Orders(tasks, reports))
    reactor.run()
