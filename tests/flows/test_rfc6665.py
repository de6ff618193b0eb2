"""
Event notification, message by message: RFC 6665's rules as flows, and the flows of the packages
that are built on it (RFC 3842 section 4.1, RFC 3856 section 8).
"""

from __future__ import annotations

from typing import Any

import pytest

from sipws import Notifier, Subscription
from sipws.subscription import State
from tests.flows.ladder import Ladder

SUMMARY = "application/simple-message-summary"
PIDF = "application/pidf+xml"


def _notes(ladder: Ladder, name: str, state: str = "", contentType: str = "text/plain") -> list[Notifier]:
    """Have a user agent accept whoever subscribes."""
    notifiers: list[Notifier] = []

    def accept(notifier: Notifier) -> None:
        notifiers.append(notifier)
        notifier.accept(state, contentType)

    ladder.agents[name].on("subscribe", accept)
    return notifiers


def _bodies(subscription: Subscription) -> list[bytes]:
    bodies: list[bytes] = []
    subscription.on("notify", lambda notification: bodies.append(notification.body))
    return bodies


def test_messageWaiting() -> None:
    """RFC 3842 section 4.1, A1 to A14."""
    ladder = Ladder("alice", "vmail", subscriptionMaxExpires=86_400)
    two = "Messages-Waiting: yes\r\nVoice-Message: 2/8 (0/2)\r\n"
    four = "Messages-Waiting: yes\r\nVoice-Message: 4/8 (1/2)\r\n"
    notifiers = _notes(ladder, "vmail", two, SUMMARY)
    subscription = ladder.agents["alice"].subscribe(
        "sip:vmail@example.com", "message-summary", expires=86_400, accept=[SUMMARY]
    )
    bodies = _bodies(subscription)

    a1 = ladder.request("alice", "vmail", "SUBSCRIBE")
    assert a1.getHeader("Event") == "message-summary"
    assert a1.getHeader("Expires") == "86400"
    assert a1.getHeader("Accept") == SUMMARY
    assert a1.toTag is None
    a2 = ladder.response("vmail", "alice", 200)
    assert a2.getHeader("Expires") == "86400"
    a3 = ladder.request("vmail", "alice", "NOTIFY")
    assert (a3.callID, a3.toTag, a3.fromTag) == (a1.callID, a1.fromTag, a2.toTag)
    assert a3.getHeader("Event") == "message-summary"
    assert a3.getHeader("Subscription-State") == "active;expires=86400"
    assert a3.contentType == SUMMARY
    ladder.response("alice", "vmail", 200)  # A4

    notifiers[0].notify(four)
    a5 = ladder.exchange("vmail", "alice", "NOTIFY")  # and A6
    assert a5.cseq == a3.cseq + 1
    assert bodies == [two.encode(), four.encode()]

    ladder.advance(43_200)
    assert ladder.isQuiet()
    subscription.refresh()
    a7 = ladder.request("alice", "vmail", "SUBSCRIBE")
    assert (a7.callID, a7.toTag, a7.cseq) == (a1.callID, a2.toTag, a1.cseq + 1)
    a8 = ladder.response("vmail", "alice", 200)
    assert a8.getHeader("Expires") == "86400"
    a9 = ladder.exchange("vmail", "alice", "NOTIFY")  # and A10
    assert a9.body == four.encode()

    subscription.unsubscribe()
    a11 = ladder.request("alice", "vmail", "SUBSCRIBE")
    assert a11.getHeader("Expires") == "0"
    a12 = ladder.response("vmail", "alice", 200)
    assert a12.getHeader("Expires") == "0"
    a13 = ladder.exchange("vmail", "alice", "NOTIFY")  # and A14
    assert a13.getHeader("Subscription-State") == "terminated;reason=timeout"
    assert a13.body == four.encode()

    assert subscription.state == notifiers[0].state == State.ENDED
    assert ladder.isQuiet()
    ladder.end()


