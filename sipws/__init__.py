"""
SIP over WebSocket (RFC 7118) for Twisted.

These names are all that one needs to send and receive; the rest is reached by
module: L{sipws.service} and L{sipws.tap} run user agents, L{sipws.testing}
tests them, L{sipws.server} is a server to try them on.
"""

from __future__ import annotations

from sipws._version import __version__ as __version__
from sipws.config import Configuration, WsServer
from sipws.errors import (
    CertificateRefused,
    ConfigurationError,
    Congested,
    ConnectionFailed,
    HandshakeRefused,
    LimitExceeded,
    NoServers,
    NotConnected,
    ParseError,
    PeerSilent,
    ProxyRefused,
    PublicationError,
    ReferralFailed,
    RegistrationError,
    SessionError,
    SessionFailed,
    SessionTerminated,
    SIPError,
    SubscriptionError,
    TransactionCancelled,
    TransactionError,
    TransactionTimeout,
    TransportError,
    WrongMoment,
)
from sipws.interfaces import (
    IClientTransaction,
    ISessionDescriptionHandler,
    ITransactionTables,
    ITransport,
    ITransportConfiguration,
    IUserAgent,
    IWsServer,
)
from sipws.message import (
    URI,
    Caller,
    IncomingRequest,
    IncomingResponse,
    NameAddr,
    OutgoingRequest,
    OutgoingResponse,
    parseMessage,
    sanityCheck,
)
from sipws.publication import Publication
from sipws.session import Session
from sipws.subscription import Notifier, Subscription
from sipws.transport import Transport
from sipws.ua import Accounts, UserAgent

__all__ = [
    "URI",
    "Accounts",
    "Caller",
    "CertificateRefused",
    "Configuration",
    "ConfigurationError",
    "Congested",
    "ConnectionFailed",
    "HandshakeRefused",
    "IClientTransaction",
    "ISessionDescriptionHandler",
    "ITransactionTables",
    "ITransport",
    "ITransportConfiguration",
    "IUserAgent",
    "IWsServer",
    "IncomingRequest",
    "IncomingResponse",
    "LimitExceeded",
    "NameAddr",
    "NoServers",
    "NotConnected",
    "Notifier",
    "OutgoingRequest",
    "OutgoingResponse",
    "ParseError",
    "PeerSilent",
    "ProxyRefused",
    "Publication",
    "PublicationError",
    "ReferralFailed",
    "RegistrationError",
    "SIPError",
    "Session",
    "SessionError",
    "SessionFailed",
    "SessionTerminated",
    "Subscription",
    "SubscriptionError",
    "TransactionCancelled",
    "TransactionError",
    "TransactionTimeout",
    "Transport",
    "TransportError",
    "UserAgent",
    "WrongMoment",
    "WsServer",
    "parseMessage",
    "sanityCheck",
]
