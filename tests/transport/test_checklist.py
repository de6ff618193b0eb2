"""
What is expected of a transport beyond the text of C{SIP.Transport}: what
SIP.js asserts, and what it got wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sipws.errors import ConnectionFailed
from sipws.interfaces import C
from sipws.transport import TransportOptions
from tests.conftest import FlushLoggedErrors
from tests.transport.foreign import RecordedTransaction, Scene, request, response


def test_subprotocolIsSip() -> None:
    scene = Scene()
    scene.connected()
    assert scene.connection.headers["sec-websocket-protocol"] == "sip"


@pytest.mark.parametrize("payload", [b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"])
@pytest.mark.parametrize("isBinary", [False, True])
def test_crlfAloneIsAKeepAliveAndNeverParsed(payload: bytes, isBinary: bool) -> None:
    scene = Scene()
    scene.connected()
    scene.connection.send(payload, isBinary=isBinary)
    assert scene.warnings() == []
    # RFC 5626 section 3.5.1: a double CRLF is answered with a single one.
    assert scene.connection.octets == ([b"\r\n"] if len(payload) >= 4 else [])


def test_pingIsAnsweredAndNeverParsed() -> None:
    scene = Scene()
    scene.connected()
    scene.connection.ping(b"are you there")
    assert scene.connection.pongs == [b"are you there"]
    assert scene.warnings() == []


def test_requestsAfterTheUserStoppedAreIgnoredResponsesAreNot() -> None:
    scene = Scene()
    transport = scene.connected()
    waiting = RecordedTransaction()
    scene.ua.transactions.nict["z9hG4bKours"] = waiting
    scene.ua.status = C.STATUS_USER_CLOSED
    scene.connection.send(request())
    scene.connection.send(b"MESSAGE sip:alice@example.com SIP/2.0\r\nbroken\r\n\r\n")
    scene.connection.send(response())
    assert not scene.told("receiveRequest")
    assert scene.connection.octets == []
    assert len(waiting.responses) == 1
    assert transport.connected


def test_unmatchedResponsesAreDropped() -> None:
    scene = Scene()
    transport = scene.connected()
    scene.connection.send(response(branch="z9hG4bKnobodys"))
    assert transport.connected
    assert scene.calls == []
    assert scene.errors() == []


@pytest.mark.parametrize(("method", "table"), [("INVITE", "ict"), ("MESSAGE", "nict"), ("CANCEL", "nict")])
def test_responsesAreLookedForByMethod(method: str, table: str) -> None:
    scene = Scene()
    scene.connected()
    waiting = {name: RecordedTransaction() for name in ("ict", "nict")}
    for name, transaction in waiting.items():
        getattr(scene.ua.transactions, name)["z9hG4bKours"] = transaction
    scene.connection.send(response(method))
    assert [name for name, transaction in waiting.items() if transaction.responses] == [table]


def test_responsesToAnACKAreIgnored() -> None:
    scene = Scene()
    scene.connected()
    waiting = RecordedTransaction()
    scene.ua.transactions.ict["z9hG4bKours"] = scene.ua.transactions.nict["z9hG4bKours"] = waiting
    scene.connection.send(response("ACK"))
    assert not waiting.responses


def test_noReconnectionAfterTheUserClosed() -> None:
    scene = Scene()
    transport = scene.connected()
    transport.disconnect()
    scene.network.advance(1000)
    assert scene.network.attempts == 1
    assert scene.atRest()


def test_connectWhileConnectedDoesNothingAndSaysSo() -> None:
    scene = Scene()
    transport = scene.connected()
    assert transport.connect() is False
    scene.network.advance(0)
    assert scene.network.attempts == 1
    assert transport.connected


def test_connectWhileConnectingJoinsThePendingAttempt() -> None:
    scene = Scene()
    transport = scene.construct()
    assert transport.connect() is False
    scene.network.advance(0)
    assert transport.connected
    assert scene.network.attempts == 1


def test_connectWhileWaitingDoesNotWaitAnyLonger() -> None:
    scene = Scene()
    transport = scene.connected()
    scene.connection.drop()
    assert transport.connect() is True
    scene.network.advance(0)
    assert transport.connected
    scene.network.advance(1000)
    assert len(scene.network.connections) == 2


def test_aCloseWhileConnectingFailsTheAttempt() -> None:
    scene = Scene()
    scene.network.reject(503, "Not now")
    transport = scene.construct()
    scene.network.advance(0)
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    assert "503 Not now" in str(transport.lastTransportError)
    assert not scene.told("onTransportClosed", "onTransportConnected")
    assert transport.reconnectTimer is not None
    transport.disconnect()
    assert scene.atRest()


def test_disconnectingByTheUserReportsNoErrorACloseByTheServerDoes() -> None:
    scene = Scene()
    transport = scene.connected()
    transport.disconnect()
    scene.network.advance(10)
    assert transport.lastTransportError is None
    other = Scene()
    transport = other.connected()
    other.connection.close(1000)
    assert transport.lastTransportError is not None


def test_nothingIsDeliveredOutsideOfConnected() -> None:
    scene = Scene()
    transport = scene.connected()
    connection = scene.connection
    connection.stall()
    connection.send(request())
    transport.disconnect()
    scene.network.advance(10)
    connection.resume()
    scene.network.advance(10)
    assert not transport.connected
    assert not scene.told("receiveRequest")


def test_theSameTextGoesOutAndComesIn() -> None:
    scene = Scene()
    transport = scene.connected()
    text = request().decode().replace("Content-Length: 0\r\n\r\n", "Content-Length: 10\r\n\r\ngrüße ☎")
    scene.connection.send(text)
    [(_, received)] = scene.told("receiveRequest")
    assert str(received) == text
    transport.send(text)
    scene.network.pump()
    assert scene.connection.octets == [text.encode()]


def test_defaults() -> None:
    options = TransportOptions()
    assert options.openTimeout == 5


# Bugs of SIP.js's, not to inherit.


def _whileOpening(scene: Scene) -> None:
    scene.network.stall()
    scene.construct()
    scene.network.advance(0)


def _whileUpgrading(scene: Scene) -> None:
    scene.network.stallUpgrade()
    scene.construct()
    scene.network.advance(0)


def _whileOpen(scene: Scene) -> None:
    scene.connected()


def _whileOpenAndStalled(scene: Scene) -> None:
    scene.connected()
    scene.connection.stall()


def _whileTheServerCloses(scene: Scene) -> None:
    scene.connected()
    scene.connection.close(1000, hangUp=False)


def _whileWaiting(scene: Scene) -> None:
    scene.connected()
    scene.connection.drop()


def _beforeAnything(scene: Scene) -> None:
    scene.construct()


PHASES = [
    _beforeAnything,
    _whileOpening,
    _whileUpgrading,
    _whileOpen,
    _whileOpenAndStalled,
    _whileTheServerCloses,
    _whileWaiting,
]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    "uri", ["ws://sip.example.com", "ws://192.0.2.1", "ws://[2001:db8::1]", "unix:/socket"]
)
def test_disconnectInAnyPhaseStopsForGood(phase: Callable[[Scene], None], uri: str) -> None:
    scene = Scene(uri)
    phase(scene)
    transport: Any = scene.ua.transport
    attempts = scene.network.attempts
    transport.disconnect()
    scene.network.advance(1.5)
    assert scene.atRest()
    scene.network.accept()
    scene.network.advance(1000)
    assert scene.network.attempts == attempts
    assert not transport.connected
    assert scene.told("emit") == [("emit", "disconnected", transport)]
    assert not scene.told("onTransportError")


@pytest.mark.parametrize("phase", PHASES)
def test_aNewConnectionAfterDisconnectInAnyPhaseIsUntouchedByTheOld(phase: Callable[[Scene], None]) -> None:
    scene = Scene()
    phase(scene)
    transport: Any = scene.ua.transport
    transport.disconnect()
    scene.network.accept()
    assert transport.connect() is True
    scene.network.advance(0)
    assert transport.connected
    scene.calls.clear()
    for old in scene.network.connections[:-1]:
        old.resume()
        old.drop()
    scene.network.advance(100)
    assert transport.connected
    assert scene.calls == []


def test_sendNeverRaises() -> None:
    scene = Scene()
    transport = scene.connected()
    assert transport.send("\ud800") is False
    assert transport.connected


@pytest.mark.parametrize("callback", ["receiveRequest", "onTransportClosed", "onTransportConnected"])
def test_anExceptionOfTheUserAgentCostsNothing(callback: str) -> None:
    scene = Scene()

    def fail(*args: object) -> None:
        raise RuntimeError("a bug of somebody else's")

    original = getattr(type(scene.ua), callback)
    setattr(type(scene.ua), callback, fail)
    transport = scene.construct()
    scene.network.advance(0)
    scene.connection.send(request())
    scene.connection.drop()
    setattr(type(scene.ua), callback, original)
    scene.network.advance(4)
    scene.connection.send(request())
    assert transport.connected
    assert len(scene.told("receiveRequest")) == (1 if callback == "receiveRequest" else 2)
    [error] = scene.errors()
    assert "a bug of somebody else's" in str(error["log_failure"])


def test_tracesHaveDirectionPeerAndTimeAndNoSecrets() -> None:
    scene = Scene(traceSip=True)
    transport = scene.connected()
    secret = 'Digest username="alice", realm="r", nonce="n", uri="sip:r", response="6629fae49393a0539"'
    transport.send(request(Authorization=secret))
    scene.connection.send(request())
    texts = [event["log_format"].format(**event) for event in scene.logged if "message" in event]
    assert texts[0].startswith("sent to ws://sip.example.com/path at 1970-01-01T00:00:00.000+00:00:\nMESSAGE")
    assert texts[1].startswith("received from ws://sip.example.com/path at ")
    assert "alice" in texts[0]
    assert "6629fae4" not in texts[0]


def test_aMalformedRequestIsAnsweredAndLoggedOnceWithoutSecrets() -> None:
    scene = Scene()
    transport = scene.connected()
    scene.connection.send(request().replace(b"CSeq: 1 MESSAGE", b"CSeq: one MESSAGE"))
    assert transport.connected
    [answer] = scene.connection.octets
    assert answer.startswith(b"SIP/2.0 400 ")
    [warning] = scene.warnings()
    assert "CSeq" in warning


def test_onTransportErrorMayMakeAnotherTransport() -> None:
    """The seed's user agent makes its next transport in C{onTransportError}: the old one is no hindrance."""
    scene = Scene(wsServerMaxReconnection=0)
    scene.network.refuse()

    def another(ua: object, transport: object) -> None:
        scene.network.accept()
        scene.construct()

    type(scene.ua).onTransportError = another
    first = scene.construct()
    scene.network.advance(1)
    assert scene.ua.transport is not first
    assert scene.ua.transport.connected
    assert not first.connected


