"""
Calls that do not go to one who accepts them, between a user agent of ours and
JsSIP or SIP.js under Node.js: forked, redirected, declined.
"""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from sipws.errors import SessionFailed
from sipws.session import Cause, Session
from tests.interop.peers import audio, queue, reaches, remote
from tests.interop.place import Place, until, within

pytestmark = [
    pytest.mark.node,
    pytest.mark.parametrize("place", [None], indirect=True, ids=["open"]),
]

STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])
ANSWERS = pytest.mark.parametrize("whoAnswers", ["ours", "theirs"])


@STACKS
@ANSWERS
@pytest_twisted.ensureDeferred
async def test_weCallTwoOfWhomOneAnswers(place: Place, stack: str, whoAnswers: str) -> None:
    alice, ours = await place.ours("alice"), await place.ours("bob")
    theirs = await place.registered(stack, "bob")
    await within(theirs.do("whenCalled", then="ring"))
    calls = queue(ours)

    session = alice.invite("sip:bob@localhost", audio())
    ringing: Session = await within(calls.get())
    await within(ringing.progress(180))
    await reaches(theirs, "Ringing")
    await until(lambda: len(session.legs) == 2)
    if whoAnswers == "ours":
        await within(ringing.accept(audio()))
        await reaches(theirs, "Terminated")
    else:
        await within(theirs.do("accept"))
        await reaches(theirs, "Established")
        assert (await within(ringing.whenTerminated())).by == "remote"
    await within(session.whenConfirmed())

    assert remote(session).startswith(b"v=0")
    await within(session.bye())
    if whoAnswers == "theirs":
        await reaches(theirs, "Terminated")
    assert not [*alice.usages.dialogs, *ours.usages.dialogs]


@pytest.mark.parametrize("stack", ["jssip", "sipjs"])
@ANSWERS
@pytest_twisted.ensureDeferred
async def test_theyCallTwoOfWhomOneAnswers(place: Place, stack: str, whoAnswers: str) -> None:
    alice, ours = await place.registered(stack, "alice"), await place.ours("bob")
    theirs = await place.registered("jssip", "bob")
    await within(theirs.do("whenCalled", then="ring"))
    calls = queue(ours)

    called = Deferred.fromCoroutine(alice.do("call", target="sip:bob@localhost"))
    ringing: Session = await within(calls.get())
    await within(ringing.progress(180))
    await reaches(theirs, "Ringing")
    if whoAnswers == "ours":
        await within(ringing.accept(audio()))
        await reaches(theirs, "Terminated")
    else:
        await within(theirs.do("accept"))
        await reaches(theirs, "Established")
        assert (await within(ringing.whenTerminated())).by == "remote"

    assert (await within(called))["status"] == 200
    await reaches(alice, "Established")
    await within(alice.do("hangUp"))
    if whoAnswers == "ours":
        assert (await within(ringing.whenTerminated())).cause == Cause.HUNG_UP
    else:
        await reaches(theirs, "Terminated")
    assert not list(ours.usages.dialogs)


@STACKS
@pytest.mark.parametrize("status", [486, 603])
@pytest_twisted.ensureDeferred
async def test_theyDecline(place: Place, stack: str, status: int) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    await within(bob.do("whenCalled", then="reject", status=status))

    session = alice.invite("sip:bob@localhost", audio())
    with pytest.raises(SessionFailed) as failed:
        await within(session.whenAccepted())

    assert failed.value.statusCode == status
    await reaches(bob, "Terminated")
    assert not list(alice.usages.dialogs)


@STACKS
@pytest.mark.parametrize("status", [486, 603])
@pytest_twisted.ensureDeferred
async def test_weDecline(place: Place, stack: str, status: int) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    alice.on("invite", lambda session: session.reject(status))

    assert (await within(bob.do("call", target="sip:alice@localhost")))["status"] == status
    await reaches(bob, "Terminated")


@STACKS
@pytest_twisted.ensureDeferred
async def test_theyRedirectAndWeFollow(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    carol = await place.registered(stack, "carol")
    await within(bob.do("whenCalled", then="redirect", contact="<sip:carol@localhost>"))
    await within(carol.do("whenCalled", then="accept"))
    told: list[int] = []

    session = alice.invite("sip:bob@localhost", audio(), followRedirects=1)
    session.on("redirected", lambda response: told.append(response.statusCode))
    await within(session.whenConfirmed())

    assert told == [302]
    await reaches(carol, "Established")
    await within(session.bye())
    await reaches(carol, "Terminated")


@STACKS
@pytest_twisted.ensureDeferred
async def test_weRedirect(place: Place, stack: str) -> None:
    """Neither follows by itself."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    alice.on("invite", lambda session: session.reject(302, contacts=["sip:carol@localhost"]))

    assert (await within(bob.do("call", target="sip:alice@localhost")))["status"] == 302
    await reaches(bob, "Terminated")
    assert not list(alice.usages.dialogs)
