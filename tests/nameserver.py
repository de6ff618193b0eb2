"""A name server of C{twisted.names} on loopback."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import CannotListenError
from twisted.names import dns
from twisted.names.authority import FileAuthority
from twisted.names.client import Resolver
from twisted.names.server import DNSServerFactory

__all__ = ["NameServer"]

#: How often both protocols are tried to be had on one port.
_TRIES = 20


class _Zone(FileAuthority):
    """A zone that is in no file."""

    soa: Any = None

    def __init__(self, origin: str, records: list[dns.RRHeader]) -> None:
        self._origin = origin.encode()
        self._headers = records
        super().__init__("")

    def loadFile(self, filename: object) -> None:
        start = dns.Record_SOA(self._origin, b"admin." + self._origin, 1, 60, 60, 3600, 60, 60)
        self.soa = (self._origin, start)
        self.records: Any = {self._origin: [start]}
        for header in self._headers:
            self.records.setdefault(header.name.name.lower(), []).append(header.payload)


class NameServer:
    """
    Serves one zone by UDP and TCP.

    @ivar asked: The questions that came: protocol, type and name.
    @ivar port: Its port on 127.0.0.1.
    """

    def __init__(self, reactor: Any, origin: str, records: list[dns.RRHeader]) -> None:
        self.asked: list[str] = []
        self._reactor = reactor
        self._factory = _Factory(self.asked, authorities=[_Zone(origin, records)])
        self._factory.noisy = False
        for _ in range(_TRIES):
            protocol = dns.DNSDatagramProtocol(self._factory, reactor=reactor)
            protocol.noisy = False
            self._udp = reactor.listenUDP(0, protocol, interface="127.0.0.1")
            self.port: int = self._udp.getHost().port
            try:
                self._tcp = reactor.listenTCP(self.port, self._factory, interface="127.0.0.1")
            except CannotListenError:
                self._udp.stopListening()
            else:
                return
        raise AssertionError("no port is free for both UDP and TCP")

    def resolver(self) -> Resolver:
        """Make a resolver that asks it."""
        return Resolver(servers=[("127.0.0.1", self.port)], reactor=self._reactor)

    @property
    def connections(self) -> int:
        """How many TCP connections clients have."""
        return len(self._factory.connections)

    async def stop(self) -> None:
        """Stop serving."""
        for connection in list(self._factory.connections):
            connection.transport.loseConnection()
        await self._udp.stopListening()
        await self._tcp.stopListening()


class _Factory(DNSServerFactory):
    """Notes what is asked."""

    def __init__(self, asked: list[str], **options: Any) -> None:
        super().__init__(**options)
        self._asked = asked

    def sendReply(self, protocol: Any, message: Any, address: Any) -> None:
        """Answer; Twisted's own would send any length by UDP (RFC 1035 section 4.2.1: 512 octets)."""
        message.maxSize = 0 if address is None else 512
        super().sendReply(protocol, message, address)

    def handleQuery(self, message: Any, protocol: Any, address: Any) -> Any:
        query = message.queries[0]
        kind = dns.QUERY_TYPES.get(query.type, str(query.type))
        self._asked.append(f"{'TCP' if address is None else 'UDP'} {kind} {query.name.name.decode()}")
        return super().handleQuery(message, protocol, address)
