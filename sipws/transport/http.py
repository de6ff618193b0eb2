"""
L{Head}: what begins an HTTP response, as far as a WebSocket client wants to know it.
"""

from __future__ import annotations

import re

import attrs

__all__ = ["END_OF_HEAD", "MAX_HEAD", "Head", "printable"]

#: The longest head of a response that is taken, in octets; HTTP servers take one of a request as long.
MAX_HEAD = 16_384

#: What ends it.
END_OF_HEAD = b"\r\n\r\n"

#: How many characters of what a server says are shown.
_SHOWN = 200

_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([0-9]{3})(?: (.*))?")
_FIELD = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*")

#: RFC 9110 section 5.5: "Field values containing CR, LF, or NUL characters are invalid and
#: dangerous", the more so where they are sent back.
_DANGEROUS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@attrs.frozen
class Head:
    """
    The status line of a response, and its header.

    @ivar status: The status code.
    @ivar reason: What it means, as the server has it; fit for a line of a log.
    @ivar fields: Names, in lower case, and values.  What is no field is left out.
    """

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, octets: bytes) -> Head | None:
        """
        Read the begin of a response.

        @param octets: What the server has sent; what follows the head is of no account.
        @return: C{None} where there is no whole head.
        """
        head, end, _ = octets.partition(END_OF_HEAD)
        if not end or len(head) > MAX_HEAD:
            return None
        first, *lines = head.decode("utf-8", "replace").split("\r\n")
        status = _STATUS_LINE.fullmatch(first)
        if status is None:
            return None
        fields = [match for line in lines if (match := _FIELD.fullmatch(line)) is not None]
        return cls(
            int(status[1]),
            printable(status[2] or ""),
            tuple((field[1].lower(), field[2]) for field in fields if not _DANGEROUS.search(field[2])),
        )

    def values(self, name: str) -> list[str]:
        """
        Give the values of the fields of a name.

        @param name: The name, in lower case.
        """
        return [value for field, value in self.fields if field == name]


def printable(text: str) -> str:
    """Make what a server said fit for a line of a log."""
    return "".join(each if each.isprintable() else "?" for each in text[:_SHOWN]).strip()
