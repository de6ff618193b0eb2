"""Code for C{twisted.protocols.sip} on a real Kamailio, over WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from sipws.transport import TransportOptions
from sipws.twistedsip import WebSocketPort
from tests.kamailio.agents import Agents, within
from tests.kamailio.counterpart import PASSWORDS
from tests.twistedsip.phone import Phone

if TYPE_CHECKING:
    from tests.kamailio.counterpart import Kamailio

pytestmark = pytest.mark.kamailio

TEXT = "Grüße aus Łódź — 15:30? ☎️"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest_twisted.ensureDeferred
async def test_aBaseTalksToKamailio(agents: Agents, kamailio: Kamailio, scheme: str) -> None:
    phone = Phone("alice", "example.test")
    options = TransportOptions(caFile=str(kamailio.caFile) if scheme == "wss" else None)
    port = WebSocketPort(phone, kamailio.uri(scheme), reactor, options=options)
    port.start()
    await within(port.whenConnected())
    password = PASSWORDS["alice"]
    register = phone.authorized("REGISTER", "sip:example.test", password, contact=True)
    assert (await within(Deferred.fromCoroutine(register))).code == 200
    assert set(kamailio.locations()) == {"alice"}
    bob, inbox = await agents.registered("bob", "ws")
    said = phone.authorized("MESSAGE", "sip:bob@example.test", password, body=TEXT)
    assert (await within(Deferred.fromCoroutine(said))).code == 200
    assert (await within(bob.message("sip:alice@example.test", TEXT))).statusCode == 200
    assert (inbox.texts, phone.texts) == ([TEXT], [TEXT])
    await within(port.stopListening())
    assert not phone.isUp
