"""The stateful proxy: RFC 3261 section 16, RFC 6026, RFC 4320."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.message import IncomingRequest
from sipws.server import ServerLimits
from sipws.server.context import TIMER_C
from tests.server.harness import DOMAIN, Client, World

BOB = f"sip:bob@{DOMAIN}"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def alice(world: World) -> Client:
    return world.user("alice")


@pytest.fixture
def bob(world: World) -> Client:
    return world.user("bob")


def settle(world: World) -> None:
    """Let all transactions run out."""
    world.clock.pump([1] * 40)


class TestForwarding:
    """Section 16.6."""

    @pytest.mark.parametrize("method", ["MESSAGE", "INFO", "SUBSCRIBE", "NOTIFY", "FOO", "m%*_+`'~"])
    def test_anyMethodGoesToTheOtherAndBack(
        self, world: World, alice: Client, bob: Client, method: str
    ) -> None:
        alice.request(method, BOB, {"X-Header": "kept"}, "Grüße")

        request = bob.one()
        assert request.method == method
        assert request.body == "Grüße".encode()
        assert request.getHeader("X-Header") == "kept"
        bob.respond(request, 202, "X-Answer: kept", body="Danke schön")
        response = alice.one()
        assert response.statusCode == 202
        assert response.reasonPhrase == "Because"
        assert response.getHeader("X-Answer") == "kept"
        assert response.body == "Danke schön".encode()
        assert response.toTag == "to"

    def test_theRequestURIIsTheContact(self, alice: Client, bob: Client) -> None:
        """Step 2."""
        alice.request("MESSAGE", BOB)

        assert bob.one().requestURIText == "sip:bob@bob.invalid;transport=ws"

    def test_theContactLosesWhatARequestURIMustNotHave(self, world: World, alice: Client) -> None:
        """RFC 3261 section 19.1.1."""
        bob = world.client("bob")
        bob.register("bob", contact="<sip:bob@bob.invalid;method=INVITE;transport=ws?Subject=x>")

        alice.request("MESSAGE", BOB)

        assert bob.one().requestURIText == "sip:bob@bob.invalid;transport=ws"

    def test_maxForwardsIsOneLess(self, alice: Client, bob: Client) -> None:
        """Step 3."""
        alice.request("MESSAGE", BOB, {"Max-Forwards": 10})

        assert bob.one().getHeaders("Max-Forwards") == ["9"]

    def test_maxForwardsIsAddedWhereItIsMissing(self, alice: Client, bob: Client) -> None:
        """Step 3."""
        alice.request("MESSAGE", BOB, {"Max-Forwards": None})

        assert bob.one().getHeaders("Max-Forwards") == ["70"]

    def test_aViaIsAddedAndRemoved(self, alice: Client, bob: Client) -> None:
        """Step 8, and section 16.7 step 3."""
        vias = ["SIP/2.0/WS alice.invalid;branch=z9hG4bKa;rport", "SIP/2.0/TLS before.test;branch=z9hG4bKb"]
        alice.request("MESSAGE", BOB, {"Via": ", ".join(vias)})

        request = bob.one()
        assert request.getHeaders("Via")[1:] == vias
        assert request.via.host == DOMAIN
        assert request.via.transport == "WS"
        assert request.viaBranch.startswith("z9hG4bK")
        bob.respond(request, 200)
        assert alice.one().getHeaders("Via") == vias

    def test_overTLSTheViaSaysWSS(self, world: World, alice: Client) -> None:
        """RFC 7118 section 5.1."""
        bob = world.user("bob", tls=True)

        alice.request("MESSAGE", BOB)

        assert bob.one().via.transport == "WSS"

    def test_eachBranchIsAnother(self, alice: Client, bob: Client) -> None:
        for _ in range(2):
            alice.request("MESSAGE", BOB)

        assert len({request.viaBranch for request in bob.requests()}) == 2

    def test_theOrderOfHeadersIsKept(self, alice: Client, bob: Client) -> None:
        """Step 1."""
        alice.request("MESSAGE", BOB, {"X-A": "1", "Date": "malformed, and no matter", "X-B": ["2", "3"]})

        names = [name for name, _ in bob.one().headers if name in ("From", "X-A", "Date", "X-B")]
        assert names == ["From", "X-A", "Date", "X-B", "X-B"]

    def test_octetsThatAreNotUTF8AreKeptInABinaryFrame(
        self, world: World, alice: Client, bob: Client
    ) -> None:
        """RFC 7118 section 4.2."""
        head = (
            f"MESSAGE {BOB} SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
            f"To: <{BOB}>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\nContent-Length: 2\r\n\r\n"
        )
        alice.send(head.encode() + b"\xff\xfe", opcode=2)

        bob._read()
        assert bob.frames[0][0] == 0x82
        assert bob.one().body == b"\xff\xfe"

    def test_aUserMayWriteToThemselves(self, alice: Client) -> None:
        alice.request("MESSAGE", f"sip:alice@{DOMAIN}")

        request = alice.one()
        alice.respond(request, 200)

        assert alice.one().statusCode == 200

    def test_aGuestMayWriteToAUserOfAnOpenServer(self, world: World, bob: Client) -> None:
        guest = world.client()

        guest.request("MESSAGE", BOB)
        bob.respond(bob.one(), 200)

        assert guest.one().statusCode == 200

    def test_escapesInTheUserDoNotMatter(self, alice: Client, bob: Client) -> None:
        """Section 16.5: the Request-URI is canonicalized as in section 10.3."""
        alice.request("MESSAGE", f"sip:%62ob@{DOMAIN.upper()}:5060;transport=ws;user=ip")

        assert bob.one().method == "MESSAGE"


class TestRefusal:
    """Sections 16.3 and 16.5."""

    def test_nobodyTakesWhatIsForAnotherByTheirContact(
        self, world: World, alice: Client, bob: Client
    ) -> None:
        mallory = world.client("mallory")
        assert mallory.register("mallory", contact=f"<{BOB}>").statusCode == 200

        alice.request("MESSAGE", BOB)

        assert mallory.take() == []
        assert bob.one().method == "MESSAGE"
        bob.drop()
        alice.request("MESSAGE", BOB)
        assert mallory.take() == []

    def test_nobodyIsNotFound(self, alice: Client) -> None:
        alice.request("MESSAGE", f"sip:nobody@{DOMAIN}")

        assert alice.one().statusCode == 404

    def test_anotherDomainIsNotFound(self, alice: Client) -> None:
        """Section 21.4.5: also "if the domain in the Request-URI does not match"."""
        alice.request("MESSAGE", "sip:bob@elsewhere.test")

        assert alice.one().statusCode == 404

    def test_aRouteElsewhereIsNotFound(self, alice: Client, bob: Client) -> None:
        alice.request("MESSAGE", BOB, {"Route": "<sip:elsewhere.test;lr>"})

        assert alice.one().statusCode == 404
        assert bob.take() == []

    def test_whoWasThereIsTemporarilyUnavailable(self, alice: Client, bob: Client) -> None:
        bob.drop()

        alice.request("MESSAGE", BOB)

        assert alice.one().statusCode == 480

    def test_whoHasUnregisteredIsTemporarilyUnavailable(self, alice: Client, bob: Client) -> None:
        bob.register("bob", expires=0)

        alice.request("MESSAGE", BOB)

        assert alice.one().statusCode == 480

    def test_fewWhoWereThereAreRemembered(self) -> None:
        world = World(limits=ServerLimits(maxBindings=2))
        alice = world.user("alice")
        for name in ("b", "c", "d"):
            world.user(name).drop()

        statuses = []
        for name in ("b", "c", "d"):
            alice.request("MESSAGE", f"sip:{name}@{DOMAIN}")
            statuses.append(alice.one().statusCode)

        assert statuses == [404, 480, 480]

    def test_maxForwardsOfZeroIsTooManyHops(self, alice: Client, bob: Client) -> None:
        """Section 16.3, step 3."""
        alice.request("MESSAGE", BOB, {"Max-Forwards": 0})

        assert alice.one().statusCode == 483
        assert bob.take() == []

    def test_whatTheProxyDoesNotKnowIsABadExtension(self, alice: Client, bob: Client) -> None:
        """Section 16.3, step 5."""
        alice.request("MESSAGE", BOB, {"Proxy-Require": "foo, bar"})

        response = alice.one()
        assert response.statusCode == 420
        assert response.getHeaders("Unsupported") == ["foo", "bar"]

    def test_whatTheOtherEndMustKnowIsTheirs(self, alice: Client, bob: Client) -> None:
        alice.request("MESSAGE", BOB, {"Require": "foo"})

        assert bob.one().getHeader("Require") == "foo"

    @pytest.mark.parametrize("uri", ["tel:+15551234", "mailto:bob@example.test", "urn:service:sos"])
    def test_otherSchemesAreNotServed(self, alice: Client, uri: str) -> None:
        """Section 16.3, step 2."""
        alice.request("MESSAGE", uri)

        assert alice.one().statusCode == 416

    def test_sipsNeedsASecureConnection(self, world: World, alice: Client, bob: Client) -> None:
        """RFC 7118 section 9.2."""
        uri = BOB.replace("sip:", "sips:")
        alice.request("MESSAGE", uri)
        assert alice.one().statusCode == 480

        secure = world.client("secure", tls=True)
        secure.register("bob")
        alice.request("MESSAGE", uri)

        assert secure.one().method == "MESSAGE"
        assert bob.take() == []

    @pytest.mark.parametrize(
        ("headers", "named"),
        [
            ({"To": "<sip:bob"}, "To"),
            ({"From": "<sip:"}, "From"),
            ({"Route": "<sip:@>"}, "Route"),
            ({"Max-Forwards": "many"}, "Max-Forwards"),
            ({"CSeq": "1 OPTIONS"}, "CSeq"),
            ({"CSeq": "x MESSAGE"}, "CSeq"),
            ({"Call-ID": None}, "Call-ID"),
            ({"To": None}, "To"),
        ],
    )
    def test_whatRoutingNeedsMustBeReadable(
        self, alice: Client, bob: Client, headers: dict[str, object], named: str
    ) -> None:
        """Section 16.3, step 1."""
        alice.request("MESSAGE", BOB, headers)

        assert bob.take() == []
        (response,) = alice.takeOctets()
        line = response.partition(b"\r\n")[0].decode()
        assert line.startswith("SIP/2.0 400 ")
        assert named in line

    def test_anotherVersionIsNotSupported(self, alice: Client) -> None:
        alice.send(
            f"MESSAGE {BOB} SIP/3.0\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\n"
            f"To: <{BOB}>\nCall-ID: c\nCSeq: 1 MESSAGE\n\n"
        )

        assert alice.one().statusCode == 505

    def test_aBodyMustBeWhole(self, alice: Client, bob: Client) -> None:
        alice.send(
            f"MESSAGE {BOB} SIP/2.0\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bKx\nFrom: <sip:a@b>;tag=1\n"
            f"To: <{BOB}>\nCall-ID: c\nCSeq: 1 MESSAGE\nContent-Length: 10\n\nshort"
        )

        assert alice.one().statusCode == 400
        assert bob.take() == []


class TestServerItself:
    """Section 11, section 8.2."""

    def test_itAnswersOPTIONS(self, alice: Client) -> None:
        alice.request("OPTIONS", f"sip:{DOMAIN}")

        response = alice.one()
        assert response.statusCode == 200
        assert response.getHeaders("Allow") == ["OPTIONS", "REGISTER", "PUBLISH", "SUBSCRIBE"]
        assert response.toTag

    def test_itAnswersOPTIONSUnderTheNameThatItIsConnectedToBy(self, world: World) -> None:
        client = world.client(host="[::1]:5066")

        client.request("OPTIONS", "sip:[::1]:5066;transport=ws")

        assert client.one().statusCode == 200

    def test_itTakesNothingElse(self, alice: Client) -> None:
        alice.request("MESSAGE", f"sip:{DOMAIN}")

        response = alice.one()
        assert response.statusCode == 405
        assert response.getHeaders("Allow") == ["OPTIONS", "REGISTER", "PUBLISH", "SUBSCRIBE"]

    def test_itKnowsNoExtension(self, alice: Client) -> None:
        alice.request("OPTIONS", f"sip:{DOMAIN}", {"Require": "foo"})

        assert alice.one().statusCode == 420

    def test_aPreloadedRouteToItIsTakenOut(self, alice: Client, bob: Client) -> None:
        """Section 16.4; as UAs have it that name the server that they connect to."""
        alice.request("MESSAGE", BOB, {"Route": f"<sip:{DOMAIN}:5066;transport=ws;lr>"})

        assert not bob.one().hasHeader("Route")


class TestResponses:
    """Section 16.7."""

    def test_oneThatMatchesNothingIsDropped(self, alice: Client, bob: Client) -> None:
        """RFC 6026 section 7.3."""
        alice.request("MESSAGE", BOB)
        request = bob.one()
        bob.respond(request, 200)
        alice.take()

        bob.respond(request, 200)

        assert alice.take() == []

    def test_oneFromAnotherConnectionIsDropped(self, world: World, alice: Client, bob: Client) -> None:
        mallory = world.user("mallory")
        alice.request("MESSAGE", BOB)
        request = bob.one()

        mallory.respond(request, 200)

        assert alice.take() == []

    def test_a503IsA500(self, alice: Client, bob: Client) -> None:
        """Step 6: "SHOULD generate a 500 response and forward that upstream"."""
        alice.request("MESSAGE", BOB)

        bob.respond(bob.one(), 503, "Retry-After: 10")

        response = alice.one()
        assert response.statusCode == 500
        assert not response.hasHeader("Retry-After")

    @pytest.mark.parametrize("statusCode", [200, 299, 302, 404, 486, 500, 600, 699])
    def test_finalResponsesGoBack(self, world: World, alice: Client, bob: Client, statusCode: int) -> None:
        alice.request("MESSAGE", BOB)

        bob.respond(bob.one(), statusCode, "Contact: <sip:carol@elsewhere.test>")

        response = alice.one()
        assert response.statusCode == statusCode
        assert response.getHeader("Contact") == "<sip:carol@elsewhere.test>"
        assert not world.server.transactions

    def test_provisionalOnesDoNotWithoutINVITE(self, alice: Client, bob: Client) -> None:
        """RFC 4320 section 4.1."""
        alice.request("MESSAGE", BOB)

        bob.respond(bob.one(), 180)

        assert alice.take() == []

    def test_a100FollowsWhereTheOtherIsSlow(self, world: World, alice: Client, bob: Client) -> None:
        """RFC 4320 section 4.1: as long as it takes timer E to be reset to T2."""
        alice.request("MESSAGE", BOB)

        world.clock.advance(3.4)
        assert alice.take() == []
        world.clock.advance(0.2)

        assert alice.one().statusCode == 100

    def test_whoDoesNotAnswerIsNotAnswered(self, world: World, alice: Client, bob: Client) -> None:
        """RFC 4320 section 4.2: "MUST NOT send a response with Status-Code of 408"."""
        alice.request("MESSAGE", BOB)
        world.clock.advance(4)
        alice.take()

        world.clock.advance(32)

        assert alice.take() == []
        assert not world.server.transactions
        assert len(world.server._proxy) == 0

    def test_whoIsLostIsUnavailable(self, world: World, alice: Client, bob: Client) -> None:
        alice.request("MESSAGE", BOB)

        bob.drop()

        assert alice.one().statusCode == 480
        assert not world.server.transactions

    def test_aResponseThatCannotBeForwardedIsA500(
        self, alice: Client, bob: Client, monkeypatch: pytest.MonkeyPatch, flushLoggedErrors: Any
    ) -> None:
        alice.request("MESSAGE", BOB)

        def fail(*_: object) -> None:
            raise ValueError("not this one")

        monkeypatch.setattr("sipws.server.context.copyResponse", fail)
        bob.respond(bob.one(), 200)

        assert alice.one().statusCode == 500
        assert len(flushLoggedErrors(ValueError)) == 1


class TestINVITE:
    """Sections 16.7 to 16.10, and the dialog that follows: RFC 7118 section 8.2."""

    def invite(self, alice: Client, uri: str = BOB, **headers: object) -> str:
        return alice.request("INVITE", uri, {"Contact": "<sip:alice@alice.invalid;transport=ws>", **headers})

    def test_a100ComesAfter200Milliseconds(self, world: World, alice: Client, bob: Client) -> None:
        """Section 17.2.1."""
        self.invite(alice)

        world.clock.advance(0.2)

        assert alice.one().statusCode == 100

    def test_a100GoesNoFurther(self, alice: Client, bob: Client) -> None:
        """ "A stateful proxy MUST NOT forward any 100 (Trying) response"."""
        self.invite(alice)

        bob.respond(bob.one(), 100)

        assert alice.take() == []

    def test_otherProvisionalOnesDo(self, alice: Client, bob: Client) -> None:
        self.invite(alice)
        request = bob.one()

        bob.respond(request, 180)
        bob.respond(request, 183)

        assert [response.statusCode for response in alice.responses()] == [180, 183]

    def test_aDialogGoesByItsConnections(self, world: World, alice: Client, bob: Client) -> None:
        """Sections 16.4, 16.12; in-dialog requests find contacts with hosts in .invalid."""
        # Nobody registers these: they are of the dialog alone.
        alice.request("INVITE", BOB, {"Contact": "<sip:a1@dialog.invalid;transport=ws>"})
        invite = bob.one()
        assert len(invite.getHeaders("Record-Route")) == 2
        bob.respond(invite, 200, "Contact: <sip:b1@dialog.invalid;transport=ws>")
        accepted = alice.one()
        assert accepted.getHeaders("Record-Route") == invite.getHeaders("Record-Route")

        callerRoutes = accepted.getHeaders("Record-Route")[::-1]
        self.within(alice, "ACK", "sip:b1@dialog.invalid;transport=ws", callerRoutes)
        ack = bob.one()
        assert ack.method == "ACK"
        assert ack.requestURIText == "sip:b1@dialog.invalid;transport=ws"
        assert not ack.hasHeader("Route")
        assert not ack.hasHeader("Record-Route")
        assert ack.getHeader("Max-Forwards") == "69"

        self.within(alice, "INFO", "sip:b1@dialog.invalid;transport=ws", callerRoutes)
        bob.respond(bob.one(), 200)
        assert alice.one().statusCode == 200

        self.within(bob, "BYE", "sip:a1@dialog.invalid;transport=ws", invite.getHeaders("Record-Route"))
        bye = alice.one()
        assert bye.method == "BYE"
        assert not bye.hasHeader("Route")
        alice.respond(bye, 200)
        assert bob.one().statusCode == 200

    def within(self, client: Client, method: str, uri: str, routes: list[str]) -> None:
        client.request(method, uri, {"Route": ", ".join(routes)}, to="<sip:other@example.test>;tag=to")

    def test_aStrictRoutersRequestIsPutRight(self, alice: Client, bob: Client) -> None:
        """Section 16.4: "the proxy MUST replace the Request-URI in the request with the last value"."""
        self.invite(alice)
        invite = bob.one()
        bob.respond(invite, 200, "Contact: <sip:b1@dialog.invalid>")
        near, far = alice.one().getHeaders("Record-Route")[::-1]

        self.within(alice, "INFO", near.strip("<>"), [far, "<sip:b1@dialog.invalid>"])

        assert bob.one().requestURIText == "sip:b1@dialog.invalid"

    def test_aReconnectedUserIsFoundByTheirContact(self, world: World, alice: Client, bob: Client) -> None:
        self.invite(alice)
        invite = bob.one()
        bob.respond(invite, 200, f"Contact: <sip:bob@{bob.via};transport=ws>")
        routes = alice.one().getHeaders("Record-Route")[::-1]
        bob.drop()

        again = world.user("bob")
        self.within(alice, "INFO", "sip:bob@bob.invalid;transport=ws", routes)

        assert again.one().method == "INFO"

    def test_notByOneWhoHasRegisteredTheSame(self, world: World, alice: Client, bob: Client) -> None:
        self.invite(alice)
        bob.respond(bob.one(), 200, f"Contact: <sip:bob@{bob.via};transport=ws>")
        routes = alice.one().getHeaders("Record-Route")[::-1]
        mallory = world.client("mallory")
        assert mallory.register("mallory", contact=f"<sip:bob@{bob.via};transport=ws>").statusCode == 200
        bob.drop()

        again = world.user("bob")
        to = f"<{BOB}>;tag=to"
        alice.request("INFO", "sip:bob@bob.invalid;transport=ws", {"Route": ", ".join(routes)}, to=to)

        assert mallory.take() == []
        assert again.one().method == "INFO"

    def test_whoHasLeftADialogHasLostTheFlow(self, alice: Client, bob: Client) -> None:
        """RFC 5626 section 5.3.1: 480 would be the end of the call (RFC 5057 section 5.1)."""
        self.invite(alice)
        bob.respond(bob.one(), 200, "Contact: <sip:b1@dialog.invalid>")
        routes = alice.one().getHeaders("Record-Route")[::-1]
        bob.drop()

        self.within(alice, "INFO", "sip:b1@dialog.invalid", routes)

        assert alice.one().statusCode == 430

    @pytest.mark.parametrize(
        ("method", "recorded"),
        [
            ("INVITE", 2),
            ("SUBSCRIBE", 2),
            ("REFER", 2),
            ("NOTIFY", 2),
            ("FOO", 2),
            ("MESSAGE", 0),
            ("OPTIONS", 0),
        ],
    )
    def test_whatMayMakeADialogIsRecorded(
        self, alice: Client, bob: Client, method: str, recorded: int
    ) -> None:
        """Section 16.6, step 4; RFC 6665 section 4.3."""
        alice.request(method, BOB)

        request = bob.one()
        assert len(request.getHeaders("Record-Route")) == recorded
        routes = [request.parseHeader("Record-Route", index) for index in range(recorded)]
        assert all(route.isLoose and route.uri.host == DOMAIN for route in routes)

    def test_recordRoutesOfOthersStayBelow(self, alice: Client, bob: Client) -> None:
        alice.request("INVITE", BOB, {"Record-Route": "<sip:before.test;lr>"})

        request = bob.one()
        assert request.getHeaders("Record-Route")[2:] == ["<sip:before.test;lr>"]
        bob.respond(request, 200)
        assert alice.one().getHeaders("Record-Route") == request.getHeaders("Record-Route")

    @pytest.mark.parametrize("statusCode", [302, 404, 486, 500, 603])
    def test_aFailureIsAcknowledgedHopByHop(
        self, world: World, alice: Client, bob: Client, statusCode: int
    ) -> None:
        """Section 17.1.1.3."""
        branch = self.invite(alice)
        invite = bob.one()

        bob.respond(invite, statusCode)

        ack = bob.one()
        assert (ack.method, ack.viaBranch) == ("ACK", invite.viaBranch)
        assert alice.one().statusCode == statusCode
        alice.request(
            "ACK",
            BOB,
            {"Via": f"SIP/2.0/WS {alice.via};branch={branch}"},
            to=f"<{BOB}>;tag=to",
        )
        assert bob.take() == []
        assert not world.server.transactions

    def test_anACKToA2xxIsForwardedWhateverItsBranch(self, alice: Client, bob: Client) -> None:
        """RFC 6026 section 8.7: one with the INVITE's own is not wrong enough to end the call."""
        branch = self.invite(alice)
        bob.respond(bob.one(), 200, "Contact: <sip:bob@bob.invalid;transport=ws>")
        answered = alice.one()

        alice.request(
            "ACK",
            "sip:bob@bob.invalid;transport=ws",
            {
                "Via": f"SIP/2.0/WS {alice.via};branch={branch}",
                "Route": answered.getHeaders("Record-Route")[::-1],
            },
            to=f"<{BOB}>;tag=to",
        )

        assert bob.one().method == "ACK"

    def test_2xxGoOnBeingForwarded(self, alice: Client, bob: Client) -> None:
        """RFC 6026 section 7.2: retransmissions of the 2xx."""
        self.invite(alice)
        invite = bob.one()

        for tag in ("one", "one", "another"):
            bob.respond(invite, 200, tag=tag)

        assert [response.toTag for response in alice.responses()] == ["one", "one", "another"]

    def test_aCANCELGoesOn(self, world: World, alice: Client, bob: Client) -> None:
        """Section 16.10."""
        branch = self.invite(alice)
        invite = bob.one()
        bob.respond(invite, 180)
        alice.take()

        self.cancel(alice, branch)

        assert alice.one().statusCode == 200
        cancel = bob.one()
        assert (cancel.method, cancel.viaBranch) == ("CANCEL", invite.viaBranch)
        assert cancel.requestURIText == invite.requestURIText
        bob.respond(cancel, 200)
        bob.respond(invite, 487)
        assert alice.one().statusCode == 487
        assert bob.one().method == "ACK"

    def cancel(self, client: Client, branch: str, to: str = f"<{BOB}>") -> None:
        client.request("CANCEL", BOB, {"Via": f"SIP/2.0/WS {client.via};branch={branch}"}, to=to)

    def test_aCANCELWaitsForTheOthersFirstResponse(self, alice: Client, bob: Client) -> None:
        """Section 9.1."""
        branch = self.invite(alice)
        invite = bob.one()
        self.cancel(alice, branch)
        assert alice.one().statusCode == 200
        assert bob.take() == []

        bob.respond(invite, 180)

        assert bob.one().method == "CANCEL"

    def test_anAnswerThatCrossesTheCANCELIsForwarded(self, alice: Client, bob: Client) -> None:
        branch = self.invite(alice)
        invite = bob.one()
        bob.respond(invite, 180)
        self.cancel(alice, branch)
        alice.take()

        bob.respond(invite, 200)

        assert alice.one().statusCode == 200

    def test_aCANCELOfNothingIs481(self, alice: Client) -> None:
        self.cancel(alice, "z9hG4bKunknown")

        assert alice.one().statusCode == 481

    def test_aCANCELOfAnothersRequestIs481(self, world: World, alice: Client, bob: Client) -> None:
        branch = self.invite(alice)
        mallory = world.client("alice")
        bob.respond(bob.one(), 180)

        self.cancel(mallory, branch)

        assert mallory.one().statusCode == 481
        assert bob.take() == []

    def test_anothersBranchIsNotToBeHad(self, world: World, alice: Client, bob: Client) -> None:
        branch = self.invite(alice)
        mallory = world.client("alice")

        mallory.request("INVITE", BOB, {"Via": f"SIP/2.0/WS {mallory.via};branch={branch}"})

        assert mallory.one().statusCode == 400
        assert len(bob.take()) == 1

    def test_whoDoesNotAnswerAtAllTimesOut(self, world: World, alice: Client, bob: Client) -> None:
        """Timer B: 408."""
        self.invite(alice)
        world.clock.advance(1)
        alice.take()

        world.clock.advance(32)

        assert alice.one().statusCode == 408

    def test_whoIsCancelledAndDoesNotAnswerAtAllIsTerminated(
        self, world: World, alice: Client, bob: Client
    ) -> None:
        branch = self.invite(alice)
        self.cancel(alice, branch)
        world.clock.advance(1)
        alice.take()

        world.clock.advance(32)

        assert alice.one().statusCode == 487

    @pytest.mark.parametrize("isRinging", [True, False])
    def test_whoIsCancelledAndIsGoneIsTerminated(
        self, world: World, alice: Client, bob: Client, isRinging: bool
    ) -> None:
        branch = self.invite(alice)
        invite = bob.one()
        if isRinging:
            bob.respond(invite, 180)
        self.cancel(alice, branch)
        alice.take()

        bob.drop()

        assert alice.one().statusCode == 487
        alice.drop()
        world.assertIdle()

    def test_nobodyRingsForEver(self, world: World, alice: Client, bob: Client) -> None:
        """Timer C: sections 16.6 step 11, 16.8."""
        self.invite(alice)
        invite = bob.one()
        world.clock.advance(20)
        bob.respond(invite, 180)
        alice.take()

        world.clock.advance(TIMER_C - 1)
        assert bob.take() == []
        world.clock.advance(1)
        assert bob.one().method == "CANCEL"
        bob.respond(invite, 487)

        assert alice.one().statusCode == 487

    def test_whatCrossesTheEndOfRingingIsForwarded(self, world: World, alice: Client, bob: Client) -> None:
        self.invite(alice)
        invite = bob.one()
        bob.respond(invite, 180)
        alice.take()
        world.clock.advance(TIMER_C)
        assert bob.one().method == "CANCEL"

        bob.respond(invite, 183)
        assert alice.one().statusCode == 183
        bob.respond(invite, 487)

        assert alice.one().statusCode == 487

    def test_aCallerWhoIsGoneCancels(self, world: World, alice: Client, bob: Client) -> None:
        self.invite(alice)
        invite = bob.one()
        bob.respond(invite, 180)

        alice.drop()

        cancel = bob.one()
        assert cancel.method == "CANCEL"
        bob.respond(cancel, 200)
        bob.respond(invite, 487)
        bob.drop()
        settle(world)
        world.assertIdle()

    def test_aCalleeWhoIsGoneIsUnavailable(self, world: World, alice: Client, bob: Client) -> None:
        self.invite(alice)
        bob.respond(bob.one(), 180)
        alice.take()

        bob.drop()

        assert alice.one().statusCode == 480
        alice.drop()
        world.assertIdle()

    def test_anAnsweredCallLeavesNothingWhenBothAreGone(
        self, world: World, alice: Client, bob: Client
    ) -> None:
        self.invite(alice)
        bob.respond(bob.one(), 200)

        alice.drop()
        bob.drop()

        world.assertIdle()

    def test_anACKToNobodyIsDropped(self, alice: Client) -> None:
        alice.request("ACK", f"sip:nobody@{DOMAIN}")
        alice.request("ACK", "tel:+1")
        alice.request("ACK", BOB, {"Max-Forwards": 0})
        alice.request("ACK", BOB, {"Route": "<sip:"})

        assert alice.take() == []


