"""What the README shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from sipws import Configuration, IncomingRequest, UserAgent
from sipws.service import UserAgentService
from sipws.tap import Options
from tests.loopback import Loopback, openServer

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text()

#: The code blocks: the bot, and the program.
BOT, PROGRAM = (
    re.sub("^    ", "", block, flags=re.MULTILINE)
    for block in re.findall(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README, re.MULTILINE)
)

embedded = pytest_twisted.async_yield_fixture(openServer)


def execute(code: str) -> dict[str, Any]:
    """Run a block as the module that it would be."""
    names: dict[str, Any] = {}
    exec(compile(code, "README.rst", "exec"), names)
    return names


def registered(loopback: Loopback, name: str) -> UserAgent:
    from twisted.internet import reactor

    configuration = Configuration(uri=f"sip:{name}@localhost", wsServers=loopback.uri, stopTimeout=2)
    return UserAgent(configuration, reactor)


def test_opensWithItsTwoCommands() -> None:
    """They come first, and CI runs just these."""
    commands = re.findall(r"^    (python3\.11 .*)$", README, re.MULTILINE)

    assert len(commands) == 2
    assert commands[0].endswith("/twistd -n sipws")
    assert commands[1].endswith("/pytest")
    assert README.index(commands[1]) < README.index("What it is")
    run = (ROOT / ".ci" / "run").read_text()
    for expression, command in zip(re.findall(r"s/\^    \\\((.*?)\\\)\$/", run), commands, strict=True):
        assert re.fullmatch(expression, command)


@pytest_twisted.ensureDeferred
async def test_theBotTellsTheTime(embedded: Loopback) -> None:
    from twisted.internet import reactor

    bot = execute(BOT)["bot"]
    service = UserAgentService(Configuration(uri="clock@localhost", wsServers=embedded.uri), bot, reactor)
    service.startService()
    assert service.userAgent is not None
    await service.userAgent.whenRegistered()
    alice = registered(embedded, "alice")
    answer: Deferred[IncomingRequest] = Deferred()
    alice.handle("MESSAGE", answer.callback)
    alice.start()
    await alice.whenRegistered()

    response = await alice.message("clock", "What time is it?")
    said = await answer
    await alice.stop()
    await service.stopService()

    assert response.statusCode == 200
    assert re.fullmatch(r"It is \d\d:\d\d\.", said.body.decode())
    assert said.getHeader("In-Reply-To") == response.callID


def test_theBotHasFifteenLinesAtMost() -> None:
    assert len([line for line in BOT.splitlines() if line.strip()]) <= 15


@pytest_twisted.ensureDeferred
async def test_theProgramSends(embedded: Loopback) -> None:
    from twisted.internet import reactor

    received: list[IncomingRequest] = []
    bob = registered(embedded, "bob")
    bob.handle("MESSAGE", received.append)
    bob.start()
    await bob.whenRegistered()

    status = await execute(PROGRAM)["send"](reactor, embedded.uri, "Hello")
    await bob.stop()

    assert status == 200
    assert [request.body for request in received] == [b"Hello"]


def test_theCommandForARealServerHasOptionsThatExist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"^    twistd -n sipws (--app .*)$", README, re.MULTILINE)
    (tmp_path / "clock.py").write_text(BOT)
    (tmp_path / "secret").write_text("password\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    options = Options()

    options.parseOptions(command.split())

    assert options.configuration is not None
    assert options.configuration.password == "password"
    assert not options.embedded


def test_whatItNamesIsThere() -> None:
    for path in ("docs/limits.rst", "examples", "benchmarks", ".ci/run", "LICENSE"):
        assert (ROOT / path).exists(), path
