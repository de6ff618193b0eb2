"""
What each way to end a connection, and all that was open in it, leaves behind: no object of any class.

Each test goes through a cycle a few times, until all that is made once has
been made, and then many times more.  In contrast to C{test_leaks}, the
server's side and what is Twisted's and OpenSSL's is counted, too.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, Logger
from zope.interface import implementer

from sipws import Configuration, UserAgent
from sipws.errors import PeerSilent, TransportError
from sipws.testing import MemoryNetwork, acceptRegister
from sipws.transport import TransportOptions
from tests.transport.certificates import Authority
from tests.transport.foreign import Scene, request
from tests.transport.test_tls import NAME, SecureScene

CYCLES = 200

#: What the cycles may leave of each class that is not looked at: less than one each.
TOLERANCE = CYCLES // 10

WATCHED = (
    "sipws.",
    "autobahn.",
    "twisted.internet.",
    "twisted.protocols.",
    "twisted.python.failure",
    "OpenSSL.",
)

#: Twisted keeps log events until logging begins, and the tests' own fixtures watch Deferreds.
OTHERS = ("builtins.dict", "weakref.ReferenceType")


def census() -> Counter[str]:
    """Count the objects that there are, by class."""
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def repeat(cycle: Callable[[], object], cycles: int = CYCLES) -> None:
    """Go through a cycle, and see that no objects are left of it."""
    for _ in range(5):
        cycle()
    before = census()
    for _ in range(cycles):
        cycle()
    grown = census() - before
    assert {name: count for name, count in grown.items() if name.startswith(WATCHED)} == {}
    assert {name: count for name, count in grown.items() if count > TOLERANCE and name not in OTHERS} == {}


def forget(scene: Scene) -> None:
    """Let go of what the test itself keeps of a cycle."""
    scene.calls.clear()
    scene.logged.clear()
    scene.network.connections.clear()


# Of a transport.


def _drop(scene: Scene) -> None:
    scene.connection.drop()


def _close(scene: Scene) -> None:
    scene.connection.close(1001, "restarting")


def _closeAndStay(scene: Scene) -> None:
    scene.connection.close(1001, hangUp=False)
    scene.network.advance(1)


def _breakTheRules(scene: Scene) -> None:
    scene.connection.write(b"\xff\xff")
    scene.network.advance(1)


def _dropInTheMiddle(scene: Scene) -> None:
    scene.connection.write(b"\x01\x05begin\x00\x7e\xff")
    scene.connection.drop()


def _dropWhatIsNotRead(scene: Scene) -> None:
    scene.connection.stall()
    transport: Any = scene.ua.transport
    while transport.send(b"x" * 20_000):
        pass
    scene.connection.drop()


@pytest.mark.parametrize(
    "end", [_drop, _close, _closeAndStay, _breakTheRules, _dropInTheMiddle, _dropWhatIsNotRead]
)
def test_serversThatEndTheConnection(end: Callable[[Scene], None]) -> None:
    scene = Scene(options=TransportOptions(maxPendingOctets=10_000))
    transport = scene.connected()

    def cycle() -> None:
        end(scene)
        assert transport.lastTransportError is not None
        assert not transport.connected
        assert scene.network.reactor.getDelayedCalls() == [transport.reconnectTimer]
        assert not scene.network.openSockets
        forget(scene)
        scene.network.advance(4)
        assert transport.connected
        assert not scene.network.reactor.getDelayedCalls()

    repeat(cycle)


def test_attemptsThatAreGivenUp() -> None:
    scene = Scene()
    transport = scene.construct()
    network = scene.network

    def cycle() -> None:
        for policy in (network.stall, network.stallUpgrade, network.refuse, network.unresolvable):
            transport.disconnect()
            policy()
            transport.connect()
            network.advance(1)
            transport.disconnect()
            network.advance(0)
            assert not network.openSockets
            assert network.reactor.getDelayedCalls() == []
        network.accept()
        forget(scene)

    repeat(cycle)


def test_overTLS(tmp_path: Path) -> None:
    """Good certificates and refused ones: what OpenSSL's callbacks hold, Python's collector does not see."""
    authority = Authority()
    good = SecureScene(tmp_path, authority.issue([NAME]), trusted=authority.certificatePEM)
    bad = SecureScene(tmp_path, authority.issue(None), trusted=authority.certificatePEM)
    kept = good.attempt()
    bad.ua.configuration.wsServerMaxReconnection = 10_000
    refused = bad.attempt()

    def cycle() -> None:
        for connection in list(good.server_.connections.values()):
            connection.close()
        for scene in (good, bad):
            scene.network.advance(4.5)
            forget(scene)
        assert kept.connected
        assert not refused.connected

    repeat(cycle, 50)
    for transport, scene in ((kept, good), (refused, bad)):
        transport.disconnect()
        scene.network.advance(1)
        assert scene.atRest()


def test_silencesOverTLS(tmp_path: Path) -> None:
    """Half of them with messages of ours that wait, and with somebody who waits for room."""
    authority = Authority()
    scene = SecureScene(
        tmp_path,
        authority.issue([NAME]),
        trusted=authority.certificatePEM,
        keepAliveInterval=2,
        keepAliveTimeout=1,
        maxPendingOctets=10_000,
    )
    transport = scene.attempt()
    results: list[object] = []
    count = 0

    def cycle() -> None:
        nonlocal count
        count += 1
        [wire] = scene.network._wires
        wire.stalled = True
        if count % 2:
            while transport.send(request() + b"x" * 1_000):
                pass
            transport.whenWritable().addBoth(results.append)
        scene.network.advance(3)
        assert isinstance(transport.lastTransportError, PeerSilent)
        wire.stalled = False
        scene.network.advance(4)
        assert transport.connected
        assert len(scene.network.reactor.getDelayedCalls()) == 1
        forget(scene)
        assert not [each for each in results if each is None]
        results.clear()

    repeat(cycle, 50)
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


# Of a whole user agent.


class QuietUserAgent(UserAgent):
    """One whose log events do not end up in Twisted's own buffer, which keeps the latest thousands."""

    def getLogger(self, category: str) -> Logger:
        return Logger(category, observer=_nobody)


