"""
L{Health}: how a user agent fares, as a plain value, for operators::

    ============  =====================================================
    state         meaning
    ============  =====================================================
    stopped       not started, or stopped
    disconnected  no connection; it is tried again
    connected     a connection, and no registration over it, or not yet
    registered    a connection, and a binding that stands for it
    stopping      being stopped
    ============  =====================================================
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import attrs

from sipws.interfaces import C

if TYPE_CHECKING:
    from sipws.ua.agent import UserAgent
    from sipws.ua.flow import Flow

__all__ = ["FlowHealth", "Health", "Standing", "healthOf", "standingOf"]


class Standing(Enum):
    """The states, from the worst to the best."""

    STOPPED = "stopped"
    STOPPING = "stopping"
    DISCONNECTED = "disconnected"
    CONNECTED = "connected"
    REGISTERED = "registered"


#: From the worst to the best.
_ORDER = list(Standing)


@attrs.frozen(kw_only=True)
class FlowHealth:
    """
    How one flow fares.

    @ivar regID: Which one, from 1.
    @ivar state: Its state.
    @ivar since: Since when, in seconds by the user agent's clock: with a real
        reactor, that is the time since 1970.
    @ivar server: The server that it has or tries to get to, without the query
        of its URI; C{None} where it waits before it tries any.
    @ivar attempts: How often in a row it has tried that one again, the attempt
        included that it waits for.
    @ivar lastError: What went wrong last, be it long ago; C{None} where nothing did.
    @ivar roundTrip: How long the server took to answer the last keep-alive of
        this connection, in seconds; C{None} where there was none.
    @ivar registrationExpires: For how long the binding is still good if it is
        not refreshed, in seconds; C{None} where there is none.
    """

    regID: int
    state: Standing
    since: float
    server: str | None
    attempts: int
    lastError: str | None
    roundTrip: float | None
    registrationExpires: float | None


@attrs.frozen(kw_only=True)
class Health:
    """
    How a user agent fares: as its best flow does.  No attribute holds a secret.

    @ivar aor: Its address of record.
    @ivar ready: Whether it does what it is configured for: it is connected,
        and registered where it wants to be.
    @ivar state: Its state.
    @ivar since: As of L{FlowHealth}, and so are the next five.
    @ivar openTransactions: How many transactions are open.
    @ivar waitingRequests: How many requests of ours wait for a connection.
    @ivar unansweredRequests: How many incoming requests wait for their handler.
    @ivar flows: How each flow fares.
    """

    aor: str
    ready: bool
    state: Standing
    since: float
    server: str | None
    attempts: int
    lastError: str | None
    roundTrip: float | None
    registrationExpires: float | None
    openTransactions: int
    waitingRequests: int
    unansweredRequests: int
    flows: tuple[FlowHealth, ...]

    def asDict(self) -> dict[str, Any]:
        """Give it as what JSON can say."""
        return attrs.asdict(self, value_serializer=_plain)


def _plain(instance: object, field: object, value: object) -> object:
    return value.value if isinstance(value, Standing) else value


def standingOf(flow: Flow) -> Standing:
    """
    Say how a flow stands.

    @param flow: The flow.
    """
    ua = flow.ua
    if ua.status == C.STATUS_INIT:
        return Standing.STOPPED
    if ua.status == C.STATUS_USER_CLOSED:
        return Standing.STOPPING if ua.isStopping else Standing.STOPPED
    if not flow.connected:
        return Standing.DISCONNECTED
    return Standing.REGISTERED if flow.registration.registered else Standing.CONNECTED


def healthOf(ua: UserAgent, waiting: int, unanswered: int) -> Health:
    """
    Say how a user agent fares.

    @param ua: The user agent.
    @param waiting: How many requests of ours wait for a connection.
    @param unanswered: How many incoming requests wait for their handler.
    """
    flows = tuple(_flowHealth(flow) for flow in ua.flows)
    best = max(flows, key=lambda flow: _ORDER.index(flow.state))
    needed = Standing.REGISTERED if ua.registration.wanted else Standing.CONNECTED
    return Health(
        aor=str(ua.configuration.uri),
        ready=_ORDER.index(best.state) >= _ORDER.index(needed),
        openTransactions=len(ua.transactions),
        waitingRequests=waiting,
        unansweredRequests=unanswered,
        flows=flows,
        **{name: getattr(best, name) for name in _SHARED},
    )


#: What a user agent has of its best flow.
_SHARED = [field.name for field in attrs.fields(FlowHealth) if field.name != "regID"]


def _flowHealth(flow: Flow) -> FlowHealth:
    transport: Any = flow.transport
    error = getattr(transport, "lastTransportError", None) or flow.lastError
    return FlowHealth(
        regID=flow.regID,
        state=standingOf(flow),
        since=flow.since,
        server=None if flow.server is None else flow.server.ws_uri.partition("?")[0],
        attempts=getattr(transport, "reconnection_attempts", 0),
        lastError=None if error is None else str(error),
        roundTrip=getattr(transport, "roundTrip", None),
        registrationExpires=flow.registration.expiresIn,
    )
