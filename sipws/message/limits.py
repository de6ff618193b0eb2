"""
How much of a message is read before it is refused.
"""

from __future__ import annotations

import attrs

from sipws.message.common import COMMON_HEADERS

__all__ = ["DEFAULT_LIMITS", "NO_LIMITS", "Limits"]


@attrs.frozen
class Limits:
    """
    The bounds of what L{sipws.message.parseMessage} reads.

    What is beyond them is refused before it is looked into, with a
    L{sipws.errors.ParseError} that names the limit.

    @ivar messageSize: The whole message, in octets.  1 MiB: SIP bodies are
        some kilobytes; what carries more is not SIP (RFC 3261 section 18.1.1
        has messages up to 65,535 octets in mind).
    @ivar headSize: The start line and all headers, in octets.  64 KiB: the
        most that a message over UDP can have.
    @ivar headers: The number of header lines.  256: seventy hops (the
        Max-Forwards of RFC 3261 section 8.1.1.6) of a Via and a Record-Route
        each leave more than a hundred for all others.
    @ivar headerLength: One header with its continuation lines, in characters.
        8192: what HTTP servers allow.
    """

    messageSize: int = 1024 * 1024
    headSize: int = 64 * 1024
    headers: int = 256
    headerLength: int = 8192

    #: The most octets of a head in the common form, which is not looked at header by header.
    commonHead: int = attrs.field(init=False, repr=False, eq=False)

    @commonHead.default
    def _commonHead(self) -> int:
        return min(self.headSize, self.headerLength) if self.headers >= COMMON_HEADERS else 0


#: For what was found to be within limits.
NO_LIMITS = Limits(*[2**63] * 4)

#: What is used where nothing else is said.
DEFAULT_LIMITS = Limits()
