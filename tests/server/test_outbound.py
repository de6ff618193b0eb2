"""Several flows to one user agent: RFC 5626 sections 6 and 7."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.harness import DOMAIN, Client, World

ALICE = f"sip:alice@{DOMAIN}"
INSTANCE = '+sip.instance="<urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6>"'
OTHER = '+sip.instance="<urn:uuid:00000000-7dec-41d0-a765-00a0c91e6bf6>"'


@pytest.fixture
def world() -> World:
    return World()


def register(client: Client, parameters: str = "", *, supported: str = "path, outbound", **more: Any) -> Any:
    """Send a REGISTER for alice, always with the same contact address, and take the response."""
    headers = {"Contact": f"<sip:alice@a.invalid;transport=ws>{parameters}", "Supported": supported, **more}
    client.request("REGISTER", f"sip:{DOMAIN}", headers, to=f"<{ALICE}>")
    return client.one()


def flows(world: World) -> list[str | None]:
    return [None if one.flow is None else one.flow[1] for one in world.server.locations.find(ALICE)]


def test_aFlowOfItsOwnIsABindingOfItsOwn(world: World) -> None:
    first, second = world.client(), world.client()
    assert register(first, f";{INSTANCE};reg-id=1").getHeader("Require") == "outbound"
    response = register(second, f";{INSTANCE};reg-id=2")
    assert response.statusCode == 200
    assert len(response.getHeaders("Contact")) == 2
    assert flows(world) == ["1", "2"]


def test_theSameFlowAgainReplacesItsBindingWhateverTheContact(world: World) -> None:
    first, second = world.client(), world.client()
    register(first, f";{INSTANCE};reg-id=1")
    headers = {"Contact": f"<sip:other@b.invalid>;{INSTANCE};reg-id=1", "Supported": "outbound"}
    second.request("REGISTER", f"sip:{DOMAIN}", headers, to=f"<{ALICE}>")
    assert len(second.one().getHeaders("Contact")) == 1
    # Its flow is the new connection: the end of the old one is nothing to it.
    first.drop()
    assert flows(world) == ["1"]


def test_anotherInstanceIsAnother(world: World) -> None:
    register(world.client(), f";{INSTANCE};reg-id=1")
    register(world.client(), f";{OTHER};reg-id=1")
    assert flows(world) == ["1", "1"]


@pytest.mark.parametrize(
    ("parameters", "supported"),
    [(f";{INSTANCE};reg-id=2", "path"), (";reg-id=2", "outbound"), (f";{INSTANCE}", "outbound")],
)
def test_withoutAllThatItTakesItIsAsBefore(world: World, parameters: str, supported: str) -> None:
    register(world.client())
    response = register(world.client(), parameters, supported=supported)
    assert response.getHeader("Require") is None
    assert flows(world) == [None]


def test_oneOfTwoIsRemoved(world: World) -> None:
    first, second = world.client(), world.client()
    register(first, f";{INSTANCE};reg-id=1")
    register(second, f";{INSTANCE};reg-id=2")
    register(first, f";{INSTANCE};reg-id=1", Expires=0)
    assert flows(world) == ["2"]


def test_aRequestGoesByOneFlowOfEachUserAgent(world: World) -> None:
    first, second, third = world.client(), world.client(), world.client()
    register(first, f";{INSTANCE};reg-id=1")
    register(second, f";{INSTANCE};reg-id=2")
    register(third, f";{OTHER};reg-id=1")
    bob = world.user("bob")
    bob.request("MESSAGE", ALICE)
    assert [len(each.requests()) for each in (first, second, third)] == [0, 1, 1]


def test_whenItsFlowIsGoneItGoesByTheOther(world: World) -> None:
    first, second = world.client(), world.client()
    register(first, f";{INSTANCE};reg-id=1")
    register(second, f";{INSTANCE};reg-id=2")
    second.drop()
    bob = world.user("bob")
    bob.request("MESSAGE", ALICE)
    assert len(first.requests()) == 1


@pytest.fixture
def phone(world: World) -> list[Client]:
    """A user agent of alice's that has two flows."""
    clients = [world.client(), world.client()]
    for number, client in enumerate(clients, 1):
        register(client, f";{INSTANCE};reg-id={number}")
    return clients


