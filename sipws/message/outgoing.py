"""
Messages that go out (RFC 3261 sections 8.1.1 and 8.2.6).

They are built from values or text.  CR, LF or NUL in anything that is handed
over is refused: it would end a header and begin another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, Self, TypeVar

from sipws.message.given import checkText, octetsOf
from sipws.message.grammar import TOKEN, compiled
from sipws.message.headers import LISTS, splitList
from sipws.message.incoming import IncomingRequest
from sipws.message.names import NAMES
from sipws.message.reasons import reasonPhrase as registeredPhrase
from sipws.message.routing import readTag, readVia
from sipws.message.uri import URI
from sipws.message.values import CSeq

__all__ = [
    "OutgoingMessage",
    "OutgoingRequest",
    "OutgoingResponse",
    "checkMethod",
    "checkValues",
    "checkedHeaders",
]

_TOKEN = compiled(TOKEN)
#: Methods whose requests make dialogs (RFC 3261 section 12.1, RFC 6665 section 4.1, RFC 3515 section 2.4.4).
_DIALOG_METHODS = frozenset(("INVITE", "SUBSCRIBE", "REFER"))
#: Methods that are known to be tokens.
_USUAL_METHODS = frozenset(("INVITE", "ACK", "BYE", "CANCEL", "MESSAGE", "OPTIONS", "REGISTER"))
_VALUE_OF = itemgetter(1)
_FIRST_STATUS, _LAST_STATUS = 100, 699

_Value = TypeVar("_Value")


class OutgoingMessage:
    """
    What requests and responses have in common: an ordered list of headers, and a body.

    Content-Length is not among the headers: it is computed, and always sent.
    One that is handed over is left out.

    @ivar body: The body, in octets.
    """

    __slots__ = ("_derived", "_headers", "body")

    body: bytes
    _headers: list[tuple[str, str]]
    _derived: dict[str, Any]

    def __init__(self, headers: Iterable[tuple[str, object]], body: bytes | str) -> None:
        self._headers = checkedHeaders(headers)
        self._derived = {}
        self.body = octetsOf(body)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers: pairs of canonical name and value."""
        return list(self._headers)

    def getHeader(self, name: str) -> str | None:
        """
        Give a header's first value.

        @param name: The header's name, in any case, or its compact form.
        @return: The value, C{None} where there is none.
        """
        canonical = _canonical(name)
        for each, value in self._headers:
            if each == canonical:
                if "," not in value and value.strip(" \t") == value != "":
                    # One entry, whether the header is a list or not.
                    return value
                break
        values = self.getHeaders(name)
        return values[0] if values else None

    def getHeaders(self, name: str) -> list[str]:
        """
        Give all values of a header, as L{IncomingMessage.getHeaders} does.

        @param name: The header's name, in any case, or its compact form.
        """
        canonical = _canonical(name)
        lines = [value for each, value in self._headers if each == canonical]
        if canonical not in LISTS:
            return lines
        return [entry for line in lines for entry in splitList(line)]

    def hasHeader(self, name: str) -> bool:
        """
        Say whether there is such a header.

        @param name: The header's name, in any case, or its compact form.
        """
        canonical = _canonical(name)
        return any(each == canonical for each, _ in self._headers)

    def setHeader(self, name: str, value: object) -> None:
        """
        Give a header one value: in the place of its first, or at the end.

        @param name: The header's name.
        @param value: The value; C{str} of it is sent.
        @raise ValueError: CR, LF or NUL is in it.
        """
        pairs = _checkedHeader(name, value)
        canonical = _canonical(name)
        before = next(
            (i for i, (each, _) in enumerate(self._headers) if each == canonical), len(self._headers)
        )
        self.removeHeader(canonical)
        self._headers[before:before] = pairs

    def addHeader(self, name: str, value: object) -> None:
        """
        Add a header at the end.

        @param name: The header's name.
        @param value: The value; C{str} of it is sent.
        @raise ValueError: CR, LF or NUL is in it.
        """
        self._headers += _checkedHeader(name, value)
        self._derived.pop(_canonical(name), None)

    def prependHeader(self, name: str, value: object) -> None:
        """
        Add a header before all others, as Via is.

        @param name: The header's name.
        @param value: The value; C{str} of it is sent.
        @raise ValueError: CR, LF or NUL is in it.
        """
        self._headers[:0] = _checkedHeader(name, value)
        self._derived.pop(_canonical(name), None)

    def removeHeader(self, name: str) -> None:
        """
        Take a header out, all its values.

        @param name: The header's name, in any case, or its compact form.
        """
        canonical = _canonical(name)
        self._headers = [pair for pair in self._headers if pair[0] != canonical]
        self._derived.pop(canonical, None)

    @property
    def callID(self) -> str:
        """The Call-ID; C{""} where there is none."""
        known = self._derived
        callID: str = known["Call-ID"] if "Call-ID" in known else self._derive("Call-ID", str, "")
        return callID

    @property
    def cseq(self) -> int:
        """The number of CSeq; 0 where there is none."""
        known = self._derived
        number: int = known["CSeq"] if "CSeq" in known else self._derive("CSeq", _numberOf, 0)
        return number

    @property
    def fromTag(self) -> str | None:
        """The tag of From; C{None} where there is none."""
        tag: str | None = self._derive("From", readTag, None)
        return tag

    @property
    def toTag(self) -> str | None:
        """The tag of To; C{None} where there is none."""
        tag: str | None = self._derive("To", readTag, None)
        return tag

    @property
    def viaBranch(self) -> str | None:
        """The branch of the top Via; C{None} where there is none."""
        known = self._derived
        branch: str | None = known["Via"] if "Via" in known else self._derive("Via", _branchOf, None)
        return branch

    def _derive(self, name: str, read: Callable[[str], _Value], missing: _Value) -> Any:
        derived = self._derived
        if name not in derived:
            value = next((value for each, value in self._headers if each == name), None)
            if value is None or "," in value:
                value = self.getHeader(name)
            derived[name] = missing if value is None else read(value)
        return derived[name]

    def _startLine(self) -> str:
        raise NotImplementedError

    def _head(self) -> str:
        lines = map(": ".join, self._headers)
        return "\r\n".join([self._startLine(), *lines, f"Content-Length: {len(self.body)}\r\n\r\n"])

    def __bytes__(self) -> bytes:
        return self._head().encode("utf-8") + self.body

    def __str__(self) -> str:
        """The message; octets of the body that are not UTF-8 are lone surrogates (PEP 383)."""
        return self._head() + self.body.decode("utf-8", "surrogateescape")


