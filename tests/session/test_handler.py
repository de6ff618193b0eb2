"""Where a media engine plugs in: ISessionDescriptionHandler."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipws import ISessionDescriptionHandler, Session
from sipws.errors import SessionFailed, WrongMoment
from sipws.session import Cause, Description
from tests.conftest import FlushLoggedErrors
from tests.session.pair import OFFER, Lone, Pair
from tests.ua.fakes import outcome


@implementer(ISessionDescriptionHandler)
class Engine:
    """A media engine that counts, and may be slow or fail."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.offers = 0
        self.taken: list[bytes] = []
        self.ended: list[Session] = []
        self.waiting: list[Deferred[Description]] | None = None
        self.failing: Exception | None = None

    def _make(self, body: str) -> Any:
        if self.failing is not None:
            raise self.failing
        if self.waiting is not None:
            waiter: Deferred[Description] = Deferred()
            self.waiting.append(waiter)
            return waiter.addCallback(lambda _: Description(body.encode()))
        return Description(body.encode())

    def makeOffer(self, session: Session) -> Any:
        self.offers += 1
        return self._make(f"offer {self.offers} of {self.name}")

    def makeAnswer(self, session: Session, offer: Description) -> Any:
        return self._make(f"{self.name} answers {offer.body.decode()}")

    def takeAnswer(self, session: Session, answer: Description) -> None:
        self.taken.append(answer.body)
        if self.failing is not None:
            raise self.failing

    def closed(self, session: Session) -> None:
        self.ended.append(session)


@pytest.fixture
def pair() -> Pair:
    return Pair()


def called(pair: Pair, engine: Engine) -> Session:
    session = pair.bob.session
    session.handler = engine
    return session


def test_itMakesAndTakesEverything(pair: Pair) -> None:
    alice, bob = Engine("alice"), Engine("bob")
    verifyObject(ISessionDescriptionHandler, alice)
    caller = pair.alice.call(body="", handler=alice)
    pair.pump()
    callee = called(pair, bob)
    assert callee.remoteDescription is not None
    assert callee.remoteDescription.body == b"offer 1 of alice"
    callee.accept()
    pair.pump()
    assert alice.taken == [b"bob answers offer 1 of alice"]
    outcome(callee.reinvite())
    pair.pump()
    assert bob.taken == [b"alice answers offer 1 of bob"]
    assert caller.localDescription is not None
    assert caller.localDescription.body == b"alice answers offer 1 of bob"
    caller.bye()
    pair.finish()
    assert (alice.ended, bob.ended) == ([caller], [callee])


def test_itMayTakeItsTime(pair: Pair) -> None:
    alice, bob = Engine("alice"), Engine("bob")
    alice.waiting, bob.waiting = [], []
    pair.alice.call(body="", handler=alice)
    assert pair.pump() == []
    alice.waiting[0].callback(None)  # type: ignore[arg-type]
    assert pair.pump() == ["> INVITE"]
    callee = called(pair, bob)
    confirmed = outcome(callee.accept())
    assert pair.pump() == []
    bob.waiting[0].callback(None)  # type: ignore[arg-type]
    assert pair.pump() == ["< 200 INVITE", "> ACK"]
    assert confirmed == [callee]
    pair.finish()


def test_whatIsGivenUpMeanwhileStaysSo(pair: Pair) -> None:
    alice, bob = Engine("alice"), Engine("bob")
    alice.waiting = []
    caller = pair.alice.call(body="", handler=alice)
    caller.cancel()
    alice.waiting[0].callback(None)  # type: ignore[arg-type]
    assert pair.pump() == []
    assert pair.alice.endings[0].cause == Cause.CANCELLED
    caller = pair.alice.call()
    pair.pump()
    callee = called(pair, bob)
    bob.waiting = []
    confirmed = outcome(callee.accept())
    caller.cancel()
    pair.wait(1)
    bob.waiting[0].callback(None)  # type: ignore[arg-type]
    assert isinstance(confirmed[0], SessionFailed)
    pair.finish()


def test_whereItFailsNothingElseDoes(pair: Pair, flushLoggedErrors: FlushLoggedErrors) -> None:
    engine = Engine("bob")
    engine.failing = ZeroDivisionError()
    pair.alice.call()
    pair.pump()
    accepted = outcome(called(pair, engine).accept())
    assert pair.pump() == ["< 488 INVITE", "> ACK"]
    assert isinstance(accepted[0], ZeroDivisionError)
    caller = pair.alice.call(body="", handler=engine)
    failed = outcome(caller.whenAccepted())
    pair.wait(1)
    assert failed[0].cause == Cause.BAD_DESCRIPTION
    pair.finish()
    assert len(flushLoggedErrors(ZeroDivisionError)) >= 1


