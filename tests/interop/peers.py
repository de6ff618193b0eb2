"""Waiting for what a JavaScript user agent tells, and calls with it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue

from sipws import UserAgent
from sipws.session import Session
from tests.interop.driver import Driver
from tests.interop.place import within

__all__ = ["audio", "callThem", "callUs", "described", "queue", "reaches", "remote", "sees"]


def audio(direction: str = "sendrecv") -> str:
    """Describe one stream of audio as a browser may, as far as the peers look at it."""
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    )


async def sees(driver: Driver, name: str, **values: object) -> dict[str, Any]:
    """Wait until the peer tells of an event with these values."""
    while True:
        event: dict[str, Any] = await within(driver.event(name))
        if values.items() <= event.items():
            return event


async def reaches(driver: Driver, state: str) -> None:
    """Wait until the peer's call is in a state."""
    await sees(driver, "call", state=state)


async def described(driver: Driver, direction: str) -> None:
    """Wait until the peer has been given a description that says this."""
    await sees(driver, "described", direction=direction)


def remote(session: Session) -> bytes:
    """Give the peer's description."""
    assert session.remoteDescription is not None
    return session.remoteDescription.body


def queue(agent: UserAgent) -> DeferredQueue[Session]:
    """Collect the calls that come in."""
    calls: DeferredQueue[Session] = DeferredQueue()
    agent.on("invite", calls.put)
    return calls


async def callThem(alice: UserAgent, bob: Driver, user: str = "bob") -> Session:
    """Have ours call theirs, and wait until both have a session."""
    await within(bob.do("whenCalled", then="accept"))
    session = alice.invite(f"sip:{user}@localhost", audio())
    await within(session.whenConfirmed())
    await reaches(bob, "Established")
    return session


async def callUs(alice: UserAgent, bob: Driver) -> Session:
    """Have theirs call ours, and wait until both have a session."""
    calls = queue(alice)
    called = Deferred.fromCoroutine(bob.do("call", target="sip:alice@localhost"))
    session: Session = await within(calls.get())
    alice.remove_listener("invite", calls.put)
    await within(session.progress(180))
    await within(session.accept(audio()))
    assert (await within(called))["status"] == 200
    await reaches(bob, "Established")
    return session
