"""
L{Upgrade}: what goes with the HTTP upgrade, and how to get to the server; and
L{Upgrading}, which carries it out where one request is not enough.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from sipws.errors import HandshakeRefused
from sipws.transport.authorization import Authorization, readChallenges
from sipws.transport.cookies import CookieJar
from sipws.transport.http import Head
from sipws.transport.redirects import REDIRECTS, redirectTarget

if TYPE_CHECKING:
    from sipws.config.http import HTTPProxy
    from sipws.counters import Counters
    from sipws.transport.location import Location

__all__ = ["Upgrade", "Upgrading"]

_UNAUTHORIZED = 401


@attrs.frozen(kw_only=True)
class Upgrade:
    """
    What goes with the HTTP upgrade, and how to get to the server.

    All of it is for the server that was configured: a redirect to another
    origin (another scheme, host or port) gets none of it.

    @ivar headers: Headers, by name.
    @ivar cookies: Cookies, by name.
    @ivar user: The user for Digest and Basic authentication.
    @ivar password: The password for them.
    @ivar basic: Whether both are sent at once by Basic; otherwise when they
        are asked for, and by Basic only where nobody on the way can read them.
    @ivar token: A bearer token, sent at once.
    @ivar maxRedirects: How many redirects are followed in one attempt.
    @ivar proxy: The HTTP proxy to go through.
    @ivar endpoint: A string for Twisted's C{clientFromString} that leads to the
        server, with C{{host}} and C{{port}} in place of the server's.
    """

    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    cookies: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    basic: bool = False
    token: str | None = attrs.field(default=None, repr=False)
    maxRedirects: int = 0
    proxy: HTTPProxy | None = None
    endpoint: str | None = attrs.field(default=None, repr=False)


class Upgrading:
    """
    The upgrades of one transport.

    One attempt to connect may take several requests, each on a connection
    of its own: a challenge is answered, a redirect followed.

    @ivar location: Where the attempt has come to.
    @ivar goesOn: Whether the answer that was refused last leads to another request.
    """

    __slots__ = (
        "_authorization",
        "_counters",
        "_home",
        "_isTrusted",
        "_jar",
        "_redirects",
        "_upgrade",
        "goesOn",
        "location",
    )

    def __init__(
        self, upgrade: Upgrade, home: Location, counters: Counters, newCnonce: Callable[[], str]
    ) -> None:
        """
        @param upgrade: What was configured.
        @param home: The server that was configured.
        @param newCnonce: Gives a random word, another one each time.
        """
        self._upgrade = upgrade
        self._home = home
        self._counters = counters
        self._authorization = Authorization(upgrade, newCnonce)
        self._jar = CookieJar()
        self._redirects = 0
        self.location = home
        self.goesOn = False

    @property
    def isAtHome(self) -> bool:
        """Whether the attempt is at the server that was configured, and not led elsewhere."""
        return self.location.origin == self._home.origin

    def begin(self) -> Location:
        """Begin an attempt, and say where it goes."""
        self.location = self._home
        self.goesOn = False
        self._redirects = 0
        self._jar.clear()
        self._authorization.begin()
        return self._home

    def headers(self) -> dict[str, str]:
        """Give the headers for the next request."""
        headers: dict[str, str] = {}
        cookies = self._jar.cookiesFor(self.location.origin)
        if self.isAtHome:
            headers.update(self._upgrade.headers)
            cookies = {**self._upgrade.cookies, **cookies}
            authorization = self._authorization.value(self.location.resource)
            if authorization is not None:
                headers["Authorization"] = authorization
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return headers

    def refused(self, error: HandshakeRefused, octets: bytes) -> HandshakeRefused:
        """
        Take an answer that is no upgrade, and find out whether to ask again.

        @param error: What it comes to where that is all.
        @param octets: The answer.
        @return: What it comes to; not where C{goesOn}.
        """
        head = Head.parse(octets)
        if head is None:
            return error
        self._jar.keep(self.location.origin, head.values("set-cookie"))
        if head.status == _UNAUTHORIZED:
            problem = self._answer(head)
        elif head.status in REDIRECTS:
            problem = self._follow(head)
        else:
            return error
        self.goesOn = problem is None
        if problem is None:
            return error
        return HandshakeRefused(f"{error.reason}: {problem}", status=error.status)

    def _answer(self, head: Head) -> str | None:
        """Answer a 401; say why not where that cannot be."""
        if not self.isAtHome:
            return "it was come to by a redirect, and gets no credentials"
        location = self.location
        # A UNIX socket does not leave the machine.
        isPrivate = location.secure or location.path is not None
        problem = self._authorization.answer(readChallenges(head.values("www-authenticate")), isPrivate)
        if problem is None:
            self._counters.challenges += 1
        return problem

    def _follow(self, head: Head) -> str | None:
        """Follow a redirect; say why not where that cannot be."""
        try:
            target = redirectTarget(self.location, head.values("location"))
        except HandshakeRefused as error:
            return error.reason
        if self._redirects >= self._upgrade.maxRedirects:
            place = f"{target.hostHeader}:{target.port}"
            return f"it redirects to {place}, and maxRedirects is {self._upgrade.maxRedirects}"
        self._redirects += 1
        self._counters.redirects += 1
        self.location = target
        self._authorization.redirected()
        return None
