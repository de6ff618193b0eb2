"""The C{twistd} plugin."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from sipws.echo import echo
from sipws.options import DEFAULT_PORT, DEFAULT_SERVER, PASSWORD_VARIABLE
from sipws.tap import Options

#: How long a program may take for anything, in seconds.
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _noPasswordInTheEnvironment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)


def parse(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


class TestOptions:
    def test_withoutAnyTheEmbeddedServerRunsAndAnEchoIsRegisteredThere(self) -> None:
        options = parse()

        assert options.embedded
        assert options.registersThere
        assert options.configuration is not None
        assert str(options.configuration.uri) == "sip:echo@localhost"
        assert options.application is echo
        assert options.users is None

    def test_withAServerNoEmbeddedOneRuns(self) -> None:
        options = parse(
            "--server", "ws://one.example.com", "--server", "wss://two.example.com", "--aor", "a@example.com"
        )

        assert not options.embedded
        assert options.configuration is not None
        assert [server.ws_uri for server in options.configuration.wsServers] == [
            "ws://one.example.com",
            "wss://two.example.com",
        ]

    def test_aServerInTheFileCounts(self, tmp_path: Path) -> None:
        path = tmp_path / "bot.toml"
        path.write_text('uri = "sip:bot@example.com"\nwsServers = "ws://one.example.com"\n')

        assert not parse("--config", str(path)).embedded

    def test_listenRunsTheEmbeddedServerBesideAnother(self) -> None:
        options = parse("--server", "ws://one.example.com", "--aor", "a@example.com", "--listen", "5067")

        assert options.embedded
        assert not options.registersThere

    def test_serverOnlyRunsNoUserAgent(self) -> None:
        options = parse("--server-only")

        assert options.embedded
        assert options.configuration is None

    def test_theDomainIsThatOfTheEcho(self) -> None:
        configuration = parse("--domain", "example.com").configuration

        assert configuration is not None
        assert str(configuration.uri) == "sip:echo@example.com"

    def test_thePasswordIsTakenFromTheEmbeddedServersUsers(self, tmp_path: Path) -> None:
        path = tmp_path / "users"
        path.write_text("bot:secret\n")

        options = parse("--users", str(path), "--aor", "bot@localhost")

        assert options.users == {"bot": "secret"}
        assert options.configuration is not None
        assert options.configuration.password == "secret"

    def test_traceIsHandedOn(self) -> None:
        configuration = parse("--trace").configuration

        assert configuration is not None
        assert configuration.traceSip is True

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["--server", "http://example.com"], "--server: "),
            (["--server", "ws://example.com"], "--aor: is missing"),
            (["--aor", "sip:@@"], "--aor: "),
            (["--password-file", "/nowhere/secret"], "--password-file: "),
            (["--ca-file", "/nowhere/ca.pem"], "--ca-file: "),
            (["--config", "/nowhere/bot.toml"], "/nowhere/bot.toml: cannot be read"),
            (["--app", "nowhere:bot"], "--app: there is no module"),
            (["--app", "nowhere"], "--app: 'nowhere' is not module:callable"),
            (["--listen", "nonsense"], "--listen: 'nonsense' is neither a port nor an endpoint"),
            (["--listen", "tcp:port"], "--listen: "),
            (["--listen", "70000"], "--listen: 70000 is not a port"),
            (["--metrics", "nonsense"], "--metrics: 'nonsense' is neither a port nor an endpoint"),
            (["--metrics", "70000"], "--metrics: 70000 is not a port"),
            (["--server-only", "--metrics", "9464"], "--metrics: is of no use"),
            (["--users", "/nowhere/users"], "--users: "),
            (["--domain", "not a domain"], "--domain: "),
            (["--server-only", "--server", "ws://example.com"], "--server: is of no use"),
            (["--server-only", "--aor", "a@b.c"], "--aor: is of no use"),
            (
                ["--server", "ws://example.com", "--aor", "a@b.c", "--users", os.devnull],
                "--users: is of no use",
            ),
            (["--users", os.devnull], "--users: /dev/null has no echo"),
            (["--no-such-option"], "no-such-option"),
            (["an-argument"], "an-argument"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_whatCannotBeUsedIsOneLineThatNamesIt(self, arguments: list[str], problem: str) -> None:
        with pytest.raises(UsageError) as raised:
            parse(*arguments)

        assert problem in str(raised.value)
        assert "\n" not in str(raised.value)


class Program:
    """A program of Twisted's that runs the plugin in a process of its own."""

    def __init__(self, folder: Path, runner: str, *arguments: str) -> None:
        self.log = folder / "log"
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    RUNNERS[runner],
                    *OPTIONS[runner],
                    "sipws",
                    *arguments,
                ],
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
            )

    def text(self) -> str:
        return self.log.read_text()

    def await_(self, text: str) -> str:
        """Wait until the log has a line with a text, and give what follows it there."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for line in self.text().splitlines():
                if text in line:
                    return line.partition(text)[2].strip()
            assert self.process.poll() is None, f"it ended: {self.text()}"
            time.sleep(0.02)
        raise AssertionError(f"no {text!r} in the log:\n{self.text()}")

    def end(self) -> int:
        """Send SIGTERM, and give the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


