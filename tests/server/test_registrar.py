"""The registrar: RFC 3261 section 10.3, and RFC 7118."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.server import ServerLimits
from tests.server.harness import DOMAIN, Client, World

AOR = f"sip:alice@{DOMAIN}"
CONTACT = "<sip:alice@a.invalid;transport=ws>"
OTHER = "<sip:alice@b.invalid;transport=ws>"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Client:
    return world.client()


def register(client: Client, *contacts: str, **headers: Any) -> Any:
    """Send a REGISTER for alice, with the headers given, and take the response."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    client.request(
        "REGISTER", f"sip:{DOMAIN}", {"Contact": list(contacts), **named}, to=f"<sip:alice@{DOMAIN}>"
    )
    return client.one()


def contacts(world: World) -> list[str]:
    return [str(binding.uri) for binding in world.server.locations.find(AOR)]


class TestBindings:
    def test_the200ListsAllBindingsWithTheirExpires(self, world: World, client: Client) -> None:
        """Step 8."""
        register(client, CONTACT, Expires=600)
        world.clock.advance(100)

        response = register(client, OTHER, Expires=300)

        assert response.statusCode == 200
        assert [str(response.parseHeader("Contact", index).uri) for index in range(2)] == [
            "sip:alice@a.invalid;transport=ws",
            "sip:alice@b.invalid;transport=ws",
        ]
        assert [response.parseHeader("Contact", index).expires for index in range(2)] == [500, 300]

    def test_aBindingThatIsThereHasNotExpired(self, world: World, client: Client) -> None:
        register(client, CONTACT, Expires=60)
        world.clock.advance(59.9)

        assert register(client).parseHeader("Contact").expires == 1

    def test_the200SaysTheDate(self, client: Client) -> None:
        response = register(client, CONTACT)

        assert response.getHeader("Date") == "Sun, 09 Sep 2001 01:46:40 GMT"

    def test_withoutContactItChangesNothingAndLists(self, world: World, client: Client) -> None:
        """Step 6."""
        assert register(client).getHeaders("Contact") == []
        register(client, CONTACT)

        assert len(register(client).getHeaders("Contact")) == 1
        assert len(contacts(world)) == 1

    def test_parametersOfContactAreKept(self, client: Client) -> None:
        contact = '<sip:alice@a.invalid>;+sip.instance="<urn:uuid:f81-7dec>";reg-id=1;q=0.5'

        (listed,) = register(client, contact).getHeaders("Contact")

        assert '+sip.instance="<urn:uuid:f81-7dec>"' in listed
        assert "reg-id=1" in listed
        assert "q=0.5" in listed

    def test_severalContactsMayComeTogether(self, world: World, client: Client) -> None:
        response = register(client, f"{CONTACT};expires=100", f"{OTHER};expires=200")

        assert [response.parseHeader("Contact", index).expires for index in range(2)] == [100, 200]
        assert len(contacts(world)) == 2

    def test_theSameContactAgainUpdates(self, world: World, client: Client) -> None:
        """ "Searches the list of current bindings using the URI comparison rules"."""
        register(client, CONTACT, Expires=100)

        response = register(client, "<sip:alice@A.INVALID;transport=WS>", Expires=200)

        assert response.parseHeader("Contact").expires == 200
        assert len(contacts(world)) == 1

    def test_twoUsersAreTwo(self, world: World) -> None:
        world.user("alice")
        world.user("bob")

        assert sorted(world.server.locations) == [f"sip:alice@{DOMAIN}", f"sip:bob@{DOMAIN}"]

    def test_theAddressOfRecordIsMadeCanonical(self, world: World, client: Client) -> None:
        """Step 5: without parameters and escapes; RFC 3261 section 19.1.4: hosts in any case."""
        client.request(
            "REGISTER",
            f"sip:{DOMAIN}",
            {"Contact": CONTACT},
            to=f"<sips:%61lice:secret@{DOMAIN.upper()}:5066;user=phone>",
        )

        assert client.one().statusCode == 200
        assert list(world.server.locations) == [AOR]

    def test_whatTheClientConnectedToIsTheDomain(self, world: World) -> None:
        """A client that knows no name but the address that it connected to."""
        client = world.client(host="127.0.0.1:5066")

        client.request("REGISTER", "sip:127.0.0.1", {"Contact": CONTACT}, to="<sip:alice@127.0.0.1:5066>")

        assert client.one().statusCode == 200
        assert list(world.server.locations) == [AOR]

    def test_anyURICanBeAContact(self, world: World, client: Client) -> None:
        register(client, "<tel:+15551234>", "<mailto:alice@example.org>")

        assert contacts(world) == ["tel:+15551234", "mailto:alice@example.org"]


