"""
L{Asked}: a request of the peer's with an offer, which waits for our user's
answer: an UPDATE (RFC 3311), or a PRACK (RFC 3262 section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from sipws.session.offers import Offer

if TYPE_CHECKING:
    from sipws.dialog import IUsages
    from sipws.message import IncomingRequest
    from sipws.session.leg import Leg
    from sipws.session.values import Description

__all__ = ["Asked"]

_Headers = Iterable[tuple[str, object]]


class Asked:
    """
    A request with an offer that is to be answered.

    @ivar offer: The offer.
    @ivar answered: Fires when the request is answered; cancelled, it refuses the request: who is
        not answered in time, or on a connection that is gone, takes it for refused.
    """

    __slots__ = ("_further", "_leg", "_onEnd", "_request", "_usages", "answered", "offer")

    def __init__(
        self,
        usages: IUsages,
        leg: Leg,
        request: IncomingRequest,
        description: Description,
        onEnd: Callable[[], None],
        further: Callable[[IncomingRequest], _Headers] | None = None,
    ) -> None:
        """
        @param leg: The dialog that it is in; it takes the offer.
        @param onEnd: Called when it is being answered, before the response leaves.
        @param further: Gives further headers of its 2xx.
        """
        self._usages = usages
        self._leg = leg
        self._request = request
        self._onEnd = onEnd
        self._further = further
        leg.receive(description)
        self.offer = Offer(request, description, self._accept, self._reject)
        self.answered: Deferred[object] = Deferred(lambda _: self.offer.reject(408))

    def giveUp(self) -> None:
        """Answer it in place of our user, who is not asked any more."""
        self.offer.withdraw()
        self._usages.respond(self._request, 487)
        self.answered.callback(None)

    def _accept(self, local: Description | None, headers: _Headers) -> None:
        assert local is not None
        self._onEnd()
        self._leg.send(local)
        further = () if self._further is None else self._further(self._request)
        given = [*local.among(headers), *further]
        self._usages.respond(self._request, 200, None, given, local.body, local.contentType)
        self.answered.callback(None)

    def _reject(self, statusCode: int, reasonPhrase: str | None, headers: _Headers) -> None:
        self._onEnd()
        self._leg.withdraw()
        self._usages.respond(self._request, statusCode, reasonPhrase, headers)
        self.answered.callback(None)
