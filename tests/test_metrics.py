"""What operators see over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock, StringTransport

from sipws import Configuration, UserAgent
from sipws.counters import Counters
from sipws.metrics import HTTP_TIMEOUT, MetricsService, metricsSite
from sipws.testing import MemoryNetwork, acceptRegister

AOR = "sip:alice@example.com"


class Scene:
    """A user agent, and the site that shows it."""

    def __init__(self, **options: Any) -> None:
        self.network = MemoryNetwork()
        self.network.answer("REGISTER", acceptRegister)
        given: dict[str, Any] = {"uri": AOR, "wsServers": "ws://192.0.2.1/?token=geheim"} | options
        self.ua = UserAgent(Configuration(**given), self.network.reactor, random=Random(1))
        self.agents = [self.ua]
        self.site = metricsSite(lambda: self.agents, self.network.reactor)

    def ask(self, request: str) -> tuple[int, dict[str, str], bytes]:
        """Ask the site, and give status, headers and body."""
        transport = self.open()
        self.protocol.dataReceived(f"{request} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = transport.value().partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        self.protocol.timeOut = None
        self.protocol.connectionLost(None)
        return int(status.split()[1]), headers, body

    def open(self) -> StringTransport:
        transport = StringTransport()
        self.protocol: Any = self.site.buildProtocol(transport.getPeer())
        self.protocol.makeConnection(transport)
        return transport

    def samples(self) -> dict[tuple[str, str], float]:
        """Read the metrics: values by name and flow."""
        status, headers, body = self.ask("GET /metrics")
        assert status == 200
        assert headers["content-type"].startswith("text/plain")
        found = {}
        for family in text_string_to_metric_families(body.decode()):
            assert family.documentation.endswith(".")
            for sample in family.samples:
                assert sample.labels["aor"] == AOR
                found[sample.name, sample.labels.get("flow", "")] = sample.value
        return found

    def stop(self) -> None:
        self.ua.stop()
        self.network.advance(10)


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.stop()
    scene.network.advance(2 * HTTP_TIMEOUT)


def test_showsEachCounter(scene: Scene) -> None:
    scene.ua.start()
    scene.network.advance(0)
    for number, name in enumerate(Counters.meanings()):
        setattr(scene.ua.counters, name, number)
    samples = scene.samples()
    snake = {
        "attempts": 0,
        "failed_lookups": 8,
        "messages_sent": 13,
        "failed_registrations": len(Counters.meanings()) - 1,
    }
    assert {name: samples[f"sipws_{name}_total", ""] for name in snake} == snake
    counters = [name for name, _ in samples if name.endswith("_total")]
    assert len(counters) == len(Counters.meanings())


def test_showsTheState(scene: Scene) -> None:
    samples = scene.samples()
    assert samples["sipws_ready", ""] == 0
    assert samples["sipws_connected", "1"] == 0
    assert ("sipws_registration_expires_seconds", "1") not in samples
    scene.network.advance(3)
    scene.ua.start()
    scene.network.advance(0)
    samples = scene.samples()
    assert samples["sipws_ready", ""] == 1
    assert samples["sipws_connected", "1"] == 1
    assert samples["sipws_registered", "1"] == 1
    assert samples["sipws_state_since_seconds", "1"] == pytest.approx(3, abs=0.1)
    assert samples["sipws_registration_expires_seconds", "1"] == pytest.approx(600, abs=1)
    assert samples["sipws_registrations_total", ""] == 1
    assert samples["sipws_open_transactions", ""] == 0


def test_followsWhatHappens(scene: Scene) -> None:
    scene.ua.start()
    scene.network.advance(0)
    scene.network.connection.drop()
    samples = scene.samples()
    assert samples["sipws_losses_total", ""] == 1
    assert samples["sipws_connected", "1"] == 0
    scene.network.advance(10)
    samples = scene.samples()
    assert samples["sipws_connections_total", ""] == 2
    assert samples["sipws_connected", "1"] == 1


def test_showsNoSecret(scene: Scene) -> None:
    scene.network.refuse()
    scene.ua.start()
    scene.network.advance(5)
    for path in ("/metrics", "/health"):
        _, _, body = scene.ask(f"GET {path}")
        assert b"geheim" not in body
        assert AOR.encode() in body


def test_withoutUserAgentsThereIsNothingToShow(scene: Scene) -> None:
    scene.agents.clear()
    status, _, body = scene.ask("GET /metrics")
    assert status == 200
    assert b"# HELP sipws_attempts_total Attempts to connect." in body
    assert b"\nsipws_" not in body
    assert scene.ask("GET /health")[0] == 503


def test_healthIsWhatALoadBalancerAsksFor(scene: Scene) -> None:
    assert scene.ask("GET /health")[0] == 503
    scene.ua.start()
    scene.network.advance(0)
    status, headers, body = scene.ask("GET /health")
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert json.loads(body)[0]["state"] == "registered"
    scene.network.connection.drop()
    status, _, body = scene.ask("GET /health")
    assert status == 503
    assert json.loads(body)[0]["state"] == "disconnected"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("GET /", 404),
        ("GET /nothing", 404),
        ("GET /metrics/more", 404),
        ("POST /metrics", 405),
        ("HEAD /health", 503),
        ("GET /%2e%2e/metrics", 404),
        ("GET /health?x=%00%ff", 503),
    ],
)
def test_answersWhateverIsAsked(scene: Scene, request_: str, status: int) -> None:
    assert scene.ask(request_)[0] == status


def test_keepsNoBody(scene: Scene) -> None:
    transport = scene.open()
    scene.protocol.dataReceived(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
    request = scene.protocol._channel.requests[0]
    scene.protocol.dataReceived(b"x" * 1_000_000)
    assert request.content.getvalue() == b""
    scene.network.reactor.advance(2 * HTTP_TIMEOUT)
    assert transport.disconnecting


class TestService:
    def test_listensWhileItRuns(self) -> None:
        reactor: Any = MemoryReactorClock()
        service = MetricsService(TCP4ServerEndpoint(reactor, 9464, interface="127.0.0.1"), list, reactor)
        assert service.port is None
        service.privilegedStartService()
        service.startService()
        assert [(port, interface) for port, _, _, interface in reactor.tcpServers] == [(9464, "127.0.0.1")]
        stopped: list[None] = []
        service.stopService().addCallback(stopped.append)
        assert stopped == [None]
        assert service.port is None

    def test_saysWhereItCannotListen(self) -> None:
        class Taken:
            def listen(self, factory: object) -> Any:
                from twisted.internet.defer import fail

                return fail(CannotListenError("127.0.0.1", 9464, OSError("taken")))

        endpoint: Any = Taken()
        service = MetricsService(endpoint, list, MemoryReactorClock())
        with pytest.raises(CannotListenError):
            service.startService()


@pytest.mark.parametrize(
    "accept",
    [b"\xff\xfe", b"application/openmetrics-text; version=abc", b"x;;;,,", b"application/openmetrics-text"],
)
def test_whateverAClientTakesItGetsSomething(accept: bytes) -> None:
    scene = Scene()
    transport = scene.open()
    scene.protocol.dataReceived(b"GET /metrics HTTP/1.0\r\nAccept: " + accept + b"\r\n\r\n")
    assert transport.value().startswith(b"HTTP/1.0 200 OK\r\n")
    scene.protocol.timeOut = None
    scene.protocol.connectionLost(None)
