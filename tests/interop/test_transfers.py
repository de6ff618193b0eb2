"""
Transfers and subscriptions between a user agent of ours and JsSIP or SIP.js
under Node.js, on the embedded server: each in both directions.
"""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredQueue

from sipws.errors import ReferralFailed
from sipws.session import Cause, Session
from sipws.session.reference import Reference
from sipws.session.referral import Referral
from sipws.subscription import Notification, Notifier
from tests.interop.peers import audio, callThem, callUs, queue, reaches, sees
from tests.interop.place import Place, until, within

pytestmark = [
    pytest.mark.node,
    pytest.mark.parametrize("place", [None], indirect=True, ids=["open"]),
]

STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])
CALLS = pytest.mark.parametrize("call", [callThem, callUs])

#: A package that the server keeps no state of: the SUBSCRIBE is for the user agent.
PACKAGE, KIND = "conference", "application/conference-info+xml"


async def concluded(referral: Referral, stack: str) -> None:
    """Wait until the peer has told what came of a REFER, as far as it does."""
    await within(referral.whenAccepted())
    if stack == "sipjs":
        # It tells of 180 with a Subscription-State that is terminated, and nothing may follow that.
        with pytest.raises(ReferralFailed):
            await within(referral.whenCompleted())
        assert referral.outline is not None
        assert referral.outline.statusCode == 180
    else:
        outline = await within(referral.whenCompleted())
        assert outline.statusCode == 200


@STACKS
@CALLS
@pytest_twisted.ensureDeferred
async def test_weTransferThem(place: Place, stack: str, call: Any) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    carol = await place.registered("jssip", "carol")
    await within(carol.do("whenCalled", then="accept"))
    session: Session = await call(alice, bob)

    referral = session.refer("sip:carol@localhost")

    await concluded(referral, stack)
    await sees(bob, "refer", to="sip:carol@localhost")
    await reaches(carol, "Established")
    await within(session.bye())


@STACKS
@CALLS
@pytest_twisted.ensureDeferred
async def test_theyTransferUs(place: Place, stack: str, call: Any) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    carol = await place.registered("jssip", "carol")
    await within(carol.do("whenCalled", then="accept"))
    session: Session = await call(alice, bob)
    followed: list[Session] = []

    def follow(reference: Reference) -> None:
        followed.append(reference.follow(audio()))

    session.on("refer", follow)
    referred = await within(bob.do("refer", target="sip:carol@localhost"))

    assert referred["status"] == 200
    await reaches(carol, "Established")
    [transferred] = followed
    await within(transferred.whenConfirmed())
    await within(transferred.bye())
    await within(session.bye())


@STACKS
@pytest_twisted.ensureDeferred
async def test_weTransferThemToWhomWeTalkTo(place: Place, stack: str) -> None:
    """An attended transfer: the call of bob's takes the place of ours with carol, who ends that."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    carol = await place.registered(stack, "carol")
    first, second = await callThem(alice, bob), await callThem(alice, carol, "carol")

    referral = first.refer(second)

    await concluded(referral, stack)
    ending = await within(second.whenTerminated())
    assert (ending.cause, ending.by) == (Cause.HUNG_UP, "remote")
    await within(first.bye())


@STACKS
@pytest_twisted.ensureDeferred
async def test_theyTransferSomebodyToUs(place: Place, stack: str) -> None:
    """An attended transfer: a call from carol takes the place of bob's with us."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    carol = await place.registered("jssip", "carol")
    await within(carol.do("whenCalled", then="accept"))
    assert (await within(bob.do("call", target="sip:carol@localhost")))["status"] == 200
    calls = queue(alice)
    called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost"))
    session: Session = await within(calls.get())
    await within(session.accept(audio()))
    await within(called)

    referred = Deferred.fromCoroutine(bob.do("refer"))
    replacing: Session = await within(calls.get())
    assert replacing.replaces is session
    await within(replacing.accept(audio()))

    assert (await within(referred))["status"] == 200
    assert (await within(session.whenTerminated())).cause == Cause.REPLACED
    await within(replacing.bye())


