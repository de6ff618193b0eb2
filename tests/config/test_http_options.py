"""The options of the HTTP upgrade: what they take, and that nothing shows their secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sipws.config import Configuration
from sipws.config.http import HTTPProxy
from sipws.errors import ConfigurationError

SECRET = "hunter2"


def configure(**options: Any) -> Configuration:
    return Configuration(**{"uri": "sip:alice@example.com", "wsServers": "ws://localhost", **options})


def refusal(**options: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        configure(**options)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    return caught.value


class TestHeaders:
    def test_areAMappingThatStaysAsItWas(self) -> None:
        given = {"X-Tenant": "blau", "Origin": "https://example.com"}
        configuration = configure(httpHeaders=given)
        given["X-Tenant"] = "rot"
        assert configuration.httpHeaders == {"X-Tenant": "blau", "Origin": "https://example.com"}
        with pytest.raises(TypeError):
            configuration.httpHeaders["X-Tenant"] = "rot"  # type: ignore[index]

    @pytest.mark.parametrize(
        "name",
        ["Host", "upgrade", "CONNECTION", "Sec-WebSocket-Key", "sec-websocket-extensions", "Content-Length"],
    )
    def test_ofTheHandshakeAreRefused(self, name: str) -> None:
        error = refusal(httpHeaders={name: SECRET})
        assert error.option == "httpHeaders"
        assert name in str(error)
        assert "handshake" in str(error)

    @pytest.mark.parametrize(
        ("name", "option"),
        [("Authorization", "httpToken"), ("cookie", "httpCookies"), ("Proxy-Authorization", "proxy")],
    )
    def test_thatHaveAnOptionAreSaidToHaveOne(self, name: str, option: str) -> None:
        assert option in refusal(httpHeaders={name: SECRET}).hint

    @pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ä", 5])
    def test_haveATokenForAName(self, name: object) -> None:
        assert refusal(httpHeaders={name: SECRET}).option == "httpHeaders"

    @pytest.mark.parametrize(
        "text", [f"{SECRET}\r\nX: y", f"{SECRET}\n", f"{SECRET}\0", f"{SECRET}\ud800", 5, None]
    )
    def test_haveATextThatBreaksNoLine(self, text: object) -> None:
        error = refusal(httpHeaders={"X-Key": text})
        assert error.option == "httpHeaders"
        assert "X-Key" in str(error)

    def test_areNamedOnce(self) -> None:
        assert "twice" in str(refusal(httpHeaders={"X-Key": "a", "x-key": "b"}))

    @pytest.mark.parametrize("value", [[("X-Key", SECRET)], f"X-Key: {SECRET}", 5])
    def test_areAMapping(self, value: object) -> None:
        assert refusal(httpHeaders=value).option == "httpHeaders"


class TestCookies:
    @pytest.mark.parametrize("text", ["", "a=b", '"quoted"', "!#$%&'()*+-./:<=>?@[]^_`{|}~"])
    def test_takeWhatACookieMayHold(self, text: str) -> None:
        assert configure(httpCookies={"session": text}).httpCookies == {"session": text}

    @pytest.mark.parametrize("text", [f"{SECRET};", f"{SECRET} x", f"{SECRET}\r\n", f'"{SECRET}', "ä", "a,b"])
    def test_takeNothingElse(self, text: str) -> None:
        error = refusal(httpCookies={"session": text})
        assert error.option == "httpCookies"
        assert "session" in str(error)


class TestAuthentication:
    @pytest.mark.parametrize("name", ["httpPassword", "httpToken"])
    def test_aSecretMayStandElsewhere(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        more = {"httpUser": "alice"} if name == "httpPassword" else {}
        (tmp_path / "secret").write_text(SECRET + "\nmore\n")
        monkeypatch.setenv("SIPWS_TEST_SECRET", SECRET)
        for option, value in (
            (name, SECRET),
            (f"{name}File", tmp_path / "secret"),
            (f"{name}Environment", "SIPWS_TEST_SECRET"),
        ):
            configuration = configure(**{option: value, **more})
            assert getattr(configuration, name) == SECRET
            assert getattr(configuration, f"{name}File") is None
            assert SECRET not in repr(configuration)
            # What was read once is not read again, and not taken for given twice.
            assert getattr(configuration.evolve(register=False), name) == SECRET

    @pytest.mark.parametrize("name", ["httpPassword", "httpToken"])
    def test_itStandsInOnePlace(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text(SECRET)
        options = {name: SECRET, f"{name}File": tmp_path / "secret"}
        assert refusal(httpUser="alice", **options).option == f"{name}File"

    @pytest.mark.parametrize("content", ["", f"{SECRET} {SECRET}", f"{SECRET}ä", f"{SECRET}\r"])
    def test_aTokenInAFileMustBeOne(self, content: str, tmp_path: Path) -> None:
        path = tmp_path / "token"
        path.write_bytes(content.encode())
        if content.endswith("\r"):
            assert configure(httpTokenFile=path).httpToken == SECRET
            return
        error = refusal(httpTokenFile=path)
        assert error.option == "httpTokenFile"
        assert str(path) in str(error)

    def test_aTokenInTheEnvironmentMustBeOne(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIPWS_TEST_SECRET", f"{SECRET} x")
        assert refusal(httpTokenEnvironment="SIPWS_TEST_SECRET").option == "httpTokenEnvironment"
        monkeypatch.delenv("SIPWS_TEST_SECRET")
        assert refusal(httpTokenEnvironment="SIPWS_TEST_SECRET").option == "httpTokenEnvironment"

    @pytest.mark.parametrize("value", ["", f"{SECRET} ", f"{SECRET}\r\n", f"={SECRET}", 5])
    def test_aTokenIsOne(self, value: object) -> None:
        assert refusal(httpToken=value).option == "httpToken"

    def test_userAndPasswordComeTogether(self, tmp_path: Path) -> None:
        assert refusal(httpPassword=SECRET).option == "httpPassword"
        (tmp_path / "secret").write_text(SECRET)
        assert refusal(httpPasswordFile=tmp_path / "secret").option == "httpPasswordFile"
        assert refusal(httpUser="alice").option == "httpUser"
        assert refusal(httpBasic=True).option == "httpBasic"
        assert configure(httpUser="alice", httpPassword=SECRET, httpBasic=True).httpBasic

    def test_thereIsOneAuthorization(self) -> None:
        assert refusal(httpUser="alice", httpPassword=SECRET, httpToken=SECRET).option == "httpToken"

    @pytest.mark.parametrize("value", ["", "a:b", "a\nb", 5])
    def test_aUserHasNoColon(self, value: object) -> None:
        assert refusal(httpUser=value, httpPassword=SECRET).option == "httpUser"


class TestProxy:
    @pytest.mark.parametrize(
        ("given", "taken"),
        [
            ("http://proxy.example.com:3128", HTTPProxy("proxy.example.com", 3128)),
            ("HTTP://127.0.0.1:8080/", HTTPProxy("127.0.0.1", 8080)),
            ("http://[2001:db8::1]:3128", HTTPProxy("2001:db8::1", 3128)),
            (f"http://alice:{SECRET}@p:1", HTTPProxy("p", 1, "alice", SECRET)),
            (f"http://al%20ice:{SECRET}%40%2F%C3%A4@p:1", HTTPProxy("p", 1, "al ice", f"{SECRET}@/ä")),
            ("http://alice@p:1", HTTPProxy("p", 1, "alice", "")),
        ],
    )
    def test_isAURI(self, given: str, taken: HTTPProxy) -> None:
        configuration = configure(proxy=given)
        assert configuration.proxy == taken
        assert configuration.evolve(register=False).proxy == taken
        for shown in (repr(configuration), repr(taken), str(taken)):
            assert SECRET not in shown

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "proxy:3128",
            f"https://alice:{SECRET}@p:1",
            f"socks5://alice:{SECRET}@p:1",
            f"http://alice:{SECRET}@p",
            f"http://alice:{SECRET}@p:0",
            f"http://alice:{SECRET}@p:99999",
            f"http://alice:{SECRET}@:1",
            f"http://alice:{SECRET}@p:1/path",
            f"http://alice:{SECRET}@p:1?q",
            f"http://alice:{SECRET}/x@p:1",
            f"http://alice:{SECRET}\r\n@p:1",
            f"http://alice:{SECRET}%ff@p:1",
            f"http://al%3Aice:{SECRET}@p:1",
            "http://[::1:1",
            5,
        ],
    )
    def test_isNothingElse(self, given: object) -> None:
        assert refusal(proxy=given).option == "proxy"


class TestEndpoint:
    def test_isAString(self) -> None:
        text = "tor:{host}:{port}:socksHostname=127.0.0.1:socksPort=1080"
        assert configure(endpoint=text).endpoint == text
        assert text not in repr(configure(endpoint=text))

    @pytest.mark.parametrize(
        "text", ["", "tcp:a:1", f"tor:{{host}}:1:{SECRET}", "x:{host}:{port}:{user}", "x:{host}:{port}}", 5]
    )
    def test_saysWhereHostAndPortGo(self, text: object) -> None:
        assert refusal(endpoint=text).option == "endpoint"

    def test_isNotGivenBesideAProxy(self) -> None:
        assert refusal(endpoint="tcp:{host}:{port}", proxy=f"http://a:{SECRET}@p:1").option == "endpoint"


@pytest.mark.parametrize("count", [-1, 21, 1.5, "3", True])
def test_redirectsAreCounted(count: object) -> None:
    assert configure().maxRedirects == 0
    assert refusal(maxRedirects=count).option == "maxRedirects"


def test_allOfThemMayStandInTOML(tmp_path: Path) -> None:
    (tmp_path / "http-secret").write_text(SECRET)
    path = tmp_path / "bot.toml"
    path.write_text(
        """
        uri = "sip:alice@example.com"
        wsServers = "wss://sip.example.com"
        httpUser = "alice"
        httpPasswordFile = "http-secret"
        maxRedirects = 3
        proxy = "http://proxy.example.com:3128"

        [httpHeaders]
        X-Tenant = "blau"

        [httpCookies]
        session = "abc"
        """
    )
    configuration = Configuration.fromTOML(path)
    assert configuration.httpHeaders == {"X-Tenant": "blau"}
    assert configuration.httpCookies == {"session": "abc"}
    assert (configuration.httpUser, configuration.httpPassword) == ("alice", SECRET)
    assert configuration.maxRedirects == 3
    assert configuration.proxy == HTTPProxy("proxy.example.com", 3128)


def test_nothingShowsWhatIsSecret() -> None:
    configuration = configure(
        httpHeaders={"X-Key": SECRET},
        httpCookies={"session": SECRET},
        httpUser="alice",
        httpPassword=SECRET,
        proxy=f"http://bob:{SECRET}@p:1",
    )
    assert SECRET not in repr(configuration) + str(configuration)
    assert SECRET not in repr(configure(httpToken=SECRET, endpoint=f"x:{{host}}:{{port}}:{SECRET}"))
