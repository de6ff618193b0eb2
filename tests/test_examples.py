"""Each of the examples runs, against the embedded server."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import ensureDeferred

from examples import (
    autoanswer,
    clicktodial,
    echobot,
    monitor,
    ownstack,
    presencewatcher,
    send,
    transfer,
    voicemaillight,
)
from sipws import IncomingRequest, OutgoingRequest, Session, SessionFailed, Transport, UserAgent, WsServer
from sipws.session.holding import directions
from sipws.session.machine import State
from sipws.testing import CannedDescriptions
from sipws.transaction import NonInviteClientTransaction
from tests.inmemory import SERVER, World

EXAMPLES = Path(echobot.__file__).parent


class Phone:
    """Somebody who accepts calls, and does what he is referred to."""

    def __init__(self, world: World, user: str, *, refusing: bool = False) -> None:
        self.calls: list[Session] = []
        self.refusing = refusing
        self.userAgent = world.start(user, self.main)

    def main(self, userAgent: UserAgent) -> None:
        userAgent.on("invite", self.ring)

    def ring(self, session: Session) -> None:
        self.calls.append(session)
        if self.refusing:
            session.reject(486)
            return
        session.handler = CannedDescriptions()
        session.on("refer", self.refer)
        session.accept()

    def refer(self, reference: Any) -> None:
        self.calls.append(reference.follow(handler=CannedDescriptions()))

    @property
    def open(self) -> list[Session]:
        return [session for session in self.calls if session.state == State.CONFIRMED]


def test_sendSendsOneMessage(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    received: list[IncomingRequest] = []
    world.start("bot", lambda ua: ua.handle("MESSAGE", received.append))

    response = world.resultOf(send.main(world.reactor, SERVER, "me@localhost", "bot@localhost", "Hello"))

    assert response.statusCode == 200
    assert [request.body for request in received] == [b"Hello"]
    assert capsys.readouterr().out == "200 OK\n"
    assert world.network.openSockets == 1


def test_echobotSaysWhatItWasTold() -> None:
    world = World()
    world.start("bot", echobot.main)
    heard: list[IncomingRequest] = []
    alice = world.start("alice", lambda ua: ua.handle("MESSAGE", heard.append))

    response = world.resultOf(alice.message("bot", "Hello"))

    assert response.statusCode == 200
    assert [request.body for request in heard] == [b"You said: Hello"]


def test_monitorAsksEveryTenSeconds(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a probe: of a target that is there, and later is not, and when there is no server any more."""
    world = World()
    bot = world.start("bot")

    monitor.main(world.reactor, SERVER, "me@localhost", "bot@localhost")
    world.network.advance(0)
    assert capsys.readouterr().out == "bot@localhost: 200 OK after 0.0 ms\n"

    world.resultOf(bot.stop())
    world.network.advance(monitor.INTERVAL)
    assert capsys.readouterr().out.startswith("bot@localhost: 4")

    world.network.refuse()
    world.resultOf(world.server.stop())
    world.network.advance(monitor.INTERVAL + 32)
    assert "no connection" in capsys.readouterr().out


