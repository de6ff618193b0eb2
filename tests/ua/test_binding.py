"""What a registrar says of a binding: Path, Service-Route and GRUUs (RFC 3327, RFC 3608, RFC 5627)."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.message import URI, IncomingResponse, parseMessage
from sipws.ua.binding import MAX_ROUTES, Binding, bindingOf
from tests.ua.fakes import BOB, Scene, outcome
from tests.ua.test_registration import INSTANCE, Registrar

OURS = URI.parse("sip:me@own.invalid;transport=ws")
PUBLIC = f"sip:alice@example.com;gr=urn:uuid:{INSTANCE}"
TEMPORARY = "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr"


def answer(*headers: str) -> IncomingResponse:
    lines = [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/WS own.invalid;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=1",
        "To: <sip:alice@example.com>;tag=2",
        "Call-ID: 1",
        "CSeq: 1 REGISTER",
        *headers,
    ]
    message = parseMessage("\r\n".join(lines) + "\r\n\r\n")
    assert isinstance(message, IncomingResponse)
    return message


class TestReading:
    def test_mostSayNothing(self) -> None:
        first = bindingOf(answer("Contact: <sip:me@own.invalid>;expires=60"), OURS)
        assert first == Binding()
        # It is one for all user agents.
        assert first is bindingOf(answer(), OURS)

    def test_routesKeepTheirOrder(self) -> None:
        # RFC 3608 section 6.1: "The UA MUST preserve the order".
        response = answer(
            "Service-Route: <sip:a;lr>, <sip:b;lr>", "Path: <sip:p;lr>", "Service-Route: <sip:c;lr>"
        )
        binding = bindingOf(response, OURS)
        assert binding.serviceRoute == ("<sip:a;lr>", "<sip:b;lr>", "<sip:c;lr>")
        assert binding.path == ("<sip:p;lr>",)

    @pytest.mark.parametrize(
        "value",
        [
            "<sip:a;lr>, <sip:b>",
            "<sip:a;lr>, <<<",
            "sip:a;lr",
            ", ".join(["<sip:a;lr>"] * (MAX_ROUTES + 1)),
        ],
    )
    def test_routesThatMakeNoSenseAreNone(self, value: str) -> None:
        assert bindingOf(answer(f"Service-Route: {value}"), OURS) == Binding()

    def test_GRUUsAreThoseOfOurContact(self) -> None:
        response = answer(
            'Contact: <sip:other@own.invalid>;pub-gruu="sip:other@example.com;gr=1"',
            'Contact: <sip:me@own.invalid>;reg-id=2;temp-gruu="sip:second@example.com;gr"',
            f'Contact: <sip:me@own.invalid>;reg-id=1;pub-gruu="{PUBLIC}";temp-gruu="{TEMPORARY}"',
        )
        binding = bindingOf(response, OURS, 1)
        assert (binding.publicGRUU, binding.temporaryGRUU) == (PUBLIC, TEMPORARY)
        assert bindingOf(response, OURS, 2) == Binding(temporaryGRUU="sip:second@example.com;gr")

    @pytest.mark.parametrize("value", ['"<"', '"tel:+1"', '""', '"sip:a b"', "x", '"sip:a@b>\\r\\nEvil: 1"'])
    def test_whatIsNoSIPURIIsNoGRUU(self, value: str) -> None:
        assert bindingOf(answer(f"Contact: <sip:me@own.invalid>;pub-gruu={value}"), OURS) == Binding()

    def test_eitherWillDoUnlessItMustNotShowWhoWeAre(self) -> None:
        both = Binding(publicGRUU=PUBLIC, temporaryGRUU=TEMPORARY)
        assert (both.gruu(temporary=False), both.gruu(temporary=True)) == (PUBLIC, TEMPORARY)
        one = Binding(publicGRUU=PUBLIC)
        assert (one.gruu(temporary=False), one.gruu(temporary=True)) == (PUBLIC, None)
        assert Binding(temporaryGRUU=TEMPORARY).gruu(temporary=False) == TEMPORARY


def sent(scene: Scene, method: str = "MESSAGE", target: str = BOB, **options: Any) -> Any:
    """Send a request, and give it as it went out."""
    outcome(scene.ua.request(method, target, **options))
    request = scene.transport.take()
    scene.transport.answer(request, 404)
    scene.transport.takeAll()
    return request


def accept(registrar: Registrar, *headers: tuple[str, object], **gruus: str) -> Any:
    """Accept a REGISTER with headers, and parameters of the Contact."""
    request = registrar.take()
    more = "".join(f';{name.replace("_", "-")}="{value}"' for name, value in gruus.items())
    contact = f"{request.getHeader('Contact')}{more}"
    registrar.transport.answer(request, 200, [("Contact", contact), *headers])
    return request


class TestServiceRoute:
    """RFC 3608 section 6.1."""

    @pytest.fixture
    def registrar(self) -> Registrar:
        registrar = Registrar()
        registrar.scene.connect()
        return registrar

    def test_itIsTheRouteOfRequestsOutsideOfDialogs(self, registrar: Registrar) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>, <sip:two;lr>"))
        assert sent(registrar.scene).getHeaders("Route") == ["<sip:one;lr>", "<sip:two;lr>"]

    def test_butNotOfREGISTER(self, registrar: Registrar) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        registrar.wait()
        assert not registrar.take().hasHeader("Route")

    def test_norOfRequestsWithinDialogs(self, registrar: Registrar) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        assert not sent(registrar.scene, "BYE", headers={"To": f"<{BOB}>;tag=x"}).hasHeader("Route")

    def test_aCallersOwnRouteTakesItsPlace(self, registrar: Registrar) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        request = sent(registrar.scene, headers={"Route": "<sip:own;lr>"})
        assert request.getHeaders("Route") == ["<sip:own;lr>"]

    def test_theRequestWithCredentialsHasItOnce(self, registrar: Registrar) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        outcome(registrar.scene.ua.message(BOB, "hello"))
        challenge = registrar.verifier.makeChallenges()[0]
        registrar.transport.answer(registrar.transport.take(), 401, [("WWW-Authenticate", challenge)])
        request = registrar.transport.take()
        assert request.getHeaders("Route") == ["<sip:one;lr>"]
        registrar.transport.answer(request, 200)

    @pytest.mark.parametrize("headers", [[], [("Service-Route", "<sip:two;lr>")]])
    def test_theLastAnswerCounts(self, registrar: Registrar, headers: list[tuple[str, object]]) -> None:
        # "If there is no Service-Route header field in the response, the UA clears any service route".
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        registrar.wait()
        accept(registrar, *headers)
        assert sent(registrar.scene).getHeaders("Route") == [value for _, value in headers]

    @pytest.mark.parametrize(("status", "routes"), [(403, []), (503, ["<sip:one;lr>"])])
    def test_aRefusalEndsIt(self, registrar: Registrar, status: int, routes: list[str]) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        registrar.wait()
        registrar.refuse(status)
        assert registrar.isRegistered()
        assert sent(registrar.scene).getHeaders("Route") == routes

    def test_soDoesTheEndOfTheBinding(self, registrar: Registrar) -> None:
        accept(registrar, ("Service-Route", "<sip:one;lr>"))
        registrar.transport.lose()
        assert registrar.registration.binding is None
        registrar.transport.open()
        registrar.take()
        assert not sent(registrar.scene).hasHeader("Route")

    def test_ofTwoFlowsEachHasItsOwn(self) -> None:
        servers = ["ws://one.example.com", "ws://two.example.com"]
        scene = Scene(wsServers=servers, flows=2, instanceId=INSTANCE, register=True)
        scene.ua.start()
        for name, transport in zip("ab", scene.transports, strict=True):
            transport.open()
            request = transport.take()
            route = ("Service-Route", f"<sip:{name};lr>")
            transport.answer(request, 200, [("Contact", request.getHeader("Contact")), route])
        first, second = scene.transports
        outcome(scene.ua.message(BOB, "hello"))
        assert first.take().getHeaders("Route") == ["<sip:a;lr>"]
        first.lose()
        outcome(scene.ua.message(BOB, "hello"))
        request = second.take()
        assert request.getHeaders("Route") == ["<sip:b;lr>"]
        second.answer(request, 200)


class TestOutboundProxy:
    """RFC 3261 section 8.1.2: "a pre-existing route set"."""

    def test_eachRequestOutsideOfDialogsPassesIt(self) -> None:
        registrar = Registrar(outboundProxy="sip:proxy.example.net;transport=ws")
        registrar.scene.connect()
        expected = ["<sip:proxy.example.net;transport=ws;lr>"]
        assert accept(registrar).getHeaders("Route") == expected
        assert sent(registrar.scene).getHeaders("Route") == expected
        assert not sent(registrar.scene, "BYE", headers={"To": f"<{BOB}>;tag=x"}).hasHeader("Route")

    def test_thereMayBeSeveral(self) -> None:
        scene = Scene(outboundProxy=["sip:one", "sips:two;lr"], usePreloadedRoute=True)
        scene.connect()
        assert sent(scene).getHeaders("Route") == [
            "<sip:sip.example.com;transport=ws;lr>",
            "<sip:one;lr>",
            "<sips:two;lr>",
        ]

    def test_theServiceRouteComesAfterIt(self) -> None:
        registrar = Registrar(outboundProxy="sip:edge")
        registrar.scene.connect()
        accept(registrar, ("Service-Route", "<sip:home;lr>"))
        assert sent(registrar.scene).getHeaders("Route") == ["<sip:edge;lr>", "<sip:home;lr>"]

    def test_aServiceRouteThatBeginsWithItDoesNotLeadThereTwice(self) -> None:
        registrar = Registrar(outboundProxy="sip:edge")
        registrar.scene.connect()
        accept(registrar, ("Service-Route", "<sip:EDGE;lr;token=1>, <sip:home;lr>"))
        assert sent(registrar.scene).getHeaders("Route") == ["<sip:EDGE;lr;token=1>", "<sip:home;lr>"]

    def test_theCANCELOfAnINVITEGoesTheSameWay(self) -> None:
        scene = Scene(outboundProxy="sip:edge")
        transport = scene.connect()
        calling = scene.ua.request("INVITE", BOB)
        got = outcome(calling)
        invite = transport.take()
        transport.answer(invite, 180)
        calling.cancel()
        cancel = transport.take()
        assert (cancel.method, cancel.getHeaders("Route")) == ("CANCEL", ["<sip:edge;lr>"])
        transport.answer(cancel, 200)
        transport.answer(invite, 487)
        assert transport.take().getHeaders("Route") == ["<sip:edge;lr>"]
        assert len(got) == 1
        scene.clock.advance(64)


class TestGRUU:
    """RFC 5627 section 4."""

    def registered(self, gruu: str, **options: Any) -> Registrar:
        registrar = Registrar(gruu=gruu, instanceId=INSTANCE, contactName="me", viaHost="own.invalid")
        registrar.scene.connect()
        accept(registrar, **{"pub_gruu": PUBLIC, "temp_gruu": TEMPORARY, **options})
        return registrar

    def contact(self, registrar: Registrar, target: str = BOB) -> Any:
        return sent(registrar.scene, "INVITE", target).getHeader("Contact")

    def test_REGISTERAsksForOne(self) -> None:
        registrar = Registrar(gruu="public", instanceId=INSTANCE)
        registrar.scene.connect()
        request = registrar.take()
        assert request.getHeaders("Supported") == ["path", "outbound", "gruu"]
        assert "+sip.instance" in request.parseHeader("Contact").parameters

    @pytest.mark.parametrize(("option", "gruu"), [("public", PUBLIC), ("temporary", TEMPORARY)])
    def test_itIsTheContactOfDialogs(self, option: str, gruu: str) -> None:
        registrar = self.registered(option)
        request = sent(registrar.scene, "INVITE")
        assert request.getHeader("Contact") == f"<{gruu}>"
        assert request.getHeaders("Supported") == ["gruu"]
        assert registrar.scene.ua.usages.contact() == f"<{gruu}>"

    def test_notOfREGISTER(self) -> None:
        # Section 4.1: "it MUST NOT be a GRUU for the AOR in the To header field."
        registrar = self.registered("public")
        registrar.wait()
        assert registrar.take().parseHeader("Contact").uri == OURS

    def test_withoutOneTheFlowIsAskedForByOb(self) -> None:
        registrar = Registrar(gruu="public", instanceId=INSTANCE, contactName="me", viaHost="own.invalid")
        registrar.scene.connect()
        accept(registrar)
        assert self.contact(registrar) == "<sip:me@own.invalid;transport=ws;ob>"

    def test_unlessThatIsAskedForThereIsNone(self) -> None:
        assert self.contact(self.registered("none")) == "<sip:me@own.invalid;transport=ws;ob>"

    def test_theLastTemporaryOneCounts(self) -> None:
        registrar = self.registered("temporary")
        registrar.wait()
        accept(registrar, temp_gruu="sip:another@example.com;gr")
        assert self.contact(registrar) == "<sip:another@example.com;gr>"

    def test_aRefusalLeavesIt(self) -> None:
        # Section 4.2: "A non-2xx response to the REGISTER request has no impact on any existing GRUUs".
        registrar = self.registered("public")
        registrar.wait()
        registrar.refuse(403)
        assert self.contact(registrar) == f"<{PUBLIC}>"

    def test_theEndOfTheBindingDoesNot(self) -> None:
        registrar = self.registered("public")
        registrar.transport.lose()
        registrar.transport.open()
        registrar.take()
        assert self.contact(registrar) == "<sip:me@own.invalid;transport=ws;ob>"

    def test_whereASIPSURIIsWantedASIPOneIsNot(self) -> None:
        registrar = self.registered("public")
        assert self.contact(registrar, "sips:bob@example.com") == "<sips:me@own.invalid;transport=ws;ob>"

    def test_ofTwoFlowsEitherWillDo(self) -> None:
        # Section 4.2: "the temporary GRUUs remain valid as long as at least one flow is registered".
        servers = ["ws://one.example.com", "ws://two.example.com"]
        scene = Scene(wsServers=servers, flows=2, instanceId=INSTANCE, register=True, gruu="public")
        scene.ua.start()
        first, second = scene.transports
        for transport in scene.transports:
            transport.open()
        request = second.take()
        contact = f'{request.getHeader("Contact")};pub-gruu="{PUBLIC}"'
        second.answer(request, 200, [("Contact", contact)])
        assert scene.ua.usages.contact() == f"<{PUBLIC}>"
        second.lose()
        assert scene.ua.usages.contact().endswith(";ob>")
        scene.ua.registration.stop()
        assert first.connected
