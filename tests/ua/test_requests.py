"""What requests look like that go out (RFC 3261 section 8.1.1)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sipws.errors import ParseError
from sipws.message import URI, IncomingRequest
from sipws.ua.requests import normalizeTarget
from tests.ua.fakes import ALICE, BOB, Scene, outcome

INSTANCE = "7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f"


def sent(
    method: str = "MESSAGE", target: URI | str = BOB, *, server: str = "ws://sip.example.com", **given: Any
) -> Any:
    """Give the request as it goes out; options of the user agent begin with C{ua_}."""
    options = {name[3:]: given.pop(name) for name in list(given) if name.startswith("ua_")}
    scene = Scene(wsServers=server, **options)
    transport = scene.connect()
    outcome(scene.ua.request(method, target, **given))
    request = transport.take()
    scene.ua.transactions.close(ParseError("the test is over"))
    return request


class TestMandatoryHeaders:
    def test_areAllThere(self) -> None:
        request = sent(body="hello", contentType="text/plain")
        assert isinstance(request, IncomingRequest)
        assert request.requestURIText == BOB
        assert request.getHeader("Max-Forwards") == "70"
        assert str(request.toHeader) == f"<{BOB}>"
        assert request.toTag is None
        assert str(request.fromHeader.uri) == ALICE
        assert re.fullmatch(r"[0-9a-f]{16}", request.fromTag or "")
        assert request.cseqMethod == "MESSAGE"
        assert request.getHeader("CSeq") == "1 MESSAGE"
        assert re.fullmatch(r"sipws/\S+", request.getHeader("User-Agent") or "")
        assert request.body == b"hello"
        assert request.contentType == "text/plain"
        assert request.contentLength == 5

    def test_callIDsBeginWithOurOwnPrefix(self) -> None:
        request = sent(ua_sipjsId="abcde")
        assert re.fullmatch(r"abcde[0-9a-f]{24}", request.callID)

    def test_eachRequestHasItsOwn(self) -> None:
        scene = Scene()
        transport = scene.connect()
        for _ in range(50):
            outcome(scene.ua.message(BOB, "hello"))
        requests = transport.takeAll()
        assert len({request.callID for request in requests}) == 50
        assert len({request.fromTag for request in requests}) == 50
        assert len({request.viaBranch for request in requests}) == 50
        scene.ua.transactions.close(ParseError("the test is over"))

    def test_theDisplayNameIsInFrom(self) -> None:
        assert sent(ua_displayName='Al "A" ice').fromHeader.displayName == 'Al "A" ice'

    def test_textGoesOutAsUTF8(self) -> None:
        request = sent(body="größe", contentType="text/plain")
        assert request.body == "größe".encode()
        assert request.contentLength == 7

    @pytest.mark.parametrize("name", ["Content-Type", "content-type", "c"])
    def test_aBodyHasAType(self, name: str) -> None:
        assert sent(body="x", headers=[(name, "text/plain")]).getHeaders("Content-Type") == ["text/plain"]
        # RFC 3261 section 20.15: it "MUST be present if the body is not empty".
        with pytest.raises(ValueError, match="contentType: the body of a MESSAGE has none"):
            sent(body="x", headers=[("Subject", "x")])


class TestVia:
    @pytest.mark.parametrize(("server", "transport"), [("ws://a", "WS"), ("wss://a", "WSS")])
    def test_hasTheTransportOfRFC7118(self, server: str, transport: str) -> None:
        assert sent(server=server).via.transport == transport

    def test_saysTCPWithTheHack(self) -> None:
        assert sent(ua_hackViaTcp=True).via.transport == "TCP"

    def test_hasOurHostAndABranch(self) -> None:
        request = sent(ua_viaHost="own.invalid")
        assert request.sentBy == "own.invalid"
        assert re.fullmatch(r"z9hG4bK[0-9a-f]{24}", request.viaBranch)
        assert request.headers[0][0] == "Via"
        assert "rport" not in request.via.parameters

    def test_hasRportWhereThatIsForced(self) -> None:
        assert "rport" in sent(ua_forceRport=True).via.parameters


class TestContact:
    @pytest.mark.parametrize("method", ["INVITE", "SUBSCRIBE", "REFER", "UPDATE"])
    def test_isInRequestsThatMakeDialogs(self, method: str) -> None:
        request = sent(method, ua_contactName="me", ua_viaHost="own.invalid")
        assert str(request.parseHeader("Contact").uri) == "sip:me@own.invalid;transport=ws"
        assert request.hasHeader("Allow")

    @pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS"])
    def test_isNotInOthers(self, method: str) -> None:
        assert not sent(method).hasHeader("Contact")

    def test_saysObForAnOutboundUserAgent(self) -> None:
        assert "ob" in sent("INVITE", ua_instanceId=INSTANCE).parseHeader("Contact").uri.parameters

    def test_isSecureWhereTheTargetIs(self) -> None:
        assert sent("INVITE", "sips:bob@example.com").parseHeader("Contact").uri.scheme == "sips"


class TestRoute:
    def test_isThePreloadedOneWhereThatIsConfigured(self) -> None:
        request = sent(ua_usePreloadedRoute=True, server="wss://sip.example.com:8443")
        assert request.getHeader("Route") == "<sip:sip.example.com:8443;transport=ws;lr>"

    def test_isThereInOneThatWaitedToo(self) -> None:
        scene = Scene(usePreloadedRoute=True)
        outcome(scene.ua.message(BOB, "hello"))
        request = scene.connect().take()
        assert request.getHeader("Route") == "<sip:sip.example.com;transport=ws;lr>"
        assert request.headers[0][0] == "Via"
        scene.ua.transactions.close(ParseError("the test is over"))

    def test_isNoneOtherwise(self) -> None:
        assert not sent().hasHeader("Route")

    def test_isTheCallersWhereThereIsOne(self) -> None:
        request = sent(
            ua_usePreloadedRoute=True, headers=[("Route", "<sip:p1;lr>"), ("Route", "<sip:p2;lr>")]
        )
        assert request.getHeaders("Route") == ["<sip:p1;lr>", "<sip:p2;lr>"]


class TestSupported:
    def test_hasTheExtraOptionTags(self) -> None:
        assert sent(ua_extraSupported=["timer", "100rel"]).getHeaders("Supported") == ["timer", "100rel"]

    def test_isNotThereWithoutAny(self) -> None:
        assert not sent().hasHeader("Supported")


class TestCallersHeaders:
    def test_areAdded(self) -> None:
        request = sent(headers=[("Subject", "hi"), ("X-Mine", 5), ("X-Mine", "6")])
        assert request.getHeader("Subject") == "hi"
        assert request.getHeaders("X-Mine") == ["5", "6"]

    def test_mayBeAMapping(self) -> None:
        assert sent(headers={"Subject": "hi"}).getHeader("Subject") == "hi"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("To", "<sip:carol@example.com>"),
            ("Call-ID", "mine"),
            ("CSeq", "7 MESSAGE"),
            ("Max-Forwards", "5"),
            ("User-Agent", "mine/1"),
            ("Supported", "timer"),
            ("Content-Type", "text/html"),
            ("i", "mine"),
        ],
    )
    def test_takeThePlaceOfOursWhereThereIsButOne(self, name: str, value: str) -> None:
        request = sent(headers=[(name, value)], contentType="text/plain")
        assert request.getLines(name) == [value]

    def test_fromKeepsATag(self) -> None:
        request = sent(headers=[("From", "Carol <sip:carol@example.com>")])
        assert request.fromHeader.uri.user == "carol"
        assert re.fullmatch(r"[0-9a-f]{16}", request.fromTag)
        assert sent(headers=[("From", "<sip:carol@example.com>;tag=x")]).fromTag == "x"

    @pytest.mark.parametrize("name", ["Via", "v", "Content-Length", "l"])
    def test_areRefusedWhereTheyAreOurs(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            sent(headers=[(name, "x")])

    @pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\0b"])
    def test_cannotBreakOut(self, value: str) -> None:
        with pytest.raises(ValueError, match="Subject"):
            sent(headers=[("Subject", value)])
        with pytest.raises(ValueError, match="Content-Type"):
            sent(contentType=value)


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("sip:bob@example.com", "sip:bob@example.com"),
        ("SIP:bob@example.com;transport=ws", "sip:bob@example.com;transport=ws"),
        ("sips:bob@example.com", "sips:bob@example.com"),
        ("sip:example.com", "sip:example.com"),
        ("tel:+15551234", "tel:+15551234"),
        ("bob@example.net", "sip:bob@example.net"),
        ("bob", "sip:bob@home.example.com"),
        ("+1555", "sip:+1555@home.example.com"),
        ("b o b@example.net", "sip:b%20o%20b@example.net"),
        ("zoë", "sip:zo%C3%AB@home.example.com"),
        ("sip:bob@example.com?Subject=hi", "sip:bob@example.com"),
        ("sip:bob@example.com;method=INVITE;user=phone", "sip:bob@example.com;user=phone"),
        (URI.parse("sip:bob@example.com?Subject=hi"), "sip:bob@example.com"),
    ],
)
def test_aTargetIsAURIOrAnAddressOrAUserOfOurDomain(target: URI | str, uri: str) -> None:
    assert normalizeTarget(target, "home.example.com") == uri


def test_ourDomainIsThatOfTheAddress() -> None:
    request = sent(target="bob", ua_uri="sips:alice@home.example.com:5071")
    assert request.requestURIText == "sip:bob@home.example.com:5071"


@pytest.mark.parametrize(
    "target", ["", "sip:", "sip:bob@", "bob@", "bob@exa mple.com", "sip:bob@example.com\r\nX: y"]
)
def test_whatIsNoTargetIsRefusedAtOnce(target: str) -> None:
    scene = Scene()
    scene.connect()
    with pytest.raises(ValueError):  # noqa: PT011
        scene.ua.message(target, "hello")
    assert scene.transport.sent == []


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ackAndCancelAreNoRequestsByThemselves(method: str) -> None:
    scene = Scene()
    scene.connect()
    with pytest.raises(ValueError, match=method):
        scene.ua.request(method, BOB)


def test_optionsAsksForWhatIsUnderstood() -> None:
    scene = Scene()
    transport = scene.connect()
    scene.ua.handle("MESSAGE", lambda _: 200, accept=["text/plain"])
    response = outcome(scene.ua.options(BOB, headers={"Subject": "?"}))
    request = transport.take()
    assert (request.method, request.getHeader("Accept")) == ("OPTIONS", "text/plain")
    assert request.getHeader("Subject") == "?"
    transport.answer(request, 200)
    assert response[0].statusCode == 200


def test_messageIsPlainTextUnlessSaidOtherwise() -> None:
    scene = Scene()
    transport = scene.connect()
    outcome(scene.ua.message(BOB, "hello"))
    outcome(scene.ua.message(BOB, b"<p>", contentType="text/html"))
    first, second = transport.takeAll()
    assert (first.contentType, first.body) == ("text/plain", b"hello")
    assert (second.contentType, second.body) == ("text/html", b"<p>")
    scene.ua.transactions.close(ParseError("the test is over"))
