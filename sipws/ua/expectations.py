"""
L{Expectations}: what is known of dialogs that are not there yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.errors import ParseError
from sipws.message import Event

if TYPE_CHECKING:
    from sipws.dialog import IUsage
    from sipws.message import IncomingRequest, OutgoingRequest

__all__ = ["Expectations"]


class Expectations:
    """
    The requests of ours that another's request may follow, in a dialog that it makes: a NOTIFY may
    come before the response to its SUBSCRIBE, and from any number of notifiers (RFC 6665 section 4.4.1).

    @ivar packages: The event packages that there is anything known of.
    """

    __slots__ = ("_usages", "packages")

    def __init__(self) -> None:
        # By Call-ID and our tag.
        self._usages: dict[tuple[str, str | None], IUsage] = {}
        self.packages: set[str] = set()

    def __len__(self) -> int:
        return len(self._usages)

    def set(self, request: OutgoingRequest, usage: IUsage | None) -> None:
        """Have a usage take what follows a request; C{None}: nothing does any more."""
        key = (request.callID, request.fromTag)
        if usage is None:
            self._usages.pop(key, None)
        else:
            self._usages[key] = usage

    def usageFor(self, request: IncomingRequest) -> IUsage | None:
        """Give the usage that takes a request in no dialog that is there."""
        usage = self._usages.get((request.callID, request.toTag))
        return usage if usage is not None and usage.takes(request) else None

    def isBadEvent(self, request: IncomingRequest) -> bool:
        """Say whether a request is of an event package that nothing is known of."""
        if request.method not in ("SUBSCRIBE", "NOTIFY"):
            return False
        try:
            event = request.parseHeader("Event")
        except ParseError:
            return True
        return not isinstance(event, Event) or event.package not in self.packages
