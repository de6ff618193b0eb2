"""The command line."""

from __future__ import annotations

import io
import os
import re
import runpy
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
import trustme
from click.testing import CliRunner
from rich.console import Console
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.utils import getProcessOutputAndValue
from twisted.python.failure import Failure

import sipws
from sipws import Configuration, IncomingRequest, UserAgent
from sipws.cli import main
from sipws.cli.oneshot import OneShot
from sipws.cli.report import Report, printable
from sipws.cli.status import ExitStatus
from sipws.echo import echo
from sipws.options import PASSWORD_VARIABLE, AgentOptions
from sipws.server import EmbeddedServer
from sipws.transport import SystemResolver
from sipws.ua import directory
from tests.loopback import Loopback, guardedServer, openServer
from tests.nameserver import NameServer
from tests.resolving import srv

embedded = pytest_twisted.async_yield_fixture(openServer)
guarded = pytest_twisted.async_yield_fixture(guardedServer)

#: A line of the report: a phase, its duration, and what came of it.
PHASE = re.compile(r"^  (\w+) +(-|\d+\.\d ms)(?:  (.*))?$", re.MULTILINE)


@attrs.frozen
class Outcome:
    """What a run of the command line came to."""

    output: str
    errors: str
    status: int

    @property
    def phases(self) -> dict[str, tuple[str, str]]:
        """The duration, and what came of it, of each phase."""
        return {name: (time, outcome) for name, time, outcome in PHASE.findall(self.output)}


async def run(*arguments: str, password: str | None = None) -> Outcome:
    """Run C{sipws} in a process of its own, while the reactor serves it."""
    environment = {name: value for name, value in os.environ.items() if name != PASSWORD_VARIABLE}
    if password is not None:
        environment[PASSWORD_VARIABLE] = password
    output, errors, status = await getProcessOutputAndValue(
        sys.executable, ["-m", "sipws.cli", *arguments], env=environment
    )
    return Outcome(output.decode(), errors.decode(), status)


async def agentOn(loopback: Loopback, name: str, **options: Any) -> UserAgent:
    """Register a user agent."""
    from twisted.internet import reactor

    configuration = Configuration(
        uri=f"sip:{name}@localhost", wsServers=loopback.uri, stopTimeout=2, **options
    )
    userAgent = UserAgent(configuration, reactor)
    userAgent.start()
    await userAgent.whenRegistered()
    return userAgent


@pytest_twisted.async_yield_fixture
async def bot(embedded: Loopback) -> AsyncIterator[UserAgent]:
    """A user agent called bot on the open server."""
    userAgent = await agentOn(embedded, "bot")
    yield userAgent
    await userAgent.stop()


@attrs.frozen
class Secured:
    """An embedded server behind TLS, and the file of the authority that vouches for it."""

    uri: str
    caFile: str


@pytest_twisted.async_yield_fixture
async def secured(tmp_path: Path) -> AsyncIterator[Secured]:
    from twisted.internet import reactor

    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    server = EmbeddedServer(reactor)
    file = tmp_path / "server.pem"
    port: Any = await server.listen(
        serverFromString(reactor, f"ssl:0:privateKey={file}:certKey={file}:interface=127.0.0.1")
    )
    yield Secured(f"wss://127.0.0.1:{port.getHost().port}", str(tmp_path / "ca.pem"))
    await server.stop()


