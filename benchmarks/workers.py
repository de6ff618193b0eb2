"""
An engine's process, and how it is told what to do.

Both ways one JSON object a line: C{{"do": "parse", ...}} to the process's
standard input, C{{"result": ...}} or C{{"error": "..."}} from its standard
output.  What an engine writes to standard error is shown.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from click import ClickException

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import TracebackType

    from benchmarks.peers import Peer

__all__ = ["EngineError", "Worker", "started"]

#: How long a process may take to end by itself once its input is closed, in seconds.
_GRACE = 10.0


class EngineError(ClickException):
    """An engine could not do what it was told: the command line says so in one line."""


class Worker:
    """
    The process of one engine, for as long as the C{with} block lasts.

    @ivar peer: The engine.
    @ivar process: The process.
    """

    def __init__(self, peer: Peer, traced: bool = False) -> None:
        """
        @param peer: The engine to start.
        @param traced: Whether Python is to account for what it allocates.
        """
        self.peer = peer
        self.process = subprocess.Popen(
            peer.command(),
            env={**peer.environment(), "PYTHONTRACEMALLOC": "1" if traced else "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def do(self, what: str, **arguments: Any) -> Any:
        """
        Have the engine do something, and wait for it.

        @param what: The task.
        @param arguments: Its arguments, as JSON can carry them.
        @return: What the engine reports.
        @raise EngineError: It failed, or its process has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise EngineError(f"{self.peer.name}: its process has ended") from error
        line = self.process.stdout.readline()
        if not line:
            raise EngineError(f"{self.peer.name}: its process ended while at {what!r}")
        report = json.loads(line)
        if "error" in report:
            raise EngineError(f"{self.peer.name}: {report['error']}")
        return report["result"]

    def close(self) -> None:
        """End the process: by closing its input, and if that does not do, by force."""
        try:
            self.process.communicate(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def started(peers: Sequence[Peer]) -> Iterator[list[Worker]]:
    """
    Start engines, and end them when the C{with} block does.

    @param peers: The engines; those that miss something are left out.
    @return: Their processes, in the same order.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(Worker(peer)) for peer in peers if peer.missing() is None]
