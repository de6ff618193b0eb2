"""
sipp, which makes calls and takes them, on UDP; and Kamailio, which leads from
there to WebSockets and back.
"""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.kamailio.counterpart import Kamailio

__all__ = ["INSTALL", "Sipp", "bridge", "freeUDPPorts", "isInstalled"]

INSTALL = "apt-get install -y --no-install-recommends sip-tester"

_BRIDGE = Path(__file__).with_name("bridge.cfg")


def isInstalled() -> bool:
    """Whether sipp is there."""
    return shutil.which("sipp") is not None


def freeUDPPorts(count: int) -> list[int]:
    """Find ports that nobody listens on."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports: list[int] = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def bridge(folder: Path) -> Kamailio:
    """Make a Kamailio between WebSockets and UDP: C{places} has its port, and that of the callee."""
    udp, sipp = freeUDPPorts(2)
    return Kamailio(folder, template=str(_BRIDGE), places={"UDP": udp, "SIPP": sipp})


class Sipp(ProcessProtocol):
    """
    A sipp at work.

    @ivar ended: Fires with its exit status, once: 0 if no call has failed.
    """

    def __init__(self, folder: Path) -> None:
        """
        @param folder: Where it may write.
        """
        self._folder = folder
        self._said = b""
        self.ended: Deferred[int] = Deferred()

    def call(self, reactor: Any, server: int, user: str, count: int, rate: int) -> Sipp:
        """
        Make calls, with the scenario C{uac}, which hangs up at once.

        @param server: The port of the server.
        @param user: Who is called.
        @param count: How many calls there are.
        @param rate: How many begin in a second.
        """
        [port] = freeUDPPorts(1)
        remote = f"127.0.0.1:{server}"
        self._run(reactor, port, count, "-sn", "uac", remote, "-s", user, "-r", str(rate), "-l", str(count))
        return self

    def answer(self, reactor: Any, port: int, count: int) -> Sipp:
        """
        Take calls, with the scenario C{uas}, which rings and answers.

        @param port: Where.
        @param count: After how many it ends.
        """
        self._run(reactor, port, count, "-sn", "uas")
        return self

    def _run(self, reactor: Any, port: int, count: int, *arguments: str) -> None:
        common = ["-i", "127.0.0.1", "-p", str(port), "-m", str(count), "-nostdin", "-trace_err"]
        command = ["sipp", *arguments, *common, "-error_file", str(self._folder / f"sipp-{port}.log")]
        sipp = shutil.which("sipp") or "sipp"
        environment = {**os.environ, "TERM": "dumb"}
        reactor.spawnProcess(self, sipp, command, env=environment, path=str(self._folder))

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self.transport is not None and self.transport.pid is not None:
            self.transport.signalProcess("KILL")

    def report(self) -> str:
        """What went wrong, in its words, and its last figures."""
        logs = (path.read_text("utf-8", "replace") for path in sorted(self._folder.glob("sipp-*.log")))
        return "\n".join([*logs, self._said[-3000:].decode(errors="replace")])

    # What the process does.

    def outReceived(self, data: bytes) -> None:
        self._said = self._said[-20_000:] + data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.transport = None
        value: Any = reason.value
        self.ended.callback(0 if reason.check(ProcessDone) else value.exitCode or value.signal or -1)
