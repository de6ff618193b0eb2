"""What systemd is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from twisted.internet.task import Clock

from sipws import Configuration, UserAgent
from sipws.notify import NotifyService, notifierFrom
from sipws.testing import MemoryNetwork, acceptRegister

AOR = "sip:alice@example.com"


class Told:
    """Takes what is sent."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def __call__(self, message: bytes) -> None:
        self.messages.append(message.decode())

    def take(self) -> list[str]:
        taken, self.messages = self.messages, []
        return taken


@pytest.fixture
def told() -> Told:
    return Told()


def watched(told: Told, **options: Any) -> tuple[MemoryNetwork, UserAgent]:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    given: dict[str, Any] = {"uri": AOR, "wsServers": "ws://192.0.2.1"} | options
    ua = UserAgent(Configuration(**given), network.reactor, random=Random(1))
    NotifyService(told, network.reactor).watch(ua)
    return network, ua


def test_isReadyWhenItIsRegistered(told: Told) -> None:
    network, ua = watched(told)
    network.answer("REGISTER", None)
    ua.start()
    network.advance(0)
    assert told.take() == [f"STATUS={AOR} connected"]
    [register] = network.connection.received
    acceptRegister(network.connection, register)  # type: ignore[arg-type]
    assert told.take() == [f"READY=1\nSTATUS={AOR} registered"]
    network.answer("REGISTER", acceptRegister)
    network.connection.drop()
    assert f"STATUS={AOR} disconnected" in told.take()
    network.advance(10)
    messages = told.take()
    assert messages[-1] == f"STATUS={AOR} registered"
    assert not any("READY" in message for message in messages), "ready is said once"
    ua.stop()
    network.advance(10)


def test_withoutRegistrationItIsReadyWhenItIsConnected(told: Told) -> None:
    network, ua = watched(told, register=False)
    ua.start()
    network.advance(0)
    assert told.take() == [f"READY=1\nSTATUS={AOR} connected"]
    ua.stop()
    network.advance(10)


class TestService:
    def test_givesSignsOfLifeTwiceAsOftenAsTheyAreWanted(self, told: Told) -> None:
        clock = Clock()
        service = NotifyService(told, clock, watchdog=10)
        service.startService()
        assert told.take() == ["WATCHDOG=1"]
        clock.pump([1] * 20)
        assert told.take() == ["WATCHDOG=1"] * 4
        service.stopService()
        assert told.take() == ["STOPPING=1"]
        assert clock.getDelayedCalls() == []

    def test_givesNoneWhereNoneAreWanted(self, told: Told) -> None:
        clock = Clock()
        NotifyService(told, clock).startService()
        assert told.take() == []
        assert clock.getDelayedCalls() == []

    def test_isReadyAtOnceWhereThereIsNoUserAgent(self, told: Told) -> None:
        service = NotifyService(told, Clock())
        service.readyAtStart = True
        service.startService()
        assert told.take() == ["READY=1\nSTATUS=running"]

    def test_survivesThatNobodyListens(self) -> None:
        def send(message: bytes) -> None:
            raise ConnectionRefusedError

        service = NotifyService(send, Clock(), watchdog=10)
        service.startService()
        service.ready("fine")
        service.stopService()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def test_speaksToTheSocketThatTheEnvironmentNames(systemd: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "HOME": "/"}
    service = notifierFrom(environment, Clock(), 42)
    assert service is not None
    service.ready("fine\nREADY=0".replace("\n", " "))
    assert systemd.recv(1000) == b"READY=1\nSTATUS=fine READY=0"
    assert environment == {"HOME": "/"}, "what is not for others is taken away"


def test_speaksToAnAbstractSocket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0sipws-test-notify")
        service = notifierFrom({"NOTIFY_SOCKET": "@sipws-test-notify"}, Clock(), 42)
        assert service is not None
        service.stopService()
        assert listening.recv(1000) == b"STOPPING=1"


def test_survivesASocketThatIsGone(tmp_path: Path) -> None:
    service = notifierFrom({"NOTIFY_SOCKET": str(tmp_path / "nobody")}, Clock(), 42)
    assert service is not None
    service.ready("fine")


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234"])
def test_withoutASocketThereIsNoService(address: str) -> None:
    assert notifierFrom({"NOTIFY_SOCKET": address} if address else {}, Clock(), 42) is None


@pytest.mark.parametrize(
    ("interval", "whose", "wanted"),
    [
        ("20000000", "42", True),
        ("20000000", "", True),
        ("20000000", "43", False),
        ("0", "42", False),
        ("-5", "42", False),
        ("soon", "42", False),
        ("²", "42", False),
        ("", "42", False),
    ],
)
def test_watchdogIsForTheProcessThatItIsMeantFor(
    systemd: socket.socket, interval: str, whose: str, wanted: bool
) -> None:
    clock = Clock()
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": interval, "WATCHDOG_PID": whose}
    service = notifierFrom(environment, clock, 42)
    assert service is not None
    assert environment == {}
    service.startService()
    clock.advance(10)
    received = []
    while True:
        try:
            received.append(systemd.recv(1000))
        except BlockingIOError:
            break
    assert received == ([b"WATCHDOG=1"] * 2 if wanted else [])
    service.stopService()
