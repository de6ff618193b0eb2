"""The census notices what is left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet import reactor

from tests.faults.census import Census
from tests.faults.faults import Reset
from tests.inmemory import World


@pytest.fixture
def before() -> Iterator[Census]:
    """What there is before a test."""
    yield Census.take(reactor)
    assert Census.take(reactor).objects["tests.faults.faults.Reset"] == 0


def _since(before: Census) -> dict[str, int]:
    return Census.take(reactor).since(before)


def test_nothingIsNothing(before: Census) -> None:
    assert _since(before) == {}


def test_anObjectIsNoticed(before: Census) -> None:
    cycle: list[object] = [Reset()]
    cycle.append(cycle)
    assert _since(before) == {"tests.faults.faults.Reset": 1}
    # What is garbage is gone.
    del cycle
    assert _since(before) == {}


def test_aUserAgentIsNoticed(before: Census) -> None:
    world = World()
    world.start("alice")
    found = _since(before)
    assert found["sipws.ua.agent.UserAgent"] == 1
    assert found["sipws.transport.transport.Transport"] == 1
    del world
    # What its classes keep of the first of them, all share.
    assert "sipws.ua.agent.UserAgent" not in _since(before)


def test_aTimerIsNoticed(before: Census) -> None:
    call = reactor.callLater(3600, test_aTimerIsNoticed)
    assert sum(_since(before).values()) == 1
    call.cancel()
    assert _since(before) == {}


def test_aSocketIsNoticed(before: Census) -> None:
    with socket.socket():
        assert _since(before) == {"socket": 1}
    assert _since(before) == {}


def test_aFileIsNoticed(before: Census) -> None:
    with open("/dev/null"):
        assert _since(before) == {"/dev/null": 1}
    assert _since(before) == {}
