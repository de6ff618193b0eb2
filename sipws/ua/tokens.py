"""
Random words for headers: tags, Call-IDs, branches, host names.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["MAGIC_COOKIE", "Randomness", "Tokens"]

#: What every branch begins with (RFC 3261 section 8.1.1.7).
MAGIC_COOKIE = "z9hG4bK"

#: Letters and digits that no two of are easily mistaken for one another; 32 of them are 5 bits each.
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


#: How many hexadecimal digits are drawn at a time: some four requests' worth.
_DRAW = 256


class Randomness(Protocol):
    """What is needed of C{random.Random}; C{random.SystemRandom} is meant."""

    def getrandbits(self, k: int, /) -> int:
        """Give a number of C{k} random bits."""

    def random(self) -> float:
        """Give a number from 0 to below 1, each as likely."""


class Tokens:
    """
    Makes random words.

    @ivar random: Where they come from.
    """

    __slots__ = ("_drawn", "random")

    def __init__(self, random: Randomness) -> None:
        self.random = random
        # Hexadecimal digits that nobody has been given yet.
        self._drawn = ""

    def word(self, length: int) -> str:
        """
        Make a word of lower-case letters and digits.

        @param length: Its length; each character is worth 5 bits.
        """
        bits = self.random.getrandbits(5 * length)
        return "".join([_LETTERS[bits >> 5 * place & 31] for place in range(length)])

    def branch(self) -> str:
        """Make a branch, unique in space and time (RFC 3261 section 8.1.1.7)."""
        return MAGIC_COOKIE + self._digits(24)

    def identifiers(self) -> tuple[str, str, str]:
        """
        Make a tag, the end of a Call-ID, and a branch: each request outside of dialogs needs them.

        RFC 3261 section 19.3 wants 32 random bits in a tag; these have 64, and the others 96.
        """
        text = self._digits(64)
        return text[:16], text[16:40], MAGIC_COOKIE + text[40:]

    def _digits(self, count: int) -> str:
        """Give random hexadecimal digits, which are drawn many at a time: a draw is a system call."""
        if len(self._drawn) < count:
            self._drawn = f"{self.random.getrandbits(4 * _DRAW):0{_DRAW}x}"
        digits, self._drawn = self._drawn[:count], self._drawn[count:]
        return digits