def test_presenceThatIsPendingFirst() -> None:
    """RFC 3856 section 8, with an authorization that takes its time (RFC 6665 section 4.2.1.3)."""
    ladder = Ladder("watcher", "resource")
    notifiers: list[Notifier] = []
    ladder.agents["resource"].on("subscribe", notifiers.append)
    subscription = ladder.agents["watcher"].subscribe("sip:resource@example.com", "presence", expires=600)
    bodies = _bodies(subscription)

    f1 = ladder.request("watcher", "resource", "SUBSCRIBE")
    assert f1.getHeader("Event") == "presence"
    notifiers[0].accept(pending=True)
    ladder.response("resource", "watcher", 200)
    f3 = ladder.exchange("resource", "watcher", "NOTIFY")
    assert f3.getHeader("Subscription-State") == "pending;expires=600"
    assert subscription.state == State.PENDING

    ladder.advance(60)
    notifiers[0].accept("<open/>", PIDF)
    f5 = ladder.exchange("resource", "watcher", "NOTIFY")
    assert f5.getHeader("Subscription-State") == "active;expires=540"
    assert subscription.state == State.ACTIVE
    notifiers[0].notify("<closed/>")
    ladder.exchange("resource", "watcher", "NOTIFY")
    assert bodies == [b"", b"<open/>", b"<closed/>"]

    notifiers[0].terminate("rejected")
    last = ladder.exchange("resource", "watcher", "NOTIFY")
    assert last.getHeader("Subscription-State") == "terminated;reason=rejected"
    assert subscription.state == notifiers[0].state == State.ENDED
    ladder.advance(4000)
    assert ladder.isQuiet()
    ladder.end()


def test_notifyBeforeTheResponse() -> None:
    """Section 4.1.2.4."""
    ladder = Ladder("alice", "bob")
    notifiers = _notes(ladder, "bob", "state")
    subscription = ladder.agents["alice"].subscribe("sip:bob@example.com", "dialog")
    subscribe = ladder.request("alice", "bob", "SUBSCRIBE")
    letTheResponse = ladder.hold("bob")
    notify = ladder.exchange("bob", "alice", "NOTIFY")
    assert notify.toTag == subscribe.fromTag
    assert subscription.state == State.ACTIVE
    letTheResponse("alice")
    assert subscription.state == State.ACTIVE
    assert len(ladder.agents["alice"].usages.dialogs) == 1

    # Both go on in that dialog.
    notifiers[0].notify("more")
    assert ladder.exchange("bob", "alice", "NOTIFY").cseq == notify.cseq + 1
    subscription.refresh()
    refresh = ladder.exchange("alice", "bob", "SUBSCRIBE")
    assert (refresh.toTag, refresh.cseq) == (notify.fromTag, subscribe.cseq + 1)
    ladder.exchange("bob", "alice", "NOTIFY")
    ladder.end()


def test_refreshInTime() -> None:
    """Section 4.1.2.2."""
    ladder = Ladder("alice", "bob", subscriptionMaxExpires=120)
    notifiers = _notes(ladder, "bob", "state")
    subscription = ladder.agents["alice"].subscribe("sip:bob@example.com", "dialog")
    subscribe = ladder.exchange("alice", "bob", "SUBSCRIBE")
    ladder.exchange("bob", "alice", "NOTIFY")
    for turn in range(1, 4):
        ladder.waitFor("alice", 89)
        assert ladder.exchange("alice", "bob", "SUBSCRIBE").cseq == subscribe.cseq + turn
        ladder.exchange("bob", "alice", "NOTIFY")
    assert subscription.state == notifiers[0].state == State.ACTIVE
    assert len(notifiers) == 1
    ladder.end()


