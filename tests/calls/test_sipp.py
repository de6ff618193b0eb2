"""
A thousand calls each way between a user agent of ours and sipp, twenty a
second, through a real Kamailio: WebSocket on this side, UDP on that.

C{python -m pytest tests/calls} makes that many; see C{conftest.py} for the
shorter form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor

from tests.calls.sipp import INSTALL, Sipp, isInstalled
from tests.calls.tally import Callee, Caller
from tests.counterparts import requireCounterpart
from tests.kamailio.agents import pause, until, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kamailio.agents import Agents
    from tests.kamailio.counterpart import Kamailio

reactor: Any = _reactor

pytestmark = [pytest.mark.kamailio, pytest.mark.slow]

#: Calls a second.
RATE = 20

#: How long the last of them may take, in seconds.
GRACE = 10.0


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[list[Sipp]]:
    """Two of sipp; each is killed in the end, if it runs still."""
    requireCounterpart("sipp", isInstalled(), INSTALL)
    both = [Sipp(tmp_path), Sipp(tmp_path)]
    yield both
    for each in both:
        each.kill()


@pytest_twisted.ensureDeferred
async def test_callsBothWays(agents: Agents, kamailio: Kamailio, sipp: list[Sipp], callCount: int) -> None:
    """From C{ws} to C{sipp -sn uas}, and at the same time from C{sipp -sn uac} to C{wss}: none fails."""
    alice, _ = await agents.registered("alice", "ws")
    bob, _ = await agents.registered("bob", "wss")
    caller, callee = Caller(alice, "sip:sipp@example.test"), Callee(bob)
    places = kamailio.places
    uas, uac = sipp
    answering = uas.answer(reactor, places["SIPP"], callCount).ended
    calling = uac.call(reactor, places["UDP"], "bob", callCount, RATE).ended

    await _dial(caller, callCount)
    patience = callCount / RATE + GRACE
    statuses = [await within(answering, patience), await within(calling, patience)]

    assert statuses == [0, 0], uac.report()
    assert caller.outcomes == {"hung up by local": callCount}
    assert callee.outcomes == {"hung up by remote": callCount}
    for agent in (alice, bob):
        assert not list(agent.usages.dialogs)


async def _dial(caller: Caller, count: int) -> None:
    """Make so many calls, so many a second, and wait for the last to end."""
    begun = reactor.seconds()
    for number in range(count):
        await pause(max(0.0, begun + number / RATE - reactor.seconds()))
        caller.call()
    await until(lambda: caller.outcomes.total() == count, "every call has ended", GRACE)
