"""What the exit status of the command line says."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitStatus"]


class ExitStatus(IntEnum):
    """The exit statuses, each with its meaning."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitStatus:
        """Make one of its number and its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    SUCCESS = 0, "the request was answered with a 2xx response"
    REFUSED = 1, "the request, or the registration before it, was answered with another final response"
    USAGE = 2, "an option or an argument is wrong; nothing was sent"
    NOT_CONNECTED = (
        3,
        "no server could be reached, or none speaks SIP over WebSocket, or its certificate is bad",
    )
    TIMED_OUT = 4, "there was no final response in time, or the connection broke before it came"
    NO_ANSWER = 5, "the message was accepted, but the answer that --wait waits for did not come"
    INTERRUPTED = 130, "it was interrupted from the keyboard"
