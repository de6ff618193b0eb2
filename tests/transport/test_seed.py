"""
The text of C{SIP.Transport}, sentence by sentence.

Each test is named after a sentence, which its docstring quotes.
"""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from sipws.errors import TransportError
from sipws.interfaces import C, ITransport, IUserAgent
from sipws.message import OutgoingRequest
from sipws.transport import SIPWebSocketClientProtocol, Transport
from sipws.ua import UserAgent
from tests.transport.foreign import RecordedTransaction, Scene, request, response

OUTGOING = OutgoingRequest(
    "OPTIONS",
    "sip:bob@example.com",
    [
        ("Via", "SIP/2.0/WS ours.invalid;branch=z9hG4bKours"),
        ("From", "<sip:alice@example.com>;tag=alice"),
        ("To", "<sip:bob@example.com>"),
        ("Call-ID", "ours"),
        ("CSeq", "1 OPTIONS"),
        ("Max-Forwards", 70),
    ],
)


# The introduction.


def test_responsibleForTheActualTransmissionOfRequestsAndResponses() -> None:
    """
    "The transport layer is responsible for the actual transmission of
    requests and responses over network transports."
    """
    scene = Scene()
    transport = scene.connected()
    assert transport.send(OUTGOING)
    assert transport.send(response())
    scene.network.pump()
    assert scene.connection.octets == [bytes(OUTGOING), response()]


def test_includesMaintainingTheWebSocketConnection() -> None:
    """\"For SIP.js, this includes maintaining the WebSocket connection ...\""""
    scene = Scene()
    transport = scene.connected()
    for _ in range(20):
        scene.connection.drop()
        assert not transport.connected
        scene.network.advance(4)
        assert transport.connected


def test_includesSendingAndReceivingOverTheWebSocket() -> None:
    """\"... as well as sending and receiving SIP requests and responses over the WebSocket.\""""
    scene = Scene()
    transport = scene.connected()
    waiting = RecordedTransaction()
    scene.ua.transactions.nict["z9hG4bKours"] = waiting
    transport.send(OUTGOING)
    scene.connection.send(response("OPTIONS"))
    scene.connection.send(request())
    assert [answer.statusCode for answer in waiting.responses] == [200]
    [(_, received)] = scene.told("receiveRequest")
    assert bytes(received) == request()


# Injected.


def test_injected() -> None:
    """The user agent needs the members that the text lists under "Injected", and no others."""
    scene = Scene()
    verifyObject(IUserAgent, scene.ua)
    members = {name for name in dir(scene.ua) if not name.startswith("_")}
    assert members == {
        "getLogger",
        "transport",
        "status",
        "emit",
        "onTransportConnecting",
        "onTransportConnected",
        "onTransportClosed",
        "onTransportError",
        "receiveRequest",
        "transactions",
        "configuration",
    }
    assert {field for field in dir(scene.ua.configuration) if not field.startswith("_")} == {
        "traceSip",
        "wsServerMaxReconnection",
        "wsServerReconnectionTimeout",
    }
    assert {field for field in dir(scene.ua.transactions) if not field.startswith("_")} == {"ict", "nict"}
    assert {field for field in dir(scene.server) if not field.startswith("_")} == {"ws_uri"}
    verifyObject(ITransport, scene.connected())
    scene.connection.send(request())
    assert len(scene.told("receiveRequest")) == 1
    assert scene.errors() == []


# Construction.


def test_userAgentsCreateATransportToUseForThemselves() -> None:
    """
    "The construction of a transport is not meant to be done manually.
    Instead, SIP.js user agents create a transport to use for themselves."
    """
    from sipws.config import Configuration

    scene = Scene()
    options = {"uri": "sip:alice@example.com", "wsServers": "ws://sip.example.com", "register": False}
    ua = UserAgent(Configuration(**options), scene.network.reactor)
    ua.start()
    assert isinstance(ua.transport, Transport)
    ua.stop()
    scene.network.advance(10)
    assert scene.atRest()


def test_passedInSoThatIncomingMessagesMayBeRouted() -> None:
    """
    "The UA is passed in so that incoming messages may be routed to the
    appropriate transactions for processing."
    """
    scene = Scene()
    scene.connected()
    invite, other = RecordedTransaction(), RecordedTransaction()
    scene.ua.transactions.ict["z9hG4bKours"] = invite
    scene.ua.transactions.nict["z9hG4bKours"] = other
    scene.connection.send(response("INVITE"))
    assert (len(invite.responses), len(other.responses)) == (1, 0)
    scene.connection.send(response("MESSAGE"))
    assert (len(invite.responses), len(other.responses)) == (1, 1)


