"""
L{Offer}: what the peer offers, or asks us to offer, until somebody answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sipws.errors import WrongMoment
from sipws.session.values import SDP, Description, checkHeaders

if TYPE_CHECKING:
    from sipws.message import IncomingMessage

__all__ = ["Offer"]

#: Headers, name and value.
_Headers = Iterable[tuple[str, object]]


class Offer:
    """
    An offer of the peer's within a session, or its request that we make one.

    Whoever listens to C{offer} answers it, now or later, with L{accept} or L{reject}.

    @ivar message: What it came in: a re-INVITE, an UPDATE, or a response to our INVITE.
    @ivar description: The offer; C{None}: the peer asks for ours.
    @ivar isAnswered: Whether it is.
    """

    __slots__ = ("_accept", "_reject", "description", "isAnswered", "message")

    def __init__(
        self,
        message: IncomingMessage,
        description: Description | None,
        accept: Callable[[Description | None, _Headers], None],
        reject: Callable[[int, str | None, _Headers], None],
    ) -> None:
        """
        @param accept: Called with our description.
        @param reject: Called with a status code, a reason phrase and headers.
        """
        self.message = message
        self.description = description
        self.isAnswered = False
        self._accept = accept
        self._reject = reject

    @property
    def body(self) -> bytes:
        """The offer's octets; none where the peer asks for ours."""
        return b"" if self.description is None else self.description.body

    @property
    def contentType(self) -> str | None:
        """Their type."""
        return None if self.description is None else self.description.contentType

    def accept(self, body: bytes | str, contentType: str = SDP, headers: _Headers = ()) -> None:
        """
        Answer it; or make the offer that the peer asks for.

        @param body: Our description.
        @param contentType: Its type.
        @param headers: Further headers of the response.
        @raise WrongMoment: It is answered already.
        @raise ValueError: There is no description, where one is due; or a header cannot be as it is given.
        """
        description = Description.of(body, contentType)
        if description is None and self.description is not None:
            raise ValueError("an offer is answered with a description")
        given = checkHeaders(headers)
        self._once("to accept an offer")
        self._accept(description, given)

    def reject(self, statusCode: int = 488, reasonPhrase: str | None = None, headers: _Headers = ()) -> None:
        """
        Refuse it: what was agreed on before holds.

        @param statusCode: 300 to 699.
        @param reasonPhrase: C{None} for the one that goes with the code.
        @param headers: Further headers of the response.
        @raise WrongMoment: It is answered already.
        @raise ValueError: The response cannot be as it is given.
        """
        if not 300 <= statusCode < 700:
            raise ValueError(f"statusCode: not 300 to 699: {statusCode}")
        given = checkHeaders(headers)
        if reasonPhrase is not None and not reasonPhrase.isprintable():
            raise ValueError(f"reasonPhrase: not printable: {reasonPhrase!r}")
        self._once("to reject an offer")
        self._reject(statusCode, reasonPhrase, given)

    def neglected(self) -> None:
        """Refuse it, unless it is answered: all who listen for C{offer} have failed."""
        if not self.isAnswered:
            self.reject(500)

    def withdraw(self) -> None:
        """Take note that the peer wants no answer any more."""
        self.isAnswered = True

    def _once(self, wanted: str) -> None:
        if self.isAnswered:
            raise WrongMoment(wanted, "it is answered")
        self.isAnswered = True
