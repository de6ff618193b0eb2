"""
What is done with a request where there is no handler for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sipws.ua.replies import Reply

if TYPE_CHECKING:
    from sipws.message import IncomingRequest
    from sipws.ua.dispatch import Dispatcher

__all__ = ["BUILT_IN"]


def _answerOptions(dispatcher: Dispatcher, request: IncomingRequest) -> object:
    """
    Answer an OPTIONS.

    RFC 3261 section 11.2: "Allow, Accept, Accept-Encoding, Accept-Language,
    and Supported header fields SHOULD be present in a 200 (OK) response to an
    OPTIONS request."
    """
    headers: list[tuple[str, object]] = [
        ("Allow", dispatcher.allow()),
        ("Accept", dispatcher.accept()),
        ("Accept-Encoding", "identity"),
        ("Supported", ", ".join(dispatcher.supported())),
    ]
    packages = dispatcher.identity.configuration.allowEvents
    if packages:
        # RFC 6665 section 8.2.2: it lists the packages that may be subscribed to here.
        headers.append(("Allow-Events", ", ".join(packages)))
    return Reply(200, headers=headers)


def _acceptMessage(dispatcher: Dispatcher, request: IncomingRequest) -> object:
    """Accept a MESSAGE: the listeners of the event C{message} have it (RFC 3428 section 7)."""
    return 200


def _noDialog(dispatcher: Dispatcher, request: IncomingRequest) -> object:
    """Refuse what belongs to a dialog that there is none of (RFC 3261 section 15.1.2; RFC 6665, 4.1.3)."""
    return 481


#: What takes the requests of a method.
BUILT_IN: Final[dict[str, Callable[[Dispatcher, IncomingRequest], object]]] = {
    "OPTIONS": _answerOptions,
    "MESSAGE": _acceptMessage,
    "BYE": _noDialog,
    "NOTIFY": _noDialog,
}
