"""
What a configuration says of the HTTP upgrade.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.transport import Upgrade

if TYPE_CHECKING:
    from sipws.config import Configuration

__all__ = ["upgradeOf"]

_NOTHING = Upgrade()


def upgradeOf(configuration: Configuration) -> Upgrade | None:
    """Take what concerns the HTTP upgrade out of a configuration; C{None}: it says nothing of it."""
    upgrade = Upgrade(
        headers=configuration.httpHeaders or {},
        cookies=configuration.httpCookies or {},
        user=configuration.httpUser,
        password=configuration.httpPassword,
        basic=configuration.httpBasic,
        token=configuration.httpToken,
        maxRedirects=configuration.maxRedirects,
        proxy=configuration.proxy,
        endpoint=configuration.endpoint,
    )
    return None if upgrade == _NOTHING else upgrade
