"""
The user agent core (RFC 3261 section 8): L{UserAgent}, and several of them: L{Accounts}.
"""

from __future__ import annotations

from sipws.ua.accounts import Accounts
from sipws.ua.agent import UserAgent
from sipws.ua.replies import Reply

__all__ = ["Accounts", "Reply", "UserAgent"]
