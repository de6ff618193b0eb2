"""
What is said of a connection that did not come about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.error import ConnectionRefusedError as TCPRefused

from sipws.errors import ConnectionFailed, TransportError

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = ["connectionError"]


def connectionError(reason: Failure, place: str) -> TransportError:
    """
    Say why there was no connection.

    @param reason: What an endpoint failed with.
    @param place: Where to.
    @return: The failure's own error where it is typed.
    """
    error = reason.value
    if isinstance(error, TransportError):
        return error
    failed = ConnectionFailed(f"no connection to {place}: {_explain(error)}")
    failed.__cause__ = error
    return failed


def _explain(error: BaseException | None) -> str:
    if isinstance(error, TCPRefused):
        return "the connection was refused"
    if isinstance(error, DNSLookupError):
        return "the name cannot be resolved"
    if isinstance(error, ConnectError):
        return str(error.osError or error)
    return str(error) or type(error).__name__
