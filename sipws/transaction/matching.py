"""
Which server transaction a request belongs to (RFC 3261 section 17.2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from sipws.message import IncomingRequest
    from sipws.transaction.server import ServerTransaction

__all__ = ["MAGIC_COOKIE", "ServerTable"]

#: What the branches of clients begin with that know RFC 3261 (section 8.1.1.7).
MAGIC_COOKIE = "z9hG4bK"

T = TypeVar("T", bound="ServerTransaction")


class ServerTable(dict[str, T], Generic[T]):
    """
    Server transactions by the branch of their request.

    Where two have the same branch, which clients choose as they like, the
    second stands under its branch, sent-by and method.
    """

    __slots__ = ()

    def find(self, request: IncomingRequest, method: str) -> T | None:
        """
        Find the transaction that a request belongs to.

        @param request: The request.
        @param method: The method of the request that made the transaction.
        """
        branch = request.viaBranch
        if branch is None or not hasCookie(branch):
            return self.get(keyOfOld(request, method, request.toTag))
        found = self.get(branch)
        # "the branch parameter in the request is equal to the one in the top Via header
        # field of the request that created the transaction, and the sent-by value [...] is
        # equal [...], and the method of the request matches the one that created the
        # transaction, except for ACK".
        if found is not None and found.sentBy == request.sentBy and found.method == method:
            return found
        return self.get(_sharedKey(branch, request.sentBy, method))

    def keyFor(self, request: IncomingRequest) -> str:
        """
        Give the key under which to put the transaction that a request makes.

        @param request: A request that matches none.
        """
        branch = request.viaBranch
        if branch is None or not hasCookie(branch):
            return keyOfOld(request, request.method, request.toTag)
        return branch if branch not in self else _sharedKey(branch, request.sentBy, request.method)


def _sharedKey(branch: str, sentBy: str, method: str) -> str:
    # A branch is a token: no semicolon is in it.
    return f"{branch};{sentBy};{method}"


def hasCookie(branch: str) -> bool:
    """
    Say whether a branch is one of RFC 3261's, unique to its transaction.

    @param branch: The branch.  The cookie alone is none: it tells nothing apart
        (RFC 4475 section 3.2.1).
    """
    return branch.startswith(MAGIC_COOKIE) and len(branch) > len(MAGIC_COOKIE)


def keyOfOld(request: IncomingRequest, method: str, toTag: str | None) -> str:
    """
    Give the key for a client of RFC 2543's time.

    "The INVITE request matches a transaction if the Request-URI, To tag, From
    tag, Call-ID, CSeq, and top Via header field match those of the INVITE
    request which created the transaction.  [...]  The ACK request matches a
    transaction if the Request-URI, From tag, Call-ID, CSeq number (not the
    method), and top Via header field match [...], and the To tag of the ACK
    matches the To tag of the response sent by the server transaction."

    @param request: A request.
    @param method: The method in the key.
    @param toTag: The To tag in the key.
    """
    parts = (
        request.requestURIText,
        toTag or "",
        request.fromTag or "",
        request.callID,
        str(request.cseq),
        method,
        request.getHeaders("Via")[0],
    )
    # No part has a line break in it.
    return "\n".join(parts)
