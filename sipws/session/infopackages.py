"""
Info Packages (RFC 6086): what INFO requests are about, and who takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sipws.errors import ParseError
from sipws.message import InfoPackage

if TYPE_CHECKING:
    from sipws.message import IncomingMessage, IncomingRequest

__all__ = ["BAD_INFO_PACKAGE", "declared", "offeredPackages", "packageOf", "recvInfo"]

#: The response to an INFO of a package that was not asked for (section 4.2.2).
BAD_INFO_PACKAGE: Final = 469

#: Section 4.2: what says that there is none.
_NONE: Final = "nil"


def recvInfo(packages: Sequence[str]) -> tuple[str, str]:
    """
    Give the Recv-Info header.

    @param packages: The packages that are taken; none: it says so.
    """
    return ("Recv-Info", ", ".join(packages) or _NONE)


def declared(packages: Sequence[str]) -> list[tuple[str, object]]:
    """Give what an INVITE, or the 2xx to one, says of them: nothing where there are none."""
    return [recvInfo(packages)] if packages else []


def packageOf(request: IncomingRequest) -> str | None:
    """
    Give the Info Package of an INFO.

    @return: C{None}: it is one as there was before there were packages (section 9).
    @raise ParseError: It is malformed.
    """
    package = request.parseHeader("Info-Package") if request.hasHeader("Info-Package") else None
    return package.package if isinstance(package, InfoPackage) else None


def offeredPackages(message: IncomingMessage) -> tuple[str, ...] | None:
    """
    Give the packages that the sender of a message takes.

    @return: C{None}: it does not say, and what it said before holds.
    """
    if not message.hasHeader("Recv-Info"):
        return None
    found = [_packageAt(message, index) for index in range(len(message.getHeaders("Recv-Info")))]
    return tuple(name for name in found if name and name.lower() != _NONE)


def _packageAt(message: IncomingMessage, index: int) -> str:
    try:
        package = message.parseHeader("Recv-Info", index)
    except ParseError:
        return ""
    return package.package if isinstance(package, InfoPackage) else ""