def test_flushed(flushLoggedErrors: FlushLoggedErrors) -> None:
    """A user agent's failure is logged with its traceback, for its author to find."""
    scene = Scene()

    def fail(*args: object) -> None:
        raise RuntimeError("found")

    type(scene.ua).receiveRequest = fail
    scene.connected()
    scene.connection.send(request())
    [event] = scene.errors()
    assert event["log_failure"].check(RuntimeError)
    assert flushLoggedErrors() == []


def _afterDisconnect(scene: Scene, transport: Any) -> None:
    transport.disconnect()


def _afterItWasGivenUp(scene: Scene, transport: Any) -> None:
    scene.network.advance(100)
    assert scene.told("onTransportError")


@pytest.mark.parametrize("end", [_afterDisconnect, _afterItWasGivenUp])
def test_attemptsAreCountedAnewForAConnectAfterTheEnd(end: Callable[[Scene, Any], None]) -> None:
    scene = Scene(wsServerMaxReconnection=2)
    scene.network.refuse()
    transport = scene.construct()
    scene.network.advance(5)
    assert transport.reconnection_attempts == 2
    end(scene, transport)
    scene.calls.clear()
    assert transport.connect()
    scene.network.advance(100)
    assert [attempts for _, attempts, _ in scene.told("onTransportConnecting")] == [1, 2, 3]
    assert scene.told("onTransportError") == [("onTransportError",)]


def _open(scene: Scene) -> None:
    scene.connected()


def _connecting(scene: Scene) -> None:
    scene.network.stall()
    scene.construct()


def _waiting(scene: Scene) -> None:
    scene.connected()
    scene.connection.drop()


def _disconnected(scene: Scene) -> None:
    scene.connected().disconnect()
    scene.network.advance(0)


@pytest.mark.parametrize("state", [_open, _connecting, _waiting, _disconnected])
def test_reConnectDoesNothingWhereThereIsNothingToReconnect(state: Callable[[Scene], None]) -> None:
    scene = Scene()
    state(scene)
    transport: Any = scene.ua.transport
    attempts, timer = scene.network.attempts, transport.reconnectTimer
    transport.reConnect()
    assert transport.reconnectTimer is timer
    assert scene.network.attempts == attempts
    transport.disconnect()
    scene.network.advance(1)
    assert scene.atRest()
