"""
What happens at once in calls between a user agent of ours and JsSIP or SIP.js
under Node.js: re-INVITEs, and the end of an INVITE, that cross; and a connection
that is lost.
"""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from sipws.errors import SessionFailed
from sipws.message import IncomingResponse
from sipws.session import Cause, Session
from sipws.session.machine import State
from tests.interop.driver import Driver, DriverError
from tests.interop.peers import audio, callThem, callUs, queue, reaches, sees
from tests.interop.place import Place, until, within

pytestmark = [
    pytest.mark.node,
    pytest.mark.parametrize("place", [None], indirect=True, ids=["open"]),
]

STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])
REPAIR = {"sessionRepair": True, "wsServerReconnectionTimeout": 0.1}
CALLS = pytest.mark.parametrize("call", [callThem, callUs])


async def settled(session: Session, bob: Driver) -> None:
    """
    Wait until our ACK has come.

    SIP.js says before that it is established, and ends a call that is changed then.
    """
    await within(session.dtmf("1"))
    await sees(bob, "dtmf", tone="1")


@STACKS
@pytest_twisted.ensureDeferred
async def test_weGiveUpWhatTheyAccept(place: Place, stack: str) -> None:
    """The CANCEL crosses the 200, which is acknowledged, and the call ended with BYE."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    await within(bob.do("whenCalled", then="ring"))
    session = alice.invite("sip:bob@localhost", audio())
    await reaches(bob, "Ringing")
    await until(lambda: session.state == State.EARLY)

    place.uponArrival(b"SIP/2.0 200 OK\r\n", b" INVITE\r\n", then=session.cancel)
    await within(bob.do("accept"))
    with pytest.raises(SessionFailed):
        await within(session.whenAccepted())
    ending = await within(session.whenTerminated())

    assert (ending.by, ending.cause) == ("local", Cause.CANCELLED)
    await reaches(bob, "Established")
    await reaches(bob, "Terminated")
    await until(lambda: not list(alice.usages.dialogs))


@pytest_twisted.ensureDeferred
async def test_theyGiveUpWhatWeAccept(place: Place) -> None:
    """JsSIP is not tried: it neither acknowledges the 200 nor ends the call."""
    alice, bob = await place.ours("alice"), await place.registered("sipjs", "bob")
    calls = queue(alice)
    await within(bob.do("whenAccepted", then="cancel"))

    called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost"))
    called.addErrback(lambda failure: failure.trap(DriverError))
    session: Session = await within(calls.get())
    await within(session.progress(180))
    await within(session.accept(audio()))
    ending = await within(session.whenTerminated())

    assert (ending.by, ending.cause) == ("remote", Cause.HUNG_UP)
    await reaches(bob, "Terminated")
    assert not list(alice.usages.dialogs)


@STACKS
@CALLS
@pytest_twisted.ensureDeferred
async def test_reINVITEsCross(place: Place, stack: str, call: Any) -> None:
    """Both are answered with 491. Ours is tried again, and JsSIP's; SIP.js leaves that to its user."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    session: Session = await call(alice, bob)
    await settled(session, bob)
    changed: list[Deferred[IncomingResponse]] = []

    place.uponArrival(
        b"INVITE sip:", b"\r\nTo: ", b";tag=", b"a=sendonly", then=lambda: changed.append(session.hold())
    )
    asked = await within(bob.do("hold"))
    [held] = changed

    assert asked == ({"id": asked["id"]} if stack == "jssip" else {"id": asked["id"], "status": 491})
    assert (await within(held)).statusCode == 200
    assert session.isOnHold
    assert session.isHeld == (stack == "jssip")
    await within(session.bye())


@STACKS
@CALLS
@pytest_twisted.ensureDeferred
async def test_theyLoseTheConnection(place: Place, stack: str, call: Any) -> None:
    """Until they are back there is no way to them, and the call is there; then they can end it."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    session: Session = await call(alice, bob)

    await settled(session, bob)
    await within(bob.do("lose"))
    await until(lambda: "sip:bob@localhost" not in place.server.locations)
    if stack == "sipjs":
        # For JsSIP, whose Contact is a GRUU, it is 480 (RFC 5627 section 6.1), and the end (RFC 5057).
        assert (await within(session.hold())).statusCode == 430
        assert session.state == State.CONFIRMED

    await within(bob.do("reconnect"))
    await within(bob.do("hangUp"))
    ending = await within(session.whenTerminated())
    assert (ending.by, ending.cause) == ("remote", Cause.HUNG_UP)
    assert not list(alice.usages.dialogs)


@STACKS
@pytest_twisted.ensureDeferred
async def test_weHangUpOnWhoHasLostTheConnection(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    session = await callThem(alice, bob)

    await within(bob.do("lose"))
    await until(lambda: "sip:bob@localhost" not in place.server.locations)
    ending = await within(session.bye())

    assert (ending.by, ending.cause) == ("local", Cause.HUNG_UP)
    assert not list(alice.usages.dialogs)


@STACKS
@CALLS
@pytest_twisted.ensureDeferred
async def test_weLoseTheConnection(place: Place, stack: str, call: Any) -> None:
    """The call goes on: they take the re-INVITE with the new way to us."""
    alice, bob = await place.ours("alice", **REPAIR), await place.registered(stack, "bob")
    session: Session = await call(alice, bob)
    await settled(session, bob)
    repaired: list[bool] = []
    session.on("repaired", lambda: repaired.append(True))

    transport: Any = alice.transport
    transport.ws.dropConnection(abort=True)
    await until(lambda: repaired)

    await within(bob.do("hangUp"))
    ending = await within(session.whenTerminated())
    assert (ending.by, ending.cause) == ("remote", Cause.HUNG_UP)
    assert not list(alice.usages.dialogs)
