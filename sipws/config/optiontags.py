"""
Option tags (RFC 3261 section 19.2): which of them a configuration switches on,
as a table, and all that IANA has registered.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

if TYPE_CHECKING:
    from sipws.config.configuration import Configuration

__all__ = ["REGISTERED", "TABLE", "OptionTag", "Switches", "Where", "supportedTags"]


class Where(Enum):
    """Which messages an option tag stands in."""

    ALL = "all requests, and responses to them"
    REGISTER = "REGISTER"
    CALL = "INVITE, UPDATE, and the 2xx to these"
    INVITE = "an INVITE that begins a call"


class Switches(NamedTuple):
    """
    What of a configuration decides on option tags.

    @ivar hasInstance: Whether there is an C{instanceId}.
    """

    hasInstance: bool
    gruu: str
    rel100: str
    replaces: str
    extraSupported: tuple[str, ...]


@attrs.frozen
class OptionTag:
    """
    One row of the table.

    @ivar tag: The option tag.
    @ivar where: The messages whose Supported has it.
    @ivar when: Which option switches it on, in words.
    @ivar isOn: Says whether that option does.
    """

    tag: str
    where: Where
    when: str
    isOn: Callable[[Switches], bool]


#: What switches on what.
TABLE: Final = (
    # RFC 3327 section 5.1: "The UA SHOULD include the option tag "path"".
    OptionTag("path", Where.REGISTER, "always", lambda switches: True),
    # RFC 5626 section 4.2.1.
    OptionTag("outbound", Where.REGISTER, "with instanceId", lambda switches: switches.hasInstance),
    # RFC 5627 section 4.4: "a UA SHOULD include a Supported header with the option tag "gruu" in
    # requests and responses it generates."
    OptionTag("gruu", Where.ALL, "with gruu", lambda switches: switches.gruu != "none"),
    # RFC 3262 section 4.
    OptionTag("100rel", Where.CALL, "unless rel100 is none", lambda switches: switches.rel100 != "none"),
    # RFC 4028 section 7.1: "It MUST do so even if the UAC is not requesting usage of the session timer".
    OptionTag("timer", Where.CALL, "always", lambda switches: True),
    # RFC 3891 section 6.2.
    OptionTag(
        "replaces", Where.CALL, "unless replaces is none", lambda switches: switches.replaces != "none"
    ),
    # RFC 4488 section 4.
    OptionTag("norefersub", Where.CALL, "always", lambda switches: True),
    # RFC 6228 section 4: a UAC that "is willing to receive 199 responses [...] MUST insert" it; section 5:
    # a UAS "MUST NOT" in its responses.
    OptionTag("199", Where.INVITE, "always", lambda switches: True),
    # RFC 4538 section 5.
    OptionTag("tdialog", Where.CALL, "always", lambda switches: True),
)


def supportedTags(configuration: Configuration, where: Where) -> tuple[str, ...]:
    """
    Give the option tags for the Supported header of a message: those of the
    table, and C{extraSupported} of the configuration.

    @param configuration: The configuration.
    @param where: Which message.
    """
    switches = Switches(
        configuration.instanceId is not None,
        configuration.gruu,
        configuration.rel100,
        configuration.replaces,
        configuration.extraSupported,
    )
    return _tagsFor(switches, where)


@lru_cache(maxsize=64)
def _tagsFor(switches: Switches, where: Where) -> tuple[str, ...]:
    # Each call of each user agent asks for them.
    places = (Where.ALL, Where.CALL, where) if where is Where.INVITE else (Where.ALL, where)
    rows = (row for row in TABLE if row.where in places and row.isOn(switches))
    return tuple(dict.fromkeys((*(row.tag for row in rows), *switches.extraSupported)))


#: From the registry "Option Tags" of the Session Initiation Protocol Parameters.
REGISTERED = frozenset(
    {
        "100rel",  # RFC 3262
        "199",  # RFC 6228
        "answermode",  # RFC 5373
        "early-session",  # RFC 3959
        "eventlist",  # RFC 4662
        "explicitsub",  # RFC 7614
        "from-change",  # RFC 4916
        "geolocation-http",  # RFC 6442
        "geolocation-sip",  # RFC 6442
        "gin",  # RFC 6140
        "gruu",  # RFC 5627
        "histinfo",  # RFC 7044
        "ice",  # RFC 5768
        "join",  # RFC 3911
        "multiple-refer",  # RFC 5368
        "norefersub",  # RFC 4488
        "nosub",  # RFC 7614
        "outbound",  # RFC 5626
        "path",  # RFC 3327
        "policy",  # RFC 6794
        "precondition",  # RFC 3312
        "pref",  # RFC 3840
        "privacy",  # RFC 3323
        "recipient-list-invite",  # RFC 5366
        "recipient-list-message",  # RFC 5365
        "recipient-list-subscribe",  # RFC 5367
        "record-aware",  # RFC 7866
        "replaces",  # RFC 3891
        "resource-priority",  # RFC 4412
        "sdp-anat",  # RFC 4092
        "sec-agree",  # RFC 3329
        "siprec",  # RFC 7866
        "tdialog",  # RFC 4538
        "timer",  # RFC 4028
        "trickle-ice",  # RFC 8840
        "uui",  # RFC 7433
    }
)
