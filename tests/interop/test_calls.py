"""
Calls between a user agent of ours and JsSIP or SIP.js under Node.js, on the
embedded server: made, held, and ended by either.
"""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.task import deferLater

from sipws import UserAgent
from sipws.errors import SessionFailed
from sipws.session import Cause, Session
from tests.interop.driver import Driver
from tests.interop.place import USERS, Place, until, within

pytestmark = pytest.mark.node

STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])
HANGS_UP = pytest.mark.parametrize("whoHangsUp", ["ours", "theirs"])


def audio(direction: str = "sendrecv") -> str:
    """Describe one stream of audio as a browser may, as far as the peers look at it."""
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )


async def reaches(driver: Driver, state: str) -> None:
    """Wait until the peer's call is in a state."""
    while (await within(driver.event("call")))["state"] != state:
        pass


async def described(driver: Driver, direction: str) -> None:
    """Wait until the peer has been given a description that says this."""
    while (await within(driver.event("described")))["direction"] != direction:
        pass


def queue(agent: UserAgent) -> DeferredQueue[Session]:
    """Collect the calls that come in."""
    calls: DeferredQueue[Session] = DeferredQueue()
    agent.on("invite", calls.put)
    return calls


def remote(session: Session) -> bytes:
    """Give the peer's description."""
    assert session.remoteDescription is not None
    return session.remoteDescription.body


async def change(session: Session, direction: str) -> None:
    """Have the direction of our audio be changed."""
    response = await within(session.reinvite(audio(direction)))
    while response.statusCode == 500 and response.hasHeader("Retry-After"):
        # SIP.js is not done with the last ACK yet: RFC 6337 section 4.3.
        await deferLater(reactor, 0.02)
        response = await within(session.reinvite(audio(direction)))
    assert response.statusCode == 200


async def callThem(alice: UserAgent, bob: Driver) -> Session:
    """Have ours call theirs, and wait until both have a session."""
    await within(bob.do("whenCalled", then="accept"))
    session = alice.invite("sip:bob@localhost", audio())
    await within(session.whenConfirmed())
    await reaches(bob, "Established")
    return session


async def callUs(alice: UserAgent, bob: Driver) -> Session:
    """Have theirs call ours, and wait until both have a session."""
    calls = queue(alice)
    called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost"))
    session: Session = await within(calls.get())
    await within(session.progress(180))
    await within(session.accept(audio()))
    assert (await within(called))["status"] == 200
    await reaches(bob, "Established")
    return session


CALLS = pytest.mark.parametrize("call", [callThem, callUs])


@STACKS
@CALLS
@HANGS_UP
@pytest_twisted.ensureDeferred
async def test_aCallIsMadeAndEnded(place: Place, stack: str, call: Any, whoHangsUp: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")

    session = await call(alice, bob)
    assert remote(session).startswith(b"v=0\r\n")
    if whoHangsUp == "ours":
        await within(session.bye())
    else:
        await within(bob.do("hangUp"))
    ending = await within(session.whenTerminated())
    await reaches(bob, "Terminated")

    assert ending.by == ("local" if whoHangsUp == "ours" else "remote")
    assert not list(alice.usages.dialogs)


@STACKS
@pytest.mark.parametrize("place", [None], indirect=True, ids=["open"])
@pytest_twisted.ensureDeferred
async def test_ourCallIsRefused(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    await within(bob.do("whenCalled", then="reject"))

    session = alice.invite("sip:bob@localhost", audio())
    with pytest.raises(SessionFailed) as failed:
        await within(session.whenAccepted())

    assert failed.value.statusCode == 486


@STACKS
@pytest.mark.parametrize("place", [None], indirect=True, ids=["open"])
@pytest_twisted.ensureDeferred
async def test_theirCallIsRefused(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    alice.on("invite", lambda session: session.reject(486))

    assert (await within(bob.do("call", target="sip:alice@localhost")))["status"] == 486


@STACKS
@pytest.mark.parametrize("place", [None], indirect=True, ids=["open"])
@pytest_twisted.ensureDeferred
async def test_ourCallIsCancelled(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    await within(bob.do("whenCalled", then="ring"))

    session = alice.invite("sip:bob@localhost", audio())
    await reaches(bob, "Ringing")
    session.cancel()
    ending = await within(session.whenTerminated())
    await reaches(bob, "Terminated")

    assert (ending.by, ending.cause) == ("local", Cause.CANCELLED)


@STACKS
@pytest.mark.parametrize("place", [None], indirect=True, ids=["open"])
@pytest_twisted.ensureDeferred
async def test_theirCallIsCancelled(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    calls = queue(alice)

    called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost"))
    session: Session = await within(calls.get())
    await within(session.progress(180))
    await within(bob.do("cancel"))
    ending = await within(session.whenTerminated())

    assert ending.by == "remote"
    # JsSIP tells a cause of its own in place of the 487.
    assert (await within(called)) in ({"id": 3, "status": 487}, {"id": 3, "cause": "Canceled"})


@STACKS
@CALLS
@pytest.mark.parametrize("place", [USERS], indirect=True, ids=["digest"])
@pytest_twisted.ensureDeferred
async def test_theCallIsHeldByBoth(place: Place, stack: str, call: Any) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    session: Session = await call(alice, bob)

    await change(session, "sendonly")
    await described(bob, "sendonly")
    assert b"a=recvonly" in remote(session)
    await change(session, "sendrecv")
    await described(bob, "sendrecv")

    session.on("offer", lambda offer: offer.accept(audio("recvonly")))
    await within(bob.do("hold"))
    await until(lambda: b"a=sendonly" in remote(session))
    await described(bob, "recvonly")
    await within(session.bye())
