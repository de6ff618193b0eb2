"""Twisted's own RegisterProxy, unchanged, with clients that speak SIP over WebSocket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.protocols import sip
from zope.interface import implementer

from sipws import Configuration, UserAgent
from sipws.message import IncomingRequest
from sipws.server import ServerLimits
from sipws.testing import MemoryNetwork
from sipws.transport import Transport
from sipws.twistedsip import WebSocketServerPort
from tests.conftest import FlushLoggedErrors

DOMAIN = "example.com"

#: More than one octet a character, and what looks like SIP.
TEXT = "Grüße aus Łódź — 15:30? ☎️\r\nSIP/2.0 200 OK\r\n\r\nnot a header: 日本語"


class World:
    """A network that leads to a proxy of Twisted's."""

    def __init__(self, proxy: Any = None, **limits: Any) -> None:
        self.network = MemoryNetwork()
        self.proxy = proxy or sip.RegisterProxy(host=DOMAIN)
        self.registry = sip.InMemoryRegistry(DOMAIN)
        self.proxy.registry = self.proxy.locator = self.registry
        self.port = WebSocketServerPort(self.proxy, self.network.reactor, limits=ServerLimits(**limits))
        self.network.server = self.port.factory

    def start(self, user: str, **options: Any) -> UserAgent:
        given = {"uri": f"sip:{user}@{DOMAIN}", "wsServers": "ws://example.com", **options}
        agent = UserAgent(Configuration(**given), self.network.reactor)
        agent.start()
        self.network.advance(0)
        return agent

    def resultOf(self, deferred: Deferred[Any]) -> Any:
        got: list[Any] = []
        deferred.addBoth(got.append)
        self.network.advance(0)
        assert got, "there is no result"
        return got[0]

    def stop(self, *agents: UserAgent) -> None:
        for agent in agents:
            agent.stop()
        self.network.advance(70)
        self.port.stopListening()
        self.network.advance(5)
        for call, _ in self.registry.users.values():
            if call.active():
                call.cancel()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    # It has its own, global, reactor and time for the expiry of registrations.
    monkeypatch.setattr(sip, "reactor", made.network.reactor)
    monkeypatch.setattr(sip, "time", SimpleNamespace(time=made.network.reactor.seconds))
    return made


def inbox(agent: UserAgent) -> list[str]:
    texts: list[str] = []

    def take(request: IncomingRequest) -> int:
        texts.append(request.body.decode())
        return 200

    agent.handle("MESSAGE", take)
    return texts


def test_itRegistersUsersAndRelaysMessages(world: World) -> None:
    alice, bob = world.start("alice"), world.start("bob")
    assert alice.registration.registered
    assert set(world.registry.users) == {"alice", "bob"}
    atBob, atAlice = inbox(bob), inbox(alice)
    assert world.resultOf(alice.message("bob", "hello")).statusCode == 200
    assert world.resultOf(bob.message("alice", TEXT)).statusCode == 200
    assert (atBob, atAlice) == (["hello"], [TEXT])
    world.stop(alice, bob)


def test_whatItRelaysIsAsRFC7118Asks(world: World) -> None:
    alice, bob = world.start("alice"), world.start("bob")
    seen: list[IncomingRequest] = []

    def see(request: IncomingRequest) -> int:
        seen.append(request)
        return 200

    bob.handle("MESSAGE", see)
    world.resultOf(alice.message("bob", "one"))
    world.resultOf(alice.message("bob", "two"))
    first, second = seen
    top, below = first.getHeaders("Via")
    assert top.startswith("SIP/2.0/WS example.com")
    assert first.viaBranch is not None
    assert first.viaBranch.startswith("z9hG4bK")
    assert first.viaBranch != second.viaBranch
    assert below.startswith(f"SIP/2.0/WS {alice.configuration.viaHost};")
    assert "received=" in below
    world.stop(alice, bob)


def test_callsPassThroughIt(world: World) -> None:
    alice, bob = world.start("alice"), world.start("bob")
    accepting: list[object] = []
    bob.on("invite", lambda session: accepting.append(session.accept("v=0 answer").addErrback(str)))
    caller = alice.invite("bob", "v=0 offer")
    world.network.advance(0)
    # It forwards no ACK: RegisterProxy keeps them.  But the answer is there.
    assert caller.state == "confirmed"
    assert caller.remoteDescription is not None
    assert caller.remoteDescription.body == b"v=0 answer"
    world.stop(alice, bob)


def test_whoeverIsNotThereIsNotFound(world: World) -> None:
    alice = world.start("alice")
    assert world.resultOf(alice.message("carol", "hello")).statusCode == 404
    assert world.resultOf(alice.message("carol@elsewhere.example", "hello")).statusCode == 404
    world.stop(alice)


def test_whoUnregistersIsGone(world: World) -> None:
    alice, bob = world.start("alice"), world.start("bob")
    bob.unregister()
    world.network.advance(0)
    assert set(world.registry.users) == {"alice"}
    assert world.resultOf(alice.message("bob", "hello")).statusCode == 404
    world.stop(alice, bob)


