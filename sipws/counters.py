"""
L{Counters}: what has happened, counted, for operators.
"""

from __future__ import annotations

from typing import Any

import attrs

__all__ = ["Counters"]


def _count(meaning: str) -> Any:
    return attrs.field(default=0, metadata={"meaning": meaning})


@attrs.define(eq=False)
class Counters:
    """
    What has happened to one user agent since it was made: whole numbers that
    only grow.
    """

    attempts: int = _count("attempts to connect")
    connections: int = _count("WebSockets that came to be open")
    refusals: int = _count("attempts that came to nothing")
    losses: int = _count("open WebSockets that were lost, not closed by us")
    silences: int = _count("of these, those whose server gave no sign of life in time")
    exhaustions: int = _count("servers given up")
    returns: int = _count("moves back to a heavier server")
    lookups: int = _count("lookups of the servers of a domain")
    failedLookups: int = _count("of these, those that found none")
    redirects: int = _count("redirects of the HTTP upgrade that were followed")
    challenges: int = _count("HTTP challenges that were answered")
    pings: int = _count("signs of life that were asked for")
    missedPongs: int = _count("of these, those that got none in time")
    messagesSent: int = _count("SIP messages sent")
    messagesReceived: int = _count("SIP messages received")
    messagesDropped: int = _count("of these, those that were dropped: not SIP, not sane, or for nobody")
    congestions: int = _count("messages not sent as too much waited for a peer that does not read")
    pauses: int = _count("times that reading was paused, for too many unanswered requests")
    requests: int = _count("requests of ours, each counted once however often it is challenged")
    responses: int = _count("of these, those that got a final response")
    timeouts: int = _count("of these, those that got none in time")
    cancellations: int = _count("of these, those that were cancelled")
    unsentFailures: int = _count("of these, those that failed before they had left")
    sentFailures: int = _count("of these, those that failed when they had left")
    otherFailures: int = _count("of these, those that failed in any other way")
    requestsReceived: int = _count("requests of others that reached their handler")
    requestsAbandoned: int = _count("of these, those whose connection was lost or stuck before their answer")
    registrations: int = _count("successful REGISTERs")
    failedRegistrations: int = _count("REGISTERs that came to nothing")

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """Say what each counts, in the order in which they are shown."""
        return {field.name: field.metadata["meaning"] for field in attrs.fields(cls)}

    def asDict(self) -> dict[str, int]:
        """Give them all, by name."""
        return {field.name: getattr(self, field.name) for field in attrs.fields(type(self))}
