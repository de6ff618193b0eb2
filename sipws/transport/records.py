"""
DNS records that name SIP servers, and the order in which they are tried:
functions that know of nothing but their arguments.

What is read here comes from the network, or from whoever answers in its
place: what breaks the rules is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from sipws.transport.retry import Randomness

__all__ = ["MAX_RECORDS", "NAPTR", "SRV", "orderNAPTR", "orderSRV", "readNAPTR", "readSRV"]

#: How many records of one answer are looked at.
MAX_RECORDS = 256

#: The services of RFC 7118 section 5.5, and whether they are secure.
_SERVICES = {"SIPS+D2W": True, "SIP+D2W": False}

_MAX_NAME = 253
_MAX_PORT = 65535

#: A name to ask for: its labels may begin with an underscore (RFC 8552).
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,62}(?:\.[A-Za-z0-9_][A-Za-z0-9_\-]{0,62})*")

#: The name of a host (RFC 1123 section 2.1), which no IP address is: the last label is not of digits alone.
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)*"
    r"(?=[A-Za-z0-9\-]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
)


@attrs.frozen
class NAPTR:
    """
    A way to a domain's servers (RFC 3403 section 4.1, RFC 3263 section 4.1).

    @ivar secure: Whether it is C{wss} that is spoken there.
    @ivar order: The lower is taken first.
    @ivar preference: And of one order, the lower.
    @ivar replacement: The name under which the servers are.
    """

    secure: bool
    order: int
    preference: int
    replacement: str


@attrs.frozen
class SRV:
    """
    A server (RFC 2782).

    @ivar priority: The lower is taken first.
    @ivar weight: How many of those that come are to go there, compared with others of its priority.
    @ivar port: The TCP port.
    @ivar target: The name of the host.
    """

    priority: int
    weight: int
    port: int
    target: str


def readNAPTR(records: Iterable[Any]) -> list[NAPTR]:
    """Read those NAPTR records that lead to SIP over WebSocket, and can be used."""
    read = (_read(_naptr, record) for record in records)
    return [record for record in read if record is not None]


def readSRV(records: Iterable[Any]) -> list[SRV]:
    """Read those SRV records that can be used."""
    read = (_read(_srv, record) for record in records)
    return [record for record in read if record is not None]


def _read(reader: Any, record: Any) -> Any:
    try:
        return reader(record)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        # A resolver may answer with anything.
        return None


def _naptr(record: Any) -> NAPTR | None:
    secure = _SERVICES.get(_text(record.service.string).upper())
    replacement = _name(record.replacement, _NAME)
    # RFC 3263 section 4.1: "The resource record will contain an empty regular expression and a
    # replacement value, which is the SRV record for that particular transport protocol."  One that
    # leads to further NAPTR records has another flag: with none of these there are no loops.
    if secure is None or _text(record.flags.string).upper() != "S" or record.regexp.string:
        return None
    if replacement is None:
        return None
    return NAPTR(secure, int(record.order), int(record.preference), replacement)


def _srv(record: Any) -> SRV | None:
    # RFC 2782: "A Target of "." means that the service is decidedly not available at this domain."
    target = _name(record.target, _HOST)
    port = int(record.port)
    if target is None or not 0 < port <= _MAX_PORT:
        return None
    return SRV(int(record.priority), max(0, int(record.weight)), port, target)


def _text(octets: bytes) -> str:
    return octets.decode("ascii")


def _name(name: Any, pattern: re.Pattern[str]) -> str | None:
    text = _text(name.name).removesuffix(".").lower()
    return text if len(text) <= _MAX_NAME and pattern.fullmatch(text) else None


def orderNAPTR(records: Iterable[NAPTR]) -> list[NAPTR]:
    """
    Say in which order ways are taken: the secure ones first, whatever the
    domain prefers; otherwise by order and preference (RFC 3403 section 4.1).
    """
    return sorted(records, key=lambda record: (not record.secure, record.order, record.preference))


def orderSRV(records: Iterable[SRV], random: Randomness) -> list[SRV]:
    """
    Say in which order servers are tried: by priority, and of one priority at
    random by weight (RFC 2782, "Usage rules").

    @param random: Where chance comes from.
    """
    ordered: list[SRV] = []
    # "To select a target to be contacted next, arrange all SRV RRs (that have not been ordered yet) in
    # any order, except that all those with weight 0 are placed at the beginning of the list."
    left = sorted(records, key=lambda record: (record.priority, record.weight > 0))
    while left:
        first = [record for record in left if record.priority == left[0].priority]
        left = left[len(first) :]
        while first:
            ordered.append(first.pop(_draw(first, random)))
    return ordered


def _draw(records: list[SRV], random: Randomness) -> int:
    """
    Draw the next of one priority.

    "Compute the sum of the weights of those RRs, and with each RR associate
    the running sum in the selected order.  Then choose a uniform random number
    between 0 and the sum computed (inclusive), and select the RR whose running
    sum value is the first in the selected order which is greater than or equal
    to the random number selected."
    """
    number = int(random.random() * (sum(record.weight for record in records) + 1))
    running = 0
    for index, record in enumerate(records):
        running += record.weight
        if running >= number:
            return index
    return len(records) - 1
