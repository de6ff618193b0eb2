"""
What holds for every value and every message: typed values round-trip, what is
built parses back, and any octets are a message or a L{ParseError}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from sipws.errors import ParseError
from sipws.message import (
    URI,
    Challenge,
    Contact,
    Credentials,
    CSeq,
    IncomingRequest,
    IncomingResponse,
    MediaType,
    NameAddr,
    OutgoingRequest,
    OutgoingResponse,
    Parameterized,
    Parameters,
    QuotedString,
    Route,
    Via,
    WarningValue,
    parseMessage,
    redact,
)
from sipws.message.headers import splitList
from sipws.message.parameters import quote, unquote
from tests.message import fuzz

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

TOKEN_CHARACTERS = "abcXYZ019-.!%*_+`'~"
tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
names = st.text("abcxyz019-", min_size=1, max_size=8)
#: Anything that can stand in a quoted string.
quotable = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)

labels = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
hostnames = st.builds(
    lambda parts, top: ".".join([*parts, top]),
    st.lists(labels, max_size=3),
    st.from_regex(r"[a-z](?:[a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True),
)
hosts = st.one_of(
    hostnames,
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.none() | st.integers(1, 65535)
uriParameters = st.dictionaries(texts.map(str.lower), st.none() | texts, max_size=4)
#: Names whose values are tokens.
named = st.fixed_dictionaries(
    {}, optional={"tag": tokens, "branch": tokens, "lr": st.none(), "expires": tokens}
)
others = st.dictionaries(names, st.none() | tokens | quotable | quotable.map(QuotedString), max_size=4)
parameters = st.builds(lambda one, other: Parameters({**one, **other}), others, named)

sipURIs = st.builds(
    URI,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.none() | texts,
    host=hosts,
    port=ports,
    parameters=uriParameters,
    headers=st.lists(st.tuples(texts, st.text(st.characters(codec="utf-8"), max_size=8)), max_size=3),
)
telURIs = st.builds(
    URI,
    st.just("tel"),
    user=st.from_regex(r"\+?[0-9][0-9.()-]{0,10}", fullmatch=True),
    parameters=uriParameters,
)
otherURIs = st.builds(
    URI,
    st.sampled_from(["http", "urn", "mailto", "x-a.b+c"]),
    opaque=st.from_regex(r"[a-z0-9;/?:@&=+$,_.!~*'()-]{1,20}(?:%[0-9A-F]{2})?", fullmatch=True),
)
uris = st.one_of(sipURIs, telURIs, otherURIs)
displayNames = st.none() | quotable
nameAddrs = st.builds(NameAddr, displayNames, uris, parameters)
contacts = st.builds(Contact, displayNames, uris, parameters)
routes = st.builds(Route, displayNames, uris, parameters)
vias = st.builds(Via, tokens, hosts, ports, parameters)
cseqs = st.builds(CSeq, st.integers(0, 2**32 - 1), tokens)
authParameters = st.dictionaries(names, tokens | quotable.map(QuotedString), min_size=1, max_size=5)
challenges = st.builds(Challenge, tokens, authParameters)
credentials = st.builds(Credentials, tokens, authParameters) | st.builds(
    Credentials,
    st.sampled_from(["Basic", "Bearer"]),
    token=st.from_regex(r"[A-Za-z0-9._~+/-]{1,20}={0,2}", fullmatch=True),
)
mediaTypes = st.builds(MediaType, tokens, tokens, parameters)
parameterized = st.builds(Parameterized, tokens, parameters)
warnings = st.builds(WarningValue, st.integers(100, 999), hosts, quotable)
values = st.one_of(
    uris,
    nameAddrs,
    contacts,
    routes,
    vias,
    cseqs,
    challenges,
    credentials,
    mediaTypes,
    parameterized,
    warnings,
)
plain = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


def parsed(parse: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Give what was parsed, or the ParseError that says why not."""
    try:
        return parse(*arguments, **named)
    except ParseError as error:
        return error


@SETTINGS
@given(values)
@example(Contact.parse("*"))
@example(NameAddr("", URI("sip", host="a"), {"x": "", "y": "a b"}))
def test_typed_values_round_trip(value: Any) -> None:
    text = str(value)
    parsed = type(value).parse(text)
    assert parsed == value
    assert str(parsed) == text
    assert hash(parsed) == hash(value)


@SETTINGS
@given(uris)
def test_a_URI_is_equivalent_to_itself(uri: URI) -> None:
    assert uri.equivalent(URI.parse(str(uri)))


