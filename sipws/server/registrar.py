"""
The registrar (RFC 3261 section 10.3; RFC 5626 section 6; RFC 5627 section 5).
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING

import attrs

from sipws.errors import ParseError
from sipws.message import Contact, Parameters
from sipws.message.values import formatDate
from sipws.server.gruu import supportsGRUU
from sipws.server.location import Binding
from sipws.server.outbound import flowOf, supportsOutbound
from sipws.server.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.interfaces import IReactorTime

    from sipws.message import IncomingRequest
    from sipws.server.connection import Connection
    from sipws.server.gruu import Gruus, Instance
    from sipws.server.limits import ServerLimits
    from sipws.server.location import Locations
    from sipws.server.outbound import Flow

__all__ = ["Registrar"]

#: Parameters of a Contact that the registrar gives.
_OURS = frozenset(("expires", "pub-gruu", "temp-gruu"))

#: What a malformed expiration counts as: RFC 3261 section 20.10, "Malformed
#: values SHOULD be treated as equivalent to 3600."
MALFORMED_EXPIRES = 3600


@attrs.frozen
class _Registration:
    """
    A REGISTER that is being carried out.

    @ivar aor: The address of record.
    @ivar expires: Its Expires header; C{None} without one.
    @ivar outbound: Whether its sender knows of flows.
    """

    aor: str
    request: IncomingRequest
    connection: Connection
    current: Sequence[Binding]
    expires: int | None
    outbound: bool

    def flowOf(self, contact: Contact) -> Flow | None:
        """Say which flow one of its contacts stands for."""
        return flowOf(contact) if self.outbound else None

    def changes(self, binding: Binding, contact: Contact) -> bool:
        """
        Say whether a contact of its is about a binding that there is.

        RFC 5626 section 6: of a flow, "the corresponding binding is between an AOR and
        the combination of the instance-id [...] and the value of [the] reg-id".
        """
        flow = self.flowOf(contact)
        return binding.uri.equivalent(contact.uri) if flow is None else binding.flow == flow


class Registrar:
    """
    Carries out REGISTER requests.

    Whether their senders may is not its concern.
    """

    def __init__(self, locations: Locations, limits: ServerLimits, clock: IReactorTime, gruus: Gruus) -> None:
        """
        @param gruus: What makes the GRUUs of those who ask for them.
        """
        self._locations = locations
        self._gruus = gruus
        self._limits = limits
        self._clock = clock

    def register(
        self, aor: str, request: IncomingRequest, connection: Connection
    ) -> list[tuple[str, object]]:
        """
        Carry out a REGISTER, steps 6 to 8 of the section.

        @param aor: The address of record, in its canonical form.
        @param request: The REGISTER.
        @param connection: What it came on: its contacts are reached by that.
        @return: The headers of the 200.
        @raise Refused: It is not carried out, and nothing has changed.
        @raise ParseError: Likewise: a Contact is malformed.
        """
        registration = _Registration(
            aor,
            request,
            connection,
            self._locations.find(aor),
            _expiresHeader(request),
            supportsOutbound(request),
        )
        contacts = _contacts(request)
        if any(contact.isStar for contact in contacts):
            self._locations.replace(self._wildcard(registration, len(contacts)), ())
        else:
            self._update(registration, contacts)
        listed = self._listed(aor, withGRUUs=supportsGRUU(request))
        if any(registration.flowOf(contact) is not None for contact in contacts):
            # RFC 5626 section 6: "the registrar MUST include the outbound option-tag in a Require
            # header field value in its response".
            listed.append(("Require", "outbound"))
        return listed

    def _wildcard(self, registration: _Registration, contacts: int) -> Sequence[Binding]:
        """
        Step 6: "If the request has additional Contact fields or an expiration
        time other than zero, the request is invalid, and the server MUST
        return a 400 (Invalid Request)".
        """
        if contacts > 1 or registration.expires != 0:
            raise Refused(400, 'Contact "*" Is for Expires 0, and Alone')
        for binding in registration.current:
            _refuseOlder(registration.request, binding)
        return registration.current

    def _update(self, registration: _Registration, contacts: Sequence[Contact]) -> None:
        """Step 7: each contact address in turn; all of them or none."""
        old: list[Binding] = []
        new: dict[int, Binding] = {}
        for contact in contacts:
            expires = self._interval(contact, registration.expires)
            known = [binding for binding in registration.current if registration.changes(binding, contact)]
            for binding in known:
                _refuseOlder(registration.request, binding)
            old += [binding for binding in known if binding not in old]
            if expires > 0:
                self._add(new, registration, contact, expires)
        self._refuseTooMany(len(registration.current), len(new) - len(old))
        for binding in new.values():
            # It may end what the temporary GRUUs of before lead to: nothing is refused any more.
            binding.instance = self._instanceOf(registration, binding.contact)
        self._locations.replace(old, new.values())

    def _add(
        self, new: dict[int, Binding], registration: _Registration, contact: Contact, expires: int
    ) -> None:
        same = (index for index, binding in new.items() if registration.changes(binding, contact))
        new[next(same, len(new))] = Binding(
            registration.aor,
            contact,
            registration.connection,
            registration.request.callID,
            registration.request.cseq,
            self._clock.seconds() + expires,
            registration.flowOf(contact),
        )

    def _instanceOf(self, registration: _Registration, contact: Contact) -> Instance | None:
        request = registration.request
        user = request.toHeader.uri.user or ""
        return self._gruus.instanceOf(registration.aor, user, contact, request.callID, registration.current)

    def _interval(self, contact: Contact, expires: int | None) -> int:
        """
        Give the duration of a binding, in seconds.

        "If and only if the requested expiration interval is greater than zero
        AND smaller than one hour AND less than a registrar-configured minimum,
        the registrar MAY reject the registration with a response of 423
        (Interval Too Brief).  This response MUST contain a Min-Expires header
        field".
        """
        asked = expires if contact.expires is None else contact.expires
        if asked is None:
            asked = self._limits.defaultExpires
        if 0 < asked < self._limits.minExpires:
            raise Refused(423, headers=[("Min-Expires", self._limits.minExpires)])
        return min(asked, self._limits.maxExpires)

    def _refuseTooMany(self, current: int, more: int) -> None:
        full = self._locations.count + more > self._limits.maxBindings
        if full or current + more > self._limits.maxBindingsPerUser:
            raise Refused(503, "Too Many Bindings", [("Retry-After", self._limits.minExpires)])

    def _listed(self, aor: str, *, withGRUUs: bool) -> list[tuple[str, object]]:
        """
        Step 8: "The response MUST contain Contact header field values
        enumerating all current bindings.  Each Contact value MUST feature an
        "expires" parameter [...].  The response SHOULD include a Date header
        field."
        """
        now = self._clock.seconds()
        bindings = self._locations.find(aor)
        return [
            *(("Contact", self._describe(binding, now, withGRUUs=withGRUUs)) for binding in bindings),
            ("Date", formatDate(datetime.fromtimestamp(now, UTC))),
        ]

    def _describe(self, binding: Binding, now: float, *, withGRUUs: bool) -> Contact:
        """
        Describe a binding.

        RFC 5627 section 5.3: to a REGISTER with C{gruu} in Supported, each Contact
        with C{+sip.instance} has the GRUUs of that instance.
        """
        parameters = {name: value for name, value in binding.contact.parameters.items() if name not in _OURS}
        parameters["expires"] = str(ceil(binding.expires - now))
        if withGRUUs and binding.instance is not None:
            parameters |= self._gruus.parameters(binding.instance)
        return Contact(None, binding.uri, Parameters(parameters))


def _expiresHeader(request: IncomingRequest) -> int | None:
    try:
        value = request.parseHeader("Expires")
    except ParseError:
        return MALFORMED_EXPIRES
    return value if isinstance(value, int) else None


def _contacts(request: IncomingRequest) -> list[Contact]:
    found = [request.parseHeader("Contact", index) for index in range(len(request.getHeaders("Contact")))]
    return [contact for contact in found if isinstance(contact, Contact)]


def _refuseOlder(request: IncomingRequest, binding: Binding) -> None:
    """
    Refuse a request that is older than the binding it would change.

    Step 7: "If [the Call-IDs] are the same, the registrar compares the CSeq
    value.  If the value is higher than that of the existing binding, it MUST
    update or remove the binding as above.  If not, the update MUST be aborted
    and the request fails."
    """
    if request.callID == binding.callID and request.cseq <= binding.cseq:
        raise Refused(500, "CSeq Out of Order")