class TestMessage:
    @pytest_twisted.ensureDeferred
    async def test_isDeliveredAndTimed(self, embedded: Loopback, bot: UserAgent) -> None:
        received: list[IncomingRequest] = []
        bot.handle("MESSAGE", received.append)

        outcome = await run("message", "--server", embedded.uri, "sip:bot@localhost", "Grüß Gott")

        assert outcome.status == ExitStatus.SUCCESS, outcome
        assert [request.body.decode() for request in received] == ["Grüß Gott"]
        assert outcome.phases["MESSAGE"][1] == "200 OK"
        assert list(outcome.phases) == ["resolve", "tcp", "tls", "upgrade", "MESSAGE"]
        assert outcome.phases["tls"][0] == "-"
        assert all(outcome.phases[name][0].endswith(" ms") for name in ("tcp", "upgrade", "MESSAGE"))
        assert outcome.errors == ""

    @pytest_twisted.ensureDeferred
    async def test_waitsForTheAnswerAndPrintsIt(self, embedded: Loopback, bot: UserAgent) -> None:
        echo(bot)

        outcome = await run("message", "--server", embedded.uri, "--wait", "5", "sip:bot@localhost", "Hello")

        assert outcome.status == ExitStatus.SUCCESS, outcome
        assert outcome.phases["REGISTER"][1] == "200 OK"
        assert outcome.output.splitlines()[-1] == "sip:bot@localhost: Hello"

    @pytest_twisted.ensureDeferred
    async def test_anAnswerThatDoesNotComeIsAStatusOfItsOwn(self, embedded: Loopback, bot: UserAgent) -> None:
        outcome = await run(
            "message", "--server", embedded.uri, "--wait", "0.2", "sip:bot@localhost", "Hello"
        )

        assert outcome.status == ExitStatus.NO_ANSWER
        assert outcome.errors == "sipws: no answer in 0.2 s\n"

    @pytest_twisted.ensureDeferred
    async def test_anotherFinalResponseIsOne(self, embedded: Loopback) -> None:
        outcome = await run("message", "--server", embedded.uri, "sip:nobody@localhost", "Hello")

        assert outcome.status == ExitStatus.REFUSED
        assert outcome.phases["MESSAGE"][1].startswith("404")

    @pytest_twisted.ensureDeferred
    async def test_noFinalResponseInTimeIsFour(self, embedded: Loopback, bot: UserAgent) -> None:
        pending: Deferred[int] = Deferred()
        bot.handle("MESSAGE", lambda request: pending)

        outcome = await run(
            "message", "--server", embedded.uri, "--timeout", "2", "sip:bot@localhost", "Hello"
        )
        pending.callback(200)

        assert outcome.status == ExitStatus.TIMED_OUT
        assert outcome.errors == "sipws: no final response to MESSAGE in 2 s\n"

    @pytest_twisted.ensureDeferred
    async def test_traceShowsTheMessagesOnStandardError(self, embedded: Loopback, bot: UserAgent) -> None:
        outcome = await run("message", "--server", embedded.uri, "--trace", "sip:bot@localhost", "Hello")

        assert "MESSAGE sip:bot@localhost SIP/2.0" in outcome.errors
        assert "SIP/2.0 200 OK" in outcome.errors
        assert "SIP/2.0" not in outcome.output


class TestOptions:
    @pytest_twisted.ensureDeferred
    async def test_showsWhatTheTargetCanDo(self, embedded: Loopback, bot: UserAgent) -> None:
        outcome = await run("options", "--server", embedded.uri, "bot")

        assert outcome.status == ExitStatus.SUCCESS, outcome
        assert outcome.phases["OPTIONS"][1] == "200 OK"
        (allow,) = [line for line in outcome.output.splitlines() if line.startswith("Allow: ")]
        assert {"OPTIONS", "MESSAGE"} <= set(allow.removeprefix("Allow: ").split(", "))


