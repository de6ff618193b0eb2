"""Nothing is left behind: no timer, no socket, no object."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable

import pytest

from sipws import Configuration, UserAgent
from sipws.testing import MemoryNetwork, acceptRegister
from tests.transport.foreign import Scene, request

#: How often each is done.
CYCLES = 500

#: What is in the hands of the test itself.
HELD = ("sipws.testing", "sipws.errors", "sipws.interfaces")


def ours() -> Counter[str]:
    """Count the objects of our classes, and of Autobahn's, after a collection."""
    gc.collect()
    # As text: some classes of others have a descriptor there.
    kinds = (f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
    return Counter(
        kind for kind in kinds if kind.startswith(("sipws.", "autobahn.")) and not kind.startswith(HELD)
    )


def grown(before: Counter[str]) -> dict[str, int]:
    """Say of which classes there are more objects than before."""
    return {name: count - before[name] for name, count in ours().items() if count > before[name]}


def _afterwards(scene: Scene) -> None:
    # What the test's own side has kept of it: a stalled wire has not told the server of its end.
    for wire in scene.network._wires:
        wire.stalled = False
    scene.network.pump()
    scene.network.connections.clear()
    scene.calls.clear()
    scene.logged.clear()


def test_500CyclesOfConnectAndDisconnectLeaveNothing() -> None:
    scene = Scene()
    transport = scene.connected()
    transport.disconnect()
    scene.network.advance(1)
    _afterwards(scene)
    before = ours()
    for _ in range(CYCLES):
        assert transport.connect()
        scene.network.advance(0)
        assert transport.connected
        transport.disconnect()
        scene.network.advance(0)
        assert scene.atRest()
    _afterwards(scene)
    assert grown(before) == {}


def test_500DropsByTheServerLeaveNothing() -> None:
    scene = Scene()
    transport = scene.connected()
    before = ours()
    for _ in range(CYCLES):
        scene.connection.drop()
        scene.network.advance(4)
        assert transport.connected
        assert scene.network.reactor.getDelayedCalls() == []
        assert scene.network.openSockets == 1
        del scene.network.connections[:-1]
    scene.calls.clear()
    scene.logged.clear()
    assert grown(before) == {}
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def _refuse(network: MemoryNetwork) -> None:
    network.refuse()


def _stall(network: MemoryNetwork) -> None:
    network.stall()


def _stallUpgrade(network: MemoryNetwork) -> None:
    network.stallUpgrade()


def _reject(network: MemoryNetwork) -> None:
    network.reject(503)


def _forgetSubprotocol(network: MemoryNetwork) -> None:
    network.subprotocol = None


@pytest.mark.parametrize("policy", [_refuse, _stall, _stallUpgrade, _reject, _forgetSubprotocol])
def test_attemptsThatFailLeaveNothing(policy: Callable[[MemoryNetwork], None]) -> None:
    scene = Scene(wsServerMaxReconnection=10**9)
    policy(scene.network)
    transport = scene.construct()
    scene.network.advance(5)
    _afterwards(scene)
    before = ours()
    scene.network.advance(9 * 100)
    assert transport.reconnection_attempts >= 100
    _afterwards(scene)
    assert grown(before) == {}
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()


def test_500TransportsThatAreGivenUpLeaveNothing() -> None:
    scene = Scene(wsServerMaxReconnection=0)
    scene.network.refuse()
    scene.construct()
    scene.network.advance(1)
    _afterwards(scene)
    before = ours()
    for _ in range(CYCLES):
        scene.construct()
        # A refusal through HostnameEndpoint takes 0.3 seconds.
        scene.network.advance(1)
    _afterwards(scene)
    assert grown(before) == {}
    assert scene.atRest()


def test_messagesLeaveNothing() -> None:
    scene = Scene()
    scene.connected()
    scene.connection.send(request())
    scene.calls.clear()
    before = ours()
    for _ in range(CYCLES):
        scene.connection.send(request())
        scene.connection.send(b"not SIP")
    scene.calls.clear()
    scene.logged.clear()
    assert grown(before) == {}


@pytest.mark.parametrize("byServer", [True, False])
def test_500CyclesOfAUserAgentLeaveNoTimerNoTransactionAndNoObject(byServer: bool) -> None:
    network = MemoryNetwork()
    network.answer("REGISTER", acceptRegister)
    configuration = Configuration(
        uri="sip:bot@example.com", wsServers="ws://sip.example.com", wsServerReconnectionTimeout=1
    )
    userAgent = UserAgent(configuration, network.reactor)

    def cycle() -> None:
        if not byServer:
            userAgent.start()
        network.advance(1)
        assert userAgent.registration.registered
        if byServer:
            # A request that is under way is lost with the connection.
            userAgent.options("sip:nobody@example.com").addErrback(lambda _: None)
            network.pump()
            network.connection.drop()
        else:
            stopped = userAgent.stop()
            network.advance(1)
            assert stopped.called
            assert network.reactor.getDelayedCalls() == []
            assert network.openSockets == 0
        assert len(userAgent.transactions) == 0
        network.connections.clear()

    if byServer:
        userAgent.start()
    for _ in range(3):
        cycle()
    before = ours()
    for _ in range(CYCLES):
        cycle()
    assert grown(before) == {}
    userAgent.stop()
    network.advance(10)
    assert network.reactor.getDelayedCalls() == []
    assert network.openSockets == 0
