"""
Messages without their secrets, for traces.
"""

from __future__ import annotations

import re

__all__ = ["MASK", "redact"]

#: What stands in the place of a secret.
MASK = "***"

# The line's end may be any: this is for what is malformed, too.
_LINE = r"[^\r\n]*+"
_FOLDED = rf"{_LINE}(?:(?:\r\n?|\n)[ \t]{_LINE})*+"
_BEGIN = r"(?:^|(?<=\r))[ \t]*+"

_CREDENTIALS = re.compile(
    rf"({_BEGIN}(?:Proxy-)?(?:Authorization|Authentication-Info)[ \t]*+:)({_FOLDED})",
    re.IGNORECASE | re.MULTILINE,
)
_COOKIE = re.compile(rf"({_BEGIN}(?:Set-)?Cookie2?[ \t]*+:){_FOLDED}", re.IGNORECASE | re.MULTILINE)
_SCHEME = re.compile(r"\s*(Digest|Basic|Bearer)(?=\s|$)", re.IGNORECASE)
# A parameter up to the comma after it, or whatever else is there.
_PARAMETER = re.compile(
    r'([A-Za-z]++)\s*=\s*("(?:[^"\\]|\\.)*+"|[^\s,"=;]++)(?=\s*+(?:,|\Z))|[^\s,"]++|"(?:[^"\\]|\\.)*+"?',
    re.DOTALL,
)
# What a value holds that is not closed where it should be.
_SWALLOWED = re.compile(r"response|cnonce", re.IGNORECASE)

#: What of Digest credentials is no secret (RFC 7616 section 3.4).  C{response} lets guess the password,
#: and C{cnonce} helps; what is not known might do either.
_HARMLESS = frozenset(("username", "realm", "nonce", "uri", "algorithm", "qop", "nc", "opaque", "nextnonce"))

# userinfo  =  ( user / telephone-subscriber ) [ ":" password ] "@"
# With or without "@": what was looked at is not looked at again.
_USERINFO = re.compile(r"(\bsips?:)([^\s@<>\"]*+)(@?)", re.IGNORECASE)

_OTHERS = (
    # Headers in a URI (RFC 3261 section 19.1.1).
    (re.compile(r"([?&](?:proxy-)?authorization=)[^&\s>]++", re.IGNORECASE), rf"\1{MASK}"),
    # Keys of media in SDP (RFC 8839 section 5.4, RFC 4568 section 9.1).
    (re.compile(r"^(a=ice-pwd:)\S++", re.MULTILINE), rf"\1{MASK}"),
    (re.compile(r"(\binline:)[^\s|;]++"), rf"\1{MASK}"),
)


def redact(message: bytes | str) -> str:
    """
    Give a message as text, without the secrets in it.

    Masked are: the values of Authorization, Proxy-Authorization and
    Authentication-Info but for what says who is asked for what (C{username},
    C{realm}, C{nonce} ...), cookies, passwords in SIP URIs, and the keys of
    media in SDP.  It need not be a message that can be parsed.

    @param message: The message.
    @return: It; what is not UTF-8 is replaced.
    """
    text = message if isinstance(message, str) else bytes(message).decode("utf-8", "replace")
    text = _CREDENTIALS.sub(_redactCredentials, text)
    text = _COOKIE.sub(rf"\1 {MASK}", text)
    text = _USERINFO.sub(_redactPassword, text)
    for pattern, replacement in _OTHERS:
        text = pattern.sub(replacement, text)
    return text


def _redactPassword(match: re.Match[str]) -> str:
    user, colon, _ = match[2].partition(":")
    return f"{match[1]}{user}:{MASK}@" if colon and match[3] else match[0]


def _redactCredentials(match: re.Match[str]) -> str:
    header, value = match[1], match[2]
    if "info" in header.lower():
        return f"{header} {_redactParameters(value)}"
    scheme = _SCHEME.match(value)
    if scheme is None:
        return f"{header} {MASK}"
    digest = scheme[1].lower() == "digest"
    return f"{header} {scheme[1]} {_redactParameters(value[scheme.end() :]) if digest else MASK}"


def _redactParameters(text: str) -> str:
    return ", ".join(_redactParameter(each) for each in _PARAMETER.finditer(text))


def _redactParameter(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return MASK
    harmless = name.lower() in _HARMLESS and _SWALLOWED.search(match[2]) is None
    return f"{name}={match[2] if harmless else MASK}"