class OutgoingRequest(OutgoingMessage):
    """
    A request.

    @ivar method: The method.
    @ivar requestURI: The Request-URI, as it was given.
    """

    __slots__ = ("method", "requestURI")

    def __init__(
        self,
        method: str,
        requestURI: URI | str,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
    ) -> None:
        """
        @param method: The method, a token.
        @param requestURI: The Request-URI.
        @param headers: Pairs of name and value, sent in this order.
        @param body: The body; text is sent in UTF-8.
        @raise ValueError: CR, LF or NUL is in something, or the method or the
            Request-URI is none.
        """
        checkMethod(method)
        text = str(requestURI)
        if not text or not text.isprintable() or " " in text:
            raise ValueError(f"requestURI: a space, a control or nothing: {text!r}")
        self.method = method
        self.requestURI = requestURI
        super().__init__(headers, body)

    @classmethod
    def assemble(
        cls,
        method: str,
        requestURI: URI | str,
        headers: list[tuple[str, str]],
        body: bytes | str,
        known: dict[str, Any],
    ) -> Self:
        """
        Make a request of parts that are known to be good, which most requests
        of a user agent consist of: nothing is looked at again.

        @param headers: Canonical names, none of them Content-Length, and values
            that L{checkedHeaders} has seen; the list becomes the request's.
        @param known: What the properties below give, by the name of the header: it
            is not read again.  The mapping becomes the request's.
        """
        request = cls.__new__(cls)
        request.method = method
        request.requestURI = requestURI
        request.body = octetsOf(body)
        request._headers = headers  # noqa: SLF001 -- its own
        request._derived = known  # noqa: SLF001
        return request

    def prependVia(self, via: str, branch: str) -> None:
        """
        Add a Via of our own before all others.

        @param via: Its value, which is known to be good.
        @param branch: The branch in it.
        """
        self._headers.insert(0, ("Via", via))
        self._derived["Via"] = branch

    def _startLine(self) -> str:
        return f"{self.method} {self.requestURI} SIP/2.0"

    def __repr__(self) -> str:
        return f"<OutgoingRequest {self.method} {self.requestURI} Call-ID {self.callID}>"


