"""
The headers of the messages that are built, for the engines that take headers as text.

The others fill in their own, which come to much the same.
"""

from __future__ import annotations

from random import getrandbits

__all__ = ["CONTACT", "COPIED", "inviteHeaders", "newTag", "registerHeaders"]

CONTACT = "<sip:h2k1@q0v7c2gk1h2m.invalid;transport=ws>"
_INSTANCE = 'reg-id=1;+sip.instance="<urn:uuid:3a6e6a5f-25b4-4a5f-b8b5-2a4cf5bd0e3f>"'

#: What a 200 to an INVITE takes over from it (RFC 3261 sections 8.2.6.2 and 12.1.1), To apart.
COPIED = ("Record-Route", "Via", "From", "Call-ID", "CSeq")


def newTag() -> str:
    """
    Make a tag.

    @return: Ten hexadecimal digits or less.
    """
    return f"{getrandbits(40):x}"


def registerHeaders() -> list[tuple[str, str]]:
    """
    Give a REGISTER's headers, without Content-Length.

    @return: Names and values.
    """
    contact = (
        f'{CONTACT};reg-id=1;+sip.instance="<urn:uuid:3a6e6a5f-25b4-4a5f-b8b5-2a4cf5bd0e3f>";expires=600'
    )
    return [*_headers("REGISTER", "sip:alice@example.test", contact), ("Expires", "600")]


def inviteHeaders() -> list[tuple[str, str]]:
    """
    Give an INVITE's headers, without Content-Length.

    @return: Names and values.
    """
    return [*_headers("INVITE", "sip:bob@example.test", CONTACT), ("Content-Type", "application/sdp")]


def _headers(method: str, recipient: str, contact: str) -> list[tuple[str, str]]:
    return [
        ("Via", f"SIP/2.0/WS q0v7c2gk1h2m.invalid;branch=z9hG4bK{getrandbits(64):x}"),
        ("Max-Forwards", "70"),
        ("To", f"<{recipient}>"),
        ("From", f"<sip:alice@example.test>;tag={newTag()}"),
        ("Call-ID", f"{getrandbits(88):x}"),
        ("CSeq", f"1 {method}"),
        ("Contact", contact),
        ("Allow", "ACK,CANCEL,INVITE,MESSAGE,BYE,OPTIONS,INFO,NOTIFY,REFER,UPDATE"),
        ("Supported", "outbound, path, gruu"),
        ("User-Agent", "benchmark/1"),
    ]
