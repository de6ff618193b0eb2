"""JsSIP and SIP.js under Node.js, and a user agent of ours, on the embedded server."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.interop.driver import Driver
from tests.interop.place import USERS, Place, until, within

pytestmark = pytest.mark.node

STACKS = pytest.mark.parametrize("stack", ["jssip", "sipjs"])

TEXT = "Grüße aus Łódź — 15:30? ☎️\r\nSIP/2.0 200 OK\r\n\r\nno header: 日本語"


@STACKS
@pytest_twisted.ensureDeferred
async def test_theyRegisterAndMessagesPassBothWays(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")

    there = await within(alice.message("sip:bob@localhost", TEXT))
    back = await within(bob.do("message", target="sip:alice@localhost", text=TEXT, type="text/plain"))

    assert there.statusCode == 200
    got = await within(bob.event("message"))
    assert got["text"] == TEXT
    assert got["from"] == "sip:alice@localhost"
    assert got["type"].startswith("text/plain")
    assert back["status"] == 200
    (message,) = place.received
    assert message.body.decode() == TEXT
    assert message.fromHeader.uri.user == "bob"
    assert message.contentType == "text/plain"


@STACKS
@pytest_twisted.ensureDeferred
async def test_optionsPassBothWays(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")

    there = await within(alice.options("sip:bob@localhost"))
    back = await within(bob.do("options", target="sip:alice@localhost"))

    assert there.statusCode == 200
    assert "INVITE" in ",".join(there.getHeaders("Allow"))
    assert back["status"] == 200


@STACKS
@pytest_twisted.ensureDeferred
async def test_nobodyIsNotFound(place: Place, stack: str) -> None:
    bob = await place.registered(stack, "bob")

    response = await within(bob.do("message", target="sip:nobody@localhost", text="x", type="text/plain"))

    assert response["status"] == 404


@STACKS
@pytest_twisted.ensureDeferred
async def test_whoHasUnregisteredIsUnavailable(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")

    assert (await within(bob.do("unregister")))["status"] == 200

    assert "sip:bob@localhost" not in place.server.locations
    assert (await within(alice.message("sip:bob@localhost", "x"))).statusCode == 480


@STACKS
@pytest_twisted.ensureDeferred
async def test_whoIsGoneIsUnavailable(place: Place, stack: str) -> None:
    alice, bob = await place.ours("alice"), await place.registered(stack, "bob")

    await within(bob.quit())
    await until(lambda: "sip:bob@localhost" not in place.server.locations)

    assert (await within(alice.message("sip:bob@localhost", "x"))).statusCode == 480


@STACKS
@pytest.mark.parametrize("place", [USERS], indirect=True, ids=["digest"])
@pytest_twisted.ensureDeferred
async def test_aWrongPasswordIsRefused(place: Place, stack: str) -> None:
    bob = await place.theirs(stack, "bob", password="wrong")

    registered = await within(bob.do("register"))
    sent = await within(bob.do("message", target="sip:alice@localhost", text="x", type="text/plain"))

    assert registered["status"] == 401
    assert sent["status"] == 407
    assert not place.server.locations


@pytest_twisted.ensureDeferred
async def test_theyTalkToEachOther(place: Place) -> None:
    alice, bob = await place.registered("jssip", "alice"), await place.registered("sipjs", "bob")

    for sender, receiver, user in ((alice, bob, "bob"), (bob, alice, "alice")):
        target = f"sip:{user}@localhost"
        sent = await within(sender.do("message", target=target, text=TEXT, type="text/plain"))
        assert sent["status"] == 200
        assert (await within(receiver.event("message")))["text"] == TEXT


class TestCalls:
    """Dialogs of SIP.js go by the route sets that they learn here: RFC 7118 section 8.2."""

    async def called(self, place: Place, then: str) -> tuple[Driver, Driver]:
        """Have alice ready to call bob, who does something then."""
        alice, bob = await place.registered("sipjs", "alice"), await place.registered("sipjs", "bob")
        await within(bob.do("whenCalled", then=then))
        return alice, bob

    async def reaches(self, driver: Driver, *states: str) -> None:
        for state in states:
            assert (await within(driver.event("call")))["state"] == state

    @pytest.mark.parametrize("whoHangsUp", ["caller", "callee"])
    @pytest_twisted.ensureDeferred
    async def test_aCallIsMadeAndEnded(self, place: Place, whoHangsUp: str) -> None:
        alice, bob = await self.called(place, "accept")

        assert (await within(alice.do("call", target="sip:bob@localhost")))["status"] == 200
        await self.reaches(alice, "Establishing", "Established")
        # Established on this side is: the ACK has come.
        await self.reaches(bob, "Ringing", "Establishing", "Established")
        ending = alice if whoHangsUp == "caller" else bob
        assert (await within(ending.do("hangUp")))["status"] == 200

        for driver in (alice, bob):
            while (await within(driver.event("call")))["state"] != "Terminated":
                pass

    @pytest_twisted.ensureDeferred
    async def test_aCallIsRefused(self, place: Place) -> None:
        alice, _ = await self.called(place, "reject")

        assert (await within(alice.do("call", target="sip:bob@localhost")))["status"] == 486

    @pytest_twisted.ensureDeferred
    async def test_aCallIsCancelled(self, place: Place) -> None:
        alice, bob = await self.called(place, "ring")
        calling = Deferred.fromCoroutine(alice.do("call", target="sip:bob@localhost"))
        await self.reaches(bob, "Ringing")

        await within(alice.do("cancel"))

        assert (await within(calling))["status"] == 487
        while (await within(bob.event("call")))["state"] != "Terminated":
            pass
