"""
L{CookieJar}: the cookies that servers set on the way to an upgrade.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MAX_COOKIE", "MAX_COOKIES", "CookieJar"]

#: How many are kept of one attempt, and how long each may be, in characters: RFC 6265 section 6.1
#: wants "at least 50 cookies per domain" and "at least 4096 bytes per cookie".
MAX_COOKIES = 50
MAX_COOKIE = 4096


class CookieJar:
    """
    Keeps cookies for one attempt to connect, and gives each back to the
    origin that has set it.

    That is less than RFC 6265 has, and never more: there is no C{Domain},
    C{Path} or C{Expires}, and all is forgotten when the next attempt begins.  It is
    enough for gateways that set a cookie when they redirect or ask who is there.

    Its C{repr} shows no secret.
    """

    __slots__ = ("_cookies",)

    def __init__(self) -> None:
        self._cookies: dict[tuple[object, str], str] = {}

    def __repr__(self) -> str:
        return f"<CookieJar {len(self._cookies)} cookies>"

    def clear(self) -> None:
        """Forget all of them."""
        self._cookies.clear()

    def keep(self, origin: object, values: Iterable[str]) -> None:
        """
        Keep what a server sets.

        @param origin: Its scheme, host and port.
        @param values: Those of C{Set-Cookie}.
        """
        for value in values:
            name, equals, content = value.partition(";")[0].partition("=")
            key = origin, name.strip(" \t")
            isRoom = key in self._cookies or len(self._cookies) < MAX_COOKIES
            if equals and key[1] and isRoom and len(name) + len(content) <= MAX_COOKIE:
                self._cookies[key] = content.strip(" \t")

    def cookiesFor(self, origin: object) -> dict[str, str]:
        """
        Give the cookies of an origin, by name.

        @param origin: Its scheme, host and port.
        """
        return {name: value for (setter, name), value in self._cookies.items() if setter == origin}
