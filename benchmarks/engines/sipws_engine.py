"""
sipws.

C{parse} is C{parseMessage} and C{sanityCheck}, as its transport does for each
message: with the transaction tables of a user agent, in which merged requests
are looked for, and its Via host, which responses must name.

C{build} is an C{OutgoingRequest} with its headers as text, which C{bytes} adds
Content-Length to, or an C{OutgoingResponse} to a request.

C{exchange}, C{call} and C{grow} are in L{benchmarks.engines.sipws_client}.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.task import Clock

from benchmarks.corpus import VIA_HOST
from benchmarks.engines.headers import CONTACT, inviteHeaders, newTag, registerHeaders
from benchmarks.engines.timing import Materials, building, parsing
from sipws.message import IncomingRequest, OutgoingRequest, OutgoingResponse, parseMessage
from sipws.message.sanity import sanityCheck
from sipws.transaction import Transactions

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.engines.sipws_client import Client
    from benchmarks.engines.timing import Builders, Tasks


@attrs.define
class Configuration:
    """What the sanity check reads of a user agent's configuration."""

    traceSip: bool = False
    wsServerMaxReconnection: int = 3
    wsServerReconnectionTimeout: float = 4.0
    viaHost: str = VIA_HOST
    sipjsId: str = "none0"


@attrs.define
class StubUserAgent:
    """A user agent as far as the sanity check knows it."""

    configuration: Configuration = attrs.field(factory=Configuration)
    transactions: Transactions = attrs.field(factory=lambda: Transactions(Clock()))


class StubTransport:
    """A transport that nothing should be sent on: every message of the corpus is sane."""

    connected = True

    def send(self, msg: object) -> bool:
        """
        Refuse to answer.

        @param msg: The answer.
        @raise AssertionError: Always.
        """
        raise AssertionError(f"the sanity check refused a message: {msg}")


class Parser:
    """parseMessage and sanityCheck with a user agent."""

    def __init__(self) -> None:
        # Interfaces ask for more than the sanity check does.
        self._ua: Any = StubUserAgent()
        self._transport: Any = StubTransport()

    def parse(self, octets: bytes) -> bool:
        """
        Parse a message and check it.

        @param octets: The message.
        @return: Whether it passed.
        """
        message = parseMessage(octets)
        message.transport = self._transport
        return sanityCheck(message, self._ua, self._transport)


def _register(materials: Materials) -> bytes:
    return bytes(OutgoingRequest("REGISTER", "sip:example.test", registerHeaders()))


def _invite(materials: Materials) -> bytes:
    return bytes(OutgoingRequest("INVITE", "sip:bob@example.test", inviteHeaders(), materials.offer))


def _received(materials: Materials) -> tuple[IncomingRequest, str]:
    request = parseMessage(materials.invite.encode())
    assert isinstance(request, IncomingRequest)
    return request, materials.answer


def _ok(received: tuple[IncomingRequest, str]) -> bytes:
    request, answer = received
    headers = [("Contact", CONTACT), ("Content-Type", "application/sdp")]
    return bytes(OutgoingResponse(request, 200, headers=headers, body=answer, toTag=newTag()))


_BUILDERS: Builders = {
    "REGISTER": (lambda materials: materials, _register),
    "INVITE with SDP": (lambda materials: materials, _invite),
    "200 with SDP": (_received, _ok),
}


def _makeClient() -> Client:
    # Whoever parses and builds messages has no need of a user agent, and does not load one.
    from benchmarks.engines.sipws_client import Client

    return Client()


def _work(client: Callable[[], Client], task: str, **arguments: Any) -> Any:
    return getattr(client(), task)(**arguments)


#: What a user agent is needed for.
_WORK = ("connect", "exchange", "call", "grow")


def engine() -> Tasks:
    """
    Give what this engine can do.

    @return: Its tasks.
    """
    client = functools.cache(_makeClient)
    working = {task: functools.partial(_work, client, task) for task in _WORK}
    return {**parsing(Parser().parse), **building(_BUILDERS), **working}