class OutgoingResponse(OutgoingMessage):
    """
    A response (RFC 3261 section 8.2.6).

    Via, From, To, Call-ID and CSeq are the request's (section 8.2.6.2).  So
    are Record-Route, where the response may make a dialog (section 12.1.1), and
    Timestamp of a 100 (section 8.2.6.1).

    @ivar request: What it answers.
    @ivar statusCode: 100 to 699.
    @ivar reasonPhrase: What it says.
    @ivar method: The method of CSeq.
    """

    __slots__ = ("method", "reasonPhrase", "request", "statusCode")

    def __init__(
        self,
        request: IncomingRequest,
        statusCode: int,
        reasonPhrase: str | None = None,
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        toTag: str | None = None,
    ) -> None:
        """
        @param request: What it answers.
        @param statusCode: 100 to 699.
        @param reasonPhrase: What to say; the registered phrase if it is not given.
        @param headers: More headers: pairs of name and value.
        @param body: The body; text is sent in UTF-8.
        @param toTag: Our tag, for To where it has none; never in a 100.
        @raise ValueError: The code is no status code, or CR, LF or NUL is in something.
        """
        if not _FIRST_STATUS <= statusCode <= _LAST_STATUS:
            raise ValueError(f"statusCode: not 100 to 699: {statusCode}")
        super().__init__(headers, body)
        self.request = request
        self.statusCode = statusCode
        self.reasonPhrase = registeredPhrase(statusCode) if reasonPhrase is None else reasonPhrase
        _check("reasonPhrase", self.reasonPhrase)
        self.method = request.cseqMethod or request.method
        self._headers[:0] = _echoed(request, statusCode, toTag)

    def _startLine(self) -> str:
        return f"SIP/2.0 {self.statusCode} {self.reasonPhrase}"

    def __repr__(self) -> str:
        return f"<OutgoingResponse {self.statusCode} to {self.method} Call-ID {self.callID}>"


def _numberOf(cseq: str) -> int:
    return CSeq.parse(cseq).number


def _branchOf(via: str) -> str | None:
    return readVia(via)[0]


def _echoed(request: IncomingRequest, statusCode: int, toTag: str | None) -> list[tuple[str, str]]:
    """Give the headers that the response has of its request."""
    names = ["Via", "From", "To", "Call-ID", "CSeq"]
    if statusCode == _FIRST_STATUS:
        names.append("Timestamp")
    elif statusCode < 300 and request.method in _DIALOG_METHODS:
        names.append("Record-Route")
    pairs = [(name, value) for name in names for value in request.getLines(name)]
    if toTag is None or statusCode == _FIRST_STATUS or request.toTag is not None:
        return pairs
    if _TOKEN.fullmatch(toTag) is None:
        raise ValueError(f"toTag: no token: {toTag!r}")
    return [(name, f"{value};tag={toTag}" if name == "To" else value) for name, value in pairs]


def checkedHeaders(headers: Iterable[tuple[str, object]]) -> list[tuple[str, str]]:
    """
    Check headers, as all are that go out.

    @param headers: Pairs of name and value.
    @return: Pairs of canonical name and text, without Content-Length.
    @raise ValueError: A name is none, or CR, LF or NUL is in a value.
    """
    pairs = [(NAMES[name], value if type(value) is str else _text(name, value)) for name, value in headers]
    checkValues(pairs)
    return [pair for pair in pairs if pair[0] != "Content-Length"]


def _checkedHeader(name: str, value: object) -> list[tuple[str, str]]:
    canonical = NAMES[name]
    text = value if type(value) is str else _text(name, value)
    _check(canonical, text)
    return [(canonical, text)] if canonical != "Content-Length" else []


def checkMethod(method: str) -> None:
    """
    Check the method of a request that goes out.

    @raise TypeError: It is no text.
    @raise ValueError: It is no token.
    """
    if method in _USUAL_METHODS:
        return
    checkText("method", method, "MESSAGE")
    if _TOKEN.fullmatch(method) is None:
        raise ValueError(f"method: no token: {method!r}")


def checkValues(pairs: list[tuple[str, str]]) -> None:
    """
    Check the values of headers that go out.

    @raise ValueError: CR, LF or NUL is in one, or what UTF-8 cannot say.
    """
    everything = "".join(map(_VALUE_OF, pairs))
    if "\r" in everything or "\n" in everything or "\0" in everything or not _isUTF8(everything):
        for name, value in pairs:
            _check(name, value)


def _check(name: str, value: str) -> None:
    if "\r" in value or "\n" in value or "\0" in value:
        raise ValueError(f"{name}: CR, LF or NUL in its value")
    if not _isUTF8(value):
        raise ValueError(f"{name}: a value that UTF-8 cannot say")


def _isUTF8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _text(name: str, value: object) -> str:
    # str() of these never is what was meant.
    if value is None or isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"{name}: no header's value: {type(value).__name__}")
    return str(value)


def _canonical(name: str) -> str:
    try:
        return NAMES[name]
    except ValueError:
        return ""
