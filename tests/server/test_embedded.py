"""Two user agents of ours and the embedded server, all in memory, as in a user's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
import trustme
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.logger import ILogObserver, globalLogPublisher
from zope.interface import implementer

from sipws import Configuration, UserAgent
from sipws.errors import ConfigurationError, TransactionTimeout
from sipws.message import IncomingRequest
from sipws.server import EmbeddedServer, ServerLimits
from sipws.testing import MemoryNetwork
from tests.server.harness import DOMAIN, World

reactor: Any = _reactor

USERS = {"alice": "wonderland", "bob": "Grüße, ☎"}


class Place:
    """A network in memory with an embedded server on it."""

    def __init__(self, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.server = EmbeddedServer(self.network.reactor, domain=DOMAIN, **options)
        self.network.server = self.server.factory
        self.agents: list[UserAgent] = []

    def agent(self, user: str, password: str | None = None, **options: Any) -> UserAgent:
        """Have a user agent start."""
        configuration = Configuration(
            uri=f"sip:{user}@{DOMAIN}",
            password=password or USERS.get(user),
            wsServers=f"ws://{DOMAIN}",
            **options,
        )
        agent = UserAgent(configuration, self.network.reactor)
        self.agents.append(agent)
        agent.start()
        self.network.advance(0)
        return agent

    def result(self, deferred: Deferred[Any], seconds: float = 0) -> Any:
        """Give what comes of a Deferred within a time."""
        self.network.advance(seconds)
        results: list[Any] = []
        deferred.addBoth(results.append)
        assert results
        return results[0]

    def stop(self) -> None:
        """Stop all, and see that nothing is left."""
        for agent in self.agents:
            self.result(agent.stop(), 5)
        self.result(self.server.stop(), 1)
        assert not self.server.connections
        assert not self.server.locations
        assert not self.server.transactions
        assert self.network.openSockets == 0
        assert self.network.reactor.getDelayedCalls() == []


@pytest.fixture(params=[None, USERS], ids=["open", "digest"])
def place(request: pytest.FixtureRequest) -> Any:
    place = Place(users=request.param)
    yield place
    place.stop()


class TestTwoUsers:
    def test_theyExchangeMessages(self, place: Place) -> None:
        alice, bob = place.agent("alice"), place.agent("bob")
        received: list[IncomingRequest] = []
        alice.handle("MESSAGE", received.append)
        bob.handle("MESSAGE", received.append)

        there = place.result(alice.message(f"sip:bob@{DOMAIN}", "Grüße"))
        back = place.result(bob.message(f"sip:alice@{DOMAIN}", "Danke"))

        assert (there.statusCode, back.statusCode) == (200, 200)
        assert [request.body.decode() for request in received] == ["Grüße", "Danke"]
        assert [request.fromHeader.uri.user for request in received] == ["alice", "bob"]

    def test_theyAskWhatTheOtherCanDo(self, place: Place) -> None:
        alice, bob = place.agent("alice"), place.agent("bob")
        bob.handle("INFO", lambda request: 200)

        there = place.result(alice.options(f"sip:bob@{DOMAIN}"))
        back = place.result(bob.options(f"sip:alice@{DOMAIN}"))

        assert (there.statusCode, back.statusCode) == (200, 200)
        assert "INFO" in there.getHeaders("Allow")
        assert "INFO" not in back.getHeaders("Allow")

    def test_theServerAnswersForItself(self, place: Place) -> None:
        alice = place.agent("alice")

        assert place.result(alice.options(f"sip:{DOMAIN}")).getHeaders("Allow") == [
            "OPTIONS",
            "REGISTER",
            "PUBLISH",
            "SUBSCRIBE",
        ]

    def test_nobodyIsNotFound(self, place: Place) -> None:
        alice = place.agent("alice")

        assert place.result(alice.message(f"sip:nobody@{DOMAIN}", "x")).statusCode == 404

    def test_whoHasStoppedIsUnavailable(self, place: Place) -> None:
        alice, bob = place.agent("alice"), place.agent("bob")
        assert f"sip:bob@{DOMAIN}" in place.server.locations
        place.result(bob.stop())

        assert f"sip:bob@{DOMAIN}" not in place.server.locations
        assert place.result(alice.message(f"sip:bob@{DOMAIN}", "x")).statusCode == 480

    def test_registrationsAreRefreshed(self, place: Place) -> None:
        place.agent("alice", registerExpires=100)

        place.network.advance(1_000)

        assert f"sip:alice@{DOMAIN}" in place.server.locations

    def test_aBriefRegistrationIsLengthened(self, place: Place) -> None:
        """423 and Min-Expires."""
        place.agent("alice", registerExpires=10)

        (binding,) = place.server.locations[f"sip:alice@{DOMAIN}"]
        assert binding.expires - place.network.reactor.seconds() == 60

    def test_whoDoesNotAnswerTimesOut(self, place: Place) -> None:
        alice, bob = place.agent("alice"), place.agent("bob")
        never: Deferred[None] = Deferred()
        bob.handle("MESSAGE", lambda request: never)

        failure = place.result(alice.message(f"sip:bob@{DOMAIN}", "x"), 40)

        assert failure.check(TransactionTimeout)

    def test_theServerGoesAndComesBack(self, place: Place) -> None:
        alice = place.agent("alice", wsServerReconnectionTimeout=1)
        place.result(place.server.stop())
        assert not place.server.locations

        place.network.advance(2)

        assert f"sip:alice@{DOMAIN}" in place.server.locations
        assert place.result(alice.options(f"sip:{DOMAIN}")).statusCode == 200


class TestPasswords:
    @pytest.fixture
    def place(self) -> Any:
        place = Place(users=USERS)
        yield place
        place.stop()

    def test_aWrongPasswordIsRefused(self, place: Place) -> None:
        causes: list[Any] = []
        agent = UserAgent(
            Configuration(uri=f"sip:alice@{DOMAIN}", password="wrong", wsServers=f"ws://{DOMAIN}"),
            place.network.reactor,
        )
        agent.on("registrationFailed", lambda *given: causes.append(given))
        place.agents.append(agent)
        agent.start()
        place.network.advance(1)

        assert causes
        assert not place.server.locations
        assert place.result(agent.message(f"sip:bob@{DOMAIN}", "x")).statusCode == 407

    def test_noSecretIsTraced(self) -> None:
        """Nor is any other digest's response: neither here nor there."""
        seen: list[str] = []
        place = Place(users=USERS, traceSip=True)

        @implementer(ILogObserver)
        def observe(event: Any) -> None:
            if event.get("log_namespace") == "sip.server":
                seen.append(event["text"])

        globalLogPublisher.addObserver(observe)
        try:
            place.agent("alice")
        finally:
            globalLogPublisher.removeObserver(observe)
        place.stop()

        trace = "".join(seen)
        assert "REGISTER sip:" in trace
        assert "SIP/2.0 401 " in trace
        assert "SIP/2.0 200 " in trace
        assert "Authorization: Digest" in trace
        assert 'response="' not in trace
        assert "wonderland" not in trace

    def test_noSecretIsShown(self) -> None:
        assert "wonderland" not in repr(EmbeddedServer(World().clock, users=USERS))