def test_assignsItselfBeforeAttemptingToConnect() -> None:
    """
    "When constructed, the new Transport will assign itself as the UA's
    transport property before automatically attempting to connect to the
    designated WebSocket server."
    """
    scene = Scene()
    transport = scene.construct()
    assert scene.ua.transport is transport
    assert scene.told("onTransportConnecting") == [("onTransportConnecting", 1, True)]
    assert scene.network.attempts == 1
    scene.network.advance(0)
    assert scene.connection.path == "/path"
    assert scene.connection.headers["host"] == "sip.example.com:80"


# Instance variables.


def test_loggerIsTheOutletForLogMessages() -> None:
    """\"logger: The outlet for log messages.\""""
    scene = Scene()
    transport = scene.connected()
    assert transport.logger is scene.logger
    assert scene.logged


def test_uaIsTheUAUsingTheTransport() -> None:
    """\"ua: The UA using the transport\""""
    scene = Scene()
    assert scene.connected().ua is scene.ua


def test_wsIsTheWebSocketUsedForSendingAndReceiving() -> None:
    """\"ws: The WebSocket used for sending and receiving messages.\""""
    scene = Scene()
    transport = scene.construct()
    assert transport.ws is None
    scene.network.advance(0)
    first = transport.ws
    assert isinstance(first, SIPWebSocketClientProtocol)
    scene.connection.drop()
    assert transport.ws is None
    scene.network.advance(4)
    assert isinstance(transport.ws, SIPWebSocketClientProtocol)
    assert transport.ws is not first


def test_serverIsTheServerThatTheTransportConnectsTo() -> None:
    """\"server: The wsServer object the transport connects to, from the UA configuration.\""""
    scene = Scene()
    assert scene.connected().server is scene.server
    assert scene.server.ws_uri == "ws://sip.example.com/path"


def test_reconnectionAttemptsIsTheNumberOfAttempts() -> None:
    """
    "reconnection_attempts: The number of times the Transport has attempted to
    reconnect in event of error."
    """
    scene = Scene()
    transport = scene.connected()
    assert transport.reconnection_attempts == 0
    scene.network.refuse()
    scene.connection.drop()
    scene.network.advance(3.5)
    assert transport.reconnection_attempts == 1
    scene.network.advance(4.5)
    assert transport.reconnection_attempts == 2


def test_closedIsWhetherTheUAHasRequestedTheTransportBeClosed() -> None:
    """\"closed: Whether or not the UA has requested the Transport be closed.\""""
    scene = Scene()
    transport = scene.connected()
    assert transport.closed is False
    scene.connection.drop()
    assert transport.closed is False
    transport.disconnect()
    assert transport.closed is True


def test_connectedIsWhetherTheWebSocketConnectionIsOpen() -> None:
    """\"connected: Whether or not the WebSocket connection is open.\""""
    scene = Scene()
    transport = scene.construct()
    assert transport.connected is False
    scene.network.advance(0)
    assert transport.connected is True
    scene.connection.close()
    assert transport.connected is False


def test_reconnectTimerTracksTheTimeBetweenAttempts() -> None:
    """\"reconnectTimer: Global timer ID used to track time between reconnection attempts.\""""
    scene = Scene()
    transport = scene.connected()
    assert transport.reconnectTimer is None
    scene.connection.drop()
    timer = transport.reconnectTimer
    assert timer is not None
    assert timer.getTime() == scene.network.reactor.seconds() + 4
    scene.network.advance(4)
    assert transport.reconnectTimer is None


@pytest.mark.parametrize(("code", "reason"), [(1001, "restarting"), (1011, ""), (4000, "your time is up")])
def test_lastTransportErrorStoresAnyErrorCondition(code: int, reason: str) -> None:
    """
    "lastTransportError: When the WebSocket is closed, any error condition
    gets stored here."
    """
    scene = Scene()
    transport = scene.connected()
    assert transport.lastTransportError is None
    scene.connection.close(code, reason)
    error = transport.lastTransportError
    assert isinstance(error, TransportError)
    assert error.code == code
    assert reason in str(error)


# send(msg)


