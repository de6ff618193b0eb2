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
_SCHEME = re.compile(r"\s*([A-Za-z0-9\-]++)(?=[\s]|$)(?!\s*=)")
_PARAMETER = re.compile(
    r'([^\s=,"]++)\s*=\s*("(?:[^"\\]|\\.)*+"|[^\s,"]++(?=\s*(?:,|$)))|[^\s,]++', re.DOTALL
)

#: What of Digest credentials is no secret (RFC 7616 section 3.4).  C{response} lets guess the password,
#: and C{cnonce} helps; what is not known might do either.
_HARMLESS = frozenset(("username", "realm", "nonce", "uri", "algorithm", "qop", "nc", "opaque", "nextnonce"))

_OTHERS = (
    # userinfo  =  ( user / telephone-subscriber ) [ ":" password ] "@"
    (re.compile(r"(\bsips?:[^\s:@<>\"]{1,256}+:)[^\s@<>\"]++(?=@)", re.IGNORECASE), rf"\1{MASK}"),
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
    for pattern, replacement in _OTHERS:
        text = pattern.sub(replacement, text)
    return text


def _redactCredentials(match: re.Match[str]) -> str:
    value = match[2]
    scheme = _SCHEME.match(value)
    if scheme is None and "info" not in match[1].lower():
        return f"{match[1]} {MASK}"
    begin = f"{match[1]} " if scheme is None else f"{match[1]} {scheme[1]} "
    if scheme is not None and scheme[1].lower() != "digest":
        return begin + MASK
    position = 0 if scheme is None else scheme.end()
    return begin + ", ".join(_redactParameter(each) for each in _PARAMETER.finditer(value, position))


def _redactParameter(match: re.Match[str]) -> str:
    name = match[1]
    if name is None:
        return MASK
    return f"{name}={match[2]}" if name.lower() in _HARMLESS else f"{name}={MASK}"
