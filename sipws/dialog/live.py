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

__all__ = ["Live"]


class Live:
    """
    A dialog's state, with the attributes of L{DialogState}.

    @ivar localAddress: As text: From of requests that we send.
    @ivar remoteAddress: As text: To of them.
    """

    __slots__ = (
        "contact",
        "id",
        "isUAC",
        "localAddress",
        "localCSeq",
        "madeBy",
        "remoteAddress",
        "remoteCSeq",
        "remoteTarget",
        "routeSet",
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
        self.remoteTarget: URI | None = None
        self.routeSet: tuple[str, ...] = ()
        self.localCSeq: int | None = None
        self.remoteCSeq: int | None = None
        self.secure = False
        self.usages: tuple[Hashable, ...] = ()

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
        live.remoteTarget = value.remoteTarget
        live.routeSet = value.routeSet
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
