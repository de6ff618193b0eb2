"""
What systemd is told (sd_notify): that a service is ready, how it fares, and
that it is alive.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

if TYPE_CHECKING:
    from sipws.ua import UserAgent

__all__ = ["NotifyService", "Send", "notifierFrom"]

_log = Logger(namespace="sip.notify")

#: Sends one message to systemd.
Send = Callable[[bytes], object]


class NotifyService(Service):
    """
    Tells systemd of a program: ready when it does what it is for, its state
    meanwhile, that it stops, and, where systemd wants that, that it is alive.

    Alive is a program whose reactor turns: a server that cannot be reached is
    not mended by starting the program again.

    Nothing is raised where systemd does not listen.

    @ivar readyAtStart: Whether the program is ready as soon as this service
        starts: there is no user agent to wait for.
    """

    def __init__(self, send: Send, clock: Any, watchdog: float | None = None) -> None:
        """
        @param send: Sends a message to systemd.
        @param clock: What its timer runs on.
        @param watchdog: How often systemd wants a sign of life, in seconds;
            C{None}: it does not want any.
        """
        self.readyAtStart = False
        self._send = send
        self._ready = False
        self._alive: LoopingCall | None = None
        if watchdog is not None:
            self._alive = LoopingCall(self._tell, "WATCHDOG=1")
            self._alive.clock = clock
            # sd_watchdog_enabled(3) recommends "to send notifications every half of the time".
            self._interval = watchdog / 2

    def startService(self) -> None:
        """Give signs of life from now on."""
        super().startService()
        if self.readyAtStart:
            self.ready("running")
        if self._alive is not None:
            self._alive.start(self._interval)

    def stopService(self) -> None:
        """Say that the program stops."""
        super().stopService()
        if self._alive is not None and self._alive.running:
            self._alive.stop()
        self._tell("STOPPING=1")

    def ready(self, status: str) -> None:
        """
        Say that the program does what it is for; once, however often it is called.

        @param status: A word or two for whoever asks systemd.
        """
        first, self._ready = not self._ready, True
        self._tell(f"READY=1\nSTATUS={status}" if first else f"STATUS={status}")

    def watch(self, userAgent: UserAgent) -> None:
        """
        Be ready when a user agent is, and say how it fares.

        @param userAgent: It, before it starts.
        """

        def changed(*_: object) -> None:
            health = userAgent.health
            status = _oneLine(f"{health.aor} {health.state.value}")
            if health.ready:
                self.ready(status)
            else:
                self._tell(f"STATUS={status}")

        for event in ("connected", "disconnected", "registered", "unregistered"):
            userAgent.on(event, changed)

    def _tell(self, message: str) -> None:
        try:
            self._send(message.encode("utf-8"))
        except OSError as error:
            _log.debug("systemd does not listen: {error}", error=error)


def notifierFrom(environment: MutableMapping[str, str], clock: Any, pid: int) -> NotifyService | None:
    """
    Make the service that systemd asks for by the environment, and take its
    variables away: they are not for programs that this one starts.

    @param environment: The environment.
    @param clock: What the service's timer runs on.
    @param pid: The process that this is.
    @return: The service; C{None} where systemd asks for none.
    """
    address = environment.pop("NOTIFY_SOCKET", "")
    interval = environment.pop("WATCHDOG_USEC", "")
    whose = environment.pop("WATCHDOG_PID", "") or str(pid)
    if address[:1] not in ("/", "@"):
        return None
    watchdog = None
    if interval.isascii() and interval.isdigit() and int(interval) > 0 and whose == str(pid):
        watchdog = int(interval) / 1_000_000
    return NotifyService(_sender(address), clock, watchdog)


def _sender(address: str) -> Send:
    # An abstract socket's name begins with a zero, which no environment can hold.
    place = os.fsencode(address)
    if place.startswith(b"@"):
        place = b"\0" + place[1:]

    def send(message: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as outlet:
            outlet.sendto(message, place)

    return send


def _oneLine(text: str) -> str:
    return " ".join(text.split())
