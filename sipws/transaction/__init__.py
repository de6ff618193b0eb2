"""
Transactions (RFC 3261 section 17, RFC 6026): four state machines as tables
(L{machines<sipws.transaction.machines>}), what follows them (L{client<sipws.transaction.client>},
L{server<sipws.transaction.server>}), and where a message finds its transaction
(L{table<sipws.transaction.table>}).
"""

from __future__ import annotations

from sipws.transaction.client import (
    ClientTransaction,
    InviteClientTransaction,
    NonInviteClientTransaction,
)
from sipws.transaction.server import (
    InviteServerTransaction,
    NonInviteServerTransaction,
    ServerTransaction,
)
from sipws.transaction.table import Transactions
from sipws.transaction.timers import DEFAULT_TIMERS, Timers

__all__ = [
    "DEFAULT_TIMERS",
    "ClientTransaction",
    "InviteClientTransaction",
    "InviteServerTransaction",
    "NonInviteClientTransaction",
    "NonInviteServerTransaction",
    "ServerTransaction",
    "Timers",
    "Transactions",
]
