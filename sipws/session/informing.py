"""
L{Informing}: requests within a session that change nothing of it: INFO (RFC 6086), DTMF.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from sipws.errors import ParseError, SessionTerminated, WrongMoment
from sipws.session.core import Headers, SessionCore
from sipws.session.dtmf import DTMF, DTMF_RELAY, DTMF_TYPES, PAUSE, checkTones, toneOf
from sipws.session.infopackages import BAD_INFO_PACKAGE, packageOf, recvInfo
from sipws.session.machine import State

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall

    from sipws.message import IncomingRequest, IncomingResponse

__all__ = ["Informing"]

#: The silence between two tones, in milliseconds.
_GAP = 70

#: The requests that a session goes by, and what sends them.
_SESSIONS_OWN = {
    "ACK": "sent by itself",
    "BYE": "bye()",
    "CANCEL": "cancel()",
    "INVITE": "reinvite()",
    "PRACK": "sent by itself",
    "REFER": "refer()",
    "UPDATE": "update()",
}


class Informing(SessionCore):
    """The part of a session that says something within it."""

    def sendRequest(
        self,
        method: str,
        headers: Headers = (),
        body: bytes | str = b"",
        contentType: str | None = None,
    ) -> Deferred[IncomingResponse]:
        """
        Send a request within the session's dialog: MESSAGE, OPTIONS ...

        @param method: Its method, none of those that the session goes by: they have methods of their own.
        @return: A Deferred of the final response.  It fails with
            L{WrongMoment} where there is no dialog, and as C{UserAgent.request} does.
        @raise ValueError: The request cannot be as it is given.
        """
        if method in _SESSIONS_OWN:
            raise ValueError(f"{method} changes the session: it is {_SESSIONS_OWN[method]}")
        leg = self.leg
        # An early dialog may not say yet where its requests go.
        if leg is None or not leg.dialog.live.isLed or self.state in (State.TERMINATING, State.TERMINATED):
            return fail(WrongMoment(method, self.state))
        sending = self.usages.sendWithin(leg.dialog, method, headers, body, contentType)
        return self.watch(sending.result)

    def info(
        self,
        body: bytes | str = b"",
        contentType: str | None = None,
        package: str | None = None,
        headers: Headers = (),
    ) -> Deferred[IncomingResponse]:
        """
        Send an INFO (RFC 6086).

        @param body: What it says.
        @param contentType: Its type.
        @param package: The Info Package that it is of, with its parameters;
            C{None}: none, as it was before there were packages.
        @param headers: Further headers.
        @return: As of L{sendRequest}; 469 says that the peer does not take the package.
        @raise ValueError: The request cannot be as it is given.
        """
        given = [*headers]
        if package is not None:
            given.append(("Info-Package", package))
            if body:
                # Section 4.3.1: "the body part is identified by a Content-Disposition header field
                # "Info-Package" value."
                given.append(("Content-Disposition", "Info-Package"))
        return self.sendRequest("INFO", given, body, contentType)

    def dtmf(self, tones: str, duration: int = 100) -> Deferred[IncomingResponse]:
        """
        Dial, by INFO requests of the type C{application/dtmf-relay}, one after the other.

        @param tones: C{0} to C{9}, C{*}, C{#}, C{A} to C{D}; a comma is a pause of two seconds.
        @param duration: The length of each tone, in milliseconds, 40 to 6000.
        @return: A Deferred of the response to the last one, or the first that
            is no 2xx: nothing is dialled after it.  It fails as that of
            L{sendRequest} does, and with L{SessionTerminated} where the session ends before.
        @raise ValueError: That cannot be dialled.
        """
        return _Dialling(self, list(checkTones(tones)), duration).start()

    def _receiveInfo(self, request: IncomingRequest) -> object:
        try:
            package, tone = packageOf(request), toneOf(request)
        except ParseError:
            return 400
        packages = self.usages.configuration.infoPackages
        if package is not None and package not in packages:
            # RFC 6086 section 4.2.2: "If a UA receives an INFO request associated with an Info Package
            # that the UA has not indicated willingness to receive, the UA MUST send a 469 (Bad Info
            # Package) response [...], which contains a Recv-Info header field".
            self.usages.respond(request, BAD_INFO_PACKAGE, "Bad Info Package", [recvInfo(packages)])
            return None
        isHeard = tone is not None and self.hears("dtmf")
        if request.body and not isHeard and not self.hears("info"):
            # RFC 3261 section 8.2.3: "The response MUST contain an Accept header field listing the types
            # of all bodies it understands": section 20.1, none if it is empty.
            understood = ", ".join(DTMF_TYPES) if self.hears("dtmf") else ""
            self.usages.respond(request, 415, headers=[("Accept", understood)])
            return None
        # "Otherwise, if the INFO request is syntactically correct and well structured, the UA MUST send a
        # 200 (OK) response": before a listener may end the session.
        self.usages.respond(request, 200)
        if tone is not None:
            self.emit("dtmf", tone)
        self.emit("info", request)
        return None

    RECEIVERS = {**SessionCore.RECEIVERS, "INFO": _receiveInfo}


class _Dialling:
    """Tones, one after the other."""

    def __init__(self, session: Informing, tones: list[str], duration: int) -> None:
        self._session = session
        self._tones = deque(tones)
        self._duration = duration
        self._timer: IDelayedCall | None = None
        self._response: IncomingResponse | None = None
        self._done: Deferred[IncomingResponse] = Deferred(lambda _: self._rest())
        self._over: Deferred[Any] | None = None
        if not set(tones) - {","}:
            raise ValueError("tones: nothing but pauses")
        # What cannot be sent is found out at once.
        DTMF("0", duration)

    def start(self) -> Deferred[IncomingResponse]:
        self._over = self._session.whenTerminated()
        self._over.addCallbacks(self._stop, lambda _: None)
        self._next()
        return self._done

    def _next(self) -> None:
        self._timer = None
        if self._done.called:
            return
        if not self._tones:
            assert self._response is not None
            self._finish(self._response)
            return
        tone = self._tones.popleft()
        if tone == ",":
            self._wait(PAUSE)
            return
        sent = self._session.info(bytes(DTMF(tone, self._duration)), DTMF_RELAY)
        sent.addCallbacks(self._sent, self._finish)

    def _sent(self, response: IncomingResponse) -> None:
        self._response = response
        if response.statusCode >= 300 or not self._tones:
            self._finish(response)
        else:
            self._wait((self._duration + _GAP) / 1000)

    def _wait(self, seconds: float) -> None:
        if not self._done.called:
            self._timer = self._session.usages.clock.callLater(seconds, self._next)

    def _rest(self) -> None:
        """Nothing more is dialled: the session keeps nothing of it."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self._tones.clear()
        if self._over is not None:
            self._over.cancel()

    def _stop(self, _: object) -> None:
        ending = self._session.ending
        self._finish(Failure(SessionTerminated("" if ending is None else ending.cause)))

    def _finish(self, result: IncomingResponse | Failure) -> None:
        self._rest()
        if not self._done.called:
            self._done.callback(result)
