"""
Dialogs (RFC 3261 section 12), and several usages of one (RFC 5057).

Nothing here sends, waits or knows the time: messages that came go in, messages
that are to leave come out.
"""

from __future__ import annotations

from sipws.dialog.dialog import Dialog, Rejection
from sipws.dialog.effects import Effect, effectOf
from sipws.dialog.machine import DIALOG, State
from sipws.dialog.table import Dialogs
from sipws.dialog.usage import ISending, IUsage, IUsages
from sipws.dialog.values import DialogID, DialogState

__all__ = [
    "DIALOG",
    "Dialog",
    "DialogID",
    "DialogState",
    "Dialogs",
    "Effect",
    "ISending",
    "IUsage",
    "IUsages",
    "Rejection",
    "State",
    "effectOf",
]
