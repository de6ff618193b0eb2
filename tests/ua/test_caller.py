"""Who requests of a user agent say that they come from: RFC 3323, RFC 3325."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.message import Caller
from tests.ua.fakes import ALICE, BOB
from tests.ua.test_binding import PUBLIC, TEMPORARY, accept
from tests.ua.test_binding import sent as exchange
from tests.ua.test_registration import INSTANCE, Registrar
from tests.ua.test_requests import sent

NOBODY = "sip:anonymous@anonymous.invalid"


class TestOption:
    def test_mostSayNothing(self) -> None:
        request = sent("INVITE")
        for name in ("Privacy", "P-Preferred-Identity", "P-Asserted-Identity"):
            assert not request.hasHeader(name)

    def test_identitiesAreInEachRequest(self) -> None:
        request = sent(
            "MESSAGE",
            ua_preferredIdentity=["Alice <sip:alice@example.com>", "tel:+1"],
            ua_assertedIdentity="sip:gateway@example.com",
            ua_privacy=["id", "critical"],
        )
        assert request.getHeaders("P-Preferred-Identity") == ['"Alice" <sip:alice@example.com>', "<tel:+1>"]
        assert request.getHeaders("P-Asserted-Identity") == ["<sip:gateway@example.com>"]
        assert request.getHeader("Privacy") == "id;critical"
        assert str(request.fromHeader.uri) == ALICE

    def test_anonymousSaysNothingInFrom(self) -> None:
        request = sent("INVITE", ua_anonymous=True, ua_displayName="Alice", ua_contactName="me")
        assert str(request.fromHeader.uri) == NOBODY
        assert request.fromHeader.displayName == "Anonymous"
        assert request.fromTag
        assert request.getHeader("Privacy") == "id"
        assert "alice" not in str(request).lower()

    def test_butTheRegistrarIsToldWhoWeAre(self) -> None:
        registrar = Registrar(
            anonymous=True, preferredIdentity="tel:+1", displayName="Alice", privacy=["user"]
        )
        registrar.scene.connect()
        request = registrar.take()
        assert str(request.fromHeader) == f'"Alice" <{ALICE}>;tag={request.fromTag}'
        assert not request.hasHeader("Privacy")
        assert not request.hasHeader("P-Preferred-Identity")

    def test_withinADialogWhatIsPrivateStaysSo(self) -> None:
        registrar = Registrar(register=False, anonymous=True, preferredIdentity=ALICE)
        scene = registrar.scene
        scene.connect()
        session = scene.ua.invite(BOB, "v=0\r\n")
        invite = scene.transport.take()
        scene.transport.answer(
            invite, 200, [("Contact", f"<{BOB}>"), ("Content-Type", "application/sdp")], "v=0"
        )
        ack = scene.transport.take()
        session.bye()
        bye = scene.transport.take()
        assert invite.getHeader("P-Preferred-Identity") == f"<{ALICE}>"
        assert [bye.getHeader("Privacy"), ack.getHeader("Privacy")] == ["id", None]
        assert str(bye.fromHeader.uri) == str(ack.fromHeader.uri) == NOBODY
        assert not bye.hasHeader("P-Preferred-Identity")
        scene.transport.answer(bye, 200)
        scene.clock.advance(64)

    def test_anAnonymousContactIsATemporaryGRUU(self) -> None:
        registrar = Registrar(gruu="public", instanceId=INSTANCE)
        registrar.scene.connect()
        accept(registrar, pub_gruu=PUBLIC, temp_gruu=TEMPORARY)
        request = exchange(registrar.scene, "INVITE", headers=Caller(anonymous=True).headers())
        assert request.getHeader("Contact") == f"<{TEMPORARY}>"
        assert exchange(registrar.scene, "INVITE").getHeader("Contact") == f"<{PUBLIC}>"

    def test_withoutOneItIsThatOfTheConnection(self) -> None:
        registrar = Registrar(
            gruu="public", instanceId=INSTANCE, anonymous=True, contactName="me", viaHost="own.invalid"
        )
        registrar.scene.connect()
        accept(registrar, pub_gruu=PUBLIC)
        contact = exchange(registrar.scene, "INVITE").getHeader("Contact")
        assert contact == "<sip:me@own.invalid;transport=ws;ob>"


class TestRequest:
    """The same for one request."""

    @pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
    def test_itMaySaySoByItself(self, method: str) -> None:
        caller = Caller(preferred=ALICE, anonymous=True)
        request = sent(method, headers=caller.headers())
        assert Caller.of(request) == Caller(preferred=ALICE, privacy="id", anonymous=True)
        assert request.fromTag

    def test_whatItSaysTakesThePlaceOfTheOptions(self) -> None:
        options: dict[str, Any] = {"ua_preferredIdentity": "tel:+1", "ua_privacy": ["id"]}
        request = sent(headers=Caller(preferred=[ALICE, "tel:+2"], privacy="none").headers(), **options)
        assert request.getHeaders("P-Preferred-Identity") == [f"<{ALICE}>", "<tel:+2>"]
        assert request.getHeaders("Privacy") == ["none"]
        request = sent(headers={"privacy": "header"}, **options)
        assert request.getHeaders("P-Preferred-Identity") == ["<tel:+1>"]
        assert request.getHeaders("Privacy") == ["header"]
