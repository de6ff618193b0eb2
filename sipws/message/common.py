"""
The common form of a message, as one pattern: the fast way through the parser.

Nearly every message that is met has its headers in canonical spelling, one
space after each colon, nothing folded, and plain addresses.  One match reads
what routing needs from such a head and sees that the rest is well formed.
All that this pattern does not match is read by L{sipws.message.parser} the
long way, which alone says what is malformed.

What matches here is read there, too, and with the same result: each piece is
a part of what the grammar allows, or one of its own pieces.  A test compares
the two on mutated messages.
"""

from __future__ import annotations

import re

from sipws.message.grammar import (
    DOMAINLABEL,
    IPV4_ADDRESS,
    QUOTED_STRING,
    TEXT,
    TOKEN,
    TOKEN_CHARS,
    TOPLABEL,
    UNRESERVED_CHARS,
    VISIBLE,
    WORD,
    compiled,
)

__all__ = ["COMMON_ADDRESS", "COMMON_HEAD", "COMMON_HEADERS", "COMMON_VIA"]

#: How many headers the common form has at most.
COMMON_HEADERS = 64

# Names and IPv4 addresses; ports without leading zeros, of which 60000 and more are left to the long way.
_PORT = r"(?:[1-5][0-9]{4}|[1-9][0-9]{0,3})(?![0-9])"
_HOST = rf"(?:(?:{DOMAINLABEL}\.)*{TOPLABEL}|{IPV4_ADDRESS}(?![{TOKEN_CHARS}]))(?::{_PORT})?"
_URI = rf"sips?:(?:[{UNRESERVED_CHARS}&=+$,;?/]++@)?{_HOST}"
# RFC 8217: without angle brackets no comma, semicolon or question mark.
_BARE_URI = rf"sips?:(?:[{UNRESERVED_CHARS}&=+$/]++@)?{_HOST}"
_ADDRESS = rf"(?:(?:{QUOTED_STRING} ?|(?:{TOKEN} )++)?<{_URI}(?:;user=phone)?>|{_BARE_URI})"

_TAG = rf"(?:;tag=(?P<{{}}>{TOKEN}))?"

# The canonical names that begin as one of those do which are looked for, in any case or as a compact form.
_HARMLESS = (
    r"[ABDEGHJKN-SUW-Zabdeghjkn-suw-z][{TOKEN_CHARS}]*+|"
    r"Contact|Content-(?:Type|Disposition|Encoding|Language|ID)|Call-Info|"
    r"Min-SE|Min-Expires|MIME-Version|Identity|In-Reply-To|Info-Package|Feature-Caps|Flow-Timer|Timestamp"
).replace("{TOKEN_CHARS}", TOKEN_CHARS)


def _once(name: str, pattern: str) -> str:
    """Let a group match the first time only: (?(<name>)(?!)) fails where it has matched."""
    return rf"(?(<{name}>)(?!))(?P<{name}>{pattern})"


_VIA_PARAMETER = (
    rf";(?:branch={_once('branch', TOKEN)}"
    rf"|{_once('received', r'received=[0-9A-Fa-f.:]++')}"
    rf"|{_once('rport', r'rport(?:=[0-9]++)?')})"
)

_VIA = rf"SIP/2\.0/{TOKEN} (?P<sentBy>{_HOST})(?:{_VIA_PARAMETER})*+"

_LINES = (
    # The first Via; of the others, only that there are some.
    rf"Via: (?(<sentBy>)(?P<moreVias>){TEXT}|{_VIA})",
    rf"From: {_once('sender', _ADDRESS)}{_TAG.format('fromTag')}",
    rf"To: {_once('recipient', _ADDRESS)}{_TAG.format('toTag')}",
    rf"Call-ID: {_once('callID', rf'{WORD}(?:@{WORD})?')}",
    rf"CSeq: {_once('cseq', r'[0-9]{1,9}')} (?P<cseqMethod>{TOKEN})",
    rf"Content-Length: {_once('contentLength', r'[0-9]{1,9}')}",
    rf"Max-Forwards: {_once('maxForwards', r'(?:1?[0-9]?[0-9]|2[0-4][0-9]|25[0-5])')}",
    rf"(?:{_HARMLESS}):{TEXT}",
)

_PLAIN_URI = rf"{_URI}(?:;transport=[A-Za-z]++)?(?:;ob)?"

# A Request-URI other than the plainest is looked into later.
_START_LINE = (
    rf"(?:(?P<method>{TOKEN}) (?P<requestURI>(?P<plainURI>{_PLAIN_URI})(?= )|{VISIBLE}) SIP/2\.0"
    rf"|SIP/2\.0 (?P<statusCode>[1-6][0-9][0-9]) (?P<reasonPhrase>{TEXT}))"
)


def _numbered(pattern: str) -> str:
    """Make (?(<name>)...) of pieces that come before their group: there, only numbers are allowed."""
    names = re.findall(r"\(\?P<(\w+)>", pattern)
    return re.sub(r"\(\?\(<(\w+)>\)", lambda match: f"(?({names.index(match[1]) + 1})", pattern)


#: The head of a message in its common form.
COMMON_HEAD = compiled(
    _numbered(rf"{_START_LINE}(?:\r\n(?:{'|'.join(_LINES)})(?=\r\n|\Z)){{1,{COMMON_HEADERS}}}+")
)

#: A value of From or To in its common form.
COMMON_ADDRESS = compiled(f"{_ADDRESS}{_TAG.format('tag')}")

#: An entry of Via in its common form.
COMMON_VIA = compiled(_numbered(_VIA))
