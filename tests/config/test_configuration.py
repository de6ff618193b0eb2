"""The options, their defaults, and what is said of a wrong one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from sipws.config import Configuration, WsServer
from sipws.config.configuration import optionNames, pathOptions
from sipws.config.refused import REFUSED
from sipws.errors import ConfigurationError
from sipws.message import URI

SERVER = "wss://sip.example.com"
ALICE = "sip:alice@example.com"


def configure(**options: Any) -> Configuration:
    return Configuration(**{"uri": ALICE, "wsServers": SERVER, **options})


def refusal(**options: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        configure(**options)
    return caught.value


class TestDefaults:
    #: SIP.js 0.7's own, as its UA.loadConfig has them.
    @pytest.mark.parametrize(
        ("option", "default"),
        [
            ("displayName", ""),
            ("password", None),
            ("registerExpires", 600),
            ("register", True),
            ("wsServerMaxReconnection", 3),
            ("wsServerReconnectionTimeout", 4),
            ("connectionRecoveryMinInterval", 2),
            ("connectionRecoveryMaxInterval", 30),
            ("extraSupported", ()),
            ("usePreloadedRoute", False),
            ("traceSip", False),
            ("hackViaTcp", False),
            ("hackIpInContact", False),
            ("hackWssInTransport", False),
            ("hackAllowUnregisteredOptionTags", False),
            ("contactTransport", "ws"),
            ("forceRport", False),
        ],
    )
    def test_areThoseOfSIPjs(self, option: str, default: object) -> None:
        assert getattr(configure(), option) == default

    @pytest.mark.parametrize(
        ("option", "default"),
        [
            ("connectTimeout", 5),
            ("maxMessageSize", 2**20),
            ("maxTransactions", 10_000),
            ("viaHost", None),
            ("instanceId", None),
            ("caFile", None),
        ],
    )
    def test_areSafeWhereSIPjsHasNone(self, option: str, default: object) -> None:
        assert getattr(configure(), option) == default

    def test_userAgentStringNamesUs(self) -> None:
        assert re.fullmatch(r"sipws/\d+\.\d+\S*", configure().userAgentString)

    @pytest.mark.parametrize("option", optionNames())
    def test_noneStandsForTheDefault(self, option: str) -> None:
        if option in ("uri", "wsServers"):
            assert refusal(**{option: None}).option == option
        else:
            assert configure(**{option: None}) == configure()

    def test_authorizationUserIsTheUserOfTheAddress(self) -> None:
        assert configure().authorizationUser == "alice"
        assert configure(authorizationUser="1001").authorizationUser == "1001"

    def test_registrarIsTheDomainOfTheAddress(self) -> None:
        assert str(configure(uri="sip:alice@example.com:5070").registrarServer) == "sip:example.com:5070"
        assert str(configure(registrarServer="sip:reg.example.net").registrarServer) == "sip:reg.example.net"

    def test_registrarOfASecureAddressIsSecure(self) -> None:
        assert str(configure(uri="sips:alice@example.com").registrarServer) == "sips:example.com"

    def test_hackWssInTransportSetsTheContactsTransport(self) -> None:
        assert configure(hackWssInTransport=True).contactTransport == "wss"


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("sip:alice@example.com", "sip:alice@example.com"),
            ("alice@example.com", "sip:alice@example.com"),
            ("sips:alice@example.com", "sips:alice@example.com"),
            ("alice@[2001:db8::1]:5060", "sip:alice@[2001:db8::1]:5060"),
        ],
    )
    def test_uriIsASIPURIWithAUser(self, given: str, kept: str) -> None:
        assert str(configure(uri=given).uri) == kept

    @pytest.mark.parametrize(
        "given", ["sip:example.com", "tel:+1555", 5, "sip:a b@example.com", "", "@", b"sip:a@b"]
    )
    def test_anythingElseIsRefused(self, given: object) -> None:
        error = refusal(uri=given)
        assert error.option == "uri"
        assert repr(given) in str(error)
        assert "sip:alice@example.com" in error.hint

    def test_aPasswordInTheAddressIsRefusedAndNotShown(self) -> None:
        error = refusal(uri="sip:alice:hunter2@example.com")
        assert error.option == "uri"
        assert "hunter2" not in str(error)
        assert "password" in error.hint

    def test_registrarServerNamesNoUser(self) -> None:
        assert str(configure(registrarServer="example.net").registrarServer) == "sip:example.net"
        assert "RFC 3261" in refusal(registrarServer="sip:bob@example.net").hint

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("proxy.example.net", ["sip:proxy.example.net;lr"]),
            ("sips:p;lr;x=1", ["sips:p;lr;x=1"]),
            (URI.parse("sip:p"), ["sip:p;lr"]),
            (["sip:one;transport=ws", "sip:two;lr"], ["sip:one;transport=ws;lr", "sip:two;lr"]),
            ([], []),
        ],
    )
    def test_outboundProxiesAreLooseRouters(self, given: object, kept: list[str]) -> None:
        assert [str(uri) for uri in configure(outboundProxy=given).outboundProxy] == kept

    @pytest.mark.parametrize("given", ["tel:+1", "sip:p?x=y", 5, b"sip:p", ["sip:p", "<"], "sip:u:hunter2@p"])
    def test_anOutboundProxyIsASIPURI(self, given: object) -> None:
        error = refusal(outboundProxy=given)
        assert error.option == "outboundProxy"
        assert "hunter2" not in str(error)

    @pytest.mark.parametrize("option", ["preferredIdentity", "assertedIdentity"])
    def test_identitiesAreAddresses(self, option: str) -> None:
        given = ["Alice <sip:alice@example.com>", URI.parse("tel:+1")]
        kept = getattr(configure(**{option: given}), option)
        assert [str(each) for each in kept] == ['"Alice" <sip:alice@example.com>', "<tel:+1>"]
        for wrong in (5, b"sip:a", "http://a", [ALICE, ALICE], "<", "sip:a\r\nX: y", [5]):
            assert refusal(**{option: wrong}).option == option

    def test_privacyIsAListOfTokens(self) -> None:
        assert configure(privacy="id;Header").privacy == ("id", "header")
        for wrong in (5, b"id", "", "i d", ["none", "id"], [None]):
            assert refusal(privacy=wrong).option == "privacy"
        assert configure(privacy=[]).privacy == ()

    def test_aGRUUNeedsAnInstance(self) -> None:
        assert "without instanceId" in refusal(gruu="public").problem
        assert "none or public or temporary" in refusal(gruu=True).problem

    def test_toRegisterNeedsAnAddress(self) -> None:
        assert refusal(uri=None).option == "uri"
        assert Configuration(wsServers=SERVER, register=False).uri is None

    def test_serversAreNeeded(self) -> None:
        error = refusal(wsServers=None)
        assert error.option == "wsServers"
        assert "missing" in str(error)


class TestKinds:
    FLAGS = ("register", "traceSip", "forceRport", "usePreloadedRoute", "hackViaTcp", "hackWssInTransport")
    TIMES = (
        "wsServerReconnectionTimeout",
        "connectionRecoveryMinInterval",
        "connectionRecoveryMaxInterval",
        "connectTimeout",
        "closeTimeout",
        "stopTimeout",
        "registerRetryMinInterval",
        "registerRetryMaxInterval",
    )
    NUMBERS = (
        "wsServerMaxReconnection",
        "registerExpires",
        "maxMessageSize",
        "maxTransactions",
        "maxWaitingRequests",
        "maxUnansweredRequests",
    )
    TEXTS = ("displayName", "authorizationUser", "password", "userAgentString")
    WORDS = ("contactName", "contactTransport", "sipjsId")

    @pytest.mark.parametrize("option", FLAGS)
    @pytest.mark.parametrize("value", [0, 1, "true", "yes", []])
    def test_aFlagIsTrueOrFalse(self, option: str, value: object) -> None:
        error = refusal(**{option: value})
        assert error.option == option
        assert repr(value) in str(error)

    @pytest.mark.parametrize("option", TIMES)
    @pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 86_401, "4", True, None])
    def test_aTimeIsAPositiveNumber(self, option: str, value: object) -> None:
        if value is None:
            assert getattr(configure(**{option: value}), option) == getattr(configure(), option)
        else:
            assert refusal(**{option: value}).option == option

    @pytest.mark.parametrize("option", NUMBERS)
    @pytest.mark.parametrize("value", [-1, 2**33, 1.5, "3", True])
    def test_aNumberIsWholeAndInRange(self, option: str, value: object) -> None:
        error = refusal(**{option: value})
        assert error.option == option
        assert repr(value) in str(error)

    def test_noReconnectionAtAllIsAllowed(self) -> None:
        assert configure(wsServerMaxReconnection=0).wsServerMaxReconnection == 0

    @pytest.mark.parametrize("option", TEXTS)
    @pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", 5, b"bytes", "\ud800"])
    def test_aTextHasNoControlCharacters(self, option: str, value: object) -> None:
        assert refusal(**{option: value}).option == option

    @pytest.mark.parametrize("option", TEXTS)
    def test_aTextMayBeAnyOther(self, option: str) -> None:
        assert getattr(configure(**{option: 'Zoë "Z" \\ 😀'}), option) == 'Zoë "Z" \\ 😀'

    @pytest.mark.parametrize("option", WORDS)
    @pytest.mark.parametrize("value", ["a b", "", "a@b", "a;b", "<a>", 5, "é"])
    def test_aWordIsAToken(self, option: str, value: object) -> None:
        assert refusal(**{option: value}).option == option

    @pytest.mark.parametrize(
        "value", ["host", "a.example.com", "192.0.2.1", "[2001:db8::1]", "host:5060", "h."]
    )
    def test_viaHostIsAHost(self, value: str) -> None:
        assert configure(viaHost=value).viaHost == value
        assert configure(hackIpInContact=value).hackIpInContact == value

    @pytest.mark.parametrize("value", ["", "a b", "host:0", "host:65536", "-a", "a;b", "[2001", "a/b", 5])
    def test_nothingElseIs(self, value: object) -> None:
        assert refusal(viaHost=value).option == "viaHost"
        assert refusal(hackIpInContact=value).option == "hackIpInContact"

    def test_hackIpInContactIsAFlagToo(self) -> None:
        assert configure(hackIpInContact=True).hackIpInContact is True

    @pytest.mark.parametrize("prefix", ["", "uuid:", "urn:uuid:", "UUID:"])
    def test_instanceIdIsAUUID(self, prefix: str) -> None:
        bare = "7ac1ed8c-94ad-4a5f-8a87-ce2fbbbcc96f"
        assert configure(instanceId=prefix + bare.upper()).instanceId == bare

    @pytest.mark.parametrize("value", ["", "7ac1ed8c", "7ac1ed8c94ad4a5f8a87ce2fbbbcc96f", 5])
    def test_nothingElseIsAnInstance(self, value: object) -> None:
        assert refusal(instanceId=value).option == "instanceId"

    def test_extraSupportedIsAListOfOptionTags(self) -> None:
        assert configure(extraSupported=["timer", "100rel"]).extraSupported == ("timer", "100rel")
        for wrong in ("timer", ["a b"], [5], 5):
            assert refusal(extraSupported=wrong).option == "extraSupported"

    def test_anUnregisteredOptionTagNeedsTheHack(self) -> None:
        error = refusal(extraSupported=["x-mine"])
        assert "x-mine" in str(error)
        assert "hackAllowUnregisteredOptionTags" in error.hint
        taken = configure(extraSupported=["x-mine"], hackAllowUnregisteredOptionTags=True)
        assert taken.extraSupported == ("x-mine",)

    @pytest.mark.parametrize("option", ["caFile", "clientCertificate", "clientKey", "passwordFile"])
    def test_aFileIsThere(self, option: str, tmp_path: Path) -> None:
        missing = tmp_path / "missing.pem"
        error = refusal(**{option: missing})
        assert error.option == option
        assert "No such file" in str(error)
        assert refusal(**{option: tmp_path}).option == option
        assert refusal(**{option: 5}).option == option

    def test_aFileIsKeptAsItsPath(self, tmp_path: Path) -> None:
        path = tmp_path / "ca.pem"
        path.write_text("-----BEGIN CERTIFICATE-----")
        assert configure(caFile=path).caFile == str(path)

    @pytest.mark.parametrize("option", sorted({*optionNames()} - {"uri", "wsServers"}))
    def test_noOptionTakesJustAnything(self, option: str) -> None:
        assert refusal(**{option: object()}).option == option


class TestOptionsTogether:
    def test_theRecoverysMaximumIsNotBelowItsMinimum(self) -> None:
        error = refusal(connectionRecoveryMinInterval=10, connectionRecoveryMaxInterval=5)
        assert error.option == "connectionRecoveryMaxInterval"
        assert "connectionRecoveryMinInterval" in str(error)
        assert configure(connectionRecoveryMinInterval=5, connectionRecoveryMaxInterval=5)

    def test_theRetrysMaximumIsNotBelowItsMinimum(self) -> None:
        assert (
            refusal(registerRetryMinInterval=10, registerRetryMaxInterval=5).option
            == "registerRetryMaxInterval"
        )

    def test_aKeyNeedsACertificate(self, tmp_path: Path) -> None:
        key = tmp_path / "key.pem"
        key.write_text("key")
        assert refusal(clientKey=key).option == "clientKey"
        assert configure(clientKey=key, clientCertificate=key).clientKey == str(key)


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("wsServer", "wsServers"),
            ("ws_servers", "wsServers"),
            ("WSSERVERS", "wsServers"),
            ("passwd", "password"),
            ("register_expires", "registerExpires"),
            ("traceSIP", "traceSip"),
            ("instance-id", "instanceId"),
            ("stopTimout", "stopTimeout"),
        ],
    )
    def test_theNearestValidKeyIsNamed(self, given: str, meant: str) -> None:
        error = refusal(**{given: "x"})
        assert error.option == given
        assert f"did you mean {meant}?" in str(error)

    def test_whereNothingIsNearNothingIsNamed(self) -> None:
        assert refusal(zzzzqqqq=1).hint == ""

    @pytest.mark.parametrize("given", sorted(REFUSED))
    def test_anOptionOfSIPjsThatIsNotTakenIsExplained(self, given: str) -> None:
        assert REFUSED[given] in str(refusal(**{given: 1}))
        assert given not in optionNames()

    def test_evenAnUnknownKeyWithoutAValueIsRefused(self) -> None:
        with pytest.raises(ConfigurationError):
            Configuration.fromMapping({"uri": ALICE, "wsServers": SERVER, "nonsense": None})


class TestFrozen:
    @pytest.mark.parametrize("option", optionNames())
    def test_cannotBeChangedAfterItWasRead(self, option: str) -> None:
        configuration = configure()
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(configuration, option, None)

    def test_aPersonalCopyLeavesItAsItIs(self) -> None:
        shared = configure()
        own = shared.personal(viaHost="own.invalid")
        assert own.viaHost == "own.invalid"
        assert shared.viaHost is None
        assert own.wsServers == shared.wsServers

    def test_evolveChecksAgain(self) -> None:
        changed = configure().evolve(registerExpires=60)
        assert changed.registerExpires == 60
        with pytest.raises(ConfigurationError):
            changed.evolve(registerExpires=-1)

    def test_aListThatIsChangedLaterChangesNothing(self) -> None:
        tags = ["timer"]
        configuration = configure(extraSupported=tags)
        tags.append("path")
        assert configuration.extraSupported == ("timer",)


class TestTable:
    def test_describesEveryOption(self) -> None:
        rows = Configuration.table()
        assert [row.name for row in rows] == [field.name for field in attrs.fields(Configuration)]
        for row in rows:
            assert row.kind
            assert row.doc.endswith(".")

    def test_namesTheUnitOfEachNumber(self) -> None:
        for row in Configuration.table():
            isNumber = row.kind.startswith(("number", "integer"))
            assert bool(row.unit) == isNumber, row.name

    def test_knowsThePaths(self) -> None:
        assert pathOptions() == {
            "passwordFile",
            "caFile",
            "clientCertificate",
            "clientKey",
            "httpPasswordFile",
            "httpTokenFile",
        }


def test_wsServersAreKeptAsGiven() -> None:
    server = WsServer(SERVER, 5)
    assert configure(wsServers=[server]).wsServers == (server,)
