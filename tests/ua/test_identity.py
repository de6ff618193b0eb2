"""What a user agent makes up for what its configuration leaves open, and says of itself."""

from __future__ import annotations

import re
from random import Random
from typing import Any

import pytest

from sipws.config import Configuration, WsServer
from sipws.ua.identity import Identity, personalize
from sipws.ua.tokens import Tokens


def configuration(**options: Any) -> Configuration:
    return Configuration(**{"uri": "sip:alice@example.com", "wsServers": "ws://localhost", **options})


def identity(seed: int = 1, **options: Any) -> Identity:
    return Identity(personalize(configuration(**options), Tokens(Random(seed))))


class TestPersonalize:
    def test_makesUpWhatIsNotGiven(self) -> None:
        own = identity().configuration
        assert re.fullmatch(r"[a-z0-9]{12}\.invalid", own.viaHost or "")
        assert re.fullmatch(r"[a-z0-9]{5}", own.sipjsId or "")
        assert re.fullmatch(r"[a-z0-9]{8}", own.contactName or "")

    def test_makesItUpForEachUserAgentAnew(self) -> None:
        shared = configuration()
        first = personalize(shared, Tokens(Random(1)))
        second = personalize(shared, Tokens(Random(2)))
        assert (first.viaHost, first.sipjsId, first.contactName) != (
            second.viaHost,
            second.sipjsId,
            second.contactName,
        )

    def test_keepsWhatIsGiven(self) -> None:
        own = identity(viaHost="host.example.com", sipjsId="abc", contactName="me").configuration
        assert (own.viaHost, own.sipjsId, own.contactName) == ("host.example.com", "abc", "me")

    def test_aSharedConfigurationsServersAreNotShared(self) -> None:
        shared = configuration()
        first = personalize(shared, Tokens(Random(1)))
        second = personalize(shared, Tokens(Random(2)))
        first.wsServers[0].status = WsServer.STATUS_ERROR
        assert second.wsServers[0].status == WsServer.STATUS_READY
        assert shared.wsServers[0].status == WsServer.STATUS_READY

    def test_hackIpInContactIsATestNetAddress(self) -> None:
        hosts = {identity(seed, hackIpInContact=True).configuration.viaHost for seed in range(300)}
        assert len(hosts) > 100
        for host in hosts:
            match = re.fullmatch(r"192\.0\.2\.(\d+)", host or "")
            assert match is not None
            assert 1 <= int(match[1]) <= 254

    def test_hackIpInContactMayNameTheHost(self) -> None:
        assert identity(hackIpInContact="198.51.100.7").configuration.viaHost == "198.51.100.7"

    def test_withoutAnAddressItIsAnonymous(self) -> None:
        own = identity(uri=None, register=False).configuration
        assert re.fullmatch(r"sip:anonymous\.[a-z0-9]{6}@anonymous\.invalid", str(own.uri))
        assert str(own.registrarServer) == "sip:anonymous.invalid"
        assert own.uri is not None
        assert own.authorizationUser == own.uri.user

    def test_anAnonymousOneMayHaveAUserNameAndARegistrar(self) -> None:
        own = identity(uri=None, register=False, authorizationUser="1001", registrarServer="sip:example.com")
        assert own.configuration.authorizationUser == "1001"
        assert str(own.configuration.registrarServer) == "sip:example.com"


class TestContact:
    def test_isARandomUserAtARandomHost(self) -> None:
        assert identity(contactName="me", viaHost="x.invalid").contact == "sip:me@x.invalid;transport=ws"

    def test_saysWssWithTheHack(self) -> None:
        assert identity(hackWssInTransport=True).contact.endswith(";transport=wss")

    def test_hasTheTransportThatIsConfigured(self) -> None:
        assert identity(contactTransport="tcp").contact.endswith(";transport=tcp")

    def test_isSecureForASecureAddress(self) -> None:
        assert identity(uri="sips:alice@example.com").contact.startswith("sips:")

    def test_isSecureInARequestToASecureURI(self) -> None:
        assert identity().contactFor("sips", dialog=True).startswith("<sips:")
        assert identity().contactFor("sip", dialog=True).startswith("<sip:")

    def test_saysObInADialogOfAnOutboundUserAgent(self) -> None:
        outbound = identity(instanceId="7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f")
        assert outbound.contactFor("sip", dialog=True).endswith(";transport=ws;ob>")
        assert ";ob" not in outbound.contactFor("sip", dialog=False)
        assert ";ob" not in identity().contactFor("sip", dialog=True)


class TestFrom:
    def test_isTheAddress(self) -> None:
        assert identity().fromPrefix == "<sip:alice@example.com>;tag="

    @pytest.mark.parametrize(
        ("name", "prefix"),
        [
            ("Alice", '"Alice" <sip:'),
            ('Alice "A"', '"Alice \\"A\\"" <sip:'),
            ("back\\slash", '"back\\\\slash" <sip:'),
            ("Zoë", '"Zoë" <sip:'),
        ],
    )
    def test_quotesTheDisplayName(self, name: str, prefix: str) -> None:
        assert identity(displayName=name).fromPrefix.startswith(prefix)


@pytest.mark.parametrize(
    ("user", "ours"), [("alice", True), ("me", True), ("bob", False), ("Alice", False), (None, False)]
)
def test_oursAreTheUserOfTheAddressAndOfTheContact(user: str | None, ours: bool) -> None:
    assert identity(contactName="me").isOurs(user) is ours


class TestTokens:
    def test_wordsAreOfTheLengthAskedFor(self) -> None:
        tokens = Tokens(Random(1))
        for length in (1, 5, 12):
            assert re.fullmatch(rf"[0-9a-z]{{{length}}}", tokens.word(length))

    def test_branchesBeginWithTheMagicCookie(self) -> None:
        assert re.fullmatch(r"z9hG4bK[0-9a-f]{24}", Tokens(Random(1)).branch())

    def test_noTwoAreTheSame(self) -> None:
        tokens = Tokens(Random(1))
        branches = {tokens.branch() for _ in range(2000)}
        assert len(branches) == 2000
        for kind in zip(*[tokens.identifiers() for _ in range(2000)], strict=True):
            assert len(set(kind)) == 2000