def test_aClientThatIsGoneIsNotWrittenTo(world: World) -> None:
    alice, bob = world.start("alice"), world.start("bob")
    bob.transport.disconnect()  # type: ignore[union-attr]
    world.network.advance(2)
    sent = alice.message("bob", "hello")
    sent.addErrback(lambda _: None)
    world.network.advance(1)
    assert world.port.lost == 1
    sent.cancel()
    world.stop(alice, bob)


def test_aPortalChallengesWithDigest(monkeypatch: pytest.MonkeyPatch) -> None:
    # Twisted has no digest authorizer of its own any more: one in the form that it asks for.
    @implementer(IRealm)
    class Realm:
        def requestAvatar(self, avatarId: object, mind: object, *interfaces: Any) -> Any:
            return interfaces[0], None, lambda: None

    class Plain:
        def getChallenge(self, peer: object) -> str:
            return 'nonce="1", qop="auth", algorithm=MD5'

        def decode(self, response: str) -> Any:
            from twisted.cred.credentials import UsernamePassword

            assert "username=" in response
            credentials: Any = UsernamePassword(b"alice", b"secret")
            credentials.username = "alice"
            return credentials

    world = World()
    monkeypatch.setattr(sip, "reactor", world.network.reactor)
    monkeypatch.setattr(sip, "time", SimpleNamespace(time=world.network.reactor.seconds))
    checker: Any = InMemoryUsernamePasswordDatabaseDontUse()
    checker.users = {f"alice@{DOMAIN}": b"secret"}
    world.proxy.portal = Portal(Realm(), [checker])
    world.proxy.authorizers = {"digest": Plain()}
    alice = world.start("alice", password="secret")
    assert alice.registration.registered
    world.stop(alice)


