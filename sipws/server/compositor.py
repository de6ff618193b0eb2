"""
The event state compositor (RFC 3903 section 6): what users publish, and what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from sipws.message import Event
from sipws.refreshing import deltaSeconds
from sipws.server.refusal import Headers, Refused

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.message import IncomingRequest
    from sipws.server.limits import ServerLimits
    from sipws.server.names import Tokens

__all__ = ["NEUTRAL", "Compositor", "EventState", "Resource"]

#: An address of record, and an event package.
Resource = tuple[str, str]


@attrs.frozen
class EventState:
    """
    What is known of a resource.

    @ivar body: It, as it was published.
    @ivar contentType: Its type; C{None}: nothing is known.
    """

    body: bytes
    contentType: str | None


#: What is told of a resource that nothing was published of.
NEUTRAL = EventState(b"", None)


@attrs.define(eq=False)
class Publication:
    """
    What one of its sources says of a resource.

    @ivar state: What it says.
    @ivar changed: Which of all the changes it was.
    @ivar timer: Its end.
    """

    state: EventState
    changed: int
    timer: IDelayedCall | None = None


class Compositor:
    """
    Keeps what was published, for as long as it lasts.

    Of several publications of one resource the one that was changed last counts.
    """

    def __init__(
        self,
        clock: IReactorTime,
        limits: ServerLimits,
        tokens: Tokens,
        onChange: Callable[[Resource, EventState], object],
    ) -> None:
        """
        @param onChange: Called with each resource whose state has changed.
        """
        self._clock = clock
        self._limits = limits
        self._tokens = tokens
        self._onChange = onChange
        # By entity-tag.
        self._published: dict[Resource, dict[str, Publication]] = {}
        self._changes = 0
        self.count = 0

    def stateOf(self, resource: Resource) -> EventState:
        """Give what is known of a resource."""
        publications = self._published.get(resource, {}).values()
        return max(publications, key=lambda each: each.changed).state if publications else NEUTRAL

    def publish(self, aor: str, request: IncomingRequest) -> Headers:
        """
        Take a PUBLISH.

        @param aor: Whose state it is.
        @return: What the 200 says.
        @raise Refused: It is not taken.
        @raise ParseError: A header is malformed.
        """
        event = request.parseHeader("Event")
        if not isinstance(event, Event):
            # Step 2: "the ESC MUST respond to the PUBLISH request with a 489 (Bad Event) response".
            raise Refused(489)
        resource = aor, event.package
        etags = request.getHeaders("SIP-If-Match")
        if len(etags) > 1:
            # Step 3: "checks whether the header field contains a single entity-tag.  If not, the
            # request is invalid, and the ESC MUST return with a 400 (Invalid Request) response".
            raise Refused(400)
        etag = etags[0] if etags else None
        if etag is not None and etag not in self._published.get(resource, {}):
            raise Refused(412)
        expires = self._expiresOf(request)
        if etag is None and not request.body:
            # Step 5: "If the request has no message body and contained no entity-tag, the ESC SHOULD
            # reject the request with an appropriate response, such as 400".
            raise Refused(400)
        return self._take(resource, request, etag, expires)

    def _expiresOf(self, request: IncomingRequest) -> int:
        limits = self._limits
        text = request.getHeader("Expires")
        expires = limits.maxExpires if text is None else deltaSeconds(text)
        if expires is None:
            raise Refused(400)
        if 0 < expires < limits.minExpires:
            raise Refused(423, headers=[("Min-Expires", limits.minExpires)])
        return min(expires, limits.maxExpires)

    def _take(self, resource: Resource, request: IncomingRequest, etag: str | None, expires: int) -> Headers:
        if etag is None and self.count >= self._limits.maxPublications:
            raise Refused(503, headers=[("Retry-After", self._limits.minExpires)])
        before = self.stateOf(resource)
        old = None if etag is None else self._remove(resource, etag)
        # Step 6: "The ESC MUST generate a new entity-tag for each successful publication".
        fresh = self._tokens.word()
        if expires:
            self._insert(resource, fresh, self._publicationOf(request, old), expires)
        self._tell(resource, before)
        return [("SIP-ETag", fresh), ("Expires", expires)]

    def _publicationOf(self, request: IncomingRequest, old: Publication | None) -> Publication:
        if old is not None and not request.body:
            # Section 4.3: a refresh "does not affect that event state in any other way."
            return old
        self._changes += 1
        return Publication(EventState(request.body, request.contentType), self._changes)

    def _insert(self, resource: Resource, etag: str, publication: Publication, expires: int) -> None:
        self._published.setdefault(resource, {})[etag] = publication
        publication.timer = self._clock.callLater(expires, self._expired, resource, etag)
        self.count += 1

    def _expired(self, resource: Resource, etag: str) -> None:
        before = self.stateOf(resource)
        self._remove(resource, etag)
        self._tell(resource, before)

    def _remove(self, resource: Resource, etag: str) -> Publication:
        publications = self._published[resource]
        publication = publications.pop(etag)
        if not publications:
            del self._published[resource]
        if publication.timer is not None and publication.timer.active():
            publication.timer.cancel()
        self.count -= 1
        return publication

    def _tell(self, resource: Resource, before: EventState) -> None:
        state = self.stateOf(resource)
        if state != before:
            self._onChange(resource, state)

    def clear(self) -> None:
        """Forget all, and tell nobody."""
        for resource, publications in list(self._published.items()):
            for etag in list(publications):
                self._remove(resource, etag)
