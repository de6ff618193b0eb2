"""
Globally routable user agent URIs (RFC 5627): what the registrar makes of them,
and what they lead to.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

import attrs

from sipws.message import URI, QuotedString

if TYPE_CHECKING:
    from sipws.message import Contact, IncomingRequest
    from sipws.server.location import Binding

__all__ = ["Gruus", "Instance", "bindingsOf", "supportsGRUU"]

#: How a temporary GRUU is made: a number that is used once, that of the instance, veiled, and an HMAC.
_TEMPORARY = struct.Struct(">8sQ8s")


class Randomness(Protocol):
    """What is needed of C{random.Random}; C{random.SystemRandom} is meant."""

    def getrandbits(self, k: int, /) -> int:
        """Give a number of C{k} random bits."""


@attrs.define(eq=False)
class Instance:
    """
    One user agent of an address of record.  It is there as long as it has a binding.

    @ivar aor: The address of record.
    @ivar urn: What C{+sip.instance} says.
    @ivar public: Its public GRUU.
    @ivar number: What temporary GRUUs know it by.
    """

    aor: str
    urn: str
    public: str
    number: int = 0


def supportsGRUU(request: IncomingRequest) -> bool:
    """Say whether the sender of a REGISTER knows of GRUUs (RFC 5627 section 5.1)."""
    return any(tag.strip().lower() == "gruu" for tag in request.getHeaders("Supported"))


class Gruus:
    """
    Makes the GRUUs of one domain, and finds whose they are.

    Nothing is kept of a temporary one: it says by itself which instance it is
    of, to whoever knows the secret.  So there may be any number of them.
    """

    def __init__(self, domain: str, random: Randomness) -> None:
        """
        @param random: Where the secret comes from, and what hides that two are of one instance.
        """
        self._domain = domain
        self._random = random
        self._secret = random.getrandbits(256).to_bytes(32, "big")
        self._instances: WeakValueDictionary[int, Instance] = WeakValueDictionary()
        self._last = 0

    def instanceOf(
        self, aor: str, user: str, contact: Contact, callID: str, current: Iterable[Binding]
    ) -> Instance | None:
        """
        Give the instance that a Contact is of.

        @param aor: The address of record.
        @param user: Its user.
        @param contact: The Contact of a REGISTER.
        @param callID: The Call-ID of that.
        @param current: The bindings of the address of record.
        @return: The one that there is, or a new one; C{None} where the Contact says nothing of it.
        """
        urn = (contact.parameters.get("+sip.instance") or "").strip().removeprefix("<").removesuffix(">")
        if not urn:
            return None
        bindings = bindingsOf((aor, urn), current)
        if not bindings:
            uri = URI("sip", user=user, host=self._domain, parameters={"gr": urn})
            return self._number(Instance(aor, urn, str(uri)))
        instance = bindings[0].instance
        assert instance is not None
        renewed = [one for one in bindings if one.contact.parameters.get("reg-id") == _regID(contact)]
        if any(one.callID != callID for one in renewed):
            # RFC 5627 section 4.1: "If the Call-ID changes for the registration refresh for a
            # particular reg-id, the server will invalidate all temporary GRUUs associated with that UA
            # instance as a whole."
            self._number(instance)
        return instance

    def _number(self, instance: Instance) -> Instance:
        self._instances.pop(instance.number, None)
        self._last += 1
        instance.number = self._last
        self._instances[instance.number] = instance
        return instance

    def parameters(self, instance: Instance) -> dict[str, str | None]:
        """Give what the Contact of an instance has in the 200 to a REGISTER (section 5.3)."""
        temporary = f"sip:{self._makeTemporary(instance.number)}@{self._domain};gr"
        return {"pub-gruu": QuotedString(instance.public), "temp-gruu": QuotedString(temporary)}

    def owner(self, uri: URI, aor: str) -> tuple[str, str] | None:
        """
        Say whom a GRUU leads to.

        @param uri: It: a URI of the domain, with C{gr}.
        @param aor: The address of record that it would be of if it is a public one.
        @return: The address of record and the instance; C{None}: it leads to nobody.
        """
        urn = uri.parameters["gr"]
        if urn is not None:
            return aor, urn
        instance = self._instances.get(self._readTemporary(uri.user or ""))
        return None if instance is None else (instance.aor, instance.urn)

    # Temporary GRUUs (appendix A.2, in a simpler way).

    def _makeTemporary(self, number: int) -> str:
        once = self._random.getrandbits(64).to_bytes(8, "big")
        veiled = number ^ self._veil(once)
        return _TEMPORARY.pack(once, veiled, self._sign(once, veiled)).hex()

    def _readTemporary(self, user: str) -> int:
        """Give the number of the instance that a user part stands for; 0 where it was not made here."""
        try:
            once, veiled, signature = _TEMPORARY.unpack(bytes.fromhex(user))
        except (ValueError, struct.error):
            return 0
        isOurs = hmac.compare_digest(signature, self._sign(once, veiled))
        return int(veiled) ^ self._veil(once) if isOurs else 0

    def _veil(self, once: bytes) -> int:
        return int.from_bytes(hmac.digest(self._secret, b"veil" + once, "sha256")[:8], "big")

    def _sign(self, once: bytes, veiled: int) -> bytes:
        return hmac.digest(self._secret, once + veiled.to_bytes(8, "big"), "sha256")[:8]


def bindingsOf(owner: tuple[str, str], bindings: Iterable[Binding]) -> list[Binding]:
    """
    Give the bindings of one user agent.

    @param owner: As of L{Gruus.owner}.
    @param bindings: Those of the address of record.
    """
    _, urn = owner
    return [one for one in bindings if one.instance is not None and _same(one.instance.urn, urn)]


def _same(first: str, second: str) -> bool:
    # RFC 8141 section 3.1 compares what this is of URNs without regard to case.
    return first.lower() == second.lower()


def _regID(contact: Contact) -> str | None:
    return contact.parameters.get("reg-id")