RUNNERS = {
    "twistd": "import sys; sys.argv[0] = 'twistd'; from twisted.scripts.twistd import run; run()",
    "twist": "import sys; from twisted.application.twist._twist import Twist; Twist.main(sys.argv)",
}

#: The options of the programs themselves: in the foreground, with a log that can be read.
OPTIONS = {"twistd": ["-n"], "twist": ["--log-format", "text"]}


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[list[Program]]:
    """Programs to be ended with the test, whatever comes of it."""
    started: list[Program] = []
    yield started
    for program in started:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["twistd", "twist"])
def test_theFirstTerminalAndTheSecond(runner: str, tmp_path: Path, programs: list[Program]) -> None:
    """
    Without an option, its log shows a user agent registered on the embedded
    server, and a command that gets its answer when it is typed elsewhere;
    SIGTERM unregisters and ends it.
    """
    program = Program(tmp_path, runner)
    programs.append(program)

    program.await_("sip:echo@localhost is registered on ws://127.0.0.1:")
    command = program.await_("from a second terminal: ")
    second = subprocess.run(
        ["sh", "-c", command], check=False, capture_output=True, text=True, timeout=PATIENCE, cwd="/"
    )
    status = program.end()

    assert second.returncode == 0, second
    assert "200 OK" in second.stdout
    assert "sip:echo@localhost: Hello" in second.stdout.splitlines()
    assert status in (0, -signal.SIGTERM)
    assert "sip:echo@localhost is unregistered" in program.text()
    assert "Traceback" not in program.text()


@pytest.mark.slow
def test_aDefaultPortThatIsTakenIsNoReasonToFail(tmp_path: Path, programs: list[Program]) -> None:
    with socket.socket() as taken:
        _takeOrFindTaken(taken)
        program = Program(tmp_path, "twistd")
        programs.append(program)

        server = program.await_("is registered on ")
        words = shlex.split(program.await_("from a second terminal: "))
        program.end()

    assert server != DEFAULT_SERVER
    assert server in words


def _takeOrFindTaken(taken: socket.socket) -> None:
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", DEFAULT_PORT))
        taken.listen()
    except OSError:
        pass


@pytest.mark.slow
def test_theEmbeddedServerOnAUnixSocket(tmp_path: Path, programs: list[Program]) -> None:
    """C{--listen} takes any endpoint, and the user agent finds it there."""
    program = Program(tmp_path, "twistd", "--listen", "unix:sipws.sock")
    programs.append(program)

    assert program.await_("is registered on ") == f"unix:{tmp_path}/sipws.sock"
    assert program.end() in (0, -signal.SIGTERM)
    assert "is unregistered" in program.text()