def test_presencewatcherSaysWhoIsThere(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    alice = world.start("alice")
    running = ensureDeferred(
        presencewatcher.main(world.reactor, SERVER, "sip:me@localhost", "alice@localhost")
    )
    world.network.advance(1)
    assert capsys.readouterr().out == "alice@localhost: unknown\n"

    away = presencewatcher.document("sip:alice@localhost", "closed")
    publication = alice.publish("alice@localhost", "presence", away, presencewatcher.PIDF)
    world.network.advance(1)
    publication.update(presencewatcher.document("sip:alice@localhost", "open"))
    world.network.advance(1)
    assert capsys.readouterr().out == "alice@localhost: away\nalice@localhost: there\n"

    # The watcher is there as well, for others to see.
    seen: list[str] = []
    ensureDeferred(presencewatcher.watch(alice, "me@localhost", seen.append))
    world.network.advance(1)
    assert seen == ["me@localhost: there"]
    assert not running.called


def test_voicemaillightShowsWhatWaits(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    light = voicemaillight.Light()
    ensureDeferred(voicemaillight.main(world.reactor, SERVER, "sip:alice@localhost", light=light))
    mailbox = world.start("mailbox")
    world.network.advance(1)
    assert not light.isOn

    def summary(waiting: str, voice: str) -> str:
        return f"Messages-Waiting: {waiting}\r\nVoice-Message: {voice}\r\n"

    publication = mailbox.publish(
        "alice@localhost", "message-summary", summary("yes", "2/8 (0/2)"), voicemaillight.SUMMARY
    )
    world.network.advance(1)
    assert (light.isOn, light.new, light.old) == (True, 2, 8)
    publication.update(summary("no", "0/10"))
    world.network.advance(1)
    assert not light.isOn
    assert capsys.readouterr().out == "* 2 new, 8 old\n. no messages\n"


def test_ownstackAsksAndAnswers(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    alice = world.start("alice")

    world.resultOf(ownstack.main(world.reactor, SERVER, "sip:me@localhost", "sip:alice@localhost"))
    assert capsys.readouterr().out == "200 OK\n"

    stack = ownstack.OwnStack("sip:me@localhost", world.reactor)
    Transport(stack, WsServer(SERVER), world.reactor)
    world.network.advance(0)
    transport: Any = stack.transport
    register = OutgoingRequest(
        "REGISTER",
        "sip:localhost",
        [
            ("Via", "SIP/2.0/WS own.invalid;branch=z9hG4bKregister"),
            ("Max-Forwards", 70),
            ("From", "<sip:me@localhost>;tag=1"),
            ("To", "<sip:me@localhost>"),
            ("Call-ID", "register"),
            ("CSeq", "1 REGISTER"),
            ("Contact", "<sip:me@own.invalid;transport=ws>;expires=600"),
        ],
    )
    sent = NonInviteClientTransaction(register, transport, stack.transactions).start()
    assert world.resultOf(sent).statusCode == 200
    assert world.resultOf(alice.options("me")).statusCode == 200
    refused = world.resultOf(alice.message("me", "hello"))
    assert refused.statusCode == 405
    # RFC 3261 section 21.4.6: it "MUST include an Allow header field".
    assert refused.getHeaders("Allow") == ["OPTIONS"]

    world.resultOf(world.server.stop())
    world.network.refuse()
    asked = stack.ask("sip:alice@localhost")
    asked.addErrback(lambda failure: None)
    world.network.advance(40)
    assert not transport.connected


def test_autoanswerAnswersHoldsAndHangsUp() -> None:
    world = World()
    world.start("bot", autoanswer.main)
    alice = world.start("alice")
    session = alice.invite("bot", handler=CannedDescriptions("alice"))
    progress: list[int] = []
    session.on("progress", lambda response: progress.append(response.statusCode))
    world.resultOf(session.whenConfirmed())
    assert progress == [180]

    world.resultOf(session.hold())
    assert session.remoteDescription is not None
    assert directions(session.remoteDescription.body) == ["recvonly"]
    world.resultOf(session.resume())
    assert directions(session.remoteDescription.body) == ["sendrecv"]

    assert world.resultOf(session.dtmf("1")).statusCode == 200
    assert session.state == State.CONFIRMED
    assert world.resultOf(session.dtmf("#")).statusCode == 200
    assert world.resultOf(session.whenTerminated()).by == "remote"


def test_autoanswerMindsACallerWhoDoesNotWait() -> None:
    world = World()
    bot = world.start("bot", autoanswer.main)
    alice = world.start("alice")
    session = alice.invite("bot", "v=0", "application/unheard-of", [("Content-Disposition", "session")])
    world.network.advance(1)
    assert session.state == State.TERMINATED
    assert len(bot.usages.dialogs) == 0


def test_clicktodialHasTwoTalk(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    alice, bob = Phone(world, "alice"), Phone(world, "bob")
    running = clicktodial.main(
        world.reactor, SERVER, "sip:clicks@localhost", "alice@localhost", "bob@localhost"
    )
    done = ensureDeferred(running)
    world.network.advance(1)
    assert capsys.readouterr().out == "alice@localhost and bob@localhost are talking\n"
    (one,), (other,) = alice.open, bob.open
    # Each has the other's description.
    for session, peer in ((one, other), (other, one)):
        assert session.localDescription is not None
        assert session.localDescription == peer.remoteDescription

    # A hold of one is a hold of the other's.
    world.resultOf(one.hold())
    assert other.isHeld
    world.resultOf(one.resume())
    assert not other.isHeld

    one.bye()
    world.network.advance(1)
    assert bob.open == []
    assert capsys.readouterr().out == "they have hung up\n"
    world.resultOf(done)


def test_clicktodialEndsWhereOneDoesNotWantTo() -> None:
    world = World()
    alice = Phone(world, "alice")
    Phone(world, "bob", refusing=True)
    clicks = world.start("clicks")
    with pytest.raises(SessionFailed):
        world.resultOf(clicktodial.connect(clicks, "alice", "bob"))
    world.network.advance(1)
    assert alice.open == []


def test_transferPutsThemThrough(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    alice, bob = Phone(world, "alice"), Phone(world, "bob")
    done = ensureDeferred(
        transfer.main(world.reactor, SERVER, "sip:me@localhost", "alice@localhost", "bob@localhost")
    )
    world.network.advance(1)
    assert "alice@localhost talks to bob@localhost\n" in capsys.readouterr().out
    (one,), (other,) = alice.open, bob.open
    assert one.id == other.id
    assert other.replaces is bob.calls[0]
    world.network.advance(10)
    world.resultOf(done)


def test_transferThatIsRefusedLeavesThemThere(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    alice, bob = Phone(world, "alice"), Phone(world, "bob")
    me = world.start("me")
    first, second = (world.resultOf(transfer.call(me, name)) for name in ("alice", "bob"))
    bob.refusing = True
    assert not world.resultOf(transfer.transfer(first, second))
    assert "486" not in capsys.readouterr().out
    assert len(alice.open) == len(bob.open) == 1


@pytest.mark.parametrize(
    "name",
    ["clicktodial", "monitor", "ownstack", "presencewatcher", "send", "transfer", "voicemaillight"],
)
def test_withoutArgumentsTheySayHowTheyAreUsed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = EXAMPLES / f"{name}.py"
    monkeypatch.setattr(sys, "argv", [str(path)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(path), run_name="__main__")
    assert f"python examples/{name}.py ws://127.0.0.1:5066 " in str(exit_.value.code)


def test_clicktodialLetsGoOfTheFirstWhereTheSecondIsNotThere(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    alice = Phone(world, "alice")
    world.resultOf(
        clicktodial.main(world.reactor, SERVER, "sip:clicks@localhost", "alice@localhost", "bob@localhost")
    )
    assert capsys.readouterr().out == "they do not talk: the call was not accepted: refused (404)\n"
    [call] = alice.calls
    assert call.state == State.TERMINATED
