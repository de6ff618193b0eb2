"""
Hold and resume: the directions of the media in an SDP (RFC 3264 sections 5.1,
6.1 and 8.4).  Nothing else of it is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sipws.session.values import SDP, Description

__all__ = ["answering", "directions", "heldDirections", "isHeld", "isSDP", "newer", "withDirections"]

INACTIVE: Final = "inactive"
RECVONLY: Final = "recvonly"
SENDONLY: Final = "sendonly"
SENDRECV: Final = "sendrecv"

_DIRECTIONS: Final = (SENDRECV, SENDONLY, RECVONLY, INACTIVE)

#: What becomes of a stream on hold.  Section 8.4: "If the stream to be placed on hold was previously a
#: sendrecv media stream, it is placed on hold by marking it as sendonly.  If the stream to be placed on
#: hold was previously a recvonly media stream, it is placed on hold by marking it inactive."
_HELD: Final = {SENDRECV: SENDONLY, RECVONLY: INACTIVE, SENDONLY: SENDONLY, INACTIVE: INACTIVE}

#: What an answer may do, by what the offer does.  Section 6.1: "If a stream is offered as sendonly, the
#: corresponding stream MUST be marked as recvonly or inactive in the answer.  If a media stream is listed
#: as recvonly in the offer, the answer MUST be marked as sendonly or inactive [...]. If an offered media
#: stream is listed as inactive, it MUST be marked as inactive in the answer."
_MAY_SEND: Final = (SENDRECV, RECVONLY)
_MAY_RECEIVE: Final = (SENDRECV, SENDONLY)

_LINE = re.compile(r"\r\n|\n|\r")
_ATTRIBUTE = re.compile(rf"a=({'|'.join(_DIRECTIONS)})[ \t]*")
# o=<username> <sess-id> <sess-version> <nettype> <addrtype> <unicast-address>
_ORIGIN = re.compile(r"(o=\S+ \S+ )([0-9]{1,30})( .*)")
_MEDIA_PORT = re.compile(r"m=\S+ ([0-9]+)")
# What an SDP that holds has somewhere.
_MAY_HOLD = re.compile(rb"a=(?:sendonly|inactive)|c=IN (?:IP4 0\.0\.0\.0|IP6 ::)")
_NOWHERE = re.compile(r"c=IN (?:IP4 0\.0\.0\.0|IP6 ::)\s*")


def isSDP(description: Description | None) -> bool:
    """Say whether a description is one that can be looked into."""
    return description is not None and description.contentType.partition(";")[0].strip().lower() == SDP


def directions(body: bytes) -> list[str]:
    """
    List the directions of the media streams, in their order.

    @param body: An SDP.
    """
    return [_directionOf(section, default) for section, default in _streams(body)]


def heldDirections(wanted: Iterable[str]) -> list[str]:
    """
    Put streams on hold.

    @param wanted: The directions of streams that are not on hold.
    """
    return [_HELD[direction] for direction in wanted]


def withDirections(body: bytes, wanted: Sequence[str]) -> bytes:
    """
    Give the streams other directions.

    @param body: Our SDP.
    @param wanted: By stream; one that is beyond them keeps its own.
    @return: It, in its next version where that changes it.
    """
    current = directions(body)
    if current == [*wanted, *current[len(wanted) :]]:
        return body
    head, *media = _sections(body)
    turned = [
        _turned(section, wanted[index] if index < len(wanted) else current[index])
        for index, section in enumerate(media)
    ]
    return _join([_nextVersion(_without(head)), *turned], body)


def answering(body: bytes, offer: bytes, would: Sequence[str]) -> bytes:
    """
    Give our SDP as the answer to an offer that changes only directions.

    @param body: Our SDP, as it was before.
    @param offer: The peer's SDP.
    @param would: The directions that our streams would have if the offer allows any.
    @return: Ours, in its next version where it is another one.
    """
    offered = directions(offer)
    wanted = [
        _answer(ours, offered[index] if index < len(offered) else SENDRECV)
        for index, ours in enumerate(would)
    ]
    return withDirections(body, wanted)


def newer(body: bytes, last: bytes) -> bytes:
    """
    Give an SDP of ours a version that goes with what has left since it was made.

    @param body: It.
    @param last: The last one that has left.
    @return: It, in the version after that, where it is another one, and not of a later version already.
    """
    version, taken = _versionOf(body), _versionOf(last)
    if body == last or version is None or taken is None or version > taken:
        return body
    head, *media = _sections(body)
    return _join([_inVersion(head, taken + 1), *media], body)


def isHeld(body: bytes) -> bool:
    """
    Say whether an SDP of the peer's puts us on hold: no stream of it wants
    anything of us.

    @param body: The peer's SDP.
    """
    if _MAY_HOLD.search(body) is None:
        # Of most there is nothing more to see.
        return False
    streams = [
        (section, _directionOf(section, default)) for section, default in _streams(body) if _isOpen(section)
    ]
    return bool(streams) and all(
        direction in (SENDONLY, INACTIVE) or _isNowhere(body, section) for section, direction in streams
    )


def _answer(ours: str, offered: str) -> str:
    sends = ours in (SENDRECV, SENDONLY) and offered in _MAY_SEND
    receives = ours in (SENDRECV, RECVONLY) and offered in _MAY_RECEIVE
    if sends:
        return SENDRECV if receives else SENDONLY
    return RECVONLY if receives else INACTIVE


def _sections(body: bytes) -> list[list[str]]:
    """Take an SDP to pieces: what is before the first m=, and each m= with what is under it."""
    sections: list[list[str]] = [[]]
    for line in _LINE.split(body.decode("utf-8", "surrogateescape")):
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _streams(body: bytes) -> Iterable[tuple[list[str], str]]:
    head, *media = _sections(body)
    # RFC 8866 section 6.7: "If none of the attributes [...] is present, "sendrecv" SHOULD be assumed as
    # the default"; one of the session holds for each stream that has none of its own.
    default = _directionOf(head, SENDRECV)
    return [(section, default) for section in media]


def _directionOf(section: list[str], default: str) -> str:
    matches = [match[1] for match in map(_ATTRIBUTE.fullmatch, section) if match is not None]
    return matches[-1] if matches else default


def _without(section: list[str]) -> list[str]:
    return [line for line in section if _ATTRIBUTE.fullmatch(line) is None]


def _turned(section: list[str], direction: str) -> list[str]:
    kept = _without(section)
    # The last line of all ends with a line break, after which there is nothing.
    end = len(kept) - 1 if kept and not kept[-1] else len(kept)
    return [*kept[:end], f"a={direction}", *kept[end:]]


def _nextVersion(head: list[str]) -> list[str]:
    # Section 8: "the version in the origin field MUST increment by one from the previous SDP."
    return [_ORIGIN.sub(lambda match: f"{match[1]}{int(match[2]) + 1}{match[3]}", line) for line in head]


def _inVersion(head: list[str], version: int) -> list[str]:
    return [_ORIGIN.sub(lambda match: f"{match[1]}{version}{match[3]}", line) for line in head]


def _versionOf(body: bytes) -> int | None:
    matches = [match for match in map(_ORIGIN.match, _sections(body)[0]) if match is not None]
    return int(matches[0][2]) if matches else None


def _join(sections: list[list[str]], body: bytes) -> bytes:
    separator = "\r\n" if b"\r\n" in body or b"\n" not in body else "\n"
    return separator.join(line for section in sections for line in section).encode("utf-8", "surrogateescape")


def _isOpen(section: list[str]) -> bool:
    # Section 5.1: "A port number of zero in the offer indicates that the stream is offered but MUST NOT
    # be used."
    match = _MEDIA_PORT.match(section[0])
    return match is None or int(match[1]) > 0


def _isNowhere(body: bytes, section: list[str]) -> bool:
    # Section 8.4: "An agent MUST be capable of receiving SDP with a connection address of 0.0.0.0, in
    # which case it means that neither RTP nor RTCP should be sent to the peer."
    head = _sections(body)[0]
    if any(line.startswith("a=ice-ufrag:") for line in (*head, *section)):
        # RFC 8839 section 4.2.1.2: where ICE says the place later, this stands there until then, with port 9.
        return False
    lines = [line for line in section if line.startswith("c=")]
    lines = lines or [line for line in head if line.startswith("c=")]
    return bool(lines) and all(_NOWHERE.fullmatch(line) is not None for line in lines)
