"""Directions of media (RFC 3264)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipws.session.holding import answering, directions, heldDirections, isHeld, isSDP, withDirections
from sipws.session.values import Description

DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

HEAD = "v=0\r\no=alice 2890844526 {version} IN IP4 host.invalid\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


def sdp(*streams: str | None, version: int = 1, session: str | None = None, end: str = "\r\n") -> bytes:
    text = HEAD.format(version=version) + (f"a={session}\r\n" if session else "")
    for index, direction in enumerate(streams):
        text += f"m=audio {4000 + 2 * index} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        text += f"a={direction}\r\n" if direction else ""
    return text.replace("\r\n", end).encode()


def held(body: bytes) -> bytes:
    return withDirections(body, heldDirections(directions(body)))


STREAMS = st.lists(st.sampled_from(DIRECTIONS), min_size=1, max_size=4)


class TestDirections:
    def test_ofTheStreamOrTheSessionOrBothWays(self) -> None:
        assert directions(sdp("sendonly", None)) == ["sendonly", "sendrecv"]
        assert directions(sdp("sendonly", None, session="inactive")) == ["sendonly", "inactive"]
        assert directions(b"") == []

    @pytest.mark.parametrize("end", ["\r\n", "\n"])
    def test_onlyDirectionsAndTheVersionChange(self, end: str) -> None:
        changed = withDirections(sdp("sendrecv", None, end=end), ["sendonly"])
        assert changed == sdp("sendonly", "sendrecv", version=2, end=end)

    def test_whatStaysTheSameIsTheSame(self) -> None:
        # Section 8: "If the version in the origin line does not increment, the SDP MUST be identical".
        assert withDirections(sdp("sendonly", None), ["sendonly"]) == sdp("sendonly", None)

    def test_octetsThatAreNoTextSurvive(self) -> None:
        body = sdp("sendrecv").replace(b"s=-", b"s=\xff\xfe")
        assert b"s=\xff\xfe" in held(body)

    @given(STREAMS, STREAMS)
    def test_wantedDirectionsAreThere(self, before: list[str], after: list[str]) -> None:
        changed = withDirections(sdp(*before), after)
        assert directions(changed) == [*after, *before[len(after) :]][: len(before)]

    @given(st.binary(max_size=200))
    def test_anythingIsTaken(self, body: bytes) -> None:
        for change in (held, isHeld, directions):
            change(body)
        answering(body, body, directions(body))


class TestHold:
    # Section 8.4.
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("sendrecv", "sendonly"),
            ("recvonly", "inactive"),
            ("sendonly", "sendonly"),
            ("inactive", "inactive"),
        ],
    )
    def test_held(self, before: str, after: str) -> None:
        assert directions(held(sdp(before))) == [after]

    @given(STREAMS)
    def test_resumedIsAsItWas(self, streams: list[str]) -> None:
        body = sdp(*streams)
        resumed = withDirections(held(body), streams)
        assert directions(resumed) == streams

    @pytest.mark.parametrize(
        ("offered", "ours", "answered"),
        # Section 6.1.
        [
            ("sendrecv", "sendrecv", "sendrecv"),
            ("sendonly", "sendrecv", "recvonly"),
            ("sendonly", "sendonly", "inactive"),
            ("recvonly", "sendrecv", "sendonly"),
            ("recvonly", "recvonly", "inactive"),
            ("inactive", "sendrecv", "inactive"),
            ("sendrecv", "sendonly", "sendonly"),
        ],
    )
    def test_answers(self, offered: str, ours: str, answered: str) -> None:
        assert directions(answering(sdp(ours), sdp(offered), [ours])) == [answered]

    def test_whoIsHeld(self) -> None:
        assert isHeld(sdp("sendonly", "inactive"))
        assert not isHeld(sdp("sendonly", "sendrecv"))
        assert not isHeld(sdp("recvonly"))
        assert not isHeld(sdp())

    def test_aStreamThatIsOffDoesNotCount(self) -> None:
        assert isHeld(sdp("sendrecv", "sendonly").replace(b"m=audio 4000", b"m=audio 0"))

    def test_theWayOfRFC2543(self) -> None:
        assert isHeld(sdp("sendrecv").replace(b"192.0.2.1", b"0.0.0.0"))
        own = sdp("sendrecv").replace(b"RTP/AVP 0", b"RTP/AVP 0\r\nc=IN IP4 0.0.0.0")
        assert isHeld(own)

    def test_aPlaceThatICEWillSayIsNoHold(self) -> None:
        # A browser's offer before it knows its candidates.
        own = sdp("sendrecv").replace(b"RTP/AVP 0", b"RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:Yq3x")
        assert not isHeld(own.replace(b"m=audio 4000", b"m=audio 9"))
        assert isHeld(own.replace(b"sendrecv", b"sendonly"))


class TestSDP:
    def test_isSDP(self) -> None:
        assert isSDP(Description(b"v=0", "Application/SDP;charset=utf-8"))
        assert not isSDP(Description(b"v=0", "multipart/mixed"))
        assert not isSDP(None)
