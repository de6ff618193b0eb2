"""
What a call between a user agent of ours and JsSIP or SIP.js under Node.js agrees
on: who offers, what is acknowledged, who refreshes, and who proves who he is.
"""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from sipws.session import Cause, Offer, Session
from tests.interop.peers import audio, callThem, callUs, described, queue, reaches, remote, sees
from tests.interop.place import USERS, Place, reactor, until, within

pytestmark = pytest.mark.node

OPEN = pytest.mark.parametrize("place", [None], indirect=True, ids=["open"])
STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])
CALLS = pytest.mark.parametrize("call", [callThem, callUs])


class TestOffers:
    """RFC 3261 section 13.2.1: the offer may be in the 2xx, and the answer in the ACK."""

    @OPEN
    @STACKS
    @pytest_twisted.ensureDeferred
    async def test_theyOfferInTheir200(self, place: Place, stack: str) -> None:
        """As JsSIP does under Node.js; in a browser it has to be told: docs/interoperability.rst."""
        alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
        await within(bob.do("whenCalled", then="accept"))
        offers: list[Offer] = []

        def answer(offer: Offer) -> None:
            offers.append(offer)
            offer.accept(audio("sendonly"))

        session = alice.invite("sip:bob@localhost")
        session.on("offer", answer)
        await within(session.whenConfirmed())

        [offer] = offers
        assert offer.body.startswith(b"v=0\r\n")
        await reaches(bob, "Established")
        await within(session.bye())
        await reaches(bob, "Terminated")

    @OPEN
    @pytest_twisted.ensureDeferred
    async def test_weOfferInOur200(self, place: Place) -> None:
        """JsSIP always offers."""
        alice, bob = await place.ours("alice"), await place.registered("sipjs", "bob")
        calls = queue(alice)

        called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost", withoutSdp=True))
        session: Session = await within(calls.get())
        assert session.remoteDescription is None
        await within(session.accept(audio("recvonly")))

        assert (await within(called))["status"] == 200
        await described(bob, "recvonly")
        assert remote(session).startswith(b"v=0\r\n")
        await within(session.bye())
        await reaches(bob, "Terminated")

    @OPEN
    @STACKS
    @CALLS
    @pytest_twisted.ensureDeferred
    async def test_theyAreAskedForAnOfferWithinTheCall(self, place: Place, stack: str, call: Any) -> None:
        alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
        session: Session = await call(alice, bob)
        # SIP.js takes no change before our ACK has come.
        await within(session.dtmf("1"))
        await sees(bob, "dtmf", tone="1")
        session.on("offer", lambda offer: offer.accept(audio("sendonly")))

        assert (await within(session.reinvite())).statusCode == 200

        await described(bob, "sendonly")
        await within(session.bye())


class TestReliability:
    """RFC 3262, which SIP.js has. JsSIP has not, and takes an INVITE that requires it all the same."""

    @OPEN
    @pytest_twisted.ensureDeferred
    async def test_ourEarlyMediaIsAcknowledged(self, place: Place) -> None:
        alice = await place.ours("alice")
        bob = await place.registered("sipjs", "bob", sipExtension100rel="Supported")
        calls = queue(alice)

        # Without earlyMedia it acknowledges the answer, and does not take it.
        called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost", earlyMedia=True))
        session: Session = await within(calls.get())
        assert await within(session.progress(183, body=audio("sendonly"), reliable=True))
        await described(bob, "sendonly")
        await within(session.accept())

        assert (await within(called))["status"] == 200
        await within(session.bye())
        await reaches(bob, "Terminated")

    @OPEN
    @pytest_twisted.ensureDeferred
    async def test_weAcknowledgeTheirs(self, place: Place) -> None:
        alice = await place.ours("alice")
        bob = await place.registered("sipjs", "bob", sipExtension100rel="Supported")
        await within(bob.do("whenCalled", then="early"))
        reliable: list[str] = []

        session = alice.invite("sip:bob@localhost", audio())
        session.on("progress", lambda response: reliable.append(response.getHeader("RSeq") or ""))
        await until(lambda: any(reliable))
        assert remote(session).startswith(b"v=0\r\n")
        # SIP.js accepts when the PRACK has come.
        await within(bob.do("accept"))
        await within(session.whenConfirmed())

        await within(session.bye())
        await reaches(bob, "Terminated")


class TestTimers:
    """RFC 4028, which JsSIP has, and SIP.js has not."""

    @OPEN
    @STACKS
    @pytest_twisted.ensureDeferred
    async def test_weRefresh(self, place: Place, stack: str) -> None:
        """Where they do not: JsSIP with that option off, and SIP.js."""
        alice = await place.ours("alice", sessionExpires=90)
        options = {"session_timers": False} if stack == "jssip" else {}
        bob = await place.registered(stack, "bob", **options)
        session = await callThem(alice, bob)
        await within(session.dtmf("1"))
        await sees(bob, "dtmf", tone="1")
        refreshed: list[bool] = []
        session.on("refresh", lambda: refreshed.append(True))

        due(session)

        await until(lambda: refreshed)
        await within(session.bye())

    @OPEN
    @CALLS
    @pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
    @pytest_twisted.ensureDeferred
    async def test_theyRefresh(self, place: Place, call: Any, method: str) -> None:
        alice = await place.ours("alice", sessionExpires=90)
        bob = await place.registered("jssip", "bob", session_timers_refresh_method=method)
        await within(bob.do("hasten"))
        arrived: list[bool] = []
        session: Session = await call(alice, bob)
        refreshed: list[bool] = []
        session.on("refresh", lambda: refreshed.append(True))
        place.uponArrival(f"{method} sip:".encode(), b";tag=", then=lambda: arrived.append(True))

        agreement = session.refresher.agreement
        assert agreement is not None
        assert (agreement.interval, agreement.isOurs) == (90, False)
        # One is as good as the other; and then there is the next.
        await until(lambda: len(refreshed) > 1)

        assert arrived
        await within(session.bye())


def due(session: Session) -> None:
    """Have the time come at which we refresh."""
    refresher: Any = session.refresher
    agreement = refresher.agreement
    assert agreement is not None
    assert agreement.isOurs
    [timer] = [each for each in reactor.getDelayedCalls() if each.func == refresher._due]
    timer.reset(0)


class TestPasswords:
    """A proxy may challenge what comes within a call, too."""

    @STACKS
    @CALLS
    @pytest.mark.parametrize("place", [USERS], indirect=True, ids=["digest"])
    @pytest.mark.parametrize("whoActs", ["ours", "theirs"])
    @pytest_twisted.ensureDeferred
    async def test_reINVITEAndBYEAreChallenged(
        self, place: Place, stack: str, call: Any, whoActs: str
    ) -> None:
        alice, bob = await place.ours("alice"), await place.registered(stack, "bob")
        session: Session = await call(alice, bob)
        await within(session.dtmf("1"))
        await sees(bob, "dtmf", tone="1")

        seen = place.challengeAll()
        if whoActs == "ours":
            assert (await within(session.reinvite(audio()))).statusCode == 200
            await within(session.bye())
            await reaches(bob, "Terminated")
        else:
            await within(bob.do("hold"))
            await until(lambda: session.isHeld)
            await within(bob.do("hangUp"))
            assert (await within(session.whenTerminated())).cause == Cause.HUNG_UP

        assert seen == ["[INVITE]", "INVITE", "[BYE]", "BYE"]
        assert not list(alice.usages.dialogs)
