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
    AddressOfRecord,
    Flag,
    HostPort,
    InstanceId,
    Integer,
    OptionTags,
    OrText,
    ReadableFile,
    Registrar,
    Seconds,
    Text,
    Unfit,
    Word,
    show,
)
from sipws.config.wsserver import WsServer, WsServers
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
    kind: Callable[[Any], Any],
    default: Any,
    doc: str,
    *,
    unit: str = "",
    secret: bool = False,
) -> Any:
    """Make one row of the table: an attrs field that checks its value and describes itself."""

    def check(value: object, field: attrs.Attribute[Any]) -> Any:
        if value is None:
            return None
        try:
            return kind(value)
        except Unfit as error:
            shown = "" if secret else f", not {show(value)}"
            raise ConfigurationError(field.name, error.problem + shown, error.hint) from error.__cause__

    return attrs.field(
        default=default,
        converter=attrs.Converter(check, takes_field=True),  # type: ignore[misc, call-overload]
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
    uri: URI | None = _option(
        AddressOfRecord(), None, "The address of record; anonymous and made up where it is not given."
    )
    displayName: str = _option(Text(empty=True), "", "The name that goes with it in From.")
    authorizationUser: str | None = _option(
        Text(), None, "The user name for digest authentication; the user of uri where it is not given."
    )
    password: str | None = _option(Text(), None, "The password for digest authentication.", secret=True)
    passwordFile: str | None = _option(
        ReadableFile(), None, "A file whose first line is the password, in place of password."
    )
    passwordEnvironment: str | None = _option(
        Text(), None, "An environment variable that holds the password, in place of password."
    )
    instanceId: str | None = _option(
        InstanceId(), None, "The UUID of this device: switches on outbound, RFC 5626 (+sip.instance, reg-id)."
    )
    userAgentString: str = _option(Text(), f"sipws/{__version__}", "The value of User-Agent.")
    extraSupported: tuple[str, ...] = _option(OptionTags(), (), "Further option tags for Supported.")
    hackAllowUnregisteredOptionTags: bool = _option(
        Flag(), False, "Take option tags in extraSupported that IANA has not registered."
    )

    # Contact and Via.
    contactName: str | None = _option(Word(), None, "The user of the Contact; made up where it is not given.")
    contactTransport: str = _option(Word(), "ws", "The transport parameter of the Contact.")
    viaHost: str | None = _option(
        HostPort(), None, "Host of Via and Contact; made up, under .invalid, where it is not given."
    )
    sipjsId: str | None = _option(
        Word(), None, "What each Call-ID of ours begins with; made up where it is not given."
    )
    forceRport: bool = _option(Flag(), False, "Put rport in the Via.")
    hackIpInContact: bool | str = _option(
        OrText(HostPort()), False, "An address of 192.0.2.0/24, or the one given, in place of viaHost."
    )
    hackViaTcp: bool = _option(Flag(), False, "Say TCP in the Via, for servers that do not know WS.")
    hackWssInTransport: bool = _option(Flag(), False, "Say wss, not ws, in the Contact.")

    # Transport.
    wsServers: tuple[WsServer, ...] = _option(
        WsServers(), None, "The WebSocket servers; the heaviest that works is used."
    )
    usePreloadedRoute: bool = _option(Flag(), False, "Send each request with a Route to the WebSocket server.")
    connectTimeout: float = _option(
        Seconds(), 5.0, "How long one attempt to connect may take, from name to upgrade.", unit="seconds"
    )
    closeTimeout: float = _option(
        Seconds(), 1.0, "How long the closing handshake of the WebSocket may take.", unit="seconds"
    )
    stopTimeout: float = _option(
        Seconds(), 5.0, "How long stop may take to unregister and to finish what is open.", unit="seconds"
    )
    wsServerMaxReconnection: int = _option(
        Integer(0, 1_000_000), 3, "How often a server is tried again before the next is.", unit="attempts"
    )
    wsServerReconnectionTimeout: float = _option(
        Seconds(), 4, "The gap before each attempt to reconnect.", unit="seconds"
    )
    connectionRecoveryMinInterval: float = _option(
        Seconds(), 2, "The least wait before all servers are tried anew.", unit="seconds"
    )
    connectionRecoveryMaxInterval: float = _option(Seconds(), 30, "The most.", unit="seconds")
    caFile: str | None = _option(
        ReadableFile(), None, "Trust the certificates in this PEM file, in place of the platform's."
    )
    clientCertificate: str | None = _option(
        ReadableFile(), None, "A PEM file with a certificate, and its chain, to show to the server."
    )
    clientKey: str | None = _option(
        ReadableFile(), None, "A PEM file with its key; clientCertificate holds it too where it is not given."
    )
    traceSip: bool = _option(Flag(), False, "Log every message, without its secrets.")

    # Registration.
    register: bool = _option(Flag(), True, "Register, and stay registered, while connected.")
    registrarServer: URI | None = _option(
        Registrar(), None, "The registrar; uri without its user where it is not given."
    )
    registerExpires: int = _option(
        Integer(1, MAX_DELTA_SECONDS), 600, "For how long to register.", unit="seconds"
    )
    registerRetryMinInterval: float = _option(
        Seconds(), 5, "The wait after a first failure; it doubles with each.", unit="seconds"
    )
    registerRetryMaxInterval: float = _option(
        Seconds(), 1800, "The most that this wait, or a Retry-After, comes to.", unit="seconds"
    )

    # Limits.
    maxMessageSize: int = _option(
        Integer(1024, 2**31 - 1), _MEBIBYTE, "The longest message that is taken in.", unit="octets"
    )
    maxTransactions: int = _option(
        Integer(1, 10_000_000), 10_000, "Transactions open at once.", unit="transactions"
    )
    maxWaitingRequests: int = _option(
        Integer(0, 10_000_000), 1000, "Requests of ours that wait for a connection.", unit="requests"
    )
    maxUnansweredRequests: int = _option(
        Integer(1, 10_000_000), 1000, "Incoming requests whose handler has not answered yet.", unit="requests"
    )

    def __init__(self, **options: Any) -> None:
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            _checkName(name)
        self.__attrs_init__(**given)
        for rule in _RULES:
            rule(self)
        self._set(_settle(self))

    def personal(self, **values: Any) -> Configuration:
        """
        Copy it for one user agent, with the values that it made up for what
        was not given.  They are not checked again.

        @param values: Options and their values, of the type that is kept.
        """
        copied = Configuration.__new__(Configuration)
        copied._set({field.name: getattr(self, field.name) for field in _fields()} | values)
        return copied

    def _set(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            # The class is frozen for everybody but itself.
            object.__setattr__(self, name, value)

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
                kind=str(field.metadata["kind"]),
                unit=field.metadata["unit"],
                default=field.default,
                doc=field.metadata["doc"],
            )
            for field in _fields()
        ]


def optionNames() -> list[str]:
    """List the names of all options, in the order of the table."""
    return [field.name for field in _fields()]


def pathOptions() -> frozenset[str]:
    """Give the names of the options that are the path of a file."""
    return frozenset(field.name for field in _fields() if isinstance(field.metadata["kind"], ReadableFile))


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
        raise ConfigurationError("uri", "is missing", "register=True needs an address, as in sip:alice@example.com")


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