class TestAFlowThatFails:
    """RFC 5626 section 7: what its user agent has not answered goes by another of its flows."""

    def test_anINVITEGoesByTheOther(self, world: World, phone: list[Client]) -> None:
        bob = world.user("bob")
        bob.request("INVITE", ALICE)
        assert [len(each.requests()) for each in phone] == [0, 1]

        phone[1].drop()

        invite = phone[0].one()
        assert invite.method == "INVITE"
        assert invite.getHeaders("Record-Route") != []
        phone[0].respond(invite, 200)
        assert bob.one().statusCode == 200

    def test_itsBestAnswerIsOfTheOther(self, world: World, phone: list[Client]) -> None:
        bob = world.user("bob")
        bob.request("INVITE", ALICE)
        phone[1].drop()

        phone[0].respond(phone[0].one(), 486)

        assert bob.one().statusCode == 486

    def test_whoStillHasItByTheFirstIsUnavailable(self, world: World, phone: list[Client]) -> None:
        """RFC 3261 section 8.2.2.2: it is a merged request to a user agent that has not noticed."""
        bob = world.user("bob")
        bob.request("INVITE", ALICE)
        phone[1].drop()

        phone[0].respond(phone[0].one(), 482)

        assert bob.one().statusCode == 480

    def test_whenAllHaveFailedThereIsNobody(self, world: World, phone: list[Client]) -> None:
        phone.append(world.client())
        register(phone[-1], f";{INSTANCE};reg-id=3")
        bob = world.user("bob")
        bob.request("INVITE", ALICE)

        for client in reversed(phone):
            assert client.one().method == "INVITE"
            assert bob.take() == []
            client.drop()

        assert bob.one().statusCode == 480

    def test_whatRingsHasBeenHeardOf(self, world: World, phone: list[Client]) -> None:
        bob = world.user("bob")
        bob.request("INVITE", ALICE)
        phone[1].respond(phone[1].one(), 180)

        phone[1].drop()

        assert phone[0].take() == []
        assert [response.statusCode for response in bob.responses()] == [180, 480]

    def test_whatIsCancelledGoesNowhere(self, world: World, phone: list[Client]) -> None:
        bob = world.user("bob")
        branch = bob.request("INVITE", ALICE)
        bob.request("CANCEL", ALICE, {"Via": f"SIP/2.0/WS {bob.via};branch={branch}"})

        phone[1].drop()

        assert phone[0].take() == []

    def test_aMESSAGEMayHaveArrived(self, world: World, phone: list[Client]) -> None:
        """Whoever got it twice would read it twice."""
        bob = world.user("bob")
        bob.request("MESSAGE", ALICE)

        phone[1].drop()

        assert phone[0].take() == []
        assert bob.one().statusCode == 480

    def test_aMESSAGEThatWasNotSentGoesByTheOther(self, world: World, phone: list[Client]) -> None:
        preferred = world.client()
        register(preferred, Contact="<sip:preferred@a.invalid>;q=1")
        for number, client in enumerate(phone, 1):
            register(client, f";{INSTANCE};reg-id={number};q=0.5")
        bob = world.user("bob")
        bob.request("MESSAGE", ALICE)
        phone[1].drop()

        preferred.respond(preferred.one(), 480)

        assert phone[0].one().method == "MESSAGE"

    def test_aGRUUIsOfAllFlows(self, world: World, phone: list[Client]) -> None:
        bob = world.user("bob")
        bob.request("INVITE", f"{ALICE};gr=urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6")

        phone[1].drop()

        assert phone[0].one().method == "INVITE"

    def test_sipsGoesBySecureFlowsAlone(self, world: World) -> None:
        secure, other = world.client(tls=True), world.client()
        register(secure, f";{INSTANCE};reg-id=1")
        register(other, f";{INSTANCE};reg-id=2")
        bob = world.user("bob", tls=True)
        bob.request("INVITE", ALICE.replace("sip:", "sips:"))
        assert secure.one().method == "INVITE"

        secure.drop()

        assert other.take() == []
        assert bob.one().statusCode == 480