class TestForking:
    """Sections 16.6 and 16.7: several bindings."""

    @pytest.fixture
    def bobs(self, world: World) -> list[Client]:
        clients = [world.client(f"bob{number}") for number in range(3)]
        for client in clients:
            client.register("bob")
        return clients

    def test_allGetTheRequest(self, alice: Client, bobs: list[Client]) -> None:
        alice.request("MESSAGE", BOB)

        assert len({request.viaBranch for request in map(Client.one, bobs)}) == 3

    def test_theFirst2xxIsForwardedAndTheOthersAreNot(
        self, world: World, alice: Client, bobs: list[Client]
    ) -> None:
        alice.request("MESSAGE", BOB)
        requests = [bob.one() for bob in bobs]

        bobs[0].respond(requests[0], 486)
        assert alice.take() == []
        bobs[1].respond(requests[1], 200)
        assert alice.one().statusCode == 200
        bobs[2].respond(requests[2], 200)

        assert alice.take() == []
        assert len(world.server._proxy) == 0

    def test_theOthersAreCancelledWhenOneAnswers(self, alice: Client, bobs: list[Client]) -> None:
        """Section 16.7, step 10."""
        alice.request("INVITE", BOB)
        invites = [bob.one() for bob in bobs]
        for bob, invite in zip(bobs, invites, strict=True):
            bob.respond(invite, 180, tag=bob.via)
        alice.take()

        bobs[0].respond(invites[0], 200)

        assert alice.one().statusCode == 200
        assert bobs[0].take() == []
        assert [bob.one().method for bob in bobs[1:]] == ["CANCEL", "CANCEL"]

    def test_another2xxToAnINVITEIsForwarded(self, alice: Client, bobs: list[Client]) -> None:
        """Step 5: "After a final response has been sent [...] Any 2xx response to an INVITE request"."""
        alice.request("INVITE", BOB)
        invites = [bob.one() for bob in bobs]

        for bob, invite in zip(bobs, invites, strict=True):
            bob.respond(invite, 200, tag=bob.via)

        assert [response.toTag for response in alice.responses()] == [bob.via for bob in bobs]

    def test_a6xxCancelsTheOthersAndIsForwardedLast(self, alice: Client, bobs: list[Client]) -> None:
        """Step 5."""
        alice.request("INVITE", BOB)
        invites = [bob.one() for bob in bobs]
        for bob, invite in zip(bobs[1:], invites[1:], strict=True):
            bob.respond(invite, 180)
        alice.take()

        bobs[0].respond(invites[0], 603)
        assert alice.take() == []
        for bob, invite in zip(bobs[1:], invites[1:], strict=True):
            assert bob.one().method == "CANCEL"
            bob.respond(invite, 487)

        assert alice.one().statusCode == 603

    @pytest.mark.parametrize(
        ("statuses", "best"),
        [
            ((404, 486, 603), 603),
            ((500, 486, 302), 302),
            ((500, 486, 404), 486),
            ((404, 486, 484), 484),
            ((503, 500, 503), 500),
            ((503, 503, 503), 500),
            ((404, None, None), 404),
            ((None, None, 500), 480),
        ],
    )
    def test_theBestIsForwarded(
        self, alice: Client, bobs: list[Client], statuses: tuple[int | None, ...], best: int
    ) -> None:
        """Step 6; C{None} is one whose connection is lost."""
        alice.request("MESSAGE", BOB)
        requests = [bob.one() for bob in bobs]

        for bob, request, statusCode in zip(bobs, requests, statuses, strict=True):
            assert alice.take() == []
            if statusCode is None:
                bob.drop()
            else:
                bob.respond(request, statusCode)

        assert alice.one().statusCode == best

    def test_challengesAreCollected(self, alice: Client, bobs: list[Client]) -> None:
        """Step 7."""
        alice.request("MESSAGE", BOB)
        requests = [bob.one() for bob in bobs]

        bobs[0].respond(requests[0], 401, 'WWW-Authenticate: Digest realm="one", nonce="1"')
        bobs[1].respond(requests[1], 404)
        bobs[2].respond(requests[2], 407, 'Proxy-Authenticate: Digest realm="two", nonce="2"')

        response = alice.one()
        assert response.statusCode == 401
        assert response.parseHeader("WWW-Authenticate").realm == "one"
        assert response.parseHeader("Proxy-Authenticate").realm == "two"

    def test_thePreferredComeFirst(self, world: World, alice: Client) -> None:
        """Section 16.6: "Targets are processed from highest qvalue to lowest"."""
        clients: dict[str, Client] = {}
        for q in ("0.1", "1", "0.5"):
            clients[q] = world.client()
            clients[q].register("bob", contact=f"<sip:bob@{clients[q].via}>;q={q}")

        alice.request("MESSAGE", BOB)
        assert [bool(clients[q].frames or clients[q].wire.value()) for q in ("1", "0.5", "0.1")] == [
            True,
            False,
            False,
        ]
        clients["1"].respond(clients["1"].one(), 486)
        assert clients["0.1"].take() == []
        clients["0.5"].respond(clients["0.5"].one(), 200)

        assert clients["0.1"].take() == []
        assert alice.one().statusCode == 200

    def test_a6xxMakesNoNewBranches(self, world: World, alice: Client, bob: Client) -> None:
        """Step 5: "it MUST NOT create any new branches in this context"."""
        less = world.client()
        less.register("bob", contact=f"<sip:bob@{less.via}>;q=0.5")
        alice.request("MESSAGE", BOB)

        bob.respond(bob.one(), 600)

        assert less.take() == []
        assert alice.one().statusCode == 600

    def test_aCANCELMakesNoNewBranches(self, world: World, alice: Client, bob: Client) -> None:
        less = world.client()
        less.register("bob", contact=f"<sip:bob@{less.via}>;q=0.5")
        branch = alice.request("INVITE", BOB)
        invite = bob.one()
        bob.respond(invite, 180)
        alice.request("CANCEL", BOB, {"Via": f"SIP/2.0/WS {alice.via};branch={branch}"})
        alice.take()

        bob.respond(invite, 487)

        assert less.take() == []
        assert alice.one().statusCode == 487


