"""
The grammar of SIP: RFC 3261 section 25 as named patterns, each beside its ABNF.

What later RFCs and errata corrected is corrected here, and said so.  All
patterns are for text that was unfolded already: linear white space (LWS) is
spaces and tabs, and a line end cannot occur.

Each repetition is possessive (C{*+}, C{++}) or begins with something that
cannot end the one before, so that no text makes a pattern run backwards: the
time for a text is proportional to its length, whatever is in it.

Names ending in C{_CHARS} are the inside of a character class; the others are
pieces of patterns, which compose.  Those at the end are compiled.
"""

from __future__ import annotations

import re

__all__ = [
    "ABSOLUTE_URI",
    "ADDRESS_SPEC",
    "CALL_ID",
    "CSEQ",
    "DISPLAY_NAME",
    "DOMAINLABEL",
    "ESCAPED",
    "GEN_VALUE",
    "HNAME",
    "HOST",
    "HVALUE",
    "IPV4_ADDRESS",
    "LWS",
    "PASSWORD",
    "PNAME",
    "PORT",
    "PVALUE",
    "QUOTED_STRING",
    "SCHEME",
    "SENT_PROTOCOL",
    "SIP_VERSION",
    "SWS",
    "TEXT",
    "TEXT_CHARS",
    "TOKEN",
    "TOKEN_CHARS",
    "TOPLABEL",
    "UNRESERVED_CHARS",
    "USER",
    "VISIBLE",
    "WORD",
    "compiled",
]


def compiled(pattern: str) -> re.Pattern[str]:
    """
    Compile a pattern made of the pieces below.

    Digits, letters and classes are those of ASCII alone, as ABNF's are.
    """
    return re.compile(pattern, re.ASCII)


# ------------------------------------------------------------ 25.1 Basic rules

# LWS  =  [*WSP CRLF] 1*WSP
# SWS  =  [LWS]
LWS = r"[ \t]++"
SWS = r"[ \t]*+"

# unreserved  =  alphanum / mark
# mark        =  "-" / "_" / "." / "!" / "~" / "*" / "'" / "(" / ")"
UNRESERVED_CHARS = r"A-Za-z0-9\-_.!~*'()"

# reserved    =  ";" / "/" / "?" / ":" / "@" / "&" / "=" / "+" / "$" / ","
RESERVED_CHARS = r";/?:@&=+$,"

# escaped     =  "%" HEXDIG HEXDIG
ESCAPED = r"%[0-9A-Fa-f]{2}"

# token       =  1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" )
TOKEN_CHARS = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN = rf"[{TOKEN_CHARS}]++"

# word        =  1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" /
#                "(" / ")" / "<" / ">" / ":" / "\" / DQUOTE / "/" / "[" / "]" / "?" / "{" / "}" )
WORD = rf'[{TOKEN_CHARS}()<>:\\"/\[\]?{{}}]++'

# TEXT-UTF8char   =  %x21-7E / UTF8-NONASCII
# header-value    =  *(TEXT-UTF8char / UTF8-CONT / LWS)
# What is not here are the controls: C0 without HTAB, and DEL.  (UTF8-CONT alone is not UTF-8, and
# cannot occur in decoded text.)
TEXT_CHARS = r"\t -~\x80-\U0010ffff"
TEXT = rf"[{TEXT_CHARS}]*+"

# TEXT-UTF8char
VISIBLE = r"[!-~\x80-\U0010ffff]++"

# quoted-string  =  SWS DQUOTE *(qdtext / quoted-pair ) DQUOTE
# qdtext         =  LWS / %x21 / %x23-5B / %x5D-7E / UTF8-NONASCII
# quoted-pair    =  "\" (%x00-09 / %x0B-0C / %x0E-7F)
QDTEXT_CHARS = r"\t !#-\[\]-~\x80-\U0010ffff"
QUOTED_PAIR = r"\\[\x00-\x09\x0b\x0c\x0e-\x7f]"
QUOTED_STRING = rf'"(?:[{QDTEXT_CHARS}]++|{QUOTED_PAIR})*+"'

# ------------------------------------------------------------------- Addresses

# hostname     =  *( domainlabel "." ) toplabel [ "." ]
# domainlabel  =  alphanum / alphanum *( alphanum / "-" ) alphanum
# toplabel     =  ALPHA / ALPHA *( alphanum / "-" ) alphanum
# Beyond the grammar "_" counts as alphanum: containers and Windows machines have names with it, which
# resolve, and no other meaning of "_" in a host is lost by it.
DOMAINLABEL = r"(?>[A-Za-z0-9_]++(?:-++[A-Za-z0-9_]++)*+)"
TOPLABEL = r"(?>[A-Za-z_][A-Za-z0-9_]*+(?:-++[A-Za-z0-9_]++)*+)"
HOSTNAME = rf"(?:{DOMAINLABEL}\.)*{TOPLABEL}\.?"

