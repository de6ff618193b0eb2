"""
L{LeanWebSocketClientProtocol}: Autobahn's protocol, without what costs every connection and serves none.

Autobahn gives each connection some sixty attributes: copies of its factory's
options, counters, and what the handshake was made from.  An idle SIP
connection is kept for days, in thousands; here all that is the same for each
of them stands in the class, and the rest goes when the WebSocket is open.
"""

from __future__ import annotations

from typing import Any

from autobahn.twisted.websocket import WebSocketClientProtocol

__all__ = ["LeanWebSocketClientProtocol"]


class _Silence:
    """Autobahn's log: none.  What it would say of a connection, its transport says once, in SIP's terms."""

    def _nothing(self, *args: object, **named: object) -> None:
        pass

    trace = debug = info = warn = error = critical = failure = _nothing


class _NoStatistics:
    """Autobahn's counters, which nobody reads: they stay at 0."""

    __slots__ = ()

    def __getattr__(self, name: str) -> int:
        return 0

    def __setattr__(self, name: str, value: object) -> None:
        pass


class LeanWebSocketClientProtocol(WebSocketClientProtocol):
    """A WebSocket of Autobahn's with options of its own, no timer, no log, and little memory."""

    log = _Silence()

    # Autobahn's options.  Its timers count in whole seconds and on a clock of their own: all are off.
    CONFIG_ATTRS: Any = ()
    version = 18
    logOctets = logFrames = trackTimings = False
    utf8validateIncoming = True
    applyMask = maskClientFrames = True
    acceptMaskedServerFrames = False
    autoFragmentSize = 0
    # What breaks the protocol ends the connection, and is not skipped.
    failByDrop = True
    echoCloseCodeReason = False
    openHandshakeTimeout = closeHandshakeTimeout = serverConnectionDropTimeout = 0
    tcpNoDelay = True
    autoPingInterval = autoPingTimeout = 0
    autoPingSize = 12
    autoPingRestartOnAnyTraffic = True
    perMessageCompressionOffers: tuple[object, ...] = ()

    # What a WebSocket begins with, and nearly always keeps.
    inside_message = triggered = False
    current_frame: Any = None
    websocket_version = 18
    websocket_protocol_in_use: str | None = None
    closedByMe = failedByMe = droppedByMe = wasClean = False
    wasServerConnectionDropTimeout = wasOpenHandshakeTimeout = wasCloseHandshakeTimeout = False
    wasMaxFramePayloadSizeExceeded = wasMaxMessagePayloadSizeExceeded = False
    wasServingFlashSocketPolicyFile = False
    wasNotCleanReason: Any = None
    localCloseCode: Any = None
    localCloseReason: Any = None
    remoteCloseCode: Any = None
    remoteCloseReason: Any = None
    serverConnectionDropTimeoutCall = openHandshakeTimeoutCall = closeHandshakeTimeoutCall = None
    autoPingPending = autoPingPendingCall = autoPingPendingSent = autoPingTimeoutCall = None
    autoPingPendingSeq = send_state = 0
    trackedTimings: Any = None
    _perMessageCompress: Any = None

    # What takes the place of things that an open WebSocket has no use for.
    http_request_data = http_response_data = websocket_key = b""
    http_status_line = ""
    http_headers: Any = None
    websocket_extensions_in_use: Any = ()
    trafficStats: Any = _NoStatistics()
    send_queue: Any = ()
    _transport_details: Any = None

    @staticmethod
    def perMessageCompressionAccept(_: object) -> None:
        """Take no compression: none was offered."""

    def forgetHandshake(self) -> None:
        """Let go of what the handshake was made from, and of all that is as it is in the class."""
        inherited = type(self)
        self.__dict__ = {
            name: value
            for name, value in vars(self).items()
            if name not in _LEFTOVERS and value is not getattr(inherited, name, _NOTHING)
        }


_NOTHING = object()

#: What goes when the WebSocket is open, whatever its value.
_LEFTOVERS = frozenset(
    (
        "_results",
        "_transport_details",
        "_valid_events",
        "http_headers",
        "http_request_data",
        "http_response_data",
        "http_status_line",
        "send_queue",
        "trafficStats",
        "websocket_extensions_in_use",
        "websocket_key",
        "websocket_protocol_in_use",
    )
)
