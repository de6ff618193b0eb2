"""Fixtures: a Kamailio between WebSockets and UDP, user agents on it, and how much is to be done."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.calls.sipp import bridge
from tests.counterparts import requireCounterpart
from tests.kamailio.agents import Agents
from tests.kamailio.counterpart import INSTALL, isInstalled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kamailio.counterpart import Kamailio

#: How many calls the long form of the test with sipp makes each way, and the short.
LONG, SHORT = 1000, 100

#: What sets their number.
COUNT_VARIABLE = "SIPWS_CALLS"


@pytest.fixture
def callCount(request: pytest.FixtureRequest) -> int:
    """
    Say how many calls there are to be each way.

    C{SIPWS_CALLS} sets it.  Otherwise there are 1,000 where these tests were
    asked for by name, as in C{pytest tests/calls}; in the course of all tests,
    and in CI, there are fewer.
    """
    given = os.environ.get(COUNT_VARIABLE)
    if given:
        return int(given)
    isAskedFor = any("tests/calls" in str(each) for each in request.config.invocation_params.args)
    return LONG if isAskedFor and os.environ.get("CI", "").lower() != "true" else SHORT


@pytest.fixture
def kamailio(tmp_path: Path) -> Iterator[Kamailio]:
    """A Kamailio that runs."""
    requireCounterpart("Kamailio", isInstalled("rr.so"), INSTALL)
    kamailio = bridge(tmp_path)
    kamailio.start()
    yield kamailio
    kamailio.kill()


@pytest.fixture
def agents(kamailio: Kamailio) -> Iterator[Agents]:
    """User agents on it."""
    agents = Agents(kamailio)
    yield agents
    pytest_twisted.blockon(Deferred.fromCoroutine(agents.stopAll()))
