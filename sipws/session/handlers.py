"""
L{Handler}: the session description handler of a session, seen to be one as it is set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sipws.interfaces import ISessionDescriptionHandler
from sipws.message.given import wanted

if TYPE_CHECKING:
    from sipws.session.core import SessionCore

__all__ = ["Handler"]


class Handler:
    """
    The attribute C{handler} of sessions.

    Setting what is no handler is a C{TypeError}: later, there would be nobody to
    be told but the peer.  What has the methods is one, whether or not it says
    that it implements the interface.
    """

    def __get__(self, session: SessionCore, owner: object = None) -> ISessionDescriptionHandler | None:
        found: ISessionDescriptionHandler | None = session.__dict__.get("handler")
        return found

    def __set__(self, session: SessionCore, handler: Any) -> None:
        if handler is not None:
            missing = [
                name for name in ISessionDescriptionHandler if not callable(getattr(handler, name, None))
            ]
            if missing:
                raise wanted("handler", f"an ISessionDescriptionHandler, with {', '.join(missing)}", handler)
            if isinstance(handler, type):
                raise wanted("handler", "an ISessionDescriptionHandler, and no class of them", handler)
        session.__dict__["handler"] = handler
