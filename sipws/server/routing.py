"""
Where a request goes: RFC 3261 sections 16.4 (route information) and 16.5
(request targets).

A proxy of WebSocket clients finds them by their connections, whatever their
URIs say: these have hosts like C{df7jal23ls0d.invalid} (RFC 7118 appendix B).
So each dialog-making request gets two C{Record-Route} values (RFC 5658
section 3), which name the connections that it came and went on::

    Record-Route: <sip:WENT@example.com;transport=ws;lr>
    Record-Route: <sip:CAME@example.com;transport=ws;lr>

Either end of the dialog has the other's connection last in its route set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby, takewhile
from typing import TYPE_CHECKING

import attrs

from sipws.server.gruu import bindingsOf
from sipws.server.outbound import flowsOfEach
from sipws.server.refusal import Refused

if TYPE_CHECKING:
    from sipws.message import URI, IncomingRequest
    from sipws.server.connection import Connection
    from sipws.server.gruu import Gruus
    from sipws.server.location import Binding, Locations
    from sipws.server.names import Names

__all__ = ["Path", "Router", "Target"]

#: What is answered where the only way on is one that cannot be gone.
NO_WAY = "No Such Host Here"


@attrs.frozen
class Path:
    """
    A request's way, as far as it says itself.

    @ivar uri: Its Request-URI.
    @ivar isOurs: Whether that is of the server's domain.
    @ivar routes: Its Route values, without those that were the server's.
    @ivar token: The connection that it must go on, by its name; C{None} where
        it does not say.
    @ivar recipient: The address of record of the user of ours whom its To names.
    """

    uri: URI
    isOurs: bool
    routes: tuple[str, ...]
    token: str | None
    recipient: str | None


@attrs.frozen
class Target:
    """
    A place to forward a request to.

    @ivar connection: The connection.
    @ivar uri: The Request-URI to forward it with.
    @ivar others: Other flows to the same user agent, which may be tried where this one fails.
    """

    connection: Connection
    uri: URI
    others: tuple[Target, ...] = ()


class Router:
    """Finds the targets of requests."""

    def __init__(
        self, names: Names, locations: Locations, connections: Mapping[str, Connection], gruus: Gruus
    ) -> None:
        """
        @param connections: The open connections by their names.
        @param gruus: What finds whose GRUUs are.
        """
        self._gruus = gruus
        self._names = names
        self._locations = locations
        self._connections = connections

    def recordRoutes(self, came: Connection, goes: Connection) -> list[str]:
        """Give the Record-Route values for a request, the topmost first."""
        domain = self._names.domain
        return [f"<sip:{end.token}@{domain};transport=ws;lr>" for end in (goes, came)]

    def follow(self, request: IncomingRequest, connection: Connection) -> Path:
        """
        Read the way that a request says it has to go.

        @raise ParseError: Its Request-URI, its To or a Route is malformed.
        """
        uri = request.requestURI
        values = request.getHeaders("Route")
        uris: list[URI] = [request.parseHeader("Route", index).uri for index in range(len(values))]
        if uris and self._isRecordRoute(uri):
            # Section 16.4: "If the Request-URI of the request contains a value this proxy
            # previously placed into a Record-Route header field, the proxy MUST replace the
            # Request-URI in the request with the last value from the Route header field".
            uri = uris.pop()
            values.pop()
        # "If the first value in the Route header field indicates this proxy, the proxy MUST
        # remove that value from the request."
        ours = list(takewhile(lambda route: self._names.isOurs(route, connection), uris))
        token = next((route.user for route in reversed(ours) if route.user), None)
        to = request.toHeader.uri
        recipient = self._names.addressOfRecord(to.user or "") if self._names.isOurs(to, connection) else None
        isOurs = self._names.isOurs(uri, connection)
        return Path(uri, isOurs, tuple(values[len(ours) :]), token, recipient)

    def _isRecordRoute(self, uri: URI) -> bool:
        return uri.host == self._names.domain and uri.user in self._connections and "lr" in uri.parameters

    def isWithinDialog(self, request: IncomingRequest, path: Path) -> bool:
        """
        Whether a request is one within a dialog whose beginning was forwarded here.

        Nobody but the two ends of it know the name of the connection.
        """
        return request.toTag is not None and path.token in self._connections

    def targets(self, path: Path, isKnown: Callable[[str], bool]) -> list[list[Target]]:
        """
        Find the targets of a request that is not for the server itself.

        @param path: Its way.
        @param isKnown: Tells whether a user who is not there exists.
        @return: Groups of targets, the best first; those of a group are to be
            tried at the same time.
        @raise Refused: There are none.
        """
        if path.routes:
            raise Refused(404, NO_WAY)
        if path.isOurs and "gr" in path.uri.parameters:
            found = self._byGRUU(path)
        else:
            found = self._byToken(path) or self._byContact(path) or self._byUser(path)
        groups = _securely(path.uri, found)
        if not groups:
            raise self._nobody(path, isKnown)
        return groups

    def _byGRUU(self, path: Path) -> list[list[Target]]:
        """
        Find the one user agent that a GRUU leads to (RFC 5627 section 6.1).

        Within a dialog it is found by that, too, wherever it is connected
        now: the connection that the dialog has gone by may not be there any more.
        """
        aor = self._names.addressOfRecord(path.uri.user or "")
        owner = self._gruus.owner(path.uri, aor)
        if owner is None:
            return []
        each = flowsOfEach(bindingsOf(owner, self._locations.find(owner[0])))
        return [[_targetOf(flows)] for flows in each[-1:]]

    def _byToken(self, path: Path) -> list[list[Target]]:
        connection = self._connections.get(path.token or "")
        return [] if connection is None else [[Target(connection, path.uri)]]

    def _byContact(self, path: Path) -> list[list[Target]]:
        # An end of a dialog that has connected anew is found by its contact address.  Anything may be
        # registered as one: what another has chosen must not lead astray what is for a user of ours.
        if path.isOurs:
            binding = self._locations.findContact(path.uri, self._names.addressOfRecord(path.uri.user or ""))
        else:
            binding = self._locations.findContact(path.uri, path.recipient)
            binding = binding or self._locations.findContact(path.uri)
        return [] if binding is None else [[Target(binding.connection, path.uri)]]

    def _byUser(self, path: Path) -> list[list[Target]]:
        user = path.uri.user
        if not path.isOurs or user is None:
            return []
        each = flowsOfEach(self._locations.find(self._names.addressOfRecord(user)))
        # Section 16.6: "Targets are processed from highest qvalue to lowest.  Targets with
        # equal qvalues may be processed in parallel."
        ordered = sorted(each, key=_preference)
        return [[_targetOf(flows) for flows in group] for _, group in groupby(ordered, _preference)]

    def _nobody(self, path: Path, isKnown: Callable[[str], bool]) -> Refused:
        """
        Say that there is no target.

        Section 16.5: "If the Request-URI indicates a resource at this proxy
        that does not exist, the proxy MUST return a 404 (Not Found) response.
        If the target set remains empty after applying all of the above, the
        proxy MUST return an error response, which SHOULD be the 480
        (Temporarily Unavailable) response."  Section 21.4.5 has 404 for other
        domains, too.
        """
        user = path.uri.user
        known = path.isOurs and user is not None and isKnown(user)
        if path.token is not None and not path.isOurs:
            # RFC 5626 section 5.3.1: "If the flow no longer exists, the proxy SHOULD send a 430 (Flow
            # Failed) response to the request."  The dialog goes on, and its user agent may come back.
            return Refused(430)
        return Refused(480 if known or path.token is not None else 404)


def _preference(flows: list[Binding]) -> float:
    return -flows[0].q


def _targetOf(flows: list[Binding]) -> Target:
    first, *others = (Target(binding.connection, binding.uri) for binding in flows)
    return attrs.evolve(first, others=tuple(others))


def _securely(uri: URI, groups: list[list[Target]]) -> list[list[Target]]:
    """RFC 7118 section 9.2: "If such a path includes a WebSocket connection, it MUST be a secure [one]"."""
    if uri.scheme != "sips":
        return groups
    secure = [[way for target in group for way in _secureWays(target)] for group in groups]
    return [group for group in secure if group]


def _secureWays(target: Target) -> list[Target]:
    ways = [way for way in (target, *target.others) if way.connection.secure]
    return [attrs.evolve(ways[0], others=tuple(ways[1:]))] if ways else []
