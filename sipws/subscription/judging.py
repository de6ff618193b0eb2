"""
What the end of a subscription, or a failure, means: pure functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from sipws.dialog import Effect, effectOf
from sipws.refreshing import MAX_REFRESH, isRefusal, retryAfter, retryDelay
from sipws.subscription.machine import Event
from sipws.subscription.values import REASONS, Notification, Retry

if TYPE_CHECKING:
    from sipws.config import Configuration
    from sipws.message import IncomingResponse
    from sipws.refreshing import IRandomness

__all__ = [
    "Occasion",
    "eventOfNotification",
    "eventOfRefresh",
    "ofNotification",
    "ofResponse",
    "resubscribeIn",
]


@attrs.frozen
class Occasion:
    """
    What an event of a subscription came with.

    @ivar reason: As of L{sipws.subscription.Termination}.
    @ivar text: The same for people.
    @ivar retry: Whether, and when, it is to be subscribed again.
    @ivar after: Not before so many seconds; C{None}: it does not say.
    @ivar notification: The NOTIFY that it came with.
    @ivar response: The response that it came with.
    @ivar error: Why there was none; C{None}: there was one.
    """

    reason: str = ""
    text: str = ""
    retry: Retry = Retry.LATER
    after: int | None = None
    notification: Notification | None = None
    response: IncomingResponse | None = None
    error: BaseException | None = None


def ofNotification(notification: Notification) -> Occasion:
    """Say what a NOTIFY means for the next subscription, where it ends this one."""
    reason = notification.reason
    retry = REASONS.get(reason, REASONS[None])
    return Occasion(
        reason or "unknown",
        f"the notifier has ended the subscription: {reason or 'it does not say why'}",
        retry,
        # "The "retry-after" parameter has no semantics for" the others.
        notification.retryAfter if retry is Retry.LATER else None,
        notification,
    )


def eventOfNotification(notification: Notification) -> str:
    """Say what a NOTIFY is to the state machine."""
    # An extension's state is neither of the others: the subscription is there, and no more is known.
    if notification.state == "terminated":
        return Event.NOTIFY_TERMINATED
    return Event.NOTIFY_PENDING if notification.state == "pending" else Event.NOTIFY_ACTIVE


def ofResponse(response: IncomingResponse) -> Occasion:
    """Say what a response to a SUBSCRIBE means for the next one, where it is a failure."""
    status, after = response.statusCode, retryAfter(response)
    # The notifier knows nothing of the subscription any more: it is told anew.
    isOver = (isRefusal(status) or status >= 600 or status == 423) and status != 481
    never = isOver and after is None
    return Occasion(
        "refused",
        f"SUBSCRIBE was answered with {status} {response.reasonPhrase}",
        Retry.NEVER if never else Retry.LATER,
        after,
        response=response,
    )


def eventOfRefresh(response: IncomingResponse) -> str:
    """Say what a failure of a refresh is to the state machine (section 4.1.2.2)."""
    isOver = effectOf(response.statusCode, "SUBSCRIBE") is not Effect.TRANSACTION
    return Event.GONE if isOver else Event.REFRESH_FAILURE


def resubscribeIn(
    occasion: Occasion, failures: int, options: Configuration, random: IRandomness
) -> float | None:
    """
    Say when to subscribe again.

    @param failures: How often in a row a subscription has come to nothing, or to its end at once, before.
    @param options: The bounds of the delay are those of registrations.
    @return: Seconds from now; C{None}: not at all.
    """
    if occasion.retry is Retry.NEVER:
        return None
    if occasion.retry is Retry.NOW and not failures:
        return 0
    delay = retryDelay(failures, options.registerRetryMinInterval, options.registerRetryMaxInterval, random)
    return max(delay, min(occasion.after or 0, MAX_REFRESH))
