"""
Have two people talk to each other, as the button of a web page does (RFC 3725):
C{python examples/clicktodial.py ws://127.0.0.1:5066 sip:clicks@localhost alice@localhost bob@localhost}.

The first is called with a description without media.  When that call is up,
the second is asked for an offer, which the first gets in a re-INVITE: flow IV,
in which nobody waits for an ACK while somebody else's telephone rings.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import DeferredList, ensureDeferred
from twisted.internet.task import react

from sipws import Configuration, Session, SessionFailed, UserAgent
from sipws.session import Offer

#: A description without media (RFC 3725 section 4.4).
NO_MEDIA = b"v=0\r\no=clicks 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


async def connect(userAgent: UserAgent, first: str, second: str) -> tuple[Session, Session]:
    """
    Have two people talk to each other.

    @return: Both calls; the end of one ends the other.
    @raise SessionFailed: One of them does not want to.
    """
    one = userAgent.invite(first, NO_MEDIA)
    await one.whenConfirmed()
    other = userAgent.invite(second)
    for session, peer in ((one, other), (other, one)):
        session.on("offer", lambda offer, peer=peer: relay(offer, peer))
        session.on("terminated", lambda _, peer=peer: peer.terminate())
    await other.whenConfirmed()
    return one, other


async def relay(offer: Offer, peer: Session) -> None:
    """Ask one what the other offers, and answer the other with that; this is hold and resume, too."""
    response = await peer.reinvite(offer.body, offer.contentType or "application/sdp")
    if response.statusCode < 300 and response.body:
        offer.accept(response.body, response.contentType or "application/sdp")
    else:
        offer.reject(488)


async def main(reactor: Any, server: str, uri: str, first: str, second: str) -> None:
    """Connect them, and wait until they have hung up."""
    userAgent = UserAgent(Configuration(uri=uri, wsServers=server, register=False), reactor)
    userAgent.start()
    try:
        sessions = await connect(userAgent, first, second)
        print(f"{first} and {second} are talking")
        await DeferredList([session.whenTerminated() for session in sessions])
        print("they have hung up")
    except SessionFailed as error:
        print(f"they do not talk: {error}")
    finally:
        # Whoever is in a call still is told of its end.
        await userAgent.stop()


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    react(lambda reactor: ensureDeferred(main(reactor, *sys.argv[1:])))
