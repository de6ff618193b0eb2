"""
L{Lookup}: questions to a resolver that may be late, may be wrong, and may lie.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.names import dns
from twisted.names.error import AuthoritativeDomainError, DNSNameError, DomainError
from twisted.python.failure import Failure

from sipws.transport.records import MAX_RECORDS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["MAX_ALIASES", "QUERY_TIMEOUT", "Answer", "Lookup", "LookupFailed", "within"]

#: How long one question may take, in seconds.
QUERY_TIMEOUT = 5.0

#: How long the resolver is asked to wait for a name server: that each time, in seconds.
_TIMEOUTS = (1, 2, 2)

#: How many aliases (CNAME) of a name are followed.
MAX_ALIASES = 8

#: What asks for the records of a type.
_METHODS = {
    dns.A: "lookupAddress",
    dns.AAAA: "lookupIPV6Address",
    dns.NAPTR: "lookupNamingAuthorityPointer",
    dns.SRV: "lookupService",
}

#: RFC 2181 section 8: "Implementations should treat TTL values received with the most significant bit
#: set as if the entire value received was zero."
_TTL_SIGN = 2**31


class LookupFailed(Exception):
    """A question that was not answered; its text says why."""


@attrs.frozen
class Answer:
    """
    What a question was answered with.

    @ivar records: The records of the type that was asked for; empty where there is none.
    @ivar ttl: How long it is good, in seconds; infinite where there is none.
    """

    records: list[Any]
    ttl: float


class Lookup:
    """Asks one resolver, each question bounded in time."""

    def __init__(self, resolver: Any, clock: IReactorTime) -> None:
        """
        @param resolver: An L{IResolver<twisted.internet.interfaces.IResolver>}.
        @param clock: What bounds its time.
        """
        self._resolver = resolver
        self._clock = clock

    async def ask(self, name: str, kind: int) -> Answer:
        """
        Ask for the records of a name, and of the names that it is an alias of.

        @param kind: Their type, as C{dns.SRV}.
        @raise LookupFailed: There is no answer: which is another thing than that there are no records.
        """
        ttl = math.inf
        asked: set[str] = set()
        while name not in asked and len(asked) <= MAX_ALIASES:
            asked.add(name)
            headers = await self._query(name, kind)
            found = [header for header in headers if _kind(header) == kind and hasattr(header, "payload")]
            alias = next((header for header in headers if _kind(header) == dns.CNAME), None)
            if found:
                shown = [header for header in headers if _kind(header) in (kind, dns.CNAME)]
                return Answer([header.payload for header in found], min([ttl, *map(_ttl, shown)]))
            target = None if alias is None else _aliased(alias)
            if target is None:
                return Answer([], ttl)
            name, ttl = target, min(ttl, _ttl(alias))
        raise LookupFailed(f"{name} is an alias without end")

    async def _query(self, name: str, kind: int) -> list[Any]:
        """Give the answer section of the answer to one question."""
        method = _METHODS[kind]

        def query() -> Any:
            # Being asked, too, it may raise whatever it likes.
            return getattr(self._resolver, method)(name, _TIMEOUTS)

        try:
            answers, _, _ = await within(QUERY_TIMEOUT, self._clock, query)
            return list(islice(answers, MAX_RECORDS))
        except (DNSNameError, AuthoritativeDomainError):
            return []
        except CancelledError:
            raise
        except Exception as error:
            # What has no code of its own says that there are no records.
            if type(error) is DomainError:
                return []
            raise LookupFailed(f"{name} cannot be looked up: {_reason(error)}") from error


def within(seconds: float, clock: IReactorTime, function: Callable[[], Any]) -> Deferred[Any]:
    """
    Call a function, and wait for what it gives, for so long at most.

    Whatever that does when it is cancelled, the Deferred here is done then.

    @param seconds: How long.
    @param clock: What the time is taken from.
    @param function: The function; its Deferred is cancelled where the time is up.
    @return: What comes of it; it fails with C{TimeoutError} where that is nothing.
    """
    inner = maybeDeferred(function)

    def cancelled(outer: Deferred[Any]) -> None:
        # The Deferred fails by itself, with CancelledError.
        timer.cancel()
        _giveUp(inner)

    def timedOut() -> None:
        outer.errback(Failure(TimeoutError(f"no answer in {seconds:g} seconds")))
        _giveUp(inner)

    def answered(result: Any) -> None:
        if timer.active():
            timer.cancel()
            if isinstance(result, Failure) and result.check(CancelledError):
                # It was not we who cancelled it: that is a failure like others.
                result = Failure(OSError("the resolver has given it up"))
            outer.callback(result)

    outer: Deferred[Any] = Deferred(cancelled)
    timer = clock.callLater(seconds, timedOut)
    inner.addBoth(answered)
    return outer


def _giveUp(deferred: Deferred[Any]) -> None:
    # What somebody else's canceller raises changes nothing here.
    with suppress(Exception):
        deferred.cancel()


def _kind(header: Any) -> object:
    return getattr(header, "type", None)


def _ttl(header: Any) -> float:
    ttl = getattr(header, "ttl", None)
    return ttl if isinstance(ttl, int) and 0 <= ttl < _TTL_SIGN else 0


def _aliased(header: Any) -> str | None:
    """Say what a name is an alias of."""
    try:
        name: str = header.payload.name.name.decode("ascii")
    except (AttributeError, ValueError):
        return None
    return name.removesuffix(".").lower() or None


def _reason(error: Exception) -> str:
    """Say what went wrong, where the error's own text may be a message in octets."""
    text = str(error) if isinstance(error, (TimeoutError, OSError)) else ""
    return text or type(error).__name__
