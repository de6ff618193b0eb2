"""At the edges of segments, closings and pauses: what comes together, too late, or twice."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.config import WsServer
from sipws.counters import Counters
from sipws.errors import ConfigurationError
from sipws.transport import TransportOptions
from sipws.transport.retry import RetryPolicy
from tests.transport.foreign import Scene, request
from tests.transport.gateway import Gateway, accept

PING, CLOSE, TEXT = 0x89, 0x88, 0x81


def frame(first: int, payload: bytes | str) -> bytes:
    """A frame as a server sends it."""
    octets = payload.encode() if isinstance(payload, str) else payload
    length = bytes([len(octets)]) if len(octets) < 126 else b"\x7e" + len(octets).to_bytes(2, "big")
    return bytes([first]) + length + octets


def scene(*answers: Any, **options: Any) -> tuple[Scene, Gateway]:
    """A transport whose server answers the upgrade so."""
    gateway = Gateway()
    gateway.answers = list(answers)
    made = Scene(options=TransportOptions(counters=Counters(), **options))
    made.network.server = gateway
    return made, gateway


class TestWithTheAnswerToTheUpgrade:
    """RFC 6455 section 4.1: the connection is open as soon as the answer is validated."""

    def test_aMessageInTheSameSegmentIsTaken(self) -> None:
        made, _ = scene(lambda head: accept(head) + frame(TEXT, request()))
        made.construct()
        made.network.advance(0)
        assert len(made.told("receiveRequest")) == 1

    def test_soIsOneThatIsSplitThere(self) -> None:
        whole = frame(TEXT, request())
        made, gateway = scene(lambda head: accept(head) + whole + whole[:20])
        made.construct()
        made.network.advance(0)
        assert len(made.told("receiveRequest")) == 1
        gateway.connections[0].transport.write(whole[20:])
        made.network.advance(0)
        assert len(made.told("receiveRequest")) == 2

    def test_soIsAClose(self) -> None:
        made, _ = scene(lambda head: accept(head) + frame(CLOSE, (1001).to_bytes(2, "big")))
        transport = made.construct()
        made.network.advance(1.5)
        assert not transport.connected
        assert transport.lastTransportError is not None
        assert transport.lastTransportError.code == 1001
        transport.disconnect()

    @pytest.mark.parametrize("interim", ["100 Continue", "103 Early Hints", "199 x"])
    @pytest.mark.parametrize("isSplit", [False, True])
    def test_interimAnswersComeBeforeIt(self, interim: str, isSplit: bool) -> None:
        # RFC 9110 section 15.2.
        early = f"HTTP/1.1 {interim}\r\nLink: x\r\n\r\n".encode() * 2
        made, gateway = scene(lambda head: early[:-3] if isSplit else early + accept(head))
        transport = made.construct()
        made.network.advance(0)
        if isSplit:
            assert not transport.connected
            gateway.connections[0].transport.write(early[-3:] + accept(gateway.requests[0]))
            made.network.advance(0)
        assert transport.connected

    def test_butNotWithoutEnd(self) -> None:
        early = b"HTTP/1.1 103 Early Hints\r\n" + b"Link: x\r\n" * 500 + b"\r\n"
        made, _ = scene(lambda head: early * 100 + accept(head))
        transport = made.construct()
        made.network.advance(0)
        assert not transport.connected
        transport.disconnect()


@pytest.mark.parametrize("hangsUp", [True, False])
def test_theCodeOfACloseIsHeededHoweverLongTCPTakes(hangsUp: bool) -> None:
    # RFC 6455 section 7.1.5; 1013 asks to try again later.
    made, gateway = scene(accept, retry=RetryPolicy(overload=30, attempts=float("inf")))
    transport = made.construct()
    made.network.advance(0)
    server = gateway.connections[0].transport
    server.write(frame(CLOSE, (1013).to_bytes(2, "big")))
    if hangsUp:
        server.loseConnection()
    made.network.advance(1.5)
    assert transport.lastTransportError is not None
    assert transport.lastTransportError.code == 1013
    timer: Any = transport.reconnectTimer
    assert timer.getTime() - made.network.reactor.seconds() > 30
    transport.disconnect()


def test_aFlowTimerWhileReadingIsPausedWaitsForItsEnd() -> None:
    made = Scene(options=TransportOptions(keepAliveInterval=0, keepAliveTimeout=5.0))
    transport = made.connected()
    transport.pauseReading()
    transport.flowTimer(30)
    made.network.advance(120)
    assert transport.connected
    transport.resumeReading()
    made.network.advance(31)
    assert transport.ws is not None
    assert transport.ws.keepAlive is not None
    transport.disconnect()
    made.network.advance(2)


def test_whoConnectsOnHearingOfTheEndIsNotConnectedTwice() -> None:
    made = Scene()
    transport = made.connected()
    type(made.ua).onTransportClosed = lambda self, ended: ended.connect()
    transport.disconnect()
    assert not transport.connect()
    made.network.advance(0)
    assert transport.connected
    type(made.ua).onTransportClosed = lambda self, ended: None
    transport.disconnect()
    made.network.advance(2)


def test_aCRLFThatAsksDoesNotStandForOneThatAnswers() -> None:
    # RFC 5626 section 4.4.1: it "MUST immediately respond with a single CRLF".
    options = TransportOptions(keepAliveInterval=20, keepAliveTimeout=5, keepAliveMethod="crlf")
    made = Scene(options=options)
    transport = made.connected()
    socket = transport.ws
    assert socket is not None
    assert socket.keepAlive is not None
    socket.pauseProducing()
    made.connection.send(b"\r\n\r\n")
    socket.keepAlive._ask()
    socket.resumeProducing()
    made.network.pump()
    assert sorted(made.connection.octets) == [b"\r\n", b"\r\n\r\n"]
    transport.disconnect()
    made.network.advance(2)


@pytest.mark.parametrize("host", ["a..b", f"{'x' * 70}.example.com", "example.com..", ".example.com"])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_aHostThatCanBeNoNameIsRefused(scheme: str, host: str) -> None:
    with pytest.raises(ConfigurationError, match="host"):
        WsServer(f"{scheme}://{host}/")


def test_otherHostsAreTaken() -> None:
    for host in ("localhost", "192.0.2.1:80", "[2001:db8::1]", "example.com.", f"{'x' * 63}.example.com"):
        assert WsServer(f"wss://{host}/").ws_uri == f"wss://{host}/"
