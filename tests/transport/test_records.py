"""DNS records: which can be used, and in which order they are."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns

from sipws.transport.records import NAPTR, SRV, orderNAPTR, orderSRV, readNAPTR, readSRV
from tests.resolving import naptr, srv


class Dice:
    """Randomness that says what it is told to."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def random(self) -> float:
        return self.values.pop(0)


def readOne(header: dns.RRHeader) -> list[Any]:
    return [*readNAPTR([header.payload]), *readSRV([header.payload])]


# NAPTR.


@pytest.mark.parametrize("service", ["SIPS+D2W", "sips+d2w", "Sips+D2w"])
def test_theServicesOfRFC7118AreTakenInAnyCase(service: str) -> None:
    assert readOne(naptr(service, "_sips._ws.example.com", 50, 60)) == [
        NAPTR(secure=True, order=50, preference=60, replacement="_sips._ws.example.com")
    ]
    assert readOne(naptr("SIP+D2W", "_SIP._ws.Example.com."))[0].replacement == "_sip._ws.example.com"


@pytest.mark.parametrize("service", ["SIP+D2T", "SIPS+D2T", "SIP+D2U", "SIP+D2S", "E2U+sip", "", "SIPS+D2WS"])
def test_otherServicesAreDiscarded(service: str) -> None:
    assert readOne(naptr(service, "_sips._tcp.example.com")) == []


@pytest.mark.parametrize("flags", ["", "a", "u", "p", "ss", "s a", "x"])
def test_whatDoesNotLeadToSRVIsDiscarded(flags: str) -> None:
    assert readOne(naptr("SIPS+D2W", "_sips._ws.example.com", flags=flags)) == []


def test_aRegularExpressionIsDiscarded() -> None:
    """RFC 3263 section 4.1: "The resource record will contain an empty regular expression"."""
    evil = "!^(.*)*$!_sips._ws.evil.example!"
    assert readOne(naptr("SIPS+D2W", "_sips._ws.example.com", regexp=evil)) == []


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a b",
        "a/b",
        "a..b",
        "-a.example",
        "a@b",
        "ä.example",
        "a\r\nb",
        "x" * 64,
        "a." * 127 + "example",
    ],
)
def test_aGarbageNameIsDiscarded(name: str) -> None:
    record: Any = naptr("SIPS+D2W", "placeholder")
    record.payload.replacement.name = name.encode()
    assert readOne(record) == []
    record = srv("_sips._ws.example.com", "placeholder")
    record.payload.target.name = name.encode()
    assert readOne(record) == []


def test_theSecureWayIsTheFirstWhateverTheDomainPrefers() -> None:
    plain = NAPTR(False, 1, 1, "plain")
    late, early = NAPTR(True, 20, 1, "late"), NAPTR(True, 10, 9, "early")
    preferred = NAPTR(True, 10, 3, "preferred")
    assert orderNAPTR([plain, late, early, preferred]) == [preferred, early, late, plain]


# SRV.


@pytest.mark.parametrize("port", [0, -1, 65536, 2**40])
def test_aPortThatThereIsNotIsDiscarded(port: int) -> None:
    assert readOne(srv("_sips._ws.example.com", "a.example", port)) == []


@pytest.mark.parametrize("target", ["192.0.2.1", "10.1", "1", "under_score.example"])
def test_aTargetThatIsNoHostsNameIsDiscarded(target: str) -> None:
    assert readOne(srv("_sips._ws.example.com", target)) == []


@pytest.mark.parametrize(
    "record",
    [
        None,
        "text",
        object(),
        dns.Record_A("192.0.2.1"),
        dns.UnknownRecord(b"\xff" * 40),
    ],
)
def test_whatIsNoRecordIsDiscarded(record: object) -> None:
    assert readNAPTR([record]) == []
    assert readSRV([record]) == []


def test_anInfinitePortIsDiscarded() -> None:
    record: Any = srv("_sips._ws.example.com", "a.example")
    record.payload.port = float("inf")
    assert readOne(record) == []


def test_theLowerPriorityIsTheFirst() -> None:
    records = [SRV(20, 65535, 1, "b"), SRV(10, 0, 1, "a"), SRV(30, 1, 1, "c")]
    for seed in range(50):
        assert [record.target for record in orderSRV(records, Random(seed))] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("numbers", "order"),
    [
        # Running sums: none 0, one 1, three 4; the number is from 0 to 4.
        ((0.0, 0.0, 0.0), ["none", "one", "three"]),
        ((0.2, 0.0, 0.0), ["one", "none", "three"]),
        ((0.39, 0.0, 0.0), ["one", "none", "three"]),
        ((0.4, 0.0, 0.0), ["three", "none", "one"]),
        ((0.999, 0.999, 0.0), ["three", "one", "none"]),
    ],
)
def test_theChoiceByWeightIsThatOfRFC2782(numbers: tuple[float, ...], order: list[str]) -> None:
    records = [SRV(1, 3, 1, "three"), SRV(1, 0, 1, "none"), SRV(1, 1, 1, "one")]
    # With the greater weights behind: one comes before three where it was named first.
    records = [records[1], records[2], records[0]]
    assert [record.target for record in orderSRV(records, Dice(*numbers))] == order


def test_ofOnePriorityEachIsTheFirstAsOftenAsItsWeightSays() -> None:
    records = [SRV(1, 10, 1, "ten"), SRV(1, 60, 1, "sixty"), SRV(1, 30, 1, "thirty")]
    random = Random(7)
    firsts = Counter(orderSRV(records, random)[0].target for _ in range(10_000))
    assert abs(firsts["sixty"] - 6000) < 250
    assert abs(firsts["thirty"] - 3000) < 250
    assert abs(firsts["ten"] - 1000) < 250


def test_aWeightOfNoneHasASmallChance() -> None:
    """RFC 2782: "In the presence of records containing weights greater than 0, records with weight 0
    should have a very small chance of being selected."
    """
    records = [SRV(1, 99, 1, "much"), SRV(1, 0, 1, "none")]
    random = Random(7)
    firsts = Counter(orderSRV(records, random)[0].target for _ in range(10_000))
    assert 50 < firsts["none"] < 200


@given(
    st.lists(
        st.builds(SRV, st.integers(0, 3), st.integers(0, 65535), st.integers(1, 65535), st.text()),
        max_size=30,
    ),
    st.integers(),
)
def test_orderingLosesNothing(records: list[SRV], seed: int) -> None:
    ordered = orderSRV(records, Random(seed))
    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)
