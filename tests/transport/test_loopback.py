"""The same over real sockets: every kind of endpoint, once."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, TCP6ServerEndpoint, UNIXServerEndpoint
from twisted.internet.endpoints import _WrapperServerEndpoint as WrapperServerEndpoint
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory

from sipws import Configuration, UserAgent
from sipws.errors import CertificateRefused, ConnectionFailed
from sipws.server import EmbeddedServer
from tests.transport.certificates import Authority

AUTHORITY = Authority()

#: Gives the endpoint to listen on, and the client's URI once it is known where that is.
Kind = Callable[[Any, Path], tuple[Any, Callable[[IListeningPort], str]]]


def _hasIPv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _port(port: IListeningPort) -> int:
    host: Any = port.getHost()
    return int(host.port)


def _name(reactor: Any, folder: Path) -> Any:
    return TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"), lambda port: f"ws://localhost:{_port(port)}"


def _ipv4(reactor: Any, folder: Path) -> Any:
    return TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"), lambda port: f"ws://127.0.0.1:{_port(port)}"


def _ipv6(reactor: Any, folder: Path) -> Any:
    return TCP6ServerEndpoint(reactor, 0, interface="::1"), lambda port: f"ws://[::1]:{_port(port)}"


def _unix(reactor: Any, folder: Path) -> Any:
    path = str(folder / "socket")
    return UNIXServerEndpoint(reactor, path), lambda port: f"unix:{path}"


def _secure(*names: str) -> Kind:
    def kind(reactor: Any, folder: Path) -> Any:
        identity = AUTHORITY.issue(names).asServer()
        plain = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")

        def wrap(factory: Any) -> Any:
            return TLSMemoryBIOFactory(identity, False, factory, clock=reactor)

        return WrapperServerEndpoint(plain, wrap), lambda port: f"wss://localhost:{_port(port)}"

    return kind


@attrs.frozen
class Listening:
    """A server that listens, and how to reach it."""

    server: EmbeddedServer
    reactor: Any
    folder: Path

    async def uri(self, kind: Kind) -> str:
        endpoint, uri = kind(self.reactor, self.folder)
        return uri(await self.server.listen(endpoint))


@pytest_twisted.async_yield_fixture
async def listening(tmp_path: Path) -> AsyncIterator[Listening]:
    from twisted.internet import reactor

    server = EmbeddedServer(reactor)
    yield Listening(server, reactor, tmp_path)
    await server.stop()


def makeUserAgent(listening: Listening, uri: str, **options: Any) -> UserAgent:
    caFile = listening.folder / "authority.pem"
    caFile.write_bytes(AUTHORITY.certificatePEM)
    configuration = Configuration(uri="sip:bot@localhost", wsServers=uri, caFile=str(caFile), **options)
    return UserAgent(configuration, listening.reactor)


IPV6 = pytest.mark.skipif(not _hasIPv6(), reason="this machine has no IPv6 on loopback")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(_name, id="name"),
        pytest.param(_ipv4, id="IPv4"),
        pytest.param(_ipv6, id="IPv6", marks=IPV6),
        pytest.param(_unix, id="UNIX socket"),
        pytest.param(_secure("localhost"), id="TLS"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_registersAndStops(kind: Kind, listening: Listening) -> None:
    userAgent = makeUserAgent(listening, await listening.uri(kind))
    userAgent.start()
    await userAgent.whenRegistered()
    transport: Any = userAgent.transport
    assert transport.connected
    assert transport.timings.upgrade is not None
    await userAgent.stop()
    assert not transport.connected
    assert transport.lastTransportError is None
    assert listening.server.locations.count == 0


@pytest_twisted.ensureDeferred
async def test_aCertificateForAnotherNameIsRefused(listening: Listening) -> None:
    uri = await listening.uri(_secure("sip.example.com"))
    userAgent = makeUserAgent(listening, uri, wsServerMaxReconnection=0)
    givenUp: Deferred[Any] = Deferred()
    userAgent.on("disconnected", givenUp.callback)
    userAgent.start()
    transport = await givenUp
    await userAgent.stop()
    assert isinstance(transport.lastTransportError, CertificateRefused)
    assert not listening.server.connections


@pytest_twisted.ensureDeferred
async def test_aRefusedConnectionSaysSo(listening: Listening) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        userAgent = makeUserAgent(listening, f"ws://127.0.0.1:{port}", wsServerMaxReconnection=0)
        givenUp: Deferred[Any] = Deferred()
        userAgent.on("disconnected", givenUp.callback)
        userAgent.start()
        transport = await givenUp
        await userAgent.stop()
    assert isinstance(transport.lastTransportError, ConnectionFailed)
    assert (
        str(transport.lastTransportError) == f"no connection to 127.0.0.1:{port}: the connection was refused"
    )


def _readToTheEnd(accepted: socket.socket) -> None:
    # A reset ends it too: which of the two there is depends on how far the client had come.
    with suppress(ConnectionResetError):
        while accepted.recv(65_536):
            pass


@pytest_twisted.ensureDeferred
async def test_aServerThatDoesNotAnswerTheUpgradeIsLeftInTime(listening: Listening) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(5)
        userAgent = makeUserAgent(
            listening,
            f"ws://127.0.0.1:{listener.getsockname()[1]}",
            wsServerMaxReconnection=0,
            connectTimeout=0.2,
        )
        givenUp: Deferred[Any] = Deferred()
        userAgent.on("disconnected", givenUp.callback)
        userAgent.start()
        transport = await givenUp
        await userAgent.stop()
        # Twisted aborts a connection in its next turn.
        await deferLater(listening.reactor, 0)
        accepted = listener.accept()[0]
        accepted.settimeout(5)
        with accepted:
            _readToTheEnd(accepted)
    assert "within 0.2 seconds" in str(transport.lastTransportError)
