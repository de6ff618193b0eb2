"""Fixtures: a Kamailio that runs, and user agents on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.counterparts import requireCounterpart
from tests.kamailio.agents import Agents
from tests.kamailio.counterpart import INSTALL, Kamailio, isInstalled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    StartKamailio = Callable[..., Kamailio]


@pytest.fixture
def startKamailio(tmp_path: Path) -> Iterator[StartKamailio]:
    """Give a function that starts a Kamailio with the switches named; it is killed in the end."""
    requireCounterpart("Kamailio", isInstalled(), INSTALL)
    started: list[Kamailio] = []

    def start(*switches: str) -> Kamailio:
        kamailio = Kamailio(tmp_path, switches)
        started.append(kamailio)
        kamailio.start()
        return kamailio

    yield start
    for kamailio in started:
        kamailio.kill()


@pytest.fixture
def kamailio(startKamailio: StartKamailio) -> Kamailio:
    """A Kamailio that runs."""
    return startKamailio()


@pytest.fixture
def agents(kamailio: Kamailio) -> Iterator[Agents]:
    """User agents on it."""
    agents = Agents(kamailio)
    yield agents
    pytest_twisted.blockon(Deferred.fromCoroutine(agents.stopAll()))
