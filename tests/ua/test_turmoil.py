"""
Whatever happens, each request ends once, with a final response or a typed
failure; nothing is sent twice; the counters say what happened; nothing is left.
"""

from __future__ import annotations

import pytest

from tests.ua.turmoil import Turmoil

STEPS = 150


@pytest.mark.parametrize("seed", range(40))
def test_eachRequestEndsOnceAndIsCounted(seed: int) -> None:
    turmoil = Turmoil(seed, **OPTIONS[seed % len(OPTIONS)])
    for _ in range(STEPS):
        turmoil.step()
        turmoil.check()
    turmoil.finish()
    turmoil.check()
    assert turmoil.discrepancies() == []
    assert turmoil.leftovers() == []


OPTIONS: list[dict[str, object]] = [
    {},
    {"flows": 2, "instanceId": "7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f"},
    {"maxTransactions": 5, "pauseReadingAt": 1},
    {
        "wsServers": [{"ws_uri": "ws://one.example.com", "weight": 2}, "ws://two.example.com"],
        "wsServerReturnInterval": 5,
        "wsServerRest": 3,
    },
    {"wsServerReconnectionPolicy": "exponential", "keepAliveMethod": "crlf", "register": False},
]
