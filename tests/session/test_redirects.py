"""Where redirections lead to (RFC 3261 section 8.1.3.4)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipws.message import URI
from sipws.session.embedded import Target
from sipws.session.redirects import TargetSet
from tests.session.messages import response


def places(targets: TargetSet) -> list[str]:
    return [str(uri) for uri in iter(targets.next, None)]


def targetSet(first: str = "sip:bob@example.com", limit: int = 5) -> TargetSet:
    return TargetSet(URI.parse(first), limit)


class TestTargetSet:
    def test_theLikeliestFirst(self) -> None:
        targets = targetSet()
        targets.add(response(300, "Contact: <sip:a@x>;q=0.3, <sip:b@x>", "Contact: <sip:c@x>;q=0.7"))
        assert places(targets) == ["sip:b@x", "sip:c@x", "sip:a@x"]

    def test_noPlaceTwice(self) -> None:
        targets = targetSet()
        targets.add(response(302, "Contact: <sip:a@x>, <sip:a@X>, <sip:bob@EXAMPLE.com>"))
        assert places(targets) == ["sip:a@x"]
        targets.add(response(302, "Contact: <sip:a@x>"))
        assert places(targets) == []

    def test_aFurtherRedirectionGoesBefore(self) -> None:
        targets = targetSet()
        targets.add(response(302, "Contact: <sip:a@x>, <sip:b@x>;q=0.1"))
        assert str(targets.next()) == "sip:a@x"
        targets.add(response(302, "Contact: <sip:c@x>"))
        assert places(targets) == ["sip:c@x", "sip:b@x"]

    def test_onlySoManyAreFollowed(self) -> None:
        targets = targetSet(limit=1)
        targets.add(response(302, "Contact: <sip:a@x>"))
        targets.add(response(302, "Contact: <sip:b@x>"))
        assert places(targets) == ["sip:a@x"]

    def test_whatNoINVITECanBeSentToIsPassedOver(self) -> None:
        targets = targetSet()
        contacts = ("Contact: <mailto:a@x>, <sip:b@x;method=MESSAGE>", "Contact: <sip:", "Contact: <sip:d@x>")
        targets.add(response(302, *contacts))
        assert places(targets) == ["sip:d@x"]

    def test_fromSIPSNothingLeadsToSIP(self) -> None:
        targets = targetSet("sips:bob@example.com")
        targets.add(response(302, "Contact: <sip:a@x>, <sips:b@x>"))
        assert places(targets) == ["sips:b@x"]

    @given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=6), max_size=12), st.integers(0, 4))
    def test_itEnds(self, redirections: list[list[str]], limit: int) -> None:
        targets = targetSet(limit=limit)
        tried = ["sip:bob@example.com"]
        for names in redirections:
            targets.add(response(302, *(f"Contact: <sip:{name}@x>" for name in names)))
            tried += places(targets)
        assert len(tried) == len(set(tried))
        assert targets.left >= 0


class TestTarget:
    def test_theWholeURIButMethodAndHeaders(self) -> None:
        target = Target.of(
            URI.parse("sip:u@h:5;transport=ws;method=REFER;lr?Subject=hi&s=foo&Priority=urgent")
        )
        assert str(target.uri) == "sip:u@h:5;transport=ws;lr"
        assert target.method == "REFER"
        assert target.headers == (("Subject", "foo"), ("Priority", "urgent"))

    def test_whatDoesHarmIsNotHonoured(self) -> None:
        # RFC 3261 section 19.1.5, and what would break a message apart.
        text = "sip:u@h?From=x&Call-ID=y&Route=z&Via=v&Authorization=a&body=b&Contact=c"
        assert Target.of(URI.parse(text)).headers == ()
        assert Target.of(URI.parse("sip:u@h?Subject=a%0D%0AX:%20y&%20=q")).headers == ()

    def test_itsHeadersTakeThePlaceOfOthers(self) -> None:
        target = Target.of(URI.parse("sip:user@host?Subject=foo"))
        assert target.over([("s", "bar"), ("X-Y", 1)]) == [("X-Y", 1), ("Subject", "foo")]
