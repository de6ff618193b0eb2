"""
Several flows to one user agent (RFC 5626): what the registrar and the proxy make of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sipws.message import Contact

if TYPE_CHECKING:
    from sipws.message import IncomingRequest
    from sipws.server.location import Binding

__all__ = ["Flow", "flowOf", "flowsOfEach", "supportsOutbound"]

#: What tells a flow from all others of an address of record: C{+sip.instance} and C{reg-id}.
Flow = tuple[str, str]


def supportsOutbound(request: IncomingRequest) -> bool:
    """Say whether the sender of a REGISTER knows of flows (RFC 5626 section 11.4)."""
    return any(tag.strip().lower() == "outbound" for tag in request.getHeaders("Supported"))


def flowOf(contact: Contact) -> Flow | None:
    """
    Say which flow a Contact stands for.

    RFC 5626 section 6: "If the registrar processes a Contact header field
    value with a reg-id but no instance-id, it simply ignores the reg-id
    parameter."

    @return: The flow; C{None}: it is a binding as RFC 3261 knows them.
    """
    instance, number = contact.parameters.get("+sip.instance"), contact.parameters.get("reg-id")
    return (instance, number) if instance and number else None


def flowsOfEach(bindings: Iterable[Binding]) -> list[list[Binding]]:
    """
    Put the flows of each user agent together: that which was heard of last comes first.

    Section 7: "The proxy MUST NOT populate the target set with more than one
    contact with the same AOR and instance-id at a time."
    """
    each: dict[object, list[Binding]] = {}
    for binding in bindings:
        key: object = binding if binding.flow is None else binding.flow[0]
        # Each takes the place of the last of its flows.
        each[key] = [binding, *each.pop(key, ())]
    return list(each.values())
