"""The default application."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from sipws import IncomingRequest, UserAgent
from sipws.echo import echo
from tests.inmemory import World


def listen(userAgent: UserAgent) -> list[IncomingRequest]:
    heard: list[IncomingRequest] = []
    userAgent.handle("MESSAGE", heard.append)
    return heard


def test_aMessageComesBackAsAMessageOfItsOwn() -> None:
    """The 2xx has no body (RFC 3428 section 7); In-Reply-To says what it answers (RFC 3261 section 20.21)."""
    world = World()
    world.start("echo", echo)
    alice = world.start("alice")
    heard = listen(alice)

    response = world.resultOf(alice.message("echo", "Grüß Gott"))

    assert response.statusCode == 200
    assert response.body == b""
    (answer,) = heard
    assert answer.body.decode() == "Grüß Gott"
    assert answer.contentType == "text/plain"
    assert str(answer.fromHeader.uri) == "sip:echo@localhost"
    assert answer.getHeader("In-Reply-To") == response.callID
    assert answer.callID != response.callID


def test_theTypeOfTheTextComesBackToo() -> None:
    world = World()
    world.start("echo", echo)
    alice = world.start("alice")
    heard = listen(alice)

    world.resultOf(alice.message("echo", b"\x00\xff", contentType="application/octet-stream"))

    assert [(request.body, request.contentType) for request in heard] == [
        (b"\x00\xff", "application/octet-stream")
    ]


def test_twoEchoesDoNotTalkForEver() -> None:
    world = World()
    one, other = world.start("one", echo), world.start("other", echo)
    seen: list[IncomingRequest] = []
    one.on("message", seen.append)
    other.on("message", seen.append)

    world.resultOf(one.message("other", "Hello"))
    world.network.advance(60)

    assert [request.toHeader.uri.user for request in seen] == ["other", "one"]


def test_whoCannotBeReachedIsNoProblem() -> None:
    """The answer to somebody who is not registered comes to nothing, and the echo goes on."""
    world = World()
    world.start("echo", echo)
    passerby = world.start("passerby", register=False)
    alice = world.start("alice")
    heard = listen(alice)

    assert world.resultOf(passerby.message("echo", "Hello")).statusCode == 200
    assert world.resultOf(alice.message("echo", "Still there?")).statusCode == 200

    assert [request.body for request in heard] == [b"Still there?"]


def test_anEchoThatNobodyAnswersDoesNotKeepItFromStopping() -> None:
    world = World()
    bot = world.start("echo", echo)
    alice = world.start("alice")
    never: Deferred[int] = Deferred()
    alice.handle("MESSAGE", lambda request: never)
    world.resultOf(alice.message("echo", "Hello"))

    stopped = bot.stop()
    world.network.advance(bot.configuration.stopTimeout)

    assert world.resultOf(stopped) is None
    assert not world.registered("echo")
