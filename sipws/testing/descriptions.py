"""
L{CannedDescriptions}: session descriptions for calls that carry no media.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from zope.interface import implementer

from sipws.errors import ParseError
from sipws.interfaces import ISessionDescriptionHandler
from sipws.session import Description
from sipws.session.holding import answering, directions, heldDirections, isSDP, withDirections

if TYPE_CHECKING:
    from sipws.session import Session

__all__ = ["CannedDescriptions"]


class _Stream(NamedTuple):
    """An m= line (RFC 8866 section 5.14), but for the port."""

    media: str
    protocol: str
    formats: str


@implementer(ISessionDescriptionHandler)
class CannedDescriptions:
    """
    What stands for a media engine in tests, and in programs that are about
    signalling alone: SDP that keeps to RFC 3264, with streams that lead nowhere.

    It is for one session: C{ua.invite("bob", handler=CannedDescriptions())},
    or C{session.handler = CannedDescriptions()} where a call comes in.

    @ivar offers: The peer's offers, in their order.
    @ivar answers: The peer's answers, likewise.
    @ivar isClosed: Whether the session is over.
    """

    def __init__(self, name: str = "sipws", media: Iterable[str] = ("audio",)) -> None:
        """
        @param name: Who it is, for the line o=.
        @param media: The kinds of streams that are offered and taken.
        """
        self.offers: list[Description] = []
        self.answers: list[Description] = []
        self.isClosed = False
        self._name = name
        self._media = tuple(media)
        self._version = 0
        # RFC 3264 section 8: "the i-th media stream [...] matches"; once there is one it stays.
        self._streams = [_Stream(kind, "RTP/AVP", "0") for kind in self._media]

    def makeOffer(self, session: Session) -> Description:
        """Offer all streams; on hold, where the session is to be."""
        body = self._write()
        wanted = directions(body)
        return Description(withDirections(body, heldDirections(wanted) if session.isOnHold else wanted))

    def makeAnswer(self, session: Session, offer: Description) -> Description:
        """
        Take the streams of the kinds that are taken, as far as the offer goes.

        @raise ValueError: The offer is no SDP.
        """
        if not isSDP(offer):
            raise ValueError(f"an offer of the type {offer.contentType}")
        self.offers.append(offer)
        self._streams = _streamsOf(offer.body)
        body = self._write()
        would = directions(body)
        return Description(answering(body, offer.body, heldDirections(would) if session.isOnHold else would))

    def takeAnswer(self, session: Session, answer: Description) -> None:
        """Note it."""
        self.answers.append(answer)

    def closed(self, session: Session) -> None:
        """Note it."""
        self.isClosed = True

    def _write(self) -> bytes:
        self._version += 1
        lines = [
            "v=0",
            f"o={self._name} 1 {self._version} IN IP4 192.0.2.1",
            "s=-",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
        ]
        # RFC 3264 section 6: a stream that is not taken has the port 0; 9 is the port of nothing.
        lines += [
            f"m={stream.media} {9 if stream.media in self._media else 0} {stream.protocol} {stream.formats}"
            for stream in self._streams
        ]
        return "".join(f"{line}\r\n" for line in lines).encode()


def _streamsOf(body: bytes) -> list[_Stream]:
    lines = body.decode("utf-8", "replace").splitlines()
    return [_streamOf(line) for line in lines if line.startswith("m=")]


def _streamOf(line: str) -> _Stream:
    parts = line[2:].split()
    if len(parts) < 4:
        raise ParseError("a malformed m= line", value=line)
    return _Stream(parts[0], parts[2], " ".join(parts[3:]))
