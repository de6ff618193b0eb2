"""A C{sip.Base} subclass, and Twisted's own Proxy, over a WebSocket to a server."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.protocols import sip
from zope.interface.verify import verifyObject

from sipws.errors import ConfigurationError, NotConnected
from sipws.interfaces import IUserAgent
from sipws.message import IncomingResponse, OutgoingResponse
from sipws.testing import MemoryNetwork
from sipws.twistedsip import WebSocketPort
from tests.conftest import FlushLoggedErrors
from tests.inmemory import World
from tests.twistedsip.phone import Phone
from tests.ua.fakes import outcome

TEXT = "Grüße aus Łódź — 15:30? ☎️"


@pytest.fixture
def world() -> World:
    return World()


def start(world: World, base: sip.Base, uri: str = "ws://localhost") -> WebSocketPort:
    port = WebSocketPort(base, uri, world.reactor)
    port.start()
    world.network.advance(0)
    return port


def test_itRegistersAndExchangesMessages(world: World) -> None:
    phone = Phone("phone", "localhost")
    port = start(world, phone)
    verifyObject(IUserAgent, port)
    assert phone.isUp
    assert world.resultOf(phone.send("REGISTER", "sip:localhost", contact=True)).code == 200
    alice = world.start("alice")
    texts: list[str] = []
    alice.on("message", lambda request: texts.append(request.body.decode()))
    assert world.resultOf(phone.send("MESSAGE", "sip:alice@localhost", TEXT)).code == 200
    assert world.resultOf(alice.message("phone", TEXT)).statusCode == 200
    assert (texts, phone.texts) == ([TEXT], [TEXT])
    alice.stop()
    port.stopListening()
    world.network.advance(70)
    assert not phone.isUp


def test_whatItSendsIsAsRFC7118Asks() -> None:
    network = MemoryNetwork()
    phone = Phone("phone", "example.com")
    port = WebSocketPort(phone, "wss://example.com", network.reactor)
    port.start()
    network.advance(0)
    phone.send("MESSAGE", "sip:alice@example.com", "hi")
    network.advance(0)
    (request,) = network.connections[0].received
    assert request.getHeaders("Via")[0].startswith("SIP/2.0/WSS phone.invalid:5060;branch=z9hG4bK")
    assert request.body == b"hi"
    port.stopListening()
    network.advance(2)


@pytest.mark.parametrize("uri", ["ws://example.com", "ws://[2001:db8::1]:8080", "unix:/socket"])
def test_aProxyIsPassedThrough(uri: str) -> None:
    # The server asks it to forward, and has the response with two Vias.
    class Everybody:
        def getAddress(self, url: Any) -> Any:
            from twisted.internet.defer import succeed

            return succeed(sip.URL(host="example.com"))

    network = MemoryNetwork()
    proxy = sip.Proxy(host="proxy.example.com")
    proxy.locator = Everybody()  # type: ignore[assignment]
    port = WebSocketPort(proxy, uri, network.reactor)
    port.start()
    network.advance(0)
    (server,) = network.connections
    request = (
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS server.example.com;branch=z9hG4bKserver\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c\r\n"
        "CSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n"
    )
    server.send(request)
    network.advance(0)
    forwarded = server.requests[0]
    assert [via.split(";")[0] for via in forwarded.getHeaders("Via")] == [
        "SIP/2.0/WS proxy.example.com:5060",
        "SIP/2.0/WS server.example.com",
    ]
    server.send(bytes(OutgoingResponse(forwarded, 202, toTag="b")))
    network.advance(0)
    response = server.received[1]
    assert isinstance(response, IncomingResponse)
    assert response.statusCode == 202
    (via,) = response.getHeaders("Via")
    assert via.startswith("SIP/2.0/WS server.example.com;branch=z9hG4bKserver")
    port.stopListening()
    network.advance(2)


def test_aLostConnectionIsMadeAnew(world: World) -> None:
    phone = Phone("phone", "localhost")
    port = start(world, phone)
    world.server.factory.closeAll()
    world.network.advance(1)
    phone.send("MESSAGE", "sip:alice@localhost", "lost")
    assert port.lost == 1
    world.network.advance(5)
    assert world.resultOf(phone.send("REGISTER", "sip:localhost", contact=True)).code == 200
    port.stopListening()
    world.network.advance(5)


def test_whoWaitsForAConnectionIsTold(world: World) -> None:
    port = WebSocketPort(Phone("phone", "localhost"), "ws://localhost", world.reactor)
    waiting = outcome(port.whenConnected())
    port.start()
    port.start()
    assert not waiting
    world.network.advance(0)
    assert waiting == [None]
    assert outcome(port.whenConnected()) == [None]
    assert port.getHost() is not None
    port.loseConnection()
    (error,) = outcome(port.whenConnected())
    assert isinstance(error, NotConnected)
    world.network.advance(5)
    port.stopListening()


def test_whereThereIsNoServerItFails() -> None:
    network = MemoryNetwork()
    network.rejection = (503, "no")
    port = WebSocketPort(Phone("phone", "x"), "ws://x.example", network.reactor, maxReconnection=1)
    waiting = outcome(port.whenConnected())
    port.start()
    network.advance(20)
    assert isinstance(waiting[0], NotConnected)
    # Nor is one waited for afterwards.
    (error,) = outcome(port.whenConnected())
    assert isinstance(error, NotConnected)
    port.stopListening()


def test_aServerThatIsNoneIsRefused() -> None:
    with pytest.raises(ConfigurationError):
        WebSocketPort(Phone("phone", "x"), "http://x.example", None)


def test_whatItWritesMustBeAMessage(world: World, flushLoggedErrors: FlushLoggedErrors) -> None:
    port = start(world, Phone("phone", "localhost"))
    port.write(b"nonsense", ("localhost", 5060))
    port.write(b"")
    assert port.lost == 2
    port.stopListening()
    world.network.advance(5)
