"""Whatever is wrong with the network: a user agent stops in time, and can start again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.faults.faults import (
    Answer,
    BlackHole,
    Delay,
    Fault,
    HalfClose,
    Mute,
    Refuse,
    Reset,
    Slam,
    Split,
    Stall,
    Throttle,
    Way,
    httpAnswer,
)
from tests.faults.world import STOP_TIMEOUT
from tests.kamailio.agents import pause, transportOf, within

if TYPE_CHECKING:
    from tests.faults.world import World

#: How much later than it must it may be, in seconds, on a machine with much to do.
GRACE = 0.5

SHAPES = [
    BlackHole(),
    BlackHole(ways=Way.DOWN),
    Stall(),
    Stall(ways=Way.UP),
    Throttle(50),
    Delay(10),
    Split(1),
]
CUTS = [Reset(), HalfClose(Way.UP), HalfClose(Way.DOWN)]
DOORS = [Refuse(), Slam(), Mute(), Answer(b"x", closes=False), httpAnswer(503, ("Retry-After", "9999999"))]


async def _stopsInTime(world: World) -> None:
    began = reactor.seconds()
    await within(world.ua.stop())
    assert reactor.seconds() - began <= STOP_TIMEOUT + GRACE
    assert not transportOf(world.ua).connected
    assert len(world.ua.transactions) == 0


async def _startsAgain(world: World) -> None:
    world.proxy.heal()
    world.proxy.inflict(world.good)
    world.ua.start()
    await within(world.ua.whenRegistered())
    assert (await within(world.ua.options("sip:localhost"))).statusCode == 200


@pytest.mark.parametrize("fault", [*SHAPES, *CUTS], ids=str)
@pytest_twisted.ensureDeferred
async def test_onAConnection(plain: World, fault: Fault) -> None:
    plain.proxy.inflict(fault)
    await _stopsInTime(plain)
    await _startsAgain(plain)


@pytest.mark.parametrize("fault", [*SHAPES, *CUTS], ids=str)
@pytest_twisted.ensureDeferred
async def test_onAConnectionWithTLS(secure: World, fault: Fault) -> None:
    secure.proxy.inflict(fault)
    await _stopsInTime(secure)
    await _startsAgain(secure)


@pytest.mark.parametrize("wait", [0, 0.02, 0.2])
@pytest.mark.parametrize("door", DOORS, ids=str)
@pytest_twisted.ensureDeferred
async def test_onTheWayToOne(plain: World, door: Fault, wait: float) -> None:
    plain.proxy.inflict(door)
    plain.proxy.inflict(Reset())
    await pause(wait)
    await _stopsInTime(plain)
    await _startsAgain(plain)


@pytest.mark.parametrize("wait", [0, 0.02, 0.2])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest_twisted.ensureDeferred
async def test_whileTLSIsBeingSetUp(secure: World, shape: Fault, wait: float) -> None:
    secure.proxy.inflict(Reset())
    secure.proxy.inflict(shape)
    await pause(wait)
    await _stopsInTime(secure)
    await _startsAgain(secure)
