"""
DTMF in the bodies of INFO requests, as most telephones send and take it.

No RFC says how: C{application/dtmf-relay} has lines C{Signal=5} and
C{Duration=160}, in milliseconds; C{application/dtmf} has the tone alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import attrs

from sipws.errors import ParseError
from sipws.message.given import checkNumber, checkText

if TYPE_CHECKING:
    from sipws.message import IncomingRequest

__all__ = ["DTMF", "DTMF_RELAY", "DTMF_TYPES", "PAUSE", "checkTones", "toneOf"]

DTMF_RELAY: Final = "application/dtmf-relay"
_PLAIN: Final = "application/dtmf"

#: The types of bodies that hold a tone.
DTMF_TYPES: Final = (DTMF_RELAY, _PLAIN)

#: How long the pause is that a comma stands for, in seconds.
PAUSE: Final = 2.0

#: How long a tone that does not say so is, in milliseconds; and the least and the most that one may be.
_DURATION: Final = 100
_SHORTEST, _LONGEST = 40, 6000

_TONE = re.compile(r"[0-9*#A-D]")
_TONES = re.compile(r"[0-9*#A-Da-d,]+")
_SIGNAL = re.compile(r"^[ \t]*Signal[ \t]*=[ \t]*([0-9*#A-Da-d]|1[01])[ \t]*$", re.MULTILINE | re.IGNORECASE)
_LENGTH = re.compile(r"^[ \t]*Duration[ \t]*=[ \t]*([0-9]{1,6})[ \t]*$", re.MULTILINE | re.IGNORECASE)

#: Some send the numbers of RFC 4733 section 3.2 for the keys that are none.
_NUMBERED: Final = {"10": "*", "11": "#"}


@attrs.frozen
class DTMF:
    """
    A tone.

    @ivar tone: C{0} to C{9}, C{*}, C{#}, C{A} to C{D}.
    @ivar duration: Its length, in milliseconds.
    """

    tone: str
    duration: int = _DURATION

    def __attrs_post_init__(self) -> None:
        if _TONE.fullmatch(self.tone) is None:
            raise ValueError(f"tone: none of 0 to 9, *, #, A to D: {self.tone!r}")
        checkNumber("duration", self.duration, "a number of milliseconds")
        if not _SHORTEST <= self.duration <= _LONGEST:
            raise ValueError(f"duration: not {_SHORTEST} to {_LONGEST} milliseconds: {self.duration}")

    def __bytes__(self) -> bytes:
        """Give the body of the INFO, of the type L{DTMF_RELAY}."""
        return f"Signal={self.tone}\r\nDuration={self.duration}\r\n".encode()


def checkTones(tones: str) -> str:
    """
    Check what is to be dialled.

    @param tones: Tones, and commas for pauses.
    @return: It, in upper case.
    @raise ValueError: There is nothing, or something else in it.
    """
    checkText("tones", tones, "12,3#")
    if _TONES.fullmatch(tones) is None:
        raise ValueError(f"tones: not of 0 to 9, *, #, A to D and commas: {tones!r}")
    return tones.upper()


def toneOf(request: IncomingRequest) -> DTMF | None:
    """
    Give the tone in an INFO.

    @return: C{None}: it is none that is about tones.
    @raise ParseError: There is none in it, though it is.
    """
    kind = (request.contentType or "").partition(";")[0].strip().lower()
    if kind not in DTMF_TYPES:
        return None
    text = request.body.decode("utf-8", "replace").replace("\r", "\n")
    return _ofRelay(text) if kind == DTMF_RELAY else _ofPlain(text)


def _ofRelay(text: str) -> DTMF:
    signal, duration = _SIGNAL.search(text), _LENGTH.search(text)
    if signal is None:
        raise ParseError("expected a line such as Signal=5", value=text)
    return DTMF(_NUMBERED.get(signal[1], signal[1].upper()), _bounded(duration))


def _ofPlain(text: str) -> DTMF:
    tone = text.strip().upper()
    tone = _NUMBERED.get(tone, tone)
    if _TONE.fullmatch(tone) is None:
        raise ParseError("expected a tone", value=text)
    return DTMF(tone)


def _bounded(duration: re.Match[str] | None) -> int:
    # The tone counts; that its length is odd harms nobody.
    return _DURATION if duration is None else min(max(int(duration[1]), _SHORTEST), _LONGEST)