class TestOptions:
    @pytest.mark.parametrize("domain", ["", "a b", "user@host", "host:5060", "host;transport=ws", "a,b"])
    def test_aDomainIsAHost(self, domain: str) -> None:
        with pytest.raises(ConfigurationError) as raised:
            EmbeddedServer(World().clock, domain=domain)

        assert raised.value.option == "domain"

    @pytest.mark.parametrize("domain", ["localhost", "127.0.0.1", "[::1]", "Example.TEST"])
    def test_aHostIsADomain(self, domain: str) -> None:
        assert EmbeddedServer(World().clock, domain=domain).domain == domain.lower()

    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("maxConnections", 0),
            ("maxMessageSize", -1),
            ("openTimeout", "5"),
            ("maxBindings", True),
            ("minExpires", 3_601),
            ("defaultExpires", 10),
            ("defaultExpires", 10_000),
        ],
    )
    def test_limitsAreChecked(self, option: str, value: Any) -> None:
        with pytest.raises(ConfigurationError) as raised:
            ServerLimits(**{option: value})

        assert raised.value.option == option


class TestSockets:
    @pytest_twisted.ensureDeferred
    async def test_itListensOnWhatItIsGiven(self) -> None:
        server = EmbeddedServer(reactor)
        port: Any = await server.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
        uri = f"ws://127.0.0.1:{port.getHost().port}"
        agent = UserAgent(Configuration(uri="sip:alice@127.0.0.1", wsServers=uri), reactor)
        agent.start()
        await agent.whenRegistered().addTimeout(10, reactor)

        (binding,) = server.locations["sip:alice@localhost"]
        assert not binding.connection.secure
        assert (await agent.message("sip:nobody@localhost", "x")).statusCode == 404

        await server.stop()
        assert not server.locations
        await agent.stop()

    # Twisted's endpoint hands pyOpenSSL the certificate as it always did.
    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
    @pytest_twisted.ensureDeferred
    async def test_overTLSItsConnectionsAreSecure(self, tmp_path: Path) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            tmp_path / "server.pem"
        )
        server = EmbeddedServer(reactor)
        port: Any = await server.listen(
            serverFromString(reactor, f"ssl:0:interface=127.0.0.1:privateKey={tmp_path}/server.pem")
        )
        uri, caFile = f"wss://localhost:{port.getHost().port}", str(tmp_path / "ca.pem")
        agents = []
        for user in ("alice", "bob"):
            configuration = Configuration(uri=f"sip:{user}@localhost", wsServers=uri, caFile=caFile)
            agents.append(UserAgent(configuration, reactor))
            agents[-1].handle("MESSAGE", lambda request: 200)
            agents[-1].start()
            await agents[-1].whenRegistered().addTimeout(10, reactor)

        (binding,) = server.locations["sip:bob@localhost"]
        assert binding.connection.secure
        assert (await agents[0].message("sips:bob@localhost", "x")).statusCode == 200

        for agent in agents:
            await agent.stop()
        await server.stop()
