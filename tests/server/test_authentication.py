"""Who may: RFC 3261 sections 10.3 and 22, RFC 8760."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from sipws import Session
from sipws.message import Challenge
from sipws.server import EmbeddedServer
from tests.inmemory import World as UserAgents
from tests.server.harness import DOMAIN, Client, World

CONTACT = "<sip:alice@a.invalid;transport=ws>"


@pytest.fixture
def world() -> World:
    return World(users={"alice": "wonderland", "bob": "builder"})


@pytest.fixture
def client(world: World) -> Client:
    return world.client()


def answer(
    challenge: Challenge,
    method: str,
    uri: str,
    *,
    user: str = "alice",
    password: str = "wonderland",
    nc: int = 1,
    qop: str = "auth",
    protected: str = "",
) -> str:
    """Compute credentials as RFC 7616 section 3.4.1 has them."""
    hashed = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[challenge.parameters["algorithm"] or ""]

    def h(text: str) -> str:
        return hashed(text.encode()).hexdigest()

    nonce = challenge.parameters["nonce"]
    count = f"{nc:08x}"
    first, second = h(f"{user}:{DOMAIN}:{password}"), h(protected or f"{method}:{uri}")
    response = h(f"{first}:{nonce}:{count}:cn:{qop}:{second}")
    return (
        f'Digest username="{user}", realm="{DOMAIN}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm={challenge.parameters["algorithm"]}, qop={qop}, nc={count}, cnonce="cn"'
    )


def register(client: Client, credentials: str | None = None, user: str = "alice", **more: Any) -> Any:
    headers = {"Contact": CONTACT, "Authorization": credentials, **more}
    client.request("REGISTER", f"sip:{DOMAIN}", headers, user=user, to=f"<sip:{user}@{DOMAIN}>")
    return client.one()


def challenges(response: Any, name: str = "WWW-Authenticate") -> list[Challenge]:
    return [response.parseHeader(name, index) for index in range(len(response.getHeaders(name)))]


class TestRegistrar:
    """RFC 3261 section 10.3, steps 3 and 4."""

    def test_withoutCredentialsThereIsA401(self, world: World, client: Client) -> None:
        response = register(client)

        assert response.statusCode == 401
        assert [each.parameters["algorithm"] for each in challenges(response)] == ["SHA-256", "MD5"]
        assert {each.realm for each in challenges(response)} == {DOMAIN}
        assert not world.server.locations

    @pytest.mark.parametrize("which", [0, 1])
    def test_eitherChallengeCanBeAnswered(self, client: Client, which: int) -> None:
        challenge = challenges(register(client))[which]

        assert register(client, answer(challenge, "REGISTER", f"sip:{DOMAIN}")).statusCode == 200

    def test_theServerProvesThatItKnowsThePasswordToo(self, client: Client) -> None:
        challenge = challenges(register(client))[0]
        info = register(client, answer(challenge, "REGISTER", f"sip:{DOMAIN}")).parseHeader(
            "Authentication-Info"
        )

        def h(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        key = h(f"alice:{DOMAIN}:wonderland")
        proof = h(f"{key}:{challenge.nonce}:00000001:cn:auth:{h(f':sip:{DOMAIN}')}")
        assert dict(info.parameters) == {"qop": "auth", "cnonce": "cn", "nc": "00000001", "rspauth": proof}

    def test_theAlgorithmsAreAnOption(self) -> None:
        client = World(users={}, algorithms=["SHA-256"]).client()

        assert [each.parameters["algorithm"] for each in challenges(register(client))] == ["SHA-256"]

    def test_aWrongPasswordIsChallengedAgain(self, world: World, client: Client) -> None:
        challenge = challenges(register(client))[0]

        response = register(client, answer(challenge, "REGISTER", f"sip:{DOMAIN}", password="wrong"))

        assert response.statusCode == 401
        assert not challenges(response)[0].stale
        assert not world.server.locations

    def test_nobodyIsNoUser(self, client: Client) -> None:
        challenge = challenges(register(client, user="mallory"))[0]

        credentials = answer(challenge, "REGISTER", f"sip:{DOMAIN}", user="mallory", password="")

        assert register(client, credentials, user="mallory").statusCode == 401

    def test_oneUserIsNotAnother(self, world: World, client: Client) -> None:
        """Step 4: 403."""
        challenge = challenges(register(client))[0]

        response = register(client, answer(challenge, "REGISTER", f"sip:{DOMAIN}"), user="bob")

        assert response.statusCode == 403
        assert not world.server.locations

    def test_aReplayIsStale(self, client: Client) -> None:
        credentials = answer(challenges(register(client))[0], "REGISTER", f"sip:{DOMAIN}")
        register(client, credentials)

        response = register(client, credentials)

        assert response.statusCode == 401
        assert challenges(response)[0].stale

    def test_aNonceIsGoodForMoreThanOnce(self, client: Client) -> None:
        challenge = challenges(register(client))[0]

        for nc in (1, 2, 3):
            credentials = answer(challenge, "REGISTER", f"sip:{DOMAIN}", nc=nc)
            assert register(client, credentials).statusCode == 200

    def test_aNonceIsNotGoodForEver(self, world: World, client: Client) -> None:
        challenge = challenges(register(client))[0]
        world.clock.advance(301)

        response = register(client, answer(challenge, "REGISTER", f"sip:{DOMAIN}"))

        assert response.statusCode == 401
        assert challenges(response)[0].stale

    @pytest.mark.parametrize(
        "credentials",
        [
            "Digest",
            "Digest username",
            "Basic YWxpY2U6d29uZGVybGFuZA==",
            f'Digest username="alice", realm="{DOMAIN}"',
            f'Digest username="alice", realm="{DOMAIN}", nonce="x", uri="x", response="x", nc=zz, qop=auth',
            'Digest username="alice", realm="elsewhere", nonce="x", uri="x", response="x"',
        ],
    )
    def test_whatProvesNothingIsChallenged(self, client: Client, credentials: str) -> None:
        assert register(client, credentials).statusCode == 401

    def test_credentialsForOthersMayStandBeside(self, client: Client) -> None:
        """RFC 3261 section 22.3."""
        ours = answer(challenges(register(client))[0], "REGISTER", f"sip:{DOMAIN}")
        others = 'Digest username="alice", realm="elsewhere", nonce="x", uri="x", response="x"'

        assert register(client, Authorization=[others, ours]).statusCode == 200


class TestProxy:
    """RFC 3261 section 22.3."""

    URI = f"sip:bob@{DOMAIN}"

    def message(self, client: Client, credentials: object = None, **more: Any) -> Any:
        client.request("MESSAGE", self.URI, {"Proxy-Authorization": credentials, **more}, "Hello")
        return client.take()

    def test_withoutCredentialsThereIsA407(self, client: Client) -> None:
        (response,) = self.message(client)

        assert response.statusCode == 407
        assert len(challenges(response, "Proxy-Authenticate")) == 2

    def test_strangersDoNotLearnWhoExists(self, client: Client) -> None:
        client.request("MESSAGE", f"sip:nobody@{DOMAIN}")

        assert client.one().statusCode == 407

    @pytest.mark.parametrize(
        ("uri", "more", "statusCode"),
        [
            (URI, {}, 407),
            # As if it were within a dialog.
            (URI, {"To": f"<{URI}>;tag=invented"}, 407),
            (URI, {"Max-Forwards": 0}, 483),
            (URI, {"Proxy-Require": "nonsense"}, 420),
            (URI, {"Route": "<nonsense"}, 400),
            (f"sip:{DOMAIN}", {}, 405),
        ],
    )
    def test_whatStrangersAreRefusedLeavesNothing(
        self, world: World, client: Client, uri: str, more: dict[str, Any], statusCode: int
    ) -> None:
        """RFC 3261 section 26.3.2.4: nothing is kept of what anybody may send, not even for an ACK."""
        client.request("INVITE", uri, more)

        assert client.one().statusCode == statusCode
        assert len(world.server.transactions) == 0

    def test_theACKToAChallengeGoesNoFurther(self, world: World, client: Client) -> None:
        bob = self.registered(world, "bob", "builder")
        same = {"Call-ID": "challenged", "From": f"<sip:alice@{DOMAIN}>;tag=from"}
        branch = client.request("INVITE", self.URI, {"CSeq": "1 INVITE", **same})
        to = client.one().getHeader("To")

        via = f"SIP/2.0/WS {client.via};branch={branch}"
        client.request("ACK", self.URI, {"CSeq": "1 ACK", "Via": via, **same}, to=to)

        assert (client.take(), bob.take()) == ([], [])

    def test_withCredentialsItIsForwarded(self, world: World, client: Client) -> None:
        bob = self.registered(world, "bob", "builder")
        (response,) = self.message(client)
        challenge = challenges(response, "Proxy-Authenticate")[0]

        assert self.message(client, answer(challenge, "MESSAGE", self.URI)) == []

        request = bob.one()
        assert request.method == "MESSAGE"
        bob.respond(request, 200)
        assert client.one().statusCode == 200

    @pytest.mark.parametrize("uri", [f"sip:carol@{DOMAIN}", f"sips:bob@{DOMAIN}", "nonsense", ""])
    def test_credentialsForAnotherURIAreRefused(self, world: World, client: Client, uri: str) -> None:
        """RFC 7616 section 3.4.6: who has seen a request cannot send its like to somebody else."""
        bob = self.registered(world, "bob", "builder")
        (response,) = self.message(client)
        challenge = challenges(response, "Proxy-Authenticate")[0]

        (refused,) = self.message(client, answer(challenge, "MESSAGE", uri))

        assert refused.statusCode == 400
        assert bob.take() == []

    def test_aURIMayBeWrittenInAnotherWay(self, world: World, client: Client) -> None:
        bob = self.registered(world, "bob", "builder")
        (response,) = self.message(client)
        challenge = challenges(response, "Proxy-Authenticate")[0]

        uri = f"SIP:b%6fb@{DOMAIN.upper()}"
        assert self.message(client, answer(challenge, "MESSAGE", uri)) == []

        assert bob.one().method == "MESSAGE"

    def test_credentialsForTheServerGoNoFurther(self, world: World, client: Client) -> None:
        """RFC 3261 section 20.28: consumed by the first that expected them."""
        bob = self.registered(world, "bob", "builder")
        (response,) = self.message(client)
        ours = answer(challenges(response, "Proxy-Authenticate")[0], "MESSAGE", self.URI)
        others = 'Digest username="alice", realm="elsewhere", nonce="x", uri="x", response="x"'

        self.message(client, [ours, others])

        assert bob.one().getHeaders("Proxy-Authorization") == [others]

    def test_oneUserIsNotAnother(self, client: Client) -> None:
        (response,) = self.message(client)
        credentials = answer(challenges(response, "Proxy-Authenticate")[0], "MESSAGE", self.URI)

        client.request("MESSAGE", self.URI, {"Proxy-Authorization": credentials}, user="bob")

        assert client.one().statusCode == 403

    def test_aRegisteredConnectionIsNoProof(self, world: World) -> None:
        alice = self.registered(world, "alice", "wonderland")

        (response,) = self.message(alice)

        assert response.statusCode == 407

    def test_theServerItselfIsAskedFreely(self, client: Client) -> None:
        client.request("OPTIONS", f"sip:{DOMAIN}")

        assert client.one().statusCode == 200

    def test_aUserWhoIsNotThereIs480AndNobodyIs404(self, world: World, client: Client) -> None:
        for user, statusCode in (("bob", 480), ("nobody", 404)):
            uri = f"sip:{user}@{DOMAIN}"
            client.request("MESSAGE", uri)
            challenge = client.one().parseHeader("Proxy-Authenticate")
            client.request("MESSAGE", uri, {"Proxy-Authorization": answer(challenge, "MESSAGE", uri)})
            assert client.one().statusCode == statusCode

    def test_requestsWithinADialogAreFree(self, world: World) -> None:
        """Nobody but its two ends know the name of the connection in Record-Route."""
        alice = self.registered(world, "alice", "wonderland")
        bob = self.registered(world, "bob", "builder")
        routes = self.invite(alice, bob)

        alice.request("INFO", "sip:b1@dialog.invalid", {"Route": routes[::-1]}, to=f"<{self.URI}>;tag=to")
        assert bob.one().method == "INFO"
        bob.request("BYE", "sip:a1@dialog.invalid", {"Route": routes}, to="<sip:alice@x>;tag=from")

        assert alice.one().method == "BYE"

    def test_requestsOutsideOfDialogsAreNotFreeForHavingARoute(self, world: World) -> None:
        alice = self.registered(world, "alice", "wonderland")
        bob = self.registered(world, "bob", "builder")
        routes = self.invite(alice, bob)

        alice.request("MESSAGE", self.URI, {"Route": routes[::-1]})
        assert alice.one().statusCode == 407
        alice.request("MESSAGE", self.URI, to=f"<{self.URI}>;tag=to")
        assert alice.one().statusCode == 407
        alice.request("MESSAGE", self.URI, {"Route": f"<sip:made-up@{DOMAIN};lr>"}, to=f"<{self.URI}>;tag=to")

        assert alice.one().statusCode == 407
        assert bob.take() == []

    def invite(self, alice: Client, bob: Client) -> list[str]:
        """Have alice and bob be in a dialog.  Gives the Record-Route that bob has got."""
        alice.request("INVITE", self.URI)
        credentials = answer(alice.one().parseHeader("Proxy-Authenticate"), "INVITE", self.URI)
        alice.request("INVITE", self.URI, {"Proxy-Authorization": credentials})
        invite = bob.one()
        bob.respond(invite, 200, "Contact: <sip:b1@dialog.invalid>")
        assert alice.one().statusCode == 200
        return list(invite.getHeaders("Record-Route"))

    def registered(self, world: World, user: str, password: str) -> Client:
        client = world.client(user)
        contact = f"<sip:{user}@{client.via}>"
        challenge = challenges(register(client, user=user, Contact=contact))[0]
        credentials = answer(challenge, "REGISTER", f"sip:{DOMAIN}", user=user, password=password)
        assert register(client, credentials, user=user, Contact=contact).statusCode == 200
        return client


class TestProtection:
    """RFC 7616 section 3.4.3: with auth-int, the body is a part of what is proven."""

    @pytest.mark.parametrize("qop", [("auth",), ("auth-int",), ("auth", "auth-int")])
    def test_userAgentsCanDoEither(self, qop: tuple[str, ...]) -> None:
        world = UserAgents()
        world.server = EmbeddedServer(world.reactor, users={"alice": "a", "bob": "b"}, qop=qop)
        world.network.server = world.server.factory
        calls: list[Session] = []
        alice = world.start("alice", password="a")
        bob = world.start("bob", lambda userAgent: userAgent.on("invite", calls.append), password="b")
        bob.on("message", lambda _: None)

        assert world.resultOf(alice.message("bob", "Hello")).statusCode == 200
        publication = alice.publish("alice@localhost", "presence", "<x/>", "application/pidf+xml")
        world.resultOf(publication.whenPublished())
        call = alice.invite("bob", "v=0 offer")
        world.network.advance(0)
        world.resultOf(calls[0].accept("v=0 answer"))
        world.resultOf(call.bye())

        for userAgent in (alice, bob):
            world.resultOf(userAgent.stop())

    @pytest.mark.parametrize(("body", "isTaken"), [("Hello", True), ("Send money", False)])
    def test_aBodyThatIsAnotherIsChallenged(self, body: str, isTaken: bool) -> None:
        world = World(users={"alice": "wonderland", "bob": "builder"}, qop=["auth-int"], algorithms=["MD5"])
        client, uri = world.client(), f"sip:alice@{DOMAIN}"
        client.request("MESSAGE", uri, {}, "Hello")
        (challenge,) = challenges(client.one(), "Proxy-Authenticate")
        assert challenge.parameters["qop"] == "auth-int"

        protected = f"MESSAGE:{uri}:{hashlib.md5(b'Hello').hexdigest()}"
        credentials = answer(challenge, "MESSAGE", uri, protected=protected, qop="auth-int")
        client.request("MESSAGE", uri, {"Proxy-Authorization": credentials}, body)

        # She is not there; but who may not send to her is not told.
        assert client.one().statusCode == (480 if isTaken else 407)

    def test_whatIsNoneCannotBeOffered(self) -> None:
        with pytest.raises(ValueError, match="qop"):
            World(qop=["nonsense"])