def test_anOfferThatItCannotAnswerIsRefused(pair: Pair, flushLoggedErrors: FlushLoggedErrors) -> None:
    engine = Engine("bob")
    caller, callee = pair.establish()
    callee.handler = engine
    engine.failing = ZeroDivisionError()
    got = outcome(caller.reinvite("second offer"))
    pair.pump()
    assert got[0].statusCode == 488
    assert callee.state == "confirmed"
    assert len(flushLoggedErrors(ZeroDivisionError)) == 1
    pair.finish()


def test_anAnswerThatItCannotTakeEndsTheCall(flushLoggedErrors: FlushLoggedErrors) -> None:
    lone, engine = Lone(), Engine("alice")
    caller = lone.party.call(body="", handler=engine)
    engine.failing = ZeroDivisionError()
    lone.answer(lone.take(), 200, body=OFFER)
    assert lone.sent() == ["ACK", "BYE"]
    assert caller.ending is not None
    assert caller.ending.cause == Cause.BAD_DESCRIPTION
    assert len(flushLoggedErrors(ZeroDivisionError)) == 1
    lone.finish()


def test_whatIsGivenUpWhileItMakesTheOfferIsOverAtOnce() -> None:
    engine = Engine("alice")
    engine.waiting = []
    lone = Lone()
    session = lone.party.call(body="", handler=engine)
    session.cancel()
    assert (session.state, engine.ended) == ("terminated", [session])
    assert lone.party.take() == ["failed", "terminated"]
    engine.waiting[0].callback(Description(b"too late"))
    assert lone.sent() == []
    lone.finish()


def test_anOfferThatIsNoneEndsTheCall(flushLoggedErrors: FlushLoggedErrors) -> None:
    class Broken(Engine):
        def makeOffer(self, session: Session) -> Any:
            return "no description"

    lone = Lone()
    session = lone.party.call(body="", handler=Broken("alice"))
    lone.clock.advance(0)
    assert session.ending is not None
    assert session.ending.cause == Cause.BAD_DESCRIPTION
    assert len(flushLoggedErrors(AttributeError)) == 1
    lone.finish()


def test_anAnswerThatIsNoneRefusesTheOffer(pair: Pair, flushLoggedErrors: FlushLoggedErrors) -> None:
    class Broken(Engine):
        def makeAnswer(self, session: Session, offer: Description) -> Any:
            return None

    caller, callee = pair.establish()
    callee.handler = Broken("bob")
    got = outcome(caller.reinvite("another offer"))
    assert pair.pump() == ["> INVITE", "< 488 INVITE", "> ACK"]
    assert got[0].statusCode == 488
    assert len(flushLoggedErrors(AttributeError)) == 1
    pair.finish()


def test_itMakesNoDescriptionWhereTheOfferIsOut() -> None:
    lone = Lone()
    lone.receive("INVITE", "Supported: 100rel")
    session, engine = lone.party.session, Engine("alice")
    session.handler = engine
    session.progress(183, body=OFFER)
    response = lone.take()
    session.accept()
    lone.within("PRACK", 2, f"RAck: {response.getHeader('RSeq')} 1 INVITE", body="the answer")
    lone.clock.advance(0)
    assert lone.sent() == ["200 PRACK", "200 INVITE"]
    assert (engine.offers, engine.taken) == (0, [b"the answer"])
    lone.within("ACK", 1)
    lone.finish()


@pytest.mark.parametrize("end", ["CANCEL", "ours"])
def test_noAnswerIsWaitedForAfterTheEnd(end: str) -> None:
    lone = Lone()
    lone.receive(body=OFFER)
    session = lone.party.session
    engine = session.handler = Engine("alice")
    engine.waiting = []
    accepted = outcome(session.accept())
    if end == "CANCEL":
        lone.receive("CANCEL")
    else:
        session.terminate()
    assert isinstance(accepted[0], SessionFailed)
    assert engine.waiting[0].called
    lone.finish()


@pytest.mark.parametrize("end", ["BYE", "ours"])
def test_noOfferIsWaitedForAfterTheEnd(end: str) -> None:
    lone = Lone()
    engine = Engine("alice")
    session = lone.party.call(handler=engine, body="")
    lone.answer(lone.take(), 200, body=OFFER)
    lone.take()
    engine.waiting = []
    changed = outcome(session.reinvite())
    if end == "BYE":
        lone.within("BYE", 2)
    else:
        session.bye()
    assert isinstance(changed[0], WrongMoment)
    lone.finish()
