"""
SIP on the page: from octets to objects and back (RFC 3261).

Nothing here knows of connections, clocks or Twisted.
"""

from sipws.message.auth import AuthenticationInfo, Challenge, Credentials
from sipws.message.caller import Caller
from sipws.message.extensions import (
    Event,
    InfoPackage,
    MinSE,
    Privacy,
    RAck,
    Reason,
    ReferSub,
    Replaces,
    SessionExpires,
    SubscriptionState,
    TargetDialog,
)
from sipws.message.incoming import IncomingMessage, IncomingRequest, IncomingResponse
from sipws.message.limits import Limits
from sipws.message.nameaddr import Contact, NameAddr, Route
from sipws.message.outgoing import OutgoingMessage, OutgoingRequest, OutgoingResponse
from sipws.message.parameters import Parameters, QuotedString
from sipws.message.parser import parseMessage
from sipws.message.reasons import REASON_PHRASES
from sipws.message.redact import redact
from sipws.message.sanity import rejectMalformed, sanityCheck
from sipws.message.uri import URI
from sipws.message.values import CSeq, MediaType, Parameterized, RetryAfter, WarningValue
from sipws.message.via import Via

__all__ = [
    "REASON_PHRASES",
    "URI",
    "AuthenticationInfo",
    "CSeq",
    "Caller",
    "Challenge",
    "Contact",
    "Credentials",
    "Event",
    "IncomingMessage",
    "IncomingRequest",
    "IncomingResponse",
    "InfoPackage",
    "Limits",
    "MediaType",
    "MinSE",
    "NameAddr",
    "OutgoingMessage",
    "OutgoingRequest",
    "OutgoingResponse",
    "Parameterized",
    "Parameters",
    "Privacy",
    "QuotedString",
    "RAck",
    "Reason",
    "ReferSub",
    "Replaces",
    "RetryAfter",
    "Route",
    "SessionExpires",
    "SubscriptionState",
    "TargetDialog",
    "Via",
    "WarningValue",
    "parseMessage",
    "redact",
    "rejectMalformed",
    "sanityCheck",
]
