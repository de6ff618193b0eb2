"""
What a dialog consists of while it changes: L{Live}.

Each message changes something of a dialog, and few look at the whole: the value
that shows it, L{DialogState}, is made for those who do.
"""

from __future__ import annotations

from collections.abc import Hashable

from sipws.dialog.machine import State
from sipws.dialog.values import DialogID, DialogState
from sipws.message import URI, NameAddr

__all__ = ["Beginning", "Live"]

#: The Request-URI, and the headers from Route to Call-ID.
Beginning = tuple[URI | str, list[tuple[str, str]]]


class Live:
    """
    A dialog's state, with the attributes of L{DialogState}.

    @ivar localAddress: As text: From of requests that we send.
    @ivar remoteAddress: As text: To of them.
    @ivar beginning: What they begin with; C{None}: it is to be made anew.
    """

    __slots__ = (
        "_remoteTarget",
        "_routeSet",
        "beginning",
        "contact",
        "id",
        "isUAC",
        "localAddress",
        "localCSeq",
        "madeBy",
        "remoteAddress",
        "remoteCSeq",
        "secure",
        "state",
        "usages",
    )

    def __init__(
        self,
        dialogID: DialogID,
        localAddress: str,
        remoteAddress: str,
        contact: str,
        madeBy: tuple[int, str],
        isUAC: bool,
    ) -> None:
        self.id = dialogID
        self.localAddress = localAddress
        self.remoteAddress = remoteAddress
        self.contact = contact
        self.madeBy = madeBy
        self.isUAC = isUAC
        self.state: str = State.INITIAL
        self.beginning: Beginning | None = None
        self._remoteTarget: URI | str | None = None
        self._routeSet: tuple[str, ...] = ()
        self.localCSeq: int | None = None
        self.remoteCSeq: int | None = None
        self.secure = False
        self.usages: tuple[Hashable, ...] = ()

    @property
    def isLed(self) -> bool:
        """Whether it is known where requests go."""
        return self._remoteTarget is not None

    @property
    def target(self) -> URI | str:
        """Where requests go, parsed or not; once that is known."""
        assert self._remoteTarget is not None
        return self._remoteTarget

    @property
    def remoteTarget(self) -> URI | None:
        """Where requests go; C{None} until the peer says it."""
        target = self._remoteTarget
        if isinstance(target, str):
            # Most dialogs come to their end without anybody having looked at it.
            target = self._remoteTarget = URI.parse(target)
        return target

    @property
    def routeSet(self) -> tuple[str, ...]:
        """What they go through: entries of Route, in order."""
        return self._routeSet

    def lead(self, target: URI | str | None, routes: tuple[str, ...] | None = None) -> None:
        """
        Have requests go another way from now on.

        @param target: Where they go: a URI, or the text of a good one; C{None}: where they went before.
        @param routes: The route set; C{None}: that there was.
        """
        if routes is not None and routes != self._routeSet:
            self._routeSet, self.beginning = routes, None
        if target is not None and target != self._remoteTarget:
            self._remoteTarget, self.beginning = target, None

    @classmethod
    def of(cls, value: DialogState) -> Live:
        """Make one of a value."""
        live = cls(
            value.id,
            str(value.localAddress),
            str(value.remoteAddress),
            value.contact,
            value.madeBy,
            value.isUAC,
        )
        live.state = value.state
        live.lead(value.remoteTarget, value.routeSet)
        live.localCSeq = value.localCSeq
        live.remoteCSeq = value.remoteCSeq
        live.secure = value.secure
        live.usages = value.usages
        return live

    def value(self) -> DialogState:
        """Give it as it is now."""
        return DialogState(
            self.id,
            NameAddr.parse(self.localAddress),
            NameAddr.parse(self.remoteAddress),
            self.contact,
            self.madeBy,
            self.isUAC,
            self.state,
            self.remoteTarget,
            self.routeSet,
            self.localCSeq,
            self.remoteCSeq,
            self.secure,
            self.usages,
        )
