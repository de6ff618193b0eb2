"""Addresses by a resolver of twisted.names, and which name servers this system asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver, IResolver
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.names import dns
from twisted.names.error import DNSServerError
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipws.transport.lookup import QUERY_TIMEOUT
from sipws.transport.resolver import MAX_ADDRESSES, NameResolver, SystemResolver, nameServers
from tests.resolving import MemoryResolver, a, aaaa, cname
from tests.ua.fakes import outcome

HOST = "one.example.com"


@implementer(IResolutionReceiver)
class Receiver:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.began: list[IHostResolution] = []
        self.addresses: list[Any] = []
        self.completed = 0

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self.began.append(resolutionInProgress)

    def addressResolved(self, address: Any) -> None:
        assert not self.completed
        self.addresses.append(address)

    def resolutionComplete(self) -> None:
        self.completed += 1


class Scene:
    """A name resolver over a resolver in memory."""

    def __init__(self, *records: dns.RRHeader) -> None:
        self.clock = Clock()
        self.resolver = MemoryResolver(*records)
        self.names = NameResolver(self.resolver, self.clock)
        self.receiver = Receiver()

    def resolve(self, **options: Any) -> Any:
        return self.names.resolveHostName(self.receiver, HOST, 443, **options)

    def resolved(self, **options: Any) -> list[Any]:
        resolution = self.resolve(**options)
        assert self.receiver.began == [resolution]
        assert self.receiver.completed == 1
        assert self.clock.getDelayedCalls() == []
        return self.receiver.addresses


def test_itIsWhatTwistedAsks() -> None:
    scene = Scene()
    assert verifyObject(IHostnameResolver, scene.names)
    assert verifyObject(IHostResolution, scene.resolve())


def test_addressesOfBothFamiliesAreFound() -> None:
    scene = Scene(a(HOST, "192.0.2.1"), a(HOST, "192.0.2.2"), aaaa(HOST, "2001:db8::7"))
    assert scene.resolved() == [
        IPv6Address("TCP", "2001:db8::7", 443),
        IPv4Address("TCP", "192.0.2.1", 443),
        IPv4Address("TCP", "192.0.2.2", 443),
    ]


@pytest.mark.parametrize(("family", "asked"), [(IPv4Address, [f"A {HOST}"]), (IPv6Address, [f"AAAA {HOST}"])])
def test_onlyWhatIsWantedIsAskedFor(family: Any, asked: list[str]) -> None:
    scene = Scene(a(HOST), aaaa(HOST))
    [address] = scene.resolved(addressTypes=[family])
    assert isinstance(address, family)
    assert scene.resolver.asked == asked


def test_aNameWithoutAddressesHasNone() -> None:
    assert Scene().resolved() == []


def test_anAliasIsFollowed() -> None:
    assert Scene(cname(HOST, "b.example"), a("b.example")).resolved() == [
        IPv4Address("TCP", "192.0.2.1", 443)
    ]


def test_oneFamilyThatFailsDoesNotTakeTheOtherAway() -> None:
    scene = Scene(a(HOST))
    scene.resolver.answer(HOST, dns.AAAA, lambda: fail(DNSServerError()))
    assert scene.resolved() == [IPv4Address("TCP", "192.0.2.1", 443)]


def test_thousandsOfAddressesAreNotAllTried() -> None:
    assert len(Scene(*[a(HOST, f"192.0.2.{n % 250}") for n in range(3000)]).resolved()) == MAX_ADDRESSES


def test_anAddressThatIsNoneIsPassedOver() -> None:
    record: Any = a(HOST)
    record.payload.address = b"\x01\x02"
    other: Any = aaaa(HOST)
    other.payload = dns.Record_A("192.0.2.1")
    scene = Scene(record, a(HOST, "192.0.2.2"), other)
    assert scene.resolved() == [IPv4Address("TCP", "192.0.2.2", 443)]


def test_aSilentResolverIsNotWaitedForLonger() -> None:
    scene = Scene(a(HOST))
    scene.resolver.answer(HOST, dns.AAAA, scene.resolver.silent)
    scene.resolve()
    before = scene.receiver.completed
    assert before == 0
    scene.clock.advance(QUERY_TIMEOUT)
    assert scene.receiver.addresses == [IPv4Address("TCP", "192.0.2.1", 443)]
    assert scene.receiver.completed == 1
    assert scene.clock.getDelayedCalls() == []


def test_nothingIsToldOfWhatIsCancelled() -> None:
    scene = Scene()
    for kind in (dns.A, dns.AAAA):
        scene.resolver.answer(HOST, kind, scene.resolver.silent)
    resolution = scene.resolve()
    resolution.cancel()
    assert scene.resolver.cancelled == 2
    assert (scene.receiver.addresses, scene.receiver.completed) == ([], 0)
    assert scene.clock.getDelayedCalls() == []
    resolution.cancel()


# The system's.


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.53\nnameserver 2001:db8::53\n", ["192.0.2.53", "2001:db8::53"]),
        ("# nameserver 192.0.2.1\nsearch example.com\n nameserver\t192.0.2.2 # ours\n", ["192.0.2.2"]),
        ("nameserver\n", ["127.0.0.1"]),
        ("", ["127.0.0.1"]),
    ],
)
def test_theNameServersAreThoseOfTheFile(text: str, servers: list[str], tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert nameServers(path) == servers


def test_withoutAFileTheSystemIsItsOwnNameServer(tmp_path: Path) -> None:
    assert nameServers(tmp_path / "nothing") == ["127.0.0.1"]


def system(folder: Path) -> tuple[SystemResolver, Any]:
    (folder / "resolv.conf").write_text("nameserver 192.0.2.53\n")
    (folder / "hosts").write_text("192.0.2.9 here.example\n")
    reactor: Any = MemoryReactorClock()
    return SystemResolver(reactor, folder / "resolv.conf", folder / "hosts"), reactor


def test_theFileOfHostsIsAskedFirst(tmp_path: Path) -> None:
    resolver, reactor = system(tmp_path)
    assert verifyObject(IResolver, resolver)
    found: Deferred[Any] = resolver.lookupAddress("here.example")
    [((record,), _, _)] = outcome(found)
    assert record.payload.dottedQuad() == "192.0.2.9"
    assert reactor.getDelayedCalls() == []


def test_makingOneLeavesNothing(tmp_path: Path) -> None:
    resolver, reactor = system(tmp_path)
    resolver.close()
    assert reactor.getDelayedCalls() == []
