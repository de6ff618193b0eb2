"""
A SIP stack of one's own that uses the transport, the parser and the transactions, and no user agent:
C{python examples/ownstack.py ws://127.0.0.1:5066 sip:me@localhost sip:echo@localhost}.
"""

from __future__ import annotations

import sys
from secrets import token_hex
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import Logger
from zope.interface import implementer

from sipws import (
    IncomingRequest,
    IncomingResponse,
    ITransport,
    IUserAgent,
    OutgoingRequest,
    OutgoingResponse,
    Transport,
    WsServer,
)
from sipws.transaction import NonInviteClientTransaction, NonInviteServerTransaction, Transactions


class Settings:
    """What the transport reads of a configuration, and nothing else."""

    traceSip = False
    wsServerMaxReconnection = 3
    wsServerReconnectionTimeout = 4


@implementer(IUserAgent)
class OwnStack:
    """As much of a SIP stack as asks whether somebody is there, and says so itself."""

    def __init__(self, address: str, reactor: Any) -> None:
        self.address = address
        self.configuration = Settings()
        self.transactions = Transactions(reactor)
        self.transport: ITransport | None = None
        self.status = 0
        self.connected: Deferred[None] = Deferred()

    # Asking.

    def ask(self, target: str) -> Deferred[IncomingResponse]:
        """Send an OPTIONS; the transaction gives its final response, or fails typed."""
        transport: Any = self.transport
        via = f"SIP/2.0/{transport.viaTransport} own.invalid;branch=z9hG4bK{token_hex(12)}"
        request = OutgoingRequest(
            "OPTIONS",
            target,
            [
                ("Via", via),
                ("Max-Forwards", 70),
                ("From", f"<{self.address}>;tag={token_hex(8)}"),
                ("To", f"<{target}>"),
                ("Call-ID", token_hex(12)),
                ("CSeq", "1 OPTIONS"),
            ],
        )
        return NonInviteClientTransaction(request, transport, self.transactions).start()

    # What the transport calls.

    def receiveRequest(self, request: IncomingRequest) -> None:
        """Answer an OPTIONS, and nothing else; a retransmission has its transaction already."""
        known = self.transactions.matchRequest(request)
        if known is not None:
            known.receiveRequest(request)
        elif request.method != "ACK" and request.transport is not None:
            transaction = NonInviteServerTransaction(request, request.transport, self.transactions)
            statusCode = 200 if request.method == "OPTIONS" else 405
            # RFC 3261 section 21.4.6: a 405 says what is taken, and a 200 to OPTIONS does.
            allow = [("Allow", "OPTIONS")]
            transaction.respond(OutgoingResponse(request, statusCode, headers=allow, toTag=token_hex(8)))

    def onTransportConnecting(self, transport: ITransport, attempts: int) -> None:
        """There is an attempt to connect."""

    def onTransportConnected(self, transport: ITransport) -> None:
        """There is a connection."""
        if not self.connected.called:
            self.connected.callback(None)

    def onTransportClosed(self, transport: ITransport) -> None:
        """There is none any more: nobody waits for what was under way on it."""
        error: Any = getattr(transport, "lastTransportError", None)
        if error is not None:
            self.transactions.transportLost(transport, error)

    def onTransportError(self, transport: ITransport) -> None:
        """There will be none."""
        if not self.connected.called:
            self.connected.errback(transport.lastTransportError)  # type: ignore[attr-defined]

    def emit(self, event: str, *args: Any) -> None:
        """Nobody listens."""

    def getLogger(self, category: str) -> Logger:
        """Give the outlet for log messages."""
        return Logger(namespace=category)


async def main(reactor: Any, server: str, address: str, target: str) -> None:
    """Connect, ask, say what came, and leave."""
    stack = OwnStack(address, reactor)
    transport = Transport(stack, WsServer(server), reactor)
    await stack.connected
    response = await stack.ask(target)
    print(response.statusCode, response.reasonPhrase)
    transport.disconnect()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    react(lambda *arguments: Deferred.fromCoroutine(main(*arguments)), sys.argv[1:])
