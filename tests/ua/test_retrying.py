"""Listeners that try again at once what has failed at once: everything else goes on."""

from __future__ import annotations

import sys
from typing import Any

from tests.subscription.stages import SubscriberStage
from tests.ua.fakes import ALICE, BOB, Scene, outcome

#: More than the stack takes.
MANY = 2 * sys.getrecursionlimit()


def blocked() -> Scene:
    """Have a connection that takes nothing."""
    scene = Scene(register=False)
    transport = scene.connect()
    transport.congested, transport.writers = True, []
    return scene


def turns(scene: Scene, count: int) -> None:
    for _ in range(count):
        scene.clock.advance(0)


def test_aCallThatIsMadeAgainAtOnceWaitsForItsTurn() -> None:
    scene = blocked()
    heard: list[Any] = []

    def call() -> None:
        scene.ua.invite(BOB).on("failed", again)

    def again(error: object) -> None:
        heard.append(error)
        if len(heard) < MANY:
            call()

    call()
    assert heard == []
    turns(scene, MANY)
    assert len(heard) == MANY


def test_aRegistrationThatIsWantedAgainAtOnceWaitsForItsTurn() -> None:
    scene = blocked()
    heard: list[Any] = []

    def again(*_: object) -> None:
        heard.append(1)
        if len(heard) < MANY:
            scene.ua.register()

    scene.ua.on("registrationFailed", again)
    scene.ua.register()
    assert len(heard) == 1
    turns(scene, MANY)
    assert len(heard) == MANY
    scene.ua.stop()
    scene.clock.advance(40)


def test_aPublicationThatIsUpdatedAgainAtOnceWaitsForTheNextAttempt() -> None:
    scene = blocked()
    heard: list[Any] = []
    publication = scene.ua.publish(ALICE, "presence", "<presence/>", "application/pidf+xml")

    def again(error: object) -> None:
        heard.append(error)
        publication.update("<newer/>").addErrback(heard.append)

    publication.on("failed", again)
    scene.clock.advance(1000)
    # What is newer leaves with the next attempt, none of which is sooner for it.
    failures = [each for each in heard if each.retryIn is not None]
    assert 0 < len(failures) < 100


def test_aSubscriptionThatIsRefreshedAgainAtOnceWaitsForItsTurn() -> None:
    stage = SubscriberStage()
    stage.accept()
    stage.notify("active")
    heard: list[Any] = []

    def again(error: object) -> None:
        heard.append(error)
        if len(heard) < MANY:
            stage.subscription.refresh().addErrback(lambda _: None)

    stage.subscription.on("failed", again)
    stage.scene.transport.congested = True
    wanted = outcome(stage.subscription.refresh())
    assert len(heard) == len(wanted) == 1
    turns(stage.scene, MANY)
    assert len(heard) == MANY
    stage.scene.transport.congested = False
    stage.end()
