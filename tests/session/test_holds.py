"""Hold and resume (RFC 3264 section 8.4)."""

from __future__ import annotations

from typing import Any

from sipws.errors import WrongMoment
from sipws.session import Description, Session
from sipws.session.holding import directions
from tests.session.pair import Lone, Pair
from tests.session.test_holding import sdp
from tests.ua.fakes import outcome


class Call:
    """A call between two, with the holds that each is told of."""

    def __init__(self, offer: bytes = sdp("sendrecv"), answer: bytes = sdp("sendrecv")) -> None:
        self.pair = Pair()
        self.caller, self.callee = self.pair.establish(body=offer.decode(), answer=answer.decode())
        self.told: list[str] = []
        for name, session in (("caller", self.caller), ("callee", self.callee)):
            for event in ("hold", "resume"):
                session.on(event, lambda by, name=name, event=event: self.told.append(f"{name} {event} {by}"))

    def do(self, change: Any) -> list[str]:
        """Have it done, and take what was told."""
        got = outcome(change)
        self.pair.pump()
        assert got[0].statusCode == 200
        told, self.told = self.told, []
        return sorted(told)

    def directions(self) -> list[str]:
        """The direction of each side's stream."""
        return [self.of(self.caller), self.of(self.callee)]

    def of(self, session: Session) -> str:
        assert session.localDescription is not None
        return directions(session.localDescription.body)[0]


class TestHold:
    def test_heldAndResumed(self) -> None:
        call = Call()
        assert call.do(call.caller.hold()) == ["callee hold remote", "caller hold local"]
        assert call.directions() == ["sendonly", "recvonly"]
        assert (call.caller.isOnHold, call.callee.isHeld) == (True, True)
        assert call.do(call.caller.resume()) == ["callee resume remote", "caller resume local"]
        assert call.directions() == ["sendrecv", "sendrecv"]
        assert (call.caller.isOnHold, call.callee.isHeld) == (False, False)
        call.pair.finish()

    def test_byBothAtOnce(self) -> None:
        call = Call(answer=sdp("sendrecv").replace(b"o=alice 28", b"o=bob 29"))
        got = [*map(outcome, (call.caller.hold(), call.callee.hold()))]
        assert "> 491 INVITE" in call.pair.pump()
        sent: set[bytes] = set()

        def note(message: Any) -> bool:
            sent.add(message.body)
            return False

        call.pair.drop = note
        call.pair.wait(5)
        assert [each[0].statusCode for each in got] == [200, 200]
        assert sorted(call.directions()) == ["inactive", "sendonly"]
        # RFC 3264 section 8: an SDP that is another one is of another version.
        versions = [(*body.split(b" ")[1:3],) for body in sent if body]
        assert len(versions) == len(set(versions)) == 4
        call.pair.finish()

    def test_byBoth(self) -> None:
        call = Call()
        call.do(call.caller.hold())
        assert call.do(call.callee.hold()) == ["callee hold local", "caller hold remote"]
        assert call.directions() == ["inactive", "sendonly"]
        # RFC 6337 section 5.3: each ends its own hold.
        assert call.do(call.caller.resume()) == ["callee resume remote", "caller resume local"]
        assert call.directions() == ["sendrecv", "sendonly"]
        assert call.caller.isHeld
        assert call.do(call.callee.resume()) == ["callee resume local", "caller resume remote"]
        assert call.directions() == ["sendrecv", "sendrecv"]
        call.pair.finish()

    def test_eachVersionIsTheNext(self) -> None:
        call = Call()
        versions = []
        for change in (call.caller.hold, call.caller.resume, call.caller.resume):
            call.do(change())
            assert call.caller.localDescription is not None
            versions.append(call.caller.localDescription.body.split()[3])
        # What says nothing new has the version that it had.
        assert versions == [b"2", b"3", b"3"]
        call.pair.finish()

    def test_aStreamOfOneDirection(self) -> None:
        call = Call(sdp("recvonly"), sdp("sendonly"))
        call.do(call.caller.hold())
        assert call.directions() == ["inactive", "inactive"]
        call.do(call.caller.resume())
        assert call.directions() == ["recvonly", "sendonly"]
        call.pair.finish()

    def test_aRefusalLeavesItAsItWas(self) -> None:
        call = Call()
        call.callee.on("offer", lambda offer: offer.reject(488))
        got = outcome(call.caller.hold())
        call.pair.pump()
        assert got[0].statusCode == 488
        assert not call.caller.isOnHold
        assert call.directions() == ["sendrecv", "sendrecv"]
        assert call.told == []
        call.pair.finish()

    def test_aListenerAnswersItself(self) -> None:
        call = Call()
        call.callee.on("offer", lambda offer: offer.accept(sdp("inactive", version=2)))
        assert call.do(call.caller.hold()) == ["callee hold remote", "caller hold local"]
        assert call.directions() == ["sendonly", "inactive"]
        call.pair.finish()

    def test_aDescriptionOfOnesOwnSaysWhatItWants(self) -> None:
        call = Call()
        call.do(call.caller.hold())
        call.do(call.caller.resume())
        call.do(call.caller.reinvite(sdp("recvonly", version=5)))
        call.do(call.caller.hold())
        call.do(call.caller.resume())
        assert call.of(call.caller) == "recvonly"
        call.pair.finish()


class TestOtherDescriptions:
    def test_withoutAHandlerTheyCannotBeHeld(self) -> None:
        lone = Lone()
        session = lone.party.call(body="{}", contentType="application/json")
        lone.answer(lone.take(), 200, ("Content-Disposition", "session"), body="{}")
        failed = outcome(session.hold())
        assert isinstance(failed[0], WrongMoment)
        assert not session.isOnHold
        lone.finish()

    def test_aHandlerHearsWhatIsWanted(self) -> None:
        asked: list[bool] = []

        class Handler:
            def makeOffer(self, session: Any) -> Description:
                asked.append(session.isOnHold)
                return Description(b"{}", "application/json")

            def makeAnswer(self, session: Any, offer: Any) -> Description:
                raise AssertionError("the peer offers nothing")

            def takeAnswer(self, session: Any, answer: Any) -> None:
                pass

            def closed(self, session: Any) -> None:
                pass

        lone = Lone()
        session = lone.party.call(body="", handler=Handler())
        lone.answer(lone.take(), 200, body="v=0")
        lone.take()
        session.hold()
        invite = lone.take()
        lone.answer(invite, 200, body="v=0")
        assert asked == [False, True]
        assert session.isOnHold
        lone.finish()
