"""
What the options of a L{Configuration} must be to each other, one rule a
function; and the options that follow from others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from sipws.config.optiontags import REGISTERED
from sipws.config.sources import SECRETS, readSecret
from sipws.errors import ConfigurationError

if TYPE_CHECKING:
    from sipws.config.configuration import Configuration

__all__ = ["RULES", "settle"]


def _serversAreNamed(configuration: Configuration) -> None:
    if not configuration.wsServers and configuration.wsDomain is None:
        raise ConfigurationError("wsServers", "is missing", "as in wsServers='wss://sip.example.com'")
    if configuration.wsServers and configuration.wsDomain is not None:
        raise ConfigurationError("wsDomain", "is given beside wsServers", "one of the two will do")


def _registeringNeedsAnAddress(configuration: Configuration) -> None:
    if configuration.register and configuration.uri is None:
        raise ConfigurationError("uri", "is missing", "to register; as in sip:alice@example.com")


def _recoveryIntervalsAreInOrder(configuration: Configuration) -> None:
    _inOrder(configuration, "connectionRecoveryMinInterval", "connectionRecoveryMaxInterval")


def _retryIntervalsAreInOrder(configuration: Configuration) -> None:
    _inOrder(configuration, "registerRetryMinInterval", "registerRetryMaxInterval")


def _reconnectionTimeoutsAreInOrder(configuration: Configuration) -> None:
    if configuration.wsServerReconnectionPolicy == "exponential":
        _inOrder(configuration, "wsServerReconnectionTimeout", "wsServerReconnectionMaxTimeout")


def _twoFlowsNeedAnInstanceAndTwoServers(configuration: Configuration) -> None:
    flows = configuration.flows
    if flows == 1:
        return
    # RFC 5626 section 4.2: a registrar tells flows of one user agent by instance and reg-id.
    if configuration.instanceId is None:
        raise ConfigurationError("flows", f"is {flows} without instanceId")
    # Two flows to one server would be lost together.
    servers = {server.location for server in configuration.wsServers or ()}
    if servers and len(servers) < flows:
        raise ConfigurationError("flows", f"is {flows} with {len(servers)} server in wsServers")


def _gruuNeedsAnInstance(configuration: Configuration) -> None:
    # RFC 5627 section 4.1: "the UA MUST include a "sip.instance" media feature tag".
    if configuration.gruu != "none" and configuration.instanceId is None:
        raise ConfigurationError("gruu", f"is {configuration.gruu} without instanceId")


def _inOrder(configuration: Configuration, least: str, most: str) -> None:
    low, high = getattr(configuration, least), getattr(configuration, most)
    if high < low:
        raise ConfigurationError(most, f"{high:g} is below {least}, which is {low:g}")


def _secretsAreGivenOnce(configuration: Configuration) -> None:
    for name in SECRETS:
        given = _givenFor(configuration, name)
        if len(given) > 1:
            raise ConfigurationError(given[1], f"is given beside {given[0]}", "one of the two will do")


def _givenFor(configuration: Configuration, secret: str) -> list[str]:
    """List which of a secret's options are given."""
    names = (secret, f"{secret}File", f"{secret}Environment")
    return [name for name in names if getattr(configuration, name) is not None]


def _httpUserAndPasswordComeTogether(configuration: Configuration) -> None:
    passwords = _givenFor(configuration, "httpPassword")
    if passwords and configuration.httpUser is None:
        raise ConfigurationError(passwords[0], "is given without httpUser")
    if configuration.httpUser is not None and not passwords:
        raise ConfigurationError("httpUser", "is given without httpPassword")
    if configuration.httpBasic and configuration.httpUser is None:
        raise ConfigurationError("httpBasic", "is given without httpUser")


def _oneAuthorization(configuration: Configuration) -> None:
    tokens = _givenFor(configuration, "httpToken")
    # RFC 9110 section 11.6.2: a request has one Authorization.
    if tokens and configuration.httpUser is not None:
        raise ConfigurationError(tokens[0], "is given beside httpUser", "one of the two will do")


def _oneWayOut(configuration: Configuration) -> None:
    if configuration.proxy is not None and configuration.endpoint is not None:
        raise ConfigurationError("endpoint", "is given beside proxy", "one of the two will do")


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


#: All of them.
RULES: tuple[Callable[[Configuration], None], ...] = (
    _serversAreNamed,
    _registeringNeedsAnAddress,
    _recoveryIntervalsAreInOrder,
    _retryIntervalsAreInOrder,
    _reconnectionTimeoutsAreInOrder,
    _twoFlowsNeedAnInstanceAndTwoServers,
    _gruuNeedsAnInstance,
    _secretsAreGivenOnce,
    _httpUserAndPasswordComeTogether,
    _oneAuthorization,
    _oneWayOut,
    _keyNeedsACertificate,
    _optionTagsAreRegistered,
)


def settle(configuration: Configuration) -> dict[str, Any]:
    """Work out the options that follow from others."""
    settled: dict[str, Any] = {"wsServers": configuration.wsServers or ()}
    for name in SECRETS:
        settled |= {name: readSecret(configuration, name), f"{name}File": None, f"{name}Environment": None}
    uri = configuration.uri
    if uri is not None:
        if configuration.authorizationUser is None:
            settled["authorizationUser"] = uri.user
        if configuration.registrarServer is None:
            settled["registrarServer"] = attrs.evolve(uri, user=None)
    if configuration.serverString is None:
        settled["serverString"] = configuration.userAgentString
    if configuration.hackWssInTransport:
        settled["contactTransport"] = "wss"
    return settled
