"""
Subscriptions to event state (RFC 6665), from both sides.
"""

from __future__ import annotations

from sipws.subscription.machine import NOTIFIER, SUBSCRIBER, State
from sipws.subscription.notifier import Notifier
from sipws.subscription.subscription import Subscription
from sipws.subscription.values import REASONS, Notification, Retry, Termination

__all__ = [
    "NOTIFIER",
    "REASONS",
    "SUBSCRIBER",
    "Notification",
    "Notifier",
    "Retry",
    "State",
    "Subscription",
    "Termination",
]
