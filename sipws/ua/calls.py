"""
The calls of a user agent: those that it makes, and those that come in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from sipws.session import SDP, Description, Incoming, Invitation, Outgoing, Session
from sipws.session.refresher import refuseTimer
from sipws.session.tags import OPTION_TAGS
from sipws.ua.newcomer import Newcomer
from sipws.ua.waiting import checkDeadline

if TYPE_CHECKING:
    from sipws.interfaces import ISessionDescriptionHandler
    from sipws.message import URI, IncomingRequest
    from sipws.ua.requests import Headers
    from sipws.ua.usages import Usages

__all__ = ["CALLS", "Calling"]

#: The methods of requests that come with calls.
METHODS: Final = ("INVITE", "ACK", "CANCEL", "BYE", "PRACK", "UPDATE")


class Calling:
    """The part of a user agent that calls."""

    if TYPE_CHECKING:

        @property
        def usages(self) -> Usages:
            """What its calls and subscriptions share."""

    def invite(
        self,
        target: URI | str,
        body: bytes | str = b"",
        contentType: str = SDP,
        headers: Headers = (),
        *,
        handler: ISessionDescriptionHandler | None = None,
        deadline: float | None = None,
        noAnswerTimeout: float | None = None,
        followRedirects: int = 0,
    ) -> Session:
        """
        Call somebody (RFC 3261 section 13).

        A call that comes in is the event C{invite}, with its L{Session}.

        @param target: As of C{request}.
        @param body: Our offer; nothing: the peer is asked for one, which comes as C{offer}.
        @param contentType: Its type.
        @param headers: Further headers of the INVITE.
        @param handler: What makes and takes the session descriptions; C{None}: the caller does.
        @param deadline: Within how many seconds the INVITE may leave, as of C{request}.
        @param noAnswerTimeout: After how many seconds without a final response
            it is given up; C{None}: never.
        @param followRedirects: How many redirections (3xx) are followed, one
            after the other; each place is tried once.
        @return: The session, at once; its events and Deferreds tell what comes of it.
        @raise ValueError: The INVITE cannot be as it is given.
        """
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        offer = Description.of(body, contentType)
        invitation = Invitation(
            target, (*pairs,), offer, checkDeadline(deadline), noAnswerTimeout, followRedirects
        )
        self.usages.allow(METHODS, OPTION_TAGS)
        session = Session(self.usages, handler)
        session.begin(Outgoing(session, self.usages, invitation))
        return session


def _receive(usages: Usages, request: IncomingRequest) -> None:
    if refuseTimer(usages, request):
        return
    session = Session(usages)
    incoming = Incoming(session, usages, request)
    session.begin(incoming)
    incoming.ring()
    usages.emit("invite", session)


#: Calls that come in.
CALLS: Final = Newcomer("invite", _receive, METHODS, OPTION_TAGS)
