"""A real Kamailio is killed and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import pytest_twisted

from sipws.errors import SIPError
from tests.kamailio.agents import Agents, Inbox, pause, transportOf, until, within

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from sipws.message import IncomingResponse
    from sipws.ua import UserAgent
    from tests.kamailio.counterpart import Kamailio

pytestmark = pytest.mark.kamailio


@attrs.define
class Ledger:
    """What became of each request: its results, of which there must be one."""

    results: dict[str, list[int | SIPError]] = attrs.field(factory=dict)

    def send(self, sender: UserAgent, target: str) -> None:
        text = f"{sender.configuration.uri} {len(self.results)}"
        results = self.results.setdefault(text, [])

        def answered(response: IncomingResponse) -> None:
            results.append(response.statusCode)

        def failed(failure: Failure) -> None:
            failure.trap(SIPError)
            assert isinstance(failure.value, SIPError)
            results.append(failure.value)

        deferred: Deferred[IncomingResponse] = sender.message(target, text)
        deferred.addCallbacks(answered, failed)

    def open(self) -> list[str]:
        return [text for text, results in self.results.items() if not results]

    def accepted(self) -> list[str]:
        return [text for text, results in self.results.items() if results == [200]]


async def _talk(ledger: Ledger, alice: UserAgent, bob: UserAgent, seconds: float) -> None:
    for _ in range(int(seconds / 0.02)):
        ledger.send(alice, "sip:bob@example.test")
        ledger.send(bob, "sip:alice@example.test")
        await pause(0.02)


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_killedAndStartedAgain(agents: Agents, kamailio: Kamailio, scheme: str) -> None:
    alice, aliceGot = await agents.registered("alice", scheme)
    bob, bobGot = await agents.registered("bob", scheme)
    ledger = Ledger()
    await _talk(ledger, alice, bob, 0.5)
    # Some are under way as it goes down.
    for _ in range(50):
        ledger.send(alice, "sip:bob@example.test")
    await pause(0)
    kamailio.kill()
    await _talk(ledger, alice, bob, 1)
    assert not transportOf(alice).connected
    assert not transportOf(bob).connected
    kamailio.start()
    assert kamailio.locations() == {}
    await _talk(ledger, alice, bob, 0.5)

    # Both are back by themselves,
    await until(lambda: set(kamailio.locations()) == {"alice", "bob"}, "both are registered")
    await until(lambda: not ledger.open(), "each request has a result")
    # each request has ended once, and what was accepted has arrived,
    assert {len(results) for results in ledger.results.values()} == {1}
    arrived = aliceGot.texts + bobGot.texts
    assert set(ledger.accepted()) <= set(arrived)
    # none has arrived twice: nothing is sent again after an outage,
    assert len(arrived) == len(set(arrived))
    # some have passed and some have failed: there has been an outage to speak of,
    assert 0 < len(ledger.accepted()) < len(ledger.results)
    # and what is sent now arrives.
    await _passes(alice, "sip:bob@example.test", bobGot)
    await _passes(bob, "sip:alice@example.test", aliceGot)


@pytest_twisted.ensureDeferred
async def test_startedAfterItsUsers(agents: Agents, kamailio: Kamailio) -> None:
    kamailio.kill()
    alice, _ = agents.start("alice")
    bob, bobGot = agents.start("bob")
    waiting = alice.options("sip:example.test")
    await pause(0.5)
    assert not waiting.called
    kamailio.start()
    await within(alice.whenRegistered())
    await within(bob.whenRegistered())
    assert set(kamailio.locations()) == {"alice", "bob"}
    # It was waiting for the connection: the server itself is asked, and answers.
    assert (await within(waiting)).statusCode == 200
    await _passes(alice, "sip:bob@example.test", bobGot)


async def _passes(sender: UserAgent, target: str, inbox: Inbox) -> None:
    response = await within(sender.message(target, "after the outage"))
    assert response.statusCode == 200
    assert inbox.texts[-1] == "after the outage"
