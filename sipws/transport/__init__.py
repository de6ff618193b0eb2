"""
SIP over WebSocket (RFC 7118): L{Transport} and what it is made of.
"""

from sipws.transport.connector import EndpointConnector
from sipws.transport.factory import SIPWebSocketClientFactory
from sipws.transport.locate import Located, Locator, Target
from sipws.transport.options import TransportOptions
from sipws.transport.protocol import SIPWebSocketClientProtocol
from sipws.transport.resolver import NameResolver, SystemResolver
from sipws.transport.retry import RetryPolicy, retryDelay
from sipws.transport.timings import Timings
from sipws.transport.transport import Transport
from sipws.transport.upgrade import Upgrade

__all__ = [
    "EndpointConnector",
    "Located",
    "Locator",
    "NameResolver",
    "RetryPolicy",
    "SIPWebSocketClientFactory",
    "SIPWebSocketClientProtocol",
    "SystemResolver",
    "Target",
    "Timings",
    "Transport",
    "TransportOptions",
    "Upgrade",
    "retryDelay",
]
