"""Fixtures: what stands on either side of a proxy, and how much is to be done."""

from __future__ import annotations

import os
from random import SystemRandom
from typing import TYPE_CHECKING

import pytest
import pytest_twisted

from tests.faults.world import running
from tests.kamailio.conftest import kamailio, startKamailio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.faults.world import World

__all__ = ["faultCount", "kamailio", "plain", "secure", "seed", "startKamailio"]

#: How many faults the long form of the schedule has, and the short.
LONG, SHORT = 1000, 100

#: What sets their number, and the seed.
COUNT_VARIABLE = "SIPWS_FAULTS"
SEED_VARIABLE = "SIPWS_FAULT_SEED"


@pytest.fixture
def faultCount(request: pytest.FixtureRequest) -> int:
    """
    Say how many faults there are to be.

    C{SIPWS_FAULTS} sets it.  Otherwise there are 1,000 where these tests were
    asked for by name, as in C{pytest tests/faults}; in the course of all
    tests, and in CI, there are fewer.
    """
    given = os.environ.get(COUNT_VARIABLE)
    if given:
        return int(given)
    isAskedFor = any("tests/faults" in str(each) for each in request.config.invocation_params.args)
    return LONG if isAskedFor and os.environ.get("CI", "").lower() != "true" else SHORT


@pytest.fixture
def seed() -> int:
    """Give what chance begins with: C{SIPWS_FAULT_SEED}, or any number; a failure shows it."""
    given = os.environ.get(SEED_VARIABLE)
    return int(given) if given else SystemRandom().randrange(10**6)


@pytest_twisted.async_yield_fixture
async def plain(tmp_path: Path) -> AsyncIterator[World]:
    """A user agent behind a proxy, with C{ws}."""
    async with running("ws", tmp_path) as world:
        yield world


@pytest_twisted.async_yield_fixture
async def secure(tmp_path: Path) -> AsyncIterator[World]:
    """The same with C{wss}."""
    async with running("wss", tmp_path) as world:
        yield world