class TestRegister:
    @pytest_twisted.ensureDeferred
    async def test_withThePasswordOfTheEnvironment(self, guarded: Loopback) -> None:
        outcome = await run("register", "--server", guarded.uri, "--aor", "alice@localhost", password="ecila")

        assert outcome.status == ExitStatus.SUCCESS, outcome
        assert outcome.phases["REGISTER"][1] == "200 OK"
        assert "sip:alice@localhost is registered for 600 s" in outcome.output.splitlines()

    @pytest_twisted.ensureDeferred
    async def test_withThePasswordOfAFile(self, guarded: Loopback, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("ecila\n")

        outcome = await run(
            "register",
            *("--server", guarded.uri, "--aor", "alice@localhost"),
            *("--password-file", str(tmp_path / "secret")),
        )

        assert outcome.status == ExitStatus.SUCCESS, outcome

    @pytest_twisted.ensureDeferred
    async def test_aWrongPasswordIsOneAndIsNotShown(self, guarded: Loopback) -> None:
        outcome = await run(
            "register", "--trace", "--server", guarded.uri, "--aor", "alice@localhost", password="hunter2"
        )

        assert outcome.status == ExitStatus.REFUSED
        assert re.match("40[13] ", outcome.phases["REGISTER"][1])
        assert "hunter2" not in outcome.output + outcome.errors
        assert not re.search(r'response="?[0-9a-f]{8}', outcome.errors)

    @pytest_twisted.ensureDeferred
    async def test_leavesNoBindingBehind(self, embedded: Loopback) -> None:
        await run("register", "--server", embedded.uri, "--aor", "carol@localhost")
        outcome = await run("message", "--server", embedded.uri, "sip:carol@localhost", "Still there?")

        assert outcome.phases["MESSAGE"][1].startswith(("404", "480"))


class TestConnecting:
    @pytest_twisted.ensureDeferred
    async def test_nobodyThereIsThree(self) -> None:
        outcome = await run("register", "--server", "ws://127.0.0.1:9", "--server", "ws://127.0.0.1:7")

        assert outcome.status == ExitStatus.NOT_CONNECTED
        complaints = outcome.errors.splitlines()
        assert {line.split(": ")[1] for line in complaints} == {"ws://127.0.0.1:9", "ws://127.0.0.1:7"}
        assert all("refused" in line for line in complaints)

    @pytest_twisted.ensureDeferred
    async def test_theOtherServerIsTakenWhereOneIsDown(self, embedded: Loopback) -> None:
        outcome = await run("register", "--server", "ws://127.0.0.1:9", "--server", embedded.uri)

        assert outcome.status == ExitStatus.SUCCESS, outcome

    @pytest_twisted.ensureDeferred
    async def test_aServerThatSaysNothingIsThree(self) -> None:
        from twisted.internet import reactor

        endpoint = TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        silent: Any = await endpoint.listen(Factory.forProtocol(Protocol))
        port = silent.getHost().port

        outcome = await run("options", "--timeout", "0.4", "--server", f"ws://127.0.0.1:{port}", "bot")
        await silent.stopListening()

        assert outcome.status == ExitStatus.NOT_CONNECTED
        assert outcome.errors == "sipws: no connection in 0.4 s\n"


class TestDomain:
    """The name server of this system is one of the test's."""

    DOMAIN = "example.test"

    @pytest.fixture
    def serve(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., NameServer]:
        def serve(*records: Any) -> NameServer:
            from twisted.internet import reactor

            nameServer = NameServer(reactor, self.DOMAIN, list(records))
            (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")

            def system(reactor: Any, configuration: Path, hostsFile: Path) -> SystemResolver:
                return SystemResolver(reactor, tmp_path / "resolv.conf", tmp_path / "hosts", nameServer.port)

            monkeypatch.setattr(directory, "SystemResolver", system)
            return nameServer

        return serve

    async def register(self, server: str) -> Outcome:
        """Do what C{sipws register} does, in this process."""
        from twisted.internet import reactor

        output, errors = Console(file=io.StringIO()), Console(file=io.StringIO())
        configuration = AgentOptions(servers=(server,), aor="sip:alice@localhost").configuration(
            {}, wsServerMaxReconnection=0
        )
        oneShot = OneShot(configuration, reactor, Report(output, errors), 5)

        async def act(_: OneShot) -> None:
            """Nothing more."""

        status = await oneShot.run(act)
        return Outcome(output.file.getvalue(), errors.file.getvalue(), status)  # type: ignore[attr-defined]

    @pytest_twisted.ensureDeferred
    async def test_itsServersAreLookedUp(self, embedded: Loopback, serve: Callable[..., NameServer]) -> None:
        port = int(embedded.uri.rpartition(":")[2])
        nameServer = serve(
            srv(f"_sip._ws.{self.DOMAIN}", "localhost", 9, priority=1),
            srv(f"_sip._ws.{self.DOMAIN}", "localhost", port, priority=2),
        )

        outcome = await self.register(f"sip:{self.DOMAIN}")
        await nameServer.stop()

        assert outcome.status == ExitStatus.SUCCESS, outcome
        assert outcome.output.startswith(f"the servers of {self.DOMAIN} as sip:alice@localhost\n")
        assert outcome.errors.startswith("sipws: ws://localhost:9/: no connection to localhost:9")

    @pytest_twisted.ensureDeferred
    async def test_oneWithoutServersIsThreeAndSaysSo(self, serve: Callable[..., NameServer]) -> None:
        nameServer = serve()

        outcome = await self.register(f"sips:{self.DOMAIN}")
        await nameServer.stop()

        assert outcome.status == ExitStatus.NOT_CONNECTED
        assert outcome.errors == f"sipws: {self.DOMAIN} has neither NAPTR, SRV nor address records\n"


# Twisted's own ssl: endpoint hands such objects to pyOpenSSL.
@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
class TestTLS:
    @pytest_twisted.ensureDeferred
    async def test_isTimedAndVerified(self, secured: Secured) -> None:
        outcome = await run("register", "--server", secured.uri, "--ca-file", secured.caFile)

        assert outcome.status == ExitStatus.SUCCESS, outcome
        assert outcome.phases["tls"][0].endswith(" ms")

    @pytest_twisted.ensureDeferred
    async def test_anUnknownAuthorityIsThreeAndNamed(self, secured: Secured) -> None:
        """The report says how far it got, and what was wrong."""
        outcome = await run("register", "--server", secured.uri)

        assert outcome.status == ExitStatus.NOT_CONNECTED
        assert "certificate" in outcome.errors
        assert outcome.phases["tcp"][0].endswith(" ms")
        assert outcome.phases["upgrade"][0] == "-"


@pytest.mark.parametrize(
    "arguments",
    [["message", "--wait", "60", "sip:bot@localhost", "Hello"], ["options", "sip:bot@localhost"]],
    ids=["waiting for the answer", "waiting for the response"],
)
@pytest_twisted.ensureDeferred
async def test_anInterruptLeavesNothingBehind(
    embedded: Loopback, bot: UserAgent, arguments: list[str]
) -> None:
    """It unregisters, and ends with the status that shells give to Ctrl-C."""
    from twisted.internet import reactor

    never: Deferred[int] = Deferred()
    asked: Deferred[None] = Deferred()

    def ask(request: IncomingRequest) -> Deferred[int] | None:
        asked.callback(None)
        return never if request.method == "OPTIONS" else None

    bot.handle("MESSAGE", ask)
    bot.handle("OPTIONS", ask)
    ended = Ending()
    command = [sys.executable, "-m", "sipws.cli", *arguments[:1], "--server", embedded.uri, *arguments[1:]]
    process: Any = reactor.spawnProcess(ended, sys.executable, command, env=dict(os.environ))

    await asked
    process.signalProcess("INT")
    status = await ended.status
    never.callback(200)

    assert status == ExitStatus.INTERRUPTED
    assert set(embedded.server.locations) == {"sip:bot@localhost"}


class Ending(ProcessProtocol):
    """Waits for a process."""

    def __init__(self) -> None:
        self.status: Deferred[int | None] = Deferred()

    def processEnded(self, reason: Failure) -> None:
        self.status.callback(getattr(reason.value, "exitCode", None))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["register", "--server", "http://example.com"], "Error: --server: "),
        (["register", "--aor", "sip:@@"], "Error: --aor: "),
        (["register", "--password-file", "/nowhere/secret"], "Error: --password-file: "),
        (["register", "--config", "/nowhere/bot.toml"], "Error: /nowhere/bot.toml: cannot be read"),
        (["message", "sip:", "Hello"], "Error: TARGET: "),
        (["message", "sip:bot@localhost"], "Missing argument 'TEXT'"),
        (["message", "--timeout", "0", "bot", "Hello"], "--timeout"),
        (["message", "--wait", "soon", "bot", "Hello"], "--wait"),
        (["register", "--password", "hunter2"], "No such option"),
        (["invite"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_whatCannotBeUsedIsTwoAndSaysWhy(arguments: list[str], problem: str) -> None:
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == ExitStatus.USAGE
    assert problem in result.stderr
    assert "Traceback" not in result.output


def test_helpListsEveryExitStatus() -> None:
    result = CliRunner().invoke(main, ["--help"])

    for status in ExitStatus:
        assert re.search(rf"^ +{int(status)}  {re.escape(status.meaning)[:40]}", result.output, re.MULTILINE)


def test_version() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.strip().endswith(sipws.__version__)


class TestReport:
    def test_whatComesFromTheNetworkCannotSteerTheTerminal(self) -> None:
        output = io.StringIO()
        report = Report(Console(file=output), Console(file=output))

        report.message("sip:bot@localhost", "\x1b]0;owned\x07[bold]not markup[/bold]\nsecond line\x9b1A")
        report.phase("MESSAGE", 0.0012, "200 O\x1b[2JK")

        assert output.getvalue() == (
            "sip:bot@localhost: \\x1b]0;owned\\x07[bold]not markup[/bold]\nsecond line\\x9b1A\n"
            "  MESSAGE         1.2 ms  200 O\\x1b[2JK\n"
        )

    def test_longLinesAreNotBroken(self) -> None:
        output = io.StringIO()

        Report(Console(file=output, width=20), Console(file=output)).say("Allow: " + "OPTIONS, " * 10)

        assert len(output.getvalue().splitlines()) == 1

    def test_printableKeepsLetters(self) -> None:
        assert printable("Grüß Gott, 你好 👋") == "Grüß Gott, 你好 👋"
        assert printable("a\nb") == "a\\nb"


def test_itIsAModuleToo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where its script is not in the PATH, C{python -m sipws} is the way."""
    monkeypatch.setattr(sys, "argv", ["sipws", "--help"])
    with pytest.raises(SystemExit) as left:
        runpy.run_module("sipws", run_name="__main__")
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: python -m sipws [OPTIONS] COMMAND")
