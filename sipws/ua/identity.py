"""
Who a user agent is: what its configuration leaves open is made up here, once
for its life, and what its requests say of it is prepared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from sipws.config import Configuration
from sipws.message import URI, Caller
from sipws.message.caller import ANONYMOUS
from sipws.message.given import wanted
from sipws.ua.tokens import Tokens

__all__ = ["Identity", "personalize"]


def personalize(configuration: Configuration, tokens: Tokens) -> Configuration:
    """
    Copy a configuration for one user agent, with nothing left open.

    The servers are its own from here on: their status is that of its own
    connections, however many user agents share the configuration.
    """
    if not isinstance(configuration, Configuration):
        raise wanted(
            "configuration", "a Configuration, such as Configuration(uri=..., wsServers=...)", configuration
        )
    values: dict[str, Any] = {
        "wsServers": tuple(server.fresh() for server in configuration.wsServers),
        "viaHost": _viaHost(configuration, tokens),
        "sipjsId": configuration.sipjsId or tokens.word(5),
        "contactName": configuration.contactName or tokens.word(8),
    }
    if configuration.uri is None:
        values.update(_anonymous(configuration, tokens))
    return configuration.personal(**values)


def _viaHost(configuration: Configuration, tokens: Tokens) -> str:
    if isinstance(configuration.hackIpInContact, str):
        return configuration.hackIpInContact
    if configuration.hackIpInContact:
        # RFC 5737: TEST-NET-1, which leads nowhere.
        return f"192.0.2.{1 + int(tokens.random.random() * 254)}"
    # RFC 7118 appendix B.1: a random domain under .invalid, which no resolver
    # ever answers for, hides that the true address cannot be known.
    return configuration.viaHost or f"{tokens.word(12)}.invalid"


def _anonymous(configuration: Configuration, tokens: Tokens) -> dict[str, Any]:
    uri = URI.parse(f"sip:anonymous.{tokens.word(6)}@anonymous.invalid")
    return {
        "uri": uri,
        "authorizationUser": configuration.authorizationUser or uri.user,
        "registrarServer": configuration.registrarServer or attrs.evolve(uri, user=None),
    }


class Identity:
    """
    What a user agent's requests say of it.

    @ivar configuration: Its own configuration, with nothing left open.
    @ivar uri: Its address of record.
    @ivar domain: Where a target without a domain is looked for.
    @ivar address: The From header of a REGISTER, without the tag.
    @ivar fromPrefix: The From header of other requests, up to the tag.
    @ivar caller: What they say of who they come from beside that, as headers.
    @ivar contact: The Contact header (RFC 7118 section 5.3 and appendix B.1).
    @ivar callIDPrefix: What each Call-ID of ours begins with.
    @ivar findGRUU: Gives a GRUU of ours, where there is one; called with
        whether it must not show who we are.  C{None}: none is to be used.
    """

    __slots__ = (
        "address",
        "callIDPrefix",
        "caller",
        "configuration",
        "contact",
        "domain",
        "findGRUU",
        "fromPrefix",
        "uri",
    )

    def __init__(self, configuration: Configuration) -> None:
        assert configuration.uri is not None
        assert configuration.sipjsId is not None
        self.configuration = configuration
        self.uri = configuration.uri
        self.domain = str(attrs.evolve(self.uri, user=None)).partition(":")[2]
        self.callIDPrefix = configuration.sipjsId
        self.address = f"{_quoted(configuration.displayName)}<{self.uri}>"
        # RFC 3261 section 10.2: From of a REGISTER is "the address-of-record of the person responsible".
        self.fromPrefix = f"{ANONYMOUS if configuration.anonymous else self.address};tag="
        self.caller = _callerHeaders(configuration)
        self.contact = self._contactURI(self.uri.scheme)
        self.findGRUU: Callable[[bool], str | None] | None = None

    def contactFor(self, scheme: str, *, dialog: bool, anonymous: bool = False) -> str:
        """
        Give the Contact header of a request.

        @param scheme: The scheme of its Request-URI.
        @param dialog: Whether the request may make a dialog.
        @param anonymous: Whether it must not show who we are.
        """
        # RFC 3261 section 8.1.1.8: "If the Request-URI or top Route header field
        # value contains a SIPS URI, the Contact header field MUST contain a SIPS
        # URI as well."
        gruu = self._gruu(scheme, anonymous) if dialog and self.findGRUU is not None else None
        if gruu is not None:
            return f"<{gruu}>"
        uri = self._contactURI("sips") if scheme == "sips" else self.contact
        # RFC 5626 section 4.3: a dialog's requests shall come over this very flow.  A GRUU says so by itself.
        ob = ";ob" if dialog and self.configuration.instanceId is not None else ""
        return f"<{uri}{ob}>"

    def _gruu(self, scheme: str, anonymous: bool) -> str | None:
        """
        Give the GRUU for the Contact of a dialog.

        RFC 5627 section 4.4: "A UA SHOULD use a GRUU when populating the
        Contact header field of dialog-forming and target refresh requests and
        responses."
        """
        options = self.configuration
        # "When a UA wishes to construct an anonymous request as described in RFC 3323, it SHOULD use a
        # temporary GRUU."
        temporary = anonymous or options.anonymous or options.gruu == "temporary"
        gruu = None if self.findGRUU is None else self.findGRUU(temporary)
        # The scheme is that of the address of record, and not for us to change (section 4.2).
        isFit = gruu is not None and (scheme != "sips" or gruu.lower().startswith("sips:"))
        return gruu if isFit else None

    def isOurs(self, user: str | None) -> bool:
        """Say whether the user of a Request-URI is this user agent's: of its address or its Contact."""
        return user is not None and user in (self.uri.user, self.configuration.contactName)

    def _contactURI(self, scheme: str) -> str:
        options = self.configuration
        return f"{scheme}:{options.contactName}@{options.viaHost};transport={options.contactTransport}"


def _callerHeaders(configuration: Configuration) -> tuple[tuple[str, str], ...]:
    caller = Caller(
        preferred=configuration.preferredIdentity,
        asserted=configuration.assertedIdentity,
        privacy=configuration.privacy,
        anonymous=configuration.anonymous,
    )
    return tuple((name, str(value)) for name, value in caller.headers() if name != "From")


def _quoted(displayName: str) -> str:
    """Write a display name as a quoted-string (RFC 3261 section 25.1), with a space after it."""
    if not displayName:
        return ""
    escaped = displayName.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" '
