"""What stands for a media engine: CannedDescriptions keeps to RFC 3264."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from sipws import ISessionDescriptionHandler
from sipws.session import Description
from sipws.session.holding import directions
from sipws.testing import CannedDescriptions

SESSION: Any = SimpleNamespace(isOnHold=False)
HELD: Any = SimpleNamespace(isOnHold=True)

OFFER = (
    "v=0\r\no=x 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\n"
    "m=video 5000 RTP/AVP 96\r\na=sendonly\r\nm=audio 5002 UDP/TLS/RTP/SAVPF 111 0\r\n"
)


def media(description: Description) -> list[str]:
    return [line for line in description.body.decode().splitlines() if line.startswith("m=")]


class TestCannedDescriptions:
    def test_itIsAHandler(self) -> None:
        assert verifyObject(ISessionDescriptionHandler, CannedDescriptions())

    def test_eachOfferIsTheNextVersion(self) -> None:
        canned = CannedDescriptions("alice", ["audio", "video"])
        first, second = canned.makeOffer(SESSION), canned.makeOffer(SESSION)
        assert b"o=alice 1 1 " in first.body
        assert b"o=alice 1 2 " in second.body
        assert media(first) == ["m=audio 9 RTP/AVP 0", "m=video 9 RTP/AVP 0"]

    def test_anAnswerHasTheStreamsOfTheOffer(self) -> None:
        # Section 6: "For each "m=" line in the offer, there MUST be a corresponding "m=" line in the answer",
        # and a stream that is not taken has the port 0.
        canned = CannedDescriptions(media=["audio"])
        answer = canned.makeAnswer(SESSION, Description(OFFER.encode()))
        assert media(answer) == ["m=video 0 RTP/AVP 96", "m=audio 9 UDP/TLS/RTP/SAVPF 111 0"]
        assert directions(answer.body) == ["recvonly", "sendrecv"]
        assert [offer.body for offer in canned.offers] == [OFFER.encode()]
        # Section 8: a later offer has as many.
        assert media(canned.makeOffer(SESSION)) == media(answer)

    def test_hold(self) -> None:
        canned = CannedDescriptions()
        assert directions(canned.makeOffer(HELD).body) == ["sendonly"]
        answer = canned.makeAnswer(HELD, Description(OFFER.encode()))
        assert directions(answer.body) == ["inactive", "sendonly"]

    @pytest.mark.parametrize(
        "offer", [Description(b"{}", "application/json"), Description(b"v=0\r\nm=audio\r\n")]
    )
    def test_whatIsNoOfferIsRefused(self, offer: Description) -> None:
        with pytest.raises(ValueError, match=r"offer|m="):
            CannedDescriptions().makeAnswer(SESSION, offer)

    def test_theRestIsNoted(self) -> None:
        canned = CannedDescriptions()
        canned.takeAnswer(SESSION, Description(b"v=0"))
        canned.closed(SESSION)
        assert canned.answers == [Description(b"v=0")]
        assert canned.isClosed
