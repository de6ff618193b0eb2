"""Globally routable user agent URIs: RFC 5627 sections 5 and 6."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sipws import Session
from sipws.message import URI
from tests import inmemory
from tests.server.harness import DOMAIN, Client, World

ALICE = f"sip:alice@{DOMAIN}"
URN = "urn:uuid:f81d4fae-7dec-41d0-a765-00a0c91e6bf6"
OTHER = "urn:uuid:00000000-7dec-41d0-a765-00a0c91e6bf6"
PUBLIC = f"sip:alice@{DOMAIN};gr={URN}"


@pytest.fixture
def world() -> World:
    return World()


def nameOf(client: Client) -> str:
    return client.via.removesuffix(".invalid")


def register(client: Client, urn: str = URN, *, supported: str = "gruu", regID: str = "", **more: Any) -> Any:
    """Send a REGISTER for alice, and give our Contact in the 200."""
    name = nameOf(client)
    contact = f'<sip:{name}@a.invalid;transport=ws>;+sip.instance="<{urn}>"{regID}'
    headers = {"Contact": contact, "Supported": supported, **more}
    client.request("REGISTER", f"sip:{DOMAIN}", headers, to=f"<{ALICE}>")
    response = client.one()
    assert response.statusCode == 200
    contacts = [response.parseHeader("Contact", n) for n in range(len(response.getHeaders("Contact")))]
    return next(one for one in contacts if one.uri.user == name)


def temporaryOf(contact: Any) -> str:
    text = contact.parameters["temp-gruu"]
    assert isinstance(text, str)
    return text


def send(client: Client, uri: str) -> None:
    client.request("MESSAGE", uri, user="bob", to=f"<{uri}>")


class Phones:
    """Alice's two, and Bob's."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.first, self.second, self.bob = (world.client(name) for name in ("one", "two", "bob"))
        self.contact = register(self.first)
        self.other = register(self.second, OTHER)

    def reached(self, uri: str) -> list[str]:
        """Say whom a request to a URI reaches, by the Request-URI; or how it is refused."""
        send(self.bob, uri)
        found = []
        for client in (self.first, self.second):
            found += [str(request.requestURI.user) for request in client.requests()]
        return found or [str(self.bob.responses()[-1].statusCode)]


@pytest.fixture
def phones(world: World) -> Phones:
    return Phones(world)


class TestRegistrar:
    def test_whoAsksIsGivenBoth(self, phones: Phones) -> None:
        assert phones.contact.parameters["pub-gruu"] == PUBLIC
        temporary = URI.parse(temporaryOf(phones.contact))
        assert (temporary.host, temporary.parameters["gr"]) == (DOMAIN, None)
        # Section 3.1.2: nothing of the user or of the instance can be seen in it.
        assert re.fullmatch("[0-9a-f]{48}", temporary.user or "")

    def test_whoDoesNotIsNot(self, world: World) -> None:
        client = world.client("one")
        assert not {"pub-gruu", "temp-gruu"} & set(register(client, supported="outbound").parameters)

    def test_eachRegisterGivesAnotherTemporaryOne(self, phones: Phones) -> None:
        again = register(phones.first)
        assert again.parameters["pub-gruu"] == PUBLIC
        assert temporaryOf(again) != temporaryOf(phones.contact)

    def test_anInstanceMayBeAnything(self, world: World) -> None:
        client = world.client("one")
        uri = URI.parse(register(client, "my; phone>").parameters["pub-gruu"])
        assert uri.parameters["gr"] == "my; phone>"

    @pytest.mark.parametrize("parameter", ["", ";+sip.instance", ';+sip.instance="<>"'])
    def test_withoutAnInstanceThereIsNone(self, world: World, parameter: str) -> None:
        client = world.client()
        headers = {"Contact": f"<sip:a@a.invalid>{parameter}", "Supported": "gruu"}
        client.request("REGISTER", f"sip:{DOMAIN}", headers, to=f"<{ALICE}>")
        assert "gruu" not in str(client.one())