def test_fork() -> None:
    """Sections 4.1.4 and 4.4.1: one SUBSCRIBE, two notifiers, one 2xx."""
    ladder = Ladder("alice", "desk", "mobile")
    desk, mobile = _notes(ladder, "desk", "at the desk"), _notes(ladder, "mobile", "on the road")
    others: list[Subscription] = []
    bodies: list[bytes] = []
    subscription = ladder.agents["alice"].subscribe("sip:desk@example.com", "presence")
    for each in (others.append, lambda other: other.on("notify", lambda said: bodies.append(said.body))):
        subscription.on("fork", each)

    subscribe = ladder.request("alice", "desk", "SUBSCRIBE")
    # The proxy's other branch.
    branch = bytes(subscribe).replace(b"sip:desk@", b"sip:mobile@").replace(b"z9hG4bK", b"z9hG4bKother")
    ladder._connections["mobile"].send(branch)
    ladder.response("desk", "alice", 200)
    # "successful SUBSCRIBE requests will receive only one 200-class response".
    ladder.hold("mobile")
    first = ladder.exchange("desk", "alice", "NOTIFY")
    second = ladder.exchange("mobile", "alice", "NOTIFY")
    assert first.fromTag != second.fromTag
    assert bodies == [b"on the road"]
    assert len(ladder.agents["alice"].usages.dialogs) == 2

    # Each goes on by itself.
    others[0].unsubscribe()
    assert ladder.exchange("alice", "mobile", "SUBSCRIBE").toTag == second.fromTag
    ladder.exchange("mobile", "alice", "NOTIFY")
    assert (others[0].state, mobile[0].state) == (State.ENDED, State.ENDED)
    desk[0].notify("away")
    ladder.exchange("desk", "alice", "NOTIFY")
    assert subscription.state == State.ACTIVE
    ladder.end()


def test_forkThatIsNotWanted() -> None:
    """Section 5.4.9."""
    ladder = Ladder("alice", "desk", "mobile")
    _notes(ladder, "desk", "at the desk")
    mobile = _notes(ladder, "mobile", "on the road")
    ladder.agents["alice"].subscribe("sip:desk@example.com", "presence")
    subscribe = ladder.request("alice", "desk", "SUBSCRIBE")
    branch = bytes(subscribe).replace(b"sip:desk@", b"sip:mobile@").replace(b"z9hG4bK", b"z9hG4bKother")
    ladder._connections["mobile"].send(branch)
    ladder.response("desk", "alice", 200)
    ladder.hold("mobile")
    ladder.exchange("desk", "alice", "NOTIFY")
    ladder.exchange("mobile", "alice", "NOTIFY", 481)
    assert mobile[0].state == State.ENDED
    ladder.end()


def test_migration() -> None:
    """Section 4.4.2."""
    ladder = Ladder("alice", "bob")
    notifiers = _notes(ladder, "bob", "state")
    subscription = ladder.agents["alice"].subscribe("sip:bob@example.com", "presence")
    first = ladder.exchange("alice", "bob", "SUBSCRIBE")
    ladder.exchange("bob", "alice", "NOTIFY")
    ladder.advance(60)
    notifiers[0].terminate("deactivated")
    ladder.exchange("bob", "alice", "NOTIFY")
    ladder.advance(0)
    second = ladder.request("alice", "bob", "SUBSCRIBE")
    # "this subscription is established on a new dialog, and does not reuse the route set".
    assert second.toTag is None
    assert second.callID != first.callID
    ladder.response("bob", "alice", 200)
    ladder.exchange("bob", "alice", "NOTIFY")
    assert subscription.state == notifiers[1].state == State.ACTIVE
    ladder.end()


def test_polling() -> None:
    """Section 4.4.3."""
    ladder = Ladder("alice", "bob")
    notifiers = _notes(ladder, "bob", "state now")
    subscription = ladder.agents["alice"].subscribe("sip:bob@example.com", "presence", expires=0)
    assert ladder.exchange("alice", "bob", "SUBSCRIBE").getHeader("Expires") == "0"
    notify = ladder.exchange("bob", "alice", "NOTIFY")
    assert notify.getHeader("Subscription-State") == "terminated;reason=timeout"
    assert notify.body == b"state now"
    assert subscription.state == notifiers[0].state == State.ENDED
    assert all(len(agent.usages.dialogs) == 0 for agent in ladder.agents.values())
    ladder.end()


