"""
The exceptions of sipws, as one tree::

    SIPError
     +-- ParseError (also a ValueError)       octets or text that break the SIP grammar
     +-- ConfigurationError (also ValueError) an option that cannot be used
     +-- TransportError                       a message that could not be carried
     |    +-- NotConnected                    no open WebSocket to send it on
     |    +-- Congested                       too much waits already for a peer that does not read
     |    +-- PeerSilent                      the server has given no sign of life in time
     |    +-- ConnectionFailed                a connection that did not come about
     |         +-- HandshakeRefused           the HTTP upgrade was not answered with SIP over WebSocket
     |         +-- CertificateRefused         the server's certificate does not prove that it is the server
     |         +-- ProxyRefused               the proxy did not lead to the server
     |         +-- NoServers                  a domain names no server that can be used
     +-- TransactionError                     a request that will get no final response
     |    +-- TransactionTimeout              timer B, F or H fired (RFC 3261 section 17)
     |    +-- TransactionCancelled            its user gave it up
     +-- RegistrationError                    the registrar refused
     +-- PublicationError                     a publication that came to nothing
     +-- SubscriptionError                    a subscription that came to nothing, or is over
     +-- SessionError                         something that a call cannot do, or did not come to
     |    +-- SessionFailed                   a call that was not accepted
     |    +-- SessionTerminated               a call that is over
     |    +-- ReferralFailed                  a REFER that was refused, or of which nothing is told
     |    +-- WrongMoment                     what cannot be done as the call is now
     +-- LimitExceeded                        a configured bound would be passed

Each carries the offending value and where it stood as attributes, and its
text reads as help.  No text, repr or attribute that is printed holds a secret.
"""

from __future__ import annotations

from os import fspath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from sipws.message.incoming import IncomingRequest, IncomingResponse
    from sipws.message.outgoing import OutgoingRequest, OutgoingResponse

__all__ = [
    "CertificateRefused",
    "ConfigurationError",
    "Congested",
    "ConnectionFailed",
    "HandshakeRefused",
    "LimitExceeded",
    "NoServers",
    "NotConnected",
    "ParseError",
    "PeerSilent",
    "ProxyRefused",
    "PublicationError",
    "ReferralFailed",
    "RegistrationError",
    "SIPError",
    "SessionError",
    "SessionFailed",
    "SessionTerminated",
    "SubscriptionError",
    "TransactionCancelled",
    "TransactionError",
    "TransactionTimeout",
    "TransportError",
    "WrongMoment",
]

#: Headers whose values are, or hold, secrets: L{ParseError} does not show them.
SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})

#: The most characters of an offending value that an error shows.
_SHOWN = 80


class SIPError(Exception):
    """Anything that sipws raises on purpose, or fails a Deferred with."""


class ParseError(SIPError, ValueError):
    """
    Text that breaks the grammar of RFC 3261 section 25.

    @ivar reason: What rule was broken.
    @ivar header: The header in which it was, by its canonical name; C{None}
        for the start line and for the message as a whole.
    @ivar position: The index, in characters, into C{value} (into the message,
        in octets, where C{header} is C{None}) at which the grammar failed;
        C{None} where no single place is at fault.
    @ivar value: The text that was parsed; C{None} where it is a secret.
    @ivar request: The request itself where so much of it could be read that
        it can be answered (RFC 3261 section 8.2.6); otherwise C{None}.
    """

    def __init__(
        self,
        reason: str,
        *,
        header: str | None = None,
        position: int | None = None,
        value: str | None = None,
        request: IncomingRequest | None = None,
    ) -> None:
        if header is not None and header.lower() in SECRET_HEADERS:
            value = None
        self.reason = reason
        self.header = header
        self.position = position
        self.value = value
        self.request = request
        super().__init__(reason)

    def __str__(self) -> str:
        place = "" if self.header is None else f"{self.header}: "
        at = "" if self.position is None else f" at {self.position}"
        shown = "" if self.value is None else f" in {_shorten(self.value)!r}"
        return f"{place}{self.reason}{at}{shown}"

    def __repr__(self) -> str:
        return f"<ParseError {self}>"


