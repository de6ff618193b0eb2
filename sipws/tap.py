"""
The C{twistd} plugin: C{twistd -n sipws} and C{twist sipws}.

Runs a user agent with an application, and, where no server is given or
C{--listen} is, the embedded server.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.python import usage

from sipws.config import Configuration
from sipws.errors import ConfigurationError
from sipws.notify import NotifyService, notifierFrom
from sipws.options import (
    DEFAULT_DOMAIN,
    DEFAULT_PORT,
    DEFAULT_SERVER,
    PASSWORD_VARIABLE,
    AgentOptions,
    loadApplication,
    loadUsers,
)
from sipws.server import EmbeddedServer
from sipws.server.names import Names
from sipws.service import Application, EmbeddedServerService, SequentialService, UserAgentService
from sipws.ua import UserAgent

__all__ = ["Options", "makeService"]

#: The options that are the user agent's alone.
_OF_AGENT = ("config", "aor", "user", "password-file", "ca-file", "metrics")

_ECHO = "sipws.echo:echo"

_LOOPBACK = "127.0.0.1"
_MAX_PORT = 65535

_log = Logger(namespace="sipws")


class Options(usage.Options):
    """
    The options of the plugin.

    Once parsed, all that they say has been checked.

    @ivar configuration: The user agent's; C{None} with C{--server-only}.
    @ivar application: What C{--app} names.
    @ivar users: What C{--users} holds; C{None}: anyone may register.
    @ivar embedded: Whether to run the embedded server.
    @ivar registersThere: Whether the user agent's server is the embedded one.
    """

    synopsis = "[options]"
    longdesc = (
        "A SIP user agent over WebSocket (RFC 7118).  Without --server, it runs a SIP server of its own "
        f"on {DEFAULT_SERVER} and registers there.  The password comes from --password-file, from the "
        f"environment ({PASSWORD_VARIABLE}) or from the file of --config."
    )
    optFlags = [
        ["trace", None, "Log every SIP message, without its secrets."],
        ["server-only", None, "Run the embedded server and no user agent."],
    ]
    optParameters = [
        ["config", "c", None, "A TOML file with the options of the user agent."],
        ["aor", "a", None, "The address of record.  [default: sip:echo@ and the --domain]"],
        ["user", "u", None, "The user for authentication, if it is not that of --aor."],
        ["password-file", None, None, "A file whose first line is the password."],
        ["ca-file", None, None, "Trust the certificates in this PEM file instead of the system's."],
        ["app", None, _ECHO, "What to run: module:callable, called with the user agent."],
        ["listen", "l", None, "Run the embedded server too, on this port of 127.0.0.1 or this endpoint."],
        ["metrics", "m", None, "Serve /metrics and /health, likewise on a port of 127.0.0.1 or an endpoint."],
        ["domain", None, DEFAULT_DOMAIN, "The SIP domain of the embedded server."],
        ["users", None, None, "The embedded server's users: a file of lines user:password."],
    ]
    compData = usage.Completions(
        optActions={
            "config": usage.CompleteFiles("*.toml"),
            "password-file": usage.CompleteFiles(),
            "ca-file": usage.CompleteFiles("*.pem"),
            "users": usage.CompleteFiles(),
        }
    )

    def __init__(self) -> None:
        super().__init__()
        self.configuration: Configuration | None = None
        self.users: Mapping[str, str] | None = None
        self.embedded = False
        self.registersThere = False
        self._servers: list[str] = []

    def opt_server(self, uri: str) -> None:
        """A WebSocket server, ws://... or wss://...; may be repeated.  Or sips:DOMAIN, to look them up."""
        self._servers.append(uri)

    opt_s = opt_server

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Read the options.

        @raise usage.UsageError: They cannot be used.  Run by C{twistd}, which
            would print all of its own help before the error, the program
            ends with one line that says so.
        """
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            if getattr(self, "parent", None) is None:
                raise
            raise SystemExit(f"sipws: {error}  (--help lists the options)") from error

    def parseArgs(self, *arguments: str) -> None:
        """Take no arguments."""
        if arguments:
            raise usage.UsageError(f"{arguments[0]!r} is not an option, and there are no arguments")

    def postOptions(self) -> None:
        """Check everything, before anything starts."""
        try:
            self._check()
        except ConfigurationError as error:
            raise usage.UsageError(str(error)) from error

    def _check(self) -> None:
        self._agent = AgentOptions(
            config=self["config"],
            servers=tuple(self._servers),
            aor=self["aor"],
            user=self["user"],
            passwordFile=self["password-file"],
            caFile=self["ca-file"],
            trace=bool(self["trace"]),
        )
        given = self._agent.givesServers()
        self.registersThere = not given and not self["server-only"]
        self.embedded = not given or self["listen"] is not None
        self.users = None if self["users"] is None else loadUsers(self["users"])
        self._refuseWhatHasNoUse(given)
        _checkDomain(self["domain"])
        _endpoints(self["listen"], None)
        if self["metrics"] is not None:
            _endpoint("--metrics", self["metrics"], None)
            if find_spec("prometheus_client") is None:
                problem = "needs prometheus-client, which is not installed"
                raise ConfigurationError("--metrics", problem, "pip install 'sipws[metrics]'")
        self.application = loadApplication(self["app"])
        if not self["server-only"]:
            self.configuration = self.configurationOn(DEFAULT_SERVER)

    def _refuseWhatHasNoUse(self, servers: bool) -> None:
        if self["server-only"]:
            given = [f"--{name}" for name in _OF_AGENT if self[name] is not None]
            for name in ["--server"] * servers + given:
                raise ConfigurationError(name, "is of no use with --server-only")
        if not self.embedded and self.users is not None:
            raise ConfigurationError(
                "--users", "is of no use without the embedded server", "--listen runs it too"
            )

    def configurationOn(self, embedded: str) -> Configuration:
        """
        Give the configuration of the user agent.

        @param embedded: The URI of the embedded server, which it uses where no other is given.
        @raise ConfigurationError: There is none.
        """
        if not self.registersThere:
            return self._agent.configuration({})
        defaults = {"uri": f"sip:echo@{self['domain']}", "wsServers": embedded}
        configuration = self._agent.configuration(defaults)
        if self.users is None or configuration.password is not None:
            return configuration
        name = configuration.authorizationUser or ""
        if name not in self.users:
            raise ConfigurationError("--users", f"{self['users']} has no {name}", "--aor names another user")
        return self._agent.configuration(defaults, password=self.users[name])


def makeService(options: Options) -> IService:
    """
    Make the service that the options ask for.

    @param options: Parsed options.
    """
    from twisted.internet import reactor

    return _makeService(options, reactor, notifierFrom(os.environ, reactor, os.getpid()))


def _makeService(options: Options, reactor: Any, notifier: NotifyService | None) -> IService:
    service = Program()
    agent = None
    if options.configuration is not None:
        agent = UserAgentService(options.configuration, _application(options, notifier), reactor)
    if options.embedded:
        server = EmbeddedServer(
            reactor, domain=options["domain"], users=options.users, traceSip=bool(options["trace"])
        )
        endpoints = _endpoints(options["listen"], reactor)
        embedded = EmbeddedServerService(server, endpoints, _listening(options, agent))
        embedded.setName("--listen")
        embedded.setServiceParent(service)
    if agent is not None:
        if options["metrics"] is not None:
            _metricsService(options["metrics"], agent, reactor).setServiceParent(service)
        agent.setServiceParent(service)
    if notifier is not None:
        # The last one is the first to be stopped.
        notifier.setServiceParent(service)
        if agent is None:
            notifier.readyAtStart = True
    return service


def _metricsService(listen: str, agent: UserAgentService, reactor: Any) -> Service:
    # The extra that it needs is not for everybody.
    from sipws.metrics import MetricsService

    def agents() -> list[UserAgent]:
        return [] if agent.userAgent is None else [agent.userAgent]

    metrics = MetricsService(_endpoint("--metrics", listen, reactor), agents, reactor)
    metrics.setName("--metrics")
    return metrics


class Program(SequentialService):
    """All that was asked for, with an error to listen told in one line."""

    def privilegedStartService(self) -> None:
        """
        Listen.

        @raise SystemExit: The address is taken or not ours to take.
        """
        Service.privilegedStartService(self)
        for service in self:
            try:
                service.privilegedStartService()
            except CannotListenError as error:
                raise SystemExit(f"sipws: {service.name}: {error}") from error


def _endpoints(listen: str | None, reactor: Any) -> list[IStreamServerEndpoint]:
    """
    Give the endpoints that the embedded server is to try.

    @param listen: C{--listen}.  Where it is not given, a default that is taken is no reason to fail.
    @raise ConfigurationError: It is nothing that one can listen on.
    """
    if listen is None:
        return [TCP4ServerEndpoint(reactor, port, interface=_LOOPBACK) for port in (DEFAULT_PORT, 0)]
    return [_endpoint("--listen", listen, reactor)]


def _endpoint(option: str, listen: str, reactor: Any) -> IStreamServerEndpoint:
    """
    Give the endpoint that an option names.

    @param listen: A port of this machine's own address, or an endpoint of Twisted's.
    @raise ConfigurationError: It is nothing that one can listen on.
    """
    if listen.isdecimal():
        if int(listen) > _MAX_PORT:
            raise ConfigurationError(option, f"{listen} is not a port", f"0 to {_MAX_PORT}")
        return TCP4ServerEndpoint(reactor, int(listen), interface=_LOOPBACK)
    try:
        endpoint: IStreamServerEndpoint = serverFromString(reactor, listen)
        return endpoint
    except (ValueError, TypeError, KeyError, OSError) as error:
        problem = f"{listen!r} is neither a port nor an endpoint of Twisted's: {error}"
        raise ConfigurationError(option, problem, "as in tcp:5066:interface=192.0.2.1") from error


def _checkDomain(domain: str) -> None:
    try:
        Names(domain)
    except ConfigurationError as error:
        raise ConfigurationError("--domain", error.problem, error.hint) from error


def _listening(options: Options, agent: UserAgentService | None) -> Callable[[IListeningPort], None]:
    """Make what is called when the embedded server listens: the user agent is told where."""

    def listening(port: IListeningPort) -> None:
        server = _serverURI(port, options["listen"] or "")
        whose = "anyone" if options.users is None else f"the users in {options['users']}"
        _log.info(
            "The embedded SIP server listens on {server}, for {whose}, domain {domain}",
            server=server,
            whose=whose,
            domain=options["domain"],
        )
        if options.users is None and not _isLoopback(port):
            _log.warn(
                "Anyone who reaches {server} may register as anybody; --users asks for passwords",
                server=server,
            )
        if agent is not None and options.registersThere:
            agent.configuration = options.configurationOn(server)

    return listening


def _isLoopback(port: IListeningPort) -> bool:
    host = getattr(port.getHost(), "host", None)
    return host is None or ip_address(host).is_loopback


def _application(options: Options, notifier: NotifyService | None) -> Application:
    """
    Give the application; where it runs on the embedded server, the operator
    is told what a second terminal can do, as soon as it can be done.
    """

    def application(userAgent: UserAgent) -> None:
        options.application(userAgent)
        if notifier is not None:
            notifier.watch(userAgent)
        if options.registersThere:
            tellOfSecondTerminal(userAgent)

    def tellOfSecondTerminal(userAgent: UserAgent) -> None:
        command = _secondTerminal(userAgent.configuration, options)
        uri = str(userAgent.configuration.uri)

        def registered(response: object) -> None:
            _log.info("Talk to {uri} from a second terminal: {command}", uri=uri, command=command)

        userAgent.once("registered", registered)

    return application


def _serverURI(port: IListeningPort, listen: str) -> str:
    """Say how a client on this machine reaches a port."""
    address: Any = port.getHost()
    if isinstance(address, UNIXAddress):
        return f"unix:{os.path.abspath(os.fsdecode(address.name or b''))}"
    host = {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(address.host, address.host)
    scheme = "wss" if listen.startswith("ssl:") else "ws"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}"


def _secondTerminal(configuration: Configuration, options: Options) -> str:
    """Write the command that sends the user agent a message, and waits for its answer if it is an echo."""
    server = configuration.wsServers[0].ws_uri
    words = [_commandPath(), "message", "--server", server]
    if options["app"] == _ECHO:
        words += ["--wait", "5"]
    if configuration.caFile is not None:
        words += ["--ca-file", configuration.caFile]
    if options.users is not None:
        other = next((user for user in options.users if user != configuration.authorizationUser), "USER")
        words += ["--aor", f"sip:{other}@{options['domain']}", "--ask-password"]
    return shlex.join([*words, str(configuration.uri), "Hello"])


def _commandPath() -> str:
    """Give the command C{sipws} as a second terminal, without this one's environment, finds it."""
    beside = Path(sys.executable).with_name("sipws")
    return str(beside) if beside.exists() else shutil.which("sipws") or "sipws"
