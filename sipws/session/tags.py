"""
The option tags of sessions (RFC 3261 section 19.2).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from sipws.config.optiontags import TABLE, Where, supportedTags

if TYPE_CHECKING:
    from sipws.config import Configuration
    from sipws.dialog import IUsages
    from sipws.message import IncomingMessage, IncomingRequest

__all__ = [
    "NOREFERSUB",
    "OPTION_TAGS",
    "RELIABLE",
    "REPLACES",
    "TIMER",
    "isReliable",
    "refuseUnable",
    "required",
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

#: What a session of ours supports, as far as the configuration does not switch it off.
OPTION_TAGS: Final = tuple(row.tag for row in TABLE if row.where is Where.CALL)


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


def withSupported(
    configuration: Configuration, headers: Iterable[tuple[str, object]], where: Where = Where.CALL
) -> list[tuple[str, object]]:
    """Add Supported to the headers of an INVITE, or of its 2xx, unless it is there."""
    given = list(headers)
    if any(name.lower() in ("supported", "k") for name, _ in given):
        return given
    tags = supportedTags(configuration, where)
    return [("Supported", ", ".join(tags)), *given] if tags else given


def required(configuration: Configuration) -> list[tuple[str, object]]:
    """Give the headers of an INVITE that say what its recipient must support."""
    # RFC 3262 section 4: "A UAC that wants to require reliable provisional responses inserts a
    # Require header field with the option tag 100rel into the request."
    return [("Require", RELIABLE)] if configuration.rel100 == "required" else []


def refuseUnable(usages: IUsages, request: IncomingRequest) -> bool:
    """
    Refuse an INVITE whose sender does not support what the configuration requires.

    RFC 3261 section 21.4.16: 421 is for when "the UAS needs a particular
    extension to process the request, but this extension is not listed in a
    Supported header field in the request".

    @return: Whether it is refused.
    """
    lacking = [(name, tag) for name, tag in required(usages.configuration) if not supports(request, str(tag))]
    if lacking:
        usages.respond(request, 421, headers=lacking)
    return bool(lacking)
