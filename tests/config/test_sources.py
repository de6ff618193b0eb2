"""Options from TOML files; passwords from files and the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sipws.config import Configuration
from sipws.errors import ConfigurationError

SECRET = "hunter2-öäü"


def configure(**options: Any) -> Configuration:
    return Configuration(**{"uri": "sip:alice@example.com", "wsServers": "ws://localhost", **options})


def write(folder: Path, text: str) -> Path:
    path = folder / "bot.toml"
    path.write_text(text, encoding="utf-8")
    return path


GOOD = """
uri = "sip:alice@example.com"
displayName = "Alice"
registerExpires = 120
stopTimeout = 2.5
traceSip = true
extraSupported = ["timer"]

[[wsServers]]
ws_uri = "wss://a.example.com"
weight = 10

[[wsServers]]
ws_uri = "wss://b.example.com"
"""


class TestTOML:
    def test_givesEachOptionItsValue(self, tmp_path: Path) -> None:
        configuration = Configuration.fromTOML(write(tmp_path, GOOD))
        assert str(configuration.uri) == "sip:alice@example.com"
        assert configuration.displayName == "Alice"
        assert configuration.registerExpires == 120
        assert configuration.stopTimeout == 2.5
        assert configuration.traceSip is True
        assert configuration.extraSupported == ("timer",)
        assert [(server.ws_uri, server.weight) for server in configuration.wsServers] == [
            ("wss://a.example.com", 10),
            ("wss://b.example.com", 0),
        ]

    def test_takesThePathAsText(self, tmp_path: Path) -> None:
        assert Configuration.fromTOML(str(write(tmp_path, GOOD))) == Configuration.fromTOML(
            tmp_path / "bot.toml"
        )

    def test_anErrorNamesFileAndKey(self, tmp_path: Path) -> None:
        path = write(tmp_path, GOOD.replace("120", '"soon"'))
        with pytest.raises(ConfigurationError) as caught:
            Configuration.fromTOML(path)
        assert caught.value.option == "registerExpires"
        assert caught.value.file == str(path)
        assert str(caught.value).startswith(f"{path}: registerExpires: ")
        assert "'soon'" in str(caught.value)

    def test_anUnknownKeyIsNamedWithItsNearest(self, tmp_path: Path) -> None:
        path = write(tmp_path, "trace_sip = true\n" + GOOD)
        with pytest.raises(ConfigurationError, match=r"bot\.toml: trace_sip: .*did you mean traceSip\?"):
            Configuration.fromTOML(path)

    def test_whatIsNoTOMLIsSaidWhere(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"bot\.toml: is not TOML: .*line 2"):
            Configuration.fromTOML(write(tmp_path, "\nuri = = 5\n"))

    def test_whatIsNoTOMLDoesNotShowAPassword(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Configuration.fromTOML(write(tmp_path, f"password = {SECRET}\n"))
        assert SECRET not in str(caught.value)

    def test_whatIsNotUTF8IsSaid(self, tmp_path: Path) -> None:
        path = tmp_path / "bot.toml"
        path.write_bytes(b'uri = "\xff"')
        with pytest.raises(ConfigurationError, match="not UTF-8 at octet 7"):
            Configuration.fromTOML(path)

    def test_aMissingFileIsSaid(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read: No such file"):
            Configuration.fromTOML(tmp_path / "none.toml")

    def test_relativePathsAreRelativeToTheFile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "etc"
        elsewhere = tmp_path / "elsewhere"
        folder.mkdir()
        elsewhere.mkdir()
        (folder / "secret").write_text(SECRET, encoding="utf-8")
        monkeypatch.chdir(elsewhere)
        path = write(folder, 'passwordFile = "secret"\n' + GOOD)
        assert Configuration.fromTOML(path).password == SECRET

    def test_absolutePathsStayAsTheyAre(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("x")
        path = write(tmp_path, f'caFile = "{tmp_path / "ca.pem"}"\n' + GOOD)
        assert Configuration.fromTOML(path).caFile == str(tmp_path / "ca.pem")


class TestPassword:
    def test_isGivenDirectly(self) -> None:
        assert configure(password=SECRET).password == SECRET

    @pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
    def test_isTheFirstLineOfAFile(self, tmp_path: Path, ending: str) -> None:
        path = tmp_path / "secret"
        path.write_bytes((SECRET + ending).encode())
        assert configure(passwordFile=path).password == SECRET

    def test_keepsItsSpaces(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        path.write_text(" a b \n")
        assert configure(passwordFile=path).password == " a b "

    def test_isInTheEnvironment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SIPWS_TEST_SECRET", SECRET)
        assert configure(passwordEnvironment="SIPWS_TEST_SECRET").password == SECRET

    def test_thatIsNotInTheEnvironmentIsAnError(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("SIPWS_TEST_SECRET", raising=False)
        with pytest.raises(ConfigurationError, match="SIPWS_TEST_SECRET") as caught:
            configure(passwordEnvironment="SIPWS_TEST_SECRET")
        assert caught.value.option == "passwordEnvironment"

    @pytest.mark.parametrize("content", [b"", b"\n", b"\xff\n", b"x" * 5000])
    def test_thatIsNoPasswordIsAnErrorWhichDoesNotShowIt(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "secret"
        path.write_bytes(content)
        with pytest.raises(ConfigurationError) as caught:
            configure(passwordFile=path)
        assert caught.value.option == "passwordFile"
        assert str(path) in str(caught.value)
        assert "xxx" not in str(caught.value)
        assert "xff" not in str(caught.value)

    @pytest.mark.parametrize(
        "names",
        [
            ("password", "passwordFile"),
            ("password", "passwordEnvironment"),
            ("passwordFile", "passwordEnvironment"),
        ],
    )
    def test_isGivenInOneWayOnly(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]
    ) -> None:
        (tmp_path / "secret").write_text(SECRET)
        monkeypatch.setenv("SIPWS_TEST_SECRET", SECRET)
        values = {
            "password": SECRET,
            "passwordFile": tmp_path / "secret",
            "passwordEnvironment": "SIPWS_TEST_SECRET",
        }
        with pytest.raises(ConfigurationError) as caught:
            configure(**{name: values[name] for name in names})
        assert caught.value.option == names[1]
        assert names[0] in str(caught.value)
        assert SECRET not in str(caught.value)

    def test_isNeverShown(self) -> None:
        configuration = configure(password=SECRET)
        assert SECRET not in repr(configuration)
        assert SECRET not in str(configuration)

    @pytest.mark.parametrize("wrong", [f"{SECRET}\r\n", SECRET.encode()])
    def test_isNotShownWhenItIsWrong(self, wrong: object) -> None:
        with pytest.raises(ConfigurationError) as caught:
            configure(password=wrong)
        assert caught.value.option == "password"
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(caught.value)

    def test_staysWithACopy(self, tmp_path: Path) -> None:
        path = tmp_path / "secret"
        path.write_text(SECRET, encoding="utf-8")
        configuration = configure(passwordFile=path)
        path.unlink()
        assert configuration.personal().password == SECRET