def test_sendsAMessageAlongTheWebSocket() -> None:
    """\"Send a message along the WebSocket\""""
    scene = Scene()
    transport = scene.connected()
    transport.send(OUTGOING)
    scene.network.pump()
    assert scene.connection.octets == [bytes(OUTGOING)]


@pytest.mark.parametrize("msg", [OUTGOING, str(OUTGOING), bytes(OUTGOING)])
def test_msgIsARequestOrAString(msg: OutgoingRequest | str | bytes) -> None:
    """
    "msg: A SIP Request (represented as a String or SIP.OutgoingRequest) to
    send along the WebSocket."
    """
    scene = Scene()
    transport = scene.connected()
    assert transport.send(msg) is True
    scene.network.pump()
    assert scene.connection.octets == [bytes(OUTGOING)]


def test_returnsTrueIfTheWebSocketIsOpenOtherwiseFalse() -> None:
    """\"true if the WebSocket is open for sending. Otherwise, false\""""
    scene = Scene()
    transport = scene.construct()
    assert transport.send(OUTGOING) is False
    scene.network.advance(0)
    assert transport.send(OUTGOING) is True
    transport.disconnect()
    assert transport.send(OUTGOING) is False
    scene.network.advance(10)
    assert transport.send(OUTGOING) is False
    assert len(scene.connection.octets) == 1


# connect()


def test_createsAndOpensANewWebSocketConnection() -> None:
    """\"Create and open a new WebSocket connection to the configured WebSocket server.\""""
    scene = Scene()
    transport = scene.connected()
    transport.disconnect()
    scene.network.advance(10)
    assert not transport.connected
    assert transport.connect() is True
    scene.network.advance(0)
    assert transport.connected
    assert len(scene.network.connections) == 2


# disconnect()


def test_disconnectsFromTheWebSocket() -> None:
    """\"Disconnect from the WebSocket ...\""""
    scene = Scene()
    transport = scene.connected()
    transport.disconnect()
    scene.network.advance(0)
    assert not scene.connection.connected
    assert not transport.connected
    assert scene.told("onTransportClosed", "emit") == [
        ("onTransportClosed",),
        ("emit", "disconnected", transport),
    ]
    assert scene.atRest()


def test_cancelsAnyReconnectionAttempts() -> None:
    """\"... and cancel any reconnection attempts.\""""
    scene = Scene()
    transport = scene.connected()
    scene.connection.drop()
    assert transport.reconnectTimer is not None
    error = transport.lastTransportError
    transport.disconnect()
    assert transport.reconnectTimer is None
    assert scene.told("emit") == [("emit", "disconnected", transport)]
    assert transport.lastTransportError is error is not None
    scene.network.advance(1000)
    assert len(scene.network.connections) == 1
    assert scene.atRest()


# reConnect()


def test_reconnectsInTheEventOfUnexpectedDisconnection() -> None:
    """\"Reconnect to the WebSocket in the event of unexpected disconnection.\""""
    scene = Scene()
    transport = scene.connected()
    scene.connection.drop()
    scene.network.advance(4)
    assert transport.connected
    scene.connection.close(1000)
    scene.network.advance(4)
    assert transport.connected
    transport.disconnect()
    scene.network.advance(1000)
    assert not transport.connected


@pytest.mark.parametrize(("most", "gap"), [(0, 4), (1, 1), (3, 4), (5, 0.25)])
def test_attemptsUpToTheMaximumWithTheGapBetween(most: int, gap: float) -> None:
    """
    "This will attempt to reconnect up to
    ua.configuration.wsServerMaxReconnection times, with a gap of
    ua.configuration.wsServerReconnectionTimeout seconds between each request."
    """
    scene = Scene(wsServerMaxReconnection=most, wsServerReconnectionTimeout=gap)
    # Addresses: an attempt by name is refused later than at once.
    scene.server = type(scene.server)("ws://192.0.2.1/")
    scene.connected()
    scene.network.refuse()
    times = []
    begun = scene.network.attempts
    scene.connection.drop()
    start = scene.network.reactor.seconds()
    while not scene.told("onTransportError"):
        before = scene.network.attempts
        scene.network.advance(gap / 4)
        times += [scene.network.reactor.seconds() - start] * (scene.network.attempts - before)
    assert times == [gap * attempt for attempt in range(1, most + 1)]
    scene.network.advance(1000)
    assert scene.network.attempts - begun == most
    assert len(scene.told("onTransportError")) == 1
    assert scene.atRest()