@pytest.mark.slow
def test_anOpenServerForAllTheWorldIsWarnedOf(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "twistd", "--server-only", "--listen", "tcp:0")
    programs.append(program)

    program.await_("may register as anybody; --users asks for passwords")


@pytest.mark.slow
def test_thePortOfListenThatIsTakenIsOneLine(tmp_path: Path, programs: list[Program]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = Program(tmp_path, "twistd", "--listen", str(port))
        programs.append(program)
        status = program.process.wait(PATIENCE)

    last = program.text().splitlines()[-1]
    assert status == 1
    assert "sipws: --listen: " in last
    assert str(port) in last
    assert "Traceback" not in program.text()


@pytest.mark.slow
def test_thePortOfMetricsThatIsTakenIsOneLine(tmp_path: Path, programs: list[Program]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        program = Program(tmp_path, "twistd", "--listen", "0", "--metrics", str(taken.getsockname()[1]))
        programs.append(program)
        assert program.process.wait(PATIENCE) == 1

    assert "sipws: --metrics: " in program.text().splitlines()[-1]
    assert "Traceback" not in program.text()


@pytest.mark.slow
def test_curlShowsMetricsAndHealth(tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, "twistd", "--listen", "0", "--metrics", "0")
    programs.append(program)
    port = int(program.await_("Metrics are served on ").rpartition("port=")[2].rstrip(")"))
    program.await_("is registered on ")

    def curl(path: str) -> str:
        command = ["curl", "--silent", "--show-error", "--fail", f"http://127.0.0.1:{port}{path}"]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    metrics = curl("/metrics").splitlines()
    assert 'sipws_registrations_total{aor="sip:echo@localhost"} 1.0' in metrics
    assert 'sipws_registered{aor="sip:echo@localhost",flow="1"} 1.0' in metrics
    [health] = json.loads(curl("/health"))
    assert health["state"] == "registered"
    assert program.end() in (0, -signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [[], ["--server-only"]], ids=["agent", "server"])
def test_systemdIsToldOfReadinessLifeAndTheEnd(
    tmp_path: Path, programs: list[Program], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "400000")
        program = Program(tmp_path, "twistd", "--listen", "0", *arguments)
        programs.append(program)
        told = ""
        while "READY=1" not in told or told.count("WATCHDOG=1") < 3:
            told += systemd.recv(1000).decode() + "\n"
        assert program.end() in (0, -signal.SIGTERM)
        systemd.setblocking(False)
        rest: list[str] = []
        while not rest or rest[-1]:
            try:
                rest.append(systemd.recv(1000).decode())
            except BlockingIOError:
                break
        assert "STOPPING=1" in rest


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["twistd", "twist"])
def test_aWrongOptionIsOneLine(runner: str, tmp_path: Path, programs: list[Program]) -> None:
    program = Program(tmp_path, runner, "--aor", "sip:@@")
    programs.append(program)
    status = program.process.wait(PATIENCE)

    assert status == 1
    assert len(program.text().splitlines()) == 1
    assert program.text().startswith("sipws: --aor: ")


@pytest.mark.slow
def test_aServerForUsersWithPasswords(tmp_path: Path, programs: list[Program]) -> None:
    """C{--server-only} and C{--users}: whoever has the password registers, and nobody else."""
    (tmp_path / "users").write_text("alice:ecila\n")
    program = Program(tmp_path, "twistd", "--server-only", "--listen", "0", "--users", "users")
    programs.append(program)
    server = program.await_("listens on ").partition(",")[0]

    statuses = {}
    for password in ("ecila", "wrong"):
        (tmp_path / "password").write_text(password)
        command = [
            sys.executable,
            "-m",
            "sipws.cli",
            "register",
            "--server",
            server,
            "--aor",
            "alice@localhost",
        ]
        done = subprocess.run(
            [*command, "--password-file", "password"],
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        statuses[password] = done.returncode
    program.end()

    assert statuses == {"ecila": 0, "wrong": 1}
    assert "ecila" not in program.text()
