"""
L{Census}: what there is, to be compared with what there was: nothing may be left behind.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from typing import Any

import attrs

__all__ = ["Census"]

#: Whose objects are counted.
OURS = ("sipws.", "autobahn.", "tests.faults.")

#: What others hold: a test what is its own, and the log the errors in it, as long as nobody
#: has begun to listen to it.
HELD = ("tests.faults.ledger", "tests.faults.census", "tests.faults.test_", "sipws.errors")

_DESCRIPTORS = "/proc/self/fd"


@attrs.frozen
class Census:
    """
    What there is at one moment.

    @ivar objects: How many objects of each of our classes.
    @ivar delayedCalls: The calls that the reactor has been asked for.
    @ivar descriptors: What the file descriptors are open on.
    """

    objects: Counter[str]
    delayedCalls: Counter[str]
    descriptors: Counter[str]

    @classmethod
    def take(cls, reactor: Any) -> Census:
        """Count what there is now, without what is garbage."""
        gc.collect()
        return cls(
            Counter(name for name in map(_nameOf, gc.get_objects()) if name.startswith(OURS)),
            Counter(str(call.func) for call in reactor.getDelayedCalls() if call.active()),
            Counter(_descriptors()),
        )

    def since(self, before: Census) -> dict[str, int]:
        """Say of what there is more than there was."""
        more: dict[str, int] = {}
        for now, then in (
            (self.objects, before.objects),
            (self.delayedCalls, before.delayedCalls),
            (self.descriptors, before.descriptors),
        ):
            more |= now - then
        return more


def _nameOf(thing: object) -> str:
    kind = type(thing)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return "" if name.startswith(HELD) else name


def _descriptors() -> list[str]:
    """Say what each descriptor is open on: a socket is like any other."""
    found = []
    for name in os.listdir(_DESCRIPTORS):
        try:
            target = os.readlink(f"{_DESCRIPTORS}/{name}")
        except OSError:
            # That of the folder itself, which has been read.
            continue
        found.append(target.partition(":")[0] if ":[" in target else target)
    return found
