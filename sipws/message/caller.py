"""
Who a request says that it comes from, and what of that is to be kept private:
L{Caller} (RFC 3323, RFC 3325).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from sipws.errors import ParseError
from sipws.message.extensions import Privacy
from sipws.message.incoming import IncomingMessage
from sipws.message.nameaddr import NameAddr

__all__ = ["ANONYMOUS", "Caller"]

#: RFC 3323 section 4.1.1.3: "The full recommended form of the From header for anonymity".
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'

#: "the hostname value 'anonymous.invalid' SHOULD be used for anonymous URIs".
_ANONYMOUS_HOST = "anonymous.invalid"

_SIP = frozenset(("sip", "sips"))


def _identities(value: str | NameAddr | Iterable[str | NameAddr]) -> tuple[NameAddr, ...]:
    given = [value] if isinstance(value, (str, NameAddr)) else value
    return tuple(each if isinstance(each, NameAddr) else NameAddr.parse(each) for each in given)


def _privacy(value: str | Iterable[str]) -> tuple[str, ...]:
    """Take privacy values as a list, or as they stand in the header."""
    if isinstance(value, str):
        value = value.split(";")
    values = tuple(each.strip() for each in value)
    return Privacy(values).values if values else ()


@attrs.frozen(kw_only=True)
class Caller:
    """
    Who a request comes from, for those on its way and for its recipient.

    @ivar preferred: P-Preferred-Identity: as whom a proxy that we trust is to
        assert us, one URI, or a SIP and a tel URI.
    @ivar asserted: P-Asserted-Identity: as whom the sender is asserted.  Only
        what comes from whom we trust is worth anything (RFC 3325 section 8), and
        only such take it from us.
    @ivar privacy: What is to be kept private: C{id}, C{header}, C{session},
        C{user}, C{none}, C{critical} ...
    @ivar anonymous: Whether From says nobody.  It asks for C{id}, too, unless
        other privacy is asked for, as the recipient may be shown the asserted
        identity otherwise.

    @raise ParseError: (a C{ValueError}) An identity is no address, or a privacy value no token.
    @raise ValueError: They do not go together.
    """

    preferred: tuple[NameAddr, ...] = attrs.field(default=(), converter=_identities)
    asserted: tuple[NameAddr, ...] = attrs.field(default=(), converter=_identities)
    privacy: tuple[str, ...] = attrs.field(default=(), converter=_privacy)
    anonymous: bool = False

    def __attrs_post_init__(self) -> None:
        for identities in (self.preferred, self.asserted):
            _checkIdentities(identities)
        # RFC 3323 section 4.2: of "none" and the others, one or the other is meant.
        if "none" in self.privacy and len(self.privacy) > 1:
            raise ValueError("the privacy none stands alone")

    @classmethod
    def of(cls, message: IncomingMessage) -> Caller:
        """
        Read who a message comes from.

        @param message: The message.
        @raise ParseError: One of the headers is malformed.
        @raise ValueError: There are more identities than there may be.
        """
        privacy = message.parseHeader("Privacy")
        return cls(
            preferred=_parsed(message, "P-Preferred-Identity"),
            asserted=_parsed(message, "P-Asserted-Identity"),
            privacy=() if privacy is None else privacy.values,
            anonymous=message.fromHeader.uri.host.lower() == _ANONYMOUS_HOST,
        )

    @property
    def asksFor(self) -> tuple[str, ...]:
        """The values of the Privacy header."""
        return self.privacy or (("id",) if self.anonymous else ())

    def headers(self) -> list[tuple[str, object]]:
        """
        Give the headers of a request that say so.

        From is among them only where it is anonymous: it gets its tag with the request.
        """
        found: list[tuple[str, object]] = [("From", ANONYMOUS)] if self.anonymous else []
        found += [("P-Preferred-Identity", each) for each in self.preferred]
        found += [("P-Asserted-Identity", each) for each in self.asserted]
        if self.asksFor:
            found.append(("Privacy", ";".join(self.asksFor)))
        return found


def _parsed(message: IncomingMessage, name: str) -> list[NameAddr]:
    return [message.parseHeader(name, index) for index in range(len(message.getHeaders(name)))]


def _checkIdentities(identities: tuple[NameAddr, ...]) -> None:
    """
    RFC 3325 section 9.1: "There may be one or two P-Asserted-Identity values.
    If there is one value, it MUST be a sip, sips, or tel URI.  If there are two
    values, one value MUST be a sip or sips URI and the other MUST be a tel URI."
    """
    schemes = ["sip" if each.uri.scheme in _SIP else each.uri.scheme for each in identities]
    if not {"sip", "tel"}.issuperset(schemes):
        raise ParseError("an identity is a sip, sips or tel URI", value=str(identities[0]))
    if len(schemes) != len(set(schemes)):
        raise ParseError("of two identities one is a sip or sips URI, and one a tel URI")
