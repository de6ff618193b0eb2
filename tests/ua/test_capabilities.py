"""What a user agent says that it can do, and is (RFC 3261 sections 8.2, 11 and 20)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sipws.config.optiontags import REGISTERED, TABLE, Where, supportedTags
from sipws.message import OutgoingResponse
from sipws.ua import Reply
from tests.config.test_configuration import configure
from tests.conftest import FlushLoggedErrors
from tests.ua.fakes import ALICE, BOB, Scene, incoming, outcome
from tests.ua.test_registration import Registrar

#: When the clock of these tests stands, and how SIP says it.
NOON = datetime(2010, 11, 13, 23, 29, tzinfo=UTC).timestamp()
DATE = "Sat, 13 Nov 2010 23:29:00 GMT"


def connected(**options: Any) -> Scene:
    scene = Scene(contactName="me", **options)
    scene.connect()
    return scene


def receive(scene: Scene, *args: Any, **kwargs: Any) -> Any:
    scene.transport.receive(incoming(*args, **kwargs))
    return scene.transport.take()


def fail(request: object) -> None:
    raise RuntimeError


class TestServer:
    @pytest.mark.parametrize(
        ("options", "values"),
        [
            ({"userAgentString": "bot/1"}, ["bot/1"]),
            ({"userAgentString": "bot/1", "serverString": "gateway"}, ["gateway"]),
            ({"serverString": ""}, []),
        ],
    )
    def test_isInEveryResponse(
        self, options: Any, values: list[str], flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        scene = connected(**options)
        scene.ua.handle("PUBLISH", fail)
        scene.ua.handle("INFO", lambda request: Reply(603))
        methods = ["OPTIONS", "MESSAGE", "REGISTER", "FOO", "CANCEL", "PUBLISH", "INFO"]
        responses = [receive(scene, method, branch=f"z9hG4bK{method}") for method in methods]
        assert [each.statusCode for each in responses] == [200, 200, 405, 501, 481, 500, 603]
        assert [each.getHeaders("Server") for each in responses] == [values] * len(methods)
        flushLoggedErrors(RuntimeError)
        scene.clock.advance(64)

    def test_aHandlersOwnTakesItsPlace(self) -> None:
        scene = connected()
        scene.ua.handle("INFO", lambda request: OutgoingResponse(request, 200, headers=[("Server", "own")]))
        assert receive(scene, "INFO").getHeaders("Server") == ["own"]
        scene.clock.advance(64)

    def test_aResponseThatIsSentAgainIsTheSame(self) -> None:
        scene = connected()
        first = receive(scene, "MESSAGE")
        assert str(receive(scene, "MESSAGE")) == str(first)
        scene.clock.advance(64)

    def test_thatOfACallIsInEachResponse(self) -> None:
        scene = connected(serverString="phone")
        sessions: list[Any] = []
        scene.ua.on("invite", sessions.append)
        scene.transport.receive(incoming("INVITE", ALICE, f"Contact: <{BOB}>"))
        (session,) = sessions
        session.progress(180)
        session.reject(486)
        assert {each.getHeader("Server") for each in scene.transport.takeAll()} == {"phone"}
        scene.clock.advance(64)


class TestDate:
    def test_isNotSaidUnlessThatIsAskedFor(self) -> None:
        scene = connected()
        assert not receive(scene, "OPTIONS").hasHeader("Date")
        outcome(scene.ua.message(BOB, "hello"))
        request = scene.transport.take()
        assert not request.hasHeader("Date")
        scene.transport.answer(request, 200)
        scene.clock.advance(64)

    def test_isInRequestsAndResponses(self) -> None:
        registrar = Registrar(sendDate=True)
        scene = registrar.scene
        scene.clock.advance(NOON)
        scene.connect()
        assert registrar.take().getHeader("Date") == DATE
        assert receive(scene, "OPTIONS").getHeader("Date") == DATE
        outcome(scene.ua.request("INFO", BOB, [("Date", "Sun, 14 Nov 2010 23:29:00 GMT")]))
        request = scene.transport.take()
        assert request.getHeaders("Date") == ["Sun, 14 Nov 2010 23:29:00 GMT"]
        scene.transport.answer(request, 200)
        scene.ua.registration.stop()
        scene.clock.advance(64)

    def test_isInRequestsWithinDialogs(self) -> None:
        scene = connected(sendDate=True)
        session = scene.ua.invite(BOB, "v=0\r\n")
        invite = scene.transport.take()
        answered = [("Contact", f"<{BOB}>"), ("Content-Type", "application/sdp")]
        scene.transport.answer(invite, 200, answered, "v=0")
        scene.clock.advance(NOON)
        scene.transport.takeAll()
        session.bye()
        bye = scene.transport.take()
        assert bye.getHeader("Date") == DATE
        scene.transport.answer(bye, 200)
        scene.clock.advance(64)


class TestMaxForwards:
    @pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS"])
    def test_whatHasArrivedNeedsNoMore(self, method: str) -> None:
        # RFC 3261 section 16.3: 483 is for an element that would forward it; this is its destination.
        scene = connected()
        text = incoming(method).replace("Max-Forwards: 70", "Max-Forwards: 0")
        scene.transport.receive(text)
        assert scene.transport.take().statusCode == 200
        scene.clock.advance(64)


class TestSupported:
    def test_optionsSaysWhatTheConfigurationSwitchesOn(self) -> None:
        scene = connected(extraSupported=["geolocation-sip"])
        assert receive(scene, "OPTIONS").getHeaders("Supported") == ["geolocation-sip"]
        scene.clock.advance(64)

    def test_whatIsRequiredBeyondThatIsAnswered420(self) -> None:
        scene = connected(extraSupported=["geolocation-sip"])
        response = receive(scene, "MESSAGE", ALICE, "Require: geolocation-sip, gruu, Foo")
        assert response.statusCode == 420
        assert response.getHeaders("Unsupported") == ["gruu", "Foo"]
        scene.clock.advance(64)

    def test_withAGRUUResponsesSayGruu(self) -> None:
        # RFC 5627 section 4.4: "in requests and responses it generates".
        scene = connected(gruu="public", instanceId="7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f")
        assert receive(scene, "MESSAGE").getHeaders("Supported") == ["gruu"]
        assert receive(scene, "MESSAGE", ALICE, "Require: gruu", branch="z9hG4bK2").statusCode == 200
        scene.clock.advance(64)


class TestTable:
    """Which configuration switches on which option tag."""

    INSTANCE = "7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f"

    @pytest.mark.parametrize(
        ("options", "where", "tags"),
        [
            ({}, Where.ALL, ()),
            ({}, Where.REGISTER, ("path",)),
            ({"instanceId": INSTANCE}, Where.REGISTER, ("path", "outbound")),
            (
                {"instanceId": INSTANCE, "gruu": "temporary", "extraSupported": ["ice", "gruu"]},
                Where.REGISTER,
                ("path", "outbound", "gruu", "ice"),
            ),
            ({"extraSupported": ["ice"]}, Where.ALL, ("ice",)),
        ],
    )
    def test_isFollowed(self, options: Any, where: Where, tags: tuple[str, ...]) -> None:
        assert supportedTags(configure(**options), where) == tags

    @pytest.mark.parametrize(("option", "tag"), [("rel100", "100rel"), ("replaces", "replaces")])
    def test_callsHaveTheirs(self, option: str, tag: str) -> None:
        on, off = (
            set(supportedTags(configure(**{option: value}), Where.CALL)) for value in ("supported", "none")
        )
        assert on - off == {tag}
        assert {"timer", "norefersub"} <= off

    def test_eachTagIsRegistered(self) -> None:
        assert {row.tag for row in TABLE} <= REGISTERED

    def test_onlyWhoTakesCallsSupportsWhatIsForCalls(self) -> None:
        scene = connected()
        assert not receive(scene, "OPTIONS").getHeaders("Supported")
        scene.ua.on("invite", lambda session: None)
        tags = set(receive(scene, "OPTIONS", branch="z9hG4bK2").getHeaders("Supported"))
        assert tags == set(supportedTags(scene.ua.configuration, Where.CALL))
        scene.clock.advance(64)