def test_notRefreshed() -> None:
    """Section 4.2.1.4: the refresh is lost on its way."""
    ladder = Ladder("alice", "bob")
    notifiers = _notes(ladder, "bob", "state")
    subscription = ladder.agents["alice"].subscribe(
        "sip:bob@example.com", "presence", expires=60, resubscribe=False
    )
    ladder.request("alice", "bob", "SUBSCRIBE")
    # To the subscriber it begins somewhat later.
    ladder.advance(1)
    ladder.response("bob", "alice", 200)
    ladder.exchange("bob", "alice", "NOTIFY")
    ladder.waitFor("alice", 56)
    late = ladder.hold("alice")
    ladder.waitFor("bob", 60)
    notify = ladder.exchange("bob", "alice", "NOTIFY")
    assert notify.getHeader("Subscription-State") == "terminated;reason=timeout"
    assert subscription.state == notifiers[0].state == State.ENDED
    # What is late is without a subscription.
    late("bob")
    ladder.response("bob", "alice", 481)
    assert subscription.state == State.ENDED
    ladder.end()


@pytest.mark.parametrize(
    ("statusCode", "headers", "state"),
    [
        (489, [("Allow-Events", "dialog")], State.ENDED),
        (403, [], State.ENDED),
        (423, [("Min-Expires", 1800)], State.NOTIFY_WAIT),
        (503, [("Retry-After", 60)], State.TERMINATED),
    ],
)
def test_refusals(statusCode: int, headers: list[Any], state: str) -> None:
    """Sections 4.1.2.1 and 4.2.1.1."""
    ladder = Ladder("alice", "bob")
    ladder.agents["bob"].on("subscribe", lambda notifier: notifier.reject(statusCode, headers=headers))
    subscription = ladder.agents["alice"].subscribe("sip:bob@example.com", "presence", expires=600)
    ladder.exchange("alice", "bob", "SUBSCRIBE", statusCode)
    assert subscription.state == state
    if statusCode == 423:
        assert ladder.request("alice", "bob", "SUBSCRIBE").getHeader("Expires") == "1800"
        ladder.response("bob", "alice", 423)
        assert subscription.state == State.ENDED
    if statusCode == 503:
        ladder.advance(59)
        assert ladder.isQuiet()
        ladder.advance(1)
        ladder.exchange("alice", "bob", "SUBSCRIBE", 503)
    ladder.end()


def test_goneWhileItIsNotified() -> None:
    """Section 4.2.2: a 481 to a NOTIFY removes the subscription; section 4.1.2.2: one to a refresh."""
    ladder = Ladder("alice", "bob")
    notifiers = _notes(ladder, "bob", "state")
    subscription = ladder.agents["alice"].subscribe("sip:bob@example.com", "presence")
    ladder.exchange("alice", "bob", "SUBSCRIBE")
    ladder.exchange("bob", "alice", "NOTIFY")
    ladder.advance(60)
    # The notifier has restarted: it knows of nothing.
    dialog = notifiers[0].dialog
    assert dialog is not None
    dialog.end()
    subscription.refresh().addErrback(lambda _: None)
    ladder.exchange("alice", "bob", "SUBSCRIBE", 481)
    assert subscription.state == State.TERMINATED
    ladder.advance(5)
    ladder.exchange("alice", "bob", "SUBSCRIBE")
    ladder.exchange("bob", "alice", "NOTIFY")

    # The subscriber has: so does it.
    dialog = subscription.dialog
    assert dialog is not None
    dialog.end()
    notifiers[1].notify("more")
    ladder.exchange("bob", "alice", "NOTIFY", 481)
    assert notifiers[1].state == State.ENDED
    ladder.end()