class ConfigurationError(SIPError, ValueError):
    """
    An option that cannot be used: its name, its value or both are wrong.

    @ivar option: The option's name as it was given; the file's where the file
        as a whole is wrong.
    @ivar problem: What is wrong with it.
    @ivar hint: What would be right.
    @ivar file: The configuration file that it stands in, if it stands in one.
    """

    def __init__(self, option: str, problem: str, hint: str = "", *, file: str | None = None) -> None:
        self.option = option
        self.problem = problem
        self.hint = hint
        self.file = file
        place = option if file is None else f"{file}: {option}"
        super().__init__(f"{place}: {problem}" + (f" ({hint})" if hint else ""))

    def inFile(self, file: str | PathLike[str]) -> ConfigurationError:
        """
        Say the same of an option that stands in a file.

        @param file: The path of the file.
        """
        return type(self)(self.option, self.problem, self.hint, file=fspath(file))


class TransportError(SIPError):
    """
    A message that could not be carried.

    @ivar request: What was to be sent or was waiting for its response;
        C{None} where the connection itself is meant.
    @ivar code: The WebSocket close code (RFC 6455 section 7.4), if there was one.
    @ivar sent: Whether the request had left, as far as can be known here: the
        server may have acted on it then.  C{None} where there is no request.
    @ivar retryAfter: How long the server asks to be left alone, in seconds;
        C{None} where it does not say.
    """

    def __init__(
        self,
        reason: str,
        *,
        request: OutgoingRequest | OutgoingResponse | None = None,
        code: int | None = None,
        sent: bool | None = None,
        retryAfter: float | None = None,
    ) -> None:
        self.reason = reason
        self.request = request
        self.code = code
        self.sent = sent
        self.retryAfter = retryAfter
        super().__init__(reason + (f" (WebSocket code {code})" if code is not None else ""))


class NotConnected(TransportError):
    """There is no open WebSocket to send on."""


class Congested(TransportError):
    """
    So much waits already for a peer that does not read that no more is taken.

    The connection is there, and what uses it goes on.

    @ivar pending: How many octets wait; C{None} where that is not known.
    """

    def __init__(
        self,
        reason: str | None = None,
        *,
        request: OutgoingRequest | OutgoingResponse | None = None,
        sent: bool | None = None,
        pending: int | None = None,
    ) -> None:
        self.pending = pending
        if reason is None:
            octets = "" if pending is None else f" ({pending} octets)"
            reason = (
                f"too much waits{octets} for a peer that does not read as fast:"
                " wait for whenWritable() of the transport, or raise maxPendingOctets"
            )
        super().__init__(reason, request=request, sent=sent)


class PeerSilent(TransportError):
    """The server has given no sign of life in C{keepAliveTimeout}, though asked for one."""


class ConnectionFailed(TransportError):
    """A connection did not come about; C{__cause__} says why where it is known."""


class HandshakeRefused(ConnectionFailed):
    """
    The HTTP upgrade was not answered by SIP over WebSocket (RFC 7118 section 4).

    @ivar status: The HTTP status code, C{None} where it was 101 and something
        else was wrong, such as a missing subprotocol.
    """

    def __init__(self, reason: str, *, status: int | None = None, retryAfter: float | None = None) -> None:
        self.status = status
        super().__init__(reason, retryAfter=retryAfter)


class CertificateRefused(ConnectionFailed):
    """The server's certificate does not prove that it is the server that was meant."""


class ProxyRefused(ConnectionFailed):
    """
    The proxy did not lead to the server (RFC 9110 section 9.3.6).

    @ivar status: Its HTTP status code; C{None} where it gave none.
    """

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(reason)


class NoServers(ConnectionFailed):
    """
    A domain names no server that can be used (RFC 3263 section 4).

    @ivar domain: The domain.
    """

    def __init__(self, reason: str, *, domain: str) -> None:
        self.domain = domain
        super().__init__(reason)


