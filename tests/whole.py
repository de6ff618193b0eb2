"""
What each message of a user agent's has, whatever it is about: rules of the
RFCs that hold for all of them, to be asked of every message that a test sees.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sipws.message import IncomingRequest, IncomingResponse, parseMessage
from sipws.message.headers import SINGLE

__all__ = ["assertWhole"]

Message = IncomingRequest | IncomingResponse

METHODS = frozenset(
    [
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    ]
)

#: Whose requests and 2xx refresh a target (RFC 3261 section 20.10, RFC 3311, RFC 3515, RFC 6665).
REFRESHING = frozenset({"INVITE", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER"})

#: What has no Contact (RFC 3261 table 2; RFC 3262, RFC 3428, RFC 3903).
WITHOUT_CONTACT = frozenset({"BYE", "CANCEL", "MESSAGE", "PRACK", "PUBLISH"})

#: What a refusal says beside its code (RFC 3261 sections 8.2.1, 8.2.2.3, 8.2.3 and 21.4; RFC 4028, RFC 6086).
EXPLAINED = {
    401: ["WWW-Authenticate"],
    405: ["Allow"],
    407: ["Proxy-Authenticate"],
    415: ["Accept", "Accept-Encoding", "Accept-Language"],
    420: ["Unsupported"],
    421: ["Require"],
    422: ["Min-SE"],
    423: ["Min-Expires"],
    469: ["Recv-Info"],
}

#: What a request is no such request without (RFC 3262, RFC 3515, RFC 3903, RFC 6665).
NAMED = {
    "NOTIFY": ["Event", "Subscription-State"],
    "PRACK": ["RAck"],
    "PUBLISH": ["Event"],
    "REFER": ["Refer-To"],
    "SUBSCRIBE": ["Event"],
}

LISTS = ("Accept", "Allow", "Allow-Events", "Require", "Supported", "Unsupported")


def _elements(message: Message, name: str) -> list[str]:
    return [value.strip() for line in message.getHeaders(name) for value in line.split(",")]


def _named(message: Message) -> list[str]:
    """RFC 3261 section 8.1.1: "at a minimum"; section 7.3.1: but once."""
    count = Counter(name for name, _ in message.headers)
    wanted = ["To", "From", "CSeq", "Call-ID", "Via"]
    wanted += ["Max-Forwards", *NAMED.get(message.method, ())] if isinstance(message, IncomingRequest) else []
    return [name for name in wanted if not count[name]] + [name for name in SINGLE if count[name] > 1]


def _listed(message: Message) -> list[str]:
    """What stands in a list stands there once; and Allow lists methods (section 20.5)."""
    repeated = [name for name in LISTS if max(Counter(_elements(message, name)).values(), default=1) > 1]
    return repeated + [method for method in _elements(message, "Allow") if method not in METHODS]


def _bodied(message: Message) -> list[str]:
    """Section 20.15: Content-Type "MUST be present if the body is not empty"; and it ends where it says."""
    wrong = [] if message.contentLength == len(message.body) else ["Content-Length"]
    return wrong if not message.body or message.hasHeader("Content-Type") else [*wrong, "Content-Type"]


def _located(message: Message) -> list[str]:
    """Section 8.1.1.8: Contact "MUST be present and contain exactly one SIP or SIPS URI"; 12.1.1."""
    contacts = message.getHeaders("Contact")
    if message.method in WITHOUT_CONTACT:
        return contacts
    isWanted = isinstance(message, IncomingRequest) or 200 <= message.statusCode < 300
    return ["Contact"] if isWanted and message.method in REFRESHING and len(contacts) != 1 else []


def _tagged(message: Message) -> list[str]:
    """Sections 8.1.1.3 and 8.2.6.2: From has a tag, and the To of all responses but 100."""
    isTagged = isinstance(message, IncomingRequest) or message.statusCode == 100 or message.toTag
    return [name for name, isThere in (("From", message.fromTag), ("To", isTagged)) if not isThere]


def _begun(message: Message) -> list[str]:
    """Section 8.1.1.7: a branch begins with z9hG4bK; 8.1.1.5: CSeq has the method of the request."""
    wrong = [] if (message.viaBranch or "").startswith("z9hG4bK") else ["branch"]
    return wrong if message.cseqMethod == message.method else [*wrong, "CSeq"]


def _bare(message: Message) -> list[str]:
    """Sections 9.1 and 20.32: no CANCEL and no ACK to a refusal requires anything."""
    if message.method != "CANCEL" or not isinstance(message, IncomingRequest):
        return []
    count = len(message.getHeaders("Via"))
    names = ("Require", "Proxy-Require", "Supported", "Authorization", "Proxy-Authorization")
    return [name for name in names if message.hasHeader(name)] + ["Via"] * (count != 1)


def _reliable(message: Message) -> list[str]:
    """RFC 3262 section 3: who numbers a response requires 100rel, and has a Contact for the PRACK."""
    if isinstance(message, IncomingRequest) or not message.hasHeader("RSeq"):
        return []
    isNumbered = 100 < message.statusCode < 200 and "100rel" in _elements(message, "Require")
    return [] if isNumbered and len(message.getHeaders("Contact")) == 1 else ["RSeq"]


def _explained(message: Message) -> list[str]:
    """What a refusal must say, it says."""
    wanted = [] if isinstance(message, IncomingRequest) else EXPLAINED.get(message.statusCode, [])
    return [] if not wanted or any(message.hasHeader(name) for name in wanted) else wanted


RULES: tuple[Callable[[Message], list[str]], ...] = (
    _named,
    _listed,
    _bodied,
    _located,
    _tagged,
    _begun,
    _bare,
    _reliable,
    _explained,
)


def assertWhole(message: Message) -> None:
    """See that a message is as messages of a user agent's must be."""
    # All of it can be read, too.
    parseMessage(bytes(message), strict=True)
    broken = {rule.__name__.strip("_"): wrong for rule in RULES if (wrong := rule(message))}
    assert not broken, f"{broken}\n{message}"
