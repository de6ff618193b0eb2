"""Each of the examples runs, against the embedded server."""

from __future__ import annotations

import pytest

from examples import echobot, monitor, send
from sipws import IncomingRequest
from tests.inmemory import SERVER, World


def test_sendSendsOneMessage(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    received: list[IncomingRequest] = []
    world.start("bot", lambda ua: ua.handle("MESSAGE", received.append))

    response = world.resultOf(send.main(world.reactor, SERVER, "me@localhost", "bot@localhost", "Hello"))

    assert response.statusCode == 200
    assert [request.body for request in received] == [b"Hello"]
    assert capsys.readouterr().out == "200 OK\n"
    assert world.network.openSockets == 1


def test_echobotSaysWhatItWasTold() -> None:
    world = World()
    world.start("bot", echobot.main)
    heard: list[IncomingRequest] = []
    alice = world.start("alice", lambda ua: ua.handle("MESSAGE", heard.append))

    response = world.resultOf(alice.message("bot", "Hello"))

    assert response.statusCode == 200
    assert [request.body for request in heard] == [b"You said: Hello"]


def test_monitorAsksEveryTenSeconds(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a probe: of a target that is there, and later is not, and when there is no server any more."""
    world = World()
    bot = world.start("bot")

    monitor.main(world.reactor, SERVER, "me@localhost", "bot@localhost")
    world.network.advance(0)
    assert capsys.readouterr().out == "bot@localhost: 200 OK after 0.0 ms\n"

    world.resultOf(bot.stop())
    world.network.advance(monitor.INTERVAL)
    assert capsys.readouterr().out.startswith("bot@localhost: 4")

    world.network.refuse()
    world.resultOf(world.server.stop())
    world.network.advance(monitor.INTERVAL + 32)
    assert "no connection" in capsys.readouterr().out
