"""
Both sides of a call change it at random, at any moment and at once: when all
is quiet, what one takes for its description is what the other takes for the
peer's, and where one waits for an answer the other is to give it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from random import Random
from typing import Any

import pytest

from sipws.session import Offer, Session
from sipws.session.machine import State
from sipws.session.offeranswer import State as OfferState
from tests.session.pair import Pair, Party

#: How the peer's negotiation stands, by how ours does.
MIRRORED = {
    OfferState.NONE: OfferState.NONE,
    OfferState.AGREED: OfferState.AGREED,
    OfferState.OFFERED: OfferState.ASKED,
    OfferState.ASKED: OfferState.OFFERED,
}

CALLS = 4


class Bargain:
    """One run: no description is like another."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.pair = Pair()
        self.numbers = count()
        self.refused: set[bytes] = set()
        for party in (self.pair.alice, self.pair.bob):
            party.ua.on("invite", lambda session: session.on("offer", self.answer))

    def description(self) -> str:
        return self.random.choice([f"description {next(self.numbers)}", ""])

    def answer(self, offer: Offer) -> None:
        choice = self.random.random()
        if choice < 0.7:
            self.accept(offer)
        elif choice < 0.8:
            self.refused.add(offer.body)
            offer.reject(488)
        elif choice < 0.9:
            self.pair.alice.scene.clock.callLater(3 * self.random.random(), self.accept, offer)

    def accept(self, offer: Offer) -> None:
        if not offer.isAnswered:
            offer.accept(f"answer {next(self.numbers)}")

    def run(self) -> None:
        for _ in range(CALLS):
            party, target = self.random.choice([(self.pair.alice, "bob"), (self.pair.bob, "alice")])
            session = party.call(target, self.description())
            session.on("offer", self.answer)
            self.pair.pump()
        actions: list[Callable[[], object]] = [self.respond, self.change, self.pair.pump, self.wait]
        for _ in range(120):
            (action,) = self.random.choices(actions, (4, 6, 8, 3))
            action()
        self.pair.pump()
        self.pair.wait(60)

    def session(self) -> Session:
        party: Party = self.random.choice([self.pair.alice, self.pair.bob])
        return self.random.choice(party.sessions)

    def respond(self) -> None:
        session = self.session()
        if session.state == State.RINGING:
            isLast, body = self.random.choice([True, False]), self.description()
            self.quietly(session.accept(body) if isLast else session.progress(183, body=body))

    def change(self) -> None:
        session = self.session()
        self.quietly(self.random.choice([session.reinvite, session.update])(self.description()))

    def wait(self) -> None:
        self.pair.wait(self.random.choice([0.2, 1, 5]))

    def quietly(self, deferred: Any) -> None:
        deferred.addErrback(lambda _: None)

    def couples(self) -> list[tuple[Session, Session]]:
        others = {session.id: session for session in self.pair.bob.sessions}
        return [(session, others[session.id]) for session in self.pair.alice.sessions]


@pytest.mark.parametrize("seed", range(30))
def test_bothSidesTakeTheSameForAgreed(seed: int) -> None:
    bargain = Bargain(seed)
    bargain.run()
    couples = bargain.couples()
    assert len(couples) == CALLS
    for ours, theirs in couples:
        assert (ours.state == State.CONFIRMED) == (theirs.state == State.CONFIRMED)
        if ours.state != State.CONFIRMED:
            continue
        assert ours.leg is not None
        assert theirs.leg is not None
        assert MIRRORED[ours.leg.negotiation.state] == theirs.leg.negotiation.state
        if ours.leg.negotiation.state == OfferState.AGREED:
            assert ours.localDescription == theirs.remoteDescription
            assert ours.remoteDescription == theirs.localDescription
            held = [ours.localDescription, ours.remoteDescription]
            assert not bargain.refused & {each.body for each in held if each is not None}
    for party in (bargain.pair.alice, bargain.pair.bob):
        party.ua.handle("INVITE", lambda _: 486)
    bargain.pair.finish()
