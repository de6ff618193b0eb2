"""
Ten thousand calls between two user agents in memory: nothing of them is left,
and the last thousand take no longer than the first.
"""

from __future__ import annotations

import gc
from collections import Counter
from time import process_time

import pytest

from tests.calls.tally import Callee, Caller
from tests.inmemory import World

pytestmark = pytest.mark.slow

CALLS, THOUSAND, AT_ONCE = 10_000, 1_000, 20

#: How long after its end what belongs to a call may stay, in seconds: 64*T1, and some more.
REST = 40.0

#: How much longer the last calls may take than the first: clocks of processors are not that exact.
TOLERANCE = 1.5


def ours() -> Counter[str]:
    """Count the objects of each of our classes, without what is garbage."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    # There are classes of others whose module is no text.
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return Counter(name for name in names if name.startswith("sipws."))


def spend(world: World, caller: Caller, count: int) -> float:
    """
    Make so many calls, some of them at a time.

    @return: The seconds of processor time that the fastest of these took: what a
        machine has to do beside makes some of them slower, and none of them faster.
    """
    times = []
    for _ in range(0, count, AT_ONCE):
        begun = process_time()
        for _ in range(AT_ONCE):
            caller.call()
        # Seconds pass: what has done its time goes, and does not pile up.
        world.network.advance(0)
        world.network.advance(1)
        times.append(process_time() - begun)
    return min(times)


def test_leaveNothingBehind() -> None:
    world = World()
    alice, bob = world.start("alice"), world.start("bob")
    caller, callee = Caller(alice, "sip:bob@localhost"), Callee(bob)
    # What is made at first use is there, and what is compiled, too.
    spend(world, caller, THOUSAND)
    world.network.advance(REST)
    before, delayed = ours(), len(world.reactor.getDelayedCalls())

    times = [spend(world, caller, THOUSAND) for _ in range(CALLS // THOUSAND)]
    world.network.advance(REST)

    made = CALLS + THOUSAND
    assert caller.outcomes == {"hung up by local": made}
    assert callee.outcomes == {"hung up by remote": made}
    for agent in (alice, bob):
        assert not list(agent.usages.dialogs)
        tables = agent.transactions
        assert not any((tables.ict, tables.nict, tables.ist, tables.nist))
    assert not world.server.transactions
    assert len(world.reactor.getDelayedCalls()) <= delayed
    assert ours() - before == Counter()
    assert min(times[-3:]) < TOLERANCE * min(times[:3]), times
