"""The commands, their options and their arguments."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
from rich.console import Console
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from sipws._version import __version__
from sipws.cli.oneshot import OneShot
from sipws.cli.report import Report
from sipws.cli.status import ExitStatus
from sipws.config import Configuration
from sipws.errors import ConfigurationError
from sipws.message import URI, IncomingRequest
from sipws.options import DEFAULT_DOMAIN, DEFAULT_SERVER, PASSWORD_VARIABLE, AgentOptions
from sipws.ua.requests import normalizeTarget

__all__ = ["main"]

Command = TypeVar("Command", bound=Callable[..., Any])

_STATUSES = "\n".join(f"  {int(status):>3}  {status.meaning}" for status in ExitStatus)

_PASSWORDS = (
    f"A password comes from --password-file, from the environment ({PASSWORD_VARIABLE}), from the file of "
    "--config, or from --ask-password.\n\n"
)


class OptionError(click.ClickException):
    """An option or argument that cannot be used: one line of help."""

    exit_code = ExitStatus.USAGE


@click.group(epilog=f"{_PASSWORDS}\b\nExit status:\n{_STATUSES}")
@click.version_option(__version__, package_name="sipws")
def main() -> None:
    """Do one SIP request over WebSocket (RFC 7118), and say how it went."""


def _common(command: Command) -> Command:
    """Add the options that all commands have."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--config", metavar="FILE", help="Read the options of a user agent from a TOML file."),
    click.option(
        "--server",
        "servers",
        metavar="URI",
        multiple=True,
        help="A WebSocket server, ws://... or wss://...; may be repeated.  Or sips:DOMAIN, to look them up.  "
        f"Default: {DEFAULT_SERVER}.",
    ),
    click.option("--aor", metavar="URI", help="The address of record, sip:user@domain.  Default: made up."),
    click.option("--user", metavar="NAME", help="The user for authentication, if it is not that of --aor."),
    click.option("--password-file", metavar="FILE", help="A file whose first line is the password."),
    click.option("--ask-password", is_flag=True, help="Ask for the password."),
    click.option(
        "--ca-file", metavar="FILE", help="Trust the certificates in this PEM file instead of the system's."
    ),
    click.option(
        "--trace", is_flag=True, help="Show every SIP message, without its secrets, on standard error."
    ),
    click.option(
        "--timeout",
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        default=10.0,
        show_default=True,
        help="How long connecting, registering and the request may take, each.",
    ),
)


@main.command()
@click.argument("target")
@click.argument("text")
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Register, wait for a message in answer, and print it.",
)
@_common
def message(target: str, text: str, wait: float | None, **options: Any) -> None:
    """Send TEXT to TARGET in a MESSAGE."""
    uri = _target(target)

    async def act(shot: OneShot) -> None:
        answers: Deferred[IncomingRequest] = Deferred()

        def received(request: IncomingRequest) -> None:
            if not answers.called:
                answers.callback(request)

        shot.userAgent.handle("MESSAGE", received)
        await shot.request("MESSAGE", lambda: shot.userAgent.message(uri, text))
        if wait is not None:
            await shot.answer(answers, wait)

    _perform(act, _configuration(options, uri.host, register=wait is not None), options)


@main.command(name="options")
@click.argument("target")
@_common
def options_(target: str, **options: Any) -> None:
    """Ask TARGET what it can do, with OPTIONS."""
    uri = _target(target)

    async def act(shot: OneShot) -> None:
        response = await shot.request("OPTIONS", lambda: shot.userAgent.options(uri))
        for name in ("Allow", "Accept", "Supported", "User-Agent", "Server"):
            values = response.getHeaders(name)
            if values:
                shot.report.say(f"{name}: {', '.join(values)}")

    _perform(act, _configuration(options, uri.host, register=False), options)


@main.command()
@_common
def register(**options: Any) -> None:
    """Register, say for how long the registrar grants it, and unregister."""

    async def act(shot: OneShot) -> None:
        userAgent = shot.userAgent
        granted = userAgent.registration.granted
        shot.report.say(f"{userAgent.configuration.uri} is registered for {granted} s")

    _perform(act, _configuration(options, DEFAULT_DOMAIN, register=True), options)


def _target(text: str) -> URI:
    try:
        return URI.parse(normalizeTarget(text, DEFAULT_DOMAIN))
    except ValueError as error:
        raise OptionError(f"TARGET: {error}") from error


def _configuration(options: dict[str, Any], domain: str, register: bool) -> Configuration:
    password = click.prompt("Password", hide_input=True, err=True) if options["ask_password"] else None
    given = AgentOptions(
        config=options["config"],
        servers=options["servers"],
        aor=options["aor"],
        user=options["user"],
        passwordFile=options["password_file"],
        password=password,
        caFile=options["ca_file"],
        trace=options["trace"],
    )
    # Two who run this at once are not the same user.
    defaults = {"wsServers": DEFAULT_SERVER, "uri": f"sip:cli-{secrets.token_hex(3)}@{domain}"}
    try:
        return given.configuration(defaults, register=register, wsServerMaxReconnection=0)
    except ConfigurationError as error:
        raise OptionError(str(error)) from error


def _perform(act: Callable[[OneShot], Any], configuration: Configuration, options: dict[str, Any]) -> None:
    """Run a user agent for it on a reactor of its own, and exit with its status."""
    _startLogging(configuration.traceSip)
    report = Report(Console(), Console(stderr=True))

    def run(reactor: Any) -> Deferred[None]:
        shot = OneShot(configuration, reactor, report, options["timeout"])
        done = Deferred.fromCoroutine(shot.run(act))
        # Ctrl-C stops the reactor, and must leave no registration behind.
        reactor.addSystemEventTrigger("before", "shutdown", lambda: shot.interrupt(done))
        return done.addCallback(sys.exit)

    task.react(run)


def _startLogging(trace: bool) -> None:
    """Show what is traced; otherwise only what must never happen."""
    level = LogLevelFilterPredicate(defaultLogLevel=LogLevel.critical)
    if trace:
        level.setLogLevelForNamespace("sip", LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [level])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
