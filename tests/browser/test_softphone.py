"""
The example C{softphone} in a headless Chromium: JsSIP in its page and sipws in
Python call each other through the embedded server.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_twisted
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from examples.softphone.server import Softphone, decline
from sipws.session import Session
from sipws.session.machine import State
from tests.browser import chromium
from tests.browser.chromium import Chromium, Page
from tests.counterparts import requireCounterpart
from tests.interop import driver
from tests.kamailio.agents import pause, within

reactor: Any = _reactor

pytestmark = [pytest.mark.node, pytest.mark.slow]

#: How long anything here may take, in seconds: Chromium takes its time to start.
PATIENCE = 30.0


@attrs.define
class Room:
    """The example, and a browser."""

    softphone: Softphone
    browser: Chromium

    async def page(self, user: str) -> Page:
        """Have a user open the page, and wait until it is registered."""
        opened = self.browser.open(f"{self.softphone.page}?user={user}")
        page: Page = await within(Deferred.fromCoroutine(opened), PATIENCE)
        await shows(page, "registration", "registered")
        return page

    def call(self) -> Session:
        """Give Python's call."""
        [session] = self.softphone.calls
        return session


async def shows(page: Page, identifier: str, text: str) -> None:
    """Wait until the page shows something."""
    deadline = reactor.seconds() + PATIENCE
    while (seen := await page.text(identifier)) != text:
        log = await page.text("log")
        assert reactor.seconds() < deadline, f"{identifier} shows {seen}, not {text}\n{log}"
        await pause(0.02)


@pytest_twisted.async_yield_fixture
async def room() -> AsyncIterator[Room]:
    """All of it."""
    requireCounterpart("Chromium", chromium.isInstalled(), chromium.INSTALL)
    requireCounterpart("JsSIP", driver.isInstalled(), driver.INSTALL)
    with tempfile.TemporaryDirectory(prefix="sipws-chromium-", ignore_cleanup_errors=True) as profile:
        softphone, browser = Softphone(reactor), Chromium(Path(profile))
        await softphone.start(port=0)
        browser.spawn(reactor)
        yield Room(softphone, browser)
        await browser.close()
        await softphone.stop()


#: In the page: a promise that it has a connection to the other page.
_HEARS = """new Promise((done) => {
  const ask = () => (session.connection.connectionState === 'connected' ? done(true) : setTimeout(ask, 20));
  ask();
})"""

HANGS_UP = pytest.mark.parametrize("whoHangsUp", ["page", "python"])


async def end(session: Session, page: Page, whoHangsUp: str) -> None:
    """Have one of them hang up, and see both take note."""
    if whoHangsUp == "page":
        await page.click("hangUp")
    else:
        await within(session.bye())
    ending = await within(session.whenTerminated())
    await shows(page, "state", "ended")
    assert ending.by == ("remote" if whoHangsUp == "page" else "local")


@HANGS_UP
@pytest_twisted.ensureDeferred
async def test_thePageCalls(room: Room, whoHangsUp: str) -> None:
    page = await room.page("alice")

    await page.click("call")
    await shows(page, "state", "confirmed")
    session = room.call()
    await within(session.whenConfirmed())

    await end(session, page, whoHangsUp)


@HANGS_UP
@pytest_twisted.ensureDeferred
async def test_thePageIsCalled(room: Room, whoHangsUp: str) -> None:
    page = await room.page("alice")

    await page.click("callMe")
    await shows(page, "state", "ringing")
    await page.click("answer")
    await shows(page, "state", "confirmed")
    session = room.call()
    await within(session.whenConfirmed())

    await end(session, page, whoHangsUp)


def invite(softphone: Softphone) -> Session:
    """Have Python call the page with an INVITE without an offer, and decline what is offered in the 200."""
    session = softphone.python.invite("sip:alice@localhost")
    session.on("offer", lambda offer: offer.accept(decline(offer.body)))
    return session


@HANGS_UP
@pytest_twisted.ensureDeferred
async def test_thePageMakesTheOffer(room: Room, whoHangsUp: str) -> None:
    page = await room.page("alice")

    session = invite(room.softphone)
    await shows(page, "state", "ringing")
    await page.click("answer")
    await shows(page, "state", "confirmed")
    await within(session.whenConfirmed())

    assert session.remoteDescription is not None
    assert b"m=audio" in session.remoteDescription.body
    await end(session, page, whoHangsUp)


#: In the page: that it has made a description, and how far it has come with it.
_OFFERED = """new Promise((done) => {
  const ask = () => {
    const { localDescription: made, iceGatheringState } = session.connection ?? {};
    if (made) done(`${(made.sdp.match(/^m=/gm) ?? []).length} streams, candidates: ${iceGatheringState}`);
    else setTimeout(ask, 20);
  };
  ask();
})"""


@pytest_twisted.ensureDeferred
async def test_jsSIPOffersNothingWithoutBeingToldTo(room: Room) -> None:
    """Why the page says more than which media it wants: should this fail, JsSIP has been mended."""
    page = await room.page("alice")

    session = invite(room.softphone)
    await shows(page, "state", "ringing")
    await page.evaluate("session.answer(media)")
    offered = await within(Deferred.fromCoroutine(page.evaluate(_OFFERED)), PATIENCE)

    # No candidates of no stream are gathered, for which it waits before it sends the 200.
    assert offered == "0 streams, candidates: new"
    await pause(0.3)
    assert session.state == State.EARLY
    session.cancel()
    await within(session.whenTerminated())


@pytest_twisted.ensureDeferred
async def test_twoPagesHearEachOther(room: Room) -> None:
    """The server leads the call, and what is said goes from one page to the other."""
    alice, bob = await room.page("alice"), await room.page("bob")

    await alice.enter("target", "bob")
    await alice.click("call")
    await shows(bob, "state", "ringing")
    await bob.click("answer")
    for page in (alice, bob):
        await shows(page, "state", "confirmed")
    assert await within(Deferred.fromCoroutine(alice.evaluate(_HEARS)), PATIENCE)

    await bob.click("hangUp")
    for page in (alice, bob):
        await shows(page, "state", "ended")
