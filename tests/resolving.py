"""A resolver in memory, which answers what it is told to, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IResolver
from twisted.names import dns
from twisted.names.common import ResolverBase
from twisted.names.error import DNSNameError
from zope.interface import implementer

__all__ = ["MemoryResolver", "a", "aaaa", "cname", "naptr", "srv"]

#: What the answer to a question is: records, or what is called for it.
Reply = list[dns.RRHeader] | Callable[[], Any]

KINDS = {dns.A: "A", dns.AAAA: "AAAA", dns.NAPTR: "NAPTR", dns.SRV: "SRV"}


@implementer(IResolver)
class MemoryResolver(ResolverBase):
    """
    A resolver that has its answers by name and type.

    @ivar asked: The questions: type and name.
    @ivar pending: The answers that were never given.
    """

    def __init__(self, *records: dns.RRHeader) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.pending: list[Deferred[Any]] = []
        self.cancelled = 0
        self._replies: dict[tuple[str, int], Reply] = {}
        for record in records:
            self.add(record)

    def add(self, record: dns.RRHeader) -> None:
        """Have another record; an alias is one for each type."""
        name = record.name.name.decode()
        for kind in KINDS if record.type == dns.CNAME else [record.type]:
            replies: Any = self._replies.setdefault((name, kind), [])
            replies.append(record)

    def answer(self, name: str, kind: int, reply: Reply) -> None:
        """Answer a question with records, or with whatever a function gives or raises."""
        self._replies[name, kind] = reply

    def forget(self) -> None:
        """Have no records any more."""
        self._replies.clear()

    def silent(self) -> Deferred[Any]:
        """Give no answer."""

        def cancelled(deferred: Deferred[Any]) -> None:
            self.cancelled += 1

        pending: Deferred[Any] = Deferred(cancelled)
        self.pending.append(pending)
        return pending

    def takeAsked(self) -> list[str]:
        asked, self.asked = self.asked, []
        return asked

    def _lookup(self, name: bytes, cls: int, type: int, timeout: object) -> Any:
        text = name.decode()
        self.asked.append(f"{KINDS[type]} {text}")
        reply = self._replies.get((text, type))
        if reply is None:
            return fail(DNSNameError())
        return reply() if callable(reply) else succeed((reply, [], []))


def naptr(
    service: str,
    replacement: str,
    order: int = 10,
    preference: int = 10,
    *,
    flags: str = "s",
    regexp: str = "",
    name: str = "example.com",
    ttl: int = 3600,
) -> dns.RRHeader:
    record = dns.Record_NAPTR(
        order, preference, flags.encode(), service.encode(), regexp.encode(), replacement.encode(), ttl
    )
    return dns.RRHeader(name.encode(), dns.NAPTR, dns.IN, ttl, record)


def srv(
    name: str, target: str, port: int = 443, priority: int = 10, weight: int = 0, ttl: int = 3600
) -> dns.RRHeader:
    record = dns.Record_SRV(priority, weight, port, target.encode(), ttl)
    return dns.RRHeader(name.encode(), dns.SRV, dns.IN, ttl, record)


def a(name: str, address: str = "192.0.2.1", ttl: int = 3600) -> dns.RRHeader:
    return dns.RRHeader(name.encode(), dns.A, dns.IN, ttl, dns.Record_A(address, ttl))


def aaaa(name: str, address: str = "2001:db8::1", ttl: int = 3600) -> dns.RRHeader:
    return dns.RRHeader(name.encode(), dns.AAAA, dns.IN, ttl, dns.Record_AAAA(address, ttl))


def cname(name: str, target: str, ttl: int = 3600) -> dns.RRHeader:
    return dns.RRHeader(name.encode(), dns.CNAME, dns.IN, ttl, dns.Record_CNAME(target.encode(), ttl))
