"""Two user agents on a real Kamailio: registered, they exchange requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_twisted
import trustme

from sipws.errors import CertificateRefused
from tests.kamailio.agents import Agents, transportOf, until, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kamailio.counterpart import Kamailio

pytestmark = pytest.mark.kamailio

SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"])

#: What a text message may hold: more than one octet a character, and lines.
TEXT = "Grüße aus Łódź — 15:30? ☎️\r\nSIP/2.0 200 OK\r\n\r\nnot a header: 日本語"


@SCHEMES
@pytest_twisted.ensureDeferred
async def test_bothRegister(agents: Agents, kamailio: Kamailio, scheme: str) -> None:
    alice, _ = await agents.registered("alice", scheme)
    bob, _ = await agents.registered("bob", scheme)
    table = kamailio.locations()
    assert set(table) == {"alice", "bob"}
    for agent, user in ((alice, "alice"), (bob, "bob")):
        [contact] = table[user]
        assert f"@{agent.configuration.viaHost};" in contact


@SCHEMES
@pytest_twisted.ensureDeferred
async def test_messagesPassBothWays(agents: Agents, scheme: str) -> None:
    alice, aliceGot = await agents.registered("alice", scheme)
    bob, bobGot = await agents.registered("bob", scheme)
    there = await within(alice.message("sip:bob@example.test", TEXT))
    back = await within(bob.message("sip:alice@example.test", "und zurück: ✓"))
    assert (there.statusCode, back.statusCode) == (200, 200)
    assert bobGot.texts == [TEXT]
    assert aliceGot.texts == ["und zurück: ✓"]


@pytest_twisted.ensureDeferred
async def test_messagesPassBetweenWsAndWss(agents: Agents) -> None:
    alice, aliceGot = await agents.registered("alice", "ws")
    bob, bobGot = await agents.registered("bob", "wss")
    assert (await within(alice.message("sip:bob@example.test", TEXT))).statusCode == 200
    assert (await within(bob.message("sip:alice@example.test", TEXT))).statusCode == 200
    assert aliceGot.texts == bobGot.texts == [TEXT]


@SCHEMES
@pytest_twisted.ensureDeferred
async def test_optionsPassBothWays(agents: Agents, scheme: str) -> None:
    alice, _ = await agents.registered("alice", scheme)
    bob, _ = await agents.registered("bob", scheme, userAgentString="bob/1")
    alice.handle("INFO", lambda request: 200)
    there = await within(alice.options("sip:bob@example.test"))
    back = await within(bob.options("sip:alice@example.test"))
    assert (there.statusCode, back.statusCode) == (200, 200)
    # It is the other user agent that has answered, with what it can do.
    assert "MESSAGE" in _allowed(there)
    assert "INFO" not in _allowed(there)
    assert "INFO" in _allowed(back)


@SCHEMES
@pytest_twisted.ensureDeferred
async def test_unknownUserIsNotFound(agents: Agents, scheme: str) -> None:
    alice, _ = await agents.registered("alice", scheme)
    response = await within(alice.message("sip:nobody@example.test", "anybody there?"))
    assert response.statusCode == 404


@pytest_twisted.ensureDeferred
async def test_manyMessagesAtOnceAllArrive(agents: Agents) -> None:
    alice, _ = await agents.registered("alice")
    _, bobGot = await agents.registered("bob")
    texts = [f"message {number}" for number in range(200)]
    sent = [alice.message("sip:bob@example.test", text) for text in texts]
    assert {(await within(each)).statusCode for each in sent} == {200}
    assert sorted(bobGot.texts) == sorted(texts)


@SCHEMES
@pytest_twisted.ensureDeferred
async def test_stopUnregisters(agents: Agents, kamailio: Kamailio, scheme: str) -> None:
    alice, _ = await agents.registered("alice", scheme)
    await agents.registered("bob", scheme)
    await within(alice.stop())
    assert set(kamailio.locations()) == {"bob"}


@pytest_twisted.ensureDeferred
async def test_startAfterStopRegistersAgain(agents: Agents, kamailio: Kamailio) -> None:
    alice, _ = await agents.registered("alice")
    await within(alice.stop())
    alice.start()
    await within(alice.whenRegistered())
    assert set(kamailio.locations()) == {"alice"}


@pytest_twisted.ensureDeferred
async def test_serverOfAnotherAuthorityIsRefused(agents: Agents, kamailio: Kamailio, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    alice, _ = agents.start("alice", "wss", caFile=str(other), wsServerMaxReconnection=0)
    await until(lambda: transportOf(alice).lastTransportError, "an error")
    assert isinstance(transportOf(alice).lastTransportError, CertificateRefused)
    assert not transportOf(alice).connected
    assert kamailio.locations() == {}


def _allowed(response: object) -> set[str]:
    values = response.getHeaders("Allow")  # type: ignore[attr-defined]
    return {method.strip() for value in values for method in value.split(",")}
