"""
Messages that came in (RFC 3261 section 7).

They are made by L{sipws.message.parseMessage}, which reads what routing needs.
The rest is read when it is asked for, and once; what is malformed is told
then, with header and position.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sipws.errors import ParseError
from sipws.message.fields import indexFields, indexPlainFields, readFields, readPlainFields
from sipws.message.headers import LISTS, splitList
from sipws.message.limits import NO_LIMITS
from sipws.message.nameaddr import NameAddr
from sipws.message.names import NAMES
from sipws.message.typed import TypedValues
from sipws.message.uri import URI
from sipws.message.via import Via

if TYPE_CHECKING:
    from sipws.interfaces import ITransport

__all__ = ["IncomingMessage", "IncomingRequest", "IncomingResponse"]

_Value = TypeVar("_Value")


class IncomingMessage:
    """
    What requests and responses have in common.

    @ivar version: C{"SIP/2.0"}, in upper case.
    @ivar method: A request's method; of a response that of its CSeq.
    @ivar callID: The Call-ID; C{""} where the header is missing.
    @ivar cseq: The number of CSeq; 0 where the header is missing.
    @ivar cseqMethod: The method of CSeq; C{""} where the header is missing.
    @ivar fromTag: The tag of From, C{None} where there is none.
    @ivar toTag: The tag of To, likewise.
    @ivar viaBranch: The branch of the top Via, likewise.
    @ivar sentBy: The sent-by of the top Via, C{host} or C{host:port}, in
        lower case; C{""} where the header is missing.
    @ivar contentLength: What Content-Length says, in octets; C{None} where the header is missing.
    @ivar body: The body: as many octets as Content-Length says, of those that
        came (RFC 3261 section 18.3), and all of them where it is missing.
    @ivar transport: What it came over; set by whoever received it.

    @ivar octets: The message as it came.
    @ivar head: Its start line and headers, as text.
    @ivar fields: The lines of each header, by its canonical name; C{None} until they are asked for.
    @ivar typed: The values that were asked for, by canonical name; C{None} before the first.
    @ivar isCommon: Whether the parser found it in the common form: with all
        headers that every message has, and with a good Max-Forwards or none.
    @ivar hasMoreVias: Whether there are more Vias than one.
    """

    __slots__ = (
        "version",
        "method",
        "callID",
        "cseq",
        "cseqMethod",
        "fromTag",
        "toTag",
        "viaBranch",
        "sentBy",
        "contentLength",
        "body",
        "transport",
        "octets",
        "head",
        "fields",
        "typed",
        "isCommon",
        "hasMoreVias",
    )

    version: str
    method: str
    callID: str
    cseq: int
    cseqMethod: str
    fromTag: str | None
    toTag: str | None
    viaBranch: str | None
    sentBy: str
    contentLength: int | None
    body: bytes
    transport: ITransport | None

    octets: bytes
    head: str
    fields: dict[str, list[str]] | None
    typed: dict[str, TypedValues] | None
    isCommon: bool
    hasMoreVias: bool

    def getHeader(self, name: str) -> str | None:
        """
        Give a header's first value.

        @param name: The header's name, in any case, or its compact form.
        @return: The value, unfolded; C{None} where there is none.
        """
        canonical = NAMES.get(name) or _canonical(name)
        lines = (self.fields or self._readFields()).get(canonical)
        if lines is None:
            return None
        if canonical not in LISTS or (lines[0] and "," not in lines[0]):
            return lines[0]
        values = self.getHeaders(name)
        return values[0] if values else None

    def getHeaders(self, name: str) -> list[str]:
        """
        Give all values of a header: of lists (Via, Contact, Allow ...) each
        entry, whether they stood on one line or on several; of other headers
        each line.

        @param name: The header's name, in any case, or its compact form.
        @return: The values, unfolded.
        """
        canonical = NAMES.get(name) or _canonical(name)
        lines = (self.fields or self._readFields()).get(canonical, [])
        if canonical not in LISTS:
            return list(lines)
        return [entry for line in lines for entry in splitList(line)]

    def getLines(self, name: str) -> list[str]:
        """
        Give a header's values line by line, lists not split.

        @param name: The header's name, in any case, or its compact form.
        """
        return list((self.fields or self._readFields()).get(NAMES.get(name) or _canonical(name), ()))

    def hasHeader(self, name: str) -> bool:
        """
        Say whether there is such a header.

        @param name: The header's name, in any case, or its compact form.
        """
        return (NAMES.get(name) or _canonical(name)) in (self.fields or self._readFields())

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All headers in their order: pairs of canonical name and value, line by line, unfolded."""
        begin = self.head.find("\r\n")
        if begin < 0:
            return []
        text = self.head[begin:]
        return readPlainFields(text) if self.isCommon else readFields(text, NO_LIMITS)

    def parseHeader(self, name: str, index: int = 0) -> Any:
        """
        Give a header's value as an object: L{NameAddr} for From and To,
        C{int} for Expires, and so on: see L{sipws.message.headers.PARSERS}.

        @param name: The header's name, in any case, or its compact form.
        @param index: Which value, of those that L{getHeaders} gives.
        @return: The value; text for a header whose values have no type;
            C{None} where there is no such header or value.
        @raise ParseError: It is malformed, or stands more than once where
            it may stand once.
        """
        return self._values(NAMES.get(name) or _canonical(name)).get(index)

    def _values(self, name: str) -> TypedValues:
        typed = self.typed
        if typed is None:
            typed = self.typed = {}
        if name not in typed:
            typed[name] = TypedValues(name, self.getHeaders(name))
        return typed[name]

    @property
    def via(self) -> Via:
        """
        The top Via.

        @raise ParseError: It is malformed or missing.
        """
        return self._require("Via", Via)

    @property
    def fromHeader(self) -> NameAddr:
        """
        From.

        @raise ParseError: It is malformed or missing.
        """
        return self._require("From", NameAddr)

    @property
    def toHeader(self) -> NameAddr:
        """
        To.

        @raise ParseError: It is malformed or missing.
        """
        return self._require("To", NameAddr)

    def _require(self, name: str, kind: type[_Value]) -> _Value:
        value = self.parseHeader(name)
        if value is None:
            raise ParseError("is missing", header=name)
        assert isinstance(value, kind)
        return value

    @property
    def contentType(self) -> str | None:
        """The value of Content-Type, C{None} where the header is missing."""
        return self.getHeader("Content-Type")

    def parseAll(self) -> None:
        """
        Read everything that is not read yet.

        @raise ParseError: Something is malformed.
        """
        for name in self.fields or self._readFields():
            values = self._values(name)
            for index in range(len(values.entries)):
                values.get(index)

    def _readFields(self) -> dict[str, list[str]]:
        self.fields = indexPlainFields(self.head) if self.isCommon else indexFields(self.headers)
        return self.fields

    def __bytes__(self) -> bytes:
        return self.octets

    def __str__(self) -> str:
        """The message as it came; octets that are not UTF-8 are lone surrogates (PEP 383)."""
        return self.octets.decode("utf-8", "surrogateescape")


