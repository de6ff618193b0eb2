"""
Answers that decline: what becomes of an offer that must have an answer, as it
is in a response, and is not to be taken.
"""

from __future__ import annotations

import re
from typing import Final

from sipws.session.values import SDP, Description

__all__ = ["declining"]

_LINE: Final = re.compile(rb"\r\n|\n|\r")

#: Type, port with the number of ports, protocol, formats (RFC 8866 section 5.14).
_MEDIA: Final = re.compile(rb"m=(\S+) [0-9]+(?:/[0-9]+)? (\S+ \S.*)")

#: Nothing is sent, and nothing is to be received.
_HEAD: Final = (b"v=0", b"o=- 0 0 IN IP4 0.0.0.0", b"s=-", b"c=IN IP4 0.0.0.0")


def declining(offer: Description) -> Description | None:
    """
    Make the answer that takes none of the streams of an offer.

    RFC 3261 section 13.2.2.4: "If the offer in the 2xx response is not
    acceptable, the UAC core MUST generate a valid answer in the ACK and then
    send a BYE immediately."

    @param offer: The offer.
    @return: The answer; C{None}: the offer is no SDP that can be read.
    """
    lines = _LINE.split(offer.body)
    if offer.contentType.partition(";")[0].strip().lower() != SDP or lines[0] != b"v=0":
        return None
    # RFC 3264 section 6: 'The "t=" line in the answer MUST equal that of the offer.'
    times = [line for line in lines if line.startswith(b"t=")] or [b"t=0 0"]
    streams = [_declined(line) for line in lines if line.startswith(b"m=")]
    if None in streams:
        return None
    answer = [*_HEAD, *times, *(line for line in streams if line is not None)]
    return Description(b"\r\n".join(answer) + b"\r\n", offer.contentType)


def _declined(media: bytes) -> bytes | None:
    # "To reject an offered stream, the port number in the corresponding stream in the answer MUST be set to
    # zero.  Any media formats listed are ignored.  At least one MUST be present".
    match = _MEDIA.fullmatch(media)
    return None if match is None else b"m=" + match[1] + b" 0 " + match[2]
