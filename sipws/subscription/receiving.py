"""
SUBSCRIBEs that come outside of dialogs: L{receiveSubscribe}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sipws.subscription.notifier import Notifier
from sipws.subscription.values import eventOf, expiresOf, makesDialog

if TYPE_CHECKING:
    from sipws.dialog import IUsages
    from sipws.message import IncomingRequest

__all__ = ["receiveSubscribe"]

#: Below it, a notifier may ask for longer (RFC 6665 section 4.2.1.1), in seconds.
_ONE_HOUR = 3600


def receiveSubscribe(usages: IUsages, request: IncomingRequest) -> object:
    """
    Take a SUBSCRIBE that begins a subscription (RFC 6665 section 4.2.1.1).

    @return: What a handler may return.
    """
    options = usages.configuration
    event = eventOf(request)
    known = options.allowEvents
    # "The notifier SHOULD check that the event package specified in the "Event" header field is
    # understood.  If not, the notifier SHOULD return a 489 (Bad Event) response".
    if event is None or (known and event.package not in known):
        usages.respond(request, 489, headers=[("Allow-Events", ", ".join(known))] if known else ())
        return None
    expires = expiresOf(request, options)
    # Whoever would accept it is not to hear of that.
    if expires is None or not makesDialog(request):
        return 400
    # "If and only if the expiration interval is greater than zero AND smaller than one hour AND less
    # than a notifier-configured minimum, the notifier MAY return a 423 (Interval Too Brief) error".
    least = min(options.subscriptionMinExpires, _ONE_HOUR)
    if 0 < expires < least:
        usages.respond(request, 423, headers=[("Min-Expires", least)])
        return None
    return Notifier(usages, event, request, expires).receiveNew()
