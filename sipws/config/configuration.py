"""
L{Configuration}: the options of a user agent, checked once and frozen.

The class body below is the table of options, one row each: name, default,
kind of value, unit, and what it is for.  SIP.js 0.7's options that concern
transport, registration and identity keep their names and their defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any

import attrs

from sipws._version import __version__
from sipws.config.optiontags import REGISTERED
from sipws.config.refused import REFUSED
from sipws.config.sources import loadTOML, readPassword
from sipws.config.values import (
    ADDRESS_OF_RECORD,
    FLAG,
    FLAG_OR_HOST,
    HOST_PORT,
    INSTANCE_ID,
    OPTION_TAGS,
    READABLE_FILE,
    REGISTRAR,
    SECONDS,
    TEXT,
    TEXT_OR_EMPTY,
    WORD,
    Kind,
    Unfit,
    integer,
    show,
)
from sipws.config.wsserver import WS_SERVERS, WsServer
from sipws.errors import ConfigurationError
from sipws.message import URI

__all__ = ["Configuration", "OptionRow"]

#: The most that C{delta-seconds} can say (RFC 3261 section 20.19).
MAX_DELTA_SECONDS = 2**32 - 1

_MEBIBYTE = 2**20


@attrs.frozen
class OptionRow:
    """
    One option, as the documentation shows it.

    @ivar name: Its name.
    @ivar kind: What it takes, with its range.
    @ivar unit: The unit of a number; empty where it has none.
    @ivar default: Its default; C{None} where there is none or it is made up.
    @ivar doc: What it is for.
    """

    name: str
    kind: str
    unit: str
    default: object
    doc: str


def _option(
    kind: Kind,
    doc: str,
    *,
    default: Any = None,
    unit: str = "",
    secret: bool = False,
) -> Any:
    """Make one row of the table: an attrs field that checks its value and describes itself."""

    def check(value: object, field: attrs.Attribute[Any]) -> Any:
        if value is None:
            return None
        try:
            return kind.convert(value)
        except Unfit as error:
            shown = "" if secret else f", not {show(value)}"
            raise ConfigurationError(field.name, error.problem + shown, error.hint) from error.__cause__

    return attrs.field(
        default=default,
        converter=attrs.Converter(check, takes_field=True),
        repr=not secret,
        metadata={"kind": kind, "doc": doc, "unit": unit},
    )


@attrs.frozen(init=False, kw_only=True)
class Configuration:
    """
    The options of a L{UserAgent}, all of them keywords, checked when it is made.

    It cannot be changed afterwards, and any number of user agents may share
    one.  C{None} stands for the default, for each option.  An option that is
    made up at random where it is not given is C{None} here, and made by each
    user agent for itself.

    @raise ConfigurationError: A value is wrong, an option is missing, unknown
        or at odds with another.  It names the option, shows the value unless
        it is a secret, and says what would be right.
    """

    # Identity.
    uri: URI | None = _option(  # noqa: RUF009
        ADDRESS_OF_RECORD, "The address of record; anonymous and made up where it is not given."
    )
    displayName: str = _option(TEXT_OR_EMPTY, "The name that goes with it in From.", default="")
    authorizationUser: str | None = _option(
        TEXT, "The user name for digest authentication; the user of uri where it is not given."
    )
    password: str | None = _option(TEXT, "The password for digest authentication.", secret=True)
    passwordFile: str | None = _option(
        READABLE_FILE, "A file whose first line is the password, in place of password."
    )
    passwordEnvironment: str | None = _option(
        TEXT, "An environment variable that holds the password, in place of password."
    )
    instanceId: str | None = _option(
        INSTANCE_ID, "The UUID of this device: switches on outbound, RFC 5626 (+sip.instance, reg-id)."
    )
    userAgentString: str = _option(TEXT, "The value of User-Agent.", default=f"sipws/{__version__}")
    extraSupported: tuple[str, ...] = _option(OPTION_TAGS, "Further option tags for Supported.", default=())
    hackAllowUnregisteredOptionTags: bool = _option(
        FLAG, "Take option tags in extraSupported that IANA has not registered.", default=False
    )

    # Contact and Via.
    contactName: str | None = _option(WORD, "The user of the Contact; made up where it is not given.")
    contactTransport: str = _option(WORD, "The transport parameter of the Contact.", default="ws")
    viaHost: str | None = _option(
        HOST_PORT, "Host of Via and Contact; made up, under .invalid, where it is not given."
    )
    sipjsId: str | None = _option(
        WORD, "What each Call-ID of ours begins with; made up where it is not given."
    )
    forceRport: bool = _option(FLAG, "Put rport in the Via.", default=False)
    hackIpInContact: bool | str = _option(
        FLAG_OR_HOST, "An address of 192.0.2.0/24, or the one given, in place of viaHost.", default=False
    )
    hackViaTcp: bool = _option(FLAG, "Say TCP in the Via, for servers that do not know WS.", default=False)
    hackWssInTransport: bool = _option(FLAG, "Say wss, not ws, in the Contact.", default=False)

    # Transport.
    wsServers: tuple[WsServer, ...] = _option(
        WS_SERVERS, "The WebSocket servers; the heaviest that works is used."
    )
    usePreloadedRoute: bool = _option(
        FLAG, "Send each request with a Route to the WebSocket server.", default=False
    )
    connectTimeout: float = _option(
        SECONDS,
        "How long one attempt to connect may take, from name to upgrade.",
        default=5.0,
        unit="seconds",
    )
    closeTimeout: float = _option(
        SECONDS, "How long the closing handshake of the WebSocket may take.", default=1.0, unit="seconds"
    )
    stopTimeout: float = _option(
        SECONDS,
        "How long stop may take to unregister and to finish what is open.",
        default=5.0,
        unit="seconds",
    )
    wsServerMaxReconnection: int = _option(
        integer(0, 1_000_000),
        "How often a server is tried again before the next is.",
        default=3,
        unit="attempts",
    )
    wsServerReconnectionTimeout: float = _option(
        SECONDS, "The gap before each attempt to reconnect.", default=4, unit="seconds"
    )
    connectionRecoveryMinInterval: float = _option(
        SECONDS, "The least wait before all servers are tried anew.", default=2, unit="seconds"
    )
    connectionRecoveryMaxInterval: float = _option(SECONDS, "The most.", default=30, unit="seconds")
    caFile: str | None = _option(
        READABLE_FILE, "Trust the certificates in this PEM file, in place of the platform's."
    )
    clientCertificate: str | None = _option(
        READABLE_FILE, "A PEM file with a certificate, and its chain, to show to the server."
    )
    clientKey: str | None = _option(
        READABLE_FILE, "A PEM file with its key; clientCertificate holds it too where it is not given."
    )
    traceSip: bool = _option(FLAG, "Log every message, without its secrets.", default=False)

    # Registration.
    register: bool = _option(FLAG, "Register, and stay registered, while connected.", default=True)
    registrarServer: URI | None = _option(  # noqa: RUF009
        REGISTRAR, "The registrar; uri without its user where it is not given."
    )
    registerExpires: int = _option(
        integer(1, MAX_DELTA_SECONDS), "For how long to register.", default=600, unit="seconds"
    )
    registerRetryMinInterval: float = _option(
        SECONDS, "The wait after a first failure; it doubles with each.", default=5, unit="seconds"
    )
    registerRetryMaxInterval: float = _option(
        SECONDS, "The most that this wait, or a Retry-After, comes to.", default=1800, unit="seconds"
    )

    # Limits.
    maxMessageSize: int = _option(
        integer(1024, 2**31 - 1), "The longest message that is taken in.", default=_MEBIBYTE, unit="octets"
    )
    maxTransactions: int = _option(
        integer(1, 10_000_000), "Transactions open at once.", default=10_000, unit="transactions"
    )
    maxWaitingRequests: int = _option(
        integer(0, 10_000_000), "Requests of ours that wait for a connection.", default=1000, unit="requests"
    )
    maxUnansweredRequests: int = _option(
        integer(1, 10_000_000),
        "Incoming requests whose handler has not answered yet.",
        default=1000,
        unit="requests",
    )

    def __init__(self, **options: Any) -> None:
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            _checkName(name)
        self.__attrs_init__(**given)
        for rule in _RULES:
            rule(self)
        _setAll(self, _settle(self))

    def evolve(self, **changes: Any) -> Configuration:
        """
        Copy it with some options changed.  All are checked again; what followed
        from others, such as C{registrarServer}, stays as it is unless it is changed too.
        """
        return attrs.evolve(self, **changes)

    def personal(self, **values: Any) -> Configuration:
        """
        Copy it for one user agent, with the values that it made up for what
        was not given.  They are not checked again.

        @param values: Options and their values, of the type that is kept.
        """
        copied = Configuration.__new__(Configuration)
        _setAll(copied, {name: getattr(self, name) for name in optionNames()} | values)
        return copied

    @classmethod
    def fromMapping(cls, options: Mapping[str, Any]) -> Configuration:
        """Make one from a mapping of names to values."""
        for name in options:
            _checkName(name)
        return cls(**options)

    @classmethod
    def fromTOML(cls, path: str | PathLike[str]) -> Configuration:
        """
        Make one from a TOML file with an option a key, and C{wsServers} a
        text, a list or an array of tables.  Relative paths in it are relative
        to the folder that it is in.

        @param path: The file.
        @raise ConfigurationError: As from the constructor; it names the file too.
        """
        options = loadTOML(path, pathOptions())
        try:
            return cls.fromMapping(options)
        except ConfigurationError as error:
            raise error.inFile(path) from error.__cause__

    @classmethod
    def table(cls) -> list[OptionRow]:
        """List all options, for the documentation."""
        return [
            OptionRow(
                name=field.name,
                kind=field.metadata["kind"].text,
                unit=field.metadata["unit"],
                default=field.default,
                doc=field.metadata["doc"],
            )
            for field in _fields()
        ]


def _setAll(configuration: Configuration, values: Mapping[str, Any]) -> None:
    """Set what is frozen for everybody else."""
    for name, value in values.items():
        object.__setattr__(configuration, name, value)


def optionNames() -> list[str]:
    """List the names of all options, in the order of the table."""
    return [field.name for field in _fields()]


def pathOptions() -> frozenset[str]:
    """Give the names of the options that are the path of a file."""
    return frozenset(field.name for field in _fields() if field.metadata["kind"] is READABLE_FILE)


def _fields() -> list[attrs.Attribute[Any]]:
    return [field for field in attrs.fields(Configuration) if "kind" in field.metadata]


def _checkName(name: object) -> None:
    """Refuse an unknown key, and name the nearest that is known."""
    names = optionNames()
    if name in names:
        return
    text = str(name)
    if text in REFUSED:
        raise ConfigurationError(text, f"is SIP.js's and not taken: {REFUSED[text]}")
    nearest = _nearest(text, names)
    raise ConfigurationError(text, "there is no such option", f"did you mean {nearest}?" if nearest else "")


def _nearest(text: str, names: list[str]) -> str | None:
    folded = {name.lower(): name for name in names}
    close = difflib.get_close_matches(text.lower().replace("_", "").replace("-", ""), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else None


# What options must be to each other: one rule a function.


def _serversAreNamed(configuration: Configuration) -> None:
    if configuration.wsServers is None:
        raise ConfigurationError("wsServers", "is missing", "as in wsServers='wss://sip.example.com'")


def _registeringNeedsAnAddress(configuration: Configuration) -> None:
    if configuration.register and configuration.uri is None:
        raise ConfigurationError("uri", "is missing", "to register; as in sip:alice@example.com")


def _recoveryIntervalsAreInOrder(configuration: Configuration) -> None:
    _inOrder(configuration, "connectionRecoveryMinInterval", "connectionRecoveryMaxInterval")


def _retryIntervalsAreInOrder(configuration: Configuration) -> None:
    _inOrder(configuration, "registerRetryMinInterval", "registerRetryMaxInterval")


def _inOrder(configuration: Configuration, least: str, most: str) -> None:
    low, high = getattr(configuration, least), getattr(configuration, most)
    if high < low:
        raise ConfigurationError(most, f"{high:g} is below {least}, which is {low:g}")


def _onePassword(configuration: Configuration) -> None:
    names = ("password", "passwordFile", "passwordEnvironment")
    given = [name for name in names if getattr(configuration, name) is not None]
    if len(given) > 1:
        raise ConfigurationError(given[1], f"is given beside {given[0]}", "one of the two will do")


def _keyNeedsACertificate(configuration: Configuration) -> None:
    if configuration.clientKey is not None and configuration.clientCertificate is None:
        raise ConfigurationError("clientKey", "is given without clientCertificate")


def _optionTagsAreRegistered(configuration: Configuration) -> None:
    if configuration.hackAllowUnregisteredOptionTags:
        return
    for tag in configuration.extraSupported:
        if tag not in REGISTERED:
            raise ConfigurationError(
                "extraSupported",
                f"{tag!r} is not an option tag that IANA has registered",
                "hackAllowUnregisteredOptionTags=True takes it all the same",
            )


_RULES: tuple[Callable[[Configuration], None], ...] = (
    _serversAreNamed,
    _registeringNeedsAnAddress,
    _recoveryIntervalsAreInOrder,
    _retryIntervalsAreInOrder,
    _onePassword,
    _keyNeedsACertificate,
    _optionTagsAreRegistered,
)


def _settle(configuration: Configuration) -> dict[str, Any]:
    """Work out the options that follow from others."""
    settled: dict[str, Any] = {
        "password": readPassword(configuration),
        "passwordFile": None,
        "passwordEnvironment": None,
    }
    uri = configuration.uri
    if uri is not None:
        if configuration.authorizationUser is None:
            settled["authorizationUser"] = uri.user
        if configuration.registrarServer is None:
            settled["registrarServer"] = attrs.evolve(uri, user=None)
    if configuration.hackWssInTransport:
        settled["contactTransport"] = "wss"
    return settled
