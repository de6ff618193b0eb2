"""GRUUs that a real Kamailio makes (RFC 5627), and calls to them; digest within dialogs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_twisted

from sipws.errors import SessionTerminated
from tests.kamailio.agents import Agents, until, within

if TYPE_CHECKING:
    from sipws import Session

pytestmark = pytest.mark.kamailio

INSTANCE = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"


@pytest.mark.parametrize("option", ["public", "temporary"])
@pytest_twisted.ensureDeferred
async def test_oneLeadsToTheUserAgent(agents: Agents, option: str) -> None:
    alice, aliceGot = await agents.registered("alice", gruu=option, instanceId=INSTANCE)
    bob, _ = await agents.registered("bob")
    binding = alice.registration.binding
    assert binding is not None
    gruu = binding.gruu(temporary=option == "temporary")
    assert gruu is not None
    assert ";gr" in gruu
    assert (await within(bob.message(gruu, "found you"))).statusCode == 200
    assert aliceGot.texts == ["found you"]


@pytest.mark.parametrize("option", ["public", "temporary"])
@pytest_twisted.ensureDeferred
async def test_oneIsTheContactOfACall(agents: Agents, option: str) -> None:
    alice, _ = await agents.registered("alice", gruu=option, instanceId=INSTANCE)
    bob, _ = await agents.registered("bob")
    calls: list[Session] = []
    alice.on("invite", calls.append)
    calling = bob.invite("sip:alice@example.test", "offer")
    await until(lambda: calls, "the call")
    # This Kamailio wants a nonce of its own for everything, and drops the ACK: it ends with the call.
    calls[0].accept("answer").addErrback(lambda failure: failure.trap(SessionTerminated))
    await within(calling.whenAccepted())
    assert calling.dialog is not None
    target = calling.dialog.state.remoteTarget
    assert target is not None
    assert "gr" in target.parameters
    ended = calls[0].whenTerminated()
    # For a BYE it asks (407), and is answered.
    await within(calling.bye())
    assert (await within(ended)).by == "remote"
