"""Each way in which a real Kamailio asks for a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_twisted

from tests.kamailio.agents import Agents, pause, until, within

if TYPE_CHECKING:
    from sipws.message import IncomingResponse
    from tests.kamailio.conftest import StartKamailio
    from tests.kamailio.counterpart import Kamailio

pytestmark = pytest.mark.kamailio

CHALLENGES = [(), ("SHA256",), ("NOQOP",), ("SHA256", "NOQOP")]


@pytest.fixture
def kamailio(startKamailio: StartKamailio, request: pytest.FixtureRequest) -> Kamailio:
    """A Kamailio with the switches that the test is parametrised with."""
    return startKamailio(*getattr(request, "param", ()))


@pytest.mark.parametrize("user", ["alice", "dave", "o'neil"])
@pytest.mark.parametrize("kamailio", CHALLENGES, indirect=True, ids=str)
@pytest_twisted.ensureDeferred
async def test_passwordIsAccepted(agents: Agents, kamailio: Kamailio, user: str) -> None:
    agent, _ = await agents.registered(user)
    _, bobGot = await agents.registered("bob")
    assert set(kamailio.locations()) == {user, "bob"}
    response = await within(agent.message("sip:bob@example.test", "it is me"))
    assert response.statusCode == 200
    assert bobGot.texts == ["it is me"]


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_wrongPasswordIsRefused(agents: Agents, kamailio: Kamailio, scheme: str) -> None:
    failures: list[tuple[IncomingResponse | None, str]] = []
    alice, _ = agents.start("alice", scheme, password="guessed")
    alice.on("registrationFailed", lambda response, cause: failures.append((response, cause)))
    await until(lambda: failures, "a refusal")
    [(response, _)] = failures
    assert response is not None
    assert response.statusCode == 401
    assert kamailio.locations() == {}
    # A refusal is no reason to ask again at once.
    await pause(0.5)
    assert len(failures) == 1


@pytest_twisted.ensureDeferred
async def test_wrongPasswordIsRefusedForARequestToo(agents: Agents) -> None:
    await agents.registered("bob")
    alice, _ = agents.start("alice", password="guessed", register=False)
    await within(alice.whenConnected())
    response = await within(alice.message("sip:bob@example.test", "let me in"))
    assert response.statusCode == 407


@pytest.mark.parametrize("kamailio", [("SHORTNONCE",), ("SHORTNONCE", "SHA256")], indirect=True, ids=str)
@pytest_twisted.ensureDeferred
async def test_staleNonceIsRenewed(agents: Agents) -> None:
    alice, _ = await agents.registered("alice")
    _, bobGot = await agents.registered("bob")
    assert (await within(alice.message("sip:bob@example.test", "fresh"))).statusCode == 200
    await pause(3.1)
    assert (await within(alice.message("sip:bob@example.test", "stale"))).statusCode == 200
    assert bobGot.texts == ["fresh", "stale"]
