"""
Many user agents of one server, and all that they and the network may do, at
random and at any moment.  Whatever comes, nothing raises, nobody's call ends
another's, and nothing is left behind, there or here.
"""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

import pytest

from sipws import Configuration, Session, UserAgent
from sipws.errors import SIPError, WrongMoment
from sipws.server import EmbeddedServer
from sipws.session.machine import State
from sipws.testing import MemoryNetwork

PASSWORDS = {"alice": "wonderland", "bob": "builder", "carol": "christmas"}

#: Several of them have one more phone than one.
PHONES = ("alice", "bob", "bob", "bob", "carol", "carol")

OFFER, ANSWER = "v=0 offer", "v=0 answer"


class Phone:
    """
    A user agent, and what it has begun, or been asked for.

    @ivar user: Its user.
    @ivar isBusy: Whether it refuses further calls.
    """

    def __init__(self, network: MemoryNetwork, random: Random, user: str, **options: Any) -> None:
        self.user = user
        self.random = random
        self.sessions: list[Session] = []
        self.references: list[Any] = []
        self.others: list[Any] = []
        configuration = Configuration(
            uri=f"sip:{user}@localhost",
            password=PASSWORDS[user],
            wsServers=["ws://localhost", "ws://localhost:81"],
            wsServerMaxReconnection=100,
            **options,
        )
        self.userAgent = UserAgent(configuration, network.reactor, random=Random(random.random()))
        self.userAgent.on("invite", self.keep)
        self.userAgent.on("message", lambda _: None)
        self.userAgent.start()

    def keep(self, session: Session) -> None:
        self.sessions.append(session)
        session.on("offer", self.answer)
        session.on("refer", self.follow)

    def answer(self, offer: Any) -> None:
        choice = self.random.random()
        if choice < 0.7:
            offer.accept(ANSWER)
        elif choice < 0.9:
            offer.reject(488)

    def follow(self, reference: Any) -> None:
        if reference.referTo.target is not None and self.random.random() < 0.8:
            self.keep(reference.follow(OFFER, noAnswerTimeout=20))
        else:
            reference.reject()


class Commotion:
    """One run."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.network = MemoryNetwork()
        self.server = EmbeddedServer(self.network.reactor, users=PASSWORDS, random=Random(seed))
        self.network.server = self.server.factory
        self.phones = [
            Phone(
                self.network,
                self.random,
                user,
                sessionRepair=number % 2 == 0,
                instanceId=f"00000000-0000-4000-8000-{number:012}",
                gruu=self.random.choice(["none", "public"]),
                flows=1 + number % 2,
            )
            for number, user in enumerate(PHONES)
        ]
        self.network.advance(1)
        assert all(phone.userAgent.registration.registered for phone in self.phones)

    def run(self, steps: int) -> None:
        actions = {
            self.call: 3,
            self.respond: 10,
            self.end: 1.5,
            self.change: 4,
            self.transfer: 1.5,
            self.tell: 2,
            self.watch: 0.5,
            self.cut: 0.7,
            self.wait: 8,
        }
        for _ in range(steps):
            (action,) = self.random.choices(list(actions), list(actions.values()))
            # Half of the time it is not the moment for it.
            with contextlib.suppress(WrongMoment):
                action()
            self.check()

    def check(self) -> None:
        """Nothing is kept for a connection that is gone, but to see the end of what it has asked for."""
        server = self.server
        assert all(binding.connection.connected for each in server.locations.values() for binding in each)
        assert all(transaction.transport.connected for transaction in server.transactions)
        assert all(
            transaction.transport.connected or context._isCancelled
            for transaction, context in server._proxy._contexts.items()
        )

    # What may happen.

    def phone(self) -> Phone:
        return self.random.choice(self.phones)

    def session(self) -> Session | None:
        sessions = [each for each in self.phone().sessions if each.state != State.TERMINATED]
        return self.random.choice(sessions) if sessions else None

    def call(self) -> None:
        phone = self.phone()
        target = f"sip:{self.random.choice([*PASSWORDS, 'nobody'])}@localhost"
        phone.keep(phone.userAgent.invite(target, OFFER, noAnswerTimeout=self.random.choice([None, 5.0])))

    def respond(self) -> None:
        session = self.session()
        if session is None or session.state != State.RINGING:
            return
        choice = self.random.random()
        if choice < 0.4:
            quietly(session.progress(self.random.choice([180, 183]), reliable=self.random.random() < 0.3))
        elif choice < 0.9:
            quietly(session.accept(ANSWER))
        else:
            session.reject(self.random.choice([302, 404, 480, 486, 503, 603]))

    def end(self) -> None:
        session = self.session()
        if session is not None:
            quietly(session.terminate())

    def change(self) -> None:
        session = self.session()
        if session is not None:
            how = self.random.choice(
                [lambda: session.reinvite(OFFER), lambda: session.update(OFFER), session.hold, session.resume]
            )
            quietly(how())

    def transfer(self) -> None:
        phone = self.phone()
        sessions = [each for each in phone.sessions if each.state == State.CONFIRMED]
        if not sessions:
            return
        # To somebody, or to whom another call is with (Replaces).
        targets: list[str | Session] = [f"sip:{self.random.choice(list(PASSWORDS))}@localhost", *sessions]
        referral = self.random.choice(sessions).refer(self.random.choice(targets))
        quietly(referral.whenAccepted())

    def tell(self) -> None:
        session = self.session()
        if session is not None and self.random.random() < 0.5:
            quietly(session.dtmf("12"))
        else:
            quietly(self.phone().userAgent.message(self.random.choice(list(PASSWORDS)), "Hello"))

    def watch(self) -> None:
        phone = self.phone()
        if self.random.random() < 0.5:
            phone.others.append(phone.userAgent.subscribe("bob@localhost", "presence"))
        else:
            uri = f"{phone.user}@localhost"
            phone.others.append(phone.userAgent.publish(uri, "presence", "<x/>", "application/pidf+xml"))
        for event in ("failed", "terminated"):
            phone.others[-1].on(event, lambda *_: None)

    def cut(self) -> None:
        """A connection is lost."""
        connections = [each for each in self.server.connections.values() if each.connected]
        if connections:
            self.random.choice(connections)._protocol.dropConnection(abort=True)  # type: ignore[union-attr]

    def wait(self) -> None:
        self.network.advance(self.random.choice([0, 0, 0.2, 1, 5]))

    # What must be so in the end.

    def finish(self) -> None:
        for phone in self.phones:
            phone.userAgent.handle("INVITE", lambda _: 486)
            for session in phone.sessions:
                quietly(session.terminate())
        self.pass_(100)
        for phone in self.phones:
            assert {session.state for session in phone.sessions} <= {State.TERMINATED}
            quietly(phone.userAgent.stop())
        self.pass_(40)
        # Of those who were not there at the end, the server hears no more.
        for _ in range(60):
            self.network.advance(60)

    def pass_(self, seconds: int) -> None:
        for _ in range(seconds):
            self.network.advance(1)


def quietly(deferred: Any) -> None:
    deferred.addErrback(lambda failure: failure.trap(SIPError))


@pytest.mark.parametrize("seed", range(12))
def test_nothingIsLeft(seed: int) -> None:
    commotion = Commotion(seed)
    commotion.run(250)
    commotion.finish()

    server = commotion.server
    assert not server.connections
    assert not server.locations
    assert not server.transactions
    assert len(server._proxy) == 0
    assert len(server.events) == 0
    assert not server.events._watchers
    assert not server.events._ways
    assert not server.events._members
    assert commotion.network.reactor.getDelayedCalls() == []
