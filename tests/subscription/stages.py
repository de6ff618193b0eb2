"""A user agent that subscribes, or is subscribed to, and the other side, which the test is."""

from __future__ import annotations

from typing import Any

from sipws.message import IncomingRequest
from sipws.subscription import Notifier, Subscription
from tests.ua.fakes import BOB, Scene, incoming
from tests.whole import assertWhole

CONTACT = "Contact: <sip:bob@bob.invalid;transport=ws>"


class SubscriberStage:
    """
    A user agent that subscribes to Bob's presence.

    @ivar out: The request of its that is to be answered next.
    @ivar told: The events of the subscription, with what they came with.
    """

    EVENTS = ("accepted", "notify", "refresh", "failed", "terminated", "ended")

    def __init__(
        self, event: str = "presence", *, connected: bool = True, scene: Scene | None = None, **options: Any
    ) -> None:
        self.scene = scene or Scene(contactName="me", viaHost="own.invalid")
        if connected and scene is None:
            self.scene.connect()
        self.subscription: Subscription = self.scene.ua.subscribe(BOB, event, **options)
        self.told: list[tuple[str, Any]] = []
        self.listenTo(self.subscription)
        self.out: Any = self.take() if connected else None
        self.first: Any = self.out
        self._cseq = 0

    def listenTo(self, subscription: Subscription) -> None:
        for event in self.EVENTS:
            subscription.on(event, lambda value, event=event: self.told.append((event, value)))

    def take(self) -> Any:
        """Take the SUBSCRIBE that went out."""
        self.out = self.scene.transport.take()
        assert self.out.method == "SUBSCRIBE"
        assertWhole(self.out)
        return self.out

    def takeFirst(self) -> Any:
        """Take a SUBSCRIBE that begins a subscription."""
        self.first = self.take()
        assert self.first.toTag is None
        return self.first

    def answer(self, statusCode: int, **headers: object) -> None:
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self.scene.transport.answer(self.out, statusCode, pairs)

    def accept(self, expires: int = 600) -> None:
        self.answer(200, Expires=expires, Contact="<sip:bob@bob.invalid;transport=ws>")

    def notify(
        self,
        state: str = "active;expires=600",
        body: str = "",
        *headers: str,
        event: str = "presence",
        fromTag: str = "bob",
        contact: str = CONTACT,
        **options: Any,
    ) -> Any:
        """Have a NOTIFY come, and give the response to it."""
        self._cseq += 1
        sent = self.scene.transport.sent
        self.scene.transport.sent = []
        lines = [f"Event: {event}", contact, *headers]
        if state:
            lines.append(f"Subscription-State: {state}")
        if body:
            lines.append("Content-Type: application/pidf+xml")
        options = {
            "branch": f"z9hG4bKnotify{self._cseq}{fromTag}",
            "callID": self.first.callID,
            "cseq": self._cseq,
            "toTag": self.first.fromTag,
            **options,
        }
        uri = "sip:me@own.invalid;transport=ws"
        self.scene.transport.receive(incoming("NOTIFY", uri, *lines, fromTag=fromTag, body=body, **options))
        response, *others = self.scene.transport.sent
        self.scene.transport.sent = [*sent, *others]
        assertWhole(response)
        return response

    def names(self) -> list[str]:
        """Take the names of the events since the last time."""
        told, self.told = self.told, []
        return [name for name, _ in told]

    def end(self) -> None:
        """Stop, and see that nothing is left."""
        self.scene.ua.stop()
        self.scene.clock.advance(100)
        assert self.scene.restless() == []
        usages = self.scene.ua.usages
        assert len(usages.dialogs) == 0
        assert not usages._open
        assert not usages._members
        assert not usages._expectations


class NotifierStage:
    """
    A user agent that Bob subscribes to.

    @ivar notifiers: What the event C{subscribe} gave.
    @ivar told: The events of these, with what they came with.
    """

    def __init__(self, **options: Any) -> None:
        self.scene = Scene(contactName="me", viaHost="own.invalid", **options)
        self.scene.connect()
        self.notifiers: list[Notifier] = []
        self.told: list[tuple[str, Any]] = []
        self.scene.ua.on("subscribe", self._subscribed)
        self._cseq = 0
        self.out: Any = None
        self.toTag: str | None = None

    def _subscribed(self, notifier: Notifier) -> None:
        self.notifiers.append(notifier)
        for event in ("refresh", "terminated"):
            notifier.on(event, lambda value, event=event: self.told.append((event, value)))

    @property
    def notifier(self) -> Notifier:
        return self.notifiers[-1]

    def subscribe(
        self,
        expires: object = 600,
        *headers: str,
        event: str = "presence",
        contact: str = CONTACT,
        within: bool = False,
        **options: Any,
    ) -> None:
        """Have a SUBSCRIBE come."""
        self._cseq += 1
        lines = [line for line in (f"Event: {event}" if event else "", contact, *headers) if line]
        if expires is not None:
            lines.append(f"Expires: {expires}")
        options = {
            "branch": f"z9hG4bKsubscribe{self._cseq}",
            "callID": "subscription",
            "cseq": self._cseq,
            "toTag": self.toTag if within else None,
            **options,
        }
        uri = "sip:me@own.invalid;transport=ws" if within else "sip:alice@example.com"
        self.scene.transport.receive(incoming("SUBSCRIBE", uri, *lines, **options))

    def response(self) -> Any:
        """Take the response that went out."""
        response = self.scene.transport.take()
        assert not isinstance(response, IncomingRequest)
        assertWhole(response)
        self.toTag = response.toTag
        return response

    def notice(self, statusCode: int | None = 200, *headers: tuple[str, object]) -> Any:
        """Take the NOTIFY that went out, and answer it; C{None}: leave it unanswered."""
        self.out = self.scene.transport.take()
        assert self.out.method == "NOTIFY"
        assertWhole(self.out)
        if statusCode is not None:
            self.answer(statusCode, *headers)
        return self.out

    def answer(self, statusCode: int, *headers: tuple[str, object]) -> None:
        self.scene.transport.answer(self.out, statusCode, headers)

    def begin(self, expires: int = 600, **options: Any) -> Notifier:
        """Have a subscription be accepted, and told of."""
        self.subscribe(expires)
        self.notifier.accept("<open/>", "application/pidf+xml", **options)
        assert self.response().statusCode == 200
        self.notice()
        return self.notifier

    def names(self) -> list[str]:
        told, self.told = self.told, []
        return [name for name, _ in told]

    def end(self) -> None:
        """Stop, and see that nothing is left."""
        self.scene.ua.stop()
        self.scene.clock.advance(100)
        assert self.scene.restless() == []
        usages = self.scene.ua.usages
        assert len(usages.dialogs) == 0
        assert not usages._open
        assert not usages._members
