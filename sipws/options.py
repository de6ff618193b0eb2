"""
The options that the C{twistd} plugin and the command line share, and how a
L{Configuration} comes of them.
"""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from sipws.config import Configuration
from sipws.config.configuration import pathOptions
from sipws.config.sources import loadTOML
from sipws.errors import ConfigurationError

__all__ = [
    "DEFAULT_DOMAIN",
    "DEFAULT_PORT",
    "DEFAULT_SERVER",
    "PASSWORD_VARIABLE",
    "AgentOptions",
    "loadApplication",
    "loadUsers",
]

#: The TCP port of the embedded server where none is given.
DEFAULT_PORT = 5066

#: Where the command line looks for a server where none is given: the embedded one of C{twistd sipws}.
DEFAULT_SERVER = f"ws://127.0.0.1:{DEFAULT_PORT}"

#: The SIP domain of the embedded server where none is given.
DEFAULT_DOMAIN = "localhost"

#: The environment variable that holds the password where no other place is named.
PASSWORD_VARIABLE = "SIPWS_PASSWORD"

#: The options of L{Configuration} that say where the password is.
_PASSWORDS = frozenset({"password", "passwordFile", "passwordEnvironment"})


#: The options of L{Configuration} that say which servers to use.
_SERVERS = frozenset({"wsServers", "wsDomain"})


@attrs.frozen(kw_only=True)
class AgentOptions:
    """
    What was asked for on the command line; C{None} and empty: not given.

    @ivar config: A TOML file for L{Configuration.fromTOML}; the options below
        take precedence over it.
    @ivar servers: C{--server}, the URIs of WebSocket servers; or one SIP URI of a
        domain, whose servers are looked up: C{sips:} for C{wss} alone, C{sip:}
        for C{ws} where that is all there is, too (RFC 3263 section 4.1).
    @ivar aor: C{--aor}, the address of record.
    @ivar user: C{--user}, the user name for digest authentication.
    @ivar passwordFile: C{--password-file}.
    @ivar password: What was typed at a prompt.
    @ivar caFile: C{--ca-file}.
    @ivar trace: C{--trace}.
    """

    config: str | None = None
    servers: tuple[str, ...] = ()
    aor: str | None = None
    user: str | None = None
    passwordFile: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    caFile: str | None = None
    trace: bool = False

    def givesServers(self) -> bool:
        """
        Tell whether the command line or the file says which servers to use.

        @raise ConfigurationError: The file cannot be read.
        """
        return not _SERVERS.isdisjoint(self._given() | self._filed())

    def configuration(self, defaults: Mapping[str, Any], **fixed: Any) -> Configuration:
        """
        Make the configuration.

        @param defaults: Options that hold where neither the command line nor the file gives them.
        @param fixed: Options that hold whatever else is given.
        @raise ConfigurationError: Its text names the option as it was given,
            C{--aor} or C{uri}, and the file that it stood in.
        """
        given = self._given()
        filed = self._filed()
        if given.keys() & _PASSWORDS:
            filed = _without(_PASSWORDS, filed)
        if given.keys() & _SERVERS:
            filed = _without(_SERVERS, filed)
        if (given | filed).keys() & _SERVERS:
            defaults = _without(_SERVERS, defaults)
        options = {**defaults, **filed, **given, **fixed}
        if not options.keys() & _PASSWORDS and os.environ.get(PASSWORD_VARIABLE):
            options["passwordEnvironment"] = PASSWORD_VARIABLE
        try:
            return Configuration.fromMapping(options)
        except ConfigurationError as error:
            raise self._placed(error, given, filed) from error

    def _filed(self) -> dict[str, Any]:
        return {} if self.config is None else loadTOML(self.config, pathOptions())

    def _given(self) -> dict[str, Any]:
        """Name what the command line gave as L{Configuration} does."""
        values = {
            "uri": self.aor,
            **self._givenServers(),
            "authorizationUser": self.user,
            "passwordFile": self.passwordFile,
            "password": self.password,
            "caFile": self.caFile,
            "traceSip": self.trace or None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _givenServers(self) -> dict[str, Any]:
        """Name the servers that the command line gave: by their URIs, or by a domain."""
        if not any(_isSIP(server) for server in self.servers):
            return {"wsServers": list(self.servers) or None}
        if len(self.servers) > 1:
            raise ConfigurationError("--server", "names a domain and others", "a domain stands alone")
        scheme, _, domain = self.servers[0].partition(":")
        return {"wsDomain": domain, "wsDomainInsecure": scheme.lower() == "sip"}

    def _placed(
        self, error: ConfigurationError, given: Mapping[str, Any], filed: Mapping[str, Any]
    ) -> ConfigurationError:
        """Say where the option stood, in the words of whoever gave it."""
        flag = _FLAGS.get(error.option)
        if flag is not None and (error.option in given or error.option not in filed):
            return ConfigurationError(flag, error.problem, error.hint)
        if self.config is not None:
            return error.inFile(self.config)
        return error


def _isSIP(server: str) -> bool:
    return server.partition(":")[0].lower() in ("sip", "sips")


def _without(names: frozenset[str], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


#: The command line's names for options of L{Configuration}.
_FLAGS = {
    "uri": "--aor",
    "wsServers": "--server",
    "wsDomain": "--server",
    "authorizationUser": "--user",
    "passwordFile": "--password-file",
    "caFile": "--ca-file",
}


def loadUsers(path: str) -> dict[str, str]:
    """
    Read the embedded server's users.

    @param path: A file with a line C{user:password} for each; empty lines and
        those that begin with C{#} are passed over.
    @return: The passwords by user.
    @raise ConfigurationError: It cannot be read, or is not of that form.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError("--users", f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError("--users", f"{path} is not UTF-8 at octet {error.start}") from None
    users = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, _, password = line.partition(":")
        if not user or not password:
            # The line itself may hold a secret.
            raise ConfigurationError("--users", f"line {number} of {path} is not user:password")
        users[user] = password
    return users


def loadApplication(name: str) -> Callable[..., object]:
    """
    Find the application that C{--app module:callable} names.

    Modules are looked for in the working directory too.

    @param name: The dotted name of a module, a colon, and the dotted name of
        a function in it that takes a L{UserAgent}.
    @raise ConfigurationError: It is not there.  An exception that the module
        itself raises goes through unchanged: its traceback is of use.
    """
    moduleName, _, attribute = name.partition(":")
    if not moduleName or not attribute:
        raise ConfigurationError("--app", f"{name!r} is not module:callable", "as in mybot:main")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(moduleName)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{moduleName}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError("--app", f"there is no module {error.name!r}") from error
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigurationError("--app", f"{moduleName} has no {attribute}") from None
    if not callable(found):
        raise ConfigurationError("--app", f"{name} is not callable")
    if inspect.iscoroutinefunction(found):
        hint = "a plain function that adds handlers; these may be"
        raise ConfigurationError("--app", f"{name} is a coroutine function", hint)
    return found  # type: ignore[no-any-return]
