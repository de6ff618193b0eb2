"""
Two user agents, each with a transport of its own, and what they say to one
another; and one of them alone, with a peer that the test speaks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sipws.message import IncomingRequest, IncomingResponse
from sipws.session import Session, Termination
from tests.ua.fakes import Scene, incoming
from tests.whole import assertWhole

OFFER, ANSWER = "v=0 offer", "v=0 answer"

EVENTS = ("progress", "accepted", "confirmed", "failed", "terminated", "forked", "ack")


def short(message: IncomingRequest | IncomingResponse) -> str:
    """Say what a message is: C{INVITE}, C{200 INVITE}."""
    if isinstance(message, IncomingRequest):
        return message.method
    return f"{message.statusCode} {message.method}"


class Party:
    """
    A user agent, and its sessions.

    @ivar events: The names of the events of its sessions, in their order.
    @ivar sessions: Its sessions.
    """

    def __init__(self, name: str, seed: int, **options: Any) -> None:
        self.name = name
        self.scene = Scene(uri=f"sip:{name}@example.com", contactName=name, seed=seed, **options)
        self.scene.connect()
        self.ua = self.scene.ua
        self.sessions: list[Session] = []
        self.events: list[str] = []
        self.endings: list[Termination] = []
        self.ua.on("invite", self.watch)

    @property
    def session(self) -> Session:
        return self.sessions[-1]

    def watch(self, session: Session) -> Session:
        self.sessions.append(session)
        for event in EVENTS:
            session.on(event, lambda *_, event=event: self.events.append(event))
        session.on("terminated", self.endings.append)
        return session

    def call(self, target: str = "bob", body: str = OFFER, **options: Any) -> Session:
        return self.watch(self.ua.invite(target, body, **options))

    def take(self) -> list[str]:
        """Take the names of the events since the last time."""
        events, self.events = self.events, []
        return events

    def isIdle(self) -> bool:
        """Whether nothing is left: no dialog, no transaction, no timer."""
        tables = self.ua.transactions
        isEmpty = not (tables.ict or tables.nict or tables.ist or tables.nist)
        return isEmpty and len(self.ua.usages.dialogs) == 0 and self.scene.restless() == []


class Pair:
    """
    Alice and Bob.

    @ivar ladder: What went from one to the other: C{"> INVITE"} from Alice to Bob.
    @ivar drop: Says whether a message is lost on its way.
    """

    def __init__(self, **options: Any) -> None:
        self.alice = Party("alice", 1, **options)
        self.bob = Party("bob", 2, **options)
        self.ladder: list[str] = []
        self.drop: Callable[[Any], bool] = lambda _: False

    def pump(self) -> list[str]:
        """
        Let all messages arrive, and what they lead to.

        @return: The messages, in their order.
        """
        self.ladder = []
        while self._turn():
            pass
        return self.ladder

    def _turn(self) -> bool:
        alice, bob = self.alice.scene.transport, self.bob.scene.transport
        under = [(">", bob, message) for message in alice.takeAll()]
        under += [("<", alice, message) for message in bob.takeAll()]
        for arrow, transport, message in under:
            self.ladder.append(f"{arrow} {short(message)}")
            assertWhole(message)
            if not self.drop(message):
                transport.receive(bytes(message))
        return bool(under)

    def wait(self, seconds: float, step: float = 0.1) -> list[str]:
        """Let time go by, in steps, and the messages arrive."""
        ladder: list[str] = []
        for _ in range(round(seconds / step)):
            self.alice.scene.clock.advance(step)
            self.bob.scene.clock.advance(step)
            ladder += self.pump()
        return ladder

    def establish(self, body: str = OFFER, answer: str = ANSWER, **options: Any) -> tuple[Session, Session]:
        """Have Alice call Bob, who accepts."""
        caller = self.alice.call(body=body, **options)
        self.pump()
        self.bob.session.accept(answer).addErrback(lambda _: None)
        self.pump()
        self.alice.take()
        self.bob.take()
        return caller, self.bob.session

    def finish(self) -> None:
        """End what is open, and see that nothing is left."""
        for party in (self.alice, self.bob):
            for session in party.sessions:
                session.terminate()
        self.pump()
        self.wait(70)
        assert self.alice.isIdle()
        assert self.bob.isIdle()


class Lone:
    """
    One user agent, whose peer is the test.

    @ivar party: The user agent.
    """

    def __init__(self, **options: Any) -> None:
        self.party = Party("alice", 1, **options)
        self.transport = self.party.scene.transport
        self.clock = self.party.scene.clock

    def take(self) -> Any:
        """Take the oldest message that it has sent."""
        message = self.transport.take()
        assertWhole(message)
        return message

    def sent(self) -> list[str]:
        """Take all messages that it has sent, in short."""
        messages = self.transport.takeAll()
        for message in messages:
            assertWhole(message)
        return [short(message) for message in messages]

    def receive(self, method: str = "INVITE", *headers: str, body: str = "", **options: Any) -> None:
        """Have a request come in."""
        contact = options.pop("contact", "<sip:bob@bob.invalid;transport=ws>")
        given = [f"Contact: {contact}", *headers]
        if body and not any(header.lower().startswith("content-type") for header in headers):
            given.append("Content-Type: application/sdp")
        self.transport.receive(incoming(method, "sip:alice@example.com", *given, body=body, **options))

    def within(self, method: str, cseq: int, *headers: str, body: str = "", **options: Any) -> None:
        """Have a request come in within the session's dialog."""
        dialog = self.party.session.dialog
        assert dialog is not None
        identity = {"callID": dialog.id.callID, "fromTag": dialog.id.remoteTag, "toTag": dialog.id.localTag}
        branch = f"z9hG4bK{method}{cseq}"
        self.receive(method, *headers, body=body, cseq=cseq, **{**identity, "branch": branch, **options})

    def answer(
        self, request: Any, statusCode: int, *headers: tuple[str, object], body: str = "", tag: str = "bob"
    ) -> None:
        """Have the response to a request of its come in."""
        lines = [f"SIP/2.0 {statusCode} x"]
        lines += [
            f"{name}: {value}"
            for name in ("Via", "From", "Call-ID", "CSeq")
            for value in request.getHeaders(name)
        ]
        to = request.getHeader("To")
        lines.append(f"To: {to}" if statusCode == 100 or ";tag=" in to else f"To: {to};tag={tag}")
        given = {name.lower() for name, _ in headers}
        if statusCode < 300 and "contact" not in given:
            lines.append(f"Contact: <sip:{tag}@{tag}.invalid;transport=ws>")
        lines += [f"{name}: {value}" for name, value in headers if value]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += [f"Content-Length: {len(body)}", "", body]
        self.transport.receive("\r\n".join(lines))

    def finish(self) -> None:
        """End what is open, and see that nothing is left."""
        for session in self.party.sessions:
            session.terminate()
        for _ in range(3):
            for message in self.transport.takeAll():
                if isinstance(message, IncomingRequest) and message.method != "ACK":
                    self.answer(
                        message,
                        481 if message.method == "CANCEL" else 487 if message.method == "INVITE" else 200,
                    )
            self.clock.advance(64)
        assert self.party.isIdle()