class TestExpiration:
    """Step 7."""

    def test_theContactsParameterCountsBeforeTheHeader(self, client: Client) -> None:
        assert register(client, f"{CONTACT};expires=100", Expires=200).parseHeader("Contact").expires == 100

    def test_theHeaderCountsWithoutParameter(self, client: Client) -> None:
        assert register(client, CONTACT, Expires=200).parseHeader("Contact").expires == 200

    def test_withoutBothThereIsADefault(self, client: Client) -> None:
        assert register(client, CONTACT).parseHeader("Contact").expires == 600

    def test_whatIsLongIsShortened(self, client: Client) -> None:
        assert register(client, CONTACT, Expires=100_000).parseHeader("Contact").expires == 3_600

    def test_whatIsBriefIsRefusedWith423(self, world: World, client: Client) -> None:
        response = register(client, CONTACT, Expires=59)

        assert response.statusCode == 423
        assert response.getHeader("Min-Expires") == "60"
        assert contacts(world) == []

    def test_oneBriefContactRefusesAll(self, world: World, client: Client) -> None:
        """ "A particular REGISTER request is either processed completely or not at all"."""
        response = register(client, f"{CONTACT};expires=100", f"{OTHER};expires=1")

        assert response.statusCode == 423
        assert contacts(world) == []

    @pytest.mark.parametrize("malformed", ["soon", "-1", "99999999999"])
    def test_malformedCountsAsAnHour(self, client: Client, malformed: str) -> None:
        """RFC 3261 section 20.10."""
        assert register(client, CONTACT, Expires=malformed).parseHeader("Contact").expires == 3_600
        assert register(client, f"{OTHER};expires={malformed}").parseHeader("Contact", 1).expires == 3_600

    def test_aBindingEnds(self, world: World, client: Client) -> None:
        register(client, CONTACT, Expires=100)

        world.clock.advance(99.9)
        assert len(contacts(world)) == 1
        world.clock.advance(0.1)

        assert AOR not in world.server.locations

    def test_aRefreshedBindingGoesOn(self, world: World, client: Client) -> None:
        register(client, CONTACT, Expires=100)
        world.clock.advance(90)
        register(client, CONTACT, Expires=100)

        world.clock.advance(90)

        assert len(contacts(world)) == 1


class TestRemoval:
    def test_zeroRemoves(self, world: World, client: Client) -> None:
        register(client, CONTACT)
        register(client, OTHER)

        response = register(client, f"{CONTACT};expires=0")

        assert [str(response.parseHeader("Contact").uri)] == contacts(world)
        assert contacts(world) == ["sip:alice@b.invalid;transport=ws"]

    def test_zeroForWhatIsNotThereIsFine(self, client: Client) -> None:
        assert register(client, CONTACT, Expires=0).statusCode == 200

    def test_aStarRemovesAll(self, world: World, client: Client) -> None:
        """Step 6."""
        register(client, CONTACT)
        register(client, OTHER)

        response = register(client, "*", Expires=0)

        assert response.statusCode == 200
        assert response.getHeaders("Contact") == []
        assert AOR not in world.server.locations

    @pytest.mark.parametrize("expires", [None, 60, "0x"])
    def test_aStarWithoutExpiresZeroIsRefusedWith400(
        self, world: World, client: Client, expires: object
    ) -> None:
        register(client, CONTACT)

        assert register(client, "*", Expires=expires).statusCode == 400
        assert len(contacts(world)) == 1

    def test_aStarAmongOthersIsRefusedWith400(self, world: World, client: Client) -> None:
        register(client, CONTACT)

        assert register(client, "*", OTHER, Expires=0).statusCode == 400
        assert len(contacts(world)) == 1

    def test_aBindingEndsWithItsConnection(self, world: World) -> None:
        first, second = world.client(), world.client()
        register(first, CONTACT)
        register(second, OTHER)

        first.drop()

        assert contacts(world) == ["sip:alice@b.invalid;transport=ws"]

    def test_aBindingMovesToTheConnectionItIsRefreshedOn(self, world: World) -> None:
        """A client connects anew before the server knows that the old connection is dead."""
        old, new = world.client(), world.client()
        register(old, CONTACT)
        register(new, CONTACT)

        old.drop()

        (binding,) = world.server.locations[AOR]
        assert binding.connection.connected


