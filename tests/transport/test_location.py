"""Where a WebSocket URI leads, and over which endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from sipws.errors import ConfigurationError
from sipws.transport import Transport, TransportOptions
from sipws.transport.location import Location
from tests.transport.foreign import ForeignServer, Scene


@pytest.mark.parametrize(
    ("uri", "secure", "hostHeader", "port", "resource"),
    [
        ("ws://sip.example.com", False, "sip.example.com", 80, "/"),
        ("wss://sip.example.com", True, "sip.example.com", 443, "/"),
        ("ws://sip.example.com:8080/a/b?c=d", False, "sip.example.com", 8080, "/a/b?c=d"),
        ("WSS://SIP.example.com?c", True, "sip.example.com", 443, "/?c"),
        ("wss://[2001:db8::1]:7443", True, "[2001:db8::1]", 7443, "/"),
        ("ws://192.0.2.1", False, "192.0.2.1", 80, "/"),
        ("unix:/run/sip.socket", False, "localhost", 80, "/"),
    ],
)
def test_aURIIsTakenApart(uri: str, secure: bool, hostHeader: str, port: int, resource: str) -> None:
    location = Location.parse(uri)
    assert location.secure is secure
    assert location.hostHeader == hostHeader
    assert location.port == port
    assert location.resource == resource


def test_aUNIXSocketHasAPath() -> None:
    assert Location.parse("unix:/run/sip.socket").path == "/run/sip.socket"
    assert Location.parse("ws://sip.example.com/run/sip.socket").path is None


@pytest.mark.parametrize(
    "uri", ["", "sip.example.com", "http://a", "ws://", "ws://a:99999", "ws://[::1", "unix:a"]
)
def test_aURIThatLeadsNowhereIsAnError(uri: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Location.parse(uri)
    assert caught.value.option == "ws_uri"


def connecting(uri: str, options: TransportOptions | None = None) -> tuple[Any, Transport]:
    """Begin to connect on a reactor that only takes down what it is asked for."""
    reactor = MemoryReactorClock()
    scene = Scene(uri)
    transport = Transport(scene.ua, ForeignServer(uri), reactor, options=options or TransportOptions())
    return reactor, transport


@pytest.mark.parametrize(
    ("uri", "host", "port"),
    [
        ("ws://192.0.2.1:8080", "192.0.2.1", 8080),
        ("ws://[2001:db8::1]", "2001:db8::1", 80),
        ("wss://192.0.2.1", "192.0.2.1", 443),
        ("wss://[2001:db8::1]:7443", "2001:db8::1", 7443),
    ],
)
def test_anAddressIsConnectedTo(uri: str, host: str, port: int) -> None:
    reactor, transport = connecting(uri, TransportOptions(openTimeout=7))
    [(toHost, toPort, _, timeout, _)] = reactor.tcpClients
    assert (toHost, toPort, timeout) == (host, port, 7)
    transport.disconnect()
    assert reactor.connectors[0].stoppedConnecting


def test_aUNIXSocketIsConnectedTo() -> None:
    reactor, transport = connecting("unix:/run/sip.socket", TransportOptions(openTimeout=7))
    [(path, _, timeout, _)] = reactor.unixClients
    assert (path, timeout) == ("/run/sip.socket", 7)
    transport.disconnect()


@pytest.mark.parametrize("option", ["caFile", "clientCertificate"])
def test_aFileThatCannotBeUsedIsAnErrorBeforeAnythingStarts(option: str, tmp_path: Path) -> None:
    scene = Scene("wss://sip.example.com")
    wrong: dict[str, Any] = {option: str(tmp_path / "missing.pem")}
    missing = TransportOptions(**wrong)
    with pytest.raises(ConfigurationError) as caught:
        Transport(scene.ua, scene.server, MemoryReactorClock(), options=missing)
    assert caught.value.option == option
    assert scene.told("onTransportConnecting", "onTransportError") == []
    assert scene.ua.transport is None


def test_onANetworkInMemoryWssGoesWithoutTLS() -> None:
    scene = Scene("wss://sip.example.com")
    transport = scene.connected()
    assert transport.viaTransport == "WSS"
    assert transport.timings.tls is None
