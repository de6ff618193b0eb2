"""
Session timers (RFC 4028), as pure functions: what is asked for, what is agreed
on, and when to refresh or to give up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from sipws.errors import ParseError
from sipws.message import MinSE, SessionExpires
from sipws.session.tags import TIMER

if TYPE_CHECKING:
    from sipws.message import IncomingMessage, IncomingRequest, IncomingResponse

__all__ = [
    "LEAST",
    "Agreement",
    "TooSmall",
    "agreeOnRequest",
    "agreeOnResponse",
    "largerMinimum",
    "leastInterval",
    "refreshHeaders",
    "responseHeaders",
]

#: Section 4: "the absolute minimum for the Session-Expires header field is 90 seconds".
LEAST: Final = 90

#: The most that is gone along with, in seconds: whatever is larger is no timer.
LONGEST: Final = 2**31 - 1

#: Section 10: how long before its end a session that the peer does not refresh is given up, at most.
_MARGIN: Final = 32

_Headers = list[tuple[str, object]]


@attrs.frozen
class Agreement:
    """
    What was agreed on.

    @ivar interval: The session interval, in seconds.
    @ivar isOurs: Whether it is we who refresh.
    @ivar toldRefresher: Who does, as a response of ours says it: C{uac} or C{uas}.
    @ivar isRequired: Whether such a response has C{Require: timer}.
    """

    interval: int
    isOurs: bool
    toldRefresher: str = "uac"
    isRequired: bool = False

    @property
    def delay(self) -> float:
        """After how many seconds to refresh, or else to give the session up."""
        # Section 10: "It is RECOMMENDED that this refresh be sent once half the session interval has
        # elapsed."
        if self.isOurs:
            return self.interval / 2
        # "if the side not performing refreshes does not receive a session refresh request before the
        # session expiration, it SHOULD send a BYE to terminate the session, slightly before the session
        # expiration.  The minimum of 32 seconds and one third of the session interval is RECOMMENDED."
        return self.interval - min(_MARGIN, self.interval / 3)


@attrs.frozen
class TooSmall:
    """
    A session interval that is too small for us: 422 is the answer (section 9).

    @ivar minimum: What Min-SE says in it, in seconds.
    """

    minimum: int


def refreshHeaders(
    wanted: int | None,
    minimum: int | None = None,
    refresher: str | None = None,
    *,
    tellsMinimum: bool = False,
) -> _Headers:
    """
    Give the headers of an INVITE or UPDATE that asks for a timer (sections 7.1, 7.4).

    @param wanted: The interval, in seconds; C{None}: none is asked for.
    @param minimum: The largest Min-SE there was, or our own; C{None}: the least there is.
    @param refresher: Who is to refresh: C{uac}, C{uas}; C{None}: the peer decides.
    @param tellsMinimum: Whether Min-SE goes with it though it is as little as it may be.
    """
    least = max(minimum or LEAST, LEAST)
    # Section 5: "When the header field is not present, its default value for is 90 seconds."
    headers: _Headers = [("Min-SE", least)] if tellsMinimum or least > LEAST else []
    if wanted is None:
        return headers
    # Section 7.1: "the value of the Session-Expires header field [...] MUST be greater than or equal to
    # the value in Min-SE".
    parameter = "" if refresher is None else f";refresher={refresher}"
    return [("Session-Expires", f"{max(wanted, least)}{parameter}"), *headers]


def agreeOnRequest(
    request: IncomingRequest, wanted: int | None = None, minimum: int = LEAST, *, isSupported: bool
) -> Agreement | TooSmall | None:
    """
    Say what our 2xx to an INVITE or UPDATE agrees to (section 9).

    @param request: The request.
    @param wanted: The interval that we ask for where the peer does not; C{None}: we do not.
    @param minimum: The least that we go along with, in seconds.
    @param isSupported: Whether the peer supports session timers.
    @return: C{None}: there is no timer.
    @raise ParseError: The request's headers are malformed.
    """
    asked = _sessionExpires(request)
    least = max(leastInterval(request) or LEAST, LEAST)
    if asked is None:
        if wanted is None or not isSupported:
            return None
        # "The UAS may request a session timer in the 2XX response [...]. The value MUST NOT be set to a
        # duration lower than the value in the Min-SE header field in the request, if it is present."
        return _agreement(max(wanted, least), "uas", isSupported)
    # "If an incoming request contains a Supported header field with a value 'timer' and a Session Expires
    # header field, the UAS MAY reject the INVITE request with a 422 [...] if the session interval in the
    # Session-Expires header field is smaller than the minimum interval defined by the UAS' local policy."
    floor = max(minimum, LEAST)
    if isSupported and asked.seconds < floor:
        return TooSmall(floor)
    # "The UAS MUST NOT increase the value of the Session-Expires header field", but nothing below 90 is
    # one: a UAC that does not support timers has got it from a proxy that does not keep to the rules.
    interval = asked.seconds
    if wanted is not None:
        # "The UAS response MAY reduce its value but MUST NOT set it to a duration lower than the value
        # in the Min-SE header field in the request, if it is present".
        interval = min(interval, max(wanted, least))
    return _agreement(min(max(interval, LEAST), LONGEST), _refresher(asked, isSupported), isSupported)


def _refresher(asked: SessionExpires, isSupported: bool) -> str:
    """Give who refreshes: table 2 of section 9."""
    if not isSupported:
        return "uas"
    # Where the peer leaves it to us, who asks for a timer has it.
    return asked.refresher or "uac"


def _agreement(interval: int, refresher: str, isSupported: bool) -> Agreement:
    # "If the refresher parameter [...] has a value of 'uac', the UAS MUST place a Require header field
    # into the response with the value 'timer'. [...] If the refresher parameter in the 2xx response has a
    # value of 'uas' and the Supported header field in the request contained the value 'timer', the UAS
    # SHOULD".
    return Agreement(interval, refresher == "uas", refresher, isSupported)


def responseHeaders(agreement: Agreement | TooSmall | None) -> _Headers:
    """Give the headers of our 2xx, or of our 422."""
    if agreement is None:
        return []
    if isinstance(agreement, TooSmall):
        return [("Min-SE", agreement.minimum)]
    headers: _Headers = [("Session-Expires", f"{agreement.interval};refresher={agreement.toldRefresher}")]
    return [("Require", TIMER), *headers] if agreement.isRequired else headers


def agreeOnResponse(
    response: IncomingResponse, asked: int | None, refresher: str | None = None
) -> Agreement | None:
    """
    Say what the peer's 2xx to our INVITE or UPDATE agrees to (section 7.2).

    @param response: The response.
    @param asked: The interval that we have asked for, in seconds; C{None}: for none.
    @param refresher: Who is to refresh, as we have said.
    @return: C{None}: there is no timer.
    """
    told = _readSessionExpires(response)
    if told is None or told.seconds <= 0:
        # "in this case, if the UAC still wishes to use the session timer (which is purely for its
        # benefit alone), it has to perform them. [...] as if the Session-Expires header field were in the
        # 2xx response, and its value was the same as that in the request, but with a refresher
        # parameter of 'uac'."
        return None if asked is None else Agreement(asked, isOurs=True)
    # Section 4: nothing below 90 seconds is an interval: whoever says so is not to have us refresh, or give
    # up, each moment.
    interval = min(max(told.seconds, LEAST), LONGEST)
    return Agreement(interval, (told.refresher or refresher or "uac") == "uac")


def _readSessionExpires(response: IncomingResponse) -> SessionExpires | None:
    try:
        return _sessionExpires(response)
    except ParseError:
        # The session is there all the same; what cannot be read is as what is not there.
        return None


def largerMinimum(response: IncomingResponse, asked: int | None) -> int | None:
    """
    Give what a 422 asks for (section 7.3).

    @param asked: What was asked for, in seconds.
    @return: Seconds; C{None}: nothing that asking again could meet.
    """
    try:
        least = leastInterval(response)
    except ParseError:
        return None
    # Whoever refuses more than he asks for refuses always.
    return least if least is not None and (asked or 0) < least <= LONGEST else None


def leastInterval(message: IncomingMessage) -> int | None:
    """
    Give what Min-SE says, in seconds.

    @raise ParseError: It is malformed.
    """
    value = message.parseHeader("Min-SE") if message.hasHeader("Min-SE") else None
    return value.seconds if isinstance(value, MinSE) else None


def _sessionExpires(message: IncomingMessage) -> SessionExpires | None:
    value = message.parseHeader("Session-Expires") if message.hasHeader("Session-Expires") else None
    return value if isinstance(value, SessionExpires) else None
