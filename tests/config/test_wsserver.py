"""The servers that wsServers names, after the checklist's "Choice of server"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from sipws.config import Configuration, WsServer
from sipws.errors import ConfigurationError


def servers(value: Any) -> list[tuple[str, float]]:
    configuration = Configuration(uri="sip:alice@example.com", wsServers=value)
    return [(server.ws_uri, server.weight) for server in configuration.wsServers]


def refusal(value: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        servers(value)
    assert caught.value.option == "wsServers"
    return caught.value


def test_serversAreGivenAsAString() -> None:
    assert servers("ws://a.example.com") == [("ws://a.example.com", 0)]


def test_serversAreGivenAsAListOfStrings() -> None:
    assert servers(["ws://a.example.com", "wss://b.example.com"]) == [
        ("ws://a.example.com", 0),
        ("wss://b.example.com", 0),
    ]


def test_serversAreGivenAsObjectsWithWsUriAndWeight() -> None:
    given = [{"ws_uri": "ws://a.example.com", "weight": 10}, {"ws_uri": "ws://b.example.com"}]
    assert servers(given) == [("ws://a.example.com", 10), ("ws://b.example.com", 0)]


def test_serversAreGivenAsWsServers() -> None:
    assert servers([WsServer("ws://a.example.com", 2.5)]) == [("ws://a.example.com", 2.5)]
    assert servers(WsServer("ws://a.example.com")) == [("ws://a.example.com", 0)]


def test_serversAreGivenAsAMixture() -> None:
    given = [
        "ws://a.example.com",
        {"ws_uri": "ws://b.example.com", "weight": None},
        WsServer("ws://c.example.com"),
    ]
    assert [uri for uri, _ in servers(given)] == [
        "ws://a.example.com",
        "ws://b.example.com",
        "ws://c.example.com",
    ]


@pytest.mark.parametrize("value", [5, 5.0, True, b"ws://a", object()])
def test_aNumberIsRefused(value: object) -> None:
    assert "URI or a list" in str(refusal(value))


def test_anEmptyListIsRefused() -> None:
    assert "one server at least" in str(refusal([]))


@pytest.mark.parametrize("item", [{}, {"weight": 1}, {"ws_uri": ""}, {"ws_uri": None}])
def test_aMissingWsUriIsRefused(item: dict[str, Any]) -> None:
    assert "without ws_uri" in str(refusal([item]))


@pytest.mark.parametrize("weight", ["heavy", "1", True, float("nan"), float("inf"), [], {}])
def test_aWeightThatIsNoNumberIsRefused(weight: object) -> None:
    error = refusal([{"ws_uri": "ws://a.example.com", "weight": weight}])
    assert "weight that is no number" in str(error)
    assert "ws://a.example.com" in str(error)


@pytest.mark.parametrize(
    "uri",
    [
        "ws://",
        "ws:///path",
        "ws://a b",
        "ws://a.example.com:0",
        "ws://a.example.com:70000",
        "ws://a.example.com:port",
        "ws://[::1",
        "ws://a.example.com/#fragment",
        "ws://a.example.com/\r\nX: y",
        "ws://ä.example.com",
        "ws://-a",
        "example.com",
        "",
        " ",
        "unix:relative/path",
        "unix://host/path",
    ],
)
def test_aBadURIIsRefused(uri: str) -> None:
    if uri:
        assert repr(uri) in str(refusal(uri))
    refusal([uri])
    refusal([{"ws_uri": uri}])


@pytest.mark.parametrize(
    "uri", ["http://a.example.com", "sip:a.example.com", "udp://a", "wsx://a", "mailto:a@b"]
)
def test_aSchemeOtherThanWsAndWssIsRefused(uri: str) -> None:
    assert "scheme" in str(refusal(uri))


@pytest.mark.parametrize("item", [5, None, ["ws://a"], b"ws://a"])
def test_anItemOfAnotherKindIsRefused(item: object) -> None:
    refusal([item])


def test_anUnknownKeyOfAServerIsRefused() -> None:
    assert "'url'" in str(refusal([{"ws_uri": "ws://a", "url": "ws://a"}]))


def test_aPasswordInTheURIIsRefusedAndNotShown() -> None:
    error = refusal("wss://alice:hunter2@sip.example.com")
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("uri", "scheme", "route"),
    [
        ("ws://a.example.com", "WS", "<sip:a.example.com;transport=ws;lr>"),
        ("wss://a.example.com/path?x=y", "WSS", "<sip:a.example.com;transport=ws;lr>"),
        ("WSS://a.example.com:8443", "WSS", "<sip:a.example.com:8443;transport=ws;lr>"),
        ("ws://[2001:db8::1]:5066/", "WS", "<sip:[2001:db8::1]:5066;transport=ws;lr>"),
        ("ws://192.0.2.1", "WS", "<sip:192.0.2.1;transport=ws;lr>"),
        ("unix:/run/sip.socket", "WS", "<sip:localhost;transport=ws;lr>"),
    ],
)
def test_anAcceptedOneGainsSipUriWeightSchemeAndStatus(uri: str, scheme: str, route: str) -> None:
    server = WsServer(uri)
    assert (server.ws_uri, server.weight, server.status) == (uri, 0, 0)
    assert (server.scheme, server.sip_uri) == (scheme, route)


@pytest.mark.parametrize(
    "change",
    [
        lambda server: setattr(server, "ws_uri", "ws://b"),
        lambda server: setattr(server, "weight", 5),
        lambda server: setattr(server, "scheme", "TCP"),
        lambda server: setattr(server, "sip_uri", "<sip:b>"),
    ],
)
def test_nothingOfItChangesButItsStatus(change: Callable[[WsServer], None]) -> None:
    server = WsServer("ws://a.example.com")
    with pytest.raises(attrs.exceptions.FrozenAttributeError):
        change(server)
    server.status = WsServer.STATUS_ERROR
    assert server.status == 2


def test_aFreshCopyIsOneThatWasNeverTried() -> None:
    server = WsServer("ws://a.example.com", 3)
    server.status = WsServer.STATUS_ERROR
    copied = server.fresh()
    assert copied == server
    assert copied is not server
    assert copied.status == WsServer.STATUS_READY


def test_theQueryIsNotForLogs() -> None:
    server = WsServer("wss://sip.example.com/path?token=geheim")
    assert server.place == "wss://sip.example.com/path"
    assert "geheim" not in repr(server)
    assert server.ws_uri.endswith("geheim")