@SETTINGS
@given(uris)
def test_a_URI_is_printable_ASCII_without_spaces(uri: URI) -> None:
    text = str(uri)
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@SETTINGS
@given(quotable)
def test_quoted_strings_round_trip(text: str) -> None:
    assert unquote(quote(text)) == text


@SETTINGS
@given(st.lists(nameAddrs | routes | vias, min_size=1, max_size=5), st.sampled_from([",", ", ", " ,\t"]))
def test_what_was_joined_is_split(entries: list[Any], comma: str) -> None:
    assert splitList(comma.join(map(str, entries))) == [str(entry) for entry in entries]


@SETTINGS
@given(st.text(max_size=200))
def test_any_text_is_a_value_or_a_ParseError(text: str) -> None:
    for kind in (
        URI,
        NameAddr,
        Contact,
        Route,
        Via,
        CSeq,
        Challenge,
        Credentials,
        MediaType,
        Parameterized,
        WarningValue,
    ):
        value = parsed(kind.parse, text)
        if isinstance(value, ParseError):
            assert value.position is not None
            assert 0 <= value.position <= len(text)
        else:
            assert kind.parse(str(value)) == value
    splitList(text)
    redact(text)


@SETTINGS
@given(st.binary(max_size=300))
def test_any_octets_are_a_message_or_a_ParseError(octets: bytes) -> None:
    for strict in (False, True):
        message = parsed(parseMessage, octets, strict)
        assert str(message)
        assert isinstance(message, ParseError) or bytes(message) == octets


@SETTINGS
@given(st.text(max_size=300))
def test_any_text_is_a_message_or_a_ParseError(text: str) -> None:
    assert str(parsed(parseMessage, text))
    assert str(parsed(parseMessage, text.encode("utf-8", "surrogatepass"), strict=True))


@SETTINGS
@given(
    method=tokens,
    uri=uris,
    sender=nameAddrs,
    recipient=nameAddrs,
    hops=st.lists(vias, min_size=1, max_size=3),
    number=st.integers(0, 2**32 - 1),
    callID=st.from_regex(r"[a-z0-9.!%*_+`'~()<>:\\\"/\[\]?{}-]{1,20}(@[a-z0-9.-]{1,9})?", fullmatch=True),
    contact=contacts,
    subject=plain,
    body=st.binary(max_size=50),
)
def test_what_is_built_parses_back(
    method: str,
    uri: URI,
    sender: NameAddr,
    recipient: NameAddr,
    hops: list[Via],
    number: int,
    callID: str,
    contact: Contact,
    subject: str,
    body: bytes,
) -> None:
    # NUL can be read but not be handed over.
    assume("\0" not in "".join(map(str, [sender, recipient, *hops, contact])))
    built = OutgoingRequest(
        method,
        uri,
        [
            *(("Via", via) for via in hops),
            ("From", sender),
            ("To", recipient),
            ("Call-ID", callID),
            ("CSeq", CSeq(number, method)),
            ("Contact", contact),
            ("Subject", subject),
        ],
        body,
    )
    octets = bytes(built)
    message = parseMessage(octets, strict=True)
    assert isinstance(message, IncomingRequest)
    assert (message.method, message.requestURI, message.body) == (method, uri, body)
    assert (message.fromHeader, message.toHeader, message.via) == (sender, recipient, hops[0])
    assert (message.callID, message.cseq, message.cseqMethod) == (callID, number, method)
    assert (message.fromTag, message.toTag, message.viaBranch) == (sender.tag, recipient.tag, hops[0].branch)
    assert message.parseHeader("Contact") == contact
    assert message.getHeader("Subject") == subject.strip(" \t")
    assert (built.callID, built.cseq, built.viaBranch) == (message.callID, message.cseq, message.viaBranch)
    fuzz.waysAgree(octets)
    answer(message)


def answer(message: IncomingRequest) -> None:
    """An answer to any request that parses is one."""
    back = parseMessage(bytes(OutgoingResponse(message, 200, toTag="t", body="ë")))
    assert isinstance(back, IncomingResponse)
    assert back.getLines("Via") == message.getLines("Via")
    assert (back.callID, back.cseq, back.method) == (message.callID, message.cseq, message.cseqMethod)
    assert (back.fromTag, back.toTag) == (message.fromTag, message.toTag or "t")
    assert back.body == "ë".encode()