# onOpen()


def test_onOpenIsCalledWhenTheWebSocketIsOpened() -> None:
    """\"This method is called when the WebSocket is opened.\""""
    scene = Scene()
    scene.construct()
    assert not scene.told("onTransportConnected")
    scene.network.advance(0)
    assert scene.told("onTransportConnected") == [("onTransportConnected",)]


def test_onOpenClearsTheAttemptsAndNotifiesTheUA() -> None:
    """\"Its primary purpose is to clear the reconnection attempts and notify the UA.\""""
    scene = Scene()
    transport = scene.connected()
    scene.network.refuse()
    scene.connection.drop()
    scene.network.advance(8.5)
    assert transport.reconnection_attempts > 1
    scene.network.accept()
    scene.network.advance(5)
    assert transport.connected
    assert transport.reconnection_attempts == 0
    assert transport.reconnectTimer is None
    assert scene.told("onTransportConnected") == [("onTransportConnected",)]


# onClose()


def test_onCloseIsCalledWhenTheWebSocketIsClosed() -> None:
    """\"This method is called when the WebSocket is closed.\""""
    scene = Scene()
    scene.connected()
    scene.connection.close()
    assert scene.told("onTransportClosed") == [("onTransportClosed",)]


def test_onCloseNotifiesTheUAAndReconnectsIfNecessary() -> None:
    """\"Its primary purpose is to notify the UA and attempt to reconnect if necessary.\""""
    scene = Scene()
    transport = scene.connected()
    scene.connection.drop()
    assert scene.told("onTransportClosed") == [("onTransportClosed",)]
    scene.network.advance(4)
    assert transport.connected
    transport.disconnect()
    scene.network.advance(1000)
    assert len(scene.told("onTransportClosed")) == 2
    assert len(scene.network.connections) == 2


# onMessage()


def test_onMessageIsCalledWhenAMessageIsReceived() -> None:
    """\"This method is called when a message is received from the WebSocket.\""""
    scene = Scene()
    scene.connected()
    scene.connection.send(request())
    scene.connection.send(request(callID="other", branch="z9hG4bKtwo"), isBinary=True)
    assert [received.callID for _, received in scene.told("receiveRequest")] == ["call", "other"]


def test_onMessageParsesRunsSanityChecksAndPassesOn() -> None:
    """
    "It parses the SIP message, runs sanity checks, and passes it to the UA
    (for requests) or transaction (for responses) for processing."
    """
    scene = Scene()
    transport = scene.connected()
    waiting = RecordedTransaction()
    scene.ua.transactions.nict["z9hG4bKours"] = waiting
    # Not SIP at all: dropped.
    scene.connection.send(b"garbage")
    # A scheme that is not served: the sanity check answers it.
    scene.connection.send(request().replace(b"sip:alice@example.com SIP", b"gopher:alice SIP"))
    # Two Vias in a response: the sanity check drops it.
    scene.connection.send(response().replace(b"From:", b"Via: SIP/2.0/WS other.invalid\r\nFrom:"))
    assert [answer.statusCode for answer in scene.connection.responses] == [416]
    assert not scene.told("receiveRequest")
    assert not waiting.responses
    scene.connection.send(request())
    scene.connection.send(response())
    [(_, received)] = scene.told("receiveRequest")
    assert received.transport is transport
    assert [answer.transport for answer in waiting.responses] == [transport]


# onError()


def test_onErrorLogsAnError() -> None:
    """\"Logs an error when the WebSocket errors.\""""
    scene = Scene()
    scene.connected()
    before = len(scene.warnings())
    scene.connection.drop()
    assert any("the connection was lost" in text for text in scene.warnings()[before:])


def test_onErrorDoesNoExtraHandling() -> None:
    """
    "Errors typically also disconnect the WebSocket, so no extra handling is
    done here."
    """
    scene = Scene()
    transport = scene.connected()
    transport.onError(TransportError("something"))
    assert transport.connected
    assert scene.calls == []
    assert any("something" in text for text in scene.warnings())


# What status the user agent is in.


def test_statusOfAClosedUAKeepsRequestsOut() -> None:
    """\".status: requests are for user agents that have not been stopped.\""""
    scene = Scene()
    scene.connected()
    scene.ua.status = C.STATUS_USER_CLOSED
    scene.connection.send(request())
    assert not scene.told("receiveRequest")
