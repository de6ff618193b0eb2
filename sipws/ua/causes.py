"""
Why something ended, in SIP.js 0.7's words (its C{SIP.C.causes}).
"""

from __future__ import annotations

from sipws.errors import TransactionTimeout, TransportError

__all__ = [
    "AUTHENTICATION_ERROR",
    "BUSY",
    "CONNECTION_ERROR",
    "EXPIRES",
    "INTERNAL_ERROR",
    "NOT_FOUND",
    "REDIRECTED",
    "REJECTED",
    "REQUEST_TIMEOUT",
    "SIP_FAILURE_CODE",
    "UNAVAILABLE",
    "causeOfError",
    "causeOfStatus",
]

CONNECTION_ERROR = "Connection Error"
REQUEST_TIMEOUT = "Request Timeout"
SIP_FAILURE_CODE = "SIP Failure Code"
INTERNAL_ERROR = "Internal Error"
EXPIRES = "Expires"
REDIRECTED = "Redirected"
BUSY = "Busy"
REJECTED = "Rejected"
NOT_FOUND = "Not Found"
UNAVAILABLE = "Unavailable"
AUTHENTICATION_ERROR = "Authentication Error"

_STATUSES = {
    **dict.fromkeys((300, 301, 302, 305, 380), REDIRECTED),
    **dict.fromkeys((401, 407), AUTHENTICATION_ERROR),
    **dict.fromkeys((403, 603), REJECTED),
    **dict.fromkeys((404, 604), NOT_FOUND),
    **dict.fromkeys((408, 410, 430, 480), UNAVAILABLE),
    **dict.fromkeys((486, 600), BUSY),
}

_ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (TransactionTimeout, REQUEST_TIMEOUT),
    (TransportError, CONNECTION_ERROR),
)


def causeOfStatus(statusCode: int) -> str:
    """Name the cause that a final status code stands for."""
    return _STATUSES.get(statusCode, SIP_FAILURE_CODE)


def causeOfError(error: BaseException | None) -> str:
    """Name the cause that an exception stands for."""
    for kind, cause in _ERRORS:
        if isinstance(error, kind):
            return cause
    return INTERNAL_ERROR