class TestOrder:
    """ "This algorithm ensures that out-of-order requests from the same UA are ignored"."""

    def test_anOlderRequestOfTheSameCallIsRefused(self, world: World, client: Client) -> None:
        register(client, CONTACT, Call_ID="same", CSeq="5 REGISTER", Expires=100)

        for number in (4, 5):
            response = register(client, CONTACT, Call_ID="same", CSeq=f"{number} REGISTER", Expires=0)
            assert response.statusCode == 500
        assert len(contacts(world)) == 1

    def test_aNewerRequestOfTheSameCallIsDone(self, world: World, client: Client) -> None:
        register(client, CONTACT, Call_ID="same", CSeq="5 REGISTER")

        assert register(client, CONTACT, Call_ID="same", CSeq="6 REGISTER", Expires=0).statusCode == 200
        assert contacts(world) == []

    def test_anotherCallsNumbersDoNotMatter(self, world: World, client: Client) -> None:
        register(client, CONTACT, Call_ID="one", CSeq="5 REGISTER")

        assert register(client, CONTACT, Call_ID="another", CSeq="1 REGISTER", Expires=0).statusCode == 200
        assert contacts(world) == []

    def test_aStarIsHeldToTheSame(self, world: World, client: Client) -> None:
        register(client, CONTACT, Call_ID="same", CSeq="5 REGISTER")

        assert register(client, "*", Call_ID="same", CSeq="5 REGISTER", Expires=0).statusCode == 500
        assert len(contacts(world)) == 1
        assert register(client, "*", Call_ID="same", CSeq="6 REGISTER", Expires=0).statusCode == 200
        assert contacts(world) == []

    def test_oneThatIsTooOldAbortsAll(self, world: World, client: Client) -> None:
        register(client, CONTACT, Call_ID="same", CSeq="5 REGISTER")

        assert register(client, OTHER, CONTACT, Call_ID="same", CSeq="5 REGISTER").statusCode == 500
        assert contacts(world) == ["sip:alice@a.invalid;transport=ws"]


class TestRefusal:
    def test_anotherDomainsUserIsNotFound(self, client: Client) -> None:
        """Step 5."""
        client.request("REGISTER", f"sip:{DOMAIN}", {"Contact": CONTACT}, to="<sip:alice@elsewhere.test>")

        assert client.one().statusCode == 404

    def test_anAddressWithoutUserIsNotFound(self, client: Client) -> None:
        client.request("REGISTER", f"sip:{DOMAIN}", {"Contact": CONTACT}, to=f"<sip:{DOMAIN}>")

        assert client.one().statusCode == 404

    def test_anotherDomainCannotBeReached(self, client: Client) -> None:
        """Step 1: it is for a proxy, then; and this one reaches no other domain."""
        client.request("REGISTER", "sip:elsewhere.test", {"Contact": CONTACT})

        assert client.one().statusCode == 404

    def test_whatIsRequiredAndUnknownIsRefusedWith420(self, world: World, client: Client) -> None:
        """Step 2."""
        response = register(client, CONTACT, Require=["path", "gruu, outbound"])

        assert response.statusCode == 420
        assert response.getHeaders("Unsupported") == ["path", "gruu", "outbound"]
        assert contacts(world) == []

    @pytest.mark.parametrize("contact", ["<sip:alice@>", "<sip:a@b", "sip:", "<sip:a@b>;q=0.1;q=0.2"])
    def test_aMalformedContactIsRefusedWith400(self, world: World, client: Client, contact: str) -> None:
        response = register(client, OTHER, contact)

        assert response.statusCode == 400
        assert "Contact" in response.reasonPhrase
        assert contacts(world) == []

    def test_thereAreNotTooManyOfAUser(self) -> None:
        world = World(limits=ServerLimits(maxBindingsPerUser=2))
        client = world.client()
        register(client, CONTACT)
        register(client, OTHER)

        response = register(client, "<sip:alice@c.invalid>")

        assert response.statusCode == 503
        assert response.hasHeader("Retry-After")
        assert register(client, OTHER).statusCode == 200
        assert register(client, f"{OTHER};expires=0", "<sip:alice@c.invalid>").statusCode == 200

    def test_thereAreNotTooManyOfAll(self) -> None:
        world = World(limits=ServerLimits(maxBindings=2))
        alice, bob, carol = world.user("alice"), world.user("bob"), world.client("carol")

        assert carol.register("carol").statusCode == 503
        assert alice.register("alice").statusCode == 200
        bob.drop()
        assert carol.register("carol").statusCode == 200

    def test_recordRouteIsNotInTheResponse(self, client: Client) -> None:
        """ "Registrars MUST NOT include a Record-Route header field in any response"."""
        response = register(client, CONTACT, Record_Route="<sip:somebody.test;lr>")

        assert response.statusCode == 200
        assert not response.hasHeader("Record-Route")
