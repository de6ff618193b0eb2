"""
L{Face}: what a transport takes for its user agent, where that is not the user agent itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisted.logger import Logger

    from sipws.config import Configuration
    from sipws.message import IncomingRequest
    from sipws.transaction import Transactions
    from sipws.ua.agent import UserAgent

__all__ = ["Face"]


class Face:
    """
    The part of C{IUserAgent} that is the same whatever a transport is used for.

    @ivar ua: The user agent.
    """

    __slots__ = ("ua",)

    def __init__(self, ua: UserAgent) -> None:
        self.ua = ua

    @property
    def status(self) -> int:
        """That of the user agent."""
        return self.ua.status

    @property
    def configuration(self) -> Configuration:
        """That of the user agent."""
        return self.ua.configuration

    @property
    def transactions(self) -> Transactions:
        """Those of the user agent."""
        return self.ua.transactions

    def getLogger(self, category: str) -> Logger:
        """Give that of the user agent."""
        return self.ua.getLogger(category)

    def emit(self, event: str, *args: Any) -> Any:
        """Tell the user agent's listeners of an event."""
        return self.ua.emit(event, *args)

    def receiveRequest(self, request: IncomingRequest) -> None:
        """Take a request, whatever it came on: it is answered there."""
        self.ua.receiveRequest(request)
