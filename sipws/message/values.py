"""
The other typed values of headers: CSeq, media types, warnings, dates ...
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

import attrs

from sipws.errors import ParseError
from sipws.message import grammar
from sipws.message.grammar import QUOTED_STRING, SWS, TOKEN, compiled
from sipws.message.parameters import (
    Parameters,
    asParameters,
    formatParameters,
    lowerCase,
    parseParameters,
    quote,
    unquote,
)

__all__ = [
    "MAX_CSEQ",
    "CSeq",
    "MediaType",
    "Parameterized",
    "RetryAfter",
    "WarningValue",
    "formatDate",
    "parseCallID",
    "parseDate",
    "parseInteger",
    "parseText",
    "parseToken",
]

#: RFC 3261 section 8.1.1.5: "The sequence number value MUST be expressible as a 32-bit unsigned integer".
MAX_CSEQ = 2**32 - 1

_CSEQ = compiled(rf"{SWS}{grammar.CSEQ}{SWS}")
_INTEGER = compiled(rf"{SWS}([0-9]++){SWS}")
_TOKEN = compiled(rf"{SWS}({TOKEN}){SWS}")
_CALL_ID = compiled(rf"{SWS}({grammar.CALL_ID}){SWS}")
_MEDIA_TYPE = compiled(rf"{SWS}({TOKEN}){SWS}/{SWS}({TOKEN}){SWS}")
# What may stand before the parameters: a token, a callid (Replaces, RFC 3891), a number.
_VALUE = compiled(rf"{SWS}([^;, \t\"]++){SWS}")
# comment  =  LPAREN *(ctext / quoted-pair / comment) RPAREN.  It is not looked into, and so not nested.
_RETRY_AFTER = compiled(rf"{SWS}([0-9]++){SWS}(?:\(((?:[^()\\]++|\\.)*+)\){SWS})?")
# warning-value  =  warn-code SP warn-agent SP warn-text
_WARNING = compiled(rf"{SWS}([0-9]{{3}}) ([^ \t\"]++) ({QUOTED_STRING}){SWS}")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# rfc1123-date  =  wkday "," SP date1 SP time SP "GMT"
_DATE = compiled(
    rf"{SWS}(?:{'|'.join(_DAYS)}), ([0-9]{{2}}) ({'|'.join(_MONTHS)}) ([0-9]{{4}}) "
    rf"([0-9]{{2}}):([0-9]{{2}}):([0-9]{{2}}) GMT{SWS}"
)


@attrs.frozen
class CSeq:
    """
    CSeq (RFC 3261 section 20.16).

    @ivar number: 0 to 2**32 - 1.
    @ivar method: The method, in its case.
    """

    number: int
    method: str

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.number <= MAX_CSEQ:
            raise ParseError("a sequence number beyond 2**32 - 1", value=str(self.number))

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """
        Parse the header's value.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        match = _CSEQ.fullmatch(text)
        if match is None:
            raise ParseError("expected a number and a method", position=0, value=text)
        return cls(toInteger(match[1], MAX_CSEQ, text), match[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@attrs.frozen
class MediaType:
    """
    Content-Type, or an entry of Accept (RFC 3261 sections 20.1, 20.15).

    @ivar type: Such as C{text}, in lower case.
    @ivar subtype: Such as C{plain}, in lower case.
    @ivar parameters: Such as C{charset}.
    """

    type: str = attrs.field(converter=lowerCase)
    subtype: str = attrs.field(converter=lowerCase)
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)

    @classmethod
    def parse(cls, text: str) -> MediaType:
        """
        Parse a media type.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        match = _MEDIA_TYPE.match(text)
        if match is None:
            raise ParseError("expected type/subtype", position=0, value=text)
        return cls(match[1], match[2], parseParameters(text, match.end()))

    def __str__(self) -> str:
        return f"{self.type}/{self.subtype}{formatParameters(self.parameters)}"


@attrs.frozen
class Parameterized:
    """
    A value with parameters: Content-Disposition, Accept-Language ...; those of
    L{sipws.message.extensions} are such, too, with their parts under names.

    @ivar value: What stands before the parameters.
    @ivar parameters: They.
    """

    value: str
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Parse a value.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        match = _VALUE.match(text)
        if match is None:
            raise ParseError("expected a value", position=0, value=text)
        return cls(match[1], parseParameters(text, match.end()))

    def __str__(self) -> str:
        return f"{self.value}{formatParameters(self.parameters)}"


@attrs.frozen
class RetryAfter:
    """
    Retry-After (RFC 3261 section 20.33).

    @ivar seconds: How long to wait.
    @ivar comment: Why; C{None} where it is not said.
    @ivar parameters: C{duration}: how long it will be there then, in seconds.
    """

    seconds: int
    comment: str | None = None
    parameters: Parameters = attrs.field(default=Parameters(), converter=asParameters)

    @classmethod
    def parse(cls, text: str) -> RetryAfter:
        """
        Parse the header's value.

        @param text: The value, unfolded.
        @raise ParseError: It is none.
        """
        match = _RETRY_AFTER.match(text)
        if match is None:
            raise ParseError("expected a number of seconds", position=0, value=text)
        return cls(toInteger(match[1], MAX_CSEQ, text), match[2], parseParameters(text, match.end()))

    def __str__(self) -> str:
        comment = "" if self.comment is None else f" ({self.comment})"
        return f"{self.seconds}{comment}{formatParameters(self.parameters)}"


@attrs.frozen
class WarningValue:
    """
    An entry of Warning (RFC 3261 section 20.43).

    @ivar code: Three digits.
    @ivar agent: Who says so.
    @ivar text: What.
    """

    code: int
    agent: str
    text: str

    @classmethod
    def parse(cls, text: str) -> WarningValue:
        """
        Parse an entry.

        @param text: The entry, unfolded.
        @raise ParseError: It is none.
        """
        match = _WARNING.fullmatch(text)
        if match is None:
            raise ParseError("expected a code, a host and a quoted text", position=0, value=text)
        return cls(int(match[1]), match[2], unquote(match[3]))

    def __str__(self) -> str:
        return f"{self.code:03} {self.agent} {quote(self.text)}"


def toInteger(digits: str, maximum: int, text: str) -> int:
    """
    Read a number that was found to be digits, however many.

    @param digits: The digits.
    @param maximum: The most that it may be.
    @param text: What it stands in.
    @raise ParseError: It is more.
    """
    # Python refuses to read numbers of thousands of digits, with an error of its own.
    significant = digits.lstrip("0") or "0"
    number = int(significant) if len(significant) <= len(str(maximum)) else maximum + 1
    if number > maximum:
        raise ParseError(f"a number beyond {maximum}", position=text.find(digits), value=text)
    return number


def parseInteger(text: str, maximum: int = MAX_CSEQ) -> int:
    """
    Parse C{1*DIGIT}.

    @param text: The value, unfolded.
    @param maximum: The most that it may be.
    @raise ParseError: It is no number, or a greater one.
    """
    match = _INTEGER.fullmatch(text)
    if match is None:
        raise ParseError("expected a number", position=0, value=text)
    return toInteger(match[1], maximum, text)


def parseToken(text: str) -> str:
    """
    Parse C{token}: a method, an option tag, a coding.

    @param text: The entry, unfolded.
    @raise ParseError: It is none.
    """
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise ParseError("expected a token", position=0, value=text)
    return match[1]


def parseCallID(text: str) -> str:
    """
    Parse C{callid}.

    @param text: The value, unfolded.
    @raise ParseError: It is none.
    """
    match = _CALL_ID.fullmatch(text)
    if match is None:
        raise ParseError("expected word or word@word", position=0, value=text)
    return match[1]


def parseText(text: str) -> str:
    """
    Take a value whose meaning is its text: Subject, User-Agent, and what is not known.

    @param text: The value, unfolded.
    """
    return text.strip(" \t")


def parseDate(text: str) -> datetime:
    """
    Parse C{SIP-date} (RFC 3261 section 20.17).

    @param text: The value, unfolded.
    @return: The time, in UTC.
    @raise ParseError: It is none; "SIP restricts the timezone in SIP-date to GMT".
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise ParseError("expected a date such as Sat, 13 Nov 2010 23:29:00 GMT", position=0, value=text)
    day, month, *others = match.groups()
    year, hour, minute, second = (int(digits) for digits in others)
    try:
        return datetime(year, _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise ParseError("a date that does not exist", position=0, value=text) from None


def formatDate(time: datetime) -> str:
    """
    Print C{SIP-date}.

    @param time: The time, with its zone.
    """
    time = time.astimezone(UTC)
    return (
        f"{_DAYS[time.weekday()]}, {time.day:02} {_MONTHS[time.month - 1]} {time.year:04} "
        f"{time.hour:02}:{time.minute:02}:{time.second:02} GMT"
    )
