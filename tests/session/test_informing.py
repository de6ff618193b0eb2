"""What is said within a session: INFO (RFC 6086), and tones."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from sipws.errors import SessionTerminated, WrongMoment
from sipws.session import Session
from tests.session.pair import ANSWER, OFFER, Lone, Pair
from tests.ua.fakes import outcome

RELAY = "Content-Type: application/dtmf-relay"


def called(**options: Any) -> tuple[Lone, Session]:
    """A user agent that was called, and has accepted."""
    lone = Lone(**options)
    lone.receive(body=OFFER)
    session = lone.party.session
    session.accept(ANSWER)
    lone.within("ACK", 1)
    lone.transport.takeAll()
    return lone, session


class TestInfo:
    def test_itIsTold(self) -> None:
        pair = Pair(infoPackages=["nothing", "trickle-ice"])
        caller, callee = pair.establish()
        told: list[Any] = []
        callee.on("info", told.append)
        got = outcome(caller.info("a=x", "application/x", "trickle-ice"))
        assert pair.pump() == ["> INFO", "< 200 INFO"]
        assert got[0].statusCode == 200
        assert (told[0].body, told[0].getHeader("Info-Package")) == (b"a=x", "trickle-ice")
        assert told[0].getHeader("Content-Disposition") == "Info-Package"
        pair.finish()

    def test_thePackagesAreDeclared(self) -> None:
        lone = Lone(infoPackages=["foo"])
        session = lone.party.call()
        invite = lone.take()
        assert invite.getHeader("Recv-Info") == "foo"
        lone.answer(invite, 200, body=ANSWER)
        assert session.state == "confirmed"
        lone.finish()
        lone = Lone(infoPackages=["foo"])
        lone.receive(body=OFFER)
        lone.party.session.accept(ANSWER)
        assert lone.take().getHeader("Recv-Info") == "foo"
        lone.within("ACK", 1)
        lone.finish()

    def test_aPackageThatNobodyTakesIsRefused(self) -> None:
        lone, session = called(infoPackages=["foo"])
        lone.within("INFO", 2, "Info-Package: bar")
        refusal = lone.take()
        assert (refusal.statusCode, refusal.reasonPhrase) == (469, "Bad Info Package")
        assert refusal.getHeader("Recv-Info") == "foo"
        # RFC 6086 section 4.2.2: the session goes on.
        assert session.state == "confirmed"
        lone.finish()

    def test_whatNobodyUnderstandsIsRefused(self) -> None:
        lone, _ = called()
        lone.within("INFO", 2, "Content-Type: text/plain", body="hello")
        lone.within("INFO", 3)
        lone.within("INFO", 4, "Info-Package: @")
        lone.within("INFO", 5, RELAY, body="Signal=nothing")
        assert lone.sent() == ["415 INFO", "200 INFO", "400 INFO", "400 INFO"]
        lone.finish()

    def test_aRefusalSaysWhatIsUnderstood(self) -> None:
        lone, session = called()
        lone.within("INFO", 2, "Content-Type: text/plain", body="hello")
        # RFC 3261 section 20.1: "an empty Accept header field means that no formats are acceptable".
        refusal = lone.take()
        assert refusal.hasHeader("Accept")
        assert refusal.getHeaders("Accept") == []
        session.on("dtmf", lambda _: None)
        lone.within("INFO", 3, "Content-Type: text/plain", body="hello")
        assert lone.take().getHeaders("Accept") == ["application/dtmf-relay", "application/dtmf"]
        lone.finish()

    @pytest.mark.parametrize("method", ["ACK", "BYE", "CANCEL", "INVITE", "PRACK", "REFER", "UPDATE"])
    def test_whatTheSessionGoesByHasItsOwnMethods(self, method: str) -> None:
        lone, session = called()
        # Past its state machine, the session would go on without knowing of its end.
        with pytest.raises(ValueError, match=f"{method} changes the session: it is "):
            session.sendRequest(method)
        assert lone.sent() == []
        lone.finish()

    def test_aBodyHasAType(self) -> None:
        lone, session = called()
        # RFC 3261 section 20.15: it "MUST be present if the body is not empty".
        with pytest.raises(ValueError, match="contentType: the body of a MESSAGE has none"):
            session.sendRequest("MESSAGE", [("Subject", "x")], "hello")
        assert lone.sent() == []
        session.sendRequest("MESSAGE", iter([("c", "text/plain")]), "hello")
        message = lone.take()
        assert (message.contentType, message.body) == ("text/plain", b"hello")
        lone.answer(message, 200)
        lone.finish()

    def test_thereIsNoneWithoutADialog(self) -> None:
        lone = Lone()
        session = lone.party.call()
        failed = outcome(session.info("x", "text/plain"))
        assert isinstance(failed[0], WrongMoment)
        lone.finish()


class TestTones:
    def test_oneIsHeard(self) -> None:
        lone, session = called()
        heard: list[Any] = []
        session.on("dtmf", heard.append)
        lone.within("INFO", 2, RELAY, body="Signal=5\r\nDuration=160\r\n")
        assert lone.sent() == ["200 INFO"]
        assert [(tone.tone, tone.duration) for tone in heard] == [("5", 160)]
        lone.finish()

    def test_theyAreDialledOneAfterTheOther(self) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        heard: list[str] = []
        callee.on("dtmf", lambda tone: heard.append(tone.tone))
        done = outcome(caller.dtmf("1,#a", 200))
        pair.pump()
        assert heard == ["1"]
        pair.wait(2)
        assert heard == ["1"]
        pair.wait(1)
        assert heard == ["1", "#", "A"]
        assert done[0].statusCode == 200
        pair.finish()

    def test_aRefusalIsTheEnd(self) -> None:
        pair = Pair()
        caller, _ = pair.establish()
        done = outcome(caller.dtmf("123"))
        pair.pump()
        assert done[0].statusCode == 415
        assert pair.wait(3) == []
        pair.finish()

    def test_theEndOfTheSessionIsTheEnd(self) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        callee.on("dtmf", lambda _: None)
        done = outcome(caller.dtmf("1,2"))
        pair.wait(1)
        callee.bye()
        pair.pump()
        assert isinstance(done[0], SessionTerminated)
        # Its timer goes with it.
        names = [getattr(call.func, "__name__", "") for call in pair.alice.scene.restless()]
        assert "_next" not in names
        pair.finish()

    @pytest.mark.parametrize(("tones", "duration"), [("", 100), ("1 2", 100), (",", 100), ("1", 0)])
    def test_whatCannotBeDialledIsRefused(self, tones: str, duration: int) -> None:
        lone, session = called()
        with pytest.raises(ValueError, match=r"tones|duration"):
            session.dtmf(tones, duration)
        lone.finish()

    def test_givenUpItDialsNoMore(self) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        heard: list[str] = []
        callee.on("dtmf", lambda tone: heard.append(tone.tone))
        dialling = caller.dtmf("123")
        given = outcome(dialling)
        pair.pump()
        dialling.cancel()
        pair.wait(3)
        assert heard == ["1"]
        assert isinstance(given[0], CancelledError)
        pair.finish()

    def test_theSessionKeepsNothingOfWhatWasDialled(self) -> None:
        pair = Pair()
        caller, callee = pair.establish()
        callee.on("dtmf", lambda _: None)
        done = caller.dtmf("1")
        pair.pump()
        dialled = weakref.ref(done)
        del done
        gc.collect()
        assert dialled() is None
        pair.finish()

    def test_afterTheEndNothingIsDialled(self) -> None:
        pair = Pair()
        caller, _ = pair.establish()
        caller.bye()
        pair.pump()
        assert isinstance(outcome(caller.dtmf("12"))[0], SessionTerminated)
        assert pair.pump() == []
        pair.finish()
