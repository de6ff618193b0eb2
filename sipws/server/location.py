"""
The location service: which connections an address of record is reached by
(RFC 3261 sections 10.3 and 16.5).

A binding lives no longer than the connection that it was registered on: a
WebSocket client cannot be connected to (RFC 7118 section 5 and appendix B).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

import attrs

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from sipws.message import URI, Contact
    from sipws.server.connection import Connection
    from sipws.server.gruu import Instance
    from sipws.server.outbound import Flow

__all__ = ["Binding", "Locations"]

Key = TypeVar("Key", bound=Hashable)


@attrs.define(eq=False)
class Binding:
    """
    A contact address that an address of record is bound to.

    @ivar aor: The address of record, such as C{sip:alice@example.com}.
    @ivar contact: The Contact as it was registered.
    @ivar connection: The connection that it was registered on.
    @ivar callID: The Call-ID of the REGISTER.
    @ivar cseq: The CSeq number of the REGISTER.
    @ivar expires: When it ends, in seconds on the server's clock.
    @ivar flow: The flow that it stands for (RFC 5626); C{None}: none in particular.
    @ivar instance: The user agent that it is of (RFC 5627); C{None}: it does not say.
    """

    aor: str
    contact: Contact
    connection: Connection
    callID: str
    cseq: int
    expires: float
    flow: Flow | None = None
    instance: Instance | None = None
    timer: IDelayedCall | None = attrs.field(default=None, repr=False)

    @property
    def uri(self) -> URI:
        """The contact address itself."""
        return self.contact.uri

    @property
    def q(self) -> float:
        """Its preference among the bindings of its user, from 0 to 1 (RFC 3261 section 20.10)."""
        return 1.0 if self.contact.q is None else self.contact.q


class Locations(Mapping[str, tuple[Binding, ...]]):
    """
    The bindings by address of record.

    Only those that have a binding are in it.
    """

    def __init__(self, clock: IReactorTime, remembered: int) -> None:
        """
        @param clock: What the bindings' ends are timed by.
        @param remembered: How many addresses of record to remember when
            their last binding is gone.
        """
        self._clock = clock
        self._remembered = remembered
        self._bindings: dict[str, list[Binding]] = {}
        self._connections: dict[Connection, list[Binding]] = {}
        self._hosts: dict[str, list[Binding]] = {}
        self._departed: dict[str, None] = {}
        self.count = 0

    def __getitem__(self, aor: str) -> tuple[Binding, ...]:
        return tuple(self._bindings[aor])

    def __iter__(self) -> Iterator[str]:
        return iter(self._bindings)

    def __len__(self) -> int:
        return len(self._bindings)

    def find(self, aor: str) -> tuple[Binding, ...]:
        """Give the bindings of an address of record, none if there are none."""
        return tuple(self._bindings.get(aor, ()))

    def findContact(self, uri: URI, aor: str | None = None) -> Binding | None:
        """
        Find a binding whose contact address is the same as a URI (RFC 3261 section 19.1.4).

        @param uri: The URI.
        @param aor: The only address of record whose bindings count; C{None}: all do.
        """
        for binding in self._hosts.get(_hostOf(uri), ()):
            if binding.uri.equivalent(uri) and aor in (None, binding.aor):
                return binding
        return None

    def hadBindings(self, aor: str) -> bool:
        """Whether an address of record, without a binding now, has had one; few are remembered."""
        return aor in self._departed

    def replace(self, old: Iterable[Binding], new: Iterable[Binding]) -> None:
        """
        Take some bindings out and others in, all at once.

        RFC 3261 section 10.3, step 7: "The binding updates MUST be committed
        [...] if and only if all binding updates and additions succeed."

        @param old: Bindings that are in.
        @param new: Bindings that are not.
        """
        for binding in new:
            self._insert(binding)
        for binding in old:
            self._remove(binding)

    def connectionLost(self, connection: Connection) -> None:
        """Take out what was registered on a connection."""
        for binding in self._connections.get(connection, [])[:]:
            self._remove(binding)

    def clear(self) -> None:
        """Take out all."""
        for connection in list(self._connections):
            self.connectionLost(connection)

    def _insert(self, binding: Binding) -> None:
        self._bindings.setdefault(binding.aor, []).append(binding)
        self._connections.setdefault(binding.connection, []).append(binding)
        self._hosts.setdefault(_hostOf(binding.uri), []).append(binding)
        self._departed.pop(binding.aor, None)
        self.count += 1
        delay = max(0.0, binding.expires - self._clock.seconds())
        binding.timer = self._clock.callLater(delay, self._remove, binding)

    def _remove(self, binding: Binding) -> None:
        timer, binding.timer = binding.timer, None
        if timer is not None and timer.active():
            timer.cancel()
        self.count -= 1
        _takeOut(self._connections, binding.connection, binding)
        _takeOut(self._hosts, _hostOf(binding.uri), binding)
        _takeOut(self._bindings, binding.aor, binding)
        if binding.aor not in self._bindings:
            self._remember(binding.aor)

    def _remember(self, aor: str) -> None:
        self._departed[aor] = None
        if len(self._departed) > self._remembered:
            del self._departed[next(iter(self._departed))]


def _hostOf(uri: URI) -> str:
    return (uri.host or "").lower()


def _takeOut(table: dict[Key, list[Binding]], key: Key, binding: Binding) -> None:
    bindings = table[key]
    bindings.remove(binding)
    if not bindings:
        del table[key]
