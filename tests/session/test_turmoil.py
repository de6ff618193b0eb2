"""
Calls in turmoil: everything that users and the network may do, at random and
at any moment.  Whatever comes, nothing raises, nothing is left behind, each
call ends once, and what the two are told fits together.
"""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred

from sipws.errors import WrongMoment
from sipws.message import IncomingRequest
from sipws.session import Reference, Referral, Session
from sipws.session.machine import State
from tests.session.pair import OFFER, Pair, Party
from tests.ua.fakes import incoming

METHODS = ("INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "OPTIONS", "FOO")


class Turmoil:
    """One run."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.random = Random(seed)
        self.pair = Pair(**options)
        self.pair.drop = self.isLost
        self.loss = 0.0
        self.told: dict[int, list[str]] = {}
        self.referrals: list[Referral] = []
        self.accepted: list[Reference] = []
        for party in (self.pair.alice, self.pair.bob):
            party.ua.on("invite", lambda session, party=party: self.watch(session, party))

    def isLost(self, message: Any) -> bool:
        return self.random.random() < self.loss

    def watch(self, session: Session, party: Party) -> None:
        told = self.told.setdefault(id(session), [])
        for event in ("accepted", "confirmed", "failed", "terminated"):
            session.on(event, lambda *_, event=event: told.append(event))
        if self.random.random() < 0.5:
            session.on("offer", self.answer)
        if self.random.random() < 0.5:
            session.on("refer", lambda reference: self.take(reference, party))
        if self.random.random() < 0.5:
            session.on("info", lambda _: self.random.choice([None, 200, 469]))

    def answer(self, offer: Any) -> None:
        choice = self.random.random()
        if choice < 0.6:
            offer.accept("v=0 answer")
        elif choice < 0.8:
            offer.reject(self.random.choice([488, 500, 603]))

    def take(self, reference: Any, party: Party) -> None:
        choice = self.random.random()
        if choice < 0.6 and reference.referTo.target is not None:
            session = reference.follow(self.random.choice([OFFER, ""]), noAnswerTimeout=20)
            self.watch(party.watch(session), party)
        elif choice < 0.8:
            reference.accept()
            reference.notify(self.random.choice([180, 200, 486]))
            self.accepted.append(reference)
        else:
            reference.reject()

    # What may happen.

    def run(self, steps: int) -> None:
        actions = (
            self.call,
            self.respond,
            self.end,
            self.change,
            self.intrude,
            self.pump,
            self.wait,
            self.cut,
            self.transfer,
            self.tell,
        )
        weights = (2, 8, 0.6, 5, 3, 12, 4, 0.2, 1, 1)
        for _ in range(steps):
            (action,) = self.random.choices(actions, weights)
            self.loss = self.random.choice([0, 0, 0, 0.2])
            action()

    def party(self) -> Party:
        return self.random.choice([self.pair.alice, self.pair.bob])

    def session(self) -> Session | None:
        sessions = self.party().sessions
        return self.random.choice(sessions[-4:]) if sessions else None

    def call(self) -> None:
        party = self.party()
        target = "bob" if party is self.pair.alice else "alice"
        body = self.random.choice([OFFER, ""])
        timeout = self.random.choice([None, 5.0])
        self.watch(party.call(target, body, noAnswerTimeout=timeout), party)

    def respond(self) -> None:
        session = self.session()
        if session is None or session.state != State.RINGING:
            return
        choice = self.random.random()
        body = self.random.choice(["v=0 answer", ""])
        if choice < 0.4:
            self.quietly(session.progress(self.random.choice([180, 183]), body=body))
        elif choice < 0.9:
            self.quietly(session.accept(body))
        else:
            session.reject(self.random.choice([302, 404, 486, 603]))

    def end(self) -> None:
        session = self.session()
        if session is not None:
            self.quietly(session.terminate())

    def change(self) -> None:
        session = self.session()
        if session is None:
            return
        body = self.random.choice(["v=0 changed", ""])
        changing = self.random.choice(
            [
                lambda: session.reinvite(body),
                lambda: session.update(body),
                session.hold,
                session.resume,
            ]
        )()
        self.quietly(changing)
        if self.random.random() < 0.1:
            changing.cancel()

    def tell(self) -> None:
        session = self.session()
        if session is not None:
            how = self.random.choice([lambda: session.dtmf("12"), lambda: session.info("x", "text/plain")])
            self.quietly(maybeDeferred(how))

    def transfer(self) -> None:
        session = self.session()
        if session is None:
            return
        isAlice = session in self.pair.alice.sessions
        others = (self.pair.alice if isAlice else self.pair.bob).sessions
        peer = "sip:bob@example.com" if isAlice else "sip:alice@example.com"
        target: str | Session = peer if self.random.random() < 0.3 else self.random.choice(others)
        # Half of the time, where it is not the moment for it.
        with contextlib.suppress(WrongMoment):
            referral = session.refer(target, subscribe=self.random.random() < 0.8)
            self.quietly(referral.whenAccepted())
            self.referrals.append(referral)

    def intrude(self) -> None:
        """A request that is nobody's, or almost somebody's."""
        session = self.session()
        if session is None or session.dialog is None:
            return
        party = self.pair.alice if session in self.pair.alice.sessions else self.pair.bob
        dialog, random = session.dialog.id, self.random
        method = random.choice(METHODS)
        text = incoming(
            method,
            f"sip:{party.name}@example.com",
            *random.sample(
                [
                    "Contact: <sip:x@x.invalid>",
                    "Contact: <nonsense",
                    "Require: 100rel",
                    "Require: nonsense",
                    "RAck: 1 1 INVITE",
                    "RAck: nonsense",
                    "Content-Type: application/sdp",
                    "Content-Disposition: render",
                    "Expires: 1",
                    "Event: refer",
                ],
                3,
            ),
            branch=f"z9hG4bK{random.random()}",
            callID=random.choice([dialog.callID, "another"]),
            fromTag=random.choice([dialog.remoteTag, "another"]) or "x",
            toTag=random.choice([dialog.localTag, "another", None]),
            cseq=random.choice([0, 1, 2, 3, 50, 2**31 - 1]),
            body=random.choice(["", "v=0 intruder"]),
        )
        party.scene.transport.receive(text)
        # Its answers are nobody's business.
        party.scene.transport.sent = [
            message
            for message in party.scene.transport.sent
            if isinstance(message, IncomingRequest) or "0." not in (message.viaBranch or "")
        ]

    def pump(self) -> None:
        self.pair.pump()

    def wait(self) -> None:
        self.pair.wait(self.random.choice([0.2, 1, 5]))

    def cut(self) -> None:
        transport = self.party().scene.transport
        if transport.connected:
            transport.lose()
            transport.sent.clear()
            transport.open()

    def quietly(self, deferred: Any) -> None:
        deferred.addErrback(lambda _: None)

    # What must be so in the end.

    def finish(self) -> None:
        self.loss = 0.0
        for party in (self.pair.alice, self.pair.bob):
            party.ua.handle("INVITE", lambda _: 486)
            for session in party.sessions:
                self.quietly(session.terminate())
        for reference in self.accepted:
            reference.notify(487)
        self.pair.pump()
        self.pair.wait(100)
        # Whoever is not told the end of a reference waits for it until that expires.
        self.pair.wait(200, 1)
        for party in (self.pair.alice, self.pair.bob):
            assert {session.state for session in party.sessions} <= {State.TERMINATED}
            assert party.isIdle()
            assert not party.ua.usages._open
            assert not party.ua.usages._followed
            assert not party.ua.usages._ways
        for told in self.told.values():
            assert told.count("terminated") == 1
            assert told[-1] == "terminated"
            assert told.count("accepted") <= 1
            assert ("failed" in told) != ("accepted" in told)
            assert "confirmed" not in told or told.index("confirmed") > told.index("accepted")


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_nothingIsLeftAndEachCallEndsOnce(seed: int, repair: bool) -> None:
    turmoil = Turmoil(seed, sessionRepair=repair, sessionRepairTimeout=10)
    turmoil.run(250)
    turmoil.finish()
