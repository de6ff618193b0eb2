"""
What requests outside of dialogs may begin, where the application listens for it.
"""

from __future__ import annotations

from typing import Final

from sipws.subscription.receiving import receiveSubscribe
from sipws.ua.calls import CALLS, REFERENCES
from sipws.ua.newcomer import Newcomer

__all__ = ["NEWCOMERS", "Newcomer"]

#: By method.  A handler of the application's own goes before.
NEWCOMERS: Final[dict[str, Newcomer]] = {
    "INVITE": CALLS,
    "REFER": REFERENCES,
    "SUBSCRIBE": Newcomer("subscribe", receiveSubscribe, ("SUBSCRIBE",)),
}
