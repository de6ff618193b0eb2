"""
SIP over WebSocket (RFC 7118): L{Transport} and what it is made of.
"""

from sipws.transport.connector import EndpointConnector
from sipws.transport.factory import SIPWebSocketClientFactory
from sipws.transport.options import TransportOptions
from sipws.transport.protocol import SIPWebSocketClientProtocol
from sipws.transport.retry import RetryPolicy, retryDelay
from sipws.transport.timings import Timings
from sipws.transport.transport import Transport
from sipws.transport.upgrade import Upgrade

__all__ = [
    "EndpointConnector",
    "RetryPolicy",
    "SIPWebSocketClientFactory",
    "SIPWebSocketClientProtocol",
    "Timings",
    "Transport",
    "TransportOptions",
    "Upgrade",
    "retryDelay",
]
