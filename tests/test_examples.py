"""Each of the examples runs, against the embedded server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from examples import echobot, monitor, send
from sipws import Configuration, IncomingRequest, UserAgent
from tests.loopback import Loopback, openServer

embedded = pytest_twisted.async_yield_fixture(openServer)


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


@pytest_twisted.async_yield_fixture
async def bot(embedded: Loopback, reactor: Any) -> AsyncIterator[UserAgent]:
    userAgent = UserAgent(Configuration(uri="bot@localhost", wsServers=embedded.uri), reactor)
    userAgent.start()
    await userAgent.whenRegistered()
    yield userAgent
    await userAgent.stop()


@pytest_twisted.ensureDeferred
async def test_sendSendsOneMessage(
    embedded: Loopback, bot: UserAgent, reactor: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    received: list[IncomingRequest] = []
    bot.handle("MESSAGE", received.append)

    response = await send.main(reactor, embedded.uri, "me@localhost", "bot@localhost", "Hello")

    assert response.statusCode == 200
    assert [request.body for request in received] == [b"Hello"]
    assert capsys.readouterr().out == "200 OK\n"


@pytest_twisted.ensureDeferred
async def test_echobotSaysWhatItWasTold(embedded: Loopback, bot: UserAgent, reactor: Any) -> None:
    echobot.main(bot)
    alice = UserAgent(Configuration(uri="alice@localhost", wsServers=embedded.uri), reactor)
    answer: Deferred[IncomingRequest] = Deferred()
    alice.handle("MESSAGE", answer.callback)
    alice.start()
    await alice.whenRegistered()

    await alice.message("bot", "Hello")
    said = await answer
    await alice.stop()

    assert said.body == b"You said: Hello"


@pytest_twisted.ensureDeferred
async def test_monitorAsksEveryTenSeconds(embedded: Loopback, bot: UserAgent, reactor: Any) -> None:
    """One line a probe, of a target that is there and, later, is not."""
    clock = Clock()
    lines: list[Deferred[str]] = [Deferred(), Deferred()]
    waiting = iter(lines)
    watcher = UserAgent(Configuration(uri="me@localhost", wsServers=embedded.uri, register=False), reactor)
    watcher.start()

    loop = monitor.monitor(watcher, "bot@localhost", clock, lambda line: next(waiting).callback(line))
    first = await lines[0]
    await bot.stop()
    clock.advance(monitor.INTERVAL)
    second = await lines[1]
    loop.stop()
    await watcher.stop()

    assert first == "bot@localhost: 200 OK after 0.0 ms"
    assert second.startswith("bot@localhost: 4")
