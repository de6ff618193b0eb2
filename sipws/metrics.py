"""
What operators look at, over HTTP: the counters and the state of user agents
as Prometheus reads them, and their health as JSON.

It needs the extra C{metrics} (prometheus-client).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from sipws.counters import Counters
from sipws.listening import ListeningService, resultOf
from sipws.ua.health import FlowHealth, Health, Standing

if TYPE_CHECKING:
    from twisted.internet.interfaces import IStreamServerEndpoint

    from sipws.ua import UserAgent

__all__ = ["MetricsService", "UserAgentCollector", "metricName", "metricsSite"]

_log = Logger(namespace="sip.metrics")

#: How long an HTTP client may take for its request, in seconds.
HTTP_TIMEOUT = 10.0

_PREFIX = "sipws_"

#: Gives the user agents that there are at the moment.
Agents = Callable[[], Iterable["UserAgent"]]

#: The gauges of a user agent: name, meaning, and the value; C{None}: there is none now.
_GAUGES: tuple[tuple[str, str, Callable[[Health], float | None]], ...] = (
    (
        "ready",
        "1 where the user agent is connected, and registered where it wants to be",
        lambda health: health.ready,
    ),
    ("open_transactions", "transactions that are open", lambda health: health.openTransactions),
    ("waiting_requests", "requests that wait for a connection", lambda health: health.waitingRequests),
    (
        "unanswered_requests",
        "incoming requests that wait for their handler",
        lambda health: health.unansweredRequests,
    ),
)

#: The gauges of each flow, likewise.
_FLOW_GAUGES: tuple[tuple[str, str, Callable[[FlowHealth], float | None]], ...] = (
    ("connected", "1 where the flow has a connection", lambda flow: _isUp(flow.state)),
    (
        "registered",
        "1 where a binding stands for the connection",
        lambda flow: flow.state is Standing.REGISTERED,
    ),
    ("state_since_seconds", "when the flow's state changed last, since 1970", lambda flow: flow.since),
    ("retries", "attempts in a row to connect again", lambda flow: flow.attempts),
    (
        "round_trip_seconds",
        "how long the server took to answer the last keep-alive",
        lambda flow: flow.roundTrip,
    ),
    (
        "registration_expires_seconds",
        "for how long the binding is good if it is not refreshed",
        lambda flow: flow.registrationExpires,
    ),
)


class UserAgentCollector(Collector):
    """
    Collects the metrics of user agents, for a C{CollectorRegistry}.

    Each is labelled with the address of record, and those of a connection
    with its flow: there are no more time series than these have.
    """

    def __init__(self, agents: Agents) -> None:
        """
        @param agents: Gives the user agents that there are at the moment.  Two
            of one address are summed up as C{prometheus_client} does: they had better not be.
        """
        self._agents = agents

    def collect(self) -> Iterator[Metric]:
        """Give all metrics, as they are now."""
        agents = list(self._agents())
        for name, meaning in Counters.meanings().items():
            counter = CounterMetricFamily(_family(name), _sentence(meaning), labels=["aor"])
            for agent in agents:
                counter.add_metric([_aor(agent)], getattr(agent.counters, name))
            yield counter
        healths = [agent.health for agent in agents]
        for name, meaning, value in _GAUGES:
            gauge = GaugeMetricFamily(_PREFIX + name, _sentence(meaning), labels=["aor"])
            for health in healths:
                _add(gauge, [health.aor], value(health))
            yield gauge
        for name, meaning, flowValue in _FLOW_GAUGES:
            gauge = GaugeMetricFamily(_PREFIX + name, _sentence(meaning), labels=["aor", "flow"])
            for health in healths:
                for flow in health.flows:
                    _add(gauge, [health.aor, str(flow.regID)], flowValue(flow))
            yield gauge


def _aor(agent: UserAgent) -> str:
    return str(agent.configuration.uri)


def _add(gauge: GaugeMetricFamily, labels: list[str], value: float | None) -> None:
    if value is not None:
        gauge.add_metric(labels, float(value))


def _isUp(state: Standing) -> bool:
    return state in (Standing.CONNECTED, Standing.REGISTERED)


def metricName(counter: str) -> str:
    """
    Give the name that Prometheus has for a counter.

    @param counter: Its name in L{Counters}.
    """
    return _family(counter) + "_total"


def _family(counter: str) -> str:
    return _PREFIX + re.sub(r"([A-Z])", r"_\1", counter).lower()


def _sentence(meaning: str) -> str:
    return f"{meaning[0].upper()}{meaning[1:]}."


# Over HTTP.


class _Pages(Resource):
    """
    The pages: C{/metrics}, in the format that the client asks for, and
    C{/health}, 200 where every user agent is ready and otherwise 503.
    """

    isLeaf = True

    def __init__(self, agents: Agents) -> None:
        super().__init__()
        self._agents = agents
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(UserAgentCollector(agents))
        self._pages: dict[bytes, Callable[[Request], bytes]] = {
            b"/metrics": self._metrics,
            b"/health": self._health,
        }

    def render(self, request: Request) -> bytes:
        page = self._pages.get(request.path)
        if page is None:
            return _refuse(request, 404, b"There are /metrics and /health.\n")
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader("Allow", "GET, HEAD")
            return _refuse(request, 405, b"There is nothing to be changed here.\n")
        request.setHeader("Cache-Control", "no-store")
        return page(request)

    def _metrics(self, request: Request) -> bytes:
        encode, contentType = _encoder(b",".join(request.requestHeaders.getRawHeaders(b"accept", [])))
        request.setHeader("Content-Type", contentType)
        return encode(self._registry)

    def _health(self, request: Request) -> bytes:
        healths = [agent.health for agent in self._agents()]
        if not healths or not all(health.ready for health in healths):
            request.setResponseCode(503)
        request.setHeader("Content-Type", "application/json")
        return json.dumps([health.asDict() for health in healths], indent=1).encode() + b"\n"


def _encoder(accept: bytes) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """Choose a format by what a client takes; the plain one where that cannot be made sense of."""
    try:
        return choose_encoder(accept.decode("latin-1"))
    except Exception:  # noqa: BLE001 - a version that is none, for one
        return choose_encoder("")


def _refuse(request: Request, status: int, text: bytes) -> bytes:
    request.setResponseCode(status)
    request.setHeader("Content-Type", "text/plain")
    return text


class _BodilessRequest(Request):
    """A request whose body, which nothing here has a use for, is not kept."""

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        pass


class _QuietSite(Site):
    """A site that logs no requests."""

    noisy = False

    def log(self, request: Any) -> None:
        pass


def metricsSite(agents: Agents, reactor: Any) -> Site:
    """
    Make the site: C{/metrics} and C{/health}.

    @param agents: Gives the user agents that there are at the moment.
    @param reactor: What its timers run on.
    """
    return _QuietSite(_Pages(agents), requestFactory=_BodilessRequest, timeout=HTTP_TIMEOUT, reactor=reactor)


class MetricsService(ListeningService):
    """Serves the metrics as long as it runs."""

    def __init__(self, endpoint: IStreamServerEndpoint, agents: Agents, reactor: Any) -> None:
        """
        @param endpoint: Where to listen: others than operators have no business there.
        @param agents: Gives the user agents that there are at the moment.
        @param reactor: What its timers run on.
        """
        self._endpoint = endpoint
        self._site = metricsSite(agents, reactor)

    def _listen(self) -> None:
        self.port = resultOf(self._endpoint.listen(self._site))
        _log.info("Metrics are served on {host}", host=self.port.getHost())
