"""
The values of one header of one message, parsed when they are asked for.
"""

from __future__ import annotations

from typing import Any

from sipws.errors import ParseError
from sipws.message.headers import PARSERS, SINGLE
from sipws.message.values import parseText

__all__ = ["TypedValues"]


class TypedValues:
    """
    The values of a header.

    @ivar name: The header's canonical name.
    @ivar entries: The texts of the values.
    """

    __slots__ = ("_parsed", "entries", "name")

    def __init__(self, name: str, entries: list[str]) -> None:
        self.name = name
        self.entries = entries
        self._parsed: dict[int, Any] = {}

    def get(self, index: int) -> Any:
        """
        Give one value.

        @param index: Which.
        @return: It, C{None} where there are not so many.
        @raise ParseError: It is malformed, or the header stands more than
            once where it may stand once.
        """
        if index not in self._parsed:
            if len(self.entries) > 1 and self.name in SINGLE:
                raise ParseError("stands more than once", header=self.name)
            if not 0 <= index < len(self.entries):
                return None
            self._parsed[index] = self._parse(self.entries[index])
        return self._parsed[index]

    def _parse(self, text: str) -> Any:
        try:
            return PARSERS.get(self.name, parseText)(text)
        except ParseError as error:
            raise ParseError(
                error.reason, header=self.name, position=error.position, value=error.value
            ) from None
