"""An embedded server on loopback for tests of what runs at the edge of the program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import attrs
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.interfaces import IListeningPort

from sipws.server import EmbeddedServer


@attrs.frozen
class Loopback:
    """
    A server that listens.

    @ivar server: The server.
    @ivar uri: How a client reaches it.
    """

    server: EmbeddedServer
    uri: str


async def listenOnLoopback(reactor: Any, users: Mapping[str, str] | None = None) -> Loopback:
    """Start an embedded server on any free port of 127.0.0.1."""
    server = EmbeddedServer(reactor, domain="localhost", users=users)
    port: IListeningPort = await server.listen(TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"))
    return Loopback(server, f"ws://127.0.0.1:{port.getHost().port}")  # type: ignore[attr-defined]


async def openServer() -> AsyncIterator[Loopback]:
    """The body of a fixture: a server on which anyone may register."""
    from twisted.internet import reactor

    loopback = await listenOnLoopback(reactor)
    yield loopback
    await loopback.server.stop()


async def guardedServer() -> AsyncIterator[Loopback]:
    """The body of a fixture: a server for alice and bob, whose passwords are their names backwards."""
    from twisted.internet import reactor

    loopback = await listenOnLoopback(reactor, {"alice": "ecila", "bob": "bob"[::-1] + "!"})
    yield loopback
    await loopback.server.stop()
