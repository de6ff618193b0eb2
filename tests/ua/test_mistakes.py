"""
What a newcomer gets wrong is told at once, by its name, with what is wanted;
and nothing has left, or been set, by then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipws import Configuration, NameAddr, UserAgent
from sipws.message import OutgoingRequest
from sipws.session import Description, Session
from sipws.testing import CannedDescriptions, MemoryNetwork
from tests.session.pair import OFFER, Pair
from tests.ua.fakes import Scene

#: What is not to be anybody's name: it has no method of a handler.
NOBODY: Any = "x"


@pytest.fixture
def scene() -> Scene:
    """A user agent with a connection."""
    scene = Scene()
    scene.connect()
    scene.transport.takeAll()
    return scene


@pytest.mark.parametrize("target", [None, b"bob", 100, ["bob"], NameAddr.parse("<sip:bob@example.com>")])
@pytest.mark.parametrize(
    "send",
    [
        lambda ua, target: ua.message(target, "Hello"),
        lambda ua, target: ua.options(target),
        lambda ua, target: ua.invite(target, OFFER),
        lambda ua, target: ua.subscribe(target, "presence"),
        lambda ua, target: ua.publish(target, "presence", "x", "text/plain"),
        lambda ua, target: ua.refer(target, "sip:carol@example.com"),
        lambda ua, target: ua.refer("bob", target),
    ],
)
def test_aTargetThatIsNone(scene: Scene, send: Callable[[Any, object], object], target: object) -> None:
    with pytest.raises(TypeError, match=r"^target: a URI, "):
        send(scene.ua, target)
    assert scene.transport.takeAll() == []


@pytest.mark.parametrize("target", ["", "<sip:bob@example.com>", '"Bob" <sip:bob@example.com>'])
def test_aTargetThatIsAnAddressWithAName(scene: Scene, target: str) -> None:
    with pytest.raises(ValueError, match=r"a URI by itself, such as sip:bob@example.com"):
        scene.ua.message(target, "Hello")


@pytest.mark.parametrize("body", [None, 5, True, {"a": 1}, [b"x"]])
def test_aBodyThatIsNone(scene: Scene, body: Any) -> None:
    """C{bytes} makes five NULs of a 5."""
    with pytest.raises(TypeError, match=r"^body: text or octets"):
        scene.ua.message("bob", body)
    with pytest.raises(TypeError, match=r"^body: text or octets"):
        OutgoingRequest("MESSAGE", "sip:bob@example.com", [], body)
    if body is not None:
        with pytest.raises(TypeError, match=r"^body: text or octets"):
            scene.ua.invite("bob", body)
    assert scene.transport.takeAll() == []


@pytest.mark.parametrize("headers", ["Subject: x", ["Subject: x"], 5, [("Subject",)], [(b"Subject", "x")]])
def test_headersThatAreNone(scene: Scene, headers: Any) -> None:
    with pytest.raises(TypeError, match=r"^headers: "):
        scene.ua.message("bob", "Hello", headers=headers)


@pytest.mark.parametrize("method", [None, b"OPTIONS", 5])
def test_aMethodThatIsNoText(scene: Scene, method: Any) -> None:
    with pytest.raises(TypeError, match=r"^method: text such as 'MESSAGE', not "):
        scene.ua.request(method, "bob")
    with pytest.raises(TypeError, match=r"^method: text such as 'MESSAGE', not "):
        scene.ua.handle(method, print)
    # What was refused is in no Allow of what leaves later.
    scene.ua.options("bob")
    assert len(scene.transport.takeAll()) == 1


def test_handlersThatWouldNeverBeCalled(scene: Scene) -> None:
    ua: Any = scene.ua
    with pytest.raises(ValueError, match=r"'message' .methods are in capitals: 'MESSAGE'"):
        ua.handle("message", print)
    with pytest.raises(TypeError, match=r"^handler: what can be called .* not 200$"):
        ua.handle("MESSAGE", 200)
    with pytest.raises(TypeError, match=r"^accept: a list such as \['text/plain'\], not 'text/plain'$"):
        ua.handle("MESSAGE", print, accept="text/plain")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"deadline": "5"}, "deadline: a number of seconds, not '5'"),
        ({"noAnswerTimeout": "30"}, "noAnswerTimeout: a number of seconds, not '30'"),
        ({"followRedirects": "5"}, "followRedirects: a number of redirections, not '5'"),
        ({"replaces": "x"}, "replaces: a session, not 'x'"),
        ({"contentType": 5}, "contentType: text such as 'application/sdp', not 5"),
        ({"handler": "x"}, "handler: an ISessionDescriptionHandler, with makeOffer, "),
        ({"handler": CannedDescriptions}, "handler: an ISessionDescriptionHandler, and no class of them"),
    ],
)
def test_callsThatCannotBe(scene: Scene, given: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        scene.ua.invite("bob", OFFER, **given)
    assert str(caught.value).startswith(said)
    assert scene.transport.takeAll() == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"event": None}, "event: text such as 'presence', not None"),
        ({"expires": "60"}, "expires: a number of seconds, not '60'"),
        ({"accept": "text/plain"}, "accept: a list such as "),
    ],
)
def test_subscriptionsThatCannotBe(scene: Scene, given: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError) as caught:
        scene.ua.subscribe("bob", **{"event": "presence", **given})
    assert str(caught.value).startswith(said)


def test_userAgentsThatCannotBe() -> None:
    network = MemoryNetwork()
    configuration: Any = Configuration(uri="sip:alice@example.com", wsServers="ws://example.com")
    with pytest.raises(TypeError, match=r"^configuration: a Configuration, such as Configuration\("):
        UserAgent(network.reactor, configuration)
    with pytest.raises(TypeError, match=r"^reactor: a reactor, such as .* not None$"):
        UserAgent(configuration, None)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (lambda session: session.progress("180"), "statusCode: a number from 101 to 199, not '180'"),
        (lambda session: session.reject("486"), "statusCode: a number from 300 to 699, not '486'"),
        (lambda session: session.reject(302, contacts="sip:x@y"), "contacts: a list such as "),
        (lambda session: setattr(session, "handler", NOBODY), "handler: an ISessionDescriptionHandler, "),
    ],
)
def test_aCallThatIsAnsweredWrongGoesOnRinging(mistake: Callable[[Session], object], said: str) -> None:
    """It is the listener's to make it good; where it does not, that is a 500."""
    pair = Pair()
    pair.alice.call()
    pair.pump()
    session = pair.bob.session
    with pytest.raises(TypeError) as caught:
        mistake(session)
    assert str(caught.value).startswith(said)
    assert session.state == "ringing"


def test_aHandlerNeedNotSayThatItIsOne(scene: Scene) -> None:
    class Engine:
        """All that a session wants of one, and no C{implementer}."""

        def makeOffer(self, session: object) -> Description:
            return Description(b"v=0 engine")

        def makeAnswer(self, session: object, offer: object) -> None: ...

        def takeAnswer(self, session: object, answer: object) -> None: ...

        def closed(self, session: object) -> None: ...

    engine: Any = Engine()
    session = scene.ua.invite("bob", handler=engine)
    assert session.handler is engine
    assert [request.body for request in scene.transport.takeAll()] == [b"v=0 engine"]
    session.cancel()
