"""
Calls between a user agent of ours and JsSIP or SIP.js under Node.js, on the
embedded server: made, held, and ended by either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from sipws.errors import SessionFailed
from sipws.message import IncomingResponse
from sipws.session import Cause, Session
from tests.interop.peers import audio, callThem, callUs, described, queue, reaches, remote, sees
from tests.interop.place import USERS, Place, until, within

pytestmark = pytest.mark.node

STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])
HANGS_UP = pytest.mark.parametrize("whoHangsUp", ["ours", "theirs"])


async def settled(change: Callable[[], Deferred[IncomingResponse]]) -> None:
    """Have the session be changed."""
    response = await within(change())
    while response.statusCode == 500 and response.hasHeader("Retry-After"):
        # SIP.js is not done with the last ACK yet: RFC 6337 section 4.3.
        await deferLater(reactor, 0.02)
        response = await within(change())
    assert response.statusCode == 200


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

    await settled(session.hold)
    await described(bob, "sendonly")
    assert b"a=recvonly" in remote(session)
    await settled(session.resume)
    await described(bob, "sendrecv")

    heard: list[str] = []
    for event in ("hold", "resume"):
        session.on(event, lambda by, event=event: heard.append(f"{event} by {by}"))
    await within(bob.do("hold"))
    await described(bob, "recvonly")
    await until(lambda: heard == ["hold by remote"])
    await within(bob.do("resume"))
    await until(lambda: heard == ["hold by remote", "resume by remote"])
    await within(session.bye())


@STACKS
@CALLS
@pytest.mark.parametrize("place", [None], indirect=True, ids=["open"])
@pytest_twisted.ensureDeferred
async def test_tonesPassBothWays(place: Place, stack: str, call: Any) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    session: Session = await call(alice, bob)
    heard: list[str] = []
    session.on("dtmf", lambda tone: heard.append(tone.tone))

    await within(session.dtmf("5"))
    await sees(bob, "dtmf", tone="5")
    await within(bob.do("dtmf", tones="7"))
    await until(lambda: heard == ["7"])
    await within(session.bye())
