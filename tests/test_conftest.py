"""The fixtures of conftest.py notice what they say they notice."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).with_name("conftest.py")

CARELESS = """
import socket

import pytest_twisted
from twisted.internet import defer, protocol, reactor
from twisted.logger import Logger

kept = []


def test_logsFailure():
    try:
        1 / 0
    except ZeroDivisionError:
        Logger().failure("a sum went wrong")


def test_flushesWhatItLogged(flushLoggedErrors):
    test_logsFailure()
    (failure,) = flushLoggedErrors(ZeroDivisionError)
    assert failure.check(ZeroDivisionError)


def test_flushesAnotherType(flushLoggedErrors):
    test_logsFailure()
    assert flushLoggedErrors(KeyError) == []


def test_losesDeferred():
    defer.fail(ValueError("lost"))


def test_losesDeferredInCycle():
    deferred = defer.fail(ValueError("lost"))
    deferred.itself = deferred


def test_keepsTimer():
    kept.append(reactor.callLater(1000, int))


def test_keepsSocket():
    kept.append(reactor.listenTCP(0, protocol.Factory(), interface="127.0.0.1"))


def test_closesSocketUnwaited():
    kept.pop().stopListening()
    reactor.listenTCP(0, protocol.Factory(), interface="127.0.0.1").stopListening()


def test_warns():
    import warnings

    warnings.warn("beware")


@pytest_twisted.ensureDeferred
async def test_waitsOnTheReactor():
    from twisted.internet.task import deferLater

    await deferLater(reactor, 0.01)


def test_isFine():
    pass
"""

EXPECTED = {
    "test_logsFailure": "error",
    "test_flushesWhatItLogged": "passed",
    "test_flushesAnotherType": "error",
    "test_losesDeferred": "error",
    "test_losesDeferredInCycle": "error",
    "test_keepsTimer": "error",
    "test_keepsSocket": "error",
    "test_closesSocketUnwaited": "passed",
    "test_warns": "failed",
    "test_waitsOnTheReactor": "passed",
    "test_isFine": "passed",
}


@pytest.mark.slow
def test_carelessTestsFail(pytester: pytest.Pytester) -> None:
    """Each careless test is blamed, and only those; a test's leftovers do not fail the next one."""
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyprojecttoml('[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n')
    pytester.makepyfile(CARELESS)

    lines = pytester.runpytest_subprocess("-rA").outlines

    verdicts = {name: _verdict(name, lines) for name in EXPECTED}
    assert verdicts == EXPECTED


def _verdict(name: str, lines: list[str]) -> str:
    """The worst that the summary says of a test."""
    words = {line.split()[0] for line in lines if line.split()[1:2] and line.split()[1].endswith(f"::{name}")}
    for word in ("ERROR", "FAILED", "PASSED"):
        if word in words:
            return word.lower()
    return "missing"
