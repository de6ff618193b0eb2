"""
The values of headers that calls, subscriptions and publications add to RFC
3261's: each with its parts under their names.

Where the value is C{something *( SEMI generic-param )}, it is a
L{Parameterized}, of which nothing is lost when it is printed.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from sipws.errors import ParseError
from sipws.message import grammar
from sipws.message.grammar import LWS, SWS, TOKEN, compiled
from sipws.message.parameters import checkToken, lowerCase
from sipws.message.values import MAX_CSEQ, CSeq, Parameterized, parseInteger, toInteger

__all__ = [
    "Event",
    "InfoPackage",
    "MinSE",
    "Privacy",
    "RAck",
    "Reason",
    "ReferSub",
    "Replaces",
    "SessionExpires",
    "SubscriptionState",
    "TargetDialog",
]

_TOKEN = compiled(TOKEN)
_CALL_ID = compiled(grammar.CALL_ID)
_SEMICOLON = compiled(rf"{SWS};{SWS}")
# RAck  =  "RAck" HCOLON response-num LWS CSeq-num LWS Method
_RACK = compiled(rf"{SWS}([0-9]++){LWS}([0-9]++){LWS}({TOKEN}){SWS}")


def _lowerCaseAll(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(lowerCase, values))


@attrs.frozen
class RAck:
    """
    RAck (RFC 3262 section 7.2): which provisional response a PRACK is for.

    @ivar number: The RSeq of the response, 1 to 2**32 - 1.
    @ivar cseq: The CSeq of the response.
    """

    number: int
    cseq: CSeq

    def __attrs_post_init__(self) -> None:
        # Section 7.1: RSeq "contains a single numeric value from 1 to 2**32 - 1".
        if not 1 <= self.number <= MAX_CSEQ:
            raise ParseError("no number from 1 to 2**32 - 1", position=0, value=str(self.number))

    @classmethod
    def parse(cls, text: str) -> RAck:
        """
        Parse the header's value.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        match = _RACK.fullmatch(text)
        if match is None:
            raise ParseError("expected two numbers and a method", position=0, value=text)
        number, cseq = (toInteger(digits, MAX_CSEQ, text) for digits in match.groups()[:2])
        return cls(number, CSeq(cseq, match[3]))

    def __str__(self) -> str:
        return f"{self.number} {self.cseq}"


@attrs.frozen
class Privacy:
    """
    Privacy (RFC 3323 section 4.2).

    @ivar values: What is asked for, in lower case: C{header}, C{session},
        C{user}, C{none}, C{critical}, C{id} (RFC 3325) ...
    """

    values: tuple[str, ...] = attrs.field(converter=_lowerCaseAll)

    def __attrs_post_init__(self) -> None:
        if not self.values:
            raise ParseError("expected a token", position=0, value="")
        for value in self.values:
            _requireToken("privacy value", value)

    @classmethod
    def parse(cls, text: str) -> Privacy:
        """
        Parse the header's value.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        return cls(_SEMICOLON.split(text.strip(" \t")))

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return ";".join(self.values)


@attrs.frozen
class Replaces(Parameterized):
    """Replaces (RFC 3891 section 6.1): the dialog that an INVITE is to take the place of."""

    def __attrs_post_init__(self) -> None:
        # "A Replaces header field MUST contain exactly one to-tag and exactly one from-tag".
        _requireCallID(self.value)
        _requireTags(self, "to-tag", "from-tag")

    @property
    def callID(self) -> str:
        """The Call-ID of the dialog."""
        return self.value

    @property
    def toTag(self) -> str:
        """The tag of whom the INVITE with this is for: the local tag there."""
        return self.parameters["to-tag"] or ""

    @property
    def fromTag(self) -> str:
        """The other tag: the remote tag there."""
        return self.parameters["from-tag"] or ""

    @property
    def earlyOnly(self) -> bool:
        """Whether a confirmed dialog is to be left alone."""
        return "early-only" in self.parameters


@attrs.frozen
class TargetDialog(Parameterized):
    """Target-Dialog (RFC 4538 section 7): a dialog of the recipient's, of which the sender knows."""

    def __attrs_post_init__(self) -> None:
        _requireCallID(self.value)
        _requireTags(self, "local-tag", "remote-tag")

    @property
    def callID(self) -> str:
        """The Call-ID of the dialog."""
        return self.value

    @property
    def localTag(self) -> str:
        """The local tag, as the recipient of the request sees it."""
        return self.parameters["local-tag"] or ""

    @property
    def remoteTag(self) -> str:
        """The remote tag, as the recipient of the request sees it."""
        return self.parameters["remote-tag"] or ""


