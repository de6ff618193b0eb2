"""
The option tags of sessions (RFC 3261 section 19.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sipws.message import IncomingMessage

__all__ = [
    "NOREFERSUB",
    "OPTION_TAGS",
    "RELIABLE",
    "REPLACES",
    "TIMER",
    "isReliable",
    "requires",
    "supports",
    "withSupported",
]

#: Session timers (RFC 4028).
TIMER: Final = "timer"

#: Reliable provisional responses (RFC 3262).
RELIABLE: Final = "100rel"

#: INVITEs that take the place of a session (RFC 3891).
REPLACES: Final = "replaces"

#: References that nothing is told of (RFC 4488).
NOREFERSUB: Final = "norefersub"

#: What a session of ours supports.
OPTION_TAGS: Final = (RELIABLE, TIMER, REPLACES, NOREFERSUB)


def _tags(message: IncomingMessage, header: str) -> set[str]:
    return {tag.strip().lower() for value in message.getHeaders(header) for tag in value.split(",")}


def supports(message: IncomingMessage, tag: str) -> bool:
    """Say whether the sender of a message supports an extension."""
    return tag in _tags(message, "Supported") or tag in _tags(message, "Require")


def requires(message: IncomingMessage, tag: str) -> bool:
    """Say whether the sender of a message insists on an extension."""
    return message.hasHeader("Require") and tag in _tags(message, "Require")


def isReliable(response: IncomingMessage) -> bool:
    """Say whether a provisional response is a reliable one (RFC 3262 section 3)."""
    return requires(response, RELIABLE)


def withSupported(extra: Iterable[str], headers: Iterable[tuple[str, object]]) -> list[tuple[str, object]]:
    """Add Supported to the headers of an INVITE, or of its 2xx, unless it is there."""
    given = list(headers)
    if any(name.lower() in ("supported", "k") for name, _ in given):
        return given
    tags = dict.fromkeys((*extra, *OPTION_TAGS))
    return [("Supported", ", ".join(tags)), *given]