@implementer(ILogObserver)
def _nobody(event: LogEvent) -> None:
    pass


class World:
    """
    A user agent that is registered.

    @ivar outcomes: What became of its requests.
    """

    def __init__(self) -> None:
        self.network = MemoryNetwork()
        self.network.answer("REGISTER", acceptRegister)
        configuration = Configuration(uri="sip:alice@example.com", wsServers="ws://sip.example.com")
        self.ua = QuietUserAgent(configuration, self.network.reactor)
        self.outcomes: list[Any] = []
        # What takes longer to answer than the connection lasts.
        self.ua.handle("INVITE", lambda request: Deferred())
        self.ua.handle("MESSAGE", lambda request: Deferred())

    def start(self) -> None:
        self.ua.start()
        self.network.advance(0)
        assert self.ua.registration.registered

    def beBusy(self) -> None:
        """Have transactions of all four kinds, none of them answered."""
        ua, network = self.ua, self.network
        ua.message("sip:bob@example.com", "Hello").addBoth(self.outcomes.append)
        ua.request("INVITE", "sip:bob@example.com").addBoth(self.outcomes.append)
        network.connection.send(request("INVITE", "in1", "z9hG4bKin1"))
        network.connection.send(request("MESSAGE", "in2", "z9hG4bKin2"))
        network.advance(0)
        tables = ua.transactions
        assert [len(table) for table in (tables.ict, tables.nict, tables.ist, tables.nist)] == [1, 1, 1, 1]


def test_aUserAgentThatIsDroppedWithTransactionsOpen() -> None:
    world = World()
    world.start()

    def cycle() -> None:
        world.beBusy()
        world.network.connection.drop()
        world.network.connections.clear()
        # Timers B, F, H and L, 32 seconds each, included.
        world.network.advance(40)
        assert world.ua.registration.registered
        assert len(world.ua.transactions) == 0
        # The refresh of the registration.
        assert len(world.network.reactor.getDelayedCalls()) == 1
        assert [bool(each.check(TransportError)) for each in world.outcomes] == [True, True]
        world.outcomes.clear()

    repeat(cycle)


def test_aUserAgentThatIsStoppedWithTransactionsOpen() -> None:
    world = World()

    def cycle() -> None:
        world.start()
        world.beBusy()
        stopped = world.ua.stop()
        world.network.advance(40)
        assert stopped.called
        assert len(world.ua.transactions) == 0
        assert world.network.reactor.getDelayedCalls() == []
        assert not world.network.openSockets
        assert len(world.outcomes) == 2
        world.outcomes.clear()
        world.network.connections.clear()

    repeat(cycle)


def test_oneUserAgentAfterTheOther() -> None:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    configuration = Configuration(uri="sip:alice@example.com", wsServers="ws://sip.example.com")

    def cycle() -> None:
        ua = QuietUserAgent(configuration, network.reactor)
        ua.start()
        network.advance(0)
        assert ua.registration.registered
        ua.stop()
        network.advance(1)
        assert network.reactor.getDelayedCalls() == []
        network.connections.clear()

    repeat(cycle)
