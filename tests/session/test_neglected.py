"""
What waits for an answer is answered, though whoever was to answer it has
failed: with 500, and the failure is told of as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from sipws.session import Session
from sipws.session.machine import State
from tests.conftest import FlushLoggedErrors
from tests.session.pair import ANSWER, OFFER, Lone, Pair
from tests.subscription.stages import NotifierStage
from tests.ua.fakes import BOB, Scene, incoming, outcome


class Mistaken(Exception):
    """The application's mistake."""


def raises(_: object) -> None:
    raise Mistaken


async def fails(_: object) -> None:
    raise Mistaken


LISTENERS = pytest.mark.parametrize("listener", [raises, fails])


class TestCalls:
    @LISTENERS
    def test_aCallIsRefused(
        self, listener: Callable[[object], object], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        scene = Scene(contactName="me")
        scene.connect()
        scene.ua.on("invite", listener)
        scene.transport.receive(incoming("INVITE", "sip:alice@example.com", "Contact: <sip:bob@bob.invalid>"))
        # RFC 3261 section 21.5.1: "The server encountered an unexpected condition".
        assert scene.transport.takeAll()[-1].statusCode == 500
        assert len(flushLoggedErrors(Mistaken)) == 1
        scene.clock.advance(64)
        assert scene.restless() == []

    def test_oneThatFailsLaterHasAnsweredNothing(self, flushLoggedErrors: FlushLoggedErrors) -> None:
        pair = Pair()
        gate: Deferred[None] = Deferred()

        async def listener(session: Session) -> None:
            await session.progress(180)
            await gate
            raise Mistaken

        pair.bob.ua.on("invite", listener)
        pair.bob.ua.remove_listener("invite", pair.bob.watch)
        caller = pair.alice.call()
        assert pair.pump() == ["> INVITE", "< 180 INVITE"]
        gate.callback(None)
        assert pair.pump() == ["< 500 INVITE", "> ACK"]
        assert caller.ending is not None
        assert caller.ending.statusCode == 500
        assert len(flushLoggedErrors(Mistaken)) == 1
        pair.finish()

    def test_whatIsAnsweredStays(self, flushLoggedErrors: FlushLoggedErrors) -> None:
        pair = Pair()

        async def listener(session: Session) -> None:
            await session.accept(ANSWER)
            raise Mistaken

        pair.bob.ua.on("invite", listener)
        pair.bob.ua.remove_listener("invite", pair.bob.watch)
        caller = pair.alice.call()
        assert pair.pump() == ["> INVITE", "< 200 INVITE", "> ACK"]
        assert caller.state == State.CONFIRMED
        assert len(flushLoggedErrors(Mistaken)) == 1
        caller.terminate()
        pair.finish()

    def test_anotherMayStillAnswer(self, flushLoggedErrors: FlushLoggedErrors) -> None:
        pair = Pair()
        pair.bob.ua.on("invite", raises)
        caller = pair.alice.call()
        assert pair.pump() == ["> INVITE"]
        assert len(flushLoggedErrors(Mistaken)) == 1
        pair.bob.session.accept(ANSWER).addErrback(lambda _: None)
        pair.pump()
        assert caller.state == State.CONFIRMED
        pair.finish()

    def test_theFailureGoesToWhoListensForThat(self) -> None:
        scene = Scene(contactName="me")
        scene.connect()
        told: list[Any] = []
        scene.ua.on("failure", told.append)
        scene.ua.once("invite", raises)
        scene.transport.receive(incoming("INVITE", "sip:alice@example.com", "Contact: <sip:bob@bob.invalid>"))
        assert [failure.type for failure in told] == [Mistaken]
        assert scene.transport.takeAll()[-1].statusCode == 500
        scene.clock.advance(64)


class TestWithinCalls:
    @LISTENERS
    def test_anOfferIsRefusedAndTheCallGoesOn(
        self, listener: Callable[[object], object], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        callee.on("offer", listener)
        changed = outcome(caller.reinvite(OFFER))
        assert pair.pump() == ["> INVITE", "< 500 INVITE", "> ACK"]
        assert changed[0].statusCode == 500
        assert caller.state == callee.state == State.CONFIRMED
        assert len(flushLoggedErrors(Mistaken)) == 1
        pair.finish()

    @LISTENERS
    def test_andAReference(
        self, listener: Callable[[object], object], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        callee.on("refer", listener)
        accepted = outcome(caller.refer("sip:carol@example.com").whenAccepted())
        assert pair.pump() == ["> REFER", "< 500 REFER"]
        assert accepted[0].response.statusCode == 500
        assert callee.state == State.CONFIRMED
        assert len(flushLoggedErrors(Mistaken)) == 1
        pair.finish()


class TestOutsideOfCalls:
    @LISTENERS
    def test_aReferenceIsRefused(
        self, listener: Callable[[object], object], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        lone = Lone()
        lone.party.ua.on("refer", listener)
        lone.receive("REFER", f"Refer-To: <{BOB}>")
        assert lone.sent() == ["500 REFER"]
        assert len(flushLoggedErrors(Mistaken)) == 1
        lone.finish()

    @LISTENERS
    def test_aSubscriptionIsRefused(
        self, listener: Callable[[object], object], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        stage = NotifierStage()
        stage.scene.ua.remove_all_listeners("subscribe")
        stage.scene.ua.on("subscribe", listener)
        stage.subscribe()
        assert stage.response().statusCode == 500
        assert len(flushLoggedErrors(Mistaken)) == 1
        stage.end()
