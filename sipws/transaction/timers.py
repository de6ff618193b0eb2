"""
The timers of RFC 3261 section 17 (its table 4) and RFC 6026, for reliable transports.

A WebSocket is a reliable transport (RFC 7118 section 5), so timers A, E and G,
which drive retransmissions, do not exist, and D, I, J and K are of zero
seconds: a transaction whose timer is zero does not wait in the state that the
timer would end.
"""

from __future__ import annotations

import attrs

from sipws.transaction.machines import Timer

__all__ = ["DEFAULT_TIMERS", "Timers"]


def _positive(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"{attribute.name} must be more than 0 seconds, and is {value!r}")


def _notNegative(instance: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{attribute.name} must be 0 seconds or more, and is {value!r}")


@attrs.frozen(cache_hash=True)
class Timers:
    """
    How long each timer runs, in seconds.

    @ivar T1: The estimate of the round-trip time, from which most others follow.
    @ivar T2: The longest interval between retransmissions on unreliable transports.
    @ivar T4: The longest time that a message stays in the network.
    @ivar D: How long an INVITE client transaction absorbs repeated final responses.
    @ivar I: How long an INVITE server transaction absorbs repeated ACKs.
    @ivar J: How long another server transaction repeats its final response.
    @ivar K: How long another client transaction absorbs repeated final responses.
    @ivar trying: How long an INVITE may be without any response before a 100
        is sent (section 17.2.1).
    @ivar B: How long an INVITE waits for its first response.
    @ivar F: How long any other request waits for its final response.
    @ivar H: How long a final response other than 2xx to an INVITE waits for its ACK.
    @ivar L: How long an accepted INVITE is remembered by its server (RFC 6026).
    @ivar M: The same by its client.
    @ivar cancelled: How long an INVITE waits for its final response after the
        CANCEL (section 9.1).
    @ivar nonInviteTrying: How long any other request may be without a response
        before a 100 is sent (RFC 4320 section 4.1).
    @ivar expired: How long it then waits for its final response (section 4.2).
    """

    T1: float = attrs.field(default=0.5, validator=_positive)
    T2: float = attrs.field(default=4.0, validator=_positive)
    T4: float = attrs.field(default=5.0, validator=_positive)
    D: float = attrs.field(default=0.0, validator=_notNegative, kw_only=True)
    I: float = attrs.field(default=0.0, validator=_notNegative, kw_only=True)  # noqa: E741 - the RFC's name
    J: float = attrs.field(default=0.0, validator=_notNegative, kw_only=True)
    K: float = attrs.field(default=0.0, validator=_notNegative, kw_only=True)
    trying: float = attrs.field(default=0.2, validator=_positive, kw_only=True)
    B: float = attrs.field(init=False)
    F: float = attrs.field(init=False)
    H: float = attrs.field(init=False)
    L: float = attrs.field(init=False)
    M: float = attrs.field(init=False)
    cancelled: float = attrs.field(init=False)
    expired: float = attrs.field(init=False)
    nonInviteTrying: float = attrs.field(init=False)

    def seconds(self, timer: str) -> float:
        """
        Say how long a timer of the tables runs.

        @param timer: One of L{Timer}.
        @return: In seconds.
        """
        seconds: float = getattr(self, _ATTRIBUTES[timer])
        return seconds

    @B.default
    @F.default
    @H.default
    @L.default
    @M.default
    @cancelled.default
    @expired.default
    def _64T1(self) -> float:
        return 64 * self.T1

    @nonInviteTrying.default
    def _timerEReachesT2(self) -> float:
        # RFC 4320 section 4.1: "an SIP element MUST respond to a non-INVITE request with
        # a Status-Code of 100 if it has not otherwise responded after the amount of time
        # it takes a client transaction's Timer E to be reset to T2."
        elapsed, interval = 0.0, self.T1
        # Above 0: what is not is refused only after this.
        while 0 < interval < self.T2:
            elapsed += interval
            interval = min(2 * interval, self.T2)
        return elapsed


_ATTRIBUTES = {
    Timer.B: "B",
    Timer.D: "D",
    Timer.F: "F",
    Timer.H: "H",
    Timer.I: "I",
    Timer.J: "J",
    Timer.K: "K",
    Timer.L: "L",
    Timer.M: "M",
    Timer.TRYING: "trying",
    Timer.NON_INVITE_TRYING: "nonInviteTrying",
    Timer.CANCELLED: "cancelled",
    Timer.EXPIRED: "expired",
}

#: Those of RFC 3261.
DEFAULT_TIMERS = Timers()
