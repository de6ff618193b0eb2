"""Choice of server, after the checklist and SIP.js 0.7."""

from __future__ import annotations

from random import Random

import pytest

from sipws.config import WsServer
from sipws.ua.servers import chooseServer, recoveryDelay


class Dice:
    """Randomness that says what it is told to."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0)

    def getrandbits(self, k: int, /) -> int:
        return 0


def server(name: str, weight: float = 0, status: int = WsServer.STATUS_READY) -> WsServer:
    made = WsServer(f"ws://{name}.example.com", weight)
    made.status = status
    return made


def test_theHighestWeightIsChosen() -> None:
    servers = [server("a", 1), server("b", 3), server("c", 2)]
    assert chooseServer(servers, Random(1)) is servers[1]


def test_negativeWeightsAreBelowNone() -> None:
    servers = [server("a", -1), server("b", 0)]
    assert chooseServer(servers, Random(1)) is servers[1]


@pytest.mark.parametrize(("number", "chosen"), [(0.0, 0), (0.33, 0), (0.34, 1), (0.67, 2), (0.999999, 2)])
def test_tiesAreBrokenAtRandom(number: float, chosen: int) -> None:
    servers = [server("a", 5), server("b", 5), server("c", 5), server("d", 4)]
    assert chooseServer(servers, Dice(number)) is servers[chosen]


def test_amongTiesEachIsAsLikely() -> None:
    servers = [server(name) for name in "abc"]
    random = Random(7)
    chosen = [chooseServer(servers, random) for _ in range(3000)]
    for candidate in servers:
        assert 900 < sum(one is candidate for one in chosen) < 1100


def test_oneInErrorIsSkipped() -> None:
    servers = [server("a", 9, WsServer.STATUS_ERROR), server("b", 1), server("c", 9, WsServer.STATUS_ERROR)]
    assert chooseServer(servers, Random(1)) is servers[1]


def test_oneThatWasOnlyDisconnectedIsNot() -> None:
    servers = [server("a", 9, WsServer.STATUS_DISCONNECTED), server("b", 1)]
    assert chooseServer(servers, Random(1)) is servers[0]


def test_whereAllAreInErrorThereIsNone() -> None:
    assert chooseServer([server("a", 1, WsServer.STATUS_ERROR)], Random(1)) is None
    assert chooseServer([], Random(1)) is None


@pytest.mark.parametrize(
    ("count", "number", "expected"),
    [
        (0, 0.0, (2, 1)),
        (0, 0.99, (2, 1)),
        (1, 0.0, (2, 2)),
        (1, 0.5, (4, 2)),
        (2, 0.75, (8, 3)),
        (3, 0.99, (16, 4)),
        (4, 0.0, (2, 5)),
        (4, 0.9, (30, 5)),
    ],
)
def test_theDelayIsAWholeMultipleOfTheMinimum(count: int, number: float, expected: tuple[float, int]) -> None:
    assert recoveryDelay(count, 2, 30, Dice(number)) == expected


def test_aDelayBeyondTheMaximumResetsTheCount() -> None:
    # floor(0.99 * 2 ** 4) + 1 = 16 times 2 seconds is 32: beyond 30.
    assert recoveryDelay(4, 2, 30, Dice(0.99)) == (2, 1)


def test_neverBeyondTheMaximumNorBelowTheMinimumHoweverOften() -> None:
    random = Random(3)
    count = 0
    for _ in range(10_000):
        delay, count = recoveryDelay(count, 2, 30, random)
        assert 2 <= delay <= 30
    assert recoveryDelay(10**9, 2, 30, Dice(0.9)) == (2, 1)


def test_delaysSpread() -> None:
    random = Random(5)
    assert len({recoveryDelay(3, 2, 30, random)[0] for _ in range(200)}) == 8
