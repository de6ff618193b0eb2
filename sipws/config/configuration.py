"""
L{Configuration}: the options of a user agent, checked once and frozen.

The class body below is the table of options, one row each: name, default,
kind of value, unit, and what it is for.  SIP.js 0.7's options that concern
transport, registration and identity keep their names and their defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from os import PathLike
from typing import Any

import attrs

from sipws._version import __version__
from sipws.config.http import BEARER_TOKEN, COOKIES, ENDPOINT, HEADERS, HTTP_USER, PROXY, HTTPProxy
from sipws.config.option import OptionRow, option
from sipws.config.refused import REFUSED
from sipws.config.rules import RULES, settle
from sipws.config.sources import loadTOML
from sipws.config.values import (
    ADDRESS_OF_RECORD,
    ATTEMPTS,
    DOMAIN,
    EVENT_PACKAGES,
    FLAG,
    FLAG_OR_HOST,
    HOST_PORT,
    IDENTITIES,
    INFO_PACKAGES,
    INSTANCE_ID,
    OPTION_TAGS,
    PATH,
    PRIVACY,
    READABLE_FILE,
    REGISTRAR,
    ROUTES,
    SECONDS,
    SECONDS_OR_ZERO,
    SESSION_INTERVAL,
    TEXT,
    TEXT_OR_EMPTY,
    WORD,
    choice,
    integer,
)
from sipws.config.wsserver import WS_SERVERS, WsServer
from sipws.errors import ConfigurationError
from sipws.message import URI, NameAddr

__all__ = ["Configuration"]

#: The most that C{delta-seconds} can say (RFC 3261 section 20.19).
MAX_DELTA_SECONDS = 2**32 - 1

_MEBIBYTE = 2**20


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
    uri: URI | None = option(  # noqa: RUF009
        ADDRESS_OF_RECORD, "The address of record; anonymous and made up where it is not given."
    )
    displayName: str = option(TEXT_OR_EMPTY, "The name that goes with it in From.", default="")
    anonymous: bool = option(
        FLAG, "Say nothing of uri in From, but to the registrar, and ask for privacy id.", default=False
    )
    privacy: tuple[str, ...] = option(
        PRIVACY, "What requests ask to be kept private (RFC 3323, RFC 3325).", default=()
    )
    preferredIdentity: tuple[NameAddr, ...] = option(
        IDENTITIES, "As whom requests want to be asserted (RFC 3325).", default=()
    )
    assertedIdentity: tuple[NameAddr, ...] = option(
        IDENTITIES, "As whom requests assert us, to servers that trust us.", default=()
    )
    authorizationUser: str | None = option(
        TEXT, "The user name for digest authentication; the user of uri where it is not given."
    )
    password: str | None = option(TEXT, "The password for digest authentication.", secret=True)
    passwordFile: str | None = option(
        READABLE_FILE, "A file whose first line is the password, in place of password."
    )
    passwordEnvironment: str | None = option(
        TEXT, "An environment variable that holds the password, in place of password."
    )
    instanceId: str | None = option(
        INSTANCE_ID, "The UUID of this device: switches on outbound, RFC 5626 (+sip.instance, reg-id)."
    )
    gruu: str = option(
        choice("none", "public", "temporary"),
        "The GRUU of the registrar (RFC 5627) that is the Contact of dialogs; needs instanceId.",
        default="none",
    )
    userAgentString: str = option(TEXT, "The value of User-Agent.", default=f"sipws/{__version__}")
    serverString: str | None = option(
        TEXT_OR_EMPTY, "The value of Server in responses; userAgentString where not given, none where empty."
    )
    sendDate: bool = option(FLAG, "Put Date in requests and responses.", default=False)
    extraSupported: tuple[str, ...] = option(OPTION_TAGS, "Further option tags for Supported.", default=())
    hackAllowUnregisteredOptionTags: bool = option(
        FLAG, "Take option tags in extraSupported that IANA has not registered.", default=False
    )

    # Contact and Via.
    contactName: str | None = option(WORD, "The user of the Contact; made up where it is not given.")
    contactTransport: str = option(WORD, "The transport parameter of the Contact.", default="ws")
    viaHost: str | None = option(
        HOST_PORT, "Host of Via and Contact; made up, under .invalid, where it is not given."
    )
    sipjsId: str | None = option(
        WORD, "What each Call-ID of ours begins with; made up where it is not given."
    )
    forceRport: bool = option(FLAG, "Put rport in the Via.", default=False)
    hackIpInContact: bool | str = option(
        FLAG_OR_HOST, "An address of 192.0.2.0/24, or the one given, in place of viaHost.", default=False
    )
    hackViaTcp: bool = option(FLAG, "Say TCP in the Via, for servers that do not know WS.", default=False)
    hackWssInTransport: bool = option(FLAG, "Say wss, not ws, in the Contact.", default=False)

    # Transport.
    wsServers: tuple[WsServer, ...] = option(
        WS_SERVERS, "The WebSocket servers; the heaviest that works is used."
    )
    usePreloadedRoute: bool = option(
        FLAG, "Send each request with a Route to the WebSocket server.", default=False
    )
    outboundProxy: tuple[URI, ...] = option(
        ROUTES, "The proxies that each request outside of dialogs is to pass, in order.", default=()
    )
    connectTimeout: float = option(
        SECONDS,
        "How long one attempt to connect may take, from name to upgrade.",
        default=5.0,
        unit="seconds",
    )
    closeTimeout: float = option(
        SECONDS, "How long the closing handshake of the WebSocket may take.", default=1.0, unit="seconds"
    )
    stopTimeout: float = option(
        SECONDS,
        "How long stop may take to unregister and to finish what is open.",
        default=5.0,
        unit="seconds",
    )
    wsDomain: str | None = option(
        DOMAIN, "A SIP domain whose servers are looked up (NAPTR, SRV), in place of wsServers."
    )
    wsDomainPath: str = option(PATH, "The path of the URIs that are made of what is found.", default="/")
    wsDomainInsecure: bool = option(FLAG, "Take ws servers of wsDomain too, not only wss.", default=False)
    wsServerMaxReconnection: float = option(
        ATTEMPTS,
        "How often a server is tried again before the next is.",
        default=3,
        unit="attempts",
    )
    wsServerReconnectionPolicy: str = option(
        choice("fixed", "exponential"),
        "How long the gap before an attempt is: always the same, or at random up to a bound that doubles.",
        default="fixed",
    )
    wsServerReconnectionTimeout: float = option(
        SECONDS,
        "The gap before each attempt to reconnect; with exponential, the bound of the first.",
        default=4,
        unit="seconds",
    )
    wsServerReconnectionMaxTimeout: float = option(
        SECONDS, "The most that the bound of an exponential gap comes to.", default=60, unit="seconds"
    )
    wsServerOverloadTimeout: float = option(
        SECONDS_OR_ZERO,
        "What is added to the gap where the server says that it is overloaded, and not for how long.",
        default=0,
        unit="seconds",
    )
    wsServerMaxRetryAfter: float = option(
        SECONDS_OR_ZERO, "The most that a server's Retry-After comes to.", default=300, unit="seconds"
    )
    wsServerRest: float | None = option(
        SECONDS,
        "How long a server that was given up is left alone; until all are, where it is not given.",
        unit="seconds",
    )
    wsServerReturnInterval: float = option(
        SECONDS_OR_ZERO,
        "How often a heavier server is tried while a lighter one is in use; 0: never.",
        default=0,
        unit="seconds",
    )
    flows: int = option(
        integer(1, 2),
        "Servers to be connected to, and registered on, at once (RFC 5626); 2 needs instanceId.",
        default=1,
        unit="servers",
    )
    keepAliveInterval: float = option(
        SECONDS_OR_ZERO,
        "How long the server may be silent before it is asked for a sign of life; 0: for ever.",
        default=0,
        unit="seconds",
    )
    keepAliveTimeout: float = option(SECONDS, "How long it may take to give one.", default=10, unit="seconds")
    keepAliveMisses: int = option(
        integer(1, 100),
        "How often in a row it may give none before the connection is lost.",
        default=1,
        unit="misses",
    )
    keepAliveMethod: str = option(
        choice("ping", "crlf"),
        "What it is asked by: a WebSocket Ping, or a double CRLF (RFC 5626 section 3.5.1).",
        default="ping",
    )
    connectionRecoveryMinInterval: float = option(
        SECONDS, "The least wait before all servers are tried anew.", default=2, unit="seconds"
    )
    connectionRecoveryMaxInterval: float = option(SECONDS, "The most.", default=30, unit="seconds")
    caFile: str | None = option(
        READABLE_FILE, "Trust the certificates in this PEM file, in place of the platform's."
    )
    clientCertificate: str | None = option(
        READABLE_FILE, "A PEM file with a certificate, and its chain, to show to the server."
    )
    clientKey: str | None = option(
        READABLE_FILE, "A PEM file with its key; clientCertificate holds it too where it is not given."
    )

    # The HTTP upgrade.
    httpHeaders: Mapping[str, str] | None = option(
        HEADERS, "Headers that go with the HTTP upgrade.", secret=True
    )
    httpCookies: Mapping[str, str] | None = option(COOKIES, "Cookies that go with it.", secret=True)
    httpUser: str | None = option(HTTP_USER, "The user name for HTTP authentication, Digest or Basic.")
    httpPassword: str | None = option(TEXT, "The password for it.", secret=True)
    httpPasswordFile: str | None = option(
        READABLE_FILE, "A file whose first line is that password, in place of httpPassword."
    )
    httpPasswordEnvironment: str | None = option(
        TEXT, "An environment variable that holds it, in place of httpPassword."
    )
    httpBasic: bool = option(
        FLAG, "Send both at once, by Basic, over ws too; not only when they are asked for.", default=False
    )
    httpToken: str | None = option(BEARER_TOKEN, "A bearer token (RFC 6750), sent at once.", secret=True)
    httpTokenFile: str | None = option(
        READABLE_FILE, "A file whose first line is the token, in place of httpToken."
    )
    httpTokenEnvironment: str | None = option(
        TEXT, "An environment variable that holds it, in place of httpToken."
    )
    maxRedirects: int = option(
        integer(0, 20), "How many redirects of one upgrade are followed.", default=0, unit="redirects"
    )
    proxy: HTTPProxy | None = option(  # noqa: RUF009
        PROXY, "An HTTP proxy that leads to the servers, by CONNECT.", secret=True
    )
    endpoint: str | None = option(
        ENDPOINT,
        "How to connect to them, as Twisted's endpoint strings have it; through SOCKS, for one.",
        secret=True,
    )

    # Logs.
    traceSip: bool = option(FLAG, "Log every message, without its secrets.", default=False)

    # Registration.
    register: bool = option(FLAG, "Register, and stay registered, while connected.", default=True)
    registrarServer: URI | None = option(  # noqa: RUF009
        REGISTRAR, "The registrar; uri without its user where it is not given."
    )
    registerExpires: int = option(
        integer(1, MAX_DELTA_SECONDS), "For how long to register.", default=600, unit="seconds"
    )
    registerRetryMinInterval: float = option(
        SECONDS, "The wait after a first failure; it doubles with each.", default=5, unit="seconds"
    )
    registerRetryMaxInterval: float = option(
        SECONDS, "The most that this wait, or a Retry-After, comes to.", default=1800, unit="seconds"
    )

    # Calls.
    replaces: str = option(
        choice("none", "supported"),
        "Whether calls that come in may take the place of others (RFC 3891).",
        default="supported",
    )
    rel100: str = option(
        choice("none", "supported", "required"),
        "Whether provisional responses may, or must, be acknowledged (RFC 3262).",
        default="supported",
    )
    sessionExpires: int = option(
        SESSION_INTERVAL,
        "After how long a call that is not refreshed ends (RFC 4028); 0: we ask for no such timer, and go "
        "along with those who do.",
        default=0,
        unit="seconds",
    )
    infoPackages: tuple[str, ...] = option(
        INFO_PACKAGES, "The Info Packages that are taken within calls (RFC 6086).", default=()
    )
    sessionMinExpires: int = option(
        integer(90, 2**31 - 1), "The least of that which others may ask for.", default=90, unit="seconds"
    )

    # Limits.
    maxPendingOctets: int = option(
        integer(0, 2**31 - 1),
        "How much may wait for a server that does not read.",
        default=_MEBIBYTE,
        unit="octets",
    )
    pauseReadingAt: int = option(
        integer(0, 10_000_000),
        "How many unanswered incoming requests keep us from reading more; 0: any number is read.",
        default=0,
        unit="requests",
    )
    maxMessageSize: int = option(
        integer(1024, 2**31 - 1), "The longest message that is taken in.", default=_MEBIBYTE, unit="octets"
    )
    sessionRepair: bool = option(
        FLAG, "Whether calls outlive a lost connection, by a re-INVITE on the next.", default=False
    )
    sessionRepairTimeout: float = option(
        SECONDS,
        "How long a call waits for the next connection, where calls outlive a lost one.",
        default=60.0,
        unit="seconds",
    )
    maxTransactions: int = option(
        integer(1, 10_000_000),
        "Transactions open at once, of either side; INVITEs of ours that were accepted do not count.",
        default=10_000,
        unit="transactions",
    )
    maxDialogs: int = option(
        integer(1, 10_000_000), "Calls and subscriptions at once.", default=10_000, unit="dialogs"
    )
    allowEvents: tuple[str, ...] = option(
        EVENT_PACKAGES,
        "The event packages that others may subscribe to; none: the application answers for each.",
        default=(),
    )
    subscriptionMinExpires: int = option(
        integer(1, 3600), "The shortest subscription that others may ask for.", default=60, unit="seconds"
    )
    subscriptionMaxExpires: int = option(
        integer(60, 2**31 - 1), "The longest subscription that others get.", default=86_400, unit="seconds"
    )
    maxWaitingRequests: int = option(
        integer(0, 10_000_000), "Requests of ours that wait for a connection.", default=1000, unit="requests"
    )
    maxUnansweredRequests: int = option(
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
        for rule in RULES:
            rule(self)
        _setAll(self, settle(self))

    def evolve(self, **changes: Any) -> Configuration:
        """
        Copy it with some options changed.  All are checked again; what followed
        from others, such as C{registrarServer}, stays as it is unless it is changed too.
        """
        if not self.wsServers:
            changes.setdefault("wsServers", None)
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
