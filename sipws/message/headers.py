"""
Which header holds what: the parser of each one's values, and whether it may hold several.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from sipws.message.auth import AuthenticationInfo, Challenge, Credentials
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
from sipws.message.nameaddr import Contact, NameAddr, Route
from sipws.message.values import (
    CSeq,
    MediaType,
    Parameterized,
    RetryAfter,
    WarningValue,
    parseCallID,
    parseDate,
    parseInteger,
    parseToken,
)
from sipws.message.via import Via

__all__ = ["LISTS", "MAX_FORWARDS", "PARSERS", "SINGLE", "splitList"]

#: RFC 3261 section 20.22: Max-Forwards is "an integer in the range 0-255".
MAX_FORWARDS = 255

#: What parses one value of each header.  A header that is not here is text.
PARSERS: dict[str, Callable[[str], Any]] = {
    "Accept": MediaType.parse,
    "Accept-Encoding": Parameterized.parse,
    "Accept-Language": Parameterized.parse,
    "Alert-Info": Route.parse,
    "Allow": parseToken,
    "Allow-Events": parseToken,
    "Authentication-Info": AuthenticationInfo.parse,
    "Authorization": Credentials.parse,
    "CSeq": CSeq.parse,
    "Call-ID": parseCallID,
    "Call-Info": Route.parse,
    "Contact": Contact.parse,
    "Content-Disposition": Parameterized.parse,
    "Content-Encoding": parseToken,
    "Content-Language": parseToken,
    "Content-Length": parseInteger,
    "Content-Type": MediaType.parse,
    "Date": parseDate,
    "Diversion": NameAddr.parse,  # RFC 5806
    "Error-Info": Route.parse,
    "Event": Event.parse,  # RFC 6665
    "Expires": parseInteger,
    "From": NameAddr.parse,
    "History-Info": NameAddr.parse,  # RFC 7044
    "In-Reply-To": parseCallID,
    "Info-Package": InfoPackage.parse,  # RFC 6086
    "Max-Forwards": partial(parseInteger, maximum=MAX_FORWARDS),
    "Min-Expires": parseInteger,
    "Min-SE": MinSE.parse,  # RFC 4028
    "P-Asserted-Identity": NameAddr.parse,  # RFC 3325
    "P-Associated-URI": NameAddr.parse,  # RFC 7315
    "P-Preferred-Identity": NameAddr.parse,  # RFC 3325
    "Path": Route.parse,  # RFC 3327
    "Privacy": Privacy.parse,  # RFC 3323
    "Proxy-Authenticate": Challenge.parse,
    "Proxy-Authentication-Info": AuthenticationInfo.parse,  # RFC 7615
    "Proxy-Authorization": Credentials.parse,
    "Proxy-Require": parseToken,
    "RAck": RAck.parse,  # RFC 3262
    "RSeq": parseInteger,  # RFC 3262
    "Reason": Reason.parse,  # RFC 3326
    "Record-Route": Route.parse,
    "Recv-Info": InfoPackage.parse,  # RFC 6086
    "Refer-Sub": ReferSub.parse,  # RFC 4488
    "Refer-To": NameAddr.parse,  # RFC 3515
    "Referred-By": NameAddr.parse,  # RFC 3892
    "Replaces": Replaces.parse,  # RFC 3891
    "Reply-To": NameAddr.parse,
    "Require": parseToken,
    "Retry-After": RetryAfter.parse,
    "Route": Route.parse,
    "SIP-ETag": parseToken,  # RFC 3903
    "SIP-If-Match": parseToken,  # RFC 3903
    "Service-Route": Route.parse,  # RFC 3608
    "Session-Expires": SessionExpires.parse,  # RFC 4028
    "Subscription-State": SubscriptionState.parse,  # RFC 6665
    "Supported": parseToken,
    "Target-Dialog": TargetDialog.parse,  # RFC 4538
    "To": NameAddr.parse,
    "Unsupported": parseToken,
    "Via": Via.parse,
    "WWW-Authenticate": Challenge.parse,
    "Warning": WarningValue.parse,
}

#: Headers whose grammar is a list: several values on one line are as good as a line for each
#: (RFC 3261 section 7.3.1).
LISTS = frozenset(
    (
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Alert-Info",
        "Allow",
        "Allow-Events",
        "Call-Info",
        "Contact",
        "Content-Encoding",
        "Content-Language",
        "Diversion",
        "Error-Info",
        "History-Info",
        "In-Reply-To",
        "P-Asserted-Identity",
        "P-Associated-URI",
        "P-Preferred-Identity",
        "Path",
        "Proxy-Require",
        "Reason",
        "Record-Route",
        "Recv-Info",
        "Require",
        "Route",
        "Service-Route",
        "Supported",
        "Unsupported",
        "Via",
        "Warning",
    )
)

#: Headers that may be on several lines although their values are no lists: "WWW-Authenticate,
#: Authorization, Proxy-Authenticate, and Proxy-Authorization" (RFC 3261 section 7.3.1); and what
#: proxies say of the last, each for itself.
_REPEATED = frozenset(
    (
        "Authorization",
        "Proxy-Authenticate",
        "Proxy-Authentication-Info",
        "Proxy-Authorization",
        "WWW-Authenticate",
    )
)

#: Headers that may stand once in a message.
SINGLE = frozenset(PARSERS) - LISTS - _REPEATED

_SPECIAL = re.compile(r'[",<]')
_QUOTED = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)


def splitList(text: str) -> list[str]:
    """
    Split the value of a list header at its commas, but for those within
    quotation marks and within C{<} and C{>}.

    It splits malformed text, too: where a quotation mark or a C{<} is never
    closed, the rest is one entry.

    @param text: The value, unfolded.
    @return: The entries, without white space around them.  Empty ones are left
        out: the grammar has none, but an example of RFC 7118 (section 8.2, F6).
    """
    if "," not in text:
        entries = [text]
    elif '"' in text or "<" in text:
        entries = _splitQuoted(text)
    else:
        entries = text.split(",")
    return [stripped for entry in entries if (stripped := entry.strip(" \t"))]


def _splitQuoted(text: str) -> list[str]:
    entries = []
    begin = position = 0
    while (match := _SPECIAL.search(text, position)) is not None:
        if match[0] == ",":
            entries.append(text[begin : match.start()])
            begin = position = match.end()
        else:
            position = _endOfGroup(text, match.start())
    entries.append(text[begin:])
    return entries


def _endOfGroup(text: str, start: int) -> int:
    if text[start] == "<":
        end = text.find(">", start)
        return len(text) if end < 0 else end + 1
    match = _QUOTED.match(text, start)
    return len(text) if match is None else match.end()
