"""
How long to wait after a re-INVITE or an UPDATE has crossed one of the peer's.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_GLARES", "glareDelay"]

#: How often one change is tried again: whoever always meets another has a peer that never rests.
MAX_GLARES: Final = 8


def glareDelay(draw: float, *, isOwner: bool) -> float:
    """
    Give the time to wait after a 491, in seconds (RFC 3261 section 14.1, RFC 3311 section 5.3).

    @param draw: A number from 0 to below 1, each as likely.
    @param isOwner: Whether we made the Call-ID of the dialog.
    """
    # "1. If the UAC is the owner of the Call-ID of the dialog ID (meaning it generated the value), T
    # has a randomly chosen value between 2.1 and 4 seconds in units of 10 ms.
    # 2. If the UAC is not the owner of the Call-ID of the dialog ID, T has a randomly chosen value of
    # between 0 and 2 seconds in units of 10 ms."
    first, last = (210, 400) if isOwner else (0, 200)
    return (first + int(draw * (last - first + 1))) / 100