# IPv4address    =  1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT "." 1*3DIGIT
IPV4_ADDRESS = r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9])"

# IPv6reference  =  "[" IPv6address "]"
# IPv6address is as RFC 5954 section 4.1 corrects it; beyond its characters, which are these, it is checked
# by the ipaddress module.
IPV6_REFERENCE = r"\[[0-9A-Fa-f:.]{2,45}\]"

# host  =  hostname / IPv4address / IPv6reference
# An IPv4 address first: "1.2.3.4" is no hostname, whose top label begins with a letter.
HOST = rf"(?:{IPV4_ADDRESS}(?![{TOKEN_CHARS}])|{HOSTNAME}|{IPV6_REFERENCE})"

# port  =  1*DIGIT
# Leading zeros do not change it; more than five digits otherwise are none of TCP's.
PORT = r"0*+[0-9]{1,5}(?![0-9])"

# ------------------------------------------------------------------- SIP URIs

# userinfo         =  ( user / telephone-subscriber ) [ ":" password ] "@"
# user             =  1*( unreserved / escaped / user-unreserved )
# user-unreserved  =  "&" / "=" / "+" / "$" / "," / ";" / "?" / "/"
# password         =  *( unreserved / escaped / "&" / "=" / "+" / "$" / "," )
# What a telephone-subscriber may have beyond user must be escaped (section 25.1).
USER = rf"(?:[{UNRESERVED_CHARS}&=+$,;?/]++|{ESCAPED})++"
PASSWORD = rf"(?:[{UNRESERVED_CHARS}&=+$,]++|{ESCAPED})*+"

# other-param       =  pname [ "=" pvalue ]
# pname             =  1*paramchar
# pvalue            =  1*paramchar
# paramchar         =  param-unreserved / unreserved / escaped
# param-unreserved  =  "[" / "]" / "/" / ":" / "&" / "+" / "$"
PNAME = rf"(?:[{UNRESERVED_CHARS}\[\]/:&+$]++|{ESCAPED})++"
PVALUE = PNAME

# headers         =  "?" header *( "&" header )
# header          =  hname "=" hvalue
# hname           =  1*( hnv-unreserved / unreserved / escaped )
# hvalue          =  *( hnv-unreserved / unreserved / escaped )
# hnv-unreserved  =  "[" / "]" / "/" / "?" / ":" / "+" / "$"
HNAME = rf"(?:[{UNRESERVED_CHARS}\[\]/?:+$]++|{ESCAPED})++"
HVALUE = rf"(?:[{UNRESERVED_CHARS}\[\]/?:+$]++|{ESCAPED})*+"

# absoluteURI    =  scheme ":" ( hier-part / opaque-part )
# scheme         =  ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
# opaque-part    =  uric-no-slash *uric
# uric           =  reserved / unreserved / escaped
# hier-part and opaque-part together are any uric.
SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]*+"
URIC = rf"(?:[{RESERVED_CHARS}{UNRESERVED_CHARS}]++|{ESCAPED})++"
ABSOLUTE_URI = rf"{SCHEME}:{URIC}"

# ----------------------------------------------------------------- Start line

# SIP-Version    =  "SIP" "/" 1*DIGIT "." 1*DIGIT
# Case-insensitive (section 7.1).
SIP_VERSION = r"[Ss][Ii][Pp]/[0-9]++\.[0-9]++"

# ---------------------------------------------------------------- Header values

# generic-param  =  token [ EQUAL gen-value ]
# gen-value      =  token / host / quoted-string
# via-received   =  "received" EQUAL (IPv4address / IPv6address)
# The characters of a token, of a host with a port, and of an IPv6address without its brackets.
GEN_VALUE = rf"[{TOKEN_CHARS}\[\]:]++"

# name-addr      =  [ display-name ] LAQUOT addr-spec RAQUOT
# display-name   =  *(token LWS)/ quoted-string
# The LWS before "<" may be missing: a fault of the grammar (RFC 4475 section 3.1.1.6).
DISPLAY_NAME = rf"(?:{QUOTED_STRING}|{TOKEN}(?:{LWS}{TOKEN})*+)"

# RFC 8217 section 3: an addr-spec that has a comma, a question mark or a semicolon stands in "<" and ">".
ADDRESS_SPEC = r"[^<>\",;? \t]++"

# sent-protocol     =  protocol-name SLASH protocol-version SLASH transport
SENT_PROTOCOL = rf"({TOKEN}){SWS}/{SWS}({TOKEN}){SWS}/{SWS}({TOKEN})"

# callid   =  word [ "@" word ]
CALL_ID = rf"{WORD}(?:@{WORD})?"

# CSeq  =  "CSeq" HCOLON 1*DIGIT LWS Method
CSEQ = rf"([0-9]++){LWS}({TOKEN})"