class TestLimits:
    def test_tooManyTransactionsAre503(self) -> None:
        world = World(limits=ServerLimits(maxTransactions=3))
        alice, bob = world.user("alice"), world.user("bob")
        for _ in range(3):
            alice.request("MESSAGE", BOB)
        requests = bob.requests()
        assert len(requests) == 3

        alice.request("MESSAGE", BOB)
        refused = alice.one()
        assert refused.statusCode == 503
        assert refused.hasHeader("Retry-After")
        bob.respond(requests[0], 200)
        assert alice.one().statusCode == 200
        alice.request("MESSAGE", BOB)

        assert bob.one().method == "MESSAGE"

    def test_callsEndWhateverElseThereIs(self) -> None:
        world = World(limits=ServerLimits(maxTransactions=1))
        alice, bob = world.user("alice"), world.user("bob")
        branch = alice.request("INVITE", BOB)
        bob.respond(bob.one(), 180)
        assert alice.one().statusCode == 180

        alice.request("BYE", BOB, to=f"<{BOB}>;tag=another")
        bye = bob.one()
        assert bye.method == "BYE"
        bob.respond(bye, 200)
        assert alice.one().statusCode == 200
        alice.request("CANCEL", BOB, {"Via": f"SIP/2.0/WS {alice.via};branch={branch}"})

        assert alice.one().statusCode == 200
        assert bob.one().method == "CANCEL"

    def test_theACKToThatGoesNoFurther(self) -> None:
        world = World(limits=ServerLimits(maxTransactions=1))
        alice, bob = world.user("alice"), world.user("bob")
        alice.request("MESSAGE", BOB)
        assert bob.one().method == "MESSAGE"
        same = {"Call-ID": "refused", "From": f"<sip:alice@{DOMAIN}>;tag=from"}
        branch = alice.request("INVITE", BOB, {"CSeq": "1 INVITE", **same})
        refused = alice.one()
        assert refused.statusCode == 503

        via = f"SIP/2.0/WS {alice.via};branch={branch}"
        alice.request("ACK", BOB, {"CSeq": "1 ACK", "Via": via, **same}, to=refused.getHeader("To"))

        assert (alice.take(), bob.take()) == ([], [])

    def test_tooManyBranchesAre503(self) -> None:
        world = World(limits=ServerLimits(maxTransactions=1))
        alice = world.user("alice")
        first, second = world.client(), world.client()
        first.register("bob")
        second.register("bob")

        alice.request("MESSAGE", BOB)
        first.respond(first.one(), 404)

        assert second.take() == []
        assert alice.one().statusCode == 404


class TestRetransmissions:
    """Section 17.2: none come over WebSocket, and none do harm."""

    def test_theSameRequestIsForwardedOnce(self, alice: Client, bob: Client) -> None:
        alice.request("MESSAGE", BOB, {"CSeq": "1 MESSAGE", "Via": "SIP/2.0/WS a.invalid;branch=z9hG4bKsame"})
        alice.request("MESSAGE", BOB, {"CSeq": "1 MESSAGE", "Via": "SIP/2.0/WS a.invalid;branch=z9hG4bKsame"})

        assert isinstance(bob.one(), IncomingRequest)

    def test_mergedRequestsAreForwarded(self, alice: Client, bob: Client) -> None:
        """Section 16.3: a proxy "MUST NOT treat merged requests as an error condition"."""
        for _ in range(2):
            alice.request(
                "MESSAGE", BOB, {"CSeq": "1 MESSAGE", "Call-ID": "same", "From": "<sip:a@b>;tag=same"}
            )

        assert len(bob.take()) == 2
