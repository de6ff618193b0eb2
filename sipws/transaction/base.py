"""
What all four kinds of transaction share: following the arrows of their table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.logger import Logger

from sipws.errors import Congested, NotConnected, TransportError
from sipws.transaction.machines import Event, Machine, State, Timer

if TYPE_CHECKING:
    from sipws.errors import SIPError
    from sipws.interfaces import ITransport
    from sipws.message import OutgoingRequest, OutgoingResponse
    from sipws.transaction.delays import Delay
    from sipws.transaction.table import Transactions
    from sipws.transaction.timers import Timers

__all__ = ["CompiledArrow", "CompiledTable", "Transaction", "compileTable", "compiledTables"]

#: An arrow ready to be followed: the next state, the timer (see L{Timer}) and
#: the functions that are the actions.
CompiledArrow = tuple[str, "str | None", tuple[Callable[[Any, Any], None], ...]]

#: The arrows by state and event.
CompiledTable = Mapping[str, Mapping[str, CompiledArrow]]


class Transaction:
    """
    A transaction (RFC 3261 section 17).

    @cvar machine: Its table.
    @cvar ACTIONS: The functions that do what the table's actions say.
    @ivar request: The request that made it.
    @ivar method: The request's method.
    @ivar branch: The branch of the request's top Via; empty where it has none (RFC 2543).
    @ivar state: One of L{State}.
    @ivar transport: What it sends on.
    @ivar transactions: Where it is found while it is open.
    """

    __slots__ = (
        "__weakref__",
        "_arrows",
        "_delay",
        "branch",
        "method",
        "request",
        "state",
        "transactions",
        "transport",
    )

    machine: ClassVar[Machine]
    ACTIONS: ClassVar[Mapping[str, Callable[[Any, Any], None]]]

    _log: ClassVar[Logger] = Logger(namespace="sip.transaction")

    request: Any
    branch: str
    method: str

    def __init__(self, transport: ITransport, transactions: Transactions) -> None:
        self.transport = transport
        self.transactions = transactions
        self.state: str = State.INITIAL
        self._delay: Delay[Transaction] | None = None
        self._arrows = transactions.tableOf(type(self))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method} {self.branch} {self.state}>"

    def transportLost(self, error: TransportError) -> None:
        """
        Take the loss of the transport.

        @param error: What happened to it.
        """
        self._follow(Event.TRANSPORT_ERROR, error)

    def timerFired(self, timer: str) -> None:
        """Take the end of the time of a timer, which is an event under its name."""
        self._delay = None
        self._follow(timer)

    def abandon(self, error: SIPError) -> None:
        """
        End it, whatever its state: its user is stopping.

        @param error: Why.
        """
        if self.state is not State.TERMINATED:
            self.state = State.TERMINATED
            self._setTimer(Timer.NONE)
            self._leave()
            self._abandoned(error)

    def _follow(self, event: str, argument: object = None) -> bool:
        """
        Follow the arrow for an event.

        @param event: One of L{Event} or L{Timer}.
        @param argument: What the event brought: a message or an error.
        @return: Whether there is one.  No arrow is a deliberate ignore.
        """
        arrow = self._arrows[self.state].get(event)
        if arrow is None:
            return False
        state, timer, actions = arrow
        self.state = state
        if timer is not None:
            self._setTimer(timer)
        if state is State.TERMINATED:
            # RFC 3261 section 17: it MUST be destroyed the instant it enters this state.
            self._leave()
        for action in actions:
            action(self, argument)
        if state is State.TERMINATED:
            self.transactions.ended()
        return True

    def _setTimer(self, timer: str) -> None:
        running = self._delay
        if running is not None:
            running.stop(self)
            self._delay = None
        if timer:
            self._delay = delay = self.transactions.delay(timer)
            delay.start(self)

    def _send(self, message: OutgoingRequest | OutgoingResponse) -> bool:
        """Send a message; where that is impossible, that is the next event."""
        error: TransportError
        try:
            if self.transport.send(message):
                return True
            error = _unsent(message, self.transport)
        except Exception as cause:  # noqa: BLE001 - a foreign transport that breaks its promise
            self._log.failure("the transport failed to send a {method}", method=self.method)
            # How far it came nobody knows.
            error = TransportError("the transport failed", request=message, sent=True)
            error.__cause__ = cause
        self._failedToSend(error)
        return False

    def _failedToSend(self, error: TransportError) -> None:
        self._follow(Event.TRANSPORT_ERROR, error)

    def _call(self, callback: Callable[..., object], *args: object) -> None:
        """Call back the user: nothing that it raises reaches the machine."""
        try:
            callback(*args)
        except Exception:  # noqa: BLE001 - the user's own
            self._log.failure("{callback} raised", callback=callback)

    def _leave(self) -> None:
        """Leave the tables."""
        raise NotImplementedError

    def _abandoned(self, error: SIPError) -> None:
        """Tell the user that it was ended."""


@lru_cache(maxsize=16)
def compiledTables(timers: Timers) -> dict[type[Transaction], CompiledTable]:
    """
    Give the tables ready to be followed with these timers.

    They are the same for all user agents: each would need 2 KB for its own.

    @param timers: How long the timers run.
    @return: The tables by kind; whoever misses one compiles and adds it.
    """
    return {}


def compileTable(kind: type[Transaction], timers: Timers) -> CompiledTable:
    """
    Make a table ready to be followed with these timers.

    @param kind: Whose table.
    @param timers: How long the timers run.
    @return: The arrows.  One that would start a timer of zero seconds goes on
        through that timer's arrow.
    """
    arrows = {(arrow.state, arrow.event): arrow for arrow in kind.machine.arrows}
    compiled: dict[str, dict[str, CompiledArrow]] = {state: {} for state in _states(kind.machine)}
    for (state, event), arrow in arrows.items():
        actions, target, timer = arrow.actions, arrow.target, arrow.timer
        while timer and timers.seconds(timer) == 0:
            _, _, more, target, timer = arrows[target, timer]
            actions += more
        compiled[state][event] = (target, timer, tuple(kind.ACTIONS[action] for action in actions))
    return compiled


def _unsent(message: OutgoingRequest | OutgoingResponse, transport: ITransport) -> TransportError:
    """Say why a transport has not taken a message."""
    if transport.connected:
        # A foreign transport may not count.
        pending: int | None = getattr(transport, "pendingOctets", None)
        return Congested(request=message, sent=False, pending=pending)
    return NotConnected("there is no connection", request=message, sent=False)


def _states(machine: Machine) -> list[str]:
    return list(dict.fromkeys(state for arrow in machine.arrows for state in (arrow.state, arrow.target)))
