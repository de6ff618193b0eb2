"""
L{schedule}: faults at random, the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import attrs

from tests.faults.faults import (
    Answer,
    BlackHole,
    Delay,
    Fault,
    HalfClose,
    Identity,
    Join,
    Mute,
    Present,
    Refuse,
    Reset,
    Slam,
    Split,
    Stall,
    Throttle,
    Way,
    httpAnswer,
)

__all__ = ["Step", "schedule"]

#: A way to make a fault at random.
Maker = Callable[[Random], Fault]


@attrs.frozen
class Step:
    """
    One fault and the time after it.

    @ivar fault: It.
    @ivar lasts: For how long, in seconds.
    @ivar rest: How long all is well afterwards, in seconds.
    @ivar cuts: Whether the connections that there are are reset as it begins, so that new
        ones meet it; a L{Door} concerns nobody otherwise.
    """

    fault: Fault
    lasts: float
    rest: float
    cuts: bool


def schedule(seed: int | str, count: int, impostors: Sequence[Identity] = ()) -> list[Step]:
    """
    Make a schedule.

    @param seed: What chance begins with: the same gives the same schedule.
    @param count: How many faults.
    @param impostors: Certificates that clients must refuse; none where there is no TLS.
    """
    random = Random(seed)
    makers = list(_MAKERS)
    if impostors:
        makers += [lambda random: Present(random.choice(impostors))] * 2
    return [_step(random, random.choice(makers)) for _ in range(count)]


def _step(random: Random, make: Maker) -> Step:
    fault = make(random)
    isDoor = isinstance(fault, (Answer, Mute, Present, Refuse, Slam))
    return Step(
        fault,
        lasts=random.uniform(0.02, 0.1)
        if isinstance(fault, (Reset, HalfClose))
        else random.uniform(0.05, 0.35),
        rest=random.uniform(0.0, 0.3),
        cuts=isDoor or random.random() < 0.1,
    )


def _way(random: Random) -> Way:
    return random.choice([Way.UP, Way.DOWN, Way.BOTH, Way.BOTH])


def _octets(random: Random) -> bytes:
    """Answer an upgrade with what no HTTP server would, or with what nobody should."""
    return random.choice(
        [
            b"",
            b"\r\n\r\n",
            b"HTTP/1.1 101\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"SIP/2.0 200 OK\r\n\r\n",
            b"HTTP/1.1 101 \xff\xfe\r\nSec-WebSocket-Accept: \x00\r\n\r\n",
            random.randbytes(random.randrange(1, 2000)),
            b"HTTP/1.1 101 Endless\r\nX: " + b"x" * 20_000,
        ]
    )


def _status(random: Random) -> Fault:
    status = random.choice([400, 403, 404, 426, 429, 500, 502, 503, 504])
    after = random.choice([(), (("Retry-After", random.choice(["0", "-1", "soon", "99999999999"])),)])
    return httpAnswer(status, *after)


_MAKERS: tuple[Maker, ...] = (
    lambda random: Refuse(),
    lambda random: Slam(),
    lambda random: Mute(),
    lambda random: Answer(_octets(random), closes=random.random() < 0.5),
    _status,
    lambda random: Reset(),
    lambda random: Reset(),
    lambda random: HalfClose(random.choice([Way.UP, Way.DOWN])),
    lambda random: BlackHole(ways=_way(random)),
    lambda random: BlackHole(ways=_way(random)),
    lambda random: Stall(ways=_way(random)),
    lambda random: Throttle(random.choice([200, 2_000, 20_000]), ways=_way(random)),
    lambda random: Split(
        random.choice([1, 7, 100, 600]), gap=random.choice([0, 0, 0.001]), ways=_way(random)
    ),
    lambda random: Join(random.choice([0.01, 0.05, 0.1]), ways=_way(random)),
    lambda random: Delay(random.choice([0.01, 0.05, 0.1]), ways=_way(random)),
)