class TestBadInput:
    @pytest.fixture
    def got(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The first lines of what clients are sent."""
        lines: list[str] = []

        def noting(transport: Transport, payload: bytes) -> None:
            lines.append(payload.decode().partition("\r\n")[0])

        monkeypatch.setattr(Transport, "onMessage", noting)
        return lines

    def send(self, world: World, *messages: bytes | str) -> None:
        """Have a client send messages."""
        alice = world.start("alice", register=False)
        transport: Any = alice.transport
        for message in messages:
            transport.send(message)
        world.network.advance(0)
        world.stop(alice)

    REQUEST = (
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKa\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\n"
        "Call-ID: c\r\nCSeq: 1 MESSAGE\r\n"
    )

    def test_whatIsNoMessageIsDropped(self, world: World, got: list[str]) -> None:
        self.send(world, b"\x00\xff", "nonsense", "\r\n\r\n")
        assert got == [""]

    def test_whatHasNoHeadersIsRefused(self, world: World, got: list[str]) -> None:
        request = self.REQUEST.replace("From: <sip:alice@example.com>;tag=a\r\n", "")
        self.send(world, request + "Content-Length: 0\r\n\r\n")
        assert got[0].startswith("SIP/2.0 400")

    def test_aBodyThatIsNoTextIsRefused(self, world: World, got: list[str]) -> None:
        request = self.REQUEST.encode() + b"Content-Length: 2\r\n\r\n\xff\xfe"
        self.send(world, request)
        assert got[0].startswith("SIP/2.0 415")

    def test_aForgedViaIsRefused(self, world: World, got: list[str]) -> None:
        evil = b"SIP/2.0/WS x\r\nEvil: 1".hex()
        request = self.REQUEST.replace("branch=z9hG4bKa", f"branch=z9hG4bKa;sipws-via={evil}")
        self.send(world, request + "Content-Length: 0\r\n\r\n")
        assert got[0].startswith("SIP/2.0 400")

    @pytest.mark.parametrize(
        ("old", "new", "statusCode"),
        [
            # Each is SIP, and more than twisted.protocols.sip reads.
            ("To: <sip:bob@example.com>", "To: <sip:bob@example.com>;lr", 400),
            ("To: <sip:bob@example.com>", 'To: "a <b" <sip:bob@example.com>', 400),
            ("To: <sip:bob@example.com>", "To: <sips:bob@example.com>", 400),
            ("To: <sip:bob@example.com>", "To: tel:+1234", 400),
            ("MESSAGE sip:bob@example.com", "MESSAGE sips:bob@example.com", 416),
            ("MESSAGE sip:bob@example.com", "MESSAGE tel:+1234", 416),
            ("MESSAGE sip:bob@example.com", "MESSAGE sip:bob@[2001:db8::1]", 400),
            ("Max-Forwards: 70", f"Max-Forwards: 70\r\nSubject: {'long' * 4200}", 400),
        ],
    )
    def test_whatTwistedCannotReadIsRefused(
        self, world: World, got: list[str], old: str, new: str, statusCode: int
    ) -> None:
        request = self.REQUEST.replace(old, new)
        assert request != self.REQUEST
        with capturedLogs() as events:
            self.send(world, request + "Content-Length: 0\r\n\r\n")
        assert [line[:11] for line in got] == [f"SIP/2.0 {statusCode}"]
        said = [event for event in events if event["log_namespace"] == "sip.twistedsip"]
        assert [event["log_level"] for event in said] == [LogLevel.info]

    def test_whatAParserOfOnesOwnReadsIsNot(self, got: list[str]) -> None:
        class Parser(sip.MessagesParser):
            def lineReceived(self, line: Any) -> None:
                super().lineReceived(line.replace(b"sips:", b"sip:"))

        class Modern(sip.Base):
            def __init__(self) -> None:
                super().__init__()
                self.parser = Parser(self.addMessage)

            def handle_request(self, message: Any, addr: Any) -> None:
                via = sip.parseViaHeader(message.headers["via"][0])
                response = sip.Response(200)
                response.headers.update(message.headers)
                self.sendMessage(sip.URL(host=via.host, port=via.port), response)

        world = World(Modern())
        self.send(world, self.REQUEST.replace("sip:bob", "sips:bob") + "Content-Length: 0\r\n\r\n")
        assert got == ["SIP/2.0 200 OK"]

    def test_anACKIsNotAnswered(self, world: World, got: list[str]) -> None:
        request = self.REQUEST.replace("MESSAGE", "ACK").replace("<sip:bob@example.com>", "<sip:bob@b>;lr")
        self.send(world, request + "Content-Length: 0\r\n\r\n")
        assert got == []

    def test_aContactMayHaveParametersWithoutAValue(self, world: World, got: list[str]) -> None:
        request = self.REQUEST.replace("MESSAGE", "REGISTER").replace("sip:bob@ex", "sip:alice@ex")
        contact = 'Contact: <sip:alice@a.invalid;transport=ws>;+sip.ice;reg-id=1;+sip.a="b=c;d"\r\n'
        self.send(world, request + contact + "Content-Length: 0\r\n\r\n")
        assert got == ["SIP/2.0 200 OK"]
        assert "alice" in world.registry.users

    def test_whatTwistedFailsOnCostsNobodyElse(
        self, world: World, flushLoggedErrors: FlushLoggedErrors
    ) -> None:
        alice, bob = world.start("alice"), world.start("bob")
        atBob = inbox(bob)
        transport: Any = alice.transport
        # twisted.protocols.sip reads no sips:, and no address in brackets.
        bad = self.REQUEST.replace("To: <sip:bob@example.com>", "To: <sips:bob@example.com>")
        transport.send(bad + "Content-Length: 0\r\n\r\n")
        transport.send(bad.replace("a.invalid", "[2001:db8::1]:5060") + "Content-Length: 0\r\n\r\n")
        world.network.advance(0)
        flushLoggedErrors()
        assert world.resultOf(alice.message("bob", "hello")).statusCode == 200
        assert atBob == ["hello"]
        world.stop(alice, bob)

    def test_aBaseThatRaisesIsReadOn(self, flushLoggedErrors: FlushLoggedErrors) -> None:
        class Broken(sip.Base):
            def handle_request(self, message: Any, addr: Any) -> None:
                if message.method == "OPTIONS":
                    raise ZeroDivisionError
                self.deliverResponse(self.responseFromRequest(200, message))

        network = MemoryNetwork()
        port = WebSocketServerPort(Broken(), network.reactor)
        network.server = port.factory
        agent = UserAgent(
            Configuration(uri="sip:alice@example.com", wsServers="ws://example.com", register=False),
            network.reactor,
        )
        agent.start()
        network.advance(0)
        failed: list[Any] = []
        agent.options("example.com").addBoth(failed.append)
        got: list[Any] = []
        agent.message("bob", "hello").addBoth(got.append)
        network.advance(0)
        assert failed[0].statusCode == 500
        assert got[0].statusCode == 200
        assert len(flushLoggedErrors(ZeroDivisionError)) == 1
        agent.stop()
        port.stopListening()
        network.advance(70)

    def test_whatItWritesMustBeAMessageForSomebody(self, world: World) -> None:
        with capturedLogs() as events:
            world.port.write(b"nonsense", ("192.0.2.1", 5060))
            world.port.write(b"nonsense", None)
            alice = world.start("alice", register=False)
            world.port.write(b"nonsense", next(iter(world.port.connections)))
        assert world.port.lost == 3
        assert [event for event in events if event["log_level"] is LogLevel.warn]
        world.stop(alice)


def test_stoppingClosesTheConnections(world: World) -> None:
    alice = world.start("alice", wsServerMaxReconnection=0)
    done: list[object] = []
    world.port.stopListening().addBoth(done.append)
    world.network.advance(0)
    assert done == [None]
    assert not world.port.connections
    world.stop(alice)


def test_connectionsFromOnePortToSeveralOfOursHaveAddressesOfTheirOwn() -> None:
    port = WebSocketServerPort(sip.Proxy(host="example.com"), Clock())
    transport = SimpleNamespace(getPeer=lambda: IPv4Address("TCP", "127.0.0.1", 4000))
    protocol: Any = SimpleNamespace(transport=transport, peer="tcp4:127.0.0.1:4000")
    first, second = port.connectionMade(protocol, "h"), port.connectionMade(protocol, "h")
    assert set(port.connections.values()) == {first, second}
    port.connectionLost(first)
    assert set(port.connections.values()) == {second}
    port.connectionLost(second)
    assert not port.connections
