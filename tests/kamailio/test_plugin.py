"""C{twistd -n sipws} on a real Kamailio, as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import pytest_twisted

from tests.kamailio.agents import Agents, until, within
from tests.kamailio.counterpart import PASSWORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.kamailio.counterpart import Kamailio

    StartPlugin = Callable[[str, str], subprocess.Popen[bytes]]

pytestmark = pytest.mark.kamailio


@pytest.fixture
def startPlugin(kamailio: Kamailio, tmp_path: Path) -> Iterator[StartPlugin]:
    """Give a function that starts the plugin for a user; it is killed in the end, if it still runs."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(user: str, scheme: str) -> subprocess.Popen[bytes]:
        folder = tmp_path / user
        folder.mkdir()
        (folder / "password").write_text(PASSWORDS[user] + "\n", encoding="utf-8")
        command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "sipws"]
        command += ["--server", kamailio.uri(scheme), "--aor", f"sip:{user}@example.test"]
        command += ["--password-file", "password"]
        if scheme == "wss":
            command += ["--ca-file", str(kamailio.caFile)]
        with (folder / "log").open("wb") as log:
            processes.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_SIGTERMUnregisters(
    agents: Agents, kamailio: Kamailio, startPlugin: StartPlugin, tmp_path: Path, scheme: str
) -> None:
    plugin = startPlugin("bob", scheme)
    await until(lambda: "bob" in kamailio.locations(), "bob is registered")
    plugin.send_signal(signal.SIGTERM)
    await until(lambda: plugin.poll() is not None, "it has ended", seconds=8)
    assert kamailio.locations() == {}
    log = (tmp_path / "bob" / "log").read_text(encoding="utf-8")
    # Once everything has shut down, twistd ends by the signal that it was sent.
    assert plugin.returncode == -signal.SIGTERM, log
    assert "unregistered" in log
    assert "Traceback" not in log
    assert PASSWORDS["bob"] not in log


@pytest_twisted.ensureDeferred
async def test_itsApplicationAnswers(agents: Agents, kamailio: Kamailio, startPlugin: StartPlugin) -> None:
    startPlugin("bob", "ws")
    await until(lambda: "bob" in kamailio.locations(), "bob is registered")
    alice, aliceGot = await agents.registered("alice")
    assert (await within(alice.message("sip:bob@example.test", "wie geht's? ☺"))).statusCode == 200
    await until(lambda: aliceGot.texts, "the echo")
    assert aliceGot.texts == ["wie geht's? ☺"]