@attrs.frozen
class Event(Parameterized):
    """Event (RFC 6665 section 8.2.1)."""

    def __attrs_post_init__(self) -> None:
        _requireToken("event type", self.value)

    @property
    def package(self) -> str:
        """The event package, with its templates: C{presence}, C{presence.winfo} ..."""
        return self.value

    @property
    def id(self) -> str | None:
        """What tells several subscriptions of one dialog apart."""
        return self.parameters.get("id")

    def matches(self, other: Event) -> bool:
        """
        Say whether another names the same subscription: package and C{id}
        are compared octet by octet, and nothing else counts (RFC 6665 section 8.2.1).

        @param other: The other.
        """
        return (self.package, self.id) == (other.package, other.id)


@attrs.frozen
class SubscriptionState(Parameterized):
    """Subscription-State (RFC 6665 section 8.2.3)."""

    def __attrs_post_init__(self) -> None:
        _requireToken("subscription state", self.value)
        _checkNumber(self, "expires")
        _checkNumber(self, "retry-after")

    @property
    def state(self) -> str:
        """C{active}, C{pending}, C{terminated}, or an extension, in lower case."""
        return self.value.lower()

    @property
    def reason(self) -> str | None:
        """Why it is terminated: C{timeout}, C{rejected} ..., as it is written."""
        return self.parameters.get("reason")

    @property
    def expires(self) -> int | None:
        """For how long it goes on, in seconds."""
        return _number(self, "expires")

    @property
    def retryAfter(self) -> int | None:
        """After how long to subscribe again, in seconds."""
        return _number(self, "retry-after")


@attrs.frozen
class MinSE(Parameterized):
    """Min-SE (RFC 4028 section 5)."""

    def __attrs_post_init__(self) -> None:
        parseInteger(self.value)

    @property
    def seconds(self) -> int:
        """The least that a session interval may be, in seconds."""
        return parseInteger(self.value)


@attrs.frozen
class SessionExpires(Parameterized):
    """Session-Expires (RFC 4028 section 4)."""

    def __attrs_post_init__(self) -> None:
        parseInteger(self.value)
        # refresher-param  =  "refresher" EQUAL  ("uas" / "uac")
        if "refresher" in self.parameters and self.refresher not in ("uac", "uas"):
            raise ParseError("a refresher that is neither uac nor uas", position=0, value=str(self))

    @property
    def seconds(self) -> int:
        """The session interval, in seconds."""
        return parseInteger(self.value)

    @property
    def refresher(self) -> str | None:
        """Who is to refresh: C{uac} or C{uas}; C{None} where it is not said."""
        return (self.parameters.get("refresher") or "").lower() or None


@attrs.frozen
class Reason(Parameterized):
    """An entry of Reason (RFC 3326 section 2)."""

    def __attrs_post_init__(self) -> None:
        _requireToken("protocol", self.value)
        _checkNumber(self, "cause")

    @property
    def protocol(self) -> str:
        """C{SIP}, C{Q.850} ..., as it is written."""
        return self.value

    @property
    def cause(self) -> int | None:
        """The protocol's code: for C{SIP}, a status code."""
        return _number(self, "cause")

    @property
    def text(self) -> str | None:
        """What a person may read."""
        return self.parameters.get("text")


@attrs.frozen
class ReferSub(Parameterized):
    """Refer-Sub (RFC 4488 section 4)."""

    def __attrs_post_init__(self) -> None:
        if self.value.lower() not in ("true", "false"):
            raise ParseError("expected true or false", position=0, value=self.value)

    @property
    def isWanted(self) -> bool:
        """Whether the REFER is to make a subscription."""
        return self.value.lower() == "true"


@attrs.frozen
class InfoPackage(Parameterized):
    """Info-Package, or an entry of Recv-Info (RFC 6086 section 7)."""

    def __attrs_post_init__(self) -> None:
        _requireToken("Info Package", self.value)

    @property
    def package(self) -> str:
        """The name of the Info Package."""
        return self.value


def _requireToken(what: str, value: str | None) -> None:
    if value is None or _TOKEN.fullmatch(value) is None:
        raise ParseError(f"expected a token as {what}", position=0, value=value or "")


def _requireCallID(value: str) -> None:
    if _CALL_ID.fullmatch(value) is None:
        raise ParseError("expected a Call-ID", position=0, value=value)


def _requireTags(header: Parameterized, *names: str) -> None:
    for name in names:
        checkToken(name, header.parameters.get(name), str(header))


def _checkNumber(header: Parameterized, name: str) -> None:
    if name in header.parameters:
        parseInteger(header.parameters[name] or "")


def _number(header: Parameterized, name: str) -> int | None:
    return parseInteger(header.parameters[name] or "") if name in header.parameters else None