class TransactionError(SIPError):
    """
    A request that gets no final response.

    @ivar request: The request.
    @ivar sent: Whether it had left: the server may have acted on it then.
        C{None} where there is no request.
    """

    def __init__(
        self, reason: str, *, request: OutgoingRequest | None = None, sent: bool | None = None
    ) -> None:
        self.reason = reason
        self.request = request
        self.sent = sent
        super().__init__(reason)


class TransactionTimeout(TransactionError):
    """No final response in 64*T1 (timers B and F, RFC 3261 section 17.1), or no ACK (timer H)."""


class TransactionCancelled(TransactionError):
    """The transaction's user cancelled its Deferred."""


class RegistrationError(SIPError):
    """
    The registrar refused.

    @ivar response: Its response.
    """

    def __init__(self, reason: str, *, response: IncomingResponse | None = None) -> None:
        self.reason = reason
        self.response = response
        super().__init__(reason)


class PublicationError(SIPError):
    """
    A publication that the server did not take, or that is over (RFC 3903).

    @ivar response: The server's response; C{None} where there was none.
    @ivar retryIn: After how many seconds it is tried again; C{None}: it is not.
    """

    def __init__(
        self, reason: str, *, response: IncomingResponse | None = None, retryIn: float | None = None
    ) -> None:
        self.reason = reason
        self.response = response
        self.retryIn = retryIn
        super().__init__(reason)


class SubscriptionError(SIPError):
    """
    A subscription that did not come about, or is over (RFC 6665).

    @ivar response: The response that says so; C{None} where there was none.
    @ivar retryIn: After how many seconds it is tried again; C{None}: it is not.
    """

    def __init__(
        self, reason: str, *, response: IncomingResponse | None = None, retryIn: float | None = None
    ) -> None:
        self.reason = reason
        self.response = response
        self.retryIn = retryIn
        super().__init__(reason)


class SessionError(SIPError):
    """Something that a call cannot do, or did not come to."""


class SessionFailed(SessionError):
    """
    A call that was not accepted.

    @ivar cause: What kept it from that: one of the texts of L{sipws.session.Cause}.
    @ivar by: Who ended it: C{local}, C{remote}, or C{network}.
    @ivar statusCode: The status code of the final response, its own or the
        peer's; C{None}: there was none.
    @ivar response: The peer's final response; C{None}: there was none.
    """

    def __init__(
        self,
        cause: str,
        *,
        by: str,
        statusCode: int | None = None,
        response: IncomingResponse | None = None,
    ) -> None:
        self.cause = cause
        self.by = by
        self.statusCode = statusCode
        self.response = response
        status = "" if statusCode is None else f" ({statusCode})"
        super().__init__(f"the call was not accepted: {cause}{status}")


class SessionTerminated(SessionError):
    """
    A call that is over.

    @ivar cause: What ended it: one of the texts of L{sipws.session.Cause}.
    """

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(f"the call is over: {cause}")


class ReferralFailed(SessionError):
    """
    A REFER that was refused, or of which nothing is told.

    @ivar response: The response that refuses it; C{None}: there was none.
    """

    def __init__(self, reason: str, *, response: IncomingResponse | None = None) -> None:
        self.reason = reason
        self.response = response
        status = "" if response is None else f" ({response.statusCode})"
        super().__init__(f"the reference came to nothing: {reason}{status}")


class WrongMoment(SessionError):
    """
    What cannot be done as the call is now.

    @ivar wanted: What was to be done.
    @ivar state: How the call, or its offer and answer, stands.
    """

    def __init__(self, wanted: str, state: str) -> None:
        self.wanted = wanted
        self.state = state
        super().__init__(f"{wanted}: not while it is so: {state}")


class LimitExceeded(SIPError):
    """
    A bound of the configuration would be passed.

    @ivar option: The option that sets the bound.
    @ivar limit: The bound, in the option's unit.
    """

    def __init__(self, reason: str, *, option: str, limit: int) -> None:
        self.reason = reason
        self.option = option
        self.limit = limit
        super().__init__(f"{reason} ({option}={limit})")


def _shorten(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
