"""
The user agent core (RFC 3261 section 8): L{UserAgent}.
"""

from __future__ import annotations

from sipws.ua.agent import UserAgent
from sipws.ua.replies import Reply

__all__ = ["Reply", "UserAgent"]
