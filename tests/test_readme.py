"""What the README shows works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sipws import IncomingRequest
from sipws.tap import Options
from tests.inmemory import SERVER, World

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text()

#: The code blocks: the bot, and the program.
BOT, PROGRAM = (
    re.sub("^    ", "", block, flags=re.MULTILINE)
    for block in re.findall(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", README, re.MULTILINE)
)


def execute(code: str) -> dict[str, Any]:
    """Run a block as the module that it would be."""
    names: dict[str, Any] = {}
    exec(compile(code, "README.rst", "exec"), names)
    return names


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


def test_theBotTellsTheTime() -> None:
    world = World()
    world.start("clock", execute(BOT)["bot"])
    heard: list[IncomingRequest] = []
    alice = world.start("alice", lambda ua: ua.handle("MESSAGE", heard.append))

    response = world.resultOf(alice.message("clock", "What time is it?"))

    assert response.statusCode == 200
    (answer,) = heard
    assert re.fullmatch(r"It is \d\d:\d\d\.", answer.body.decode())
    assert answer.getHeader("In-Reply-To") == response.callID


def test_theBotHasFifteenLinesAtMost() -> None:
    assert len([line for line in BOT.splitlines() if line.strip()]) <= 15


def test_theProgramSends() -> None:
    world = World()
    received: list[IncomingRequest] = []
    world.start("bob", lambda ua: ua.handle("MESSAGE", received.append))

    status = world.resultOf(execute(PROGRAM)["send"](world.reactor, SERVER, "Hello"))

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
