"""
The attribute C{handler} of sessions, which is seen to be one as it is set.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sipws.interfaces import ISessionDescriptionHandler
from sipws.message.given import wanted

if TYPE_CHECKING:
    from sipws.session.core import SessionCore

__all__ = ["handlerAttribute"]


def _set(session: SessionCore, handler: Any) -> None:
    """
    Set the handler of a session.

    What has the methods is one, whether or not it says that it implements the interface.

    @raise TypeError: It is none: later, there would be nobody to be told but the peer.
    """
    if handler is not None:
        missing = [name for name in ISessionDescriptionHandler if not callable(getattr(handler, name, None))]
        if missing:
            raise wanted("handler", f"an ISessionDescriptionHandler, with {', '.join(missing)}", handler)
        if isinstance(handler, type):
            raise wanted("handler", "an ISessionDescriptionHandler, and no class of them", handler)
    session._handler = handler  # noqa: SLF001 -- its own


#: Each call asks for its handler again and again, and mostly has none: what is asked is no Python.
handlerAttribute: Any = property(attrgetter("_handler"), _set)