class TestProxy:
    def test_aPublicOneLeadsToItsInstanceAlone(self, phones: Phones) -> None:
        assert phones.reached(PUBLIC) == ["one"]
        assert phones.reached(PUBLIC.upper().replace("SIP:ALICE", "sip:alice")) == ["one"]
        assert phones.reached(f"{ALICE};gr={OTHER}") == ["two"]
        assert sorted(phones.reached(ALICE)) == ["one", "two"]

    def test_soDoesATemporaryOne(self, phones: Phones) -> None:
        assert phones.reached(temporaryOf(phones.contact)) == ["one"]
        assert phones.reached(temporaryOf(phones.other)) == ["two"]

    def test_allTemporaryOnesStayGood(self, phones: Phones) -> None:
        register(phones.first, **{"Call-ID": "same", "CSeq": "1 REGISTER"})
        first = temporaryOf(register(phones.first, **{"Call-ID": "same", "CSeq": "2 REGISTER"}))
        second = temporaryOf(register(phones.first, **{"Call-ID": "same", "CSeq": "3 REGISTER"}))
        assert first != second
        assert [phones.reached(first), phones.reached(second)] == [["one"], ["one"]]

    def test_untilTheCallIDChanges(self, phones: Phones) -> None:
        # Section 4.1: "the server will invalidate all temporary GRUUs associated with that UA instance".
        old = temporaryOf(phones.contact)
        new = temporaryOf(register(phones.first, **{"Call-ID": "another"}))
        assert phones.reached(old) == ["404"]
        assert phones.reached(new) == ["one"]
        assert phones.reached(PUBLIC) == ["one"]

    def test_butNotWhereThatIsRefused(self, phones: Phones) -> None:
        """RFC 3261 section 10.3, step 7: nothing has changed then."""
        contact = f'<sip:one@a.invalid;transport=ws>;+sip.instance="<{URN}>"'
        headers = {"Contact": [contact, "<sip:brief@a.invalid>;expires=1"], "Supported": "gruu"}
        phones.first.request("REGISTER", f"sip:{DOMAIN}", headers, to=f"<{ALICE}>")
        assert phones.first.one().statusCode == 423
        assert phones.reached(temporaryOf(phones.contact)) == ["one"]

    def test_orTheBindingEnds(self, phones: Phones) -> None:
        phones.first.drop()
        assert phones.reached(temporaryOf(phones.contact)) == ["404"]
        # The public one stays: whoever it leads to is not there now.
        assert phones.reached(PUBLIC) == ["480"]

    @pytest.mark.parametrize("user", ["alice", "00" * 24, "zz" * 24, "00"])
    def test_whatWasNotMadeHereLeadsNowhere(self, phones: Phones, user: str) -> None:
        assert phones.reached(f"sip:{user}@{DOMAIN};gr") in (["404"], ["480"])

    def test_anotherFlowOfTheInstanceWillDo(self, world: World) -> None:
        # Section 4.2: "the temporary GRUUs remain valid as long as at least one flow is registered".
        phones = Phones(world)
        first = register(phones.first, regID=";reg-id=1", supported="gruu, outbound")
        register(phones.second, regID=";reg-id=2", supported="gruu, outbound")
        phones.first.drop()
        assert phones.reached(temporaryOf(first)) == ["two"]
        assert phones.reached(PUBLIC) == ["two"]


@pytest.mark.parametrize("option", ["public", "temporary"])
def test_aCallBetweenUserAgents(option: str) -> None:
    """The Contacts of both ends are GRUUs, and what is sent to them arrives."""
    memory = inmemory.World()
    alice, bob = (
        memory.start(name, gruu=option, instanceId=urn.removeprefix("urn:uuid:"))
        for name, urn in (("alice", URN), ("bob", OTHER))
    )
    called: list[Session] = []
    bob.on("invite", called.append)
    calling = alice.invite("bob", "offer")
    memory.network.advance(0)
    accepting = called[0].accept("answer")
    assert memory.resultOf(calling.whenAccepted()) is calling
    assert accepting.called
    for user, session in (("alice", called[0]), ("bob", calling)):
        assert session.dialog is not None
        target = session.dialog.state.remoteTarget
        assert target is not None
        assert "gr" in target.parameters
        assert (target.user == user) is (option == "public")
    assert memory.resultOf(calling.reinvite("another offer")).statusCode == 200
    ended = called[0].whenTerminated()
    memory.resultOf(calling.bye())
    assert memory.resultOf(ended).by == "remote"
    for ua in (alice, bob):
        stopped = ua.stop()
        memory.network.advance(40)
        assert stopped.called
