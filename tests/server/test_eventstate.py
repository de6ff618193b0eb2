"""Event state at the embedded server: RFC 3903 section 6, and RFC 6665 for those who subscribe to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sipws.server import ServerLimits
from tests.inmemory import World as UserAgents
from tests.server.harness import DOMAIN, Client, World
from tests.ua.fakes import outcome

ALICE = f"sip:alice@{DOMAIN}"
PRESENCE: dict[str, object] = {"Event": "presence"}


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    outcome(made.server.stop())
    for _ in range(3):
        made.clock.advance(40)
    assert len(made.server.events) == 0
    assert made.server.events._compositor.count == 0
    assert not made.server.events._members
    assert not made.server.events._ways
    assert not made.server.events._watchers
    assert made.clock.getDelayedCalls() == []


@pytest.fixture
def alice(world: World) -> Client:
    return world.client("alice")


class Watcher:
    """Somebody who subscribes, by hand."""

    def __init__(self, world: World, name: str = "bob") -> None:
        self.client = world.client(name)
        self.name = name
        self.toTag: str | None = None
        self.contact = f"<sip:{name}@{self.client.via};transport=ws>"
        self.target = ""
        self.cseq = 0

    def subscribe(
        self, expires: object = 600, uri: str = ALICE, event: str | None = "presence", **more: Any
    ) -> Any:
        """Subscribe, and take the response; a NOTIFY that came with it stays."""
        self.cseq += 1
        tag = f";tag={self.toTag}" if self.toTag else ""
        headers: dict[str, object] = {
            "From": f"<sip:{self.name}@{DOMAIN}>;tag=watcher",
            "Call-ID": f"watching-{self.name}",
            "CSeq": f"{self.cseq} SUBSCRIBE",
            "Contact": self.contact,
            "Event": event,
            "Expires": expires,
            **more,
        }
        self.client.request("SUBSCRIBE", self.target or uri, headers, to=f"<{uri}>{tag}")
        response, *self.notifies = self.client.take()
        if response.statusCode == 200:  # type: ignore[union-attr]
            self.toTag = response.toTag
            self.target = str(response.parseHeader("Contact").uri)
        return response

    def notify(self, statusCode: int = 200) -> Any:
        """Take the one NOTIFY that has come, and answer it."""
        notifies: list[Any] = [*self.notifies, *self.client.take()]
        self.notifies = []
        assert len(notifies) == 1, notifies
        assert notifies[0].method == "NOTIFY"
        self.client.respond(notifies[0], statusCode)
        return notifies[0]

    def begin(self, **options: Any) -> Any:
        assert self.subscribe(**options).statusCode == 200
        return self.notify()


def publish(client: Client, body: str = "<open/>", uri: str = ALICE, **more: object) -> Any:
    headers = {**PRESENCE, **{name.replace("_", "-"): value for name, value in more.items()}}
    if body:
        headers.setdefault("Content-Type", "application/pidf+xml")
    client.request("PUBLISH", uri, headers, body)
    return client.one()


class TestPublications:
    def test_theFirst(self, alice: Client) -> None:
        response = publish(alice, Expires=1200)
        assert response.statusCode == 200
        assert response.getHeader("Expires") == "1200"
        assert response.getHeader("SIP-ETag")

    def test_eachHasAnotherEntityTag(self, alice: Client) -> None:
        etags = [publish(alice).getHeader("SIP-ETag")]
        etags.append(publish(alice, "", SIP_If_Match=etags[-1]).getHeader("SIP-ETag"))
        etags.append(publish(alice, "<closed/>", SIP_If_Match=etags[-1]).getHeader("SIP-ETag"))
        etags.append(publish(alice, "", SIP_If_Match=etags[-1], Expires=0).getHeader("SIP-ETag"))
        assert len(set(etags)) == 4
        assert publish(alice, "", SIP_If_Match=etags[-1]).statusCode == 412

    @pytest.mark.parametrize(
        ("body", "more", "statusCode"),
        [
            ("<x/>", {"Event": None}, 489),
            ("<x/>", {"Event": "weather"}, 489),
            ("<x/>", {"SIP_If_Match": "none"}, 412),
            ("<x/>", {"SIP_If_Match": ["a", "b"]}, 400),
            ("<x/>", {"Expires": 59}, 423),
            ("<x/>", {"Expires": "soon"}, 400),
            ("", {}, 400),
            ("<x/>", {"Require": "foo"}, 420),
            ("<x/>", {"Event": ";;"}, 400),
        ],
    )
    def test_whatIsWrong(self, alice: Client, body: str, more: dict[str, Any], statusCode: int) -> None:
        response = publish(alice, body, **more)
        assert response.statusCode == statusCode
        if statusCode == 423:
            assert response.getHeader("Min-Expires") == "60"
        if statusCode == 489:
            assert response.getHeaders("Allow-Events") == ["presence", "message-summary"]

    def test_theTimeIsBounded(self, alice: Client) -> None:
        assert publish(alice, Expires=99_999).getHeader("Expires") == "3600"
        assert publish(alice).getHeader("Expires") == "3600"

    def test_thereAreNotTooMany(self) -> None:
        world = World(limits=ServerLimits(maxPublications=1))
        client = world.client("alice")
        etag = publish(client).getHeader("SIP-ETag")
        response = publish(client)
        assert (response.statusCode, response.getHeader("Retry-After")) == (503, "60")
        assert publish(client, SIP_If_Match=etag).statusCode == 200
        outcome(world.server.stop())


class TestSubscriptions:
    def test_ofWhatNothingIsKnownOf(self, world: World) -> None:
        watcher = Watcher(world)
        response = watcher.subscribe(1200)
        assert (response.statusCode, response.getHeader("Expires")) == (200, "1200")
        notify = watcher.notify()
        assert notify.getHeader("Subscription-State") == "active;expires=1200"
        assert (notify.body, notify.contentType) == (b"", None)
        assert notify.requestURIText == f"sip:bob@{watcher.client.via};transport=ws"

    def test_ofWhatIsPublished(self, world: World, alice: Client) -> None:
        publish(alice, "<open/>")
        notify = Watcher(world).begin()
        assert (notify.body, notify.contentType) == (b"<open/>", "application/pidf+xml")

    def test_eachChangeIsTold(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        etag = publish(alice, "<open/>", Expires=600).getHeader("SIP-ETag")
        assert watcher.notify().body == b"<open/>"
        etag = publish(alice, "<closed/>", SIP_If_Match=etag, Expires=600).getHeader("SIP-ETag")
        assert watcher.notify().body == b"<closed/>"
        # A refresh is none.
        etag = publish(alice, "", SIP_If_Match=etag, Expires=600).getHeader("SIP-ETag")
        assert watcher.client.take() == []
        publish(alice, "", SIP_If_Match=etag, Expires=0)
        assert watcher.notify().body == b""

    def test_thatItRunsOutIsOne(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin(expires=3600)
        publish(alice, Expires=100)
        watcher.notify()
        world.clock.advance(100)
        assert watcher.notify().body == b""

    def test_ofSeveralSourcesTheLastCounts(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        phone = publish(alice, "<phone/>").getHeader("SIP-ETag")
        watcher.notify()
        desk = publish(alice, "<desk/>").getHeader("SIP-ETag")
        assert watcher.notify().body == b"<desk/>"
        phone = publish(alice, "", SIP_If_Match=phone).getHeader("SIP-ETag")
        assert watcher.client.take() == []
        publish(alice, "", SIP_If_Match=desk, Expires=0)
        assert watcher.notify().body == b"<phone/>"

    def test_othersHearNothing(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin(event="message-summary")
        other = Watcher(world, "carol")
        other.begin(uri=f"sip:dave@{DOMAIN}")
        publish(alice)
        assert watcher.client.take() == []
        assert other.client.take() == []

    def test_theStateIsToldAtARefreshAndAtTheEnd(self, world: World, alice: Client) -> None:
        publish(alice)
        watcher = Watcher(world)
        watcher.begin()
        assert watcher.subscribe(900).getHeader("Expires") == "900"
        assert watcher.notify().body == b"<open/>"
        assert watcher.subscribe(0).statusCode == 200
        notify = watcher.notify()
        assert notify.getHeader("Subscription-State") == "terminated;reason=timeout"
        assert notify.body == b"<open/>"
        assert watcher.subscribe(600).statusCode == 481
        publish(alice, "<more/>")
        assert watcher.client.take() == []

    def test_theStateIsFetchedOnce(self, world: World, alice: Client) -> None:
        publish(alice)
        watcher = Watcher(world)
        assert watcher.subscribe(0).statusCode == 200
        notify = watcher.notify()
        assert notify.getHeader("Subscription-State") == "terminated;reason=timeout"
        assert notify.body == b"<open/>"
        assert len(world.server.events) == 0

    def test_itRunsOut(self, world: World) -> None:
        watcher = Watcher(world)
        watcher.begin(expires=60)
        world.clock.advance(60)
        assert watcher.notify().getHeader("Subscription-State") == "terminated;reason=timeout"
        assert len(world.server.events) == 0

    def test_whoWantsNoMoreGetsNoMore(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        publish(alice)
        watcher.notify(481)
        assert len(world.server.events) == 0
        publish(alice, "<more/>")
        assert watcher.client.take() == []

    @pytest.mark.parametrize(
        ("more", "statusCode"),
        [
            ({"expires": 59}, 423),
            ({"expires": "soon"}, 400),
            ({"Contact": None}, 400),
            ({"Contact": "<<>"}, 400),
            ({"event": ";;"}, 400),
            ({"Require": "foo"}, 420),
        ],
    )
    def test_whatIsWrong(self, world: World, more: dict[str, Any], statusCode: int) -> None:
        watcher = Watcher(world)
        assert watcher.subscribe(**more).statusCode == statusCode
        assert len(world.server.events) == 0

    @pytest.mark.parametrize(
        ("more", "statusCode"),
        [({"event": "presence;id=1"}, 481), ({"CSeq": "1 SUBSCRIBE"}, 500), ({"expires": 1}, 423)],
    )
    def test_whatIsWrongWithinADialog(self, world: World, more: dict[str, Any], statusCode: int) -> None:
        watcher = Watcher(world)
        watcher.cseq = 5
        watcher.begin()
        assert watcher.subscribe(**more).statusCode == statusCode
        assert len(world.server.events) == 1
        assert watcher.subscribe().statusCode == 200
        watcher.notify()

    def test_aDialogThatThereIsNot(self, world: World) -> None:
        watcher = Watcher(world)
        watcher.toTag, watcher.target = "none", f"sip:{DOMAIN};transport=ws"
        assert watcher.subscribe().statusCode == 481

    def test_otherPackagesGoToTheUser(self, world: World) -> None:
        user = world.user("alice")
        watcher = Watcher(world)
        watcher.client.request(
            "SUBSCRIBE", ALICE, {"Event": "dialog", "Contact": watcher.contact, "Expires": 600}
        )
        (request,) = user.requests()
        assert request.getHeader("Event") == "dialog"
        user.respond(request, 489)
        assert watcher.client.one().statusCode == 489

    def test_orAllDo(self) -> None:
        world = World(eventPackages=())
        user = world.user("alice")
        client = world.client("bob")
        client.request("PUBLISH", ALICE, PRESENCE, "x")
        client.request("SUBSCRIBE", ALICE, {**PRESENCE, "Contact": "<sip:bob@bob.invalid>"})
        assert [request.method for request in user.requests()] == ["PUBLISH", "SUBSCRIBE"]
        outcome(world.server.stop())

    def test_thereAreNotTooMany(self) -> None:
        world = World(limits=ServerLimits(maxSubscriptions=1))
        Watcher(world).begin()
        response = Watcher(world, "carol").subscribe()
        assert response.statusCode == 503
        assert response.getHeader("Retry-After") == "60"
        outcome(world.server.stop())
        world.clock.advance(40)


class TestConnections:
    def test_theSubscriberConnectsAnew(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        watcher.client.drop()
        publish(alice, "<one/>")
        publish(alice, "<two/>")
        watcher.client = world.client("bob")
        assert watcher.subscribe().statusCode == 200
        # What it has missed comes in order.
        bodies = []
        for _ in range(3):
            bodies.append(watcher.notify().body)
        assert bodies == [b"<one/>", b"<two/>", b"<two/>"]

    def test_orIsFoundByItsBinding(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        watcher.client.drop()
        watcher.client = world.client("bob")
        watcher.client.register("bob", contact=watcher.contact)
        publish(alice, "<one/>")
        assert watcher.notify().body == b"<one/>"

    def test_othersWithItsContactAreNotTold(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        watcher.client.drop()
        mallory = world.client("mallory")
        assert mallory.register("mallory", contact=watcher.contact).statusCode == 200
        publish(alice, "<one/>")
        assert mallory.take() == []

    def test_orNever(self, world: World, alice: Client) -> None:
        watcher = Watcher(world)
        watcher.begin()
        watcher.client.drop()
        publish(alice, "<one/>")
        world.clock.advance(600)
        assert len(world.server.events) == 0


class TestPasswords:
    def start(self) -> UserAgents:
        return UserAgents(users={"alice": "a", "bob": "b", "mailbox": "m"})

    def test_usersPublishForThemselvesAndSubscribeToOthers(self) -> None:
        world = self.start()
        alice = world.start("alice", password="a")
        bob = world.start("bob", password="b")
        seen: list[bytes] = []
        subscription = bob.subscribe("alice@localhost", "presence")
        subscription.on("notify", lambda notification: seen.append(notification.body))
        world.network.advance(1)
        publication = alice.publish("alice@localhost", "presence", "<open/>", "application/pidf+xml")
        world.network.advance(1)
        assert publication.state == "published"
        assert seen == [b"", b"<open/>"]
        for userAgent in (alice, bob):
            world.resultOf(userAgent.stop())

    @pytest.mark.parametrize(
        ("user", "target", "event", "statusCode"),
        [
            ("bob", "alice@localhost", "presence", 403),
            ("bob", "nobody@localhost", "message-summary", 404),
            ("mailbox", "alice@localhost", "message-summary", 200),
        ],
    )
    def test_forOthersTheyPublishMessagesAlone(
        self, user: str, target: str, event: str, statusCode: int
    ) -> None:
        world = self.start()
        userAgent = world.start(user, password=user[0])
        response = world.resultOf(
            userAgent.request("PUBLISH", target, [("Event", event)], "x", contentType="text/plain")
        )
        assert response.statusCode == statusCode
        world.resultOf(userAgent.stop())

    def test_nobodyElseDoes(self) -> None:
        world = self.start()
        stranger = world.start("alice", password="wrong", register=False)
        for method in ("PUBLISH", "SUBSCRIBE"):
            response = world.resultOf(stranger.request(method, "alice@localhost", [("Event", "presence")]))
            assert response.statusCode == 401
        world.resultOf(stranger.stop())
