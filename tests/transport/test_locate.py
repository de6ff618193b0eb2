"""From a SIP domain to its servers, whatever the resolver does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, repeat
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.names.error import (
    AuthoritativeDomainError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSQueryTimeoutError,
    DNSServerError,
    DomainError,
)

from sipws.errors import ConnectionFailed, NoServers
from sipws.transport.locate import (
    LOOKUP_TIMEOUT,
    MAX_TARGETS,
    MAX_TTL,
    MAX_WAYS,
    MIN_TTL,
    PARTIAL_TTL,
    Located,
    Locator,
    Target,
)
from sipws.transport.lookup import MAX_ALIASES, QUERY_TIMEOUT
from sipws.transport.records import MAX_RECORDS
from tests.resolving import MemoryResolver, a, aaaa, cname, naptr, srv
from tests.ua.fakes import outcome

DOMAIN = "example.com"
WSS, WS = f"_sips._ws.{DOMAIN}", f"_sip._ws.{DOMAIN}"


class Scene:
    """A locator, its resolver and its clock."""

    def __init__(self, *records: dns.RRHeader, seed: int = 1) -> None:
        self.clock = Clock()
        self.resolver = MemoryResolver(*records)
        self.locator = Locator(self.resolver, self.clock, Random(seed))

    def locate(self, **options: Any) -> list[Any]:
        return outcome(self.locator.locate(DOMAIN, **options))

    def located(self, **options: Any) -> Located:
        [result] = self.locate(**options)
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, Located)
        self.atRest()
        return result

    def uris(self, **options: Any) -> list[str]:
        return [target.uri() for target in self.located(**options).targets]

    def refused(self, **options: Any) -> NoServers:
        [error] = self.locate(**options)
        assert isinstance(error, NoServers)
        assert isinstance(error, ConnectionFailed)
        assert error.domain == DOMAIN
        self.atRest()
        return error

    def atRest(self) -> None:
        assert self.clock.getDelayedCalls() == []


# The ways that RFC 3263 and RFC 7118 know.


def test_NAPTRLeadsToSRVAndTheseToServers() -> None:
    scene = Scene(
        naptr("SIP+D2T", "_sip._tcp.example.com", 1),
        naptr("SIPS+D2W", "_sips._ws.there.example", 20),
        naptr("SIPS+D2W", "_sips._ws.here.example", 10),
        srv("_sips._ws.here.example", "one.example.net", 8443, priority=1),
        srv("_sips._ws.here.example", "two.example.net", priority=2),
        srv("_sips._ws.there.example", "three.example.net", 443),
    )
    assert scene.uris() == [
        "wss://one.example.net:8443/",
        "wss://two.example.net/",
        "wss://three.example.net/",
    ]
    assert scene.resolver.asked == [
        "NAPTR example.com",
        "SRV _sips._ws.here.example",
        "SRV _sips._ws.there.example",
    ]


def test_withoutNAPTRTheNamesOfTheTransportAreAsked() -> None:
    scene = Scene(srv(WSS, "one.example.com", 7443), srv(WS, "two.example.com", 8080))
    assert scene.uris() == ["wss://one.example.com:7443/"]
    assert scene.resolver.asked == ["NAPTR example.com", f"SRV {WSS}"]


def test_NAPTRForOtherTransportsAloneIsAsNone() -> None:
    scene = Scene(naptr("SIP+D2U", "_sip._udp.example.com"), srv(WSS, "one.example.com"))
    assert scene.uris() == ["wss://one.example.com/"]


def test_withoutSRVTheServerIsTheDomainItself() -> None:
    scene = Scene(a(DOMAIN))
    assert scene.uris() == ["wss://example.com/"]
    assert scene.resolver.asked == ["NAPTR example.com", f"SRV {WSS}", "A example.com"]


def test_anIPv6AddressWillDo() -> None:
    scene = Scene(aaaa(DOMAIN))
    assert scene.uris(insecure=True) == ["wss://example.com/", "ws://example.com/"]
    assert scene.resolver.asked[-2:] == ["A example.com", "AAAA example.com"]


def test_NAPTRWhoseSRVRecordsAreMissingLeadsToTheDomainItself() -> None:
    scene = Scene(naptr("SIP+D2W", WS), a(DOMAIN))
    assert scene.uris(insecure=True) == ["ws://example.com/"]


# Secure first, and ws only where it is asked for.


def test_wsIsTakenOnlyWhereItIsAskedFor() -> None:
    records = [
        naptr("SIP+D2W", WS, 1),
        naptr("SIPS+D2W", WSS, 2),
        srv(WS, "plain.example.com", 80),
        srv(WSS, "secure.example.com", 443),
    ]
    assert Scene(*records).uris() == ["wss://secure.example.com/"]
    assert Scene(*records).uris(insecure=True) == ["wss://secure.example.com/", "ws://plain.example.com/"]


def test_aDomainWithWsAloneIsRefusedAndSaysWhatWouldTakeIt() -> None:
    scene = Scene(naptr("SIP+D2W", WS), srv(WS, "plain.example.com", 80), a(DOMAIN))
    assert "wsDomainInsecure" in str(scene.refused())
    assert scene.uris(insecure=True) == ["ws://plain.example.com/"]


def test_withoutNAPTRBothNamesAreAskedWhereWsWillDo() -> None:
    scene = Scene(srv(WS, "plain.example.com", 80), srv(WSS, "secure.example.com"))
    assert scene.uris(insecure=True) == ["wss://secure.example.com/", "ws://plain.example.com/"]


# What is not offered.


def test_aTargetOfADotMeansThatThereIsNone() -> None:
    scene = Scene(srv(WSS, ".", 0), a(DOMAIN))
    assert "name no server" in str(scene.refused())
    assert "A example.com" not in scene.resolver.asked


def test_wssThatIsNotOfferedLeavesWs() -> None:
    scene = Scene(srv(WSS, "."), srv(WS, "plain.example.com", 80))
    assert scene.uris(insecure=True) == ["ws://plain.example.com/"]


def test_aDomainThatIsNotThereHasNoServers() -> None:
    assert "neither NAPTR, SRV nor address records" in str(Scene().refused())


@pytest.mark.parametrize("error", [DomainError, AuthoritativeDomainError])
def test_otherWaysToSayThatThereAreNoRecords(error: type[Exception]) -> None:
    scene = Scene(srv(WSS, "one.example.com"))
    scene.resolver.answer(DOMAIN, dns.NAPTR, lambda: fail(error()))
    located = scene.located()
    assert located.targets == (Target(True, "one.example.com", 443),)
    # That is an answer, and all were given.
    assert located.goodUntil == 3600


# For how long it is good.


@pytest.mark.parametrize(
    ("ttls", "good"),
    [
        ((300, 600), 300),
        ((600, 300), 300),
        ((0, 600), MIN_TTL),
        ((600, 0), MIN_TTL),
        ((2**31, 600), MIN_TTL),
        ((2**31 - 1, 2**31 - 1), MAX_TTL),
        ((2**32 - 1, 2**32 - 1), MIN_TTL),
    ],
)
def test_theLeastTTLCountsWithinBounds(ttls: tuple[int, int], good: float) -> None:
    scene = Scene(naptr("SIPS+D2W", WSS, ttl=ttls[0]), srv(WSS, "one.example.com", ttl=ttls[1]))
    scene.clock.advance(1000)
    assert scene.located().goodUntil == 1000 + good


def test_theTTLOfAnAddressCountsToo() -> None:
    assert Scene(a(DOMAIN, ttl=77)).located().goodUntil == 77


def test_theTTLOfAnAliasCountsToo() -> None:
    scene = Scene(cname(WSS, "other.example", ttl=50), srv("other.example", "one.example.com"))
    assert scene.located().goodUntil == 50


@pytest.mark.parametrize("ttl", ["60", None, -5, float("nan"), 1.5])
def test_aTTLThatIsNoneIsTheLeast(ttl: Any) -> None:
    record = srv(WSS, "one.example.com")
    record.ttl = ttl
    assert Scene(record).located().goodUntil == MIN_TTL


def test_theTTLOfAnAliasInTheSameAnswerCountsToo() -> None:
    scene = Scene()
    answer = [cname(WSS, "b.example", ttl=50), srv("b.example", "one.example.com")]
    scene.resolver.answer(WSS, dns.SRV, answer)
    assert scene.located().goodUntil == 50


# Aliases.


def test_aliasesAreFollowed() -> None:
    scene = Scene(
        cname(WSS, "b.example"), cname("b.example", "c.example"), srv("c.example", "one.example.com")
    )
    assert scene.uris() == ["wss://one.example.com/"]


def test_anAliasThatComesWithWhatItLeadsToIsNotAskedFor() -> None:
    scene = Scene()
    scene.resolver.answer(WSS, dns.SRV, [cname(WSS, "b.example"), srv("b.example", "one.example.com")])
    assert scene.uris() == ["wss://one.example.com/"]
    assert "SRV b.example" not in scene.resolver.asked


@pytest.mark.parametrize("target", [WSS, "b.example"])
def test_aliasesInACircleEnd(target: str) -> None:
    scene = Scene(cname(WSS, target), cname("b.example", WSS), a(DOMAIN))
    assert "alias without end" in str(scene.refused())


def test_aliasesWithoutEndEnd() -> None:
    scene = Scene(
        *[cname(f"a{n}.example", f"a{n + 1}.example") for n in range(100)], cname(WSS, "a0.example")
    )
    scene.refused()
    assert (
        len([question for question in scene.resolver.asked if question.startswith("SRV")]) == MAX_ALIASES + 1
    )


# What lies.


def test_NAPTRThatLeadsToItselfIsAskedOnce() -> None:
    scene = Scene(naptr("SIPS+D2W", DOMAIN), naptr("SIPS+D2W", DOMAIN, flags=""), a(DOMAIN))
    assert scene.uris() == ["wss://example.com/"]
    assert scene.resolver.asked == ["NAPTR example.com", "SRV example.com", "A example.com"]


def test_thousandsOfWaysAreNotAllTaken() -> None:
    scene = Scene(*[naptr("SIPS+D2W", f"s{n}.example") for n in range(5000)])
    scene.refused()
    assert len(scene.resolver.asked) == 1 + MAX_WAYS + 2


def test_thousandsOfServersAreNotAllTaken() -> None:
    scene = Scene(*[srv(WSS, f"s{n}.example.com", weight=n % 7) for n in range(5000)])
    assert len(scene.uris()) == MAX_TARGETS


def test_anAnswerWithoutEndIsNotReadToIt() -> None:
    scene = Scene()
    records = chain(repeat(srv(WSS, ".."), MAX_RECORDS - 1), repeat(srv(WSS, "one.example.com")))
    scene.resolver.answer(WSS, dns.SRV, lambda: succeed((records, [], [])))
    assert scene.uris() == ["wss://one.example.com/"]


def test_eachServerIsTakenOnce() -> None:
    scene = Scene(*[srv(WSS, "ONE.example.com.", 8443)] * 3, srv(WSS, "one.example.com", 8443, priority=90))
    assert scene.uris() == ["wss://one.example.com:8443/"]


def test_garbageAmongServersIsPassedOver() -> None:
    scene = Scene(
        srv(WSS, "..", 443, priority=1),
        srv(WSS, "one.example.com", 0, priority=2),
        srv(WSS, "two.example.com", 443, priority=3),
    )
    assert scene.uris() == ["wss://two.example.com/"]


def test_recordsWithoutContentAreNone() -> None:
    class Hollow:
        """A record of the right type, as a resolver that is injected may give it."""

        type, ttl, name = dns.SRV, 60, dns.Name(b"_sips._ws.example.com")

    scene = Scene()
    for name in ("_sips._ws.example.com", "_sip._ws.example.com"):
        scene.resolver.answer(name, dns.SRV, lambda: ([Hollow()], [], []))
    scene.refused()


def test_nothingButGarbageIsNoServers() -> None:
    scene = Scene(srv(WSS, "..", 443), srv(WSS, "one.example.com", 0), a(DOMAIN))
    assert "name no server" in str(scene.refused())


def raises() -> Any:
    raise RuntimeError("a resolver out of order")


FAILURES: list[Callable[[], Any]] = [
    raises,
    lambda: fail(DNSServerError()),
    lambda: fail(DNSQueryRefusedError()),
    lambda: fail(DNSNotImplementedError()),
    lambda: fail(DNSQueryTimeoutError(1)),
    lambda: fail(OSError("no network")),
    lambda: fail(CancelledError()),
    lambda: None,
    lambda: 5,
    lambda: succeed(None),
    lambda: succeed(([],)),
    lambda: succeed((None, [], [])),
]


@pytest.mark.parametrize("reply", FAILURES)
def test_aResolverThatFailsIsNoServers(reply: Callable[[], Any]) -> None:
    scene = Scene(a(DOMAIN))
    scene.resolver.answer(WSS, dns.SRV, reply)
    error = scene.refused()
    assert WSS in str(error)
    # What nobody knows is not guessed.
    assert "A example.com" not in scene.resolver.asked


@pytest.mark.parametrize("reply", FAILURES)
def test_aResolverThatDoesNotKnowOfNAPTRIsNoObstacle(reply: Callable[[], Any]) -> None:
    scene = Scene(srv(WSS, "one.example.com"))
    scene.resolver.answer(DOMAIN, dns.NAPTR, reply)
    located = scene.located()
    assert located.targets == (Target(True, "one.example.com", 443),)
    # The rest may be known soon.
    assert located.goodUntil == PARTIAL_TTL


@pytest.mark.parametrize("reply", FAILURES)
def test_oneOfTwoAnswersIsBetterThanNone(reply: Callable[[], Any]) -> None:
    scene = Scene(srv(WS, "plain.example.com", 80))
    scene.resolver.answer(WSS, dns.SRV, reply)
    assert scene.uris(insecure=True) == ["ws://plain.example.com/"]


def test_recordsThatAreNoneArePassedOver() -> None:
    scene = Scene()
    scene.resolver.answer(WSS, dns.SRV, [None, 5, srv(WSS, "one.example.com")])  # type: ignore[list-item]
    assert scene.uris() == ["wss://one.example.com/"]


def test_anAliasThatIsNoneIsNoAnswer() -> None:
    record: Any = cname(WSS, "b.example")
    record.payload.name.name = b"\xff\xfe"
    assert "neither" in str(Scene(record).refused())


# What never answers.


def test_aResolverThatIsSilentIsNotWaitedForLonger() -> None:
    scene = Scene()
    scene.resolver.answer(DOMAIN, dns.NAPTR, scene.resolver.silent)
    scene.resolver.answer(WSS, dns.SRV, scene.resolver.silent)
    results = scene.locate()
    scene.clock.advance(QUERY_TIMEOUT)
    assert results == []
    assert scene.resolver.asked == ["NAPTR example.com", f"SRV {WSS}"]
    scene.clock.advance(QUERY_TIMEOUT)
    [error] = results
    assert isinstance(error, NoServers)
    assert f"no answer in {QUERY_TIMEOUT:g} seconds" in str(error)
    assert scene.resolver.cancelled == 2
    scene.atRest()


def test_allOfALookupIsBounded() -> None:
    """A slow resolver and many ways do not add up."""
    scene = Scene(*[naptr("SIPS+D2W", f"s{n}.example") for n in range(5)])
    for n in range(5):
        scene.resolver.answer(f"s{n}.example", dns.SRV, scene.resolver.silent)
    results = scene.locate()
    scene.clock.pump([0.5] * int(LOOKUP_TIMEOUT * 2 - 1))
    assert results == []
    scene.clock.advance(0.5)
    [error] = results
    assert isinstance(error, NoServers)
    assert error.domain == DOMAIN
    scene.atRest()


def test_anAnswerThatComesTooLateIsNobodys() -> None:
    scene = Scene()
    scene.resolver.answer(WSS, dns.SRV, scene.resolver.silent)
    results = scene.locate()
    scene.clock.advance(QUERY_TIMEOUT)
    assert len(results) == 1
    [pending] = scene.resolver.pending
    # The resolver has not heard of it.
    if not pending.called:
        pending.callback(([srv(WSS, "one.example.com")], [], []))
    assert len(results) == 1


def test_aCancelledLookupLeavesNothing() -> None:
    scene = Scene()
    scene.resolver.answer(WSS, dns.SRV, scene.resolver.silent)
    locating = scene.locator.locate(DOMAIN)
    results = outcome(locating)
    locating.cancel()
    assert [type(result) for result in results] == [CancelledError]
    assert scene.resolver.cancelled == 1
    scene.atRest()


def test_aResolverThatCannotBeCancelledIsSurvived() -> None:
    def stubborn(deferred: Deferred[Any]) -> None:
        raise RuntimeError("no")

    scene = Scene()
    scene.resolver.answer(WSS, dns.SRV, lambda: Deferred(stubborn))
    first = outcome(scene.locator.locate(DOMAIN))
    scene.clock.advance(QUERY_TIMEOUT)
    assert isinstance(first[0], NoServers)
    second = scene.locator.locate(DOMAIN)
    results = outcome(second)
    second.cancel()
    assert [type(result) for result in results] == [CancelledError]
    scene.atRest()


def test_aResolverThatAnswersWhenItIsCancelledIsTooLate() -> None:
    def late(deferred: Deferred[Any]) -> None:
        deferred.callback(([srv(WSS, "one.example.com")], [], []))

    scene = Scene()
    scene.resolver.answer(WSS, dns.SRV, lambda: Deferred(late))
    results = outcome(scene.locator.locate(DOMAIN))
    scene.clock.advance(QUERY_TIMEOUT)
    assert [type(result) for result in results] == [NoServers]
    scene.atRest()


# URIs.


def test_aURIHasThePortThatIsNotTheDefaultAndThePath() -> None:
    assert Target(True, "a.example", 443).uri("/sip?x=1") == "wss://a.example/sip?x=1"
    assert Target(True, "a.example", 80).uri() == "wss://a.example:80/"
    assert Target(False, "a.example", 80).uri() == "ws://a.example/"
    assert Target(False, "a.example", 443).uri() == "ws://a.example:443/"
