"""
L{EventState}: what a user agent has for event state (RFC 6665, RFC 3903).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipws.publication import Publication
from sipws.subscription import Subscription

if TYPE_CHECKING:
    from sipws.message import URI
    from sipws.ua.usages import Usages

__all__ = ["EventState"]

#: For how long is asked for, in seconds (RFC 3856 section 6.4).
DEFAULT_EXPIRES = 3600


class EventState:
    """The part of a user agent that publishes event state, and subscribes to it."""

    if TYPE_CHECKING:

        @property
        def usages(self) -> Usages:
            """What its calls and subscriptions share."""

    def publish(
        self,
        target: URI | str,
        event: str,
        body: bytes | str,
        contentType: str,
        *,
        expires: int = DEFAULT_EXPIRES,
        headers: Iterable[tuple[str, object]] = (),
    ) -> Publication:
        """
        Publish event state (RFC 3903), and keep it published until it is removed.

        It leaves when there is a connection, and a binding at the registrar
        where the user agent registers.

        @param target: Whose state it is: an address of record, as of C{request}.
        @param event: The event package, such as C{presence}.
        @param body: The state; text goes out as UTF-8.
        @param contentType: Its type, such as C{application/pidf+xml}.
        @param expires: For how long it is asked for, in seconds; it is refreshed in time.
        @param headers: Further headers of each PUBLISH.
        @raise ValueError: The request cannot be as it is given, or the time is none.
        """
        publication = Publication(
            self.usages, target, event, body, contentType, expires=expires, headers=headers
        )
        publication.start()
        return publication

    def subscribe(
        self,
        target: URI | str,
        event: str,
        *,
        expires: int = DEFAULT_EXPIRES,
        accept: Iterable[str] = (),
        headers: Iterable[tuple[str, object]] = (),
        body: bytes | str = b"",
        contentType: str | None = None,
        resubscribe: bool = True,
    ) -> Subscription:
        """
        Subscribe to event state (RFC 6665), and stay subscribed until that is ended.

        It leaves when there is a connection, and a binding at the registrar
        where the user agent registers.

        @param target: Whose state it is, as of C{request}.
        @param event: The event package, such as C{presence}, with its parameters.
        @param expires: For how long it is asked for, in seconds, and refreshed
            in time; 0: for the state as it is now, once.
        @param accept: The types of state that are understood: others are
            refused with 415.  None: whichever the package has.
        @param headers: Further headers of each SUBSCRIBE.
        @param body: The body of each, such as a filter.
        @param contentType: Its type.
        @param resubscribe: Whether it is begun anew when it is terminated, and the reason allows that.
        @raise ValueError: The request cannot be as it is given.
        """
        subscription = Subscription(
            self.usages,
            target,
            event,
            expires=expires,
            accept=accept,
            headers=headers,
            body=body,
            contentType=contentType,
            resubscribe=resubscribe,
        )
        subscription.start()
        return subscription