@STACKS
@pytest.mark.parametrize("target", ["jssip", "sipjs"])
@pytest_twisted.ensureDeferred
async def test_theyTransferUsToWhomTheyTalkTo(place: Place, stack: str, target: str) -> None:
    """An attended transfer: a call of ours takes the place of bob's with carol."""
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    carol = await place.registered(target, "carol")
    await within(carol.do("whenCalled", then="accept"))
    session = await callUs(alice, bob)
    assert (await within(bob.do("call", target="sip:carol@localhost")))["status"] == 200
    await reaches(carol, "Established")
    followed: list[Session] = []

    def follow(reference: Reference) -> None:
        followed.append(reference.follow(audio()))

    session.on("refer", follow)
    referred = await within(bob.do("refer"))

    assert referred["status"] == 200
    [replacing] = followed
    await within(replacing.whenConfirmed())
    # Carol ends the call that was replaced, and has the other.
    await reaches(carol, "Terminated")
    await within(replacing.bye())
    await reaches(carol, "Terminated")
    await within(session.bye())
    assert not list(alice.usages.dialogs)


@STACKS
@pytest_twisted.ensureDeferred
async def test_weSubscribeToThem(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    told: DeferredQueue[Notification] = DeferredQueue()

    subscription = alice.subscribe("sip:bob@localhost", PACKAGE, accept=[KIND])
    subscription.on("notify", told.put)
    await within(subscription.whenSubscribed())
    await sees(bob, "subscribe", package=PACKAGE, ended=False)
    await within(told.get())
    for state in ("<one/>", "<two/>"):
        await within(bob.do("notify", body=state))
        notification: Notification = await within(told.get())
        assert (notification.body, notification.contentType) == (state.encode(), KIND)
    await within(bob.do("notify", body="<end/>", final=True))
    notification = await within(told.get())
    assert notification.body == b"<end/>"
    await within(subscription.whenEnded())

    assert not list(alice.usages.dialogs)


@pytest_twisted.ensureDeferred
async def test_weUnsubscribe(place: Place) -> None:
    """SIP.js has no notifier that an end could be told to."""
    alice, bob = await place.ours("alice"), await place.registered("jssip", "bob")
    subscription = alice.subscribe("sip:bob@localhost", PACKAGE, accept=[KIND])
    await within(subscription.whenSubscribed())

    await within(subscription.unsubscribe())

    await sees(bob, "subscribe", ended=True)
    assert not list(alice.usages.dialogs)


@STACKS
@pytest_twisted.ensureDeferred
async def test_theySubscribeToUs(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    subscribers: DeferredQueue[Notifier] = DeferredQueue()
    alice.on("subscribe", subscribers.put)

    await within(bob.do("subscribe", target="sip:alice@localhost", event=PACKAGE, accept=KIND))
    notifier: Notifier = await within(subscribers.get())
    await within(notifier.accept("<one/>", KIND))
    await sees(bob, "subscription", state="active")
    assert (await sees(bob, "notify"))["body"] == "<one/>"
    assert await within(notifier.notify("<two/>"))
    assert (await sees(bob, "notify", body="<two/>"))["type"] == KIND

    await within(bob.do("unsubscribe"))
    await within(notifier.whenEnded())
    await sees(bob, "subscription", state="terminated")
    assert not list(alice.usages.dialogs)
    await until(lambda: not place.server.transactions)


@STACKS
@pytest_twisted.ensureDeferred
async def test_weEndTheirSubscription(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
    subscribers: DeferredQueue[Notifier] = DeferredQueue()
    alice.on("subscribe", subscribers.put)
    await within(bob.do("subscribe", target="sip:alice@localhost", event=PACKAGE, accept=KIND))
    notifier: Notifier = await within(subscribers.get())
    await within(notifier.accept("<one/>", KIND))
    await sees(bob, "subscription", state="active")

    await within(notifier.terminate("noresource"))

    await sees(bob, "subscription", state="terminated")
    assert not list(alice.usages.dialogs)
