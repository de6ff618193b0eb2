"""Event state at a real Kamailio: published, subscribed to, and told of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredQueue

from examples.presencewatcher import PIDF, document
from examples.voicemaillight import SUMMARY
from sipws import Subscription, SubscriptionError
from sipws.subscription import Notification, State
from tests.counterparts import requireCounterpart
from tests.kamailio.agents import Agents, transportOf, until, within
from tests.kamailio.counterpart import INSTALL, Kamailio, isInstalled

pytestmark = pytest.mark.kamailio

SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"])

#: Where Debian has Kamailio's tables, empty.
TABLES = Path("/usr/share/kamailio/dbtext/kamailio")


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Agents]:
    """User agents on a Kamailio that keeps event state."""
    requireCounterpart("Kamailio", isInstalled("presence.so", "presence_mwi.so", "db_text.so"), INSTALL)
    shutil.copytree(TABLES, tmp_path / "dbtext")
    kamailio = Kamailio(tmp_path, template="presence.cfg")
    kamailio.start()
    agents = Agents(kamailio)
    try:
        yield agents
    finally:
        pytest_twisted.blockon(Deferred.fromCoroutine(agents.stopAll()))
        kamailio.kill()


def notices(subscription: Subscription) -> DeferredQueue[Notification]:
    """Collect what NOTIFYs say."""
    queue: DeferredQueue[Notification] = DeferredQueue()
    subscription.on("notify", queue.put)
    return queue


@SCHEMES
@pytest_twisted.ensureDeferred
async def test_presence(agents: Agents, scheme: str) -> None:
    """Published, changed, refreshed and removed, before the eyes of a watcher."""
    alice, _ = await agents.registered("alice", scheme)
    bob, _ = await agents.registered("bob", "ws")
    subscription = bob.subscribe("sip:alice@example.test", "presence", accept=[PIDF])
    told = notices(subscription)
    first = await within(told.get())
    assert (first.state, first.body) == ("active", b"")

    publication = alice.publish(
        "sip:alice@example.test", "presence", document("sip:alice@example.test", "open"), PIDF
    )
    await within(publication.whenPublished())
    assert publication.etag is not None
    assert b"<basic>open</basic>" in (await within(told.get())).body

    etag = publication.etag
    await within(publication.update(document("sip:alice@example.test", "closed")))
    assert publication.etag != etag
    assert b"<basic>closed</basic>" in (await within(told.get())).body

    await within(subscription.refresh())
    assert b"<basic>closed</basic>" in (await within(told.get())).body

    await within(publication.remove())
    assert b"open" not in (await within(told.get())).body
    await within(subscription.unsubscribe())
    assert (await within(told.get())).state == "terminated"
    assert subscription.termination is not None
    assert subscription.termination.reason == "timeout"


@pytest_twisted.ensureDeferred
async def test_messagesWaiting(agents: Agents) -> None:
    alice, _ = await agents.registered("alice")
    mailbox, _ = agents.start("mailbox", register=False)
    subscription = alice.subscribe("sip:alice@example.test", "message-summary", accept=[SUMMARY])
    told = notices(subscription)
    await within(subscription.whenSubscribed())
    text = "Messages-Waiting: yes\r\nMessage-Account: sip:alice@example.test\r\nVoice-Message: 2/8 (0/2)\r\n"
    publication = mailbox.publish("sip:alice@example.test", "message-summary", text, SUMMARY)
    await within(publication.whenPublished())
    while b"2/8" not in (await within(told.get())).body:
        pass


@pytest_twisted.ensureDeferred
async def test_tooBriefAndUnknown(agents: Agents) -> None:
    """A 423 is gone along with, and a 489 is the end."""
    bob, _ = await agents.registered("bob")
    subscription = bob.subscribe("sip:alice@example.test", "presence", expires=10)
    await within(subscription.whenSubscribed())
    assert subscription.expires == 60
    other = bob.subscribe("sip:alice@example.test", "weather")
    with pytest.raises(SubscriptionError) as raised:
        await within(other.whenSubscribed())
    assert raised.value.response is not None
    assert raised.value.response.statusCode == 489
    assert other.state == State.ENDED


@pytest_twisted.ensureDeferred
async def test_aLostConnection(agents: Agents) -> None:
    """The presence server hears of the next connection, and what has changed meanwhile is told."""
    alice, _ = await agents.registered("alice")
    bob, _ = await agents.registered("bob")
    subscription = bob.subscribe("sip:alice@example.test", "presence")
    told = notices(subscription)
    await within(told.get())
    transport = transportOf(bob)
    assert transport.ws is not None
    transport.ws.dropConnection(abort=True)
    await until(lambda: not transport.connected, "the connection ends")
    await within(bob.whenRegistered())
    publication = alice.publish(
        "sip:alice@example.test", "presence", document("sip:alice@example.test", "open"), PIDF
    )
    await within(publication.whenPublished())
    while b"<basic>open</basic>" not in (await within(told.get())).body:
        pass
    assert subscription.state == State.ACTIVE
