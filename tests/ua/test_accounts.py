"""Several accounts in one process, that share what makes their connections."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import noLongerProvides

from sipws import Accounts, Configuration, UserAgent
from sipws.message import URI
from sipws.server import EmbeddedServer
from sipws.testing import MemoryNetwork
from sipws.transport import tlsfiles
from sipws.transport.location import IInnerReactor
from tests.transport.certificates import Authority
from tests.ua.fakes import outcome

NAME = "sip.example.com"
AUTHORITY = Authority()
USERS = {"alice": "wonderland", "bob": "builder", "carol": "christmas"}


class World:
    """An embedded server that speaks TLS, in memory, and the accounts that are on it."""

    def __init__(self, folder: Path) -> None:
        identity = AUTHORITY.issue([NAME])
        self.caFile = identity.write(folder, "authority.pem", AUTHORITY.certificatePEM)
        self.network = MemoryNetwork()
        self.server = EmbeddedServer(self.network.reactor, domain="example.com", users=USERS)
        self.network.server = TLSMemoryBIOFactory(
            identity.asServer(None), False, self.server.factory, clock=self.network.reactor
        )
        # There is TLS on this network.
        noLongerProvides(self.network.reactor, IInnerReactor)
        self.accounts = Accounts(self.network.reactor)

    def configure(self, user: str, **options: Any) -> Configuration:
        given = {
            "uri": f"sip:{user}@example.com",
            "password": USERS[user],
            "wsServers": f"wss://{NAME}",
            "caFile": self.caFile,
            **options,
        }
        return Configuration(**given)

    def start(self) -> list[UserAgent]:
        added = [self.accounts.add(self.configure(user)) for user in USERS]
        self.accounts.start()
        self.network.advance(0)
        return added

    def stop(self) -> None:
        stopped = outcome(self.accounts.stop())
        self.network.advance(5)
        assert stopped == [None]
        assert not self.server.locations


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class TestTogether:
    def test_eachHasItsOwnConnectionAndRegistration(self, world: World) -> None:
        added = world.start()
        assert all(ua.registration.registered for ua in added)
        assert len(world.server.connections) == 3
        assert len({ua.transport for ua in added}) == 3
        world.stop()

    def test_allShareOneTLSContext(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        made: list[str] = []
        make: Any = optionsForClientTLS

        def counted(name: str, **options: Any) -> Any:
            made.append(name)
            return make(name, **options)

        monkeypatch.setattr(tlsfiles, "optionsForClientTLS", counted)
        gc.collect()
        added = world.start()
        creators = {id(transport._factory._creator._creator) for transport in transportsOf(added)}
        assert made == [NAME]
        assert len(creators) == 1
        # A connection that is made later finds it there.
        transportsOf(added)[0].ws.transport.abortConnection()
        world.network.advance(10)
        assert all(ua.registration.registered for ua in added)
        assert made == [NAME]
        world.stop()

    def test_eachIsItself(self, world: World) -> None:
        alice, bob, carol = world.start()
        heard: dict[UserAgent, list[str]] = {alice: [], bob: [], carol: []}
        for ua, senders in heard.items():
            ua.on("message", lambda request, senders=senders: senders.append(str(request.fromHeader.uri)))
        sent = [outcome(alice.message("bob", "hello")), outcome(bob.message("carol", "hello"))]
        world.network.advance(0)
        assert [got[0].statusCode for got in sent] == [200, 200]
        assert heard == {alice: [], bob: ["sip:alice@example.com"], carol: ["sip:bob@example.com"]}
        world.stop()

    def test_whatBecomesOfOneTouchesNoOther(self, world: World) -> None:
        alice, bob, carol = world.start()
        (transport,) = transportsOf([alice])
        transport.ws.transport.abortConnection()
        world.network.advance(0)
        assert [ua.registration.registered for ua in (alice, bob, carol)] == [False, True, True]
        world.stop()

    def test_theyAreStartedOnce(self, world: World) -> None:
        world.start()
        world.accounts.start()
        world.network.advance(0)
        assert len(world.server.connections) == 3
        world.stop()


class TestOne:
    def test_itIsFoundByItsAddress(self, world: World) -> None:
        ua = world.accounts.add(world.configure("alice"))
        assert world.accounts.find(URI.parse("sip:alice@EXAMPLE.com")) is ua
        assert URI.parse("sip:alice@example.com;transport=ws") in world.accounts
        assert URI.parse("sips:alice@example.com") not in world.accounts
        assert URI.parse("sip:Alice@example.com") not in world.accounts
        assert (list(world.accounts), len(world.accounts)) == ([ua], 1)

    def test_itIsStartedWhereTheOthersAre(self, world: World) -> None:
        world.accounts.start()
        seen: list[int] = []
        ua = world.accounts.add(world.configure("alice"), lambda ua: seen.append(ua.status))
        world.network.advance(0)
        assert seen == [ua.C.STATUS_INIT]
        assert ua.registration.registered
        world.stop()

    def test_itIsRemovedAlone(self, world: World) -> None:
        alice, bob, carol = world.start()
        removed = outcome(world.accounts.remove(bob))
        world.network.advance(5)
        assert removed == [None]
        assert list(world.accounts) == [alice, carol]
        assert [ua.registration.registered for ua in (alice, bob, carol)] == [True, False, True]
        with pytest.raises(ValueError, match="none of these"):
            world.accounts.remove(bob)
        world.stop()
        assert repr(world.accounts) == "<Accounts 2 stopped>"

    def test_anAddressHasOne(self, world: World) -> None:
        world.accounts.add(world.configure("alice"))
        with pytest.raises(ValueError, match="has a user agent already"):
            world.accounts.add(world.configure("alice", uri="sip:alice@Example.com"))
        with pytest.raises(ValueError, match="address of record"):
            world.accounts.add(Configuration(wsServers="wss://x", register=False))
        assert len(world.accounts) == 1

    def test_oneThatCannotBeStartedIsNotThere(self, world: World, tmp_path: Path) -> None:
        world.accounts.start()
        configuration = world.configure("alice")
        Path(world.caFile).write_text("nothing")
        with pytest.raises(ValueError, match="caFile"):
            world.accounts.add(configuration)
        assert len(world.accounts) == 0


def transportsOf(userAgents: list[UserAgent]) -> list[Any]:
    return [ua.transport for ua in userAgents]
