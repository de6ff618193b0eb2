"""The emitter: no listener can break it."""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from sipws.emitter import Emitter, loggerFor
from tests.conftest import FlushLoggedErrors


def raises(*_: object) -> None:
    raise ValueError("listener")


def test_listenersAreCalledInOrder() -> None:
    emitter = Emitter()
    got: list[object] = []
    emitter.on("message", lambda request: got.append(("first", request)))
    emitter.on("message", lambda request: got.append(("second", request)))
    assert emitter.emit("message", 5) is True
    assert got == [("first", 5), ("second", 5)]


def test_anEventWithoutListenersIsNothing() -> None:
    assert Emitter().emit("message", 5) is False


def test_aListenerThatRaisesIsLoggedAndTheOthersAreCalled(flushLoggedErrors: FlushLoggedErrors) -> None:
    emitter = Emitter()
    got: list[object] = []
    emitter.on("message", raises)
    emitter.on("message", got.append)
    assert emitter.emit("message", 5) is True
    assert got == [5]
    assert len(flushLoggedErrors(ValueError)) == 1


def test_aListenersDeferredThatFailsIsLogged(flushLoggedErrors: FlushLoggedErrors) -> None:
    emitter = Emitter()
    emitter.on("message", lambda _: fail(ValueError("listener")))
    emitter.emit("message", 5)
    assert len(flushLoggedErrors(ValueError)) == 1


def test_aListenerMayBeACoroutine(flushLoggedErrors: FlushLoggedErrors) -> None:
    emitter = Emitter()
    gate: Deferred[None] = Deferred()

    async def listener(_: object) -> None:
        await gate
        raise ValueError("listener")

    emitter.on("message", listener)
    emitter.emit("message", 5)
    assert flushLoggedErrors(ValueError) == []
    gate.callback(None)
    assert len(flushLoggedErrors(ValueError)) == 1


def test_listenersOfFailureGetTheFailureInsteadOfTheLog() -> None:
    emitter = Emitter()
    got: list[Failure] = []
    emitter.on("failure", got.append)
    emitter.on("message", raises)
    emitter.emit("message", 5)
    assert [failure.type for failure in got] == [ValueError]


def test_aListenerOfFailureThatRaisesIsLogged(flushLoggedErrors: FlushLoggedErrors) -> None:
    emitter = Emitter()
    emitter.on("failure", raises)
    emitter.on("message", raises)
    emitter.emit("message", 5)
    assert len(flushLoggedErrors(ValueError)) == 1


def test_loggersAreSharedByName() -> None:
    assert loggerFor("sip.transport") is loggerFor("sip.transport")
    assert loggerFor("sip.transport").namespace == "sip.transport"
