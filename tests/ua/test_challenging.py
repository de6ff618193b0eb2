"""Applications that have whoever sends them requests prove who they are (RFC 3261 section 22.2)."""

from __future__ import annotations

from typing import Any

import pytest

from sipws.digest import Authenticator, DigestVerifier, Proof
from sipws.errors import SessionFailed
from sipws.message import IncomingRequest
from sipws.session import Session
from sipws.subscription import Notifier
from sipws.ua import Reply
from tests.session.pair import ANSWER, OFFER, Pair
from tests.ua.fakes import outcome


class Guarded(Pair):
    """Alice, who has a password, and Bob, who wants to know who asks."""

    def __init__(self, password: str | None = "secret", **options: Any) -> None:
        super().__init__(password=password)
        verifier = DigestVerifier("bob.example.com", self.bob.scene.clock.seconds, b"x" * 16, **options)
        self.authenticator = Authenticator(verifier, {"alice": "secret"}.get)
        self.proofs: list[Proof] = []

    def examine(self, request: IncomingRequest) -> Proof:
        self.proofs.append(self.authenticator.examine(request))
        return self.proofs[-1]

    def answerCalls(self) -> None:
        """Have Bob accept the calls of those whom he knows."""

        def ring(session: Session) -> None:
            proof = self.examine(session.request)
            if proof.user is None:
                session.reject(401, headers=proof.headers)
            else:
                session.accept(ANSWER, headers=proof.headers).addErrback(lambda _: None)

        self.bob.ua.on("invite", ring)

    def answerMessages(self) -> None:
        """Have Bob take the messages of those whom he knows."""

        def take(request: IncomingRequest) -> Reply:
            proof = self.examine(request)
            return Reply(200 if proof.user is not None else 401, headers=proof.headers)

        self.bob.ua.handle("MESSAGE", take)

    def send(self) -> Any:
        sent = outcome(self.alice.ua.message("bob", "hello"))
        self.pump()
        return sent[0]


class TestCalls:
    def test_whoCanProveItIsLetIn(self) -> None:
        pair = Guarded()
        pair.answerCalls()
        pair.alice.call(body=OFFER)
        assert pair.pump() == ["> INVITE", "< 401 INVITE", "> ACK", "> INVITE", "< 200 INVITE", "> ACK"]
        assert [proof.user for proof in pair.proofs] == [None, "alice"]
        # What the 200 says of us holds good: nothing is logged of an impostor.
        assert pair.alice.session.state == pair.bob.session.state == "confirmed"
        pair.finish()

    @pytest.mark.parametrize("password", ["wrong", None])
    def test_whoCannotIsNot(self, password: str | None) -> None:
        pair = Guarded(password)
        pair.answerCalls()
        accepted = outcome(pair.alice.call(body=OFFER).whenAccepted())
        pair.pump()
        [error] = accepted
        assert isinstance(error, SessionFailed)
        assert error.statusCode == 401
        assert {proof.user for proof in pair.proofs} == {None}
        pair.finish()


class TestOtherRequests:
    def test_aHandlersReplyChallenges(self) -> None:
        pair = Guarded()
        pair.answerMessages()
        assert pair.send().statusCode == 200
        assert [proof.user for proof in pair.proofs] == [None, "alice"]
        pair.finish()

    def test_whoIsKnownNeedNotBeAskedAgain(self) -> None:
        pair = Guarded()
        pair.answerMessages()
        first, second = pair.send(), pair.send()
        assert first.statusCode == second.statusCode == 200
        assert [proof.user for proof in pair.proofs] == [None, "alice", "alice"]
        pair.finish()

    def test_aNonceThatIsTooOldIsNoWrongPassword(self) -> None:
        pair = Guarded(lifetime=60)
        pair.answerMessages()
        assert pair.send().statusCode == 200
        pair.wait(100, 1)
        assert pair.send().statusCode == 200
        assert [proof.user for proof in pair.proofs] == [None, "alice", None, "alice"]
        # RFC 7616 section 3.3: "indicating that the previous request from the client was rejected because
        # the nonce value was stale".
        assert {str(value).endswith("stale=true") for _, value in pair.proofs[2].headers} == {True}
        pair.finish()

    def test_aReplayProvesNothing(self) -> None:
        pair = Guarded()
        pair.answerMessages()
        assert pair.send().statusCode == 200
        [proof] = [proof for proof in pair.proofs if proof.user is not None]
        request = OTHER.format(credentials=proof.credentials)
        pair.bob.scene.transport.receive(request)
        assert pair.proofs[-1].user is None
        pair.bob.scene.transport.sent.clear()
        pair.finish()

    def test_subscribersTheSame(self) -> None:
        pair = Guarded()

        def subscribed(notifier: Notifier) -> None:
            assert notifier.request is not None
            proof = pair.examine(notifier.request)
            if proof.user is None:
                notifier.reject(401, headers=proof.headers)
            else:
                notifier.accept("<open/>", "application/pidf+xml")

        pair.bob.ua.on("subscribe", subscribed)
        subscription = pair.alice.ua.subscribe("bob", "presence")
        pair.pump()
        assert subscription.state == "active"
        assert [proof.user for proof in pair.proofs] == [None, "alice"]
        subscription.unsubscribe()
        pair.finish()


OTHER = "\r\n".join(
    [
        "MESSAGE sip:bob@example.com SIP/2.0",
        "Via: SIP/2.0/WS mallory.invalid;branch=z9hG4bKreplay",
        "Max-Forwards: 70",
        "From: <sip:alice@example.com>;tag=mallory",
        "To: <sip:bob@example.com>",
        "Call-ID: replay",
        "CSeq: 1 MESSAGE",
        "Authorization: {credentials}",
        "Content-Length: 0",
        "",
        "",
    ]
)


class TestAuthenticator:
    def test_ofSeveralCredentialsThoseForTheRealmCount(self) -> None:
        pair = Guarded()
        pair.answerMessages()
        others = 'Digest username="alice", realm="else", nonce="1", uri="sip:x", response="0"'
        sent = outcome(pair.alice.ua.message("bob", "hello", headers=[("Authorization", others)]))
        pair.pump()
        assert [each.statusCode for each in sent] == [200]
        pair.finish()

    def test_asAProxyTheHeadersAreOthers(self) -> None:
        pair = Guarded()
        verifier = DigestVerifier("proxy", pair.bob.scene.clock.seconds, b"x" * 16)
        authenticator = Authenticator(verifier, {"alice": "secret"}.get, asProxy=True)
        proofs: list[Proof] = []

        def take(request: IncomingRequest) -> Reply:
            proofs.append(authenticator.examine(request))
            return Reply(407 if proofs[-1].user is None else 200, headers=proofs[-1].headers)

        pair.bob.ua.handle("MESSAGE", take)
        assert pair.send().statusCode == 200
        assert [name for name, _ in proofs[0].headers] == ["Proxy-Authenticate", "Proxy-Authenticate"]
        assert proofs[1].user == "alice"
        pair.finish()

    def test_nothingShowsASecret(self) -> None:
        pair = Guarded()
        pair.answerMessages()
        pair.send()
        proof = pair.proofs[-1]
        assert proof.credentials is not None
        response = proof.credentials.parameters["response"]
        assert response
        assert response not in repr(proof)
        assert repr(pair.authenticator) == "<Authenticator 'bob.example.com'>"
        pair.finish()
