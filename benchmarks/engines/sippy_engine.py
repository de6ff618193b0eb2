"""
sippy.

C{parse} decodes the octets, as its transaction manager does, and constructs
the C{SipRequest} or C{SipResponse}.  Its constructors are its sanity check:
To, From, CSeq and Via are there, and a request's body has the length announced
(in characters: a message with other than ASCII in its body is refused).  The
values of From, To, CSeq and Via are left unparsed; matching a transaction,
C{getTId}, would parse them, and is not counted.
"""

from __future__ import annotations

from sippy.SipRequest import SipRequest
from sippy.SipResponse import SipResponse

from benchmarks.engines.loop import Tasks, parsing


def parse(octets: bytes) -> bool:
    """
    Parse a message.

    @param octets: The message.
    @return: C{True}; it raises when it refuses.
    """
    text = octets.decode()
    if text.startswith("SIP/2.0 "):
        SipResponse(text)
    else:
        SipRequest(text)
    return True


def engine() -> Tasks:
    """
    Give what this engine can do.

    @return: Its tasks.
    """
    return parsing(parse)
