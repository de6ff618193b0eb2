"""
Mutated messages: C{python -m tests.message.fuzz 200000}.

For each, L{parseMessage} returns a message or raises L{ParseError}, in less
than L{SLOWEST} seconds of processor time; so does everything that can be read
of the message; and the fast way through the parser and the long one agree.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from sipws.errors import ParseError
from sipws.message import IncomingRequest, IncomingResponse, OutgoingResponse, parseMessage, redact
from sipws.message.limits import DEFAULT_LIMITS
from sipws.message.parser import parseThoroughly
from sipws.message.shortcut import parseCommon
from tests.message.receiving import DATA, receive

#: The most processor time that one message may take, in seconds.
SLOWEST = 0.010

Message = IncomingRequest | IncomingResponse
Mutation = Callable[[random.Random, bytes], bytes]

_TOKENS = (
    b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\x00", b"\x7f", b"\xff", b"\xc3", b"\xe2\x82\xac",
    b"\xed\xa0\x80", b"\t", b" ", b";", b",", b":", b"<", b">", b'"', b"\\", b'\\"', b"%", b"%00",
    b"%zz", b"@", b"=", b"?", b"*", b"[", b"]", b"[::1]", b"::", b"(", b")", b"SIP/2.0", b"SIP/9.9",
    b"sip:", b"sips:", b"tel:+1", b"-1", b"0", b"4294967296", b"99999999999999999999", b"Via: ", b"v:",
    b"f :", b"From:", b"Content-Length: 0\r\n", b"l: 5\r\n", b"CSeq: 1 ", b";tag=", b";branch=z9hG4bK",
    b"\r\n ", b"\r\n\t", b"INVITE ", b"ACK ", b"Max-Forwards: 256\r\n",
    b"Authorization: Digest response=", b"Contact: *\r\n", b"multipart/mixed", b"\xe2\x80\xa8",
    b"\xc2\x85",
)  # fmt: skip


def flipBit(source: random.Random, octets: bytes) -> bytes:
    """Change one bit."""
    place = source.randrange(len(octets))
    return octets[:place] + bytes([octets[place] ^ 1 << source.randrange(8)]) + octets[place + 1 :]


def changeOctet(source: random.Random, octets: bytes) -> bytes:
    """Change one octet."""
    place = source.randrange(len(octets))
    return octets[:place] + bytes([source.randrange(256)]) + octets[place + 1 :]


def deletePart(source: random.Random, octets: bytes) -> bytes:
    """Take a part out."""
    begin = source.randrange(len(octets))
    return octets[:begin] + octets[begin + source.choice((1, 2, 5, 20, 100)) :]


def insertToken(source: random.Random, octets: bytes) -> bytes:
    """Put something in that means something."""
    place = source.randrange(len(octets) + 1)
    return octets[:place] + source.choice(_TOKENS) + octets[place:]


def repeatToken(source: random.Random, octets: bytes) -> bytes:
    """Put something in, many times."""
    place = source.randrange(len(octets) + 1)
    return octets[:place] + source.choice(_TOKENS) * source.choice((2, 10, 100, 3000)) + octets[place:]


def repeatPart(source: random.Random, octets: bytes) -> bytes:
    """Repeat a part."""
    begin = source.randrange(len(octets))
    end = begin + source.choice((1, 3, 10, 40))
    return octets[:end] + octets[begin:end] * source.choice((1, 2, 20, 500)) + octets[end:]


def truncate(source: random.Random, octets: bytes) -> bytes:
    """Cut the end off."""
    return octets[: source.randrange(len(octets) + 1)]


def shuffleLines(source: random.Random, octets: bytes) -> bytes:
    """Change the order of the lines."""
    head, blank, body = octets.partition(b"\r\n\r\n")
    start, *lines = head.split(b"\r\n")
    source.shuffle(lines)
    return b"\r\n".join([start, *lines]) + blank + body


def duplicateLine(source: random.Random, octets: bytes) -> bytes:
    """Have a line twice."""
    lines = octets.split(b"\r\n")
    place = source.randrange(len(lines))
    return b"\r\n".join([*lines[: place + 1], *lines[place:]])


def dropLine(source: random.Random, octets: bytes) -> bytes:
    """Leave a line out."""
    lines = octets.split(b"\r\n")
    place = source.randrange(len(lines))
    return b"\r\n".join([*lines[:place], *lines[place + 1 :]])


def changeCase(source: random.Random, octets: bytes) -> bytes:
    """Write a part in the other case."""
    begin = source.randrange(len(octets))
    end = begin + source.choice((1, 10, 1000))
    return octets[:begin] + octets[begin:end].swapcase() + octets[end:]


def foldLine(source: random.Random, octets: bytes) -> bytes:
    """Fold a line at a space."""
    places = [index for index, octet in enumerate(octets) if octet == 0x20]
    if not places:
        return octets
    place = source.choice(places)
    return octets[:place] + b"\r\n" + octets[place:]


MUTATIONS: tuple[Mutation, ...] = (
    flipBit,
    changeOctet,
    deletePart,
    insertToken,
    repeatToken,
    repeatPart,
    truncate,
    shuffleLines,
    duplicateLine,
    dropLine,
    changeCase,
    foldLine,
)


def seeds() -> list[bytes]:
    """Give the messages that are mutated."""
    return [path.read_bytes() for path in sorted(DATA.glob("*/*")) if path.suffix in (".dat", ".sip")]


def mutants(count: int, seed: int = 4475) -> Iterator[bytes]:
    """
    Give mutated messages, the same ones each time.

    @param count: How many.
    @param seed: Which.
    """
    source, corpus = random.Random(seed), seeds()
    for _ in range(count):
        octets = source.choice(corpus)
        if source.random() < 0.1:
            other = source.choice(corpus)
            octets = octets[: source.randrange(len(octets))] + other[source.randrange(len(other)) :]
        for _ in range(source.choice((1, 1, 1, 2, 3, 6))):
            octets = source.choice(MUTATIONS)(source, octets) if octets else b"\r\n"
        yield octets


@dataclass
class Outcome:
    """
    What a run has seen.

    @ivar parsed: How many were messages.
    @ivar refused: How many were not.
    @ivar answered: How many of those got an answer all the same.
    @ivar slowest: The most processor time that a message took, in seconds.
    @ivar faults: What must not be.
    """

    parsed: int = 0
    refused: int = 0
    answered: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)


def run(count: int, seed: int = 4475) -> Outcome:
    """
    Try mutated messages.

    @param count: How many.
    @param seed: Which.
    """
    outcome = Outcome()
    for number, octets in enumerate(mutants(count, seed)):
        try:
            _try(octets, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
            outcome.faults.append(f"{number}: {type(error).__name__}: {error}: {octets[:2000]!r}")
    return outcome


def _try(octets: bytes, outcome: Outcome) -> None:
    for strict in (False, True):
        spent = timed(partial(parsed, octets, strict))
        outcome.slowest = max(outcome.slowest, spent)
        assert spent < SLOWEST, f"took {spent * 1000:.1f} ms"
    message = parsed(octets, strict=False)
    if message is None:
        outcome.refused += 1
    else:
        outcome.parsed += 1
        readAll(octets, message)
    _, transport = receive(octets)
    outcome.answered += len(transport.sent) if message is None else 0
    redact(octets)
    waysAgree(octets)


def parsed(octets: bytes, strict: bool) -> Message | None:
    """Parse, and give C{None} for what is no message."""
    try:
        return parseMessage(octets, strict=strict)
    except ParseError as error:
        _noted(error)
        return None


def _noted(error: ParseError) -> None:
    """See that an error can be shown."""
    assert str(error)
    assert repr(error)


def timed(call: Callable[[], object]) -> float:
    """Give the processor time that a call takes: the least of some, if the first was long."""
    spent = _timedOnce(call)
    return spent if spent < SLOWEST / 2 else min(spent, *(_timedOnce(call) for _ in range(3)))


def _timedOnce(call: Callable[[], object]) -> float:
    begun = time.thread_time()
    call()
    return time.thread_time() - begun


def readAll(octets: bytes, message: Message) -> None:
    """Read everything that can be read of a message."""
    assert bytes(message) == octets
    assert str(message).encode("utf-8", "surrogateescape") == octets
    assert repr(message)
    for name, value in message.headers:
        assert message.hasHeader(name)
        assert message.getHeader(name.upper()) is not None or not value.strip(", ")
        for index in range(len(message.getHeaders(name)) + 1):
            readOne(partial(message.parseHeader, name, index))
    for attribute in ("via", "fromHeader", "toHeader", "requestURI", "contentType"):
        readOne(partial(getattr, message, attribute, None))
    if isinstance(message, IncomingRequest):
        assert bytes(OutgoingResponse(message, 200, toTag="t", body=b"x"))


def readOne(read: Callable[[], object]) -> None:
    """Read something: ParseError is all that may come of it."""
    try:
        value = read()
    except ParseError as error:
        _noted(error)
    else:
        assert isinstance(str(value), str)
        assert repr(value)


def waysAgree(octets: bytes) -> None:
    """The common form is read by one pattern as it is read the long way."""
    message = parseCommon(octets, DEFAULT_LIMITS)
    if message is None:
        return
    other = parseThoroughly(octets, DEFAULT_LIMITS)
    for name in _routing(message):
        assert getattr(message, name) == getattr(other, name), name
    assert message.headers == other.headers
    assert message.via.branch == message.viaBranch
    assert message.via.sentBy == message.sentBy
    assert message.fromHeader.tag == message.fromTag
    assert message.toHeader.tag == message.toTag
    if isinstance(message, IncomingRequest):
        assert message.parseHeader("Max-Forwards") == other.parseHeader("Max-Forwards")
        assert not message.hasPlainURI or message.requestURI.scheme in ("sip", "sips")


def _routing(message: Message) -> list[str]:
    own = ["requestURIText"] if isinstance(message, IncomingRequest) else ["statusCode", "reasonPhrase"]
    return [
        *own, "version", "method", "callID", "cseq", "cseqMethod", "fromTag", "toTag", "viaBranch", "sentBy",
        "contentLength", "body", "hasMoreVias",
    ]  # fmt: skip


def main(arguments: list[str]) -> int:
    """
    Try as many mutated messages as the first argument says, by the seed that the second is.

    @return: 0 if all went well.
    """
    outcome = run(int(arguments[0]), *(int(argument) for argument in arguments[1:2]))
    for fault in outcome.faults[:20]:
        print(fault)
    print(
        f"{outcome.parsed + outcome.refused} messages: {outcome.parsed} parsed, {outcome.refused} refused "
        f"({outcome.answered} of them answered), {len(outcome.faults)} faults; "
        f"the slowest took {outcome.slowest * 1000:.2f} ms"
    )
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
