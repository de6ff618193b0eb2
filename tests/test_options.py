"""The options that the plugin and the command line share."""

from __future__ import annotations

from pathlib import Path

import pytest

from sipws.errors import ConfigurationError
from sipws.options import DEFAULT_SERVER, PASSWORD_VARIABLE, AgentOptions, loadApplication, loadUsers

DEFAULTS = {"uri": "sip:nobody@localhost", "wsServers": DEFAULT_SERVER}


FILE = """
uri = "sip:filed@example.com"
wsServers = "wss://filed.example.com"
password = "filed"
registerExpires = 90
"""


@pytest.fixture(autouse=True)
def _noPasswordInTheEnvironment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


@pytest.fixture
def toml(tmp_path: Path) -> str:
    path = tmp_path / "bot.toml"
    path.write_text(FILE)
    return str(path)


class TestConfiguration:
    def test_defaultsHoldWhereNothingIsGiven(self) -> None:
        configuration = AgentOptions().configuration(DEFAULTS)

        assert str(configuration.uri) == "sip:nobody@localhost"
        assert [server.ws_uri for server in configuration.wsServers] == [DEFAULT_SERVER]
        assert configuration.password is None
        assert configuration.traceSip is False

    def test_theFileHoldsAgainstTheDefaults(self, toml: str) -> None:
        configuration = AgentOptions(config=toml).configuration(DEFAULTS)

        assert str(configuration.uri) == "sip:filed@example.com"
        assert [server.ws_uri for server in configuration.wsServers] == ["wss://filed.example.com"]
        assert configuration.password == "filed"
        assert configuration.registerExpires == 90

    def test_theCommandLineHoldsAgainstTheFile(self, toml: str, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("typed\n")
        options = AgentOptions(
            config=toml,
            servers=("ws://one.example.com", "ws://two.example.com"),
            aor="sip:typed@example.com",
            user="other",
            passwordFile=str(tmp_path / "secret"),
            trace=True,
        )

        configuration = options.configuration(DEFAULTS)

        assert str(configuration.uri) == "sip:typed@example.com"
        assert configuration.authorizationUser == "other"
        assert [server.ws_uri for server in configuration.wsServers] == [
            "ws://one.example.com",
            "ws://two.example.com",
        ]
        assert configuration.password == "typed"
        assert configuration.traceSip is True
        assert configuration.registerExpires == 90

    def test_whatIsFixedHoldsAgainstAll(self, toml: str) -> None:
        assert AgentOptions(config=toml).configuration(DEFAULTS, registerExpires=5).registerExpires == 5

    def test_thePasswordOfTheEnvironmentIsTheLastResort(
        self, toml: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(PASSWORD_VARIABLE, "environment")

        assert AgentOptions().configuration(DEFAULTS).password == "environment"
        assert AgentOptions(config=toml).configuration(DEFAULTS).password == "filed"
        assert AgentOptions(password="typed").configuration(DEFAULTS).password == "typed"

    def test_aTypedPasswordIsInNoRepr(self) -> None:
        options = AgentOptions(password="hunter2")

        assert "hunter2" not in repr(options)
        assert "hunter2" not in repr(options.configuration(DEFAULTS))

    @pytest.mark.parametrize(
        ("options", "name"),
        [
            (AgentOptions(aor="sip:@@"), "--aor: "),
            (AgentOptions(servers=("http://example.com",)), "--server: "),
            (AgentOptions(passwordFile="/nowhere/secret"), "--password-file: "),
            (AgentOptions(caFile="/nowhere/ca.pem"), "--ca-file: "),
            (AgentOptions(config="/nowhere/bot.toml"), "/nowhere/bot.toml: "),
        ],
        ids=lambda value: value.strip(": ") if isinstance(value, str) else "",
    )
    def test_anErrorNamesTheOptionAsItWasTyped(self, options: AgentOptions, name: str) -> None:
        with pytest.raises(ConfigurationError) as raised:
            options.configuration(DEFAULTS)

        assert str(raised.value).startswith(name)
        assert "\n" not in str(raised.value)

    def test_anErrorInTheFileNamesTheFileAndTheOption(self, toml: str) -> None:
        Path(toml).write_text('uri = "sip:@@"\n')

        with pytest.raises(ConfigurationError) as raised:
            AgentOptions(config=toml).configuration(DEFAULTS)

        assert toml in str(raised.value)
        assert "uri" in str(raised.value)
        assert "--aor" not in str(raised.value)

    def test_aWrongOptionOnTheCommandLineIsNotBlamedOnTheFile(self, toml: str) -> None:
        with pytest.raises(ConfigurationError) as raised:
            AgentOptions(config=toml, aor="sip:@@").configuration(DEFAULTS)

        assert str(raised.value).startswith("--aor: ")
        assert toml not in str(raised.value)

    def test_givesTellsWhatIsGiven(self, toml: str) -> None:
        assert AgentOptions(servers=("ws://one.example.com",)).givesServers()
        assert AgentOptions(servers=("sips:example.com",)).givesServers()
        assert AgentOptions(config=toml).givesServers()
        assert not AgentOptions().givesServers()

    @pytest.mark.parametrize(
        ("server", "insecure"),
        [("sips:example.com", False), ("sip:example.com", True), ("SIPS:Example.COM.", False)],
    )
    def test_aServerMayBeADomain(self, toml: str, server: str, insecure: bool) -> None:
        """RFC 3263 section 4.1: for a SIPS URI, nothing but TLS; for a SIP URI, both."""
        for options in (AgentOptions(servers=(server,)), AgentOptions(servers=(server,), config=toml)):
            configuration = options.configuration(DEFAULTS)

            assert configuration.wsDomain == "example.com"
            assert configuration.wsDomainInsecure is insecure
            assert configuration.wsServers == ()

    def test_theDomainOfTheFileHoldsAgainstTheDefaultsAndNotAgainstTheCommandLine(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "domain.toml"
        path.write_text('wsDomain = "filed.example.com"\n')

        assert AgentOptions(config=str(path)).givesServers()
        configuration = AgentOptions(config=str(path)).configuration(DEFAULTS)
        assert configuration.wsDomain == "filed.example.com"
        assert configuration.wsServers == ()
        configuration = AgentOptions(config=str(path), servers=("ws://typed",)).configuration(DEFAULTS)
        assert configuration.wsDomain is None
        assert [server.ws_uri for server in configuration.wsServers] == ["ws://typed"]
        configuration = AgentOptions(config=str(path), servers=("sips:typed.example",)).configuration(
            DEFAULTS
        )
        assert configuration.wsDomain == "typed.example"

    @pytest.mark.parametrize(
        "servers",
        [
            ("sips:example.com", "ws://one.example.com"),
            ("sips:example.com", "sips:example.org"),
            ("sips:alice@example.com",),
            ("sips:example.com:5061",),
            ("sips:192.0.2.1",),
            ("sip:",),
        ],
    )
    def test_aDomainStandsAloneAndIsOne(self, servers: tuple[str, ...]) -> None:
        with pytest.raises(ConfigurationError) as raised:
            AgentOptions(servers=servers).configuration(DEFAULTS)

        assert str(raised.value).startswith("--server: ")


class TestUsers:
    def test_readsALineAUser(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_text("# the staff\nalice:secret\n\nbob:with:colons and spaces \n")

        assert loadUsers(str(path)) == {"alice": "secret", "bob": "with:colons and spaces "}

    @pytest.mark.parametrize("line", ["hunter2", "alice:", ":hunter2"])
    def test_aWrongLineIsNamedByItsNumberAndNotShown(self, tmp_path: Path, line: str) -> None:
        path = tmp_path / "users"
        path.write_text(f"alice:secret\n{line}\n")

        with pytest.raises(ConfigurationError, match="--users: line 2 of ") as raised:
            loadUsers(str(path))
        assert "hunter2" not in str(raised.value)

    def test_aFileThatIsNotThereIsAnError(self) -> None:
        with pytest.raises(ConfigurationError, match="--users: /nowhere/users cannot be read"):
            loadUsers("/nowhere/users")

    def test_aFileThatIsNotTextIsAnError(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_bytes(b"alice:\xff\n")

        with pytest.raises(ConfigurationError, match="is not UTF-8 at octet 6"):
            loadUsers(str(path))


class TestApplication:
    def test_findsACallableOfAModule(self) -> None:
        from sipws.echo import echo

        assert loadApplication("sipws.echo:echo") is echo

    def test_findsOneInTheWorkingDirectory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "abotofmyown.py").write_text(
            "class Bot:\n    @staticmethod\n    def main(ua): return 'ran'\n"
        )
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.path", ["elsewhere"])

        assert loadApplication("abotofmyown:Bot.main")(None) == "ran"

    @pytest.mark.parametrize(
        ("name", "problem"),
        [
            ("sipws.echo", "is not module:callable"),
            ("sipws.echo:", "is not module:callable"),
            (":echo", "is not module:callable"),
            ("sipws.nowhere:echo", "there is no module 'sipws.nowhere'"),
            ("nowhere.at.all:echo", "there is no module 'nowhere'"),
            ("sipws.echo:nothing", "sipws.echo has no nothing"),
            ("sipws.echo:__name__", "is not callable"),
            ("sipws.echo:echo.nothing", "sipws.echo has no echo.nothing"),
        ],
    )
    def test_whatIsNotThereIsAnError(self, name: str, problem: str) -> None:
        with pytest.raises(ConfigurationError, match=f"^--app: .*{problem}"):
            loadApplication(name)

    def test_aCoroutineFunctionIsRefused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It would never run: the application is called, and nobody awaits it."""
        (tmp_path / "anasyncbot.py").write_text("async def main(ua): pass\n")
        monkeypatch.chdir(tmp_path)

        with pytest.raises(ConfigurationError, match="--app: anasyncbot:main is a coroutine function"):
            loadApplication("anasyncbot:main")

    def test_anErrorOfTheModuleItselfIsNotHidden(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "abrokenbot.py").write_text("import nowhere_to_be_found\n")
        monkeypatch.chdir(tmp_path)

        with pytest.raises(ModuleNotFoundError, match="nowhere_to_be_found"):
            loadApplication("abrokenbot:main")
