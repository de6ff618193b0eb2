"""Publication, message by message: RFC 3903 section 15, M1 to M14, and what may go otherwise."""

from __future__ import annotations

from sipws import IncomingRequest, Notifier
from sipws.publication import State
from sipws.ua import Reply
from tests.flows.ladder import Ladder

PIDF = "application/pidf+xml"


class Compositor:
    """A presence agent that takes publications, and notifies whoever subscribes (section 6)."""

    def __init__(self, ladder: Ladder, name: str, expires: int = 1800) -> None:
        self.expires = expires
        self.etags: dict[str, bytes] = {}
        self.notifiers: list[Notifier] = []
        self._serial = 0
        ladder.agents[name].handle("PUBLISH", self.publish)
        ladder.agents[name].on("subscribe", self.subscribed)

    def subscribed(self, notifier: Notifier) -> None:
        self.notifiers.append(notifier)
        notifier.accept("<nothing/>", PIDF)

    def publish(self, request: IncomingRequest) -> object:
        etag = request.getHeader("SIP-If-Match")
        if etag is not None and etag not in self.etags:
            return 412
        body = request.body or self.etags.get(etag or "", b"")
        self.etags.pop(etag or "", None)
        self._serial += 1
        fresh = f"etag{self._serial}"
        expires = min(int(request.getHeader("Expires") or 0), self.expires)
        if expires:
            self.etags[fresh] = body
        if request.body:
            for notifier in self.notifiers:
                notifier.notify(body)
        return Reply(200, headers=[("SIP-ETag", fresh), ("Expires", expires)])


def test_example() -> None:
    """Section 15."""
    ladder = Ladder("presentity", "agent", "watcher")
    compositor = Compositor(ladder, "agent")
    seen: list[bytes] = []
    ladder.agents["watcher"].subscribe("sip:agent@example.com", "presence").on(
        "notify", lambda notification: seen.append(notification.body)
    )
    m1 = ladder.request("watcher", "agent", "SUBSCRIBE")
    assert (m1.getHeader("Event"), m1.getHeader("Expires")) == ("presence", "3600")
    m2 = ladder.response("agent", "watcher", 200)
    assert m2.getHeader("Expires") == "3600"
    m3 = ladder.exchange("agent", "watcher", "NOTIFY")  # and M4
    assert m3.getHeader("Subscription-State") == "active;expires=3600"

    publication = ladder.agents["presentity"].publish("sip:agent@example.com", "presence", "<open/>", PIDF)
    m5 = ladder.request("presentity", "agent", "PUBLISH")
    assert not m5.hasHeader("SIP-If-Match")
    assert (m5.getHeader("Event"), m5.getHeader("Expires")) == ("presence", "3600")
    assert (m5.contentType, m5.body) == (PIDF, b"<open/>")
    # Ours notifies while it looks at the PUBLISH: M7 and M8 go before M6.
    m7 = ladder.exchange("agent", "watcher", "NOTIFY")
    assert (m7.cseq, m7.body) == (m3.cseq + 1, b"<open/>")
    m6 = ladder.response("agent", "presentity", 200)
    assert m6.getHeader("Expires") == "1800"
    assert publication.etag == m6.getHeader("SIP-ETag")
    assert seen == [b"<nothing/>", b"<open/>"]

    ladder.waitFor("presentity", 1625)
    m9 = ladder.request("presentity", "agent", "PUBLISH")
    assert m9.getHeader("SIP-If-Match") == m6.getHeader("SIP-ETag")
    assert (m9.body, m9.contentType) == (b"", None)
    assert m9.callID != m5.callID
    m10 = ladder.response("agent", "presentity", 200)
    assert m10.getHeader("SIP-ETag") != m6.getHeader("SIP-ETag")
    # "no actual state change has occurred, so the watchers will receive no NOTIFYs."
    assert ladder.isQuiet()

    publication.update("<closed/>")
    m11 = ladder.request("presentity", "agent", "PUBLISH")
    assert m11.getHeader("SIP-If-Match") == m10.getHeader("SIP-ETag")
    assert (m11.contentType, m11.body) == (PIDF, b"<closed/>")
    m13 = ladder.exchange("agent", "watcher", "NOTIFY")  # and M14
    assert m13.body == b"<closed/>"
    m12 = ladder.response("agent", "presentity", 200)
    assert publication.etag == m12.getHeader("SIP-ETag")
    assert list(compositor.etags.values()) == [b"<closed/>"]

    publication.remove()
    last = ladder.exchange("presentity", "agent", "PUBLISH")
    assert (last.getHeader("Expires"), last.body) == ("0", b"")
    assert last.getHeader("SIP-If-Match") == m12.getHeader("SIP-ETag")
    assert publication.state == State.ENDED
    assert not compositor.etags
    ladder.end()


def test_theServerHasForgotten() -> None:
    """Section 5, 412."""
    ladder = Ladder("alice", "agent")
    compositor = Compositor(ladder, "agent")
    publication = ladder.agents["alice"].publish("sip:agent@example.com", "presence", "<open/>", PIDF)
    ladder.exchange("alice", "agent", "PUBLISH")
    compositor.etags.clear()
    ladder.waitFor("alice", 1625)
    ladder.exchange("alice", "agent", "PUBLISH", 412)
    again = ladder.exchange("alice", "agent", "PUBLISH")
    assert not again.hasHeader("SIP-If-Match")
    assert again.body == b"<open/>"
    assert publication.state == State.PUBLISHED
    ladder.end()


def test_tooBrief() -> None:
    """Section 5, 423."""
    ladder = Ladder("alice", "agent")
    answers: list[object] = [Reply(423, headers=[("Min-Expires", 7200)])]
    last = Reply(200, headers=[("SIP-ETag", "x"), ("Expires", 7200)])
    ladder.agents["agent"].handle("PUBLISH", lambda _: answers.pop() if answers else last)
    publication = ladder.agents["alice"].publish("sip:agent@example.com", "presence", "<open/>", PIDF)
    ladder.exchange("alice", "agent", "PUBLISH", 423)
    again = ladder.exchange("alice", "agent", "PUBLISH")
    assert (again.getHeader("Expires"), again.body) == ("7200", b"<open/>")
    assert publication.granted == 7200
    ladder.end()


def test_anUnknownEvent() -> None:
    """Section 6, step 2."""
    ladder = Ladder("alice", "agent")
    ladder.agents["agent"].handle("PUBLISH", lambda _: Reply(489, headers=[("Allow-Events", "presence")]))
    publication = ladder.agents["alice"].publish("sip:agent@example.com", "weather", "rain", "text/plain")
    ladder.exchange("alice", "agent", "PUBLISH", 489)
    assert publication.state == State.ENDED
    ladder.end()
