"""The bounds of the embedded server, and the reasons for their defaults."""

from __future__ import annotations

from typing import Any

import attrs

from sipws.errors import ConfigurationError

__all__ = ["ServerLimits"]


def _positive(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ConfigurationError(attribute.name, f"{value!r} is not a positive number")


def _option(default: Any) -> Any:
    return attrs.field(default=default, validator=_positive)


@attrs.frozen(kw_only=True)
class ServerLimits:
    """
    How much the embedded server takes upon itself.

    @ivar maxConnections: The most connections at a time; further ones are
        answered 503 to their upgrade.
    @ivar maxMessageSize: The largest message, in octets; for a larger one a
        connection is closed (code 1009, RFC 6455 section 7.4.1).  The default
        is what fits a UDP datagram, more than SIP over UDP ever carries.
    @ivar maxHandshakeSize: The largest head of an HTTP request, in octets.
    @ivar maxPendingOctets: How many octets may wait for a client that does
        not read; when there would be more, its connection is dropped.
    @ivar maxBindings: The most bindings of all users together.
    @ivar maxBindingsPerUser: The most bindings of one user.
    @ivar maxTransactions: The most transactions at a time; when there are as
        many, new requests are answered 503 (RFC 3261 section 21.5.4); BYE and
        CANCEL, which end others, have as much room again.
    @ivar maxPublications: The most publications of event state of all users together.
    @ivar maxSubscriptions: The most subscriptions to event state at a time.
    @ivar openTimeout: How long the opening handshake may take, in seconds.
    @ivar closeTimeout: How long the closing handshake may take, in seconds.
    @ivar minExpires: The shortest registration, in seconds; shorter ones are
        answered 423.  It must not pass an hour (RFC 3261 section 10.3).
    @ivar maxExpires: The longest registration, in seconds; longer ones are
        shortened to it.
    @ivar defaultExpires: The duration, in seconds, of a registration that asks for none.
    """

    maxConnections: int = _option(1_000)
    maxMessageSize: int = _option(65_535)
    maxHandshakeSize: int = _option(16_384)
    maxPendingOctets: int = _option(1_048_576)
    maxBindings: int = _option(10_000)
    maxBindingsPerUser: int = _option(10)
    maxTransactions: int = _option(10_000)
    maxPublications: int = _option(10_000)
    maxSubscriptions: int = _option(10_000)
    openTimeout: float = _option(5.0)
    closeTimeout: float = _option(1.0)
    minExpires: int = _option(60)
    maxExpires: int = _option(3_600)
    defaultExpires: int = _option(600)

    def __attrs_post_init__(self) -> None:
        if self.minExpires > 3_600:
            # RFC 3261 section 10.3, step 7: 423 only to what is "smaller than one hour".
            raise ConfigurationError("minExpires", f"{self.minExpires} is longer than an hour")
        if not self.minExpires <= self.defaultExpires <= self.maxExpires:
            raise ConfigurationError(
                "defaultExpires",
                f"{self.defaultExpires} is not between minExpires and maxExpires",
                f"from {self.minExpires} to {self.maxExpires}",
            )
