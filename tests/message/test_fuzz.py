"""
Mutated messages; some of them here, more by C{SIPWS_FUZZ=200000} or C{python -m tests.message.fuzz}.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from sipws.errors import ParseError
from tests.message import fuzz

COUNT = int(os.environ.get("SIPWS_FUZZ", "1500"))


def test_mutated_messages() -> None:
    outcome = fuzz.run(COUNT)
    assert not outcome.faults, "\n".join(outcome.faults[:10])
    assert outcome.parsed + outcome.refused == COUNT
    # The mutations are neither too weak nor too strong to tell anything.
    assert outcome.parsed > COUNT / 5
    assert outcome.refused > COUNT / 5
    assert outcome.answered > COUNT / 20


def test_the_same_messages_each_time() -> None:
    assert list(fuzz.mutants(50)) == list(fuzz.mutants(50))
    assert list(fuzz.mutants(50)) != list(fuzz.mutants(50, seed=1))


def _raise(*_: Any, **__: Any) -> Any:
    raise RuntimeError("not a ParseError")


def _sleep(*_: Any, **__: Any) -> Any:
    begun = time.thread_time()
    while time.thread_time() < begun + 1.2 * fuzz.SLOWEST:
        pass
    raise ParseError("late")


@pytest.mark.parametrize(("fault", "said"), [(_raise, "RuntimeError"), (_sleep, "took")])
def test_it_finds(fault: Callable[..., Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "parseMessage", fault)
    outcome = fuzz.run(2)
    assert len(outcome.faults) == 2
    assert said in outcome.faults[0]


def test_it_finds_where_the_two_ways_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    from sipws.message.parser import parseThoroughly

    def wrong(octets: bytes, limits: Any) -> Any:
        message = parseThoroughly(octets, limits)
        message.fromTag = "wrong"
        return message

    monkeypatch.setattr(fuzz, "parseThoroughly", wrong)
    assert any("fromTag" in fault for fault in fuzz.run(50).faults)
