"""Fixtures: Kamailio, and how much is to be done."""

from __future__ import annotations

import os
from random import SystemRandom

import pytest

from tests.kamailio.conftest import kamailio, startKamailio

__all__ = ["faultCount", "kamailio", "seed", "startKamailio"]

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
