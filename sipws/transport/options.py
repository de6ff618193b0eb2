"""
L{TransportOptions}: what a transport can be told beside its server.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import SystemRandom
from typing import TYPE_CHECKING

import attrs

from sipws.counters import Counters
from sipws.transport.retry import Randomness, RetryPolicy

if TYPE_CHECKING:
    from twisted.internet.interfaces import IHostnameResolver

    from sipws.transport.transport import Transport
    from sipws.transport.upgrade import Upgrade

__all__ = ["DEFAULT_OPTIONS", "TransportOptions"]

#: The operating system's randomness, which has no state.
_SYSTEM_RANDOM = SystemRandom()


@attrs.frozen(kw_only=True)
class TransportOptions:
    """
    How a transport connects, and what it takes.

    @ivar openTimeout: How long one attempt may take, from the resolving of
        the name to the end of the HTTP upgrade, in seconds.
    @ivar closeTimeout: How long a closing handshake may take before the
        connection is cut, in seconds; also how long a server that has closed
        the WebSocket may take to hang up (RFC 6455 section 7.1.1).
    @ivar maxMessageSize: The largest message that is taken, in octets; for a
        larger one the connection is closed with code 1009.
    @ivar maxPendingOctets: How much may wait for a server that does not read,
        in octets, beside what Twisted's and the system's buffers hold: beyond it,
        C{send} says no, but to what acknowledges or ends something.
    @ivar caFile: The path of a PEM file with the certificates that are
        trusted, in place of the platform's.
    @ivar clientCertificate: The path of a PEM file with a certificate, and
        its chain, to show to the server.
    @ivar clientKey: The path of a PEM file with its key; C{clientCertificate}
        holds it too where it is C{None}.
    @ivar retry: When a lost connection is tried again; C{None}: as the two
        options of the seed's say, C{wsServerMaxReconnection} and C{wsServerReconnectionTimeout}
        of the user agent's configuration.
    @ivar leave: Asked before each wait for another attempt, with the transport,
        whose C{lastTransportError} says what happened: where it says yes, the
        transport gives its server up at once, as if there had been enough
        attempts.  C{None}: it never does.
    @ivar keepAliveInterval: How long the server may be silent before it is
        asked for a sign of life, in seconds; 0: for ever.
    @ivar keepAliveTimeout: How long it may take to give one, in seconds.
    @ivar keepAliveMisses: How often in a row it may give none before the connection is lost.
    @ivar keepAliveMethod: What it is asked by: C{ping} or C{crlf}.
    @ivar counters: What counts what happens; C{None}: one of the transport's own.
    @ivar random: Where delays come from.
    @ivar upgrade: What goes with the HTTP upgrade, and which way to take to
        the server; C{None}: nothing, and the straight one.
    @ivar resolver: What resolves names in place of the reactor's resolver.
    @ivar entropy: Gives as many random octets as it is asked for.  RFC 6455
        section 10.3 wants masking keys to be unpredictable.
    """

    openTimeout: float = 5.0
    closeTimeout: float = 1.0
    maxMessageSize: int = 2**20
    maxPendingOctets: int = 2**20
    caFile: str | None = None
    clientCertificate: str | None = None
    clientKey: str | None = None
    retry: RetryPolicy | None = None
    leave: Callable[[Transport], bool] | None = None
    keepAliveInterval: float = 0
    keepAliveTimeout: float = 10.0
    keepAliveMisses: int = 1
    keepAliveMethod: str = "ping"
    counters: Counters | None = None
    random: Randomness = _SYSTEM_RANDOM
    upgrade: Upgrade | None = None
    resolver: IHostnameResolver | None = None
    entropy: Callable[[int], bytes] = os.urandom


#: The defaults.
DEFAULT_OPTIONS = TransportOptions()
