"""
What every test is held to, beside its own assertions.

A test fails if, when it ends, an error was logged that it did not flush, a
Deferred held a failure that nobody looked at, or a timer or a socket was left
on the real reactor.
"""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

import pytest
import pytest_twisted
from hypothesis import settings
from twisted.internet import defer, task
from twisted.logger import ILogObserver, LogLevel, formatEvent, globalLogPublisher
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.internet.base import DelayedCall
    from twisted.logger import LogEvent
    from twisted.python.failure import Failure

# How long an example takes depends on what else the machine does.
settings.register_profile("sipws", deadline=None)
settings.load_profile("sipws")

#: How long, in seconds, a real socket may take to see that the other end has closed.
SOCKET_GRACE = 1.0

INTEROP = Path(__file__).parent / "interop"


class FlushLoggedErrors(Protocol):
    """The type of the fixture L{flushLoggedErrors}."""

    def __call__(self, *types: type[BaseException]) -> list[Failure]:
        """Take the errors logged so far, of these types or of any."""


@implementer(ILogObserver)
class ErrorObserver:
    """Collects the log events that report a failure."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        if event.get("log_failure") is not None or event.get("log_level") == LogLevel.critical:
            self.events.append(event)

    def flush(self, *types: type[BaseException]) -> list[Failure]:
        taken: list[LogEvent] = []
        kept: list[LogEvent] = []
        for event in self.events:
            failure = event.get("log_failure")
            matches = not types or (failure is not None and failure.check(*types) is not None)
            (taken if matches else kept).append(event)
        self.events = kept
        return [event["log_failure"] for event in taken if event.get("log_failure") is not None]

    def describe(self) -> str:
        return "\n".join(_describe(event) for event in self.events)


def _describe(event: LogEvent) -> str:
    failure = event.get("log_failure")
    text = formatEvent(event)
    return text if failure is None else f"{text}\n{failure.getTraceback()}"


class _WatchedDebugInfo(defer.DebugInfo):
    """What a Deferred that once failed keeps: knowing them all tells when a collection is worth its time."""

    alive: WeakSet[_WatchedDebugInfo] = WeakSet()

    def __init__(self) -> None:
        self.alive.add(self)


def _failedDeferredsExist() -> bool:
    return any(getattr(info, "failResult", None) is not None for info in list(_WatchedDebugInfo.alive))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported out of all later garbage collections: each is short then."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _watchDeferreds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(defer, "DebugInfo", _WatchedDebugInfo)
        yield


@pytest.fixture(autouse=True)
def _errorObserver(_watchDeferreds: None) -> Iterator[ErrorObserver]:
    observer = ErrorObserver()
    globalLogPublisher.addObserver(observer)
    try:
        yield observer
        # A failure in a cycle of objects is reported when the cycle is collected.
        if _failedDeferredsExist():
            gc.collect()
    finally:
        globalLogPublisher.removeObserver(observer)
    if observer.events:
        pytest.fail(f"errors were logged and not flushed:\n{observer.describe()}", pytrace=False)


@pytest.fixture
def flushLoggedErrors(_errorObserver: ErrorObserver) -> FlushLoggedErrors:
    """
    Give a function that takes the errors logged so far.

    Called with exception types it takes, and returns the failures of, those
    alone; without, all.  Failures in Deferreds that are garbage count.
    """

    def flush(*types: type[BaseException]) -> list[Failure]:
        gc.collect()
        return _errorObserver.flush(*types)

    return flush


@pytest.fixture(scope="session", autouse=True)
def _runningReactor() -> None:
    """Have the reactor set up its own wakers before anybody counts what is on it."""
    _turn(0)


@pytest.fixture(autouse=True)
def _cleanReactor(_runningReactor: None, _errorObserver: ErrorObserver) -> Iterator[None]:
    from twisted.internet import reactor

    calls = set(_pendingCalls(reactor))
    selectables = set(_selectables(reactor))
    yield
    _checkCalls(reactor, calls)
    _checkSelectables(reactor, selectables)


def _checkCalls(reactor: Any, before: set[DelayedCall]) -> None:
    left = set(_pendingCalls(reactor)) - before
    if left:
        _turn(0)
        left = set(_pendingCalls(reactor)) - before
    for call in left:
        call.cancel()
    if left:
        pytest.fail(f"timers were left on the reactor: {[str(call) for call in left]}", pytrace=False)


def _checkSelectables(reactor: Any, before: set[object]) -> None:
    deadline = reactor.seconds() + SOCKET_GRACE
    left = set(_selectables(reactor)) - before
    while left and reactor.seconds() < deadline:
        _turn(0.01)
        left = set(_selectables(reactor)) - before
    if left:
        pytest.fail(f"sockets were left on the reactor: {list(left)}", pytrace=False)


def _turn(seconds: float) -> None:
    """Let the real reactor run."""
    from twisted.internet import reactor

    pytest_twisted.blockon(task.deferLater(reactor, seconds))


def _pendingCalls(reactor: Any) -> list[DelayedCall]:
    return [call for call in reactor.getDelayedCalls() if call.active()]


def _selectables(reactor: Any) -> list[object]:
    return [*reactor.getReaders(), *reactor.getWriters()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Leave out, by name, the tests whose peer is not installed.

    In CI, and where C{SIPWS_REQUIRE_PEERS} is set, they run and fail instead:
    there nothing may go missing unnoticed.
    """
    if os.environ.get("SIPWS_REQUIRE_PEERS") or os.environ.get("CI", "").lower() == "true":
        return
    for marker, reason in _missingPeers():
        for item in items:
            if item.get_closest_marker(marker) is not None:
                item.add_marker(pytest.mark.skip(reason=reason))


def _missingPeers() -> list[tuple[str, str]]:
    missing = []
    if shutil.which("kamailio", path=os.environ.get("PATH", "") + ":/usr/sbin") is None:
        missing.append(("kamailio", "Kamailio is not installed"))
    if shutil.which("node") is None or not (INTEROP / "node_modules").is_dir():
        how = "npm install --ignore-scripts --prefix tests/interop"
        missing.append(("node", f"Node.js or the modules of tests/interop are not installed: {how}"))
    return missing
