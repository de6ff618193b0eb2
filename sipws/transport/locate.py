"""
L{Locator}: from a SIP domain to its WebSocket servers (RFC 3263, RFC 7118 section 5.5).

A domain says by NAPTR records with the services C{SIPS+D2W} and C{SIP+D2W}
where SRV records name its servers.  Where it has none of these, the SRV records are
those of C{_sips._ws} and C{_sip._ws} below the domain: RFC 3263 section 4.1
makes their names of C{_sips} or C{_sip} and the transport, which RFC 7118 names C{ws}.
Where there are no SRV records either, the server is the domain itself, at port 443
or 80 (RFC 7118 section 5.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import Deferred
from twisted.names import dns

from sipws.errors import NoServers
from sipws.transport.lookup import Lookup, LookupFailed, within
from sipws.transport.records import orderNAPTR, orderSRV, readNAPTR, readSRV

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from sipws.transport.lookup import Answer
    from sipws.transport.retry import Randomness

__all__ = [
    "LOOKUP_TIMEOUT",
    "MAX_TARGETS",
    "MAX_TTL",
    "MAX_WAYS",
    "MIN_TTL",
    "PARTIAL_TTL",
    "Located",
    "Locator",
    "Target",
]

#: How long a whole lookup may take, in seconds.
LOOKUP_TIMEOUT = 15.0

#: How long what was found is good, at least and at most, in seconds.
MIN_TTL = 10.0
MAX_TTL = 86_400.0

#: How long it is good, at most, where a part of the questions was not answered.
PARTIAL_TTL = 60.0

#: How many of a domain's ways (NAPTR) are followed, and how many servers found.
MAX_WAYS = 8
MAX_TARGETS = 32

#: RFC 7118 section 5.5: the default port is 80 for C{sip} and 443 for C{sips}.
_PORTS = {True: 443, False: 80}
_SRV_NAMES = {True: "_sips._ws.", False: "_sip._ws."}


@attrs.frozen
class Target:
    """
    A server that was found.

    @ivar secure: Whether C{wss} is spoken there.
    @ivar host: Its name.
    @ivar port: Its TCP port.
    @ivar group: Which of the groups of servers it is in that are as good as each
        other (of one SRV priority), from 0, the best.
    """

    secure: bool
    host: str
    port: int
    group: int = attrs.field(default=0, eq=False)

    def uri(self, path: str = "/") -> str:
        """
        Give its WebSocket URI.

        @param path: The path, with a slash in front.
        """
        port = "" if self.port == _PORTS[self.secure] else f":{self.port}"
        return f"{'wss' if self.secure else 'ws'}://{self.host}{port}{path}"


@attrs.frozen
class Located:
    """
    What was found.

    @ivar targets: The servers, in the order in which they are to be tried.
    @ivar goodUntil: Until when that is so, by the clock, in seconds.
    """

    targets: tuple[Target, ...]
    goodUntil: float


class Locator:
    """Finds the servers of SIP domains."""

    def __init__(self, resolver: Any, clock: IReactorTime, random: Randomness) -> None:
        """
        @param resolver: What is asked: an L{IResolver<twisted.internet.interfaces.IResolver>}.
        @param clock: What bounds it in time.
        @param random: Where chance comes from, in which servers of the same priority are taken.
        """
        self._resolver = resolver
        self._clock = clock
        self._random = random

    def locate(self, domain: str, *, insecure: bool = False) -> Deferred[Located]:
        """
        Find the servers of a domain.

        @param domain: The domain.
        @param insecure: Whether C{ws} will do where it is offered; the servers
            with C{wss} are tried first all the same.
        @return: A Deferred that fires in C{LOOKUP_TIMEOUT} seconds at the
            latest.  It fails with L{NoServers} where there is nothing to be
            had.  It can be cancelled.
        """

        def search() -> Deferred[Located]:
            search = _Search(Lookup(self._resolver, self._clock), domain, insecure, self._random)
            return Deferred.fromCoroutine(search.run(self._clock))

        located: Deferred[Located] = within(LOOKUP_TIMEOUT, self._clock, search)
        return located.addErrback(_typed, domain)


def _typed(failure: Any, domain: str) -> Any:
    if failure.check(TimeoutError):
        reason = f"{domain} cannot be looked up in {LOOKUP_TIMEOUT:g} seconds"
        raise NoServers(reason, domain=domain) from failure.value
    return failure


class _Search:
    """One lookup."""

    def __init__(self, lookup: Lookup, domain: str, insecure: bool, random: Randomness) -> None:
        self._lookup = lookup
        self._domain = domain
        self._insecure = insecure
        self._random = random
        self._ttl = math.inf

    async def run(self, clock: IReactorTime) -> Located:
        """
        Find the servers.

        @raise NoServers: There are none.
        """
        ways = await self._ways()
        targets = await self._named(ways)
        if not targets:
            targets = await self._itself({secure for secure, _ in ways})
        # Each once, at its best place.
        unique = tuple(dict.fromkeys(targets))[:MAX_TARGETS]
        return Located(unique, clock.seconds() + min(max(self._ttl, MIN_TTL), MAX_TTL))

    # By NAPTR.

    async def _ways(self) -> list[tuple[bool, str]]:
        """Give the names whose SRV records are asked for, each with whether it is for C{wss}."""
        try:
            answer = await self._ask(self._domain, dns.NAPTR)
        except LookupFailed:
            # Not every name server knows of NAPTR, and what is missed by it is but a detour.
            records = []
        else:
            records = orderNAPTR(readNAPTR(answer.records))
        if not records:
            names = _SRV_NAMES.items()
            return [(secure, prefix + self._domain) for secure, prefix in names if secure or self._insecure]
        # RFC 3263 section 4.1: "a client resolving a SIPS URI MUST discard any services that do not
        # contain "SIPS" as the protocol in the service field."
        ways = [(record.secure, record.replacement) for record in records if self._takes(record.secure)]
        if not ways:
            raise self._none("offers SIP over ws alone; wsDomainInsecure takes that")
        return list(dict.fromkeys(ways))[:MAX_WAYS]

    def _takes(self, secure: bool) -> bool:
        return secure or self._insecure

    # By SRV.

    async def _named(self, ways: Iterable[tuple[bool, str]]) -> list[Target]:
        """Give the servers that SRV records name; none where there are no records."""
        targets: list[Target] = []
        groups: dict[tuple[str, int], int] = {}
        isNamed = False
        failed: LookupFailed | None = None
        for secure, name in ways:
            try:
                answer = await self._ask(name, dns.SRV)
            except LookupFailed as error:
                failed = error
                continue
            isNamed = isNamed or bool(answer.records)
            ordered = orderSRV(readSRV(answer.records), self._random)
            for record in ordered:
                group = groups.setdefault((name, record.priority), len(groups))
                targets.append(Target(secure, record.target, record.port, group))
        if not targets and failed is not None:
            raise self._none(f"cannot be looked up ({failed})") from failed
        if not targets and isNamed:
            raise self._none("has SRV records for SIP over WebSocket that name no server")
        return targets

    # By its address.

    async def _itself(self, secures: set[bool]) -> list[Target]:
        """
        Give the domain itself, if there is such a host.

        RFC 3263 section 4.2: "If no SRV records were found, the client performs
        an A or AAAA record lookup of the domain name."
        """
        try:
            for kind in (dns.A, dns.AAAA):
                answer = await self._ask(self._domain, kind)
                if answer.records:
                    break
        except LookupFailed as error:
            raise self._none(f"cannot be looked up ({error})") from error
        if not answer.records:
            raise self._none("has neither NAPTR, SRV nor address records")
        ordered = sorted(secures, reverse=True)
        return [Target(each, self._domain, _PORTS[each], group) for group, each in enumerate(ordered)]

    async def _ask(self, name: str, kind: int) -> Answer:
        try:
            answer = await self._lookup.ask(name, kind)
        except LookupFailed:
            self._ttl = min(self._ttl, PARTIAL_TTL)
            raise
        self._ttl = min(self._ttl, answer.ttl)
        return answer

    def _none(self, problem: str) -> NoServers:
        return NoServers(f"{self._domain} {problem}", domain=self._domain)
