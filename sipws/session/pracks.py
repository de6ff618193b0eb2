"""
L{Pracks}: what acknowledges the reliable provisional responses to an INVITE of
ours (RFC 3262 section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from twisted.python.failure import Failure

from sipws.dialog import Effect, effectOf
from sipws.emitter import loggerFor
from sipws.errors import ParseError, SIPError
from sipws.message import CSeq, RAck
from sipws.session.offers import Offer
from sipws.session.values import Cause, Description, Termination, descriptionOf

if TYPE_CHECKING:
    from sipws.message import IncomingResponse
    from sipws.session.core import SessionCore
    from sipws.session.leg import Leg

__all__ = ["Pracks", "putBack"]

_log = loggerFor("sip.session")


class Pracks:
    """Acknowledges the reliable provisional responses to one INVITE."""

    __slots__ = ("_isNews", "_numbers", "_session")

    def __init__(self, session: SessionCore, isNews: Callable[[Leg, Description], bool]) -> None:
        """
        @param isNews: Takes a description in a response; says whether it is an
            offer, which wants an answer.
        """
        self._session = session
        self._isNews = isNews
        # The number of the last one, by branch.
        self._numbers: dict[Leg, int] | None = None

    def take(self, leg: Leg, response: IncomingResponse) -> bool:
        """
        Take one, and acknowledge it.

        @return: Whether it is to be told of: not if it has come before, or is not the next.
        """
        try:
            number = int(response.parseHeader("RSeq"))
            rack = RAck(number, CSeq(response.cseq, "INVITE"))
        except (ParseError, TypeError) as error:
            _log.warn("a reliable response without its number is dropped: {error}", error=error)
            return False
        if not self._isNext(leg, number):
            return False
        description = descriptionOf(response)
        if description is None or not self._isNews(leg, description):
            self._acknowledge(leg, rack, None)
        else:
            answer = partial(self._acknowledge, leg, rack)
            putBack(self._session, leg, response, description, answer)
        return True

    def _isNext(self, leg: Leg, number: int) -> bool:
        # "The UAC MUST maintain a sequence number that indicates the most recently received in-order
        # reliable provisional response for the initial request. [...] if the UAC receives another reliable
        # provisional response to the same request, and its RSeq value is not one higher than the value
        # of the sequence number, that response MUST NOT be acknowledged with a PRACK".
        if self._numbers is None:
            self._numbers = {}
        if number != self._numbers.get(leg, number - 1) + 1:
            return False
        self._numbers[leg] = number
        return True

    def _acknowledge(self, leg: Leg, rack: RAck, answer: Description | None) -> None:
        headers = [("RAck", rack), *([] if answer is None else answer.disposition)]
        body = b"" if answer is None else answer.body
        contentType = None if answer is None else answer.contentType
        try:
            sending = self._session.usages.sendWithin(leg.dialog, "PRACK", headers, body, contentType)
        except ValueError as error:
            _log.warn("no PRACK: {error}", error=error)
            return
        if len(self._session.legs) > 1:
            # What is wrong with one branch is no matter of the others.
            sending.result.addCallback(_endBranch, leg).addErrback(_noMatter)
        else:
            self._session.watch(sending.result).addErrback(_noMatter)


def putBack(
    session: SessionCore,
    leg: Leg,
    response: IncomingResponse,
    description: Description,
    acknowledge: Callable[[Description | None], object],
) -> None:
    """
    Have the peer's offer in a response be answered, in what acknowledges the response.

    @param acknowledge: Called with the answer; C{None}: there is none.
    """

    def accept(local: Description | None, _: object) -> None:
        assert local is not None
        leg.send(local)
        acknowledge(local)

    def reject(*_: object) -> None:
        # An offer in a response cannot be refused: nothing of it is taken, and the session is ended.
        acknowledge(leg.decline())
        session.hangUp(Termination(Cause.BAD_DESCRIPTION, "local"), "SIP;cause=488")

    session.put(Offer(response, description, accept, reject))


def _endBranch(response: IncomingResponse, leg: Leg) -> None:
    if effectOf(response.statusCode, response.method) is Effect.USAGE:
        leg.dialog.fail()


def _noMatter(failure: Failure) -> None:
    if failure.check(SIPError) is None:
        _log.failure("a PRACK came to nothing", failure)
