"""A user agent that finds its servers by a SIP domain, on the network and with a resolver in memory."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from twisted.internet.defer import fail
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.names import dns
from twisted.names.error import DNSServerError

from sipws.config import Configuration, WsServer
from sipws.errors import NoServers, NotConnected
from sipws.interfaces import C
from sipws.testing import MemoryHost, MemoryNetwork, acceptRegister
from sipws.transport.lookup import QUERY_TIMEOUT
from sipws.ua import UserAgent
from sipws.ua.directory import RETRY_INTERVAL
from tests.resolving import MemoryResolver, a, naptr, srv
from tests.ua.fakes import ALICE, outcome

DOMAIN = "example.com"
WSS = f"_sips._ws.{DOMAIN}"
QUESTIONS = ["NAPTR example.com", f"SRV {WSS}"]


class Scene:
    """A user agent with a domain, a resolver and a network."""

    def __init__(self, *records: dns.RRHeader, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.network.answer("REGISTER", acceptRegister)
        self.resolver = MemoryResolver(*records)
        given = {
            "uri": ALICE,
            "wsDomain": DOMAIN,
            "wsServerMaxReconnection": 0,
            "connectionRecoveryMaxInterval": 2,
            **options,
        }
        self.ua = UserAgent(
            Configuration(**given), self.network.reactor, random=Random(1), resolver=self.resolver
        )
        self.tried: list[str] = []
        self.ua.on("connecting", lambda transport, attempts: self.tried.append(transport.server.ws_uri))

    def start(self) -> None:
        self.ua.start()
        self.network.advance(0)

    def stop(self) -> None:
        stopped = outcome(self.ua.stop())
        self.network.advance(2)
        assert stopped == [None]
        assert not self.network.reactor.getDelayedCalls()
        assert self.network.openSockets == 0

    def host(self, address: str) -> MemoryHost:
        """Tell a host of the network from the others."""
        host = self.network.host(address)
        host.answer("REGISTER", acceptRegister)
        return host

    def takeTried(self) -> list[str]:
        tried, self.tried[:] = list(self.tried), []
        return tried

    def dns(self) -> list[str]:
        """Give the questions since the last time, but those for addresses of hosts."""
        return [question for question in self.resolver.takeAsked() if not question.startswith("A")]

    @property
    def counted(self) -> tuple[int, int]:
        return self.ua.counters.lookups, self.ua.counters.failedLookups

    @property
    def isConnected(self) -> bool:
        return self.ua.way() is not None


def two(ttl: int = 60) -> list[dns.RRHeader]:
    """Make the records of a domain with two servers."""
    return [
        naptr("SIPS+D2W", WSS, ttl=ttl),
        srv(WSS, "one.example.com", 443, priority=1, ttl=ttl),
        srv(WSS, "two.example.com", 8443, priority=2, ttl=ttl),
        a("one.example.com", "192.0.2.1"),
        a("two.example.com", "192.0.2.2"),
    ]


#: A refusal comes so much later: Twisted waits for other addresses meanwhile.
LATE = 0.31

ONE, TWO = "wss://one.example.com/", "wss://two.example.com:8443/"


def test_itConnectsAndRegistersAtTheFirstServerOfTheDomain() -> None:
    scene = Scene(*two())
    registered = outcome(scene.ua.whenRegistered())
    scene.start()
    assert registered == [None]
    assert scene.takeTried() == [ONE]
    assert scene.counted == (1, 0)
    scene.stop()


def test_anAddressIsAskedOfTheSameResolver() -> None:
    scene = Scene(*two())
    host = scene.host("192.0.2.1")
    scene.start()
    assert scene.resolver.asked == [*QUESTIONS, "AAAA one.example.com", "A one.example.com"]
    assert len(host.connections) == 1
    scene.stop()


def test_aServerThatIsNamedByItsURIIsResolvedByItToo() -> None:
    scene = Scene(a("sip.example.com", "192.0.2.7"), wsDomain=None, wsServers="ws://sip.example.com")
    host = scene.host("192.0.2.7")
    scene.start()
    assert scene.resolver.asked == ["AAAA sip.example.com", "A sip.example.com"]
    assert len(host.connections) == 1
    assert scene.counted == (0, 0)
    scene.stop()


def test_thePathIsTheConfigured() -> None:
    scene = Scene(*two(), wsDomainPath="/sip")
    scene.start()
    assert scene.takeTried() == ["wss://one.example.com/sip"]
    scene.stop()


def test_wsIsTakenWhereThatIsConfigured() -> None:
    records = [naptr("SIP+D2W", "_sip._ws.example.com"), srv("_sip._ws.example.com", "one.example.com", 8080)]
    scene = Scene(*records, a("one.example.com"), wsDomainInsecure=True)
    scene.start()
    assert scene.takeTried() == ["ws://one.example.com:8080/"]
    assert scene.isConnected
    scene.stop()


def test_aDeadFirstServerIsPassedOver() -> None:
    scene = Scene(*two())
    scene.network.refuse()
    scene.start()
    scene.network.advance(LATE)
    assert scene.takeTried() == [ONE, TWO]
    # All of them in turn, for as long as none answers.
    scene.network.advance(LATE + 2 + LATE)
    assert scene.takeTried() == [ONE, TWO]
    scene.network.accept()
    scene.network.advance(LATE + 2)
    assert scene.isConnected
    assert scene.counted == (1, 0)
    scene.stop()


def test_aServerWithoutAddressIsPassedOver() -> None:
    scene = Scene(*[record for record in two() if record.name.name != b"one.example.com"])
    scene.start()
    assert scene.takeTried() == [ONE, TWO]
    assert scene.isConnected
    scene.stop()


def test_oneOfSeveralAttemptsIsNoReasonToLook() -> None:
    scene = Scene(*two(), wsServerMaxReconnection=2, wsServerReconnectionTimeout=4)
    scene.network.refuse()
    scene.start()
    scene.network.advance(8 + 3 * LATE)
    assert scene.takeTried() == [ONE, ONE, ONE, TWO]
    assert scene.counted == (1, 0)
    scene.stop()


# For as long as DNS says.


def test_withinTheTTLNothingIsAskedAgain() -> None:
    scene = Scene(*two(60))
    scene.start()
    assert scene.dns() == QUESTIONS
    for _ in range(5):
        scene.network.advance(10)
        scene.network.connection.drop()
        scene.network.advance(2)
        assert scene.isConnected
    assert scene.dns() == []
    assert scene.counted == (1, 0)
    scene.stop()


def test_afterTheTTLTheServersAreLookedUpAgain() -> None:
    scene = Scene(*two(60))
    scene.start()
    scene.takeTried()
    scene.network.advance(60)
    # A connection that is there is no reason to ask.
    assert scene.dns() == QUESTIONS
    scene.resolver.forget()
    scene.resolver.add(srv(WSS, "three.example.com", 443))
    scene.resolver.add(a("three.example.com"))
    scene.network.connection.drop()
    scene.network.advance(2)
    assert scene.dns() == QUESTIONS
    assert scene.takeTried() == ["wss://three.example.com/"]
    assert scene.isConnected
    assert scene.counted == (2, 0)
    scene.stop()


def test_aServerThatIsStillNamedIsTheSame() -> None:
    """What is known of it is not forgotten by a lookup: it was tried just now."""
    scene = Scene(*two(10))
    scene.start()
    first: Any = scene.ua.transport
    scene.network.advance(10)
    scene.network.refuse()
    scene.takeTried()
    scene.network.connection.drop()
    scene.network.advance(0)
    # The one that was lost is not the next to be tried.
    assert scene.takeTried() == [TWO]
    scene.network.advance(LATE)
    scene.network.accept()
    scene.network.advance(2)
    assert scene.takeTried() == [ONE]
    second: Any = scene.ua.transport
    assert second.server is first.server
    scene.stop()


def test_withoutEndOfAttemptsTheServersAreLookedUpAgainToo() -> None:
    scene = Scene(*two(10), wsServerMaxReconnection="unlimited", wsServerReconnectionTimeout=4)
    scene.network.refuse()
    scene.start()
    scene.network.advance(9)
    # Each 4 seconds, and a bit, for as long as the answer is good.
    assert scene.takeTried() == [ONE] * 3
    assert scene.counted == (1, 0)
    scene.network.advance(4 + LATE)
    assert scene.takeTried() == [ONE, TWO]
    assert scene.counted == (2, 0)
    scene.stop()


def test_aConnectionThatIsLostIsTriedOnceMoreBeforeThat() -> None:
    """A server that is back soon is no reason to ask whether it is still there."""
    scene = Scene(*two(10), wsServerMaxReconnection="unlimited", wsServerReconnectionTimeout=4)
    scene.start()
    scene.network.advance(10)
    scene.takeTried()
    scene.network.connection.drop()
    scene.network.advance(4)
    assert scene.takeTried() == [ONE]
    assert scene.isConnected
    assert scene.counted == (1, 0)
    scene.stop()


# Lookups that fail.


def test_whatWasFoundBeforeIsBetterThanNothing() -> None:
    scene = Scene(*two(10))
    scene.start()
    scene.network.advance(10)
    scene.resolver.forget()
    scene.resolver.answer(WSS, dns.SRV, lambda: fail(DNSServerError()))
    scene.resolver.add(a("two.example.com"))
    scene.takeTried()
    with capturedLogs() as logged:
        scene.network.connection.drop()
        scene.network.advance(0)
    assert scene.takeTried() == [TWO]
    assert scene.isConnected
    assert scene.counted == (2, 1)
    [warning] = [event for event in logged if "what was" in str(event.get("then"))]
    assert warning["log_level"] is LogLevel.warn
    assert "what was found before is used" in warning["log_format"].format(**warning)
    # It is not asked again with each choice.
    scene.network.connection.drop()
    scene.network.advance(RETRY_INTERVAL - 1)
    assert scene.counted == (2, 1)
    scene.network.advance(2)
    scene.network.connection.drop()
    scene.network.advance(2)
    assert scene.counted == (3, 2)
    scene.stop()


def test_withoutServersItIsLookedUpAgainInAWhile() -> None:
    scene = Scene()
    waiting = outcome(scene.ua.whenConnected(failAfterFailures=2))
    with capturedLogs() as logged:
        scene.start()
        assert scene.ua.status == C.STATUS_NOT_READY
        assert scene.ua.error == C.NETWORK_ERROR
        scene.network.advance(2)
    [error] = waiting
    assert isinstance(error, NoServers)
    assert error.domain == DOMAIN
    assert scene.counted == (2, 2)
    # It is said once.
    warnings = [event for event in logged if event["log_level"] is LogLevel.warn]
    assert len(warnings) == 1
    assert "neither NAPTR, SRV nor address records" in str(warnings[0]["error"])
    for record in two():
        scene.resolver.add(record)
    scene.network.advance(2)
    assert scene.isConnected
    assert scene.counted == (3, 2)
    scene.stop()


def test_whoeverIsToldThatThereAreNoServersMayStop() -> None:
    scene = Scene()
    scene.ua.whenConnected(failAfterFailures=1).addErrback(lambda failure: scene.ua.stop())
    scene.start()
    assert not scene.network.reactor.getDelayedCalls()
    assert scene.ua.status == C.STATUS_USER_CLOSED


def test_aResolverThatIsOutOfOrderIsSurvived() -> None:
    def broken() -> Any:
        raise RuntimeError("out of order")

    scene = Scene(*two())
    scene.resolver.answer(WSS, dns.SRV, broken)
    scene.start()
    assert scene.counted == (1, 1)
    scene.resolver.answer(WSS, dns.SRV, [srv(WSS, "one.example.com")])
    scene.network.advance(2)
    assert scene.isConnected
    scene.stop()


def test_aResolverThatCannotBeAskedAtAllIsSurvived() -> None:
    scene = Scene(*two())
    scene.resolver.lookupNamingAuthorityPointer = None  # type: ignore[method-assign, assignment]
    scene.resolver.lookupService = None  # type: ignore[method-assign, assignment]
    scene.start()
    assert scene.counted == (1, 1)
    scene.stop()


# The end.


def test_stopDuringALookupEndsIt() -> None:
    scene = Scene()
    scene.resolver.answer(DOMAIN, dns.NAPTR, scene.resolver.silent)
    waiting = outcome(scene.ua.whenConnected())
    scene.start()
    assert scene.ua.status == C.STATUS_STARTING
    scene.stop()
    assert scene.resolver.cancelled == 1
    assert [type(error) for error in waiting] == [NotConnected]
    assert scene.counted == (1, 0)


def test_stopDuringTheLookupOfAnAddressEndsItToo() -> None:
    scene = Scene(*two())
    scene.resolver.answer("one.example.com", dns.A, scene.resolver.silent)
    scene.start()
    assert scene.takeTried() == [ONE]
    scene.stop()
    assert scene.resolver.cancelled == 1


def test_anAttemptWhoseAddressIsNotFoundInTimeEndsTheLookup() -> None:
    scene = Scene(*two(), connectTimeout=3)
    scene.resolver.answer("one.example.com", dns.A, scene.resolver.silent)
    scene.start()
    scene.network.advance(3)
    assert scene.resolver.cancelled == 1
    assert scene.takeTried() == [ONE, TWO]
    assert scene.isConnected
    scene.stop()


def test_startAfterAStopDuringALookupLooksAgain() -> None:
    scene = Scene(*two())
    scene.resolver.answer(DOMAIN, dns.NAPTR, scene.resolver.silent)
    scene.start()
    scene.stop()
    scene.resolver.answer(DOMAIN, dns.NAPTR, [naptr("SIPS+D2W", WSS)])
    scene.start()
    assert scene.isConnected
    assert scene.counted == (2, 0)
    scene.stop()


def test_aSilentResolverHoldsNothingUpForEver() -> None:
    scene = Scene(*two())
    scene.resolver.answer(DOMAIN, dns.NAPTR, scene.resolver.silent)
    scene.start()
    scene.network.advance(QUERY_TIMEOUT)
    assert scene.isConnected
    scene.stop()


# Two flows.


def test_twoFlowsTakeTwoServersAndLookOnce() -> None:
    scene = Scene(*two(), flows=2, instanceId="urn:uuid:8f6c0c1a-3f0b-4d55-9a36-0b5b1d1c6a11")
    scene.start()
    assert sorted(flow.server.ws_uri for flow in scene.ua.flows if flow.server) == [ONE, TWO]
    assert all(flow.connected for flow in scene.ua.flows)
    assert scene.dns() == QUESTIONS
    assert scene.counted == (1, 0)
    scene.stop()


def test_stopDuringALookupEndsItForTwoFlows() -> None:
    scene = Scene(flows=2, instanceId="urn:uuid:8f6c0c1a-3f0b-4d55-9a36-0b5b1d1c6a11")
    scene.resolver.answer(DOMAIN, dns.NAPTR, scene.resolver.silent)
    scene.start()
    scene.stop()
    assert scene.resolver.cancelled == 1


# What costs nothing where it is not used.


def test_withServersNamedByTheirURIsThereIsNoDirectory() -> None:
    scene = Scene(wsDomain=None, wsServers="ws://192.0.2.1")
    assert all(flow.directory is None for flow in scene.ua.flows)
    scene.start()
    assert scene.isConnected
    assert scene.resolver.asked == []
    scene.stop()


@pytest.mark.parametrize("weight", [3, 1])
def test_aServerCanBeGivenAnotherPlace(weight: int) -> None:
    server = WsServer("wss://a.example", 2, domain="example.com")
    server.status = WsServer.STATUS_ERROR
    server.reweigh(weight)
    assert server.weight == weight
    assert server.status == WsServer.STATUS_ERROR
    assert server.fresh().domain == "example.com"


# The way back.


def returning(*records: dns.RRHeader) -> Scene:
    """A user agent at the second of two servers, which looks for a way back."""
    scene = Scene(*records, wsServerReturnInterval=30, wsServerRest=5)
    first = scene.host("192.0.2.1")
    scene.host("192.0.2.2")
    first.refuse()
    scene.start()
    scene.network.advance(5)
    assert scene.takeTried() == [ONE, TWO]
    first.accept()
    return scene


def test_afterTheTTLTheWayBackLeadsToWhatTheDomainHasThen() -> None:
    scene = returning(*two(ttl=10))
    scene.resolver.forget()
    scene.resolver.add(naptr("SIPS+D2W", WSS, ttl=10))
    scene.resolver.add(srv(WSS, "new.example.com", 443, priority=1, ttl=10))
    scene.resolver.add(srv(WSS, "two.example.com", 8443, priority=2, ttl=10))
    for record in (a("new.example.com", "192.0.2.3"), *two()[3:]):
        scene.resolver.add(record)
    new = scene.host("192.0.2.3")
    gone = scene.network.host("192.0.2.1").attempts
    scene.network.advance(60)
    assert [connection.connected for connection in new.connections] == [True]
    assert scene.network.host("192.0.2.1").attempts == gone
    assert scene.counted == (2, 0)
    scene.stop()


def test_whatIsOutOfDateIsNotReturnedTo() -> None:
    scene = returning(*two(ttl=10))
    first = scene.network.host("192.0.2.1").attempts
    scene.resolver.forget()
    for record in two()[3:]:
        scene.resolver.add(record)
    scene.network.advance(600)
    assert scene.network.host("192.0.2.1").attempts == first
    assert scene.isConnected
    assert scene.ua.counters.failedLookups > 1
    for record in two()[:3]:
        scene.resolver.add(record)
    scene.network.advance(90)
    assert scene.network.host("192.0.2.1").attempts == first + 1
    scene.stop()


def test_stopDuringTheLookupOfAWayBackEndsIt() -> None:
    scene = returning(*two(ttl=10))
    scene.resolver.answer(DOMAIN, dns.NAPTR, scene.resolver.silent)
    for _ in range(45):
        scene.network.advance(1)
        if scene.counted[0] == 2:
            break
    assert scene.counted[0] == 2
    scene.stop()
    assert scene.resolver.cancelled == 1


def equals() -> list[dns.RRHeader]:
    """Make the records of a domain with two servers that are as good as each other."""
    return [
        naptr("SIPS+D2W", WSS),
        srv(WSS, "one.example.com", 443, priority=1, weight=10),
        srv(WSS, "two.example.com", 8443, priority=1, weight=10),
        *two()[3:],
    ]


def test_nobodyReturnsToOneOfTheSamePriority() -> None:
    scene = Scene(*equals(), wsServerReturnInterval=30, wsServerRest=5)
    hosts = [scene.host("192.0.2.1"), scene.host("192.0.2.2")]
    scene.start()
    [first] = [host for host in hosts if host.connections]
    [second] = [host for host in hosts if not host.connections]
    first.refuse()
    first.crash()
    scene.network.advance(5)
    assert second.connection.connected
    first.accept()
    scene.network.advance(600)
    assert scene.ua.counters.returns == 0
    assert second.connection.connected
    scene.stop()


# Two flows, and one server.


def alone(**options: Any) -> Scene:
    """A user agent with two flows, whose domain has one server."""
    records = [
        naptr("SIPS+D2W", WSS, ttl=86400),
        srv(WSS, "one.example.com", 443, ttl=86400),
        a("one.example.com", ttl=86400),
    ]
    return Scene(*records, flows=2, instanceId="urn:uuid:8f6c0c1a-3f0b-4d55-9a36-0b5b1d1c6a11", **options)


def test_whileAFlowStillTriesNothingIsSaidToBeUnreachable() -> None:
    scene = alone()
    scene.network.stall()
    scene.start()
    assert scene.ua.status == C.STATUS_STARTING
    assert scene.ua.error is None
    scene.stop()


def test_thatTheOtherFlowHasTheOnlyServerIsLoggedOnce() -> None:
    scene = alone(connectionRecoveryMaxInterval=30)
    with capturedLogs() as events:
        scene.start()
        scene.network.advance(3600)
    told = [formatEvent(event) for event in events if "no server" in formatEvent(event)]
    assert len(told) == 1
    assert "that another flow has not" in told[0]
    assert scene.isConnected
    scene.stop()