class IncomingRequest(IncomingMessage):
    """
    A request (RFC 3261 section 7.1).

    @ivar requestURIText: The Request-URI as it came.
    @ivar parsedURI: It, parsed; C{None} until it is asked for.
    @ivar hasPlainURI: Whether the parser found it to be a SIP URI.
    """

    __slots__ = ("requestURIText", "parsedURI", "hasPlainURI")

    requestURIText: str
    parsedURI: URI | None
    hasPlainURI: bool

    @property
    def requestURI(self) -> URI:
        """
        The Request-URI.

        @raise ParseError: It is malformed.
        """
        if self.parsedURI is None:
            try:
                self.parsedURI = URI.parse(self.requestURIText)
            except ParseError as error:
                start = len(self.method) + 1
                position = None if error.position is None else start + error.position
                raise ParseError(
                    f"Request-URI: {error.reason}", position=position, value=error.value
                ) from None
        return self.parsedURI

    def parseAll(self) -> None:
        """
        Read everything that is not read yet.

        @raise ParseError: Something is malformed.
        """
        assert self.requestURI
        super().parseAll()

    def __repr__(self) -> str:
        return f"<IncomingRequest {self.method} {self.requestURIText} Call-ID {self.callID} CSeq {self.cseq}>"


class IncomingResponse(IncomingMessage):
    """
    A response (RFC 3261 section 7.2).

    @ivar statusCode: 100 to 699.
    @ivar reasonPhrase: What the server says of it.
    """

    __slots__ = ("reasonPhrase", "statusCode")

    statusCode: int
    reasonPhrase: str

    def __repr__(self) -> str:
        return f"<IncomingResponse {self.statusCode} to {self.method} Call-ID {self.callID} CSeq {self.cseq}>"


def _canonical(name: str) -> str:
    try:
        return NAMES[name]
    except ValueError:
        # What is no header's name is the name of no header.
        return ""
