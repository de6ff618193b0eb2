"""The fixture of user agents on one embedded server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from sipws.server import EmbeddedServer
from tests.counterparts import requireCounterpart
from tests.interop.driver import INSTALL, isInstalled
from tests.interop.place import USERS, Place


@pytest.fixture(params=[USERS, None], ids=["digest", "open"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    requireCounterpart("JsSIP or SIP.js", isInstalled(), INSTALL)
    place = Place(EmbeddedServer(reactor, users=request.param))
    pytest_twisted.blockon(Deferred.fromCoroutine(place.open()))
    yield place
    pytest_twisted.blockon(Deferred.fromCoroutine(place.close()))
    assert not place.server.connections
    assert not place.server.locations
    assert not place.server.transactions
